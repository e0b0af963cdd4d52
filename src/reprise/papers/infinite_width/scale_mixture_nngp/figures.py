"""The chapter's figures on laws and priors: each gives the figure and a tidy frame of exactly what it draws."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from reprise import plotting
from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp import laws
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import law_hill, t_survival, tail_ratio
from reprise.papers.infinite_width.scale_mixture_nngp.initial_study import InitialStudy
from reprise.papers.infinite_width.scale_mixture_nngp.scale_study import NARROW, SamplingStudy, error_slopes
from reprise.papers.infinite_width.scale_mixture_nngp.toy import Toy, make_toy
from reprise.papers.infinite_width.scale_mixture_nngp.trained_study import TrainedStudy
from reprise.statistics import ks_distance, mean


class Drawn(TypedDict):
    """A figure and the data in it."""

    fig: Figure
    data: pd.DataFrame


def histograms(initial: InitialStudy, trained: TrainedStudy, point: int = 1) -> Drawn:
    """One output at initialisation, after last-layer training and after full training, in units of the law's spread."""
    panels = [("At initialisation", 4.0, initial.scaled(2.0)[:, 0, 0])]
    ends = (
        ("Last layer trained", trained.last.outputs, trained.last_law),
        ("All layers trained", trained.every[max(trained.every)].outputs, trained.every_law),
    )
    for title, outputs, law in ends:
        z = (outputs[:, point] - float(law.mean[point])) / float(law.shape[point, point]) ** 0.5
        panels.append((title, float(law.dof), z))
    fig, axes = plotting.wide(3, [title for title, _, _ in panels])
    edges = np.linspace(-9, 9, 37)
    grid = np.linspace(-9, 9, 181)
    frames = []
    for ax, (title, dof, z) in zip(axes, panels, strict=True):
        law = stats.t(dof)
        quartile = float(law.ppf(0.75) / stats.norm.ppf(0.75))
        share = np.histogram(z, bins=edges)[0] / (len(z) * np.diff(edges))
        drawn = np.where(share > 0, share, np.nan)
        ax.stairs(drawn, edges, color=plotting.EXPERIMENT, linewidth=1.6, baseline=None)
        plotting.theory(ax, grid, law.pdf(grid))
        gauss = stats.norm(0, quartile).pdf(grid)
        ax.plot(grid, gauss, color=plotting.CONTROL, linewidth=1.3)
        ax.set_title(f"{title}: $t_{{{dof:g}}}$", loc="left")
        ax.set(xlabel="output over predicted spread", yscale="log", ylim=(1e-4, 1.0))
        centres = 0.5 * (edges[1:] + edges[:-1])
        for name, x, y in (("networks", centres, drawn), ("t law", grid, law.pdf(grid)), ("Gaussian", grid, gauss)):
            frames.append(pd.DataFrame({"panel": title, "quantity": name, "x": x, "density": y}))
    axes[0].set_ylabel("density")
    plotting.direct_label(axes[0], 4.6, float(stats.t(4).pdf(4.6)), "t law", plotting.INK, "above")
    plotting.direct_label(axes[0], -3.6, float(stats.norm(0, 1.098).pdf(3.6)), "Gaussian", plotting.CONTROL, "left")
    plotting.panel_letters(axes)
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def scales_and_tails(study: InitialStudy, share: float = 0.05) -> Drawn:
    """Distances from $t_4$ against width for either kind of scale, and tail indices against a."""
    fig, (left, right) = plotting.wide(2, ["One scale a network gives a t law", "The tail index is 2a"], share=False)
    widths = np.asarray(study.widths, dtype=float)
    spread = np.sqrt(np.diag(study.kernel))
    measured = [ks_distance(study.scaled(2.0, k)[:, 0, 0], stats.t(4).cdf) for k in range(len(widths))]
    control = [ks_distance(np.sqrt(2.0) * drawn.per_unit[:, 0] / spread[0], stats.t(4).cdf) for drawn in study.drawn]
    first = _frame("distance, one scale a network", widths, measured)
    second = _frame("distance, one scale a unit", widths, control)
    gaussian = _distance_of_gaussian()
    plotting.experiment(left, first.x, first.value, first.low, first.high)
    plotting.control(left, second.x, second.value, second.low, second.high)
    plotting.theory(left, widths, np.full(len(widths), gaussian))
    plotting.direct_label(left, widths[0], gaussian, "Gaussian limit", plotting.INK, "above")
    plotting.direct_label(
        left, widths[-1], float(second.value.iloc[-1]), "a scale for every unit", plotting.CONTROL, "below"
    )
    plotting.direct_label(
        left, widths[-1], float(first.value.iloc[-1]), "one scale a network", plotting.EXPERIMENT, "above"
    )
    plotting.log_ticks(left, "x", list(widths))
    left.set(xlabel="width (units)", ylabel="Kolmogorov distance from $t_4$", ylim=(0.0, None))
    found = [tail_ratio(study.scaled(a)[:, 0, 0], 1.0, share) for a in study.shapes]
    exact = [law_hill(partial(t_survival, 2 * a), share) for a in study.shapes]
    tails = _frame("Hill, networks", 2 * np.asarray(study.shapes), found)
    plotting.theory(right, tails.x, exact)
    right.plot(tails.x, tails.x, color=plotting.REPORTED, linewidth=1.0)
    plotting.experiment(right, tails.x, tails.value, tails.low, tails.high)
    plotting.direct_label(right, float(tails.x.iloc[-1]), exact[-1], "t law, same share", plotting.INK, "below")
    plotting.direct_label(right, 5.0, 5.0, "2a", plotting.REPORTED, "left")
    right.set(xlabel="2a", ylabel=f"Hill's estimate, upper {share:.0%}")
    plotting.panel_letters([left, right])
    rest = pd.DataFrame({"quantity": "Hill, t law at the same share", "x": tails.x, "value": exact})
    limit = pd.DataFrame({"quantity": "distance of the Gaussian of equal variance", "x": widths, "value": gaussian})
    return {"fig": fig, "data": pd.concat([first, second, limit, tails, rest], ignore_index=True)}


def bands(seed: int, *, hidden: int, w_std: float, b_std: float, noise: float, factor: float = 3.0) -> Drawn:
    """Posterior bands for the toy's labels and for labels `factor` times as large."""
    grid = np.linspace(-np.pi, np.pi, 121)
    toy = make_toy(seed, hidden=hidden, w_std=w_std, b_std=b_std, x_test=grid)
    fig, axes = plotting.wide(2, ["The labels", f"The labels times {factor:g}"])
    frames = []
    for ax, times in zip(axes, (1.0, factor), strict=True):
        student, gauss = (_band(toy, times, noise, process) for process in ("t process", "Gaussian process"))
        ax.fill_between(grid, student.low, student.high, color=plotting.EXPERIMENT, alpha=0.25, linewidth=0)
        for edge in ("low", "high"):
            ax.plot(grid, student[edge], color=plotting.EXPERIMENT, linewidth=1.2)
            ax.plot(grid, gauss[edge], color=plotting.CONTROL, linewidth=1.2)
        ax.plot(grid, student["mean"], color=plotting.INK, linewidth=1.2)
        ax.plot(toy.x, times * toy.y, "o", color=plotting.INK, markersize=5)
        ax.set(xlabel="x")
        frames += [student.assign(labels=times), gauss.assign(labels=times)]
    axes[0].set_ylabel("f(x), 95 % bands")
    row = len(grid) // 2 + 15
    plotting.direct_label(
        axes[1], grid[row], float(frames[2].high.iloc[row]), "t process", plotting.EXPERIMENT, "above"
    )
    plotting.direct_label(
        axes[1], grid[row], float(frames[3].low.iloc[row]), "Gaussian process", plotting.CONTROL, "below"
    )
    plotting.panel_letters(axes)
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def sampling_errors(study: SamplingStudy) -> Drawn:
    """Error of importance sampling against the number of draws."""
    fig, ax = plotting.single("Importance sampling of one number")
    frames = []
    sizes = np.asarray(study.sizes, dtype=float)
    for (name, rows), colour in zip(study.error.items(), (*plotting.GROUPS[:4], plotting.CONTROL), strict=True):
        table = _frame(name, sizes, [mean(column, method="bootstrap") for column in rows.T])
        draw = plotting.control if name == NARROW else plotting.experiment
        options: dict[str, Any] = {} if name == NARROW else {"color": colour}
        draw(ax, table.x, table.value, table.low, table.high, label=name, linestyle="-", linewidth=0.8, **options)
        frames.append(table)
    guide = frames[0].value.iloc[0] * (sizes / sizes[0]) ** -0.5
    plotting.theory(ax, sizes, guide, label=r"$\propto 1/\sqrt{S}$")
    plotting.slope_note(
        ax, error_slopes(study)["measured"], (sizes[1], float(frames[0].value.iloc[1])), plotting.INK, side="below"
    )
    plotting.log_ticks(ax, "x", study.sizes)
    plotting.log_ticks(ax, "y")
    ax.set(xlabel="draws S of the scale", ylabel="largest error of the density, over its peak")
    plotting.outside_legend(ax, "prior")
    frames.append(pd.DataFrame({"quantity": "1/sqrt(S)", "x": sizes, "value": guide}))
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def _band(toy: Toy, times: float, noise: float, process: str) -> pd.DataFrame:
    """Central 95 % of the function at the grid; the Gaussian process has the prior's scale b/a = 1."""
    k_tt, k_tx, k_xx = toy.blocks()
    inner = k_xx + noise * np.eye(len(toy.y))
    law = laws.posterior(k_tt, k_tx, inner, times * toy.y, 2.0, 2.0)
    centre = np.asarray(law.mean)
    if process == "t process":
        half = stats.t(float(law.dof)).ppf(0.975) * np.sqrt(np.diag(np.asarray(law.shape)))
    else:
        variance = np.diag(k_tt - k_tx @ np.linalg.solve(inner, k_tx.T))
        half = stats.norm.ppf(0.975) * np.sqrt(variance)
    return pd.DataFrame(
        {"process": process, "x": toy.x_test, "mean": centre, "low": centre - half, "high": centre + half}
    )


def _distance_of_gaussian() -> float:
    """Kolmogorov distance between $t_4$ and the Gaussian of its variance."""
    grid = np.linspace(-10, 10, 20001)
    return float(np.max(np.abs(stats.t(4).cdf(grid) - stats.norm(0, 2**0.5).cdf(grid))))


def _frame(name: str, x: np.ndarray, found: Sequence[Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        {"quantity": name, "x": x, "value": [e.value for e in found], "low": [e.low for e in found], "high": [e.high for e in found]}
    )  # fmt: skip
