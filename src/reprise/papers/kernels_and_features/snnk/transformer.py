"""A small patch transformer with an adapter after each block: the trunk is trained first, then frozen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

KINDS = (jax.nn.relu, jnp.cos, lambda z: z)
"""What an adapter does with its projections, by `frozen["kind"]`: rectified (dense adapters too), cosine, linear."""


class Shape(NamedTuple):
    """Sizes of the transformer: tokens, inputs of a token, width, blocks, classes, heads."""

    tokens: int
    inputs: int
    width: int
    depth: int
    classes: int
    heads: int = 2


def patches(x: Float[np.ndarray, "n pixels"], patch: int) -> Float[np.ndarray, "n tokens inputs"]:
    """Square images, given as rows, cut into square patches; a frame of zeros is added where they do not fit.

    >>> patches(np.arange(16.0).reshape(1, 16), 2)[0, 1].tolist()
    [2.0, 3.0, 6.0, 7.0]
    """
    side = round(x.shape[1] ** 0.5)
    count = -(-side // patch)
    images = np.pad(x.reshape(-1, side, side), ((0, 0), (0, count * patch - side), (0, count * patch - side)))
    cut = images.reshape(-1, count, patch, count, patch).swapaxes(2, 3)
    return cut.reshape(len(x), count**2, patch**2)


def start_trunk(shape: Shape, rng: np.random.Generator) -> PyTree:
    """Weights of the trunk and its head, blocks stacked; all matrices scaled by their fan in, outputs of blocks small."""
    d, layers = shape.width, shape.depth

    def draw(*size: int, scale: float = 1.0) -> Float[np.ndarray, "..."]:
        return np.asarray(rng.standard_normal(size) * scale * size[-2] ** -0.5, dtype=np.float32)

    small = (2 * layers) ** -0.5
    return {
        "embed": draw(shape.inputs, d),
        "place": np.asarray(rng.standard_normal((shape.tokens, d)), dtype=np.float32),
        "blocks": {
            "qkv": draw(layers, d, 3 * d),
            "out": draw(layers, d, d, scale=small),
            "up": draw(layers, d, 2 * d),
            "down": draw(layers, 2 * d, d, scale=small),
        },
        **start_head(shape, rng),
    }


def start_head(shape: Shape, rng: np.random.Generator) -> PyTree:
    """A linear readout of the mean token."""
    head = rng.standard_normal((shape.width, shape.classes)) * 0.02
    return {"head": np.asarray(head, np.float32), "bias": np.zeros(shape.classes, np.float32)}


def normalise(x: Float[Array, "... d"]) -> Float[Array, "... d"]:
    """Each token to mean 0 and variance 1."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def attention(block: PyTree, x: Float[Array, "n t d"], heads: int) -> Float[Array, "n t d"]:
    """Self-attention with several heads."""
    n, t, d = x.shape
    q, k, v = jnp.moveaxis((x @ block["qkv"]).reshape(n, t, 3, heads, d // heads), 2, 0)
    weights = jax.nn.softmax(jnp.einsum("nihd,njhd->nhij", q, k) * (d // heads) ** -0.5, axis=-1)
    return jnp.einsum("nhij,njhd->nihd", weights, v).reshape(n, t, d) @ block["out"]


def adapt(adapter: PyTree, frozen: PyTree, x: Float[Array, "n t d"]) -> Float[Array, "n t d"]:
    r"""$x + v\odot\big(A\,\phi(Bx+c)\big)+e$ on normalised tokens.

    A dense adapter trains A, B, c, e and keeps v = 1. One of random features trains A = Ψ and v and keeps the rest, with φ
    rectified, a cosine (c holds the phases of cosine and sine), or linear (the bottleneck), by `frozen["kind"]`.
    """
    phi = jax.lax.switch(frozen["kind"], KINDS, normalise(x) @ adapter["B"] + adapter["c"])
    return x + adapter["v"] * ((phi * frozen["scale"]) @ adapter["A"]) + adapter["e"]


def run(trunk: PyTree, adapters: PyTree, frozen: PyTree, x: Float[Array, "n t p"], heads: int) -> Float[Array, "n c"]:
    """Outputs of the transformer with adapters (stacked over blocks) after its blocks."""

    def block(h: Array, parts: tuple[PyTree, PyTree]) -> tuple[Array, None]:
        weights, adapter = parts
        h = h + attention(weights, normalise(h), heads)
        h = h + jax.nn.gelu(normalise(h) @ weights["up"]) @ weights["down"]
        return adapt(adapter, frozen, h), None

    h = x @ trunk["embed"] + trunk["place"]
    h, _ = jax.lax.scan(block, h, (trunk["blocks"], adapters), unroll=True)  # a third faster than a loop
    return normalise(h).mean(axis=1) @ trunk["head"] + trunk["bias"]


def no_adapters(shape: Shape, width: int) -> tuple[Any, Any]:
    """Adapters that do nothing, and their frozen part."""
    d, layers = shape.width, shape.depth
    zeros = {"A": (width, d), "B": (d, width), "c": (width,), "v": (d,), "e": (d,)}
    adapters = {k: np.zeros((layers, *size), np.float32) for k, size in zeros.items()}
    return adapters, {"kind": np.int32(0), "scale": np.zeros(width, np.float32)}
