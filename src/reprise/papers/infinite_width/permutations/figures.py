"""The figures of what is drawn from the limit, each with the tidy data that it draws; those with finite networks too."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.permutations import evidence as ev
from reprise.papers.infinite_width.permutations import limit, signs
from reprise.papers.infinite_width.permutations import networks_evidence as ne
from reprise.papers.infinite_width.permutations import regression as rg
from reprise.papers.infinite_width.permutations.ensembles import Draws
from reprise.papers.infinite_width.permutations.finite import Run
from reprise.papers.infinite_width.permutations.regression import Trained
from reprise.papers.infinite_width.permutations.stopping import REPORTED, STABLE, Passages

Drawn = tuple[Figure, pd.DataFrame]
SHOWN = 30
"""Length k of the means that are shown."""
MARGIN_SIZES = (3, 5, 10, 30, 100)


def sign_pattern() -> Drawn:
    """F1: means against weight at k = 30, and the smallest margin against k."""
    fig, (left, right) = pl.wide(2, [f"Mean outputs, k = {SHOWN}", "Smallest margin, times k"], share=False)
    inputs, m = rg.prefixes(SHOWN), np.arange(1, SHOWN + 1)
    mean, law = rg.mean(inputs, np.eye(SHOWN)), limit.law(SHOWN, np.arange(1, SHOWN + 1))
    rows = []
    sides = (("on the support", mean[:, 0], law.on, m), ("off the support", mean[:-1, -1], law.off[:-1], m[:-1]))
    for (name, solved, formula, weights), colour, marker in zip(sides, pl.GROUPS, pl.MARKERS, strict=False):
        pl.theory(left, weights, formula)
        pl.experiment(left, weights, solved, color=colour, marker=marker, markersize=4.5)
        place = 4 if name.startswith("on") else 12
        pl.direct_label(left, weights[place], solved[place], name, color=colour, side="above")
        for w, v, e in zip(weights, solved, formula, strict=True):
            rows.append({"panel": "mean", "series": name, "x": w, "value": v, "closed_form": e})
    left.axhline(0.0, color=pl.INK, lw=0.8)
    left.set_xlabel("weight m (ones in the input)")
    left.set_ylabel("mean output")
    relu, linear = (np.asarray(MARGIN_SIZES) * signs.margins(MARGIN_SIZES, activation=a) for a in ("relu", "linear"))
    fine = np.unique(np.geomspace(3, 1000, 60).round()).astype(int)
    predicted = [k * _margin(int(k)) for k in fine]
    pl.theory(right, fine, predicted, label="closed form")
    pl.experiment(right, MARGIN_SIZES, relu, label="solver")
    pl.control(right, MARGIN_SIZES, linear, label="control: no nonlinearity")
    for series, k, values in (
        ("solver", MARGIN_SIZES, relu),
        ("control", MARGIN_SIZES, linear),
        ("closed form", fine, predicted),
    ):
        rows += [{"panel": "margin", "series": series, "x": a, "value": b} for a, b in zip(k, values, strict=True)]
    pl.log_ticks(right, "x")
    right.set_xlabel("length k")
    right.set_ylabel("k × smallest margin")
    right.legend(loc="center right")
    return fig, pd.DataFrame(rows)


def _margin(k: int) -> float:
    on, off, _ = limit.law(k, np.arange(2, k + 1))
    return float(min(on.min(), -off[:-1].max()))


def finite_networks(runs: Sequence[Run], code: Run, slope: Estimate) -> Drawn:
    """F2: means off the support and distances to kernel descent against width, at one length."""
    fig, (left, right) = pl.wide(2, [f"Mean off the support, k = {code.k}", "Distance to descent"], share=False)
    widths = [r.width for r in runs]
    rows = []
    predictions: tuple[tuple[Trained, str], ...] = (("all", "all layers learn"), ("last", "last layer learns"))
    for trained, name in predictions:
        value = float(limit.law(code.k, 2, trained).off)
        pl.theory(left, [widths[0], max(widths[-1], code.width)], [value, value])
        pl.direct_label(left, widths[0], value, name, side="above")
        rows.append({"panel": "mean", "series": f"limit, {name}", "value": value})
    means = [_means(run, "all") for run in runs]
    released = _means(code, "last")
    pl.experiment(left, widths, *_bars(means), label="NTK parametrisation")
    pl.experiment(left, [code.width], *_bars([released]), color=pl.GROUPS[1], marker="s", label="released code's")
    for series, points in (
        ("NTK parametrisation", zip(widths, means, strict=True)),
        ("released code's", [(code.width, released)]),
    ):
        rows += [{"panel": "mean", "series": series, "width": w, **_row(e)} for w, e in points]
    left.set_ylim(top=0.0)
    left.set_ylabel("mean output at weight 2")
    left.legend(loc="center", bbox_to_anchor=(0.5, 0.35))
    kinds: tuple[tuple[Trained, str], ...] = (
        ("all", f"tangent kernel, slope {pl.interval_text(slope)}"),
        ("last", "control: last layer's kernel"),
    )
    for trained, label in kinds:
        found = [statistics.mean(column) for column in ne.distances(runs, trained).T]
        mark = pl.experiment if trained == "all" else pl.control
        mark(right, widths, *_bars(found), label=label, linestyle="-", linewidth=1.0)
        rows += [
            {"panel": "distance", "series": label, "width": w, **_row(e)} for w, e in zip(widths, found, strict=True)
        ]
    pl.log_ticks(right, "y")
    right.set_ylabel("root mean square distance")
    right.set_ylim(bottom=0.6 * min(_value(statistics.mean(column)) for column in ne.distances(runs, "all").T))
    right.legend(loc="lower left")
    for ax in (left, right):
        pl.log_ticks(ax, "x", widths)
        ax.set_xlabel("width n (units)")
    return fig, pd.DataFrame(rows)


def _means(run: Run, networks: Trained) -> Estimate:
    return statistics.mean(ne.group_means(ne.steadied(run, networks), run, 2, on=False))


def accuracy_curves(draws: Sequence[Draws], numbers: Sequence[int], trained: Run, most: int) -> Drawn:
    """F3: accuracy against the number of networks, for lengths up to 30, with trained networks and the control."""
    fig, ax = pl.single("Accuracy on one input of weight two")
    rows = []
    fine = np.geomspace(1, max(numbers), 200)
    for d, colour in zip(draws, pl.family(len(draws)), strict=True):
        found = [statistics.mean(d.accuracy(n)) for n in numbers]
        pl.theory(ax, fine, limit.accuracy(fine, d.k), color=colour)
        pl.experiment(ax, numbers, *_bars(found), color=colour, label=f"k = {d.k}")
        rows += [
            {"series": "drawn from the limit", "k": d.k, "networks": n, **_row(e)}
            for n, e in zip(numbers, found, strict=True)
        ]
        rows += [{"series": "formula", "k": d.k, "networks": n, "value": float(limit.accuracy(n, d.k))} for n in fine]
    averaged = [n for n in (1, 4, 16, 64, 256, 1024) if n <= most]
    found = [ne.ensemble_success(trained, n) for n in averaged]
    pl.experiment(ax, averaged, *_bars(found), color=pl.GROUPS[2], marker="s", label=f"trained, k = {trained.k}")
    rows += [
        {"series": "trained networks", "k": trained.k, "networks": n, **_row(e)}
        for n, e in zip(averaged, found, strict=True)
    ]
    alone = float(draws[0].accuracy(1).mean())
    pl.control(
        ax, numbers, [alone] * len(numbers), label=f"copies of one, k = {draws[0].k}", linestyle="-", linewidth=1.0
    )
    rows += [
        {"series": "control: copies of one network", "k": draws[0].k, "networks": n, "value": alone} for n in numbers
    ]
    pl.log_ticks(ax, "x")
    ax.set_xlabel("networks N in the average")
    ax.set_ylabel("accuracy")
    ax.set_ylim(-0.03, 1.03)
    pl.outside_legend(ax)
    return fig, pd.DataFrame(rows)


def ensemble_sizes(draws: Sequence[Draws], last: Passages) -> Drawn:
    """F4: ensemble sizes for one input against k, with the reported ones."""
    fig, ax = pl.single("Networks for 90 % accuracy on one input")
    k = [d.k for d in draws]
    fine = np.unique(np.geomspace(k[0], k[-1], 60).round()).astype(int)
    rows = []
    found = [statistics.mean(column) for column in ev.grouped_sizes(draws).T]
    off = [statistics.mean(column) for column in ev.grouped_sizes([d.unscaled() for d in draws]).T]
    bound = [limit.single_bound(int(v)) for v in fine]
    ax.plot(fine, bound, color=pl.INK, lw=0.9)
    pl.direct_label(ax, fine[len(fine) // 6], bound[len(fine) // 6], "tail bound", side="above")
    names: tuple[tuple[Trained, str], ...] = (("all", "all layers learn"), ("last", "last layer learns"))
    for trained, name in names:
        curve = [limit.ensemble_size(int(v), trained=trained) for v in fine]
        pl.theory(ax, fine, curve)
        place = len(fine) // 5 if trained == "all" else 2 * len(fine) // 3
        pl.direct_label(ax, fine[place], curve[place], name, side="below" if trained == "all" else "above")
        rows += [{"series": f"formula, {name}", "k": v, "value": c} for v, c in zip(fine, curve, strict=True)]
    pl.experiment(ax, k, *_bars(found), label="drawn from the limit")
    pl.control(ax, k, *_bars(off), label="control: no fan-in scaling", linestyle="-", linewidth=1.0)
    low, high = np.percentile(last.size, [2.5, 97.5], axis=0)
    ax.fill_between(
        last.k, low, high, color=pl.GROUPS[3], alpha=0.3, linewidth=0, label="stopping rule, last layer (95 %)"
    )
    reported = {key: value for key, value in REPORTED.items() if key >= STABLE}
    ax.plot(list(reported), list(reported.values()), "D", color=pl.REPORTED, ms=5, zorder=4, label="reported")
    for series, xs, es in (("simulated, all layers learn", k, found), ("control: no fan-in scaling", k, off)):
        rows += [{"series": series, "k": v, **_row(e)} for v, e in zip(xs, es, strict=True)]
    rows += [{"series": "tail bound", "k": v, "value": b} for v, b in zip(fine, bound, strict=True)]
    middle = np.median(last.size, axis=0)
    rows += [
        {"series": "stopping rule, last layer learns", "k": v, "value": c, "low": a, "high": b}
        for v, a, b, c in zip(last.k, low, high, middle, strict=True)
    ]
    rows += [{"series": "reported", "k": v, "value": n} for v, n in reported.items()]
    pl.log_ticks(ax, "both")
    ax.set_xlabel("length k")
    ax.set_ylabel("networks N")
    ax.legend(loc="upper left")
    return fig, pd.DataFrame(rows)


def joint_sizes(draws: Sequence[Draws], slope: Estimate, largest: int) -> Drawn:
    """F5: ensemble sizes for all inputs at once against k."""
    fig, ax = pl.single("Networks for 90 % success on all inputs at once")
    k = [d.k for d in draws]
    fine = np.unique(np.geomspace(k[0], largest, 60).round()).astype(int)
    found = [ev.joint_size(d) for d in draws]
    union, bound, one = (
        [size(int(v)) for v in fine] for size in (limit.union_size, limit.quadratic_bound, limit.ensemble_size)
    )
    pl.experiment(ax, k, *_bars(found), label="drawn jointly")
    pl.theory(ax, fine, union, label=f"sum of error probabilities, slope {pl.interval_text(slope)}")
    ax.plot(fine, bound, color=pl.INK, lw=0.9, label="quadratic bound")
    pl.theory(ax, fine, one, color=pl.GROUPS[3], linewidth=1.0, label="one input")
    off = [ev.joint_size(d.unscaled()) for d in draws]
    pl.control(ax, k, *_bars(off), label="control: no fan-in scaling", linestyle="-", linewidth=1.0)
    rows = [{"series": "drawn jointly", "k": v, **_row(e)} for v, e in zip(k, found, strict=True)]
    rows += [{"series": "control: no fan-in scaling", "k": v, **_row(e)} for v, e in zip(k, off, strict=True)]
    for series, values in (("sum of error probabilities", union), ("quadratic bound", bound), ("one input", one)):
        rows += [{"series": series, "k": v, "value": u} for v, u in zip(fine, values, strict=True)]
    _loglog(ax)
    ax.legend(loc="upper left")
    return fig, pd.DataFrame(rows)


def _loglog(ax: Axes) -> None:
    pl.log_ticks(ax, "both")
    ax.set_xlabel("length k")
    ax.set_ylabel("networks N")


def _value(estimate: Estimate) -> float:
    return float(np.asarray(estimate.value))


def _row(estimate: Estimate) -> dict[str, object]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def _bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([e.value for e in estimates]),
        np.array([e.low for e in estimates]),
        np.array([e.high for e in estimates]),
    )
