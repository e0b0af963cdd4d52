"""The chapter's figures: each gives the figure and a tidy frame of exactly what it draws, ready for `study.figure`."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from reprise import plotting
from reprise.estimate import Estimate
from reprise.papers.infinite_width.deep_kernel_machines.cost_study import Agreement, Timings
from reprise.papers.infinite_width.deep_kernel_machines.learning_study import gain_estimates
from reprise.papers.infinite_width.deep_kernel_machines.limit_study import LimitStudy
from reprise.papers.infinite_width.deep_kernel_machines.network_study import NetworkStudy
from reprise.papers.infinite_width.deep_kernel_machines.representation_study import AlignmentStudy
from reprise.papers.infinite_width.deep_kernel_machines.scalar_study import ScalarStudy
from reprise.statistics import mean


class Drawn(TypedDict):
    """A figure and the data in it."""

    fig: Figure
    data: pd.DataFrame


def curve(x: np.ndarray, samples: Float[np.ndarray, "seeds x"], quantity: str) -> pd.DataFrame:
    """Means with 95 % intervals over seeds, one row an x."""
    found = [mean(column) for column in samples.T]
    return pd.DataFrame(
        {
            "quantity": quantity,
            "x": x,
            "value": [e.value for e in found],
            "low": [e.low for e in found],
            "high": [e.high for e in found],
        }
    )


def gram_errors(study: LimitStudy, slope: Estimate) -> Drawn:
    """Distance of the posterior mean from the optimum against width, with both controls."""
    fig, ax = plotting.single("Wide deep GPs find the machine's Gram matrices")
    copied, wrong, single = (
        curve(study.widths, values, name)
        for values, name in (
            (study.error, "labels copied, ν = 1"),
            (study.wrong_nu, "machine with ν = 2"),
            (study.uncopied, "labels not copied"),
        )
    )
    guide = copied.value.iloc[0] * study.widths[0] / study.widths
    plotting.theory(ax, study.widths, guide, label="∝ 1/N")
    plotting.experiment(ax, copied.x, copied.value, copied.low.clip(lower=1e-5), copied.high)
    for table in (wrong, single):
        plotting.control(ax, table.x, table.value, table.low.clip(lower=1e-5), table.high)
        plotting.direct_label(
            ax, table.x.iloc[-1], table.value.iloc[-1], table.quantity.iloc[0], plotting.CONTROL, "below"
        )
    plotting.slope_note(ax, slope, (float(copied.x.iloc[1]), float(copied.value.iloc[1])), plotting.EXPERIMENT)
    plotting.log_ticks(ax, "x", list(study.widths))
    plotting.log_ticks(ax, "y")
    ax.set(xlabel="width N (units in a layer)", ylabel=r"$\|E[G]-G^*\|_F\,/\,\|G^*\|_F$")
    theory = pd.DataFrame({"quantity": "1/N", "x": study.widths, "value": guide})
    return {"fig": fig, "data": pd.concat([copied, wrong, single, theory], ignore_index=True)}


def feature_marginals(study: LimitStudy, scalar: ScalarStudy) -> Drawn:
    """A feature's marginal at the smallest and largest width, and the excess kurtosis against width."""
    fig, (left, right) = plotting.wide(2, ["Features become Gaussian", "and their kurtosis vanishes"], share=False)
    grid = np.linspace(-4.0, 4.0, 161)
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2.0 * np.pi)
    plotting.theory(left, grid, normal, label="limit")
    frames = [pd.DataFrame({"panel": "density", "quantity": "limit N(0, G*)", "x": grid, "value": normal})]
    edges = np.linspace(-4.0, 4.0, 33)
    ends = (int(study.widths[0]), int(study.widths[-1]))
    for width, colour in zip(ends, plotting.family(2), strict=True):
        height, _ = np.histogram(study.features[width], bins=edges, density=True)
        left.stairs(height, edges, color=colour, linewidth=1.4, label=f"N = {width}")
        centres = 0.5 * (edges[1:] + edges[:-1])
        frames.append(pd.DataFrame({"panel": "density", "quantity": f"N = {width}", "x": centres, "value": height}))
    left.legend(loc="upper right")
    left.set(xlabel=r"feature $f/\sqrt{G^*_{11}}$", ylabel="density")
    one, deep, network = (
        curve(x, values, name)
        for x, values, name in (
            (scalar.widths, np.abs(scalar.kurtosis), "one point, exact"),
            (study.widths, study.kurtosis, "deep GP, sampled"),
            (scalar.widths, np.abs(scalar.network_kurtosis), "ReLU network, exact"),
        )
    )
    plotting.experiment(right, one.x, one.value, one.low, one.high, color=plotting.GROUPS[1])
    plotting.experiment(right, deep.x, deep.value, deep.low, deep.high, marker="s")
    plotting.control(right, network.x, network.value, network.low, network.high)
    for table, colour, side in (
        (one, plotting.GROUPS[1], "above"),
        (deep, plotting.EXPERIMENT, "below"),
        (network, plotting.CONTROL, "above"),
    ):
        middle = len(table) // 2
        plotting.direct_label(
            right, table.x.iloc[middle], table.value.iloc[middle], table.quantity.iloc[0], colour, side
        )
    plotting.log_ticks(right, "x", list(scalar.widths))
    plotting.log_ticks(right, "y")
    right.set(xlabel="width N", ylabel="|excess kurtosis|")
    plotting.panel_letters([left, right])
    frames += [table.assign(panel="kurtosis") for table in (one, deep, network)]
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def gram_matrices(study: AlignmentStudy) -> Drawn:
    """Top-layer Gram matrices as correlations, from the prior over falling nu to the labels."""
    names = ["prior", *(f"nu = {nu:g}" for nu in study.nus[-3:]), "labels"]
    matrices = [_correlation(study.grams[name]) for name in names]
    titles = [name.replace("nu", "ν").replace("labels", "labels $YY^T$").replace("prior", "NNGP") for name in names]
    fig, _ = plotting.heatmaps(matrices, titles, label="correlation", height=2.4)
    rows, columns = np.indices(matrices[0].shape)
    frames = [
        pd.DataFrame({"matrix": name, "row": rows.ravel(), "column": columns.ravel(), "correlation": matrix.ravel()})
        for name, matrix in zip(names, matrices, strict=True)
    ]
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def alignments(study: AlignmentStudy) -> Drawn:
    """Alignment with the true labels, and divergence of each layer, against nu."""
    fig, (left, right) = plotting.wide(2, ["Labels enter the representation", "at a price in every layer"], share=False)
    true, shuffled = (
        curve(study.nus, values, name)
        for values, name in ((study.alignment, "trained on the labels"), (study.shuffled, "trained on shuffled labels"))
    )
    left.axhline(study.alignment[:, 0].mean(), color=plotting.INK, linestyle="--", linewidth=1.0)
    plotting.experiment(left, true.x, true.value, true.low, true.high)
    plotting.control(left, shuffled.x, shuffled.value, shuffled.low, shuffled.high)
    for table, colour, row in ((true, plotting.EXPERIMENT, -2), (shuffled, plotting.CONTROL, -1)):
        plotting.direct_label(left, table.x.iloc[row], table.value.iloc[row], table.quantity.iloc[0], colour, "left")
    plotting.direct_label(left, study.nus[0], study.alignment[:, 0].mean(), "NNGP", side="above")
    left.set(xlabel="ν (width over label copies)", ylabel="alignment of $G_L$ with $YY^T$", ylim=(0.0, 1.05))
    frames = [true.assign(panel="alignment"), shuffled.assign(panel="alignment")]
    layers = study.divergence.shape[2]
    for layer, colour in enumerate(plotting.family(layers)):
        table = curve(study.nus, study.divergence[:, :, layer], f"layer {layer + 1}")
        right.plot(table.x, table.value, marker="o", color=colour, label=f"layer {layer + 1}")
        frames.append(table.assign(panel="divergence"))
    right.legend()
    right.set(xlabel="ν (width over label copies)", ylabel=r"$D_{KL}(N(0,G_\ell)\,\|\,N(0,K(G_{\ell-1})))$")
    for ax in (left, right):
        plotting.log_ticks(ax, "x", list(study.nus))
        ax.invert_xaxis()
    plotting.log_ticks(right, "y")
    plotting.panel_letters([left, right])
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def regression_gains(tables: Mapping[str, pd.DataFrame]) -> Drawn:
    """Paired differences to the NNGP of the same kernel, set by set: the machine's log density and error, MAP's density."""
    panels = (
        ("dkm", "test_ll", "Machine: density", "log density per point [nats]", True),
        ("dkm", "test_rmse", "Machine: error", "RMSE [target's sd]", True),
        ("map", "test_ll", "MAP: density", "log density per point [nats]", False),
    )
    fig, axes = plotting.wide(3, [panel[2] for panel in panels], share=False)
    rows = []
    for ax, (method, column, _, label, with_control) in zip(axes, panels, strict=True):
        found = gain_estimates(tables["true"], column, method)
        permuted = gain_estimates(tables["permuted"], column, method) if with_control else {}
        controls = [permuted.get(name) for name in found] if with_control else None
        plotting.intervals(ax, [name.removeprefix("uci/") for name in found], list(found.values()), controls=controls)
        ax.set_xlabel(f"difference to NNGP,\n{label}")
        for labels, group in (("true", found), ("permuted", permuted)):
            rows += [
                {"method": method, "quantity": column, "labels": labels, "set": name}
                | {"value": e.value, "low": e.low, "high": e.high, "n": e.n}
                for name, e in group.items()
            ]
    handles, _ = axes[0].get_legend_handles_labels()
    axes[0].legend(handles, ["labels", "permuted labels"], loc="upper left", bbox_to_anchor=(-0.35, -0.28), ncols=2)
    plotting.panel_letters(axes)
    return {"fig": fig, "data": pd.DataFrame(rows)}


def costs(timings: Mapping[str, Timings], agreement: Agreement) -> Drawn:
    """Seconds against the number of data for each form of the objective, and the gap that inducing points leave."""
    fig, (left, right) = plotting.wide(
        2, ["Cubic when dense, linear when sparse", "The same when every point induces"], share=False
    )
    frames = []
    for name, timing in timings.items():
        middle = np.median(timing.seconds, axis=0)
        low, high = timing.seconds.min(axis=0), timing.seconds.max(axis=0)
        if name == "full block":
            line = plotting.control(left, timing.sizes, middle, low, high, label=name)
        else:
            colour = plotting.GROUPS[1] if name == "dense" else plotting.EXPERIMENT
            line = plotting.experiment(left, timing.sizes, middle, low, high, label=name, color=colour)
        left.plot(timing.sizes, middle, color=line.get_color(), linewidth=0.9)
        estimate = timing.slope()
        plotting.direct_label(
            left, timing.sizes[-1], middle[-1], f"{name}, slope {estimate.value:.2f}", str(line.get_color()), "above"
        )
        table = pd.DataFrame({"quantity": name, "x": timing.sizes, "value": middle, "low": low, "high": high})
        frames.append(table.assign(panel="seconds"))
    plotting.log_ticks(left, "x", sorted({size for timing in timings.values() for size in timing.sizes}))
    plotting.log_ticks(left, "y")
    left.set(xlabel="data points P", ylabel="seconds per objective and gradient")
    gaps = np.maximum(agreement.gap, 1e-17)
    for problem, row in enumerate(gaps):
        right.plot(
            agreement.inducing, row, marker="o", markersize=3.5, linewidth=0.9, color=plotting.EXPERIMENT, alpha=0.7
        )
        table = pd.DataFrame({"quantity": f"problem {problem + 1}", "x": agreement.inducing, "value": row})
        frames.append(table.assign(panel="gap"))
    plotting.log_ticks(right, "y")
    right.set_xticks(agreement.inducing)
    right.set(xlabel=f"inducing points, of {agreement.inducing[-1]} data points", ylabel="|sparse − dense| / |dense|")
    plotting.panel_letters([left, right])
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def network_posteriors(study: NetworkStudy, slope: Estimate) -> Drawn:
    """A network's feature law against the tilted law and the machine's Gaussian, and distances against width."""
    fig, (left, right) = plotting.wide(2, ["A network's feature is skewed", "and tends to the tilted law"], share=False)
    largest = f"N = {int(study.widths[-1])}"
    styles = {"prior": plotting.REPORTED, "gaussian": plotting.CONTROL, "limit": plotting.INK}
    frames = []
    spread = np.sqrt(study.densities["limit"].moment(2))
    for name in ("prior", "gaussian", "limit", f"N = {int(study.widths[0])}", largest):
        density = study.densities[name]
        inside = np.abs(density.f) < 4.5 * spread
        options = {"linestyle": "--" if name == "limit" else ":" if name == "prior" else "-", "linewidth": 1.5}
        colour = styles.get(name, plotting.family(2)[int(name == largest)])
        label = {"prior": "prior", "gaussian": "machine's Gaussian", "limit": "tilted law"}.get(name, name)
        left.plot(
            density.f[inside],
            density.p[inside],
            color=colour,
            label=label,
            zorder=3 if name == "limit" else 2,
            **options,
        )
        table = pd.DataFrame(
            {"panel": "density", "quantity": label, "x": density.f[inside], "value": density.p[inside]}
        )
        frames.append(table)
    left.legend(loc="upper left", fontsize=9)
    left.set(xlabel="feature f", ylabel="density")
    near, far = (
        curve(study.widths, values, name)
        for values, name in (
            (study.distance, "from the tilted law"),
            (study.from_gaussian, "from the machine's Gaussian"),
        )
    )
    plotting.experiment(right, near.x, near.value, near.low, near.high)
    plotting.control(right, far.x, far.value, far.low, far.high)
    plotting.theory(right, near.x, near.value.iloc[0] * near.x.iloc[0] / near.x)
    plotting.slope_note(right, slope, (float(near.x.iloc[1]), float(near.value.iloc[1])), plotting.EXPERIMENT)
    plotting.direct_label(right, far.x.iloc[1], far.value.iloc[1], far.quantity.iloc[0], plotting.CONTROL, "above")
    plotting.log_ticks(right, "x", list(study.widths))
    plotting.log_ticks(right, "y")
    right.set(xlabel="width N", ylabel="total variation distance")
    plotting.panel_letters([left, right])
    frames += [table.assign(panel="distance") for table in (near, far)]
    return {"fig": fig, "data": pd.concat(frames, ignore_index=True)}


def _correlation(gram: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diagonal(gram))
    return gram / scale[:, None] / scale[None, :]
