"""The chapter's figures on learning: regression and images."""

import numpy as np
import pandas as pd

from reprise import plotting
from reprise.papers.infinite_width.scale_mixture_nngp.class_report import gaps, levels
from reprise.papers.infinite_width.scale_mixture_nngp.figures import Drawn
from reprise.papers.infinite_width.scale_mixture_nngp.regression_study import CONDITIONS, differences
from reprise.papers.infinite_width.scale_mixture_nngp.synthetic_study import SyntheticStudy
from reprise.statistics import mean


def regression(synthetic: SyntheticStudy, table: pd.DataFrame) -> Drawn:
    """Excess NLL of Gaussian processes on functions of random scale, and paired differences on data sets."""
    gaps_found = differences(table)
    fig, (left, right) = plotting.wide(
        2, ["Functions of random scale", "Regression sets"], share=False, height=max(3.6, 1.4 + 0.22 * len(gaps_found))
    )
    sizes = np.asarray(synthetic.sizes, dtype=float)
    frames = []
    cases = (
        ("fitted", "scale fitted", plotting.EXPERIMENT, "o"),
        ("marginal", "marginal variance", plotting.GROUPS[1], "s"),
    )
    for name, label, colour, marker in cases:
        found = [mean(synthetic.random[name][:, k] - synthetic.random["t"][:, k]) for k in range(len(sizes))]
        table_of = pd.DataFrame(
            {"panel": "synthetic", "quantity": label, "x": sizes, "value": [e.value for e in found]}
            | {"low": [e.low for e in found], "high": [e.high for e in found]}
        )
        seen = table_of[table_of.value > 0]  # the axis is logarithmic
        low = np.maximum(seen.low, 0.2 * seen.value)
        plotting.experiment(left, seen.x, seen.value, low, seen.high, color=colour, marker=marker)
        plotting.direct_label(
            left, sizes[1], float(seen.value.iloc[1]), label, colour, "above" if name == "marginal" else "below"
        )
        frames.append(table_of)
    guide = float(frames[0].value.iloc[2]) * (sizes[2] / sizes) ** 2
    plotting.theory(left, sizes, guide)
    plotting.direct_label(left, sizes[2], float(guide[2]), "∝ 1/n²", plotting.INK, "below")
    frames.append(pd.DataFrame({"panel": "synthetic", "quantity": "1/n^2", "x": sizes, "value": guide}))
    plotting.log_ticks(left, "x", synthetic.sizes)
    plotting.log_ticks(left, "y")
    left.set(xlabel="training points n", ylabel="NLL above the t process's (nats a point)")
    names = [f"{name.removeprefix('uci/')}, {condition}" for name, condition in gaps_found]
    plotting.intervals(right, names, list(gaps_found.values()))
    right.set_xlabel("NLL, t process − NNGP (nats a point)")
    right.set_xscale("symlog", linthresh=1e-3)
    far = max(max(abs(float(e.low)), abs(float(e.high))) for e in gaps_found.values())  # type: ignore[arg-type]
    powers = [10.0**k for k in range(-3, 7, 1 if far < 1 else 2) if 10.0**k < 3 * far]
    ticks = [-t for t in reversed(powers)] + [0.0, *powers]
    right.set_xticks(ticks, labels=["−" * (t < 0) + plotting.number(abs(t)) for t in ticks])
    right.minorticks_off()
    order = dict(zip(CONDITIONS, plotting.GROUPS, strict=False))
    for tick, (_, condition) in zip(right.get_yticklabels(), gaps_found, strict=True):
        tick.set_color(plotting.readable(order[condition]))
    rows = [
        {"panel": "sets", "quantity": label, "value": e.value, "low": e.low, "high": e.high}
        for label, e in zip(names, gaps_found.values(), strict=True)
    ]
    plotting.panel_letters([left, right])
    return {"fig": fig, "data": pd.concat([*frames, pd.DataFrame(rows)], ignore_index=True)}


def images(table: pd.DataFrame) -> Drawn:
    """Differences in NLL to the SVGP for each set and kind of images: the SVTP, and three ways to see what it does."""
    methods = {
        "SVTP": "SVTP",
        "SVGP, its scale": "SVGP, SVTP's scale",
        "Tails kept": "frozen, a = 2",
        "Temperature": "SVGP, temperature",
    }
    pairs = list(gaps(table, "SVTP", "SVGP"))
    names = [f"{name} → {images}" for name, images in pairs]
    fig, axes = plotting.wide(4, list(methods), height=max(3.2, 1.2 + 0.32 * len(names)), share=False)
    rows = []
    for ax, (label, method) in zip(axes, methods.items(), strict=True):
        found = gaps(table, method, "SVGP")
        plotting.intervals(ax, names if ax is axes[0] else [""] * len(names), [found[pair] for pair in pairs])
        rows += [
            {"method": label, "pair": name, "value": e.value, "low": e.low, "high": e.high, "n": e.n}
            for name, e in zip(names, (found[pair] for pair in pairs), strict=True)
        ]
    lows, highs = zip(*(ax.get_xlim() for ax in axes[:3]), strict=True)
    for ax in axes:
        if ax is not axes[3]:  # to be compared row by row
            ax.set_xlim(min(lows), max(highs))
        ax.locator_params(axis="x", nbins=3)
    fig.supxlabel("NLL − NLL of the SVGP with the scale best on held-out images (nats an image)", fontsize="medium")
    plotting.panel_letters(axes)
    return {"fig": fig, "data": pd.DataFrame(rows)}


def calibration(table: pd.DataFrame, classes: pd.DataFrame) -> Drawn:
    """Coverage of 95 % intervals in regression, and calibration error of classifiers, for both processes."""
    covered = {
        label: table[table.method == method].groupby(["set", "condition"], sort=False)["covered"]
        for method, label in (("nngp", "NNGP"), ("t", "t process"))
    }
    left_rows = {
        label: {f"{name.removeprefix('uci/')}, {condition}": mean(v.to_numpy()) for (name, condition), v in groups}
        for label, groups in covered.items()
    }
    right_rows = {
        label: {f"{name} → {images}": e for (name, images), e in levels(classes, label, "ece").items()}
        for label in ("SVGP", "SVGP, temperature", "SVTP")
    }
    fig, axes = plotting.wide(
        2, ["Regression", "Classification"], share=False, height=max(3.8, 1.6 + 0.27 * len(left_rows["NNGP"]))
    )
    colours = (plotting.CONTROL, plotting.GROUPS[1], plotting.EXPERIMENT)
    frames = []
    for ax, rows, own in ((axes[0], left_rows, (colours[0], colours[2])), (axes[1], right_rows, colours)):
        for k, ((label, found), colour, marker) in enumerate(zip(rows.items(), own, ("s", "D", "o"), strict=False)):
            heights = np.arange(len(found)) + 0.24 * (k - 0.5 * (len(rows) - 1))
            values = [(float(e.value), float(e.low), float(e.high)) for e in found.values()]  # type: ignore[arg-type]
            centre, low, high = np.asarray(values).T
            ax.hlines(heights, low, high, color=colour, linewidth=1.3, zorder=3)
            plotting.experiment(ax, centre, heights, color=colour, marker=marker, label=label)
            frame = pd.DataFrame({"row": list(found), "method": label, "value": centre, "low": low, "high": high})
            frames.append(frame.assign(panel=ax.get_title(loc="left") or ax.get_title()))
        ax.set_yticks(range(len(found)), labels=list(found))
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
    axes[0].axvline(0.95, color=plotting.INK, linewidth=0.9, zorder=1.5)
    axes[0].set(xlabel="share of test labels in the 95 % interval", xlim=(None, 1.02))
    axes[1].set(xlabel="expected calibration error", xlim=(0.0, None))
    for ax in axes:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9, frameon=False)
    plotting.panel_letters(axes)
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}
