"""Claim C6: a target classifier distilled into a student that sees none of its data, only small sets or noise."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    augmentation,
    convnets,
    image_tasks,
    jobs,
    pretraining,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import Amounts, augment
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import CLASSES, Target
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import Sets, World

STUDENT_RATE = 1e-3
"""Of Adam; the same for all images."""
TEACHER_RATE = 0.03
STUDENTS = ("KRR-ST", "KRR-ST, random start", "random, teacher", "Gaussian noise", "permuted outputs")
"""Images and start of each student; the last is the control."""


class Task(NamedTuple):
    """A trained classifier and the images that judge its students."""

    arch: Architecture
    classifier: Network
    target: Target
    accuracy: float


def make_task(
    arch: Architecture, name: str, source: str, examples: int, tests: int, steps: int, *, seed: int = 0
) -> Task:
    """Train the classifier on labelled target images, from scratch."""
    target = image_tasks.load_target(name, source, arch.side, examples, 0, tests, seed=seed)
    body = convnets.create(arch, 1, [seed, 23])
    head, rows = pretraining.course(arch, examples, steps, seed=seed)
    x, y = jnp.asarray(target.x), jnp.asarray(target.y, jnp.int32)
    trained = pretraining.fine_tune(arch, (body.body, body.stats), head, x, y, np.float32(TEACHER_RATE), rows)
    return Task(arch, trained, target, pretraining.accuracy(arch, trained, target.x_test, target.y_test))


class Study(NamedTuple):
    """What a student learns from; traced.

    Attributes:
        noise: 1 for fresh Gaussian noise at every step in place of the images.
        permuted: 1 to deal the classifier's outputs to other images.
        amounts: augmentation of the images.
        background: value outside an image.
    """

    noise: float
    permuted: float
    amounts: Amounts
    background: float


def students(
    world: World,
    task: Task,
    networks: Mapping[tuple[int, str], Network],
    sets: Sequence[Sets],
    steps: int,
    *,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Test accuracies of all students, one a seed.

    As in the authors' code, classifier and students normalise by the batch, at the test too: so a student on noise is not
    failed by running statistics of noise alone.
    """
    plain = Study(0.0, 0.0, world.strong, world.source.background)
    variants = {
        "KRR-ST": ("KRR-ST", "KRR-ST", plain),
        "KRR-ST, random start": ("KRR-ST", "no pre-training", plain),
        "random, teacher": ("random, teacher", "random, teacher", plain),
        "Gaussian noise": ("random, teacher", "no pre-training", plain._replace(noise=1.0)),
        "permuted outputs": ("KRR-ST", "KRR-ST", plain._replace(permuted=1.0)),
    }
    work = [(i, name) for i in range(len(sets)) for name in STUDENTS]

    def one(job: tuple[int, str]) -> float:
        i, name = job
        images, start, study = variants[name]
        body = networks[i, start]
        x, rng = jnp.asarray(sets[i].pairs[images][0]), np.random.default_rng([seed, 24, i])
        head = convnets.new_head(convnets.width(task.arch), CLASSES, rng)
        orders = rng.permuted(np.tile(np.arange(len(x)), (steps, 1)), axis=1)
        begin, traced = (body.body, body.stats, head), jax.tree.map(np.float32, study)
        given = (x, jnp.asarray(task.target.x_test), jnp.asarray(orders, jnp.int32), augmentation.key(seed + i))
        outs = _student(task.arch, begin, task.classifier, traced, *given)
        return float(np.mean(np.asarray(outs).argmax(axis=1) == task.target.y_test))

    found = dict(zip(work, jobs.run(one, work, "students"), strict=True))
    return {name: np.asarray([found[i, name] for i in range(len(sets))]) for name in STUDENTS}


@partial(jax.jit, static_argnames="arch")
def _student(
    arch: Architecture, body: Any, classifier: Network, study: Study, x: Array, x_test: Array,
    orders: Int[Array, "steps m"], key: PRNGKeyArray,
) -> Array:  # fmt: skip
    steps = len(orders)

    def loss(parts: Any, images: Array, wanted: Array) -> Array:
        out, _ = convnets.outputs(arch, Network(parts[0], parts[1], body[1]), images, train=True)
        return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(out), axis=1))

    def step(carry: Any, now: tuple[Array, Array, Array]) -> tuple[Any, None]:
        parts, m, v = carry
        keys, order, count = now
        seen = augment(keys[0], x, study.background, study.amounts)
        images = jnp.where(study.noise > 0.5, jax.random.normal(keys[1], x.shape, jnp.float32), seen)
        wanted = jax.nn.softmax(convnets.outputs(arch, classifier, images, train=True)[0])
        wanted = jnp.where(study.permuted > 0.5, wanted[order], wanted)
        g = jax.grad(loss)(parts, images, wanted)
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b**2, v, g)
        late = count + 1.0
        rate = STUDENT_RATE * 0.5 * (1.0 + jnp.cos(jnp.pi * count / steps))
        parts = jax.tree.map(
            lambda p, a, b: (p - rate * (a / (1 - 0.9**late)) / (jnp.sqrt(b / (1 - 0.999**late)) + 1e-8)).astype(p.dtype), parts, m, v
        )  # fmt: skip
        return (parts, m, v), None

    parts = (body[0], body[2])
    still = jax.tree.map(jnp.zeros_like, parts)
    times = (jax.random.split(key, (steps, 2)), orders, jnp.arange(steps, dtype=jnp.float32))
    (parts, _, _), _ = jax.lax.scan(step, (parts, still, still), times)
    return convnets.outputs(arch, Network(parts[0], parts[1], body[1]), x_test, train=True)[0]


def over_noise(found: Mapping[str, Float[np.ndarray, " seeds"]], *, by: str = "KRR-ST") -> Estimate:
    """Accuracy less that of the student on Gaussian noise, paired by seed."""
    return statistics.paired_difference(found[by], found["Gaussian noise"])


def beside_random(found: Mapping[str, Float[np.ndarray, " seeds"]], *, by: str = "KRR-ST") -> Estimate:
    """Accuracy less that of the student on the random subset, in standard errors of the difference."""
    gaps = found[by] - found["random, teacher"]
    return statistics.mean(gaps / (gaps.std(ddof=1) / np.sqrt(len(gaps))))
