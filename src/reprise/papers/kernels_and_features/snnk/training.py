"""One trainer for all networks of this chapter: Adam, cosine rate, cross-entropy or squared error, masks for what is frozen."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
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
    steps: Int[Array, ""] | None = None,
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
        steps: to take, at most as many as there are rows, which is the default; may be traced, so that one compiled
            program serves several lengths.
    """
    length = rows.shape[0] if steps is None else steps
    optimiser = optax.adam(lambda t: 0.5 + 0.5 * jnp.cos(jnp.pi * t.astype(jnp.float32) / length))
    # One vector: an optimiser of many arrays takes several times longer to compile.
    vector, tree = ravel_pytree(start)
    moves, _ = ravel_pytree(jax.tree.map(lambda p, f: jnp.broadcast_to(jnp.asarray(f, p.dtype), p.shape), start, free))
    moves = rate.astype(vector.dtype) * moves

    def loss(p: Array, chosen: Array) -> Array:
        out = forward(tree(p), frozen, x[chosen])
        if targets.ndim == 1:
            return optax.softmax_cross_entropy_with_integer_labels(out, targets[chosen]).mean()
        return 0.5 * jnp.mean(jnp.sum((out - targets[chosen]) ** 2, axis=1))

    def step(i: Array, carry: tuple[Array, Any]) -> tuple[Array, Any]:
        p, state = carry
        updates, state = optimiser.update(jax.grad(loss)(p, rows[i]), state, p)
        return p + moves * updates.astype(p.dtype), state

    return tree(jax.lax.fori_loop(0, length, step, (vector, optimiser.init(vector)))[0])


def count(parameters: PyTree, free: PyTree) -> int:
    """Number of trained parameters: entries of `parameters` whose factor in `free` is not 0.

    >>> count({"a": jnp.ones((2, 3)), "b": jnp.ones(4)}, {"a": 1.0, "b": 0.0})
    6
    """
    sizes = jax.tree.map(lambda p, f: int(np.broadcast_to(np.asarray(f) != 0, p.shape).sum()), parameters, free)
    return sum(jax.tree.leaves(sizes))
