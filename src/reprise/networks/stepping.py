"""One training step: gradient descent, a Runge-Kutta step of gradient flow, an Optax update on a batch.

A `Stepper` is written for one model; training maps it over seeds. `grad(params, rows)` gives the gradient on the
examples `rows` (all of them if None).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

Gradient = Callable[[PyTree, Array | None], PyTree]


class Context(NamedTuple):
    """What a step may depend on: its number, the rate, the number of examples and the seed's key."""

    number: Array
    rate: Array
    examples: int
    key: PRNGKeyArray | None


class Stepper(NamedTuple):
    """A way to take steps.

    Attributes:
        init: (parameters, number of examples) -> state.
        step: (gradient, parameters, state, context) -> (parameters, state).
    """

    init: Callable[[PyTree, int], Any]
    step: Callable[[Gradient, PyTree, Any, Context], tuple[PyTree, Any]]


def descent() -> Stepper:
    r"""Plain gradient descent: $\theta-\eta\nabla C(\theta)$.

    >>> move = descent().step(lambda p, rows: 2 * p, jnp.ones(2), (), Context(0, jnp.array(0.25), 1, None))
    >>> print(move[0])
    [0.5 0.5]
    """
    return Stepper(_no_state, _descend)


def rk4() -> Stepper:
    r"""The classical Runge-Kutta step of $\dot\theta=-\nabla C$ over time `rate`.

    >>> new, _ = rk4().step(lambda p, rows: p, jnp.ones(1), (), Context(0, jnp.array(0.1), 1, None))
    >>> print(abs(new[0] - jnp.exp(-0.1)) < 1e-6)
    True
    """
    return Stepper(_no_state, _runge_kutta)


def optax_steps(optimiser: optax.GradientTransformation, *, batch_size: int | None = None) -> Stepper:
    """An Optax update, on all examples or on batches without replacement within an epoch.

    >>> stepper = optax_steps(optax.sgd(0.25))
    >>> p = jnp.ones(2)
    >>> new, _ = stepper.step(lambda p, rows: 2 * p, p, stepper.init(p, 1), Context(0, jnp.array(0.0), 1, None))
    >>> print(new)
    [0.5 0.5]
    """

    def init(params: PyTree, examples: int) -> Any:
        order = None if batch_size is None else jnp.arange(examples)
        return optimiser.init(params), order

    def step(grad: Gradient, params: PyTree, state: Any, context: Context) -> tuple[PyTree, Any]:
        inner, order = state
        rows = None
        if batch_size is not None:
            order, rows = _batch(order, batch_size, context)
        updates, inner = optimiser.update(grad(params, rows), inner, params)
        return optax.apply_updates(params, updates), (inner, order)

    return Stepper(init, step)


def _no_state(params: PyTree, examples: int) -> tuple[()]:  # noqa: ARG001 - the signature of `init`
    return ()


def _descend(grad: Gradient, params: PyTree, state: Any, context: Context) -> tuple[PyTree, Any]:
    return _moved(params, grad(params, None), context.rate, -1.0), state


def _runge_kutta(grad: Gradient, params: PyTree, state: Any, context: Context) -> tuple[PyTree, Any]:
    k1 = grad(params, None)
    k2 = grad(_moved(params, k1, context.rate, -0.5), None)
    k3 = grad(_moved(params, k2, context.rate, -0.5), None)
    k4 = grad(_moved(params, k3, context.rate, -1.0), None)
    total = jax.tree.map(lambda a, b, c, d: a + 2 * b + 2 * c + d, k1, k2, k3, k4)
    return _moved(params, total, context.rate, -1.0 / 6.0), state


def _moved(params: PyTree, direction: PyTree, rate: Array, factor: float) -> PyTree:
    return jax.tree.map(lambda p, d: p + (factor * rate).astype(p.dtype) * d, params, direction)


def _batch(order: Array, batch_size: int, context: Context) -> tuple[Array, Array]:
    """The rows of this step's batch; a new permutation at the start of each epoch."""
    batches = context.examples // batch_size
    epoch, place = context.number // batches, context.number % batches
    key = context.key
    if key is None:
        raise ValueError("batches need a key")
    order = jax.lax.cond(
        place == 0,
        lambda: jax.random.permutation(jax.random.fold_in(key, epoch), context.examples).astype(order.dtype),
        lambda: order,
    )
    return order, jax.lax.dynamic_slice(order, (place * batch_size,), (batch_size,))
