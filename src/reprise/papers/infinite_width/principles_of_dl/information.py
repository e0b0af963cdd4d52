r"""Mutual information between two blocks of neurons of the last layer: expanded as in the book, and exact.

Given its variance $v$, a layer's $m$ preactivations are independent $N(0,v)$. With $E[v]=1$ and $D_m$ the relative
entropy of $m$ of them to $N(0,I_m)$, blocks of $m_1$ and $m_2$ neurons share $I=D_{m_1+m_2}-D_{m_1}-D_{m_2}$. Expanded in
$t=\mathrm{Var}(v)$, the full four-point ratio, whatever the law of $v$ (if its cumulants fall as in a network):

$$I=\frac{m_1m_2}8t^2-\frac{m_1m_2(3(m_1+m_2)+20)}{48}t^3+O(t^4).$$

The coefficients are $\frac1{16}$ and $-\frac1{48}$ times the mixed parts of $m(m+2)$ and $m(m+2)(m+8)$, which are moments of
Laguerre polynomials. The exact $D_m$ is an integral over $\log|z|^2$, by the trapezoidal rule.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

from reprise.estimate import Estimate


def truncated(t: Float[np.ndarray, " k"] | float, first: int, second: int, *, order: int = 3) -> np.ndarray:
    r"""$I(t)$ to second or third order.

    >>> float(truncated(0.0, 1, 1))
    0.0
    """
    t = np.asarray(t, dtype=np.float64)
    product, total = first * second, first + second
    return np.asarray(product / 8 * t**2 - (product * (3 * total + 20) / 48 * t**3 if order == 3 else 0.0))


def optimal_ratio(nu: float, neurons: int) -> float:
    r"""The book's $r^*=\frac4{20+3n_L}\frac1\nu$, where the truncated information of two halves of $n_L$ neurons is largest.

    >>> optimal_ratio(2.0, 2)
    0.07692307692307693
    """
    return 4 / (20 + 3 * neurons) / nu


def lognormal(t: float, points: int = 241) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    r"""Values of $\log v$ and their weights for a log-normal $v$ with $E[v]=1$, $\mathrm{Var}(v)=t$: a deep network's limit."""
    spread = np.sqrt(np.log1p(t))
    x = np.linspace(-9.0, 9.0, points)
    weights = np.exp(-0.5 * x**2)
    return spread * x - 0.5 * spread**2, weights / weights.sum()


def relative_entropy(log_v: Float[np.ndarray, " k"], weights: Float[np.ndarray, " k"], m: int, *, points: int = 1000) -> float:  # fmt: skip
    r"""$D_m$ of the mixture with these values of $\log v$ and weights."""
    low = log_v.min() + np.log(special.chdtri(m, 1 - 1e-16) if m > 1 else 1e-24)
    high = log_v.max() + np.log(special.chdtri(m, 1e-16))
    y = np.linspace(max(low, -60.0 / m - 12.0), high, points)
    # log density of log|z|^2 under each variance: chi-square of m degrees, shifted by log v
    shifted = y[:, None] - log_v[None, :]
    log_part = m / 2 * shifted - 0.5 * np.exp(shifted) - m / 2 * np.log(2) - special.gammaln(m / 2)
    log_mixture = special.logsumexp(log_part + np.log(weights), axis=1)
    log_reference = m / 2 * y - 0.5 * np.exp(y) - m / 2 * np.log(2) - special.gammaln(m / 2)
    return float(np.sum(np.exp(log_mixture) * (log_mixture - log_reference)) * (y[1] - y[0]))


def exact(log_v: Float[np.ndarray, " k"], weights: Float[np.ndarray, " k"], first: int, second: int) -> float:
    r"""$I=D_{m_1+m_2}-D_{m_1}-D_{m_2}$, in nats."""
    one, two, both = (relative_entropy(log_v, weights, m) for m in (first, second, first + second))
    return both - one - two


def lognormal_information(t: float, first: int, second: int) -> float:
    """Exact information of the log-normal mixture."""
    return exact(*lognormal(t), first, second)


def leading_coefficient(first: int, second: int, share: float = 1.0, small: float = 2e-3) -> float:
    r"""$8I/(m_1m_2t^2)$ for $t\to0$ (extrapolated from two small t), where a share of t is taken for t."""
    ratios = [
        8 * lognormal_information(t, first, second) / (first * second * (t / share) ** 2) for t in (small, 2 * small)
    ]
    return float(2 * ratios[0] - ratios[1])


def coefficients(share: float = 1.0) -> Estimate:
    """Range of `leading_coefficient` over blocks of 1, 2 and 5 neurons."""
    found = [leading_coefficient(m, m, share) for m in (1, 2, 5)]
    return Estimate.bound(min(found), max(found), n=len(found), method="quadrature")


def beyond_the_optimum(order: int | None = None) -> Estimate:
    r"""$I(2t^*)/I(t^*)$ with $t^*$ where the truncated expansion is largest, over blocks of 1, 2 and 5 neurons.

    `order` 2 or 3 uses the expansion, None the exact information.
    """
    found = []
    for m in (1, 2, 5):
        top = optimal_ratio(1.0, 2 * m)
        at = [
            lognormal_information(t, m, m) if order is None else float(truncated(t, m, m, order=order))
            for t in (top, 2 * top)
        ]
        found.append(at[1] / at[0])
    return Estimate.bound(min(found), max(found), n=len(found), method="quadrature" if order is None else "expansion")


def of_networks(variances: Float[np.ndarray, " nets"], first: int, second: int) -> float:
    r"""Exact information in a layer whose networks have these variances $v$."""
    log_v = np.log(variances / variances.mean())
    return exact(log_v, np.full(len(log_v), 1 / len(log_v)), first, second)
