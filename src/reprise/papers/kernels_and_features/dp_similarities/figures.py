"""The figures, each with the tidy data that it draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.dp_similarities.class_study import BROKEN, Comparison
from reprise.papers.kernels_and_features.dp_similarities.distance_study import BySize
from reprise.papers.kernels_and_features.dp_similarities.projection_study import MeanErrors

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]


def error_by_size(found: BySize, exact_sizes: Sequence[int], exact: np.ndarray, slope: Estimate) -> Drawn:
    """F1: errors of tree, grid and flat histogram against n; the tree's exact noise beside them."""
    fig, ax = pl.single("Error of a sum of distances")
    rows: Rows = []
    rms = np.sqrt((exact**2).mean(axis=0))
    share = found.tree.mean() / np.sqrt((found.tree_exact**2).mean(axis=0)).mean()
    pl.theory(ax, exact_sizes, share * rms, label="tree, exact noise (scaled from rms to mean)")
    rows += [{"series": "exact", "n": n, "value": v} for n, v in zip(exact_sizes, share * rms, strict=True)]
    _series(ax, rows, found.sizes, found.tree, f"tree, slope {pl.interval_text(slope)}", x_name="n")
    _series(ax, rows, found.sizes, found.grid, "grid (baseline)", x_name="n", color=pl.GROUPS[1], marker="s")
    _series(ax, rows, found.sizes, found.flat, "control: flat histogram", x_name="n", control=True)
    pl.log_ticks(ax, "both")
    ax.set_xlabel("points n")
    ax.set_ylabel("mean absolute error (data in [0, 1])")
    ax.legend(loc="upper left")
    return fig, pd.DataFrame(rows)


def exponents(panels: Mapping[str, tuple[Sequence[float], np.ndarray, np.ndarray, Estimate]]) -> Drawn:
    """F2: noise against budget, annuli and dimension, each with its control."""
    titles = [f"{name}: slope {_number(panel[3].value):.2f}" for name, panel in panels.items()]
    fig, axes = pl.wide(len(panels), titles, share=False)
    rows: Rows = []
    labels = ("budget ε", "ratio a", "dimension d")
    for ax, (name, (x, right, off, _)), label in zip(axes, panels.items(), labels, strict=True):
        extra: dict[str, object] = {"panel": name}
        _series(ax, rows, x, right, "tree", extra=extra)
        _series(ax, rows, x, off, "control", control=True, extra=extra)
        pl.log_ticks(ax, "x", x)
        pl.log_ticks(ax, "y")
        ax.set_xlabel(label)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high * (high / low) ** 0.35)
        ax.legend(loc="upper left")
    axes[0].set_ylabel("mean absolute noise")
    return fig, pd.DataFrame(rows)


def audits(found: Mapping[str, tuple[Estimate, Estimate]]) -> Drawn:
    """F3: bounds over claimed budgets, with those of broken mechanisms."""
    fig, ax = pl.single("Lower bounds on ε from attacks, over the claimed ε")
    rows: Rows = []
    places = np.arange(len(found))
    for index, kind in enumerate(("as released", "control: broken")):
        estimates = [pair[index] for pair in found.values()]
        mark = pl.control if index else pl.experiment
        mark(ax, places, *_bars(estimates), label=kind)
        rows += [{"series": kind, "structure": s, **_row(e)} for s, e in zip(found, estimates, strict=True)]
    pl.theory(ax, [-0.4, len(found) - 0.6], [1.0, 1.0], label="claimed ε")
    ax.set_xticks(places, list(found))
    ax.set_ylabel("bound / claimed ε")
    ax.set_ylim(bottom=0.0)
    pl.outside_legend(ax)
    return fig, pd.DataFrame(rows)


def projected(
    dimensions: Sequence[int],
    projections: Sequence[int],
    table: np.ndarray,
    coordinates: np.ndarray,
    means: MeanErrors,
    slope: Estimate,
) -> Drawn:
    """F4: error of pairs against k for each d; error of private kernel means against k."""
    titles = [f"One pair: slope {pl.interval_text(slope)}", "Private kernel means"]
    fig, (left, right) = pl.wide(2, titles, share=False)
    rows: Rows = []
    for d, errors, colour in zip(dimensions, table, pl.family(len(dimensions)), strict=True):
        _series(left, rows, projections, errors, f"d = {d}", x_name="k", color=colour, extra={"panel": "pairs", "d": d})
    extra: dict[str, object] = {"panel": "pairs", "d": dimensions[-1]}
    _series(left, rows, projections, coordinates, "control: coordinates", x_name="k", control=True, extra=extra)
    k = np.asarray(projections, dtype=np.float64)
    centre = table.mean(axis=(0, 1))
    line = np.exp(np.log(centre).mean()) * np.sqrt(np.exp(np.log(k).mean()) / k)
    pl.theory(left, k, line, label="slope −1/2")
    rows += [{"series": "slope -1/2", "panel": "pairs", "x": a, "value": v} for a, v in zip(k, line, strict=True)]
    shown = [v for v in means.k if v is not None]
    plain = statistics.mean(means.errors[:, means.k.index(None)])
    right.axhspan(_number(plain.low), _number(plain.high), color=pl.GROUPS[3], alpha=0.35, label="without projection")
    rows.append({"series": "without projection", "panel": "means", **_row(plain)})
    errors = means.errors[:, [means.k.index(v) for v in shown]]
    _series(right, rows, shown[1:], errors[:, 1:], "with projection", x_name="k", extra={"panel": "means"})
    _series(right, rows, shown[:1], errors[:, :1], "control", x_name="k", control=True, extra={"panel": "means"})
    pl.log_ticks(left, "x", projections)
    pl.log_ticks(right, "x", shown)
    for ax in (left, right):
        pl.log_ticks(ax, "y")
        ax.set_xlabel("projected dimension k")
        ax.legend(loc="best")
    left.set_ylabel("mean absolute error")
    return fig, pd.DataFrame(rows)


def smooth(terms: Sequence[int], right: np.ndarray, off: np.ndarray, slope: Estimate) -> Drawn:
    r"""F5: sup error against the square root of the number of terms."""
    fig, ax = pl.single("Approximating 1/(1+z) by exponentials")
    root = np.sqrt(np.asarray(terms, dtype=np.float64))
    law = np.exp(np.log(right).mean() - np.pi * (root - root.mean()))
    pl.theory(ax, root, law, label="slope −π")
    pl.experiment(ax, root, right, label=f"geometric rates, slope {pl.interval_text(slope)}")
    pl.control(ax, root, off, label="control: equal steps")
    named = (("theory", law), ("geometric rates", right), ("control: equal steps", off))
    rows = [
        {"series": s, "terms": m, "sup_error": v} for s, values in named for m, v in zip(terms, values, strict=True)
    ]
    pl.log_ticks(ax, "y")
    ax.set_xlabel("square root of the number of terms")
    ax.set_ylabel("largest error, z ≤ 10⁴")
    ax.legend(loc="best")
    return fig, pd.DataFrame(rows)


def classifiers(found: Sequence[Comparison]) -> Drawn:
    """F6: accuracy against budget and against processor time."""
    fig, (left, right) = pl.wide(2, ["Accuracy", "Accuracy and time"], share=False)
    rows: Rows = []
    for c, colour in zip(found, pl.GROUPS, strict=False):
        kinds = (("similarity", c.similarity, c.similarity_seconds, "o"), ("DP-SGD", c.rival, c.rival_seconds, "s"))
        for name, accuracy, seconds, marker in kinds:
            label, joined = f"{c.name}, {name}", "-" if name == "similarity" else ":"
            extra: dict[str, object] = {"data": c.name}
            _series(
                left, rows, c.epsilons, accuracy, label, x_name="epsilon", color=colour, marker=marker,
                linestyle=joined, extra=extra,
            )  # fmt: skip
            medians = np.median(seconds, axis=0)
            pl.experiment(right, medians, accuracy.mean(axis=0), color=colour, marker=marker)
            rows += [
                {"series": label, "data": c.name, "epsilon": e, "seconds": t, "value": v}
                for e, t, v in zip(c.epsilons, medians, accuracy.mean(axis=0), strict=True)
            ]
    for c, marker in zip(found, pl.MARKERS, strict=False):
        label = f"control: {c.name}, noise for ε = {BROKEN:g}"
        _series(left, rows, c.epsilons, c.drowned, label, x_name="epsilon", control=True, marker=marker)
    pl.log_ticks(left, "x", found[0].epsilons)
    pl.log_ticks(right, "x")
    left.set_xlabel("budget ε (δ = 10⁻⁵)")
    right.set_xlabel("processor seconds, fit and predict")
    left.set_ylabel("test accuracy")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, pd.DataFrame(rows)


def query_times(sizes: Sequence[int], seconds: Mapping[str, np.ndarray]) -> Drawn:
    """F7: seconds a query against n."""
    fig, ax = pl.single("Time of one query")
    rows: Rows = []
    names = {"exact": "control: exact sum", "trees": "distance, trees", "features": "kernel, random features"}
    for index, (key, name) in enumerate(names.items()):
        best = seconds[key].min(axis=0)
        low, high = best, np.median(seconds[key], axis=0)
        mark = pl.control if key == "exact" else pl.experiment
        style: dict[str, Any] = {} if key == "exact" else {"color": pl.GROUPS[index], "marker": pl.MARKERS[index]}
        mark(ax, sizes, best, low, high, label=name, linestyle="-", linewidth=1.0, **style)
        rows += [
            {"series": name, "n": n, "seconds": m, "low": a, "high": b}
            for n, m, a, b in zip(sizes, best, low, high, strict=True)
        ]
    pl.log_ticks(ax, "both")
    ax.set_xlabel("points n")
    ax.set_ylabel("processor seconds a query")
    ax.legend(loc="best")
    return fig, pd.DataFrame(rows)


def _series(
    ax: Axes,
    rows: Rows,
    x: Sequence[float],
    samples: np.ndarray,
    label: str,
    *,
    x_name: str = "x",
    control: bool = False,
    extra: Mapping[str, object] | None = None,
    **style: object,
) -> None:
    """Means over rows with t intervals, drawn and noted down."""
    found = [statistics.mean(column) for column in samples.T]
    options = {"linestyle": "-", "linewidth": 1.0, **style}
    mark = pl.control if control else pl.experiment
    mark(ax, x, *_bars(found), label=label, **options)  # type: ignore[arg-type]
    rows += [{"series": label, **(extra or {}), x_name: v, **_row(e)} for v, e in zip(x, found, strict=True)]


def _number(value: object) -> float:
    return float(np.asarray(value))


def _row(e: Estimate) -> dict[str, object]:
    return {"value": e.value, "low": e.low, "high": e.high, "runs": e.n}


def _bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ends = np.asarray([[e.value, e.low, e.high] for e in estimates], dtype=np.float64).T
    return ends[0], ends[1], ends[2]
