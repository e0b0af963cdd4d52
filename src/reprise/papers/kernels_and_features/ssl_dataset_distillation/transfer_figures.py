"""The figures of transfer (C4, C5, C6), each with the tidy data that it draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.ssl_dataset_distillation import transfer_study
from reprise.papers.kernels_and_features.ssl_dataset_distillation.architecture_study import COMPARED, SHUFFLED
from reprise.papers.kernels_and_features.ssl_dataset_distillation.bias_figures import Drawn, Rows, rows
from reprise.papers.kernels_and_features.ssl_dataset_distillation.data_free_study import STUDENTS
from reprise.papers.kernels_and_features.ssl_dataset_distillation.transfer_study import Accuracies

STYLES = {
    "KRR-ST": (pl.EXPERIMENT, "D"),
    "random, teacher": (pl.GROUPS[3], "s"),
    "random, labels": (pl.GROUPS[1], "o"),
    "k-means, labels": (pl.GROUPS[2], "^"),
    "matching, labels": (pl.GROUPS[4], "v"),
    "ridge on labels": (pl.GROUPS[5], "P"),
}


def _gains(ax: Any, table: Rows, panel: str, shown: Sequence[tuple[str, str, Any]], width: float) -> None:
    """Groups of markers: (group, method, gain samples in percentage points), one offset a method."""
    groups, methods = list(dict.fromkeys(s[0] for s in shown)), list(dict.fromkeys(s[1] for s in shown))
    for k, method in enumerate(methods):
        estimates = [statistics.mean(samples) for _, m, samples in shown if m == method]
        value, low, high = (
            np.asarray([getattr(e, part) for e in estimates], dtype=float) for part in ("value", "low", "high")
        )
        places = np.arange(len(groups)) + width * ((k + 0.5) / len(methods) - 0.5)
        if method in STYLES:
            colour, marker = STYLES[method]
            pl.experiment(ax, places, value, low, high, label=method, color=colour, marker=marker)
        else:
            pl.control(ax, places, value, low, high, label=method)
        table += rows(panel, method, groups, value, low=low, high=high)
    ax.axhline(0.0, color=pl.INK, lw=0.8)
    ax.set_xticks(range(len(groups)), groups)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    for edge in range(1, len(groups)):
        ax.axvline(edge - 0.5, color=pl.GRID, lw=0.8)
    ax.grid(visible=False, axis="x")


def transfer(found: Accuracies) -> Drawn:
    """F5: gains over no pre-training on every target and on the source, after fine-tuning and by linear classifiers."""
    fig, axes = pl.wide(2, ["Fine-tuned", "Linear classifier on fixed features"], share=True)
    table, have = Rows(), {method for _, method in found.tuned}
    groups = [*found.targets, transfer_study.HOME] if (transfer_study.HOME, "KRR-ST") in found.tuned else found.targets
    control = "untrained teacher" if "untrained teacher" in have else "shuffled teacher"
    methods = [name for name in (*transfer_study.METHODS[:0:-1], control) if name in have]
    for ax, linear in zip(axes, (False, True), strict=True):
        values = found.of(linear=linear)
        shown = [
            (
                "source\n(own labels)" if name == transfer_study.HOME else name,
                m,
                100.0 * (values[name, m] - values[name, "no pre-training"]),
            )
            for name in groups
            for m in methods
        ]
        _gains(ax, table, "linear" if linear else "fine-tuned", shown, 0.8)
    axes[0].set_ylabel("gain in accuracy (points)")
    pl.outside_legend(axes[1])
    return fig, pd.DataFrame(table)


def architectures(found: Mapping[str, Accuracies]) -> Drawn:
    """F6: gains over no pre-training of other architectures, mean over their targets."""
    fig, ax = pl.single("Architectures that distillation never saw")
    table = Rows()
    shown = []
    for kind, accuracies in found.items():
        for method in (*COMPARED[3:0:-1], SHUFFLED):
            if (accuracies.targets[0], method) not in accuracies.tuned:
                continue
            gaps = [accuracies.tuned[n, method] - accuracies.tuned[n, COMPARED[0]] for n in accuracies.targets]
            shown.append((kind, method, 100.0 * np.mean(gaps, axis=0)))
    _gains(ax, table, "architectures", shown, 0.6)
    ax.set_ylabel("gain in accuracy (points)")
    pl.outside_legend(ax)
    return fig, pd.DataFrame(table)


def students(found: Mapping[str, Float[np.ndarray, " seeds"]], classifier: float) -> Drawn:
    """F7: test accuracies of students that never saw the classifier's data."""
    fig, ax = pl.single("Students of a classifier, without its data")
    table = Rows()
    for place, name in enumerate(STUDENTS):
        values = 100.0 * found[name]
        draw = pl.control if name == STUDENTS[-1] else pl.experiment
        draw(ax, np.full(len(values), place), values, markersize=4.5, label=None)
        ax.plot([place - 0.25, place + 0.25], [values.mean()] * 2, color=pl.INK, lw=1.4, zorder=4)
        table += rows("students", name, [place] * len(values), values)
    pl.theory(ax, [-0.5, len(STUDENTS) - 0.5], [100.0 * classifier] * 2)
    pl.direct_label(ax, -0.4, 100.0 * classifier, "the classifier", side="above")
    table += rows("students", "the classifier", [0], [100.0 * classifier])
    labels = [name.replace(", ", ",\n").replace(" ", "\n", 1) if name != "KRR-ST" else name for name in STUDENTS]
    ax.set_xticks(range(len(STUDENTS)), labels, fontsize=9)
    ax.set(ylim=(0.0, 105.0), xlim=(-0.5, len(STUDENTS) - 0.5), ylabel="test accuracy (%)")
    ax.grid(visible=False, axis="x")
    return fig, pd.DataFrame(table)


def rates_table(found: Accuracies) -> str:
    """Mean fine-tuned and linear accuracies of all methods as a Markdown table; the source itself in the last column."""
    names = list(dict.fromkeys(name for name, _ in found.tuned))
    names.sort(key=lambda name: name == transfer_study.HOME)
    lines = ["| fine-tuned / linear (%) | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for m in dict.fromkeys(method for _, method in found.tuned):
        cells = [f"{100 * found.tuned[n, m].mean():.1f} / {100 * found.linear[n, m].mean():.1f}" for n in names]
        lines.append(f"| {m} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
