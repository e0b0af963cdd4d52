"""The protocol: choose numbers on the first two tasks, then meet the tasks one after another and look at all of them each time."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from reprise.papers.kernels_and_features.generative_kernel_cl import learners
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import Held, Images, Learner, Noise
from reprise.papers.kernels_and_features.generative_kernel_cl.streams import Stream

CHOOSING = 2
"""Seeds on which learning rates and the like are chosen."""


class Runs(NamedTuple):
    """What was measured on one method, all seeds.

    Attributes:
        found: by name, shape (seeds, tasks seen, tasks): entry (s, t, i) is on task i after task t was learnt.
        state: what each seed keeps after the last task, stacked.
    """

    found: dict[str, Float[np.ndarray, "seeds tasks tasks"]]
    state: Any

    @property
    def final(self) -> Float[np.ndarray, " seeds"]:
        r"""Mean accuracy after the last task, $A_T=\frac1T\sum_ia_{i,T}$."""
        return average(self.found["accuracy"])

    @property
    def forgetting(self) -> Float[np.ndarray, " seeds"]:
        r"""$F_T=\frac1{T-1}\sum_{i<T}\max_{i\le t<T}(a_{i,t}-a_{i,T})$."""
        return forgetting(self.found["accuracy"])


def average(table: Float[np.ndarray, "... tasks tasks"]) -> Float[np.ndarray, "..."]:
    """Mean over tasks after the last one.

    >>> average(np.asarray([[0.9, 0.1], [0.7, 0.8]]))
    np.float64(0.75)
    """
    return np.asarray(table)[..., -1, :].mean(axis=-1)


def forgetting(table: Float[np.ndarray, "... tasks tasks"]) -> Float[np.ndarray, "..."]:
    """Mean, over all tasks but the last, of the best accuracy since it was learnt less the one at the end.

    >>> forgetting(np.asarray([[0.9, 0.1, 0.2], [0.7, 0.8, 0.3], [0.6, 0.9, 0.8]])).round(6)
    np.float64(0.1)

    Raises:
        ValueError: there is one task only, which nothing can make forgotten.
    """
    values = np.asarray(table)
    tasks = values.shape[-1]
    if tasks < 2:
        raise ValueError("forgetting needs at least two tasks")
    lost = [values[..., i:-1, i].max(axis=-1) - values[..., -1, i] for i in range(tasks - 1)]
    return np.mean(lost, axis=0)


class Bench:
    """A stream on the device, with the number of runs that are trained at once.

    Attributes:
        stream: the tasks.
        images: what can be trained on.
        seed: base of all draws. Runs of one seed share initial weights and noise, whatever their method's numbers.
    """

    def __init__(
        self, stream: Stream, at_once: int, *, seed: int = 0, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Put the images on the device; `advance` is told of every task that a group of runs has learnt."""
        self.stream, self.at_once, self.seed, self._advance = stream, at_once, seed, advance
        self.images = Images.of(stream)
        self._test = Held(jnp.asarray(stream.x_test), jnp.asarray(stream.y_test))
        self._validation = Held(jnp.asarray(stream.x_val), jnp.asarray(stream.y_val))

    def choose(self, learner: Learner, plans: Sequence[Any], seeds: int = CHOOSING) -> int:
        """Which plan (without a seed) has the least validation loss on the first two tasks once it has learnt both.

        One task alone would not do: nothing is forgotten yet, and a generator would be given no weight.
        """
        if len(plans) == 1:
            return 0
        used, losses = min(seeds, self.stream.seeds), []
        noise = [self._noise(learner, t) for t in (0, 1)]
        for runs, rows in self._batches(plans, used):
            state = self.start(learner, rows)
            for t in (0, 1):
                state = learners.trained(learner, state, runs, self.images, jnp.asarray(t), noise[t][0])
            out = learners.assessed(learner, state, runs, self.images, self._validation, jnp.asarray(1), noise[1][1])
            losses.append(np.asarray(out["loss"])[:, :2].mean(axis=1))
        table = np.concatenate(losses)[: len(plans) * used].reshape(len(plans), -1)
        return int(np.argmin(np.where(np.isfinite(table), table, np.inf).mean(axis=1)))

    def follow(self, learner: Learner, plans: dict[str, Any]) -> dict[str, Runs]:
        """All tasks, one after another, by every plan (without a seed) at every seed; assessed on test images each time.

        Raises:
            FloatingPointError: a run diverged.
        """
        parts = self._batches(list(plans.values()), self.stream.seeds)
        states: list[Any] = [self.start(learner, seeds) for _, seeds in parts]
        seen: list[list[dict[str, np.ndarray]]] = [[] for _ in parts]
        for t in range(self.stream.tasks):
            task, (training, looking) = jnp.asarray(t), self._noise(learner, t)
            for i, (runs, _) in enumerate(parts):
                states[i] = learners.trained(learner, states[i], runs, self.images, task, training)
                out = learners.assessed(learner, states[i], runs, self.images, self._test, task, looking)
                seen[i].append({name: np.asarray(value, np.float64) for name, value in out.items()})
                self._advance(1)
        done = list(zip(seen, states, strict=True))
        names = done[0][0][0].keys()
        tables = {n: np.concatenate([np.stack([s[n] for s in seen], axis=1) for seen, _ in done]) for n in names}
        if not all(np.isfinite(table).all() for table in tables.values()):
            raise FloatingPointError(f"{self.stream.name}: a run diverged; take smaller learning rates")
        states = jax.tree.map(lambda *leaves: np.concatenate(leaves), *[state for _, state in done])
        size = self.stream.seeds

        def of(i: int) -> Runs:
            part = slice(i * size, (i + 1) * size)
            return Runs({n: v[part] for n, v in tables.items()}, jax.tree.map(lambda leaf: leaf[part], states))

        return {name: of(i) for i, name in enumerate(plans)}

    def start(self, learner: Learner, seeds: Sequence[int]) -> Any:
        """The states of runs of these seeds before the first task, with the same weights for the same seed."""
        shapes = eqx.filter_eval_shape(lambda: learner.build(self.images, jax.random.key(0)))

        def one(seed: int) -> Any:
            rng = np.random.default_rng([self.seed, seed, 6])
            return learner.start(jax.tree.map(lambda leaf: _drawn(leaf, rng), shapes), self.images, rng)

        made = [one(seed) for seed in range(self.stream.seeds)]
        rows = np.asarray(seeds)
        return jax.tree.map(lambda *leaves: np.stack(leaves)[rows], *made)

    def _noise(self, learner: Learner, task: int) -> tuple[Noise, Noise]:
        """Random numbers to train on a task and to assess after it."""
        seeds, sizes = self.stream.seeds, learner.sizes
        return (
            Noise.draw(seeds, sizes.steps, learner.needs(self.images, training=True), [self.seed, task, 7]),
            Noise.draw(seeds, sizes.draws, learner.needs(self.images, training=False), [self.seed, task, 8]),
        )

    def _batches(self, plans: Sequence[Any], seeds: int) -> list[tuple[Any, list[int]]]:
        """All plans at the first seeds in groups of one size, the last filled up with repeats so that nothing is compiled anew."""
        rows = [(p._replace(seed=s), s) for p in plans for s in range(seeds)]
        rows += [rows[-1]] * (-len(rows) % self.at_once)
        groups = [rows[i : i + self.at_once] for i in range(0, len(rows), self.at_once)]
        return [(_stacked([plan for plan, _ in group]), [s for _, s in group]) for group in groups]


def _drawn(leaf: Any, rng: np.random.Generator) -> Any:
    """An array of the given shape: weights of variance 2 over the fan in, biases of 0.01; what is no array stays."""
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    scale = (2.0 / leaf.shape[-1]) ** 0.5 if len(leaf.shape) == 2 else 0.01
    return np.asarray(scale * rng.standard_normal(leaf.shape), np.float32)


def _stacked(plans: list[Any]) -> Any:
    """Plans of numbers as one plan of arrays; a tuple of numbers becomes one more axis."""

    def column(values: tuple[Any, ...]) -> np.ndarray:
        array = np.asarray(values)
        return array.astype(np.int32 if array.dtype.kind == "i" else np.float32)

    return type(plans[0])(*map(column, zip(*plans, strict=True)))
