r"""$\frac1{1+z}$ as a short sum of exponentials.

$\frac1{1+z}=\int_0^\infty e^{-t}e^{-tz}dt$; with $t=e^u$ the integrand $e^{u-(1+z)e^u}$ is analytic and decays in the strip
$|\mathrm{Im}\,u|<\pi/2$, so the trapezoid rule of step $\eta$ errs by $e^{-\pi^2/\eta}$ whatever z. Cutting u at
$-\pi^2/\eta$ below and $\log(\pi^2/\eta)$ above costs as much: $N\approx\pi^2/\eta^2$ terms and error $e^{-\pi\sqrt N}$.
"""

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " terms"]
FARTHEST = 1.0e4
"""Largest z at which errors are looked at."""


def trapezoid(step: float, low: float | None = None, high: float | None = None) -> tuple[Vector, Vector]:
    r"""Rates $t_j$ and weights $w_j$ of $\frac1{1+z}\approx\sum_jw_je^{-t_jz}$, cut where both errors balance."""
    start = -(np.pi**2) / step if low is None else low
    stop = np.log(np.pi**2 / step) if high is None else high
    u = start + step * np.arange(int(np.floor((stop - start) / step)) + 1)
    rates = np.exp(u)
    return rates, step * np.exp(u - rates)


def with_terms(number: int) -> tuple[Vector, Vector]:
    """The finest balanced rule with at most `number` terms."""
    steps = np.geomspace(0.2, 5.0, 4000)
    return next(rule for s in steps if len((rule := trapezoid(float(s)))[0]) <= number)


def equispaced(number: int, last: float = 25.0) -> tuple[Vector, Vector]:
    """Control: the trapezoid rule in t itself, on [0, 25]."""
    rates = np.linspace(0.0, last, number)
    weights = np.full(number, last / (number - 1)) * np.exp(-rates)
    weights[[0, -1]] *= 0.5
    return rates, weights


def sup_error(rates: Vector, weights: Vector) -> float:
    """Largest error over z from 0 to `FARTHEST`."""
    z = np.concatenate([[0.0], np.geomspace(1e-4, FARTHEST, 4000)])
    return float(np.abs(np.exp(-np.outer(z, rates)) @ weights - 1.0 / (1.0 + z)).max())
