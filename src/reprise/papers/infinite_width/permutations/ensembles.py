r"""Claims C3, C4 and C5: averages of networks drawn from the limiting Gaussian process.

An average of N independent networks at a set of inputs is the mean plus $\xi/\sqrt N$, with $\xi$ one draw of the
process's noise: independent over the k outputs, correlated over the inputs. So each draw has, for each input, a *critical
size*: the number of networks from which on the rounded average is right. Accuracy at N is the share of critical sizes
below N, at every N, and the ensemble size for a success probability is a quantile.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress
from reprise.papers.infinite_width.permutations import regression as rg
from reprise.papers.infinite_width.permutations.regression import Process, Trained
from reprise.papers.infinite_width.permutations.threads import on_one_thread

BLOCK = 4_000_000
"""Normal numbers drawn at once."""


class Draws(NamedTuple):
    """Critical sizes of repeated ensembles.

    Attributes:
        k: length of the inputs.
        size: critical size of each repetition and input, (repeats, T).
    """

    k: int
    size: Float[np.ndarray, "repeats t"]

    def right(self, n: float) -> np.ndarray:
        """Which repetitions and inputs are right with n networks, (repeats, T)."""
        return np.asarray(self.size < n)

    def accuracy(self, n: float) -> Float[np.ndarray, " repeats"]:
        """Share of the inputs that each repetition gets right with n networks."""
        return np.asarray(self.right(n).mean(axis=1))

    @property
    def joint(self) -> Float[np.ndarray, " repeats"]:
        """Number of networks from which on all inputs at once are right."""
        return np.asarray(self.size.max(axis=1))

    def unscaled(self) -> "Draws":
        r"""The same draws without the factor $1/\sqrt k$ of the first layer: the mean stays, the variance is k times larger."""
        return Draws(self.k, self.k * self.size)


def noise(process: Process, repeats: int, rng: np.random.Generator) -> Float[np.ndarray, "t repeats k"]:
    """Noise of single networks: covariance over inputs by the process's factor, independent over outputs."""
    t, k = process.mean.shape
    return np.asarray((process.factor @ rng.standard_normal((t, repeats * k))).reshape(t, repeats, k))


def critical_sizes(process: Process, repeats: int, *, seed: int) -> Draws:
    r"""Critical sizes $\max_i\bigl(\xi_i/|\mu_i|\bigr)^2$ over the outputs whose noise points the wrong way."""
    t, k = process.mean.shape
    rng = np.random.default_rng([seed, k, t, 1])
    sign = np.where(process.truth, 1.0, -1.0)
    margin = (sign * process.mean)[:, None, :]
    parts, group = [], max(1, BLOCK // (t * k))
    with progress.task(f"ensembles, k = {k}", repeats) as advance:
        for start in range(0, repeats, group):
            count = min(group, repeats - start)
            against = -sign[:, None, :] * noise(process, count, rng)
            with np.errstate(divide="ignore"):
                needed = np.where(margin > 0.0, np.maximum(against, 0.0) / np.abs(margin), np.inf)
            parts.append(needed.max(axis=2).T ** 2)
            advance(count)
    return Draws(k, np.concatenate(parts))


@on_one_thread
def single_inputs(
    sizes: Sequence[int], repeats: int, *, most: int = 64, trained: Trained = "all", seed: int = 0
) -> list[Draws]:
    """Repeated ensembles on inputs of weight two (at most `most` of them), for each k."""

    def at(k: int) -> Draws:
        process = rg.process(rg.of_weight(k, 2, most, seed=seed), rg.permutation(k, seed), trained)
        return critical_sizes(process, repeats, seed=seed)

    return [at(k) for k in sizes]


def every_input(sizes: Sequence[int], repeats: int, *, seed: int = 0) -> list[Draws]:
    """Repeated ensembles on all inputs of weight two or more at once, for each k."""

    def at(k: int) -> Draws:
        inputs = rg.all_inputs(k)
        return critical_sizes(
            rg.process(inputs[inputs.sum(axis=1) > 1], rg.permutation(k, seed)), repeats, seed=seed + 1
        )

    return [at(k) for k in sizes]


@on_one_thread
def all_right(
    sizes: Sequence[int], n: float, repeats: int, *, threshold: float = 0.0, most: int = 32, seed: int = 0
) -> np.ndarray:
    """Whether an average of n networks, rounded at a threshold, is right on inputs of weights 2, k/2 and k, all at once.

    Returns:
        (repeats, sizes) of truth values.
    """

    def at(k: int) -> np.ndarray:
        inputs = np.concatenate([rg.of_weight(k, m, most, seed=seed) for m in sorted({2, max(2, k // 2), k})])
        process = rg.process(inputs, rg.permutation(k, seed))
        rng = np.random.default_rng([seed, k, 2])
        average = process.mean[:, None, :] + noise(process, repeats, rng) / np.sqrt(n)
        return np.asarray(((average > threshold) == process.truth[:, None, :]).all(axis=(0, 2)))

    return np.stack([at(k) for k in sizes], axis=1)
