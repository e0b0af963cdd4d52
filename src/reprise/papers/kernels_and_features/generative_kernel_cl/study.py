"""One benchmark, all methods: numbers chosen on the first two tasks, then all tasks in turn."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.generative_kernel_cl import generative, heads, networks, stored, streams
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import Learner, Sizes, features
from reprise.papers.kernels_and_features.generative_kernel_cl.protocol import Bench, Runs
from reprise.papers.kernels_and_features.generative_kernel_cl.streams import Stream

GENERATED, BARE, MIXED, FORGETFUL = "generated", "no contrast", "random contrast", "no rehearsal"
DECODED = "decoded"
FINE_TUNED, REHEARSED, JOINT = "fine-tuning", "experience replay", "joint training"
VARIATIONAL = stored.KERNELS[2]


SMALL = 200
"""Samples of all classes of all tasks on which a head is solved at hardly any cost."""


class Grid(NamedTuple):
    """What is chosen from, on validation images of the first two tasks: rates by all methods, weights by the generator."""

    rates: Sequence[float]
    weights: Sequence[float]
    contrasts: Sequence[float]


class Found(NamedTuple):
    """A benchmark's results.

    Attributes:
        stream: its tasks.
        runs: by method and samples a class, such as ("generated", 20).
        chosen: the plan of each learner that was chosen.
        memories: samples a class, increasing.
        generator: the learner with generated samples.
    """

    stream: Stream
    runs: dict[tuple[str, int], Runs]
    chosen: dict[str, Any]
    memories: Sequence[int]
    generator: generative.Generative

    def of(self, method: str, memory: int | None = None) -> Runs:
        """A method's runs, with the largest number of samples unless told otherwise."""
        return self.runs[method, self.memories[-1] if memory is None else memory]


def run(
    stream: Stream,
    sizes: Sizes,
    memories: Sequence[int],
    grid: Grid,
    at_once: int,
    *,
    seed: int = 0,
    decoded: bool = False,
    chosen: dict[str, Any] | None = None,
    few: bool = False,
) -> Found:
    """Every method on one stream.

    Args:
        stream: the tasks.
        sizes: of the networks; `sizes.memory` is the last of `memories`.
        memories: samples a class.
        grid: what learning rates and weights are chosen from.
        at_once: runs that are trained together.
        seed: base of all draws.
        decoded: also samples that are decoded and encoded again (variant A).
        chosen: plans of another stream, which are then taken as they are.
        few: only generated samples and fine-tuning, with the plans of `chosen`.

    Raises:
        ValueError: memories do not increase, or do not end at `sizes.memory`.
    """
    if list(memories) != sorted(set(memories)) or memories[-1] != sizes.memory:
        raise ValueError(f"memories must increase up to {sizes.memory}, got {list(memories)}")
    # A small system is solved where it means nothing too, so that benchmarks of one shape share a compiled function.
    disjoint = stream.disjoint or stream.tasks * stream.classes * sizes.memory <= SMALL
    groups = (2 if few else 5 + 5 * len(memories)) + decoded
    lock = Lock()

    with progress.task(stream.name, -(-groups * stream.seeds // at_once) * stream.tasks) as advance:

        def tell(steps: int) -> None:
            with lock:
                advance(steps)

        bench = Bench(stream, at_once, seed=seed, advance=tell)
        lanes = _Lanes(bench, sizes, memories, grid, dict(chosen or {}), disjoint=disjoint, few=few, decoded=decoded)
        # A compiled function leaves Python alone while it runs, so threads keep two cores busy.
        with ThreadPoolExecutor(2) as workers:
            for done in [workers.submit(lane) for lane in (lanes.generated, lanes.stored, lanes.networks)]:
                done.result()
    return Found(stream, lanes.runs, lanes.plans, memories, lanes.generator)


class _Lanes:
    """The methods of three learners on one stream; lanes share nothing but where they put their results."""

    def __init__(
        self,
        bench: Bench,
        sizes: Sizes,
        memories: Sequence[int],
        grid: Grid,
        plans: dict[str, Any],
        *,
        disjoint: bool,
        few: bool,
        decoded: bool,
    ) -> None:
        self.bench, self.memories, self.grid, self.few, self.decoded = bench, memories, grid, few, decoded
        self.generator = generative.Generative(sizes, bench.stream.gaussian, disjoint=disjoint)
        self.kernels, self.nets = stored.Stored(sizes, disjoint), networks.Networks(sizes, disjoint)
        self.top, self.plans, self.runs = memories[-1], plans, dict[tuple[str, int], Runs]()

    def generated(self) -> None:
        """Generated samples, and what shows why they work."""
        top = self.top
        base = self.plans.get(GENERATED) or self._generator_plan()
        self.plans[GENERATED] = base
        wanted = {(GENERATED, n): base._replace(memory=n) for n in ([top] if self.few else self.memories)}
        if not self.few:
            wanted[BARE, top] = base._replace(contrast=0.0)
            wanted[MIXED, top] = base._replace(shuffled=1.0)
            wanted[FORGETFUL, top] = base._replace(rehearse=0.0)
        self._follow(self.generator, wanted)
        if self.decoded:
            self._follow(self.generator._replace(images=True), {(DECODED, top): base})

    def stored(self) -> None:
        """Stored samples with three kernels."""
        if self.few:
            return
        for i, kernel in enumerate(stored.KERNELS):
            flags = tuple(float(i == j) for j in range(len(stored.KERNELS)))
            options = [stored.Plan(0, self.top, r, flags) for r in self.grid.rates]
            self.plans[kernel] = options[self.bench.choose(self.kernels, options)]
        wanted = {(k, n): self.plans[k]._replace(memory=n) for k in stored.KERNELS for n in self.memories}
        self._follow(self.kernels, wanted)

    def networks(self) -> None:
        """Networks without a kernel."""
        for name, joint in () if self.few else ((FINE_TUNED, 0.0), (JOINT, 1.0)):
            options = [networks.Plan(0, self.top, r, 0.0, joint) for r in self.grid.rates]
            self.plans[name] = options[self.bench.choose(self.nets, options)]
        base = self.plans[FINE_TUNED]
        wanted = {(FINE_TUNED, self.top): base}
        if not self.few:
            wanted |= {(REHEARSED, n): base._replace(memory=n, rehearse=1.0) for n in self.memories}
            wanted[JOINT, self.top] = self.plans[JOINT]
        self._follow(self.nets, wanted)

    def _generator_plan(self) -> generative.Plan:
        """Learning rate and weight of classification first, then the weight of the contrastive term."""
        plain = generative.Plan(0, self.top, 0.0, 1.0, 0.0, 0.0, 1.0)
        options = [plain._replace(rate=r, weight=w) for r in self.grid.rates for w in self.grid.weights]
        best = options[self.bench.choose(self.generator, options)]
        options = [best._replace(contrast=k) for k in self.grid.contrasts]
        return options[self.bench.choose(self.generator, options)]

    def _follow(self, learner: Learner, wanted: dict[tuple[str, int], Any]) -> None:
        found = self.bench.follow(learner, {f"{name} {n}": plan for (name, n), plan in wanted.items()})
        self.runs.update({key: found[f"{key[0]} {key[1]}"] for key in wanted})


@on_one_thread
def everything(
    splits: Sequence[str],
    shifted: str,
    shifted_classes: int,
    tasks: int,
    size: int,
    colour_size: int,
    examples: Sequence[int],
    seeds: int,
    sizes: Sizes,
    memories: Sequence[int],
    grid: Grid,
    at_once: int,
    *,
    seed: int = 0,
    decoded: bool = False,
) -> dict[str, Found]:
    """All benchmarks, by name: the split sets, "permuted", "rotated" and "unshifted".

    Args:
        splits: data sets.
        shifted: data set.
        shifted_classes: classes of a shifted task.
        tasks: of the shifted benchmarks.
        size: side of grey images.
        colour_size: side of colour images.
        examples: training images a class of split sets and of shifted ones, held-out images a class of both.
        seeds: number of seeds.
        sizes: of the networks.
        memories: samples a class.
        grid: what is chosen from.
        at_once: runs that are trained together.
        seed: base of all draws.
        decoded: variant A on the first split set.
    """
    found: dict[str, Found] = {}
    top = memories[-1]
    for i, name in enumerate(splits):
        pool = streams.load(name, size, colour_size)
        stream = streams.split(pool, f"split {name}", seeds, examples[0], top, examples[2], seed=seed)
        # All memories on the set that is judged; on the others those that are compared.
        some = memories if i == len(splits) - 1 else [n for n in memories if n in (top // 10, top)]
        found[stream.name] = run(
            stream, sizes, some, grid, at_once, seed=seed, decoded=decoded and i == 0
        )  # fmt: skip
    pool = streams.load(shifted, size, colour_size)
    for kind in ("permuted", "rotated", "unshifted"):
        stream = streams.shifted(
            pool, kind, seeds, tasks, examples[1], top, examples[3], classes=shifted_classes, seed=seed
        )
        few = kind == "unshifted"
        chosen = found["permuted"].chosen if few else None
        found[kind] = run(stream, sizes, memories[-1:], grid, at_once, seed=seed, few=few, chosen=chosen)
    return found


def generated_images(found: Found, method: str, count: int, *, seed: int = 0) -> Float[np.ndarray, "seeds tasks c k d"]:
    """Images of every class of every task that the generator draws after the last task."""
    state = found.of(method).state
    shape = (*state.prior.mean.shape[:3], count, found.generator.sizes.latent)
    return np.asarray(_decoded(state, np.random.default_rng([seed, 9]).standard_normal(shape, np.float32)))


def recognised(found: Found, images: Float[np.ndarray, "seeds tasks c k d"]) -> Float[np.ndarray, "seeds tasks"]:
    """Share of images that the jointly trained network, with the head of their task, assigns to their class."""
    return np.asarray(_recognised(found.of(JOINT).state, images))


def _decode(state: generative.State, noise: Float[Array, "tasks c k z"]) -> Float[Array, "tasks c k d"]:
    z = generative.Prior(state.prior.mean[:, :, None], state.prior.log_var[:, :, None]).sample(noise)
    return jax.nn.sigmoid(state.model.decode(z.reshape(-1, z.shape[-1]))).reshape(*z.shape[:-1], -1)


def _recognise(state: networks.State, images: Float[Array, "tasks c k d"]) -> Float[Array, " tasks"]:
    tasks, classes, count, _ = images.shape
    points = jax.vmap(lambda x: features(state.net, x))(images.reshape(tasks, classes * count, -1))
    found = jnp.einsum("tnp,tpc->tnc", points, state.heads[:, :-1]) + state.heads[:, -1:]
    return heads.right(found, jnp.tile(jnp.repeat(jnp.arange(classes), count), (tasks, 1)))


def _over_seeds(function: Any) -> Any:
    return eqx.filter_jit(eqx.filter_vmap(function, in_axes=(eqx.if_array(0), 0)))


_decoded, _recognised = _over_seeds(_decode), _over_seeds(_recognise)
