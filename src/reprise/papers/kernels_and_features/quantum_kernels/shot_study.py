"""C4: how the error of a measured kernel matrix, and the accuracy that it leaves, depend on shots and on points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.quantum_kernels import feature_map, machines, noise, shots
from reprise.papers.kernels_and_features.quantum_kernels.kernel_study import grams
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled
from reprise.papers.kernels_and_features.quantum_kernels.space_study import points

GATE_ERROR = 0.01
"""Of the device whose bias no number of shots averages away."""
UNCLIPPED_SHOTS = 10
"""Shots of the control that is not clipped."""
SIZE_SHOTS = 1000
"""Shots of each entry where the number of points varies."""
SIZE_REPEATS = 20
"""Independent sets of points of each size."""
Table = Float[np.ndarray, "sets shots"]


class ShotResults(NamedTuple):
    """Errors and accuracies, one row a data set, one column a number of shots.

    Attributes:
        shots: measurements of each entry.
        errors: Frobenius error of the kernel matrix.
        biased: the same on a device whose gates err.
        accuracy: test accuracy with the matrix clipped.
        raw: test accuracy with the matrix as measured.
        exact: test accuracy with exact overlaps.
        unclipped: test accuracy at ten shots, not clipped.
        negative: smallest eigenvalue of that matrix.
        spread: mean squared error of entries over the mean of K(1-K)/R.
        swapped: the same for the swap test.
    """

    shots: tuple[int, ...]
    errors: Table
    biased: Table
    accuracy: Table
    raw: Table
    exact: Float[np.ndarray, " sets"]
    unclipped: Float[np.ndarray, " sets"]
    negative: Float[np.ndarray, " sets"]
    spread: Float[np.ndarray, " sets"]
    swapped: Float[np.ndarray, " sets"]


@on_one_thread
def run(sets: Sequence[Labelled], counts: Sequence[int], *, seed: int) -> ShotResults:
    """Measure every data set's kernel with every number of shots.

    Raises:
        ValueError: the numbers of shots do not increase.
    """
    if list(counts) != sorted(set(counts)):
        raise ValueError(f"shots: an increasing list is expected, not {list(counts)}")
    device = noise.Device(sets[0].x.shape[1], "depolarising", GATE_ERROR)
    rows: list[list[np.ndarray | float]] = []
    for i, data in enumerate(progress.track(sets, "Kernels from shots")):
        rng = np.random.default_rng([seed, 41, i])
        rows.append(_one(data, counts, device, rng))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return ShotResults(tuple(counts), *columns)


def _one(
    data: Labelled, counts: Sequence[int], device: noise.Device, rng: np.random.Generator
) -> list[np.ndarray | float]:
    gram, test = grams(data)
    noisy_gates = device.gram(data.x)
    errors, biased, accuracy, raw, spread, swapped = [], [], [], [], [], []
    pairs = shots.off_diagonal(gram)
    for count in counts:
        seen, rows = shots.measured_gram(gram, count, rng), shots.measured(test, count, rng)
        errors.append(np.linalg.norm(seen - gram))
        biased.append(np.linalg.norm(shots.measured_gram(noisy_gates, count, rng) - gram))
        accuracy.append(machines.accuracy(shots.clipped(seen), data.y, rows, data.y_test))
        raw.append(machines.accuracy(seen, data.y, rows, data.y_test))
        variance = float(np.mean(pairs * (1.0 - pairs))) / count
        spread.append(np.mean((shots.off_diagonal(seen) - pairs) ** 2) / variance)
        swapped.append(np.mean((shots.swap_test(pairs, count, rng) - pairs) ** 2) / variance)
    few, rows = shots.measured_gram(gram, UNCLIPPED_SHOTS, rng), shots.measured(test, UNCLIPPED_SHOTS, rng)
    return [
        *(np.array(v) for v in (errors, biased, accuracy, raw)),
        machines.accuracy(gram, data.y, test, data.y_test),
        machines.accuracy(few, data.y, rows, data.y_test),
        float(np.linalg.eigvalsh(few)[0]),
        float(np.mean(spread)),
        float(np.mean(swapped)),
    ]


def rate(found: ShotResults, *, biased: bool = False) -> Estimate:
    """Log-log slope of the Frobenius error against shots."""
    return statistics.slope(found.shots, found.biased if biased else found.errors, method="t")


def loss(found: ShotResults, measured: Float[np.ndarray, " sets"]) -> Estimate:
    """Accuracy with measured less that with exact overlaps, paired over data sets."""
    return statistics.paired_difference(measured, found.exact)


class SizeResults(NamedTuple):
    """Frobenius and operator norms of the error of a kernel matrix, by the number of points."""

    sizes: tuple[int, ...]
    frobenius: Float[np.ndarray, "repeats sizes"]
    operator: Float[np.ndarray, "repeats sizes"]

    def slope(self, *, operator: bool = False) -> Estimate:
        """Log-log slope of the error against the number of points."""
        return statistics.slope(self.sizes, self.operator if operator else self.frobenius, method="t")


@on_one_thread
def sizes(counts: Sequence[int], *, seed: int) -> SizeResults:
    """Errors of kernel matrices of random points on two qubits, at equal shots for each entry."""
    rng = np.random.default_rng([seed, 42])
    frobenius, operator = np.zeros((2, SIZE_REPEATS, len(counts)))
    x = points(SIZE_REPEATS * max(counts), 2, seed, 43).reshape(SIZE_REPEATS, -1, 2)
    found = feature_map.states(x)
    for j, count in enumerate(progress.track(counts, "Kernels of more points")):
        for i in range(SIZE_REPEATS):
            part = found[i, :count]
            gram = feature_map.overlaps(part, part)
            gap = shots.measured_gram(gram, SIZE_SHOTS, rng) - gram
            frobenius[i, j], operator[i, j] = np.linalg.norm(gap), np.linalg.norm(gap, 2)
    return SizeResults(tuple(counts), frobenius, operator)


def predicted(sets: Sequence[Labelled]) -> float:
    """The Frobenius error at one shot by the binomial law, root mean square over data sets; it falls as R^-1/2."""
    exact = [shots.off_diagonal(grams(data)[0]) for data in sets]
    return float(np.sqrt(np.mean([2.0 * np.sum(k * (1.0 - k)) for k in exact])))


def reading(found: ShotResults, sized: SizeResults) -> str:
    """In words: the growth of both norms, and how many matrices at ten shots were indefinite."""
    return (
        f"The operator norm of the error grows as the number of points to the power **{sized.slope(operator=True)}**. "
        f"At {UNCLIPPED_SHOTS} shots {np.mean(found.negative < 0):.0%} of the matrices are indefinite, with a least "
        f"eigenvalue of {found.negative.mean():.2f} on average. The swap test has {found.swapped.mean():.1f} times the "
        "variance."
    )
