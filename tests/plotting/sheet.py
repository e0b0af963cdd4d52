"""A sheet of sample figures that uses every helper; run it as a script to look at it: python tests/plotting/sheet.py FOLDER."""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from reprise import plotting
from reprise.estimate import Estimate
from reprise.statistics import slope


def width_figure():
    rng = np.random.default_rng(0)
    widths = np.array([32, 64, 128, 256, 512, 1024, 2048, 4096])
    errors = 2.1 * widths**-0.5 * rng.lognormal(sigma=0.25, size=(20, 8))
    bad = 0.3 + 2.1 * widths**-0.5 * rng.lognormal(sigma=0.25, size=(20, 8))
    fig, ax = plotting.single("The kernel of a wide network is no longer random")
    ends = np.quantile(errors, [0.1, 0.9], axis=0)
    plotting.theory(ax, widths, 2.1 * widths**-0.5)
    plotting.experiment(ax, widths, errors.mean(0), *ends)
    plotting.control(ax, widths, bad.mean(0), *np.quantile(bad, [0.1, 0.9], axis=0))
    plotting.reported(ax, 0.05, "paper: 0.05")
    plotting.log_ticks(ax, "x", widths)
    plotting.log_ticks(ax, "y")
    plotting.slope_note(ax, slope(widths, errors), (512, 2.1 * 512**-0.5), side="below")
    plotting.direct_label(ax, 1024, bad.mean(0)[5], "wrong depth", color=plotting.CONTROL, side="above")
    plotting.slope_guide(ax, -0.5, (40, 0.12))
    ax.set_xlabel("width $n$ (units)")
    ax.set_ylabel(r"relative error of $\hat\Theta$")
    return fig


def family_figure():
    fig, ax = plotting.single("Narrow networks learn the second component faster")
    t = np.linspace(0, 4000, 200)
    for n, color, rate in zip((50, 100, 1000, 10000), plotting.family(4), (2.0, 1.5, 1.1, 1.02), strict=True):
        y = 0.5 * np.exp(-0.001 * rate * t)
        plotting.experiment(ax, t, y, y * 0.93, y * 1.07, color=color, kind="band", label=f"n = {n}")
    plotting.theory(ax, t, 0.5 * np.exp(-0.001 * t), label="limit")
    plotting.label_lines(ax)
    ax.set_xlabel("time $t$ (steps × rate)")
    ax.set_ylabel(r"$\|g_t\|$")
    return fig


def wide_figure():
    rng = np.random.default_rng(1)
    fig, axes = plotting.wide(3, ["width 50", "width 1000", "limit"])
    gamma = np.linspace(-np.pi, np.pi, 200)
    for ax, noise in zip(axes, (0.5, 0.1, 0.0), strict=True):
        centre = np.sin(2 * gamma)
        spread = 0.2 + noise
        plotting.experiment(ax, gamma, centre, centre - spread, centre + spread, kind="band")
        for _ in range(4):
            ax.plot(gamma, centre + noise * rng.normal() * np.cos(gamma), color=plotting.family(2)[0], linewidth=0.7)
        plotting.theory(ax, gamma, centre)
        ax.set_xlabel(r"angle $\gamma$ (rad)")
    axes[0].set_ylabel("$f$")
    plotting.panel_letters(axes)
    return fig


def groups_figure():
    fig, ax = plotting.single("Six groups, told apart without colour")
    x = np.arange(1, 9)
    for k, (color, marker) in enumerate(zip(plotting.GROUPS, plotting.MARKERS, strict=True)):
        plotting.experiment(
            ax, x, 1.0 / x + 0.3 * k, color=color, marker=marker, label=f"group {k + 1}", linestyle="-", linewidth=1.0
        )
    plotting.outside_legend(ax, "data set")
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    return fig


def law_figure():
    rng = np.random.default_rng(2)
    fig, axes = plotting.wide(2, ["Distribution", "Density"], share=False)
    plotting.ecdf(axes[0], rng.normal(size=100), stats.norm.cdf, label="100 networks")
    axes[0].set_xlabel("standardised output")
    plotting.histogram(axes[1], rng.normal(size=400), stats.norm.pdf, bins=25)
    axes[1].set_xlabel("standardised output")
    plotting.label_lines(axes[0])
    return fig


def matrices_figure():
    rng = np.random.default_rng(3)
    base = rng.normal(size=(12, 12))
    mats = [base @ base.T / 12, (base + np.eye(12)) @ (base + np.eye(12)).T / 12, np.eye(12)]
    fig, _ = plotting.heatmaps(mats, ["prior", r"$\nu = 1$", "labels"], label="$G$")
    return fig


def intervals_figure():
    rng = np.random.default_rng(4)
    names = ["yacht", "boston", "energy", "concrete"]
    found = [Estimate(v, v - 0.1, v + 0.12, n=10) for v in (0.5, 0.2, 0.31, 0.02)]
    controls = [Estimate(v, v - 0.1, v + 0.12, n=10) for v in 0.05 * rng.normal(size=4)]
    fig, ax = plotting.single("A deep kernel machine beats the fixed kernel on three sets of four")
    plotting.intervals(ax, names, found, controls=controls)
    ax.set_xlabel("test log-likelihood, DKM − NNGP (nats per point)")
    plotting.outside_legend(ax)
    return fig


def many_scales_figure():
    fig, axes = plotting.wide(3, ["few decades", "one decade", "many decades"], share=False)
    for ax, top in zip(axes, (1e4, 15, 1e12), strict=True):
        x = np.geomspace(1, top, 30)
        ax.plot(x, x**-0.5)
        plotting.log_ticks(ax, "both")
    return fig


def crowded_figure():
    rng = np.random.default_rng(5)
    fig, ax = plotting.single("Labels keep clear of one another and of the data")
    x = np.linspace(0, 10, 50)
    for k, color in enumerate(plotting.family(4)):
        y = np.sin(x + 0.15 * k) + 0.08 * k
        ax.plot(x, y, color=color)
        plotting.direct_label(ax, x[30], y[30], f"phase {0.15 * k:.2f}", color=color)
    ax.plot(rng.uniform(0, 10, 30), rng.uniform(-1, 1, 30), ".", color=plotting.REPORTED)
    return fig


FIGURES = {
    f.__name__.removesuffix("_figure"): f
    for f in (
        width_figure,
        family_figure,
        wide_figure,
        groups_figure,
        law_figure,
        matrices_figure,
        intervals_figure,
        many_scales_figure,
        crowded_figure,
    )
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FIGURES.items():
        make().savefig(folder / f"{name}.png", bbox_inches="tight", dpi=110)
