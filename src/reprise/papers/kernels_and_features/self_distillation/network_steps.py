"""Claim C5: the weight estimated from two trained networks against a grid of trained students."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.self_distillation.classifiers import Fit, Recipe, Task, Trainer
from reprise.papers.kernels_and_features.self_distillation.closed_form import optimal_weight

GRID = tuple(round(0.1 * i, 1) for i in range(11))
"""The weights of the grid search."""
MIDDLE = GRID.index(0.5)
LINEARITY = Recipe("mlp", 16, "linear", decay=2.4e-3, rate=2.0, steps=300, batch=50)
"""How networks are trained that are tested for linearity; their width varies."""


class Scores(NamedTuple):
    """Validation loss, test loss and test accuracy, (seeds,) each; losses are squared errors summed over classes."""

    validation: Float[np.ndarray, " seeds"]
    test: Float[np.ndarray, " seeds"]
    accuracy: Float[np.ndarray, " seeds"]


class Round(NamedTuple):
    """One step of distillation.

    Attributes:
        step: its number, 2 or more.
        decay: weight decay of the trainer.
        grid: scores of the student at every weight of the grid.
        weight: the estimated weight of each seed, not cut.
        at: scores of the student at the estimate, cut to the grid's range.
        free: scores of the student at the estimate as it is.
        meaningless: the weight estimated with a teacher whose outputs are permuted among the training points.
        slope: the weight for a teacher that knows the mean target alone, from the first fit: its calibration.
        defect: distance of the middle student from the mean of the two ends, over half the distance of the ends.
        trainings: new trainings of the estimate, of the grid search, and of a parabola through three students.
        seconds: wall time of the first two.
    """

    step: int
    decay: float
    grid: list[Scores]
    weight: Float[np.ndarray, " seeds"]
    at: Scores
    free: Scores
    meaningless: Float[np.ndarray, " seeds"]
    slope: Float[np.ndarray, " seeds"]
    defect: Float[np.ndarray, " seeds"]
    trainings: tuple[int, int, int]
    seconds: tuple[float, float]


def distil(trainer: Trainer, steps: int, *, seed: int = 0) -> list[Round]:
    """Steps 2 to `steps`; each next teacher is the student at the estimated weight, for the grid search too.

    All students have one start and one order of examples. So the student of weight 1 is the first fit at every step, and
    nobody has to train it again.
    """
    task, rng = trainer.task, np.random.default_rng([seed, 6])
    first = trainer.fit(task.y)
    teacher, rounds = first, []

    def student(weight: np.ndarray | float) -> Fit:
        share = np.asarray(weight, dtype=np.float64).reshape(-1, 1, 1)
        return trainer.fit(share * task.y + (1.0 - share) * teacher.train)

    def scores(fit: Fit) -> Scores:
        losses = [
            ((out - y) ** 2).sum(axis=2).mean(axis=1) for out, y in zip(fit[1:], (task.y_val, task.y_test), strict=True)
        ]
        right = (fit.test.argmax(axis=2) == task.y_test.argmax(axis=2)).mean(axis=1)
        return Scores(losses[0], losses[1], right)

    def estimate(second: np.ndarray) -> np.ndarray:
        triples = zip(first.validation, second, task.y_val, strict=True)
        return np.asarray([optimal_weight(*triple) for triple in triples])

    for step in range(2, steps + 1):
        begun = trainer.count
        fits = [student(w) for w in GRID[:-1]] + [first]
        weight = estimate(fits[0].validation)
        after = trainer.count
        at, free = student(np.clip(weight, 0.0, 1.0)), student(weight)
        shuffled = np.stack([rng.permutation(out) for out in teacher.train])
        meaningless = estimate(trainer.fit(shuffled).validation)
        mean = np.broadcast_to(task.y.mean(axis=1, keepdims=True), first.validation.shape)
        clock = trainer.seconds
        rounds.append(
            Round(
                step=step, decay=trainer.recipe.decay, grid=[scores(f) for f in fits], weight=weight, at=scores(at),
                free=scores(free), meaningless=meaningless, slope=estimate(mean),
                defect=_defect(first.validation, fits[0].validation, fits[MIDDLE].validation),
                trainings=(2, after - begun, 3), seconds=(clock[begun] + clock[after], sum(clock[begun:after])),
            )
        )  # fmt: skip
        teacher = at
    return rounds


def search(task: Task, recipe: Recipe, decays: Sequence[float], steps: int, *, seed: int = 0) -> list[Round]:
    """All rounds at several weight decays, with the same starts."""
    found = []
    for decay in progress.track(decays, "grid searches"):
        found += distil(Trainer(task, recipe._replace(decay=decay), seed=seed), steps, seed=seed)
    return found


def chosen(found: Round) -> Scores:
    """Scores of the grid search: the student with the smallest validation loss, seed by seed."""
    best = np.argmin([s.validation for s in found.grid], axis=0)
    return Scores(*(np.choose(best, np.stack(column)) for column in zip(*found.grid, strict=True)))


def random_weight(found: Round) -> Scores:
    """Expected scores of a weight drawn from the grid at random."""
    return Scores(*(np.mean(column, axis=0) for column in zip(*found.grid, strict=True)))


def _worst(columns: Sequence[Float[np.ndarray, " seeds"]], pick: str) -> Estimate:
    """Mean over seeds of the round where it is smallest (or largest), with t intervals that hold for all rounds at once."""
    level = 1.0 - 0.05 / len(columns)
    return (min if pick == "smallest" else max)(
        (statistics.mean(column, level=level) for column in columns), key=lambda e: float(np.asarray(e.value))
    )


def accuracy_margin(rounds: Sequence[Round], *, blind: bool = False) -> Estimate:
    """Test accuracy at the estimate less that of the grid search, in standard errors of the latter over seeds.

    Averaged over rounds, seed by seed. With `blind`, a random weight takes the place of the estimate.
    """
    searched = np.mean([chosen(r).accuracy for r in rounds], axis=0)
    other = np.mean([(random_weight(r) if blind else r.at).accuracy for r in rounds], axis=0)
    error = searched.std(ddof=1) / np.sqrt(len(searched))
    return statistics.mean((other - searched) / error)


def loss_ratio(rounds: Sequence[Round], *, blind: bool = False) -> Estimate:
    """Test loss at the estimate over that of the grid search, the round where it is largest (or of a random weight)."""
    return _worst([(random_weight(r) if blind else r.at).test / chosen(r).test for r in rounds], "largest")


def cost(rounds: Sequence[Round], *, parabola: bool = False) -> Estimate:
    """New trainings a step of the estimate, or of a parabola through three students, over those of the grid search."""
    ratios = [r.trainings[2 if parabola else 0] / r.trainings[1] for r in rounds]
    return Estimate.exact(max(ratios), n=len(ratios), method="counted", samples=ratios)


def wall_time(rounds: Sequence[Round]) -> float:
    """Wall time of the estimate over that of the grid search, all rounds together."""
    return sum(r.seconds[0] for r in rounds) / sum(r.seconds[1] for r in rounds)


def meaningless_weight(rounds: Sequence[Round], *, genuine: bool = False) -> Estimate:
    """Weight with a permuted teacher over the first fit's calibration, the round where it is farthest from 1.

    With `genuine` the weight with the teacher as it is.
    """
    level = 1.0 - 0.05 / len(rounds)
    found = [statistics.mean((r.weight if genuine else r.meaningless) / r.slope, level=level) for r in rounds]
    return max(found, key=lambda e: abs(float(np.asarray(e.value)) - 1.0))


def defects_by_width(
    task: Task, recipe: Recipe, widths: Sequence[int], *, seed: int = 0
) -> Float[np.ndarray, "2 seeds widths"]:
    """That defect at step 2 for networks of several widths: penalty on the distance from the start, and plain decay."""
    found = []
    for width in progress.track(widths, "linearity by width"):
        for anchored in (True, False):
            trainer = Trainer(task, recipe._replace(width=width, anchored=anchored), seed=seed)
            first = trainer.fit(task.y)
            second, middle = trainer.fit(first.train), trainer.fit(0.5 * (task.y + first.train))
            found.append(_defect(first.validation, second.validation, middle.validation))
    return np.moveaxis(np.reshape(found, (len(widths), 2, -1)), 0, 2)


def width_slope(defects: Float[np.ndarray, "seeds widths"], widths: Sequence[int]) -> Estimate:
    """Slope of that defect against width, on logarithmic axes."""
    return statistics.slope(widths, defects)


def _defect(first: np.ndarray, second: np.ndarray, middle: np.ndarray) -> Float[np.ndarray, " seeds"]:
    gap = np.linalg.norm(middle - 0.5 * (first + second), axis=(1, 2))
    return np.asarray(2.0 * gap / np.linalg.norm(first - second, axis=(1, 2)))
