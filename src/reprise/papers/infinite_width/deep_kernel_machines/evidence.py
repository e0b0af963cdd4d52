"""From arrays with one row a problem to pairs of estimates, measured and control, by which the claims are judged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics import mean, slope

Pair = dict[str, Estimate]


def slopes(x: Sequence[float], measured: ArrayLike, control: ArrayLike) -> Pair:
    """Log-log slopes of the means over problems, bootstrapped over problems."""
    return {"measured": slope(x, measured), "control": slope(x, control)}


def averages(measured: ArrayLike, control: ArrayLike) -> Pair:
    """Means over problems with bootstrap intervals: the quantities are positive and skewed."""
    return {"measured": mean(measured, method="bootstrap"), "control": mean(control, method="bootstrap")}


def extremes(measured: ArrayLike, control: ArrayLike, *, largest: bool = True) -> Pair:
    """The worst over problems, with the whole range as interval."""
    return {"measured": worst(measured, largest=largest), "control": worst(control, largest=largest)}


def worst(values: ArrayLike, *, largest: bool = True) -> Estimate:
    """The worst of several values with their whole range as interval: a criterion passes only if all of them pass.

    >>> worst([0.25, 0.5])
    Estimate(0.5 [0.25, 0.5], n=2, 100 % range over problems)
    """
    array = np.ravel(np.asarray(values, dtype=float))
    return Estimate(
        value=float(array.max() if largest else array.min()),
        low=float(array.min()),
        high=float(array.max()),
        n=array.size,
        level=1.0,
        method="range over problems",
        samples=tuple(array),
    )
