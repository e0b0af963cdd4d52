r"""C4: few exponentials make $1/(1+z)$, and each is a Gaussian kernel that can be released.

With weights $w_j$ and budgets $\varepsilon_j$ the noise variance is proportional to $\sum_jw_j^2/\varepsilon_j^2$, which is
smallest for $\varepsilon_j\propto w_j^{2/3}$.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.dp_similarities import exponentials, features

RULE = (0.9, -6.0, 1.8)
"""Step and range of the rule inside the private structure: nine terms, coarser than the noise can tell."""


def errors(numbers: Sequence[int], *, spaced: bool = False) -> Float[np.ndarray, " numbers"]:
    """Sup error of the rules with these numbers of terms; `spaced` takes equal steps in t (control)."""
    rules = [exponentials.equispaced(m) if spaced else exponentials.with_terms(m) for m in numbers]
    return np.asarray([exponentials.sup_error(*rule) for rule in rules])


def decay(numbers: Sequence[int], *, spaced: bool = False) -> Estimate:
    r"""Slope of log error on the square root of the number of terms; the t interval is narrow only for a straight line."""
    used = [len((exponentials.equispaced(m) if spaced else exponentials.with_terms(m))[0]) for m in numbers]
    return statistics.fitted_slope(np.sqrt(used), np.log(errors(numbers, spaced=spaced)), log=False)


def log_error(number: int, *, spaced: bool = False) -> Estimate:
    """Decimal logarithm of the sup error with this number of terms."""
    return Estimate.exact(float(np.log10(errors([number], spaced=spaced)[0])), error=1e-6)


def shares(weights: np.ndarray) -> np.ndarray:
    """Shares of the budget that minimise the noise."""
    return np.asarray(weights ** (2.0 / 3.0) / (weights ** (2.0 / 3.0)).sum())


@on_one_thread
def release_errors(
    n: int, d: int, number: int, epsilon: float, releases: int, seed: int
) -> Float[np.ndarray, " releases"]:
    r"""Mean absolute error of the private mean of $1/(1+\|x-y\|^2)$ over queries, one value a release."""
    rng = np.random.default_rng([seed, 30])
    x, y = features.cloud(n, d, rng), features.cloud(40, d, rng)
    truth = features.exact_means(x, y, "cauchy")
    rates, weights = exponentials.trapezoid(*RULE)
    found = []
    for _ in progress.track(range(releases), "Smooth kernel"):
        answer = np.zeros(len(y))
        for rate, weight, share in zip(rates, weights, shares(weights), strict=True):
            answer += weight * features.release(x, number, share * epsilon, rng, rate=float(rate))[0](y)
        found.append(np.abs(answer - truth).mean())
    return np.asarray(found)


def direct_errors(n: int, queries: int, epsilon: float, releases: int, seed: int) -> Float[np.ndarray, " releases"]:
    r"""Mean absolute error of exact answers with Laplace noise, the budget split over the queries; 0 <= f <= 1."""
    rng = np.random.default_rng([seed, 31])
    return np.abs(rng.laplace(scale=queries / (n * epsilon), size=(releases, queries))).mean(axis=1)


def against_direct(errors_of_structure: np.ndarray, direct: np.ndarray) -> Estimate:
    """Mean error of the structure over that of direct answers."""
    return statistics.bootstrap(
        (errors_of_structure, direct), lambda u, v, axis: u.mean(axis=axis) / v.mean(axis=axis), paired=False
    )
