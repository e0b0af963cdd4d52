r"""The self-supervised teacher: Barlow Twins, trained without labels.

Two views of a batch pass through body and projector; with both outputs standardised over the batch and
$C$ their cross-correlation, the loss is $\sum_i(1-C_{ii})^2+5\cdot10^{-3}\sum_{i\ne j}C_{ij}^2$. The projector is thrown
away; the representation is the body's.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.papers.kernels_and_features.ssl_dataset_distillation import augmentation, convnets
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import Amounts, augment
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network

OFF_DIAGONAL = 5e-3
CALIBRATION = 50
"""Batches that set the batch normalisations of a teacher with random weights."""


class Teacher(NamedTuple):
    """A frozen body, its architecture, the scale that brings its features to unit spread, and the loss of its training."""

    arch: Architecture
    network: Network
    scale: float
    losses: Float[np.ndarray, " steps"]


def barlow_twins(first: Float[Array, "n d"], second: Float[Array, "n d"]) -> Float[Array, ""]:
    """The loss of two batches of projected views.

    >>> z = jnp.asarray([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> bool(barlow_twins(z, z) < 1e-6)
    True
    """
    a, b = ((z - z.mean(axis=0)) * jax.lax.rsqrt(z.var(axis=0) + 1e-6) for z in (first, second))
    cross = a.T @ b / len(a)
    diagonal = jnp.diag(cross)
    return jnp.sum((1.0 - diagonal) ** 2) + OFF_DIAGONAL * (jnp.sum(cross**2) - jnp.sum(diagonal**2))


def train(
    arch: Architecture,
    x: Float[np.ndarray, "n h h"],
    background: float,
    amounts: Amounts,
    *,
    steps: int,
    batch: int,
    rate: float = 2e-3,
    seed: int,
    frozen: bool = False,
) -> Teacher:
    """Train a teacher.

    Args:
        arch: of the body; `pooled`.
        x: unlabelled images.
        background: value outside an image.
        amounts: of the views.
        steps: of Adam, with a cosine schedule.
        batch: images a step.
        rate: at the first step.
        seed: of weights, batches and views.
        frozen: keep the random weights; only the statistics of the batch normalisations come from the views.
    """
    if batch > len(x):
        raise ValueError(f"batch: at most the {len(x)} images that there are, not {batch}")
    size, rng = convnets.width(arch), np.random.default_rng([seed, 11])
    network = convnets.create(arch, size, [seed, 12])
    projector = [convnets.new_head(size, 2 * size, rng), convnets.new_head(2 * size, 2 * size, rng)]
    rows = jnp.asarray(rng.integers(0, len(x), (steps, batch)), jnp.int32)
    key = augmentation.key(seed)
    count = CALIBRATION if frozen else steps
    network, losses = _train(
        arch, network, projector, jnp.asarray(x), background, amounts, jnp.float32(0.0 if frozen else rate), rows, key,
        jnp.int32(count),
    )  # fmt: skip
    teacher = Teacher(arch, network, 1.0, np.asarray(losses)[:count])
    return teacher._replace(scale=float(features(teacher, x).std()))


def features(teacher: Teacher, x: Float[np.ndarray, "n h h"]) -> Float[np.ndarray, "n p"]:
    """The teacher's representation, divided by its spread over the training images."""
    return convnets.features(teacher.arch, teacher.network, x) / np.float32(teacher.scale)


@partial(jax.jit, static_argnames="arch")
def _train(
    arch: Architecture, network: Network, projector: Any, x: Array, background: float, amounts: Amounts, rate: Array,
    rows: Int[Array, "steps batch"], key: PRNGKeyArray, count: Int[Array, ""],
) -> tuple[Network, Array]:  # fmt: skip
    steps, batch = rows.shape
    optimiser = optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(optax.cosine_decay_schedule(-1.0, steps)))

    def loss(parts: Any, stats: Any, views: Array) -> tuple[Array, Any]:
        body, projector = parts
        z, stats = convnets.embed(arch, network._replace(body=body, stats=stats), views, train=True)
        hidden = z @ projector[0]["w"]
        hidden = jax.nn.relu((hidden - hidden.mean(axis=0)) * jax.lax.rsqrt(hidden.var(axis=0) + 1e-5))
        z = hidden @ projector[1]["w"]
        return barlow_twins(z[:batch], z[batch:]), stats

    def step(now: Array, carry: Any) -> Any:
        parts, stats, state, losses = carry
        images = x[rows[now % steps]]
        views = augment(jax.random.fold_in(key, now), jnp.concatenate([images, images]), background, amounts)
        (value, stats), slope = jax.value_and_grad(loss, has_aux=True)(parts, stats, views)
        moves, state = optimiser.update(slope, state)
        parts = jax.tree.map(lambda p, m: p + rate * m.astype(p.dtype), parts, moves)
        return parts, stats, state, losses.at[now].set(value.astype(jnp.float32))

    parts = (network.body, projector)
    begin = (parts, network.stats, optimiser.init(parts), jnp.zeros(steps, jnp.float32))
    parts, stats, _, losses = jax.lax.fori_loop(0, count, step, begin)
    return network._replace(body=parts[0], stats=stats), losses
