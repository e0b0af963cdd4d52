r"""Radhakrishnan, Belkin and Uhler 2022: which classifiers infinitely wide and infinitely deep networks are.

- `activations`: activations by their Hermite coefficients, and what depth makes of them.
- `depth`: both kernels at any depth, 50,000 layers included, without overflow, underflow or cancellation.
- `koenigs`: the limit of singular kernels by Schröder's equation in high precision, an independent route.
- `tasks`: the Dirichlet classification problems, their Bayes rule, and the errors that local votes tend to.
- `classifiers`: interpolation with a deep kernel, and the simple rules that it is compared with.
- `taxonomy` (C1), `poles` (C2), `consistency` (C3), `finite` (C4), `regression` (C5): experiments, and from their samples
  the estimates that the card judges.
- `figures`, `network_figures`: the figures, each with the data that it draws.
"""
