r"""The limit of many dimensions, in closed form: thresholds, indices, densities. No quadrature, no sample.

With $n=e^{\alpha d}$ standard Gaussian points $y_i$, a point $x$ with $|x|^2=rd$ and $\beta=1/h^2$, the kernel terms
$X_i=e^{-\beta|x-y_i|^2/2}$ have moments $E[X^k]=e^{d\varphi(k\beta)}$, exactly at every d, with
$$\varphi(\beta)=-\tfrac12\log(1+\beta)-\frac{\beta r}{2(1+\beta)} .$$
Their sum is the partition function of a random energy model with energies $|x-y_i|^2/2$ at temperature $h^2$.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import integrate, optimize, special

Array = Float[np.ndarray, "..."]


def cumulant(beta: ArrayLike, r: float = 1.0) -> Array:
    r"""$\varphi(\beta)=\frac1d\log E[X]$, shape of beta."""
    b = np.asarray(beta, dtype=np.float64)
    return np.asarray(-0.5 * np.log1p(b) - 0.5 * b * r / (1.0 + b))


def cumulant_slope(beta: ArrayLike, r: float = 1.0) -> Array:
    r"""$\varphi'(\beta)$; minus it is the energy per dimension $|x-y|^2/2d$ of the points that dominate $E[X]$."""
    b = np.asarray(beta, dtype=np.float64)
    return np.asarray(-0.5 / (1.0 + b) - 0.5 * r / (1.0 + b) ** 2)


def cumulant_curvature(beta: ArrayLike, r: float = 1.0) -> Array:
    r"""$\varphi''(\beta)$, the variance of that energy, times d."""
    b = np.asarray(beta, dtype=np.float64)
    return np.asarray(0.5 / (1.0 + b) ** 2 + r / (1.0 + b) ** 3)


def entropy(alpha: float, beta: ArrayLike, r: float = 1.0) -> Array:
    r"""$s(\beta)=\alpha+\varphi(\beta)-\beta\varphi'(\beta)$: the logarithm, over d, of how many points dominate $E[Z]$."""
    return alpha + cumulant(beta, r) - np.asarray(beta) * cumulant_slope(beta, r)


def condensation(alpha: float, r: float = 1.0) -> float:
    r"""$\beta_G$ with $s(\beta_G)=0$: from there on the points that dominate the mean are no longer in the sample."""
    found = optimize.brentq(lambda y: float(entropy(alpha, np.exp(y), r)), -30.0, 2 * alpha + 20.0, xtol=1e-13)
    return float(np.exp(found))


class Thresholds(NamedTuple):
    """Bandwidths at one alpha: of condensation, of the central limit theorem, of least KL divergence, and that KL over d."""

    g: float
    clt: float
    optimal: float
    divergence: float


def thresholds(alpha: float) -> Thresholds:
    r"""$h_G$, $h_{CLT}=\sqrt2h_G$, $h_{opt}=\sqrt{s_{min}}$ and the least KL divergence per dimension, at $r=1$.

    The central limit theorem needs $E[X^2]$ to be dominated by points in the sample, $s(2\beta)>0$, so
    $\beta_{CLT}=\beta_G/2$.

    >>> t = thresholds(0.2)
    >>> [round(float(v), 5) for v in t]
    [1.04565, 1.47878, 0.89169, 0.08536]
    """
    g = condensation(alpha) ** -0.5
    nearest = nearest_distance(alpha)
    return Thresholds(g, np.sqrt(2.0) * g, np.sqrt(nearest), alpha + 0.5 * float(np.log(nearest)))


def nearest_distance(alpha: float, r: float = 1.0) -> float:
    r"""$s_{min}=-2\varphi'(\beta_G)$: squared distance per dimension of the nearest point."""
    return -2.0 * float(cumulant_slope(condensation(alpha, r), r))


def typical_density(h: ArrayLike, alpha: float, *, condensed: bool = True) -> Array:
    r"""$F(h)=-\lim\frac1d\log\hat\rho_h(x)$ at $r=1$, shape of h.

    Above $h_G$ the law of large numbers holds; below it the nearest points carry the sum. Without ``condensed`` the
    law of large numbers is continued below $h_G$, where it is wrong.
    """
    h = np.asarray(h, dtype=np.float64)
    mean = 0.5 * np.log(2 * np.pi) + 0.5 * np.log1p(h**2) + 0.5 / (1.0 + h**2)
    near = alpha + 0.5 * np.log(2 * np.pi * h**2) + 0.5 * nearest_distance(alpha) / h**2
    return np.asarray(np.where((h >= thresholds(alpha).g) | (not condensed), mean, near))


def divergence(h: ArrayLike, alpha: float) -> Array:
    r"""$\lim\frac1dD_{KL}(\rho\|\hat\rho_h)=F(h)-\frac12\log2\pi-\frac12$."""
    return typical_density(h, alpha) - 0.5 * np.log(2 * np.pi) - 0.5


def spread_rate(ratio: float, alpha: float) -> float:
    r"""Limit of $\frac1d\log\frac{\text{spread of }Z}{\sqrt{nE[X^2]}}$ at $h=\text{ratio}\cdot h_G$, for ratio above 1.

    Zero above $h_{CLT}$. Below it the spread is that of the largest term, $e^{d\beta\varphi'(\beta_G)}$, while the
    second moment counts events that no sample contains: $\beta\varphi'(\beta_G)-\frac12(\alpha+\varphi(2\beta))<0$.
    """
    if ratio**2 >= 2.0:
        return 0.0
    b = condensation(alpha)
    return float(b / ratio**2 * cumulant_slope(b) - 0.5 * (alpha + cumulant(2 * b / ratio**2)))


def participation(mu: ArrayLike) -> Array:
    r"""$\lim E[Y_2]=\max(0,1-\mu)$ with $\mu=h^2/h_G^2$ (Poisson-Dirichlet)."""
    return np.maximum(0.0, 1.0 - np.asarray(mu, dtype=np.float64))


def largest_weight(mu: float) -> float:
    r"""$\lim E[w_{max}]=\int_0^\infty\frac{e^{-t}}{1+\mu\int_0^1(1-e^{-tz})z^{-\mu-1}dz}\,dt$ for $\mu<1$, else 0.

    The inner integral is $\frac{t^\mu\gamma(1-\mu,t)-(1-e^{-t})}{\mu}$ by parts, with the incomplete gamma function.

    >>> round(largest_weight(0.5), 4)
    0.6265
    """
    if mu >= 1.0:
        return 0.0

    def integrand(t: float) -> float:
        inner = t**mu * special.gammainc(1.0 - mu, t) * special.gamma(1.0 - mu) + np.expm1(-t)
        return float(np.exp(-t) / (1.0 + inner))

    return float(integrate.quad(integrand, 0.0, 60.0, limit=200)[0])


def skewness(d: int, n: float, beta: float) -> float:
    r"""Exact skewness of $Z$ over data sets at fixed $|x|^2=d$: third over second cumulant of X to the 3/2, over $\sqrt n$."""
    one, two, three = (np.exp(d * (float(cumulant(k * beta)) - k * float(cumulant(beta)))) for k in (1, 2, 3))
    variance = two - one
    return float((three - 3 * two + 2) / variance**1.5 / np.sqrt(n))


def log_variance(d: int, log_n: float, beta: float) -> float:
    r"""$\log(n\,\mathrm{Var}X)$, exact at every d."""
    gap = d * (2 * float(cumulant(beta)) - float(cumulant(2 * beta)))
    return log_n + d * float(cumulant(2 * beta)) + float(np.log(-np.expm1(gap)))
