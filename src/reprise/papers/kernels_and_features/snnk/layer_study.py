"""Claim C2: parameters, operations and accuracy of networks one layer of which is replaced."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.snnk import layers, training
from reprise.papers.kernels_and_features.snnk.images import Task, batches, load_task
from reprise.papers.kernels_and_features.snnk.layers import Kind, Variant

INNER: tuple[Kind, ...] = ("disentangled", "bottleneck")
SMALL = 128
"""Up to this input dimension all variants are padded to one width, so that one compiled program serves them."""


class Row(NamedTuple):
    """One variant: trained parameters of its layer, and of the network; validation and test accuracy of every seed."""

    variant: Variant
    layer: int
    network: int
    validation: Float[np.ndarray, " seeds"]
    test: Float[np.ndarray, " seeds"]


def variants(d: int, hidden: int, shares: Sequence[float]) -> list[Variant]:
    """The dense network, all sizes of both replacements of its first layer, a quarter in the second, and controls.

    Raises:
        ValueError: a quarter is not among the shares.
    """
    if 0.25 not in shares:
        raise ValueError(f"shares: 0.25 must be among them, got {list(shares)}")
    sizes = {share: round(share * d) for share in shares}
    quarter = sizes[0.25]
    return [
        Variant("dense", d),
        *(Variant("disentangled", m) for m in sizes.values()),
        *(Variant("bottleneck", m) for share, m in sizes.items() if share < 1),
        Variant("disentangled", quarter, "rest"),
        Variant("disentangled", quarter, "head"),
        *(Variant(kind, round(0.25 * hidden), place=2) for kind in INNER),
        Variant("disentangled", round(0.25 * hidden), "rest", place=2),
        Variant("disentangled", round(0.25 * hidden), "head", place=2),
    ]


@jax.jit
def _run(start: Any, free: Any, frozen: Any, z: list[Array], y: Array, rows: Array, rates: Array) -> Array:
    """Outputs on validation and test inputs together, (seeds, rates, v + t, 10)."""

    def one(start: Any, free: Any, frozen: Any, z: list[Array], y: Array, rows: Array, rate: Array) -> Array:
        p = training.fit(layers.forward, start, free, frozen, z[0], y, rows, rate)
        return layers.forward(p, frozen, jnp.concatenate(z[1:]))

    def of_seed(parts: Any) -> Array:
        start, free, frozen, z, y, rows = parts
        return jax.vmap(lambda rate: one(start, free, frozen, z, y, rows, rate))(rates)

    # One seed after another: matrix products with a leading axis of seeds are slow on a CPU.
    return jax.lax.map(of_seed, (start, free, frozen, z, y, rows))


def train(
    images: str, examples: list[int], shares: Sequence[float], hidden: int, rates: Sequence[float], steps: int, batch: int,
    seeds: int, *, seed: int = 0,
) -> list[Row]:  # fmt: skip
    """Train every variant on draws of the images; validation images choose the rate for each variant and seed."""
    tasks = [load_task(images, examples, seed=1000 * seed + i) for i in range(seeds)]
    d = tasks[0].x.shape[1]
    pad, found = (d if d <= SMALL else 0), []
    rngs = [np.random.default_rng([seed, 21, i]) for i in range(seeds)]
    rows = np.stack([batches(len(t.x), batch, steps, r) for t, r in zip(tasks, rngs, strict=True)])
    y = np.stack([t.y for t in tasks])
    for variant in progress.track(variants(d, hidden, shares), "Layers"):
        states, z = [], []
        for i, task in enumerate(tasks):
            own = 1000 * seed + i
            states.append(layers.start(variant, d, hidden, np.random.default_rng([seed, 22, i]), seed=own, pad=pad))
            z.append(layers.frozen_features(variant, [task.x, task.x_val, task.x_test], seed=own, pad=pad))
        out = _run(*_stack(states), _stack(z), y, rows, np.asarray(rates, np.float32))
        layer, network = _counts(variant, *states[0][:2])
        found.append(Row(variant, layer, network, *_chosen(np.asarray(out), tasks)))
    return found


def _chosen(out: Float[np.ndarray, "seeds rates n 10"], tasks: list[Task]) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test accuracy at the rate of best validation accuracy, for each seed."""
    if not np.isfinite(out).all():
        raise FloatingPointError("training diverged; take smaller rates")
    valid, test = [], []
    for outputs, task in zip(out, tasks, strict=True):
        v = len(task.y_val)
        scores = (outputs[:, :v].argmax(axis=2) == task.y_val).mean(axis=1)
        best = int(np.argmax(scores))
        valid.append(scores[best])
        test.append((outputs[best, v:].argmax(axis=1) == task.y_test).mean())
    return np.asarray(valid), np.asarray(test)


def _counts(variant: Variant, parameters: Any, free: Any) -> tuple[int, int]:
    own = ("first", "offset") if variant.place == 1 else ("second", "shift")
    layer = training.count({k: parameters[k] for k in own}, {k: free[k] for k in own})
    return layer, training.count(parameters, free)


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def row(found: Sequence[Row], variant: Variant) -> Row:
    """The row of a variant."""
    return next(r for r in found if r.variant == variant)


def dense(found: Sequence[Row]) -> Row:
    """The row of the dense network."""
    return next(r for r in found if r.variant.kind == "dense")


def quarter(found: Sequence[Row], kind: Kind = "disentangled", trained: Any = "all", place: int = 1) -> Row:
    """The row whose layer has a quarter of the features."""
    rows = [r for r in found if (r.variant.kind, r.variant.trained, r.variant.place) == (kind, trained, place)]
    return rows[0] if place == 2 else row(rows, Variant(kind, round(0.25 * dense(found).variant.m), trained))


def loss_of_accuracy(found: Sequence[Row], other: Row) -> Estimate:
    """Accuracy of the dense network less that of another, paired over seeds."""
    return statistics.paired_difference(dense(found).test, other.test)


def parameter_ratio(found: Sequence[Row], hidden: int, *, stored: bool = False) -> Estimate:
    """Trained parameters of the first layer at a quarter over the dense matrix; with `stored`, its projection counts too."""
    d, own = dense(found).variant.m, quarter(found)
    extra = own.variant.m * d if stored else 0
    return Estimate.exact((own.layer + extra) / (dense(found).layer - hidden))


def operations(d: int, m: int, batch: int = 256) -> Estimate:
    """Operations of the compiled disentangled layer over those of the dense one, d = l, as XLA counts them."""

    def flops(function: Any, *shapes: tuple[int, ...]) -> float:
        arguments = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
        costs = jax.jit(function).lower(*arguments).compile().cost_analysis()
        return float(cast("Any", costs[0] if isinstance(costs, list) else costs)["flops"])

    ours = flops(layers.disentangled_layer, (d, m), (m, d), (batch, d))
    return Estimate.exact(ours / flops(layers.dense_layer, (d, d), (d,), (batch, d)))


def speed_up(widths: Sequence[int], share: float = 0.25, *, batch: int = 4096, repeats: int = 5) -> list[float]:
    """Seconds of the dense layer over those of the disentangled one for d = l, medians; a report, not a check."""
    ratios = []
    for d in widths:
        m = round(share * d)
        rng = np.random.default_rng(0)
        shapes = ((d, m), (m, d), (d, d), (d,), (batch, d))
        psi, g, w, b, x = (jnp.asarray(rng.standard_normal(s), jnp.float32) for s in shapes)
        ours = _seconds(jax.jit(layers.disentangled_layer), (psi, g, x), repeats)
        ratios.append(_seconds(jax.jit(layers.dense_layer), (w, b, x), repeats) / ours)
    return ratios


def _seconds(function: Any, arguments: tuple[Array, ...], repeats: int) -> float:
    function(*arguments).block_until_ready()
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function(*arguments).block_until_ready()
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def reading(found: Sequence[Row], widths: Sequence[int]) -> str:
    """Losses of accuracy at a quarter beside those of the bottleneck, and times, in words."""
    lines = ["| layer replaced | disentangled | bottleneck | disentangled, Ψ frozen |", "|---|---|---|---|"]
    for place, name in ((1, "first"), (2, "second")):
        rows = [quarter(found, "disentangled", "all", place), quarter(found, "bottleneck", "all", place)]
        rows.append(quarter(found, "disentangled", "rest", place))
        lines.append(f"| {name} | " + " | ".join(str(loss_of_accuracy(found, r)) for r in rows) + " |")
    times = ", ".join(f"{ratio:.2f} at d = l = {d}" for d, ratio in zip(widths, speed_up(widths), strict=True))
    lines += [
        "",
        f"Loss of test accuracy at a quarter of the features. Dense over disentangled time on this machine: {times}.",
    ]
    return "\n".join(lines)
