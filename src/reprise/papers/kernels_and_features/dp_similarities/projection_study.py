r"""C3: what a random projection does to Gaussian kernels, pair by pair, on average, and inside the private structure.

For a pair at squared distance s the projected squared distance is $s\,\chi^2_k/k$, so the mean of the projected kernel is
$(1+2s/k)^{-k/2}$, exactly. The experiments project vectors; the formula is used only as the prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.dp_similarities import features

Errors = Float[np.ndarray, "draws columns"]
Kind = Literal["gaussian", "coordinates", "orthogonal"]
ONES = 4
"""Coordinates in which a pair of sparse points differs."""
NOISES = 6
"""Draws of noise over which the error of one set of features is averaged."""


def projection(kind: Kind, d: int, k: int, rng: np.random.Generator) -> Float[np.ndarray, "d k"]:
    """A projection that keeps squared lengths on average: Gaussian, orthogonal, or a random choice of coordinates."""
    if kind == "gaussian":
        return features.draw_projection(d, k, rng)
    if kind == "orthogonal":
        return np.linalg.qr(rng.standard_normal((d, k)))[0] * np.sqrt(d / k)
    chosen = np.zeros((d, k))
    chosen[rng.permutation(d)[:k], np.arange(k)] = np.sqrt(d / k)
    return chosen


def differences(squares: Float[np.ndarray, " pairs"], d: int, rng: np.random.Generator, *, sparse: bool) -> np.ndarray:
    """Differences of pairs at these squared distances, dense or in `ONES` coordinates, (pairs, d)."""
    v = rng.standard_normal((len(squares), d))
    if sparse:
        v *= np.argsort(rng.random(v.shape), axis=1) < ONES
    return v * (np.sqrt(squares) / np.linalg.norm(v, axis=1))[:, None]


def pair_errors(
    d: int, k: int, pairs: int, draws: int, seed: int, *, kind: Kind = "gaussian", sparse: bool = False
) -> Float[np.ndarray, " draws"]:
    r"""Mean of $|f(Gx,Gy)-f(x,y)|$ over pairs with s from 0.2 to 4, one value a draw of G."""
    rng = np.random.default_rng([seed, 20, d, k])
    s = np.linspace(0.2, 4.0, pairs)
    v = differences(s, d, rng, sparse=sparse)
    found = []
    for _ in range(draws):
        z = ((v @ projection(kind, d, k, rng)) ** 2).sum(axis=1)
        found.append(np.abs(np.exp(-z) - np.exp(-s)).mean())
    return np.asarray(found)


@on_one_thread
def table(
    dimensions: Sequence[int],
    projections: Sequence[int],
    pairs: int,
    draws: int,
    seed: int,
    *,
    kind: Kind = "gaussian",
    sparse: bool = False,
) -> Float[np.ndarray, "dimensions draws projections"]:
    """`pair_errors` for every dimension and every k."""
    rows = [
        [pair_errors(d, k, pairs, draws, seed, kind=kind, sparse=sparse) for k in projections]
        for d in progress.track(dimensions, "Projected pairs")
    ]
    return np.asarray(rows).transpose(0, 2, 1)


def ratio(a: Float[np.ndarray, " draws"], b: Float[np.ndarray, " draws"], *, paired: bool = False) -> Estimate:
    """Mean of a over mean of b, bootstrap over draws."""
    return statistics.bootstrap((a, b), lambda u, v, axis: u.mean(axis=axis) / v.mean(axis=axis), paired=paired)


@on_one_thread
def by_points(sizes: Sequence[int], d: int, k: int, draws: int, seed: int) -> tuple[Errors, Errors]:
    """Mean and largest error over the first n points of a cloud around five queries, one row a draw of G."""
    rng = np.random.default_rng([seed, 21])
    x, y = features.cloud(max(sizes), d, rng), features.cloud(5, d, rng)
    s = ((x[:, None] - y) ** 2).sum(axis=2)
    order = np.argsort(rng.random(len(x)))
    means, largest = [], []
    for _ in range(draws):
        g = features.draw_projection(d, k, rng)
        u, w = x @ g, y @ g
        z = (u**2).sum(axis=1)[:, None] + (w**2).sum(axis=1) - 2.0 * u @ w.T
        error = np.abs(np.exp(-z) - np.exp(-s))[order]
        means.append([error[:n].mean() for n in sizes])
        largest.append([error[:n].max() for n in sizes])
    return np.asarray(means), np.asarray(largest)


def predicted_bias(squares: np.ndarray, k: int) -> np.ndarray:
    r"""$(1+2s/k)^{-k/2}-e^{-s}$."""
    return (1.0 + 2.0 * squares / k) ** (-k / 2.0) - np.exp(-squares)


def bias_ratio(d: int, k: int, pairs: int, draws: int, seed: int, *, kind: Kind = "gaussian") -> Estimate:
    """Measured over predicted bias of the projected kernel, over pairs with s from 0.5 to 3."""
    rng = np.random.default_rng([seed, 22])
    s = np.linspace(0.5, 3.0, pairs)
    v = differences(s, d, rng, sparse=False)
    found = []
    for _ in range(draws):
        z = ((v @ projection(kind, d, k, rng)) ** 2).sum(axis=1)
        found.append((np.exp(-z) - np.exp(-s)).sum() / predicted_bias(s, k).sum())
    return statistics.mean(found)


def growth_with_distance(k: int, draws: int, seed: int, *, kernel: bool = True, far: float = 100.0) -> Estimate:
    """Mean error at squared distance `far` over that at 1; without `kernel`, of the squared distance itself."""
    rng = np.random.default_rng([seed, 23])
    columns = []
    for s in (far, 1.0):
        v = differences(np.full(40, s), 64, rng, sparse=False)
        z = np.stack([((v @ features.draw_projection(64, k, rng)) ** 2).sum(axis=1) for _ in range(draws)])
        columns.append((np.abs(np.exp(-z) - np.exp(-s)) if kernel else np.abs(z - s)).mean(axis=1))
    return ratio(columns[0], columns[1])


def pair_checks(
    ambient: Sequence[int],
    projections: Sequence[int],
    cloud_sizes: Sequence[int],
    table_of_all: Float[np.ndarray, "dimensions draws projections"],
    draws: int,
    pairs: int,
    seed: int,
) -> dict[str, tuple[Estimate, Estimate]]:
    """The checks on pairs, by name: what is measured and its control."""
    d, k = ambient[-1], projections[1]
    sparse = table((ambient[0], d), projections[:2], pairs, draws, seed, kind="coordinates", sparse=True)
    means, largest = by_points(cloud_sizes, ambient[0], k, 3 * draws, seed)
    return {
        "dimension": (ratio(table_of_all[-1, :, 1], table_of_all[0, :, 1]), ratio(sparse[1, :, 1], sparse[0, :, 1])),
        "points": (
            ratio(means[:, -1], means[:, 0], paired=True),
            ratio(largest[:, -1], largest[:, 0], paired=True),
        ),
        "bias": (
            bias_ratio(64, 32, 200, 60 * draws, seed),
            bias_ratio(64, 32, 200, 60 * draws, seed, kind="orthogonal"),
        ),
        "far points": (growth_with_distance(k, draws, seed), growth_with_distance(k, draws, seed, kernel=False)),
    }


@dataclass(frozen=True)
class MeanErrors:
    """Mean absolute errors of private kernel means over queries, one value a release."""

    k: tuple[int | None, ...]
    errors: Errors


@on_one_thread
def private_means(
    n: int, d: int, number: int, epsilon: float, projections: Sequence[int | None], releases: int, seed: int
) -> MeanErrors:
    """Release kernel means with and without projection (None) and compare with exact kernel means."""
    rng = np.random.default_rng([seed, 24])
    x, y = features.cloud(n, d, rng), features.cloud(40, d, rng)
    truth = features.exact_means(x, y)
    rows = []
    for _ in progress.track(range(releases), "Private kernel means"):
        row = []
        for k in projections:
            structures = features.release(x, number, epsilon, rng, k=k, times=NOISES)
            answers = structures[0].map(y) @ np.stack([s.means for s in structures], axis=1)
            row.append(np.abs(answers - truth[:, None]).mean())
        rows.append(row)
    return MeanErrors(tuple(projections), np.asarray(rows))
