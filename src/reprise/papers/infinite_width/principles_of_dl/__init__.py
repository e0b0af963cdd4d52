r"""Roberts, Yaida and Hanin 2021: deep networks at large but finite width, an expansion in depth over width.

- `activations`, `recursions`, `information`: theory, float64 and without a network.
- `ensembles`: random networks in NumPy, by their weight matrices or by the exact scale mixture that they are.
- `finite`: networks in JAX with many layers, their tangent kernel and their training.
- `fluctuations` (C1), `criticality` (C2), `classes` (C3), `tangent` (C4), `algorithms` (C5), `aspect` (C6): experiments, and
  from their samples the estimates that the card judges.
- `figures`, `training_figures`: the figures, each with the data that it draws.

Theory and experiment share no code: even the activations are written twice.
"""
