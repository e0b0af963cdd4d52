"""C5: overlaps, shots, ranks and seconds as the number of qubits grows."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.metrics.pairwise import polynomial_kernel

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.quantum_kernels import feature_map, shots
from reprise.papers.kernels_and_features.quantum_kernels.space_study import points, rank

CLOCK_REPEATS = 7
Table = Float[np.ndarray, "clouds qubits"]


class Growth(NamedTuple):
    """Mean and variance of overlaps of different points, one row a cloud, one column a number of qubits."""

    qubits: tuple[int, ...]
    mean: Table
    variance: Table
    product_mean: Table
    product_variance: Table

    def overlap_slope(self, *, product: bool = False) -> Estimate:
        """Slope of log2 of the mean overlap against the number of qubits."""
        values = self.product_mean if product else self.mean
        return statistics.linear_slope(self.qubits, np.log2(values), method="t")

    def shots_needed(self, *, product: bool = False) -> Table:
        """Shots at which shot noise is as large as the differences among entries: K(1-K) over the variance of K."""
        mean, variance = (self.product_mean, self.product_variance) if product else (self.mean, self.variance)
        return np.asarray((mean - mean**2 - variance) / variance)

    def shots_slope(self, *, product: bool = False) -> Estimate:
        """Slope of log2 of these shots against the number of qubits."""
        return statistics.linear_slope(self.qubits, np.log2(self.shots_needed(product=product)), method="t")


@on_one_thread
def overlaps(qubits: Sequence[int], clouds: int, count: int, *, seed: int) -> Growth:
    """Overlaps within clouds of random points.

    Raises:
        ValueError: the numbers of qubits do not increase.
    """
    if list(qubits) != sorted(set(qubits)):
        raise ValueError(f"qubits: an increasing list is expected, not {list(qubits)}")
    table = np.zeros((4, clouds, len(qubits)))
    with progress.task("Overlaps", clouds * len(qubits)) as advance:
        for j, n in enumerate(qubits):
            for i in range(clouds):
                x = points(count, n, seed, 51, n, i)
                for row, gram in ((0, feature_map.kernel(x, x)), (2, feature_map.product_kernel(x, x))):
                    pairs = shots.off_diagonal(gram)
                    table[row, i, j], table[row + 1, i, j] = pairs.mean(), pairs.var()
                advance(1)
    return Growth(tuple(qubits), *table)


class Ranks(NamedTuple):
    """Ranks of kernel matrices of 2 * 4^n points, by the number of qubits."""

    qubits: tuple[int, ...]
    entangled: tuple[int, ...]
    product: tuple[int, ...]
    polynomial: tuple[int, ...]

    def slope(self, *, polynomial: bool = False) -> Estimate:
        """Slope of log2 of the rank against the number of qubits; ranks are counted, so the fit is all there is."""
        values = np.log2(self.polynomial if polynomial else self.entangled)
        slope = float(np.polyfit(self.qubits, values, 1)[0])
        return Estimate.exact(slope, n=len(values), method="least squares on exact counts", samples=tuple(values))


@on_one_thread
def count_ranks(qubits: Sequence[int], *, seed: int) -> Ranks:
    """Ranks with twice as many points as the space of states has dimensions."""
    rows = []
    for n in progress.track(qubits, "Ranks"):
        x = points(2 * 4**n, n, seed, 52, n)
        kernels = (feature_map.kernel(x, x), feature_map.product_kernel(x, x), polynomial_kernel(x, degree=2))
        rows.append([rank(gram) for gram in kernels])
    return Ranks(tuple(qubits), *(tuple(column) for column in zip(*rows, strict=True)))


def factor_gap(qubits: Sequence[int], count: int, *, seed: int, entangled: bool = False) -> Estimate:
    """Largest difference of the simulated kernel from the product of one-qubit kernels, each by its own simulation."""
    gaps = []
    for n in qubits:
        x = points(count, n, seed, 53, n)
        factors = [feature_map.kernel(x[:, [i]], x[:, [i]]) for i in range(n)]
        gaps.append(float(np.abs(feature_map.kernel(x, x, entangled=entangled) - np.prod(factors, axis=0)).max()))
    value = min(gaps) if entangled else max(gaps)
    return Estimate.exact(value, n=len(gaps), method="largest entry, worst number of qubits", samples=gaps)


class Clock(NamedTuple):
    """Least seconds for one kernel matrix, by the number of qubits: by state vectors, and by factors."""

    qubits: tuple[int, ...]
    states: tuple[float, ...]
    factors: tuple[float, ...]

    def slope(self, *, factors: bool = False) -> Estimate:
        """Slope of log2 of the seconds against the number of qubits."""
        return statistics.fitted_slope(self.qubits, np.log2(self.factors if factors else self.states), log=False)


@on_one_thread
def clock(qubits: Sequence[int], count: int, *, seed: int) -> Clock:
    """Time kernel matrices of `count` points; compilation is not counted."""
    seconds = []
    for n in progress.track(qubits, "Seconds of simulation"):
        x = points(count, n, seed, 54, n)
        seconds.append([_least(k, x) for k in (feature_map.kernel, feature_map.product_kernel)])
    columns = [tuple(column) for column in zip(*seconds, strict=True)]
    return Clock(tuple(qubits), *columns)


def _least(kernel: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray) -> float:
    kernel(x, x)
    times = []
    for _ in range(CLOCK_REPEATS):
        started = time.perf_counter()
        kernel(x, x)
        times.append(time.perf_counter() - started)
    return min(times)


def reading(found: Growth) -> str:
    """Mean overlaps and shots, as a table."""
    needed = [found.shots_needed(product=p).mean(axis=0) for p in (False, True)]
    lines = [
        "| qubits | mean overlap | times 2^n | product states | shots to tell entries apart | product states |",
        "|---|---|---|---|---|---|",
    ]
    for j, n in enumerate(found.qubits):
        mean, product = found.mean[:, j].mean(), found.product_mean[:, j].mean()
        lines.append(
            f"| {n} | {mean:.4f} | {mean * 2**n:.3f} | {product:.4f} | {needed[0][j]:.1f} | {needed[1][j]:.1f} |"
        )
    return "\n".join(lines)
