"""Figures of the limits and of consistency: each function returns the figure and the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import consistency as co
from reprise.papers.infinite_width.wide_deep_optimality import poles, tasks, taxonomy

Drawn = tuple[Figure, pd.DataFrame]
CLASSES = (pl.GROUPS[0], pl.CONTROL)
LIGHT = ("#a9cde3", "#ecc9c3")
"""Colours of class 1 and class 2: points, and the regions that are assigned to them."""


def three_rules(n: int, depth: int, seed: int, side: int = 60) -> Drawn:
    """F1: the triangle of probability vectors of three entries, as the Bayes rule and three deep networks divide it."""
    rng = tasks.stream(seed, "regions", 0)
    train = tasks.draw(taxonomy.DIMENSION, n, rng, balanced=True)
    p = _triangle(side)
    grid = p / np.linalg.norm(p, axis=1, keepdims=True)
    given = cl.pairs(train.x, grid)
    panels = {"Bayes rule": np.where(tasks.posterior(p, taxonomy.DIMENSION) >= 0.5, 1.0, -1.0)}
    for name, activation in (("h₂", ac.hermite({2: 1.0}, "h₂")), ("(h₁ + h₃)/√2", ac.optimal(2)), ("ReLU", ac.relu())):
        panels[name] = cl.decide(cl.Network(activation, depth, "ntk"), given, train.y)
    fig, axes = pl.wide(4, list(panels), height=2.9)
    rows = []
    for ax, (name, found) in zip(axes, panels.items(), strict=True):
        across, up = _flat(p)
        for label, colour in zip((1.0, -1.0), LIGHT, strict=True):
            inside = found == label
            ax.scatter(across[inside], up[inside], s=9, color=colour, marker="h", linewidths=0, rasterized=True)
        _points(ax, train)
        ax.set_aspect("equal")
        ax.set_axis_off()
        rows.append(
            pd.DataFrame({"panel": name, "kind": "region", "p1": p[:, 0], "p2": p[:, 1], "p3": p[:, 2], "class": found})
        )
    q = train.x / train.x.sum(axis=1, keepdims=True)
    rows.append(
        pd.DataFrame(
            {"panel": "all", "kind": "training point", "p1": q[:, 0], "p2": q[:, 1], "p3": q[:, 2], "class": train.y}
        )
    )
    return fig, pd.concat(rows)


def _triangle(side: int) -> Float[np.ndarray, "m 3"]:
    """Inner points of an even grid of probability vectors."""
    i, j = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    inside = i + j < side
    a, b = (i[inside] + 1 / 3) / side, (j[inside] + 1 / 3) / side
    return np.stack([a, b, 1 - a - b], axis=1)


def _flat(p: Float[np.ndarray, "m 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of an equilateral triangle: third left, first right, second on top."""
    return p[:, 0] + 0.5 * p[:, 1], 3**0.5 / 2 * p[:, 1]


def _points(ax: Axes, train: tasks.Sample) -> None:
    across, up = _flat(train.x / train.x.sum(axis=1, keepdims=True))
    for label, colour, marker in zip((1.0, -1.0), CLASSES, ("o", "X"), strict=True):
        mine = train.y == label
        ax.scatter(
            across[mine], up[mine], s=15, color=colour, marker=marker, edgecolor=pl.PAPER, linewidths=0.4, zorder=3
        )


def agreement_with_depth(found: taxonomy.Agreement) -> Drawn:
    """F2: agreement with the predicted rule against depth, one panel for each class."""
    titles = ["1-nearest neighbour", "Singular kernel", "Majority vote"]
    fig, axes = pl.wide(3, titles)
    frames = []
    for ax, limit in zip(axes, taxonomy.RULES, strict=True):
        names = [name for name, its in found.limits.items() if its == limit]
        rule = taxonomy.RULES.index(limit)
        for name, colour in zip(names, pl.GROUPS, strict=False):
            means = _means(found.shares[name][..., rule].mean(axis=1))
            label = "(h₁ + h₃)/√2" if name.startswith("optimal") else name
            pl.experiment(ax, found.depths, *_bars(means), color=colour, kind="band", label=label)
            frames.append(_frame("hidden layers", found.depths, means, panel=limit, activation=name))
        pl.log_ticks(ax, "x", [v for v in (1, 100, 10_000, 1_000_000) if v <= found.depths[-1]])
        ax.set_xlabel("hidden layers L")
        ax.legend(loc="lower right")
    axes[0].set_ylabel("agreement on test points")
    axes[0].set_ylim(0.5, 1.02)
    return fig, pd.concat(frames)


def pole_and_tangent(depth: int) -> Drawn:
    """F3: the limiting kernel near its pole, and how the tangent kernel approaches it."""
    fig, (left, right) = pl.wide(
        2, [f"Σ after {depth:,} layers".replace(",", "\u2009"), "Tangent kernel over its limit"], share=False
    )
    delta, frames = np.geomspace(poles.NEAREST, poles.FARTHEST, 13), []
    for d, colour in zip((1, 2, 4, 8), pl.family(4), strict=True):
        a = ac.optimal(d)
        measured = np.exp(poles.shape(a, delta, depth))
        line = measured[-1] * (delta / delta[-1]) ** -a.alpha
        pl.experiment(left, delta, measured, color=colour)
        pl.theory(left, delta, line, color=colour)
        pl.direct_label(left, delta[2], measured[2], f"d = {d}: slope −{a.alpha:g}", color=colour, side="right")
        frames += [_plain("1 - c", delta, measured, panel="pole", series=f"measured, d = {d}"),
                   _plain("1 - c", delta, line, panel="pole", series=f"slope -{a.alpha:g}, d = {d}")]  # fmt: skip
    cosines, layers = (0.5, 0.9, 0.99, 0.999), np.unique(np.geomspace(3, 30_000, 24).astype(int))
    gaps, a = 1 - np.array(cosines), ac.optimal(2)
    ratios = np.array([poles.ratio(a, gaps, int(n)) for n in layers]).T
    for c, ratio, colour in zip(cosines, ratios, pl.family(4), strict=True):
        pl.experiment(right, layers, ratio, color=colour, kind="band", label=f"c = {c:g}")
        frames.append(_plain("hidden layers", layers, ratio, panel="tangent kernel", series=f"c = {c:g}"))
    right.axhline(1.0, color=pl.INK, linestyle=(0, (5, 2.2)), linewidth=1.2)
    pl.log_ticks(left, "both")
    pl.log_ticks(right, "both")
    left.set_xlabel("distance 1 − c")
    left.set_ylabel("Σ / A′(0)^L")
    right.set_xlabel("hidden layers L")
    right.set_ylabel("Θ / (L A′(0)^L ψ)")
    right.legend(loc="upper right")
    return fig, pd.concat(frames)


SERIES: dict[str, dict[str, Any]] = {
    "α = d/2": {"color": pl.EXPERIMENT, "marker": "o", "linewidth": 1.8},
    "α = d/4": {"color": pl.GROUPS[1], "marker": "s", "linewidth": 1.0},
    "α = d": {"color": pl.GROUPS[2], "marker": "^", "linewidth": 1.0},
    "1-nearest neighbour": {"color": pl.GROUPS[5], "marker": "v", "linewidth": 1.0},
    "majority": {"color": pl.REPORTED, "marker": "D", "linewidth": 1.0},
}


def excess_with_size(found: Sequence[co.Curves]) -> Drawn:
    """F4: excess risk against the number of training points, one panel for each dimension."""
    fig, axes = pl.wide(len(found), [f"d = {c.dimension}" for c in found], share=False, height=4.2)
    frames = []
    for ax, curves in zip(axes, found, strict=True):
        for rule, look in SERIES.items():
            means = _means(curves.excess[rule][..., 0])
            pl.experiment(ax, curves.sizes, *_bars(means), linestyle="-", label=_name(rule), **look)
            frames.append(_frame("training points", curves.sizes, means, dimension=curves.dimension, series=rule))
        for rule, limits in curves.limits.items():
            limit = float(limits.mean())
            pl.theory(ax, curves.sizes, np.full(len(curves.sizes), limit), color=SERIES[rule]["color"], linewidth=1.2)
            frames.append(_plain("training points", curves.sizes, np.full(len(curves.sizes), limit),
                                 dimension=curves.dimension, series=f"limit of {rule}"))  # fmt: skip
        coin = _means(curves.excess["α = d/2"][..., co.LABELS.index("coin")])
        pl.control(ax, curves.sizes, *_bars(coin), linestyle="-", linewidth=1.0, label="labels by coin")
        frames.append(
            _frame("training points", curves.sizes, coin, dimension=curves.dimension, series="control: labels by coin")
        )
        # Narrow panels have no room for a label at every size.
        pl.log_ticks(ax, "x", curves.sizes if len(found) < 3 else curves.sizes[:: 1 + len(curves.sizes) // 3])
        pl.log_ticks(ax, "y")
        ax.set_xlabel("training points n")
    axes[0].set_ylabel("excess risk")
    pl.outside_legend(axes[-1])
    return fig, pd.concat(frames)


def _name(rule: str) -> str:
    return f"network, {rule}" if rule.startswith("α") else rule


def _means(table: Float[np.ndarray, "sets k"]) -> list[Estimate]:
    return [statistics.mean(column) for column in np.asarray(table).T]


def _bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.array([getattr(e, k) for e in estimates]) for k in ("value", "low", "high"))  # type: ignore[return-value]


def _frame(x_name: str, x: Sequence[float], estimates: Sequence[Estimate], **labels: object) -> pd.DataFrame:
    value, low, high = _bars(estimates)
    return pd.DataFrame(
        {x_name: np.asarray(x), "value": value, "low": low, "high": high, "n": estimates[0].n, **labels}
    )


def _plain(x_name: str, x: Any, y: Any, **labels: object) -> pd.DataFrame:
    return pd.DataFrame({x_name: np.asarray(x), "value": np.asarray(y), **labels})
