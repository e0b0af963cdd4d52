"""C2: the kernels' common shape at infinite depth, and the order of its pole."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import koenigs

NEAREST, FARTHEST = 1e-8, 1e-2
"""Range of distances 1 - c in which the pole is measured."""


def singular() -> list[ac.Activation]:
    """Activations with a pole: the paper's for d = 1, 2, 4, 8, its sines, and erf."""
    return [*(ac.optimal(d) for d in (1, 2, 4, 8)), ac.sine(2.676), ac.sine(6.13539), ac.erf()]


def distances(points: int = 13) -> Float[np.ndarray, " points"]:
    """Distances 1 - c from 1e-8 to 0.99, dense towards both ends of the cosine."""
    return np.concatenate([np.geomspace(NEAREST, 0.3, points), 1 - np.geomspace(0.5, 0.01, 6)])


def shape(activation: ac.Activation, delta: Float[np.ndarray, " k"], depth: int) -> Float[np.ndarray, " k"]:
    r"""$\log\Sigma_L/A'(0)^L$ at distances $\delta=1-c$, by the stable recursion."""
    logs = deep.evaluate(activation, -np.log1p(-delta), depth)
    return np.asarray(-np.exp(logs.log_t) - depth * math.log(activation.start))


def change(activations: Sequence[ac.Activation], shallow: int, depth: int) -> Estimate:
    r"""Largest change of $\log\Sigma_L/A'(0)^L$ between two depths, over cosines and activations."""
    delta = distances()
    worst = [float(np.abs(shape(a, delta, depth) - shape(a, delta, shallow)).max()) for a in activations]
    return _largest(worst, depth)


def gap(activations: Sequence[ac.Activation], depth: int, *, other: bool = False) -> Estimate:
    r"""Largest distance between $\log\Sigma_L/A'(0)^L$ and $\log\psi$ from Schröder's equation.

    With ``other``, $\psi$ is that of the next activation of the list: a control, of which the smallest distance is returned.
    """
    delta = distances()
    shifted = [*activations[1:], activations[0]] if other else activations
    worst = [
        float(np.abs(shape(a, delta, depth) - koenigs.log_psi(b, delta)).max())
        for a, b in zip(activations, shifted, strict=True)
    ]
    return (
        Estimate.exact(min(worst), samples=worst, method="smallest of exact values")
        if other
        else _largest(worst, depth)
    )


def slope(activation: ac.Activation, points: int = 48) -> float:
    r"""Least-squares slope of $\log\psi$ in $\log(1-c)$, over whole periods $\log A'(1)$ from 1e-2 down to 1e-8.

    $\psi(c)\,(1-c)^\alpha$ may oscillate with period $\log A'(1)$ in $\log(1-c)$; whole periods average it out.
    """
    period = math.log(activation.end)
    length = math.floor(math.log(FARTHEST / NEAREST) / period) * period
    logs = math.log(FARTHEST) - np.linspace(0.0, length, points)
    values = koenigs.log_psi(activation, np.exp(logs))
    return float(np.polyfit(logs, values, 1)[0])


def slope_error(activations: Sequence[ac.Activation], slopes: Sequence[float], *, swapped: bool = False) -> Estimate:
    r"""Largest relative distance between measured and predicted exponents.

    With ``swapped``, $A'(0)$ and $A'(1)$ have changed places in the prediction; of those activations that notice ($\alpha\ne1$) the
    smallest distance is returned.
    """
    found = []
    for a, s in zip(activations, slopes, strict=True):
        alpha = 1 / a.alpha if swapped else a.alpha
        if not swapped or abs(a.alpha - 1) > 0.01:
            found.append(abs(-s / alpha - 1))
    value = min(found) if swapped else max(found)
    return Estimate.exact(value, 1e-6, samples=found, method="exact, high precision")


def tangent_ratio(
    activations: Sequence[ac.Activation], depth: int, *, psi: bool = True
) -> tuple[Estimate, Float[np.ndarray, "activations k"]]:
    r"""$\Theta_L/(L\,A'(0)^L\psi)$ extrapolated to $L=\infty$: $2r_{2L}-r_L$ removes the first correction $O(1/L)$.

    Without ``psi`` the ratio is $\Theta_L/(L\,\Sigma_L)$, which needs no pole. Returns the range over cosines and activations,
    and the ratios at depth $L$.
    """
    delta = 1 - np.array([0.05, 0.2, 0.5, 0.8, 0.95, 0.99])
    ends, plain = [], []
    for a in activations:
        shallow, deeper = (ratio(a, delta, layers, psi) for layers in (depth, 2 * depth))
        ends.append(2 * deeper - shallow)
        plain.append(shallow)
    values = np.concatenate(ends)
    low, high = float(values.min()), float(values.max())
    worst = float(values[np.argmax(np.abs(values - 1))])
    return Estimate(worst, low, high, n=values.size, level=1.0, method="range over cosines and activations"), np.array(
        plain
    )


def ratio(a: ac.Activation, delta: np.ndarray, depth: int, psi: bool = True) -> Float[np.ndarray, " k"]:
    r"""$\Theta_L/(LA'(0)^L\psi)$ at distances $\delta=1-c$, or $\Theta_L/(L\Sigma_L)$."""
    logs = deep.evaluate(a, -np.log1p(-delta), depth)
    if not psi:
        return np.asarray(np.exp(logs.log_r) / depth)
    log_theta = -np.exp(logs.log_t) + logs.log_r
    return np.asarray(np.exp(log_theta - depth * math.log(a.start) - koenigs.log_psi(a, delta)) / depth)


def _largest(values: list[float], depth: int) -> Estimate:
    # t_L is of the size of L times a number of order one, and is rounded once a layer at most.
    return Estimate.exact(max(values), depth * 1e-15, samples=values, method="largest of exact values")
