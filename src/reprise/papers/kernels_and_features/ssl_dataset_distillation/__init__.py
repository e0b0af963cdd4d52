r"""Lee et al. 2024: an unlabelled data set distilled into a few images with target vectors, by kernel ridge regression.

- `scalar_example`, `gradient_bias`, `bias_study` (C1): the bias of outer gradients through random inner problems.
- `ridge_head` (C2): the closed form of a linear head, and the same by gradient descent.
- `convnets`, `augmentation`, `image_tasks`: networks, random views, source and targets.
- `teacher`: Barlow Twins without labels. `distillation`: KRR-ST with its pool of networks. `baselines`: other small sets.
- `small_sets`: all of these for every seed. `pretraining`: pre-training, fine-tuning, linear evaluation.
- `imitation_study` (C2, C3), `transfer_study` (C4), `architecture_study` (C5), `data_free_study` (C6): evidence.
- `bias_figures`, `image_figures`, `transfer_figures`: the figures with the data that they draw.
"""
