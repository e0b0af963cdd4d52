"""Claim C4: the closed form of a fully bundled network against gradient descent and against backpropagation."""

import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.neural_network import MLPRegressor

from reprise import datasets, progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.snnk import bundles

DEPTH = 2
"""Hidden layers of both networks."""
RIDGES = tuple(10.0**p for p in np.arange(-6.0, 3.5, 0.5))
DECAYS = (1e-4, 1e-1, 1.0)
RATES = (1e-3, 1e-2)
"""Weight decays and learning rates of the network trained by backpropagation."""
WIDTH, FEW = 100, 8


class Table(NamedTuple):
    """Training, validation and test part: standardised inputs, and targets as columns, centred on the training part."""

    x: list[Float[np.ndarray, "n d"]]
    y: list[Float[np.ndarray, "n o"]]


def load_table(name: str, *, seed: int = 0) -> Table:
    """One split of a problem: 60 % to train, 20 % to validate, 20 % to test; digits as ten columns of 0 and 1.

    Raises:
        ValueError: an unknown name.
    """
    if name == "friedman1":
        x, y = make_friedman1(600, 10, noise=1.0, random_state=seed)
    elif name in ("diabetes", "digits"):
        options: dict[str, Any] = {"one_hot": True} if name == "digits" else {}
        data = datasets.load(name, train_fraction=1.0, split=seed, **options)
        x, y = np.asarray(data.x, dtype=np.float64), np.asarray(data.y, dtype=np.float64)
    else:
        raise ValueError(f"table: diabetes, friedman1 or digits, not {name!r}")
    y = y.reshape(len(x), -1)
    ends = [round(share * len(x)) for share in (0.6, 0.8)]
    xs, ys = np.split(x, ends), np.split(y, ends)
    mean, spread = xs[0].mean(axis=0), xs[0].std(axis=0)
    centre, unit = ys[0].mean(axis=0), ys[0].std()
    spread = np.where(spread > 1e-9, spread, 1.0)
    return Table([(v - mean) / spread for v in xs], [(v - centre) / unit for v in ys])


class Errors(NamedTuple):
    """Mean squared test errors, (seeds,) each, and seconds of fit and choice, medians over seeds.

    Attributes:
        name: of the problem.
        sizes: numbers of features of the bundled network.
        bundled: (seeds, sizes).
        linear: of raw inputs.
        network: of backpropagation.
        limit: of infinitely many features, by their kernel.
        kernel: of kernel ridge regression with a Gaussian kernel, by scikit-learn.
        seconds: of the largest bundled network and of backpropagation.
    """

    name: str
    sizes: tuple[int, ...]
    bundled: Float[np.ndarray, "seeds sizes"]
    linear: Float[np.ndarray, " seeds"]
    network: Float[np.ndarray, " seeds"]
    limit: Float[np.ndarray, " seeds"]
    kernel: Float[np.ndarray, " seeds"]
    seconds: tuple[float, float]


@on_one_thread
def compare(tables: Sequence[str], most: int, seeds: int, epochs: int, *, seed: int = 0) -> list[Errors]:
    """All methods on all problems; every choice is made on the validation part."""
    sizes = (FEW, *(s for s in (32, 128, 512) if s < most), most)
    found = []
    with progress.task("Bundled networks", len(tables) * seeds) as advance:
        for name in tables:
            rows: list[tuple[Any, ...]] = []
            for i in range(seeds):
                table = load_table(name, seed=1000 * seed + i)
                errors, took = [], 0.0
                for m in sizes:
                    begun = time.perf_counter()
                    errors.append(ridge_error(table, m, DEPTH, seed=1000 * seed + i))
                    took = time.perf_counter() - begun
                begun = time.perf_counter()
                network = network_error(table, epochs, seed=1000 * seed + i)
                clocked = (took, time.perf_counter() - begun)
                others = (ridge_error(table, 1, 0), network, limit_error(table), kernel_error(table))
                rows.append((errors, *others, clocked))
                advance(1)
            bundled, linear, other, limit, kernel, clock = (np.asarray(c) for c in zip(*rows, strict=True))
            middle = np.median(clock, axis=0)
            seconds = (float(middle[0]), float(middle[1]))
            found.append(Errors(name, sizes, bundled, linear, other, limit, kernel, seconds))
    return found


def ridge_error(table: Table, m: int, depth: int, *, seed: int = 0) -> float:
    """Test error of the closed form at the ridge that validates best."""
    z = bundles.features(np.concatenate(table.x), m, depth, seed=seed)
    return _of_gram(table, z @ z[: len(table.x[0])].T)


def limit_error(table: Table) -> float:
    """The same with infinitely many features."""
    return _of_gram(table, bundles.limit_gram(np.concatenate(table.x), DEPTH)[:, : len(table.x[0])])


def _of_gram(table: Table, gram: Float[np.ndarray, "all n"]) -> float:
    n, v = len(table.x[0]), len(table.x[1])
    predictions = bundles.dual_path(gram[:n], table.y[0], gram[n:], RIDGES)
    best = int(np.argmin(((predictions[:, :v] - table.y[1]) ** 2).mean(axis=(1, 2))))
    return _error(predictions[best, v:], table.y[2])


def network_error(table: Table, epochs: int, *, seed: int = 0) -> float:
    """Test error of scikit-learn's network at the decay and rate that validate best; Adam, two hidden layers."""
    scores = []
    for decay in DECAYS:
        for rate in RATES:
            net = MLPRegressor(
                hidden_layer_sizes=(WIDTH,) * DEPTH, alpha=decay, learning_rate_init=rate, max_iter=epochs, batch_size=64,
                random_state=seed, n_iter_no_change=20,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is part of the budget
                net.fit(table.x[0], table.y[0] if table.y[0].shape[1] > 1 else table.y[0].ravel())
            scores.append(tuple(_error(net.predict(x), y) for x, y in zip(table.x[1:], table.y[1:], strict=True)))
    return min(scores)[1]


def kernel_error(table: Table) -> float:
    """Test error of kernel ridge regression with a Gaussian kernel at the bandwidth and ridge that validate best."""
    scores = []
    for gamma in (0.01, 0.1, 1.0):
        for ridge in (1e-3, 1e-1, 1.0, 10.0):
            model = KernelRidge(alpha=ridge, kernel="rbf", gamma=gamma / table.x[0].shape[1]).fit(
                table.x[0], table.y[0]
            )
            scores.append(tuple(_error(model.predict(x), y) for x, y in zip(table.x[1:], table.y[1:], strict=True)))
    return min(scores)[1]


def _error(predicted: np.ndarray, target: np.ndarray) -> float:
    return float(((predicted.reshape(target.shape) - target) ** 2).mean())


def worst_ratio(found: Sequence[Errors], which: str) -> Estimate:
    """Error over that of backpropagation, ratio of means over seeds, on the problem where it is largest.

    Args:
        found: of `compare`.
        which: "bundled" (most features), "few" (eight features) or "linear" (raw inputs).
    """

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return float(a.mean() / b.mean())

    def pick(e: Errors) -> Float[np.ndarray, " seeds"]:
        return {"bundled": e.bundled[:, -1], "few": e.bundled[:, 0], "linear": e.linear}[which]

    estimates = [statistics.bootstrap((pick(e), e.network), ratio) for e in found]
    return max(estimates, key=lambda e: float(np.asarray(e.value)))


class Gap(NamedTuple):
    """Excess of descent's losses over a closed form, relative: curves of both kinds of descent, and of a wrong optimum."""

    name: str
    plain: Float[np.ndarray, " steps"]
    accelerated: Float[np.ndarray, " steps"]
    wrong: Float[np.ndarray, " steps"]


@on_one_thread
def gaps(tables: Sequence[str], m: int, steps: int, *, seed: int = 0) -> list[Gap]:
    """Descent and the closed form on the same features; the ridge is a thousandth of the number of points.

    `wrong` is the excess of accelerated descent over the loss at the optimum of twice the ridge.
    """
    found = []
    for name in progress.track(tables, "Gradient descent"):
        table = load_table(name, seed=1000 * seed)
        z, y = bundles.features(table.x[0], m, DEPTH, seed=seed), table.y[0]
        ridge = 1e-3 * len(z)
        best, wrong = (bundles.loss(bundles.closed_form(z, y, c * ridge), z, y, ridge) for c in (1.0, 2.0))
        descent = bundles.descend(z, y, ridge, steps)
        found.append(
            Gap(name, descent.plain / best - 1, descent.accelerated / best - 1, descent.accelerated / wrong - 1)
        )
    return found


def final_gap(found: Sequence[Gap], *, wrong: bool = False) -> Estimate:
    """Relative excess at the last step of accelerated descent, on the problem where it is farthest from 0."""
    ends = [float((g.wrong if wrong else g.accelerated)[-1]) for g in found]
    return Estimate.exact(max(ends, key=abs), 1e-12, n=len(ends))


def smallest_gap(found: Sequence[Gap], *, wrong: bool = False) -> Estimate:
    """Smallest relative excess over all steps, problems and both kinds of descent."""
    curves = [c for g in found for c in ([g.wrong] if wrong else [g.plain, g.accelerated])]
    return Estimate.exact(float(min(c.min() for c in curves)), 1e-12, n=len(curves))


def table(found: Sequence[Errors]) -> str:
    """Mean test errors of all methods and their seconds, as Markdown."""
    head = [
        "problem",
        "raw inputs",
        *(f"m = {m}" for m in found[0].sizes),
        "infinitely many",
        "Gaussian kernel",
        "network",
    ]
    lines = [f"| {' | '.join(head)} | seconds, closed form | seconds, network |", "|---" * (len(head) + 2) + "|"]
    for e in found:
        values = [
            e.linear.mean(),
            *e.bundled.mean(axis=0),
            e.limit.mean(),
            e.kernel.mean(),
            e.network.mean(),
            *e.seconds,
        ]
        lines.append(f"| {e.name} | " + " | ".join(f"{v:.3g}" for v in values) + " |")
    return "\n".join(lines)
