r"""Networks of two hidden layers, one of which is dense, disentangled, or dense behind a random bottleneck.

All three are $\text{post}(A\,z(x) + a)$ with features z that have nothing to train:

- dense: z = x, post the rectifier;
- disentangled: $z=\Phi(x)$, rectified random features, $A=\Psi$ and nothing after it;
- bottleneck: z = Px with P random, m × d, post the rectifier: the linear rival of the same size.

The layer that is replaced is the first, whose inputs are the images, or the second, whose inputs are trained themselves.
So one trainer serves all of them.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from reprise.kernels.projections import orthogonal_projection, rectified
from reprise.papers.kernels_and_features.snnk.images import CLASSES

Kind = Literal["dense", "disentangled", "bottleneck"]


class Variant(NamedTuple):
    """A network: which layer is replaced by what, and what is trained.

    Attributes:
        kind: of the layer.
        m: number of features; the input dimension for a dense layer.
        trained: "all", "rest" (all but the replaced layer) or "head" (the last layer alone).
        place: 1 or 2, the layer that is replaced.
    """

    kind: Kind
    m: int
    trained: Literal["all", "rest", "head"] = "all"
    place: int = 1


def projection(kind: Kind, m: int, d: int, *, seed: int) -> Float[np.ndarray, "m d"]:
    """Frozen directions; the identity for a dense layer."""
    if kind == "dense":
        return np.eye(d, dtype=np.float32)
    # Whole blocks, cut outside of JAX: one compiled program for all numbers of features up to d.
    whole = orthogonal_projection(d, -(-m // d) * d, key=jax.random.key(seed), dtype=jnp.float32)
    return np.asarray(whole)[:m]


def frozen_features(
    variant: Variant, parts: list[Float[np.ndarray, "n d"]], *, seed: int, pad: int = 0
) -> list[Float[np.ndarray, "n k"]]:
    """What the first layer reads of training, validation and test images.

    Scaled to mean square 1 on the first part, and padded with zeros to `pad` columns.
    """
    kind: Kind = variant.kind if variant.place == 1 else "dense"
    if kind == "dense":
        z = [np.asarray(x) for x in parts]
    else:
        g = projection(kind, variant.m, parts[0].shape[1], seed=seed)
        z = [np.maximum(x @ g.T, 0.0) if kind == "disentangled" else x @ g.T for x in parts]
    scale = np.sqrt(np.mean(np.square(z[0], dtype=np.float64))).astype(np.float32)
    return [np.pad(v / scale, ((0, 0), (0, max(0, pad - v.shape[1])))) for v in z]


def start(
    variant: Variant, d: int, hidden: int, rng: np.random.Generator, *, seed: int, pad: int = 0
) -> tuple[PyTree, PyTree, PyTree]:
    """Parameters at the start, the factors of their updates, and the frozen parts; weights are scaled by their fan in."""
    kinds: list[Kind] = [variant.kind if variant.place == p else "dense" for p in (1, 2)]
    m, k = variant.m if variant.place == 1 else d, variant.m if variant.place == 2 else hidden
    linear = [float(kind == "disentangled") for kind in kinds]
    widths, used = (max(m, pad), hidden), (m, k)
    matrices, columns = [], []
    for width, size, flat in zip(widths, used, linear, strict=True):
        within = np.arange(width) < size
        matrices.append(rng.standard_normal((hidden, width)) * np.sqrt((2.0 - flat) / size) * within)
        columns.append(np.broadcast_to(within, (hidden, width)))
    parameters = {
        "first": matrices[0],
        "offset": np.zeros(hidden),
        "second": matrices[1],
        "shift": np.zeros(hidden),
        "head": rng.standard_normal((CLASSES, hidden)) * np.sqrt(1.0 / hidden),
        "bias": np.zeros(CLASSES),
    }
    rest, own = float(variant.trained != "head"), float(variant.trained == "all")
    share = [own if variant.place == p else rest for p in (1, 2)]
    free = {
        "first": columns[0] * share[0],
        "offset": np.full(hidden, share[0] * (1 - linear[0])),
        "second": columns[1] * share[1],
        "shift": np.full(hidden, share[1] * (1 - linear[1])),
        "head": np.ones((CLASSES, hidden)),
        "bias": np.ones(CLASSES),
    }
    inner = np.zeros((hidden, hidden))
    # Directions of length about 1 keep the scale of hidden units; a rectifier halves the mean square.
    scale = 1.0 if kinds[1] == "dense" else np.sqrt((1.0 + linear[1]) / hidden)
    inner[:k] = scale * projection(kinds[1], k, hidden, seed=seed)
    frozen = {"inner": inner, "linear": np.asarray(linear)}
    return _single(parameters), _single(free), _single(frozen)


def _single(tree: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: np.asarray(v, dtype=np.float32) for k, v in tree.items()}


def forward(p: PyTree, frozen: PyTree, z: Float[Array, "n k"]) -> Float[Array, "n 10"]:
    """Outputs from what the first layer reads; `linear` says which layers are disentangled."""
    flat = frozen["linear"]
    first = z @ p["first"].T + p["offset"]
    first = jnp.where(flat[0] > 0, first, jax.nn.relu(first))
    read = first @ frozen["inner"].T
    read = jnp.where(flat[1] > 0, jax.nn.relu(read), read)
    second = read @ p["second"].T + p["shift"]
    second = jnp.where(flat[1] > 0, second, jax.nn.relu(second))
    return second @ p["head"].T + p["bias"]


def disentangled_layer(psi: Float[Array, "l m"], g: Float[Array, "m d"], x: Float[Array, "n d"]) -> Float[Array, "n l"]:
    r"""The layer as it runs, $\Phi(x)\Psi^\top$."""
    return rectified(x, g) @ psi.T


def dense_layer(w: Float[Array, "l d"], b: Float[Array, " l"], x: Float[Array, "n d"]) -> Float[Array, "n l"]:
    """What it replaces."""
    return jax.nn.relu(x @ w.T + b)
