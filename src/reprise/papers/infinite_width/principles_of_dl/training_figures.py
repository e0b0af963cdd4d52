"""Figures of claims C4, C5 and of the best depths of C6."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.infinite_width.principles_of_dl import algorithms, tangent
from reprise.papers.infinite_width.principles_of_dl.algorithms import Trained
from reprise.papers.infinite_width.principles_of_dl.figures import ends
from reprise.papers.infinite_width.principles_of_dl.tangent import Cell

Drawn = tuple[Figure, pd.DataFrame]


def tangent_grid(cells: Sequence[Cell]) -> Drawn:
    """F5: fluctuation and change of the tangent kernel against depth over width."""
    titles = {"fluctuation": r"At the start: $\mathrm{Var}(\hat\Theta)/\bar\Theta^2$", "change": r"In training: $|\Delta\hat\Theta|/\hat\Theta$"}  # fmt: skip
    fig, axes = pl.wide(2, list(titles.values()), share=False)
    depths = sorted({c.hidden for c in cells})
    rows = []
    for ax, what in zip(axes, titles, strict=True):
        for hidden, colour, marker in zip(depths, pl.family(len(depths)), [*pl.MARKERS] * 3, strict=False):
            mine = tangent.row(cells, hidden)
            x = [hidden / c.width for c in mine]
            points = ends([tangent.mean_change(c.samples(what)) for c in mine])
            pl.experiment(ax, x, *points.T, color=colour, marker=marker, label=f"{hidden} hidden layers")
            rows += [
                {"panel": what, "hidden": hidden, "width": c.width, "depth_over_width": a, "value": p[0], "low": p[1], "high": p[2]}
                for c, a, p in zip(mine, x, points, strict=True)
            ]  # fmt: skip
        x = np.asarray([c.hidden / c.width for c in cells])
        level = np.exp(np.mean([np.log(c.samples(what).mean() * c.width / c.hidden) for c in cells]))
        line = np.asarray([x.min(), x.max()])
        pl.theory(ax, line, level * line)
        rows += [{"panel": what, "hidden": 0, "width": 0, "depth_over_width": a, "value": level * a} for a in line]
        pl.log_ticks(ax, "both")
        ax.set_xlabel("depth over width, $L/n$")
        p, q = tangent.powers(cells, what)
        ax.text(0.97, 0.05, f"p = {pl.interval_text(p)}\nq = {pl.interval_text(q)}", transform=ax.transAxes, ha="right", fontsize=9)  # fmt: skip
    axes[0].legend(loc="upper left")
    axes[0].set_ylabel("relative size")
    return fig, pd.DataFrame(rows)


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
        pl.experiment(left, widths, *points.T, color=colour, marker=marker, linestyle="-", label=name)
        rows += _rows("width", name, widths, points)
    points = _means(algorithms.between_seeds(runs))
    pl.control(left, widths, *points.T, label="another start", linestyle="-")
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
        pl.experiment(right, shares, *points.T, color=colour, linestyle="-", label=f"n = {width}")
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
