r"""Jacot, Gabriel and Hongler 2018: the neural tangent kernel of wide networks.

- `theory`: the limits, in float64 and without a network.
- `finite`: finite networks, drawn, looked at and trained.
- `initialisation` (C1), `training` (C2, C3), `components` and `spectra` (C4, C4b), `stopping` (C4), `positivity` (C5):
  experiments, and from their samples the estimates that the card judges.
- `figures`: the seven figures, each with the data that it draws.

Theory and experiment share no code: limits come from closed forms and linear algebra, measurements from gradients of
finite networks.
"""
