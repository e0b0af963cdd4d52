r"""Bandwidths by the rules of low dimension, and what they cost in Kullback-Leibler divergence (C5, C6).

All of them for a standard Gaussian density and kernel. Scott's $n^{-1/(d+4)}$ and Silverman's $(4/(d+2))^{1/(d+4)}$ times
that balance squared bias and variance for small h. The exact minimiser of the integrated squared error needs no small h:
$$(4\pi)^{d/2}\,\mathrm{MISE}=\frac{h^{-d}}n+\Bigl(1-\frac1n\Bigr)(1+h^2)^{-d/2}-2\Bigl(1+\frac{h^2}2\Bigr)^{-d/2}+1 .$$
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize, stats
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from reprise.papers.kernels_and_features.kde_large_dims import quadrature, regimes


def scott(d: int, log_n: float) -> float:
    """Scott's bandwidth for unit variance."""
    return float(np.exp(-log_n / (d + 4)))


def silverman(d: int, log_n: float) -> float:
    """Silverman's bandwidth for unit variance."""
    return float((4.0 / (d + 2)) ** (1.0 / (d + 4))) * scott(d, log_n)


def squared_error_optimal(d: int, log_n: float) -> float:
    r"""The bandwidth of least integrated squared error, by the exact formula.

    In many dimensions it tends to $h^2=e^{-2\alpha}/(1-e^{-2\alpha}/2)$.
    """

    def error(y: float) -> float:
        h2 = np.exp(2 * y)
        variance = np.exp(min(-log_n - d * y, 300.0)) - np.exp(-log_n - 0.5 * d * np.log1p(h2))
        return float(variance + np.exp(-0.5 * d * np.log1p(h2)) - 2 * np.exp(-0.5 * d * np.log1p(0.5 * h2)))

    grid = np.linspace(-log_n / d - 0.5, 1.0, 400)  # below n^{-1/d} the variance exceeds the whole density
    best = grid[int(np.argmin([error(y) for y in grid]))]
    found = optimize.minimize_scalar(
        error, bounds=(best - 0.02, best + 0.02), method="bounded", options={"xatol": 1e-8}
    )
    return float(np.exp(found.x))


RULES = {"Scott": scott, "Silverman": silverman, "squared error": squared_error_optimal}


def excess(d: int, log_n: float, h: float, least: float) -> float:
    """Divergence per dimension at h, above the least one."""
    return quadrature.divergence(d, log_n, h) - least


def start(d: int, log_n: float) -> float:
    """A bandwidth near the optimum: a compromise of Scott's and that of condensation."""
    return max(scott(d, log_n), regimes.thresholds(log_n / d).optimal)


@lru_cache(maxsize=256)
def optimum(d: int, log_n: float) -> tuple[float, float]:
    """Bandwidth of least divergence and the divergence there, by quadrature."""
    return quadrature.optimal_bandwidth(d, log_n, start(d, log_n))


def practice(d: int, n: int, grid: Sequence[float], *, seed: int) -> dict[str, float]:
    """Bandwidths that a practitioner gets from one data set: SciPy's two rules, scikit-learn's cross-validated likelihood.

    SciPy multiplies its factor by the sample's covariance; the bandwidth is the factor times the root of its mean
    eigenvalue. Cross-validation has five folds and no access to anything but the data set.
    """
    y = np.random.default_rng([seed, d, n, 2]).standard_normal((n, d))
    found = {}
    for rule in ("scott", "silverman"):
        kde = stats.gaussian_kde(y.T, bw_method=rule)
        found[f"scipy {rule}"] = float(np.sqrt(np.trace(kde.covariance) / d))
    search = GridSearchCV(KernelDensity(), {"bandwidth": list(grid)}, cv=5).fit(y)
    found["cross-validated likelihood"] = float(search.best_params_["bandwidth"])
    return found
