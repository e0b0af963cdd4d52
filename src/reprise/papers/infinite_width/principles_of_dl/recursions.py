r"""From layer to layer: kernel, susceptibilities, four-point vertex, tangent kernel, critical points, exponents.

The ensemble is $z^{(\ell+1)}=b+W\sigma(z^{(\ell)})+\gamma z^{(\ell)}$ with $E[b^2]=C_b$, $E[W^2]=C_W/n$ and $\gamma=0$ except
for residual networks. All expectations are over $z\sim N(0,K)$, float64, by the trapezoidal rule, which converges
exponentially for analytic integrands; scale-invariant activations have closed forms. Nothing here knows a network.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize

from reprise.papers.infinite_width.principles_of_dl.activations import Activation

_NODES = np.linspace(-10.0, 10.0, 401)
_WEIGHTS = np.exp(-0.5 * _NODES**2)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Moments(NamedTuple):
    r"""Gaussian expectations at variance K.

    Attributes:
        square: $g=\langle\sigma^2\rangle$.
        fourth: $\langle\sigma^4\rangle$.
        slope: $g'(K)=\frac1{2K^2}\langle\sigma^2(z^2-K)\rangle$.
        gain: $\langle\sigma'^2\rangle$.
    """

    square: float
    fourth: float
    slope: float
    gain: float


def average(values: Float[np.ndarray, "... nodes"]) -> Float[np.ndarray, "..."]:
    r"""$\langle f(z)\rangle$ from the values of $f$ at $\sqrt K$ times the nodes."""
    return np.asarray(values @ _WEIGHTS)


def moments(activation: Activation, k: float) -> Moments:
    r"""Expectations of an activation at $z\sim N(0,K)$.

    >>> from reprise.papers.infinite_width.principles_of_dl.activations import SIN
    >>> bool(np.isclose(moments(SIN, 0.3).square, (1 - np.exp(-0.6)) / 2, rtol=1e-14))
    True
    """
    if activation.slopes is not None:
        plus, minus = activation.slopes
        a2, a4 = (plus**2 + minus**2) / 2, (plus**4 + minus**4) / 2
        return Moments(a2 * k, 3 * a4 * k**2, a2, a2)
    x = _NODES
    z = np.sqrt(k) * x
    square = activation.value(z) ** 2
    first, second = activation.first(z), activation.second
    # g' = <sigma'^2 + sigma sigma''>, which loses no digits at small K
    curved = average(activation.value(z) * second(z)) if second is not None else 0.0
    gain = average(first**2)
    return Moments(float(average(square)), float(average(square**2)), float(gain + curved), float(gain))


class Layers(NamedTuple):
    r"""The recursion's results for layers $\ell=1,\dots,L$, each of shape (L,).

    Attributes:
        kernel: $K^{(\ell)}$.
        vertex: $V^{(\ell)}$, so that $E[z_i^2z_j^2]-K^2=V/n$ for $i\ne j$, at leading order.
        tangent: $\Theta^{(\ell)}$ with $\lambda_b=0$, $\lambda_W=C_W$ (NTK parametrisation).
        parallel: $\chi_\parallel(K^{(\ell)})$.
        perpendicular: $\chi_\perp(K^{(\ell)})$.
    """

    kernel: Float[np.ndarray, " L"]
    vertex: Float[np.ndarray, " L"]
    tangent: Float[np.ndarray, " L"]
    parallel: Float[np.ndarray, " L"]
    perpendicular: Float[np.ndarray, " L"]

    @property
    def ratio(self) -> Float[np.ndarray, " L"]:
        r"""$V^{(\ell)}/K^{(\ell)2}$: $n$ times the four-point ratio."""
        return self.vertex / self.kernel**2


def layers(
    activation: Activation, depth: int, *, weight: float, bias: float = 0.0, start: float = 1.0, skip: float = 0.0
) -> Layers:
    r"""Iterate the recursions from $K^{(1)}$ = start to layer `depth`.

    $K'=C_b+C_Wg+\gamma^2K$, $\chi_\parallel=C_Wg'+\gamma^2$, $\chi_\perp=C_W\langle\sigma'^2\rangle+\gamma^2$,
    $V'=\chi_\parallel^2V+C_W^2(\langle\sigma^4\rangle-g^2)+4\gamma^2C_WK^2g'$ (if $\gamma\ne0$, exact for linear networks
    only: see `residual_vertex`), $\Theta'=C_Wg+\chi_\perp\Theta$.
    """
    rows = []
    k, v, theta = start, 0.0, start
    for _ in range(depth):
        m = moments(activation, k)
        parallel, perpendicular = weight * m.slope + skip**2, weight * m.gain + skip**2
        rows.append((k, v, theta, parallel, perpendicular))
        source = weight**2 * (m.fourth - m.square**2) + 4 * skip**2 * weight * k**2 * m.slope
        v = parallel**2 * v + source
        theta = weight * m.square + perpendicular * theta
        k = bias + weight * m.square + skip**2 * k
    return Layers(*np.asarray(rows).T)


def mean_square(activation: Activation, k: float) -> float:
    r"""$g=\langle\sigma^2\rangle$ alone, where the other moments are not asked for."""
    if activation.slopes is not None:
        return moments(activation, k).square
    return float(average(activation.value(np.sqrt(k) * _NODES) ** 2))


def kernels(activation: Activation, depth: int, *, weight: float, bias: float, start: float) -> Float[np.ndarray, " L"]:
    r"""$K^{(\ell)}$ of `layers` alone, in a third of the time."""
    found = [start]
    for _ in range(depth - 1):
        found.append(bias + weight * mean_square(activation, found[-1]))
    return np.asarray(found)


def critical_weight(activation: Activation, skip: float = 0.0) -> float:
    r"""Critical $C_W$ of classes (i), $(1-\gamma^2)/A_2$, and (ii), $(1-\gamma^2)/\sigma'(0)^2$."""
    if activation.slopes is not None:
        return (1 - skip**2) / float(np.mean(np.square(activation.slopes)))
    if activation.taylor is None or activation.taylor[0] != 0.0 or activation.taylor[1] == 0.0:
        raise ValueError(f"{activation.name} is neither scale-invariant nor critical at K = 0")
    return (1 - skip**2) / activation.taylor[1] ** 2


class Critical(NamedTuple):
    r"""A critical point: the initialisation and the kernel at which $\chi_\parallel=\chi_\perp=1$."""

    bias: float
    weight: float
    kernel: float


def half_stable_point(activation: Activation, low: float = 0.01, high: float = 60.0) -> Critical:
    r"""Critical point at $K^*\ne0$: the root of $\langle\sigma\sigma''\rangle$, then $C_W=1/\langle\sigma'^2\rangle$, $C_b=K^*-C_Wg$."""
    second = activation.second
    if second is None:
        raise ValueError(f"{activation.name} has no second derivative")

    def curvature(k: float) -> float:
        z = np.sqrt(k) * _NODES
        return float(average(activation.value(z) * second(z)))

    kernel = optimize.brentq(curvature, low, high, xtol=1e-13)
    m = moments(activation, kernel)
    return Critical(kernel - m.square / m.gain, 1 / m.gain, kernel)


def zero_kernel_point(activation: Activation) -> Critical:
    r"""Initialisation that puts a critical point at $K^*=0$: $C_W=1/\sigma_1^2$, $C_b=-\sigma_0^2/\sigma_1^2$, which may be negative."""
    if activation.taylor is None:
        raise ValueError(f"{activation.name} has no expansion at 0")
    zeroth, first = activation.taylor[:2]
    return Critical(-((zeroth / first) ** 2), 1 / first**2, 0.0)


def fixed_point(activation: Activation, *, weight: float, bias: float, steps: int = 4000, start: float = 1.0) -> float:
    r"""Where the kernel goes: $K^*$ of these hyper-parameters (NaN if it grows without bound)."""
    k = start
    for _ in range(steps):
        new = bias + weight * moments(activation, k).square
        if new > 1e6:
            return float("nan")
        if abs(new - k) < 1e-13 * max(new, 1e-12):
            return new
        k = new
    return k


class Exponents(NamedTuple):
    r"""Class (ii): $K\simeq1/(-a_1\ell)$, parallel perturbations $\propto\ell^{-p_\parallel}$, perpendicular ones $\ell^{-p_\perp}$."""

    a1: float
    parallel: float
    perpendicular: float


def exponents(activation: Activation) -> Exponents:
    r"""$a_1=\frac{\sigma_3}{\sigma_1}+\frac34(\frac{\sigma_2}{\sigma_1})^2$, $b_1=\frac{\sigma_3}{\sigma_1}+(\frac{\sigma_2}{\sigma_1})^2$, $p_\parallel=2$, $p_\perp=b_1/a_1$.

    >>> from reprise.papers.infinite_width.principles_of_dl.activations import TANH
    >>> exponents(TANH)
    Exponents(a1=-2.0, parallel=2.0, perpendicular=1.0)
    """
    if activation.taylor is None:
        raise ValueError(f"{activation.name} has no expansion at 0")
    _, first, second, third = activation.taylor
    a1 = third / first + 0.75 * (second / first) ** 2
    b1 = third / first + (second / first) ** 2
    return Exponents(a1, 2.0, b1 / a1)


def amplitude(activation: Activation) -> float:
    r"""$\nu=\frac{3A_4}{A_2^2}-1$ of a scale-invariant activation: 2 if linear, 5 for the ReLU.

    >>> from reprise.papers.infinite_width.principles_of_dl.activations import LINEAR, RELU
    >>> amplitude(LINEAR), amplitude(RELU)
    (2.0, 5.0)
    """
    if activation.slopes is None:
        raise ValueError(f"{activation.name} is not scale-invariant")
    plus, minus = activation.slopes
    return 3 * (plus**4 + minus**4) / 2 / ((plus**2 + minus**2) / 2) ** 2 - 1


def residual_amplitude(activation: Activation, skip: float) -> float:
    r"""$\nu(\gamma)=(1-\gamma^2)[(1-\gamma^2)\nu(0)+4\gamma^2]$, or $\frac23(1-\gamma^4)$ in class (ii); for even $\sigma^2$."""
    if activation.slopes is None:
        return 2 / 3 * (1 - skip**4)
    return (1 - skip**2) * ((1 - skip**2) * amplitude(activation) + 4 * skip**2)


def exact_ratio(nu: float, n: int, layer: np.ndarray | int) -> np.ndarray:
    r"""Exact at finite width in class (i): $E[z_i^2z_j^2]/K^2-1=(1+\nu/n)^{\ell-1}-1$."""
    return np.asarray(np.expm1((np.asarray(layer) - 1) * np.log1p(nu / n)))


def residual_vertex(activation: Activation, depth: int, skip: float, orders: int = 50) -> Float[np.ndarray, " depth"]:
    r"""$V^{(\ell)}/K^{(\ell)2}$ of a critical residual network at leading order, every correlator included (derived here).

    $z'=W\sigma(z)+\gamma z$ remembers $z$. So besides $V$ there are $X_l=n\,\mathrm{Cov}(z_i^2,h_l(z_j))$ for $l\ne2$, with $h_l$ the
    Hermite polynomial of $z/\sqrt K$ over $\sqrt{l!}$: with $e_l=\langle\sigma^2h_l\rangle$, $\chi=\chi_\parallel$ and $\rho=\gamma\sqrt{K/K'}$,
    $X_l'=\rho^l(C_We_l+\chi X_l)$, and $V'$ of `layers` gains $2C_W\chi\sum_{l\ne2}e_lX_l$. Others are $O(1/n^2)$. ReLU: odd $l$ only.
    """
    x = _NODES if activation.slopes is None else np.linspace(-12.0, 12.0, 4801)
    share = np.exp(-0.5 * x**2) / np.sum(np.exp(-0.5 * x**2))
    basis = [np.ones_like(x), x]
    for order in range(1, orders):
        basis.append((x * basis[-1] - np.sqrt(order) * basis[-2]) / np.sqrt(order + 1))
    kinds = np.asarray([order for order in range(1, orders + 1) if order != 2])
    hermite = np.stack([basis[order] * share for order in kinds])
    weight = critical_weight(activation, skip)
    k, v, others, found = 1.0, 0.0, np.zeros(len(kinds)), []
    for _ in range(depth):
        found.append(v / k**2)
        m = moments(activation, k)
        e = hermite @ activation.value(np.sqrt(k) * x) ** 2
        chi, new = weight * m.slope + skip**2, weight * m.square + skip**2 * k
        source = weight**2 * (m.fourth - m.square**2) + 4 * skip**2 * weight * k**2 * m.slope
        v = chi**2 * v + source + 2 * weight * chi * float(e @ others)
        others = (skip * np.sqrt(k / new)) ** kinds * (weight * e + chi * others)
        k = new
    return np.asarray(found)
