r"""Claim C3: universality classes, by exact recursions for one and two inputs, and by wide networks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import recursions
from reprise.papers.infinite_width.principles_of_dl.activations import Activation
from reprise.papers.infinite_width.principles_of_dl.ensembles import Net, mixture

ZERO_KERNEL = (act.TANH, act.SIN, act.ERF, act.TILTED)
"""Class (ii): critical at $K^*=0$."""
_X, _W = (part[20:] for part in np.polynomial.hermite_e.hermegauss(40))  # the integrand is even: half the nodes
_W = _W / _W.sum()


def two_inputs(
    activation: Activation, depth: int, *, weight: float, bias: float = 0.0, start: float = 1.0, angle: float = 1e-3
) -> Float[np.ndarray, " depth"]:
    r"""$D^{(\ell)}=K_{00}-K_{01}$ for two inputs of equal norm a small angle apart, by the bivariate recursion.

    $z_0,z_1=a\pm b$ with $a\sim N(0,K-\frac D2)$, $b\sim N(0,\frac D2)$, and $D'=\frac{C_W}2\langle(\sigma(a+b)-\sigma(a-b))^2\rangle$,
    which loses no digits at small D. It does not use $\chi_\perp$.
    """
    k, d, found = start, start * (1 - np.cos(angle)), []
    for _ in range(depth):
        found.append(d)
        a = np.sqrt(k - d / 2) * recursions._NODES
        b = np.sqrt(d / 2) * _X[:, None]
        gap = activation.value(a + b) - activation.value(a - b)
        d = 0.5 * weight * float(_W @ recursions.average(gap**2))
        k = bias + weight * recursions.mean_square(activation, k)
    return np.asarray(found)


def local_exponent(values: Float[np.ndarray, " depth"], layer: int, span: float = 1.25) -> float:
    r"""$d\log y/d\log\ell$ about a layer, by a central quotient; `values[l - 1]` belongs to layer l."""
    low, high = round(layer / span), round(layer * span)
    return float(np.log(values[high - 1] / values[low - 1]) / np.log(high / low))


def decay(activation: Activation, what: str, layer: int, *, bias: float = 0.0) -> float:
    r"""Local exponent at a layer: of the "kernel", of its "parallel" or of "perpendicular" perturbations (finite differences)."""
    weight, depth = recursions.critical_weight(activation), 1 + round(1.25 * layer)

    def kernel(start: float) -> np.ndarray:
        return recursions.kernels(activation, depth, weight=weight, bias=bias, start=start)

    if what == "kernel":
        return local_exponent(kernel(1.0), layer)
    if what == "parallel":
        return local_exponent(kernel(1.01) - kernel(0.99), layer)
    return local_exponent(two_inputs(activation, depth, weight=weight, bias=bias), layer)


def exponent_gap(activations: Sequence[Activation], what: str, layer: int, *, bias: float = 0.0) -> Estimate:
    """Largest relative distance between the local exponent and its class's prediction."""
    gaps = []
    for a in activations:
        exact = recursions.exponents(a)
        wanted = {"kernel": -1.0, "parallel": -exact.parallel, "perpendicular": -exact.perpendicular}[what]
        gaps.append(abs(decay(a, what, layer, bias=bias) / wanted - 1.0))
    return Estimate.exact(max(gaps), error=1e-9, n=len(gaps), method="recursion")


def amplitude_gap(activations: Sequence[Activation], layer: int, *, bias: float = 0.0) -> Estimate:
    r"""Largest distance of $(-a_1)\ell K^{(\ell)}$ from 1 at a layer."""
    gaps = []
    for a in activations:
        kernel = recursions.kernels(a, layer, weight=recursions.critical_weight(a), bias=bias, start=1.0)
        gaps.append(abs(-recursions.exponents(a).a1 * layer * kernel[-1] - 1.0))
    return Estimate.exact(max(gaps), error=1e-9, n=len(gaps), method="recursion")


def kernel_growth(factor: float, layer: int) -> Estimate:
    r"""Largest $|\log K^{(L)}/K^{(1)}|$ over scale-invariant activations at `factor` times the critical $C_W$."""
    logs = []
    for a in (act.LINEAR, act.LEAKY, act.RELU):
        kernel = recursions.layers(a, layer, weight=factor * recursions.critical_weight(a)).kernel
        logs.append(abs(float(np.log(kernel[-1] / kernel[0]))))
    return Estimate.exact(max(logs), error=1e-9, n=len(logs), method="recursion")


def drift(activation: Activation, share: float, *, weight: float, bias: float, kernel: float) -> float:
    r"""By how much one layer moves the kernel that starts at $(1+\text{share})$ times a fixed point."""
    k = (1 + share) * kernel
    return bias + weight * recursions.moments(activation, k).square - k


def one_sidedness(activation: Activation, *, bias: float | None = None, share: float = 0.01) -> float:
    r"""$\Delta K(1+\epsilon)/\Delta K(1-\epsilon)$ about a fixed point: 1 if half-stable, -1 if both sides attract or repel alike.

    The fixed point is the half-stable critical one, or for a given bias the ordinary one at the critical $C_W$ of K = 0.
    """
    if bias is None:
        point = recursions.half_stable_point(activation)
    else:
        weight = recursions.critical_weight(activation)
        point = recursions.Critical(bias, weight, recursions.fixed_point(activation, weight=weight, bias=bias))
    up, down = (
        drift(activation, e, weight=point.weight, bias=point.bias, kernel=point.kernel) for e in (share, -share)
    )
    return up / down


def sidedness(ordinary: bool = False) -> Estimate:
    r"""Smallest `one_sidedness` of GELU and SWISH, or of ordinary fixed points of tanh and erf with a bias."""
    if ordinary:
        found = [one_sidedness(a, bias=0.05) for a in (act.TANH, act.ERF)]
    else:
        found = [one_sidedness(a) for a in (act.GELU, act.SWISH)]
    return Estimate.bound(min(found), max(found), n=2, method="recursion")


def wide_networks(activation: Activation, layers: Sequence[int], *, width: int, nets: int, seed: int, bias: float = 0.0) -> Float[np.ndarray, "nets layers"]:  # fmt: skip
    r"""$\frac1n|z^{(\ell)}|^2$ of wide random networks at the critical $C_W$."""
    net = Net(activation, width, recursions.critical_weight(activation), bias=bias)
    return mixture(net, layers, nets, seed=seed, name="wide networks").second


def against_recursion(
    activation: Activation, layers: Sequence[int], samples: Float[np.ndarray, "nets layers"]
) -> Estimate:
    """Largest relative deviation of the mean kernel of wide networks from the recursion, jointly over layers."""
    kernel = recursions.layers(activation, max(layers), weight=recursions.critical_weight(activation)).kernel
    relative = samples / kernel[np.asarray(layers) - 1]
    centre, half = statistics.simultaneous(relative)
    worst = int(np.argmax(np.abs(centre - 1.0) + half))
    gap = abs(float(centre[worst]) - 1.0)
    return Estimate(
        gap,
        max(0.0, gap - float(half[worst])),
        gap + float(half[worst]),
        n=len(samples),
        method="simultaneous t intervals",
    )


def critical(activation: Activation) -> Estimate:
    """Critical C_W of a half-stable activation."""
    return Estimate.exact(recursions.half_stable_point(activation).weight, error=1e-9, method="recursion")


def reading() -> str:
    """A sentence on how little a layer moves the kernel near and far from the half-stable points."""
    parts = []
    for a in (act.GELU, act.SWISH):
        point = recursions.half_stable_point(a)
        moves = {
            share: drift(a, share, weight=point.weight, bias=point.bias, kernel=point.kernel) / point.kernel
            for share in (-0.2, -0.01, 0.01, 0.2)
        }
        listed = ", ".join(f"{move:+.0e} from {share:+.0%}" for share, move in moves.items())
        parts.append(f"{a.name} ($K^*={point.kernel:.2f}$, $C_W={point.weight:.4f}$, $C_b={point.bias:.4f}$): {listed}")
    return "One layer moves the kernel, as a share of $K^*$, by: " + "; ".join(parts) + "."
