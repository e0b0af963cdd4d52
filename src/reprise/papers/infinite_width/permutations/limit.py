r"""What theory predicts in closed form, in float64. No kernel matrix is formed and nothing is sampled.

Unit-norm inputs of cosine $t$ have, with a hidden layer of ReLUs and inputs of length $k$, the covariance
$K=\kappa_1(t)/2k$ at the start and the tangent kernel $\Theta=(\kappa_1(t)+t\,\kappa_0(t))/2k$. Training inputs are the $k$
unit vectors, so the Gram matrix is $(d-o)I+o\mathbf1\mathbf1^\top$ in units of $1/2k$, and an input of weight $m$ has the
cosine $1/\sqrt m$ with its support and 0 with the rest.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr, logsumexp

from reprise.papers.infinite_width.permutations.regression import Trained

OFF = 1.0 / np.pi
r"""$o=\kappa_1(0)$: both kernels between orthogonal inputs, in units of $1/2k$."""


class Law(NamedTuple):
    r"""The Gaussian law of an output of a trained infinitely wide network at an input of weight m.

    Attributes:
        on: mean $\mu_1$ on the permuted support.
        off: mean $\mu_0$ off it.
        variance: $s^2$, the same for every output.
    """

    on: Float[np.ndarray, "..."]
    off: Float[np.ndarray, "..."]
    variance: Float[np.ndarray, "..."]


def kappa(t: ArrayLike) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Arc-cosine kernels: $\kappa_0=\frac{\pi-\arccos t}{\pi}$, $\kappa_1=\frac{\sqrt{1-t^2}+t(\pi-\arccos t)}{\pi}$.

    >>> [float(v) for v in kappa(1.0)]
    [1.0, 1.0]
    """
    cosine = np.asarray(t, dtype=np.float64)
    angle = np.pi - np.arccos(cosine)
    return angle / np.pi, (np.sqrt((1.0 - cosine) * (1.0 + cosine)) + cosine * angle) / np.pi


def law(k: ArrayLike, m: ArrayLike, trained: Trained = "all") -> Law:
    r"""Mean and variance by the Sherman-Morrison formula.

    $$\mu_0=\frac{o\,[(d-o)-m(a_m-o)]}{(d-o)(d-o+ok)},\qquad\mu_1=\mu_0+\frac{a_m-o}{d-o},$$
    with $d=2$, $a_m=\kappa_1+t\kappa_0$ at $t=1/\sqrt m$ if all layers are trained; $d=1$, $a_m=\kappa_1$ if the last alone
    is. The row $\Theta_{xX}\Theta_{XX}^{-1}$ is $\mu_1$ on the support and $\mu_0$ off it, whence
    $$s^2=\tfrac1{2k}\bigl[1-2m\mu_1\kappa_1-2(k-m)\mu_0o+(1-o)(m\mu_1^2+(k-m)\mu_0^2)+o(m\mu_1+(k-m)\mu_0)^2\bigr].$$

    >>> [float(v) for v in np.round(law(10, 2), 6)]
    [0.565422, -0.00985, 0.006519]
    """
    k, m = np.asarray(k, dtype=np.float64), np.asarray(m, dtype=np.float64)
    t = 1.0 / np.sqrt(m)
    kappa0, kappa1 = kappa(t)
    d, a = (2.0, kappa1 + t * kappa0) if trained == "all" else (1.0, kappa1)
    off = OFF * ((d - OFF) - m * (a - OFF)) / ((d - OFF) * (d - OFF + OFF * k))
    on = off + (a - OFF) / (d - OFF)
    total, squares = m * on + (k - m) * off, m * on**2 + (k - m) * off**2
    cross = m * on * kappa1 + (k - m) * off * OFF
    variance = (1.0 - 2.0 * cross + (1.0 - OFF) * squares + OFF * total**2) / (2.0 * k)
    return Law(on, off, np.clip(variance, 0.0, None))


def log_accuracy(n: ArrayLike, k: int, m: int = 2, trained: Trained = "all") -> Float[np.ndarray, "..."]:
    r"""Logarithm of the probability that an average of n networks is right on every coordinate of one input.

    $\Phi(|\mu_0|\sqrt n/s)^{k-m}\,\Phi(\mu_1\sqrt n/s)^m$, for $m\ge2$.
    """
    on, off, variance = law(k, m, trained)
    root = np.sqrt(np.asarray(n, dtype=np.float64) / variance)
    return np.asarray((k - m) * log_ndtr(-off * root) + m * log_ndtr(on * root))


def accuracy(n: ArrayLike, k: int, m: int = 2, trained: Trained = "all") -> Float[np.ndarray, "..."]:
    """The probability itself; arguments as in `log_accuracy`.

    >>> float(accuracy(332.2, 10).round(3))
    0.9
    """
    return np.exp(log_accuracy(n, k, m, trained))


def ensemble_size(k: int, m: int = 2, trained: Trained = "all", delta: float = 0.1) -> float:
    r"""Number of networks at which one input of weight m is right with probability $1-\delta$, as a real number.

    >>> [round(ensemble_size(k, trained=t), 1) for k, t in ((10, "all"), (10, "last"), (30, "all"))]
    [332.2, 57.4, 839.9]
    """
    goal = np.log1p(-delta)
    return float(np.exp(brentq(lambda u: float(log_accuracy(np.exp(u), k, m, trained)) - goal, -10.0, 60.0)))


def noise_to_signal(k: int, m: ArrayLike, trained: Trained = "all") -> Float[np.ndarray, "..."]:
    r"""$s^2/\min(\mu_0^2,\mu_1^2)$ at weights m, at least 2; at $m=k$ nothing is off the support."""
    on, off, variance = law(k, m, trained)
    return variance / np.where(np.asarray(m) < k, np.minimum(off**2, on**2), on**2)


def single_bound(k: int, m: int = 2, trained: Trained = "all", delta: float = 0.1) -> float:
    r"""A sufficient number for one input: $2\frac{s^2}{\min(\mu_0^2,\mu_1^2)}\log\frac k\delta$."""
    return float(2.0 * noise_to_signal(k, m, trained) * np.log(k / delta))


def quadratic_bound(k: int, trained: Trained = "all", delta: float = 0.1) -> float:
    r"""A sufficient number for all $2^k-1$ inputs: $2\max_m\frac{s^2}{\min(\mu_0^2,\mu_1^2)}(k\log2+\log\frac k\delta)$."""
    worst = noise_to_signal(k, np.arange(2, k + 1), trained).max()
    return float(2.0 * worst * (k * np.log(2.0) + np.log(k / delta)))


def union_size(k: int, trained: Trained = "all", delta: float = 0.1) -> float:
    r"""The number at which the error probabilities of all inputs and coordinates sum to $\delta$: sufficient for all at once.

    $\sum_{m\ge2}\binom km\bigl[(k-m)\Phi(\mu_0\sqrt n/s)+m\,\Phi(-\mu_1\sqrt n/s)\bigr]=\delta$: the union bound without the
    worst case over weights, which is what makes the bound quadratic.

    >>> round(union_size(10))
    801
    """
    m = np.arange(2, k + 1)
    on, off, variance = law(k, m, trained)
    log_inputs = gammaln(k + 1) - gammaln(m + 1) - gammaln(k - m + 1)

    def excess(u: float) -> float:
        root = np.exp(u / 2.0) / np.sqrt(variance)
        errors_on = np.log(m) + log_ndtr(-on * root)
        errors_off = np.log(k - m[:-1]) + log_ndtr(off * root)[:-1]
        return float(logsumexp(np.concatenate([log_inputs + errors_on, log_inputs[:-1] + errors_off])) - np.log(delta))

    return float(np.exp(brentq(excess, -10.0, 60.0)))


def squared_error(n: float, k: int, m: int = 2, trained: Trained = "all") -> float:
    """Expected mean squared error of an average of n networks against the normalised permuted input.

    >>> round(squared_error(69, 10, trained="last"), 6)
    0.002115
    """
    on, off, variance = law(k, m, trained)
    bias = (m * (on - m**-0.5) ** 2 + (k - m) * off**2) / k
    return float(bias + variance / n)
