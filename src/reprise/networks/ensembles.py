"""Ensembles: the same network at many seeds, stacked along a leading axis of every array.

A stacked model is an ordinary Equinox model whose arrays have one more axis in front. Everything in this package that
takes `models` maps over that axis.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks.shapes import Points

M = TypeVar("M", bound=eqx.Module)


def ensemble(make: Callable[[PRNGKeyArray], M], keys: Key[Array, " seeds"]) -> M:
    """Models at many keys, stacked: member i equals `make(keys[i])`.

    Args:
        make: key -> model; every key must give the same shapes.
        keys: shape (seeds,) of JAX keys, as `jax.random.split` gives them.

    >>> from reprise.networks import MLP
    >>> models = ensemble(lambda key: MLP(2, 8, depth=2, key=key), jax.random.split(jax.random.key(0), 5))
    >>> models.weights[0].shape
    (5, 8, 2)
    """
    if jnp.ndim(keys) != 1:
        raise ValueError(f"keys: one axis of typed JAX keys is expected, the shape is {jnp.shape(keys)}")
    return eqx.filter_jit(eqx.filter_vmap(make))(keys)


def size(models: eqx.Module) -> int:
    """Number of members.

    >>> from reprise.networks import MLP
    >>> size(stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)]))
    3
    """
    lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(eqx.filter(models, eqx.is_array))}
    if len(lengths) != 1 or None in lengths:
        raise ValueError("models: every array needs one leading axis of seeds; build them with `ensemble` or `stack`")
    return int(lengths.pop() or 0)


def member(models: M, index: int) -> M:
    """One member as an ordinary model.

    >>> from reprise.networks import MLP
    >>> models = stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)])
    >>> member(models, 0).weights[0].shape
    (8, 2)
    """
    return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, models)


def members(models: M, start: int, stop: int) -> M:
    """Members start, ..., stop - 1, still stacked.

    >>> from reprise.networks import MLP
    >>> size(members(stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)]), 1, 3))
    2
    """
    return jax.tree.map(lambda leaf: leaf[start:stop] if eqx.is_array(leaf) else leaf, models)


def stack(models: list[M]) -> M:
    """Separate models of one shape as a stacked one.

    >>> from reprise.networks import MLP
    >>> stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)]).weights[1].shape
    (3, 1, 8)
    """
    if not models:
        raise ValueError("models: at least one is needed")
    first, *rest = models
    return jax.tree.map(lambda leaf, *others: jnp.stack([leaf, *others]) if eqx.is_array(leaf) else leaf, first, *rest)


def concatenate(parts: list[Any]) -> Any:
    """Stacked models (or any results with a leading axis of seeds) one after another.

    >>> concatenate([jnp.zeros((2, 3)), jnp.zeros((1, 3))]).shape
    (3, 3)
    """
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda leaf, *others: jnp.concatenate([leaf, *others]) if eqx.is_array(leaf) else leaf, *parts)


def predict(models: eqx.Module, x: Points) -> Float[Array, "seeds n out"]:
    """Outputs of every member at every input.

    >>> from reprise.networks import MLP
    >>> models = stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)])
    >>> predict(models, jnp.ones((4, 2))).shape
    (3, 4, 1)
    """
    return _predict(models, jnp.asarray(x))


@eqx.filter_jit
def _predict(models: eqx.Module, x: Array) -> Array:
    return eqx.filter_vmap(lambda model: jax.vmap(model)(x))(models)


def each(function: Callable[[Any], Any], models: eqx.Module, *, at_once: int | None = None) -> Any:
    """A jittable function of one model, mapped over all members, `at_once` of them at a time.

    Args:
        function: model -> pytree of arrays.
        models: stacked.
        at_once: how many members are in memory together; all if None.

    Returns:
        The function's result with a leading axis of seeds.

    >>> from reprise.networks import MLP
    >>> models = stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)])
    >>> each(lambda model: model.weights[0].sum(), models, at_once=2).shape
    (3,)
    """
    return in_groups(eqx.filter_jit(eqx.filter_vmap(function)), models, at_once)


def in_groups(mapped: Callable[[Any], Any], models: eqx.Module, at_once: int | None) -> Any:
    """A function of a stacked ensemble, applied to groups of members and put together again.

    >>> from reprise.networks import MLP
    >>> models = stack([MLP(2, 8, depth=2, key=jax.random.key(i)) for i in range(3)])
    >>> in_groups(lambda part: part.weights[0].sum(axis=(1, 2)), models, 2).shape
    (3,)
    """
    count = size(models)
    if at_once is not None and at_once < 1:
        raise ValueError(f"at_once: at least one member at a time, not {at_once}")
    step = count if at_once is None else min(at_once, count)
    return concatenate([mapped(members(models, i, min(i + step, count))) for i in range(0, count, step)])
