"""From the rows of `classification_study` and `conv_ensembles` to estimates and tables."""

import numpy as np
import pandas as pd

from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import Pair, share_below
from reprise.plotting import interval_text
from reprise.statistics import mean

METHODS = ("SVGP", "SVGP, temperature", "SVTP", "SVGP, SVTP's scale", "frozen, a = 2", "NNGP, sampled", "t, sampled")


def gaps(table: pd.DataFrame, method: str, baseline: str, column: str = "nll") -> dict[tuple[str, str], Estimate]:
    """Mean paired difference over seeds for each set and kind of image; sets without the methods are left out."""
    wide = table.pivot_table(index=["set", "images", "seed"], columns="method", values=column)
    found: dict[tuple[str, str], Estimate] = {}
    if not {method, baseline} <= set(wide.columns):
        return found
    gap = (wide[method] - wide[baseline]).dropna()
    for name, images in sorted(
        dict.fromkeys((s, i) for s, i, _ in gap.index), key=lambda pair: (pair[0], pair[1] != "test")
    ):
        found[str(name), str(images)] = mean(gap.loc[name, images].to_numpy())
    return found


def elsewhere(table: pd.DataFrame, method: str, baseline: str) -> dict[tuple[str, str], Estimate]:
    """The same out of distribution only."""
    return {pair: e for pair, e in gaps(table, method, baseline).items() if pair[1] != "test"}


def levels(table: pd.DataFrame, method: str, column: str) -> dict[tuple[str, str], Estimate]:
    """Mean over seeds for each set and kind of image where the column has a meaning, test images first."""
    own = table[(table["method"] == method) & table[column].notna()]
    grouped = {pair: rows[column].to_numpy() for pair, rows in own.groupby(["set", "images"])}
    return {
        (str(s), str(i)): mean(grouped[s, i]) for s, i in sorted(grouped, key=lambda pair: (pair[0], pair[1] != "test"))
    }


def share_won(table: pd.DataFrame) -> Pair:
    """Share of pairs (set, images from elsewhere) on which SVTP's NLL is significantly lower; control: frozen at 1e6."""
    return {
        "measured": share_below(elsewhere(table, "SVTP", "SVGP").values(), "pairs"),
        "control": share_below(elsewhere(table, "frozen, a = 1e6", "SVGP").values(), "pairs"),
    }


def share_won_by_tails(table: pd.DataFrame) -> Pair:
    """The same against the SVGP whose scale is the SVTP's: equal spread, so that only the tails differ."""
    return {
        "measured": share_below(elsewhere(table, "SVTP", "SVGP, SVTP's scale").values(), "pairs"),
        "control": share_below(elsewhere(table, "frozen, SVTP's scale", "SVGP, SVTP's scale").values(), "pairs"),
    }


def pooled(table: pd.DataFrame, method: str, baseline: str, column: str = "nll", *, within: bool = True) -> Estimate:
    """Difference averaged over sets (and kinds of image), one value a seed."""
    chosen = table[(table["images"] == "test") == within]
    wide = chosen.pivot_table(index=["seed", "set", "images"], columns="method", values=column)
    return mean((wide[method] - wide[baseline]).groupby("seed").mean().to_numpy())


def accuracy(table: pd.DataFrame) -> Pair:
    """Accuracy in distribution, SVTP minus SVGP; control: a tenth of the inducing points."""
    return {
        "measured": pooled(table, "SVTP", "SVGP", "accuracy"),
        "control": pooled(table, "few inducing", "SVGP", "accuracy"),
    }


def in_distribution(table: pd.DataFrame) -> Pair:
    """NLL in distribution, SVTP minus SVGP; the same control."""
    return {"measured": pooled(table, "SVTP", "SVGP"), "control": pooled(table, "few inducing", "SVGP")}


def coincidence(table: pd.DataFrame) -> Pair:
    """Largest |difference in NLL| from the SVGP over all sets, kinds and seeds; control: frozen at a = 2."""
    wide = table.pivot_table(index=["set", "images", "seed"], columns="method", values="nll")

    def worst(method: str) -> Estimate:
        gap = np.abs(wide[method] - wide["SVGP"]).to_numpy()
        return Estimate.exact(float(gap.max()), n=len(gap), method="largest of all differences")

    return {"measured": worst("frozen, a = 1e6"), "control": worst("frozen, a = 2")}


def sampled(table: pd.DataFrame) -> Estimate:
    """NLL out of distribution of the exact posteriors, t process minus Gaussian process."""
    return pooled(table, "t, sampled", "NNGP, sampled", within=False)


def report(table: pd.DataFrame) -> str:
    """Markdown: scores of each method, in and out of distribution, means over seeds."""
    methods = [m for m in METHODS if m in set(table["method"])]
    means = table.pivot_table(index=["set", "images", "method"], values=["nll", "accuracy", "ece", "entropy"])
    rows = ["| set | images | " + " | ".join(methods) + " |", "|---|---|" + "---|" * len(methods)]
    for name, images in dict.fromkeys(zip(table["set"], table["images"], strict=True)):
        cells = []
        for method in methods:
            row = means.loc[name, images, method]
            known = "accuracy" in row and np.isfinite(row["accuracy"])
            detail = f"{row['accuracy']:.1%}, ECE {row['ece']:.3f}" if known else f"entropy {row['entropy']:.2f}"
            cells.append(f"{row['nll']:.3f} ({detail})")
        rows.append(f"| {name} | {images} | " + " | ".join(cells) + " |")
    text = "NLL (accuracy and calibration error, or entropy where labels have no meaning):\n\n" + "\n".join(rows)
    return f"{text}\n\n{scales(table)}"


def scales(table: pd.DataFrame) -> str:
    """Sentences on what the scale became, and on the strong baselines."""
    heat = table[table["method"] == "SVGP, temperature"].temperature
    means = table.groupby("method")["scale"].mean()
    lines = [
        f"- Mean scale of the process: {means['SVGP']:.3g} (SVGP, chosen; temperature then {heat.min():.2g} to {heat.max():.2g}), {means['SVTP']:.3g} (SVTP, b̂/â, with "
        f"{table[table.method == 'SVTP'].dof.mean():.1f} degrees of freedom)"
        + (f", {means['t, sampled']:.3g} (exact posterior on fewer points)." if "t, sampled" in means else ".")
    ]
    shift = {
        "SVTP − SVGP": ("SVTP", "SVGP"),
        "SVTP − SVGP of the SVTP's scale": ("SVTP", "SVGP, SVTP's scale"),
        "SVTP − SVGP with temperature": ("SVTP", "SVGP, temperature"),
        "SVTP whose tails are kept (frozen, a = 2) − SVGP": ("frozen, a = 2", "SVGP"),
        "exact posteriors, t − NNGP": ("t, sampled", "NNGP, sampled"),
    }
    for name, (method, baseline) in shift.items():
        if {method, baseline} <= set(means.index):
            inside, outside = (interval_text(pooled(table, method, baseline, within=w)) for w in (True, False))
            lines.append(f"- {name}: NLL {inside} in distribution, {outside} out of distribution.")
    return "\n".join(lines)
