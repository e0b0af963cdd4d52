"""The chapter's figures: each returns the figure and, tidy, exactly what it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting, statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_cnn import evidence, prediction, spectra
from reprise.papers.infinite_width.wide_cnn.experiments import (
    CONNECTED,
    STUDENT,
    TEACHERS,
    Matched,
    NoisyStudy,
    TeacherStudent,
)
from reprise.papers.infinite_width.wide_cnn.spectra import Kind

__all__ = ["adaptivity", "error_shares", "noisy_curves", "rates_by_dimension", "sectors"]

Drawn = tuple[Figure, pd.DataFrame]
Rows = list[dict[str, Any]]


def _interval(samples: Float[np.ndarray, "r n"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over realisations with 95 % Student intervals, one by one."""
    found = [statistics.mean(column) for column in samples.T]
    value, low, high = (
        np.array([float(np.asarray(getattr(e, name))) for e in found]) for name in ("value", "low", "high")
    )
    return value, low, high


def _rows(common: dict[str, Any], **columns: Any) -> Rows:
    """One row a mark."""
    return [
        {**common, **{name: float(f"{v:.7g}") for name, v in zip(columns, row, strict=True)}}
        for row in zip(*columns.values(), strict=True)
    ]


def _measured(
    ax: Axes, ns: Sequence[int], samples: np.ndarray, common: dict[str, Any], *, red: bool = False, **look: Any
) -> Rows:
    value, low, high = _interval(samples)
    (plotting.control if red else plotting.experiment)(ax, ns, value, np.maximum(low, value / 3), high, **look)
    return _rows({**common, "source": "measured"}, n=ns, error=value, low=low, high=high)


def _predicted(ax: Axes, ns: Sequence[float], curve: np.ndarray, common: dict[str, Any], **look: Any) -> Rows:
    plotting.theory(ax, ns, curve, **look)
    return _rows({**common, "source": "formula"}, n=ns, error=curve)


def adaptivity(study: TeacherStudent) -> Drawn:
    """Left: the hierarchical student on three teachers. Right: other students on the two-patch teacher."""
    fig, axes = plotting.wide(2, ["Hierarchical student, three teachers", "Two-patch teacher, other students"])
    dense = list(np.geomspace(study.ns[0], study.ns[-1], 9))
    guided = [study.ns[-1] / 4, study.ns[-1]]
    curves, starts, rows = study.formula(ns=dense), 0.8 * study.formula(ns=guided[:1])[:, 0], []
    for i, (name, colour) in enumerate(zip(TEACHERS, plotting.family(3), strict=True)):
        common = {"panel": "teachers", "student": "hierarchical", "teacher": name}
        rows += _predicted(axes[0], dense, curves[i], common, color=colour)
        errors = study.errors["hierarchical", name].total
        rows += _measured(axes[0], study.ns, errors, common, color=colour, marker=plotting.MARKERS[i])
        beta = prediction.asymptotic_rate(STUDENT, i + 1)
        guide = starts[i] * (np.array(guided) / guided[0]) ** -beta
        axes[0].plot(guided, guide, color=colour, linewidth=0.9)
        middle = float(np.sqrt(guided[0] * guided[1])), float(np.sqrt(guide[0] * guide[1]))
        text: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "color": plotting.readable(colour)}
        axes[0].annotate(f"n → ∞: −{beta:.3f}", middle, (-2, -4), ha="right", va="top", **text)
        axes[0].annotate(name, (dense[1], curves[i, 1]), (0, 7), ha="left", va="bottom", **text)
        rows += _rows({**common, "source": "asymptotic slope"}, n=guided, error=guide)
    others = [
        name
        for name in ("hierarchical", "swapped", "fully connected", "Laplace")
        if (name, "two patches") in study.errors
    ]
    for i, name in enumerate(others):
        common = {"panel": "students", "student": name, "teacher": "two patches"}
        red, marker = name != "hierarchical", ("o", "X", "P", "D")[i]
        look: dict[str, Any] = (
            {"marker": marker, "label": name} if red else {"marker": marker, "color": plotting.family(3)[1]}
        )
        if name != "Laplace":
            shown = study.formula(name, dense)[1]
            rows += _predicted(axes[1], dense, shown, common, color=plotting.CONTROL if red else plotting.family(3)[1])
        rows += _measured(axes[1], study.ns, study.errors[name, "two patches"].total, common, red=red, **look)
        if not red:
            axes[1].get_lines()[-1].set_label(name)
    axes[1].legend(loc="lower left")
    for ax in axes:
        plotting.log_ticks(ax, "y")
        plotting.log_ticks(ax, "x", study.ns)
        ax.set_xlabel("training points n")
    axes[0].set_ylabel("test error / variance")
    return fig, pd.DataFrame(rows)


def sectors(frequencies: Sequence[int]) -> Drawn:
    """Eigenvalues against the norm of the frequency by sector and parity, for both kernels."""
    fig, axes = plotting.wide(2, ["tangent kernel", "random-feature kernel"], share=False)
    names, rows = ("one patch", "two neighbours", "all four"), []
    kinds: tuple[Kind, Kind] = ("ntk", "rfk")
    for ax, kind in zip(axes, kinds, strict=True):
        for j, (count, colour) in enumerate(zip((1, 2, 4), plotting.family(3), strict=True)):
            k, values = evidence.diagonal(STUDENT, range(count), kind, frequencies[j])
            kept = np.unique(np.geomspace(2, k[-1] - 1, 14).round().astype(int))
            for parity in (0, 1):
                at = np.unique(kept + (kept + parity) % 2) - 2
                at = at[at < len(k)]
                norm = k[at] * np.sqrt(count)
                look: dict[str, Any] = {"color": colour, "marker": plotting.MARKERS[j], "markersize": 4.5}
                if parity:
                    look |= {"markerfacecolor": plotting.PAPER, "markeredgecolor": colour, "markeredgewidth": 1.0}
                plotting.experiment(ax, norm, values[at], label=None if parity else names[j], **look)
                common = {
                    "kernel": kind,
                    "modes": names[j],
                    "parity": "odd" if parity else "even",
                    "network": "hierarchical",
                }
                rows += _rows(common, frequency_norm=norm, eigenvalue=values[at])
            slope = spectra.exponent(STUDENT, j + 1, kind)
            norm = k[[len(k) // 4, -1]] * np.sqrt(count)
            line = values[-1] * (norm / norm[-1]) ** slope * 1.8
            plotting.theory(ax, norm, line, color=colour, linewidth=1.2)
            plotting.direct_label(ax, norm[-1], line[-1], f"{slope:g}".replace("-", "−"), color=colour, side="above")
            rows += _rows(
                {"kernel": kind, "modes": names[j], "network": "theorem"}, frequency_norm=norm, eigenvalue=line
            )
            highest = min(frequencies[2], 16)
            full = spectra.marginal(CONNECTED, (0, 1, 2, 3), kind, highest).eigenvalues
            even = np.arange(4, highest + 1, 4)
            connected, norm = full[(even,) * count + (0,) * (4 - count)], even * np.sqrt(count)
            plotting.control(
                ax, norm, connected, marker="X", markersize=4.5, label="fully connected" if j == 2 else None
            )
            rows += _rows({"kernel": kind, "modes": names[j], "parity": "even", "network": "fully connected"},
                          frequency_norm=norm, eigenvalue=connected)  # fmt: skip
        plotting.log_ticks(ax, "both")
        ax.set_xlabel(r"norm of the frequency $\|k\|$")
    axes[0].set_ylabel(r"eigenvalue $\Lambda_k$")
    plotting.outside_legend(axes[1], "modes on")
    return fig, pd.DataFrame(rows)


def rates_by_dimension(found: Matched) -> Drawn:
    """Measured exponents against the number of patches for targets of the whole input and of single patches."""
    fig, ax = plotting.single("Rates of students (2, s)")
    sizes, rows = np.asarray(found.sizes, float), []
    looks = [
        ("same", "whole input", plotting.EXPERIMENT, "o", 0),
        ("one patch", "one patch", plotting.GROUPS[1], "s", 1),
    ]
    for teacher, label, colour, marker, number in looks:
        each = [evidence.rate(found.ns, errors[teacher].total) for errors in found.errors]
        value, low, high = (
            np.array([float(np.asarray(getattr(e, part))) for e in each]) for part in ("value", "low", "high")
        )
        plotting.experiment(ax, sizes, value, low, high, color=colour, marker=marker, label=label)
        predicted = evidence.formula_rates(found.ns, found.formula(number))
        ax.plot(sizes, predicted, linestyle=":", linewidth=1.1, color=colour)
        layer = 2 if teacher == "same" else 1
        dense = np.linspace(sizes[0], sizes[-1], 30)
        limit = 1 / dense if layer == 2 else 0.5 * (1 + 1 / dense)
        plotting.theory(ax, dense, limit, color=colour)
        common = {"target": label}
        rows += _rows({**common, "source": "measured"}, s=sizes, rate=value, low=low, high=high)
        rows += _rows({**common, "source": "formula at the same n"}, s=sizes, rate=predicted)
        rows += _rows({**common, "source": "asymptotic"}, s=dense, rate=limit)
    plotting.direct_label(ax, sizes[-2], 1 / sizes[-2], "n → ∞: 1/s", color=plotting.EXPERIMENT, side="below")
    ax.set_ylim(0, None)
    ax.set_xticks(sizes, [f"{s:g}" for s in sizes])
    ax.set_xlabel("patches s of the input")
    ax.set_ylabel(r"exponent $\beta$ of the error")
    plotting.outside_legend(ax, "target depends on")
    return fig, pd.DataFrame(rows)


def error_shares(study: TeacherStudent) -> Drawn:
    """Share of the error in functions of the whole input, measured and predicted."""
    fig, ax = plotting.single("Where the error lies")
    dense = list(np.geomspace(study.ns[0], study.ns[-1], 9))
    curve, rows = prediction.learning_curve(study.modes, dense), []
    for i, name in ((2, "all patches"), (1, "two patches")):
        colour = plotting.EXPERIMENT if i == 2 else plotting.CONTROL
        shares = curve.sectors[i, :, -1] / curve.error[i]
        plotting.theory(ax, dense, shares, color=colour)
        value, low, high = _interval(study.errors["hierarchical", name].top_share())
        (plotting.experiment if i == 2 else plotting.control)(ax, study.ns, value, low, high, label=None)
        plotting.direct_label(ax, dense[5], shares[5], f"teacher on {name}", color=colour, side="above")
        rows += _rows({"teacher": name, "source": "formula"}, n=dense, share=shares)
        rows += _rows({"teacher": name, "source": "measured"}, n=study.ns, share=value, low=low, high=high)
    own = float(study.modes.variance_shares()[2, -1])
    plotting.reported(ax, own, "share of the teacher's variance", where=0.6)
    rows += _rows({"teacher": "all patches", "source": "variance"}, n=study.ns, share=[own] * len(study.ns))
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1)
    plotting.log_ticks(ax, "x", study.ns)
    ax.set_xlabel("training points n")
    ax.set_ylabel("share of the error in sector 3")
    return fig, pd.DataFrame(rows)


def noisy_curves(study: NoisyStudy, rates: Sequence[Estimate]) -> Drawn:
    """Excess error on noisy labels for the three teachers, with and without ridge, with the bound's slope."""
    fig, axes = plotting.wide(3, [f"teacher: {name}" for name in TEACHERS])
    rows: Rows = []
    for i, (ax, name) in enumerate(zip(axes, TEACHERS, strict=True)):
        common, found = {"teacher": name}, study.measured[name]
        rows += _predicted(ax, study.ns, study.best[i], {**common, "ridge": "best"})
        rows += _predicted(ax, study.ns, study.ridgeless[i], {**common, "ridge": "none"}, color=plotting.CONTROL)
        rows += _measured(ax, study.ns, found.tuned, {**common, "ridge": "best"}, label="ridge chosen")
        rows += _measured(ax, study.ns, found.ridgeless, {**common, "ridge": "none"}, red=True, label="no ridge")
        bound = prediction.noisy_bound(STUDENT, i + 1)
        start = study.ns[0], 0.6 * float(study.best[i, 0])
        plotting.slope_guide(ax, -bound, start, factor=study.ns[-1] / study.ns[0], text=f"bound: {bound:.3f}")
        rows += _rows({**common, "source": "slope of the bound"}, n=[study.ns[0], study.ns[-1]],
                      error=[start[1], start[1] * (study.ns[-1] / study.ns[0]) ** -bound])  # fmt: skip
        text = f"measured: {plotting.interval_text(rates[i])}"
        ax.text(0.97, 0.95, text, transform=ax.transAxes, ha="right", va="top", fontsize=9)
        plotting.log_ticks(ax, "y")
        plotting.log_ticks(ax, "x", study.ns)
        ax.set_xlabel("training points n")
    axes[0].set_ylabel("excess error / variance")
    axes[0].legend(loc="lower left")
    return fig, pd.DataFrame(rows)
