"""Public features: nothing here looks at the private set.

Digits are pixel vectors less the mean of each image, normalised. Larger images go through fixed random 5 x 5 filters, a rectifier and pooling; mean and
principal directions come from Kuzushiji-MNIST, which is public here, and features are whitened and normalised. They stand
in for the pre-trained encoder of the paper.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from reprise import datasets
from reprise.papers.kernels_and_features.dp_similarities.classifiers import unit_rows

FILTERS = 48
KEPT = 64
"""Principal directions of the public set that are kept."""


class Encoded(NamedTuple):
    """Unit-norm features with labels; `train` is private."""

    name: str
    train: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    test: Float[np.ndarray, "m d"]
    test_labels: Int[np.ndarray, " m"]
    classes: int


def convolve(images: Float[np.ndarray, "n 28 28"], filters: Float[np.ndarray, "25 f"]) -> Float[np.ndarray, "n f16"]:
    """Random filters at stride 2, rectifier, mean over a 4 x 4 grid of cells."""
    parts = []
    for start in range(0, len(images), 2000):
        patches = sliding_window_view(images[start : start + 2000], (5, 5), axis=(1, 2))[:, ::2, ::2]
        maps = np.maximum(patches.reshape(*patches.shape[:3], 25) @ filters, 0.0)
        cells = maps.reshape(len(maps), 4, 3, 4, 3, -1).mean(axis=(2, 4))
        parts.append(cells.reshape(len(maps), -1))
    return np.concatenate(parts)


def load(name: str, limit: int, seed: int) -> Encoded:
    """A data set, at most `limit` training rows, as features."""
    if name == "digits":
        data = datasets.load("digits", split=seed % 1000, train_fraction=0.75, scale="unit")
        return _encoded(name, data, *(part - part.mean(axis=1, keepdims=True) for part in (data.x, data.x_test)))
    options = {"n_train": limit} if limit < 60_000 else {}
    data = datasets.load(name, flatten=False, scale="unit", dtype="float32", seed=seed, **options)
    public = datasets.load("kmnist", part="test", flatten=False, scale="unit", dtype="float32").x
    filters = np.random.default_rng(40).standard_normal((25, FILTERS)).astype(np.float32)
    filters -= filters.mean(axis=0)
    known = convolve(public, filters).astype(np.float64)
    centre = known.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(known.T))
    whiten = vectors[:, -KEPT:] / np.sqrt(values[-KEPT:] + 1e-3 * values[-1])
    train, test = ((convolve(part, filters) - centre) @ whiten for part in (data.x, data.x_test))
    return _encoded(name, data, train, test)


def _encoded(name: str, data: datasets.Dataset, train: np.ndarray, test: np.ndarray) -> Encoded:
    train, test = (unit_rows(np.asarray(part, dtype=np.float64)) for part in (train, test))
    return Encoded(name, train, data.y, test, data.y_test, len(data.meta.classes))
