r"""Finite networks of the paper: drawing them fast, their tangent kernels, their training.

All are `reprise.networks.MLP` in NTK parametrisation, float32, stacked over seeds.
"""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from reprise import progress
from reprise.networks import MLP, empirical_ntk, train_full_batch
from reprise.networks.mlp import Parametrisation
from reprise.papers.infinite_width.ntk_convergence.threads import one_thread

R = TypeVar("R")


class Net(NamedTuple):
    """What all networks of an experiment share."""

    inputs: int
    depth: int
    bias: float
    activation: str = "relu"


def keys(seed: int, experiment: str, count: int) -> PRNGKeyArray:
    """Keys of `count` networks; experiments of different names share none."""
    return jax.random.split(jax.random.fold_in(jax.random.key(seed), zlib.crc32(experiment.encode())), count)


def draw(
    net: Net, width: int | tuple[int, ...], keys: PRNGKeyArray, *, parametrisation: Parametrisation = "ntk"
) -> MLP:
    """Networks at these keys, stacked: the law of `MLP`, drawn by NumPy.

    Every width is a new shape, and XLA takes longer to compile its normal generator for one than NumPy takes to run its
    own (Philox, keyed by the JAX key). A member depends on its own key alone; the same keys give the same functions in
    "ntk" and "standard" parametrisation.

    >>> draw(Net(2, 4, 0.1), 8, jax.random.split(jax.random.key(0), 3)).weights[1].shape
    (3, 8, 8)
    """

    def make(key: PRNGKeyArray) -> MLP:
        return MLP(
            net.inputs,
            width,
            depth=net.depth,
            b_std=net.bias,
            activation=net.activation,
            parametrisation=parametrisation,
            key=key,
        )

    shapes, structure = jax.tree.flatten(eqx.filter_eval_shape(make, keys[0]))
    models = jax.tree.unflatten(structure, _normals(keys, [leaf.shape for leaf in shapes]))
    return _scaled(models) if parametrisation == "standard" else models


def _scaled(models: MLP) -> MLP:
    """Standard parametrisation from standard normals: weights divided by the root of the fan-in, biases times beta."""
    scales = [models.w_std / w.shape[-1] ** 0.5 for w in models.weights]
    return eqx.tree_at(  # type: ignore[no-any-return]
        lambda m: (m.weights, m.biases),
        models,
        (
            tuple(w * jnp.float32(s) for w, s in zip(models.weights, scales, strict=True)),
            tuple(b * jnp.float32(models.b_std) for b in models.biases),
        ),
    )


def _normals(keys: PRNGKeyArray, shapes: list[tuple[int, ...]]) -> list[Float[Array, "seeds ..."]]:
    """Standard normals of these shapes for every key, from one stream a key."""
    parts = [np.empty((len(keys), *shape), np.float32) for shape in shapes]

    def fill(i: int, words: np.ndarray) -> None:
        stream = np.random.Generator(np.random.Philox(key=words.astype(np.uint64)))
        for part in parts:
            stream.standard_normal(out=part[i], dtype=np.float32)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(fill, i, words) for i, words in enumerate(np.asarray(jax.random.key_data(keys)))]:
            done.result()
    return [jnp.asarray(part) for part in parts]


def outputs(model: MLP, x: Float[Array, "p d"]) -> Float[Array, " p"]:
    """The network function at points, for one output."""
    return jax.vmap(model)(x)[:, 0]


def output_covariance(model: MLP, x: Float[Array, "p d"]) -> Float[Array, "p p"]:
    r"""Covariance of the outputs over the last layer's parameters alone: $\frac1n\alpha(x)^\top\alpha(x')+\beta^2$.

    Given the hidden layers the output is exactly Gaussian with this covariance, which is also the last layer's share of
    the tangent kernel. Its mean over networks is the covariance of the outputs, with far less noise than products of
    outputs have.
    """

    def hidden(point: Array) -> Array:
        for layer in range(model.depth - 1):
            point = model.activation(model.layer(layer, point))
        return point

    m, k = model.multipliers(model.depth - 1)
    alpha = jax.vmap(hidden)(x).astype(jnp.float64)
    return m**2 * alpha @ alpha.T + k**2


class Look(NamedTuple):
    """What is read off stacked networks at p points, each with a leading axis of seeds.

    Attributes:
        f: outputs, (seeds, p).
        ntk: tangent kernel, (seeds, p, p), float64.
        covariance: `output_covariance`, (seeds, p, p), float64.
    """

    f: Float[np.ndarray, "seeds p"]
    ntk: Float[np.ndarray, "seeds p p"]
    covariance: Float[np.ndarray, "seeds p p"]


@eqx.filter_jit
def _look(models: MLP, x: Float[Array, "p d"]) -> tuple[Array, Array, Array]:
    return eqx.filter_vmap(  # type: ignore[no-any-return]
        lambda model: (outputs(model, x), empirical_ntk(model, x), output_covariance(model, x))
    )(models)


def look(models: MLP, x: Float[np.ndarray, "p d"]) -> Look:
    """Outputs, tangent kernels and output covariances of stacked networks at points; compiled once a shape."""
    return Look(*(np.asarray(part, dtype=np.float64) for part in _look(models, jnp.asarray(x, jnp.float32))))


def in_groups(function: Callable[[PRNGKeyArray], Any], keys: PRNGKeyArray, at_once: int, label: str) -> Any:
    """A function of keys on `at_once` of them at a time, results in NumPy and joined; drawn networks don't outlive a group."""
    parts = []
    with progress.task(label, len(keys)) as advance:
        for start in range(0, len(keys), at_once):
            group = keys[start : start + at_once]
            parts.append(jax.tree.map(np.asarray, function(group)))
            advance(len(group))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def across(function: Callable[[Any], R], items: Sequence[Any], *, workers: int = 2) -> list[R]:
    """A function of each item (a width, a component), `workers` of them at a time, results in order.

    Compilation uses one core; with two at a time it overlaps with another width's compilation or run.
    """
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def group_size(count: int, width: int, depth: int, memory: float = 4e8) -> int:
    """How many of `count` networks of a width to hold at once: parameters and gradients stay below `memory` bytes.

    Groups are of one size where `count` has a fitting divisor, so that one compilation serves all.

    >>> group_size(200, 512, 4), group_size(200, 10**5, 4)
    (50, 1)
    """
    most = max(1, int(memory // (8 * max(1, depth - 2) * width**2)))
    divisors = [d for d in range(1, min(most, count) + 1) if count % d == 0]
    return divisors[-1] if 2 * divisors[-1] >= min(most, count) else min(most, count)


def train(
    models: MLP,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "seeds n"],
    *,
    rate: float,
    steps: int,
    **options: Any,
) -> Any:
    r"""Full-batch descent on $\frac1{2N}\sum_i(f(x_i)-y_i)^2$; step k is time $k\eta$ of the paper."""
    targets = np.asarray(y)
    return train_full_batch(
        models,
        x,
        targets[..., None] if targets.ndim == 2 else targets,
        rate=rate,
        steps=steps,
        loss="half_mse",
        **options,
    )
