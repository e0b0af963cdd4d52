"""One trainer for all networks of this chapter: Adam, cosine rate, cross-entropy or squared error, masks for what is frozen."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

Forward = Callable[[PyTree, PyTree, Array], Array]
"""(trained parameters, frozen parts, inputs (n, ...)) -> outputs (n, o)."""


def fit(
    forward: Forward,
    start: PyTree,
    free: PyTree,
    frozen: PyTree,
    x: Float[Array, "n ..."],
    targets: Array,
    rows: Int[Array, "steps batch"],
    rate: Float[Array, ""],
) -> PyTree:
    """Parameters after training.

    Args:
        forward: the network.
        start: parameters at the start.
        free: of the same structure, factors of the updates: 1 where trained, 0 where frozen.
        frozen: what the network needs besides.
        x: inputs.
        targets: labels (n,) for cross-entropy, or real outputs (n, o) for half the mean squared distance.
        rows: examples of each step.
        rate: largest learning rate; it falls to 0 along a cosine.
    """
    steps = rows.shape[0]
    optimiser = optax.adam(optax.cosine_decay_schedule(1.0, steps))

    def loss(p: PyTree, chosen: Array) -> Array:
        out = forward(p, frozen, x[chosen])
        if targets.ndim == 1:
            return optax.softmax_cross_entropy_with_integer_labels(out, targets[chosen]).mean()
        return 0.5 * jnp.mean(jnp.sum((out - targets[chosen]) ** 2, axis=1))

    def step(carry: tuple[PyTree, Any], chosen: Array) -> tuple[tuple[PyTree, Any], None]:
        p, state = carry
        updates, state = optimiser.update(jax.grad(loss)(p, chosen), state, p)
        p = jax.tree.map(lambda a, u, f: a + (rate * f).astype(a.dtype) * u, p, updates, free)
        return (p, state), None

    (trained, _), _ = jax.lax.scan(step, (start, optimiser.init(start)), rows)
    return trained


def accuracy(outputs: Float[Array, "n o"], labels: Int[Array, " n"]) -> Float[Array, ""]:
    """Share of inputs whose largest output is that of their class.

    >>> print(accuracy(jnp.eye(2), jnp.array([0, 0])))
    0.5
    """
    return jnp.mean(jnp.argmax(outputs, axis=-1) == labels, dtype=jnp.float32)


def count(parameters: PyTree, free: PyTree) -> int:
    """Number of trained parameters: entries of `parameters` whose factor in `free` is not 0.

    >>> count({"a": jnp.ones((2, 3)), "b": jnp.ones(4)}, {"a": 1.0, "b": 0.0})
    6
    """
    sizes = jax.tree.map(lambda p, f: int(np.broadcast_to(np.asarray(f) != 0, p.shape).sum()), parameters, free)
    return sum(jax.tree.leaves(sizes))
