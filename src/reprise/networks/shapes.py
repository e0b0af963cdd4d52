"""Shapes that callers give: JAX or NumPy arrays, of any number type."""

import numpy as np
from jaxtyping import Array, Shaped

Points = Shaped[Array | np.ndarray, "n ..."]
"""Inputs, one a row (and, where a function says so, with a leading axis of seeds)."""

Others = Shaped[Array | np.ndarray, "m ..."]
"""A second set of inputs."""

Targets = Shaped[Array | np.ndarray, "*targets"]
"""Targets: (n,), (n, outputs) or (seeds, n, outputs)."""
