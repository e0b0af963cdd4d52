"""C5: what depth does to classification, and what to regression, with one kernel on the same points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import tasks

DIMENSION = 2


class Depths(NamedTuple):
    r"""One kernel at growing depth.

    Attributes:
        depths: numbers of hidden layers.
        excess: excess risk of the sign, (sets, depths).
        mse: mean squared error against the labels, (sets, depths), in expectation over test labels.
        explained: share of the labels' variance that the best multiple of the prediction explains, over that of the
            Bayes regression $2\eta-1$, (sets, depths).
    """

    depths: tuple[int, ...]
    excess: Float[np.ndarray, "sets depths"]
    mse: Float[np.ndarray, "sets depths"]
    explained: Float[np.ndarray, "sets depths"]


def predict(net: cl.Network, given: cl.Pairs, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Values, not only signs, of the interpolating network at the test points."""
    values = deep.table(*net)
    gram = np.exp(np.asarray(deep.log_kernel(values, given.train)) - values.offset - values.diagonal)
    np.fill_diagonal(gram, 1.0)
    cross = np.exp(np.asarray(deep.log_kernel(values, given.test)) - values.offset - values.diagonal)
    return np.asarray(cross @ cl.interpolation(gram, y))


@on_one_thread
def over_depths(
    activation: ac.Activation,
    depths: Sequence[int],
    *,
    n: int,
    tests: int,
    sets: int,
    seed: int,
    kind: deep.Kind = "nngp",
) -> Depths:
    """Interpolate noisy labels by networks of growing depth; other activations get the same points."""
    rows = []
    for i in progress.track(range(sets), f"Depth, {activation.name}"):
        train, test, given = _problem(n, tests, seed, i)
        rows.append([_quality(predict(cl.Network(activation, d, kind), given, train.y), test) for d in depths])
    table = np.array(rows)
    return Depths(tuple(depths), *(table[..., k] for k in range(3)))


@on_one_thread
def tuned(activation: ac.Activation, *, n: int, tests: int, sets: int, seed: int) -> dict[str, Depths]:
    """Baselines: the kernel of one hidden layer with a tuned ridge, and k-nearest-neighbour regression with tuned k.

    Both choose among eight values by five-fold cross-validation of the squared error on the training points.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {
        "one hidden layer, tuned ridge": [],
        "k nearest neighbours": [],
    }
    for i in range(sets):
        train, test, given = _problem(n, tests, seed, i)
        values = deep.table(activation, 1, "nngp")
        gram, cross = (np.exp(np.asarray(deep.log_kernel(values, t)) - values.offset) for t in given)
        np.fill_diagonal(gram, 1.0)
        ridge = GridSearchCV(KernelRidge(kernel="precomputed"), {"alpha": list(10.0 ** np.arange(-4, 4))}, cv=5)
        near = GridSearchCV(
            KNeighborsRegressor(), {"n_neighbors": sorted({int(v) for v in np.geomspace(1, n / 8, 8)})}, cv=5
        )
        rows["one hidden layer, tuned ridge"].append(_quality(ridge.fit(gram, train.y).predict(cross), test))
        rows["k nearest neighbours"].append(_quality(near.fit(train.x, train.y).predict(test.x), test))
    return {k: Depths((1,), *(np.array(v)[:, None, j] for j in range(3))) for k, v in rows.items()}


def _problem(n: int, tests: int, seed: int, i: int) -> tuple[tasks.Sample, tasks.Sample, cl.Pairs]:
    rng = tasks.stream(seed, "regression", i)
    train, test = tasks.draw(DIMENSION, n, rng), tasks.draw(DIMENSION, tests, rng)
    return train, test, cl.pairs(train.x, test.x)


def _quality(f: Float[np.ndarray, " m"], test: tasks.Sample) -> tuple[float, float, float]:
    """Excess risk, squared error and explained share, all in expectation over the test labels."""
    mean = 2 * test.eta - 1
    mse = float((1 - 2 * f * mean + f * f).mean())
    size = float((f * f).mean())
    # The best multiple of f explains (E yf)^2/E f^2 of E y^2 = 1; the Bayes regression explains E (2 eta - 1)^2.
    explained = float((f * mean).mean()) ** 2 / size / float((mean * mean).mean()) if size > 0 else 0.0
    return float(tasks.excess(np.where(f >= 0, 1.0, -1.0), test)), mse, explained


def from_best(table: Float[np.ndarray, "sets depths"], *, typical: bool = False) -> Estimate:
    """Value at the greatest depth less that at the best depth, mean over sets.

    The best depth is chosen on one half of the sets and measured on the other, so that luck at the choice does not count.
    With ``typical`` it is chosen and measured by medians, as heavy tails ask for: next to the depth at which the rank of
    the kernel passes the number of points a mean squared error is that of the single worst set.
    """
    return _over_sets(np.concatenate([new[:, -1] - new[:, best] for new, best in _halves(table, typical)]), typical)


def at_best(found: Depths) -> Estimate:
    """Squared error at the depth that is best for it, chosen and measured by medians as in `from_best`."""
    return _over_sets(np.concatenate([new[:, best] for new, best in _halves(found.mse, True)]), True)


def squared_error(found: Depths, place: int = -1) -> Estimate:
    r"""Squared error over $E[y^2]=1$ at one depth, median over sets."""
    return _over_sets(found.mse[:, place], True)


def _halves(
    table: Float[np.ndarray, "sets depths"], typical: bool
) -> list[tuple[Float[np.ndarray, "half depths"], int]]:
    """Each half of the sets with the depth that is best on the other half."""
    half, middle = len(table) // 2, np.median if typical else np.mean
    parts = ((table[:half], table[half:]), (table[half:], table[:half]))
    return [(new, int(np.argmin(middle(old, axis=0)))) for old, new in parts]


def _over_sets(values: Float[np.ndarray, " sets"], typical: bool) -> Estimate:
    return statistics.bootstrap(values, np.median) if typical else statistics.mean(values)


def explained(found: Depths) -> Estimate:
    """Explained share after the best rescaling, at the greatest depth."""
    return statistics.mean(found.explained[:, -1])
