r"""Monotone? Simultaneous intervals for the steps of a curve, and sequences to be judged by their order.

A curve measured at $k$ points has $k-1$ steps; with one 95 % interval each, some would err by chance. The intervals here
hold *jointly*: with probability `level` all of them cover at once. `method` says how:

- "bonferroni": Student intervals at level $1-\alpha/(k-1)$; never too narrow for Gaussian samples;
- "max-t": the quantile of $\max_j|t_j|$ under the estimated correlation of the steps (a multiplier simulation with a
  $\chi^2$ denominator); narrower where steps go together, needs some twenty seeds.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level, kept
from reprise.statistics.means import t_quantile

_DRAWS = 20_000


def differences(samples: ArrayLike, *, level: float = 0.95, method: str = "bonferroni", seed: int = 0) -> Estimate:
    """Steps x[:, j+1] - x[:, j] of the seed-mean with simultaneous intervals: a vector of k-1 entries.

    Args:
        samples: shape (seeds, k), k >= 2; a seed's row is one curve (paired), or holds independent runs.
        level: joint confidence level.
        method: "bonferroni" or "max-t".
        seed: seed of the max-t simulation.

    >>> differences([[3.0, 2.0, 1.0], [4.0, 2.5, 1.5]]).value
    (-1.25, -1.0)
    """
    x = _curves(samples)
    steps = np.diff(x, axis=1)
    centre, half = simultaneous(steps, level=level, method=method, seed=seed)
    return Estimate(
        value=tuple(map(float, centre)),
        low=tuple(map(float, centre - half)),
        high=tuple(map(float, centre + half)),
        n=x.shape[0],
        level=level,
        method=f"steps, simultaneous t intervals ({method})",
    )


def monotone_differences(
    samples: ArrayLike,
    *,
    direction: str = "decreasing",
    level: float = 0.95,
    method: str = "bonferroni",
    seed: int = 0,
) -> Estimate:
    r"""The worst step against the direction: one number that is at most 0 if and only if the curve is monotone.

    For "decreasing" it is $\max_j(\mu_{j+1}-\mu_j)$, for "increasing" $\max_j(\mu_j-\mu_{j+1})$. If the simultaneous
    intervals $[l_j,h_j]$ of the steps cover, then $[\max_jl_j,\max_jh_j]$ covers the largest step. So `at_most: 0` passes
    if every step is beyond doubt, and `at_most: m` allows a margin m where the curve levels off.

    Args:
        samples: shape (seeds, k), k >= 2.
        direction: "decreasing" or "increasing".
        level: joint confidence level.
        method: "bonferroni" or "max-t".
        seed: seed of the max-t simulation.

    >>> e = monotone_differences([[3.0, 2.0, 1.0], [4.0, 2.9, 2.0], [3.5, 2.5, 1.4]])
    >>> e.value < 0, e.high < 0
    (True, True)
    """
    if direction not in ("decreasing", "increasing"):
        raise StatisticsError(f"direction: 'decreasing' or 'increasing' is expected, not {direction!r}")
    x = _curves(samples)
    steps = np.diff(x, axis=1) if direction == "decreasing" else -np.diff(x, axis=1)
    centre, half = simultaneous(steps, level=level, method=method, seed=seed)
    worst = int(np.argmax(centre))
    return Estimate(
        value=float(centre[worst]),
        low=float(np.max(centre - half)),
        high=float(np.max(centre + half)),
        n=x.shape[0],
        level=level,
        method=f"largest step against '{direction}' of {steps.shape[1]}, simultaneous t intervals ({method})",
        samples=kept(steps[:, worst]),
    )


def order(
    samples: ArrayLike,
    *,
    level: float = 0.95,
    paired: bool = False,
    method: str = "bonferroni",
    seed: int = 0,
) -> Estimate:
    r"""A sequence of seed-means to be judged by `ordered`, which asks that neighbouring intervals do not overlap.

    Unpaired: simultaneous Student intervals of the k means. Paired (each seed gives the whole row, so that what seeds
    share cancels): *comparison intervals* $\bar x_j\pm w$ with $w$ half the widest simultaneous interval of a step, so
    that two neighbours are disjoint only if their difference is beyond doubt; they say nothing on the means' absolute
    place.

    Args:
        samples: shape (seeds, k), k >= 2.
        level: joint confidence level.
        paired: seeds are common to the entries of a row.
        method: "bonferroni" or "max-t".
        seed: seed of the max-t simulation.

    >>> e = order([[1.0, 2.0, 3.0], [1.2, 2.1, 3.3], [0.9, 1.9, 3.1]], paired=True)
    >>> e.high[0] < e.low[1], e.high[1] < e.low[2]
    (True, True)
    """
    x = _curves(samples)
    if paired:
        _, step_half = simultaneous(np.diff(x, axis=1), level=level, method=method, seed=seed)
        centre, half = x.mean(axis=0), np.full(x.shape[1], 0.5 * float(np.max(step_half)))
        name = "comparison intervals of paired means"
    else:
        centre, half = simultaneous(x, level=level, method=method, seed=seed)
        name = "simultaneous t intervals of means"
    return Estimate(
        value=tuple(map(float, centre)),
        low=tuple(map(float, centre - half)),
        high=tuple(map(float, centre + half)),
        n=x.shape[0],
        level=level,
        method=f"{name} ({method})",
    )


def sequence(estimates: Sequence[Estimate]) -> Estimate:
    r"""Separate scalar estimates as one sequence for `ordered`; jointly they hold at level $1-\sum_i(1-\text{level}_i)$.

    So for a joint 95 % of k entries ask each for the level 1 - 0.05/k (Bonferroni).

    Args:
        estimates: at least two scalar estimates, in order.

    >>> parts = [Estimate(v, v - 0.1, v + 0.1, n=10, level=0.975) for v in (1.0, 2.0)]
    >>> e = sequence(parts)
    >>> e.value, round(e.level, 6)
    ((1.0, 2.0), 0.95)
    """
    if len(estimates) < 2:
        raise StatisticsError(f"estimates: at least two are needed for a sequence, not {len(estimates)}")
    if any(isinstance(part, tuple) for e in estimates for part in (e.value, e.low, e.high)):
        raise StatisticsError("estimates: scalar ones are expected, not sequences")
    level = 1.0 - sum(1.0 - e.level for e in estimates)
    if level <= 0.0:
        raise StatisticsError(
            f"estimates: {len(estimates)} intervals of level {estimates[0].level:g} hold jointly at no level; "
            f"ask each for {1.0 - 0.05 / len(estimates):.4g}"
        )
    return Estimate(
        value=tuple(cast("float", e.value) for e in estimates),
        low=tuple(cast("float", e.low) for e in estimates),
        high=tuple(cast("float", e.high) for e in estimates),
        n=min(e.n for e in estimates),
        level=level,
        method=f"sequence of {len(estimates)} estimates, joint level by Bonferroni; each: {estimates[0].method}",
    )


def simultaneous(
    samples: ArrayLike, *, level: float = 0.95, method: str = "bonferroni", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Means of k columns and the half-widths of intervals that cover all of them jointly.

    Args:
        samples: shape (seeds, k).
        level: joint confidence level.
        method: "bonferroni" or "max-t".
        seed: seed of the max-t simulation.

    Returns:
        Means and half-widths, each of shape (k,).

    >>> centre, half = simultaneous([[0.0, 1.0], [2.0, 1.0]])
    >>> centre, half[1]
    (array([1., 1.]), np.float64(0.0))
    """
    x = as_samples(samples, dims=(2,))
    check_level(level)
    n, k = x.shape
    spread = x.std(axis=0, ddof=1)
    if method == "bonferroni":
        factor = t_quantile(1.0 - (1.0 - level) / k, n - 1)
    elif method == "max-t":
        factor = _max_t(x, spread, level, seed)
    else:
        raise StatisticsError(f"method: 'bonferroni' or 'max-t' is expected, not {method!r}")
    return x.mean(axis=0), factor * spread / np.sqrt(n)


def _max_t(x: np.ndarray, spread: np.ndarray, level: float, seed: int) -> float:
    n = x.shape[0]
    moving = spread > 0.0
    if not moving.any():
        return 0.0
    scaled = (x - x.mean(axis=0))[:, moving] / (spread[moving] * np.sqrt(n - 1))
    rng = np.random.default_rng(seed)
    gauss = np.abs(rng.normal(size=(_DRAWS, n)) @ scaled).max(axis=1)
    return float(np.quantile(gauss / np.sqrt(rng.chisquare(n - 1, size=_DRAWS) / (n - 1)), level))


def _curves(samples: ArrayLike) -> np.ndarray:
    x = as_samples(samples, dims=(2,))
    if x.shape[1] < 2:
        raise StatisticsError(f"samples: at least two columns are needed to compare, there is {x.shape[1]}")
    return x
