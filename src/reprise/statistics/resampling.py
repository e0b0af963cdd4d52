r"""The bootstrap: intervals for any statistic of independent samples.

Rows (seeds) are drawn with replacement $B$ times and the statistic $\hat\theta$ is computed on each draw. Two intervals:

- **percentile**: quantiles of the $B$ values. With few rows the plain quantiles are too narrow, as the resampled
  spread is smaller by $\sqrt{(n-1)/n}$ and Gaussian quantiles stand in for Student's; so by default the tail
  probability is moved to $\Phi(-\sqrt{n/(n-1)}\;t_{n-1,\,1-\alpha/2})$, the *expanded* percentile interval
  (Hesterberg 2015, The American Statistician 69:371, section 5.3).
- **bca**: bias-corrected and accelerated (Efron 1987, JASA 82:171), second-order accurate, for skewed statistics and
  at least some twenty rows.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics._samples import KEPT, StatisticsError, as_samples, check_level, kept

_ELEMENTS = 1 << 22


def resample(n: int, n_boot: int, seed: int) -> Int[np.ndarray, "n_boot n"]:
    """Row numbers of `n_boot` draws of n rows with replacement.

    >>> resample(3, 2, seed=0).shape
    (2, 3)
    """
    return np.random.default_rng(seed).integers(0, n, size=(n_boot, n))


def bootstrap(
    samples: ArrayLike | tuple[ArrayLike, ...],
    statistic: Callable[..., Any],
    *,
    axis: int = 0,
    n_boot: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    paired: bool = True,
    method: str = "percentile",
    expand: bool = True,
) -> Estimate:
    """Bootstrap interval of a statistic.

    Args:
        samples: an array whose `axis` counts independent samples (seeds), or a tuple of such arrays, which are then
            given to the statistic as separate arguments.
        statistic: array(s) -> number or vector. If it takes an `axis` keyword (as `np.mean` does) it is called on
            many resamples at once with that axis, else once for each resample on arrays shaped like `samples`.
        axis: which axis of the samples counts seeds.
        n_boot: number of resamples.
        level: confidence level; for a vector statistic the intervals hold one by one, not jointly.
        seed: seed of the resampling; the same seed gives the same interval.
        paired: with several arrays, draw the same rows from all of them (True) or independent rows (False).
        method: "percentile" or "bca".
        expand: small-sample correction of the percentile interval (see the module's text).

    Returns:
        Estimate of the statistic. `samples` holds the jackknife pseudo-values n*theta - (n-1)*theta_without_i, one
        a seed: their mean is the (bias-corrected) statistic, their spread over sqrt(n) its standard error.

    Costs n_boot + n evaluations of the statistic.

    >>> x = np.arange(20.0)
    >>> e = bootstrap(x, np.median, seed=1)
    >>> e.value, e.low < 9.5 < e.high
    (9.5, True)
    >>> bootstrap((x, 2 * x), lambda a, b: (a * b).sum() / (a * a).sum()).value
    2.0
    """
    check_level(level)
    if method not in ("percentile", "bca"):
        raise StatisticsError(f"method: 'percentile' or 'bca' is expected, not {method!r}")
    if n_boot < 100:
        raise StatisticsError(f"n_boot: at least 100 resamples are needed, not {n_boot}")
    several = isinstance(samples, tuple) and len(samples) > 0 and all(np.ndim(s) >= 1 for s in samples)
    given = list(samples) if isinstance(samples, tuple) and several else [samples]
    arrays = [as_samples(np.moveaxis(np.asarray(s, dtype=np.float64), axis, 0), dims=range(1, 9)) for s in given]
    sizes = [a.shape[0] for a in arrays]
    if paired and len(set(sizes)) > 1:
        raise StatisticsError(f"paired samples of one length are expected, the lengths are {sizes}")
    apply = _applier(statistic, axis)
    value = apply([a[None] for a in arrays])[0]
    boot = _resampled(arrays, apply, n_boot, seed, paired)
    left = _jackknife(arrays, apply, paired) if method == "bca" or (paired and sizes[0] <= KEPT) else None
    if method == "bca":
        assert left is not None
        low, high = _bca(value, boot, left, level)
    else:
        tail = percentile_tail(min(sizes), level) if expand else 0.5 * (1.0 - level)
        low, high = np.quantile(boot, [tail, 1.0 - tail], axis=0)
    name = "BCa" if method == "bca" else ("expanded percentile" if expand else "percentile")
    pseudo: tuple[float, ...] = ()
    if np.ndim(value) == 0 and paired and left is not None:
        n = sizes[0]
        pseudo = kept(n * value - (n - 1) * left[0])
    return Estimate(
        value=_plain(value),
        low=_plain(low),
        high=_plain(high),
        n=min(sizes),
        level=level,
        method=f"bootstrap, {name}, {n_boot} resamples",
        samples=pseudo,
    )


def percentile_tail(n: int, level: float) -> float:
    """Tail probability of the expanded percentile interval for n samples (Hesterberg 2015).

    >>> round(percentile_tail(10, 0.95), 4), round(percentile_tail(100000, 0.95), 4)
    (0.0086, 0.025)
    """
    t = stats.t.ppf(0.5 + 0.5 * level, n - 1)
    return float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * t))


def bca_tails(value: float, boot: Float[np.ndarray, " n_boot"], skew: float, level: float) -> tuple[float, float]:
    """Tail probabilities of the BCa interval from the resampled values and the acceleration `skew`.

    Without bias and acceleration they are those of the percentile interval:

    >>> [round(p, 6) for p in bca_tails(0.0, np.array([-1.0, 1.0]), 0.0, 0.95)]
    [0.025, 0.975]
    """
    share = (np.sum(boot < value) + 0.5 * np.sum(boot == value)) / boot.size
    share = np.clip(share, 0.5 / boot.size, 1.0 - 0.5 / boot.size)
    z0 = stats.norm.ppf(share)
    z = stats.norm.ppf([0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    tails = stats.norm.cdf(z0 + (z0 + z) / (1.0 - skew * (z0 + z)))
    return float(tails[0]), float(tails[1])


def _applier(statistic: Callable[..., Any], axis: int) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The statistic as a map from stacks (b, rows, ...) to values (b,) or (b, k)."""
    try:
        parameters = inspect.signature(statistic).parameters
        vectorised = "axis" in parameters
    except (TypeError, ValueError):
        vectorised = False

    def whole(stacks: list[np.ndarray]) -> np.ndarray:
        out = np.asarray(
            statistic(
                *[np.moveaxis(s, 1, _shifted(axis, s.ndim)) for s in stacks], axis=_shifted(axis, stacks[0].ndim)
            ),
            dtype=np.float64,
        )
        return _checked(out, stacks[0].shape[0])

    def single(stacks: list[np.ndarray]) -> np.ndarray:
        rows = [statistic(*[np.moveaxis(s[i], 0, axis) for s in stacks]) for i in range(stacks[0].shape[0])]
        return _checked(np.asarray(rows, dtype=np.float64), stacks[0].shape[0])

    return whole if vectorised else single


def _shifted(axis: int, ndim: int) -> int:
    """Where `axis` of one array lies once a leading axis has been put before it."""
    return axis if axis < 0 else min(axis + 1, ndim - 1)


def _checked(out: np.ndarray, count: int) -> np.ndarray:
    if out.ndim not in (1, 2) or out.shape[0] != count:
        raise StatisticsError(
            f"statistic: a number or a vector is expected for each resample, the shape is {out.shape[1:]}"
        )
    if not np.isfinite(out).all():
        raise StatisticsError("statistic: not finite on at least one resample")
    return out


def _resampled(
    arrays: list[np.ndarray],
    apply: Callable[[list[np.ndarray]], np.ndarray],
    n_boot: int,
    seed: int,
    paired: bool,
) -> np.ndarray:
    first = resample(arrays[0].shape[0], n_boot, seed)
    rows = [first]
    for number, array in enumerate(arrays[1:], start=1):
        rows.append(first if paired else resample(array.shape[0], n_boot, _child(seed, number)))
    step = max(1, _ELEMENTS // max(a.size for a in arrays))
    parts = [
        apply([a[r[start : start + step]] for a, r in zip(arrays, rows, strict=True)])
        for start in range(0, n_boot, step)
    ]
    return np.concatenate(parts)


def _child(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _jackknife(
    arrays: list[np.ndarray], apply: Callable[[list[np.ndarray]], np.ndarray], paired: bool
) -> list[np.ndarray]:
    """Values without row i: one array for paired samples, else one for each sample."""

    def without(which: list[int], n: int) -> np.ndarray:
        values = [
            apply([np.delete(a, i, axis=0)[None] if k in which else a[None] for k, a in enumerate(arrays)])[0]
            for i in range(n)
        ]
        return np.asarray(values)

    if paired:
        return [without(list(range(len(arrays))), arrays[0].shape[0])]
    return [without([k], a.shape[0]) for k, a in enumerate(arrays)]


def _bca(value: np.ndarray, boot: np.ndarray, left: list[np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray]:
    boot2 = boot.reshape(boot.shape[0], -1)
    third, second = np.zeros(boot2.shape[1]), np.zeros(boot2.shape[1])
    for values in left:
        flat = values.reshape(values.shape[0], -1)
        d = (flat.shape[0] - 1) * (flat.mean(axis=0) - flat) / flat.shape[0]
        third += (d**3).sum(axis=0)
        second += (d**2).sum(axis=0)
    skew = np.divide(third, 6.0 * second**1.5, out=np.zeros_like(third), where=second > 0)
    ends = np.empty((2, boot2.shape[1]))
    for j, v in enumerate(np.ravel(value)):
        ends[:, j] = np.quantile(boot2[:, j], bca_tails(float(v), boot2[:, j], float(skew[j]), level))
    shape = np.shape(value)
    return ends[0].reshape(shape), ends[1].reshape(shape)


def _plain(value: np.ndarray) -> Any:
    return float(value) if np.ndim(value) == 0 else tuple(float(v) for v in value)
