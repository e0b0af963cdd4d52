"""From arrays of problems to the estimates by which the claims are judged."""

import numpy as np
from numpy.typing import ArrayLike

from reprise.estimate import Estimate


def worst(values: ArrayLike, *, what: str = "problems", largest: bool = True) -> Estimate:
    """The worst of several values with their whole range as interval: a criterion passes only if all of them pass.

    >>> worst([0.25, 0.5])
    Estimate(0.5 [0.25, 0.5], n=2, 100 % range over problems)
    """
    array = np.ravel(np.asarray(values, dtype=float))
    value = array.max() if largest else array.min()
    return Estimate(
        float(value), float(array.min()), float(array.max()), n=array.size, level=1.0, method=f"range over {what}",
        samples=tuple(array),
    )  # fmt: skip
