"""Heavy tails (C3): Hill's index of the nearest points, and which law the sums over data sets have."""

from collections.abc import Sequence

import numpy as np

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.kde_large_dims import edge, quadrature, regimes, stable
from reprise.papers.kernels_and_features.kde_large_dims import evidence as ev
from reprise.papers.kernels_and_features.kde_large_dims.samples import Sums

DEPTHS = (20, 50, 100)
"""How many of the nearest points enter Hill's estimate."""
STABLE_MU = (0.5, 0.75, 1.25, 1.5)
CLASSICAL_MU = 4.0
"""Square of twice the bandwidth of condensation, where the central limit theorem holds."""
HEAVY = 1.5
"""Index of the stable law that is fitted there."""


def hill_scale(run: Sums, k: int) -> Estimate:
    r"""Mean over data sets of $\frac1k\sum_{i\le k}\frac12(E_{(k+1)}-E_{(i)})$; Hill's index of the terms is $h^2$ over it."""
    return statistics.mean(0.5 * (run.near[:, k] - run.near[:, :k].mean(axis=1)))


def hill_ratio(run: Sums, k: int) -> Estimate:
    """Hill's index of the simulated data sets over its exact value at this d and n; the same at every bandwidth."""
    found, exact = hill_scale(run, k), quadrature.hill_scale(run.d, float(np.log(run.n)), k)
    value, low, high = (exact / float(np.asarray(v)) for v in (found.value, found.high, found.low))
    return Estimate(value, low, high, n=found.n, level=found.level, method=f"Hill over its expectation: {found.method}")


def hill_deviation(runs: Sequence[Sums], *, wrong_power: bool = False) -> Estimate:
    """Largest |ratio - 1| of Hill's index to its exact value, over d and depths.

    With ``wrong_power`` the index is held to be h/h_G instead of its square, at half the squared bandwidth.
    """
    factor = np.sqrt(0.5) if wrong_power else 1.0
    found = []
    for run in runs:
        for k in DEPTHS:
            if k >= run.near.shape[1]:
                continue
            e = ev.scaled(hill_ratio(run, k), float(factor))
            value, low, high = (float(np.asarray(v)) - 1.0 for v in (e.value, e.low, e.high))
            inner = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
            found.append(
                Estimate(
                    abs(value), min(inner, abs(value)), max(abs(low), abs(high)), n=e.n, level=e.level, method=e.method
                )
            )
    return ev.largest(found)


def exact_index(d: int, log_n: float, k: int = 20) -> float:
    r"""Exact expected Hill index over its limit mu: $\beta_G$ times the scale, inverted; the same at every bandwidth."""
    return 1.0 / (regimes.condensation(log_n / d) * quadrature.hill_scale(d, log_n, k))


def populated(alpha: float, dims: Sequence[int]) -> list[int]:
    """Dimensions in which ten times as many points are expected as enter Hill's estimate."""
    return [d for d in dims if alpha * d > np.log(10 * DEPTHS[0])]


def index_path(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> list[float]:
    """Exact Hill index over mu along d; with ``fixed`` always 100 points, mu being that of exp(alpha d) points."""
    beta, log_n = regimes.condensation(alpha), float(np.log(ev.FIXED))
    return [1.0 / (beta * quadrature.hill_scale(d, log_n if fixed else alpha * d, DEPTHS[0])) for d in dims]


def index_gaps(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> Estimate:
    """|Hill index over mu - 1| along d, to be decreasing."""
    gaps = [abs(v - 1.0) for v in index_path(alpha, populated(alpha, dims), fixed=fixed)]
    return Estimate.exact(gaps, 1e-5, n=len(gaps), method="quadrature")


def extrapolated_index(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> Estimate:
    """Exact Hill index over mu, extrapolated to infinite d."""
    found = quadrature.extrapolate(dims, index_path(alpha, dims, fixed=fixed))
    return Estimate.exact(found, 1e-5, n=len(dims), method="quadrature, extrapolated")


def law_ratio(z: np.ndarray, index: float, *, seed: int = 0, n_boot: int = 80) -> Estimate:
    """Kolmogorov distance of the best stable law over that of the best Gaussian, basic bootstrap over data sets.

    Drawing from a sample adds to a distance from a law what sampling has added before, so percentiles would lie too high;
    the basic interval turns them about the value.
    """
    z, rng = np.asarray(z) / np.median(np.abs(z)), np.random.default_rng(seed)

    def ratio(x: np.ndarray) -> float:
        near, far = stable.fits(x, index)
        return near / far

    value = ratio(z)
    low, high = np.quantile([ratio(rng.choice(z, z.size)) for _ in range(n_boot)], [0.025, 0.975])
    ends = max(0.0, min(value, 2 * value - high)), max(value, 2 * value - low)
    return Estimate(value, *ends, n=z.size, method=f"basic bootstrap, {n_boot} resamples")


def law_ratios(run: Sums, *, classical: bool = False) -> list[Estimate]:
    """`law_ratio` of simulated sums at every mu below 2; or at twice the bandwidth of condensation."""
    pairs = [(CLASSICAL_MU, HEAVY)] if classical else [(mu, mu) for mu in STABLE_MU]
    return [law_ratio(ev.sums(run, mu), index) for mu, index in pairs]


def stable_distances(runs: Sequence[edge.EdgeSums], *, gaussian: bool = False) -> list[Estimate]:
    """Kolmogorov distance of the sums in a large dimension from their best stable law, or from their best Gaussian."""
    return [_distance(run.deviation, run.mu, gaussian=gaussian) for run in runs]


def _distance(z: np.ndarray, index: float, *, gaussian: bool) -> Estimate:
    z = z / np.median(np.abs(z))
    found = stable.fits(z, index)[int(gaussian)]
    # the band of the Kolmogorov statistic: fitting two constants makes the distance smaller, never larger
    half = float(statistics.ks_distance(np.sort(z), lambda x: np.linspace(0, 1, x.size)).high)  # type: ignore[arg-type]
    return Estimate(
        found, max(0.0, found - half), found + half, n=z.size, method="Kolmogorov distance after fitting, band"
    )
