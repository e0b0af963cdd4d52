"""Regression, Gaussian process against Student's t process: the evidence for claim C4."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from threadpoolctl import threadpool_limits

from reprise import datasets
from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp import regression
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import Pair, share_below
from reprise.plotting import interval_text
from reprise.progress import task as progress
from reprise.statistics import mean

CONDITIONS = ("clean", "outliers", "shift")
SHAPE = 2.0  # a of the prior, where the authors start


class Settings(NamedTuple):
    """What all fits share."""

    points: int  # training points, drawn from the training part
    steps: int = 30  # of L-BFGS, from each of two starts
    hidden: int = 4
    activation: str = "erf"


class Task(NamedTuple):
    """Standardised training and test part; `unit` is the target's standard deviation in original units."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    x_test: Float[np.ndarray, "t d"]
    y_test: Float[np.ndarray, " t"]
    unit: float


def load_task(name: str, split: int, condition: str, points: int) -> Task:
    """One split of one set: as it is, with 5 % outlying training labels, or tested outside the training range.

    Outliers are labels moved by five standard deviations, up or down. The shift cuts the set along its first principal
    axis: training on the lower 80 %, testing on the rest, each thinned at random.
    """
    rng = np.random.default_rng([split, CONDITIONS.index(condition)])
    data = datasets.load(name, split=split, train_fraction=0.9, scale="standard", scale_y=None)
    if condition == "shift":
        x, y = np.concatenate([data.x, data.x_test]), np.concatenate([data.y, data.y_test])
        axis = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][0]
        order = np.argsort(x @ (axis * np.sign(axis[np.argmax(np.abs(axis))])))
        inner, outer = np.split(order, [int(0.8 * len(order))])
        chosen = rng.choice(inner, min(points, int(0.9 * len(inner))), replace=False)
        tests = rng.choice(outer, len(data.x_test), replace=False)
        x, y, x_test, y_test = x[chosen], y[chosen], x[tests], y[tests]
    else:
        chosen = rng.permutation(len(data.x))[:points]
        x, y, x_test, y_test = data.x[chosen], data.y[chosen], data.x_test, data.y_test
    centre, unit = x.mean(0), x.std(0) + 1e-9
    y_mean, y_unit = y.mean(), y.std()
    y = (y - y_mean) / y_unit
    if condition == "outliers":
        hit = rng.choice(len(y), max(1, round(0.05 * len(y))), replace=False)
        y[hit] += 5.0 * rng.choice([-1.0, 1.0], len(hit))
    return Task((x - centre) / unit, y, (x_test - centre) / unit, (y_test - y_mean) / y_unit, float(y_unit))


def study_regression(names: Sequence[str], splits: int, conditions: Sequence[str], settings: Settings) -> pd.DataFrame:
    """One row for each set, condition, split and method: NLL in original units, error, coverage, evidence.

    Splits run in parallel on the cores of a CPU, with single-threaded linear algebra, and one by one on a GPU.
    """
    jobs = [(name, condition, split) for name in names for condition in conditions for split in range(splits)]
    tasks = {job: load_task(job[0], job[2], job[1], settings.points) for job in jobs}
    workers = max(1, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1
    rows: list[dict[str, object]] = []
    with (
        warnings.catch_warnings(action="ignore", category=ConvergenceWarning),  # hyperparameters at a bound
        threadpool_limits(1 if workers > 1 else None),
        ThreadPoolExecutor(workers) as pool,
        progress("regression splits", len(jobs)) as advance,
    ):
        for job, found in zip(jobs, pool.map(lambda job: compare(tasks[job], settings), jobs), strict=True):
            rows += [{"set": job[0], "condition": job[1], "split": job[2], **row} for row in found]
            advance(1)
    return pd.DataFrame(rows)


def compare(task: Task, settings: Settings) -> list[dict[str, object]]:
    """Both processes and three controls on one split."""
    shared: dict[str, Any] = {"hidden": settings.hidden, "activation": settings.activation}
    data = (task.x, task.y)
    kinds = {"nngp": np.inf, "t": SHAPE}
    fits = {name: regression.fit(*data, a, steps=settings.steps, **shared) for name, a in kinds.items()}
    for name, other in (("nngp", fits["t"]), ("t", fits["nngp"])):  # neither shall lose by a local optimum
        again = regression.fit(*data, kinds[name], steps=settings.steps, starts=[other.theta], **shared)
        fits[name] = max(fits[name], again, key=lambda found: found.evidence)
    made = {name: regression.predict(found, *data, task.x_test, **shared) for name, found in fits.items()}
    made["t, huge a"] = regression.predict(fits["nngp"]._replace(a=1e8), *data, task.x_test, **shared)
    made["t, half spread"] = made["t"]._replace(spread=0.5 * made["t"].spread)
    made["RBF"] = radial(task)
    made["constant"] = regression.Prediction(np.zeros_like(task.y_test), np.ones_like(task.y_test), np.inf)
    gain = regression.gain_of_point_mass(made["t"].q, len(task.y), SHAPE)
    return [
        {
            "method": name,
            "nll": float(np.mean(p.nll(task.y_test))) + np.log(task.unit),
            "rmse": float(np.sqrt(np.mean((p.mean - task.y_test) ** 2))) * task.unit,
            "covered": p.covered(task.y_test),
            "evidence": fits[name].evidence if name in fits else np.nan,
            "gain_of_large_a": gain,
        }
        for name, p in made.items()
    ]


def radial(task: Task) -> regression.Prediction:
    """Scikit-learn's Gaussian process with a radial kernel and noise, by evidence too: is the NNGP a fair rival at all?"""
    kernel = kernels.ConstantKernel(1.0, (1e-3, 1e4)) * kernels.RBF(2.0, (1e-2, 1e3))
    kernel += kernels.WhiteKernel(0.1, (1e-6, 1e2))
    found = GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=0).fit(task.x, task.y)
    mean_of, spread = found.predict(task.x_test, return_std=True)
    return regression.Prediction(mean_of, spread, np.inf)


def differences(
    table: pd.DataFrame, method: str = "t", baseline: str = "nngp", column: str = "nll"
) -> dict[tuple[str, str], Estimate]:
    """Mean paired difference for each set and condition, Student interval over splits."""
    wide = table.pivot_table(index=["set", "condition", "split"], columns="method", values=column)
    gap = wide[method] - wide[baseline]
    found: dict[tuple[str, str], Estimate] = {}
    for name in dict.fromkeys(table["set"]):
        for condition in CONDITIONS:
            if (name, condition) in gap.index.droplevel("split"):
                found[name, condition] = mean(gap.loc[name, condition].to_numpy())
    return found


def never_worse(table: pd.DataFrame) -> Pair:
    """Highest lower 95 % limit over the clean sets; control: the same t process with half its spread."""

    def highest(method: str) -> Estimate:
        ends = [float(np.max(e.low)) for (_, c), e in differences(table, method).items() if c == "clean"]
        return Estimate.exact(max(ends), n=len(ends), method="highest lower 95 % limit over sets", samples=ends)

    return {"measured": highest("t"), "control": highest("t, half spread")}


def share_better(table: pd.DataFrame) -> Pair:
    """Share of sets with outliers or shift on which the difference is significantly negative; control: a = 1e8."""

    def share(method: str) -> Estimate:
        found = (e for (_, condition), e in differences(table, method).items() if condition != "clean")
        return share_below(found, "sets and conditions")

    return {"measured": share("t"), "control": share("t, huge a")}


def error_ratio(table: pd.DataFrame) -> Pair:
    """Largest |RMSE ratio - 1| over sets and conditions, of split means; control: predicting the training mean."""
    means = table.pivot_table(index=["set", "condition"], columns="method", values="rmse")

    def worst(method: str) -> Estimate:
        ratios = np.abs(means[method] / means["nngp"] - 1).to_numpy()
        return Estimate.exact(
            float(ratios.max() if method == "t" else ratios.min()), n=len(ratios), method="of split means"
        )

    return {"measured": worst("t"), "control": worst("constant")}


def report(table: pd.DataFrame) -> str:
    """Markdown: scores by set and condition, and the paired difference."""
    gaps = differences(table)
    means = table.pivot_table(index=["set", "condition"], columns="method", values=["nll", "rmse", "covered"])
    rows = [
        "| set | condition | NNGP: NLL, RMSE, in 95 % | t process | radial kernel | NLL, t − NNGP |",
        "|---|---|---|---|---|---|",
    ]
    for (name, condition), gap in gaps.items():
        scores = means.loc[name, condition]
        cells = [
            f"{scores['nll'][m]:.3f}, {scores['rmse'][m]:.3g}, {scores['covered'][m]:.0%}" for m in ("nngp", "t", "RBF")
        ]
        rows.append(f"| {name.removeprefix('uci/')} | {condition} | {' | '.join(cells)} | {interval_text(gap)} |")
    gain = table["gain_of_large_a"]
    rows.append("")
    rows.append(
        f"Log evidence that is gained by letting the prior of the scale shrink to a point (a → ∞): {gain.min():.2f} to "
        f"{gain.max():.2f} nats a data set. It depends on the number of points alone."
    )
    return "\n".join(rows)
