"""From draws of the limiting process to the estimates that the card judges (C3, C4, C4b, C5)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.permutations import limit
from reprise.papers.infinite_width.permutations.ensembles import Draws
from reprise.papers.infinite_width.permutations.regression import Trained
from reprise.papers.infinite_width.permutations.stopping import REPORTED, REPORTED_ERROR, Passages
from reprise.statistics.means import t_quantile

GROUPS = 20
"""Groups of repetitions, each with its own quantile: their scatter gives the intervals."""


def simultaneous_largest(gaps: Sequence[np.ndarray], level: float = 0.95) -> Estimate:
    """Largest absolute mean of several samples, each (repeats,), from simultaneous t intervals of all of them."""
    share = 1.0 - (1.0 - level) / len(gaps)
    means = np.asarray([g.mean() for g in gaps])
    halves = np.asarray([t_quantile(share, len(g) - 1) * g.std(ddof=1) / np.sqrt(len(g)) for g in gaps])
    size = np.abs(means)
    return Estimate(
        value=float(size.max()),
        low=float(np.maximum(size - halves, 0.0).max()),
        high=float((size + halves).max()),
        n=min(len(g) for g in gaps),
        level=level,
        method=f"largest of {len(gaps)} means, simultaneous t intervals",
    )


def accuracy_gap(draws: Sequence[Draws], numbers: Sequence[int], *, copies: bool = False) -> Estimate:
    """Largest difference between simulated and predicted accuracy over k and ensemble sizes.

    With ``copies`` an ensemble consists of copies of one network, so that it is as accurate as one.
    """
    return simultaneous_largest(
        [d.accuracy(1 if copies else n) - float(limit.accuracy(n, d.k)) for d in draws for n in numbers]
    )


def single_network(draws: Sequence[Draws], n: float = 1) -> Estimate:
    """Largest accuracy over k of averages of n networks; one network is n = 1."""
    return max((statistics.mean(d.accuracy(n)) for d in draws), key=lambda e: e.value)


def smallest_share(right: np.ndarray) -> Estimate:
    """Share of repetitions that are right, (repeats, sizes), for the k where it is smallest."""
    counts = right.sum(axis=0)
    return statistics.proportion(int(counts.min()), len(right))


def grouped_sizes(draws: Sequence[Draws], delta: float = 0.1) -> Float[np.ndarray, "groups sizes"]:
    r"""Simulated ensemble size for success probability $1-\delta$ on one input: a quantile in each group of repetitions."""
    columns = []
    for d in draws:
        groups = np.array_split(d.size, GROUPS)
        columns.append([float(np.quantile(group, 1.0 - delta)) for group in groups])
    return np.asarray(columns).T


def size_ratio(draws: Sequence[Draws], trained: Trained = "all") -> Estimate:
    """Simulated over predicted ensemble size, geometric mean over k; one value a group."""
    predicted = np.asarray([limit.ensemble_size(d.k, trained=trained) for d in draws])
    return statistics.mean(np.exp(np.log(grouped_sizes(draws) / predicted).mean(axis=1)))


def linearithmic_slope(draws: Sequence[Draws]) -> Estimate:
    r"""Exponent of $N/(k\log k)$ in k, with N the simulated ensemble size for 90 %."""
    k = np.asarray([d.k for d in draws], dtype=np.float64)
    return statistics.slope(k, grouped_sizes(draws) / (k * np.log(k)), method="t")


def largest_ratio(draws: Sequence[Draws]) -> Estimate:
    """Simulated ensemble size over the sufficient one for a single input; the largest over k, simultaneous intervals."""
    ratios = grouped_sizes(draws) / np.asarray([limit.single_bound(d.k) for d in draws])
    return simultaneous_largest(list(ratios.T))


def joint_size(draws: Draws, delta: float = 0.1) -> Estimate:
    """Number of networks for success on all inputs at once: quantile of the joint critical size, bootstrap interval."""
    return statistics.bootstrap(draws.joint, lambda rows, axis: np.quantile(rows, 1.0 - delta, axis=axis), n_boot=1000)


def worst_joint_ratio(draws: Sequence[Draws]) -> Estimate:
    """Joint ensemble size over the quadratic bound, for the k where the ratio is largest."""

    def ratio(d: Draws) -> Estimate:
        bound, e = limit.quadratic_bound(d.k), joint_size(d)
        value, low, high = (float(np.asarray(v)) / bound for v in (e.value, e.low, e.high))
        return Estimate(value, low, high, n=e.n, level=e.level, method=e.method)

    return max((ratio(d) for d in draws), key=lambda e: e.value)


def joint_success(draws: Draws, n: float) -> Estimate:
    """Probability that an average of n networks is right on all inputs at once."""
    return statistics.proportion(int((draws.joint < n).sum()), len(draws.joint))


def growth(sizes: Sequence[int], *, unscaled: bool = False) -> Estimate:
    r"""Exponent in k of the sufficient number for all inputs (`limit.union_size`).

    With ``unscaled`` the factor $1/\sqrt k$ of the first layer is left out, which multiplies the variance by k.
    """
    needed = [limit.union_size(k) * (k if unscaled else 1) for k in sizes]
    return statistics.fitted_slope(sizes, needed)


def rank_of_reported(passages: Passages) -> Estimate:
    """Share of repeated experiments with smaller ensembles (geometric mean over k) than the authors' run, ties by half."""
    reported = np.log([REPORTED[k] for k in passages.k]).mean()
    simulated = np.log(passages.size).mean(axis=1)
    below = int((simulated < reported - 1e-12).sum()) + int((np.abs(simulated - reported) <= 1e-12).sum()) // 2
    return statistics.proportion(below, len(simulated))


def reported_error(passages: Passages) -> Estimate:
    """The authors' final squared error over the simulated one, geometric mean over the k with both, band of all repeats."""
    known = [k for k in passages.k if k in REPORTED_ERROR]
    columns = [passages.column(k) for k in known]
    reported = np.asarray([REPORTED_ERROR[k] for k in known])
    ratios = np.exp(np.log(reported / passages.error[:, columns]).mean(axis=1))
    low, middle, high = np.percentile(ratios, [2.5, 50.0, 97.5])
    return Estimate(middle, low, high, n=len(ratios), method="median and band of simulated experiments", samples=())


def growth_laws(draws: Sequence[Draws]) -> dict[str, float]:
    r"""Akaike's criterion of $N=ck\log k$, $ck$ and $ck^2$ for the simulated sizes, less that of the best.

    Least squares of $\log N$ on one free constant: $K\log(\mathrm{RSS}/K)+2$ over K lengths.
    """
    k = np.asarray([d.k for d in draws], dtype=np.float64)
    sizes = np.log(grouped_sizes(draws).mean(axis=0))
    laws = {"k log k": k * np.log(k), "k": k, "k²": k**2}
    found = {}
    for name, law in laws.items():
        gap = sizes - np.log(law)
        found[name] = len(k) * float(np.log(np.var(gap)))
    best = min(found.values())
    return {name: value - best for name, value in found.items()}


def towards_constant(sizes: Sequence[int]) -> list[str]:
    r"""$N/(k\log k)$ of the formula at these lengths, as text."""
    return [f"{limit.ensemble_size(k) / (k * np.log(k)):.2f}" for k in sizes]


def reading(last: Passages, full: Passages) -> str:
    """The reported sizes beside the simulated ones, as a table."""
    lines = ["| k | reported | last layer learns | all layers learn |", "|---|---|---|---|"]
    for i, k in enumerate(last.k):
        cells = []
        for passages in (last, full):
            low, middle, high = np.percentile(passages.size[:, i], [2.5, 50.0, 97.5])
            cells.append(f"{middle:.0f} ({low:.0f} to {high:.0f})")
        lines.append(f"| {k} | **{REPORTED[k]}** | {cells[0]} | {cells[1]} |")
    return "\n".join([*lines, "", "Median and 95 % band of simulated experiments."])
