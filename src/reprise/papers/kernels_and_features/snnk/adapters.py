r"""Adapters of one form and what of them is trained: dense, of rectified or cosine features, linear, or none.

Counts for width d and L blocks: a dense adapter of bottleneck r has $L(2dr+r+d)$, one of m features (a matrix Ψ of d × m and
a vector of d) has $L(dm+d)$ trained parameters. For d = 768 and L = 12: 894 528 at r = 48, 156 672 at m = 16.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reprise.kernels.projections import orthogonal_projection
from reprise.papers.kernels_and_features.snnk import training
from reprise.papers.kernels_and_features.snnk.transformer import Shape, no_adapters

Kind = Literal["dense", "rectified", "cosine", "linear", "none"]


class Adapter(NamedTuple):
    """A kind of adapter with r units or m features."""

    kind: Kind
    size: int


def directions(kind: Kind, size: int, d: int, *, seed: int) -> np.ndarray:
    """Frozen rows of `size` features; half as many for the cosine, each used for a cosine and a sine."""
    rows = -(-size // 2) if kind == "cosine" else size
    # Whole blocks, cut outside of JAX: one compiled program for all sizes up to d.
    g = np.asarray(orthogonal_projection(d, -(-rows // d) * d, key=jax.random.key(seed), dtype=jnp.float32))[:rows]
    return np.repeat(g, 2, axis=0)[:size] if kind == "cosine" else g


def start(adapter: Adapter, shape: Shape, width: int, *, seed: int) -> tuple[Any, Any, Any]:
    """Adapters at the start (they do nothing), factors of their updates, and their frozen part.

    Args:
        adapter: kind and size.
        shape: of the transformer.
        width: columns of all arrays, at least the size; the rest stays zero, so that one program serves all adapters.
        seed: of the frozen directions and of the start.

    Raises:
        ValueError: the size is not between 1 and the width.
    """
    if not 1 <= adapter.size <= width:
        raise ValueError(f"size: between 1 and {width}, not {adapter.size}")
    values, frozen = no_adapters(shape, width)
    free = _free(adapter, values)
    if adapter.kind == "none":
        return values, free, frozen
    rng = np.random.default_rng([seed, 51])
    d, size = shape.width, adapter.size
    frozen["kind"] = np.int32({"cosine": 1, "linear": 2}.get(adapter.kind, 0))
    frozen["scale"][:size] = 1.0
    for layer in range(shape.depth):
        g = directions(adapter.kind, size, d, seed=100 * seed + layer)
        values["B"][layer, :, :size] = g.T * d**-0.5
    if adapter.kind == "dense":
        values["v"][:] = 1.0
        return values, free, frozen
    if adapter.kind == "cosine":
        values["c"][:, 1:size:2] = -0.5 * np.pi  # the cosine of z - pi/2 is the sine
    values["A"][:, :size] = rng.standard_normal((shape.depth, size, d)) * size**-0.5
    return values, free, frozen


def trained(adapter: Adapter, shape: Shape, *, stored: bool = False) -> int:
    """Number of trained parameters, counted on the arrays; with `stored`, frozen directions are counted too.

    >>> base = Shape(1, 1, 768, 12, 2)
    >>> trained(Adapter("dense", 48), base), trained(Adapter("rectified", 16), base)
    (894528, 156672)
    """
    values, _ = no_adapters(shape, adapter.size)
    extra = values["B"].size if stored and adapter.kind not in ("dense", "none") else 0
    return training.count(values, _free(adapter, values)) + extra


def _free(adapter: Adapter, values: Any) -> Any:
    """Factors of the updates: a dense adapter trains all but v, one of features Ψ and v, and no adapter nothing."""
    names = {"dense": ("A", "B", "c", "e"), "none": ()}.get(adapter.kind, ("A", "v"))
    free = {k: np.full_like(v, float(k in names)) for k, v in values.items()}
    free["A"][:, adapter.size :] = 0.0
    for name in ("B", "c"):
        free[name][..., adapter.size :] = 0.0
    return free
