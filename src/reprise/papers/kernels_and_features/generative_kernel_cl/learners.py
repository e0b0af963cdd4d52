"""What all learners share: their networks, their optimiser, how they look up images, how they are trained and assessed.

A *run* is one method with one seed. Runs of one kind of learner differ in numbers only (their `plan`), so that one compiled
function trains many of them together, and the same function serves all tasks.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from reprise.networks import MLP
from reprise.papers.kernels_and_features.generative_kernel_cl.streams import Stream

TABLE_RATE = 10.0
"""Rate of the few parameters that a task has of its own, over that of the networks: Adam moves none by more than its rate."""


Number = Float[Array, ""] | float
Count = Int[Array, ""] | int
"""A number of a plan: plain where plans are written, an array where runs are mapped over."""


class Sizes(NamedTuple):
    """Sizes that fix the shapes of all arrays, so that they are known when a function is compiled.

    Attributes:
        hidden: width of the two hidden layers of a network.
        latent: dimension of latents and features.
        frequencies: number of random features.
        memory: largest number of samples a class.
        steps: training steps a task.
        batch: images a step; as many are rehearsed.
        draws: draws over which an accuracy is averaged.
        rate_decay: factor of the learning rate from task to task.
    """

    hidden: int
    latent: int
    frequencies: int
    memory: int
    steps: int
    batch: int
    draws: int
    rate_decay: float


class Images(NamedTuple):
    """The images of a stream, on the device: training images, their labels and stored samples, all seeds."""

    x: Float[Array, "seeds tasks n d"]
    y: Int[Array, "seeds tasks n"]
    core: Float[Array, "seeds tasks c m d"]

    @classmethod
    def of(cls, stream: Stream) -> "Images":
        """Those of a stream."""
        return cls(jnp.asarray(stream.x), jnp.asarray(stream.y), jnp.asarray(stream.core))


class Held(NamedTuple):
    """Images to assess on."""

    x: Float[Array, "seeds tasks v d"]
    y: Int[Array, "seeds tasks v"]


class Noise(NamedTuple):
    """Random numbers of one task or one assessment: for each seed and each step (or draw) a row of each kind.

    Runs of one seed share them, whatever their method's numbers, so that methods are compared pair by pair. They are drawn
    beforehand, since most of the time to compile a training step would go into a generator inside it.
    """

    normal: Float[Array, "seeds steps k"]
    uniform: Float[Array, "seeds steps u"]

    @classmethod
    def draw(cls, seeds: int, steps: int, needs: tuple[int, int], entropy: list[int]) -> "Noise":
        """Standard normal and uniform numbers; a seed's do not depend on how many seeds there are."""
        rngs = [np.random.default_rng([*entropy, i]) for i in range(seeds)]
        normal = np.stack([rng.standard_normal((steps, needs[0]), np.float32) for rng in rngs])
        return cls(
            jnp.asarray(normal), jnp.asarray(np.stack([rng.random((steps, needs[1]), np.float32) for rng in rngs]))
        )


class Pieces:
    """Cuts a row of random numbers into arrays of the shapes that are asked for, one after another."""

    def __init__(self, row: Float[Array, " k"]) -> None:
        """Begin at the first number."""
        self._row, self._at = row, 0

    def take(self, *shape: int) -> Float[Array, "..."]:
        """The next numbers, in this shape."""
        size = math.prod(shape)
        piece = self._row[self._at : self._at + size].reshape(shape)
        self._at += size
        return piece


def whole(uniform: Float[Array, "..."], count: Any) -> Int[Array, "..."]:
    """Uniform numbers in [0, 1) as whole numbers from 0 to count - 1; 0 if the count is 0.

    >>> whole(jnp.asarray([0.0, 0.5, 0.999]), 4).tolist()
    [0, 2, 3]
    """
    return jnp.clip(jnp.floor(uniform * count).astype(jnp.int32), 0, jnp.maximum(count - 1, 0))


class Learner(Protocol):
    """A continual learner; all methods but `needs` are of one run, and mapped over runs by `trained` and `assessed`."""

    @property
    def sizes(self) -> Sizes:
        """Of its arrays."""

    def build(self, images: Images, key: PRNGKeyArray) -> Any:
        """The networks, whose arrays are then drawn anew."""

    def start(self, model: Any, images: Images, rng: np.random.Generator) -> Any:
        """The state before the first task, from networks."""

    def needs(self, images: Images, *, training: bool) -> tuple[int, int]:
        """How many normal and uniform numbers a step, or a draw, takes."""

    def learn(self, state: Any, plan: Any, images: Images, task: Int[Array, ""], noise: Noise) -> Any:
        """The state after one more task."""

    def assess(
        self, state: Any, plan: Any, images: Images, held: Held, task: Int[Array, ""], noise: Noise
    ) -> dict[str, Array]:
        """Accuracies and the like on all tasks, where `task` is the last one that was learnt."""


_F = TypeVar("_F", bound=Callable[..., Any])


def _one_thread(function: _F) -> _F:
    """Compiled, with products on one thread: lanes of runs keep the cores busy (see `study`), and threads would only wait."""
    options: dict[str, Any] = {"compiler_options": {"xla_cpu_multi_thread_eigen": False}}
    return cast("_F", eqx.filter_jit(function, **options))


@_one_thread
def trained(learner: Learner, states: Any, plans: Any, images: Images, task: Int[Array, ""], noise: Noise) -> Any:
    """The states of all runs after one more task."""
    return eqx.filter_vmap(
        lambda state, plan: learner.learn(state, plan, images, task, noise), in_axes=(eqx.if_array(0), 0)
    )(states, plans)


@_one_thread
def assessed(
    learner: Learner, states: Any, plans: Any, images: Images, held: Held, task: Int[Array, ""], noise: Noise
) -> dict[str, Array]:
    """What `Learner.assess` gives for all runs, one after another to spare memory."""
    return jax.lax.map(lambda run: learner.assess(run[0], run[1], images, held, task, noise), (states, plans))


def network(inputs: int, hidden: int, outputs: int, key: PRNGKeyArray) -> MLP:
    """Two hidden layers of ReLU units in the standard parametrisation."""
    return MLP(inputs, hidden, outputs, depth=3, parametrisation="standard", w_std=2.0**0.5, b_std=0.01, key=key)


def features(net: MLP, x: Float[Array, "n d"]) -> Float[Array, "n p"]:
    """Features of images: outputs of a network, standardised for each image by itself and scaled to length 2.

    The published predecessor brings features to [0, 1] by the extremes of a batch, so that a prediction depends on what
    else is asked; this does not.
    """
    out = jax.vmap(net)(x)
    centred = out - jnp.mean(out, axis=1, keepdims=True)
    return 2.0 * centred * jax.lax.rsqrt(jnp.sum(centred**2, axis=1, keepdims=True) + 1e-6)


def descend(loss: Callable[[Any, Int[Array, ""]], Float[Array, ""]], params: Any, rates: Any, steps: int) -> Any:
    """Adam for a number of steps from fresh moments.

    Args:
        loss: of parameters and the number of the step.
        params: arrays to be trained, and whatever else is left as it is.
        rates: a learning rate for each array, in a tree of the same form.
        steps: their number.
    """
    free, fixed = eqx.partition(params, eqx.is_inexact_array)
    # One long vector in place of many arrays: far fewer operations to compile.
    flat, unflat = ravel_pytree(free)
    rate = ravel_pytree(jax.tree.map(lambda leaf, r: jnp.broadcast_to(r, leaf.shape), free, rates))[0]
    adam = optax.scale_by_adam()

    def step(carry: tuple[Any, Any], number: Int[Array, ""]) -> tuple[tuple[Any, Any], None]:
        p, moments = carry
        slope = jax.grad(lambda q: loss(eqx.combine(unflat(q), fixed), number))(p)
        move, moments = adam.update(slope, moments)
        return ((p - rate * move).astype(p.dtype), moments), None

    (flat, _), _ = jax.lax.scan(step, (flat, adam.init(flat)), jnp.arange(steps))
    return eqx.combine(unflat(flat), fixed)


def task_rate(rate: Number, sizes: Sizes, task: Int[Array, ""]) -> Float[Array, ""]:
    """The learning rate at a task, from that at the first."""
    return rate * jnp.asarray(sizes.rate_decay, jnp.float32) ** task


def flat_rates(params: Any, rate: Float[Array, ""]) -> Any:
    """One learning rate for all arrays of a tree."""
    return jax.tree.map(lambda _: rate, eqx.filter(params, eqx.is_inexact_array))
