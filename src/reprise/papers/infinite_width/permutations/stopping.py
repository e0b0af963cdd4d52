r"""Claim C4b: the released experiment, in the limit. Networks are added one by one until the accuracy is reached.

The ensemble size is the *first* number of networks at which at least a share $1-\delta$ of 1000 random test inputs of
weight two is right: a first passage of one path, which comes earlier than the size at which the expected accuracy is
reached.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise import progress
from reprise.papers.infinite_width.permutations import regression as rg
from reprise.papers.infinite_width.permutations.regression import Trained
from reprise.papers.infinite_width.permutations.threads import on_one_thread

REPORTED = {2: 1, 3: 2, 4: 10, 5: 43, 6: 34, 8: 40, 10: 69, 15: 103, 20: 117, 25: 157, 30: 175}
"""Ensemble sizes for 90 % by length k: stored results of the authors' repository, one run each (Figure 1, left)."""

REPORTED_ERROR = {10: 0.00211439, 30: 0.00046824}
"""Mean squared error at these sizes, from the same files."""

STABLE = 4
"""Smallest k at which gradient descent of the released code is stable; below it the stored results mean nothing."""

TESTS = 1000
BLOCK = 64


class Passages(NamedTuple):
    """First passages of repeated experiments, one column for each k.

    Attributes:
        k: lengths.
        size: number of networks at the first passage, (repeats, lengths).
        error: mean squared error of the average then, against the normalised target, (repeats, lengths).
    """

    k: tuple[int, ...]
    size: Int[np.ndarray, "repeats lengths"]
    error: Float[np.ndarray, "repeats lengths"]

    def column(self, k: int) -> int:
        """Where a length stands."""
        return self.k.index(k)


@on_one_thread
def first_passages(
    sizes: Sequence[int], trained: Trained, repeats: int, *, seed: int, delta: float = 0.1, most: int = 20_000
) -> Passages:
    """The experiment repeated at each k with networks drawn from the limiting process; `most` networks at most."""
    found = []
    for k in sizes:
        rng = np.random.default_rng([seed, k, 3])
        inputs = rg.of_weight(k, 2)
        process = rg.process(inputs, rg.permutation(k, seed), trained)
        target = (rg.normalised(inputs) @ rg.targets(rg.permutation(k, seed))).astype(np.float32)
        mean, factor = process.mean.astype(np.float32), process.factor.astype(np.float32)
        label = f"first passages, k = {k}, {trained}"
        found.append(
            [
                _one(mean, factor, process.truth, target, 1.0 - delta, most, rng)
                for _ in progress.track(range(repeats), label)
            ]
        )
    table = np.asarray(found, dtype=np.float64)  # (lengths, repeats, 2)
    return Passages(tuple(sizes), table[..., 0].T.astype(np.int64), table[..., 1].T)


def _one(
    mean: np.ndarray,
    factor: np.ndarray,
    truth: np.ndarray,
    target: np.ndarray,
    goal: float,
    most: int,
    rng: np.random.Generator,
) -> tuple[int, float]:
    """One experiment: the first passage and the squared error then."""
    t, k = mean.shape
    counts = np.bincount(rng.integers(t, size=TESTS), minlength=t)
    total, n = np.zeros((t, k), np.float32), 0
    while n < most:
        draws = (factor @ rng.standard_normal((t, BLOCK * k), dtype=np.float32)).reshape(t, BLOCK, k)
        sums = total[:, None, :] + np.cumsum(draws, axis=1)
        averages = mean[:, None, :] + sums / np.arange(n + 1, n + BLOCK + 1, dtype=np.float32)[:, None]
        right = ((averages > 0.0) == truth[:, None, :]).all(axis=2)
        passed = np.flatnonzero(counts @ right >= goal * TESTS - 1e-9)
        if passed.size:
            first = int(passed[0])
            errors = np.mean((averages[:, first] - target) ** 2, axis=1)
            return n + first + 1, float(counts @ errors / TESTS)
        total, n = sums[:, -1], n + BLOCK
    return most, float("nan")
