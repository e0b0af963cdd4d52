"""The seven figures: each function returns the figure and the tidy data that it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.ntk_convergence import components as co
from reprise.papers.infinite_width.ntk_convergence import initialisation as ini
from reprise.papers.infinite_width.ntk_convergence import spectra, theory
from reprise.papers.infinite_width.ntk_convergence.finite import Look
from reprise.papers.infinite_width.ntk_convergence.training import Drift, Paths, Task

Drawn = tuple[Figure, pd.DataFrame]
SHOWN = 10
"""Networks drawn in each panel, as in the paper."""


def kernel_curves(drifts: Sequence[Drift], widths: Sequence[int], limit: Float[np.ndarray, "p p"]) -> Drawn:
    """F1: kernels over the angle before and after training, smallest and largest width."""
    p = len(limit)
    gamma, origin = theory.angle_grid(p), p // 2
    fig, axes = pl.wide(2, [f"{n} units a layer" for n in (widths[0], widths[-1])])
    rows = []
    for ax, width, drift in zip(axes, (widths[0], widths[-1]), (drifts[0], drifts[-1]), strict=True):
        light, dark = pl.family(4)[0], pl.family(4)[2]
        for when, look, colour in (("before training", drift.before, light), ("after training", drift.after, dark)):
            curves, mean = look.ntk[:SHOWN, origin], look.ntk[:, origin].mean(axis=0)
            ax.plot(*_closed(gamma, curves), color=colour, lw=0.7, alpha=0.55)
            ax.plot(*_closed(gamma, mean), color=colour, lw=2.4, label=f"{when}, mean")
            rows += _long(gamma, curves, width=width, time=when)
            rows += _long(gamma, mean[None], width=width, time=f"{when}, mean of {len(look.ntk)}")
        pl.theory(ax, *_closed(gamma, limit[origin]), label="infinite width", linewidth=2.0)
        rows += _long(gamma, limit[None, origin], width=0, time="limit")
        ax.set_xlabel("angle γ")
        ax.set_xticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
    axes[0].set_ylabel("Θ between (1, 0) and γ")
    axes[0].set_ylim(bottom=0.0)
    axes[1].legend(loc="upper right")
    data = pd.DataFrame(rows).drop_duplicates()
    return fig, data


def start_errors(
    looks: Sequence[Look], widths: Sequence[int], limit: np.ndarray, wrong: np.ndarray, slope: Estimate,
    narrow: Sequence[Look], narrow_widths: Sequence[int], last: int, predicted: Sequence[float], kurtosis_slope: Estimate,
) -> Drawn:  # fmt: skip
    """F2: error of the kernel, and excess kurtosis of the outputs, against width."""
    fig, (left, right) = pl.wide(2, ["Error of the kernel", "Excess kurtosis of the outputs"], share=False)
    errors = _means(ini.error_table(looks, limit))
    wrong_errors = _means(ini.error_table(looks, wrong))
    _line(left, widths, errors, label="error against the limit")
    _line(left, widths, wrong_errors, label="against one layer more", is_control=True)
    pl.slope_note(
        left, slope, (widths[len(widths) // 2], _value(errors[len(widths) // 2])), color=pl.EXPERIMENT, side="right"
    )
    measured = [ini.kurtoses(look) for look in looks]
    flat = [ini.kurtoses(look) for look in narrow]
    pl.theory(right, widths, predicted, label="exact prediction")
    _line(right, widths, measured, label="measured", linestyle="none")
    _line(right, narrow_widths, flat, label=f"last layer {last} units", is_control=True)
    pl.slope_note(right, kurtosis_slope, (widths[1], _value(measured[1])), color=pl.EXPERIMENT, side="left")
    for ax, unit in ((left, "relative Frobenius error"), (right, "excess kurtosis")):
        pl.log_ticks(ax, "x", widths)
        pl.log_ticks(ax, "y")
        ax.set_xlabel("width n (units)")
        ax.set_ylabel(unit)
        ax.legend(loc="lower left")
    data = pd.concat(
        [
            _frame(widths, errors, panel="error", series="against the limit"),
            _frame(widths, wrong_errors, panel="error", series="control: one layer more"),
            _frame(widths, measured, panel="kurtosis", series="measured"),
            _frame(narrow_widths, flat, panel="kurtosis", series=f"control: last layer {last} units"),
            pd.DataFrame({"width": widths, "value": predicted, "panel": "kurtosis", "series": "prediction"}),
        ]
    )
    return fig, data


def kernel_drift(
    changes: dict[str, np.ndarray], controls: dict[str, np.ndarray], covered: np.ndarray, slowed: np.ndarray,
    widths: Sequence[int], slopes: dict[str, Estimate],
) -> Drawn:  # fmt: skip
    """F3: change of the kernel and of the function against width."""
    fig, (left, right) = pl.wide(2, ["Change of the kernel", "Change of the function"], share=False)
    frames = []
    for (name, table), colour, marker in zip(changes.items(), pl.GROUPS, pl.MARKERS, strict=False):
        means, against = _means(table), _means(controls[name])
        _line(left, widths, means, label=name, color=colour, marker=marker)
        _line(
            left,
            widths,
            against,
            label=f"{name}, mean-field",
            is_control=True,
            linestyle=(0, (1, 1)) if name != "ReLU" else "-",
        )
        at, side = (1, "below") if name == "ReLU" else (len(widths) // 2, "above")  # the lower line and the upper one
        pl.slope_note(
            left, slopes[name], (widths[at], _value(means[at])), color=colour, name=f"{name}: slope", side=side
        )
        frames += [
            _frame(widths, means, panel="kernel", series=name),
            _frame(widths, against, panel="kernel", series=f"control: {name}, mean-field"),
        ]
    for table, label, is_control in ((covered, "rate 1", False), (slowed, "control: rate 1/n", True)):
        means = _means(table)
        _line(right, widths, means, label=label, is_control=is_control)
        frames.append(_frame(widths, means, panel="function", series=label))
    for ax, unit in ((left, "relative change over training"), (right, "share of the way to the targets")):
        pl.log_ticks(ax, "x", widths)
        pl.log_ticks(ax, "y")
        ax.set_xlabel("width n (units)")
        ax.set_ylabel(unit)
        ax.legend(loc="best")
    return fig, pd.concat(frames)


def trained_functions(
    paths: Sequence[Paths], widths: Sequence[int], task: Task, law: theory.Law,
    distances: np.ndarray, control: np.ndarray, slope: Estimate,
) -> Drawn:  # fmt: skip
    """F4: trained functions with percentiles of the limit, and the distance to kernel descent against width."""
    n, p = task.y.size, len(task.grid)
    gamma, seen = theory.angle_grid(p), np.arctan2(task.x[:, 1], task.x[:, 0])
    fig, axes = pl.wide(3, [f"{widths[0]} units", f"{widths[-1]} units", "Distance to descent"], share=False)
    rows = []
    for ax, width, path in zip(axes, (widths[0], widths[-1]), (paths[0], paths[-1]), strict=False):
        curves = path.f[:SHOWN, -1, n:]
        ax.plot(*_closed(gamma, curves), color=pl.EXPERIMENT, lw=0.8, alpha=0.8)
        rows += _long(gamma, curves, width=width, series="network")
        for z, name in ((-1.2816, "10th percentile"), (0.0, "median"), (1.2816, "90th percentile")):
            curve = law.mean[n:] + z * law.std[n:]
            pl.theory(ax, *_closed(gamma, curve))
            rows += _long(gamma, curve[None], width=width, series=f"limit, {name}")
        ax.plot(seen, task.y, "o", color=pl.INK, ms=5, zorder=5)
        ax.set_xticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
        ax.set_xlabel("angle γ")
        ax.set_ylim(-0.8, 0.6)
    axes[0].set_ylabel("f after training")
    near, far = _means(distances), _means(control)
    _line(axes[2], widths, near, label="Θ")
    _line(axes[2], widths, far, label="control: Σ", is_control=True)
    pl.slope_note(axes[2], slope, (widths[0], _value(near[0])), side="below")
    pl.log_ticks(axes[2], "x", widths)
    pl.log_ticks(axes[2], "y")
    axes[2].set_xlabel("width n (units)")
    axes[2].set_ylabel("largest |network − descent|")
    axes[2].legend(loc="best")
    distances_frame = pd.concat(
        [_frame(widths, near, series="distance to descent of Θ"), _frame(widths, far, series="control: descent of Σ")]
    )
    return fig, pd.concat([pd.DataFrame(rows), distances_frame])


def component_decay(
    runs: dict[int, dict[str, co.Descent]], rates: co.Rates, small: co.Rates, towards: co.Directions
) -> Drawn:
    """F5: rates against eigenvalues, error along the second component, stray error over time and width."""
    widths, second = sorted(runs), float(towards.pick("2").rates[0])
    titles = ["Decay rates", "Error along component 2", "Stray error along component 2", "Largest stray error"]
    fig, axes = pl.wide(2, titles, share=False, nrows=2)
    left, middle, right, widthwise = axes.flat
    frames = []
    ends = np.array([towards.rates.min() / 2, towards.rates.max() * 2])
    pl.theory(left, ends, ends)
    open_marker: dict[str, Any] = {"marker": "s", "color": pl.GROUPS[3]}
    for found, names, mark, series, look in (
        (rates, towards.principal, pl.experiment, f"components, error {co.AMPLITUDE:g}", {}),
        (
            small,
            [name for name in small.names if name in towards.principal],
            pl.experiment,
            f"components, error {co.SMALL:g}",
            open_marker,
        ),
        (rates, towards.random, pl.control, "random directions", {}),
    ):
        some, steady = towards.pick(*names).rates, found.pick(names).steady
        means = [statistics.mean(steady[:, i] * rate) for i, rate in enumerate(some)]
        mark(left, some, *_bars(means), label=series, **look)
        frames.append(_frame(some, means, x_name="eigenvalue", panel="rates", series=series))
    pl.log_ticks(left, "both")
    left.set_ylim(bottom=ends[0] / 4)
    left.set_xlabel("predicted rate")
    left.set_ylabel("fitted rate")
    left.legend(loc="upper left")
    for width, colour in zip(widths, pl.family(len(widths)), strict=True):
        run = runs[width]["2"]
        for ax, values, panel in ((middle, run.along, "along"), (right, run.off, "stray")):
            means = _means(values)
            pl.experiment(ax, run.times, *_bars(means), color=colour, kind="band", label=f"n = {width}")
            frames.append(_frame(run.times, means, x_name="time", panel=panel, series=f"n = {width}"))
    smooth = np.linspace(0.0, runs[widths[-1]]["2"].times[-1], 200)
    limit = co.AMPLITUDE * np.exp(-second * smooth)
    pl.theory(middle, smooth, limit, label="n = ∞")
    frames.append(pd.DataFrame({"time": smooth, "value": limit, "panel": "along", "series": "limit"}))
    for ax, name in ((middle, "‖g‖ (root mean square)"), (right, "‖h‖ (root mean square)")):
        ax.set_xlabel("time t = steps × rate")
        ax.set_ylabel(name)
        ax.set_ylim(bottom=0.0)
        ax.legend(loc="best")
    for name, is_control in (("2", False), (towards.random[0], True)):
        largest = [statistics.mean(runs[n][name].off.max(axis=1)) for n in widths]
        series = "control: random direction" if is_control else "component 2"
        _line(widthwise, widths, largest, is_control=is_control, label=series)
        frames.append(_frame(widths, largest, panel="largest stray", series=series))
    pl.log_ticks(widthwise, "x", widths)
    pl.log_ticks(widthwise, "y")
    widthwise.set_xlabel("width n (units)")
    widthwise.set_ylabel("largest ‖h‖")
    widthwise.legend(loc="best")
    return fig, pd.concat(frames)


def eigenvalues_and_stopping(
    eigenvalues: dict[int, np.ndarray], reported: bool, times: np.ndarray, noisy: np.ndarray, clean: np.ndarray
) -> Drawn:
    """F6: first eigenvalues by depth, and test error against stopping time."""
    fig, (left, right) = pl.wide(2, ["First three eigenvalues", "Test error of kernel descent"], share=False)
    frames = []
    depths = sorted(eigenvalues)
    for i in range(3):
        found = [statistics.mean(eigenvalues[depth][:, i]) for depth in depths]
        spread = [eigenvalues[depth][:, i].std(ddof=1) for depth in depths]
        values = np.array([e.value for e in found])
        pl.experiment(
            left,
            depths,
            values,
            values - 2 * np.array(spread),
            values + 2 * np.array(spread),
            color=pl.GROUPS[i],
            marker=pl.MARKERS[i],
        )
        pl.direct_label(left, depths[0], values[0], f"λ{'₁₂₃'[i]}", color=pl.GROUPS[i], side="left")
        if reported:
            pl.reported(left, spectra.PAPER_EIGENVALUES[i], f"paper {spectra.PAPER_EIGENVALUES[i]:g}")
        frames.append(_frame(depths, found, x_name="depth", panel="eigenvalues", series=f"eigenvalue {i + 1}"))
    left.set_yscale("log")
    pl.log_ticks(left, "y")
    left.set_xticks(depths)
    left.set_xlim(depths[0] - 0.6, depths[-1] + 0.4)
    left.set_xlabel("depth L (weight layers)")
    left.set_ylabel("eigenvalue of Θ/N")
    inside = (times > 0) & np.isfinite(times)
    for curves, label, mark in ((noisy, "wrong labels", pl.experiment), (clean, "clean labels (control)", pl.control)):
        means = _means(curves)
        middle, low, high = (b[inside] for b in _bars(means))
        mark(right, times[inside], middle, low, high, kind="band", label=label)
        frames.append(_frame(times, means, x_name="time", panel="test error", series=label))
    best = int(np.argmin(noisy.mean(axis=0)))
    right.plot(times[best], noisy.mean(axis=0)[best], "v", color=pl.EXPERIMENT, ms=8, zorder=5)
    pl.direct_label(right, times[best], noisy.mean(axis=0)[best], "stop here", color=pl.EXPERIMENT, side="below")
    pl.log_ticks(right, "x")
    right.set_xlabel("time t")
    right.set_ylabel("mean squared test error")
    right.legend(loc="best")
    return fig, pd.concat(frames)


def legendre(table: pd.DataFrame) -> Drawn:
    """F7: coefficients of the kernel in Legendre polynomials, with one hidden layer."""
    fig, ax = pl.single("Legendre coefficients of the limiting kernel")
    shown = table[(table.depth == table.depth.min()) & table.activation.isin(["ReLU", "erf", "z", "z + z²"])]
    styles = {
        "ReLU": (pl.GROUPS[0], "o"),
        "erf": (pl.GROUPS[3], "s"),
        "z": (pl.CONTROL, "X"),
        "z + z²": (pl.CONTROL, "P"),
    }
    for name, part in shown.groupby("activation", sort=False):
        colour, marker = styles[str(name)]
        size = np.maximum(np.abs(part.coefficient), 1e-44)
        pl.experiment(ax, part.degree, size, color=colour, marker=marker, linestyle="-", linewidth=0.8, label=str(name))
    pl.log_ticks(ax, "y")
    ax.set_xlabel("degree k")
    ax.set_ylabel("size of coefficient")
    pl.label_lines(ax)
    return fig, shown.drop(columns="polynomial")


def _closed(gamma: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curves over the circle, with the first point once more at its end; curves as columns."""
    values = np.atleast_2d(curves).T
    return np.append(gamma, gamma[0] + 2 * np.pi), np.vstack([values, values[:1]])


def _long(gamma: np.ndarray, curves: np.ndarray, **labels: object) -> list[dict[str, object]]:
    return [
        {"angle": float(a), "network": i, "value": float(v), **labels}
        for i, curve in enumerate(curves)
        for a, v in zip(gamma, curve, strict=True)
    ]


def _means(table: Float[np.ndarray, "seeds k"]) -> list[Estimate]:
    """Mean of each column with its t interval."""
    return [statistics.mean(column) for column in np.asarray(table).T]


def _value(estimate: Estimate) -> float:
    return float(np.asarray(estimate.value))


def _bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([e.value for e in estimates]),
        np.array([e.low for e in estimates]),
        np.array([e.high for e in estimates]),
    )


def _line(
    ax: Axes, x: Sequence[float], estimates: Sequence[Estimate], *, is_control: bool = False, **style: object
) -> None:
    mark = pl.control if is_control else pl.experiment
    mark(ax, x, *_bars(estimates), **{"linestyle": "-", "linewidth": 1.0, **style})  # type: ignore[arg-type]


def _frame(
    x: Sequence[float] | np.ndarray, estimates: Sequence[Estimate], *, x_name: str = "width", **labels: object
) -> pd.DataFrame:
    value, low, high = _bars(estimates)
    return pd.DataFrame(
        {x_name: np.asarray(x), "value": value, "low": low, "high": high, "n": estimates[0].n, **labels}
    )
