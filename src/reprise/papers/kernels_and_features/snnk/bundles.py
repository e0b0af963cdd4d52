r"""Fully bundled networks: $\hat y=\bar W\,\Phi_L(\cdots\Phi_1(x))$ with one trained matrix, in closed form and by descent."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401


def features(x: Float[np.ndarray, "n d"], m: int, depth: int, *, seed: int = 0) -> Float[np.ndarray, "n m"]:
    r"""Rectified features of rectified features; a constant joins the input of each layer as its bias.

    Args:
        x: standardised inputs.
        m: features of each layer, independent Gaussian directions.
        depth: number of layers; 0 gives the inputs with a constant.
        seed: of the frozen directions, which are nowhere stored.
    """
    out = _with_constant(np.asarray(x, dtype=np.float64) / np.sqrt(x.shape[1]))
    for layer in range(depth):
        g = np.random.default_rng([seed, 41, layer]).standard_normal((m, out.shape[1]))
        out = np.sqrt(2.0 / m) * np.maximum(out @ g.T, 0.0)
        if layer + 1 < depth:
            out = _with_constant(out)
    return out


def limit_gram(x: Float[np.ndarray, "n d"], depth: int) -> Float[np.ndarray, "n n"]:
    r"""Dot products of the features with infinitely many of them: twice the arc-cosine kernel, layer by layer.

    Independent of `features`: from angles and norms alone.
    """
    z = _with_constant(np.asarray(x, dtype=np.float64) / np.sqrt(x.shape[1]))
    gram = z @ z.T
    for layer in range(depth):
        lengths = np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        angle = np.arccos(np.clip(gram / lengths, -1.0, 1.0))
        gram = lengths / np.pi * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) + float(layer + 1 < depth)
    return gram


def _with_constant(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d1"]:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def loss(
    weights: Float[np.ndarray, "m o"], z: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n o"], ridge: float
) -> float:
    r"""$\frac1{2}\|Z\bar W^\top-Y\|^2+\frac\lambda2\|\bar W\|^2$."""
    return float(0.5 * ((z @ weights - y) ** 2).sum() + 0.5 * ridge * (weights**2).sum())


def closed_form(z: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n o"], ridge: float) -> Float[np.ndarray, "m o"]:
    r"""$\bar W^\top=(Z^\top Z+\lambda I)^{-1}Z^\top Y$.

    >>> closed_form(np.eye(2), np.array([[2.0], [4.0]]), 1.0).tolist()
    [[1.0], [2.0]]

    Raises:
        ValueError: the ridge is not positive.
    """
    if not ridge > 0:
        raise ValueError(f"ridge: a positive number, not {ridge}")
    return np.linalg.solve(z.T @ z + ridge * np.eye(z.shape[1]), z.T @ y)


def dual_path(
    gram: Float[np.ndarray, "n n"],
    y: Float[np.ndarray, "n o"],
    across: Float[np.ndarray, "t n"],
    ridges: Sequence[float],
) -> Float[np.ndarray, "r t o"]:
    r"""Predictions of the closed form for every ridge from $ZZ^\top$, which is the smaller matrix where m > n.

    $Z_{new}\bar W^\top=Z_{new}Z^\top(ZZ^\top+\lambda I)^{-1}Y$, from one eigendecomposition.

    >>> dual_path(np.eye(2), np.array([[2.0], [4.0]]), np.eye(2), [1.0]).tolist()
    [[[1.0], [2.0]]]
    """
    values, vectors = np.linalg.eigh(gram)
    basis, projected = across @ vectors, vectors.T @ y
    return np.stack([basis @ (projected / (np.maximum(values, 0.0) + ridge)[:, None]) for ridge in ridges])


def primal_path(
    z: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n o"], new: Float[np.ndarray, "t m"], ridges: Sequence[float]
) -> Float[np.ndarray, "r t o"]:
    r"""The same from $Z^\top Z$, the smaller matrix where m < n.

    >>> primal_path(np.eye(2), np.array([[2.0], [4.0]]), np.eye(2), [1.0]).tolist()
    [[[1.0], [2.0]]]
    """
    values, vectors = np.linalg.eigh(z.T @ z)
    basis, projected = new @ vectors, vectors.T @ (z.T @ y)
    return np.stack([basis @ (projected / (np.maximum(values, 0.0) + ridge)[:, None]) for ridge in ridges])


class Descent(NamedTuple):
    """Losses of gradient descent, (steps + 1,) each, without and with Nesterov's momentum."""

    plain: Float[np.ndarray, " steps"]
    accelerated: Float[np.ndarray, " steps"]


def descend(z: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n o"], ridge: float, steps: int) -> Descent:
    r"""Gradient descent on the same loss from zero, in float64: steps $1/L$ and momentum $\frac{\sqrt L-\sqrt\mu}{\sqrt L+\sqrt\mu}$.

    L is the largest eigenvalue of the Hessian (by power iteration, so slightly enlarged), μ the ridge. No linear system
    is solved anywhere.
    """
    # Products are formed once: a step then costs the same whatever the number of points.
    plain, accelerated = _descend(z.T @ z, z.T @ y, float((y**2).sum()), float(ridge), steps)
    return Descent(np.asarray(plain), np.asarray(accelerated))


@partial(jax.jit, static_argnames="steps")
def _descend(gram: Float[Array, "m m"], cross: Float[Array, "m o"], size: float, ridge: float, steps: int) -> Array:
    def power(_: int, v: Array) -> Array:
        w = gram @ v
        return w / jnp.linalg.norm(w)

    m = len(gram)
    top = 1.01 * jnp.linalg.norm(gram @ jax.lax.fori_loop(0, 100, power, jnp.full(m, m**-0.5))) + ridge
    rate, momentum = 1.0 / top, (jnp.sqrt(top) - jnp.sqrt(ridge)) / (jnp.sqrt(top) + jnp.sqrt(ridge))

    def one(momentum: Array) -> Array:
        def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            w, before = carry
            ahead = w + momentum * (w - before)
            new = ahead - rate * (gram @ ahead + ridge * ahead - cross)
            value = 0.5 * (jnp.sum(new * (gram @ new + ridge * new)) - 2 * jnp.sum(new * cross) + size)
            return (new, w), value

        zero = jnp.zeros_like(cross)
        _, values = jax.lax.scan(step, (zero, zero), None, length=steps)
        return jnp.concatenate([0.5 * jnp.atleast_1d(size), values])

    return jax.vmap(one)(jnp.stack([0.0 * momentum, momentum]))
