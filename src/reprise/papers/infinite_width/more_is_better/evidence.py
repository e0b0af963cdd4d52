"""From simulated errors to estimates: every extreme over several curves or tasks has a simultaneous interval.

"No step rises", "the worst task", "the smallest gain" are statements about an extreme of several means. If intervals
[l_j, h_j] cover all means jointly, then [max l_j, max h_j] covers the largest mean and [min l_j, min h_j] the smallest;
joint coverage comes from Bonferroni's inequality.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Literal, TypedDict

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.more_is_better.simulation import LawRun
from reprise.papers.infinite_width.more_is_better.sweeps import NoiseSweep, Scaling

__all__ = [
    "Tested",
    "admissible",
    "beats_infinite",
    "best_ratio",
    "cost_at",
    "exponents",
    "largest",
    "median_error",
    "ratio_steps",
    "scalar",
    "share_in_band",
    "smallest",
    "steps",
    "tuned",
    "worst",
]


class Tested(TypedDict):
    """What a check is judged by."""

    measured: Estimate
    control: Estimate


def _extreme(samples: Float[np.ndarray, "t m"], pick: Callable[..., float], which: str, level: float) -> Estimate:
    centre, half = statistics.simultaneous(samples, level=level)
    at = int(np.flatnonzero(centre == pick(centre))[0])
    return Estimate(
        value=float(centre[at]),
        low=float(pick(centre - half)),
        high=float(pick(centre + half)),
        n=len(samples),
        level=level,
        method=f"{which} of {samples.shape[1]} means, simultaneous t intervals (Bonferroni)",
        samples=tuple(map(float, samples[:, at])),
    )


def largest(samples: Float[np.ndarray, "t m"], level: float = 0.95) -> Estimate:
    """The largest of m means over trials.

    >>> largest(np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])).value
    6.0
    """
    return _extreme(samples, np.max, "largest", level)


def smallest(samples: Float[np.ndarray, "t m"], level: float = 0.95) -> Estimate:
    """The smallest of m means over trials."""
    return _extreme(samples, np.min, "smallest", level)


def worst(estimates: Sequence[Estimate], pick: Callable[..., float] = max) -> Estimate:
    """The extreme of several estimates whose intervals were made to hold jointly (each at level 1 - 0.05 / m)."""
    at = [e.value for e in estimates].index(pick(e.value for e in estimates))
    return Estimate(
        value=estimates[at].value,
        low=pick(e.low for e in estimates),
        high=pick(e.high for e in estimates),
        n=min(e.n for e in estimates),
        level=0.95,
        method=f"{'largest' if pick is max else 'smallest'} of {len(estimates)}: {estimates[at].method}",
        samples=estimates[at].samples,
    )


def _joint_level(count: int) -> float:
    return 1 - 0.05 / max(count, 1)


def tuned(selection: Float[np.ndarray, "s ... r"], evaluation: Float[np.ndarray, "t ... r"]) -> np.ndarray:
    """Errors of the evaluation trials at the ridge that is best on average over the selection trials: (t, ...)."""
    best = selection.mean(axis=0).argmin(axis=-1)
    return np.take_along_axis(evaluation, best[None, ..., None], axis=-1)[..., 0]


def steps(errors: Float[np.ndarray, "t n k"]) -> Float[np.ndarray, "t m"]:
    """Rises of the error from each width to the next and from each sample size to the next, at all grid points."""
    along = [np.diff(errors, axis=axis).reshape(len(errors), -1) for axis in (1, 2)]
    return np.concatenate(along, axis=1)


def beats_infinite(
    errors: Float[np.ndarray, "t n k"], ns: Sequence[int], widths: Sequence[int]
) -> Float[np.ndarray, "t m"]:
    """Excess of the error at width k over that at infinite width (last), for all k up to 2n."""
    wide = np.asarray(widths)[None, :] <= 2 * np.asarray(ns)[:, None]
    return (errors[..., :-1] - errors[..., -1:])[:, wide]


def median_error(samples: Float[np.ndarray, "t m"], theory: Float[np.ndarray, " m"], level: float = 0.95) -> Estimate:
    """Median over m grid points of |mean over trials - theory| / theory, bootstrapped over trials.

    Resampling adds noise to an absolute deviation and so moves it up: the interval errs upwards, against the claim. It is
    widened to hold the value.
    """

    def statistic(rows: np.ndarray, axis: int) -> np.ndarray:
        return np.median(np.abs(rows.mean(axis=axis) / theory - 1), axis=-1)

    found = statistics.bootstrap(samples, statistic, level=level)
    value, low, high = scalar(found), float(np.asarray(found.low)), float(np.asarray(found.high))
    ends = {"low": min(low, value), "high": max(high, value)}
    return Estimate(value, **ends, n=found.n, level=level, method=found.method, samples=found.samples)


def share_in_band(samples: Float[np.ndarray, "t m"], theory: Float[np.ndarray, " m"], level: float = 0.95) -> Estimate:
    """Share of grid points where simulation and theory differ by at most max(10 %, 3 standard errors)."""

    def statistic(rows: np.ndarray, axis: int) -> np.ndarray:
        error = rows.std(axis=axis, ddof=1) / np.sqrt(rows.shape[axis])
        return np.mean(np.abs(rows.mean(axis=axis) - theory) <= np.maximum(0.1 * theory, 3 * error), axis=-1)

    return statistics.bootstrap(samples, statistic, level=level)


def _curve(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean test errors and square roots of the fitting ratios of rows (t, 2, r), for every ridge."""
    test, train = rows.mean(axis=0)
    return test, np.sqrt(train / test)


def cost_at(runs: Sequence[LawRun], ratios: Sequence[float]) -> list[Estimate]:
    """Relative excess of the test error at a given fitting ratio over that at the ridge chosen on other trials.

    One estimate a task, jointly covered. Below the least ratio that was simulated, the error at the least ridge counts.
    """
    found = []
    for run, ratio in zip(runs, ratios, strict=True):

        def statistic(rows: np.ndarray, ratio: float = ratio, best: int = run.best) -> float:
            test, r = _curve(rows)
            return float(np.interp(np.sqrt(ratio), r, test) / test[best] - 1)

        rows = np.stack([run.test, run.train], axis=1)
        found.append(statistics.bootstrap(rows, statistic, level=_joint_level(len(runs))))
    return found


def admissible(runs: Sequence[LawRun], excess: float = 0.05) -> list[Estimate]:
    """Largest fitting ratio whose test error is within ``excess`` of that at the ridge chosen on other trials."""
    found = []
    for run in runs:

        def statistic(rows: np.ndarray, best: int = run.best) -> float:
            test, r = _curve(rows)
            above = test[best:] / test[best] - 1
            return float(np.interp(excess, np.maximum.accumulate(above), r[best:]) ** 2)

        rows = np.stack([run.test, run.train], axis=1)
        found.append(statistics.bootstrap(rows, statistic, level=_joint_level(len(runs))))
    return found


def best_ratio(
    selection: NoiseSweep,
    evaluation: NoiseSweep,
    *,
    labels: Literal["noisy", "test_only", "permuted"] = "noisy",
    reduce: Callable[[np.ndarray], float] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Fitting ratio at the best ridge, one a noise level, or what ``reduce`` makes of them.

    The ridge is chosen on the selection trials; both sets of trials are resampled, so that the interval knows the
    uncertainty of that choice. ``labels`` takes the noisy sets or one of the controls of `NoiseSweep`.
    """
    names = {
        "noisy": ("test", "train"),
        "test_only": ("test_only", "train_clean"),
        "permuted": ("test_permuted", "train_permuted"),
    }[labels]
    chosen, measured = (np.stack([getattr(s, name) for name in names], axis=1) for s in (selection, evaluation))

    def statistic(first: np.ndarray, second: np.ndarray) -> np.ndarray | float:
        best = first[:, 0].mean(axis=0).argmin(axis=-1)
        test, train = np.take_along_axis(second.mean(axis=0), best[None, :, None], axis=2)[..., 0]
        return train / test if reduce is None else reduce(train / test)

    found = statistics.bootstrap((chosen, measured), statistic, paired=False, level=level)
    if reduce is None:
        return found
    each = tuple(float(statistic(chosen, measured[i : i + 1])) for i in range(len(measured)))
    return Estimate(found.value, found.low, found.high, found.n, level, found.method, each)


def ratio_steps(levels: Sequence[int], ratios: np.ndarray) -> float:
    """The smallest rise of the fitting ratio between successive entries ``levels``."""
    return float(np.min(np.diff(ratios[list(levels)])))


def exponents(scalings: Sequence[Scaling], what: str) -> list[Estimate]:
    """Log-log slopes of ``kappa`` or ``error`` against n, one for each task, jointly covered."""
    fit = functools.partial(statistics.slope, level=_joint_level(len(scalings)))
    return [fit(s.ns, getattr(s, what)) for s in scalings]


def scalar(estimate: Estimate) -> float:
    """The value of an estimate that is one number."""
    assert isinstance(estimate.value, float)
    return estimate.value
