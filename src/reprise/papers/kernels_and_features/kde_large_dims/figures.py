"""The figures of regimes, laws and spread (C1 to C3), each with the tidy data that it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from reprise import plotting as pl
from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.kde_large_dims import classical, edge, quadrature, regimes, stable, tails
from reprise.papers.kernels_and_features.kde_large_dims import evidence as ev
from reprise.papers.kernels_and_features.kde_large_dims.samples import Sums

Drawn = tuple[Figure, pd.DataFrame]
NAMES = {"clt": "$h_{CLT}$", "g": "$h_G$", "optimal": "$h_{opt}$"}
CURVE_MU = np.linspace(0.1, 2.0, 20)


def bars(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values and interval ends for a plot."""
    value, low, high = (np.array([getattr(e, part) for e in estimates]) for part in ("value", "low", "high"))
    return value, low, high


def row(e: Estimate) -> dict[str, object]:
    """An estimate as columns of a table."""
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n}


def phases(runs: Sequence[Sums], alphas: Sequence[float], dims: Sequence[int], base: float) -> Drawn:
    """F1: thresholds against alpha; mean sum of squared weights against the squared bandwidth."""
    fig, (left, right) = pl.wide(2, ["Phases of the estimate", f"Sum of squared weights, α = {base:g}"], share=False)
    rows: list[dict[str, object]] = []
    fine = np.geomspace(0.08, 1.2, 60)
    limit = [regimes.thresholds(float(a)) for a in fine]
    for (name, text), colour in zip(NAMES.items(), (pl.INK, pl.INK, pl.GROUPS[2]), strict=True):
        values = [float(getattr(t, name)) for t in limit]
        line = pl.theory(left, fine, values, color=colour)
        line.set_label(text)
        rows += [
            {"panel": "phases", "series": f"closed form {name}", "x": a, "value": v}
            for a, v in zip(fine, values, strict=True)
        ]
    for alpha in alphas:
        far = [round(base * d / alpha) for d in dims]
        found = quadrature.extrapolate(far, [quadrature.threshold(d, alpha * d) for d in far])
        best = quadrature.extrapolate(far, [classical.optimum(d, alpha * d)[0] for d in far])
        for name, value, colour in (
            ("clt", np.sqrt(2) * found, pl.EXPERIMENT),
            ("g", found, pl.EXPERIMENT),
            ("optimal", best, pl.GROUPS[2]),
        ):
            pl.experiment(left, [alpha], [value], color=colour, marker="D" if name == "optimal" else "o")
            rows.append({"panel": "phases", "series": f"extrapolated {name}", "x": alpha, "value": value})
    for place, height, text in (
        (0.75, 1.35, "central limit theorem"),
        (0.62, 0.655, "stable law"),
        (0.11, 0.5, "few points"),
    ):
        left.text(
            place,
            height,
            text,
            fontsize=9,
            ha="center" if place > 0.2 else "left",
            rotation=-22 if place == 0.62 else 0,
        )
    pl.log_ticks(left, "y")
    pl.label_lines(left)
    left.set_xlabel("α = log n / d (nats)")
    left.set_ylabel("bandwidth h")
    rows += _weights(right, runs, dims)
    return fig, pd.DataFrame(rows)


def _weights(ax, runs: Sequence[Sums], dims: Sequence[int]) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    rows: list[dict[str, object]] = []
    sizes = [(run.d, float(np.log(run.n)), run) for run in runs] + [(dims[-1], runs[-1].alpha * dims[-1], None)]
    for (d, log_n, run), colour in zip(sizes, pl.family(len(sizes)), strict=True):
        edge_beta = regimes.condensation(log_n / d)
        curve = [quadrature.participation(d, log_n, edge_beta / m) for m in CURVE_MU]
        ax.plot(CURVE_MU, curve, color=colour, lw=1.0, label=f"d = {d}")
        rows += [
            {"panel": "weights", "series": "quadrature", "d": d, "x": m, "value": v}
            for m, v in zip(CURVE_MU, curve, strict=True)
        ]
        if run is None:
            continue
        shown = [j for j, m in enumerate(run.mu) if m <= 2.0]
        found = [statistics.mean(run.participation[:, j]) for j in shown]
        pl.experiment(ax, run.mu[shown], *bars(found), color=colour, markersize=4.0)
        rows += [
            {"panel": "weights", "series": "simulated", "d": d, "x": run.mu[j], **row(e)}
            for j, e in zip(shown, found, strict=True)
        ]
    pl.theory(ax, [0.0, 1.0, 2.0], [1.0, 0.0, 0.0], label="limit")
    rows += [
        {"panel": "weights", "series": "limit", "x": x, "value": v} for x, v in ((0.0, 1.0), (1.0, 0.0), (2.0, 0.0))
    ]
    ax.set_xlabel("$\\mu=h^2/h_G^2$")
    ax.set_ylabel("$E[Y_2]$")
    ax.legend(loc="upper right")
    return rows


def laws(run: Sums) -> Drawn:
    """F2: distribution functions of the estimate over data sets in each regime, with the best laws."""
    picked = (0.5, 1.5, tails.CLASSICAL_MU)
    fig, axes = pl.wide(3, [f"$h^2={m:g}\\,h_G^2$" for m in picked], share=False)
    rows: list[dict[str, object]] = []
    for ax, mu in zip(axes, picked, strict=True):
        z = np.sort(ev.sums(run, mu))
        z = z / np.median(z)
        places, values = stable.table(mu if mu < 2 else tails.HEAVY)
        _, where, width = stable.fitted_distance(z, stable.gaussian, stats.norm.ppf([0.25, 0.5, 0.75]))
        top = float(np.quantile(z, 0.9 if mu < 2 else 1.0))
        bottom = max(float(z[0]) - 0.05 * (top - float(z[0])), 0.0)
        grid = np.linspace(bottom, top, 300)
        curves = {"best Gaussian": stats.norm.cdf((grid - where) / width)}
        if mu < 2:
            known = np.interp([0.25, 0.5, 0.75], values, places)
            _, at, scale = stable.fitted_distance(z, stable.law(mu), known)
            curves["best stable law"] = stable.law(mu)((grid - at) / scale)
        share = np.arange(1, z.size + 1) / z.size
        ax.step(z, share, where="post", color=pl.EXPERIMENT, lw=1.6, label="data sets")
        for name, curve in curves.items():
            if name == "best stable law" or mu >= 2:
                pl.theory(ax, grid, curve, label=name)
            else:
                pl.control(ax, grid, curve, kind="band", label=name, linewidth=1.2)
            rows += [{"mu": mu, "series": name, "x": x, "value": v} for x, v in zip(grid, curve, strict=True)]
        thin = slice(None, None, max(1, z.size // 300))
        rows += [
            {"mu": mu, "series": "data sets", "x": x, "value": v} for x, v in zip(z[thin], share[thin], strict=True)
        ]
        ax.set_xlim(bottom, top)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("Z over its median")
        ax.legend(loc="lower right")
    axes[0].set_ylabel("share of data sets")
    return fig, pd.DataFrame(rows)


def spreads(runs: Sequence[Sums], far: dict[float, Sequence[edge.EdgeSums]], alpha: float) -> Drawn:
    """F3: quantile spread against the root of the variance, along the dimension; keys of ``far`` are h over h_G."""
    fig, ax = pl.single("Spread over root of variance")
    rows: list[dict[str, object]] = []
    for ratio, colour, marker in zip(far, pl.GROUPS, pl.MARKERS, strict=False):
        large = far[ratio]
        near = [ev.direct_spread_gap(run, ratio**2) for run in runs]
        wide = [ev.spread_gap(run) for run in large]
        pl.experiment(
            ax,
            [r.d for r in runs],
            *bars(near),
            color=colour,
            marker=marker,
            markerfacecolor=pl.PAPER,
            markeredgecolor=colour,
            markeredgewidth=1.2,
        )
        pl.experiment(ax, [r.d for r in large], *bars(wide), color=colour, marker=marker, label=f"h = {ratio:g} $h_G$")
        pairs = [("simulated", run.d, e) for run, e in zip(runs, near, strict=True)]
        pairs += [("by nearest points", sums.d, e) for sums, e in zip(large, wide, strict=True)]
        rows += [{"series": series, "ratio": ratio, "d": d, **row(e)} for series, d, e in pairs]
        limit = regimes.spread_rate(ratio, alpha)
        pl.theory(ax, [runs[0].d, large[-1].d], [limit, limit])
        rows.append({"series": "limit", "ratio": ratio, "value": limit})
    pl.log_ticks(ax, "x")
    ax.set_xlabel("dimension d")
    ax.set_ylabel("log ratio per dimension (nats)")
    ax.legend(loc="lower right")
    return fig, pd.DataFrame(rows)


def tail_index(runs: Sequence[Sums], far: dict[float, edge.EdgeSums], dims: Sequence[int], alpha: float) -> Drawn:
    """F4: Hill's index along the dimension; Kolmogorov distances in the largest one, keys of ``far`` are mu."""
    fig, (left, right) = pl.wide(
        2, ["Hill's index over μ, 20 nearest", f"Distance from two laws, d = {next(iter(far.values())).d}"], share=False
    )
    rows: list[dict[str, object]] = []
    near, dims = runs[-3:], tails.populated(alpha, dims)
    found = [tails.hill_ratio(run, 20) for run in near]
    found = [ev.scaled(e, tails.exact_index(run.d, float(np.log(run.n)))) for e, run in zip(found, near, strict=True)]
    exact = tails.index_path(alpha, dims)
    left.plot(dims, exact, color=pl.INK, lw=1.0, label="quadrature")
    pl.theory(left, [dims[0], dims[-1]], [1.0, 1.0], label="limit")
    pl.experiment(left, [r.d for r in near], *bars(found), label="simulated")
    rows += [{"panel": "index", "series": "quadrature", "d": d, "value": v} for d, v in zip(dims, exact, strict=True)]
    rows += [{"panel": "index", "series": "simulated", "d": r.d, **row(e)} for r, e in zip(near, found, strict=True)]
    pl.log_ticks(left, "x")
    left.set_xlabel("dimension d")
    left.set_ylabel("index over μ")
    left.legend(loc="lower right")
    mu = list(far)
    pairs = {
        "best stable law": tails.stable_distances(list(far.values())),
        "best Gaussian": tails.stable_distances(list(far.values()), gaussian=True),
    }
    pl.experiment(right, mu, *bars(pairs["best stable law"]), label="best stable law")
    pl.control(right, mu, *bars(pairs["best Gaussian"]), label="control: best Gaussian")
    noise = float(stats.kstwo.ppf(0.5, next(iter(far.values())).deviation.size))
    right.axhline(noise, color=pl.INK, lw=0.8)
    for series, estimates in pairs.items():
        rows += [{"panel": "distance", "series": series, "mu": m, **row(e)} for m, e in zip(mu, estimates, strict=True)]
    rows.append({"panel": "distance", "series": "noise level", "value": noise})
    right.set_xlabel("$\\mu=h^2/h_G^2$")
    right.set_ylabel("Kolmogorov distance")
    right.set_ylim(bottom=0.0)
    right.legend(loc="upper right")
    return fig, pd.DataFrame(rows)
