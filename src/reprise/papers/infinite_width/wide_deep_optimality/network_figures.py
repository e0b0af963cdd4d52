"""Figures of finite networks and of depth, with the tidy data that they draw."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_deep_optimality import finite
from reprise.papers.infinite_width.wide_deep_optimality import regression as rg
from reprise.papers.infinite_width.wide_deep_optimality.figures import Drawn, _bars, _frame, _means


def finite_networks(good: finite.Errors, bad: finite.Errors, trained: finite.Trained, one_layer: Estimate) -> Drawn:
    """F5: errors of the tangent kernel against width, and agreement of trained networks with their kernel."""
    fig, (left, right) = pl.wide(2, ["Error of the tangent kernel", "Trained networks and their kernel"], share=False)
    frames = []
    for depth, colour in zip(sorted(good.ntk), pl.family(len(good.ntk)), strict=True):
        label = f"{depth} hidden layer{'s' * (depth > 1)}"
        medians = [statistics.bootstrap(column, np.median) for column in good.ntk[depth].T]
        pl.experiment(
            left, good.widths[depth], *_bars(medians), color=colour, linestyle="-", linewidth=1.0, label=label
        )
        frames.append(_frame("width", good.widths[depth], medians, panel="kernel", series=label))
        shares = [dataclasses.replace(e, high=min(e.high, 1.0)) for e in _means(trained.agreement[depth])]
        pl.experiment(right, trained.widths, *_bars(shares), color=colour, linestyle="-", linewidth=1.0, label=label)
        frames.append(_frame("width", trained.widths, shares, panel="trained", series=label))
    flat = [statistics.bootstrap(column, np.median) for column in bad.ntk[1].T]
    pl.control(left, bad.widths[1], *_bars(flat), linestyle="-", linewidth=1.0)
    pl.direct_label(
        left,
        bad.widths[1][-1],
        float(np.median(bad.ntk[1][:, -1])),
        "1 layer, not normalised",
        color=pl.CONTROL,
        side="left",
    )
    frames.append(
        _frame("width", bad.widths[1], flat, panel="kernel", series="control: 1 hidden layer, not normalised")
    )
    middle = len(good.widths[1]) // 2
    pl.slope_note(
        left,
        one_layer,
        (good.widths[1][middle], float(np.median(good.ntk[1][:, middle]))),
        color=pl.family(len(good.ntk))[0],
        side="below",
    )
    for ax, widths in ((left, sorted({w for each in good.widths.values() for w in each})), (right, trained.widths)):
        pl.log_ticks(ax, "x", widths)
        ax.set_xlabel("width n (units)")
    pl.log_ticks(left, "y")
    left.set_ylabel("median relative error")
    right.set_ylabel("agreement on test points")
    right.set_ylim(top=1.02)
    pl.outside_legend(right)
    return fig, pd.concat(frames)


def two_measures(found: dict[str, rg.Depths], tuned: dict[str, rg.Depths]) -> Drawn:
    """F6: squared error and excess risk against depth."""
    fig, (left, right) = pl.wide(2, ["Squared error of the value", "Excess risk of the sign"], share=False)
    frames = []
    looks: Sequence[str] = (pl.EXPERIMENT, pl.GROUPS[3], pl.CONTROL)
    for (name, run), colour in zip(found.items(), looks, strict=False):
        for ax, table, panel in ((left, run.mse, "squared error"), (right, run.excess, "excess risk")):
            means = [statistics.bootstrap(column, np.median) for column in table.T] if ax is left else _means(table)
            pl.experiment(ax, run.depths, *_bars(means), color=colour, kind="band", label=name, marker="")
            frames.append(_frame("hidden layers", run.depths, means, panel=panel, series=name))
    depths = next(iter(found.values())).depths
    for (name, run), style in zip(tuned.items(), ((0, (1, 1.5)), (0, (4, 1, 1, 1))), strict=True):
        for ax, table, panel in ((left, run.mse, "squared error"), (right, run.excess, "excess risk")):
            level = float(table.mean())
            ax.plot(depths, np.full(len(depths), level), color=pl.REPORTED, linestyle=style, linewidth=1.2, label=name)
            frames.append(pd.DataFrame({"hidden layers": depths, "value": level, "panel": panel, "series": name}))
    for ax in (left, right):
        pl.log_ticks(ax, "x")
        ax.set_xlabel("hidden layers L")
    pl.log_ticks(left, "y")
    left.set_ylabel("mean squared error (median over sets)")
    right.set_ylabel("excess risk")
    right.set_ylim(bottom=0.0)
    pl.outside_legend(right)
    return fig, pd.concat(frames)
