"""Proportions: how often something held, with an interval that never undercovers."""

from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, check_level


def proportion(k: int, n: int, level: float = 0.95) -> Estimate:
    r"""Share k/n with the Clopper-Pearson interval.

    Its ends are the shares $p$ for which $P(\mathrm{Bin}(n,p)\ge k)$ and $P(\mathrm{Bin}(n,p)\le k)$ are each
    $(1-\text{level})/2$: quantiles of Beta(k, n-k+1) and Beta(k+1, n-k). Coverage is at least `level` for every p.

    Args:
        k: number of successes, 0 <= k <= n.
        n: number of independent trials, n >= 1.
        level: confidence level.

    >>> e = proportion(0, 10)
    >>> e.value, e.low, round(e.high, 6)
    (0.0, 0.0, 0.308497)
    """
    check_level(level)
    if n < 1:
        raise StatisticsError(f"n: at least one trial is needed, not {n}")
    if not 0 <= k <= n or int(k) != k:
        raise StatisticsError(f"k: a whole number from 0 to n = {n} is expected, not {k!r}")
    tail = 0.5 * (1.0 - level)
    return Estimate(
        value=k / n,
        low=0.0 if k == 0 else float(stats.beta.ppf(tail, k, n - k + 1)),
        high=1.0 if k == n else float(stats.beta.isf(tail, k + 1, n - k)),
        n=n,
        level=level,
        method="proportion, Clopper-Pearson",
    )
