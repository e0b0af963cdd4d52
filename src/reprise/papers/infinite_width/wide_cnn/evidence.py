"""From eigenvalues and learning curves to estimates."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_cnn import prediction, regression, spectra
from reprise.papers.infinite_width.wide_cnn.networks import Net
from reprise.papers.infinite_width.wide_cnn.prediction import Modes
from reprise.papers.infinite_width.wide_cnn.regression import Errors
from reprise.papers.infinite_width.wide_cnn.spectra import Kind

__all__ = [
    "diagonal",
    "dimension_cost",
    "direction_spread",
    "distance",
    "error_ratio",
    "far_rate",
    "fitted_exponent",
    "formula_rates",
    "gram_deviation",
    "largest_deviation",
    "late",
    "odd_over_even",
    "rate",
    "rate_times_dimension",
    "sector_exponents",
    "smallest_gap",
    "smallest_margin",
    "subset_exponents",
    "top_share",
]


# Spectra


def diagonal(filters: Sequence[int], focus: Sequence[int], kind: Kind, highest: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies k from 2 and eigenvalues of the modes (k, ..., k) on the focus.

    On a single patch up to 512 only: beyond, those of the random-feature kernel sink into rounding errors.
    """
    highest = min(highest, 512) if len(focus) == 1 else highest
    found = spectra.marginal(filters, focus, kind, highest).eigenvalues
    k = np.arange(2, highest + 1)
    return k, found[(k,) * len(focus)]


def fitted_exponent(k: np.ndarray, values: np.ndarray, parity: int = 0) -> Estimate:
    """Log-log slope over even (or odd) k in [K/2, K]; the interval holds those over [K/3, K] and [2K/3, K] too."""
    slopes = []
    for start in (k[-1] / 2, k[-1] / 3, 2 * k[-1] / 3):
        chosen = (k >= start) & (k % 2 == parity)
        slopes.append(float(np.polyfit(np.log(k[chosen]), np.log(values[chosen]), 1)[0]))
    return Estimate(slopes[0], min(slopes), max(slopes), n=1, level=1.0, method="least squares, range over fit windows")


def sector_exponents(
    filters: Sequence[int], kind: Kind, frequencies: Sequence[int], parity: int = 0, modes: Sequence[int] = (1, 2, 4)
) -> list[Estimate]:
    """Fitted exponents of the modes (k), (k, k), (k, k, k, k) on the first 1, 2, 4 patches."""
    pairs = [(c, {1: 0, 2: 1, 4: 2}[c]) for c in modes]
    return [fitted_exponent(*diagonal(filters, range(c), kind, frequencies[j]), parity) for c, j in pairs]


def subset_exponents(
    filters: Sequence[int], kind: Kind, highest: int, supports: Sequence[Sequence[int]]
) -> list[Estimate]:
    """Fitted exponents of modes with one frequency on some of four patches and 0 on the others, from the full spectrum."""
    full = spectra.marginal(filters, (0, 1, 2, 3), kind, highest).eigenvalues
    k = np.arange(2, highest + 1)
    return [fitted_exponent(k, full[tuple(k if i in s else 0 * k for i in range(4))]) for s in supports]


def direction_spread(filters: Sequence[int], kind: Kind, highest: int, order: float) -> Estimate:
    r"""How much eigenvalues of modes (k, k') on two neighbours depend on more than a norm of (k, k').

    Each is multiplied by the norm to the power $2\nu+d_{eff}(2)$, which should leave one constant. Products for even (k, 2k) and
    (k, 3k) are compared with that for (2k, 2k), all up to a frequency K; the interval is the range over three K.

    Args:
        filters: of the kernel, which sees two patches or more.
        kind: "ntk" or "rfk".
        highest: largest frequency K.
        order: of the norm, 2 for the theorem's.
    """
    found = spectra.marginal(filters, (0, 1), kind, highest).eigenvalues
    power = -spectra.exponent(filters, 2, kind)

    def product(k: int, other: int) -> float:
        return float(found[k, other] * np.linalg.norm([k, other], order) ** power)

    spreads = []
    for most in (highest, 3 * highest // 4, highest // 2):
        k = 2 * (most // 6)  # even, and so is 2k
        spreads.append(max(abs(product(k, times * k) / product(2 * k, 2 * k) - 1) for times in (2, 3)))
    return Estimate(spreads[0], min(spreads), max(spreads), n=1, level=1.0, method="range over highest frequencies")


def distance(fitted: Sequence[Estimate], expected: Sequence[float]) -> Estimate:
    """The largest distance of fitted exponents from expected ones, over exponents and fit windows."""
    off = [abs(_scalar(e) - x) for e, x in zip(fitted, expected, strict=True)]
    ends = [(abs(np.asarray(e.low) - x), abs(np.asarray(e.high) - x)) for e, x in zip(fitted, expected, strict=True)]
    inside = [np.asarray(e.low) <= x <= np.asarray(e.high) for e, x in zip(fitted, expected, strict=True)]
    low = max(0.0 if i else float(min(pair)) for i, pair in zip(inside, ends, strict=True))
    return Estimate(max(off), min(low, max(off)), float(np.max(ends)), n=1, level=1.0, method=fitted[0].method)


def odd_over_even(filters: Sequence[int], highest: int) -> Estimate:
    """The largest odd eigenvalue from k = 3 on over that of k - 1, for one patch and the tangent kernel."""
    values = np.abs(spectra.marginal(filters, (0,), "ntk", highest).eigenvalues)
    k = np.arange(3, highest, 2)
    return Estimate.exact(float(np.max(values[k] / values[k - 1])), 1e-9)


def gram_deviation(modes: Sequence[Modes], net: Net, *, points: int, repeats: int, seed: int) -> list[Estimate]:
    """Median over the first N / 20 ranks of the relative distance of Gram eigenvalues from those of each of the modes."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 3), repeats)
    count = points // 20
    found = np.stack([regression.gram_eigenvalues(net, patches=4, points=points, count=count, key=k) for k in keys])
    return [statistics.mean(np.median(np.abs(found / m.ranked(count) - 1), axis=1)) for m in modes]


# Learning curves


def late(ns: Sequence[int]) -> np.ndarray:
    """Numbers of the sample sizes in the last factor of eight, where rates are fitted.

    >>> late([64, 128, 256, 512, 1024])
    array([1, 2, 3, 4])
    """
    return np.flatnonzero(np.asarray(ns) >= ns[-1] / 8)


def _rates(ns: Sequence[int], curves: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    x = np.log(np.asarray(ns, float)[late(ns)])
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    return np.asarray(-(np.log(curves[..., late(ns)]) @ weights))


def _of_mean(rows: np.ndarray, statistic: Callable[[np.ndarray], Any]) -> Estimate:
    """A statistic of the mean over realisations, with a bootstrap over these that is widened to hold the value."""

    def applied(sample: np.ndarray, axis: int = 0) -> np.ndarray:
        mean = sample.mean(axis=axis)
        return np.asarray(statistic(mean))

    found = statistics.bootstrap(rows, applied)
    value, low, high = (float(np.asarray(v)) for v in (found.value, found.low, found.high))
    return Estimate(
        value,
        min(low, value),
        max(high, value),
        n=len(rows),
        level=found.level,
        method=found.method,
        samples=found.samples,
    )


def rate(ns: Sequence[int], errors: Float[np.ndarray, "r n"]) -> Estimate:
    """Exponent with which the mean error falls over the last factor of eight, Student interval over realisations."""
    at = late(ns)
    found = statistics.slope(np.asarray(ns)[at], errors[:, at], method="t")
    values = (-_scalar(found), -float(np.asarray(found.high)), -float(np.asarray(found.low)))
    return Estimate(*values, n=found.n, level=found.level, method=f"minus {found.method}",
                    samples=tuple(-s for s in found.samples))  # fmt: skip


def smallest_gap(ns: Sequence[int], errors: Float[np.ndarray, "r t n"]) -> Estimate:
    """The smallest difference between the rates of successive teachers."""
    return _of_mean(errors, lambda mean: -np.diff(_rates(ns, mean), axis=-1).max(axis=-1))


def largest_deviation(
    errors: Float[np.ndarray, "r t n"], formula: Float[np.ndarray, "t n"], ns: Sequence[int], least: int = 128
) -> Estimate:
    """The largest relative distance of mean errors from a formula, over all curves and n of at least ``least``."""
    at = np.asarray(ns) >= least
    return _of_mean((errors / formula)[..., at], lambda mean: np.abs(mean - 1).max(axis=(-2, -1)))


def error_ratio(upper: Errors, lower: Errors) -> Estimate:
    """Ratio of the mean errors of two students at the largest n, on the same points and targets."""
    rows = np.stack([upper.total[:, -1], lower.total[:, -1]], axis=1)
    return _of_mean(rows, lambda mean: mean[..., 0] / mean[..., 1])


def top_share(errors: Errors) -> Estimate:
    """Share of the error at the largest n in modes that need patches of both halves of the input."""
    return statistics.mean(errors.top_share()[:, -1])


def rate_times_dimension(
    ns: Sequence[int],
    errors: Float[np.ndarray, "r s n"],
    dimensions: Sequence[int],
    pick: Callable[..., Any] = np.argmax,
) -> Estimate:
    """Rate times effective dimension: the one farthest from 1 (or nearest, with ``np.argmin``) of several."""
    found = [rate(ns, errors[:, i]) for i in range(len(dimensions))]
    at = int(pick([abs(_scalar(e) * d - 1) for e, d in zip(found, dimensions, strict=True)]))
    d = dimensions[at]
    value, low, high = (float(np.asarray(v)) * d for v in (found[at].value, found[at].low, found[at].high))
    samples = tuple(s * d for s in found[at].samples)
    return Estimate(value, low, high, found[at].n, method=f"d = {d}: {found[at].method}", samples=samples)


def dimension_cost(ns: Sequence[int], errors: Float[np.ndarray, "r s n"]) -> Estimate:
    """Rate at the largest dimension over that at the smallest."""

    def ratio(mean: np.ndarray) -> np.ndarray:
        rates = _rates(ns, mean)
        return np.asarray(rates[..., -1] / rates[..., 0])

    return _of_mean(errors, ratio)


def formula_rates(ns: Sequence[int], formula: Float[np.ndarray, "t n"]) -> Float[np.ndarray, " t"]:
    """Rates of predicted curves over the last factor of eight."""
    return _rates(ns, formula)


def far_rate(modes: Sequence[Modes], teacher: int, dimensions: Sequence[int], n: float) -> Estimate:
    """Rate of the formula at large n times dimension: farthest from 1 of several, the interval holds all of them."""
    found = []
    for each, d in zip(modes, dimensions, strict=True):
        pair = prediction.learning_curve(each, [n, 2 * n]).error[teacher]
        found.append(float(np.log2(pair[0] / pair[1])) * d)
    value = found[int(np.argmax(np.abs(np.array(found) - 1)))]
    return Estimate(value, min(found), max(found), n=1, level=1.0, method="formula, range over dimensions")


def smallest_margin(ns: Sequence[int], errors: Float[np.ndarray, "r t n"], bounds: Sequence[float]) -> Estimate:
    """The smallest excess of a rate over its bound."""
    return _of_mean(errors, lambda mean: (_rates(ns, mean) - np.asarray(bounds)).min(axis=-1))


def _scalar(estimate: Estimate) -> float:
    assert isinstance(estimate.value, float)
    return estimate.value
