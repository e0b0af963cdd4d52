r"""The exact posterior of a classifier with a random scale, by a Markov chain, as a reference for the variational one.

Outputs at the training points of $C$ classes, $f_c\mid s\sim\mathcal N(0,sK)$, $s\sim IG(a,b)$, softmax likelihood. A sweep:

1. $f\mid s,y$: elliptical slice sampling (Murray, Adams, MacKay 2010), which leaves the Gaussian prior invariant;
2. $s\mid f$: conjugate, $IG(a+\frac{Cn}2,\ b+\frac12\sum_cf_c^\top K^{-1}f_c)$;
3. $s\mid z,y$ with $f=\sqrt s\,Lz$ held in $z$: a Metropolis step on $\log s$. Step 2 alone moves by $O((Cn)^{-1/2})$.

The Gaussian process is the same chain without steps 2 and 3.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

import reprise._x64  # noqa: F401


class Chain(NamedTuple):
    """Draws of one chain after its first third, thinned."""

    scales: Float[Array, " draws"]
    log_p: Float[Array, "t c"]  # logarithm of the mean predicted probability at the test points


class State(NamedTuple):
    """White outputs, scale."""

    z: Float[Array, "n c"]
    log_s: Float[Array, ""]


def log_likelihood(f: Float[Array, "n c"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Softmax log likelihood of all labels."""
    return jnp.sum(jax.nn.log_softmax(f)[jnp.arange(len(labels)), labels])


@partial(jax.jit, static_argnames=("a", "classes", "sweeps", "thin"))
def run_chain(
    key: PRNGKeyArray,
    root: Float[Array, "n n"],
    gain: Float[Array, "t n"],
    rest: Float[Array, " t"],
    labels: Int[Array, " n"],
    b: float,
    student: bool = True,
    *,
    a: int = 2,
    classes: int = 10,
    sweeps: int = 900,
    thin: int = 10,
) -> Chain:
    """One chain; `root` is the Cholesky factor of K, `gain` is $K_{tX}L^{-T}$ and `rest` the conditional variance.

    Without `student` the scale stays at b / a; `a` is a whole number.
    """
    n = len(labels)

    def slice_move(move_key: PRNGKeyArray, state: State) -> State:
        fresh_key, level_key, angle_key, loop_key = jax.random.split(move_key, 4)
        spread = jnp.exp(0.5 * state.log_s)
        fresh = jax.random.normal(fresh_key, state.z.shape)
        f, g = spread * root @ state.z, spread * root @ fresh
        level = log_likelihood(f, labels) + jnp.log(jax.random.uniform(level_key))
        top = 2 * jnp.pi * jax.random.uniform(angle_key)

        def outside(carry: tuple[Array, Array, Array, Array]) -> Array:
            return log_likelihood(f * jnp.cos(carry[0]) + g * jnp.sin(carry[0]), labels) < level

        def shrink(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            angle, low, high, seed = carry
            low, high = jnp.where(angle < 0, angle, low), jnp.where(angle < 0, high, angle)
            seed, own = jax.random.split(seed)
            return low + (high - low) * jax.random.uniform(own), low, high, seed

        angle, *_ = jax.lax.while_loop(outside, shrink, (top, top - 2 * jnp.pi, top, loop_key))
        return State(state.z * jnp.cos(angle) + fresh * jnp.sin(angle), state.log_s)

    def scale_moves(move_key: PRNGKeyArray, state: State) -> State:
        gamma_key, step_key, accept_key = jax.random.split(move_key, 3)
        half = 0.5 * jnp.exp(state.log_s) * jnp.sum(state.z**2)
        gamma = 0.5 * jnp.sum(jax.random.normal(gamma_key, (2 * a + classes * n,)) ** 2)  # Gamma(a + Cn/2)
        log_s = jnp.log(b + half) - jnp.log(gamma)
        z = state.z * jnp.exp(0.5 * (state.log_s - log_s))  # f stays
        white = root @ z

        def target(u: Array) -> Array:
            return log_likelihood(jnp.exp(0.5 * u) * white, labels) - a * u - b * jnp.exp(-u)

        proposal = log_s + 0.4 * jax.random.normal(step_key)
        accept = jnp.log(jax.random.uniform(accept_key)) < target(proposal) - target(log_s)
        return State(z, jnp.where(accept, proposal, log_s))

    def sweep(state: State, sweep_key: PRNGKeyArray) -> tuple[State, None]:
        for part in range(3):
            state = slice_move(jax.random.fold_in(sweep_key, part), state)
        moved = scale_moves(jax.random.fold_in(sweep_key, 3), state)
        return jax.tree.map(lambda new, old: jnp.where(student, new, old), moved, state), None

    def keep(carry: tuple[State, Array], block_key: PRNGKeyArray) -> tuple[tuple[State, Array], Array]:
        state, total = carry
        state, _ = jax.lax.scan(sweep, state, jax.random.split(block_key, thin))
        spread = jnp.exp(0.5 * state.log_s)
        noise = jax.random.normal(jax.random.fold_in(block_key, 7), total.shape)
        f = spread * (gain @ state.z + jnp.sqrt(rest)[:, None] * noise)
        return (state, total + jax.nn.softmax(f)), state.log_s

    burn_key, run_key = jax.random.split(key)
    blocks = sweeps // thin
    zeros = jnp.zeros((len(rest), classes))
    first = State(jnp.zeros((n, classes)), jnp.log(b / a))
    (state, _), _ = jax.lax.scan(keep, (first, zeros), jax.random.split(burn_key, blocks // 3))
    kept = blocks - blocks // 3
    (_, total), log_s = jax.lax.scan(keep, (state, zeros), jax.random.split(run_key, kept))
    return Chain(jnp.exp(log_s), jnp.log(total / kept + 1e-12))
