"""C1: the machine on overlaps, exact and measured, beside classical baselines; and the same on ordinary data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.datasets import make_circles

from reprise import datasets, progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.quantum_kernels import feature_map, labels, machines, shots
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled

BASELINES = ("Gaussian kernel", "product states", "logistic regression")
NOISE, FACTOR = 0.15, 0.5
"""Of the two circles: noise of the points, radius of the inner one."""
PERMUTATIONS = 5
"""Permutations of the training labels of each data set."""
COMPONENTS = 4
"""Principal components of a table of measurements, one a qubit."""
Scores = Float[np.ndarray, " sets"]


class Compared(NamedTuple):
    """Test accuracies, one value a data set or split.

    Attributes:
        name: of the data.
        quantum: the quantum kernel.
        baselines: each baseline.
        unscaled: the quantum kernel with inputs over the full turn and a hard margin, whatever cross-validation says.
    """

    name: str
    quantum: Scores
    baselines: dict[str, Scores]
    unscaled: Scores

    def margin(self) -> Estimate:
        """Accuracy less that of the baseline with the best mean."""
        best = max(self.baselines.values(), key=lambda values: float(values.mean()))
        return statistics.paired_difference(self.quantum, best)


class KernelResults(NamedTuple):
    """Test accuracies on artificial data sets.

    Attributes:
        exact: with exact overlaps.
        measured: with overlaps from shots.
        permuted: with exact overlaps and permuted training labels.
        another: with overlaps from shots, tested on the labels of another hidden measurement.
        compared: beside the baselines.
    """

    exact: Scores
    measured: Scores
    permuted: Scores
    another: Scores
    compared: Compared


def grams(data: Labelled, *, entangled: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Exact kernel among training points, and of test with training points."""
    train, test = (feature_map.states(x, entangled=entangled) for x in (data.x, data.x_test))
    return feature_map.overlaps(train, train), feature_map.overlaps(test, train)


@on_one_thread
def on_artificial(sets: Sequence[Labelled], kernel_shots: int, *, seed: int) -> KernelResults:
    """The machine on every data set, its controls and the baselines."""
    found: dict[str, list[float]] = {k: [] for k in ("exact", "measured", "permuted", "another", *BASELINES)}
    for i, data in enumerate(progress.track(sets, "Machines on artificial data")):
        rng = np.random.default_rng([seed, 11, i])
        gram, rows = grams(data)
        noisy = shots.clipped(shots.measured_gram(gram, kernel_shots, rng))
        noisy_rows = shots.measured(rows, kernel_shots, rng)
        other = labels.scores(data.x_test, sets[(i + 1) % len(sets)].hidden) >= 0.0
        found["exact"].append(machines.accuracy(gram, data.y, rows, data.y_test))
        found["measured"].append(machines.accuracy(noisy, data.y, noisy_rows, data.y_test))
        mixed = [machines.accuracy(gram, rng.permutation(data.y), rows, data.y_test) for _ in range(PERMUTATIONS)]
        found["permuted"].append(float(np.mean(mixed)))
        found["another"].append(machines.accuracy(noisy, data.y, noisy_rows, np.where(other, 1.0, -1.0)))
        for name, score in zip(BASELINES, _baselines(data, seed), strict=True):
            found[name].append(score)
    arrays = {name: np.array(values) for name, values in found.items()}
    others = {name: arrays[name] for name in BASELINES}
    compared = Compared("artificial data", arrays["exact"], others, arrays["exact"])
    return KernelResults(arrays["exact"], arrays["measured"], arrays["permuted"], arrays["another"], compared)


def _baselines(data: Labelled, seed: int, scales: Sequence[float] = (1.0,)) -> list[float]:
    product = machines.Chosen(machines.scaled(feature_map.product_kernel, scales))
    fitted = [
        machines.gaussian(data.x, data.y, seed),
        product.fit(data.x, data.y, seed),
        machines.logistic(data.x, data.y, seed),
    ]
    return [float(model.score(data.x_test, data.y_test)) for model in fitted]


def ordinary_split(name: str, per_label: int, seed: int) -> Labelled:
    """Circles or a table of measurements on the full turn, as many training points of each label, all others to test.

    A table is reduced to its leading principal components, found on the training points alone.
    """
    rng = np.random.default_rng([seed, 12])
    if name == "circles":
        x, y = make_circles(1000, noise=NOISE, factor=FACTOR, random_state=int(rng.integers(2**31)))
    else:
        data = datasets.load(name, scale=None, n_train=None, train_fraction=0.5, split=0)
        x, y = np.concatenate([data.x, data.x_test]), np.concatenate([data.y, data.y_test])
    order = rng.permutation(len(x))
    x, y = x[order], np.where(y[order] == 1, 1.0, -1.0)
    train = np.concatenate([np.flatnonzero(y == sign)[:per_label] for sign in (1.0, -1.0)])
    test = np.setdiff1d(np.arange(len(y)), train)
    if x.shape[1] > COMPONENTS:
        x = _components(x, train)
    low, high = x[train].min(axis=0), x[train].max(axis=0)
    turned = 2.0 * np.pi * np.clip((x - low) / (high - low), 0.0, 1.0)
    return Labelled(np.eye(2), turned[train], y[train], turned[test], y[test], 1.0)


def _components(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    scaled = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    _, _, directions = np.linalg.svd(scaled[train], full_matrices=False)
    return np.asarray(scaled @ directions[:COMPONENTS].T)


@on_one_thread
def on_ordinary(names: Sequence[str], splits: int, per_label: int, *, seed: int) -> list[Compared]:
    """The same comparison where nobody made the data for the kernel; the kernel chooses its scale and penalty too."""
    compared = []
    for name in names:
        quantum, unscaled, others = [], [], []
        for i in progress.track(range(splits), f"Machines on {name}"):
            data = ordinary_split(name, per_label, seed + 1000 * i)
            machine = machines.Chosen(machines.scaled(feature_map.kernel)).fit(data.x, data.y, seed)
            quantum.append(machine.score(data.x_test, data.y_test))
            gram, rows = grams(data)
            unscaled.append(machines.accuracy(gram, data.y, rows, data.y_test))
            others.append(_baselines(data, seed, machines.SCALES))
        columns = dict(zip(BASELINES, np.array(others).T, strict=True))
        compared.append(Compared(name, np.array(quantum), columns, np.array(unscaled)))
    return compared


def best_margin(compared: Sequence[Compared]) -> Estimate:
    """The margin over the best baseline, on the data set where it is largest."""
    return max((c.margin() for c in compared), key=lambda e: float(np.asarray(e.value)))


@on_one_thread
def larger(qubits: Sequence[int], sets: int, per_label: int, test_per_label: int, *, seed: int) -> str:
    """Accuracies with more qubits and more points, as a table."""
    lines = ["| qubits | dimensions | training points | mean accuracy | lowest |", "|---|---|---|---|---|"]
    for n in qubits:
        for points in (per_label, 4 * per_label):
            scores = []
            for data in labels.many(n, sets, points, test_per_label, seed=[seed, 13, n, points]):
                gram, rows = grams(data)
                scores.append(machines.accuracy(gram, data.y, rows, data.y_test))
            lines.append(f"| {n} | {4**n} | {2 * points} | {np.mean(scores):.3f} | {np.min(scores):.3f} |")
    return "\n".join(lines)


def reading(results: KernelResults, ordinary: Sequence[Compared]) -> str:
    """Mean accuracies of all machines, as a table, and the spread over hidden measurements."""
    lines = [f"| data | quantum kernel | on the full turn | {' | '.join(BASELINES)} |", "|---|---|---|---|---|---|"]
    for c in (results.compared, *ordinary):
        others = " | ".join(f"{c.baselines[b].mean():.3f}" for b in BASELINES)
        lines.append(f"| {c.name} | {c.quantum.mean():.3f} | {c.unscaled.mean():.3f} | {others} |")
    low = np.sort(results.exact)[:3]
    lines += ["", f"The lowest accuracies of single hidden measurements are {', '.join(f'{v:.3f}' for v in low)}."]
    return "\n".join(lines)


def mean(values: Scores) -> Estimate:
    """Mean over data sets with a bootstrap interval: accuracies near one are skewed."""
    return statistics.mean(values, method="bootstrap")
