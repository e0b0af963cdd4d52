"""Streams of tasks: a set split by classes, images whose pixels are permuted or which are rotated, anew for each task."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from reprise import datasets

Kind = Literal["split", "permuted", "rotated", "unshifted"]
SPAN = 200.0
"""Degrees over which the tasks of the rotated benchmark are spread: 20 tasks are 10 degrees apart."""
_COLOUR = ("cifar10-jpeg",)


class Stream(NamedTuple):
    """Tasks that come one after another, for several seeds; labels count from 0 within a task.

    Attributes:
        name: of the benchmark.
        x: training images with pixels in [0, 1], flattened.
        y: their labels.
        core: samples that a memory may store, by class; not among the training images.
        x_val: images on which learning rates and the like are chosen; only those of the first two tasks are looked at.
        y_val: their labels.
        x_test: images on which accuracy is measured.
        y_test: their labels.
        classes: number of classes in a task.
        shape: of one image, height by width or height by width by colours.
        gaussian: whether pixels are modelled as Gaussian (photographs) or as Bernoulli (grey strokes and shapes).
        disjoint: whether tasks have classes of their own, so that one may ask for a class among those of all tasks.
    """

    name: str
    x: Float[np.ndarray, "seeds tasks n d"]
    y: Int[np.ndarray, "seeds tasks n"]
    core: Float[np.ndarray, "seeds tasks c m d"]
    x_val: Float[np.ndarray, "seeds tasks v d"]
    y_val: Int[np.ndarray, "seeds tasks v"]
    x_test: Float[np.ndarray, "seeds tasks v d"]
    y_test: Int[np.ndarray, "seeds tasks v"]
    classes: int
    shape: tuple[int, ...]
    gaussian: bool
    disjoint: bool

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return self.x.shape[1]

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return self.x.shape[0]


class Pool(NamedTuple):
    """A data set in memory: images with pixels in [0, 1], and rows of each class for training and for testing."""

    x: Float[np.ndarray, "n d"]
    rows: list[Int[np.ndarray, " k"]]
    x_test: Float[np.ndarray, "t d"]
    rows_test: list[Int[np.ndarray, " k"]] | None
    shape: tuple[int, ...]
    gaussian: bool


def load(name: str, size: int, colour_size: int) -> Pool:
    """Read a data set; sets without an official test part get one for each seed later.

    Args:
        name: in the registry.
        size: side of a grey image.
        colour_size: side of a colour image, a divisor of 32.

    Raises:
        ValueError: `colour_size` does not divide 32, or digits are to be enlarged.
    """
    if name in _COLOUR:
        if 32 % colour_size:
            raise ValueError(f"colour_size must divide 32, got {colour_size}")
        data = datasets.load(name, scale=None)
        x, x_test = (_shrunk(part, colour_size) for part in (data.x, data.x_test))
        shape: tuple[int, ...] = (colour_size, colour_size, 3)
    elif name == "digits":
        if size != 8:
            raise ValueError(f"digits have 8 x 8 pixels, so size must be 8, got {size}")
        data = datasets.load(name, dtype="float32", train_fraction=1.0)
        x, x_test, shape = data.x, data.x_test, (8, 8)
    else:
        data = datasets.load(name, dtype="float32", size=size)
        x, x_test, shape = data.x, data.x_test, (size, size)
    labels, tests = np.asarray(data.y), np.asarray(data.y_test)
    rows = [np.flatnonzero(labels == c) for c in range(10)]
    rows_test = [np.flatnonzero(tests == c) for c in range(10)] if len(x_test) else None
    return Pool(x, rows, x_test, rows_test, shape, name in _COLOUR)


def split(pool: Pool, name: str, seeds: int, train: int, memory: int, held: int, *, seed: int = 0) -> Stream:
    """Five tasks of two consecutive classes.

    Args:
        pool: the images.
        name: of the benchmark.
        seeds: number of seeds; each draws images of its own.
        train: training images a class.
        memory: samples a class that a memory may store.
        held: validation images a class, and as many test images.
        seed: base of all draws.

    Raises:
        ValueError: a class has too few images.
    """
    tasks = []
    for i in range(seeds):
        drawn = _draw(pool, np.arange(10), train, memory, held, np.random.default_rng([seed, i, 1]))
        rngs = [np.random.default_rng([seed, i, 2, t]) for t in range(5)]
        tasks.append([_task(drawn, (2 * t, 2 * t + 1), rng) for t, rng in enumerate(rngs)])
    return _stream(name, tasks, 2, pool, disjoint=True)


def shifted(
    pool: Pool,
    kind: Kind,
    seeds: int,
    tasks: int,
    train: int,
    memory: int,
    held: int,
    *,
    classes: int = 10,
    seed: int = 0,
) -> Stream:
    """Tasks of the same classes and images, seen through another permutation or turned by another angle.

    The first task of "permuted" and all tasks of "unshifted" have their pixels in place. Task t (from 0) of "rotated" is
    turned by (t - u) 200/T degrees with u uniform in [0, 1).

    Args:
        pool: grey images.
        kind: "permuted", "rotated" or "unshifted".
        seeds: number of seeds.
        tasks: number of tasks T.
        train: training images a class.
        memory: samples a class that a memory may store.
        held: validation images a class, and as many test images.
        classes: number of classes; fewer than ten are drawn anew for each seed.
        seed: base of all draws.

    Raises:
        ValueError: colour images, an unknown kind, or a class with too few images.
    """
    if kind not in ("permuted", "rotated", "unshifted"):
        raise ValueError(f"kind must be permuted, rotated or unshifted, got {kind!r}")
    if len(pool.shape) != 2:
        raise ValueError(f"shifted benchmarks need grey images, got the shape {pool.shape}")
    found = []
    for i in range(seeds):
        rng = np.random.default_rng([seed, i, 3])
        drawn = _draw(pool, np.sort(rng.permutation(10)[:classes]), train, memory, held, rng)
        row = []
        for t in range(tasks):
            moved = [_shift(part, kind, t, tasks, pool.shape, np.random.default_rng([seed, i, 4, t])) for part in drawn]
            row.append(_task(moved, range(classes), np.random.default_rng([seed, i, 5, t])))
        found.append(row)
    return _stream(kind, found, classes, pool, disjoint=False)


def _shrunk(planes: np.ndarray, size: int) -> Float[np.ndarray, "n d"]:
    """Images of three planes of 32 x 32 bytes as rows of size x size x 3 means over blocks, in [0, 1]."""
    block = 32 // size
    means = planes.reshape(-1, 3, size, block, size, block).mean(axis=(3, 5), dtype=np.float32)
    return np.ascontiguousarray(np.moveaxis(means, 1, 3).reshape(len(planes), -1)) / np.float32(255.0)


Drawn = list[Float[np.ndarray, "c k d"]]


def _draw(pool: Pool, classes: np.ndarray, train: int, memory: int, held: int, rng: np.random.Generator) -> Drawn:
    """Images of every class: to train on, to store, to validate and to test."""
    parts: tuple[list[np.ndarray], ...] = ([], [], [], [])
    for c in classes:
        rows, tests = rng.permutation(pool.rows[c]), pool.rows_test
        needed = train + memory + held * (1 if tests else 2)
        if needed > len(rows) or (tests and held > len(tests[c])):
            raise ValueError(
                f"class {c} has {len(rows)} images for training and {needed} are needed, or too few test images"
            )
        edges = np.cumsum([train, memory, held])
        for part, chosen in zip(parts, np.split(rows, edges)[:3], strict=False):
            part.append(pool.x[chosen])
        parts[3].append(
            pool.x_test[rng.permutation(tests[c])[:held]] if tests else pool.x[rows[edges[2] : edges[2] + held]]
        )
    return [np.stack(part) for part in parts]


def _shift(
    images: Float[np.ndarray, "c k d"],
    kind: Kind,
    task: int,
    tasks: int,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Float[np.ndarray, "c k d"]:
    if kind == "unshifted" or (kind == "permuted" and task == 0):
        return images
    if kind == "permuted":
        return images[..., rng.permutation(images.shape[-1])]
    angle = (task - rng.uniform()) * SPAN / tasks
    turned = ndimage.rotate(images.reshape(-1, *shape), angle, axes=(2, 1), reshape=False, order=1)
    return np.clip(turned, 0.0, 1.0).reshape(images.shape)


def _task(drawn: Drawn, classes: range | tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Training, stored, validation and test images of these classes, all but the stored ones in random order."""
    x, core, x_val, x_test = (part[list(classes)] for part in drawn)
    mixed: list[np.ndarray] = []
    for part in (x, x_val, x_test):
        order = rng.permutation(part.shape[0] * part.shape[1])
        mixed += [part.reshape(len(order), -1)[order], np.repeat(np.arange(len(part)), part.shape[1])[order]]
    return mixed[0], mixed[1], core, *mixed[2:]


def _stream(
    name: str, tasks: list[list[tuple[np.ndarray, ...]]], classes: int, pool: Pool, *, disjoint: bool
) -> Stream:
    columns = [np.stack([np.stack([task[k] for task in row]) for row in tasks]) for k in range(7)]
    x, y, core, x_val, y_val, x_test, y_test = columns
    floats = [np.asarray(part, np.float32) for part in (x, core, x_val, x_test)]
    labels = [np.asarray(part, np.int32) for part in (y, y_val, y_test)]
    return Stream(
        name, floats[0], labels[0], floats[1], floats[2], labels[1], floats[3], labels[2], classes, pool.shape,
        pool.gaussian, disjoint,
    )  # fmt: skip
