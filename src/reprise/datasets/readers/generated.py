"""Synthetic tasks under a name, so that a card can list them and a record can note what was drawn."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from pydantic import BaseModel

from reprise.datasets import synthetic
from reprise.datasets.dataset import Array
from reprise.datasets.options import GeneratedOptions, PowerLawOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.registry import Entry


def options(entry: Entry) -> type[BaseModel]:
    """The parameters of the task."""
    return PowerLawOptions if entry.name == "synthetic/gaussian-power-law" else GeneratedOptions


def read(entry: Entry, chosen: Any, _: Paths) -> Raw:
    """Draw the task; its checksum is over the arrays."""
    x, y = _DRAWS[entry.name](chosen)
    rows = np.arange(len(x))
    train, test = rows[: chosen.n], rows[chosen.n :]
    content = np.ascontiguousarray(x, "<f8").tobytes() + np.ascontiguousarray(y, "<f8").tobytes()
    return Raw(
        Part(x[train], y[train], train),
        Part(x[test], y[test], test),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _circle_product(chosen: Any) -> tuple[Array, Array]:
    random = synthetic.generator(chosen.key)
    angles = random.uniform(-np.pi, np.pi, size=chosen.n + chosen.n_test)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return x, x[:, 0] * x[:, 1]


def _gaussian_product(chosen: Any) -> tuple[Array, Array]:
    return synthetic.gaussian_product(chosen.n + chosen.n_test, key=chosen.key)


def _power_law(chosen: Any) -> tuple[Array, Array]:
    task = synthetic.gaussian_power_law(
        chosen.n,
        modes=chosen.modes,
        alpha=chosen.alpha,
        beta=chosen.beta,
        noise_variance=chosen.noise_variance,
        n_test=chosen.n_test,
        key=chosen.key,
    )
    return np.concatenate([task.x, task.x_test]), np.concatenate([task.y, task.y_test])


_DRAWS = {
    "synthetic/circle-product": _circle_product,
    "synthetic/gaussian-product": _gaussian_product,
    "synthetic/gaussian-power-law": _power_law,
}
