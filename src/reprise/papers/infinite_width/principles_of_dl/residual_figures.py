"""The figure of residual connections (C6): amplitudes, and where it was sought the depth that trains best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl.aspect import Residual, Sweep, predicted_ratio, simple_ratio
from reprise.papers.infinite_width.principles_of_dl.figures import ends

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, Any]]


def residual_connections(studies: Sequence[Residual], sweeps: Sequence[Sweep]) -> Drawn:
    """F8: amplitudes against the skip, one panel an activation; below, test loss against depth where it was measured."""
    titles = [s.activation.name for s in studies]
    fig, axes = pl.wide(len(studies), titles, share=False, nrows=2 if sweeps else 1)
    top = axes[0] if sweeps else axes
    rows: Rows = []
    for ax, study in zip(top, studies, strict=True):
        _amplitudes(ax, study, rows)
    top[0].set_ylabel("amplitude ν")
    if sweeps:
        for ax, sweep in zip(axes[1], sweeps, strict=False):
            _losses(ax, sweep, rows)
        axes[1][0].set_ylabel("test loss / loss of zero")
        _best(axes[1][2], sweeps, rows)
    return fig, pd.DataFrame(rows)


def _amplitudes(ax: Axes, s: Residual, rows: Rows) -> None:
    skips = np.asarray(s.skips)
    found = s.amplitudes(ends(s.logs).ravel()).reshape(-1, 3)
    pl.experiment(ax, skips, found[:, 0], found[:, 1], found[:, 2])
    name = s.activation.name
    rows += [
        {"panel": name, "series": "networks", "x": g, "value": v[0], "low": v[1], "high": v[2]}
        for g, v in zip(skips, found, strict=True)
    ]
    grid = np.linspace(0.0, 0.98, 40)
    line = s.amplitudes(np.log1p([predicted_ratio(s.activation, s.width, s.layer, float(g)) for g in grid]))
    pl.theory(ax, grid, line)
    rows += [{"panel": name, "series": "theory", "x": g, "value": v} for g, v in zip(grid, line, strict=True)]
    if s.activation is not act.LINEAR:
        simple = s.amplitudes(np.log1p([simple_ratio(s.activation, s.width, s.layer, float(g)) for g in grid]))
        ax.plot(grid, simple, color=pl.REPORTED, linestyle=(0, (1, 1.8)))
        if s.activation is act.RELU:
            pl.direct_label(ax, 0.3, float(simple[12]), "simple formula", color=pl.REPORTED, side="below")
        rows += [
            {"panel": name, "series": "simple formula", "x": g, "value": v} for g, v in zip(grid, simple, strict=True)
        ]
    ax.set_xlabel("skip γ")
    ax.set_ylim(bottom=0.0)


def _losses(ax: Axes, sweep: Sweep, rows: Rows) -> None:
    ax.set_title(f"Test loss, γ = {sweep.skip:g}")
    for part, width, colour in zip(sweep.test, sweep.widths, pl.family(len(sweep.widths)), strict=True):
        points = ends([statistics.mean(part[:, i]) for i in range(part.shape[1])])
        pl.experiment(
            ax,
            sweep.depths,
            points[:, 0],
            points[:, 1],
            points[:, 2],
            color=colour,
            linestyle="-",
            label=f"n = {width}",
        )
        rows += [
            {"panel": f"loss, skip {sweep.skip:g}", "series": f"n = {width}", "x": d, "value": p[0], "low": p[1], "high": p[2]}
            for d, p in zip(sweep.depths, points, strict=True)
        ]  # fmt: skip
    pl.log_ticks(ax, "x", list(sweep.depths))
    ax.set_xlabel("hidden layers L")
    ax.legend(loc="upper center", fontsize=9)


def _best(ax: Axes, sweeps: Sequence[Sweep], rows: Rows) -> None:
    ax.set_title("Best depth")
    for sweep, colour, marker in zip(sweeps, pl.GROUPS, pl.MARKERS, strict=False):
        best = sweep.best_depths()
        pl.experiment(ax, sweep.widths, best, color=colour, marker=marker, linestyle="-", label=f"γ = {sweep.skip:g}")
        rows += [
            {"panel": "best depth", "series": f"skip {sweep.skip:g}", "x": n, "value": b}
            for n, b in zip(sweep.widths, best, strict=True)
        ]
    pl.log_ticks(ax, "x", list(sweeps[0].widths))
    pl.log_ticks(ax, "y")
    ax.set_xlabel("width n")
    ax.legend(loc="best", fontsize=9)
