"""The figures, each with the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.generative_kernel_cl import costs, evidence, stored
from reprise.papers.kernels_and_features.generative_kernel_cl.study import (
    FINE_TUNED,
    FORGETFUL,
    GENERATED,
    JOINT,
    REHEARSED,
    VARIATIONAL,
    Found,
)
from reprise.papers.kernels_and_features.generative_kernel_cl.tables import METHODS, name

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]
COLOURS = {GENERATED: pl.EXPERIMENT, **dict(zip((*stored.KERNELS, REHEARSED), pl.GROUPS[1:5], strict=True))}
MARKERS = {GENERATED: "o", **dict(zip((*stored.KERNELS, REHEARSED), pl.MARKERS[1:5], strict=True))}


def intervals(samples: Float[np.ndarray, "seeds k"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of columns with 95 % intervals, each of shape (k,)."""
    found = [statistics.mean(column) for column in np.asarray(samples).T]
    value, low, high = (np.asarray([getattr(e, part) for e in found], dtype=float) for part in ("value", "low", "high"))
    return value, low, high


def rows(panel: str, series: str, x: Any, value: Any, low: Any = None, high: Any = None) -> Rows:
    """One row a mark."""
    low, high = (value if low is None else low), (value if high is None else high)
    return [
        {"panel": panel, "series": series, "x": a, "value": v, "low": lo, "high": hi}
        for a, v, lo, hi in zip(x, value, low, high, strict=True)
    ]


def memories(found: dict[str, Found]) -> Drawn:
    """F1: accuracy against memory on every split set."""
    splits = {n: f for n, f in found.items() if f.stream.disjoint}
    if len(splits) == 1:
        fig, ax = pl.single(next(iter(splits)))
        axes = [ax]
    else:
        fig, panels = pl.wide(len(splits), list(splits), share=False)
        axes = list(panels)
    table: Rows = []
    for ax, (title, f) in zip(axes, splits.items(), strict=True):
        lines = ((JOINT, pl.INK, (0, (5, 2.2))), (FINE_TUNED, pl.REPORTED, (0, (1, 1.8))))
        for method, colour, style in lines:
            level = float(f.of(method).final.mean())
            ax.axhline(level, color=colour, lw=1.2, linestyle=style, label=name(method))
            table += rows(title, name(method), [np.nan], [level])
        for k, method in enumerate((GENERATED, *stored.KERNELS, REHEARSED)):
            value, low, high = intervals(np.stack([f.of(method, n).final for n in f.memories], axis=1))
            x = np.asarray(f.memories) * 1.035 ** (k - 2)
            pl.experiment(
                ax,
                x,
                value,
                low,
                high,
                label=name(method),
                color=COLOURS[method],
                marker=MARKERS[method],
                linestyle="-",
            )
            table += rows(title, name(method), f.memories, value, low, high)
        pl.log_ticks(ax, "x", f.memories)
        ax.set_xlabel("samples a class")
    axes[0].set_ylabel("mean accuracy after the last task")
    pl.outside_legend(axes[-1])
    return fig, pd.DataFrame(table)


def first_task(found: dict[str, Found]) -> Drawn:
    """F2: accuracy on the first task, and on all tasks so far, on split and permuted images."""
    parts = {n: f for n, f in evidence.benchmarks(found).items() if n != "rotated"}
    titles = [f"{n}: {what}" for what in ("first task", "all so far") for n in parts]
    fig, axes = pl.wide(len(parts), titles, share=False, nrows=2)
    table: Rows = []
    for row, what in zip(axes, ("first task", "all so far"), strict=True):
        for ax, (title, f) in zip(row, parts.items(), strict=True):
            seen = np.arange(1, f.stream.tasks + 1)
            for method in (GENERATED, VARIATIONAL, FINE_TUNED, FORGETFUL):
                a = f.of(method).found["accuracy"]
                means = [a[:, t, : t + 1].mean(axis=1) for t in range(len(seen))]
                value, low, high = intervals(a[:, :, 0] if what == "first task" else np.stack(means, axis=1))
                style: dict[str, Any] = {"label": name(method), "linestyle": "-"}
                if method == FORGETFUL:
                    pl.control(ax, seen, value, low, high, **style)
                else:
                    style |= {"color": COLOURS.get(method, pl.GROUPS[5]), "marker": MARKERS.get(method, "D")}
                    pl.experiment(ax, seen, value, low, high, **style)
                table += rows(f"{title}, {what}", name(method), seen, value, low, high)
            ax.axhline(1.0 / f.stream.classes, color=pl.REPORTED, lw=1.0, linestyle=(0, (1, 1.8)), label="chance")
            ax.set_xticks(seen if len(seen) <= 8 else seen[::2])
            ax.set_ylim(1.0 / f.stream.classes - 0.12, 1.03)
    for ax in axes[1]:
        ax.set_xlabel("tasks seen")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    pl.outside_legend(axes[0, -1])
    return fig, pd.DataFrame(table)


QUANTITIES = {"accuracy": "accuracy (points)", "fisher": "log Fisher ratio", "nearest": "nearest sample (points)"}


def contrast(found: dict[str, Found]) -> Drawn:
    """F3: what the contrastive term changes, with true and with random labels."""
    fig, axes = pl.wide(len(QUANTITIES), list(QUANTITIES.values()), share=False)
    table: Rows = []
    for ax, key in zip(axes, QUANTITIES, strict=True):
        scale = 1.0 if key == "fisher" else 100.0
        for place, (title, f) in enumerate(found.items()):
            for e, series in zip(evidence.contrast_gains(f, key), ("true", "random"), strict=True):
                value, low, high = (scale * float(np.asarray(v)) for v in (e.value, e.low, e.high))
                draw: Any = pl.control if series == "random" else pl.experiment
                height = place + (0.14 if series == "random" else -0.14)
                mark = draw(ax, [value], [height], label=f"{series} labels" if place == 0 else None)
                ax.plot([low, high], [height] * 2, color=mark.get_color(), lw=1.6)
                table += rows(key, f"{series} labels", [title], [value], [low], [high])
        ax.axvline(0.0, color=pl.INK, lw=0.9)
        ax.set_yticks(range(len(found)), list(found) if ax is axes[0] else [""] * len(found))
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.set_xlabel("change by the term")
    pl.outside_legend(axes[-1])
    return fig, pd.DataFrame(table)


def samples(
    found: Found, kept: Float[np.ndarray, "seeds tasks c count d"], lost: Float[np.ndarray, "seeds tasks c count d"]
) -> Drawn:
    """F4: a panel of generated images a task, with rehearsal and without; the first seed's."""
    fig, axes = pl.wide(2, ["with rehearsal", "without rehearsal"], share=False, height=4.2)
    table: Rows = []
    shape, tasks = found.stream.shape, found.stream.tasks
    for ax, images, series in zip(axes, (kept[0], lost[0]), ("with rehearsal", "without rehearsal"), strict=True):
        classes, count = images.shape[1:3]
        grid = images.reshape(tasks, classes * count, *shape)
        height, width = shape[:2]
        sheet = np.ones((tasks * (height + 1) - 1, classes * count * (width + 1) - 1, *shape[2:]))
        for t in range(tasks):
            for k in range(classes * count):
                top, left = t * (height + 1), k * (width + 1)
                sheet[top : top + height, left : left + width] = grid[t, k] if len(shape) == 3 else 1.0 - grid[t, k]
                pixels = grid[t, k].reshape(height, width, -1).mean(axis=2)
                for r, c in np.ndindex(height, width):
                    table.append({
                        "panel": series, "task": t + 1, "class": k // count, "sample": k % count, "row": r, "column": c,
                        "value": round(float(pixels[r, c]), 4),
                    })  # fmt: skip
        ax.imshow(sheet, cmap=None if len(shape) == 3 else "gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        ax.grid(visible=False)
        ax.set_yticks([t * (height + 1) + height / 2 for t in range(tasks)], [str(t + 1) for t in range(tasks)])
        ax.set_xticks(
            [(2 * c + 1) * count * (width + 1) / 2 for c in range(classes)], ["first class", "second class"][:classes]
        )
        ax.tick_params(length=0)
    axes[0].set_ylabel("task")
    return fig, pd.DataFrame(table)


def ages(found: Found, kept: Float[np.ndarray, "seeds tasks"], lost: Float[np.ndarray, "seeds tasks"]) -> Drawn:
    """F5: recognised share of generated images against their age; bytes against the number of tasks."""
    fig, (left, right) = pl.wide(2, ["Recognised generated images", "What has to be kept"], share=False)
    age, table = np.arange(kept.shape[1])[::-1], list[dict[str, object]]()
    for values, draw, series in ((kept, pl.experiment, "with rehearsal"), (lost, pl.control, "without")):
        value, low, high = intervals(values)
        draw(left, age, value, low, high, label=series, linestyle="-")
        table += rows("recognised", series, age, value, low, high)
    left.axhline(1.0 / found.stream.classes, color=pl.REPORTED, lw=1.0, linestyle=(0, (1, 1.8)))
    left.set(xlabel="tasks learnt since", ylabel="share", xticks=np.sort(age), ylim=(None, 1.03))
    left.legend(loc="lower left")
    tasks = sorted({round(t) for t in np.geomspace(1, 1000, 25)})
    curves = costs.memory_curves(found, tasks).items()
    for (series, sizes), colour in zip(curves, (pl.EXPERIMENT, pl.GROUPS[1], pl.GROUPS[2]), strict=True):
        kilobytes = np.asarray(sizes) / 1000.0
        right.plot(tasks, kilobytes, color=colour, lw=1.6, label=series)
        table += rows("bytes", series, tasks, kilobytes)
    pl.log_ticks(right, "both")
    right.set(xlabel="tasks", ylabel="kilobytes")
    right.legend(loc="upper left")
    return fig, pd.DataFrame(table)


def overview(found: dict[str, Found]) -> Drawn:
    """F6: accuracy and forgetting of every method on three benchmarks."""
    fig, axes = pl.wide(2, ["Accuracy at the end", "Forgetting"], share=False, height=4.2)
    table: Rows = []
    order: Sequence[str] = METHODS
    for ax, what in zip(axes, ("final", "forgetting"), strict=True):
        for k, (title, f) in enumerate(found.items()):
            value, low, high = intervals(np.stack([getattr(f.of(m), what) for m in order], axis=1))
            places = np.arange(len(order)) + 0.24 * (k - 1)
            colour, marker = pl.GROUPS[k], pl.MARKERS[k]
            ax.hlines(places, low, high, color=colour, lw=1.4)
            pl.experiment(ax, value, places, color=colour, marker=marker, label=title)
            table += rows(what, title, [name(m) for m in order], value, low, high)
        ax.set_yticks(range(len(order)), [name(m) for m in order] if ax is axes[0] else [""] * len(order))
        ax.set_ylim(len(order) - 0.5, -0.5)
    axes[0].set_xlabel("share")
    axes[1].set_xlabel("accuracy lost")
    pl.outside_legend(axes[1])
    return fig, pd.DataFrame(table)
