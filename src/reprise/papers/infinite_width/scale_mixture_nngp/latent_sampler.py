r"""The exact posterior of a classifier with a random scale, by a Markov chain, as a reference for the variational one.

Outputs at the training points of $C$ classes, $f_c\mid s\sim\mathcal N(0,sK)$, $s\sim IG(a,b)$, softmax likelihood. A sweep:

1. $f\mid s,y$: elliptical slice sampling (Murray, Adams, MacKay 2010), which leaves the Gaussian prior invariant;
2. $s\mid f$: conjugate, $IG(a+\frac{Cn}2,\ b+\frac12\sum_cf_c^\top K^{-1}f_c)$;
3. $s\mid z,y$ with $f=\sqrt s\,Lz$ held in $z$: a Metropolis step on $\log s$. Step 2 alone moves by $O((Cn)^{-1/2})$.

The Gaussian process is the same chain without steps 2 and 3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import reprise._x64  # noqa: F401

_SLICES, _TRIES, _THIN = 3, 24, 10


class Chain(NamedTuple):
    """Draws of one chain after its first third, thinned."""

    scales: Float[Array, " draws"]
    log_p: Float[Array, "t c"]  # logarithm of the mean predicted probability at the test points


class State(NamedTuple):
    """White outputs, scale."""

    z: Float[Array, "n c"]
    log_s: Float[Array, ""]


class Randomness(NamedTuple):
    """All random numbers of a chain, drawn beforehand; leading axes are kept draws and the sweeps between them."""

    fresh: Float[Array, "k thin slices n c"]
    level: Float[Array, "k thin slices"]
    angle: Float[Array, "k thin slices tries"]
    gamma: Float[Array, "k thin"]  # Gamma(a + Cn/2)
    step: Float[Array, "k thin"]
    accept: Float[Array, "k thin"]
    output: Float[Array, "k t c"]


def draw_randomness(
    rng: np.random.Generator, *, sweeps: int, n: int, tests: int, a: float, classes: int = 10
) -> Randomness:
    """Random numbers for so many sweeps."""
    k = sweeps // _THIN
    drawn = (
        rng.normal(size=(k, _THIN, _SLICES, n, classes)),
        np.log(rng.uniform(size=(k, _THIN, _SLICES))),
        rng.uniform(size=(k, _THIN, _SLICES, _TRIES)),
        rng.gamma(a + 0.5 * classes * n, size=(k, _THIN)),
        0.4 * rng.normal(size=(k, _THIN)),
        np.log(rng.uniform(size=(k, _THIN))),
        rng.normal(size=(k, tests, classes)),
    )
    return Randomness(*(jnp.asarray(part) for part in drawn))


def log_likelihood(f: Float[Array, "n c"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Softmax log likelihood of all labels."""
    return jnp.sum(jax.nn.log_softmax(f)[jnp.arange(len(labels)), labels])


def slice_move(state: State, root: Array, labels: Array, fresh: Array, level: Array, angles: Array) -> State:
    """Elliptical slice sampling of the outputs: shrink an angle until the likelihood exceeds the level."""
    spread = jnp.exp(0.5 * state.log_s)
    f, g = spread * root @ state.z, spread * root @ fresh
    threshold = log_likelihood(f, labels) + level
    top = 2 * jnp.pi * angles[0]

    def outside(carry: tuple[Array, Array, Array, Array]) -> Array:
        angle, _, _, tries = carry
        return (log_likelihood(f * jnp.cos(angle) + g * jnp.sin(angle), labels) < threshold) & (tries < _TRIES)

    def shrink(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        angle, low, high, tries = carry
        low, high = jnp.where(angle < 0, angle, low), jnp.where(angle < 0, high, angle)
        return low + (high - low) * angles[tries], low, high, tries + 1

    angle, _, _, tries = jax.lax.while_loop(outside, shrink, (top, top - 2 * jnp.pi, top, jnp.asarray(1)))
    angle = jnp.where(tries < _TRIES, angle, 0.0)  # a bracket that is still too wide: stay
    return State(state.z * jnp.cos(angle) + fresh * jnp.sin(angle), state.log_s)


def scale_moves(
    state: State, root: Array, labels: Array, a: float, b: float, gamma: Array, step: Array, accept: Array
) -> State:
    """The scale given the outputs (exactly), then given the white outputs (Metropolis)."""
    half = 0.5 * jnp.exp(state.log_s) * jnp.sum(state.z**2)
    log_s = jnp.log(b + half) - jnp.log(gamma)
    z = state.z * jnp.exp(0.5 * (state.log_s - log_s))  # f stays
    white = root @ z

    def target(u: Array) -> Array:
        return log_likelihood(jnp.exp(0.5 * u) * white, labels) - a * u - b * jnp.exp(-u)

    return State(z, jnp.where(accept < target(log_s + step) - target(log_s), log_s + step, log_s))


@jax.jit
def run_chain(
    random: Randomness,
    root: Float[Array, "n n"],
    gain: Float[Array, "t n"],
    rest: Float[Array, " t"],
    labels: Int[Array, " n"],
    a: float,
    b: float,
    student: bool | Array,
) -> Chain:
    """One chain; `root` is the Cholesky factor of K, `gain` is $K_{tX}L^{-T}$ and `rest` the conditional variance.

    Without `student` the scale stays at b / a.
    """

    def one_slice(state: State, part: tuple[Array, Array, Array]) -> tuple[State, None]:
        return slice_move(state, root, labels, *part), None

    def sweep(state: State, part: Randomness) -> tuple[State, None]:
        state, _ = jax.lax.scan(one_slice, state, (part.fresh, part.level, part.angle))
        moved = scale_moves(state, root, labels, a, b, part.gamma, part.step, part.accept)
        return jax.tree.map(lambda new, old: jnp.where(student, new, old), moved, state), None

    def keep(state: State, part: tuple[Randomness, Array, Array]) -> tuple[State, tuple[Array, Array]]:
        inner, noise, kept = part
        state, _ = jax.lax.scan(sweep, state, inner)
        f = jnp.exp(0.5 * state.log_s) * (gain @ state.z + jnp.sqrt(rest)[:, None] * noise)
        return state, (state.log_s, kept * jax.nn.softmax(f))

    blocks = len(random.output)
    kept = jnp.where(jnp.arange(blocks) < blocks // 3, 0.0, 1.0)
    first = State(jnp.zeros((len(labels), random.output.shape[-1])), jnp.log(b / a))
    inner = random._replace(output=jnp.zeros(random.gamma.shape))
    _, (log_s, p) = jax.lax.scan(keep, first, (inner, random.output, kept))
    return Chain(jnp.exp(log_s[blocks // 3 :]), jnp.log(jnp.sum(p, axis=0) / jnp.sum(kept) + 1e-12))
