"""Query times (C3, C6), in processor seconds on one thread: what other programs do hardly enters."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.dp_similarities import features, trees

LEAST = 0.004
"""Seconds that one measurement lasts at least; shorter calls are repeated within it."""


def processor_seconds(function: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def rounds(functions: Sequence[Callable[[], object]], repeats: int) -> Float[np.ndarray, "repeats functions"]:
    """Processor seconds a call, in rounds over all functions, after two calls of each that do not count.

    Rounds spread what the machine does otherwise over all functions alike.
    """
    inner = []
    for function in functions:
        function()
        inner.append(max(1, int(np.ceil(LEAST / max(processor_seconds(function), 1e-7)))))
    calls = list(zip(functions, inner, strict=True))
    found = [
        [processor_seconds(partial(_repeat, function, times)) / times for function, times in calls]
        for _ in progress.track(range(repeats), "Query times")
    ]
    return np.asarray(found)


@on_one_thread
def projection_times(d: int, k: int, number: int, repeats: int, seed: int) -> tuple[Estimate, Estimate]:
    """Query time with projection over that without it; the control projects onto d dimensions instead of k."""
    rng = np.random.default_rng([seed, 60])
    y = features.cloud(16, d, rng)

    def structure(inner: int | None) -> features.Structure:
        project = None if inner is None else features.fast_projection(d, inner, rng)
        frequencies, phases = features.draw_features(inner or d, number, rng)
        return features.Structure(frequencies, phases, rng.standard_normal(number), project)

    plain, short, same = structure(None), structure(k), structure(d)
    times = rounds([partial(s, y) for s in (plain, short, same)], repeats)
    ratios = times[:, 1:] / times[:, :1]
    over_plain = [statistics.bootstrap(column, lambda r, axis: np.median(r, axis=axis)) for column in ratios.T]
    return over_plain[0], over_plain[1]


@on_one_thread
def query_times(
    sizes: Sequence[int], d: int, number: int, a: float, repeats: int, seed: int
) -> dict[str, Float[np.ndarray, "repeats sizes"]]:
    """Seconds a query of the exact sum, of the d trees, and of the random features, for each n, in rounds over all n."""
    rng = np.random.default_rng([seed, 61])
    y = rng.random(d)
    calls: list[dict[str, Callable[[], object]]] = []
    row, small = y.astype(np.float32), np.empty((512, d), dtype=np.float32)
    for n in sizes:
        x, levels = rng.random((n, d), dtype=np.float32), trees.depth(n)
        noisy = rng.standard_normal((d, 2 * 2**levels), dtype=np.float32)
        frequencies, phases = features.draw_features(d, number, rng)
        built = features.Structure(frequencies, phases, rng.standard_normal(number))
        calls.append({
            "exact": partial(_exact, x, row, small),
            "trees": partial(_trees, noisy, y, levels, a),
            "features": partial(built, y[None]),
        })  # fmt: skip
    return {key: rounds([call[key] for call in calls], repeats) for key in calls[0]}


def time_slope(sizes: Sequence[int], seconds: Float[np.ndarray, "repeats sizes"]) -> Estimate:
    """Exponent of the shortest query time, with the interval of the scatter about the line."""
    return statistics.fitted_slope(sizes, seconds.min(axis=0))


def _repeat(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def _exact(x: np.ndarray, y: np.ndarray, small: np.ndarray) -> float:
    total = 0.0
    for start in range(0, len(x), len(small)):
        part = x[start : start + len(small)]
        room = small[: len(part)]
        np.subtract(part, y, out=room)
        np.abs(room, out=room)
        total += float(room.sum())
    return total


def _trees(noisy: np.ndarray, y: np.ndarray, levels: int, a: float) -> float:
    """One query in d dimensions: row c of the weights belongs to tree c."""
    weights = trees.tree_weights(trees.annuli(y, levels, a), levels).tocoo()
    return float(noisy[weights.row, weights.col] @ weights.data)
