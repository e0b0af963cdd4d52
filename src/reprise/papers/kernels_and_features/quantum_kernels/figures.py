"""Figures of the two classifiers (C1, C2), each with the tidy data that it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.quantum_kernels import depth_study, feature_map, labels, machines
from reprise.papers.kernels_and_features.quantum_kernels.depth_study import PRODUCT, Depths, Series
from reprise.papers.kernels_and_features.quantum_kernels.kernel_study import BASELINES, Compared
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled

Drawn = tuple[Figure, pd.DataFrame]
GRID = 64
"""Points of a map along each side."""
LIGHT = ListedColormap(["#e3c9d6", pl.PAPER, "#bcd8ea"])
PLUS, MINUS = pl.GROUPS[0], pl.GROUPS[2]


def decision_maps(data: Labelled, seed: int) -> Drawn:
    """F1: labels of one hidden measurement, and what two machines make of forty points."""
    titles = ["hidden measurement", "quantum kernel", "Gaussian kernel"]
    fig, axes = pl.wide(3, titles, height=3.5)
    side = 2.0 * np.pi * (np.arange(GRID) + 0.5) / GRID
    points = np.stack(np.meshgrid(side, side, indexing="xy"), axis=-1).reshape(-1, 2)
    score = labels.scores(points, data.hidden)
    truth = np.where(np.abs(score) >= labels.GAP, np.sign(score), 0.0)
    gram = feature_map.kernel(data.x, data.x)
    quantum = np.sign(machines.decision(gram, data.y, feature_map.kernel(points, data.x)))
    gaussian = np.sign(machines.gaussian(data.x, data.y, seed).decision(points))
    table = []
    for ax, title, values in zip(axes, titles, (truth, quantum, gaussian), strict=True):
        image = values.reshape(GRID, GRID)
        box = (0.0, 2.0 * np.pi, 0.0, 2.0 * np.pi)
        ax.imshow(image, cmap=LIGHT, vmin=-1.0, vmax=1.0, extent=box, origin="lower", interpolation="nearest")
        for label, colour, marker in ((1.0, PLUS, "o"), (-1.0, MINUS, "s")):
            x = data.x[data.y == label]
            pl.experiment(ax, x[:, 0], x[:, 1], color=colour, marker=marker, markersize=4.5)
            table += [
                {"panel": "training points", "series": f"label {label:+.0f}", "x1": a, "x2": b, "value": label}
                for a, b in (x if title == titles[0] else ())
            ]
        ax.set(xlabel="$x_1$", aspect="equal", xlim=(0, 2 * np.pi), ylim=(0, 2 * np.pi))
        ax.set_xticks([0, np.pi, 2 * np.pi], ["0", "π", "2π"])
        ax.set_yticks([0, np.pi, 2 * np.pi], ["0", "π", "2π"])
        ax.grid(visible=False)
        table += [
            {"panel": title, "series": "label", "x1": a, "x2": b, "value": v}
            for (a, b), v in zip(points.round(4), values, strict=True)
        ]
    axes[0].set_ylabel("$x_2$")
    return fig, pd.DataFrame(table)


def depths(found: Depths, ceiling: np.ndarray) -> Drawn:
    """F2: success by depth with both controls, and costs by step."""
    fig, (left, right) = pl.wide(2, ["Test success", "Cost during training"], share=False)
    last = found.depths[-1]
    columns: list[tuple[str, Series, str]] = [(f"{d}", d, pl.EXPERIMENT) for d in found.depths]
    columns += [
        (f"{last}, no\nCZ gates", depth_study.local(last), pl.CONTROL),
        (f"{last}, product\nstates", PRODUCT, pl.CONTROL),
    ]
    table: list[dict[str, object]] = []
    for place, (name, series, colour) in enumerate(columns):
        values = found.per_set(series)
        left.boxplot(
            values, positions=[place], widths=0.55, showfliers=False, medianprops={"color": colour, "lw": 1.6},
            boxprops={"color": colour}, whiskerprops={"color": colour}, capprops={"color": colour},
        )  # fmt: skip
        shift = np.linspace(-0.18, 0.18, len(values))
        pl.experiment(left, place + shift, np.sort(values), color=colour, markersize=3.2)
        label = name.replace("\n", " ")
        table += [{"panel": "success", "series": label, "x": place, "value": v} for v in values]
    pl.theory(left, [-0.4, len(columns) - 0.6], [ceiling.mean()] * 2)
    left.set_xticks(range(len(columns)), [name for name, _, _ in columns])
    left.tick_params(axis="x", labelsize=8.5)
    left.set(xlabel="entangling layers l", ylabel="share of test points")
    table += [{"panel": "success", "series": "linear machine on Pauli coefficients", "x": 0, "value": ceiling.mean()}]
    shown: list[tuple[str, Series, str]] = [("l = 0", 0, pl.family(2)[0]), (f"l = {last}", last, pl.family(2)[1])]
    for name, series, colour in (*shown, (f"l = {last}, product states", PRODUCT, pl.CONTROL)):
        costs = found.costs[series].mean(axis=1)
        steps = np.arange(1, costs.shape[1] + 1)
        mean, half = costs.mean(axis=0), costs.std(axis=0, ddof=1) / np.sqrt(len(costs))
        pl.experiment(right, steps, mean, mean - half, mean + half, label=name, color=colour, kind="band")
        table += [
            {"panel": "cost", "series": name, "x": int(k), "value": m, "low": m - h, "high": m + h}
            for k, m, h in zip(steps[::5], mean[::5], half[::5], strict=True)
        ]
    right.set(xlabel="step of SPSA", ylabel="cost", ylim=(0.0, None))
    right.legend()
    return fig, pd.DataFrame(table)


def advantage(compared: Sequence[Compared]) -> Drawn:
    """F6: accuracy of the quantum kernel less that of each baseline, by data set."""
    fig, axes = pl.wide(len(compared), [c.name for c in compared])
    places, table = np.arange(len(BASELINES)), []
    for index, (ax, c) in enumerate(zip(axes, compared, strict=True)):
        found = [statistics.paired_difference(c.quantum, c.baselines[b]) for b in BASELINES]
        value, low, high = (np.array([getattr(e, part) for e in found]) for part in ("value", "low", "high"))
        (pl.control if index else pl.experiment)(ax, places, value, low, high)
        ax.axhline(0.0, color=pl.INK, lw=0.9)
        ax.set_xticks(places, [b.replace(" ", "\n", 1) for b in BASELINES])
        ax.set_xlim(-0.6, len(BASELINES) - 0.4)
        table += [
            {"panel": c.name, "series": b, "value": e.value, "low": e.low, "high": e.high, "n": e.n}
            for b, e in zip(BASELINES, found, strict=True)
        ]
    axes[0].set_ylabel("accuracy of the quantum kernel\nless that of the baseline")
    return fig, pd.DataFrame(table)
