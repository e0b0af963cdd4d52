r"""Derakhshani, Zhen, Shao and Snoek 2021: continual learning with kernels on samples that a generator rehearses.

- `streams`: tasks: sets split by classes, permuted and rotated images.
- `heads`: kernel ridge classifiers in closed form, kernels, divergence of Gaussians, contrastive loss.
- `learners`: what all learners share: sizes, random numbers, optimiser, mapping over runs.
- `generative`: the method: a conditional autoencoder with a prior for every class of every task.
- `stored`: its predecessor, with stored samples and three kernels. `networks`: fine-tuning, replay, joint training.
- `protocol`, `study`: choosing on two tasks, learning all in turn, accuracy and forgetting.
- `evidence` (C1, C2, C3, C5), `costs` (C4): from runs to estimates, each with its control.
- `tables`, `figures`: what the notebook shows.

The generator's architecture is reconstructed from the abstract and the predecessor's published code; the paper's equations and
tables were not at hand.
"""
