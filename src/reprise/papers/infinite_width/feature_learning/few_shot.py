r"""Few-shot classification: which drawings make up a task, on Omniglot or on a synthetic stand-in."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise.datasets import load

WAYS = 5
DRAWINGS = 20


class Pool(NamedTuple):
    """Images by class, (classes, drawings, d), float32."""

    images: Float[np.ndarray, "classes drawings d"]

    @property
    def flat(self) -> Float[np.ndarray, "images d"]:
        """All images, class by class."""
        return self.images.reshape(-1, self.images.shape[-1])


class Split(NamedTuple):
    """Classes for meta-training, for choosing hyperparameters and for the verdict; none is in two of them."""

    train: Pool
    plain: Pool
    validation: Pool
    test: Pool


class Tasks(NamedTuple):
    """Five-way one-shot tasks as rows of a pool's flat images, class k of a task at position k.

    Attributes:
        support: the labelled images, (tasks, 5).
        query: the images to be classified, (tasks, 5).
        answers: classes of the query images, (tasks, 5).
    """

    support: Int[np.ndarray, "tasks 5"]
    query: Int[np.ndarray, "tasks 5"]
    answers: Int[np.ndarray, "tasks 5"]


def omniglot(*, seed: int, size: int = 28, validation: int = 100) -> Split:
    """Omniglot: background characters with their rotations for training, evaluation characters for the test.

    Args:
        seed: which background characters are set aside for validation.
        size: pixels along a side.
        validation: how many.
    """
    data = load("omniglot", part="both", size=size, flatten=False, dtype="float32")
    background = data.x.reshape(-1, DRAWINGS, size, size)
    order = np.random.default_rng([seed, 59]).permutation(len(background))
    held_out, rest = background[order[:validation]], background[order[validation:]]
    rotated = np.concatenate([np.rot90(rest, k, axes=(2, 3)) for k in range(4)])
    parts = (rotated, rest, held_out, data.x_test.reshape(-1, DRAWINGS, size, size))
    return Split(*(Pool(np.ascontiguousarray(p.reshape(len(p), DRAWINGS, -1), dtype=np.float32)) for p in parts))


def synthetic(*, seed: int, classes: int = 120, signal: int = 8, nuisance: int = 12, size: int = 48) -> Split:
    """Classes that differ in a few directions of the input space, while drawings of one class differ more in others.

    The directions are common to all classes, so they can be learnt from other classes: what a character recogniser must
    learn, in its simplest form.
    """
    rng = np.random.default_rng([seed, 61])
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]

    def draw(count: int) -> Pool:
        prototype = rng.normal(size=(count, 1, signal)) @ axes[:signal]
        within = 1.8 * rng.normal(size=(count, DRAWINGS, nuisance)) @ axes[signal : signal + nuisance]
        blur = 0.2 * rng.normal(size=(count, DRAWINGS, size))
        return Pool(((prototype + within + blur) * 5.0 / np.sqrt(signal + 3.2 * nuisance)).astype(np.float32))

    train = draw(classes)
    return Split(train, train, draw(classes // 3), draw(classes // 2))


def tasks(pool: Pool, count: int, *, seed: int, stream: int = 0, shuffled: bool = False) -> Tasks:
    """Random tasks: five classes, of each one labelled drawing and another to be classified.

    Args:
        pool: of images.
        count: number of tasks.
        seed: of the draw.
        stream: an independent draw for each number.
        shuffled: let the answers be a random permutation, so that support images say nothing about them (a control).
    """
    rng = np.random.default_rng([seed, stream, 67])
    classes, drawings = pool.images.shape[:2]
    chosen = rng.integers(classes, size=(count, WAYS))
    while (again := (np.diff(np.sort(chosen, axis=1), axis=1) == 0).any(axis=1)).any():
        chosen[again] = rng.integers(classes, size=(int(again.sum()), WAYS))
    first = rng.integers(drawings, size=(count, WAYS))
    other = (first + rng.integers(1, drawings, size=(count, WAYS))) % drawings
    answers = np.tile(np.arange(WAYS), (count, 1))
    if shuffled:
        answers = rng.permuted(answers, axis=1)
    return Tasks(chosen * drawings + first, chosen * drawings + other, answers)


def nearest_neighbour(pool: Pool, test: Tasks) -> float:
    """Accuracy of the nearest support image in pixel space."""
    support, query = pool.flat[test.support], pool.flat[test.query]
    distance = np.sum((query[:, :, None] - support[:, None]) ** 2, axis=-1)
    return float(np.mean(distance.argmin(axis=2) == test.answers))
