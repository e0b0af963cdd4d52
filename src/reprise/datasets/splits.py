"""Dividing a table of rows into training and test part."""

from __future__ import annotations

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.readers import Part


def shuffled(n: int, split: int) -> Array:
    """The order in which split number ``split`` takes ``n`` rows.

    NumPy's legacy generator, whose stream is frozen: this is what ``numpy.random.seed(split)`` and
    ``numpy.random.shuffle(numpy.arange(n))`` give, and the order is the same under every release of NumPy.

    >>> [int(row) for row in shuffled(5, split=0)]
    [2, 0, 1, 3, 4]
    """
    return np.random.RandomState(split).permutation(n)


def divide(x: Array, y: Array, *, split: int, train_fraction: float) -> tuple[Part, Part]:
    """Shuffle with seed ``split``; the first ``train_fraction`` of rows, rounded down, is the training part."""
    order = shuffled(len(x), split)
    n = max(1, int(len(x) * train_fraction))
    train, test = order[:n], order[n:]
    return Part(x[train], y[train], train), Part(x[test], y[test], test)
