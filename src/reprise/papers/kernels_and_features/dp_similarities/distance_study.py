r"""C1: errors of the distance structures against n, the budget, the annuli and the dimension.

What is measured is noise: the noisy answer minus the noiseless answer of the same structure. The bias of the annuli is
reported on its own. The exact root mean square noise comes from the node weights, $\sqrt2\,b\,(\sum_vw_v^2)^{1/2}$.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.dp_similarities import trees

BLOCK = 10
"""Repeats whose node weights are computed at once."""
Errors = Float[np.ndarray, "repeats columns"]


def points(n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """The data of the pilot: Beta(2, 5) on [0, 1]."""
    return rng.beta(2.0, 5.0, n)


def queries_at(number: int, rng: np.random.Generator) -> Float[np.ndarray, " number"]:
    """Queries away from the ends of [0, 1], where half of the annuli would be empty."""
    return rng.uniform(0.05, 0.95, number)


@dataclass(frozen=True)
class BySize:
    """Mean absolute errors over queries, one row a repeat, one column a size."""

    sizes: tuple[int, ...]
    tree: Errors
    flat: Errors
    grid: Errors
    tree_exact: Float[np.ndarray, "queries sizes"]
    flat_exact: Float[np.ndarray, "queries sizes"]
    tree_squares: Errors


def by_size(sizes: Sequence[int], queries: int, repeats: int, epsilon: float, a: float, seed: int) -> BySize:
    """Release all structures `repeats` times at each n."""
    y = queries_at(queries, np.random.default_rng([seed, 1]))
    found: dict[str, list[np.ndarray]] = {k: [] for k in ("tree", "flat", "grid", "tree_exact", "flat_exact", "sq")}
    for n in progress.track(sizes, "Distance structures"):
        rng = np.random.default_rng([seed, 2, n])
        x, levels = points(n, rng), trees.depth(n)
        nodes, ranges = trees.counts(x, levels), trees.annuli(y, levels, a)
        weights = trees.tree_weights(ranges, levels)
        truth = trees.exact_sums(x, y)
        flat_clean = trees.flat_answers(nodes[2**levels :], ranges)
        rows: dict[str, list[float]] = {k: [] for k in ("tree", "flat", "grid", "sq")}
        for _ in range(repeats):
            error = trees.tree_noise(weights, levels, epsilon, rng)[0]
            noisy = nodes[2**levels :] + rng.laplace(scale=1.0 / epsilon, size=2**levels)
            rows["tree"].append(float(np.abs(error).mean()))
            rows["sq"].append(float((error**2).mean()))
            rows["flat"].append(float(np.abs(trees.flat_answers(noisy, ranges) - flat_clean).mean()))
            rows["grid"].append(float(np.abs(trees.grid_answers(x, y, epsilon, rng) - truth).mean()))
        for key, values in rows.items():
            found[key].append(np.asarray(values))
        found["tree_exact"].append(trees.tree_rms(weights, levels, epsilon))
        found["flat_exact"].append(trees.flat_rms(ranges, epsilon))
    stacked = {key: np.stack(values, axis=1) for key, values in found.items()}
    return BySize(
        tuple(sizes), stacked["tree"], stacked["flat"], stacked["grid"], stacked["tree_exact"], stacked["flat_exact"],
        stacked["sq"],
    )  # fmt: skip


def exact_noise(
    sizes: Sequence[int], queries: int, epsilon: float, a: float, seed: int
) -> tuple[Float[np.ndarray, "queries sizes"], Float[np.ndarray, "queries sizes"]]:
    """Exact root mean square noise of tree and flat histogram at each n, from the node weights; touches no data."""
    y = queries_at(queries, np.random.default_rng([seed, 8]))
    tree, flat = [], []
    for n in sizes:
        levels = trees.depth(n)
        ranges = trees.annuli(y, levels, a)
        tree.append(trees.tree_rms(trees.tree_weights(ranges, levels), levels, epsilon))
        flat.append(trees.flat_rms(ranges, epsilon))
    return np.stack(tree, axis=1), np.stack(flat, axis=1)


def slope(sizes: Sequence[float], errors: Errors) -> Estimate:
    """Exponent of the mean error."""
    return statistics.slope(sizes, errors, method="t")


def bend(sizes: Sequence[int], exact: Float[np.ndarray, "queries sizes"]) -> Estimate:
    """Local exponent at the large sizes minus that at the small ones, of the exact noise; bootstrap over queries."""
    half, logs = len(sizes) // 2, np.log(np.asarray(sizes, dtype=np.float64))

    def of(rows: np.ndarray, axis: int) -> np.ndarray:
        level = 0.5 * np.log((rows**2).mean(axis=axis))
        late = (level[..., -1] - level[..., half]) / (logs[-1] - logs[half])
        return np.asarray(late - (level[..., half] - level[..., 0]) / (logs[half] - logs[0]))

    return statistics.bootstrap(exact, of)


def noise_law(found: BySize) -> Estimate:
    """Sampled over exact root mean square noise of the tree, geometric mean over sizes."""
    exact = (found.tree_exact**2).mean(axis=0)
    return statistics.bootstrap(found.tree_squares, lambda r, axis: np.sqrt(r.mean(axis=axis) / exact).mean(axis=-1))


def claimed_without_levels(found: BySize) -> Estimate:
    """Control of `noise_law`: the noise that one would expect with sensitivity 1 instead of L+1."""
    levels = np.asarray([trees.depth(n) for n in found.sizes])
    exact = (found.tree_exact**2).mean(axis=0) / (levels + 1.0) ** 2
    return statistics.bootstrap(found.tree_squares, lambda r, axis: np.sqrt(r.mean(axis=axis) / exact).mean(axis=-1))


def advantage(found: BySize, column: int) -> Estimate:
    """Mean error of the grid over that of the tree, at one size."""
    pair = (found.grid[:, column], found.tree[:, column])
    return statistics.bootstrap(pair, lambda g, t, axis: g.mean(axis=axis) / t.mean(axis=axis), paired=False)


def by_budget(
    n: int, epsilons: Sequence[float], queries: int, repeats: int, a: float, seed: int, *, fixed: float | None = None
) -> Errors:
    """Tree noise against the budget; with `fixed` the noise is calibrated to that budget throughout (control)."""
    rng = np.random.default_rng([seed, 3])
    return np.stack([_noise(n, queries, repeats, fixed or e, a, rng) for e in epsilons], axis=1)


def by_annuli(
    n: int, annuli: Sequence[float], queries: int, repeats: int, epsilon: float, seed: int, *, at: float | None = None
) -> Errors:
    """Tree noise against the ratio a of the annuli; with `at` only the annulus at that radius counts (control)."""
    rng = np.random.default_rng([seed, 4])
    columns = [
        _noise(n, queries, repeats, epsilon, a, rng, at=at) for a in progress.track(annuli, "Noise against annuli")
    ]
    return np.stack(columns, axis=1)


def by_dimension(
    n: int,
    dimensions: Sequence[int],
    queries: int,
    repeats: int,
    epsilon: float,
    a: float,
    seed: int,
    *,
    split: bool = True,
) -> Errors:
    """Noise of d trees with a budget of epsilon/d each; without `split` each spends all of it (control)."""
    rng = np.random.default_rng([seed, 5])
    levels = trees.depth(n)
    columns = []
    for d in dimensions:
        total = np.zeros((repeats, queries))
        for _ in range(d):
            weights = trees.tree_weights(trees.annuli(queries_at(queries, rng), levels, a), levels)
            total += trees.tree_noise(weights, levels, epsilon / d if split else epsilon, rng, times=repeats)
        columns.append(np.abs(total).mean(axis=1))
    return np.stack(columns, axis=1)


def panels(
    sizes: Sequence[int],
    epsilons: Sequence[float],
    annuli: Sequence[float],
    dimensions: Sequence[int],
    queries: int,
    repeats: int,
    epsilon: float,
    a: float,
    seed: int,
) -> dict[str, tuple[Sequence[float], Errors, Errors]]:
    """Noise against budget and dimension at the smallest n and against annuli at the largest, each with its control."""
    n = sizes[0]
    budget = (by_budget(n, epsilons, queries, repeats, a, seed, fixed=f) for f in (None, epsilon))
    ratio = (
        by_annuli(sizes[-1], annuli, queries, number, epsilon, seed, at=at)
        for at, number in ((None, repeats), (0.3, max(10, repeats // 4)))
    )
    number = (by_dimension(n, dimensions, queries, repeats, epsilon, a, seed, split=s) for s in (True, False))
    return {
        "Budget": (epsilons, next(budget), next(budget)),
        "Annuli": (annuli, next(ratio), next(ratio)),
        "Dimension": (dimensions, next(number), next(number)),
    }


def bias(n: int, annuli: Sequence[float], queries: int, seed: int, *, power: int = 1) -> Estimate:
    """Largest relative error without noise, over a: at most 1 if annuli and rounding err by a factor 1+a at most.

    With `power` the annuli are that many times wider than the a that is claimed (control).
    """
    rng = np.random.default_rng([seed, 6])
    x, y, levels = points(n, rng), queries_at(queries, rng), trees.depth(n)
    truth, nodes = trees.exact_sums(x, y), trees.counts(x, levels)
    worst = []
    for a in annuli:
        weights = trees.tree_weights(trees.annuli(y, levels, (1.0 + a) ** power - 1.0), levels)
        worst.append(np.abs((weights @ nodes) / truth - 1.0) / a)
    return Estimate.exact(float(np.max(worst)), n=queries)


def _noise(
    n: int,
    queries: int,
    repeats: int,
    epsilon: float,
    a: float,
    rng: np.random.Generator,
    *,
    at: float | None = None,
) -> Float[np.ndarray, " repeats"]:
    """Mean absolute noise of a tree, with new queries for every repeat."""
    levels, found = trees.depth(n), []
    for start in range(0, repeats, BLOCK):
        block = min(BLOCK, repeats - start)
        weights = trees.tree_weights(trees.annuli(queries_at(queries * block, rng), levels, a, at=at), levels)
        for i in range(block):
            rows = weights[i * queries : (i + 1) * queries]
            found.append(np.abs(trees.tree_noise(rows, levels, epsilon, rng)).mean())
    return np.asarray(found)
