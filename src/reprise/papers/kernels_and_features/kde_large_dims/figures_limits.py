"""The figures of finite size and of the best bandwidth (C4 to C6), each with the tidy data that it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise import plotting as pl
from reprise import statistics
from reprise.papers.kernels_and_features.kde_large_dims import classical, edge, optimum, quadrature, regimes
from reprise.papers.kernels_and_features.kde_large_dims import evidence as ev
from reprise.papers.kernels_and_features.kde_large_dims.figures import Drawn, bars, row
from reprise.papers.kernels_and_features.kde_large_dims.samples import Sums

CURVE_H = np.geomspace(0.6, 1.6, 24)


def finite_size(far: edge.EdgeSums, dims: Sequence[int], alpha: float, *, seed: int) -> Drawn:
    """F5: distance of E[Y_2] from its limit along the dimension; law of the largest weight."""
    fig, (left, right) = pl.wide(
        2, ["Distance of $E[Y_2]$ from its limit", f"Largest weight, μ = {far.mu:g}, d = {far.d}"], share=False
    )
    rows: list[dict[str, object]] = []
    for mu, colour, marker in zip(ev.LIMIT_MU, pl.GROUPS, pl.MARKERS, strict=False):
        gap = np.abs(np.asarray(ev.participation_at(alpha, mu, dims)) - regimes.participation(mu))
        seen = gap > 1e-6
        pl.experiment(
            left,
            np.asarray(dims)[seen],
            gap[seen],
            color=colour,
            marker=marker,
            linestyle="-",
            linewidth=1.0,
            label=f"μ = {mu:g}",
        )
        rows += [
            {"panel": "gap", "series": "quadrature", "mu": mu, "d": d, "value": v}
            for d, v in zip(dims, gap, strict=True)
        ]
    off = np.abs(np.asarray(ev.participation_at(alpha, 0.5, dims, fixed=True)) - 0.5)
    pl.control(left, dims, off, linestyle="-", linewidth=1.0, label="control: 100 points")
    rows += [
        {"panel": "gap", "series": "control: always 100 points", "mu": 0.5, "d": d, "value": v}
        for d, v in zip(dims, off, strict=True)
    ]
    pl.log_ticks(left, "both")
    left.set_ylim(bottom=1e-4)
    left.set_xlabel("dimension d")
    left.set_ylabel("$|E[Y_2]-\\max(0,1-\\mu)|$")
    left.legend(loc="lower left")
    laws = {
        "drawn by nearest points": (far.largest, pl.EXPERIMENT),
        "Poisson-Dirichlet": (edge.poisson_dirichlet(far.mu, ev.LIMIT_SETS, seed=seed)[:, 0], pl.INK),
        "control: index $h/h_G$": (
            edge.poisson_dirichlet(float(np.sqrt(far.mu)), ev.LIMIT_SETS, seed=seed)[:, 0],
            pl.CONTROL,
        ),
    }
    share = np.linspace(0.0, 1.0, 201)
    for name, (values, colour) in laws.items():
        place = np.quantile(values, share)
        if name == "Poisson-Dirichlet":
            pl.theory(right, place, share, label=name)
        else:
            right.plot(place, share, color=colour, lw=2.2 if colour == pl.EXPERIMENT else 1.2, label=name)
        rows += [{"panel": "law", "series": name, "x": x, "value": s} for x, s in zip(place, share, strict=True)]
    right.set_xlabel("largest weight")
    right.set_ylabel("share of data sets")
    right.legend(loc="upper left")
    return fig, pd.DataFrame(rows)


def divergence(runs: Sequence[Sums], dims: Sequence[int], found: Sequence[tuple[float, float]], alpha: float) -> Drawn:
    """F6: divergence against the bandwidth; optimal bandwidth and losses of the rules along the dimension."""
    fig, (left, middle, right) = pl.wide(
        3, ["KL divergence / d", "Best bandwidth", "Loss of classical rules"], share=False
    )
    rows: list[dict[str, object]] = []
    sizes = [(run.d, float(np.log(run.n)), run) for run in runs] + [(dims[-1], alpha * dims[-1], None)]
    for (d, log_n, run), colour in zip(sizes, pl.family(len(sizes)), strict=True):
        curve = [quadrature.divergence(d, log_n, float(h)) for h in CURVE_H]
        left.plot(CURVE_H, curve, color=colour, lw=1.2, label=f"d = {d}")
        rows += [
            {"panel": "divergence", "series": "quadrature", "d": d, "h": h, "value": v}
            for h, v in zip(CURVE_H, curve, strict=True)
        ]
        best, least = classical.optimum(d, log_n)
        left.plot([best], [least], "v", color=colour, ms=6, zorder=5)
        rows.append({"panel": "divergence", "series": "minimum", "d": d, "h": best, "value": least})
        if run is not None:
            points = [statistics.mean(column) for column in optimum.divergences(run).T]
            pl.experiment(left, run.h[::2], *bars(points[::2]), color=colour, markersize=3.5)
            rows += [
                {"panel": "divergence", "series": "simulated", "d": d, "h": h, **row(e)}
                for h, e in zip(run.h, points, strict=True)
            ]
    limit = regimes.divergence(CURVE_H, alpha)
    pl.theory(left, CURVE_H, limit, label="limit")
    rows += [
        {"panel": "divergence", "series": "limit", "h": h, "value": v} for h, v in zip(CURVE_H, limit, strict=True)
    ]
    left.set_ylim(0.0, 0.4)
    left.set_xlabel("bandwidth h")
    left.set_ylabel("nats per dimension")
    left.legend(loc="upper center")
    places = regimes.thresholds(alpha)
    for value, text in ((places.g, "$h_G$"), (places.optimal, "limit of $h_{opt}$")):
        pl.theory(middle, [dims[0], dims[-1]], [value, value])
        pl.direct_label(middle, dims[-1] / 6, float(value), text, side="above" if value == places.g else "below")
    middle.plot(dims, [h for h, _ in found], color=pl.INK, lw=1.0)
    simulated = [optimum.simulated_optimum(run) for run in runs]
    pl.experiment(middle, [run.d for run in runs], *bars(simulated))
    rows += [
        {"panel": "optimum", "series": "quadrature", "d": d, "value": h} for d, (h, _) in zip(dims, found, strict=True)
    ]
    rows += [
        {"panel": "optimum", "series": "simulated", "d": r.d, **row(e)} for r, e in zip(runs, simulated, strict=True)
    ]
    middle.set_ylabel("$h_{opt}$")
    for rule, colour, marker in zip(classical.RULES, pl.GROUPS, pl.MARKERS, strict=False):
        lost = optimum.losses(rule, alpha, dims, found)
        pl.experiment(right, dims, lost, color=colour, marker=marker, linestyle="-", linewidth=1.0, label=rule)
        rows += [{"panel": "loss", "series": rule, "d": d, "value": v} for d, v in zip(dims, lost, strict=True)]
    pl.log_ticks(right, "y")
    right.set_ylabel("excess nats per dimension")
    right.legend(loc="lower right")
    for ax in (middle, right):
        pl.log_ticks(ax, "x")
        ax.set_xlabel("dimension d")
    return fig, pd.DataFrame(rows)
