"""Small sets to compare with: random subsets, centroids of k-means, distribution matching, and label vectors."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from sklearn.cluster import KMeans

import reprise._x64  # noqa: F401
from reprise.papers.kernels_and_features.ssl_dataset_distillation import augmentation, convnets
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import Amounts, augment
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import SEEN, Source

LabelledSet = tuple[Float[np.ndarray, "m h h"], Int[np.ndarray, " m"]]


def random_subset(source: Source, count: int, *, seed: int) -> LabelledSet:
    """As many real images of each class, with their labels; balanced, so that no baseline lacks a class.

    Raises:
        ValueError: the count is no multiple of the number of classes, or a class has too few images.
    """
    each = _each(count)
    rng, rows = np.random.default_rng([seed, 3]), []
    for label in SEEN:
        found = np.flatnonzero(source.labels == label)
        if len(found) < each:
            raise ValueError(f"images: class {label} has {len(found)} unlabelled images, not {each}")
        rows.append(rng.choice(found, each, replace=False))
    chosen = np.concatenate(rows)
    return source.x[chosen], source.labels[chosen]


def centroids(source: Source, count: int, *, labelled: bool, seed: int) -> LabelledSet:
    """Centroids of k-means on pixels: within each class, or of all images at once, without labels (then all are -1)."""
    flat, side = source.x.reshape(len(source.x), -1), source.x.shape[1]
    if not labelled:
        return _means(flat, count, seed).reshape(-1, side, side), np.full(count, -1)
    each = _each(count)
    found = [_means(flat[source.labels == label], each, seed) for label in SEEN]
    return np.concatenate(found).reshape(-1, side, side), np.repeat(SEEN, each)


def class_vectors(labels: Int[np.ndarray, " m"], outputs: int, *, centred: bool) -> Float[np.ndarray, "m outputs"]:
    """Labels as rows of `outputs` numbers: one-hot, or centred over the classes and of unit mean square for regression.

    >>> class_vectors(np.array([0, 5]), 8, centred=False)[:, [0, 5, 7]].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    hot = np.eye(outputs, dtype=np.float32)[labels]
    if not centred:
        return hot
    hot[:, : len(SEEN)] -= 1.0 / len(SEEN)
    return hot / np.sqrt(np.mean(hot**2))


def match_distributions(
    arch: Architecture, source: Source, start: LabelledSet, amounts: Amounts, *, steps: int, rate: float, batch: int, seed: int
) -> Float[np.ndarray, "m h h"]:  # fmt: skip
    """Distribution matching: images whose class means agree with real ones on features of ever new random networks.

    Args:
        arch: of the random networks.
        source: labelled real images.
        start: images and labels to begin with, as many of each class.
        amounts: augmentation of real and synthetic images.
        steps: of Adam.
        rate: of Adam, falling linearly.
        batch: real images of each class a step.
        seed: of networks, batches and views.
    """
    rng, groups = np.random.default_rng([seed, 14]), [np.flatnonzero(source.labels == label) for label in SEEN]
    rows = np.stack([rng.choice(group, (steps, batch)) for group in groups], axis=1)
    network, key = convnets.create(arch, 1, [seed, 15]), augmentation.key(seed)
    args = (jnp.asarray(source.x), jnp.asarray(rows, jnp.int32), jnp.asarray(start[0]), source.background, amounts)
    return np.asarray(_match(arch, network, *args, jnp.float32(rate), key))


@partial(jax.jit, static_argnames="arch")
def _match(
    arch: Architecture, shape: Network, real: Array, rows: Int[Array, "steps classes batch"], begin: Array, background: float,
    amounts: Amounts, rate: Array, key: PRNGKeyArray,
) -> Array:  # fmt: skip
    steps, classes, batch = rows.shape
    each = len(begin) // classes

    def loss(x: Array, images: Array, keys: Array) -> Array:
        network = convnets.redrawn(shape, keys[0])
        both = augment(keys[1], jnp.concatenate([x, images]), background, amounts)
        features, _ = convnets.embed(arch, network, both, train=True)
        made, true = features[: len(x)], jax.lax.stop_gradient(features[len(x) :])
        gaps = made.reshape(classes, each, -1).mean(axis=1) - true.reshape(classes, batch, -1).mean(axis=1)
        return jnp.sum(gaps**2)

    def step(carry: Any, now: tuple[Array, Array, Array]) -> tuple[Any, None]:
        x, m, v = carry
        keys, picked, count = now
        g = jax.grad(loss)(x, real[picked.ravel()], keys)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        move = (m / (1.0 - 0.9 ** (count + 1.0))) / (jnp.sqrt(v / (1.0 - 0.999 ** (count + 1.0))) + 1e-8)
        return ((x - rate * (1.0 - count / steps) * move).astype(x.dtype), m, v), None

    still = jnp.zeros_like(begin)
    times = (jax.random.split(key, (steps, 2)), rows, jnp.arange(steps, dtype=jnp.float32))
    return jax.lax.scan(step, (begin, still, still), times)[0][0]


def _each(count: int) -> int:
    if count % len(SEEN):
        raise ValueError(f"images: a multiple of the {len(SEEN)} source classes is needed, not {count}")
    return count // len(SEEN)


def _means(flat: Float[np.ndarray, "n d"], count: int, seed: int) -> Float[np.ndarray, "count d"]:
    found = KMeans(count, n_init=1, random_state=seed).fit(flat).cluster_centers_
    return np.asarray(found, dtype=np.float32)
