"""Figures of shots, qubits and noise (C4, C5, C6), each with the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.quantum_kernels import feature_map, shots
from reprise.papers.kernels_and_features.quantum_kernels.growth_study import Growth, Ranks
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled
from reprise.papers.kernels_and_features.quantum_kernels.mitigation_study import Mitigated
from reprise.papers.kernels_and_features.quantum_kernels.shot_study import ShotResults

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]
SHOWN_SHOTS = 100


def band(samples: Float[np.ndarray, "n k"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of columns and their 95 % intervals."""
    found = [statistics.mean(column) for column in samples.T]
    value, low, high = (np.array([getattr(e, part) for e in found]) for part in ("value", "low", "high"))
    return value, low, high


def rows(panel: str, series: str, x: Sequence[float] | np.ndarray, *parts: np.ndarray) -> Rows:
    """One row a mark: value, and its interval if there is one."""
    names = ("value", "low", "high")[: len(parts)]
    return [
        {"panel": panel, "series": series, "x": a, **dict(zip(names, v, strict=True))}
        for a, *v in zip(x, *parts, strict=True)
    ]


def shot_noise(data: Labelled, found: ShotResults, at_one_shot: float, seed: int) -> Drawn:
    """F3: a kernel matrix, exact and from few shots; error and accuracy against shots.

    `at_one_shot` is the Frobenius error that the binomial law predicts at one shot.
    """
    titles = [
        "exact kernel matrix",
        f"from {SHOWN_SHOTS} shots",
        "Error of the kernel matrix",
        "Accuracy of the machine",
    ]
    fig, ((first, second), (left, right)) = pl.wide(2, titles, share=False, nrows=2, height=6.6)
    exact = feature_map.kernel(data.x, data.x)
    seen = shots.measured_gram(exact, SHOWN_SHOTS, np.random.default_rng([seed, 71]))
    table = Rows()
    for ax, title, matrix in ((first, titles[0], exact), (second, titles[1], seen)):
        image = ax.imshow(matrix, vmin=0.0, vmax=1.0, cmap="mako", interpolation="nearest")
        ax.set(xticks=[], yticks=[], xlabel="training point", ylabel="training point")
        ax.grid(visible=False)
        table += [
            {"panel": title, "series": f"row {i}", "x": j, "value": matrix[i, j]} for i, j in np.ndindex(*matrix.shape)
        ]
    fig.colorbar(image, ax=[first, second], shrink=0.85, label="overlap K").outline.set_visible(False)
    counts = np.array(found.shots)
    line = at_one_shot / np.sqrt(counts)
    pl.theory(left, counts, line, label="$R^{-1/2}$, predicted")
    table += rows("error", "predicted", counts, line)
    for values, name in ((found.errors, "exact gates"), (found.biased, "gate errors of 1 %")):
        parts = band(values)
        draw = pl.control if name != "exact gates" else pl.experiment
        draw(left, counts, *parts, label=name)
        table += rows("error", name, counts, *parts)
    for values, name in ((found.accuracy, "clipped"), (found.raw, "as measured")):
        parts = band(values)
        draw = pl.control if name == "as measured" else pl.experiment
        draw(right, counts, *parts, label=name, linestyle="-")
        table += rows("accuracy", name, counts, *parts)
    pl.theory(right, counts, np.full(len(counts), found.exact.mean()), label="exact overlaps")
    table += rows("accuracy", "exact overlaps", counts, np.full(len(counts), found.exact.mean()))
    for ax in (left, right):
        pl.log_ticks(ax, "x")
        ax.set_xlabel("shots R for each entry")
    pl.log_ticks(left, "y")
    left.set_ylabel("Frobenius error")
    right.set_ylabel("test accuracy")
    left.legend(loc="lower left")
    right.legend(loc="lower right")
    return fig, pd.DataFrame(table)


def growth(found: Growth, ranks: Ranks) -> Drawn:
    """F4: mean overlap and rank against the number of qubits."""
    fig, (left, right) = pl.wide(2, ["Typical overlap", "Dimensions in use"], share=False)
    n, table = np.array(found.qubits), Rows()
    pl.theory(left, n, 2.0**-n, label="$2^{-n}$")
    pl.theory(left, n, 0.625**n, label="$(5/8)^n$", color=pl.CONTROL)
    table += rows("overlap", "2^-n", n, 2.0**-n) + rows("overlap", "(5/8)^n", n, 0.625**n)
    for draw, values, name in (
        (pl.experiment, found.mean, "entangling phases"),
        (pl.control, found.product_mean, "product states"),
    ):
        parts = band(values)
        draw(left, n, *parts, label=name)
        table += rows("overlap", name, n, *parts)
    pl.log_ticks(left, "y")
    left.set(xlabel="qubits n", ylabel="mean overlap of random points", xticks=n)
    left.legend(loc="lower left")
    m = np.array(ranks.qubits)
    pl.theory(right, m, 4.0**m, label="$4^n$")
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.2, "markeredgecolor": pl.GROUPS[5]}
    pl.experiment(right, m, ranks.entangled, label="entangling phases")
    pl.experiment(
        right, m, ranks.product, label="product states", color=pl.GROUPS[5], marker="D", markersize=9.0, **hollow
    )
    pl.control(right, m, ranks.polynomial, label="polynomial, degree two")
    for name, counted in (("4^n", 4.0**m), ("entangling phases", ranks.entangled), ("product states", ranks.product), ("polynomial", ranks.polynomial)):  # fmt: skip
        table += rows("rank", name, m, np.asarray(counted, dtype=float))
    pl.log_ticks(right, "y")
    right.set(xlabel="qubits n", ylabel="rank of the kernel matrix", xticks=m)
    right.legend(loc="upper left")
    return fig, pd.DataFrame(table)


def extrapolation(found: Sequence[Mitigated]) -> Drawn:
    """F5: raw and extrapolated errors against the gate error, one panel a kind of noise."""
    fig, axes = pl.wide(len(found), [m.kind for m in found])
    table = Rows()
    for ax, m in zip(axes, found, strict=True):
        strengths = np.array(m.gate_errors)
        for draw, values, name in ((pl.control, m.raw, "raw"), (pl.experiment, m.extrapolated, "extrapolated")):
            parts = band(values)
            draw(ax, strengths, *parts, label=name)
            table += rows(m.kind, name, strengths, *parts)
        if m.kind == "depolarising":
            fine = np.geomspace(strengths[0], strengths[-1], 40)
            for values, name in zip(m.predicted(fine), ("raw, predicted", "extrapolated, predicted"), strict=True):
                pl.theory(ax, fine, values, label="one rate of decay" if name.startswith("raw") else None)
                table += rows(m.kind, name, fine, values)
        pl.log_ticks(ax, "both")
        ax.set_xlabel("error probability of a gate")
        ax.legend(loc="lower right")
    axes[0].set_ylabel("error of an entry (rms)")
    return fig, pd.DataFrame(table)
