"""Everything that is made once: source, teachers, cached views, and the small sets of all methods for every seed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    augmentation,
    baselines,
    image_tasks,
    jobs,
    teacher,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import (
    Amounts,
    augment,
    mild,
    pairing,
    strong,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture
from reprise.papers.kernels_and_features.ssl_dataset_distillation.distillation import Choice, Distilled, Recipe, distil
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import Source
from reprise.papers.kernels_and_features.ssl_dataset_distillation.teacher import Teacher

VIEWS = 2
"""Augmented views of each unlabelled image whose teacher features are cached."""
LABELLED = ("random, labels", "k-means, labels", "matching, labels", "ridge on labels")
"""Small sets with labels: the label-based baselines."""
PLAIN = ", plain"
FAIR = tuple(name + PLAIN for name in LABELLED[:3])
"""The same sets where pre-training on them is as plain as that of the method, without augmentation; the last of the
label-based baselines is so anyway."""
TAUGHT = ("random, teacher", "k-means, teacher", "targets only", "images only", "fresh networks", "KRR-ST")
"""Small sets with teacher features; the last is the method."""
CONTROLS = ("shuffled teacher", "untrained teacher")
VARIANTS = ("KRR-ST", "targets only", "images only", "fresh networks", "shuffled teacher", "untrained teacher", "ridge on labels")  # fmt: skip
"""What is distilled through ridge regression, all by one program; the first five serve imitation (C3)."""

Pairs = tuple[Float[np.ndarray, "m h h"], Float[np.ndarray, "m p"]]


class World(NamedTuple):
    """Source and teacher, and what is computed from them once.

    Attributes:
        source: source images.
        teacher: trained without labels.
        untrained: of the same shape, with random weights.
        views: augmented views of the unlabelled images.
        wanted: the teacher's features of these views.
        held_out: the teacher's features of the held-out images.
        view_labels: classes of the views, for the label-based baselines.
        strong: augmentation of pre-training on labels.
    """

    source: Source
    teacher: Teacher
    untrained: Teacher
    views: Float[np.ndarray, "v h h"]
    wanted: Float[np.ndarray, "v p"]
    held_out: Float[np.ndarray, "k p"]
    view_labels: np.ndarray
    strong: Amounts


def make_world(source: Source, channels: Sequence[int], steps: int, batch: int, *, seed: int = 0) -> World:
    """Train the teacher on the unlabelled images, and cache views and features."""
    arch = Architecture("conv", tuple(channels), source.x.shape[1], pooled=True)
    key = augmentation.key(seed)
    amounts = pairing(flip=source.flips)
    trained = teacher.train(arch, source.x, source.background, amounts, steps=steps, batch=batch, seed=seed)
    untrained = teacher.train(
        arch, source.x, source.background, amounts, steps=steps, batch=batch, seed=seed, frozen=True
    )
    repeated = jnp.asarray(np.concatenate([source.x] * VIEWS))
    drawn = jax.jit(augment)(jax.random.fold_in(key, 1), repeated, source.background, mild(flip=source.flips))
    views = np.asarray(drawn)
    return World(
        source, trained, untrained, views, teacher.features(trained, views), teacher.features(trained, source.held_out),
        np.tile(source.labels, VIEWS), strong(flip=source.flips),
    )  # fmt: skip


class Sets(NamedTuple):
    """Small sets of every method for one seed, and the distillations behind those that were distilled."""

    pairs: dict[str, Pairs]
    distilled: dict[str, Distilled]
    start: Pairs


class Sizes(NamedTuple):
    """Sizes and rates of what makes small sets."""

    images: int
    rate: float
    matching_steps: int
    matching_rate: float
    matching_batch: int = 32


def make_sets(
    world: World, recipe: Recipe, sizes: Sizes, seeds: int, *, whole: bool = True, seed: int = 0
) -> list[Sets]:
    """The small sets of all methods, for every seed; all distillations of a seed begin alike and see the same batches.

    Unless `whole` only those of imitation: neither label-based ones nor that of the untrained teacher.
    """
    starts = [_begin(world, sizes.images, seed + 1000 * (i + 1)) for i in range(seeds)]
    variants = VARIANTS if whole else VARIANTS[:5]
    work = [(i, name) for i in range(seeds) for name in variants]

    def one(job: tuple[int, str]) -> Distilled:
        i, name = job
        return _variant(world, recipe, sizes, starts[i], name, seed + 1000 * (i + 1))

    found = dict(zip(work, jobs.run(one, work, "distillations"), strict=True))
    matched = jobs.run(
        lambda i: baselines.match_distributions(
            recipe.arch, world.source, starts[i].labelled, world.strong, steps=sizes.matching_steps,
            rate=sizes.matching_rate, batch=sizes.matching_batch, seed=seed + i,
        ), range(seeds if whole else 0), "distribution matching",
    )  # fmt: skip
    return [
        _collect(world, starts[i], {n: found[i, n] for n in variants}, matched[i] if whole else None)
        for i in range(seeds)
    ]


class _Start(NamedTuple):
    plain: Pairs
    labelled: baselines.LabelledSet
    classwise: baselines.LabelledSet
    centred: Pairs


def _begin(world: World, count: int, seed: int) -> _Start:
    source = world.source
    rows = np.random.default_rng([seed, 4]).choice(len(source.x), count, replace=False)
    middle, _ = baselines.centroids(source, count, labelled=False, seed=seed)
    return _Start(
        (source.x[rows], teacher.features(world.teacher, source.x[rows])),
        baselines.random_subset(source, count, seed=seed),
        baselines.centroids(source, count, labelled=True, seed=seed),
        (middle, teacher.features(world.teacher, middle)),
    )


def _variant(world: World, recipe: Recipe, sizes: Sizes, start: _Start, name: str, seed: int) -> Distilled:
    pairs, wanted, choice = start.plain, world.wanted, Choice(sizes.rate)
    if name == "targets only":
        choice = choice._replace(images=0.0)
    elif name == "images only":
        choice = choice._replace(targets=0.0)
    elif name == "fresh networks":
        choice = choice._replace(fresh=1.0)
    elif name == "shuffled teacher":
        rng = np.random.default_rng([seed, 5])
        wanted, pairs = rng.permutation(wanted), (pairs[0], rng.permutation(pairs[1]))
    elif name == "untrained teacher":
        wanted = teacher.features(world.untrained, world.views)
        pairs = (pairs[0], teacher.features(world.untrained, pairs[0]))
    elif name == "ridge on labels":
        images, labels = start.labelled
        size = wanted.shape[1]
        wanted = baselines.class_vectors(world.view_labels, size, centred=True)
        pairs = (images, baselines.class_vectors(labels, size, centred=True))
    return distil(recipe, choice, pairs, world.views, wanted, seed=seed)


def _collect(world: World, start: _Start, found: Mapping[str, Distilled], matched: np.ndarray | None) -> Sets:
    size = world.wanted.shape[1]

    def hot(labels: np.ndarray) -> np.ndarray:
        return baselines.class_vectors(labels, size, centred=False)

    pairs: dict[str, Pairs] = {"random, teacher": start.plain, "k-means, teacher": start.centred}
    if matched is not None:
        pairs |= {
            "random, labels": (start.labelled[0], hot(start.labelled[1])),
            "k-means, labels": (start.classwise[0], hot(start.classwise[1])),
            "matching, labels": (matched, hot(start.labelled[1])),
        }
    pairs |= {name: (d.images, d.targets) for name, d in found.items()}
    return Sets(pairs, dict(found), start.plain)


class Teaching(NamedTuple):
    """The source and how its teacher is trained."""

    source: str
    side: int
    unlabelled: int
    held_out: int
    channels: Sequence[int]
    steps: int
    batch: int


def make(
    teaching: Teaching, recipe: Recipe, sizes: Sizes, seeds: int, *, whole: bool = True, seed: int = 0
) -> tuple[World, list[Sets]]:
    """Everything that is made once."""
    source = image_tasks.load_source(teaching.source, teaching.side, teaching.unlabelled, teaching.held_out, seed=seed)
    world = make_world(source, teaching.channels, teaching.steps, teaching.batch, seed=seed)
    return world, make_sets(world, recipe, sizes, seeds, whole=whole, seed=seed)
