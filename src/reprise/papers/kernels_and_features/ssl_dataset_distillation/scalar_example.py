r"""The scalar example of the bias (C1): closed forms, and the same numbers by enumeration and automatic differentiation.

One synthetic number $x$; the inner problem scales it at random and asks for it back,

$$\ell(\theta;x,a)=(\theta ax-x)^2+\lambda\theta^2,\qquad a\in\{\tfrac12,\tfrac32\}\text{ with probability }\tfrac12\text{ each},$$

with $J$ draws and the outer loss $L(\theta)=(\theta-1)^2$. With $m_1,m_2$ the means of $a$ and $a^2$ over the draws,

$$\hat\theta=\frac{m_1x^2}{m_2x^2+\lambda},\qquad\frac{d\hat\theta}{dx}=\frac{2m_1\lambda x}{(m_2x^2+\lambda)^2},$$

and the expected inner problem has the expected moments, $m_1=1$ and $m_2=5/4$.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

import reprise._x64  # noqa: F401

SCALES = (0.5, 1.5)
RIDGE = 0.5


def gradient(x: float, first: float, second: float) -> float:
    r"""Closed form of $\frac{d}{dx}(\hat\theta-1)^2$ for given moments of the scale.

    >>> round(gradient(1.0, 1.0, 1.25), 7)
    -0.2798834
    """
    bottom = second * x**2 + RIDGE
    return 2.0 * (first * x**2 / bottom - 1.0) * 2.0 * first * RIDGE * x / bottom**2


def true_gradient(x: float) -> float:
    """Gradient through the expected inner problem."""
    return gradient(x, 1.0, 1.25)


def expected_gradient(x: float, draws: int) -> float:
    r"""Mean gradient with $J$ draws, exactly: the number of large scales is binomial.

    >>> round(expected_gradient(1.0, 1), 7)
    -0.3864541
    """
    counts = np.arange(draws + 1)
    large = counts / draws
    first = SCALES[0] + (SCALES[1] - SCALES[0]) * large
    second = SCALES[0] ** 2 + (SCALES[1] ** 2 - SCALES[0] ** 2) * large
    values = [gradient(x, a, b) for a, b in zip(first, second, strict=True)]
    return float(stats.binom.pmf(counts, draws, 0.5) @ np.asarray(values))


def relative_bias(x: float, draws: int) -> float:
    """Size of the bias over that of the true gradient."""
    return abs(expected_gradient(x, draws) - true_gradient(x)) / abs(true_gradient(x))


def solution(x: Float[Array, ""], scales: Float[Array, " draws"]) -> Float[Array, ""]:
    """Minimiser of the inner problem over these draws, as least squares: one row a draw and one for the penalty.

    Another path than the closed form, made to be differentiated.
    """
    rows = jnp.concatenate([scales * x, jnp.sqrt(jnp.asarray([RIDGE * len(scales)]))])
    wanted = jnp.concatenate([jnp.full(len(scales), x), jnp.zeros(1)])
    return (rows @ wanted) / (rows @ rows)


def sampled_gradients(x: float, repetitions: int, *, linear: bool = False, seed: int = 0) -> Float[np.ndarray, " r"]:
    r"""Gradients with one random scale each, by automatic differentiation.

    Args:
        x: the synthetic number.
        repetitions: how many draws.
        linear: instead the inner loss $(\theta-ax)^2$, solved by $ax$, with the outer loss $\theta$: no bias.
        seed: of the draws.
    """
    scales = np.random.default_rng([seed, 25]).choice(SCALES, (repetitions, 1))
    return np.asarray(_gradients(x, scales, linear=linear))


def enumerated_bias(x: float, *, linear: bool = False) -> float:
    """Mean over both scales of the differentiated outer loss, less the gradient through the expected inner problem."""
    values = np.asarray(_gradients(x, np.reshape(SCALES, (2, 1)), linear=linear))
    if linear:
        return float(np.mean(values)) - float(np.mean(SCALES))
    both = float(_gradients(x, np.reshape(SCALES, (1, 2)), linear=False)[0])
    return float(np.mean(values)) - both


@partial(jax.jit, static_argnames="linear")
def _gradients(x: float, scales: Float[Array, "r draws"], *, linear: bool) -> Float[Array, " r"]:
    return jax.vmap(lambda a: _gradient(jnp.float64(x), a, linear=linear))(scales)


def _gradient(x: Array, scales: Array, *, linear: bool) -> Array:
    if linear:
        return jax.grad(lambda z: jnp.mean(scales) * z)(x)
    return jax.grad(lambda z: (solution(z, scales) - 1.0) ** 2)(x)
