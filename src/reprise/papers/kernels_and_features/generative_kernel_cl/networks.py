"""Baselines without a kernel: one network with a linear head for each task, fine-tuned, rehearsed, or trained on all tasks."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from reprise.networks import MLP
from reprise.papers.kernels_and_features.generative_kernel_cl import heads
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import (
    Count,
    Held,
    Images,
    Noise,
    Number,
    Pieces,
    Sizes,
    descend,
    features,
    flat_rates,
    network,
    task_rate,
    whole,
)


class Plan(NamedTuple):
    """What distinguishes runs, one number each.

    Attributes:
        seed: which seed of the stream.
        memory: stored samples a class.
        rate: learning rate at the first task.
        rehearse: 1 if stored samples of earlier tasks are rehearsed, as many a step as new images.
        joint: 1 if every step sees images of all tasks, also of those to come: the ceiling.
    """

    seed: Count
    memory: Count
    rate: Number
    rehearse: Number
    joint: Number


class State(NamedTuple):
    """The shared network, and a linear head for each task (the last row is its bias)."""

    net: MLP
    heads: Float[Array, "tasks p1 c"]


class Networks(NamedTuple):
    """The learner: sizes of its arrays, and whether a class may be sought among those of all tasks."""

    sizes: Sizes
    disjoint: bool = True

    def build(self, images: Images, key: PRNGKeyArray) -> MLP:
        """The network."""
        return network(images.x.shape[-1], self.sizes.hidden, self.sizes.latent, key)

    def start(self, model: MLP, images: Images, rng: np.random.Generator) -> State:
        """Heads at 0."""
        del rng
        tasks, classes = images.core.shape[1:3]
        return State(model, jnp.asarray(np.zeros((tasks, self.sizes.latent + 1, classes), np.float32)))

    def needs(self, images: Images, *, training: bool) -> tuple[int, int]:
        """Rows, tasks, and stored samples in training; nothing in assessment."""
        del images
        return 1, 5 * self.sizes.batch if training else 1

    def learn(self, state: State, plan: Plan, images: Images, task: Int[Array, ""], noise: Noise) -> State:
        """Train the network and the heads of the tasks that are looked at."""
        s, (_, tasks, n, _), classes = self.sizes, images.x.shape, images.core.shape[2]
        rehearsed = plan.rehearse * (task > 0)

        def loss(now: State, number: Int[Array, ""]) -> Array:
            luck = Pieces(noise.uniform[plan.seed, number])
            where = jnp.where(plan.joint > 0, whole(luck.take(s.batch), tasks), task)
            rows, old = whole(luck.take(s.batch), n), whole(luck.take(s.batch), task)
            old_y, slots = whole(luck.take(s.batch), classes), whole(luck.take(s.batch), plan.memory)
            x = jnp.concatenate([images.x[plan.seed, where, rows], images.core[plan.seed, old, old_y, slots]])
            labels = jnp.concatenate([images.y[plan.seed, where, rows], old_y.astype(images.y.dtype)])
            chosen = now.heads[jnp.concatenate([where, old])]
            points = features(now.net, x)
            found = jnp.einsum("np,npc->nc", points, chosen[:, :-1]) + chosen[:, -1]
            lost = heads.cross_entropy(found, labels)
            return jnp.mean(lost[: s.batch]) + rehearsed * jnp.mean(lost[s.batch :])

        return descend(loss, state, flat_rates(state, task_rate(plan.rate, s, task)), s.steps)

    def assess(
        self, state: State, plan: Plan, images: Images, held: Held, task: Int[Array, ""], noise: Noise
    ) -> dict[str, Array]:
        """On every task: `accuracy` and `loss` of its head, and `union` among the classes of all heads so far."""
        del images, noise
        tasks, _, classes = state.heads.shape
        points = jax.vmap(lambda x: features(state.net, x))(held.x[plan.seed])
        y, seen = held.y[plan.seed], jnp.arange(tasks) <= task
        every = jnp.einsum("tvp,upc->tvuc", points, state.heads[:, :-1]) + state.heads[:, -1]
        own = jnp.moveaxis(jnp.diagonal(every, axis1=0, axis2=2), -1, 0)
        out = {
            "accuracy": heads.right(own, y),
            "loss": jax.vmap(lambda f, labels: jnp.mean(heads.cross_entropy(f, labels)))(own, y),
        }
        if self.disjoint:
            out["union"] = heads.right_among_seen(every.reshape(-1, tasks * classes), y, seen)
        return out
