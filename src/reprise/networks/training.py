r"""Training ensembles: full-batch gradient descent, gradient flow, any Optax optimiser, minibatches.

All seeds train together (a leading axis of every array), in compiled stretches between the steps at which something is
recorded; progress is reported after each. Beside the ensemble that was given, one copy of the parameters (written over in
place), their gradient and the optimiser's state are held; `at_once` trains groups of seeds one after another where even
that is too much.

Conventions of losses and time: `reprise.networks.losses`. With `half_mse`, rate $\eta$ and the NTK parametrisation, step
$s$ is time $t=s\eta$ of $\partial_tf=-\frac1N\Theta(f-y)$, up to $O(\eta)$; `train_gradient_flow` removes that error.
"""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks import _loop, losses, recording
from reprise.networks._loop import Trained, TrainingDivergedError
from reprise.networks.shapes import Points, Targets
from reprise.networks.stepping import descent, optax_steps, rk4

__all__ = ["Trained", "TrainingDivergedError", "train", "train_full_batch", "train_gradient_flow"]

Record = recording.Recorder | Mapping[str, recording.Recorder] | None


def train_full_batch(
    models: eqx.Module,
    x: Points,
    y: Targets,
    *,
    rate: float | None = None,
    steps: int,
    loss: str | losses.Loss = "half_mse",
    optimiser: optax.GradientTransformation | None = None,
    record: Record = None,
    record_every: int | None = None,
    record_at: Sequence[int] | None = None,
    at_once: int | None = None,
    own_inputs: bool = False,
    allow_divergence: bool = False,
    label: str = "Training",
) -> Trained:
    r"""Gradient descent (or an Optax optimiser) on all examples at every step: $\theta\leftarrow\theta-\eta\nabla C$.

    Args:
        models: stacked ensemble (`ensemble`, `stack`).
        x: inputs, shape (n, ...), common to all seeds; (seeds, n, ...) with `own_inputs`.
        y: targets, shape (n,) or (n, n_L), or (seeds, n, n_L) where each seed has its own.
        rate: learning rate of plain gradient descent; left out with `optimiser`.
        steps: number of steps.
        loss: "half_mse", "mse", "half_sse", "cross_entropy", or a function (outputs, targets) -> number.
        optimiser: an Optax transformation instead of plain gradient descent.
        record: function of one model, or a dictionary of such, evaluated at the recorded steps.
        record_every: record at 0, record_every, ... and at the last step; only at 0 and at the end if None.
        record_at: record at these steps (and at 0 and the last) instead.
        at_once: number of seeds in memory together; all if None.
        own_inputs: each seed has its own inputs (a leading axis of `x`).
        allow_divergence: return infinite losses instead of raising.
        label: name of the progress report.

    Returns:
        `Trained`; the ensemble given is left as it is.

    Raises:
        TrainingDivergedError: the loss is no longer finite (unless allowed).

    >>> import jax
    >>> from reprise.networks import MLP, ensemble
    >>> models = ensemble(lambda key: MLP(2, 64, depth=2, key=key), jax.random.split(jax.random.key(0), 3))
    >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
    >>> done = train_full_batch(models, x, y, rate=0.5, steps=40, record_every=20)
    >>> done.steps.tolist(), done.loss.shape, bool((done.loss[:, -1] < done.loss[:, 0]).all())
    ([0, 20, 40], (3, 3), True)
    """
    if (rate is None) == (optimiser is None):
        raise ValueError("either rate (gradient descent) or optimiser (Optax) is expected")
    stepper = descent() if optimiser is None else optax_steps(optimiser)
    plan = _loop.Plan(steps, loss, record, record_every, record_at, at_once, own_inputs, allow_divergence, label)
    return _loop.run(models, x, y, stepper, 0.0 if rate is None else float(rate), plan)


def train_gradient_flow(
    models: eqx.Module,
    x: Points,
    y: Targets,
    *,
    time: float,
    steps: int,
    loss: str | losses.Loss = "half_mse",
    record: Record = None,
    record_every: int | None = None,
    record_at: Sequence[int] | None = None,
    at_once: int | None = None,
    own_inputs: bool = False,
    allow_divergence: bool = False,
    label: str = "Gradient flow",
) -> Trained:
    r"""Gradient flow $\dot\theta=-\nabla C$ up to `time`, by the classical Runge-Kutta method (error $O((\text{time}/\text{steps})^4)$).

    Four gradients a step; stable while step times the largest eigenvalue of the Hessian is below about 2.7. Arguments as
    in `train_full_batch`; step s is time s * time / steps.

    >>> import jax
    >>> from reprise.networks import MLP, ensemble
    >>> models = ensemble(lambda key: MLP(2, 64, depth=2, key=key), jax.random.split(jax.random.key(0), 3))
    >>> done = train_gradient_flow(models, jnp.eye(2), jnp.array([1.0, -1.0]), time=20.0, steps=40)
    >>> done.steps.tolist()
    [0, 40]
    """
    if not time > 0.0:
        raise ValueError(f"time: a positive time is expected, not {time!r}")
    plan = _loop.Plan(steps, loss, record, record_every, record_at, at_once, own_inputs, allow_divergence, label)
    return _loop.run(models, x, y, rk4(), time / steps, plan)


def train(
    models: eqx.Module,
    x: Points,
    y: Targets,
    *,
    optimiser: optax.GradientTransformation,
    steps: int,
    batch_size: int,
    key: PRNGKeyArray,
    loss: str | losses.Loss = "half_mse",
    record: Record = None,
    record_every: int | None = None,
    record_at: Sequence[int] | None = None,
    at_once: int | None = None,
    own_inputs: bool = False,
    allow_divergence: bool = False,
    label: str = "Training",
) -> Trained:
    """Minibatch training with Optax; every seed has its own order of examples.

    Each epoch is a fresh permutation, cut into n // batch_size batches (a remainder waits for another epoch). The key of
    seed i is `fold_in(key, i)`, that of its epoch e is `fold_in(., e)`: the order depends on nothing else. `loss` at
    the recorded steps is that of all examples. Other arguments as in `train_full_batch`.

    >>> import jax
    >>> from reprise.networks import MLP, ensemble
    >>> models = ensemble(lambda key: MLP(2, 64, depth=2, key=key), jax.random.split(jax.random.key(0), 3))
    >>> x = jax.random.normal(jax.random.key(1), (20, 2))
    >>> done = train(models, x, x[:, :1], optimiser=optax.adam(1e-2), steps=50, batch_size=5, key=jax.random.key(2))
    >>> bool((done.loss[:, -1] < done.loss[:, 0]).all())
    True
    """
    n = jnp.shape(x)[1 if own_inputs else 0]
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size: from 1 to the number of examples {n}, not {batch_size}")
    plan = _loop.Plan(steps, loss, record, record_every, record_at, at_once, own_inputs, allow_divergence, label)
    return _loop.run(models, x, y, optax_steps(optimiser, batch_size=batch_size), 0.0, plan, key)
