"""Estimates of the quantities that this chapter judges: p-values, tail indices, extremes over several laws, pairs."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics import ks_distance

Pair = dict[str, Estimate]
Cdf = Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, " n"]]
Law = tuple[Float[np.ndarray, " n"], Cdf]

ROUNDING = 1e-4
"""Differences in NLL (nats) that count as none: what rounding leaves between two codes for one process."""


def smallest_p(laws: Sequence[Law]) -> Estimate:
    """Smallest Kolmogorov-Smirnov p-value of several samples against their laws, times their number (Bonferroni).

    >>> smallest_p([(np.linspace(-2, 2, 50), stats.norm.cdf)]).value > 0.05
    True
    """
    p_values = [float(stats.ks_1samp(x, cdf).pvalue) for x, cdf in laws]
    value = min(1.0, len(p_values) * min(p_values))
    return Estimate.exact(
        value, n=len(laws[0][0]), method=f"smallest of {len(p_values)} Kolmogorov-Smirnov p, Bonferroni"
    )


def largest_distance(laws: Sequence[Law], level: float = 0.95) -> Estimate:
    """Largest Kolmogorov distance of several samples from their laws, with simultaneous bands."""
    found = [ks_distance(x, cdf, level=1 - (1 - level) / len(laws)) for x, cdf in laws]
    worst = max(found, key=lambda e: float(np.max(e.value)))
    return Estimate(
        worst.value,
        worst.low,
        worst.high,
        n=worst.n,
        level=level,
        method=f"largest of {len(found)} Kolmogorov distances",
    )


def hill(samples: ArrayLike, share: float) -> tuple[float, float]:
    r"""Hill's estimate of the tail index and its relative standard error $1/\sqrt k$, from the largest `share` of |x|.

    $\hat\alpha^{-1}=\frac1k\sum_{i\le k}\log|x|_{(i)}/|x|_{(k+1)}$ (Hill 1975).

    >>> x = np.random.default_rng(0).uniform(size=100_000) ** -0.5  # P(x > u) = u^-2
    >>> abs(hill(x, 0.05)[0] - 2.0) < 0.1
    True
    """
    x = np.sort(np.abs(np.ravel(np.asarray(samples, dtype=np.float64))))[::-1]
    k = max(10, int(share * x.size))
    return float(1 / np.mean(np.log(x[:k] / x[k]))), k**-0.5


def tail_ratio(samples: ArrayLike, index: float, share: float) -> Estimate:
    """Hill's estimate over the predicted index, with a 95 % interval from its asymptotic normality."""
    value, error = hill(samples, share)
    ratio = value / index
    return Estimate(
        ratio, ratio * (1 - 1.96 * error), ratio * (1 + 1.96 * error), n=np.size(samples), method="Hill, asymptotic"
    )


def law_hill(survival: Cdf, share: float) -> float:
    r"""Hill's estimate for a law itself: $1/\int_u^\infty P(|x|>t)/P(|x|>u)\,d\log t$ with $P(|x|>u)$ the share.

    >>> round(law_hill(lambda t: np.minimum(1.0, t**-3.0), 0.05), 3)
    3.0
    """
    x = np.exp(np.linspace(-5.0, 60.0, 6501))
    tail = survival(x)
    far = x[tail <= share]
    return float(1 / np.trapezoid(survival(far) / share, np.log(far)))


def t_survival(dof: float, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """P(|t| > x) for Student's law."""
    return np.asarray(2 * stats.t(dof).sf(x))


def farthest(estimates: Sequence[Estimate], target: float) -> Estimate:
    """Of several estimates, that whose interval reaches farthest from the target."""
    return max(estimates, key=lambda e: max(abs(float(np.max(e.low)) - target), abs(float(np.max(e.high)) - target)))


def share_below(estimates: Iterable[Estimate], what: str) -> Estimate:
    """Share of differences whose interval lies below zero by more than rounding.

    >>> share_below([Estimate(-0.2, -0.3, -0.1, n=5), Estimate(-0.2, -0.5, 0.1, n=5)], "sets").value
    0.5
    """
    won = [float(np.max(e.high)) < -ROUNDING for e in estimates]
    return Estimate.exact(float(np.mean(won)), n=len(won), method=f"count of {what}")


def share_difference(hits: int, n: int, expected: float) -> Estimate:
    """A share minus its prediction, with the Clopper-Pearson interval."""
    interval = stats.binomtest(hits, n).proportion_ci(0.95)
    return Estimate(
        hits / n - expected, interval.low - expected, interval.high - expected, n=n, method="Clopper-Pearson"
    )
