r"""How much noise a privacy budget demands, and how much budget DP-SGD spends.

Neighbours differ by one added or removed record.

- Laplace: scale = L1 sensitivity / $\varepsilon$.
- Gaussian, exactly (Balle and Wang 2018, Theorem 8): noise $\sigma$ at L2 sensitivity 1 gives
  $\delta(\varepsilon)=\Phi\bigl(\tfrac1{2\sigma}-\varepsilon\sigma\bigr)-e^\varepsilon\Phi\bigl(-\tfrac1{2\sigma}-\varepsilon\sigma\bigr)$,
  valid for every $\varepsilon$, where the textbook formula $\sqrt{2\ln(1.25/\delta)}/\varepsilon$ holds for $\varepsilon\le1$ only.
- Subsampled Gaussian (Mironov, Talwar and Zhang 2019), integer order $\alpha$:
  $\rho(\alpha)=\frac1{\alpha-1}\log\sum_k\binom\alpha k(1-q)^{\alpha-k}q^ke^{(k^2-k)/(2\sigma^2)}$ a step; orders add over steps, and
  $\varepsilon=\min_\alpha\rho+\log\frac{\alpha-1}\alpha-\frac{\log\delta+\log\alpha}{\alpha-1}$ (Canonne, Kamath and Steinke 2020).
"""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

ORDERS = np.concatenate([np.arange(2, 64), np.arange(64, 512, 8)])
"""Orders over which the conversion is optimised."""


def gaussian_delta(sigma: float, epsilon: float) -> float:
    r"""Exact $\delta$ of Gaussian noise $\sigma$ at L2 sensitivity 1.

    >>> round(gaussian_delta(1.0, 1.0), 6)
    0.126937
    """
    first = norm.cdf(0.5 / sigma - epsilon * sigma)
    second = np.exp(epsilon + norm.logcdf(-0.5 / sigma - epsilon * sigma))
    return float(first - second)


def gaussian_epsilon(sigma: float, delta: float) -> float:
    r"""Smallest $\varepsilon$ of Gaussian noise $\sigma$ at L2 sensitivity 1."""
    if gaussian_delta(sigma, 0.0) <= delta:
        return 0.0
    high = 1.0
    while gaussian_delta(sigma, high) > delta:
        high *= 2.0
    return float(brentq(lambda e: gaussian_delta(sigma, e) - delta, 0.0, high, xtol=1e-12))


@cache
def gaussian_sigma(epsilon: float, delta: float) -> float:
    r"""Smallest noise for $(\varepsilon,\delta)$ at L2 sensitivity 1.

    >>> 3.7 < gaussian_sigma(1.0, 1e-5) < 3.75
    True
    """
    return float(np.exp(brentq(lambda s: gaussian_delta(np.exp(s), epsilon) - delta, -6.0, 12.0, xtol=1e-13)))


def subsampled_rdp(q: float, sigma: float, order: int) -> float:
    """Rényi divergence of one step at an integer order, sampling rate q and noise multiplier sigma."""
    if q == 1.0:
        return order / (2.0 * sigma**2)
    k = np.arange(order + 1)
    binomial = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = binomial + (order - k) * np.log1p(-q) + k * np.log(q) + (k**2 - k) / (2.0 * sigma**2)
    return float(max(logsumexp(terms), 0.0)) / (order - 1)


def rdp_curve(q: float, sigma: float) -> Float[np.ndarray, " orders"]:
    """`subsampled_rdp` at all `ORDERS`."""
    return np.asarray([subsampled_rdp(q, sigma, int(a)) for a in ORDERS])


def dp_sgd_epsilon(q: float, sigma: float, steps: int, delta: float, *, classic: bool = False) -> float:
    r"""Budget of `steps` steps of DP-SGD; `classic` takes the older conversion $\rho+\log(1/\delta)/(\alpha-1)$."""
    rho = steps * rdp_curve(q, sigma)
    if classic:
        return float((rho - np.log(delta) / (ORDERS - 1)).min())
    return float((rho + np.log1p(-1.0 / ORDERS) - (np.log(delta) + np.log(ORDERS)) / (ORDERS - 1)).min())


@cache
def dp_sgd_noise(q: float, steps: int, epsilon: float, delta: float) -> float:
    r"""Noise multiplier for the budget. Without subsampling T steps are one Gaussian of noise $\sigma/\sqrt T$: exact."""
    if q == 1.0:
        return gaussian_sigma(epsilon, delta) * float(np.sqrt(steps))
    gap = lambda s: dp_sgd_epsilon(q, float(np.exp(s)), steps, delta) - epsilon  # noqa: E731
    return float(np.exp(brentq(gap, np.log(0.3), np.log(500.0), xtol=1e-4)))
