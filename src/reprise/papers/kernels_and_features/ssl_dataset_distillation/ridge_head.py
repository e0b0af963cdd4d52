r"""The inner problem of a linear head in closed form: kernel ridge regression on features (C2).

With $\tilde f=[f,1]$, $K_{AB}=\tilde f(A)\tilde f(B)^\top$ and $\lambda=10^{-6}\operatorname{tr}K_{SS}$, no gradient
through $\lambda$,

$$\hat g(x)=K_{xS}(K_{SS}+\lambda I)^{-1}Y_S,\qquad L(X_S,Y_S)=\operatorname{mean}\bigl(g_\phi(X_B)-\hat g(X_B)\bigr)^2 .$$
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401

SCALE = 1e-6
"""Penalty over the trace of the kernel."""


def with_constant(features: Float[Array, "n d"]) -> Float[Array, "n d1"]:
    """Features in float64 with a constant one behind them."""
    wide = jnp.asarray(features, jnp.float64)
    return jnp.concatenate([wide, jnp.ones((len(wide), 1))], axis=1)


def predict(
    features: Float[Array, "m d"],
    targets: Float[Array, "m p"],
    new: Float[Array, "n d"],
    *,
    constant: bool = True,
    scaled: bool = True,
    frozen: float | Float[Array, ""] = 0.0,
    ridge: float | Float[Array, ""] = 0.0,
) -> Float[Array, "n p"]:
    """Predictions at new features of the head that solves the inner problem.

    Args:
        features: of the synthetic images.
        targets: their targets.
        new: features of the images to predict.
        constant: append a one to all features.
        scaled: multiply the penalty by the trace.
        frozen: 1 to let no gradient through the kernel of the synthetic images (a slip, for the control).
        ridge: this penalty instead, if above 0.

    >>> print(predict(jnp.eye(2), jnp.asarray([[1.0], [3.0]]), jnp.eye(2)).round(4).ravel())
    [1. 3.]
    """
    a, b = (with_constant(f) if constant else jnp.asarray(f, jnp.float64) for f in (features, new))
    gram = a @ a.T
    gram = frozen * jax.lax.stop_gradient(gram) + (1.0 - frozen) * gram
    penalty = SCALE * (jax.lax.stop_gradient(jnp.trace(gram)) if scaled else 1.0)
    penalty = jnp.where(jnp.asarray(ridge) > 0.0, ridge, penalty)
    factor = jax.scipy.linalg.cho_factor(gram + penalty * jnp.eye(len(a)))
    return (b @ a.T) @ jax.scipy.linalg.cho_solve(factor, jnp.asarray(targets, jnp.float64))


class Descent(NamedTuple):
    """Gradient descent on the head: predictions after each stretch of steps, shape (stretches, n, p)."""

    steps: Float[np.ndarray, " stretches"]
    predictions: Float[np.ndarray, "stretches n p"]


def descend(
    features: Float[np.ndarray, "m d"],
    targets: Float[np.ndarray, "m p"],
    new: Float[np.ndarray, "n d"],
    *,
    stretches: int = 40,
    stride: int = 500,
) -> Descent:
    r"""Minimise $\lVert\tilde fW-Y\rVert^2+\lambda\lVert W\rVert^2$ in $W$ by gradient descent with momentum.

    Step size and momentum are the best ones for a quadratic whose curvature lies between $\lambda$ and the kernel's
    largest eigenvalue plus $\lambda$; no kernel is inverted and none is decomposed.
    """
    a, b = (np.concatenate([f, np.ones((len(f), 1))], axis=1, dtype=np.float64) for f in (features, new))
    ridge = SCALE * float(np.sum(a**2))
    top = np.sqrt(np.linalg.norm(a, 2) ** 2 + ridge)
    low = np.sqrt(ridge)
    rate, momentum = 4.0 / (top + low) ** 2, ((top - low) / (top + low)) ** 2
    numbers = jnp.asarray([rate, momentum, ridge])
    found = _descend(a, np.asarray(targets, np.float64), b, numbers, stretches, stride)
    return Descent(stride * np.arange(1.0, stretches + 1), np.asarray(found))


@partial(jax.jit, static_argnames=("stretches", "stride"))
def _descend(x: Array, y: Array, z: Array, numbers: Float[Array, "3"], stretches: int, stride: int) -> Array:
    rate, momentum, ridge = numbers

    def step(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        w, before = carry
        slope = x.T @ (x @ w - y) + ridge * w
        return w - rate * slope + momentum * (w - before), w

    def stretch(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        carry = jax.lax.fori_loop(0, stride, step, carry)
        return carry, z @ carry[0]

    begin = jnp.zeros((x.shape[1], y.shape[1]))
    return jax.lax.scan(stretch, (begin, begin), None, length=stretches)[1]
