"""Claim C4: the optimal weight in closed form against a grid of students, each of them fitted."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.self_distillation import closed_form, problems
from reprise.papers.kernels_and_features.self_distillation.problems import WAVE_KERNEL
from reprise.papers.kernels_and_features.self_distillation.refits import Refitter

GRID = np.linspace(-2.0, 3.0, 2001)
"""The weights that are tried one by one, of spacing 0.0025."""


class Step(NamedTuple):
    """One step of distillation with a validation set.

    Attributes:
        ridge: the penalty.
        losses: mean squared validation error of a student fitted at each weight of the grid.
        weight: the optimal weight by the formula.
        swapped: the formula with its two students exchanged.
        shuffled: the formula with shuffled validation targets.
        reached: mean squared validation errors of students fitted at `weight` and at `shuffled`.
        test: mean squared test errors of the student at `weight`, at the best weight between 0 and 1, and of the first fit.
    """

    ridge: float
    losses: Float[np.ndarray, " grid"]
    weight: float
    swapped: float
    shuffled: float
    reached: tuple[float, float]
    test: tuple[float, float, float]


def steps(
    refitter: Refitter,
    y: Float[np.ndarray, "n 1"],
    validation: tuple[Float[np.ndarray, "v n"], Float[np.ndarray, "v 1"]],
    test: tuple[Float[np.ndarray, "t n"], Float[np.ndarray, "t 1"]],
    count: int,
    rng: np.random.Generator,
) -> list[Step]:
    """Steps 2, 3, ... with the optimal weight at each (greedily: the next teacher is the best student).

    Validation and test are pairs of the kernel with the training points, and targets.
    """
    k_val, y_val = validation
    first = refitter.fit(y, k_val)
    mixed_up = rng.permutation(y_val)
    teacher, found = refitter.fit(y), []

    def error(alphas: np.ndarray, part: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        students = refitter.fit(alphas * y + (1.0 - alphas) * teacher, part[0])
        return np.asarray(((students - part[1]) ** 2).mean(axis=0))

    for _ in range(count):
        second = refitter.fit(teacher, k_val)
        weight, swapped = (closed_form.optimal_weight(a, b, y_val) for a, b in ((first, second), (second, first)))
        shuffled = closed_form.optimal_weight(first, second, mixed_up)
        at = error(np.array([weight, shuffled]), validation)
        compared = error(np.array([weight, min(max(weight, 0.0), 1.0), 1.0]), test)
        losses, ends = error(GRID, validation), (float(at[0]), float(at[1]))
        found.append(Step(refitter.ridge, losses, weight, swapped, shuffled, ends, tuple(compared.tolist())))
        teacher = refitter.fit(weight * y + (1.0 - weight) * teacher)
    return found


def of_toy(count: int = 5) -> list[Step]:
    """The toy, with the noiseless sine at 101 points as validation set (and as test set)."""
    toy, kernel = problems.toy(), problems.gaussian(problems.TOY_GAMMA)
    refitter = Refitter(kernel.of(toy.x, toy.x), problems.TOY_RIDGE)
    part = (kernel.of(toy.x_test, toy.x), toy.y_test)
    return steps(refitter, toy.y, part, part, count, np.random.default_rng(0))


@on_one_thread
def of_waves(count: int, n: int, *, seed: int = 0) -> list[Step]:
    """Steps 2 and 3 of many waves: n noisy training and n noisy validation points, penalties from 0.001 to 10."""
    found = []
    for i in progress.track(range(count), "optimal weights"):
        rng = np.random.default_rng([seed, i, 4])
        whole = problems.wave(2 * n, (seed, 4, i))
        x, y = whole.x[:n], whole.y[:n]
        refitter = Refitter(WAVE_KERNEL.of(x, x), float(10 ** rng.uniform(-3, 1)))
        validation = (WAVE_KERNEL.of(whole.x[n:], x), whole.y[n:])
        found += steps(refitter, y, validation, (WAVE_KERNEL.of(whole.x_test, x), whole.y_test), 2, rng)
    return found


def grid_gap(found: list[Step], *, swapped: bool = False) -> Estimate:
    """Largest distance between the formula's weight, cut to the grid's range, and the best weight of the grid."""
    gaps = []
    for step in found:
        weight = float(np.clip(step.swapped if swapped else step.weight, GRID[0], GRID[-1]))
        gaps.append(abs(weight - float(GRID[np.argmin(step.losses)])))
    return Estimate.exact(float(np.max(gaps)), n=len(gaps), method="largest of all steps", samples=gaps[:64])


def loss_gap(found: list[Step], *, shuffled: bool = False) -> Estimate:
    """Best validation loss on the grid less that at the formula's weight, the largest in size of all steps.

    Only where the formula's weight lies within the grid, as the grid cannot be near it elsewhere.
    """
    inside = [s for s in found if GRID[0] <= s.weight <= GRID[-1]]
    gaps = [float(s.losses.min()) - s.reached[int(shuffled)] for s in inside]
    return Estimate.exact(max(gaps, key=abs), n=len(gaps), method="largest of all steps", samples=gaps[:64])


def share_won(found: list[Step], *, shuffled: bool = False) -> Estimate:
    """Share of the steps at which the formula's weight has no larger loss than the best of the grid (to rounding)."""
    won = [s.reached[int(shuffled)] <= s.losses.min() + 1e-12 for s in found]
    return Estimate.exact(float(np.mean(won)), n=len(won), method="share, all counted")


def toy_weight(toy: list[Step], *, cut: bool = False) -> Estimate:
    """The toy's optimal weight at step 2, or cut to the range of mixtures."""
    return Estimate.exact(min(max(toy[0].weight, 0.0), 1.0) if cut else toy[0].weight, method="formula")


def outside(found: list[Step]) -> tuple[float, float, float]:
    """Shares of the optimal weights below 0, above 1, and beyond the grid."""
    weights = np.array([s.weight for s in found])
    beyond = (weights < GRID[0]) | (weights > GRID[-1])
    return float((weights < 0).mean()), float((weights > 1).mean()), float(beyond.mean())
