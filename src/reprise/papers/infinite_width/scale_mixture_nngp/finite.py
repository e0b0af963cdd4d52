r"""Networks of finite width at initialisation, sampled exactly, with one random scale on the last layer.

Given the features of a layer at $p$ points, the preactivations of the next layer's units are independent draws from one
$p$-dimensional Gaussian: this is what Gaussian weights do, at every width. So a network of width $n$ is drawn with $pn$
normals a layer instead of $n^2$ weights, without any limit. Convolutions are drawn with their weights. Networks come in
batches along a leading axis, from one key.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks import activations
from reprise.progress import task

_CHUNK = 500


class Outputs(NamedTuple):
    """Networks with last weights of unit variance, to be multiplied by the root of a scale."""

    unit: Float[np.ndarray, "nets outputs p"]
    per_unit: Float[np.ndarray, "nets p"]  # last weights whose variance is drawn anew from IG(2, 1) for every unit


class Normals:
    """Standard normal numbers of one draw, handed out part by part: one compiled generator instead of many."""

    def __init__(self, key: PRNGKeyArray, nets: int, count: int, dtype: DTypeLike = jnp.float32) -> None:
        self._all, self._used, self.nets = jax.random.normal(key, (nets, count), dtype), 0, nets

    def take(self, *shape: int) -> Float[Array, "nets ..."]:
        """The next numbers, of this shape for each network."""
        first, self._used = self._used, self._used + math.prod(shape)
        return self._all[:, first : self._used].reshape(self.nets, *shape)


def count_normals(architecture: str, points: int, width: int, hidden: int) -> int:
    """How many normals the hidden layers of one network take."""
    if architecture == "conv":
        return 10 * width + (hidden - 1) * (9 * width + 1) * width
    return points * width * (hidden + (architecture == "residual"))


def mlp_features(
    normals: Normals,
    x: Float[Array, "p d"],
    *,
    width: int,
    hidden: int,
    activation: str,
    w_std: float,
    b_std: float,
) -> Float[Array, "nets p n"]:
    """Last hidden layer of fully connected networks at p points."""
    phi = activations.resolve(activation)
    gram = jnp.broadcast_to(x @ x.T / x.shape[1], (normals.nets, len(x), len(x)))
    for _ in range(hidden):
        features = phi(_units(normals, w_std**2 * gram + b_std**2, width))
        gram = _gram(features)
    return features


def residual_features(
    normals: Normals,
    x: Float[Array, "p d"],
    *,
    width: int,
    hidden: int,
    activation: str,
    w_std: float,
    b_std: float,
) -> Float[Array, "nets p n"]:
    """The same for residual networks: embedding, `hidden` blocks, and a last nonlinearity."""
    phi = activations.resolve(activation)
    start = w_std**2 * (x @ x.T) / x.shape[1] + b_std**2
    stream = _units(normals, jnp.broadcast_to(start, (normals.nets, len(x), len(x))), width)
    for _ in range(hidden):
        stream = stream + _units(normals, w_std**2 * _gram(phi(stream)), width)
    return phi(stream)


def conv_features(
    normals: Normals,
    x: Float[Array, "p h w"],
    *,
    width: int,
    hidden: int,
    activation: str,
    w_std: float,
    b_std: float,
) -> Float[Array, "nets p n"]:
    """The same for 3 x 3 convolutions with `width` channels; all pixels of all channels are features."""
    phi = activations.resolve(activation)
    image = jnp.broadcast_to(x[None, ..., None], (normals.nets, *x.shape, 1))
    for _ in range(hidden):
        patches = patches_of(image)
        fan_in = patches.shape[-1]
        weights = normals.take(fan_in + 1, width)
        mixed = jnp.einsum("nphwi,nic->nphwc", patches, weights[:, :-1])
        image = phi(w_std / fan_in**0.5 * mixed + b_std * weights[:, None, None, None, -1])
    return image.reshape(normals.nets, len(x), -1)


FEATURES = {"mlp": mlp_features, "residual": residual_features, "conv": conv_features}


def patches_of(image: Float[Array, "... h w c"]) -> Float[Array, "... h w 9*c"]:
    """The 3 x 3 neighbourhood of each pixel, zeros outside."""
    h, w = image.shape[-3:-1]
    padded = jnp.pad(image, [(0, 0)] * (image.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    return jnp.concatenate([padded[..., i : i + h, j : j + w, :] for i in range(3) for j in range(3)], axis=-1)


def draw_outputs(
    architecture: str,
    x: Float[np.ndarray, "p ..."],
    nets: int,
    *,
    width: int,
    hidden: int,
    w_std: float,
    b_std: float,
    outputs: int = 2,
    activation: str = "relu",
    key: PRNGKeyArray,
) -> Outputs:
    """Outputs of many independent networks at the same points, in float32; cost O(nets * hidden * p * width)."""
    points = jnp.asarray(x, jnp.float32)
    chunks = -(-nets // _CHUNK)
    found = []
    with task(f"{architecture} networks of width {width}", chunks) as advance:
        for index in range(chunks):
            drawn = _chunk(
                jax.random.fold_in(key, index), points, architecture=architecture, width=width, hidden=hidden,
                w_std=w_std, b_std=b_std, outputs=outputs, activation=activation,
            )  # fmt: skip
            found.append([np.asarray(part, np.float64) for part in drawn])
            advance(1)
    unit, per_unit = (np.concatenate([part[k] for part in found])[:nets] for k in (0, 1))
    return Outputs(unit, per_unit)


@partial(jax.jit, static_argnames=("architecture", "width", "hidden", "outputs", "activation", "w_std", "b_std"))
def _chunk(
    key: PRNGKeyArray,
    x: Array,
    *,
    architecture: str,
    width: int,
    hidden: int,
    w_std: float,
    b_std: float,
    outputs: int,
    activation: str,
) -> tuple[Array, Array]:
    options: dict[str, Any] = {"width": width, "hidden": hidden, "activation": activation}
    options |= {"w_std": w_std, "b_std": b_std}
    pixels = x.shape[1] * x.shape[2] if architecture == "conv" else 1
    n = width * pixels
    inside = count_normals(architecture, len(x), width, hidden)
    normals = Normals(key, _CHUNK, inside + (outputs + 4) * n)
    features = FEATURES[architecture](normals, x, **options)
    last = normals.take(outputs, n) / n**0.5
    own = 2 / jnp.sum(normals.take(4, n) ** 2, axis=1)  # half a sum of four squares is Gamma(2, 1)
    unit = jnp.einsum("boj,bpj->bop", last, features)
    return unit, jnp.einsum("bj,bpj->bp", jnp.sqrt(own) * last[:, 0], features)


def _gram(features: Float[Array, "nets p n"]) -> Float[Array, "nets p p"]:
    return jnp.einsum("bpj,bqj->bpq", features, features) / features.shape[-1]


def _units(normals: Normals, covariance: Float[Array, "nets p p"], width: int) -> Float[Array, "nets p n"]:
    """Preactivations of `width` units a network: independent draws of a p-dimensional Gaussian."""
    p = covariance.shape[-1]
    jitter = 1e-6 * jnp.trace(covariance, axis1=1, axis2=2)[:, None, None] / p
    root = jnp.linalg.cholesky(covariance + jitter * jnp.eye(p, dtype=covariance.dtype))
    return root @ normals.take(p, width)
