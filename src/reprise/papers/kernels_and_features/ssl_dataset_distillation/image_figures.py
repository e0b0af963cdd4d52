"""The figures of distillation and imitation (C3), each with the tidy data that it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise import plotting as pl
from reprise.papers.kernels_and_features.ssl_dataset_distillation.bias_figures import Drawn, Rows, rows
from reprise.papers.kernels_and_features.ssl_dataset_distillation.imitation_study import Imitation
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import Sets

SHOWN = 12
SMOOTH = 20
"""Images of the grid, and steps over which outer losses are averaged."""
CURVES = ("KRR-ST", "images only", "targets only", "fresh networks")


def pairs(found: Sets) -> Drawn:
    """F3: initial above final images, with the change relative to the initial image's norm."""
    before, after = found.start[0][:SHOWN], found.distilled["KRR-ST"].images[:SHOWN]
    fig, axes = pl.wide(SHOWN, share=True, nrows=2, height=1.9)
    low, high = float(before.min()), float(before.max())
    change = np.linalg.norm(after - before, axis=(1, 2)) / np.linalg.norm(before - low, axis=(1, 2))
    table = Rows()
    for stage, row, images in (("initial", axes[0], before), ("final", axes[1], after)):
        for k, (ax, image) in enumerate(zip(row, images, strict=False)):
            ax.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            lines, columns = np.indices(image.shape)
            marks = {"image": k, "row": lines.ravel(), "column": columns.ravel(), "value": image.ravel().round(4)}
            table += pd.DataFrame({"stage": stage, **marks, "change": change[k]}).to_dict("records")  # type: ignore[operator]
        row[0].set_ylabel(stage)
    for ax, size in zip(axes[1], change, strict=True):
        ax.set_xlabel(f"{100 * size:.0f} %", fontsize=9)
    return fig, pd.DataFrame(table)


def imitation(sets: Sequence[Sets], found: Imitation) -> Drawn:
    """F4: outer loss against step; held-out errors of networks trained from scratch on each small set."""
    fig, (left, right) = pl.wide(2, ["Outer loss while distilling", "Imitation by networks from scratch"], share=False)
    table, colours = Rows(), dict(zip(CURVES, (pl.EXPERIMENT, *pl.GROUPS[1:4]), strict=True))
    for name in (*CURVES, "shuffled teacher"):
        losses = np.mean([s.distilled[name].losses for s in sets], axis=0)
        usable = len(losses) // SMOOTH * SMOOTH
        curve, steps = losses[:usable].reshape(-1, SMOOTH).mean(axis=1), SMOOTH * (np.arange(usable // SMOOTH) + 0.5)
        control = name == "shuffled teacher"
        left.plot(
            steps,
            curve,
            color=pl.CONTROL if control else colours[name],
            lw=1.6 if name == "KRR-ST" else 1.1,
            label=name,
        )
        table += rows("outer loss", name, steps, curve)
    pl.log_ticks(left, "y")
    left.set(xlabel="outer step", ylabel="mean squared error")
    pl.label_lines(left)
    names = [n for n in found.errors if n not in ("shuffled teacher", "KRR-ST")]
    names = ["KRR-ST", *sorted(names, key=lambda n: float(found.errors[n].mean())), "shuffled teacher"]
    for place, name in enumerate(names):
        values = found.errors[name]
        draw = pl.control if name == "shuffled teacher" else pl.experiment
        draw(right, values, np.full(len(values), place), markersize=4.0, label=None)
        right.plot([values.mean()] * 2, [place - 0.32, place + 0.32], color=pl.INK, lw=1.4, zorder=4)
        table += rows("imitation", name, values, [place] * len(values))
    pl.theory(right, [1.0, 1.0], [-0.5, len(names) - 0.5])
    right.set_yticks(range(len(names)), names)
    right.set(ylim=(len(names) - 0.5, -0.5), xlabel="held-out error (mean predictor: 1)")
    pl.log_ticks(right, "x")
    right.grid(visible=False, axis="y")
    return fig, pd.DataFrame(table)
