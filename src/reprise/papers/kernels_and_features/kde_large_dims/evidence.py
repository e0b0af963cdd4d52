"""From simulated data sets and quadrature to the estimates that the card judges: regimes, spread, domination (C1, C2, C4)."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.kde_large_dims import edge, quadrature, regimes, samples
from reprise.papers.kernels_and_features.kde_large_dims.samples import Sums

MU = (0.25, 0.5, 0.65, 0.75, 0.85, 1.0, 1.21, 1.25, 1.3, 1.44, 1.5, 1.7, 2.0, 2.56, 3.2, 4.0, 6.25)
"""Squares of the bandwidths at which all data sets are summed, over that of condensation."""
MOST_SETS = 40_000
FIXED = 100
"""Points in every data set of the control whose number does not grow with the dimension."""
LIMIT_MU = (0.25, 0.5, 1.0, 1.5)
N_BOOT = 500
LIMIT_SETS = 50_000
"""Draws of a limiting law."""
GROUPS = 100
"""Groups of data sets that are resampled."""


def across(alpha: float, sizes: Sequence[int], sets: int, *, seed: int) -> list[Sums]:
    """Data sets of about these sizes, each in the dimension log n / alpha.

    There are ``sets`` of the largest size, and of each other as many as have the same number of points together, up to
    `MOST_SETS`.
    """
    dims = [round(float(np.log(n)) / alpha) for n in sizes]
    counts = [min(MOST_SETS, sets * sizes[-1] // n) for n in sizes]
    return [
        samples.simulate(d, samples.points(d, alpha), count, MU, seed=seed)
        for d, count in zip(dims, counts, strict=True)
    ]


def fixed_size(runs: Sequence[Sums], sets: int, *, seed: int) -> list[Sums]:
    """The control: the same dimensions and bandwidths with always 100 points, so that log n / d tends to 0."""
    return [samples.simulate(run.d, FIXED, 10 * sets, (), h=run.h.tolist(), seed=seed + 7) for run in runs]


def worst(estimates: Sequence[Estimate], target: float) -> Estimate:
    """The estimate furthest from a target: one stands for all."""
    return max(estimates, key=lambda e: abs(float(np.asarray(e.value)) - target))


def largest(estimates: Sequence[Estimate]) -> Estimate:
    """The largest estimate."""
    return max(estimates, key=lambda e: float(np.asarray(e.value)))


def smallest(estimates: Sequence[Estimate]) -> Estimate:
    """The smallest estimate."""
    return min(estimates, key=lambda e: float(np.asarray(e.value)))


# C1: the central limit theorem holds or not


def sums(run: Sums, mu: float) -> np.ndarray:
    """Kernel sums over their exact mean, (R,)."""
    j = run.at(mu)
    return np.exp(run.log_z[:, j] - np.log(run.n) - run.d * float(regimes.cumulant(run.h[j] ** -2)))


def power_sums(z: np.ndarray) -> np.ndarray:
    """Number and sums of the powers one to four of z less its mean, in groups of data sets: (R, ...) to (groups, ..., 5).

    Groups are resampled in place of the data sets, of which there are too many.
    """
    gap = z - z.mean(axis=0)
    groups = np.array_split(gap, GROUPS)
    powers = [np.stack([np.sum(g**k, axis=0) for k in range(5)], axis=-1) for g in groups]
    return np.stack(powers)


def _shape(grouped: np.ndarray, axis: int, *, fourth: bool = False) -> np.ndarray:
    """Skewness, or excess kurtosis, from grouped power sums."""
    total = grouped.sum(axis=axis)
    m = [total[..., k] / total[..., 0] for k in range(5)]
    second = m[2] - m[1] ** 2
    if fourth:
        return np.asarray((m[4] - 4 * m[1] * m[3] + 6 * m[1] ** 2 * m[2] - 3 * m[1] ** 4) / second**2 - 3.0)
    return np.asarray((m[3] - 3 * m[1] * m[2] + 2 * m[1] ** 3) / second**1.5)


def _trend_weights(runs: Sequence[Sums]) -> np.ndarray:
    """Weights of the slope in d, least squares with data sets counted alike."""
    d = np.asarray([run.d for run in runs], dtype=np.float64)
    share = np.asarray([len(run.size) for run in runs], dtype=np.float64)
    gap = d - np.average(d, weights=share)
    return np.asarray(share * gap / np.sum(share * gap**2))


def shape_trend(runs: Sequence[Sums], mu: float, *, fourth: bool = False) -> Estimate:
    """Least-squares slope in d of the skewness of Z over data sets, or of its excess kurtosis, weighted by their number."""
    weights = _trend_weights(runs)
    columns = tuple(power_sums(sums(run, mu)) for run in runs)

    def trend(*parts: np.ndarray, axis: int) -> np.ndarray:
        return np.stack([_shape(p, axis, fourth=fourth) for p in parts], axis=-1) @ weights

    return statistics.bootstrap(columns, trend, paired=False, n_boot=N_BOOT)


def least_skewness(runs: Sequence[Sums], mu: float, *, ball: bool = False) -> Estimate:
    """Skewness over data sets at the dimension where it is smallest; with ``ball`` of the number of points in a ball."""

    def one(run: Sums) -> Estimate:
        z = run.inside[:, run.at(mu)].astype(np.float64) if ball else sums(run, mu)
        return statistics.bootstrap(power_sums(z), _shape, n_boot=N_BOOT)

    return smallest([one(run) for run in runs])


def crossing(runs: Sequence[Sums]) -> Estimate:
    """Bandwidth over that of condensation above which skewness falls with the dimension.

    Skewness is that of 100 data sets, averaged over groups of so many: of a heavy-tailed sample it grows with the sample.
    Its slope in d is fitted at each bandwidth, weighted by the number of groups. The place is where the slopes, summed over
    bandwidths from that of condensation up, are largest, so that a fall that is noise does not stop it. Linear
    interpolation in log h to the next bandwidth; the last of them if skewness never falls.
    """
    chosen = [m for m in MU if m >= 1.0]
    ratio = 0.5 * np.log(chosen)
    weights = _trend_weights(runs)

    def place(*parts: np.ndarray, axis: int) -> np.ndarray:
        slope = np.stack([p.mean(axis=axis) for p in parts], axis=-1) @ weights
        above = np.argmax(np.cumsum(slope, axis=-1), axis=-1)
        nxt = np.minimum(above + 1, ratio.size - 1)
        a, b = (np.take_along_axis(slope, i[..., None], axis=-1)[..., 0] for i in (above, nxt))
        share = np.where((nxt > above) & (a > b), a / np.where(a > b, a - b, 1.0), 0.0)
        return np.exp(ratio[above] + np.clip(share, 0.0, 1.0) * (ratio[nxt] - ratio[above]))

    columns = []
    for run in runs:
        z = np.stack([sums(run, m) for m in chosen], axis=1)
        groups = z[: len(z) // 100 * 100].reshape(-1, 100, ratio.size)
        columns.append(np.stack([stats.skew(g, axis=0) for g in groups]))
    return statistics.bootstrap(tuple(columns), place, paired=False, n_boot=N_BOOT)


def seen(run: Sums, power: int = 1, *, ball: bool = False) -> np.ndarray:
    r"""Per data set $\frac{1-e^{-V}}{1-1/e}$ with V the sum over its exact mean, (R, H); power 2: of the squared terms."""
    beta = run.h**-2.0
    if ball:
        radius = -2.0 * run.d * regimes.cumulant_slope(beta)
        v = run.inside / (run.n * stats.ncx2.cdf(radius, run.d, run.d))
    else:
        value = run.log_z if power == 1 else run.log_square
        v = np.exp(np.minimum(value - np.log(run.n) - run.d * regimes.cumulant(power * beta), 50.0))
    return np.asarray(np.expm1(-v) / np.expm1(-1.0))


def _group_means(values: np.ndarray) -> np.ndarray:
    return np.stack([g.mean(axis=0) for g in np.array_split(values, GROUPS)])


def simulated_threshold(run: Sums, power: int = 1) -> Estimate:
    """Bandwidth over that of condensation at which half of the sum's mean is seen in data sets (`quadrature.threshold`)."""
    log_h = 0.5 * np.log(run.mu)

    def place(v: np.ndarray, axis: int) -> np.ndarray:
        share = np.maximum.accumulate(v.mean(axis=axis), axis=-1).reshape(-1, log_h.size)
        found = np.asarray([np.exp(np.interp(0.5, row, log_h)) for row in share])
        return found if v.ndim > 2 else found[0]

    return statistics.bootstrap(_group_means(seen(run, power)), place, n_boot=N_BOOT)


def ball_thresholds(run: Sums) -> Estimate:
    """For points counted in a ball: threshold of the second moment over that of the mean, simulated."""
    log_h = 0.5 * np.log(run.mu)

    def place(v: np.ndarray, axis: int) -> np.ndarray:
        share = np.maximum.accumulate(v.mean(axis=axis), axis=-1).reshape(-1, 2, log_h.size)
        found = np.asarray([np.interp(0.5, row[1], log_h) - np.interp(0.5, row[0], log_h) for row in share])
        return np.exp(found) if v.ndim > 3 else np.exp(found[0])

    both = np.stack([seen(run, power, ball=True) for power in (1, 2)], axis=1)
    return statistics.bootstrap(_group_means(both), place, n_boot=N_BOOT)


def threshold_ratio(runs: Sequence[Sums], *, limit: bool = False) -> Estimate:
    """Simulated over exact finite-size threshold of the mean, geometric mean over sizes; or over the limit's."""
    logs = []
    for run in runs:
        e = simulated_threshold(run)
        exact = quadrature.threshold(run.d, float(np.log(run.n))) / regimes.thresholds(run.alpha).g
        logs.append(np.log([float(np.asarray(v)) / (1.0 if limit else exact) for v in (e.value, e.low, e.high)]))
    value, low, high = np.transpose(logs)
    middle = float(value.mean())
    below, above = (float(np.sqrt(np.sum((end - value) ** 2))) / len(runs) for end in (low, high))
    ends = np.exp([middle - below, middle + above])
    return Estimate(float(np.exp(middle)), ends[0], ends[1], n=len(runs[-1].size), method="bootstrap, combined")


def scaled(e: Estimate, factor: float) -> Estimate:
    """An estimate times a positive number."""
    value, low, high = (float(np.asarray(v)) * factor for v in (e.value, e.low, e.high))
    return Estimate(value, low, high, n=e.n, level=e.level, method=e.method)


def negative(e: Estimate) -> Estimate:
    """An estimate with its sign turned."""
    value, low, high = (-float(np.asarray(v)) for v in (e.value, e.high, e.low))
    return Estimate(value, low, high, n=e.n, level=e.level, method=e.method)


def limit_of(
    function: Callable[[int, float], float], alpha: float, dims: Sequence[int], *, fixed: bool = False
) -> float:
    """A quantity of (d, log n) by quadrature, extrapolated to infinite d at log n = alpha d; or always 100 points."""
    values = [function(d, float(np.log(FIXED)) if fixed else alpha * d) for d in progress.track(dims, "dimensions")]
    return quadrature.extrapolate(dims, values)


def extrapolated_threshold(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> Estimate:
    """Finite-size bandwidth of condensation by quadrature, extrapolated, over the closed form."""
    found = limit_of(quadrature.threshold, alpha, dims, fixed=fixed) / regimes.thresholds(alpha).g
    return Estimate.exact(found, 1e-6, n=len(dims), method="quadrature, extrapolated")


# C2: the spread of Z against its second moment


def spread_gaps(log_z: np.ndarray, log_unit: float, d: int, log_n: float, beta: float, axis: int = 0) -> np.ndarray:
    """Logarithm over d of the quantile spread IQR/1.349 of Z over the root of n Var X; Z = exp(log_unit) times the values."""
    low, high = np.quantile(log_z, [0.25, 0.75], axis=axis)
    return np.asarray((np.log((high - low) / 1.349) + log_unit - 0.5 * regimes.log_variance(d, log_n, beta)) / d)


def edges(alpha: float, mu: float, dims: Sequence[int], sets: int, nearest: int, *, seed: int) -> list[edge.EdgeSums]:
    """Data sets of exp(alpha d) points at one bandwidth, for each d."""
    return [edge.edge_sums(d, alpha, mu, sets, nearest, seed=seed) for d in progress.track(dims, "large dimensions")]


def spread_gap(run: edge.EdgeSums) -> Estimate:
    """`spread_gaps` of large dimensions with its interval."""
    beta = regimes.condensation(run.alpha) / run.mu

    def gap(z: np.ndarray, axis: int) -> np.ndarray:
        return spread_gaps(z, run.log_unit, run.d, run.alpha * run.d, beta, axis)

    return statistics.bootstrap(run.deviation, gap, n_boot=N_BOOT)


def direct_spread_gap(run: Sums, mu: float) -> Estimate:
    """`spread_gaps` of simulated data sets, at most 2000, with its interval."""
    j = run.at(mu)
    log_z = run.log_z[:2000, j]
    unit = float(np.median(log_z))

    def gap(z: np.ndarray, axis: int) -> np.ndarray:
        return spread_gaps(z, unit, run.d, float(np.log(run.n)), float(run.h[j] ** -2), axis)

    return statistics.bootstrap(np.exp(log_z - unit), gap, n_boot=N_BOOT)


def spread_limit(runs: Sequence[edge.EdgeSums]) -> Estimate:
    r"""$a$ of $a+b\frac{\log d}d+\frac cd$ fitted to the gaps over d."""
    d = np.asarray([run.d for run in runs], dtype=np.float64)
    design = np.stack([np.ones_like(d), np.log(d) / d, 1.0 / d], axis=1)
    weights = np.linalg.pinv(design)[0]

    def intercept(*parts: np.ndarray, axis: int) -> np.ndarray:
        gaps = [
            spread_gaps(p, run.log_unit, run.d, run.alpha * run.d, regimes.condensation(run.alpha) / run.mu, axis)
            for p, run in zip(parts, runs, strict=True)
        ]
        return np.stack(gaps, axis=-1) @ weights

    return statistics.bootstrap(tuple(run.deviation for run in runs), intercept, paired=False, n_boot=N_BOOT)


def closing(limits: dict[float, Estimate], *, seed: int = 0) -> Estimate:
    r"""Bandwidth over h_G at which the gap between spread and root of variance closes.

    It closes quadratically in 1/h^2, so the root of its limit is fitted by a parabola in 1/h^2 and carried on to 0.

    Args:
        limits: `spread_limit` at four or more values of h over h_G, all of them below the threshold.
        seed: of the draws from the intervals of the limits, which give the interval.
    """
    x = np.asarray(list(limits)) ** -2.0
    value, low, high = (
        np.asarray([float(np.asarray(getattr(e, k))) for e in limits.values()]) for k in ("value", "low", "high")
    )
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([value[None], value + (high - low) / 3.92 * rng.standard_normal((2000, x.size))])
    places = [_zero(x, np.sqrt(np.maximum(-row, 0.0))) for row in drawn]
    ends = np.quantile(places[1:], [0.025, 0.975], method="inverted_cdf")  # a parabola may have no zero
    n = min(e.n for e in limits.values())
    return Estimate(
        places[0], min(ends[0], places[0]), max(ends[1], places[0]), n=n, method="parabola, parametric bootstrap"
    )


def _zero(x: np.ndarray, y: np.ndarray) -> float:
    """Where a parabola through points of y on x = (h_G/h)^2 vanishes left of them, as h over h_G."""
    c, b, a = np.polynomial.polynomial.polyfit(x, y, 2)
    roots = np.roots([a, b, c])
    left = [float(v.real) for v in roots if abs(v.imag) < 1e-12 and 0.05 < v.real < x.min()]
    return max(left) ** -0.5 if left else float("inf")


# C4: few points carry the sum


def exact_participation(run: Sums, mu: float) -> float:
    """E[Y_2] by quadrature at a simulated data set's d, n and bandwidth."""
    return quadrature.participation(run.d, float(np.log(run.n)), float(run.h[run.at(mu)] ** -2))


def participation_scores(runs: Sequence[Sums], *, limit: bool = False) -> Estimate:
    """Largest deviation of simulated E[Y_2] from quadrature, or from the limit, in standard errors, over d and mu."""
    found = []
    for run in runs:
        for mu in LIMIT_MU:
            expected = float(regimes.participation(mu)) if limit else exact_participation(run, mu)
            found.append(float(statistics.largest_z(run.participation[:, [run.at(mu)]], [expected]).value))  # type: ignore[arg-type]
    return Estimate.exact(max(found), n=len(runs[0].size), method=f"largest of {len(found)} z-scores")


def weight_scores(runs: Sequence[Sums], *, limit: bool = False) -> Estimate:
    """The same for E[w_max] at half the squared bandwidth of condensation."""
    found = []
    for run in runs:
        j = run.at(0.5)
        exact = quadrature.Sum(run.d, float(np.log(run.n)), float(run.h[j] ** -2), resolution=0.1).largest_weight()
        expected = regimes.largest_weight(0.5) if limit else exact
        found.append(float(statistics.largest_z(run.largest[:, [j]], [expected]).value))  # type: ignore[arg-type]
    return Estimate.exact(max(found), n=len(runs[0].size), method=f"largest of {len(found)} z-scores")


def participation_at(alpha: float, mu: float, dims: Sequence[int], *, fixed: bool = False) -> list[float]:
    """E[Y_2] by quadrature along d; with ``fixed`` always 100 points, at the same bandwidth."""
    beta = regimes.condensation(alpha) / mu
    return [quadrature.participation(d, float(np.log(FIXED)) if fixed else alpha * d, beta) for d in dims]


def shrinking_gap(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> Estimate:
    r"""Largest factor, over steps in d and mu, by which $|E[Y_2]-\max(0,1-\mu)|$ changes from one d to the next."""
    factors = []
    for mu in LIMIT_MU:
        gap = np.abs(np.asarray(participation_at(alpha, mu, dims, fixed=fixed)) - regimes.participation(mu))
        factors.append(float(np.max(gap[1:] / gap[:-1])))
    return Estimate.exact(max(factors), 1e-6, n=len(dims), method="quadrature")


def extrapolated_participation(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> Estimate:
    r"""Largest deviation of the extrapolated $E[Y_2]$ from $1-\mu$ over mu = 1/4, 1/2, 3/4."""
    gaps = [
        quadrature.extrapolate(dims, participation_at(alpha, mu, dims, fixed=fixed)) - float(regimes.participation(mu))
        for mu in (0.25, 0.5, 0.75)
    ]
    return Estimate.exact(float(np.max(np.abs(gaps))), 1e-6, n=len(dims), method="quadrature, extrapolated")


def weight_law(run: edge.EdgeSums, index: float, *, seed: int) -> Estimate:
    """Kolmogorov distance between the law of the largest weight and the Poisson-Dirichlet law of an index."""
    limit = np.sort(edge.poisson_dirichlet(index, LIMIT_SETS, seed=seed)[:, 0])
    return statistics.ks_distance(run.largest, lambda x: np.interp(x, limit, np.linspace(0.0, 1.0, limit.size)))


def carriers_table(runs: Sequence[Sums]) -> str:
    """Median number of points that carry 90 % of the sum, as a table over sizes and bandwidths."""
    picked = (0.25, 0.5, 1.0, 1.5, 4.0)
    lines = ["| n | " + " | ".join(f"μ = {mu:g}" for mu in picked) + " |", "|---" * (len(picked) + 1) + "|"]
    for run in runs:
        median = [float(np.median(run.carriers(mu))) for mu in picked]
        shown = [f"{v:.0f}" if np.isfinite(v) else f"over {run.near.shape[1]}" for v in median]
        lines.append(f"| {run.n} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", "Median number of points that carry 90 % of the sum."])
