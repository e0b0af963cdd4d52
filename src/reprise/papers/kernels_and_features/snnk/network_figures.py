"""The figures of the trained networks (C2, C5, C6), each with the tidy data that it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.snnk import adapters as ad
from reprise.papers.kernels_and_features.snnk.adapter_study import Adapted
from reprise.papers.kernels_and_features.snnk.estimation_study import rms
from reprise.papers.kernels_and_features.snnk.figures import Drawn, Rows, bars, of_columns, rows
from reprise.papers.kernels_and_features.snnk.layer_study import Row
from reprise.papers.kernels_and_features.snnk.merge_study import MERGES, Merged

NAMES = {
    "dense": "dense",
    "disentangled": "disentangled",
    "bottleneck": "behind a random bottleneck",
}


def layers(found: Sequence[Row]) -> Drawn:
    """F2: accuracy against trained parameters of the layer that is replaced, for both layers."""
    fig, axes = pl.wide(2, ["First layer, reads images", "Second layer, reads trained units"], share=False)
    table = Rows()
    whole = next(r for r in found if r.variant.kind == "dense")
    for place, ax in zip((1, 2), axes, strict=True):
        size = whole.layer if place == 1 else _inner(whole)
        value, low, high = of_columns(whole.test[:, None])
        ax.axhspan(low[0], high[0], color=pl.INK, alpha=0.12, linewidth=0)
        pl.experiment(ax, [size], value, low, high, label="dense", color=pl.INK, marker="s")
        table += rows(f"layer {place}", "dense", [size], value, low, high)
        for kind, colour, marker in zip(("disentangled", "bottleneck"), pl.GROUPS, pl.MARKERS, strict=False):
            chosen = [r for r in found if (r.variant.kind, r.variant.place, r.variant.trained) == (kind, place, "all")]
            value, low, high = of_columns(np.stack([r.test for r in chosen], axis=1))
            counts, label = [r.layer for r in chosen], NAMES[kind]
            pl.experiment(
                ax, counts, value, low, high, label=label, color=colour, marker=marker, linestyle="-", linewidth=1.0
            )
            table += rows(f"layer {place}", label, counts, value, low, high)
        for trained, label, marker in (("rest", "Ψ frozen", "P"), ("head", "control: all frozen but the head", "X")):
            chosen = [r for r in found if (r.variant.place, r.variant.trained) == (place, trained)]
            value, low, high = of_columns(np.stack([r.test for r in chosen], axis=1))
            same = [r for r in found if r.variant == chosen[0].variant._replace(trained="all")]
            aside = 0.88 if trained == "rest" else 1.0  # beside the trained one of the same size
            where = [aside * r.layer for r in same]
            colour = pl.CONTROL if trained == "head" else pl.GROUPS[2]
            pl.experiment(ax, where, value, low, high, label=label, marker=marker, color=colour)
            table += rows(f"layer {place}", label, where, value, low, high)
        pl.log_ticks(ax, "x")
        ax.set_xlabel("trained parameters of the layer")
    axes[0].set_ylabel("test accuracy")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, pd.DataFrame(table)


def _inner(whole: Row) -> int:
    """Parameters of the dense second layer, l(l + 1), from the network's total."""
    d = whole.variant.m
    hidden = round(whole.layer / (d + 1))
    return hidden * (hidden + 1)


def adapters(found: Adapted) -> Drawn:
    """F5: accuracy of the adapters, one row each, with their trained parameters; controls below in red."""
    fig, ax = pl.single("Adapters on a frozen transformer")
    most = max(s.adapter.size for s in found.scores if s.adapter.kind == "rectified")
    table, names = Rows(), []
    for place, s in enumerate(found.scores):
        kind, size = s.adapter
        count = pl.number(ad.trained(s.adapter, found.shape))
        name = "linear probe (0)" if kind == "none" else f"{kind}, {'r' if kind == 'dense' else 'm'} = {size} ({count})"
        names.append(name + (",\nuntrained trunk" if s.untrained else ""))
        value, low, high = of_columns(s.test[:, None])
        control = s.untrained or (kind == "rectified" and size < most)
        colour, marker = (pl.CONTROL, "X") if control else (pl.EXPERIMENT, "o")
        ax.plot([low[0], high[0]], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        pl.experiment(ax, value, [place], color=colour, marker=marker, label=None)
        table += rows(names[-1].replace("\n", " "), "control" if control else "measured", value, [place], low, high)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("test accuracy, target classes")
    frame = pd.DataFrame(table).rename(columns={"panel": "adapter", "x": "accuracy", "value": "row"})
    return fig, frame


def merges(
    found: Merged, features: Sequence[int], shared: Float[np.ndarray, "draws k"], apart: Float[np.ndarray, "draws k"]
) -> Drawn:
    """F6: accuracy and parameters after each merge; error of a network merged by formula."""
    fig, (left, right) = pl.wide(2, ["Distilled from a dense network", "Two layers merged by the formula"], share=False)
    table = Rows()
    value, low, high = of_columns(found.teacher[:, None])
    left.axhspan(low[0], high[0], color=pl.INK, alpha=0.12, linewidth=0)
    pl.experiment(left, [found.dense], value, low, high, label="dense network", color=pl.INK, marker="s")
    table += rows("distilled", "dense network", [found.dense], value, low, high)
    value, low, high = of_columns(found.test)
    pl.experiment(left, found.parameters, value, low, high, label="after k merges", linestyle="-", linewidth=1.0)
    table += rows("distilled", "after k merges", found.parameters, value, low, high)
    for k, count, height in zip(MERGES, found.parameters, value, strict=True):
        pl.direct_label(left, count, float(height), f"k = {k}", side="below")
    value, low, high = of_columns(found.other)
    pl.control(left, found.parameters, value, low, high, label="control: other features at test time")
    table += rows("distilled", "control", found.parameters, value, low, high)
    for errors, label, mark in ((shared, "merged", pl.experiment), (apart, "control: drawn apart", pl.control)):
        value, low, high = bars([statistics.bootstrap(column, rms) for column in errors.T])
        mark(right, features, value, low, high, label=label, linestyle="-", linewidth=1.0)
        table += rows("formula", label, features, value, low, high)
    middle = np.asarray(features, dtype=np.float64)
    centre = np.exp(np.log(rms(shared, axis=0)).mean() + 0.5 * np.log(middle).mean())
    pl.theory(right, middle, centre * middle**-0.5, label="slope −1/2")
    table += rows("formula", "slope -1/2", middle, centre * middle**-0.5)
    pl.log_ticks(left, "x")
    pl.log_ticks(right, "x", features)
    pl.log_ticks(right, "y")
    left.set(xlabel="trained parameters", ylabel="test accuracy", ylim=(0.0, 1.05))
    right.set(xlabel="features m of both layers", ylabel="relative error")
    left.legend(loc="center left")
    right.legend(loc="lower left")
    return fig, pd.DataFrame(table)
