"""Figures of random features and power-law tasks: each returns the figure and, tidy, exactly what it draws."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting, statistics
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import evidence, theory
from reprise.papers.infinite_width.more_is_better.experiments import FeatureStudy
from reprise.papers.infinite_width.more_is_better.images import ReluSweep
from reprise.papers.infinite_width.more_is_better.simulation import LawRun
from reprise.papers.infinite_width.more_is_better.theory import LawTask

__all__ = ["accuracy", "admissible_map", "errors_against_width", "fitting_ratio_curves", "rows_of"]

Drawn = tuple[Figure, pd.DataFrame]


def _interval(samples: Float[np.ndarray, "t m"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over trials with 95 % Student intervals, one by one."""
    centre, half = samples.mean(axis=0), np.zeros(samples.shape[1])
    for j, column in enumerate(samples.T):
        half[j] = (evidence.scalar(found := statistics.mean(column)) - np.asarray(found.low)).item()
    return centre, centre - half, centre + half


def errors_against_width(study: FeatureStudy, shown: Sequence[float]) -> Drawn:
    """Test error against width and against sample size, at fixed ridges and at the best one."""
    n, k = study.ns[-1], min(study.widths, key=lambda width: abs(np.log(2 * width / study.ns[-1])))
    infinite = 4 * study.widths[-1]
    fig, axes = plotting.wide(2, [f"n = {n}: more features", f"k = {k}: more data"], share=False)
    at = [int(np.argmin(np.abs(np.log(study.ridges / ridge)))) for ridge in shown]
    dense_k = np.unique(np.geomspace(study.widths[0], infinite / 2, 60).round())
    dense_n = np.unique(np.geomspace(study.ns[0], n, 40).round())
    over_k = study.expected([n], [*dense_k, np.inf], study.ridges[at])[0]
    over_n = study.expected(dense_n, [k], study.ridges[at])[:, 0]
    simulated, tuned = study.evaluation.test(study.noise), study.tuned()
    k_at = study.widths.index(k)
    panels: list[tuple[Axes, str, Any, Any, Any, Any]] = [
        (axes[0], "k", [*study.widths, infinite], (slice(None), -1), [*dense_k, infinite], over_k),
        (axes[1], "n", study.ns, (slice(None), slice(None), k_at), dense_n, over_n),
    ]
    rows: list[dict[str, Any]] = []
    for ax, what, x, cut, dense, curves in panels:
        looks: list[dict[str, Any]] = [{"color": c} for c in plotting.family(len(at))]
        looks.append({"color": plotting.INK, "marker": "s"})
        best = study.best_theory[cut[1:]]
        lines = [(dense, curves[:, j]) for j in range(len(at))] + [(x, best)]
        points = [simulated[..., j][cut] for j in at] + [tuned[cut]]
        labels = [f"δ = {study.ridges[j]:.2g}" for j in at] + ["best δ"]
        for look, (line_x, line_y), samples, label in zip(looks, lines, points, labels, strict=True):
            plotting.theory(ax, line_x, line_y, color=look["color"], linewidth=2.2 if label == "best δ" else 1.3)
            centre, low, high = _interval(samples)
            plotting.experiment(ax, x, centre, low, high, label=label, **look)
            panel = {"against": what, "ridge": label}
            rows += rows_of({**panel, "source": "simulation"}, x, test_error=centre, low=low, high=high)
            rows += rows_of({**panel, "source": "theory"}, line_x, test_error=line_y)
        plotting.log_ticks(ax, "y")
    plotting.log_ticks(axes[0], "x", [*study.widths[:: -(-len(study.widths) // 6)], infinite])
    axes[0].set_xticks(axes[0].get_xticks(), [*(t.get_text() for t in axes[0].get_xticklabels()[:-1]), "∞"])
    plotting.log_ticks(axes[1], "x", study.ns)
    limits = [ax.get_ylim() for ax in axes]
    for ax, label in zip(axes, ("features k", "samples n"), strict=True):
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        ax.set_xlabel(label)
    axes[0].set_ylabel(r"test error $E_{te}$")
    plotting.outside_legend(axes[1], "ridge")
    return fig, pd.DataFrame(rows).replace({"x": {float(infinite): np.inf}})


def rows_of(common: dict[str, Any], x: Any, **columns: Any) -> list[dict[str, Any]]:
    """One row a mark."""
    values = zip(x, *columns.values(), strict=True)
    return [
        {**common, **{name: float(f"{v:.7g}") for name, v in zip(("x", *columns), row, strict=True)}} for row in values
    ]


class _Series(NamedTuple):
    """One line of the figure of errors: simulated (t, 2, k, r) and expected (2, k, r), infinite width last."""

    panel: str
    label: str
    n: int
    widths: Sequence[int]
    simulated: np.ndarray
    expected: np.ndarray
    imitation: bool = False

    def rows(self) -> list[dict[str, Any]]:
        """Median over ridges, test and train of the relative error, by width, for both formulas."""
        finite = self.expected[:, :-1]
        formulas = {"finite k": finite, "k = ∞": np.broadcast_to(self.expected[:, -1:], finite.shape)}
        if self.imitation:
            del formulas["k = ∞"]
        simulated = self.simulated.mean(axis=0)[:, :-1]
        return [
            {"panel": self.panel, "series": self.label, "formula": name, "k_over_n": k / self.n, "error_percent": off}
            for name, values in formulas.items()
            for k, off in zip(self.widths, 100 * np.median(np.abs(simulated / values - 1), axis=(0, 2)), strict=True)
        ]


def accuracy(study: FeatureStudy, runs: Sequence[tuple[str, ReluSweep]], n: int, widths: Sequence[int]) -> Drawn:
    """Relative error of the theory (median over ridges, test and train) against k / n, and of the k = infinity formula."""
    errors, expected = study.errors(), study.theory()
    series = [
        _Series("Gaussian features", f"n = {size}", size, study.widths, errors[:, :, i], expected[:, i])
        for i, size in enumerate(study.ns)
    ]
    for name, run in runs:
        simulated, theirs = np.stack([run.test, run.train], axis=1), np.stack([run.test_theory, run.train_theory])
        series.append(_Series("ReLU features on images", name, n, widths, simulated, theirs))
        imitated = np.stack([run.imitated.test(0.0)[:, 0], run.imitated.train(0.0)[:, 0]], axis=1)
        expected_of_it = np.stack([run.test_imitated, run.train_imitated])
        label = f"{name}, Gaussian points"
        series.append(_Series("ReLU features on images", label, n, widths, imitated, expected_of_it, imitation=True))
    frame = pd.DataFrame([row for one in series for row in one.rows()])
    panels = list(frame["panel"].unique())
    fig, axes = plotting.wide(2, panels) if len(panels) > 1 else plotting.single(panels[0])
    for ax, panel in zip(np.atleast_1d(np.asarray(axes, dtype=object)), panels, strict=True):
        part = frame[frame["panel"] == panel]
        names = list(part["series"].unique())
        colours = plotting.family(len(names)) if panel == panels[0] else plotting.GROUPS
        for name, colour, marker in zip(names, colours, plotting.MARKERS, strict=False):
            ours, infinite = (part[(part["series"] == name) & (part["formula"] == f)] for f in ("finite k", "k = ∞"))
            title = "formula of k = ∞" if name == names[0] else None
            joined: dict[str, Any] = {"linestyle": "-", "linewidth": 0.8}
            if len(infinite):
                plotting.control(ax, infinite["k_over_n"], infinite["error_percent"], label=title, **joined)
            plotting.experiment(
                ax, ours["k_over_n"], ours["error_percent"], label=name, color=colour, marker=marker, **joined
            )
        plotting.reported(ax, 3.0, "criterion: 3 %")
        plotting.log_ticks(ax, "both")
        ax.set_xlabel("features per sample, k / n")
        ax.legend(loc="upper right")
    np.atleast_1d(np.asarray(axes, dtype=object))[0].set_ylabel("theory off by, %")
    return fig, frame


def fitting_ratio_curves(runs: dict[LawTask, LawRun], tasks: Sequence[LawTask]) -> Drawn:
    """Test error over its minimum against the fitting ratio, simulated and by formula, with the predicted optimum."""
    groups = [[t for t in tasks if t.noise_rel == 0], [t for t in tasks if t.noise_rel > 0]]
    fig, axes = plotting.wide(2, ["without noise", "with noise"])
    rows: list[dict[str, Any]] = []
    ratios = np.linspace(0, 0.99, 150) ** 2
    for ax, group in zip(axes, groups, strict=True):
        one_law = len(group) > 1 and len({(t.alpha, t.beta) for t in group}) == 1
        if one_law:
            ax.set_title(f"{ax.get_title(loc='left')}, {group[0]._replace(noise_rel=0.0)}", loc="left")
        for task, colour, marker in zip(group, plotting.GROUPS, plotting.MARKERS, strict=False):
            curve = np.asarray(ef.fitting_ratio_curve(ratios, *task))
            curve, root = curve / curve.min(), ef.fitting_ratio_optimum(*task)
            plotting.theory(ax, ratios, curve, color=colour)
            run = runs[task]
            ratio = run.train.mean(axis=0) / run.test.mean(axis=0)
            kept = _spaced(np.sqrt(ratio), 16)
            centre, low, high = _interval(run.test[:, kept] / run.test[:, run.best].mean())
            plotting.experiment(ax, ratio[kept], centre, low, high, color=colour, marker=marker)
            ax.axvline(root, color=colour, linewidth=1, zorder=1.5)
            end = int(np.argmax(curve > 1.3 + 0.15 * group.index(task)))
            name = f"noise {task.noise_rel:g}" if one_law else str(task)
            plotting.direct_label(ax, ratios[end], curve[end], name, color=colour, side="right")
            common = {"task": str(task)}
            rows += rows_of({**common, "source": "simulation"}, ratio[kept], relative_error=centre, low=low, high=high)
            rows += rows_of({**common, "source": "formula"}, ratios, relative_error=curve)
            rows += rows_of({**common, "source": "predicted optimum"}, [root])
        ax.set_ylim(0.97, 1.6)
        ax.set_xlabel(r"fitting ratio $R = E_{tr}/E_{te}$")
    axes[0].set_ylabel("test error / minimum")
    return fig, pd.DataFrame(rows).rename(columns={"x": "fitting_ratio"})


def _spaced(values: np.ndarray, count: int) -> np.ndarray:
    """Numbers of some ``count`` entries, evenly spaced in value."""
    return np.unique(np.abs(values[:, None] - np.linspace(values[0], values[-1], count)).argmin(axis=0))


def admissible_map(alphas: Sequence[float], margins: Sequence[float], tasks: Sequence[LawTask]) -> Drawn:
    """Largest fitting ratio within 5 % of the optimum over the plane of exponents; image tasks of the paper marked."""
    frame = theory.ratio_map(alphas, margins)
    table = frame.pivot_table(index="beta_minus_alpha", columns="alpha", values="admissible_ratio")
    fig, ax = plotting.single("How far from interpolation is still near-optimal?")
    levels = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0]
    shades = plotting.family(len(levels) - 1)[::-1]
    drawn = ax.contourf(table.columns, table.index, table.to_numpy(), levels=levels, colors=shades, alpha=0.75)
    ax.contour(table.columns, table.index, table.to_numpy(), levels=[0.1], colors=plotting.PAPER, linewidths=2)
    bar = fig.colorbar(drawn, ax=ax, ticks=levels)
    bar.set_label("largest fitting ratio within 5 %")
    ax.axhline(0, color=plotting.INK, linewidth=0.8)
    rows = [{"kind": "map", "label": "", **row} for row in frame.round(6).to_dict("records")]
    marked = [(name, LawTask(*law), "D") for name, law in theory.IMAGE_EXPONENTS.items()]
    marked += [("", task, "o") for task in tasks if task.noise_rel == 0]
    for name, task, marker in marked:
        point = task.alpha, task.beta - task.alpha
        ax.plot(*point, marker, color=plotting.INK, markeredgecolor=plotting.PAPER, markersize=7, zorder=4)
        if name:
            plotting.direct_label(ax, *point, name, side="below" if name == "CIFAR-10" else "right")
        rows.append({"kind": "task", "label": name, "alpha": point[0], "beta_minus_alpha": point[1],
                     "admissible_ratio": theory.admissible_ratio(task)})  # fmt: skip
    ax.text(0.012, 0.02, "β ≤ 1", transform=ax.transAxes, fontsize=9)
    ax.set_xlim(min(alphas), max(alphas))
    ax.set_ylim(min(margins), max(margins))
    ax.set_xlabel(r"exponent of the eigenvalues, $\alpha$")
    ax.set_ylabel(r"$\beta-\alpha$")
    return fig, pd.DataFrame(rows)
