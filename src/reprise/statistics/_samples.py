"""Reading samples: what every statistic of this package asks of its input.

A statistic of samples that hold a NaN, an infinity or too few values has no honest interval, so it is refused
here with the reason and the place, instead of travelling on as a NaN.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

KEPT = 1000
"""An estimate keeps its samples (one value a seed) up to this many."""


class StatisticsError(ValueError):
    """The samples, or what is asked of them, do not allow the statistic."""


def as_samples(
    values: ArrayLike,
    *,
    name: str = "samples",
    least: int = 2,
    dims: Sequence[int] = (1,),
) -> Float[np.ndarray, "..."]:
    """Samples as a float64 array with at least `least` entries along axis 0, all of them finite.

    >>> as_samples([1, 2, 3]).dtype
    dtype('float64')
    >>> as_samples([1.0, float("nan"), 2.0])
    Traceback (most recent call last):
    ...
    reprise.statistics._samples.StatisticsError: samples: 1 of 3 values is not finite (the first at index 1)
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"{name}: not an array of real numbers ({error})") from error
    if array.ndim not in dims:
        wanted = " or ".join(str(d) for d in dims)
        raise StatisticsError(f"{name}: {wanted} dimension(s) are expected, the shape is {array.shape}")
    if array.shape[0] < least:
        raise StatisticsError(f"{name}: at least {least} are needed, there are {array.shape[0]}")
    if array.size == 0:
        raise StatisticsError(f"{name}: empty, the shape is {array.shape}")
    bad = ~np.isfinite(array)
    if bad.any():
        count = int(bad.sum())
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        where = first[0] if len(first) == 1 else first
        verb = "is" if count == 1 else "are"
        raise StatisticsError(f"{name}: {count} of {array.size} values {verb} not finite (the first at index {where})")
    return array


def check_level(level: float) -> float:
    """A confidence level strictly between 0 and 1.

    >>> check_level(0.95)
    0.95
    """
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"level: a number between 0 and 1 is expected, not {level!r}")
    return float(level)


def kept(values: np.ndarray) -> tuple[float, ...]:
    """The values as an estimate's `samples`; empty where there are too many to keep.

    >>> kept(np.array([1.0, 2.0]))
    (1.0, 2.0)
    """
    flat = np.ravel(values)
    return tuple(float(v) for v in flat) if flat.size <= KEPT else ()
