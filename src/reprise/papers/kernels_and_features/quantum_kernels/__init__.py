r"""Havlíček, Córcoles, Temme, Harrow, Kandala, Chow, Gambetta 2019: quantum states as feature vectors.

Simulators, two routes to each number:

- `feature_map`: states and overlaps, vectorised; Bloch vectors and Pauli coefficients as second routes.
- `circuit`: the trained circuit as whole matrices, and gate by gate.
- `noise`: density matrices of a device whose gates err, and extrapolation to no noise.
- `shots`: binomial estimates of overlaps.
- `peer`: all of it in PennyLane.

Classifiers: `labels` (the artificial data), `machines` (support vector machines and baselines), `training` (SPSA, Adam).

Studies: `kernel_study` (C1), `depth_study` (C2), `space_study` (C3), `shot_study` (C4), `growth_study` (C5),
`mitigation_study` (C6). `figures` and `device_figures` draw.
"""
