"""Data sets and kernels of the kernel experiments."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from reprise import datasets

TOY_INPUTS = np.linspace(0.0, 1.0, 11)
TOY_TARGETS = np.array(
    [
        0.38476636465198066, 1.2333967683416893, 1.33232242218057, 0.69201594888895180, -0.29756145531871736,
        -0.24189291901377769, -0.7964485769175675, -0.9616480167034174, -0.49672509509916934, -0.3469066003991437,
        0.5589512650600734,
    ]
)  # fmt: skip
"""The toy data of the paper's code, which took them from Mobahi et al. 2020."""
TOY_RIDGE, TOY_GAMMA = 0.2, 80.0
TOY_LOSSES = {
    0.0: (0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251, 0.49505),
    0.25: (0.16477, 0.15309, 0.14958, 0.14903, 0.14946, 0.15011, 0.15250),
    0.35: (0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948, 0.14959),
}
"""Losses that the paper's notebook prints: steps 1 to 6 and the limit, by weight."""


class Problem(NamedTuple):
    """Training and test points; targets in columns."""

    name: str
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n c"]
    x_test: Float[np.ndarray, "t d"]
    y_test: Float[np.ndarray, "t c"]


class Kernel(NamedTuple):
    """A kernel twice: as scikit-learn's options, and as a function of our own.

    Attributes:
        options: keyword arguments of scikit-learn's estimator.
        of: (x1, x2) -> matrix.
    """

    options: dict[str, Any]
    of: Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]], Float[np.ndarray, "n m"]]


def gaussian(gamma: float) -> Kernel:
    r"""$e^{-\gamma\lVert x-x'\rVert^2}$."""
    return Kernel({"kernel": "rbf", "gamma": gamma}, lambda a, b: np.exp(-gamma * cdist(a, b, "sqeuclidean")))


def laplacian(gamma: float) -> Kernel:
    r"""$e^{-\gamma\lVert x-x'\rVert_1}$."""
    return Kernel({"kernel": "laplacian", "gamma": gamma}, lambda a, b: np.exp(-gamma * cdist(a, b, "cityblock")))


def cubic(gamma: float) -> Kernel:
    r"""$(1+\gamma\langle x,x'\rangle)^3$, of finite rank in low dimension."""
    return Kernel(
        {"kernel": "poly", "gamma": gamma, "degree": 3, "coef0": 1}, lambda a, b: (1.0 + gamma * a @ b.T) ** 3
    )


def kernels(dim: int) -> list[Kernel]:
    """The three kernels, with scales for inputs of about unit variance."""
    return [gaussian(1.0 / dim), laplacian(0.5 / dim), cubic(1.0 / dim)]


def toy() -> Problem:
    """The paper's toy: 11 noisy points of a sine, tested against the sine at 101."""
    grid = np.linspace(0.0, 1.0, 101)[:, None]
    return Problem("toy", TOY_INPUTS[:, None], TOY_TARGETS[:, None], grid, np.sin(2.0 * np.pi * grid))


def wave(n: int, key: Sequence[int], *, noise: float = 0.5, tests: int = 200) -> Problem:
    """A random wave on the unit square, n noisy points; tested without noise.

    The truth is a sum of six plane waves of random direction, wave number up to two, and phase, of variance one.
    Each key, any few numbers, draws a wave of its own.
    """
    rng = np.random.default_rng([*key, 17])
    angle, number, phase = rng.uniform(0, 2 * np.pi, 6), rng.uniform(0.5, 2.0, 6), rng.uniform(0, 2 * np.pi, 6)
    direction = 2.0 * np.pi * number * np.stack([np.cos(angle), np.sin(angle)])
    x = rng.uniform(size=(n + tests, 2))
    truth = np.cos(x @ direction + phase).sum(axis=1, keepdims=True) / np.sqrt(3.0)
    y = truth[:n] + noise * rng.standard_normal((n, 1))
    return Problem("wave", x[:n], y, x[n:], truth[n:])


WAVE_KERNEL = gaussian(8.0)
"""The kernel for waves: its length scale is a quarter of the square."""


def diabetes(n: int, seed: int) -> Problem:
    """A random draw of scikit-learn's diabetes patients, columns and target standardised; the rest (at most n) tests."""
    data = datasets.load("diabetes", split=seed, train_fraction=0.5, n_train=n, n_test=n)
    return Problem("diabetes", data.x, data.y[:, None], data.x_test, data.y_test[:, None])


def digits(n: int, seed: int) -> Problem:
    """A random draw of scikit-learn's digits, ten one-hot targets."""
    data = datasets.load("digits", split=seed, train_fraction=0.5, n_train=n, n_test=n, one_hot=True, scale="standard")
    return Problem("digits", data.x, data.y, data.x_test, data.y_test)


def catalogue(sizes: Sequence[int], seed: int) -> list[Problem]:
    """The toy, diabetes and digits, the last two with these numbers of training points."""
    return [toy(), diabetes(sizes[0], seed), digits(sizes[1], seed)]
