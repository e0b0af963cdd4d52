r"""Where the limit is known by hand: the deep linear machine and the smallest case of all, one number per layer.

**Deep linear machine** ($K=G$, equal $\nu$, no noise, as many outputs as $\nu$ counts, with second moment $S$): the
stationarity condition $G_{\ell-1}^{-1}G_\ell=G_\ell^{-1}G_{\ell+1}$ makes the layers a geometric progression.

**One data point, one linear layer of $N$ units** (prior $k$, label $y$ copied $N$ times, noise $\sigma^2$): $g$ is a
Gamma variable a priori, so its posterior is a one-dimensional integral at every width.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize


class ScalarPosterior(NamedTuple):
    """Moments of one layer of finite width with one data point."""

    mean: float
    sd: float
    kurtosis: float


def deep_linear(gram0: Float[np.ndarray, "p p"], s: Float[np.ndarray, "p p"], depth: int) -> Float[np.ndarray, "d p p"]:
    r"""$G_\ell=G_0(G_0^{-1}S)^{\ell/(L+1)}$: equal steps on the geodesic from input to output Gram matrix.

    >>> deep_linear(np.eye(1), 8.0 * np.eye(1), depth=2).ravel().round(12).tolist()
    [2.0, 4.0]
    """
    root = linalg.cholesky(gram0, lower=True)
    inner = linalg.solve_triangular(root, linalg.solve_triangular(root, s, lower=True).T, lower=True)
    values, vectors = linalg.eigh(0.5 * (inner + inner.T))
    base = root @ vectors
    return np.stack([(base * values ** (layer / (depth + 1))) @ base.T for layer in range(1, depth + 1)])


def arithmetic_path(
    gram0: Float[np.ndarray, "p p"], s: Float[np.ndarray, "p p"], depth: int
) -> Float[np.ndarray, "d p p"]:
    r"""The straight line from $G_0$ to $S$, which the deep linear machine does *not* follow."""
    steps = np.arange(1, depth + 1)[:, None, None] / (depth + 1)
    return (1.0 - steps) * gram0 + steps * s


def scalar_limit(k: float, y: float, noise: float) -> float:
    r"""The maximiser $g^*$ of $\frac12\log g-\frac g{2k}-\frac12\log(g+\sigma^2)-\frac{y^2}{2(g+\sigma^2)}$.

    >>> round(scalar_limit(1.0, 1.0, 1e-9), 6)
    1.0
    """
    found = optimize.minimize_scalar(
        lambda u: -_exponent(np.exp(u), k, y, noise), bounds=(-20.0, 20.0), method="bounded", options={"xatol": 1e-12}
    )
    return float(np.exp(found.x))


def scalar_posterior(
    width: int, k: float, y: float, noise: float, *, copies: int | None = None, points: int = 20001
) -> ScalarPosterior:
    r"""Exact mean, standard deviation and feature kurtosis at width $N$, by quadrature over $\log g$.

    $p_N(g)\propto g^{-1}\exp\{N[\frac12\log g-\frac g{2k}]+c[-\frac12\log(g+\sigma^2)-\frac{y^2}{2(g+\sigma^2)}]\}$ with
    $c=N$ copies of the label, unless `copies` says otherwise. Given $g$, the $N$ features lie uniformly on a sphere of
    squared radius $Ng$, so one of them has $E f^4=\frac{3N}{N+2}E g^2$ and the excess kurtosis is
    $3\big[\frac N{N+2}\frac{E g^2}{(E g)^2}-1\big]$: exactly zero a priori.
    """
    copies = width if copies is None else copies
    mode = scalar_limit(k, y, noise) if copies == width else k
    spread = 12.0 * np.sqrt(2.0 / width) + 40.0 / width
    u = np.log(mode) + np.linspace(-spread, spread, points)
    g = np.exp(u)
    log_p = 0.5 * width * (np.log(g) - g / k) + copies * _label_term(g, y, noise)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    first, second = weight @ g, weight @ g**2
    sd = np.sqrt(weight @ (g - first) ** 2)
    return ScalarPosterior(float(first), float(sd), float(sphere_kurtosis(first, second, width)))


def sphere_kurtosis(first: float | np.ndarray, second: float | np.ndarray, width: int) -> float | np.ndarray:
    r"""Excess kurtosis of one feature of a layer of `width` units from $E\,g$ and $E\,g^2$.

    The posterior sees the features through $G$ alone, so given $G$ they are uniform under rotations of the units.
    A Gamma variable with $N/2$ degrees, $E g^2=(1+2/N)(E g)^2$, gives Gaussian features:

    >>> float(sphere_kurtosis(1.0, 1.0 + 2 / 8, 8))
    0.0
    """
    return 3.0 * (width / (width + 2.0) * second / first**2 - 1.0)


def _label_term(g: np.ndarray, y: float, noise: float) -> np.ndarray:
    return -0.5 * np.log(g + noise) - 0.5 * y**2 / (g + noise)


def _exponent(g: np.ndarray, k: float, y: float, noise: float) -> np.ndarray:
    return 0.5 * np.log(g) - 0.5 * g / k + _label_term(g, y, noise)
