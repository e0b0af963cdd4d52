"""The extreme of several means with an interval that holds for all of them at once."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from reprise import statistics
from reprise.estimate import Estimate


def extreme(samples: ArrayLike, which: Literal["least", "largest"], *, level: float = 0.95) -> Estimate:
    """The least (largest) of k means: from simultaneous intervals, the least (largest) lower and upper end.

    Args:
        samples: shape (seeds, k), k >= 1.
        which: which extreme.
        level: joint confidence level.

    >>> extreme([[1.0, 2.0], [1.0, 4.0]], "least").value
    1.0
    """
    x = np.asarray(samples, dtype=np.float64)
    centre, half = statistics.simultaneous(x, level=level)
    pick = np.min if which == "least" else np.max
    place = int(np.argmin(centre) if which == "least" else np.argmax(centre))
    return Estimate(
        value=float(centre[place]),
        low=float(pick(centre - half)),
        high=float(pick(centre + half)),
        n=x.shape[0],
        level=level,
        method=f"{which} of {x.shape[1]} means, simultaneous t intervals",
        samples=tuple(map(float, x[:, place])),
    )
