"""The six figures: each function returns the figure and the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import dichotomy
from reprise.papers.infinite_width.feature_learning.analogies import Words
from reprise.papers.infinite_width.feature_learning.convergence import Approach
from reprise.papers.infinite_width.feature_learning.exponents import Movement
from reprise.papers.infinite_width.feature_learning.meta_study import MetaStudy

Drawn = tuple[Figure, pd.DataFrame]
REPORTED_OMNIGLOT = 0.6642


def exponents_and_r(moved: Movement, stable: Movement, others: Movement, against: np.ndarray) -> Drawn:
    """F1: change of features against width, and measured against predicted exponents."""
    fig, (left, right) = pl.wide(2, ["Features while learning", "All parametrisations"], share=False)
    frames = []
    for i, (estimate, colour, marker) in enumerate(zip(moved.exponents()[:3], pl.GROUPS, pl.MARKERS, strict=False)):
        name = ("NTK", "standard, rate ∝ 1/n", "μP")[i]
        means = _means(moved.table(i))
        _line(left, moved.widths, means, label=name, color=colour, marker=marker)
        where = (moved.widths[0], float(means[0].value))  # type: ignore[arg-type]
        note = f"{name.split(',')[0]}: slope"
        pl.slope_note(left, estimate, where, color=colour, name=note, side="above" if i == 0 else "below")
        power = _power(moved.widths, means, 0.0 if i == 2 else -0.5)
        pl.theory(left, moved.widths, power)
        frames.append(pd.DataFrame({"width": moved.widths, "value": power, "panel": "features", "series": f"{name}: prediction"}))  # fmt: skip
        frames.append(_frame(moved.widths, means, panel="features", series=name))
    _width_axis(left, moved.widths, "RMS change of a coordinate of $x^L$")
    tables, expected = dichotomy.feature_tables(stable, others), dichotomy.predicted(stable, others)
    found = dichotomy.point_exponents(tables, stable.widths)
    spread = np.linspace(-0.02, 0.02, len(expected))
    ends = np.array([expected.min() - 0.1, expected.max() + 0.1])
    pl.theory(right, ends, ends, label="prediction")
    pl.control(right, against + spread, [e.value for e in found], label="relabelled", alpha=0.6)
    pl.experiment(right, expected + spread, *_bars(found), label="measured")
    right.set(xlabel="predicted exponent −r", ylabel="measured exponent", ylim=(-1.0, 0.7))
    right.set_xticks([-0.5, -0.25, 0.0, 0.5])
    right.legend(loc="lower right")
    frames.append(_frame(expected, found, x_name="predicted", panel="exponents", series="measured"))
    control = pd.DataFrame({"predicted": against, "value": [e.value for e in found], "panel": "exponents"})
    frames.append(control.assign(series="control: relabelled"))
    return fig, pd.concat(frames)


def rates_and_starts(
    widths: Sequence[int], rates: dict[str, np.ndarray], starts: dict[str, np.ndarray], slopes: dict[str, Estimate]
) -> Drawn:
    """F2: largest stable learning rates and outputs at the start against width."""
    fig, (left, right) = pl.wide(2, ["Largest stable rate", "Output before training"], share=False)
    frames = []
    colours, powers = {"μP": pl.GROUPS[2], "NTK": pl.GROUPS[0], "standard": pl.GROUPS[1]}, {"standard": -1.0}
    for ax, tables, panel in ((left, rates, "rate"), (right, starts, "start")):
        for name, table in tables.items():
            means = _means(table)
            _line(ax, widths, means, label=name, color=colours[name])
            where = (widths[0], float(means[0].value))  # type: ignore[arg-type]
            note = {"color": colours[name], "name": f"{name}: slope"}
            pl.slope_note(ax, slopes[f"{panel}, {name}"], where, side="below" if name == "μP" else "above", **note)
            power = _power(widths, means, -0.5 if (panel, name) == ("start", "μP") else powers.get(name, 0.0))
            pl.theory(ax, widths, power)
            frames.append(_frame(widths, means, panel=panel, series=name))
            frames.append(pd.DataFrame({"width": widths, "value": power, "panel": panel, "series": f"{name}: prediction"}))  # fmt: skip
    _width_axis(left, widths, "largest stable η")
    _width_axis(right, widths, "RMS of $f_0$")
    return fig, pd.concat(frames)


def linearisation(stable: Movement, others: Movement) -> Drawn:
    """F3: distance to the linearised network and movement of the function against width."""
    fig, (left, right) = pl.wide(2, ["Distance to linearisation", "Movement of the function"], share=False)
    groups, frames = dichotomy.kernel_groups(stable), []
    for (r, which), colour in zip(groups.items(), pl.family(len(groups) + 1)[1:], strict=True):
        for i in which:
            left.plot(stable.widths, stable.distance(i).mean(axis=0), color=colour, lw=0.7, alpha=0.6)
            frames.append(_frame(stable.widths, _means(stable.distance(i)), panel="distance", series=f"r = {r:g}: {stable.points[i].name}"))  # fmt: skip
        means = _means(dichotomy.group_distance(stable, which))
        _line(left, stable.widths, means, label=f"r = {r:g}", color=colour)
        pl.direct_label(left, stable.widths[-1], float(means[-1].value), f"r = {r:g}", colour)  # type: ignore[arg-type]
        frames.append(_frame(stable.widths, means, panel="distance", series=f"r = {r:g}: mean"))
    for i, point in enumerate(stable.points):
        means = _means(stable.function(i))
        right.plot(stable.widths, [e.value for e in means], color=pl.EXPERIMENT, lw=0.9, alpha=0.7)
        frames.append(_frame(stable.widths, means, panel="movement", series=point.name))
    for i, side in ((len(others.points) - 2, "above"), (len(others.points) - 1, "below")):
        means = _means(others.function(i))
        _line(right, others.widths, means, label=others.points[i].name, is_control=True)
        where = (others.widths[len(means) // 2], float(means[len(means) // 2].value))  # type: ignore[arg-type]
        pl.direct_label(right, *where, others.points[i].name, pl.CONTROL, side)
        frames.append(_frame(others.widths, means, panel="movement", series=f"control: {others.points[i].name}"))
    _width_axis(left, stable.widths, "share of the movement")
    _width_axis(right, stable.widths, "RMS of $f_t-f_0$")
    return fig, pd.concat(frames)


def approaches(found: dict[str, Approach]) -> Drawn:
    """F4: distance to the limit and to a wrong theory against width."""
    fig, axes = pl.wide(3, [name.capitalize() for name in found], share=False)
    frames = []
    for ax, (name, approach) in zip(axes, found.items(), strict=True):
        near, far = ([statistics.mean(e) for e in approach.errors(t)] for t in (approach.limit, approach.kernel))
        _line(ax, approach.widths, far, label="wrong theory", is_control=True)
        _line(ax, approach.widths, near, label="limit")
        power = _power(approach.widths, near, -0.5)
        pl.theory(ax, approach.widths, power, label="∝ 1/√n")
        frames.append(pd.DataFrame({"width": approach.widths, "value": power, "panel": name, "series": "prediction"}))
        pl.slope_note(
            ax,
            approach.slope(approach.limit),
            (approach.widths[0], float(near[0].value)),  # type: ignore[arg-type]
            color=pl.EXPERIMENT,
            side="below",
        )  # type: ignore[arg-type]
        _width_axis(ax, approach.widths, "RMS distance at the probes" if ax is axes[0] else "")
        ax.legend(loc="lower left")
        frames += [_frame(approach.widths, near, panel=name, series="limit")]
        frames += [_frame(approach.widths, far, panel=name, series="control: wrong theory")]
    return fig, pd.concat(frames)


def word_vectors(words: Words) -> Drawn:
    """F5: analogy accuracy over training, and two classes of words in the plane."""
    planes = [words.planes["embeddings that do not move"], words.planes["infinite width"]]
    fig, axes = pl.wide(3, ["Analogies answered", "Vectors that do not move", "Infinite width"], share=False)
    frames, epochs = [], words.passes
    for i, (width, colour) in enumerate(zip(words.widths, pl.family(len(words.widths)), strict=True)):
        name = f"n = {width}" if width else "n = ∞"
        means = _means(words.accuracy[:, i])
        pl.experiment(axes[0], epochs, *_bars(means), kind="band", color=colour, label=name)
        frames.append(_frame(epochs, means, x_name="passes", panel="accuracy", series=name))
    noise, frozen = (_means(values[:, None])[0] for values in (words.shuffled[:, -1], words.frozen))
    for value, name, marker in ((noise, "shuffled words", "X"), (frozen, "not moved", "P")):
        pl.control(axes[0], epochs[-1:], [value.value], marker=marker, label=None)
        frames.append(_frame(epochs[-1:], [value], x_name="passes", panel="accuracy", series=f"control: {name}"))
    pl.direct_label(axes[0], epochs[-1], 0.0, "shuffled, not moved", pl.CONTROL, "below")
    axes[0].set(xlabel="passes through the corpus", ylabel="accuracy", ylim=(-0.15, 1.1))
    curves, names = axes[0].get_legend_handles_labels()
    axes[0].legend(curves[::-1], names[::-1], loc="upper left", labelspacing=0.25, handlelength=1.0, fontsize=8)
    half = words.plan.concepts
    for ax, points in zip(axes[1:], planes, strict=True):
        moved = ax is axes[2]
        for k, (rows, marker) in enumerate(((points[:half], "o"), (points[half:], "s"))):
            colour = pl.GROUPS[k] if moved else pl.CONTROL
            ax.plot(
                rows[:, 0], rows[:, 1], marker, color=colour, ms=5, mfc=colour if k else "none", label=f"form {k + 1}"
            )
            frames.append(pd.DataFrame({"pc1": rows[:, 0], "pc2": rows[:, 1], "panel": "plane", "series": f"{'infinite' if moved else 'control: not moved'}, form {k + 1}"}))  # fmt: skip
        ax.set(xlabel="first component", ylabel="second" if ax is axes[1] else "")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.legend(loc="best")
    return fig, pd.concat(frames)


def few_shot(meta: MetaStudy, *, real: bool) -> Drawn:
    """F6: accuracy over meta-training, and against width."""
    fig, (left, right) = pl.wide(2, ["Over meta-training", "After meta-training"], share=False)
    frames = []
    for curve, name, mark, style in (
        (meta.accuracy[:, -1], "infinite width", pl.experiment, {"marker": "o"}),
        (meta.shuffled, "permuted answers", pl.control, {"marker": "X"}),
        (meta.frozen, "first layer frozen", pl.control, {"marker": "P"}),
    ):
        means = _means(curve)
        options: dict[str, Any] = {"linestyle": "-", **style}
        mark(left, meta.tasks / 1000, *_bars(means), label=name, **options)
        frames.append(_frame(meta.tasks, means, x_name="tasks", panel="training", series=name))
    left.set(xlabel="meta-training tasks (thousands)", ylabel="test accuracy")
    left.legend(loc="best")
    finite = _means(meta.accuracy[:, :-1, -1])
    _line(right, meta.widths[:-1], finite, label="finite width")
    frames.append(_frame(meta.widths[:-1], finite, panel="width", series="finite"))
    right.axhline(float(meta.limit.mean()), color=pl.EXPERIMENT, lw=1.3, ls="--", label="infinite width")
    frames.append(_frame([0], [statistics.mean(meta.limit)], panel="width", series="infinite width"))
    others = {"nearest pixels": meta.pixels}
    for table, when in ((meta.kernels, "meta-trained"), (meta.untrained, "from zero")):
        others |= {f"ReLU NNGP, {when}": table[:, 0], f"ReLU NTK, {when}": table[:, 1]}
    others |= {"linear kernel, meta-trained": meta.frozen[:, -1], "linear kernel, from zero": meta.frozen[:, 0]}
    levels = [float(values.mean()) for values in others.values()]
    right.axhspan(min(levels), max(levels), color=pl.CONTROL, alpha=0.25, lw=0, label="kernels, nearest pixels")
    for name, values in others.items():
        frames.append(_frame([0], [statistics.mean(values)], panel="width", series=f"control: {name}"))
    if real:
        pl.reported(right, REPORTED_OMNIGLOT, "paper, infinite width")
    pl.log_ticks(right, "x", meta.widths[:-1])
    right.legend(loc="lower right")
    right.set(xlabel="width n (units)", ylabel="test accuracy")
    return fig, pd.concat(frames)


def _means(table: np.ndarray) -> list[Estimate]:
    return [statistics.mean(column) for column in table.T]


def _power(widths: Sequence[int], means: Sequence[Estimate], exponent: float) -> np.ndarray:
    """A power of the width through the first mean."""
    return np.asarray(float(means[0].value) * (np.asarray(widths) / widths[0]) ** exponent)  # type: ignore[arg-type]


def _bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value, low, high = (np.array([getattr(e, name) for e in estimates]) for name in ("value", "low", "high"))
    return value, low, high


def _line(
    ax: Axes, x: Sequence[float], estimates: Sequence[Estimate], *, is_control: bool = False, **style: Any
) -> None:
    value, low, high = _bars(estimates)
    draw = pl.control if is_control else pl.experiment
    draw(ax, x, value, np.maximum(low, 0.2 * value), high, **{"linestyle": "-", **style})


def _width_axis(ax: Axes, widths: Sequence[int], label: str) -> None:
    pl.log_ticks(ax, "x", list(widths))
    pl.log_ticks(ax, "y")
    ax.set(xlabel="width n (units)", ylabel=label)


def _frame(x: Any, estimates: Sequence[Estimate], *, x_name: str = "width", panel: str, series: str) -> pd.DataFrame:
    value, low, high = _bars(estimates)
    return pd.DataFrame({x_name: x, "value": value, "low": low, "high": high, "panel": panel, "series": series})
