"""From a name to arrays: find, verify, read, transform, note down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reprise.datasets import registry, store, transforms
from reprise.datasets.dataset import Array, Dataset, Meta
from reprise.datasets.errors import OptionError
from reprise.datasets.options import Options, parse
from reprise.datasets.readers import Part, Reader, bundled, generated, idx, jpeg, omniglot, uci, usps
from reprise.datasets.registry import Entry, Image
from reprise.provenance import note_dataset

READERS: dict[str, Reader] = {
    "bundled": bundled,
    "generated": generated,
    "idx": idx,
    "jpeg": jpeg,
    "omniglot": omniglot,
    "uci": uci,
    "usps": usps,
}


def load(name: str, **options: Any) -> Dataset:
    """Load a data set by name.

    Files are taken from ``REPRISE_DATA_DIR``, the cache or the official address, in this order, and only if their
    checksum is right. The set is noted for the record of the run.

    Args:
        name: a name or alias of the registry: ``mnist``, ``fashion-mnist``, ``uci/yacht``, ``digits``, …
        **options: by kind of set, see :mod:`reprise.datasets.options`:

            - all: ``n_train``, ``n_test``, ``seed`` (a random draw of rows), ``dtype``;
            - with classes: ``classes`` (a subset), ``one_hot``;
            - images: ``flatten=True``, ``scale="unit"`` (or ``standard``, ``sphere``, ``None``), ``size`` (such as
              14), and where there is an official test part, ``part="both"``;
            - tables and sets without an official test part: ``split=0``, ``train_fraction=0.9``,
              ``scale="standard"``;
            - regression: ``scale_y="standard"``;
            - ``uci/…``: ``convention="group"`` or ``"official"``.

    Returns:
        Arrays in NumPy, ready for use and not to be written.

    >>> data = load("digits", n_train=100, n_test=50, one_hot=True)
    >>> data
    Dataset(digits: x (100, 64), x_test (50, 64), y float64)
    >>> data.meta.stand_in
    "scikit-learn's 8 x 8 digits stand in for MNIST"

    Raises:
        UnknownDatasetError: no such set; the message suggests one.
        OptionError: an option is unknown or out of range; raised before any file is touched where that can be known.
        DataError: a file is missing, wrong or unreadable (see :mod:`reprise.datasets.errors`).
    """
    entry = registry.find(name)
    reader = READERS[entry.reader]
    chosen: Any = parse(reader.options(entry), entry.name, options)
    classes = _classes(entry, chosen)

    def paths(names: Sequence[str]) -> dict[str, str]:
        return {item.name: str(item.path) for item in store.fetch(entry, files=names)}

    raw = reader.read(entry, chosen, paths)
    train, test = raw.train, raw.test
    if getattr(chosen, "classes", None):
        train, test = (transforms.keep_classes(p, chosen.classes) for p in (train, test))
    if isinstance(chosen, Options):
        train = transforms.draw(train, chosen.n_train, chosen.seed, "train")
        test = transforms.draw(test, chosen.n_test, chosen.seed, "test")
    x, x_test, shape = _inputs(train, test, raw.image, chosen)
    y, y_test, mean, std = _targets(train, test, chosen, len(classes))
    sha256 = raw.sha256 or entry.digest
    note_dataset(entry.name, sha256)
    meta = Meta(
        title=entry.title,
        task=entry.task,
        sha256=sha256,
        classes=classes,
        image_shape=shape,
        y_mean=mean,
        y_std=std,
        train_rows=train.rows,
        test_rows=test.rows,
        stand_in=entry.stand_in,
    )
    return Dataset(entry.name, x, y, x_test, y_test, meta)


def _classes(entry: Entry, chosen: Any) -> tuple[str, ...]:
    """The names of the classes that are kept."""
    kept = getattr(chosen, "classes", None)
    if kept is None:
        return tuple(entry.classes)
    if len(set(kept)) < len(kept) or min(kept) < 0 or max(kept) >= len(entry.classes):
        last = len(entry.classes) - 1
        raise OptionError(f"{entry.name}: classes={kept}: give distinct labels from 0 to {last}")
    return tuple(entry.classes[label] for label in kept)


def _inputs(train: Part, test: Part, image: Image | None, chosen: Any) -> tuple[Array, Array, tuple[int, int] | None]:
    x, x_test = train.x, test.x
    if image is not None:
        if chosen.size is not None:
            x, x_test = transforms.resize(x, chosen.size), transforms.resize(x_test, chosen.size)
        shape = (x.shape[1], x.shape[2])
    else:
        shape = None
    scale = getattr(chosen, "scale", None)
    if scale is not None:
        x, x_test = x.astype(np.float64), x_test.astype(np.float64)  # copies, changed in place below
    if scale == "unit" and image is not None:
        x /= image.maximum
        x_test /= image.maximum
    elif scale == "standard":
        x, x_test, _, _ = transforms.standardise(x, x_test, per_column=image is None)
    elif scale == "sphere":
        x, x_test = transforms.to_sphere(x), transforms.to_sphere(x_test)
    if shape is not None and chosen.flatten:
        width = shape[0] * shape[1]
        x, x_test = x.reshape(len(x), width), x_test.reshape(len(x_test), width)
    if scale is not None or x.dtype.kind == "f":
        x, x_test = (part.astype(chosen.dtype, copy=False) for part in (x, x_test))
    return x, x_test, shape


def _targets(train: Part, test: Part, chosen: Any, classes: int) -> tuple[Array, Array, float, float]:
    y, y_test = train.y, test.y
    if getattr(chosen, "one_hot", False):
        y, y_test = (transforms.one_hot(part, classes, chosen.dtype) for part in (y, y_test))
    mean, std = 0.0, 1.0
    if getattr(chosen, "scale_y", None) == "standard":
        y, y_test, means, stds = transforms.standardise(y, y_test, per_column=True)
        mean, std = float(means), float(stds)
    if y.dtype.kind == "f":
        y, y_test = y.astype(chosen.dtype), y_test.astype(chosen.dtype)
    return y, y_test, mean, std
