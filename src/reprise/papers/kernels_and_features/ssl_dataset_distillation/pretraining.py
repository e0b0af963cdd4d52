"""Pre-training on a small set, fine-tuning on a target, and linear evaluation: the same programs for all methods."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.papers.kernels_and_features.ssl_dataset_distillation import augmentation, convnets
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import STILL, Amounts, augment
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import CLASSES, Target

PENALTIES = (1e-4, 1e-3, 1e-2)
"""Penalties of linear evaluation, of which validation images choose one."""
LINEAR_STEPS, LINEAR_RATE = 150, 0.05
TUNING_BATCH, TUNING_DECAY = 50, 5e-4


class Lesson(NamedTuple):
    """How to pre-train on pairs; traced, so that all methods share a compiled program.

    Attributes:
        labels: 1 for cross-entropy to targets that are distributions over classes, 0 for squared error to vectors.
        rate: learning rate of SGD with momentum 0.9.
        decay: weight decay.
        drop: factor of the rate in the second half.
        amounts: augmentation of the images.
        background: value outside an image.
    """

    labels: float
    rate: float
    decay: float
    drop: float
    amounts: Amounts
    background: float


def regression(rate: float) -> Lesson:
    """The recipe of KRR-ST: squared error, no augmentation; here too the rate is a tenth in the second half."""
    return Lesson(0.0, rate, 1e-3, 0.1, STILL, 0.0)


def classification(rate: float, amounts: Amounts, background: float) -> Lesson:
    """The recipe of label-based baselines: cross-entropy with augmentation, the rate a tenth in the second half."""
    return Lesson(1.0, rate, 5e-4, 0.1, amounts, background)


def pretrain(
    arch: Architecture,
    lesson: Lesson,
    x: Float[np.ndarray, "m h h"],
    y: Float[np.ndarray, "m p"],
    steps: int,
    *,
    seed: int | Sequence[int],
) -> Network:
    """A network trained from scratch on pairs, full batch."""
    network = convnets.create(arch, y.shape[1], seed)
    arrays, traced = (jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)), jax.tree.map(np.float32, lesson)
    state = Training(network, jax.tree.map(np.zeros_like, (network.body, network.head)))
    return train(arch, traced, state, *arrays, jnp.int32(steps), augmentation.key(int(np.ravel(seed)[-1]))).network


class Training(NamedTuple):
    """A network in training, and the momentum of body and head."""

    network: Network
    speed: Any


@partial(jax.jit, static_argnames="arch")
def train(
    arch: Architecture, lesson: Lesson, state: Training, x: Array, y: Array, steps: Int[Array, ""], key: PRNGKeyArray
) -> Training:  # fmt: skip
    """As many full-batch steps; the same compiled program for any number of them, and for every lesson."""

    def step(count: Array, state: Training) -> Training:
        images = augment(jax.random.fold_in(key, count), x, lesson.background, lesson.amounts)
        rate = lesson.rate * jnp.where(count < steps / 2, 1.0, lesson.drop).astype(jnp.float32)
        return train_step(arch, lesson, state, images, y, rate)

    return jax.lax.fori_loop(0, steps, step, state)


def train_step(
    arch: Architecture, lesson: Lesson, state: Training, x: Array, y: Array, rate: Array | float
) -> Training:
    """One step of SGD with momentum and weight decay on pairs; normalisation by the batch."""
    network = state.network

    def loss(parts: Any) -> tuple[Array, Any]:
        out, stats = convnets.outputs(arch, Network(parts[0], parts[1], network.stats), x, train=True)
        squared = jnp.mean((out - y) ** 2)
        entropy = -jnp.mean(jnp.sum(y * jax.nn.log_softmax(out), axis=1))
        return jnp.where(lesson.labels > 0.5, entropy, squared), stats

    parts = (network.body, network.head)
    slope, stats = jax.grad(loss, has_aux=True)(parts)
    (body, head), speed = _momentum(parts, slope, state.speed, rate, lesson.decay)
    return Training(Network(body, head, stats), speed)


def _momentum(parts: Any, slope: Any, speed: Any, rate: Array | float, decay: Array | float) -> tuple[Any, Any]:
    speed = jax.tree.map(lambda v, g, w: 0.9 * v + g + decay * w, speed, slope, parts)
    return jax.tree.map(lambda w, v: (w - rate * v).astype(w.dtype), parts, speed), speed


def relative_error(
    arch: Architecture, network: Network, x: Float[np.ndarray, "n h h"], wanted: Float[np.ndarray, "n p"]
) -> float:
    """Squared error of the network's outputs over that of the mean of `wanted`, which is 1."""
    out = convnets.predictions(arch, network, x).astype(np.float64)
    return float(np.mean((out - wanted) ** 2) / np.mean((wanted - wanted.mean(axis=0)) ** 2))


def accuracy(arch: Architecture, network: Network, x: Float[np.ndarray, "n h h"], y: Int[np.ndarray, " n"]) -> float:
    """Share of images whose largest output is that of their class."""
    return _share(convnets.predictions(arch, network, x), y)


def _share(outs: Float[np.ndarray, "n classes"], y: Int[np.ndarray, " n"]) -> float:
    return float(np.mean(outs.argmax(axis=1) == y))


class Transfer(NamedTuple):
    """Accuracies on one target.

    Attributes:
        validation: after fine-tuning, at each learning rate.
        test: likewise.
        linear: of the linear classifier on fixed features, with the penalty that validation images choose.
    """

    validation: Float[np.ndarray, " rates"]
    test: Float[np.ndarray, " rates"]
    linear: float


def transfer(
    arch: Architecture, network: Network, target: Target, rates: tuple[float, ...], steps: int, *, seed: int
) -> Transfer:
    """Fine-tune all weights under a new head, and fit a linear classifier on fixed features."""
    body, (head, rows) = (network.body, network.stats), course(arch, len(target.x), steps, seed=seed)
    x, y = jnp.asarray(target.x), jnp.asarray(target.y, jnp.int32)
    tuned = [fine_tune(arch, body, head, x, y, np.float32(rate), rows) for rate in rates]
    validation, test = (
        np.asarray([accuracy(arch, found, *part) for found in tuned])
        for part in ((target.x_val, target.y_val), (target.x_test, target.y_test))
    )
    return Transfer(validation, test, linear_evaluation(arch, network, target))


def linear_evaluation(arch: Architecture, network: Network, target: Target) -> float:
    """Test accuracy of a linear classifier on fixed features, standardised by those of the training images."""
    seen, *others = (convnets.features(arch, network, x) for x in (target.x, target.x_val, target.x_test))
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + np.float32(1e-3)
    penalties = jnp.asarray(PENALTIES, jnp.float32)
    found = np.asarray(_softmax_regressions((seen - mean) / spread, jnp.asarray(target.y, jnp.int32), penalties))
    validation, test = (
        [_share((x - mean) / spread @ w[:-1] + w[-1], y) for w in found]
        for x, y in zip(others, (target.y_val, target.y_test), strict=True)
    )
    return test[int(np.argmax(validation))]


def course(arch: Architecture, examples: int, steps: int, *, seed: int) -> tuple[Any, Int[Array, "steps batch"]]:
    """A new head, and the examples of every step: permutations, of which a remainder is left out."""
    rng, batch = np.random.default_rng([seed, 16]), min(TUNING_BATCH, examples)
    each = examples // batch
    epochs = [rng.permutation(examples)[: each * batch].reshape(each, batch) for _ in range(-(-steps // each))]
    return convnets.new_head(convnets.width(arch), CLASSES, rng), jnp.asarray(np.concatenate(epochs)[:steps], jnp.int32)


@partial(jax.jit, static_argnames="arch")
def fine_tune(
    arch: Architecture, body: Any, head: Any, x: Array, y: Int[Array, " n"], rate: Array, rows: Int[Array, "steps batch"]
) -> Network:  # fmt: skip
    """All weights under a new head, by SGD with momentum on minibatches and a cosine schedule; `body` with statistics."""
    steps = len(rows)

    def loss(parts: Any, stats: Any, rows: Array) -> tuple[Array, Any]:
        out, stats = convnets.outputs(arch, Network(parts[0], parts[1], stats), x[rows], train=True)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[rows][:, None], axis=1)), stats

    def step(carry: Any, now: tuple[Array, Array]) -> tuple[Any, None]:
        parts, stats, speed = carry
        slope, stats = jax.grad(loss, has_aux=True)(parts, stats, now[0])
        falling = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * now[1] / steps)).astype(jnp.float32)
        parts, speed = _momentum(parts, slope, speed, falling, TUNING_DECAY)
        return (parts, stats, speed), None

    parts = (body[0], head)
    still = jax.tree.map(jnp.zeros_like, parts)
    (parts, stats, _), _ = jax.lax.scan(step, (parts, body[1], still), (rows, jnp.arange(steps)))
    return Network(parts[0], parts[1], stats)


@jax.jit
def _softmax_regressions(x: Array, y: Array, penalties: Array) -> Array:
    return jax.vmap(lambda penalty: _softmax_regression(x, y, penalty))(penalties)


def _softmax_regression(x: Array, y: Array, penalty: Array) -> Array:
    """Weights and, in the last row, biases of a penalised multinomial logistic regression, by Adam on the full batch."""

    def loss(w: Array) -> Array:
        chosen = jnp.take_along_axis(jax.nn.log_softmax(x @ w[:-1] + w[-1]), y[:, None], axis=1)
        return penalty * jnp.sum(w[:-1] ** 2) - jnp.mean(chosen)

    def step(carry: tuple[Array, Array, Array], count: Array) -> tuple[tuple[Array, Array, Array], None]:
        w, m, v = carry
        g = jax.grad(loss)(w)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        move = (m / (1.0 - 0.9 ** (count + 1.0))) / (jnp.sqrt(v / (1.0 - 0.99 ** (count + 1.0))) + 1e-8)
        rate = LINEAR_RATE * (1.0 - count / LINEAR_STEPS)
        return ((w - rate * move).astype(w.dtype), m, v), None

    begin = jnp.zeros((x.shape[1] + 1, CLASSES), jnp.float32)
    (w, _, _), _ = jax.lax.scan(step, (begin, begin, begin), jnp.arange(LINEAR_STEPS, dtype=jnp.float32))
    return w
