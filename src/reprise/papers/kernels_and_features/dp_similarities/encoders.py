"""Public features: nothing here looks at the private set.

Digits are pixel vectors less the mean of each image, normalised. Larger images go through fixed random 5 x 5 filters, a rectifier and pooling; mean and
principal directions come from Kuzushiji-MNIST, which is public here, and features are whitened and normalised. They stand
in for the pre-trained encoder of the paper.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from reprise import datasets
from reprise.papers.kernels_and_features.dp_similarities.classifiers import unit_rows

FILTERS = 48
KEPT = 64
"""Principal directions of the public set that are kept."""
KINDS = ("pixels", "filters", "whitened 16", f"whitened {KEPT}", "whitened 256")
"""Features that are compared without noise."""


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


@cache
def _public() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The public images, the filters, and mean, eigenvalues and eigenvectors of their responses."""
    images = _public_set().x
    filters = np.random.default_rng(40).standard_normal((25, FILTERS)).astype(np.float32)
    filters -= filters.mean(axis=0)
    known = convolve(images, filters).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(known.T))
    return images, filters, known.mean(axis=0), values, vectors


def encode(images: Float[np.ndarray, "n 28 28"], kind: str = f"whitened {KEPT}") -> Float[np.ndarray, "n d"]:
    """Features of one kind: `pixels`, `filters` (both less their public mean), or `whitened K` with K directions."""
    public, filters, centre, values, vectors = _public()
    if kind == "pixels":
        return np.asarray((images - public.mean(axis=0)).reshape(len(images), -1))
    responses = convolve(images, filters) - centre
    if kind == "filters":
        return responses
    kept = int(kind.removeprefix("whitened "))
    return np.asarray(responses @ (vectors[:, -kept:] / np.sqrt(values[-kept:] + 1e-3 * values[-1])))


def load(name: str, limit: int, seed: int) -> Encoded:
    """A data set, at most `limit` training rows, as features."""
    if name == "digits":
        data = datasets.load("digits", split=seed % 1000, train_fraction=0.75, scale="unit")
        return _encoded(name, data, *(part - part.mean(axis=1, keepdims=True) for part in (data.x, data.x_test)))
    data = _images(name, limit, seed)
    return _encoded(name, data, encode(data.x), encode(data.x_test))


def variants(names: Sequence[str], limit: int, seed: int) -> Iterator[tuple[str, Encoded]]:
    """Every kind of features for every data set of larger images, and for the public set itself."""
    images = [name for name in names if name != "digits"]
    for name in images:
        data = _images(name, limit, seed)
        for kind in KINDS:
            yield kind, _encoded(name, data, encode(data.x, kind), encode(data.x_test, kind))
    if images:
        public = _public_set()
        for kind in KINDS:
            rows, cut = unit_rows(np.asarray(encode(public.x, kind), dtype=np.float64)), 7 * len(public.y) // 10
            parts = rows[:cut], public.y[:cut], rows[cut:], public.y[cut:]
            yield kind, Encoded("kmnist, the public set", *parts, len(public.meta.classes))


@cache
def _public_set() -> datasets.Dataset:
    return datasets.load("kmnist", part="test", flatten=False, scale="unit", dtype="float32")


def _images(name: str, limit: int, seed: int) -> datasets.Dataset:
    options = {"n_train": limit} if limit < 60_000 else {}
    return datasets.load(name, flatten=False, scale="unit", dtype="float32", seed=seed, **options)


def _encoded(name: str, data: datasets.Dataset, train: np.ndarray, test: np.ndarray) -> Encoded:
    train, test = (unit_rows(np.asarray(part, dtype=np.float64)) for part in (train, test))
    return Encoded(name, train, data.y, test, data.y_test, len(data.meta.classes))
