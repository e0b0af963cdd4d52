"""Deep kernel machines on regression sets, split by split: the evidence for claim C4."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from threadpoolctl import threadpool_limits

from reprise import datasets
from reprise.estimate import Estimate, as_tuple
from reprise.papers.infinite_width.deep_kernel_machines.learning import Scores, Settings, Task, compare, task_of
from reprise.plotting import interval_text
from reprise.progress import task as progress
from reprise.statistics import mean, paired_difference


def study_learning(
    names: Sequence[str],
    splits: int,
    settings: Settings,
    *,
    key: PRNGKeyArray,
    permuted: bool = False,
    methods: Sequence[str] = ("dkm", "nngp", "map", "gp"),
) -> pd.DataFrame:
    """One row for each set, split and method: scores and the chosen nu.

    With `permuted` the training labels of each split are permuted, so that inputs say nothing. Splits run in parallel
    on the cores of a CPU (with single-threaded linear algebra: the matrices are small) and one by one on a GPU.
    """
    jobs = [(name, split) for name in names for split in range(splits)]
    tasks = {job: load_task(*job) for job in jobs}
    if permuted:
        tasks = {job: permute_labels(task, job[1]) for job, task in tasks.items()}
    workers = max(1, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1
    label = "splits, permuted labels" if permuted else "splits"

    def run(job: tuple[str, int]) -> tuple[float, dict[str, Scores]]:
        return compare(tasks[job], settings, jax.random.fold_in(key, jobs.index(job)), methods=methods)

    rows = []
    with (
        threadpool_limits(1 if workers > 1 else None),
        ThreadPoolExecutor(workers) as pool,
        progress(label, len(jobs)) as advance,
    ):
        for (name, split), (nu, found) in zip(jobs, pool.map(run, jobs), strict=True):
            rows += [
                {"set": name, "split": split, "method": method, "nu": nu, **scores._asdict()}
                for method, scores in found.items()
            ]
            advance(1)
    return pd.DataFrame(rows)


def load_task(name: str, split: int) -> Task:
    """A 90/10 split, inputs and target standardised by the training part."""
    data = datasets.load(name, split=split, train_fraction=0.9, scale="standard", scale_y="standard")
    return task_of(data.x, data.y, data.x_test, data.y_test)


def permute_labels(task: Task, seed: int) -> Task:
    """The same task with its training labels in random order."""
    return task._replace(y=np.random.default_rng(seed).permutation(task.y))


def gains(table: pd.DataFrame, column: str, method: str = "dkm", baseline: str = "nngp") -> dict[str, np.ndarray]:
    """For each set, `method` minus `baseline` in `column`, one value a split."""
    wide = table.pivot_table(index=["set", "split"], columns="method", values=column)
    difference = wide[method] - wide[baseline]
    return {name: difference[name].to_numpy() for name in table["set"].unique()}


def gain_estimates(
    table: pd.DataFrame, column: str, method: str = "dkm", baseline: str = "nngp"
) -> dict[str, Estimate]:
    """Mean paired difference for each set, with a Student interval over splits."""
    return {name: mean(values) for name, values in gains(table, column, method, baseline).items()}


def share_won(table: pd.DataFrame, column: str, method: str = "dkm", baseline: str = "nngp") -> Estimate:
    """Share of the sets on which the paired gain is significantly positive."""
    estimates = gain_estimates(table, column, method, baseline)
    won = np.array([as_tuple(e.low)[0] > 0 for e in estimates.values()], dtype=float)
    return Estimate.exact(won.mean(), n=len(won), method="count of sets whose 95 % interval lies above zero")


def worst_upper_limit(table: pd.DataFrame, column: str, method: str = "dkm", baseline: str = "nngp") -> Estimate:
    """The lowest upper end among the sets' intervals: below zero if the method loses significantly somewhere."""
    ends = [as_tuple(e.high)[0] for e in gain_estimates(table, column, method, baseline).values()]
    return Estimate.exact(min(ends), n=len(ends), method="lowest upper 95 % limit over sets")


def pooled_gain(table: pd.DataFrame, column: str, method: str = "dkm", baseline: str = "nngp") -> Estimate:
    """Mean paired difference over the average of all sets, one value a split number."""
    stacked = np.stack(list(gains(table, column, method, baseline).values())).mean(axis=0)
    return paired_difference(stacked, np.zeros_like(stacked))


def report(table: pd.DataFrame) -> str:
    """Markdown: scores on test points by set and method, the median of the chosen nu, and the machine's paired gains."""
    means = table.pivot_table(index="set", columns="method", values=["test_ll", "test_rmse"])
    methods = [name for name in ("dkm", "nngp", "map", "gp") if name in set(table.method)]
    titles = {"dkm": "machine", "nngp": "NNGP", "map": "MAP", "gp": "shallow GP"}
    density, error = (gain_estimates(table, column) for column in ("test_ll", "test_rmse"))
    head = ["set", "median ν", *(titles[m] for m in methods), "machine − NNGP: log density", "RMSE"]
    rows = [head, ["---"] * len(head)]
    for name in table["set"].unique():
        scores, nu = means.loc[name], table[table["set"] == name].nu.median()
        cells = [f"{scores['test_ll'][m]:.3f} / {scores['test_rmse'][m]:.3f}" for m in methods]
        rows.append([name, f"{nu:g}", *cells, interval_text(density[name]), interval_text(error[name])])
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"Mean log density / RMSE on test points, targets in units of their standard deviation:\n\n{lines}"
