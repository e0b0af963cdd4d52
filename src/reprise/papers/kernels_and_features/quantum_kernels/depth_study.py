"""C2: trained circuits of growing depth on artificial data, with their controls; the ceiling of all of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import spearmanr
from sklearn.svm import SVC

from reprise import statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.quantum_kernels import feature_map, machines, training
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled
from reprise.papers.kernels_and_features.quantum_kernels.training import Runs

PRODUCT = "product states"
SHUFFLES = 20
Series = int | str
Table = Float[np.ndarray, "sets starts"]


def local(depth: int) -> Series:
    """The series of circuits without entangling gates; with no layers there are none anyway."""
    return f"{depth} layers, no entangling gates" if depth else 0


class Depths(NamedTuple):
    """Success and costs of all runs of one optimiser: by depth, on product states, and without CZ gates."""

    success: dict[Series, Table]
    costs: dict[Series, Float[np.ndarray, "sets starts steps"]]

    @property
    def depths(self) -> list[int]:
        """The depths, increasing."""
        return sorted(key for key in self.success if isinstance(key, int))

    def per_set(self, series: Series) -> Float[np.ndarray, " sets"]:
        """Success on each data set, mean over starts."""
        return np.asarray(self.success[series].mean(axis=1))


def arrange(sets: Sequence[Labelled], depths: Sequence[int], starts: int) -> tuple[Runs, list[Series]]:
    """All runs side by side: series, then data sets, then starts."""
    series: list[Series] = [*depths, PRODUCT, local(depths[1]), local(depths[-1])]
    points = {name: np.stack([getattr(s, name) for s in sets]) for name in ("x", "x_test", "y", "y_test")}
    encoded = {
        (name, entangled): feature_map.states(points[name], entangled=entangled)
        for name in ("x", "x_test")
        for entangled in (True, False)
    }

    def spread(name: str) -> np.ndarray:
        blocks = [encoded[name, s != PRODUCT] if name in ("x", "x_test") else points[name] for s in series]
        return np.concatenate([np.repeat(block, starts, axis=0) for block in blocks])

    each = len(sets) * starts
    layers = np.repeat([*depths, depths[-1], depths[1], depths[-1]], each)
    entangled = np.repeat([isinstance(s, int) or s == PRODUCT for s in series], each)
    return Runs(layers, entangled, spread("x"), spread("y"), spread("x_test"), spread("y_test")), series


def train(
    sets: Sequence[Labelled],
    depths: Sequence[int],
    starts: int,
    steps: int,
    shots: int,
    *,
    seed: int,
    exact: bool = False,
) -> Depths:
    """Train every circuit on every data set from every start, by SPSA on shots or by Adam on exact gradients.

    Raises:
        ValueError: the depths do not begin with 0 or do not increase.
    """
    if depths[0] != 0 or list(depths) != sorted(set(depths)):
        raise ValueError(f"depths: an increasing list that begins with 0 is expected, not {list(depths)}")
    runs, series = arrange(sets, depths, starts)
    rng = np.random.default_rng([seed, 21, int(exact)])
    found = (training.by_adam if exact else training.by_spsa)(runs, steps, shots, rng)
    shape = (len(series), len(sets), starts)
    success = dict(zip(series, found.success.reshape(shape), strict=True))
    costs = dict(zip(series, found.costs.reshape(*shape, -1), strict=True))
    return Depths(success, costs)


def gain(found: Depths, *, entangled: bool = True) -> Estimate:
    """Success with the most layers less that with none; without entangling gates, less that with one."""
    last = found.depths[-1]
    pair: tuple[Series, Series] = (last, 0) if entangled else (local(last), local(found.depths[1]))
    return statistics.paired_difference(found.per_set(pair[0]), found.per_set(pair[1]))


def deepest(found: Depths, *, product: bool = False) -> Estimate:
    """Success with the most layers, on entangled or on product states."""
    return statistics.mean(found.per_set(PRODUCT if product else found.depths[-1]), method="bootstrap")


def without(found: Depths, series: Series) -> Estimate:
    """Success with the most layers less that of a series in which something has been taken away."""
    return statistics.paired_difference(found.per_set(found.depths[-1]), found.per_set(series))


def against_itself(found: Depths) -> Estimate:
    """Success with the most layers, one half of the starts less the other: nothing has been taken away."""
    whole = found.success[found.depths[-1]]
    half = whole.shape[1] // 2
    return statistics.paired_difference(whole[:, :half].mean(axis=1), whole[:, -half:].mean(axis=1))


def trend(found: Depths, *, shuffled: bool = False) -> Estimate:
    """Spearman correlation of success with depth, mean over data sets; 0 where success is the same at all depths.

    With `shuffled` the depths of each data set are exchanged at random, `SHUFFLES` times.
    """
    table = np.stack([found.per_set(d) for d in found.depths], axis=1)
    if not shuffled:
        return statistics.mean([_spearman(row) for row in table])
    rng = np.random.default_rng(22)
    return statistics.mean([np.mean([_spearman(rng.permutation(row)) for _ in range(SHUFFLES)]) for row in table])


def _spearman(row: np.ndarray) -> float:
    if np.ptp(row) == 0.0:
        return 0.0
    return float(spearmanr(np.arange(len(row)), row).statistic)


@on_one_thread
def ceiling(sets: Sequence[Labelled]) -> Float[np.ndarray, " sets"]:
    """Test accuracy of a linear machine on the Pauli coefficients, which no circuit can restrict."""
    scores = []
    for data in sets:
        train, test = (feature_map.pauli_features(feature_map.states(x)) for x in (data.x, data.x_test))
        machine = SVC(C=machines.HARD, kernel="linear").fit(train, data.y)
        scores.append(float(machine.score(test, data.y_test)))
    return np.array(scores)


def reading(spsa: Depths, adam: Depths) -> str:
    """Mean success of all circuits under both optimisers, as a table."""
    lines = ["| circuit | SPSA | Adam |", "|---|---|---|"]
    for series in spsa.success:
        name = f"{series} layers" if isinstance(series, int) else str(series)
        if series == PRODUCT:
            name = f"{spsa.depths[-1]} layers, {PRODUCT}"
        lines.append(f"| {name} | {spsa.per_set(series).mean():.3f} | {adam.per_set(series).mean():.3f} |")
    return "\n".join(lines)
