"""Kernels of infinitely wide networks, their Gram matrices, and what is computed from them.

- `closed_form`: NNGP and NTK recursions of fully connected networks; `activations`: the Gaussian expectations in them.
- `gram`: blocked, symmetric Gram matrices over all devices, with progress.
- `ridge`: kernel ridge regression, one decomposition for all ridges (`shifted`: the linear algebra of its fast path);
  `random_features`: its finite-width counterpart.
- `eigenframework`: what both are expected to achieve, from the spectrum of the kernel and the target.
- `gp`: Gaussian-process posteriors and the limit of ensembles of infinitely wide trained networks.
- `nt`: the one gateway to the library neural-tangents.

Importing any of them switches JAX to 64-bit numbers.
"""

import reprise._x64  # noqa: F401
