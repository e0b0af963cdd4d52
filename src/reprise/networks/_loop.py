"""The loop behind `reprise.networks.training`: groups of seeds, compiled stretches, records, progress."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from reprise import progress
from reprise.networks import losses, recording
from reprise.networks.ensembles import concatenate, members, size
from reprise.networks.stepping import Context, Stepper

STRETCHES = 50
"""Where nothing is recorded, training is still cut into about this many stretches, for progress."""


class TrainingDivergedError(FloatingPointError):
    """The loss of at least one seed is no longer finite."""


class Trained(NamedTuple):
    """What training returns.

    Attributes:
        models: the trained ensemble.
        steps: recorded steps, shape (records,), from 0 to the last.
        loss: training loss at those steps, shape (seeds, records), float64.
        records: what `record` returned, each leaf with leading axes (seeds, records); None without `record`.
    """

    models: Any
    steps: Int[np.ndarray, " records"]
    loss: Float[np.ndarray, "seeds records"]
    records: Any


class Plan(NamedTuple):
    """What all kinds of training share."""

    steps: int
    loss: str | losses.Loss
    record: recording.Recorder | Mapping[str, recording.Recorder] | None
    record_every: int | None
    record_at: Sequence[int] | None
    at_once: int | None
    own_inputs: bool
    allow_divergence: bool
    label: str

    def stops(self) -> list[int]:
        """Steps at which something is recorded, from 0 to the last.

        >>> Plan(10, "mse", None, 4, None, None, False, False, "").stops()
        [0, 4, 8, 10]
        """
        if self.steps < 1:
            raise ValueError(f"steps: at least one is needed, not {self.steps}")
        if self.record_at is not None and self.record_every is not None:
            raise ValueError("record_every or record_at, not both")
        if self.record_every is not None and self.record_every < 1:
            raise ValueError(f"record_every: at least 1, not {self.record_every}")
        chosen = range(0, self.steps, self.record_every or self.steps) if self.record_at is None else self.record_at
        if any(not 0 <= step <= self.steps for step in chosen):
            raise ValueError(f"record_at: steps from 0 to {self.steps}")
        return sorted({0, self.steps, *(int(step) for step in chosen)})


class _Task(NamedTuple):
    """One group of seeds and its data; `keys` has a leading axis of seeds."""

    static: Any
    x: Array
    y: Float[Array, "seeds n out"]
    keys: Key[Array, " seeds"] | None
    rate: Array
    own_inputs: bool
    loss: losses.Loss
    stepper: Stepper


def run(models: eqx.Module, x: Any, y: Any, stepper: Stepper, rate: float, plan: Plan, key: Any = None) -> Trained:
    """Train a stacked ensemble by a plan; see `reprise.networks.training`."""
    count, stops = size(models), plan.stops()
    if plan.at_once is not None and plan.at_once < 1:
        raise ValueError(f"at_once: at least one seed at a time, not {plan.at_once}")
    group = count if plan.at_once is None else min(plan.at_once, count)
    params, static = eqx.partition(models, eqx.is_inexact_array)
    inputs, targets = _data(params, x, y, count, plan)
    keys = None if key is None else jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(count))
    record = _recorder(plan.record)
    parts = []
    with progress.task(plan.label, plan.steps * count) as advance:
        for start in range(0, count, group):
            rows = slice(start, min(start + group, count))
            task = _Task(
                static=members(static, rows.start, rows.stop),
                x=inputs[rows] if plan.own_inputs else inputs,
                y=targets[rows],
                keys=None if keys is None else keys[rows],
                rate=jnp.asarray(rate),
                own_inputs=plan.own_inputs,
                loss=losses.resolve(plan.loss),
                stepper=stepper,
            )
            parts.append(_train_group(members(params, rows.start, rows.stop), task, plan, stops, record, advance))
    trained, loss, records = zip(*parts, strict=True)
    return Trained(
        models=concatenate(list(trained)),
        steps=np.asarray(stops),
        loss=np.concatenate(loss),
        records=None if plan.record is None else concatenate(list(records)),
    )


def _train_group(
    params: PyTree,
    task: _Task,
    plan: Plan,
    stops: list[int],
    record: Callable[[Any], Any] | None,
    advance: Callable[[int], None],
) -> tuple[Any, np.ndarray, Any]:
    params = jax.tree.map(jnp.copy, params)  # the stretches write over their own copy, never over the caller's
    examples = task.x.shape[1] if task.own_inputs else task.x.shape[0]
    state = eqx.filter_vmap(lambda p: task.stepper.init(p, examples))(params)
    seeds = task.y.shape[0]
    longest = max(1, -(-plan.steps // STRETCHES))
    seen_loss, seen = [], []
    done = 0
    for stop in stops:
        while done < stop:
            now = min(longest, stop - done)
            params, state = _stretch((task, jnp.asarray(done), jnp.asarray(now)), params, state)
            jax.block_until_ready(params)
            done += now
            advance(now * seeds)
        seen_loss.append(np.asarray(_losses(task, params), dtype=np.float64))
        bad = np.flatnonzero(~np.isfinite(seen_loss[-1]))
        if bad.size and not plan.allow_divergence:
            raise TrainingDivergedError(
                f"{plan.label}: the loss of {bad.size} of {seeds} seeds is not finite at step {done}; "
                f"take a smaller rate (gradient descent is stable below 2 / the largest eigenvalue of the Hessian)"
            )
        if record is not None:
            seen.append(record(eqx.combine(params, task.static)))
    records = None if record is None else jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *seen)
    return eqx.combine(params, task.static), np.stack(seen_loss, axis=1), records


@eqx.filter_jit(donate="all-except-first")
def _stretch(fixed: tuple[_Task, Array, Array], params: PyTree, state: Any) -> tuple[PyTree, Any]:
    """`count` steps from step `first` on, for all seeds of the group."""
    task, first, count = fixed

    def one(params: PyTree, state: Any, static: Any, x: Array, y: Array, key: Any) -> tuple[PyTree, Any]:
        def loss(p: PyTree, rows: Array | None) -> Array:
            batch = (x, y) if rows is None else (x[rows], y[rows])
            return _loss(task.loss, eqx.combine(p, static), *batch)

        def body(offset: Array, carry: tuple[PyTree, Any]) -> tuple[PyTree, Any]:
            context = Context(first + offset, task.rate, x.shape[0], key)
            return task.stepper.step(jax.grad(loss), *carry, context)

        return jax.lax.fori_loop(0, count, body, (params, state))

    axes = (0, 0, eqx.if_array(0), 0 if task.own_inputs else None, 0, 0)
    return eqx.filter_vmap(one, in_axes=axes)(params, state, task.static, task.x, task.y, task.keys)


@eqx.filter_jit
def _losses(task: _Task, params: PyTree) -> Float[Array, " seeds"]:
    def one(params: PyTree, static: Any, x: Array, y: Array) -> Array:
        return _loss(task.loss, eqx.combine(params, static), x, y)

    axes = (0, eqx.if_array(0), 0 if task.own_inputs else None, 0)
    return eqx.filter_vmap(one, in_axes=axes)(params, task.static, task.x, task.y)


def _loss(loss: losses.Loss, model: Any, x: Array, y: Array) -> Array:
    outputs = jax.vmap(model)(x)
    return loss(outputs.reshape(outputs.shape[0], -1) if outputs.ndim == 1 else outputs, y)


def _recorder(
    record: recording.Recorder | Mapping[str, recording.Recorder] | None,
) -> Callable[[Any], Any] | None:
    if record is None:
        return None
    function = recording.together(record) if isinstance(record, Mapping) else record
    return eqx.filter_jit(eqx.filter_vmap(function))


def _data(params: PyTree, x: Any, y: Any, count: int, plan: Plan) -> tuple[Array, Array]:
    """Inputs and targets in the network's precision; targets with a leading axis of seeds."""
    leaves = jax.tree.leaves(params)
    if not leaves:
        raise ValueError("models: no floating-point parameters to train")
    dtype = leaves[0].dtype
    inputs, targets = jnp.asarray(x), jnp.asarray(y)
    if jnp.issubdtype(inputs.dtype, jnp.floating):
        inputs = inputs.astype(dtype)
    if isinstance(plan.loss, str) or jnp.issubdtype(targets.dtype, jnp.floating):
        targets = targets.astype(dtype)
    if targets.ndim == 1:
        targets = targets[:, None]
    if targets.ndim == 2:
        targets = jnp.broadcast_to(targets, (count, *targets.shape))
    examples = inputs.shape[1] if plan.own_inputs else inputs.shape[0]
    if plan.own_inputs and inputs.shape[0] != count:
        raise ValueError(f"x: own_inputs needs a leading axis of {count} seeds, the shape is {inputs.shape}")
    if targets.shape[:2] != (count, examples):
        raise ValueError(
            f"y: {examples} targets for {count} seeds are needed, the shape is {jnp.shape(y)}: "
            f"give (n,), (n, outputs) or (seeds, n, outputs)"
        )
    return inputs, targets
