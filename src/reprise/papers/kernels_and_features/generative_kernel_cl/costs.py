"""What a training step costs, with and without rehearsal of the classifier, and what has to be kept (C4)."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.generative_kernel_cl.generative import Trained
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import Images, Noise
from reprise.papers.kernels_and_features.generative_kernel_cl.protocol import Bench
from reprise.papers.kernels_and_features.generative_kernel_cl.study import GENERATED, Found

CALLS, TURNS = 10, 5
"""Calls that are timed together, and how often in a repeat; the fastest counts, since other work can only slow a step down."""


class Steps(NamedTuple):
    """Costs of one training step at the last task.

    Attributes:
        operations: floating-point operations by the compiler's count: rehearsal of the generator alone, of everything.
            Solves by LAPACK are not in it; there are more of them in the second.
        seconds: wall time of each repeat: the first, the second, and the first again.
    """

    operations: tuple[float, float]
    seconds: Float[np.ndarray, "repeats 3"]

    @property
    def share(self) -> Estimate:
        """Operations of the first over those of the second."""
        return Estimate.exact(self.operations[0] / self.operations[1])

    def time(self, *, itself: bool = False) -> Estimate:
        """Wall time of the first over that of the second, or over its own, as a geometric mean over repeats."""
        ratios = np.log(self.seconds[:, 0] / self.seconds[:, 2 if itself else 1])
        found = statistics.mean(ratios)
        value, low, high = (float(np.exp(np.asarray(part))) for part in (found.value, found.low, found.high))
        return Estimate(
            value,
            low,
            high,
            n=found.n,
            method="geometric mean, t interval of logarithms",
            samples=tuple(np.exp(ratios)),
        )


@on_one_thread
def steps(found: Found, repeats: int, *, images: bool = False, seed: int = 0) -> Steps:
    """Cost of value and gradient of one step's loss at the last task.

    Args:
        found: a benchmark with its generator and its chosen plan.
        repeats: of the timing; each takes the fastest of five turns of ten calls.
        images: samples are decoded and encoded again (variant A).
        seed: of the random numbers.
    """
    bench, plan = Bench(found.stream, 1, seed=seed), found.chosen[GENERATED]
    learner = found.generator._replace(images=images)
    state = jax.tree.map(lambda leaf: leaf[0], found.of(GENERATED).state)
    task = jnp.asarray(found.stream.tasks - 1)
    noise = Noise.draw(1, 1, learner.needs(bench.images, training=True), [seed, 10])
    plan = type(plan)(*(jnp.asarray(v, jnp.int32 if isinstance(v, int) else jnp.float32) for v in plan))
    with ThreadPoolExecutor(2) as workers:
        ways = [learner._replace(everything=e) for e in (False, True)]
        made = list(workers.map(lambda way: _compiled(way, state, plan, bench.images, task, noise), ways))
    calls = [made[0], made[1], made[0]]
    for call in calls:
        jax.block_until_ready(call())
    seconds = np.full((repeats, len(calls)), np.inf)
    for i in progress.track(range(repeats), "costs of a step"):
        for turn in range(TURNS):
            for j in np.roll(np.arange(len(calls)), i + turn):
                begun = time.perf_counter()
                for _ in range(CALLS):
                    jax.block_until_ready(calls[j]())
                seconds[i, j] = min(seconds[i, j], (time.perf_counter() - begun) / CALLS)
    return Steps((made[0].operations, made[1].operations), seconds)


class _Call:
    """A compiled function with its arguments, and the compiler's count of its operations."""

    def __init__(self, compiled: Any, arguments: tuple[Any, ...]) -> None:
        self._compiled, self._arguments = compiled, arguments
        self.operations = float(compiled.cost_analysis()["flops"])

    def __call__(self) -> Any:
        return self._compiled(*self._arguments)


def _compiled(learner: Any, state: Any, plan: Any, images: Images, task: jax.Array, noise: Noise) -> _Call:
    free, fixed = eqx.partition(Trained(state.model, state.prior.at(-1), state.scalars[-1]), eqx.is_inexact_array)
    arrays, rest = eqx.partition(state, eqx.is_array)

    def slopes(p: Any, s: Any, x: Images, normal: jax.Array, uniform: jax.Array) -> Any:
        def loss(q: Any) -> jax.Array:
            return learner.loss(eqx.combine(q, fixed), eqx.combine(s, rest), plan, x, task, normal, uniform)

        return jax.value_and_grad(loss)(p)

    arguments = (free, arrays, images, noise.normal[0, 0], noise.uniform[0, 0])
    return _Call(jax.jit(slopes).lower(*arguments).compile(), arguments)


def generator_bytes(found: Found, tasks: int) -> int:
    """Bytes of the generator's networks, and of the priors and heads of so many tasks, in single precision."""
    state = found.of(GENERATED).state
    networks = sum(leaf[0].size for leaf in jax.tree.leaves(eqx.filter(state.model, eqx.is_array)))
    own = 2 * state.prior.mean[0, 0].size + state.scalars.shape[-1]
    return 4 * (networks + tasks * own)


def stored_bytes(found: Found, tasks: int, memory: int) -> int:
    """Bytes of the stored samples of so many tasks, one byte a pixel."""
    return tasks * memory * found.stream.classes * found.stream.x.shape[-1]


def growth(found: Found, tasks: int = 20) -> tuple[Estimate, Estimate]:
    """Bytes for so many tasks over those for one: of the generator, and of stored samples."""
    ours = generator_bytes(found, tasks) / generator_bytes(found, 1)
    top = found.memories[-1]
    return Estimate.exact(ours), Estimate.exact(stored_bytes(found, tasks, top) / stored_bytes(found, 1, top))


def break_even(found: Found, memory: int) -> float:
    """The number of tasks from which on the generator takes less room than stored samples; infinite if there is none."""
    fixed, own = generator_bytes(found, 0), generator_bytes(found, 1) - generator_bytes(found, 0)
    gain = stored_bytes(found, 1, memory) - own
    return fixed / gain if gain > 0 else float("inf")


def memory_curves(found: Found, tasks: Sequence[int]) -> dict[str, list[int]]:
    """Bytes against the number of tasks: of the generator, and of stored samples of the least and the largest memory."""
    curves = {"generator": [generator_bytes(found, t) for t in tasks]}
    for n in (found.memories[0], found.memories[-1]):
        curves[f"{n} stored a class"] = [stored_bytes(found, t, n) for t in tasks]
    return curves


def same() -> Estimate:
    """The share of a step's operations in its own: the control."""
    return Estimate.exact(1.0)
