r"""The bandwidth of least Kullback-Leibler divergence (C5) and what other rules lose (C6), by simulation and quadrature.

Simulation draws an x of its own for every data set and averages
$\frac1d[\log\rho(x)-\log\hat\rho_h(x)]$, whose two terms vary together with |x|².
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.kde_large_dims import classical, quadrature, regimes, samples
from reprise.papers.kernels_and_features.kde_large_dims import evidence as ev
from reprise.papers.kernels_and_features.kde_large_dims.samples import Sums

GRID = tuple(np.geomspace(0.6, 1.6, 18))
"""Bandwidths of the simulated curves in many dimensions."""
LOW_GRID = tuple(np.geomspace(0.06, 0.9, 20))
"""Bandwidths in two dimensions."""
LOW = 2
"""The dimension in which classical rules are at home."""


def curves(alpha: float, dims: Sequence[int], sets: int, *, seed: int) -> list[Sums]:
    """Data sets with an x of their own, for each d."""
    return [samples.simulate(d, samples.points(d, alpha), sets, (), h=GRID, fixed=False, seed=seed + 1) for d in dims]


def low_curve(n: int, sets: int, *, seed: int) -> Sums:
    """The same in two dimensions."""
    return samples.simulate(LOW, n, sets, (), h=LOW_GRID, fixed=False, seed=seed + 1)


def divergences(run: Sums) -> Float[np.ndarray, "r h"]:
    r"""Per data set $\frac1d[\log\rho(x)-\log\hat\rho_h(x)]$, (R, H)."""
    return np.asarray((np.log(run.n) - 0.5 * run.size[:, None] - run.log_z) / run.d + np.log(run.h))


def simulated_optimum(run: Sums) -> Estimate:
    """Bandwidth where the mean curve, as a cubic spline in log h, is least; bootstrap over data sets."""
    log_h = np.log(run.h)
    fine = np.linspace(log_h[0], log_h[-1], 801)
    to_fine = CubicSpline(log_h, np.eye(log_h.size))(fine).T

    def place(rows: np.ndarray, axis: int) -> np.ndarray:
        return np.exp(fine[np.argmin(rows.mean(axis=axis) @ to_fine, axis=-1)])

    return statistics.bootstrap(divergences(run), place, n_boot=ev.N_BOOT)


def over_threshold(run: Sums) -> Estimate:
    """Simulated optimal bandwidth over that of the central limit theorem at log n / d."""
    return ev.scaled(simulated_optimum(run), 1.0 / float(regimes.thresholds(run.alpha).clt))


def optimal_participation(run: Sums) -> Estimate:
    """E[Y_2] at the bandwidth of the grid nearest to the simulated optimum."""
    j = int(np.argmin(np.abs(run.h - float(np.asarray(simulated_optimum(run).value)))))
    return statistics.mean(run.participation[:, j])


def divergence_scores(runs: Sequence[Sums], *, annealed: bool = False) -> Estimate:
    r"""Largest deviation of simulated divergences from quadrature in standard errors, over d, at h near 0.7 and 1.

    With ``annealed`` from $\frac1d(\log\rho-\log E[\hat\rho])$ instead, the logarithm of the mean: at $|x|^2=d$.
    """
    found = []
    for run in runs:
        for h in (0.7, 1.0):
            j = int(np.argmin(np.abs(run.h - h)))
            bandwidth, log_n = float(run.h[j]), float(np.log(run.n))
            expected = (
                float(np.log(bandwidth) - 0.5 - regimes.cumulant(bandwidth**-2))
                if annealed
                else quadrature.divergence(run.d, log_n, bandwidth)
            )
            found.append(float(statistics.largest_z(divergences(run)[:, [j]], [expected]).value))  # type: ignore[arg-type]
    return Estimate.exact(max(found), n=len(runs[0].size), method=f"largest of {len(found)} z-scores")


def density_deviation(alpha: float, d: int, *, condensed: bool = True) -> Estimate:
    r"""Largest relative deviation of $F_d(h)$ by quadrature from its limit, over h from 1.2 to 2.4 h_G.

    Without ``condensed`` the law of large numbers is held against quadrature at 0.4 to 0.8 h_G, where it fails.
    """
    ratios = np.linspace(1.2, 2.4, 7) if condensed else np.linspace(0.4, 0.8, 5)
    h = ratios * regimes.thresholds(alpha).g
    exact = np.asarray([quadrature.divergence(d, alpha * d, float(v)) for v in h]) + 0.5 * np.log(2 * np.pi) + 0.5
    gap = np.abs(exact / regimes.typical_density(h, alpha, condensed=condensed) - 1.0)
    return Estimate.exact(float(gap.max() if condensed else gap.min()), 1e-6, n=h.size, method="quadrature")


def optima(alpha: float, dims: Sequence[int], *, fixed: bool = False) -> list[tuple[float, float]]:
    """Optimal bandwidths and their divergence by quadrature along d; with ``fixed`` always 100 points."""
    return [
        classical.optimum(d, float(np.log(ev.FIXED)) if fixed else alpha * d)
        for d in progress.track(dims, "optimal bandwidths")
    ]


def path(found: Sequence[tuple[float, float]]) -> Estimate:
    """Optimal bandwidths along d, to be decreasing."""
    return Estimate.exact([h for h, _ in found], 1e-4, n=len(found), method="quadrature")


def extrapolated(
    alpha: float, dims: Sequence[int], found: Sequence[tuple[float, float]], over: str = "optimal"
) -> Estimate:
    """Optimal bandwidth extrapolated to infinite d, over a threshold of the limit."""
    limit = float(getattr(regimes.thresholds(alpha), over))
    value = quadrature.extrapolate(dims, [h for h, _ in found]) / limit
    return Estimate.exact(value, 1e-3, n=len(dims), method="quadrature, extrapolated")


def low_exponent(sizes: Sequence[int]) -> Estimate:
    """Exponent of the optimal bandwidth in n at d = 2, by quadrature."""
    found = [classical.optimum(LOW, float(np.log(n)))[0] for n in sizes]
    return statistics.fitted_slope(sizes, found)


def growing_exponent(alpha: float, dims: Sequence[int], found: Sequence[tuple[float, float]]) -> Estimate:
    """The same where the dimension grows with log n."""
    log_n = [alpha * d for d in dims]
    return statistics.fitted_slope(log_n, np.log([h for h, _ in found]), log=False)


def losses(rule: str, alpha: float, dims: Sequence[int], found: Sequence[tuple[float, float]]) -> list[float]:
    """Excess divergence per dimension of a rule along d."""
    return [
        classical.excess(d, alpha * d, classical.RULES[rule](d, alpha * d), least)
        for d, (_, least) in zip(dims, found, strict=True)
    ]


def low_losses(rule: str, sizes: Sequence[int]) -> list[float]:
    """The same at d = 2 along n."""
    log_n = [float(np.log(n)) for n in sizes]
    return [classical.excess(LOW, v, classical.RULES[rule](LOW, v), classical.optimum(LOW, v)[1]) for v in log_n]


def exactly(value: float, n: int) -> Estimate:
    """A number by quadrature, known to about a millionth of a nat."""
    return Estimate.exact(value, 2e-6, n=n, method="quadrature")


def practice_table(d: int, n: int, *, seed: int) -> str:
    """What a practitioner's bandwidths lose on data of this size, as a table."""
    log_n = float(np.log(n))
    best, least = classical.optimum(d, log_n)
    found = {"optimum": best, **classical.practice(d, n, np.linspace(0.6, 1.2, 25).tolist(), seed=seed)}
    lines = ["| bandwidth by | h | loss (nats per dimension) |", "|---|---|---|"]
    lines += [f"| {name} | {h:.3f} | {classical.excess(d, log_n, h, least):.4f} |" for name, h in found.items()]
    return "\n".join([*lines, "", f"One data set of {n} points in {d} dimensions; losses by quadrature."])
