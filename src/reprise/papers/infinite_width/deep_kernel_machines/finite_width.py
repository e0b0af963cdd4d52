r"""Deep Gaussian processes of finite width, sampled without a word of the limit theory.

Layer $\ell$ has features $F_\ell=C_\ell Z_\ell$ ($C_\ell C_\ell^\top=K(G_{\ell-1})$, $Z_\ell$ a $P\times N$ matrix of
standard normals), and the labels, copied `copies` times, see $G_\ell=F_\ell F_\ell^\top/N$ alone. So $Z_\ell$ matters
only through $Z_\ell Z_\ell^\top=A_\ell A_\ell^\top$ with $A_\ell$ lower triangular, and a priori (Bartlett) $A_{ij}\sim
N(0,1)$ below the diagonal and $A_{ii}^2\sim\chi^2_{N-i+1}$ on it: the chains walk over $A_\ell$, with the rotations of the
units taken out, in $LP(P+1)/2$ dimensions at every width $N\ge P$. The rotations are put back afterwards, exactly.
"""

from functools import partial
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc.hmc import HMCState
from jax.scipy.stats import multivariate_normal
from jaxtyping import Array, Float, PRNGKeyArray

from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import KERNELS
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator


class Chains(NamedTuple):
    """Draws of the Gram matrices, with the score of each draw for the control variates.

    `grams`: (problems, chains, draws, depth, P, P); `scores`: (problems, chains, draws, dimension); `divergent`: share
    of divergent transitions; `acceptance`: mean acceptance rate.
    """

    grams: Float[np.ndarray, "problems chains draws depth p p"]
    scores: Float[np.ndarray, "problems chains draws dimension"]
    divergent: float
    acceptance: float


class Problems(NamedTuple):
    """Independent small regression problems: input Gram matrices (S, P, P) and labels (S, P, outputs)."""

    gram0: Float[np.ndarray, "problems p p"]
    y: Float[np.ndarray, "problems p outputs"]


class Problem(NamedTuple):
    """One of them at a finite width; a leading axis counts problems."""

    gram0: Float[Array, "p p"]
    y: Float[Array, "p outputs"]
    width: Array
    copies: Array
    noise: Array


def draw_problems(key: PRNGKeyArray, *, problems: int, points: int, inputs: int, outputs: int) -> Problems:
    """Gaussian inputs, normalised to unit mean square, and labels from a smooth random function of them."""
    rng = generator(key)
    x = rng.normal(size=(problems, points, inputs))
    hidden = np.tanh(1.5 * x @ rng.normal(size=(problems, inputs, 16)))
    y = hidden @ rng.normal(size=(problems, 16, outputs))
    y = y / np.sqrt(np.mean(y**2, axis=(1, 2), keepdims=True))
    return Problems(x @ np.swapaxes(x, 1, 2) / inputs + 0.1 * np.eye(points), y)


def grams_of(
    triangles: Float[Array, "depth p p"], gram0: Float[Array, "p p"], width: Array, kernel: str
) -> Float[Array, "depth p p"]:
    r"""$G_\ell=C_\ell A_\ell A_\ell^\top C_\ell^\top/N$, layer by layer."""
    gram, grams = gram0, []
    for triangle in triangles:
        diagonal = jnp.diagonal(gram)
        features = jnp.linalg.cholesky(KERNELS[kernel](diagonal, gram, diagonal)) @ triangle
        gram = features @ features.T / width
        grams.append(gram)
    return jnp.stack(grams)


def _triangles(position: Float[Array, " size"], depth: int, width: Array, p: int) -> Float[Array, "depth p p"]:
    r"""Free numbers to Bartlett triangles; the diagonal is $\sqrt N e^u$, so that no boundary is in the way."""
    rows, columns = np.tril_indices(p)
    free = position.reshape(depth, -1)
    values = jnp.where(rows == columns, jnp.sqrt(width) * jnp.exp(free), free)
    return jnp.zeros((depth, p, p)).at[:, rows, columns].set(values)


def log_density(position: Float[Array, " size"], problem: Problem, kernel: str, depth: int) -> Float[Array, ""]:
    r"""Log posterior of the free numbers: Bartlett's prior, the Jacobian of $e^u$, and the copied labels."""
    p, width = problem.gram0.shape[0], problem.width
    rows, columns = np.tril_indices(p)
    free = position.reshape(depth, -1)
    diagonal = (width - rows) * free - 0.5 * width * jnp.exp(2.0 * free)
    log_prior = jnp.where(rows == columns, diagonal, -0.5 * free**2).sum()
    gram = grams_of(_triangles(position, depth, width, p), problem.gram0, width, kernel)[-1]
    top = jnp.diagonal(gram)
    covariance = KERNELS[kernel](top, gram, top) + problem.noise * jnp.eye(p)
    fit = jnp.sum(multivariate_normal.logpdf(problem.y.T, jnp.zeros(p), covariance))
    return log_prior + problem.copies * fit


def sample(
    problems: Problems,
    key: PRNGKeyArray,
    *,
    width: int,
    copies: int,
    depth: int,
    kernel: str,
    noise: float,
    chains: int,
    draws: int,
    sampler: str = "nuts",
) -> Chains:
    """Run MCMC (BlackJAX) on every problem, all chains at once; width and copies need no new compilation.

    `sampler` is "nuts", or "hmc" with 1 to 12 leapfrog steps at random, which compiles in less time.
    Four runs of `draws`/2 steps from draws of the prior: the first adapts the step size, the second the step size in
    coordinates whitened by the first one's second half, the last two are kept.
    """
    count, p = problems.y.shape[:2]
    size = depth * p * (p + 1) // 2
    rows, columns = np.tril_indices(p)
    scale = np.tile(np.where(rows == columns, np.sqrt(0.5 / width), 1.0), depth)
    block = draws // 2
    keys = jax.random.split(key, (4, block, count, chains))
    whole = jnp.ones(count)
    problem = Problem(
        jnp.asarray(problems.gram0), jnp.asarray(problems.y), width * whole, copies * whole, noise * whole
    )
    frame = Frame(jnp.zeros((count, size)), jnp.broadcast_to(jnp.diag(scale), (count, size, size)))
    white = jnp.asarray(generator(key, 0).normal(size=(count, chains, size)))
    gains = 1.5 / (10.0 + jnp.arange(block)) ** 0.6
    run = partial(_run, problem=problem, kernel=kernel, depth=depth, sampler=sampler)
    first = run(keys[0], white, frame, jnp.full((count,), np.log(0.3)), gains)
    white, frame = _whiten(first.positions)
    second = run(keys[1], white, frame, jnp.full((count,), np.log(0.5)), gains)
    third = run(keys[2], second.white, frame, second.log_step, 0.0 * gains)
    fourth = run(keys[3], third.white, frame, third.log_step, 0.0 * gains)
    kept = jax.tree.map(lambda *parts: np.concatenate([np.asarray(p) for p in parts]), third[3:], fourth[3:])
    grams, scores, divergent, acceptance = kept
    return Chains(
        np.moveaxis(grams, 0, 2), np.moveaxis(scores, 0, 2), float(divergent.mean()), float(acceptance.mean())
    )


class Frame(NamedTuple):
    """Coordinates in which the chains walk: position = shift + root @ white."""

    shift: Float[Array, "problems size"]
    root: Float[Array, "problems size size"]


class _Run(NamedTuple):
    """What a run leaves behind; draws come first."""

    white: Float[Array, "problems chains size"]
    log_step: Float[Array, " problems"]
    positions: Float[Array, "draws problems chains size"]
    grams: Float[Array, "draws problems chains depth p p"]
    scores: Float[Array, "draws problems chains size"]
    divergent: Array
    acceptance: Array


@partial(jax.jit, static_argnames=("kernel", "depth", "sampler"))
def _run(
    keys: Array,
    white: Array,
    frame: Frame,
    log_step: Array,
    gains: Array,
    problem: Problem,
    kernel: str,
    depth: int,
    sampler: str,
) -> _Run:
    """Walk from `white`; the step size of each problem follows the mean acceptance of its chains while gains last."""
    nuts, hmc = blackjax.nuts.build_kernel(), blackjax.hmc.build_kernel()

    def density(white: Array, frame: Frame, problem: Problem) -> Array:
        return log_density(frame.shift + frame.root @ white, problem, kernel, depth)

    def one(
        key: Array, state: HMCState, log_step: Array, frame: Frame, problem: Problem, length: Array
    ) -> tuple[HMCState, Any]:
        target = partial(density, frame=frame, problem=problem)
        if sampler == "nuts":
            return nuts(key, state, target, jnp.exp(log_step), jnp.ones_like(state.position), 7)
        return hmc(key, state, target, jnp.exp(log_step), jnp.ones_like(state.position), length)

    def keep(state: HMCState, frame: Frame, problem: Problem) -> tuple[Array, Array]:
        position = frame.shift + frame.root @ state.position
        p = problem.gram0.shape[0]
        triangles = _triangles(position, depth, problem.width, p)
        return position, grams_of(triangles, problem.gram0, problem.width, kernel)

    def step(
        carry: tuple[HMCState, Array], xs: tuple[Array, Array, Array]
    ) -> tuple[tuple[HMCState, Array], tuple[Array, ...]]:
        (states, log_step), (keys, gain, length) = carry, xs
        over_chains = jax.vmap(one, (0, 0, None, None, None, None))
        states, info = jax.vmap(over_chains, (0, 0, 0, 0, 0, None))(keys, states, log_step, frame, problem, length)
        log_step = log_step + gain * (jnp.mean(info.acceptance_rate, axis=1) - 0.8)
        positions, grams = jax.vmap(jax.vmap(keep, (0, None, None)))(states, frame, problem)
        kept = (positions, grams, states.logdensity_grad, info.is_divergent, info.acceptance_rate)
        return (states, log_step), kept

    def start(white: Array, frame: Frame, problem: Problem) -> HMCState:
        return blackjax.nuts.init(white, partial(density, frame=frame, problem=problem))

    states = jax.vmap(jax.vmap(start, (0, None, None)))(white, frame, problem)
    # one length a step for all chains: they run in lockstep, so that with lengths of their own all would take the longest
    lengths = jax.random.randint(jax.random.fold_in(keys[0, 0, 0], 1), gains.shape, 1, 13)
    (states, log_step), kept = jax.lax.scan(step, (states, log_step), (keys, gains, lengths))
    return _Run(states.position, log_step, *kept)


@jax.jit
def _whiten(positions: Float[Array, "draws problems chains size"]) -> tuple[Array, Frame]:
    """The last positions and the frame in which the second half of the draws is white."""
    half = positions[positions.shape[0] // 2 :]
    shift = jnp.mean(half, axis=(0, 2))
    deviation = half - shift[:, None]
    covariance = jnp.einsum("dsci,dscj->sij", deviation, deviation) / (half.shape[0] * half.shape[2])
    diagonal = jnp.einsum("sii->si", covariance)
    root = jnp.linalg.cholesky(0.95 * covariance + 0.05 * jax.vmap(jnp.diag)(diagonal))
    white = jax.scipy.linalg.solve_triangular(root, jnp.swapaxes(positions[-1] - shift[:, None], 1, 2), lower=True)
    return jnp.swapaxes(white, 1, 2), Frame(shift, root)
