r"""Borup and Andersen 2021: kernel ridge regression fitted again and again to its own predictions, and to the data.

- `closed_form`: every step from one eigendecomposition, the limit, its rate and bounds, the optimal weight. No refit.
- `refits`: explicit repeated fitting, by scikit-learn or by a Cholesky factor. No eigendecomposition.
- `problems`: the data sets and kernels of the kernel experiments, the paper's toy data among them.
- `kernel_steps` (C1, C2, C3): closed form against refits, convergence, degrees of freedom.
- `weights` (C4): the optimal weight against a grid of students.
- `generalisation` (C6): when distillation helps.
- `classifiers`, `network_steps` (C5): trained networks, grid search and the estimate from two of them.
- `figures`, `network_figures`: the figures with the data that they draw.

Weights are given for steps 1, 2, ...; the first step is the plain fit whatever its weight, as its teacher is the data.
"""
