"""The figures of bias and closed form (C1, C2), each with the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.ssl_dataset_distillation import bias_study, scalar_example
from reprise.papers.kernels_and_features.ssl_dataset_distillation.bias_study import Biases
from reprise.papers.kernels_and_features.ssl_dataset_distillation.imitation_study import Head

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]


def rows(panel: str, series: str, x: Any, value: Any, **more: Any) -> Rows:
    """One row a mark; further columns are sequences of the same length."""
    found = pd.DataFrame({"panel": panel, "series": series, "x": list(x), "value": list(value), **more})
    return [{str(k): v for k, v in row.items()} for row in found.to_dict("records")]


def bias(found: Sequence[Biases]) -> Drawn:
    """F1: relative bias against the number of draws, and of one draw beside the deterministic inner problem."""
    fig, (left, right) = pl.wide(2, ["The bias falls like 1/J", "One draw, and none"], share=False)
    table, draws = Rows(), np.asarray(found[0].draws)
    exact = [scalar_example.relative_bias(1.0, int(j)) for j in draws]
    pl.theory(left, draws, exact, label="scalar example, exact")
    table += rows("decay", "scalar example, exact", draws, exact)
    for biases, colour, marker in zip(found, (pl.GROUPS[0], pl.GROUPS[3]), ("o", "s"), strict=False):
        value, low, high = _columns(biases.inner)
        slope = pl.interval_text(bias_study.decay(biases))
        label = f"{biases.kind}, slope {slope}"
        pl.experiment(
            left, draws, value, low, high, label=label, color=colour, marker=marker, linestyle="-", linewidth=0.9
        )
        table += rows("decay", biases.kind, draws, value, low=low, high=high)
    value, low, high = _columns(found[0].averaged)
    pl.control(left, draws, value, low, high, label="denoiser, averaged gradients", linestyle="-", linewidth=0.9)
    table += rows("decay", "control: averaged gradients", draws, value, low=low, high=high)
    pl.log_ticks(left, "x", found[0].draws)
    pl.log_ticks(left, "y")
    left.set(xlabel="draws J in the inner problem", ylabel="bias over gradient's length")
    left.set_ylim(bottom=0.02 * left.get_ylim()[0])
    left.legend(loc="lower left", fontsize=8.5)
    names = ["scalar\nexample", *(b.kind for b in found)]
    sizes = [exact[0], *(float(b.inner[:, 0].mean()) for b in found)]
    rounding = [1e-17, *(max(b.deterministic, 1e-17) for b in found)]
    places = np.arange(len(names))
    pl.experiment(right, places, sizes, label="one random draw")
    pl.control(right, places[1:], rounding[1:], label="squared error to targets")
    table += rows("one draw", "random", names, sizes) + rows("one draw", "deterministic", names[1:], rounding[1:])
    pl.log_ticks(right, "y")
    right.set(ylim=(1e-17, 1e2), xlim=(-0.5, len(names) - 0.5), ylabel="bias over gradient's length")
    right.set_xticks(places, names)
    right.legend(loc="center right")
    return fig, pd.DataFrame(table)


def _columns(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    estimates = [statistics.mean(column) for column in samples.T]
    value, low, high = (
        np.asarray([getattr(e, part) for e in estimates], dtype=float) for part in ("value", "low", "high")
    )
    return value, np.maximum(low, 1e-9), high


def descent(found: Sequence[Head]) -> Drawn:
    """F2: distance of the descending head from the closed form with the constant feature, and without it."""
    fig, ax = pl.single("Descent on the head ends at kernel ridge regression")
    table, head = Rows(), found[0]
    for constant, draw, name in (
        (True, pl.experiment, "from the closed form"),
        (False, pl.control, "from that without the constant"),
    ):
        closed = head.closed(constant=constant)
        gaps = np.linalg.norm(head.descent.predictions - closed, axis=(1, 2)) / np.linalg.norm(closed)
        draw(ax, head.descent.steps, gaps, label=name, markersize=4.0)
        table += rows("distance", name, head.descent.steps, gaps)
    pl.log_ticks(ax, "y")
    ax.set(xlabel="gradient steps with momentum", ylabel="relative distance of predictions")
    ax.legend(loc="center right")
    return fig, pd.DataFrame(table)
