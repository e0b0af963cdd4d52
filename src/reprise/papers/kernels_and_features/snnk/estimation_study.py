"""Claim C1: universal random features against the activations that they estimate."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.projections import orthogonal_projection
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.snnk import moments
from reprise.papers.kernels_and_features.snnk import universal as un
from reprise.papers.kernels_and_features.snnk.spectra import COSINE, SPECTRA, Spectrum

Triples = tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]
AT = 1024
"""Features at which the growth of the error with the norm is looked at."""


class Found(NamedTuple):
    """What one kind of estimator did.

    Attributes:
        error: root mean square error over the triples, over the root mean square of f, (draws, numbers of features).
        calibration: slope of the estimates, from all features together, against f, (draws,).
        variance: measured variance of the real part of one feature, mean over triples, (draws,).
    """

    error: Float[np.ndarray, "draws k"]
    calibration: Float[np.ndarray, " draws"]
    variance: Float[np.ndarray, " draws"]


def triples(count: int, dimension: int, norm: float, rng: np.random.Generator) -> Triples:
    """Directions uniform, lengths `norm`, biases uniform on a circle."""
    x, w = (rng.standard_normal((count, dimension)) for _ in range(2))
    x, w = (norm * v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, w))
    return x, w, rng.uniform(-np.pi, np.pi, count)


def directions(kind: str, m: int, dimension: int, rng: np.random.Generator) -> Float[np.ndarray, "m d"]:
    """Independent rows, orthogonal blocks, or (control) one direction for each block of d rows."""
    if kind == "independent":
        return rng.standard_normal((m, dimension))
    if kind == "orthogonal":
        return np.asarray(orthogonal_projection(dimension, m, key=jax.random.key(int(rng.integers(2**31)))))
    if kind == "repeated":
        return np.repeat(rng.standard_normal((-(-m // dimension), dimension)), dimension, axis=0)[:m]
    raise ValueError(f"kind: 'independent', 'orthogonal' or 'repeated', not {kind!r}")


@on_one_thread
def estimate(
    spectrum: Spectrum,
    features: Sequence[int],
    pairs: int,
    draws: int,
    dimension: int,
    *,
    norm: float | None = None,
    split: str | None = None,
    kind: str = "independent",
    correction: un.Correction = "exact",
    shared: bool = True,
    seed: int = 0,
) -> Found:
    """Estimate f(w·x + b) with each number of features, on features of their own, for the same triples in all draws.

    Args:
        spectrum: the activation.
        features: numbers of features.
        pairs: number of triples (x, w, b).
        draws: independent draws of features.
        dimension: of x and w.
        norm: of x and w; the spectrum's own if None.
        split: of the frequency; the spectrum's own if None.
        kind: of `directions`.
        correction: of the exponent; other than "exact" it is a slip.
        shared: whether both maps share their draw; they must.
        seed: base of all draws.
    """
    rng = np.random.default_rng([seed, 11, SPECTRA.index(spectrum)])
    x, w, b = triples(pairs, dimension, spectrum.norm if norm is None else norm, rng)
    truth = spectrum.f((x * w).sum(axis=1) + b)
    size, starts = int(np.sum(features)), np.cumsum([0, *features[:-1]])
    options: dict[str, Any] = {"correction": correction}

    def frozen() -> un.Frozen:
        return un.draw(spectrum, directions(kind, size, dimension, rng), split or spectrum.split, rng, **options)  # type: ignore[arg-type]

    error, slope, spread = [], [], []
    for _ in progress.track(range(draws), f"Kernel estimation, {spectrum.name}"):
        ours = frozen()
        theirs = ours if shared else frozen()
        single = (un.input_map(x, ours) * un.parameter_map(w, b, theirs)).real * size
        means = np.add.reduceat(single, starts, axis=1) / np.asarray(features)
        error.append(np.sqrt(((means - truth[:, None]) ** 2).mean(axis=0) / (truth**2).mean()))
        slope.append((single.mean(axis=1) @ truth) / (truth @ truth))
        spread.append(((single**2).mean(axis=1) - truth**2).mean())
    return Found(np.asarray(error), np.asarray(slope), np.asarray(spread))


def rms(values: np.ndarray, axis: int | None = None) -> Any:
    """Root mean square."""
    return np.sqrt(np.mean(np.square(values), axis=axis))


def rates(features: Sequence[int], found: Sequence[Found]) -> list[Estimate]:
    """Log-log slope of the error against m, of each estimator."""
    return [statistics.slope(features, f.error, statistic=rms) for f in found]


def farthest(estimates: Sequence[Estimate], target: float) -> Estimate:
    """The estimate whose value is farthest from the target."""
    return max(estimates, key=lambda e: abs(float(np.asarray(e.value)) - target))


def bias(found: Sequence[Found]) -> Estimate:
    """The largest deviation of a calibration slope from 1, in standard errors."""
    z = [float(np.abs(statistics.z_scores(f.calibration, 1.0))) for f in found]
    return Estimate.exact(max(z), n=len(found[0].calibration), method=f"largest of {len(z)} z-scores")


def variance_ratio(
    found: Found, split: un.Split, pairs: int, dimension: int, *, norm: float = 1.0, seed: int = 0
) -> Estimate:
    """Measured variance of one feature of the cosine over the exact one of the same triples."""
    rng = np.random.default_rng([seed, 11, SPECTRA.index(COSINE)])
    exact = moments.variance(*triples(pairs, dimension, norm, rng), split).mean()
    return statistics.mean(found.variance / exact)


def exact_error(
    norms: Sequence[float],
    m: int,
    dimension: int,
    split: un.Split = "asymmetric",
    *,
    pairs: int = 20_000,
    seed: int = 0,
) -> Float[np.ndarray, " norms"]:
    """Exact relative error of the cosine with m features, its variance averaged over many random triples."""
    rng = np.random.default_rng([seed, 12])
    values = []
    for norm in norms:
        x, w, b = triples(pairs, dimension, norm, rng)
        truth = np.cos((x * w).sum(axis=1) + b)
        values.append(np.sqrt(moments.variance(x, w, b, split).mean() / m / (truth**2).mean()))
    return np.asarray(values)


def by_norm(norms: Sequence[float], pairs: int, draws: int, dimension: int, *, seed: int = 0) -> list[Estimate]:
    """Relative error of the cosine with 1024 features at each norm, with a bootstrap interval over draws.

    Raises:
        ValueError: 1 is not among the norms, at which the check is made.
    """
    if 1.0 not in norms:
        raise ValueError(f"norms: 1.0 must be among them, got {list(norms)}")
    found = [estimate(COSINE, [AT], pairs, draws, dimension, norm=n, seed=seed) for n in norms]
    return [statistics.bootstrap(f.error[:, 0], rms) for f in found]


def ratio_of_errors(first: Found, second: Found, features: Sequence[int]) -> Estimate:
    """Root mean square of error times root of m, pooled over all m, over that of the second estimator."""
    weights = np.sqrt(np.asarray(features, dtype=np.float64))

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return float(rms(a * weights) / rms(b * weights))

    return statistics.bootstrap((first.error, second.error), ratio, paired=False)


def best_extra(dimension: int, norm: float, *, seed: int = 0) -> tuple[float, float]:
    """The best M of the asymmetric split for random triples of this norm, and the share of variance that it leaves."""
    return moments.best_extra(*triples(1000, dimension, norm, np.random.default_rng([seed, 13])), "asymmetric")
