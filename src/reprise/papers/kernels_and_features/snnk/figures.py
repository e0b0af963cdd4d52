"""The figures of kernel estimation, expressiveness and the closed form (C1, C3, C4), each with the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.snnk import estimation_study as es
from reprise.papers.kernels_and_features.snnk.bundle_study import Errors, Gap
from reprise.papers.kernels_and_features.snnk.expressive_study import Regression
from reprise.papers.kernels_and_features.snnk.spectra import SPECTRA

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]


def rows(panel: str, series: str, x: Any, value: Any, low: Any = None, high: Any = None) -> Rows:
    """One row a mark."""
    ends = (value if low is None else low, value if high is None else high)
    return [
        {"panel": panel, "series": series, "x": a, "value": v, "low": lo, "high": hi}
        for a, v, lo, hi in zip(x, value, *ends, strict=True)
    ]


def bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values and both ends of the intervals."""
    ends = np.asarray([[e.value, e.low, e.high] for e in estimates], dtype=np.float64).T
    return ends[0], ends[1], ends[2]


def of_columns(samples: Float[np.ndarray, "seeds k"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over seeds with t intervals."""
    return bars([statistics.mean(column) for column in samples.T])


def estimation(
    features: Sequence[int],
    found: Sequence[es.Found],
    apart: es.Found,
    dimension: int,
    norms: Sequence[float],
    by_norm: Sequence[Estimate],
) -> Drawn:
    """F1: error against the number of features, and against the norm."""
    fig, (left, right) = pl.wide(2, ["Four kernels", f"Cosine, m = {es.AT}"], share=False)
    table = Rows()
    for spectrum, one, colour, marker in zip(SPECTRA, found, pl.GROUPS, pl.MARKERS, strict=False):
        value, low, high = bars([statistics.bootstrap(column, es.rms) for column in one.error.T])
        label = f"{spectrum.name}, norm {spectrum.norm:g}"
        pl.experiment(left, features, value, low, high, label=label, color=colour, marker=marker)
        table += rows("features", label, features, value, low, high)
    exact = es.exact_error([1.0], 1, dimension)[0] * np.asarray(features, dtype=np.float64) ** -0.5
    pl.theory(left, features, exact, label="exact, cosine")
    value = np.asarray([es.rms(column) for column in apart.error.T])
    pl.control(left, features, value, label="control: drawn apart", linestyle="-", linewidth=1.0)
    table += rows("features", "exact, cosine", features, exact) + rows("features", "control", features, value)
    value, low, high = bars(by_norm)
    pl.experiment(right, norms[:-1], value[:-1], low[:-1], high[:-1], label="measured")
    pl.control(right, norms[-1:], value[-1:], low[-1:], high[-1:], label="control")
    grid = np.linspace(min(norms), max(norms), 30)
    curve = es.exact_error(grid.tolist(), es.AT, dimension)
    pl.theory(right, grid, curve, label="exact")
    table += rows("norm", "measured", norms, value, low, high) + rows("norm", "exact", grid, curve)
    pl.log_ticks(left, "x", features)
    for ax in (left, right):
        pl.log_ticks(ax, "y")
    low_end, high_end = left.get_ylim()
    left.set_ylim(low_end * (low_end / high_end) ** 0.5, high_end)
    left.set(xlabel="features m", ylabel="relative error")
    right.set(xlabel="norm of x and w")
    left.legend(loc="lower left", fontsize=8.5, ncols=2)
    right.legend(loc="upper left")
    return fig, pd.DataFrame(table)


def one_neuron(found: Regression, shown: int = 400) -> Drawn:
    """F3: predictions against targets of the first repetition, of the neuron and of the spline."""
    titles = [
        f"one neuron: R² = {found.neuron_r2.mean():.4f}",
        f"best spline of w·x: R² = {found.spline_r2.mean():.4f}",
    ]
    fig, axes = pl.wide(2, titles)
    target, table = found.target[0, :shown], Rows()
    ends = [float(target.min()), float(target.max())]
    for ax, name, predicted in zip(axes, ("neuron", "spline"), (found.neuron, found.spline), strict=True):
        mark = pl.experiment if name == "neuron" else pl.control
        mark(ax, target, predicted[0, :shown], label=None, markersize=3.5)
        pl.theory(ax, ends, ends)
        table += rows("predictions", name, target, predicted[0, :shown])
        ax.set_xlabel("target, arc-cosine kernel")
    axes[0].set_ylabel("prediction")
    return fig, pd.DataFrame(table)


def closed_form(found: Sequence[Gap], errors: Sequence[Errors]) -> Drawn:
    """F4: descent above the closed form, and test errors over that of backpropagation."""
    titles = ["Gradient descent above the closed form", "Test error over backpropagation's"]
    fig, (left, right) = pl.wide(2, titles, share=False)
    table = Rows()
    for gap, colour in zip(found, pl.GROUPS, strict=False):
        for name, curve, line in (("plain", gap.plain, "-"), ("with momentum", gap.accelerated, ":")):
            steps = np.unique(np.geomspace(1, len(curve) - 1, 200).astype(int))
            steps = steps[curve[steps] > 1e-13]
            label = f"{gap.name}, {name}"
            left.plot(steps, curve[steps], color=colour, linestyle=line, linewidth=1.6, label=label)
            table += rows("descent", label, steps, curve[steps])
    for e, colour, marker in zip(errors, pl.GROUPS, pl.MARKERS, strict=False):
        below = e.network.mean()
        value, low, high = of_columns(e.bundled / below)
        pl.experiment(
            right, e.sizes, value, low, high, label=e.name, color=colour, marker=marker, linestyle="-", linewidth=1.0
        )
        pl.theory(right, e.sizes[-2:], [e.limit.mean() / below] * 2, color=colour)
        pl.control(right, [e.sizes[0] / 2], [e.linear.mean() / below], label=None, marker=marker)
        table += rows("errors", e.name, e.sizes, value, low, high)
        table += rows("errors", f"{e.name}, infinitely many", e.sizes[-2:], [e.limit.mean() / below] * 2)
        table += rows("errors", f"{e.name}, raw inputs", [e.sizes[0] / 2], [e.linear.mean() / below])
    right.axhline(1.0, color=pl.INK, linewidth=0.8)
    pl.log_ticks(left, "both")
    pl.log_ticks(right, "y")
    ticks = (errors[0].sizes[0] / 2, *errors[0].sizes)
    pl.log_ticks(right, "x", ticks)
    right.set_xticks(ticks, ["raw", *(pl.number(t) for t in ticks[1:])])
    left.set(xlabel="step", ylabel="relative excess of the loss")
    right.set(xlabel="features m of each layer", ylabel="ratio")
    left.legend(loc="lower left", fontsize=8.5)
    right.legend(loc="upper right")
    return fig, pd.DataFrame(table)
