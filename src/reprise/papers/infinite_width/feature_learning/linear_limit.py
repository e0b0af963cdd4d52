r"""The exact infinite-width limit of the linear one-hidden-layer network in muP, in NumPy (section 6.1).

By the Tensor Programs recursion every coordinate of the weights stays a linear combination of its $d+d_o$ Gaussian
coordinates at the start, with coefficients $A$ (input weights) and $B$ (output weights) that all neurons share. In the
limit these coefficients follow SGD on $f=BA\xi$, from $A_0=\sigma_1[I_d;0]$ and $B_0=\sigma_2[0,I_{d_o}]$: a small network *is*
the infinitely wide one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Problem(NamedTuple):
    """Examples taken one at a time and test points, squared loss $|f-y|^2/2$."""

    x: Float[np.ndarray, "steps d"]
    y: Float[np.ndarray, "steps outputs"]
    probes: Float[np.ndarray, "p d"]


def make_problem(seed: int, *, steps: int = 5, inputs: int = 2, outputs: int = 1, probes: int = 3) -> Problem:
    """Points of the unit sphere and targets of size one."""
    rng = np.random.default_rng([seed, 23])
    points = rng.normal(size=(steps + probes, inputs))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    y = np.where(rng.normal(size=(steps, outputs)) > 0, 1.0, -1.0)
    return Problem(points[:steps], y, points[steps:])


def start(inputs: int, outputs: int, sigma1: float, sigma2: float) -> tuple[np.ndarray, np.ndarray]:
    r"""$A_0=\sigma_1[I_d;0]$ of shape (d + d_o, d) and $B_0=\sigma_2[0,I_{d_o}]$ of shape (d_o, d + d_o)."""
    size = inputs + outputs
    return sigma1 * np.eye(size, inputs), sigma2 * np.eye(outputs, size, inputs)


def trajectory(
    problem: Problem, *, rate: float, sigma1: float = 1.0, sigma2: float = 1.0, gram: np.ndarray | None = None
) -> Float[np.ndarray, "times p outputs"]:
    r"""Function of the limit at the probes before training and after each step.

    A step on $(\xi,y)$ with $\chi=f-y$ is $A\leftarrow A-\eta B^\top\chi\xi^\top$, $B\leftarrow B-\eta\chi(A\xi)^\top$.

    Args:
        problem: examples and probes.
        rate: eta.
        sigma1: size of the input weights at the start.
        sigma2: size of the output weights.
        gram: $\Omega^\top\Omega/n$ of a finite network, (d + d_o, d + d_o), in place of its limit, the identity:
            then $f=B\,G\,A\xi$ and the step of $B$ uses the same coefficients.
    """
    inputs, outputs = problem.x.shape[1], problem.y.shape[1]
    a, b = start(inputs, outputs, sigma1, sigma2)
    g = np.eye(inputs + outputs) if gram is None else gram
    found = [problem.probes @ (b @ g @ a).T]
    for x, y in zip(problem.x, problem.y, strict=True):
        chi = b @ g @ a @ x - y
        a, b = a - rate * np.outer(b.T @ chi, x), b - rate * np.outer(chi, a @ x)
        found.append(problem.probes @ (b @ g @ a).T)
    return np.stack(found)


def kernel_trajectory(
    problem: Problem, *, rate: float, sigma1: float = 1.0, sigma2: float = 1.0
) -> Float[np.ndarray, "times p outputs"]:
    r"""The kernel limit of the same network: descent with $\Theta(\xi,\xi')=(\sigma_1^2+\sigma_2^2)\,\xi\cdot\xi'$ from zero."""
    w = np.zeros((problem.y.shape[1], problem.x.shape[1]))
    found = [problem.probes @ w.T]
    for x, y in zip(problem.x, problem.y, strict=True):
        w = w - rate * (sigma1**2 + sigma2**2) * np.outer(w @ x - y, x)
        found.append(problem.probes @ w.T)
    return np.stack(found)


def times(problem: Problem) -> Sequence[int]:
    """Numbers of steps at which `trajectory` looks."""
    return range(len(problem.x) + 1)
