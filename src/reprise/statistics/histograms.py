r"""Total-variation distance of laws on common bins, with an interval that allows for sampling noise.

For cell probabilities $p$, $q$: $\mathrm{TV}(p,q)=\frac12\sum_i|p_i-q_i|$, a lower bound of the distance of the laws,
sharp as bins shrink. Frequencies $\hat p$ of $n$ samples are never equal to $p$, so $\mathrm{TV}(\hat p,q)$ is positive
even when $p=q$; by the triangle inequality the true distance lies within $\mathrm{TV}(\hat p,p)$ of it, whose quantile is
found by drawing from $\hat p$. The interval is conservative, and its lower end is 0 where noise could explain it all.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level


def total_variation(
    samples: ArrayLike,
    other: ArrayLike | None = None,
    *,
    bins: ArrayLike,
    probabilities: ArrayLike | None = None,
    level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
    effective: float | None = None,
) -> Estimate:
    """Total-variation distance on bins: a sample against another sample, or against known cell probabilities.

    What falls outside the bins is counted in two more cells at the ends.

    Args:
        samples: shape (n,).
        other: shape (m,), a second sample; or None.
        bins: shape (b + 1,), increasing edges.
        probabilities: shape (b,) or (b + 2,) (with the two outer cells), instead of `other`; b cells may miss
            probability only through the outer cells, which then share what is left as one cell.
        level: confidence level.
        n_boot: number of draws for the noise quantile.
        seed: seed of the draws.
        effective: effective number of independent samples (for Markov chains), if less than n.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=4000), rng.normal(size=4000)
    >>> edges = np.linspace(-3, 3, 13)
    >>> total_variation(a, b, bins=edges).low
    0.0
    >>> e = total_variation(a, b + 1, bins=edges)  # the true distance is 0.383
    >>> e.low < 0.38 < e.high
    True
    """
    check_level(level)
    edges = as_samples(bins, name="bins")
    if np.any(np.diff(edges) <= 0.0):
        raise StatisticsError("bins: increasing edges are expected")
    if (other is None) == (probabilities is None):
        raise StatisticsError("either a second sample or cell probabilities are expected")
    x = as_samples(samples)
    counts = _count(x, edges)
    sizes = [x.size if effective is None else min(float(effective), x.size)]
    if sizes[0] < 2:
        raise StatisticsError(f"effective: at least 2 independent samples are needed, not {sizes[0]:g}")
    if other is not None:
        y = as_samples(other, name="other")
        second = _count(y, edges) / y.size
        sizes.append(float(y.size))
    else:
        second = _cells(probabilities, edges)
        if second.size == counts.size - 1:
            counts = np.concatenate([counts[1:-1], [counts[0] + counts[-1]]])
    first = counts / counts.sum()
    value = 0.5 * float(np.abs(first - second).sum())
    rng = np.random.default_rng(seed)
    noise = _noise(first, sizes[0], n_boot, rng)
    if other is not None:
        noise = noise + _noise(second, sizes[1], n_boot, rng)
    half = float(np.quantile(noise, level))
    return Estimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        n=int(min(sizes)),
        level=level,
        method=f"total variation on {first.size} cells, noise by multinomial draws",
    )


def _count(x: np.ndarray, edges: np.ndarray) -> Float[np.ndarray, " cells"]:
    """Counts in the cells (-inf, e_0), [e_0, e_1), ..., [e_b, inf)."""
    return np.bincount(np.searchsorted(edges, x, side="right"), minlength=edges.size + 1).astype(float)


def _cells(probabilities: ArrayLike | None, edges: np.ndarray) -> Float[np.ndarray, " cells"]:
    p = as_samples(probabilities, name="probabilities", least=1)  # type: ignore[arg-type]
    if p.size not in (edges.size - 1, edges.size + 1):
        raise StatisticsError(
            f"probabilities: {edges.size - 1} cells, or {edges.size + 1} with the outer two, not {p.size}"
        )
    if np.any(p < -1e-12) or p.sum() > 1.0 + 1e-6:
        raise StatisticsError(f"probabilities: not negative, with a sum of at most 1; the sum is {p.sum():.6g}")
    if p.size == edges.size + 1:
        if abs(p.sum() - 1.0) > 1e-6:
            raise StatisticsError(f"probabilities: with the outer cells they sum to 1, not to {p.sum():.6g}")
        return p
    return np.append(p, max(0.0, 1.0 - float(p.sum())))


def _noise(p: np.ndarray, size: float, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """Distances TV(p*, p) of frequencies drawn from p."""
    n = max(2, int(size))
    p = np.clip(p, 0.0, None) / np.clip(p, 0.0, None).sum()
    return np.asarray(0.5 * np.abs(rng.multinomial(n, p, size=n_boot) / n - p).sum(axis=1))
