r"""KRR-ST: images and targets by gradient descent through kernel ridge regression on a pool of networks.

Each outer step takes one network of the pool at random, its features of the distilled images and of a batch of real
views, the outer loss of `ridge_head`, and an AdamW step on images and targets; then that network takes one step of
regression on the new pairs, or starts again if it is old enough.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import reprise._x64  # noqa: F401
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    augmentation,
    convnets,
    pretraining,
    ridge_head,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.pretraining import Training

INNER = pretraining.regression(0.1)._replace(drop=1.0)
"""The pool's regression: SGD at a constant rate of 0.1 with momentum 0.9 and weight decay 1e-3."""
SPARE = 32
"""Untrained networks that take the place of old ones, in turn."""


class Recipe(NamedTuple):
    """How to distil.

    Attributes:
        arch: the network that is distilled for.
        pool: number of networks.
        oldest: inner steps after which a network starts again.
        steps: outer steps.
        batch: real views a step.
    """

    arch: Architecture
    pool: int
    oldest: int
    steps: int
    batch: int


class Choice(NamedTuple):
    """What one distillation learns; traced, so that all variants share a compiled program.

    Attributes:
        rate: of AdamW at the first step.
        images: 1 to learn the images, 0 to keep them.
        targets: the same for targets.
        fresh: 1 to start a network again after every use, so that all features are those of untrained networks.
    """

    rate: float
    images: float = 1.0
    targets: float = 1.0
    fresh: float = 0.0


class Distilled(NamedTuple):
    """The distilled pairs, and what happened on the way.

    Attributes:
        images: shape (m, h, h).
        targets: shape (m, p).
        losses: outer loss at each step.
        slopes: norms of the gradients in images and in targets, (steps, 2).
    """

    images: Float[np.ndarray, "m h h"]
    targets: Float[np.ndarray, "m p"]
    losses: Float[np.ndarray, " steps"]
    slopes: Float[np.ndarray, "steps 2"]


def distil(
    recipe: Recipe,
    choice: Choice,
    start: tuple[Float[np.ndarray, "m h h"], Float[np.ndarray, "m p"]],
    views: Float[np.ndarray, "n h h"],
    wanted: Float[np.ndarray, "n p"],
    *,
    seed: int,
) -> Distilled:
    """Distil real views and the teacher's features of them into a few pairs.

    Args:
        recipe: sizes.
        choice: what is learnt.
        start: images and targets at the beginning.
        views: real images, augmented.
        wanted: the teacher's features of these very views.
        seed: of networks, ages and batches.

    Raises:
        ValueError: views and features do not fit.
        FloatingPointError: the outer loss is not finite at the end.
    """
    if len(views) != len(wanted) or start[1].shape[1] != wanted.shape[1]:
        raise ValueError(f"views {views.shape}, features {wanted.shape} and targets {start[1].shape} do not fit")
    arrays = [jnp.asarray(a, jnp.float32) for a in (*start, views, wanted)]
    rng = np.random.default_rng([seed, 17])
    ages = rng.integers(1, recipe.oldest, recipe.pool) * (choice.fresh < 0.5)
    pool = _stacked([_aged(recipe.arch, int(age), arrays[0], arrays[1], [seed, 18, i]) for i, age in enumerate(ages)])
    spare = _stacked([_aged(recipe.arch, 0, arrays[0], arrays[1], [seed, 19, i]) for i in range(SPARE)])
    which = jnp.asarray(rng.integers(0, recipe.pool, recipe.steps), jnp.int32)
    rows = jnp.asarray(rng.integers(0, len(views), (recipe.steps, recipe.batch)), jnp.int32)
    traced = jax.tree.map(np.float32, choice)
    x, y, losses, slopes = _distil(recipe, traced, *arrays, (pool, jnp.asarray(ages)), spare, which, rows)
    if not np.isfinite(losses[-1]):
        raise FloatingPointError(f"distillation diverged at rate {choice.rate:g}; take a smaller one")
    return Distilled(*(np.asarray(a) for a in (x, y, losses, slopes)))


def outer_loss(
    arch: Architecture,
    network: Network,
    pairs: tuple[Array, Array],
    views: Array,
    wanted: Array,
    *,
    frozen: float | Float[Array, ""] = 0.0,
    ridge: float | Float[Array, ""] = 0.0,
) -> Float[Array, ""]:
    """Mean squared error, at real views, of the ridge head on a network's features of the distilled images."""
    features, _ = convnets.embed(arch, network, pairs[0], train=False)
    real = jax.lax.stop_gradient(convnets.embed(arch, network, views, train=False)[0])
    return jnp.mean((wanted - ridge_head.predict(features, pairs[1], real, frozen=frozen, ridge=ridge)) ** 2)


def _aged(arch: Architecture, age: int, x: Array, y: Array, seed: Sequence[int]) -> Training:
    """A network of the pool after so many steps of regression on the pairs."""
    network = convnets.create(arch, y.shape[1], seed)
    state = Training(network, jax.tree.map(np.zeros_like, (network.body, network.head)))
    if age == 0:
        return state
    return pretraining.train(arch, jax.tree.map(np.float32, INNER), state, x, y, jnp.int32(age), augmentation.key(0))


def _stacked(states: Sequence[Training]) -> Training:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *states)


@partial(jax.jit, static_argnames="recipe")
def _distil(
    recipe: Recipe, choice: Choice, x: Array, y: Array, views: Array, wanted: Array, pool: tuple[Training, Array],
    spare: Training, which: Int[Array, " steps"], rows: Int[Array, "steps batch"],
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    arch = recipe.arch

    def step(carry: Any, now: tuple[Array, Array, Array]) -> tuple[Any, tuple[Array, Array]]:
        pairs, moments, pool, ages, used = carry
        which, rows, count = now
        state = jax.tree.map(lambda leaf: leaf[which], pool)
        value, slopes = jax.value_and_grad(outer_loss, argnums=2)(arch, state.network, pairs, views[rows], wanted[rows])
        rate = choice.rate * (1.0 - 0.999 * count / recipe.steps)
        pairs, moments = _adam(pairs, slopes, moments, count, (rate * choice.images, rate * choice.targets))
        old = (ages[which] >= recipe.oldest) | (choice.fresh > 0.5)
        moved = pretraining.train_step(arch, INNER, state, pairs[0], pairs[1], INNER.rate)
        state = jax.tree.map(lambda new, now: jnp.where(old, new[used % SPARE], now), spare, moved)
        pool = jax.tree.map(lambda all_, one: all_.at[which].set(one), pool, state)
        norms = jnp.stack([jnp.linalg.norm(s.ravel()) for s in slopes])
        ages = ages.at[which].set(jnp.where(old, 0, ages[which] + 1))
        return (pairs, moments, pool, ages, used + old), (value, norms)

    moments = jax.tree.map(jnp.zeros_like, ((x, y), (x, y)))
    begin = ((x, y), moments, *pool, jnp.int32(0))
    (pairs, *_), (losses, norms) = jax.lax.scan(step, begin, (which, rows, jnp.arange(recipe.steps, dtype=jnp.float32)))
    return *pairs, losses, norms


def _adam(
    values: tuple[Array, ...], slopes: tuple[Array, ...], moments: tuple[Any, Any], count: Array, rates: tuple[Array, ...]
) -> tuple[tuple[Array, ...], tuple[Any, Any]]:  # fmt: skip
    """A step of Adam (AdamW without decay), with a rate for each value; its usual constants."""
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], slopes)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, moments[1], slopes)
    late = count + 1.0

    def moved(value: Array, m: Array, v: Array, rate: Array) -> Array:
        step = (m / (1.0 - 0.9**late)) / (jnp.sqrt(v / (1.0 - 0.999**late)) + 1e-8)
        return (value - rate * step).astype(value.dtype)

    return tuple(map(moved, values, first, second, rates)), (first, second)
