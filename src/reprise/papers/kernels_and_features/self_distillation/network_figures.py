"""The figures of the trained networks (C5), with the tidy data that they draw, and the table of all rounds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.self_distillation import network_steps
from reprise.papers.kernels_and_features.self_distillation.figures import Drawn, Rows, rows
from reprise.papers.kernels_and_features.self_distillation.network_steps import GRID, Round, chosen, random_weight


def search(rounds: Sequence[Round]) -> Drawn:
    """F5: the grid's validation loss at step 2 with the estimate; test accuracy against the grid search's."""
    fig, (left, right) = pl.wide(2, ["Grid of students, step 2", "Test accuracy beside grid search"], share=False)
    table, second = Rows(), [r for r in rounds if r.step == 2]
    for found, colour in zip(second, pl.family(len(second)), strict=True):
        curve = np.mean([s.validation for s in found.grid], axis=1)
        curve = curve - curve.min()
        weight, label = float(found.weight.mean()), f"{found.decay:g}"
        left.plot(GRID, curve, color=colour, marker="o", ms=3.5, lw=1.2, label=label)
        pl.experiment(left, [weight], [0.0], color=colour, marker="D", markersize=8.0)
        table += rows("grid", label, GRID, curve) + rows("estimate", label, [weight], [0.0])
    left.set(
        xlabel="weight α of the data",
        ylabel="validation loss above the least",
        xticks=[-0.5, 0.0, 0.5, 1.0, 1.5],
        xlim=(-0.9, 1.8),
    )
    left.legend(loc="upper left", title="weight decay")
    places = np.arange(len(rounds))
    for name, blind in (("estimate", False), ("random weight", True)):
        gaps = [100 * ((random_weight(r) if blind else r.at).accuracy - chosen(r).accuracy) for r in rounds]
        found_ = [statistics.mean(g) for g in gaps]
        value, low, high = (np.array([getattr(e, part) for e in found_]) for part in ("value", "low", "high"))
        draw = pl.control if blind else pl.experiment
        draw(right, places + 0.1 * blind, value, low, high, label=name)
        table += [
            {"panel": "accuracy", "series": name, "x": f"{r.decay:g}, step {r.step}", "value": v, "low": a, "high": b}
            for r, v, a, b in zip(rounds, value, low, high, strict=True)
        ]
    right.axhline(0.0, color=pl.INK, lw=0.8)
    right.set_xticks(places, [f"{r.decay:g}\nstep {r.step}" for r in rounds], fontsize=9)
    right.set(xlabel="weight decay and step", ylabel="percentage points")
    right.set_ylim(bottom=1.25 * right.get_ylim()[0])
    right.legend(loc="lower center", ncols=2)
    return fig, pd.DataFrame(table)


def linearity(found: Float[np.ndarray, "2 seeds widths"], widths: Sequence[int]) -> Drawn:
    """F7: how far students are from affine in their weight, against width."""
    fig, ax = pl.single("Wide networks are affine in the weight, if held to their start")
    table = Rows()
    for part, name, draw in (
        (found[0], "distance from the start", pl.experiment),
        (found[1], "weight decay", pl.control),
    ):
        estimates = [statistics.mean(column) for column in part.T]
        value, low, high = (np.array([getattr(e, key) for e in estimates]) for key in ("value", "low", "high"))
        draw(ax, widths, value, low, high, label=f"penalty on {name}" if draw is pl.experiment else name, linestyle="-")
        table += [
            {"series": name, "x": w, "value": v, "low": a, "high": b}
            for w, v, a, b in zip(widths, value, low, high, strict=True)
        ]
    guide = float(found[0].mean(axis=0)[0]) * (np.asarray(widths) / widths[0]) ** -0.5
    pl.theory(ax, widths, guide, label="slope −1/2")
    pl.log_ticks(ax, "x", widths)
    pl.log_ticks(ax, "y")
    ax.set(xlabel="width", ylabel="deviation from affine")
    ax.legend()
    return fig, pd.DataFrame(table)


def rounds_table(rounds: Sequence[Round]) -> str:
    """All rounds as a Markdown table: weights, test accuracies and losses."""
    lines = [
        "| decay, step | weight (seeds below 0, above 1) | accuracy at it | not cut to [0, 1] | grid search | random | loss over grid's | deviation from affine |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rounds:
        best, blind = chosen(r), random_weight(r)
        low, high = int((r.weight < 0).sum()), int((r.weight > 1).sum())
        accuracies = " | ".join(f"{100 * s.accuracy.mean():.1f} %" for s in (r.at, r.free, best, blind))
        lines.append(
            f"| {r.decay:g}, {r.step} | {r.weight.mean():.2f} ({low}, {high}) | {accuracies} | "
            f"{(r.at.test / best.test).mean():.3f} | {r.defect.mean():.2f} |"
        )
    trainings = rounds[0].trainings
    return "\n".join(lines) + (
        f"\n\nNew trainings a step: {trainings[0]} for the estimate, {trainings[1]} for the grid. "
        f"Wall time of the estimate over the grid's: {network_steps.wall_time(rounds):.2f}."
    )
