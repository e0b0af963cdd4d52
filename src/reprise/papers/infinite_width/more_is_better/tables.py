"""The chapter's tables and sentences, as Markdown made from the results."""

from collections.abc import Iterable, Sequence

import numpy as np

from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better.experiments import FeatureStudy
from reprise.papers.infinite_width.more_is_better.images import ReluSweep
from reprise.papers.infinite_width.more_is_better.simulation import LawRun
from reprise.papers.infinite_width.more_is_better.theory import IMAGE_EXPONENTS, LawTask, admissible_ratio
from reprise.papers.infinite_width.more_is_better.vision import VisionStudy, summary

__all__ = ["edge_of_the_class", "image_ratios", "largest_deviation", "law_ratios", "relu_errors", "width_gain"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def width_gain(study: FeatureStudy, fixed_ridge: float) -> str:
    """What the last features buy, in numbers."""
    tuned, fixed = study.tuned().mean(axis=0)[-1], study.fixed(fixed_ridge).mean(axis=0)[-1]
    return (
        f"At n = {study.ns[-1]} and the best ridge the measured error falls from {tuned[0]:.3f} at k = {study.widths[0]} "
        f"to {tuned[-2]:.3f} at k = {study.widths[-1]} and {tuned[-1]:.3f} at infinite width. At the fixed ridge its peak "
        f"is {fixed.max():.2f}. The last features buy little: the curve levels off once k is many times n."
    )


def largest_deviation(study: FeatureStudy) -> str:
    """Where the theory is worst on Gaussian features."""
    off = np.abs(study.errors().mean(axis=0) / study.theory() - 1)
    which, n, k, ridge = np.unravel_index(off.argmax(), off.shape)
    return (
        f"The largest deviation on the grid, {100 * off.max():.0f} %, is in the {('test', 'train')[which]} error at "
        f"n = {study.ns[n]}, k = {[*study.widths, '∞'][k]} and δ = {study.ridges[ridge]:.2g}; "
        f"{100 * np.mean(off > 0.03):.0f} % of all points are off by more than 3 %."
    )


def relu_errors(runs: Sequence[tuple[str, ReluSweep]]) -> str:
    """How far the theory is off on images, and on Gaussian points with the same spectrum and coefficients."""
    head = ["data", "median error", "test error alone", "training error alone", "worst", "Gaussian imitation"]
    rows = []
    for name, run in runs:
        test, train = (
            np.abs(found.mean(axis=0) / expected - 1)
            for found, expected in ((run.test, run.test_theory), (run.train, run.train_theory))
        )
        imitated = [
            np.abs(found(0.0)[:, 0].mean(axis=0) / expected - 1)
            for found, expected in ((run.imitated.test, run.test_imitated), (run.imitated.train, run.train_imitated))
        ]
        both = np.stack([test, train])
        numbers = np.median(both), np.median(test), np.median(train), both.max(), np.median(imitated)
        rows.append([name, *(f"{100 * number:.1f} %" for number in numbers)])
    return _table(head, rows)


def law_ratios(runs: dict[LawTask, LawRun]) -> str:
    """Best fitting ratios of the power-law tasks, by formula and simulated, and what 5 % of slack allows."""
    head = ["α", "β", "relative noise", "best R, formula", "best R, simulated", "within 5 % up to R, formula"]
    rows = [
        [
            *(f"{number:g}" for number in task),
            f"{ef.fitting_ratio_optimum(*task):.3f}",
            f"{run.train.mean(axis=0)[run.best] / run.test.mean(axis=0)[run.best]:.3f}",
            f"{admissible_ratio(task):.3f}",
        ]
        for task, run in runs.items()
    ]
    return _table(head, rows)


def edge_of_the_class() -> str:
    """How large a fitting ratio is within 5 % and within 1 % at equal exponents and at those reported for images."""
    tasks = {"edge, α = β = 1.5": (1.5, 1.5), "edge, α = β = 1.12": (1.12, 1.12), **IMAGE_EXPONENTS}
    head = ["task", "α", "β", "best R", "within 1 % up to R", "within 5 % up to R"]
    rows = []
    for name, law in tasks.items():
        task = LawTask(*law)
        ratios = ef.fitting_ratio_optimum(*task), admissible_ratio(task, 0.01), admissible_ratio(task)
        rows.append([name, *(f"{number:g}" for number in law), *(f"{ratio:.3f}" for ratio in ratios)])
    return _table(head, rows)


def image_ratios(studies: Sequence[VisionStudy]) -> str:
    """Exponents and best fitting ratios of the image tasks, beside what the exponents predict."""
    frame = summary(studies)
    numbers = [c for c in frame.columns if c != "task"]
    rows = [[row["task"], *(f"{row[c]:.3g}" for c in numbers)] for row in frame.to_dict("records")]
    return _table(["task", *numbers], rows)
