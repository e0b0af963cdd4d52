"""Other priors on the scale: the evidence for claim C2."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import special, stats

from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp import laws, scale_priors
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import (
    Pair,
    farthest,
    largest_distance,
    law_hill,
    tail_ratio,
)
from reprise.papers.infinite_width.scale_mixture_nngp.scale_priors import ScalePrior
from reprise.papers.infinite_width.scale_mixture_nngp.toy import Toy
from reprise.progress import track
from reprise.statistics import slope

NARROW = "narrow proposal"


class Scalar(NamedTuple):
    """What the scale's posterior needs of the data, and the Gaussian part of one prediction."""

    q: float
    n: int
    mean: float
    variance: float


class SamplingStudy(NamedTuple):
    """Importance sampling against quadrature: one row a repeat, one column a number of draws."""

    sizes: list[int]
    error: dict[str, Float[np.ndarray, "repeats sizes"]]  # largest error of the predictive density over its peak
    effective: dict[str, Float[np.ndarray, " repeats"]]  # effective share of the draws at the largest size


def scalar_of(toy: Toy, noise: float, point: int = 1) -> Scalar:
    """Reduce the toy to the four numbers on which a prediction at one test point depends."""
    k_tt, k_tx, k_xx = toy.blocks()
    inner = k_xx + noise * np.eye(len(toy.y))
    solved = np.linalg.solve(inner, toy.y)
    cross = k_tx[point]
    variance = k_tt[point, point] - cross @ np.linalg.solve(inner, cross)
    return Scalar(float(toy.y @ solved), len(toy.y), float(cross @ solved), float(variance))


def closed_form_error(toy: Toy, noise: float, scales: Sequence[float] = (0.5, 1.0, 2.0, 4.0)) -> Pair:
    """Largest error of the predictive density by quadrature, against Student's law, over several inverse gammas.

    Control: the Gaussian process whose scale is the prior's mean (or 1 where there is none).
    """
    k_tt, k_tx, k_xx = toy.blocks()
    found = scalar_of(toy, noise)
    inner = k_xx + noise * np.eye(found.n)
    errors, others = [], []
    for a in scales:
        law = laws.posterior(k_tt[1:2, 1:2], k_tx[1:2], inner, toy.y, a, a)
        spread = float(np.sqrt(law.shape[0, 0]))
        f = found.mean + spread * np.linspace(-8, 8, 201)
        exact = stats.t(float(law.dof), float(law.mean[0]), spread).pdf(f)
        mixture = scale_priors.by_quadrature(scale_priors.inverse_gamma(a, a), found.q, found.n)
        errors.append(np.max(np.abs(mixture.density(f, found.mean, found.variance) - exact)) / exact.max())
        fixed = a / (a - 1) if a > 1 else 1.0
        gauss = stats.norm(found.mean, np.sqrt(fixed * found.variance)).pdf(f)
        others.append(np.max(np.abs(gauss - exact)) / exact.max())
    return worst_pair(errors, others)


def study_sampling(found: Scalar, sizes: list[int], *, seed: int, repeats: int = 30) -> SamplingStudy:
    """For every prior, the predictive density by importance sampling from a conjugate proposal; and a narrow one."""
    proposal = scale_priors.conjugate_proposal(found.q, found.n, a=0.25, b=0.0)
    narrow = scale_priors.log_normal(float(np.log(found.q / found.n)), 0.1)
    error: dict[str, np.ndarray] = {}
    effective: dict[str, np.ndarray] = {}
    cases = [(prior.name, prior, proposal) for prior in scale_priors.PRIORS]
    cases.append((NARROW, scale_priors.PRIORS[1], narrow))
    for name, prior, source in track(cases, "priors"):
        exact = scale_priors.by_quadrature(prior, found.q, found.n)
        spread = np.sqrt(found.variance * found.q / found.n)
        f = found.mean + spread * np.linspace(-6, 6, 61)
        truth = exact.density(f, found.mean, found.variance)
        rng = np.random.default_rng([seed, len(error)])
        rows, shares = [], []
        for _ in range(repeats):
            drawn = [scale_priors.by_importance(prior, source, found.q, found.n, size, rng) for size in sizes]
            rows.append([np.max(np.abs(d.density(f, found.mean, found.variance) - truth)) / truth.max() for d in drawn])
            shares.append(drawn[-1].effective_share())
        error[name], effective[name] = np.asarray(rows), np.asarray(shares)
    return SamplingStudy(sizes, error, effective)


def error_slopes(study: SamplingStudy) -> Pair:
    """Log-log slope of the error against the number of draws, over the four priors; control: the narrow proposal."""
    return {
        "measured": slope(study.sizes, mean_error(study)),
        "control": slope(study.sizes, study.error[NARROW]),
    }


def mean_error(study: SamplingStudy) -> Float[np.ndarray, "repeats sizes"]:
    """Error averaged over the priors, for the rate."""
    return np.mean([rows for name, rows in study.error.items() if name != NARROW], axis=0)


def effective_share(study: SamplingStudy) -> Pair:
    """Smallest effective share over priors and repeats, whole range; control: the narrow proposal."""
    ours = np.min([shares for name, shares in study.effective.items() if name != NARROW], axis=0)
    return worst_pair(ours, study.effective[NARROW], largest=False)


def network_tails(unit: Float[np.ndarray, " nets"], *, seed: int, share: float = 0.02) -> Pair:
    """Hill's index of network outputs over that of the predicted law at the same share, for the priors of power tails.

    Control: fixed scale.
    """
    rng = np.random.default_rng(seed)
    found, indices = [], []
    for prior in scale_priors.PRIORS[1:]:
        if np.isfinite(prior.tail_index):
            mixture = scale_priors.of_prior(prior)
            indices.append(law_hill(partial(_survival, mixture), share))
            found.append(tail_ratio(np.sqrt(prior.sample(rng, len(unit))) * unit, indices[-1], share))
    return {"measured": farthest(found, 1.0), "control": tail_ratio(unit, max(indices), share)}


def _survival(mixture: scale_priors.Mixture, x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """P(|f| > x) for a mixture of centred Gaussians of unit variance times the scale, a block of x at a time."""
    kept = mixture.weights > 1e-18
    spread, weights = np.sqrt(mixture.scales[kept]), mixture.weights[kept]
    return np.concatenate(
        [2 * special.ndtr(-part[:, None] / spread) @ weights for part in np.array_split(x, 1 + len(x) // 2000)]
    )


class ChainDraws(NamedTuple):
    """Predictions of a finite network by a Markov chain over its last weights and their scale, and exact laws."""

    standardised: Float[np.ndarray, " draws"]  # in units of the exact law's Gaussian part
    exact: scale_priors.Mixture
    acceptance: float


def sample_weights(
    prior: ScalePrior,
    *,
    key: PRNGKeyArray,
    points: int = 5,
    width: int = 16,
    chains: int = 64,
    draws: int = 600,
    noise: float = 0.1,
    surprise: float = 3.0,
) -> ChainDraws:
    r"""Hamiltonian Monte Carlo over $(\tilde w,\log s)$ of $f=\sqrt s\,\Phi\tilde w$, with noise variance $s\epsilon$.

    The features $\Phi$ of one finite network are fixed; $K=\Phi\Phi^\top$ then makes the quadrature exact, and the chain
    knows neither $K$ nor the closed form. Labels are `surprise` times as large as a scale of 1 makes them, so that there
    is something to learn about the scale.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    phi = rng.normal(size=(points + 1, width)) / width**0.5
    inner = phi[:-1] @ phi[:-1].T + noise * np.eye(points)
    y = rng.normal(size=points)
    y *= surprise * np.sqrt(points / (y @ np.linalg.solve(inner, y)))
    start = 0.3 * rng.normal(size=(chains, width + 1))
    start[:, -1] += 2 * np.log(surprise) + 1  # from large scales, where the likelihood is smooth
    log_prior = _JAX_DENSITIES[prior.name]
    arrays = (jnp.asarray(part) for part in (start, phi, y))
    positions, acceptance = _run_chains(key, *arrays, noise, log_prior, draws)
    kept = np.asarray(positions)[draws // 4 :: 10].reshape(-1, width + 1)
    cross = phi[:-1] @ phi[-1]
    gain = np.linalg.solve(inner, cross)
    variance = float(phi[-1] @ phi[-1] - cross @ gain)
    values = np.exp(0.5 * kept[:, -1]) * (kept[:, :-1] @ phi[-1])
    exact = scale_priors.by_quadrature(prior, float(y @ np.linalg.solve(inner, y)), points)
    return ChainDraws((values - float(gain @ y)) / np.sqrt(variance), exact, float(acceptance))


def chain_distance(chain: ChainDraws) -> Pair:
    """Distance of the chain's predictions from the mixture by quadrature; control: the Gaussian process with s = 1."""
    x = chain.standardised
    return {
        "measured": largest_distance([(x, lambda f: chain.exact.cdf(f, 0.0, 1.0))]),
        "control": largest_distance([(x, stats.norm.cdf)]),
    }


def worst_pair(
    measured: Sequence[float] | np.ndarray, control: Sequence[float] | np.ndarray, *, largest: bool = True
) -> Pair:
    """Worst values of both with their whole ranges as intervals."""

    def one(values: Sequence[float] | np.ndarray) -> Estimate:
        v = np.ravel(np.asarray(values, dtype=float))
        value = float(v.max() if largest else v.min())
        return Estimate(value, float(v.min()), float(v.max()), n=v.size, level=1.0, method="range", samples=tuple(v))

    return {"measured": one(measured), "control": one(control)}


def _burr_density(s: Array) -> Array:
    """Logarithm of the Burr XII density with c = d = 1, up to a constant, as in `scale_priors.PRIORS`."""
    return -2.0 * jnp.log1p(s)


def _log_normal_density(s: Array) -> Array:
    return -0.5 * jnp.log(s) ** 2 - jnp.log(s)


_JAX_DENSITIES = {"Burr XII": _burr_density, "log-normal": _log_normal_density}


@partial(jax.jit, static_argnames=("log_prior", "draws"))
def _run_chains(
    key: PRNGKeyArray, start: Array, phi: Array, y: Array, noise: float, log_prior: object, draws: int
) -> tuple[Array, Array]:
    """Chains of random path lengths; a first quarter is thrown away by the caller."""
    hmc = blackjax.hmc.build_kernel()

    def target(position: Array) -> Array:
        white, log_s = position[:-1], position[-1]
        s = jnp.exp(log_s)
        residual = y - jnp.sqrt(s) * phi[:-1] @ white
        fit = -0.5 * jnp.sum(residual**2) / (s * noise) - 0.5 * len(y) * log_s
        return fit - 0.5 * jnp.sum(white**2) + log_prior(s) + log_s  # type: ignore[operator]

    def one(state: object, keys: Array) -> tuple[object, tuple[Array, Array]]:
        def move(chain_key: PRNGKeyArray, chain: object) -> tuple[object, object]:
            k1, k2 = jax.random.split(chain_key)
            length = jax.random.randint(k2, (), 4, 24)
            return hmc(k1, chain, target, 0.12, jnp.ones(start.shape[1]), length)

        state, info = jax.vmap(move)(keys, state)
        return state, (state.position, info.acceptance_rate)  # type: ignore[attr-defined]

    states = jax.vmap(lambda p: blackjax.hmc.init(p, target))(start)
    keys = jax.random.split(key, (draws, len(start)))
    _, (positions, acceptance) = jax.lax.scan(one, states, keys)
    return positions, jnp.mean(acceptance)
