"""Claim C5: adapters of random features against dense ones, on transformers trained from scratch on other classes."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.snnk import adapters as ad
from reprise.papers.kernels_and_features.snnk import training, transformer
from reprise.papers.kernels_and_features.snnk.adapters import Adapter
from reprise.papers.kernels_and_features.snnk.images import Task, batches, load_task
from reprise.papers.kernels_and_features.snnk.transformer import Shape

SOURCE, TARGET = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]
BATCH = 32
TRUNK_RATE = 3e-3


class Sizes(NamedTuple):
    """Sizes of the experiment: see the card's parameters of the same names."""

    images: str
    patch: int
    width: int
    depth: int
    bottleneck: int
    features: int
    examples: list[int]
    trunk_steps: int
    steps: int
    rates: list[float]
    seeds: int


class Score(NamedTuple):
    """One adapter on trained or untrained trunks.

    Attributes:
        adapter: kind and size.
        untrained: whether its trunks were never trained.
        rate: chosen on the spare trunk.
        spare: validation accuracy there at that rate, after half of the steps and after all; empty if nothing was chosen.
        validation: accuracy, (seeds,).
        test: accuracy, (seeds,).
    """

    adapter: Adapter
    untrained: bool
    rate: float
    spare: tuple[float, ...]
    validation: Float[np.ndarray, " seeds"]
    test: Float[np.ndarray, " seeds"]


class Adapted(NamedTuple):
    """All scores, the transformer's shape, and the trunks' accuracy on unseen images of their own classes."""

    scores: list[Score]
    shape: Shape
    source: Float[np.ndarray, " seeds"]


def contenders(sizes: Sizes) -> list[tuple[Adapter, bool]]:
    """Adapters on trained trunks; then the controls."""
    r, m = sizes.bottleneck, sizes.features
    return [
        (Adapter("none", 1), False),
        (Adapter("dense", r), False),
        (Adapter("rectified", m), False),
        (Adapter("cosine", m), False),
        (Adapter("linear", m), False),
        (Adapter("rectified", 1), False),
        (Adapter("rectified", m), True),
        (Adapter("cosine", m), True),
    ]


@partial(jax.jit, static_argnames="heads")
def _train_trunk(
    trunk: Any, still: Any, x: Array, y: Array, rows: Array, rate: Array, others: Array, heads: int
) -> tuple[Any, Array]:
    """The trunk after training, and its outputs on other images."""

    def forward(p: Any, frozen: Any, z: Array) -> Array:
        return transformer.run(p, frozen[0], frozen[1], z, heads)

    p = training.fit(forward, trunk, jax.tree.map(jnp.ones_like, trunk), still, x, y, rows, rate)
    return p, forward(p, still, others)


@partial(jax.jit, static_argnames="heads")
def _train_adapters(
    trunk: Any,
    start: Any,
    free: Any,
    frozen: Any,
    x: Array,
    y: Array,
    rows: Array,
    rate: Array,
    steps: Array,
    others: Array,
    heads: int,
) -> Array:
    """Outputs on other images; head and adapters are trained, the trunk is not."""

    def forward(p: Any, fixed: Any, z: Array) -> Array:
        head, adapters = p
        return transformer.run({**fixed[0], **head}, adapters, fixed[1], z, heads)

    p = training.fit(forward, start, free, (trunk, frozen), x, y, rows, rate, steps)
    return forward(p, (trunk, frozen), others)


class Bench(NamedTuple):
    """A trunk, trained and untrained, and the target task on which adapters are tried."""

    trunk: Any
    raw: Any
    task: Task
    shape: Shape
    head: Any
    rows: np.ndarray
    source: float
    seed: int


def prepare(sizes: Sizes, number: int, *, seed: int = 0) -> Bench:
    """Train trunk number so-and-so on the source classes."""
    own, rng = 1000 * seed + number, np.random.default_rng([seed, 53, number])
    first, task = _tasks(sizes, own)
    shape = Shape(first.x.shape[1], first.x.shape[2], sizes.width, sizes.depth, len(SOURCE), max(2, sizes.width // 32))
    raw = transformer.start_trunk(shape, rng)
    still = transformer.no_adapters(shape, sizes.bottleneck)
    rows = batches(len(first.x), BATCH, sizes.trunk_steps, rng)
    trunk, out = _train_trunk(raw, still, first.x, first.y, rows, jnp.float32(TRUNK_RATE), first.x_test, shape.heads)
    head, rows = transformer.start_head(shape, rng), batches(len(task.x), BATCH, sizes.steps, rng)
    source = float((np.asarray(out).argmax(axis=1) == first.y_test).mean())
    return Bench(trunk, raw, task, shape, head, rows, source, own)


def try_adapter(
    bench: Bench, adapter: Adapter, untrained: bool, rate: float, steps: int, width: int
) -> tuple[float, float]:
    """Validation and test accuracy of an adapter trained at one rate.

    A rate at which training diverges scores 0.
    """
    values, free, frozen = ad.start(adapter, bench.shape, width, seed=bench.seed)
    start, moves = (bench.head, values), (jax.tree.map(np.ones_like, bench.head), free)
    task, base = bench.task, bench.raw if untrained else bench.trunk
    others = np.concatenate([task.x_val, task.x_test])
    outputs = np.asarray(
        _train_adapters(
            base, start, moves, frozen, task.x, task.y, bench.rows, jnp.float32(rate), jnp.int32(steps), others,
            bench.shape.heads,
        )
    )  # fmt: skip
    picked, v = outputs.argmax(axis=1), len(task.y_val)
    if not np.isfinite(outputs).all():
        return 0.0, 0.0
    return float((picked[:v] == task.y_val).mean()), float((picked[v:] == task.y_test).mean())


def adapt(sizes: Sizes, *, seed: int = 0) -> Adapted:
    """Train a trunk for each seed, freeze it, and train every contender on the target classes.

    Where there are several rates, validation images of one more trunk, whose scores do not count, choose one for each
    contender. The untrained trunk is the same one before training.

    Raises:
        ValueError: not four numbers of images.
    """
    if len(sizes.examples) != 4:
        raise ValueError(f"adapter_examples: source, training, validation and test images, not {sizes.examples}")
    chosen = contenders(sizes)
    best, spare = [sizes.rates[0]] * len(chosen), np.zeros((len(chosen), 0))
    several = len(sizes.rates) > 1
    source, scores = [], []
    with progress.task("Adapters", sizes.seeds + several * (len(sizes.rates) + 1)) as advance:
        if several:
            bench, tried = prepare(sizes, sizes.seeds, seed=seed), []
            for rate in sizes.rates:
                tried.append(_all(bench, chosen, [rate] * len(chosen), sizes.steps, sizes.bottleneck)[:, 0])
                advance(1)
            best = [sizes.rates[k] for k in np.argmax(tried, axis=0)]
            half = _all(bench, chosen, best, sizes.steps // 2, sizes.bottleneck)[:, 0]
            spare = np.stack([half, np.max(tried, axis=0)], axis=1)
            advance(1)
        for i in range(sizes.seeds):
            bench = prepare(sizes, i, seed=seed)
            source.append(bench.source)
            scores.append(_all(bench, chosen, best, sizes.steps, sizes.bottleneck))
            advance(1)
    found = np.stack(scores, axis=2)
    return Adapted(
        [Score(*c, r, tuple(s), *v) for c, r, s, v in zip(chosen, best, spare.tolist(), found, strict=True)],
        bench.shape,
        np.asarray(source),
    )


def _all(
    bench: Bench, chosen: Sequence[tuple[Adapter, bool]], rates: Sequence[float], steps: int, width: int
) -> Float[np.ndarray, "contenders 2"]:
    """Validation and test accuracy of all contenders."""
    scores = [try_adapter(bench, a, u, rate, steps, width) for (a, u), rate in zip(chosen, rates, strict=True)]
    return np.asarray(scores)


def _tasks(sizes: Sizes, seed: int) -> tuple[Task, Task]:
    """The source and the target classes, as patches; both are tested on as many images."""
    n, *target = sizes.examples
    source = load_task(sizes.images, [n, 1, target[2]], classes=SOURCE, seed=seed)
    other = load_task(sizes.images, target, classes=TARGET, seed=seed)

    def cut(task: Task) -> Task:
        return task._replace(
            **{k: transformer.patches(getattr(task, k), sizes.patch) for k in ("x", "x_val", "x_test")}
        )

    return cut(source), cut(other)


def score(found: Adapted, kind: str, *, size: int | None = None, untrained: bool = False) -> Score:
    """The score of an adapter; the largest of its kind if no size is given."""
    rows = [s for s in found.scores if s.adapter.kind == kind and s.untrained == untrained]
    return max((s for s in rows if size in (None, s.adapter.size)), key=lambda s: s.adapter.size)


def ours(found: Adapted, *, untrained: bool = False) -> list[Score]:
    """The two adapters of random features, the one with better validation accuracy first."""
    pair = [score(found, kind, untrained=untrained) for kind in ("rectified", "cosine")]
    return sorted(pair, key=lambda s: -float(s.validation.mean()))


def over_dense(found: Adapted, other: Score) -> Estimate:
    """Test accuracy of an adapter less that of the dense one, paired over trunks."""
    return statistics.paired_difference(other.test, score(found, "dense").test)


def over_probe(found: Adapted, *, untrained: bool = False) -> Estimate:
    """Test accuracy of the adapter of features that validates worse, less that of the linear probe."""
    return statistics.paired_difference(ours(found, untrained=untrained)[1].test, score(found, "none").test)


def savings(found: Adapted, *, stored: bool = False) -> Estimate:
    """Trained parameters of the dense adapter over those of an adapter of features."""
    dense, own = score(found, "dense").adapter, score(found, "rectified").adapter
    return Estimate.exact(ad.trained(dense, found.shape) / ad.trained(own, found.shape, stored=stored))


def table(found: Adapted) -> str:
    """Trained parameters of the adapters and mean test accuracy, as Markdown."""
    lines = [
        "| adapter | trained parameters | rate | test accuracy | spare trunk, half of the steps | all steps |",
        "|---|---|---|---|---|---|",
    ]
    for s in found.scores:
        name = f"{s.adapter.kind}, {s.adapter.size}" if s.adapter.kind != "none" else "linear probe"
        name += ", untrained trunk" if s.untrained else ""
        row = [name, str(ad.trained(s.adapter, found.shape)), f"{s.rate:g}", f"{s.test.mean():.4f}"]
        row += [f"{v:.4f}" for v in s.spare] or ["", ""]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", f"On unseen images of its own classes the trunk has {found.source.mean():.4f}."]
    if found.scores[0].spare:
        lines[-1] += " The last two columns are validation accuracies on the trunk that chose the rates."
    return "\n".join(lines)
