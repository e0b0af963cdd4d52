r"""Generative kernel continual learning: a conditional autoencoder that rehearses, and a linear kernel on its latents.

Encoder $q(z|x)=N(\mu(x),\mathrm{diag}\,\sigma^2(x))$, decoder $p(x|z)$, and for every class of every task a prior
$p(z|y,t)=N(m_{y,t},\mathrm{diag}\,s_{y,t}^2)$. On task t the loss is

$$L_{CE}(\text{ridge on generated samples})+L_{VAE}(D_t)+L_{VAE}(\tilde D_{<t})+\lambda_{SC}L_{SC},$$

with $\tilde D_{<t}$ drawn from a copy that was frozen after task t - 1. The classifier is not rehearsed. Its samples are latents
$z\sim p(z|y,t)$ and its features of an image $\mu(x)$; with `images`, samples are decoded and encoded again.
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
    flat_rates,
    network,
    task_rate,
    whole,
)

VARIANCE = 0.05
"""Of a pixel, where pixels are Gaussian."""


class Plan(NamedTuple):
    """What distinguishes runs, one number each.

    Attributes:
        seed: which seed of the stream.
        memory: samples a class.
        rate: learning rate at the first task.
        weight: of the classification loss.
        contrast: weight of the contrastive term.
        shuffled: 1 if that term sees random labels.
        rehearse: 1 if the generator rehearses.
    """

    seed: Count
    memory: Count
    rate: Number
    weight: Number
    contrast: Number
    shuffled: Number
    rehearse: Number


class Generator(eqx.Module):
    """The conditional autoencoder's networks."""

    encoder: MLP
    decoder: MLP

    def __init__(self, inputs: int, sizes: Sizes, key: PRNGKeyArray) -> None:
        """Draw the weights."""
        first, second = jax.random.split(key)
        self.encoder = network(inputs, sizes.hidden, 2 * sizes.latent, first)
        self.decoder = network(sizes.latent, sizes.hidden, inputs, second)

    def encode(self, x: Float[Array, "n d"]) -> tuple[Float[Array, "n z"], Float[Array, "n z"]]:
        """Mean and log variance of the latents; the latter is kept within a range where it is harmless."""
        mean, log_var = jnp.split(jax.vmap(self.encoder)(x), 2, axis=1)
        return mean, 4.0 * jnp.tanh(0.25 * log_var)

    def decode(self, z: Float[Array, "n z"]) -> Float[Array, "n d"]:
        """Pixels before the sigmoid."""
        return jax.vmap(self.decoder)(z)


class Prior(NamedTuple):
    """Means and log variances of Gaussians, in any number of leading axes."""

    mean: Float[Array, "... z"]
    log_var: Float[Array, "... z"]

    def sample(self, noise: Float[Array, "... z"]) -> Float[Array, "... z"]:
        """Latents from standard normal noise."""
        return self.mean + jnp.exp(0.5 * self.log_var) * noise

    def at(self, *index: Any) -> "Prior":
        """Those at an index of the leading axes."""
        return Prior(self.mean[index], self.log_var[index])


class State(NamedTuple):
    """What a learner keeps: networks, priors of all classes of all tasks, scalars of all heads. No image."""

    model: Generator
    prior: Prior
    scalars: Float[Array, "tasks 3"]


class Trained(NamedTuple):
    """What is trained on one task: the networks, and what the task has of its own."""

    model: Generator
    prior: Prior
    scalars: Float[Array, "3"]


def evidence_loss(
    model: Generator, x: Float[Array, "n d"], prior: Prior, noise: Float[Array, "n z"], *, gaussian: bool
) -> tuple[Float[Array, " n"], Float[Array, "n z"]]:
    r"""$-E_q\log p(x|z)+\mathrm{KL}(q(z|x)\|p(z|y,t))$ of each image (up to a constant), and the means of its latents.

    Args:
        model: the networks.
        x: images.
        prior: of each image's class.
        noise: standard normal.
        gaussian: pixels of variance 0.05 in place of Bernoulli ones.
    """
    mean, log_var = model.encode(x)
    logits = model.decode(mean + jnp.exp(0.5 * log_var) * noise)
    if gaussian:
        lost = jnp.sum((x - jax.nn.sigmoid(logits)) ** 2, axis=1) / (2.0 * VARIANCE)
    else:
        lost = jnp.sum(jax.nn.softplus(logits) - x * logits, axis=1)
    return lost + heads.gaussian_divergence(mean, log_var, *prior), mean


class Generative(NamedTuple):
    """The learner.

    Attributes:
        sizes: of its arrays.
        gaussian: the model of a pixel.
        images: samples for the classifier are decoded and encoded again.
        disjoint: whether a class may be sought among those of all tasks.
        everything: the classifier is rehearsed too: for the costs, not for the method.
    """

    sizes: Sizes
    gaussian: bool = False
    images: bool = False
    disjoint: bool = True
    everything: bool = False

    def build(self, images: Images, key: PRNGKeyArray) -> Generator:
        """The networks."""
        return Generator(images.x.shape[-1], self.sizes, key)

    def start(self, model: Generator, images: Images, rng: np.random.Generator) -> State:
        """Priors of variance 1 at random places, heads at their start."""
        shape = (*images.core.shape[1:3], self.sizes.latent)
        prior = Prior(jnp.asarray(rng.standard_normal(shape, np.float32)), jnp.asarray(np.zeros(shape, np.float32)))
        return State(model, prior, heads.start(shape[0]))

    def needs(self, images: Images, *, training: bool) -> tuple[int, int]:
        """Training: noise of rehearsed, encoded and sampled latents. Assessment: samples of all classes of all tasks."""
        s, (tasks, classes) = self.sizes, images.core.shape[1:3]
        if training:
            return (3 * s.batch + classes * s.memory) * s.latent, 4 * s.batch
        return tasks * classes * s.memory * s.latent, tasks * classes * s.memory

    def samples(self, model: Generator, prior: Prior, noise: Float[Array, "c m z"]) -> Float[Array, "cm z"]:
        """Features of generated samples, class by class."""
        z = Prior(prior.mean[:, None], prior.log_var[:, None]).sample(noise).reshape(-1, self.sizes.latent)
        return model.encode(jax.nn.sigmoid(model.decode(z)))[0] if self.images else z

    def learn(self, state: State, plan: Plan, images: Images, task: Int[Array, ""], noise: Noise) -> State:
        """Train on one task; priors and heads of the others stay as they are."""
        now = Trained(state.model, state.prior.at(task), state.scalars[task])
        rate = task_rate(plan.rate, self.sizes, task)
        rates = flat_rates(now, rate)._replace(
            prior=Prior(TABLE_RATE * rate, TABLE_RATE * rate), scalars=TABLE_RATE * rate
        )  # fmt: skip
        now = descend(
            lambda p, i: self.loss(p, state, plan, images, task, noise.normal[plan.seed, i], noise.uniform[plan.seed, i]),
            now, rates, self.sizes.steps,
        )  # fmt: skip
        return State(
            now.model,
            Prior(state.prior.mean.at[task].set(now.prior.mean), state.prior.log_var.at[task].set(now.prior.log_var)),
            state.scalars.at[task].set(now.scalars),
        )

    def loss(
        self,
        now: Trained,
        frozen: State,
        plan: Plan,
        images: Images,
        task: Int[Array, ""],
        normal: Float[Array, " k"],
        uniform: Float[Array, " u"],
    ) -> Float[Array, ""]:
        """The whole loss on one batch and as many rehearsed images, with this step's random numbers."""
        s, n, classes = self.sizes, images.x.shape[2], images.core.shape[2]
        noise, luck = Pieces(normal), Pieces(uniform)
        rows, old = whole(luck.take(s.batch), n), whole(luck.take(s.batch), task)
        old_y, random_y = whole(luck.take(s.batch), classes), whole(luck.take(s.batch), classes)
        x, y = images.x[plan.seed, task, rows], images.y[plan.seed, task, rows]
        old_prior = frozen.prior.at(old, old_y)
        again = jax.nn.sigmoid(frozen.model.decode(old_prior.sample(noise.take(s.batch, s.latent))))
        both = Prior(*(jnp.concatenate([a[y], b]) for a, b in zip(now.prior, old_prior, strict=True)))
        lost, mean = evidence_loss(
            now.model, jnp.concatenate([x, again]), both, noise.take(2 * s.batch, s.latent), gaussian=self.gaussian
        )
        rehearsed = plan.rehearse * (task > 0)
        total = jnp.mean(lost[: s.batch]) + rehearsed * jnp.mean(lost[s.batch :])
        own, drawn = mean[: s.batch], noise.take(classes, s.memory, s.latent)
        total += plan.weight * jnp.mean(heads.cross_entropy(self.head(now, own, plan, drawn), y))
        total += plan.contrast * heads.contrast(own, jnp.where(plan.shuffled > 0, random_y, y))
        if self.everything:
            total += rehearsed * self.rehearsed_head(now.model, frozen, mean[s.batch :], old, old_y, plan, drawn)
        return total

    def head(
        self, now: Trained, queries: Float[Array, "q z"], plan: Plan, noise: Float[Array, "c m z"]
    ) -> Float[Array, "q c"]:
        """Scores of queries by a head that is solved on samples generated now."""
        core = self.samples(now.model, now.prior, noise)
        targets, used = heads.labelled(noise.shape[0], self.sizes.memory, plan.memory)
        return heads.linear_scores(queries, core, targets, used, now.scalars)

    def rehearsed_head(
        self,
        model: Generator,
        frozen: State,
        queries: Float[Array, "q z"],
        old: Int[Array, " q"],
        old_y: Int[Array, " q"],
        plan: Plan,
        noise: Float[Array, "c m z"],
    ) -> Float[Array, ""]:
        """Cross-entropy of rehearsed images by the heads of all tasks but the last, every one of which has to be solved."""

        def one(i: Int[Array, ""]) -> Array:
            return self.head(Trained(model, frozen.prior.at(i), frozen.scalars[i]), queries, plan, noise)

        found = jax.vmap(one)(jnp.arange(len(frozen.scalars) - 1))[old, jnp.arange(len(old))]
        return jnp.mean(heads.cross_entropy(found, old_y))

    def assess(
        self, state: State, plan: Plan, images: Images, held: Held, task: Int[Array, ""], noise: Noise
    ) -> dict[str, Array]:
        """On every task, averaged over draws of the samples.

        `accuracy` and `loss` of the heads; `permuted`: accuracy with the labels of the samples permuted; `nearest`: of
        the nearest sample; `means`: of the nearest prior mean; `fisher`: log ratio of variances between and within the
        classes' priors; `union`: accuracy among the classes of all tasks so far.
        """
        del images  # nothing that was seen is kept
        tasks, classes, z = state.prior.mean.shape
        m = self.sizes.memory
        queries = jax.vmap(lambda x: state.model.encode(x)[0])(held.x[plan.seed])
        y, seen = held.y[plan.seed], jnp.arange(tasks) <= task
        targets, used = heads.labelled(classes, m, plan.memory)
        owner = jnp.repeat(jnp.arange(classes), m)

        def own(c: Array, q: Array, labels: Array, scalars: Array, luck: Array) -> dict[str, Array]:
            across = q @ c.T
            both = jnp.concatenate([targets, permuted(targets, used, luck)], axis=1)
            found = heads.linear_scores(q, c, both, used, scalars)
            apart = jnp.sum(c**2, axis=1) - 2.0 * across + jnp.where(used > 0, 0.0, jnp.inf)
            return {
                "accuracy": heads.right(found[:, :classes], labels),
                "loss": jnp.mean(heads.cross_entropy(found[:, :classes], labels)),
                "permuted": heads.right(found[:, classes:], labels),
                "nearest": jnp.mean(owner[jnp.argmin(apart, axis=1)] == labels),
            }

        def draw(numbers: tuple[Array, Array]) -> dict[str, Array]:
            normal, uniform = numbers[0].reshape(tasks, classes, m, z), numbers[1].reshape(tasks, -1)
            core = jax.vmap(lambda p, e: self.samples(state.model, p, e))(state.prior, normal)
            out = jax.vmap(own)(core, queries, y, state.scalars, uniform)
            if self.disjoint:
                wide = heads.joined(targets, used, seen, state.scalars)
                found = heads.linear_scores(queries.reshape(-1, z), core.reshape(-1, z), *wide)
                out["union"] = heads.right_among_seen(found, y, seen)
            return out

        drawn = jax.lax.map(draw, (noise.normal[plan.seed], noise.uniform[plan.seed]))
        out = jax.tree.map(lambda a: jnp.mean(a, axis=0), drawn)
        out |= {name: jnp.mean(drawn["accuracy"][i::2], axis=0) for i, name in enumerate(("even", "odd"))}
        gaps = jnp.sum((queries[:, :, None] - state.prior.mean[:, None]) ** 2, axis=-1)
        return out | {"means": heads.right(-gaps, y), "fisher": fisher(state.prior)}


def permuted(
    targets: Float[Array, "m c"], used: Float[Array, " m"], uniform: Float[Array, " m"]
) -> Float[Array, "m c"]:
    """Targets permuted among the samples that count, in the order of uniform numbers."""
    drawn = jnp.argsort(jnp.where(used > 0, uniform, 2.0))
    return jnp.zeros_like(targets).at[jnp.argsort(-used, stable=True)].set(targets[drawn])


def fisher(prior: Prior) -> Float[Array, " tasks"]:
    """Log of the mean squared distance of class means from their mean, over the mean variance within classes."""
    between = jnp.sum((prior.mean - jnp.mean(prior.mean, axis=1, keepdims=True)) ** 2, axis=2)
    within = jnp.sum(jnp.exp(prior.log_var), axis=2)
    return jnp.log(jnp.mean(between, axis=1) / jnp.mean(within, axis=1))
