"""What is done to the arrays of a set after they were read."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, Shaped

from reprise.datasets.dataset import Array
from reprise.datasets.errors import OptionError
from reprise.datasets.readers import Part


def keep_classes(part: Part, classes: list[int]) -> Part:
    """Keep the rows of these labels, which become 0, 1, … in the order given."""
    order = {label: position for position, label in enumerate(classes)}
    kept = np.isin(part.y, classes)
    labels = np.array([order[int(label)] for label in part.y[kept]], dtype=np.int64)
    return Part(part.x[kept], labels, part.rows[kept])


def draw(part: Part, n: int | None, seed: int, what: str) -> Part:
    """Draw ``n`` rows without replacement; for one seed, a smaller draw is a prefix of a larger one.

    Raises:
        OptionError: there are fewer rows than ``n``.
    """
    if n is None:
        return part
    if n > len(part.x):
        raise OptionError(f"n_{what}={n}: there are only {len(part.x)} {what} rows")
    chosen = np.random.default_rng(seed).permutation(len(part.x))[:n]
    return Part(part.x[chosen], part.y[chosen], part.rows[chosen])


def resize(images: Shaped[np.ndarray, "n height width"], size: int) -> Shaped[np.ndarray, "n {size} {size}"]:
    r"""Bring images ``(n, height, width)`` to ``(n, size, size)``.

    A smaller image has as pixels the means over the areas that they cover, where a source pixel on a border counts by
    its share: $A_h X A_w^\top$ with $A_{ij}$ proportional to the overlap of target pixel $i$ and source pixel $j$. For
    14 out of 28 that is the mean over blocks of 2 by 2. A larger image gets a frame of zeros, the extra row and
    column at the end.

    >>> resize(np.arange(16.0).reshape(1, 4, 4), 2)[0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]

    Raises:
        OptionError: one side would have to grow and the other to shrink.
    """
    height, width = images.shape[1:]
    if size >= height and size >= width:
        top, left = (size - height) // 2, (size - width) // 2
        frame = ((0, 0), (top, size - height - top), (left, size - width - left))
        return np.pad(images, frame)
    if size > height or size > width:
        raise OptionError(f"size={size}: images of {height} x {width} pixels cannot be brought to it")
    narrow = images @ _areas(width, size).T
    return np.asarray(np.swapaxes(np.swapaxes(narrow, 1, 2) @ _areas(height, size).T, 1, 2))


def _areas(old: int, new: int) -> Array:
    """The ``(new, old)`` matrix of mean values over areas; its rows sum to 1."""
    edges = np.linspace(0.0, old, new + 1)
    low = np.maximum(edges[:-1, None], np.arange(old)[None, :])
    high = np.minimum(edges[1:, None], np.arange(1, old + 1)[None, :])
    overlap = np.clip(high - low, 0.0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True))


def standardise(train: Array, test: Array, *, per_column: bool) -> tuple[Array, Array, Array, Array]:
    """Subtract the training mean and divide by the training standard deviation (that of ``ddof=0``).

    A column that is constant over the training rows is divided by 1, and becomes 0 there exactly.

    Args:
        train: training values, rows first.
        test: test values.
        per_column: whether each column has its own mean and deviation, or all values share one.

    Returns:
        Both parts, the mean and the deviation.
    """
    axis = 0 if per_column else None
    lowest, highest = train.min(axis=axis), train.max(axis=axis)
    constant = lowest == highest
    mean = np.where(constant, lowest, train.mean(axis=axis))
    centred = train - mean
    std = np.where(constant, 1.0, np.sqrt(np.square(centred).mean(axis=axis)))
    centred /= std
    return centred, (test - mean) / std, mean, std


def to_sphere(x: Float64[np.ndarray, "n ..."]) -> Float64[np.ndarray, "n ..."]:
    """Divide each row by its Euclidean norm; a row of zeros stays."""
    axes = tuple(range(1, x.ndim))
    norms = np.sqrt(np.square(x).sum(axis=axes, keepdims=True))
    return np.asarray(x / np.where(norms == 0.0, 1.0, norms))


def one_hot(labels: Int[np.ndarray, " n"], classes: int, dtype: str = "float64") -> Shaped[np.ndarray, "n {classes}"]:
    """Labels as rows with a single 1.

    >>> one_hot(np.array([1, 0]), 3).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    return np.asarray(np.eye(classes, dtype=dtype)[labels])
