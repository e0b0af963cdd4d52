"""Claim C6: does distillation help on new data, and when? Noisy waves at penalties around the best one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.self_distillation import problems
from reprise.papers.kernels_and_features.self_distillation.problems import WAVE_KERNEL
from reprise.papers.kernels_and_features.self_distillation.refits import Refitter

MIXTURES = (0.0, 0.25, 0.5, 0.75)
"""Weights that are tried; 1 would be no distillation."""
STEPS = 6
PENALTIES = np.geomspace(1e-3, 1e2, 41)
"""Penalties among which the risk-optimal one is sought."""


class Gains(NamedTuple):
    """What distillation changes, by data set and penalty.

    Attributes:
        shares: penalties as multiples of the risk-optimal one.
        best: the risk-optimal penalty.
        first: mean squared test error of the plain fit, (sets, penalties).
        chosen: that of the distilled fit whose step (2 to 6) and weight validation data chose.
    """

    shares: tuple[float, ...]
    best: float
    first: Float[np.ndarray, "sets penalties"]
    chosen: Float[np.ndarray, "sets penalties"]

    def relative(self) -> Float[np.ndarray, "sets penalties"]:
        """Fall of the test error, as a share of that of the plain fit."""
        return np.asarray(1.0 - self.chosen / self.first)


@on_one_thread
def optimal_penalty(count: int, n: int, *, seed: int = 0) -> float:
    """The penalty with the smallest mean test error of the plain fit, over data sets of their own."""
    risk = np.zeros(len(PENALTIES))
    for i in progress.track(range(count), "risk-optimal penalty"):
        wave = problems.wave(n, (seed, 7, i))
        gram, k_test = WAVE_KERNEL.of(wave.x, wave.x), WAVE_KERNEL.of(wave.x_test, wave.x)
        for j, penalty in enumerate(PENALTIES):
            risk[j] += ((Refitter(gram, float(penalty)).fit(wave.y, k_test) - wave.y_test) ** 2).mean()
    return float(PENALTIES[np.argmin(risk)])


@on_one_thread
def distil(count: int, n: int, shares: Sequence[float], *, seed: int = 0) -> Gains:
    """Plain and distilled fits of many waves, with n training and n noisy validation points each."""
    best, mixtures = optimal_penalty(count, n, seed=seed), np.asarray(MIXTURES)
    first, chosen = np.empty((count, len(shares))), np.empty((count, len(shares)))
    for i in progress.track(range(count), "distilled waves"):
        whole = problems.wave(2 * n, (seed, 6, i))
        x, y = whole.x[:n], np.repeat(whole.y[:n], len(mixtures), axis=1)
        gram, k_new = WAVE_KERNEL.of(x, x), WAVE_KERNEL.of(np.concatenate([whole.x[n:], whole.x_test]), x)
        for j, share in enumerate(shares):
            fits = Refitter(gram, share * best).repeat(y, mixtures, STEPS, k_new)
            validation = ((fits[1:, :n] - whole.y[n:]) ** 2).mean(axis=1)
            test = ((fits[:, n:] - whole.y_test) ** 2).mean(axis=1)
            first[i, j] = test[0, 0]
            chosen[i, j] = test[1:].ravel()[np.argmin(validation)]
    return Gains(tuple(shares), best, first, chosen)


def smallest_gain(gains: Gains, *, above: bool = False) -> Estimate:
    """Mean relative fall of the test error, at the penalty below the best one where it is smallest (or above: largest).

    Simultaneous t intervals over the penalties on that side.
    """
    columns = [j for j, share in enumerate(gains.shares) if (share > 1.0) == above and share != 1.0]
    level = 1.0 - 0.05 / len(columns)
    found = [statistics.mean(gains.relative()[:, j], level=level) for j in columns]
    return (max if above else min)(found, key=lambda e: float(np.asarray(e.value)))
