"""The chapter's figures on learning: regression and images."""

import numpy as np
import pandas as pd

from reprise import plotting
from reprise.papers.infinite_width.scale_mixture_nngp.class_report import gaps
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
        low = np.maximum(table_of.low, 1e-4)
        value = np.maximum(table_of.value, 1e-4)
        plotting.experiment(left, sizes, value, low, np.maximum(table_of.high, 1e-4), color=colour, marker=marker)
        plotting.direct_label(
            left, sizes[1], float(value.iloc[1]), label, colour, "above" if name == "marginal" else "below"
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
    """Differences in NLL to the SVGP for each set and kind of images: SVTP, and SVGP with a temperature."""
    student, heated = (gaps(table, method, "SVGP") for method in ("SVTP", "SVGP, temperature"))
    names = [f"{name} → {images}" for name, images in student]
    height = max(3.2, 1.2 + 0.42 * len(names))
    fig, (left, right) = plotting.wide(2, ["SVTP", "SVGP with temperature"], height=height)
    rows = []
    for ax, label, found in ((left, "SVTP", student), (right, "SVGP, temperature", heated)):
        estimates = [found[pair] for pair in student]
        plotting.intervals(ax, names, estimates)
        ax.set_xlabel("NLL − NLL of the SVGP (nats an image)")
        rows += [
            {"method": label, "pair": name, "value": e.value, "low": e.low, "high": e.high, "n": e.n}
            for name, e in zip(names, estimates, strict=True)
        ]
    plotting.panel_letters([left, right])
    return {"fig": fig, "data": pd.DataFrame(rows)}
