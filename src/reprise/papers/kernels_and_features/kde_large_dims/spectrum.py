r"""How many of n Gaussian points lie at which distance from x: the noncentral chi-square law, in any dimension.

$E=|x-y|^2$ with $|x|^2=\lambda$ has the density
$$p(E)=\tfrac12e^{-(E+\lambda)/2}\,(E/\lambda)^{d/4-1/2}\,I_{d/2-1}(\sqrt{\lambda E}) ,$$
and everything here is kept as logarithms, so that dimensions of thousands and $n=e^{\alpha d}$ points are no obstacle.
Bessel functions of large order come from Debye's uniform expansion.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special

from reprise.papers.kernels_and_features.kde_large_dims import regimes

Grid = Float[np.ndarray, " m"]
LARGE_ORDER = 40.0
MOST = 690.0
"""Largest log n: counts of points are kept as numbers, and exp(709) overflows."""


def log_bessel(order: float, z: Grid) -> Grid:
    r"""$\log I_\nu(z)$: SciPy's scaled function up to order 40, above it Debye's expansion (DLMF 10.41.3) to fourth order."""
    if order <= LARGE_ORDER:
        return np.asarray(np.log(special.ive(order, z)) + z)
    x = z / order
    root = np.hypot(1.0, x)
    t = 1.0 / root
    eta = root + np.log(x / (1.0 + root))
    u1 = (3 * t - 5 * t**3) / 24
    u2 = (81 * t**2 - 462 * t**4 + 385 * t**6) / 1152
    u3 = (30375 * t**3 - 369603 * t**5 + 765765 * t**7 - 425425 * t**9) / 414720
    u4 = (4465125 * t**4 - 94121676 * t**6 + 349922430 * t**8 - 446185740 * t**10 + 185910725 * t**12) / 39813120
    series = np.log1p(u1 / order + u2 / order**2 + u3 / order**3 + u4 / order**4)
    return np.asarray(order * eta - 0.5 * np.log(2 * np.pi * order * root) + series)


def log_density(e: Grid, d: int, size: float) -> Grid:
    r"""$\log p(E)$ for $|x|^2$ = size."""
    e = np.asarray(e, dtype=np.float64)
    return np.asarray(
        -np.log(2.0) - 0.5 * (e + size) + (0.25 * d - 0.5) * np.log(e / size)
        + log_bessel(0.5 * d - 1.0, np.sqrt(size * e))
    )  # fmt: skip


FEW = 30.0
"""Below this log n all points are on the grid, not only those that count: with few of them a sum may have none near."""


class Spectrum(NamedTuple):
    """Expected numbers of points on a grid of squared distances.

    Attributes:
        d: dimension.
        log_n: logarithm of the number of points; n need not be whole.
        size: squared length of x.
        e: squared distances, increasing, evenly spaced in their logarithm, (m,).
        expected: expected number of points in each cell, (m,).
        log_below: logarithm of the expected number of points nearer than the cell's place, (m,).
    """

    d: int
    log_n: float
    size: float
    e: Grid
    expected: Grid
    log_below: Grid


def spectrum(
    d: int, log_n: float, beta: float, *, size: float | None = None, resolution: float = 0.4, floor: float = 24.0
) -> Spectrum:
    r"""Expected numbers of points near x, from where there is surely none to where none counts any more at 1/h^2 = beta.

    Args:
        d: dimension.
        log_n: logarithm of the number of points, at most `MOST`.
        beta: largest $1/h^2$ of interest, which sets the step, and the one whose sum is to be covered.
        size: $|x|^2$; d if None.
        resolution: step of the grid in units of $2/\beta$ where the points lie that dominate the sum.
        floor: the grid starts where $e^{-\text{floor}}$ points are expected.

    The upper end lies nine standard deviations above the energies that dominate the mean sum, or above the nearest
    point by as much, whichever is larger.
    """
    if log_n > MOST:
        raise ValueError(f"log n is {log_n:.0f}, above {MOST:g}: numbers of points overflow")
    lam = float(d if size is None else size)
    r = lam / d
    low = d * regimes.nearest_distance((log_n + floor) / d, r)
    edge = regimes.condensation(log_n / d, r)
    tilt = min(beta, edge)
    middle = -2.0 * d * float(regimes.cumulant_slope(tilt, r))
    spread = 2.0 * np.sqrt(d * float(regimes.cumulant_curvature(tilt, r)))
    high = middle + 9.0 * spread + 30.0 / max(tilt, 0.05)
    if log_n < FEW:
        high = max(high, d + lam + 9.0 * np.sqrt(2.0 * d + 4.0 * lam) + 40.0)
    step = min(resolution * 2.0 / (beta * middle), 0.08 * spread / middle, 0.05)
    cells = int(np.ceil(np.log(high / low) / step)) + 1
    e = np.exp(np.linspace(np.log(low), np.log(high), cells))
    step = float(np.log(e[1] / e[0]))
    log_p = log_n + log_density(e, d, lam) + np.log(e)
    count = np.exp(log_p) * step
    return Spectrum(d, log_n, lam, e, count, _cumulative(log_p, step))


def _cumulative(log_p: Grid, step: float) -> Grid:
    """Logarithm of the integral from below of exp(log_p), exact where log_p is piecewise linear."""
    rise = np.diff(log_p)
    safe = np.where(np.abs(rise) < 1e-9, 1.0, rise)
    share = np.where(np.abs(rise) < 1e-9, 1.0, np.expm1(safe) / safe)
    cells = np.exp(log_p[:-1]) * step * share
    first = np.exp(log_p[0]) * step / max(rise[0], 1e-3)
    return np.asarray(np.log(first + np.concatenate([[0.0], np.cumsum(cells)])))
