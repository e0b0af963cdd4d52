r"""Kernel continual learning (Derakhshani et al. 2021): a shared feature network, and stored samples for each task.

Every task stores N samples a class and solves kernel ridge regression on their present features whenever it is asked. Three
kernels: linear, Gaussian, and variational random features, whose frequencies are drawn from a Gaussian that two small networks
infer from the mean of the stored features, with a divergence from the standard normal as a penalty.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from reprise.networks import MLP
from reprise.papers.kernels_and_features.generative_kernel_cl import heads
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import (
    TABLE_RATE,
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

KERNELS = ("linear", "Gaussian", "variational")
PENALTY = 0.01
"""Weight of the divergence of the frequencies' posterior."""


class Plan(NamedTuple):
    """What distinguishes runs: seed, samples a class, learning rate, and which of `KERNELS`, as three numbers 0 or 1."""

    seed: Count
    memory: Count
    rate: Number
    kernel: Float[Array, "3"] | tuple[float, ...]


class Shared(eqx.Module):
    """What all tasks share: features, the width of the Gaussian kernel, and how frequencies are inferred."""

    net: MLP
    log_width: Float[Array, ""]
    spread: MLP

    def __init__(self, inputs: int, sizes: Sizes, key: PRNGKeyArray) -> None:
        """Draw the weights."""
        first, second = jax.random.split(key)
        self.net = network(inputs, sizes.hidden, sizes.latent, first)
        self.log_width = jnp.zeros((), jnp.float32)
        self.spread = MLP(
            sizes.latent, sizes.latent, 2 * sizes.latent, depth=2, parametrisation="standard", b_std=0.01, key=second
        )

    def frequencies(self, core: Float[Array, "m p"], used: Float[Array, " m"]) -> tuple[Array, Array]:
        """Mean and log variance of the frequencies' posterior, from the mean of the features that count."""
        centre = used @ core / jnp.sum(used)
        mean, log_var = jnp.split(self.spread(centre), 2)
        return mean, 2.0 * jnp.tanh(0.5 * log_var)


class State(NamedTuple):
    """What a learner keeps besides the stored samples."""

    shared: Shared
    scalars: Float[Array, "tasks 3"]


class Luck(NamedTuple):
    """Randomness of the random features."""

    noise: Float[Array, "k p"]
    phases: Float[Array, " k"]


class Stored(NamedTuple):
    """The learner: sizes of its arrays, and whether a class may be sought among those of all tasks."""

    sizes: Sizes
    disjoint: bool = True

    def build(self, images: Images, key: PRNGKeyArray) -> Shared:
        """The networks."""
        return Shared(images.x.shape[-1], self.sizes, key)

    def start(self, model: Shared, images: Images, rng: np.random.Generator) -> State:
        """Heads at their start, and the frequencies' posterior at the standard normal prior."""
        del rng
        where = lambda m: (m.spread.weights[-1], m.spread.biases[-1], m.log_width)  # noqa: E731 - Equinox's way to point
        still = eqx.tree_at(where, model, replace_fn=np.zeros_like)
        return State(still, heads.start(images.core.shape[1]))

    def needs(self, images: Images, *, training: bool) -> tuple[int, int]:
        """Noise of the frequencies; phases, and rows in training."""
        del images
        s = self.sizes
        return s.frequencies * s.latent, s.frequencies + (s.batch if training else 0)

    def luck(self, noise: Pieces, uniform: Pieces) -> Luck:
        """Noise of the frequencies, and phases."""
        s = self.sizes
        return Luck(noise.take(s.frequencies, s.latent), 2.0 * jnp.pi * uniform.take(s.frequencies))

    def kernels(
        self,
        shared: Shared,
        plan: Plan,
        queries: Float[Array, "q p"],
        core: Float[Array, "m p"],
        used: Float[Array, " m"],
        luck: Luck,
    ) -> tuple[Float[Array, "q m"], Float[Array, "m m"]]:
        """Kernel of the run between queries and samples, and among samples."""
        mean, log_var = shared.frequencies(core, used)
        chosen = mean + jnp.exp(0.5 * log_var) * luck.noise
        a, b = (heads.fourier(points, chosen, luck.phases) for points in (queries, core))
        pairs = [
            (queries @ core.T, core @ core.T),
            (
                heads.gaussian_kernel(queries, core, shared.log_width),
                heads.gaussian_kernel(core, core, shared.log_width),
            ),
            (a @ b.T, b @ b.T),
        ]
        across, gram = (sum(w * p[i] for w, p in zip(plan.kernel, pairs, strict=True)) for i in (0, 1))
        return across, gram

    def learn(self, state: State, plan: Plan, images: Images, task: Int[Array, ""], noise: Noise) -> State:
        """Train the shared networks and the task's head; stored images are not trained on as queries."""
        s, n, classes = self.sizes, images.x.shape[2], images.core.shape[2]
        core = images.core[plan.seed, task].reshape(classes * s.memory, -1)
        targets, used = heads.labelled(classes, s.memory, plan.memory)

        def loss(now: State, number: Int[Array, ""]) -> Array:
            normal, uniform = Pieces(noise.normal[plan.seed, number]), Pieces(noise.uniform[plan.seed, number])
            rows = whole(uniform.take(s.batch), n)
            points = features(now.shared.net, jnp.concatenate([images.x[plan.seed, task, rows], core]))
            q, c = points[: s.batch], points[s.batch :]
            across, gram = self.kernels(now.shared, plan, q, c, used, self.luck(normal, uniform))
            found = heads.scores(across, gram, targets, used, now.scalars)
            mean, log_var = now.shared.frequencies(c, used)
            apart = heads.gaussian_divergence(mean, log_var, jnp.zeros_like(mean), jnp.zeros_like(mean))
            return (
                jnp.mean(heads.cross_entropy(found, images.y[plan.seed, task, rows])) + PENALTY * plan.kernel[2] * apart
            )

        rate = task_rate(plan.rate, s, task)
        begun = State(state.shared, state.scalars[task])
        rates = flat_rates(begun, rate)._replace(scalars=TABLE_RATE * rate)
        now = descend(loss, begun, rates, s.steps)
        return State(now.shared, state.scalars.at[task].set(now.scalars))

    def assess(
        self, state: State, plan: Plan, images: Images, held: Held, task: Int[Array, ""], noise: Noise
    ) -> dict[str, Array]:
        """On every task, averaged over draws of the random features: `accuracy` and `loss`, and `union` among all classes.

        Heads are solved on the present features of the stored samples; nothing that was solved before is kept.
        """
        tasks, classes, m, d = images.core.shape[1:]
        targets, used = heads.labelled(classes, m, plan.memory)
        core = features(state.shared.net, images.core[plan.seed].reshape(-1, d)).reshape(tasks, classes * m, -1)
        queries = jax.vmap(lambda x: features(state.shared.net, x))(held.x[plan.seed])
        y, seen = held.y[plan.seed], jnp.arange(tasks) <= task

        def draw(numbers: tuple[Array, Array]) -> dict[str, Array]:
            luck = self.luck(Pieces(numbers[0]), Pieces(numbers[1]))

            def own(c: Array, q: Array, labels: Array, scalars: Array) -> dict[str, Array]:
                found = heads.scores(*self.kernels(state.shared, plan, q, c, used, luck), targets, used, scalars)
                return {"accuracy": heads.right(found, labels), "loss": jnp.mean(heads.cross_entropy(found, labels))}

            out: dict[str, Any] = jax.vmap(own)(core, queries, y, state.scalars)
            if self.disjoint:
                wide, counted, shared = heads.joined(targets, used, seen, state.scalars)
                flat, every = (part.reshape(-1, part.shape[-1]) for part in (queries, core))
                pair = self.kernels(state.shared, plan, flat, every, counted, luck)
                out["union"] = heads.right_among_seen(heads.scores(*pair, wide, counted, shared), y, seen)
            return out

        drawn = jax.lax.map(draw, (noise.normal[plan.seed], noise.uniform[plan.seed]))
        return jax.tree.map(lambda a: jnp.mean(a, axis=0), drawn)
