r"""Kernels of infinitely wide networks up to the last hidden layer, with a last layer of unit variance and no bias.

The network is $f(x)=\frac1{\sqrt n}\sum_jw_j\phi_j(x)$ with $w_j\mid s\sim\mathcal N(0,s)$. Given the scale $s$, its limit is
a Gaussian process with covariance $sK$, where $K$ is the mean of $\phi_j(x)\phi_j(x')$. Three architectures:

- `mlp`: fully connected, $h$ hidden layers;
- `residual`: a linear embedding, then $h$ blocks $z\leftarrow z+\frac{w}{\sqrt n}W\phi(z)$, and a last nonlinearity;
- `conv`: $h$ convolutions of 3 x 3 pixels with zero padding, then all pixels to the last layer. Without pooling only equal
  pixels of two images meet in $K$, so the cost is $O(\text{pixels})$ a pair.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401
from reprise.kernels import closed_form
from reprise.kernels.activations import resolve

Scalar = float | Float[Array, ""]


@partial(jax.jit, static_argnames=("hidden", "activation"))
def mlp(
    x1: Float[Array, "n d"],
    x2: Float[Array, "m d"],
    *,
    hidden: int,
    activation: str = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
) -> Float[Array, "n m"]:
    """Kernel of a fully connected network.

    >>> print(mlp(jnp.eye(2), jnp.eye(2), hidden=1, w_std=2**0.5))
    [[0.5        0.15915494]
     [0.15915494 0.5       ]]
    """
    cross, v1, v2 = (_product(p, q, w_std, b_std) for p, q in ((x1, x2), (x1, None), (x2, None)))
    w, b = jnp.square(w_std), jnp.square(b_std)
    for _ in range(hidden - 1):
        cross, v1, v2 = (w * m + b for m in _expected(cross, v1, v2, activation))
    return _expected(cross, v1, v2, activation)[0]


@partial(jax.jit, static_argnames=("hidden", "activation"))
def mlp_both(
    x: Float[Array, "n d"], *, hidden: int, activation: str, w_std: float, b_std: float
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    r"""Kernel and tangent kernel of all parameters of `mlp` with unit last-layer scale.

    $\Theta=K+\Theta^{(h)}\odot\dot K$: the part of the last weights, and that of the rest seen through them.
    """
    before = closed_form.nngp_ntk(x, depth=hidden, activation=activation, w_std=w_std, b_std=b_std)
    variance = jnp.diagonal(before.nngp)
    last = closed_form.dual_activation(before.nngp, variance, variance, activation)
    return last.nngp, last.nngp + before.ntk * last.ntk


@partial(jax.jit, static_argnames=("hidden", "activation"))
def residual(
    x1: Float[Array, "n d"],
    x2: Float[Array, "m d"],
    *,
    hidden: int,
    activation: str = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
) -> Float[Array, "n m"]:
    """Kernel of a residual network with identity skips."""
    cross, v1, v2 = (_product(p, q, w_std, b_std) for p, q in ((x1, x2), (x1, None), (x2, None)))
    for _ in range(hidden):
        steps = _expected(cross, v1, v2, activation)
        cross, v1, v2 = (z + jnp.square(w_std) * step for z, step in zip((cross, v1, v2), steps, strict=True))
    return _expected(cross, v1, v2, activation)[0]


@partial(jax.jit, static_argnames=("hidden",))
def conv(
    x1: Float[Array, "n h w"],
    x2: Float[Array, "m h w"],
    *,
    hidden: int,
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
) -> Float[Array, "n m"]:
    """Kernel of a ReLU network of convolutions, pixels flattened before the last layer."""
    cross, v1, v2 = x1[:, None] * x2[None], x1**2, x2**2
    for layer in range(hidden):
        if layer:
            cross = _relu_product(cross, v1[:, None], v2[None])
            v1, v2 = 0.5 * v1, 0.5 * v2
        cross, v1, v2 = (jnp.square(w_std) * _patch_mean(m) + jnp.square(b_std) for m in (cross, v1, v2))
    return jnp.mean(_relu_product(cross, v1[:, None], v2[None]), axis=(-2, -1))


@partial(jax.jit, static_argnames=("hidden", "activation"))
def mlp_variance(
    x: Float[Array, "n d"], *, hidden: int, activation: str = "relu", w_std: Scalar = 1.0, b_std: Scalar = 0.0
) -> Float[Array, " n"]:
    """Diagonal of `mlp` without its off-diagonal."""
    moment = resolve(activation).moment
    variance = _product(x, None, w_std, b_std)
    for _ in range(hidden - 1):
        variance = jnp.square(w_std) * moment(variance) + jnp.square(b_std)
    return moment(variance)


@partial(jax.jit, static_argnames=("hidden",))
def conv_variance(
    x: Float[Array, "n h w"], *, hidden: int, w_std: Scalar = 1.0, b_std: Scalar = 0.0
) -> Float[Array, " n"]:
    """Diagonal of `conv`."""
    variance = 2.0 * x**2
    for _ in range(hidden):
        variance = jnp.square(w_std) * _patch_mean(0.5 * variance) + jnp.square(b_std)
    return 0.5 * jnp.mean(variance, axis=(-2, -1))


def _product(p: Array, q: Array | None, w_std: Scalar, b_std: Scalar) -> Array:
    """First layer's covariances between two sets of points, or variances of one."""
    raw = jnp.sum(p * p, axis=1) if q is None else p @ q.T
    return jnp.square(w_std) * raw / p.shape[1] + jnp.square(b_std)


def _expected(cross: Array, v1: Array, v2: Array, activation: str) -> tuple[Array, Array, Array]:
    """Second moments of activations: between the two sets, and of each set's points."""
    rule = resolve(activation)
    return rule.dual(cross, v1[:, None], v2[None, :])[0], rule.moment(v1), rule.moment(v2)


def _relu_product(cross: Array, v1: Array, v2: Array) -> Array:
    """Expected product of two rectified Gaussians, elementwise (Cho and Saul 2009)."""
    return resolve("relu").dual(cross, v1, v2)[0]


def _patch_mean(m: Float[Array, "... h w"]) -> Float[Array, "... h w"]:
    """Mean over 3 x 3 neighbours, zeros outside the image."""
    padded = jnp.pad(m, [(0, 0)] * (m.ndim - 2) + [(1, 1), (1, 1)])
    h, w = m.shape[-2:]
    shifted = [padded[..., i : i + h, j : j + w] for i in range(3) for j in range(3)]
    return jnp.sum(jnp.stack(shifted), axis=0) / 9.0
