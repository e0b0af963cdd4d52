r"""Artificial data: a hidden measurement labels random points, and a gap keeps the labels apart.

A Haar-random unitary V turns the state before the parity f of all qubits is measured. A point gets the label +1 where
$\langle\Phi(x)|V^\dagger fV|\Phi(x)\rangle\ge\Delta$, -1 where it is at most $-\Delta$, and is left out in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from scipy.stats import unitary_group

from reprise import progress
from reprise.papers.kernels_and_features.quantum_kernels import feature_map

GAP = 0.3
"""The gap of the paper."""
CHUNK = 4096
"""Points that are drawn at once."""
PATIENCE = 16
"""Chunks after which a hidden measurement is given up: one of its labels is too rare."""


@dataclass(frozen=True)
class Labelled:
    """One artificial data set; the first half of each part has the label +1.

    Attributes:
        hidden: the unitary V.
        x: training points.
        y: their labels, +1 or -1.
        x_test: test points.
        y_test: their labels.
        kept: share of the random points outside the gap.
    """

    hidden: Complex[np.ndarray, "dim dim"]
    x: Float[np.ndarray, "p n"]
    y: Float[np.ndarray, " p"]
    x_test: Float[np.ndarray, "q n"]
    y_test: Float[np.ndarray, " q"]
    kept: float


def scores(x: Float[np.ndarray, "p n"], hidden: Complex[np.ndarray, "dim dim"]) -> Float[np.ndarray, " p"]:
    r"""$\langle\Phi(x)|V^\dagger fV|\Phi(x)\rangle$, between -1 and 1."""
    turned = feature_map.states(x) @ hidden.T
    return np.asarray((np.abs(turned) ** 2) @ feature_map.parity(x.shape[-1]))


def draw(n: int, per_label: int, test_per_label: int, rng: np.random.Generator) -> Labelled:
    """A data set on n qubits; a hidden measurement with too few points of one label is drawn again."""
    wanted = per_label + test_per_label
    while True:
        hidden = unitary_group.rvs(2**n, random_state=rng)
        above, below, drawn = np.empty((0, n)), np.empty((0, n)), 0
        for _ in range(PATIENCE):
            x = 2.0 * np.pi * (1.0 - rng.random((CHUNK, n)))
            score, drawn = scores(x, hidden), drawn + CHUNK
            above = np.concatenate([above, x[score >= GAP]])
            below = np.concatenate([below, x[score <= -GAP]])
            if min(len(above), len(below)) >= wanted:
                break
        else:
            continue
        kept = (len(above) + len(below)) / drawn
        parts = [np.concatenate([above[s], below[s]]) for s in (slice(per_label), slice(per_label, wanted))]
        y, y_test = (np.repeat([1.0, -1.0], k) for k in (per_label, test_per_label))
        return Labelled(hidden, parts[0], y, parts[1], y_test, kept)


def many(n: int, count: int, per_label: int, test_per_label: int, *, seed: Sequence[int]) -> list[Labelled]:
    """Independent data sets, each with a hidden measurement of its own."""
    children = np.random.SeedSequence(list(seed)).spawn(count)
    generators = progress.track([np.random.default_rng(c) for c in children], f"Artificial data, {n} qubits")
    return [draw(n, per_label, test_per_label, rng) for rng in generators]
