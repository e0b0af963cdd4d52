"""Claims C2 and C3: the closed form against descent and scikit-learn, and how well networks imitate the teacher."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    convnets,
    distillation,
    jobs,
    pretraining,
    ridge_head,
    teacher,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import STILL
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.pretraining import Lesson
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import FAIR, LABELLED, PLAIN, Sets, World

HEADS = 3
"""Random networks whose heads are compared."""
OUTPUTS, NEW = 8, 64
"""Target dimensions and held-out images of the comparison of heads."""
SMOOTH = 20
"""Last outer steps over which a loss is averaged."""


class Head(NamedTuple):
    """Features of a network on a random subset and on held-out images, targets, and a head trained by descent."""

    features: Float[np.ndarray, "m d"]
    targets: Float[np.ndarray, "m p"]
    new: Float[np.ndarray, "n d"]
    descent: ridge_head.Descent

    def closed(self, *, constant: bool = True, scaled: bool = True) -> Float[np.ndarray, "n p"]:
        """Predictions of the closed form."""
        args = (self.features, self.targets, self.new)
        return np.asarray(_closed(*args, constant=constant, scaled=scaled))


_closed = jax.jit(ridge_head.predict, static_argnames=("constant", "scaled"))


def heads(world: World, arch: Architecture, sets: Sequence[Sets], *, seed: int = 0) -> list[Head]:
    """Untrained networks on the first random subset, whose heads are solved in closed form and by descent."""
    x, y = sets[0].pairs["random, teacher"]
    found = []
    for i in range(HEADS):
        network = convnets.create(arch, 1, [seed, 20, i])
        both = np.concatenate([x, world.source.held_out[:NEW]])
        features = convnets.features(arch, network, both).astype(np.float64)
        kept, new, targets = features[: len(x)], features[len(x) :], y[:, :OUTPUTS].astype(np.float64)
        found.append(Head(kept, targets, new, ridge_head.descend(kept, targets, new)))
    return found


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def _worst(values: Sequence[float], method: str) -> Estimate:
    return Estimate.exact(max(values), n=len(values), method=method, samples=values)


def from_descent(found: Sequence[Head], *, constant: bool = True) -> Estimate:
    """Largest relative distance of the closed form from the head that descent ends with."""
    return _worst(
        [_apart(h.closed(constant=constant), h.descent.predictions[-1]) for h in found], "largest over networks"
    )


def from_scikit_learn(found: Sequence[Head], *, scaled: bool = True) -> Estimate:
    """Largest relative distance of the closed form from scikit-learn's ridge regression, on features and on the kernel."""
    values = []
    for h in found:
        a, b = (np.concatenate([f, np.ones((len(f), 1))], axis=1) for f in (h.features, h.new))
        gram = a @ a.T
        ridge = ridge_head.SCALE * float(np.trace(gram))
        primal = Ridge(alpha=ridge, fit_intercept=False, solver="svd").fit(a, h.targets).predict(b)
        dual = KernelRidge(alpha=ridge, kernel="precomputed").fit(gram, h.targets).predict(b @ a.T)
        values += [_apart(h.closed(scaled=scaled), other) for other in (primal, dual)]
    return _worst(values, "largest over networks and both forms")


def outer_gradient(
    world: World, arch: Architecture, sets: Sequence[Sets], *, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Largest relative difference of the outer gradient from central differences of the outer loss at a fixed penalty.

    Everything in float64; along random directions, half of them in the images and half in the targets. The second
    estimate is of the gradient that lets nothing through the kernel of the distilled images.
    """
    x, y = (np.asarray(a, np.float64) for a in sets[0].pairs["random, teacher"])
    data = tuple(np.asarray(a[:NEW], np.float64) for a in (world.views, world.wanted))
    network = jax.tree.map(lambda w: w.astype(np.float64), convnets.create(arch, 1, [seed, 20]))
    _, whole = _outer(arch, network, (x, y), *data, 0.0, 0.0)
    _, frozen = _outer(arch, network, (x, y), *data, 1.0, 0.0)
    ridge = ridge_head.SCALE * float(_trace(arch, network, x))
    rng, step = np.random.default_rng([seed, 7]), 1e-4
    values: list[list[float]] = [[], []]
    for part in (0, 1, 0, 1):
        way = rng.standard_normal((x, y)[part].shape)
        way /= np.linalg.norm(way)
        ahead, behind = ([x, y], [x, y])
        ahead[part], behind[part] = ahead[part] + step * way, behind[part] - step * way
        ends = [float(_outer(arch, network, (at[0], at[1]), *data, 0.0, ridge)[0]) for at in (ahead, behind)]
        measured = (ends[0] - ends[1]) / (2.0 * step)
        for found, kept in zip((whole, frozen), values, strict=True):
            kept.append(abs(float(np.sum(np.asarray(found[part]) * way)) - measured) / abs(measured))
    right, slip = (_worst(v, "largest over directions") for v in values)
    return right, slip


@partial(jax.jit, static_argnames="arch")
def _outer(
    arch: Architecture, network: Network, pairs: Any, views: Any, wanted: Any, frozen: float, ridge: float
) -> tuple[jax.Array, Any]:
    """Value and gradient in the pairs."""
    return jax.value_and_grad(
        lambda p: distillation.outer_loss(arch, network, p, views, wanted, frozen=frozen, ridge=ridge)
    )(pairs)


@partial(jax.jit, static_argnames="arch")
def _trace(arch: Architecture, network: Network, x: Any) -> jax.Array:
    """Trace of the kernel of features with a constant."""
    return jnp.sum(ridge_head.with_constant(convnets.embed(arch, network, x, train=False)[0]) ** 2)


class Imitation(NamedTuple):
    """Networks that were pre-trained on every small set, and their held-out errors.

    Attributes:
        networks: by (seed, method).
        errors: relative to the mean predictor, by method, one a seed; of methods with teacher features.
    """

    networks: dict[tuple[int, str], Network]
    errors: dict[str, Float[np.ndarray, " seeds"]]


def lesson_of(world: World, name: str, regression_rate: float, label_rate: float) -> Lesson:
    """How a method pre-trains: label-based ones on cross-entropy, with augmentation except for plain ones and ridge."""
    if name in FAIR:
        return pretraining.classification(label_rate, STILL, world.source.background)
    if name in LABELLED and name != "ridge on labels":
        return pretraining.classification(label_rate, world.strong, world.source.background)
    return pretraining.regression(regression_rate)


def imitate(
    world: World, arch: Architecture, sets: Sequence[Sets], steps: int, regression_rate: float, label_rate: float, *, seed: int = 0
) -> Imitation:  # fmt: skip
    """Pre-train a network on every small set; those of one seed begin with the same weights."""
    plain = [name for name in FAIR if name.removesuffix(PLAIN) in sets[0].pairs]
    work = [(i, name) for i in range(len(sets)) for name in (*sets[i].pairs, *plain)]

    def one(job: tuple[int, str]) -> Network:
        i, name = job
        lesson = lesson_of(world, name, regression_rate, label_rate)
        return pretraining.pretrain(arch, lesson, *sets[i].pairs[name.removesuffix(PLAIN)], steps, seed=[seed, 21, i])

    networks = dict(zip(work, jobs.run(one, work, "pre-training"), strict=True))
    for i in range(len(sets)):
        networks[i, "no pre-training"] = convnets.create(arch, world.wanted.shape[1], [seed, 21, i])
    names = [n for n in sets[0].pairs if n not in LABELLED and n != "untrained teacher"]
    errors = {
        name: np.asarray(
            [pretraining.relative_error(arch, networks[i, name], world.source.held_out, world.held_out) for i in range(len(sets))]
        )
        for name in names
    }  # fmt: skip
    return Imitation(networks, errors)


def gain(found: Imitation, over: str, *, by: str = "KRR-ST") -> Estimate:
    """Held-out error of one small set less that of another, paired by seed."""
    return statistics.paired_difference(found.errors[over], found.errors[by])


def gain_over_parts(found: Imitation, *, by: str = "KRR-ST") -> Estimate:
    """Gain over learning targets alone or images alone, the smaller one, in its standard errors."""
    values = []
    for over in ("targets only", "images only"):
        gaps = found.errors[over] - found.errors[by]
        values.append(gaps / (gaps.std(ddof=1) / np.sqrt(len(gaps))))
    return statistics.mean(min(values, key=lambda v: float(v.mean())))


def linear_accuracy(
    train: tuple[Float[np.ndarray, "n p"], np.ndarray], test: tuple[Float[np.ndarray, "k p"], np.ndarray]
) -> float:
    """Test accuracy of scikit-learn's logistic regression on standardised features."""
    mean, spread = train[0].mean(axis=0), train[0].std(axis=0) + 1e-6
    model = LogisticRegression(max_iter=3000).fit((train[0] - mean) / spread, train[1])
    return float(model.score((test[0] - mean) / spread, test[1]))


def teacher_report(world: World) -> str:
    """How the teacher fares with the source's labels, which its training never saw, beside an untrained one."""
    source, count, found = world.source, min(1000, len(world.source.x)), []
    for model in (world.teacher, world.untrained):
        train, test = (teacher.features(model, x) for x in (source.x[:count], source.held_out))
        found.append(100 * linear_accuracy((train, source.labels[:count]), (test, source.held_out_labels)))
    losses = world.teacher.losses
    return (
        f"The teacher's loss fell from {losses[:10].mean():.1f} to {losses[-10:].mean():.1f}. A linear classifier of the source's "
        f"classes on {count} labelled images reaches {found[0]:.1f} % on its features, {found[1]:.1f} % on those of random weights."
    )


def closed_form_report(world: World, sets: Sequence[Sets], found: Imitation) -> str:
    """The error of ridge heads on the pool at the end of distillation, beside that of networks from scratch."""
    spread = float(np.mean((world.wanted - world.wanted.mean(axis=0)) ** 2))
    heads = [float(s.distilled["KRR-ST"].losses[-SMOOTH:].mean()) / spread for s in sets]
    return (
        f"At the end of distillation ridge heads on the pool's bodies leave {np.mean(heads):.3f} of the variance of the views' "
        f"features; networks from scratch leave {found.errors['KRR-ST'].mean():.3f} of that of held-out images."
    )
