"""Synthetic tasks: points and targets whose laws are known, so that theory has something exact to say about them.

Randomness comes through ``key`` alone: a whole number, a NumPy generator (which is advanced), or a JAX key (typed or
raw). Equal numbers give equal arrays everywhere, since NumPy draws them, whatever device JAX uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Shaped

Key = Any


def generator(key: Key) -> np.random.Generator:
    """The NumPy generator that a key stands for.

    Args:
        key: a non-negative whole number, a ``numpy.random.Generator`` (returned as it is), or a JAX key, whose words
            become the seed.

    >>> float(generator(0).normal()) == float(generator(0).normal())
    True

    Raises:
        TypeError: something else; in particular ``None``, since every draw here has a seed.
    """
    if isinstance(key, np.random.Generator):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return np.random.default_rng(int(key))
    if "key<" in str(getattr(key, "dtype", "")):
        import jax

        key = jax.random.key_data(key)
    words = np.asarray(key)
    if words.dtype.kind == "u" and words.ndim == 1:
        return np.random.default_rng([int(word) for word in words])
    raise TypeError(f"key must be a whole number, a NumPy generator or a single JAX key, got {key!r}")


def circle(
    n: int, *, low: float = -np.pi, high: float = np.pi
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, "n 2"]]:
    r"""A grid on the unit circle: $x(\gamma) = (\cos\gamma, \sin\gamma)$.

    Args:
        n: number of points; both ends are included, so that a full circle has its first point twice.
        low: first angle.
        high: last angle.

    Returns:
        Angles, shape ``(n,)``, and points, shape ``(n, 2)``, of exact unit length to rounding.

    >>> angles, points = circle(5)
    >>> points.round(3).tolist()[2]
    [1.0, 0.0]
    """
    angles = np.linspace(low, high, n)
    return angles, np.stack([np.cos(angles), np.sin(angles)], axis=1)


def sphere(n: int, dim: int, *, key: Key) -> Float64[np.ndarray, "n dim"]:
    """Points drawn uniformly from the unit sphere in ``dim`` dimensions, shape ``(n, dim)``.

    A standard Gaussian vector divided by its length.
    """
    points = generator(key).normal(size=(n, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def gaussian_product(n: int, *, key: Key) -> tuple[Float64[np.ndarray, "n 2"], Float64[np.ndarray, " n"]]:
    r"""Inputs $x \sim N(0, I_2)$ with the target $f^*(x) = x_1 x_2$.

    Returns:
        Inputs, shape ``(n, 2)``, and targets, shape ``(n,)``.
    """
    x = generator(key).normal(size=(n, 2))
    return x, x[:, 0] * x[:, 1]


@dataclass(frozen=True, slots=True)
class PowerLawTask:
    r"""A regression whose kernel eigenvalues and target coefficients are known exactly.

    With independent $\phi_i(x) \sim N(0, 1)$, $i = 1, \dots, M$: inputs have the coordinates
    $\sqrt{\lambda_i}\,\phi_i$, so that the linear kernel $x^\top x'$ is $\sum_i \lambda_i \phi_i(x) \phi_i(x')$, and
    targets are $y = \sum_i v_i \phi_i(x) + N(0, \sigma^2)$.

    Attributes:
        x: training inputs, shape ``(n, M)``.
        y: noisy training targets, shape ``(n,)``.
        x_test: test inputs.
        y_test: test targets, with noise of the same variance.
        eigenvalues: the $\lambda_i$, shape ``(M,)``.
        coefficients: the $v_i$, shape ``(M,)``.
        noise_variance: $\sigma^2$.
    """

    x: Float64[np.ndarray, "n modes"]
    y: Float64[np.ndarray, " n"]
    x_test: Float64[np.ndarray, "n_test modes"]
    y_test: Float64[np.ndarray, " n_test"]
    eigenvalues: Float64[np.ndarray, " modes"]
    coefficients: Float64[np.ndarray, " modes"]
    noise_variance: float


def gaussian_power_law(
    n: int,
    *,
    modes: int,
    alpha: float,
    beta: float,
    noise_variance: float = 0.0,
    n_test: int = 0,
    key: Key,
) -> PowerLawTask:
    r"""A Gaussian task with $\lambda_i = i^{-\alpha}$ and $v_i^2 = i^{-\beta}$.

    Args:
        n: number of training points.
        modes: number $M$ of modes.
        alpha: decay of the eigenvalues; above 1, so that their sum stays finite as $M$ grows.
        beta: decay of the target's power.
        noise_variance: $\sigma^2$, added to training and test targets alike.
        n_test: number of test points.
        key: the seed.

    >>> task = gaussian_power_law(4, modes=10, alpha=1.5, beta=1.5, key=0)
    >>> task.x.shape, float(task.eigenvalues[3])
    ((4, 10), 0.125)
    """
    random = generator(key)
    index = np.arange(1, modes + 1, dtype=np.float64)
    eigenvalues, coefficients = index**-alpha, index ** (-beta / 2)
    features = random.normal(size=(n + n_test, modes))
    noise = np.sqrt(noise_variance) * random.normal(size=n + n_test)
    x, y = features * np.sqrt(eigenvalues), features @ coefficients + noise
    return PowerLawTask(x[:n], y[:n], x[n:], y[n:], eigenvalues, coefficients, float(noise_variance))


def noisy_targets(
    y: Float[np.ndarray, "n ..."], variance: float, *, key: Key, renormalise: bool = False
) -> Float[np.ndarray, "n ..."]:
    """Targets plus Gaussian noise of the total variance ``variance`` per row.

    Args:
        y: targets, shape ``(n,)`` or ``(n, outputs)``; each of ``outputs`` numbers gets ``variance / outputs``.
        variance: expected squared length of the noise of one row.
        key: the seed.
        renormalise: divide each row by its length afterwards, as more-is-better does with one-hot rows.
    """
    outputs = y.shape[1] if y.ndim == 2 else 1
    noisy = y + np.sqrt(variance / outputs) * generator(key).normal(size=y.shape)
    if renormalise:
        if y.ndim != 2:
            raise ValueError("only rows of several outputs can be brought to unit length")
        noisy = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return np.asarray(noisy)


def permuted(y: Shaped[np.ndarray, "n ..."], *, key: Key) -> Shaped[np.ndarray, "n ..."]:
    """The same targets in random order: what is left when inputs say nothing about them."""
    return np.asarray(y[generator(key).permutation(len(y))])


def gaussian_process(
    covariance: Float[np.ndarray, "n n"],
    *,
    outputs: int = 1,
    noise_variance: float = 0.0,
    key: Key,
) -> Float64[np.ndarray, "n outputs"]:
    r"""Draws $y_\lambda \sim N(0, K + \sigma^2 I)$, independent over $\lambda = 1, \dots,$ ``outputs``.

    Args:
        covariance: $K$, symmetric and positive semi-definite, shape ``(n, n)``; it may be singular.
        outputs: number of draws.
        noise_variance: $\sigma^2$.
        key: the seed.

    Returns:
        Shape ``(n, outputs)``.

    Raises:
        ValueError: $K$ has an eigenvalue that is negative beyond rounding.
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    if values[0] < -1e-10 * max(values[-1], 1e-300):
        raise ValueError(f"the covariance has the negative eigenvalue {values[0]:g}")
    scale = np.sqrt(np.clip(values, 0.0, None) + noise_variance)
    draws = generator(key).normal(size=(len(values), outputs))
    return np.asarray(vectors @ (scale[:, None] * draws))
