"""Figures of claims C4, C5 and of the best depths of C6."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.infinite_width.principles_of_dl import algorithms, tangent
from reprise.papers.infinite_width.principles_of_dl.algorithms import Trained
from reprise.papers.infinite_width.principles_of_dl.figures import ends
from reprise.papers.infinite_width.principles_of_dl.tangent import Cell, Kernels

Drawn = tuple[Figure, pd.DataFrame]


def tangent_grid(cells: Sequence[Cell], hidden: int, widths: Sequence[int], relu: Sequence[Kernels]) -> Drawn:
    """F5: fluctuation and change of the tangent kernel against depth over width; ReLU networks of one depth beside the linear ones."""
    titles = {"fluctuation": "Scatter at the start (ReLU)", "change": "Change in training (linear)"}
    fig, axes = pl.wide(2, list(titles.values()), share=False)
    depths = sorted({c.hidden for c in cells})
    rows = []
    for ax, what in zip(axes, titles, strict=True):
        for depth, colour, marker in zip(depths, pl.family(len(depths)), [*pl.MARKERS] * 3, strict=False):
            mine = tangent.row(cells, depth)
            x = [depth / c.width for c in mine]
            points = ends([c.estimate(what) for c in mine])
            _points(ax, x, points, color=colour, marker=marker, label=f"{depth} hidden layers")
            rows += [
                {"panel": what, "hidden": depth, "width": c.width, "x": a, "value": p[0], "low": p[1], "high": p[2]}
                for c, a, p in zip(mine, x, points, strict=True)
            ]
        ratios = np.asarray([c.hidden / c.width for c in cells])
        level = np.exp(np.mean([np.log(float(c.estimate(what).value) * c.width / c.hidden) for c in cells]))  # type: ignore[arg-type]
        line = np.asarray([ratios.min(), ratios.max()])
        pl.theory(ax, line, level * line)
        rows += [{"panel": what, "hidden": 0, "width": 0, "x": a, "value": level * a} for a in line]
        p, q = tangent.powers(cells, what)
        text = f"p = {pl.interval_text(p)}\nq = {pl.interval_text(q)}"
        ax.text(0.97, 0.05, text, transform=ax.transAxes, ha="right", fontsize=9)
        ax.set_xlabel("depth over width, $L/n$")
    points = ends([tangent.mean_change(k.change) for k in relu])
    x = [hidden / n for n in widths]
    _points(axes[1], x, points, color=pl.GROUPS[2], marker="P", linestyle="-")
    pl.direct_label(
        axes[1], x[0], float(points[0, 0]), f"ReLU, {hidden} hidden layers", color=pl.GROUPS[2], side="left"
    )
    rows += [
        {"panel": "change, ReLU", "hidden": hidden, "width": n, "x": a, "value": p[0], "low": p[1], "high": p[2]}
        for n, a, p in zip(widths, x, points, strict=True)
    ]
    for ax in axes:
        pl.log_ticks(ax, "both")
    axes[0].legend(loc="upper left")
    axes[0].set_ylabel(r"$\log(1+\mathrm{Var}(\hat\Theta)/\bar\Theta^2)$")
    axes[1].set_ylabel(r"$|\Delta\hat\Theta|/\hat\Theta$")
    return fig, pd.DataFrame(rows)


def _points(ax: Axes, x: Sequence[float], points: np.ndarray, **style: Any) -> None:
    pl.experiment(ax, x, points[:, 0], points[:, 1], points[:, 2], **style)


def algorithm_distances(runs: Sequence[Trained], widths: Sequence[int], shares: Sequence[float]) -> Drawn:
    """F6: distances between algorithms against width, and against the step."""
    fig, (left, right) = pl.wide(2, ["Against the width", "Against the step"], share=False)
    half, most = list(shares).index(0.5), list(shares).index(0.9)
    tables = {
        "descent, 0.5": algorithms.differences(runs, lambda r: r.descent[:, half]),
        "descent, 0.9": algorithms.differences(runs, lambda r: r.descent[:, most]),
        "Newton": algorithms.differences(runs, lambda r: r.newton),
        "own kernel": algorithms.differences(runs, lambda r: r.kernel),
    }
    rows = []
    for (name, table), colour, marker in zip(tables.items(), pl.GROUPS, pl.MARKERS, strict=False):
        points = _means(table)
        _points(left, widths, points, color=colour, marker=marker, linestyle="-", label=name)
        rows += _rows("width", name, widths, points)
    points = _means(algorithms.between_seeds(runs))
    pl.control(left, widths, points[:, 0], points[:, 1], points[:, 2], label="another start", linestyle="-")
    rows += _rows("width", "another start (control)", widths, points)
    pl.log_ticks(left, "x", list(widths))
    pl.log_ticks(left, "y")
    pl.label_lines(left)
    left.set_xlabel("width n")
    left.set_ylabel("distance from gradient flow")
    left.text(
        0.03,
        0.04,
        f"slope at 0.5: {pl.interval_text(statistics.slope(widths, tables['descent, 0.5']))}",
        transform=left.transAxes,
        fontsize=9,
    )
    for run, width, colour in zip(runs, widths, pl.family(len(widths)), strict=True):
        table = np.stack([algorithms.distance(run.flow, run.descent[:, i]) for i in range(len(shares))], axis=1)
        points = _means(table)
        _points(right, shares, points, color=colour, linestyle="-", label=f"n = {width}")
        rows += _rows("step", f"n = {width}", shares, points)
    pl.log_ticks(right, "x", list(shares))
    pl.log_ticks(right, "y")
    pl.label_lines(right)
    right.set_xlabel("step over the largest stable one")
    return fig, pd.DataFrame(rows)


def _means(table: np.ndarray) -> np.ndarray:
    return ends([statistics.mean(table[:, i], method="bootstrap") for i in range(table.shape[1])])


def _rows(panel: str, series: str, x: Sequence[float], points: np.ndarray) -> list[dict[str, object]]:
    return [
        {"panel": panel, "series": series, "x": a, "distance": p[0], "low": p[1], "high": p[2]}
        for a, p in zip(x, points, strict=True)
    ]
