r"""Two hidden tanh layers in muP after one step: where a matrix and its transpose both act (section 6.2).

With unit scale $f=V^\top\phi(h^2)/n$, $h^2=W\phi(h^1)$, $h^1=U\xi$, entries $U,V\sim N(0,1)$ and $W\sim N(0,1/n)$. The first step,
on $(\xi_1,y)$ where $f_0=0$, gives with $\beta=\eta y$ and $G=W^\top dh^2$, $dh^2=V\phi'(h^2)$,
$$V_1=V+\beta\phi(h^2),\qquad W_1=W+\tfrac\beta n\,dh^2\phi(h^1)^\top,\qquad U_1=U+\beta\,G\,\phi'(h^1)\,\xi_1^\top .$$
The next forward pass multiplies $W$ with features that already contain $W^\top dh^2$. The Tensor Programs rule splits the
product: $W\tilde x$ is a *fresh* Gaussian of covariance $E[\tilde x\tilde x']$, plus $E[\partial\tilde x/\partial G]\,dh^2$, which is
what $W$ and its transpose have in common.
"""

import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.feature_learning.meanfield_limit import gauss_hermite


def after_one_step(
    first: Float[np.ndarray, " d"],
    target: float,
    probes: Float[np.ndarray, "p d"],
    *,
    rate: float,
    order: int = 32,
    transpose: bool = True,
) -> Float[np.ndarray, " p"]:
    r"""Function at the probes after one step from zero on ``(first, target)``.

    Args:
        first: the example, $\xi_1$.
        target: y.
        probes: test points.
        rate: eta.
        order: of the quadrature in each of three dimensions.
        transpose: with False, the part that $W$ and its transpose share is left out (a control).
    """
    grid, weights = gauss_hermite(order, 3)
    beta = rate * target
    return np.array([_at(first, beta, probe, grid, weights, transpose=transpose) for probe in probes])


def _at(
    first: np.ndarray, beta: float, probe: np.ndarray, grid: np.ndarray, weights: np.ndarray, *, transpose: bool
) -> float:
    inner = np.array([[first @ first, first @ probe], [first @ probe, probe @ probe]])
    u = grid[:, :2] @ _root(inner).T  # h^1 at the example and at the probe
    x0, slope0 = np.tanh(u[:, 0]), 1 - np.tanh(u[:, 0]) ** 2
    # the backward vector: E[V^2] = 1, so the variance of G is that of the slope at the second layer
    spread = np.sqrt(weights @ x0**2)
    slopes = 1 - np.tanh(spread * grid[:, 0]) ** 2
    g = np.sqrt(weights @ slopes**2) * grid[:, 2]
    moved = np.tanh(u[:, 1] + beta * g * slope0 * inner[0, 1])
    shared = beta * (weights @ ((1 - moved**2) * slope0)) * inner[0, 1] if transpose else 0.0
    covariance = np.array([[weights @ x0**2, weights @ (x0 * moved)], [weights @ (x0 * moved), weights @ moved**2]])
    z, v = grid[:, :2] @ _root(covariance).T, grid[:, 2]
    backward = v * (1 - np.tanh(z[:, 0]) ** 2)
    h2 = z[:, 1] + (beta * covariance[0, 1] + shared) * backward
    return float(weights @ ((v + beta * np.tanh(z[:, 0])) * np.tanh(h2)))


def _root(covariance: np.ndarray) -> np.ndarray:
    """A square root of a covariance that may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))
