"""Figures of claims C1, C2, C3 and of the information of C6: each function returns the figure and the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import classes, criticality, information, recursions
from reprise.papers.infinite_width.principles_of_dl.criticality import Passage
from reprise.papers.infinite_width.principles_of_dl.fluctuations import Ensemble, pick, predicted

Drawn = tuple[Figure, pd.DataFrame]


def ends(estimates: Sequence[Estimate]) -> Float[np.ndarray, "k 3"]:
    """Values, lower and upper ends of estimates, one row each."""
    return np.asarray([[e.value, e.low, e.high] for e in estimates], dtype=np.float64)


def collapse(ensembles: Sequence[Ensemble], orthogonal: Ensemble) -> Drawn:
    """F1: four-point ratio against depth over width, for all activations and widths."""
    fig, ax = pl.single("Four-point ratio against depth over width")
    rows = []
    names = dict.fromkeys(e.activation.name for e in ensembles)
    widths = sorted({e.width for e in ensembles})
    for name, colour in zip(names, pl.GROUPS, strict=False):
        for e in (e for e in ensembles if e.activation.name == name):
            layers = e.moments.layers[1:]
            x = (layers - 1) / e.width
            points = ends([e.ratio(int(layer)) for layer in layers])
            marker = pl.MARKERS[widths.index(e.width) % len(pl.MARKERS)]
            pl.experiment(ax, x, points[:, 0], points[:, 1], points[:, 2], color=colour, marker=marker)
            rows += [
                {"series": name, "width": e.width, "depth_over_width": a, "ratio": p[0], "low": p[1], "high": p[2]}
                for a, p in zip(x, points, strict=True)
            ]
        widest = pick(ensembles, act.BY_NAME[name], widths[-1])
        layers = np.arange(2, int(widest.moments.layers[-1]) + 1)
        line = predicted(widest.activation, widest.width, layers)
        pl.theory(ax, (layers - 1) / widest.width, line, color=pl.readable(colour))
        pl.direct_label(ax, float((layers[-1] - 1) / widest.width), float(line[-1]), name, color=colour)
        rows += [
            {"series": f"{name}, theory", "width": widest.width, "depth_over_width": (a - 1) / widest.width, "ratio": b}
            for a, b in zip(layers, line, strict=True)
        ]
    layers = orthogonal.moments.layers[1:]
    x = (layers - 1) / orthogonal.width
    points = ends([orthogonal.ratio(int(layer)) for layer in layers])
    pl.control(ax, x, points[:, 0], points[:, 1], points[:, 2])
    pl.direct_label(
        ax, float(x[-1]), float(points[-1, 0]), "linear, orthogonal (control)", color=pl.CONTROL, side="below"
    )
    rows += [
        {
            "series": "control",
            "width": orthogonal.width,
            "depth_over_width": a,
            "ratio": p[0],
            "low": p[1],
            "high": p[2],
        }
        for a, p in zip(x, points, strict=True)
    ]
    for i, n in enumerate(widths):
        ax.plot([], [], linestyle="none", marker=pl.MARKERS[i % len(pl.MARKERS)], color=pl.INK, label=f"n = {n}")
    ax.legend(loc="upper left")
    ax.set_xlim(left=0.0)
    ax.set_xlabel(r"depth over width, $(\ell-1)/n$")
    ax.set_ylabel(r"four-point ratio, $V/(nK^2)$")
    return fig, pd.DataFrame(rows)


def phase_diagram() -> Drawn:
    """F2: the rate of gradients over the plane of initialisations, with the line where they keep their size."""
    gelu = recursions.half_stable_point(act.GELU)
    panels = (
        (act.TANH, np.linspace(0.0, 0.3, 73), np.linspace(0.4, 1.9, 73), (0.0, 1.0)),
        (act.GELU, np.linspace(0.0, 0.5, 73), np.linspace(1.4, 2.3, 73), (gelu.bias, gelu.weight)),
    )
    fig, axes = pl.wide(2, [a.name for a, *_ in panels], share=False)
    rows: list[dict[str, Any]] = []
    image: Any = None
    for ax, (a, biases, weights, point) in zip(axes, panels, strict=True):
        parallel, perpendicular = criticality.phase(a, biases, weights)
        rate = np.log(perpendicular)
        ax.set_facecolor("#b9b6ae")
        ax.grid(visible=False)
        image = ax.pcolormesh(
            biases, weights, rate, cmap="vlag", vmin=-0.6, vmax=0.6, shading="gouraud", rasterized=True
        )
        line = criticality.steady_line(a, np.geomspace(1e-4, 60.0, 300))
        ax.plot(*line, color=pl.INK, linewidth=1.6)
        ax.set(xlim=(biases[0], biases[-1]), ylim=(weights[0], weights[-1]))
        ax.plot(*point, marker="*", markersize=13, color=pl.INK, markeredgecolor=pl.PAPER, clip_on=False, zorder=5)
        pl.direct_label(ax, *point, "critical point", side="right" if a is act.TANH else "below")
        ax.set_xlabel(r"bias variance $C_b$")
        rows += [
            {"activation": a.name, "bias": b, "weight": w, "log_chi_perp": rate[i, j], "chi_parallel": parallel[i, j]}
            for i, w in enumerate(weights)
            for j, b in enumerate(biases)
        ]
        rows += [
            {"activation": f"{a.name}, steady gradients", "bias": b, "weight": w, "log_chi_perp": 0.0}
            for b, w in zip(*line, strict=True)
        ]
        rows.append({"activation": f"{a.name}, critical point", "bias": point[0], "weight": point[1], "log_chi_perp": 0.0, "chi_parallel": 1.0})  # fmt: skip
    axes[0].set_ylabel(r"weight variance $C_W$")
    fig.colorbar(image, ax=list(axes), shrink=0.85, label=r"$\log\chi_\perp(K^*)$: gradient rate a layer")
    return fig, pd.DataFrame(rows)


def gradients_and_training(
    passages: Sequence[Passage], factors: Sequence[float], deep: np.ndarray, shallow: np.ndarray, depth: int
) -> Drawn:
    """F3: gradients on their way back, and training loss against the weight variance."""
    fig, (left, right) = pl.wide(2, ["Gradients in random networks", "Training"], share=False)
    rows = []
    relu = [p for p in passages if p.setting.activation is act.RELU]
    for p, colour in zip(relu, pl.family(len(relu)), strict=True):
        gradient = p.gradient.mean(axis=0)
        steps = np.arange(len(gradient))[::-1]
        gains = np.concatenate([[0.0], np.cumsum(p.setting.log_gains(len(steps))[::-1])])[: len(steps)][::-1]
        left.plot(steps, gradient, color=colour)
        pl.theory(left, steps, np.exp(gains), color=pl.INK, linewidth=1.0)
        at = len(steps) // 2
        label = "critical" if p.setting.factor == 1.0 else f"{p.setting.factor:g} × critical"
        pl.direct_label(left, float(steps[at]), float(gradient[at]), label, color=colour, side="above")
        for s, g, t in zip(steps, gradient, np.exp(gains), strict=True):
            rows.append({"panel": "gradients", "factor": p.setting.factor, "x": s, "value": g, "theory": t})
    pl.log_ticks(left, "y")
    left.set_xlabel("layers below the output")
    left.set_ylabel(r"$|\partial f/\partial z^{(\ell)}|^2$")
    for values, label, colour, marker in (
        (deep, f"{depth} hidden layers", pl.EXPERIMENT, "o"), (shallow, "3 hidden layers", pl.CONTROL, "X"),
    ):  # fmt: skip
        points = ends([statistics.mean(values[:, i], method="bootstrap") for i in range(values.shape[1])])
        low = np.maximum(points[:, 1], 1e-6)
        pl.experiment(right, factors, points[:, 0], low, points[:, 2], color=colour, marker=marker, linestyle="-", label=label)  # fmt: skip
        rows += [
            {"panel": "training", "series": label, "factor": f, "x": f, "value": p[0], "low": b, "high": p[2]}
            for f, p, b in zip(factors, points, low, strict=True)
        ]
    pl.log_ticks(right, "y")
    pl.log_ticks(right, "x", list(factors))
    right.axvline(1.0, color=pl.INK, linewidth=0.9, linestyle=(0, (1, 1.8)))
    right.set_xlabel(r"$C_W$ over its critical value")
    right.set_ylabel("training loss / loss of zero")
    right.legend(loc="best")
    return fig, pd.DataFrame(rows)


def kernel_flows(layers: Sequence[int], samples: np.ndarray, far: int) -> Drawn:
    """F4: kernels from layer to layer, one curve an activation, and wide networks."""
    fig, ax = pl.single("Kernels from layer to layer at criticality")
    at = np.unique(np.round(np.geomspace(1, far, 60)).astype(int))
    rows = []
    flows = [(act.RELU, 2.0, 0.0), *((a, recursions.critical_weight(a), 0.0) for a in classes.ZERO_KERNEL)]
    points = [(a, recursions.half_stable_point(a)) for a in (act.GELU, act.SWISH)]
    flows += [(a, p.weight, p.bias) for a, p in points]
    for (a, weight, bias), colour in zip(flows, [*pl.GROUPS, pl.INK], strict=True):
        kernel = recursions.layers(a, far, weight=weight, bias=bias).kernel[at - 1]
        pl.theory(ax, at, kernel, color=colour, label=a.name)
        rows += [{"series": a.name, "layer": x, "kernel": k} for x, k in zip(at, kernel, strict=True)]
    pl.log_ticks(ax, "both")
    found = ends([statistics.mean(samples[:, i]) for i in range(samples.shape[1])])
    pl.experiment(ax, layers, found[:, 0], found[:, 1], found[:, 2], color=pl.GROUPS[1])
    rows += [
        {"series": "tanh networks", "layer": x, "kernel": v[0], "low": v[1], "high": v[2]}
        for x, v in zip(layers, found, strict=True)
    ]
    pl.slope_guide(ax, -1.0, (40.0, 0.004))
    pl.label_lines(ax)
    ax.set_xlabel(r"layer $\ell$")
    ax.set_ylabel(r"kernel $K^{(\ell)}$")
    return fig, pd.DataFrame(rows)


def information_curves(ensembles: Sequence[Ensemble]) -> Drawn:
    """F7: information of two neurons, truncated, exact and in networks, against the four-point ratio."""
    fig, ax = pl.single("Information shared by two neurons")
    top = information.optimal_ratio(1.0, 2)
    found = [e.moments.at(int(e.moments.layers[-1]))[0] for e in ensembles]
    at = [float(v.var() / v.mean() ** 2) for v in found]
    t = np.linspace(1e-3, 1.05 * max(*at, 2.5 * top), 36)
    rows = []
    curves = {
        "second order": information.truncated(t, 1, 1, order=2),
        "third order (the book)": information.truncated(t, 1, 1),
        "exact": np.asarray([information.lognormal_information(v, 1, 1) for v in t]),
    }
    styles = {"second order": (0, (1, 1.6)), "third order (the book)": (0, (5, 2.2)), "exact": "-"}
    for (name, values), colour in zip(curves.items(), (pl.REPORTED, pl.INK, pl.GROUPS[0]), strict=True):
        keep = (values > -0.0015) & (values < 1.1 * curves["exact"].max())
        pl.theory(ax, t[keep], values[keep], color=colour, linestyle=styles[name], label=name)
        rows += [{"series": name, "t": a, "information": b} for a, b in zip(t[keep], values[keep], strict=True)]
    for e, v, x in zip(ensembles, found, at, strict=True):
        value = information.of_networks(v, 1, 1)
        pl.experiment(ax, [x], [value])
        name = f"networks, n = {e.width}, layer {int(e.moments.layers[-1])}"
        rows.append({"series": name, "t": x, "information": value})
    ax.axvline(top, color=pl.INK, linewidth=0.9, linestyle=(0, (1, 1.8)))
    pl.direct_label(ax, top, 0.8 * float(curves["exact"].max()), r"$\nu r^*$", side="left")
    ax.axhline(0.0, color=pl.INK, linewidth=0.6)
    pl.label_lines(ax)
    ax.set_xlabel(r"four-point ratio $t=\nu r$")
    ax.set_ylabel("mutual information, nats")
    return fig, pd.DataFrame(rows)
