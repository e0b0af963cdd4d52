r"""A deep kernel machine as a learning method, beside the NNGP and the MAP variant of the same kernel.

All have the same inducing inputs, kernel hyperparameters, start and number of Adam steps. They differ in the triangles:
the NNGP keeps them at the identity, the machine learns them against $\nu$ divergences, MAP without any. The first half
of the steps is the NNGP's and common to all; the second half is each method's own.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.cluster.vq import kmeans2

from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator
from reprise.papers.infinite_width.deep_kernel_machines.sparse import (
    Machine,
    initial_machine,
    objective,
    predict,
    summarise,
)


class Task(NamedTuple):
    """One split of a regression set, standardised by its training part; `weight` 0 holds a training point out."""

    x: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    x_test: Float[np.ndarray, "m inputs"]
    y_test: Float[np.ndarray, " m"]
    weight: Float[np.ndarray, " n"]


class Scores(NamedTuple):
    """Mean log predictive density and root mean square error, standardised units: fitted, held-out and test points."""

    train_ll: float
    held_out_ll: float
    test_ll: float
    train_rmse: float
    test_rmse: float


class Settings(NamedTuple):
    """How all methods are trained."""

    kernel: str = "se"
    depth: int = 2
    inducing: int = 64
    steps: int = 400
    rate: float = 0.03
    nus: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    held_out: float = 0.2


def task_of(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> Task:
    """A task in which every training point counts."""
    x, y, x_test, y_test = (np.asarray(a, dtype=float) for a in (x, y, x_test, y_test))
    return Task(x, y, x_test, y_test, np.ones(len(y)))


def first_machine(task: Task, settings: Settings, key: PRNGKeyArray) -> Machine:
    """Inducing inputs at the centres of k-means on the fitted inputs, slightly moved apart."""
    rng = generator(key)
    inputs = task.x[task.weight > 0]
    centres = kmeans2(inputs, min(settings.inducing, len(inputs)), iter=10, minit="++", rng=rng)[0]
    return initial_machine(jnp.asarray(centres + 1e-3 * rng.standard_normal(centres.shape)), settings.depth)


def train(machine: Machine, task: Task, *, nu: float, learn_grams: bool, settings: Settings) -> Machine:
    """One half of the training: `settings.steps` steps of Adam on the objective per data point."""
    data = (jnp.asarray(task.x), jnp.asarray(task.y), jnp.asarray(task.weight))
    return _adam(machine, *data, float(nu), float(learn_grams), settings.rate, settings.kernel, settings.steps)


def score(machine: Machine, task: Task, kernel: str) -> Scores:
    """Log predictive density and error of a trained machine."""
    return Scores(*(float(s) for s in _score(machine, *(jnp.asarray(a) for a in task), kernel)))


def choose_nu(task: Task, settings: Settings, key: PRNGKeyArray) -> float:
    """The nu with the best log density on a held-out part of the training points; test points are never seen."""
    key_part, key_start = jax.random.split(key)
    hidden = generator(key_part).permutation(len(task.x))[: int(settings.held_out * len(task.x))]
    weight = task.weight.copy()
    weight[hidden] = 0.0
    part = task._replace(weight=weight)
    start = train(first_machine(part, settings, key_start), part, nu=0.0, learn_grams=False, settings=settings)
    found = [
        score(train(start, part, nu=nu, learn_grams=True, settings=settings), part, settings.kernel).held_out_ll
        for nu in settings.nus
    ]
    return settings.nus[int(np.argmax(np.nan_to_num(found, nan=-np.inf)))]


def compare(
    task: Task, settings: Settings, key: PRNGKeyArray, *, methods: Sequence[str] = ("dkm", "nngp", "map", "gp")
) -> tuple[float, dict[str, Scores]]:
    """The nu that was chosen for "dkm" on one split, and the scores of the methods.

    "gp" is a sparse Gaussian process with the same kernel and no hidden layer.
    """
    key_nu, key_start = jax.random.split(key)
    nu = choose_nu(task, settings, key_nu)
    fit = partial(train, task=task, settings=settings)
    start = fit(first_machine(task, settings, key_start), nu=0.0, learn_grams=False)
    shallow = first_machine(task, settings._replace(depth=0), key_start)
    recipes = {
        "dkm": lambda: fit(start, nu=nu, learn_grams=True),
        "nngp": lambda: fit(start, nu=0.0, learn_grams=False),
        "map": lambda: fit(start, nu=0.0, learn_grams=True),
        "gp": lambda: fit(fit(shallow, nu=0.0, learn_grams=False), nu=0.0, learn_grams=False),
    }
    return nu, {name: score(recipes[name](), task, settings.kernel) for name in methods}


@partial(jax.jit, static_argnames=("kernel", "steps"))
def _adam(
    machine: Machine,
    x: Array,
    y: Array,
    weight: Array,
    nu: Array,
    learn_grams: Array,
    rate: Array,
    kernel: str,
    steps: int,
) -> Machine:
    optimiser = optax.scale_by_adam()

    def loss(machine: Machine) -> Array:
        return -objective(machine, x, y, nu, kernel, weight) / jnp.sum(weight)

    def step(carry: tuple[Machine, optax.OptState], number: Array) -> tuple[tuple[Machine, optax.OptState], None]:
        machine, state = carry
        gradient = jax.grad(loss)(machine)
        gradient = gradient._replace(triangles=learn_grams * jnp.tril(gradient.triangles))
        updates, state = optimiser.update(gradient, state)
        decayed = rate * (0.01 + 0.495 * (1.0 + jnp.cos(jnp.pi * number / steps)))
        machine = jax.tree.map(lambda p, u: p - decayed * u, machine, updates)
        return (machine, state), None

    (machine, _), _ = jax.lax.scan(step, (machine, optimiser.init(machine)), jnp.arange(steps))
    return machine


@partial(jax.jit, static_argnames="kernel")
def _score(
    machine: Machine, x: Array, y: Array, x_test: Array, y_test: Array, weight: Array, kernel: str
) -> tuple[Array, ...]:
    summary = summarise(machine, x, y, kernel, weight)
    held_out = 1.0 - weight

    def on(inputs: Array, targets: Array) -> tuple[Array, Array]:
        mean, variance = predict(machine, summary, inputs, kernel)
        square = (targets - mean) ** 2
        return -0.5 * (jnp.log(2.0 * jnp.pi * variance) + square / variance), square

    (log_density, square), (test_density, test_square) = on(x, y), on(x_test, y_test)
    return (
        jnp.sum(weight * log_density) / jnp.sum(weight),
        jnp.sum(held_out * log_density) / jnp.sum(held_out),
        jnp.mean(test_density),
        jnp.sqrt(jnp.sum(weight * square) / jnp.sum(weight)),
        jnp.sqrt(jnp.mean(test_square)),
    )
