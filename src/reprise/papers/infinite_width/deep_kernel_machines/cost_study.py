"""What a deep kernel machine costs, dense and sparse, and whether both compute the same: the evidence for claim C5."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from threadpoolctl import threadpool_limits

from reprise.estimate import Estimate
from reprise.kernels.gp import log_marginal_likelihood
from reprise.papers.infinite_width.deep_kernel_machines import sparse
from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import KERNELS
from reprise.papers.infinite_width.deep_kernel_machines.objective import gaussian_kl
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator
from reprise.progress import task as progress
from reprise.progress import track
from reprise.statistics import bootstrap

KERNEL = "se"
DEPTH = 1
INPUTS = 4


class Agreement(NamedTuple):
    """Relative gap between the sparse and the dense objective, one row a problem, one column a share of the points."""

    inducing: list[int]
    gap: Float[np.ndarray, "problems counts"]


class Timings(NamedTuple):
    """Seconds for the objective and its gradient: one row a repeat, one column a size."""

    sizes: Float[np.ndarray, " sizes"]
    seconds: Float[np.ndarray, "repeats sizes"]

    def slope(self) -> Estimate:
        """Slope of log median seconds against log size, with a bootstrap interval over repeats."""
        log_sizes = np.log(self.sizes)
        centred = log_sizes - log_sizes.mean()

        def fitted(seconds: np.ndarray) -> float:
            return float(centred @ np.log(np.median(seconds, axis=0)) / (centred @ centred))

        return bootstrap(self.seconds, fitted)


def study_agreement(inducing: Sequence[int], problems: int, *, points: int, key: PRNGKeyArray) -> Agreement:
    """The sparse objective with more and more of the training points as inducing points, against the dense one.

    The Gram matrices are random ones near the prior's; the sparse machine takes their blocks at its inducing points.
    """
    rng = generator(key)
    x, y = rng.normal(size=(problems, points, INPUTS)), rng.normal(size=(problems, points))
    noise = np.tril(rng.normal(size=(problems, DEPTH, points, points)))
    triangles = np.eye(points) + 0.3 * noise / np.sqrt(points)

    def machine(x: Array, triangles: Array, count: int) -> sparse.Machine:
        return sparse.initial_machine(x[:count], DEPTH)._replace(triangles=triangles[:, :count, :count])

    def gap(x: Array, y: Array, triangles: Array) -> Array:
        truth = dense_objective(machine(x, triangles, points), y, 1.0)
        values = [sparse.objective(machine(x, triangles, c), x, y, 1.0, KERNEL, jitter=0.0) for c in inducing]
        return jnp.abs(jnp.stack(values) - truth) / jnp.abs(truth)

    return Agreement(list(inducing), np.asarray(jax.jit(jax.vmap(gap))(x, y, triangles)))


def dense_objective(machine: sparse.Machine, y: Array, nu: float) -> Array:
    r"""$\mathcal L$ by the divergences between full Gram matrices, the inducing inputs being all inputs."""
    scaled = machine.inducing * jnp.exp(-machine.log_lengthscales) / jnp.sqrt(machine.inducing.shape[1])
    gram, penalty = scaled @ scaled.T, jnp.zeros(())
    heights = jnp.exp(machine.log_heights)
    for height, triangle in zip(heights[:-1], machine.triangles, strict=True):
        prior = _kernel(gram, height)
        root = jnp.linalg.cholesky(prior) @ jnp.tril(triangle)
        gram = root @ root.T
        penalty = penalty + gaussian_kl(gram, prior)
    fit = log_marginal_likelihood(_kernel(gram, heights[-1]), jnp.asarray(y)[:, None], jnp.exp(machine.log_noise))
    return fit - nu * penalty


def whitened_dense_objective(machine: sparse.Machine, x: Array, y: Array) -> Array:
    """The same in whitened form, as it is optimised: cost O(P^3) a layer. Inputs and inducing inputs coincide."""
    scaled = x * jnp.exp(-machine.log_lengthscales) / jnp.sqrt(x.shape[1])
    gram = scaled @ scaled.T
    heights = jnp.exp(machine.log_heights)
    for height, triangle in zip(heights[:-1], machine.triangles, strict=True):
        root = jnp.linalg.cholesky(_kernel(gram, height, sparse.JITTER)) @ jnp.tril(triangle)
        gram = root @ root.T
    fit = log_marginal_likelihood(_kernel(gram, heights[-1]), y[:, None], jnp.exp(machine.log_noise))
    return fit - sparse.divergence(machine)


def full_block_objective(machine: sparse.Machine, x: Array, y: Array) -> Array:
    """The sparse objective for someone who forgets that only the diagonal of G_tt is needed: P by P blocks throughout."""
    scale = jnp.exp(-machine.log_lengthscales) / jnp.sqrt(x.shape[1])
    joint = jnp.concatenate([machine.inducing, x]) * scale
    gram, i = joint @ joint.T, machine.inducing.shape[0]
    for layer, height in enumerate(jnp.exp(machine.log_heights)):
        kernel = _kernel(gram, height)
        factor = jnp.linalg.cholesky(kernel[:i, :i] + sparse.JITTER * height * jnp.eye(i))
        a = jax.scipy.linalg.solve_triangular(factor, kernel[:i], lower=True)
        if layer < machine.triangles.shape[0]:
            moved = jnp.tril(machine.triangles[layer]).T @ a
            gram = kernel - a.T @ a + moved.T @ moved
    residual = kernel[i:, i:] - a[:, i:].T @ a[:, i:]
    at_data = a[:, i:]
    summary = sparse.Summary(
        at_data @ at_data.T, at_data @ y, jnp.trace(residual), jnp.sum(y**2), jnp.asarray(float(len(y)))
    )
    return sparse.collapsed_bound(summary, machine.log_noise) - sparse.divergence(machine) + 1e-12 * jnp.sum(residual)


class Prepared(NamedTuple):
    """One kind of objective with its gradient, compiled for every size, and what it is called with."""

    sizes: list[int]
    compute: Callable[..., Any]
    arguments: list[tuple[Any, ...]]


def prepare(sizes: Mapping[str, Sequence[int]], *, inducing: int, key: PRNGKeyArray) -> dict[str, Prepared]:
    """Machines with one hidden layer and data for them, and the first call of every program that `study_costs` times.

    Kinds are "dense", "sparse" and "full block"; those without sizes are left out.
    """
    functions: dict[str, Callable[..., Any]] = {
        "dense": jax.jit(jax.value_and_grad(whitened_dense_objective)),
        "sparse": partial(sparse.blocked_value_and_grad, nu=1.0, kernel=KERNEL),
        "full block": jax.jit(jax.value_and_grad(full_block_objective)),
    }
    found = {}
    for kind, some in ((kind, some) for kind, some in sizes.items() if some):
        prepared = Prepared(list(some), functions[kind], [])
        for size in track(some, f"compiling, {kind}"):
            rng = generator(key, size)
            x, y = jnp.asarray(rng.normal(size=(size, INPUTS))), jnp.asarray(rng.normal(size=size))
            arguments = (sparse.initial_machine(x if kind == "dense" else x[:inducing], DEPTH), x, y)
            jax.block_until_ready(prepared.compute(*arguments))
            prepared.arguments.append(arguments)
        found[kind] = prepared
    return found


def study_costs(prepared: Mapping[str, Prepared], *, repeats: int) -> dict[str, Timings]:
    """Seconds for each objective and gradient.

    Repeats go round all sizes in turn, so that a passing disturbance hits all of them alike; the first round, in which
    this thread gets its memory, does not count. On a CPU the clock is the process's own CPU time with single-threaded
    linear algebra, which other work on the machine hardly touches; so nothing else may go on in this process. On an
    accelerator it is the wall clock.
    """
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    found = {}
    for kind, (sizes, compute, cases) in prepared.items():
        seconds = np.empty((repeats + 1, len(sizes)))
        with threadpool_limits(1), progress(f"timing, {kind}", seconds.size) as advance:
            for row in seconds:
                for column, arguments in enumerate(cases):
                    started = clock()
                    jax.block_until_ready(compute(*arguments))
                    row[column] = clock() - started
                    advance(1)
        found[kind] = Timings(np.asarray(sizes, dtype=float), seconds[1:])
    return found


def _kernel(gram: Array, height: Array, jitter: float = 0.0) -> Array:
    diagonal = jnp.diagonal(gram)
    return height * (KERNELS[KERNEL](diagonal, gram, diagonal) + jitter * jnp.eye(gram.shape[0]))
