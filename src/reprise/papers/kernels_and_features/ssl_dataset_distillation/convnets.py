r"""Networks on small grey images: the ConvNet of the paper, and three other kinds that distillation never sees (C5).

A network is a body, which maps images to features, and a linear head. Parameters and the running statistics of batch
normalisation are plain pytrees.

| kind | body |
|---|---|
| `conv` | blocks of 3 x 3 convolution, batch normalisation, ReLU, 2 x 2 average pooling (the paper's ConvNet) |
| `vgg` | two convolutions a block, maximum instead of average pooling |
| `resnet` | a convolution, then per block a residual pair of convolutions, a strided change of channels; global pooling |
| `mlp` | fully connected layers with batch normalisation and ReLU |
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import reprise._x64  # noqa: F401

Kind = Literal["conv", "vgg", "resnet", "mlp"]
KINDS = ("conv", "vgg", "resnet", "mlp")
MOMENTUM, SMALL = 0.1, 1e-5
"""Batch normalisation: weight of the newest batch in the running statistics, and what is added to variances."""
BLOCK = 256
"""Images whose features are computed at once."""


class Architecture(NamedTuple):
    """What a network looks like.

    Attributes:
        kind: one of `KINDS`.
        channels: of each block, or hidden units of each layer.
        side: pixels of a side of its images.
        pooled: whether the body ends in a mean over all pixels, as a ResNet's does.
    """

    kind: Kind
    channels: tuple[int, ...]
    side: int
    pooled: bool = False


class Network(NamedTuple):
    """Parameters of body and head, and the running statistics of the body's batch normalisations."""

    body: list[dict[str, Array]]
    head: dict[str, Array]
    stats: list[dict[str, Array]]


def layers(arch: Architecture) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of the body; a convolution has nine times its channels as inputs.

    >>> layers(Architecture("conv", (8, 16), 8))
    [(9, 8), (72, 16)]

    Raises:
        ValueError: an unknown kind, no channels, or images too small for so many blocks.
    """
    if arch.kind not in KINDS:
        raise ValueError(f"kind: one of {', '.join(KINDS)}, not {arch.kind!r}")
    if not arch.channels or arch.side >> (len(arch.channels) if arch.kind != "mlp" else 0) < 1:
        raise ValueError(
            f"channels: one to {arch.side.bit_length() - 1} blocks fit images of {arch.side} pixels, not {len(arch.channels)}"
        )
    found, before = [], arch.side**2 if arch.kind == "mlp" else 1
    for block, now in enumerate(arch.channels):
        if arch.kind == "mlp":
            found.append((before, now))
        else:
            found.append((9 * before, now))
            if arch.kind == "vgg":
                found.append((9 * now, now))
            if arch.kind == "resnet":
                found += [(9 * now, now)] * (2 if block else 1)
        before = now
    return found


def width(arch: Architecture) -> int:
    """Number of features.

    >>> width(Architecture("conv", (8, 16), 8)), width(Architecture("conv", (8, 16), 8, pooled=True))
    (64, 16)
    """
    if arch.kind == "mlp" or arch.pooled or arch.kind == "resnet":
        return arch.channels[-1]
    return arch.channels[-1] * (arch.side >> len(arch.channels)) ** 2


def create(arch: Architecture, outputs: int, seed: int | Sequence[int]) -> Network:
    r"""Draw a network: weights $N(0,2/\text{fan in})$, head $N(0,1/\text{features})$, normalisations at the identity.

    Drawn by NumPy, in NumPy arrays: a program that holds no random numbers compiles in a fraction of the time.
    """
    rng = np.random.default_rng(seed)
    body = [
        {"w": _normal(rng, i, o) * np.float32(2.0**0.5), "g": np.ones(o, np.float32), "b": np.zeros(o, np.float32)}
        for i, o in layers(arch)
    ]
    stats = [{"mean": np.zeros(o, np.float32), "var": np.ones(o, np.float32)} for _, o in layers(arch)]
    made: Any = (body, new_head(width(arch), outputs, rng), stats)
    return Network(*made)


def new_head(features: int, outputs: int, rng: np.random.Generator) -> dict[str, Any]:
    """A fresh linear layer."""
    return {"w": _normal(rng, features, outputs), "b": np.zeros(outputs, np.float32)}


def _normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    return rng.standard_normal((inputs, outputs), np.float32) / np.float32(inputs**0.5)


def redrawn(network: Network, key: PRNGKeyArray) -> Network:
    """The same network with other random weights, inside a compiled program; one draw for all of them."""
    weights = [layer["w"] for layer in network.body]
    drawn = jax.random.normal(key, (sum(w.size for w in weights),), jnp.float32)
    parts, begin = [], 0
    for layer in network.body:
        rows, columns = layer["w"].shape
        part = drawn[begin : begin + rows * columns].reshape(rows, columns)
        parts.append({**layer, "w": part * jnp.float32((2.0 / rows) ** 0.5)})
        begin += rows * columns
    return network._replace(body=parts)


def embed(
    arch: Architecture, network: Network, x: Float[Array, "n h w"], *, train: bool
) -> tuple[Float[Array, "n features"], list[dict[str, Array]]]:
    """Features of a batch, and the statistics afterwards.

    Args:
        arch: what the network looks like.
        network: its parameters.
        x: images.
        train: normalise by the batch and move the running statistics towards it; else normalise by these.
    """
    layer = _Layers(network, train=train)
    if arch.kind == "mlp":
        out = x.reshape(len(x), -1)
        for _ in arch.channels:
            out = jax.nn.relu(layer(out))
        return out, layer.stats
    out = x[..., None]
    for block in range(len(arch.channels)):
        if arch.kind == "resnet":
            out = jax.nn.relu(layer(_average(out) if block else out))
            pair = jax.nn.relu(layer(out))
            out = jax.nn.relu(out + (layer(pair) if block else pair))
        elif arch.kind == "vgg":
            out = jax.nn.relu(layer(jax.nn.relu(layer(out))))
            out = _largest(out)
        else:
            out = _average(jax.nn.relu(layer(out)))
    if arch.pooled or arch.kind == "resnet":
        return out.mean(axis=(1, 2)), layer.stats
    return out.reshape(len(out), -1), layer.stats


def features(arch: Architecture, network: Network, x: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n features"]:
    """Features normalised by running statistics; in blocks of one size, so that one compiled program serves them all."""
    headless, found = network._replace(head={}), []
    for begin in range(0, len(x), BLOCK):
        part = np.asarray(x[begin : begin + BLOCK], np.float32)
        filled = np.zeros((BLOCK, *part.shape[1:]), np.float32)
        filled[: len(part)] = part
        found.append(np.asarray(_features(arch, headless, filled))[: len(part)])
    return np.concatenate(found)


@partial(jax.jit, static_argnames="arch")
def _features(arch: Architecture, network: Network, x: Float[Array, "n h w"]) -> Float[Array, "n features"]:
    return embed(arch, network, x, train=False)[0]


def predictions(arch: Architecture, network: Network, x: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n outputs"]:
    """Head on these features."""
    found: np.ndarray = features(arch, network, x) @ np.asarray(network.head["w"]) + np.asarray(network.head["b"])
    return found


def outputs(
    arch: Architecture, network: Network, x: Float[Array, "n h w"], *, train: bool
) -> tuple[Float[Array, "n outputs"], list[dict[str, Array]]]:
    """Head on features; otherwise as `embed`."""
    features, stats = embed(arch, network, x, train=train)
    return features @ network.head["w"] + network.head["b"], stats


class _Layers:
    """Applies one linear map with batch normalisation after another, and keeps the new running statistics."""

    def __init__(self, network: Network, *, train: bool) -> None:
        self.body, self.old, self.train = network.body, network.stats, train
        self.stats: list[dict[str, Any]] = []

    def __call__(self, x: Array) -> Array:
        """The next layer's pre-activations."""
        weights, old = self.body[len(self.stats)], self.old[len(self.stats)]
        z = convolve(x, weights["w"]) if x.ndim == 4 else x @ weights["w"]
        if self.train:
            axes = tuple(range(z.ndim - 1))
            mean, var = z.mean(axis=axes), z.var(axis=axes)
            now = {"mean": mean, "var": var}
            self.stats.append(
                jax.tree.map(lambda o, n: (1 - MOMENTUM) * o + MOMENTUM * jax.lax.stop_gradient(n), old, now)
            )
        else:
            mean, var = old["mean"], old["var"]
            self.stats.append(old)
        scale = weights["g"] * jax.lax.rsqrt(var + jnp.float32(SMALL))
        return z * scale + (weights["b"] - mean * scale)


@jax.custom_vjp
def convolve(x: Float[Array, "n h w c"], weights: Float[Array, "9c o"]) -> Float[Array, "n h w o"]:
    """3 x 3 convolution with zeros beyond the edge; rows of the weights are ordered as `patches` are.

    >>> convolve(jnp.ones((1, 2, 2, 1)), jnp.ones((9, 1)))[0, :, :, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    return _convolve(x, weights.reshape(3, 3, x.shape[-1], -1))


def _convolve(x: Array, filters: Array) -> Array:
    return jax.lax.conv_general_dilated(x, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _forwards(x: Array, weights: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve(x, weights), (x, weights)


def _backwards(saved: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    x, weights = saved
    turned = weights.reshape(3, 3, x.shape[-1], -1)[::-1, ::-1].swapaxes(2, 3)
    # As a convolution the gradient in the weights would take most of the time on a CPU.
    around = patches(x).reshape(-1, len(weights))
    return _convolve(slope, turned), around.T @ slope.reshape(len(around), -1)


convolve.defvjp(_forwards, _backwards)


def patches(x: Float[Array, "n h w c"]) -> Float[Array, "n h w 9c"]:
    """The 3 x 3 neighbourhood of every pixel, zero beyond the edge.

    >>> patches(jnp.ones((1, 2, 2, 1))).sum(axis=3)[0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    height, width_ = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # Without the barriers what comes before and after is compiled, and computed, nine times over.
    padded = jax.lax.optimization_barrier(padded)
    found = jnp.concatenate([padded[:, i : i + height, j : j + width_] for i in range(3) for j in range(3)], axis=-1)
    return jax.lax.optimization_barrier(found)


def _quarters(x: Float[Array, "n h w c"]) -> list[Float[Array, "n h2 w2 c"]]:
    height, width_ = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, i:height:2, j:width_:2] for i in range(2) for j in range(2)]


def _average(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    a, b, c, d = _quarters(x)
    return (a + b + c + d) * jnp.float32(0.25)


def _largest(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    a, b, c, d = _quarters(x)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))
