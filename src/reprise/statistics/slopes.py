r"""Slopes with intervals: how an error falls with width, a cost grows with size, a rate follows an eigenvalue.

The least-squares slope of $y_j$ on $x_j$ is linear in $y$: $b = \sum_j w_j y_j$ with
$w_j = (x_j-\bar x)/\sum_i(x_i-\bar x)^2$. For a power law, $x_j=\log n_j$ and $y_j=\log\bar e_j$, where $\bar e_j$ is
the mean over seeds: the exponent of the mean error, not the mean of the exponents.

Two sources of doubt, two intervals. `slope` and `linear_slope` resample seeds: they say how far the slope could move
with other seeds, and take the law for granted. `fitted_slope` looks at the scatter of the points about the line.

Coverage of the nominal 95 % intervals of `slope`, measured over 3,000 sets of log-normal errors at seven widths:

| seeds | bootstrap | t | bca |
|---|---|---|---|
| 5 | 0.918 | 0.943 | 0.820 |
| 10 | 0.940 | 0.944 | 0.882 |
| 20 | 0.943 | 0.944 | 0.914 |
| 50 | 0.945 | 0.948 | 0.936 |

So take "t" for fewer than ten seeds, and never "bca" for few.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level, kept
from reprise.statistics.means import t_quantile
from reprise.statistics.resampling import bootstrap


def slope_weights(x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    r"""Weights $w$ with least-squares slope $w\cdot y$ for every $y$.

    >>> slope_weights(np.array([0.0, 1.0, 2.0]))
    array([-0.5,  0. ,  0.5])
    """
    centred = x - x.mean()
    return centred / np.sum(centred**2)


def slope(
    x: ArrayLike,
    samples: ArrayLike | Sequence[ArrayLike],
    *,
    level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
    method: str = "bootstrap",
    statistic: Callable[..., Any] = np.mean,
) -> Estimate:
    """Exponent of a power law: log-log slope of the mean over seeds.

    Args:
        x: shape (k,), positive (widths, sample sizes), at least two of them different.
        samples: shape (seeds, k), or k arrays of unequal numbers of seeds, which are then drawn independently.
        level: confidence level.
        n_boot: number of resamples of the seeds.
        seed: seed of the resampling.
        method: "bootstrap" (expanded percentile), "bca", or "t" (the slope linearised in the means, Student interval;
            only for the mean and seeds in rows).
        statistic: what is fitted at each x, with an `axis` keyword: `np.mean`, `np.std`, `np.median`, ...

    Returns:
        Estimate of the slope; `samples` holds one jackknife pseudo-value a seed where seeds are rows.

    >>> rng = np.random.default_rng(0)
    >>> n = np.array([32, 128, 512, 2048])
    >>> e = slope(n, n**-0.5 * rng.lognormal(sigma=0.1, size=(20, 4)))
    >>> e.low < -0.5 < e.high
    True
    """
    lx = _log(as_samples(x, name="x"), "x")
    return _slope_of_seeds(lx, samples, level, n_boot, seed, method, statistic, log=True)


def linear_slope(
    x: ArrayLike,
    samples: ArrayLike | Sequence[ArrayLike],
    *,
    level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
    method: str = "bootstrap",
    statistic: Callable[..., Any] = np.mean,
) -> Estimate:
    """Least-squares slope (with intercept) of the mean over seeds on x; arguments as in `slope`.

    >>> linear_slope([0, 1, 2], [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]).value
    2.0
    """
    lx = as_samples(x, name="x")
    return _slope_of_seeds(lx, samples, level, n_boot, seed, method, statistic, log=False)


def fitted_slope(x: ArrayLike, y: ArrayLike, *, log: bool = True, level: float = 0.95) -> Estimate:
    r"""Ordinary least squares on one value for each x: slope with the Student interval of the residuals.

    $b \pm t_{k-2}\,\hat\sigma/\sqrt{\sum_j(x_j-\bar x)^2}$ with $\hat\sigma^2=\mathrm{RSS}/(k-2)$: for timings and other
    series without seeds, where the scatter about the line is all the doubt there is.

    Args:
        x: shape (k,), k >= 3.
        y: shape (k,).
        log: fit log y on log x (an exponent) or y on x.
        level: confidence level.

    >>> e = fitted_slope([1, 2, 4], [3.0, 6.0, 12.0])
    >>> round(e.value, 12), round(e.high - e.low, 12)
    (1.0, 0.0)
    """
    lx, ly = as_samples(x, name="x", least=3), as_samples(y, name="y", least=3)
    if lx.shape != ly.shape:
        raise StatisticsError(f"x and y: one length is expected, the shapes are {lx.shape} and {ly.shape}")
    if log:
        lx, ly = _log(lx, "x"), _log(ly, "y")
    _check_spread(lx)
    k = lx.shape[0]
    value = float(slope_weights(lx) @ ly)
    residuals = ly - ly.mean() - value * (lx - lx.mean())
    error = np.sqrt(np.sum(residuals**2) / (k - 2) / np.sum((lx - lx.mean()) ** 2))
    half = t_quantile(level, k - 2) * float(error)
    name = "log-log" if log else "linear"
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=k,
        level=level,
        method=f"{name} slope, least squares, t interval",
    )


def _slope_of_seeds(
    lx: np.ndarray,
    samples: ArrayLike | Sequence[ArrayLike],
    level: float,
    n_boot: int,
    seed: int,
    method: str,
    statistic: Callable[..., Any],
    *,
    log: bool,
) -> Estimate:
    check_level(level)
    _check_spread(lx)
    weights = slope_weights(lx)
    name = f"{'log-log' if log else 'linear'} slope of the {getattr(statistic, '__name__', 'statistic')} over seeds"
    columns = _columns(samples)

    def of_rows(rows: np.ndarray, axis: int) -> Any:
        centre = statistic(rows, axis=axis)
        return _maybe_log(centre, log) @ weights

    def of_columns(*parts: np.ndarray, axis: int) -> Any:
        centre = np.stack([statistic(p, axis=axis) for p in parts], axis=-1)
        return _maybe_log(centre, log) @ weights

    rows: np.ndarray | None = None
    if columns is None:
        rows = as_samples(samples, dims=(2,))  # type: ignore[arg-type]
        _check_count(rows.shape[1], lx)
        if method == "t":
            return _delta_slope(rows, weights, level, statistic, name, log=log)
    else:
        _check_count(len(columns), lx)
    if method not in ("bootstrap", "bca"):
        raise StatisticsError(f"method: 'bootstrap', 'bca' (or 't' for seeds in rows) is expected, not {method!r}")
    kind = "bca" if method == "bca" else "percentile"
    found = (
        bootstrap(rows, of_rows, n_boot=n_boot, level=level, seed=seed, method=kind)
        if rows is not None
        else bootstrap(
            tuple(columns or ()), of_columns, n_boot=n_boot, level=level, seed=seed, method=kind, paired=False
        )
    )
    return Estimate(
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        level=level,
        method=f"{name}, {found.method}",
        samples=found.samples,
    )


def _delta_slope(
    rows: np.ndarray, weights: np.ndarray, level: float, statistic: Callable[..., Any], name: str, *, log: bool
) -> Estimate:
    r"""Student interval of the slope linearised in the means: seed $i$ moves it by $\sum_jw_j(e_{ij}/\bar e_j-1)$."""
    if statistic is not np.mean:
        raise StatisticsError("method 't' is for the mean; take 'bootstrap' or 'bca' for another statistic")
    centre = rows.mean(axis=0)
    value = float(_maybe_log(centre, log) @ weights)
    moves = (rows / centre - 1.0 if log else rows - centre) @ weights
    n = rows.shape[0]
    half = t_quantile(level, n - 1) * float(moves.std(ddof=1)) / float(np.sqrt(n))
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=n,
        level=level,
        method=f"{name}, linearised t interval",
        samples=kept(value + moves),
    )


def _columns(samples: ArrayLike | Sequence[ArrayLike]) -> list[np.ndarray] | None:
    """The samples as unequal columns, or None if they form a matrix."""
    if not isinstance(samples, (list, tuple)):
        return None
    if any(np.ndim(s) != 1 for s in samples) or len({np.shape(s) for s in samples}) == 1:
        return None
    return [as_samples(s, name=f"samples[{j}]") for j, s in enumerate(samples)]


def _maybe_log(values: np.ndarray, log: bool) -> np.ndarray:
    return _log(values, "the values to be fitted") if log else values


def _log(values: np.ndarray, name: str) -> np.ndarray:
    if np.any(values <= 0.0):
        raise StatisticsError(f"{name}: a log-log slope needs positive values, the smallest is {np.min(values):.6g}")
    return np.asarray(np.log(values))


def _check_spread(lx: np.ndarray) -> None:
    if not np.ptp(lx) > 0.0:
        raise StatisticsError("x: at least two different values are needed for a slope")


def _check_count(count: int, lx: np.ndarray) -> None:
    if count != lx.shape[0]:
        raise StatisticsError(f"samples: one column for each of the {lx.shape[0]} values of x, not {count}")
