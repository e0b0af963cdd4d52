r"""Priors on the scale $s$ of a Gaussian process, and what data do to them.

Given $n$ values with $q=y^\top K^{-1}y$, the scale's posterior is one-dimensional whatever the prior:

$$p(s\mid y)\propto H(s)\,s^{-n/2}e^{-q/2s},$$

so it is integrated on a grid of $\log s$ (the reference), or sampled by self-normalised importance sampling, as the paper
proposes: $s_i\sim r$, weights $\propto p(s_i\mid y)/r(s_i)$. Predictions are mixtures of $\mathcal N(\mu,s_iV)$.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special, stats

LogDensity = Callable[[Float[np.ndarray, "..."]], Float[np.ndarray, "..."]]


class ScalePrior(NamedTuple):
    """A law of the scale s > 0.

    Attributes:
        name: for tables.
        log_density: of s.
        sample: (generator, size) -> draws.
        tail_index: alpha with P(|f| > u) ~ u^-alpha for the process; infinite if all moments exist.
    """

    name: str
    log_density: LogDensity
    sample: Callable[[np.random.Generator, int], Float[np.ndarray, " size"]]
    tail_index: float


class Mixture(NamedTuple):
    """A weighted set of scales; a prediction is a mixture of Gaussians over them."""

    scales: Float[np.ndarray, " size"]
    weights: Float[np.ndarray, " size"]

    def density(self, f: Float[np.ndarray, " k"], mean: float, variance: float) -> Float[np.ndarray, " k"]:
        """Density of one value of the function, whose variance is `variance` times the scale."""
        spread = np.sqrt(variance * self.scales)
        z = (np.asarray(f)[:, None] - mean) / spread
        return np.exp(-0.5 * z * z) @ (self.weights / (spread * np.sqrt(2 * np.pi)))

    def cdf(self, f: Float[np.ndarray, " k"], mean: float, variance: float) -> Float[np.ndarray, " k"]:
        """Distribution function of the same."""
        return special.ndtr((np.asarray(f)[:, None] - mean) / np.sqrt(variance * self.scales)) @ self.weights

    def effective_share(self) -> float:
        """Effective sample size over the number of scales, 1 / (size * sum of squared weights)."""
        return float(1 / (len(self.weights) * np.sum(self.weights**2)))


def inverse_gamma(a: float, b: float) -> ScalePrior:
    r"""Density $\frac{b^a}{\Gamma(a)}s^{-a-1}e^{-b/s}$; the process is Student's t with tail index $2a$."""
    return ScalePrior(
        "inverse gamma",
        lambda s: a * np.log(b) - special.gammaln(a) - (a + 1) * np.log(s) - b / s,
        lambda rng, size: b / rng.gamma(a, size=size),
        2 * a,
    )


def burr(c: float, d: float) -> ScalePrior:
    r"""Burr type XII: density $cds^{c-1}(1+s^c)^{-d-1}$, $P(s>u)=(1+u^c)^{-d}$; tail index of the process $2cd$."""
    return ScalePrior(
        "Burr XII",
        lambda s: np.log(c * d) + (c - 1) * np.log(s) - (d + 1) * np.log1p(s**c),
        lambda rng, size: (rng.uniform(size=size) ** (-1 / d) - 1) ** (1 / c),
        2 * c * d,
    )


def half_cauchy(scale: float) -> ScalePrior:
    r"""$\sqrt s$ is the absolute value of a Cauchy variable; the process has tail index 1, so no mean."""
    return ScalePrior(
        "half-Cauchy",
        lambda s: np.log(scale / np.pi) - 0.5 * np.log(s) - np.log(scale**2 + s),
        lambda rng, size: (scale * np.tan(0.5 * np.pi * rng.uniform(size=size))) ** 2,
        1.0,
    )


def log_normal(mean: float, spread: float) -> ScalePrior:
    r"""$\log s\sim\mathcal N(\text{mean},\text{spread}^2)$; heavier than a Gaussian process, though all moments exist."""
    return ScalePrior(
        "log-normal",
        lambda s: stats.norm.logpdf(np.log(s), mean, spread) - np.log(s),
        lambda rng, size: np.exp(mean + spread * rng.normal(size=size)),
        np.inf,
    )


PRIORS = (inverse_gamma(2.0, 2.0), burr(1.0, 1.0), half_cauchy(1.0), log_normal(0.0, 1.0))
"""The priors of this chapter; the paper's examples are the first two."""


def by_quadrature(prior: ScalePrior, q: float, n: int, *, nodes: int = 4001, width: float = 30.0) -> Mixture:
    r"""The posterior on a grid of $\log s$ about its likelihood's peak, by the trapezoidal rule; the reference.

    The grid reaches `width` to either side: the likelihood closes it below, the prior's tail and $s^{-n/2}$ above.
    """
    u = np.log(max(q, 1e-12) / max(n, 1)) + np.linspace(-width, width, nodes)
    log_weight = prior.log_density(np.exp(u)) + u - 0.5 * n * u - 0.5 * q * np.exp(-u)
    weight = np.exp(log_weight - log_weight.max())
    return Mixture(np.exp(u), weight / weight.sum())


def of_prior(prior: ScalePrior, *, nodes: int = 801, width: float = 60.0) -> Mixture:
    """The prior itself on a grid of log s, as the posterior without data."""
    u = np.linspace(-width, width, nodes)
    log_weight = prior.log_density(np.exp(u)) + u
    weight = np.exp(log_weight - log_weight.max())
    return Mixture(np.exp(u), weight / weight.sum())


def by_importance(
    prior: ScalePrior, proposal: ScalePrior, q: float, n: int, size: int, rng: np.random.Generator
) -> Mixture:
    """The posterior by self-normalised importance sampling from `proposal`; cost O(size)."""
    s = proposal.sample(rng, size)
    log_weight = prior.log_density(s) - 0.5 * n * np.log(s) - 0.5 * q / s - proposal.log_density(s)
    weight = np.exp(log_weight - log_weight.max())
    return Mixture(s, weight / weight.sum())


def conjugate_proposal(q: float, n: int, *, a: float = 1.0, b: float = 1.0) -> ScalePrior:
    """The posterior of an inverse gamma prior, IG(a + n/2, b + q/2): its tail is that of the likelihood and heavier."""
    return inverse_gamma(a + 0.5 * n, b + 0.5 * q)
