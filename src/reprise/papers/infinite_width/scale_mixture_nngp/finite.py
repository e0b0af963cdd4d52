r"""Networks of finite width at initialisation, sampled exactly, with one random scale on the last layer.

Given the features of a layer at $p$ points, the preactivations of the next layer's units are independent draws from one
$p$-dimensional Gaussian: this is what Gaussian weights do, at every width. So a network of width $n$ is drawn with $pn$
normals a layer instead of $n^2$ weights, without any limit. Convolutions are drawn with their weights.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks import activations
from reprise.progress import task

Draw = Callable[[PRNGKeyArray, Array], Array]
_CHUNK = 1000


class Outputs(NamedTuple):
    """Networks with last weights of unit variance, to be multiplied by the root of a scale."""

    unit: Float[np.ndarray, "nets outputs p"]
    per_unit: Float[np.ndarray, "nets p"]  # last weights whose variance is drawn anew from IG(2, 1) for every unit


@partial(jax.jit, static_argnames=("width", "hidden", "activation"))
def mlp_features(
    key: PRNGKeyArray, x: Float[Array, "p d"], *, width: int, hidden: int, activation: str, w_std: float, b_std: float
) -> Float[Array, "p n"]:
    """Last hidden layer of one fully connected network at p points."""
    phi = activations.resolve(activation)
    gram = x @ x.T / x.shape[1]
    features = x
    for layer_key in jax.random.split(key, hidden):
        features = phi(_units(layer_key, w_std**2 * gram + b_std**2, width))
        gram = features @ features.T / width
    return features


@partial(jax.jit, static_argnames=("width", "hidden", "activation"))
def residual_features(
    key: PRNGKeyArray, x: Float[Array, "p d"], *, width: int, hidden: int, activation: str, w_std: float, b_std: float
) -> Float[Array, "p n"]:
    """The same for a residual network: embedding, `hidden` blocks, and a last nonlinearity."""
    phi = activations.resolve(activation)
    first, *keys = jax.random.split(key, hidden + 1)
    stream = _units(first, w_std**2 * (x @ x.T) / x.shape[1] + b_std**2, width)
    for layer_key in keys:
        inner = phi(stream)
        stream = stream + _units(layer_key, w_std**2 * (inner @ inner.T) / width, width)
    return phi(stream)


@partial(jax.jit, static_argnames=("width", "hidden", "activation"))
def conv_features(
    key: PRNGKeyArray, x: Float[Array, "p h w"], *, width: int, hidden: int, activation: str, w_std: float, b_std: float
) -> Float[Array, "p n"]:
    """The same for 3 x 3 convolutions with `width` channels; all pixels of all channels are features."""
    phi = activations.resolve(activation)
    image = x[..., None]
    for layer_key in jax.random.split(key, hidden):
        patches = patches_of(image)
        weights = jax.random.normal(layer_key, (patches.shape[-1] + 1, width), x.dtype)
        fan_in = patches.shape[-1]
        image = phi(w_std / fan_in**0.5 * patches @ weights[:-1] + b_std * weights[-1])
    return image.reshape(len(x), -1)


FEATURES = {"mlp": mlp_features, "residual": residual_features, "conv": conv_features}


def patches_of(image: Float[Array, "p h w c"]) -> Float[Array, "p h w 9*c"]:
    """The 3 x 3 neighbourhood of each pixel, zeros outside."""
    h, w = image.shape[1:3]
    padded = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=-1)


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
    sizes = [min(_CHUNK, nets - done) for done in range(0, nets, _CHUNK)]
    found = []
    with task(f"{architecture} networks of width {width}", len(sizes)) as advance:
        for index, count in enumerate(sizes):
            keys = jax.random.split(jax.random.fold_in(key, index), count)
            found.append(
                _chunk(
                    keys, points, architecture=architecture, width=width, hidden=hidden, w_std=w_std, b_std=b_std,
                    outputs=outputs, activation=activation,
                )
            )  # fmt: skip
            advance(1)
    unit, per_unit = (np.concatenate([np.asarray(part[k], np.float64) for part in found]) for k in (0, 1))
    return Outputs(unit, per_unit)


@partial(jax.jit, static_argnames=("architecture", "width", "hidden", "outputs", "activation", "w_std", "b_std"))
def _chunk(
    keys: Array,
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
    def one(key: PRNGKeyArray) -> tuple[Array, Array]:
        hidden_key, last_key, scale_key = jax.random.split(key, 3)
        features = FEATURES[architecture](
            hidden_key, x, width=width, hidden=hidden, activation=activation, w_std=w_std, b_std=b_std
        )
        n = features.shape[1]
        last = jax.random.normal(last_key, (outputs, n), jnp.float32) / n**0.5
        # 1 / Gamma(2, 1) with the gamma variable as the sum of two exponential ones
        own = 1 / jnp.sum(jax.random.exponential(scale_key, (2, n), jnp.float32), axis=0)
        return last @ features.T, features @ (jnp.sqrt(own) * last[0])

    return jax.lax.map(one, keys, batch_size=100)


def _units(key: PRNGKeyArray, covariance: Float[Array, "p p"], width: int) -> Float[Array, "p n"]:
    """Preactivations of `width` units: independent draws of a p-dimensional Gaussian."""
    p = len(covariance)
    jitter = 1e-6 * jnp.trace(covariance) / p
    root = jnp.linalg.cholesky(covariance + jitter * jnp.eye(p, dtype=covariance.dtype))
    return root @ jax.random.normal(key, (p, width), covariance.dtype)
