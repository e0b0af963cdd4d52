r"""Bayesian neural networks in the same limit: feature posteriors that are tilted Gaussians, not Gaussians.

One hidden layer of $N$ units, features $f\in\mathbb R^P$ with prior $N(0,K_0)$, activations $\phi(f)$ and
$K=\frac1N\sum\phi\phi^\top$; labels copied $N$ times. The law of one unit tends to the maximiser $q$ of
$\log P(Y\mid E_q\phi\phi^\top)-\nu D_{KL}(q\|N(0,K_0))$, that is

$$q(f)\propto N(f;0,K_0)\,e^{\phi(f)^\top\Lambda\phi(f)/\nu},\qquad\Lambda=\partial_K\log P(Y\mid K)\ \text{at}\ K=E_q\phi\phi^\top .$$

Here $\phi(f)=\sqrt2\max(f,0)$, so that a priori $K$ is the normalised ReLU kernel, and $\nu=1$. For $P=1$, $q$ is a
two-piece Gaussian: the negative half keeps its prior, the positive half has variance $(1/k_0-4\Lambda)^{-1}$.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import linalg, optimize, special, stats

from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator

GRID = 1201


class Density(NamedTuple):
    """A density on a regular grid of one feature."""

    f: Float[np.ndarray, " grid"]
    p: Float[np.ndarray, " grid"]

    def moment(self, order: int, centre: float = 0.0) -> float:
        """The moment of that order about `centre`."""
        return float(np.sum((self.f - centre) ** order * self.p) * (self.f[1] - self.f[0]))

    def standardised(self, order: int) -> float:
        """Standardised central moment: skewness for order 3, kurtosis (3 for a Gaussian) for order 4."""
        centre = self.moment(1)
        return self.moment(order, centre) / self.moment(2, centre) ** (order / 2)


def tilt(y: Float[np.ndarray, "p outputs"], kernel: Float[np.ndarray, "p p"], noise: float) -> Float[np.ndarray, "p p"]:
    r"""$\Lambda=\partial_K\log P(Y\mid K)=\frac12\sum_\lambda[S^{-1}y_\lambda y_\lambda^\top S^{-1}-S^{-1}]$, $S=K+\sigma^2I$."""
    inverse = linalg.inv(kernel + noise * np.eye(kernel.shape[0]))
    white = inverse @ y
    return 0.5 * (white @ white.T - y.shape[1] * inverse)


def scalar_limit(k0: float, y: float, noise: float, *, activation: str = "relu") -> Density:
    """The limit law of one feature with one data point, by a root search for the kernel.

    >>> round(scalar_limit(1.0, 1.0, 0.5, activation="linear").standardised(3), 6)
    0.0
    """

    def tilted(kernel: float) -> tuple[float, float]:
        rate = float(tilt(np.array([[y]]), np.array([[kernel]]), noise)[0, 0])
        precision = 1.0 / k0 - (4.0 if activation == "relu" else 2.0) * rate
        return precision, rate

    def excess(kernel: float) -> float:
        precision, _ = tilted(kernel)
        if precision <= 0:
            return np.inf
        if activation == "linear":
            return 1.0 / precision - kernel
        ratio = 1.0 / np.sqrt(precision * k0)
        return 2.0 * ratio / (1.0 + ratio) / precision - kernel

    kernels = np.geomspace(1e-4, 1e4, 4001)
    values = np.array([excess(k) for k in kernels])
    first = int(np.flatnonzero(np.isfinite(values[:-1]) & (values[:-1] > 0) & (values[1:] <= 0))[0])
    kernel = optimize.brentq(excess, kernels[first], kernels[first + 1], xtol=1e-14)
    precision, _ = tilted(kernel)
    f = _feature_grid(k0, 1.0 / precision)
    inside = f > 0 if activation == "relu" else np.ones_like(f, dtype=bool)
    log_p = np.where(inside, -0.5 * precision * f**2, -0.5 * f**2 / k0)
    return _normalised(f, log_p)


def scalar_finite(width: int, k0: float, y: float, noise: float, grid: Float[np.ndarray, " grid"]) -> Density:
    r"""The exact law of one feature of a ReLU network of that width, by summing out the other $N-1$ units.

    $p(f)\propto N(f;0,k_0)\,E\big[\exp\{N\log N(y;0,\tfrac1N(\phi(f)^2+2k_0r)+\sigma^2)\}\big]$, where $n$ of the other
    units are positive (binomial) and $r\sim\chi^2_n$. No limit is taken anywhere.
    """
    others = width - 1
    # t = sqrt(r), from none to well beyond what the prior (r near N/2) and the labels (kernel near y^2) ask for
    t = np.linspace(0.0, np.sqrt(others) + np.sqrt(0.5 * width * (y**2 + noise) / k0) + 10.0, 1201)[1:]
    count = np.arange(1, others + 1)
    log_weight = stats.binom.logpmf(count, others, 0.5)
    log_chi = stats.chi.logpdf(t[None, :], count[:, None])
    log_t = special.logsumexp(log_weight[:, None] + log_chi, axis=0) + np.log(t[1] - t[0])
    t = np.concatenate([[0.0], t])
    log_t = np.concatenate([[stats.binom.logpmf(0, others, 0.5)], log_t])
    kernel = (2.0 * np.maximum(grid, 0.0)[:, None] ** 2 + 2.0 * k0 * t[None, :] ** 2) / width + noise
    log_label = -0.5 * width * (np.log(kernel) + y**2 / kernel)
    return _normalised(grid, -0.5 * grid**2 / k0 + special.logsumexp(log_label + log_t, axis=1))


class PlaneLaw(NamedTuple):
    """The limit law for two data points on a square grid: cell centres, probabilities, kernel and residual."""

    axis: Float[np.ndarray, " grid"]
    p: Float[np.ndarray, "grid grid"]
    kernel: Float[np.ndarray, "2 2"]
    residual: float

    def covariance(self) -> Float[np.ndarray, "2 2"]:
        r"""The second moment $E_q ff^\top$ of the features."""
        cross = float(self.axis @ self.p @ self.axis)
        first, second = self.p.sum(axis=1) @ self.axis**2, self.p.sum(axis=0) @ self.axis**2
        return np.array([[first, cross], [cross, second]])


def plane_limit(
    k0: Float[np.ndarray, "2 2"], y: Float[np.ndarray, "2 outputs"], noise: float, *, cells: int = 320
) -> PlaneLaw:
    r"""The limit law for two data points: $\Lambda(K)$ and $K=E_q\phi\phi^\top$ solved together, on a grid."""
    reach = 7.0 * np.sqrt(max(k0.max(), float(np.max(y**2))))
    edges = np.linspace(-reach, reach, cells + 1)
    axis = 0.5 * (edges[1:] + edges[:-1])
    first, second = np.meshgrid(axis, axis, indexing="ij")
    precision = linalg.inv(k0)
    log_prior = -0.5 * (precision[0, 0] * first**2 + 2 * precision[0, 1] * first * second + precision[1, 1] * second**2)
    a, b = np.sqrt(2.0) * np.maximum(first, 0.0), np.sqrt(2.0) * np.maximum(second, 0.0)

    def law(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rate = np.array([[flat[0], flat[1]], [flat[1], flat[2]]])
        log_p = log_prior + rate[0, 0] * a**2 + 2.0 * rate[0, 1] * a * b + rate[1, 1] * b**2
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        cross = float(np.sum(p * a * b))
        return p, np.array([[np.sum(p * a**2), cross], [cross, np.sum(p * b**2)]])

    def mismatch(flat: np.ndarray) -> np.ndarray:
        return _flat(tilt(y, law(flat)[1], noise)) - flat

    large = law(np.zeros(3))[1] + y @ y.T / y.shape[1]  # where the tilt is weak, and from where the search descends
    residual = edge = np.inf
    for rate in (0.3, 0.1, 0.03):
        kernel = large
        for _ in range(int(15 / rate)):
            kernel = (1.0 - rate) * kernel + rate * law(_flat(tilt(y, kernel, noise)))[1]
        found = optimize.root(mismatch, _flat(tilt(y, kernel, noise)), tol=1e-12)
        p, kernel = law(found.x)
        residual = float(np.max(np.abs(mismatch(found.x))))
        edge = float(p[[0, -1]].sum() + p[:, [0, -1]].sum())
        if residual < 1e-6 and edge < 1e-6:
            return PlaneLaw(axis, p, kernel, residual)
    raise ArithmeticError(f"no limit law was found on this grid: residual {residual:.1e}, mass at its edge {edge:.1e}")


def _flat(symmetric: np.ndarray) -> np.ndarray:
    return np.array([symmetric[0, 0], symmetric[0, 1], symmetric[1, 1]])


class PlaneSample(NamedTuple):
    """Weighted draws of all units of a finite network: (draws, width, 2), weights (draws,), effective sample size."""

    features: Float[np.ndarray, "draws width 2"]
    weights: Float[np.ndarray, " draws"]
    effective: float


def plane_finite(
    width: int,
    k0: Float[np.ndarray, "2 2"],
    y: Float[np.ndarray, "2 outputs"],
    noise: float,
    proposal: PlaneLaw,
    *,
    draws: int,
    key: PRNGKeyArray,
) -> PlaneSample:
    """The exact posterior of a network of that width by importance sampling.

    Units are proposed independently from the grid law (uniform within a cell) and weighted by the exact posterior over
    the exact proposal density, so a wrong proposal costs effective sample size, not truth.
    """
    rng = generator(key)
    cells, step = proposal.axis.size, proposal.axis[1] - proposal.axis[0]
    cumulative = np.cumsum(proposal.p.ravel())
    index = np.searchsorted(cumulative, rng.uniform(size=(draws, width)) * cumulative[-1])
    centres = np.stack([proposal.axis[index // cells], proposal.axis[index % cells]], axis=-1)
    features = centres + step * (rng.uniform(size=centres.shape) - 0.5)
    log_proposal = np.log(proposal.p.ravel()[index] / step**2).sum(axis=1)
    root = linalg.cholesky(k0, lower=True)
    white = linalg.solve_triangular(root, features.reshape(-1, 2).T, lower=True)
    log_prior = -0.5 * np.sum(white**2, axis=0).reshape(draws, width).sum(axis=1)
    phi = np.sqrt(2.0) * np.maximum(features, 0.0)
    kernels = np.einsum("dni,dnj->dij", phi, phi) / width + noise * np.eye(2)
    solved = np.linalg.solve(kernels, np.broadcast_to(y, (draws, *y.shape)))
    log_label = -0.5 * (np.sum(y * solved, axis=(1, 2)) + y.shape[1] * np.linalg.slogdet(kernels)[1])
    log_weight = log_prior - log_proposal + width * log_label
    weights = np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    return PlaneSample(features, weights, float(1.0 / np.sum(weights**2)))


def linear_covariance(
    k0: Float[np.ndarray, "p p"], y: Float[np.ndarray, "p outputs"], noise: float
) -> Float[np.ndarray, "p p"]:
    r"""The tilted law for $\phi(f)=f$: a Gaussian with covariance $C=(K_0^{-1}-2\Lambda(C))^{-1}$."""
    size = k0.shape[0]
    rows, columns = np.tril_indices(size)
    precision = linalg.inv(k0)

    def covariance(flat: np.ndarray) -> np.ndarray:
        root = np.zeros((size, size))
        root[rows, columns] = flat
        return root @ root.T

    def mismatch(flat: np.ndarray) -> np.ndarray:
        c = covariance(flat)
        return ((precision - 2.0 * tilt(y, c, noise)) @ c - np.eye(size))[rows, columns]

    start = linalg.cholesky(k0, lower=True)[rows, columns]
    return covariance(optimize.root(mismatch, start, tol=1e-13).x)


def total_variation(p: Density, q: Density) -> float:
    """Total variation distance of two densities on one grid."""
    return float(0.5 * np.sum(np.abs(p.p - q.p)) * (p.f[1] - p.f[0]))


def gaussian(variance: float, grid: Float[np.ndarray, " grid"]) -> Density:
    """A centred Gaussian on a grid."""
    return _normalised(grid, -0.5 * grid**2 / variance)


def _feature_grid(k0: float, variance: float) -> np.ndarray:
    reach = 9.0 * np.sqrt(max(k0, variance))
    return np.linspace(-reach, reach, GRID)


def _normalised(f: np.ndarray, log_p: np.ndarray) -> Density:
    p = np.exp(log_p - log_p.max())
    return Density(f, p / (p.sum() * (f[1] - f[0])))
