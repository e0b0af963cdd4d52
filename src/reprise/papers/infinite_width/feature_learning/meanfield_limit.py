r"""The infinite-width limit of the tanh network with one hidden layer in muP, by quadrature and without a network.

In the limit all neurons follow one deterministic map of their own start $(U_0,V_0)\sim N(0,I)$: with $\chi=f(\xi)-y$,
$$U\leftarrow U-\eta\chi V\phi'(U\cdot\xi)\xi,\qquad V\leftarrow V-\eta\chi\phi(U\cdot\xi),\qquad f(\xi)=E[V\phi(U\cdot\xi)].$$
The expectation is over a Gaussian in $d+1$ dimensions, taken on a Gauss-Hermite grid that moves with the neurons.
"""

import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.feature_learning.linear_limit import Problem


def gauss_hermite(order: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (order^dimension, dimension) and weights for expectations over a standard Gaussian.

    >>> x, w = gauss_hermite(8, 2)
    >>> round(float(w @ (x[:, 0] ** 4 * x[:, 1] ** 2)), 12)
    3.0
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    joint = np.stack(np.meshgrid(*[weights] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    return grid, np.prod(joint / np.sqrt(2 * np.pi), axis=1)


def trajectory(problem: Problem, *, rate: float, order: int = 40) -> Float[np.ndarray, "times p"]:
    """Function of the limit at the probes before training and after each step; one output."""
    inputs = problem.x.shape[1]
    grid, weights = gauss_hermite(order, inputs + 1)
    u, v = grid[:, :inputs].copy(), grid[:, inputs].copy()

    def function(points: np.ndarray) -> np.ndarray:
        return np.asarray((weights * v) @ np.tanh(u @ points.T))

    found = [function(problem.probes)]
    for x, y in zip(problem.x, problem.y[:, 0], strict=True):
        chi = float(function(x[None])[0]) - y
        active = np.tanh(u @ x)
        u, v = u - rate * chi * np.outer(v * (1 - active**2), x), v - rate * chi * active
        found.append(function(problem.probes))
    return np.stack(found)


def kernel_trajectory(problem: Problem, *, rate: float, order: int = 40) -> Float[np.ndarray, "times p"]:
    r"""The kernel limit: descent from zero with $E[\phi\phi']+E[V^2\dot\phi\dot\phi']\,\xi\cdot\xi'$, neurons frozen."""
    inputs = problem.x.shape[1]
    grid, weights = gauss_hermite(order, inputs)
    points = np.concatenate([problem.x, problem.probes])
    active = np.tanh(grid @ points.T)
    slope = 1 - active**2
    kernel = active.T @ (weights[:, None] * active) + (slope.T @ (weights[:, None] * slope)) * (points @ points.T)
    steps = len(problem.x)
    f = np.zeros(len(points))
    found = [f[steps:].copy()]
    for i in range(steps):
        f = f - rate * (f[i] - problem.y[i, 0]) * kernel[i]
        found.append(f[steps:].copy())
    return np.stack(found)
