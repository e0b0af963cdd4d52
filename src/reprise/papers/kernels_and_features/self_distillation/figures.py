"""The figures of the kernel experiments (C1 to C4, C6), each with the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.self_distillation import closed_form, kernel_steps, problems
from reprise.papers.kernels_and_features.self_distillation.generalisation import Gains
from reprise.papers.kernels_and_features.self_distillation.weights import GRID, Step

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, object]]


def rows(panel: str, series: str, x: Any, value: Any, **more: object) -> Rows:
    """One row a mark."""
    return [{"panel": panel, "series": series, "x": a, "value": v, **more} for a, v in zip(x, value, strict=True)]


def toy_paths(weight: float, steps: int = 6) -> Drawn:
    """F1: the toy's fits at every step and their limit, without targets and with them."""
    fig, axes = pl.wide(2, ["predictions alone, α = 0", f"with the data, α = {weight:g}"])
    grid, table = np.linspace(0.0, 1.0, 101), Rows()
    for ax, alpha in zip(axes, (0.0, weight), strict=True):
        panel = f"alpha {alpha:g}"
        truth, limit = np.sin(2 * np.pi * grid), kernel_steps.toy_limit(alpha)
        ax.plot(grid, truth, color=pl.REPORTED, lw=1.0, label="truth")
        for step, (fit, colour) in enumerate(
            zip(kernel_steps.toy_fits(alpha, steps), pl.family(steps), strict=True), start=1
        ):
            ax.plot(grid, fit, color=colour, lw=1.5, label=f"step {step}")
            table += rows(panel, f"step {step}", grid, fit)
        pl.theory(ax, grid, limit, label="limit")
        pl.experiment(ax, problems.TOY_INPUTS, problems.TOY_TARGETS, color=pl.INK, label="data")
        table += rows(panel, "limit", grid, limit) + rows(panel, "truth", grid, truth)
        table += rows(panel, "data", problems.TOY_INPUTS, problems.TOY_TARGETS)
        ax.set_xlabel("x")
    axes[0].set_ylabel("f(x)")
    pl.outside_legend(axes[1])
    return fig, pd.DataFrame(table)


def regularisation(weight: float, steps: int = 20) -> Drawn:
    """F2: what each step leaves of each eigenvector of the toy, and the ratios of neighbours."""
    titles = ["left over, α = 0", f"left over, α = {weight:g}", "first over last direction"]
    fig, (left, middle, right) = pl.wide(3, titles, share=False)
    spectrum = closed_form.decompose(_toy_gram(), problems.TOY_RIDGE)
    index, table = np.arange(1, len(spectrum.values) + 1), Rows()
    for ax, alpha, colour in ((left, 0.0, pl.GROUPS[1]), (middle, weight, pl.GROUPS[0])):
        kept = closed_form.factors(spectrum.shrinkage, [alpha] * steps)
        end = closed_form.limit_factors(spectrum.values, problems.TOY_RIDGE, alpha)
        shown = (1, 2, 3, 6, 20)
        for step, shade in zip(shown, pl.family(len(shown)), strict=True):
            ax.plot(index, kept[step - 1], color=shade, marker="o", ms=3.5, lw=1.0, label=f"step {step}")
            table += rows(f"alpha {alpha:g}", f"step {step}", index, kept[step - 1])
        if alpha > 0:
            pl.theory(ax, index, end, label="limit")
            table += rows(f"alpha {alpha:g}", "limit", index, end)
        ax.set(xlabel="eigenvector k", ylim=(-0.03, 1.0), xticks=index[::2])
        ratio, taus = kept[:, 0] / kept[:, -1], np.arange(1, steps + 1)
        pl.experiment(right, taus, ratio, color=colour, linestyle="-", markersize=3.5, label=f"α = {alpha:g}")
        table += rows("ratio", f"alpha {alpha:g}", taus, ratio)
    final = closed_form.limit_factors(spectrum.values, problems.TOY_RIDGE, weight)
    pl.theory(right, [1, steps], [final[0] / final[-1]] * 2)
    pl.control(right, [1, steps], [spectrum.shrinkage[0] / spectrum.shrinkage[-1]] * 2, label="α = 1", linestyle="-")
    table += rows("ratio", "limit", [1, steps], [final[0] / final[-1]] * 2)
    table += rows("ratio", "alpha 1", [1, steps], [spectrum.shrinkage[0] / spectrum.shrinkage[-1]] * 2)
    left.set_ylabel("$B_{kk}$")
    middle.legend(loc="lower left", ncols=2, fontsize=8.5)
    right.set(xlabel="step τ", ylabel="$B_{1,1}/B_{11,11}$")
    pl.log_ticks(right, "y")
    right.legend(loc="upper left")
    return fig, pd.DataFrame(table)


def _toy_gram() -> Float[np.ndarray, "11 11"]:
    x = problems.TOY_INPUTS[:, None]
    return np.asarray(problems.gaussian(problems.TOY_GAMMA).of(x, x))


def convergence(
    found: Float[np.ndarray, "waves weights steps"],
    same: Float[np.ndarray, "waves weights steps"],
    predicted: Float[np.ndarray, "waves weights"],
    weights: Sequence[float],
) -> Drawn:
    """F3: distance from the limit for the worst targets of the first wave, with the predicted rate."""
    fig, ax = pl.single("Every step comes nearer to the ridge λ/α by one factor")
    taus, table = np.arange(1, found.shape[2] + 1), Rows()
    for j, (weight, colour) in enumerate(zip(weights, pl.family(len(weights)), strict=True)):
        seen = found[0, j] > 1e-14
        pl.experiment(ax, taus[seen], found[0, j, seen], color=colour, markersize=3.5, label=f"α = {weight:g}")
        anchor = int(np.flatnonzero(found[0, j] > 1e-9)[-1])
        line = found[0, j, anchor] * np.exp(predicted[0, j] * (taus - taus[anchor]))
        pl.theory(ax, taus[seen], line[seen])
        table += rows("distance", f"alpha {weight:g}", taus[seen], found[0, j, seen])
        table += rows("distance", f"rate, alpha {weight:g}", taus[seen], line[seen])
    j = len(weights) // 2
    pl.control(ax, taus[5::6], same[0, j, 5::6], label=f"from the ridge λ, α = {weights[j]:g}", linestyle="-")
    table += rows("distance", f"control, alpha {weights[j]:g}", taus[5::6], same[0, j, 5::6])
    ax.set(xlabel="step τ", ylabel="relative distance, worst targets")
    pl.log_ticks(ax, "y")
    pl.outside_legend(ax)
    return fig, pd.DataFrame(table)


def weights(toy: list[Step], waves: list[Step]) -> Drawn:
    """F4: the toy's validation loss against the weight; the optimal weights of waves against their penalty."""
    fig, (left, right) = pl.wide(2, ["Loss of a student, toy", "Best weight, random waves"], share=False)
    table, thin = Rows(), slice(None, None, 20)
    for step, (found, colour) in enumerate(zip(toy[:2], (pl.GROUPS[0], pl.GROUPS[1]), strict=True), start=2):
        left.plot(GRID, found.losses, color=colour, lw=1.3, label=f"step {step}")
        pl.experiment(left, [found.weight], [found.reached[0]], color=colour, marker="D")
        table += rows("toy", f"grid, step {step}", GRID[thin], found.losses[thin])
        table += rows("toy", f"optimal weight, step {step}", [found.weight], [found.reached[0]])
    left.set(xlabel="weight α of the data", ylabel="validation loss", xlim=(-1.6, 1.6), ylim=(0.146, 0.166))
    pl.reported(left, 0.0, axis="x")
    pl.reported(left, 1.0, axis="x")
    left.legend(loc="upper left")
    second = waves[::2]
    penalty, best = np.array([s.ridge for s in second]), np.array([s.weight for s in second])
    shown = (best > -3.0) & (best < 4.0)
    pl.experiment(right, penalty[shown], best[shown], markersize=3.5)
    for edge, text in ((0.0, "α = 0"), (1.0, "α = 1")):
        pl.reported(right, edge, text)
    table += rows("waves", "optimal weight, step 2", penalty[shown], best[shown])
    pl.log_ticks(right, "x")
    right.set(xlabel="penalty λ", ylabel="optimal weight $\\alpha^\\star$")
    return fig, pd.DataFrame(table)


def gains(found: Gains) -> Drawn:
    """F6: fall of the test error by distillation against the penalty."""
    fig, ax = pl.single("Distillation helps a fit that is regularised too little")
    estimates = [statistics.mean(column) for column in found.relative().T]
    below = np.array(found.shares) < 1.0
    value, low, high = (100.0 * np.array([getattr(e, part) for e in estimates]) for part in ("value", "low", "high"))
    shares = np.array(found.shares)
    pl.experiment(ax, shares[below], value[below], low[below], high[below], label="below the best penalty")
    pl.control(ax, shares[~below], value[~below], low[~below], high[~below], label="at it and above")
    ax.axhline(0.0, color=pl.INK, lw=0.8)
    pl.log_ticks(ax, "x")
    ax.set(xlabel="penalty λ over the risk-optimal one", ylabel="fall of the test error (%)")
    ax.legend()
    return fig, pd.DataFrame({"x": shares, "value": value, "low": low, "high": high, "n": len(found.first)})
