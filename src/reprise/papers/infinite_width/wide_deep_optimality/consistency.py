r"""C3: does the excess risk of the deep limit vanish as the training set grows, and only with $\alpha=d/2$?"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import tasks
from reprise.papers.infinite_width.wide_deep_optimality.evidence import extreme

SCALES = (0.5, 1.0, 2.0)
r"""Orders of the pole in units of $d/2$: too weak, right, too strong."""
NETWORKS = ("α = d/4", "α = d/2", "α = d")
RULES = (*NETWORKS, "Hilbert estimate", "1-nearest neighbour", "majority")
RIVALS = ("α = d/4", "α = d", "1-nearest neighbour", "majority")
LABELS = ("drawn", "noise-free", "coin")
"""Labels of training points: by the truth, by the Bayes rule, or by a fair coin, when there is nothing to learn. Labels that are
only shuffled would leave the majority to be learnt."""
BLOCK, NODES = 250, 2000
"""Test points at a time; nodes of the quadrature that stands for infinitely many training points."""


class Curves(NamedTuple):
    """Excess risks in one dimension.

    Attributes:
        dimension: intrinsic dimension d.
        sizes: numbers of training points.
        excess: rule -> (training sets, sizes, labels), labels in the order of `LABELS`.
        bayes: error of the Bayes rule, (sets,).
        limits: predicted excess risk at infinitely many points: "α = d", "1-nearest neighbour", and for d = 1 "α = d/4";
            each (sets,).
        tuned: baselines with tuned parameters at the largest size: name -> (some sets,).
    """

    dimension: int
    sizes: tuple[int, ...]
    excess: dict[str, Float[np.ndarray, "sets sizes labels"]]
    bayes: Float[np.ndarray, " sets"]
    limits: dict[str, Float[np.ndarray, " sets"]]
    tuned: dict[str, Float[np.ndarray, " some"]]

    def at(self, rule: str, size: int = -1, labels: str = "drawn") -> Float[np.ndarray, " sets"]:
        """Excess risks of a rule at one size, by its place in the list."""
        return np.asarray(self.excess[rule][:, size, LABELS.index(labels)])


def networks(dimension: int, depth: int) -> list[cl.Network]:
    r"""Deep networks with poles of order $d/4$, $d/2$ and $d$; the middle one is the paper's."""
    return [cl.Network(ac.pole(scale * dimension / 2), depth) for scale in SCALES]


@on_one_thread
def curves(dimension: int, sizes: Sequence[int], *, depth: int, tests: int, sets: int, tuned: int, seed: int) -> Curves:
    """Excess risks of all rules on nested training sets, for drawn, noise-free and coin labels.

    Args:
        dimension: d.
        sizes: training points, increasing; each set holds the smaller ones.
        depth: hidden layers.
        tests: test points for each set.
        sets: independent training and test sets.
        tuned: how many of them are used for the tuned baselines.
        seed: of all draws.
    """
    nets = networks(dimension, depth)
    found: dict[str, list[np.ndarray]] = {rule: [] for rule in RULES}
    bayes, baselines = [], []
    limits: dict[str, list[float]] = {"α = d": [], "1-nearest neighbour": []}
    for i in progress.track(range(sets), f"Excess risk, d = {dimension}"):
        rng = tasks.stream(seed, f"consistency {dimension}", i)
        train, test = tasks.draw(dimension, sizes[-1], rng), tasks.draw(dimension, tests, rng)
        labels = _labels(train, sizes, rng)
        scores = predictions(nets, train.x, labels, test.x, dimension)
        near = _nearest(train.x, labels, sizes, test.x)
        for rule, values in zip(RULES, [*scores, near, _majority(labels, tests)], strict=True):
            found[rule].append(_excess(values, test, len(sizes)))
        bayes.append(tasks.bayes_error(test))
        limits["α = d"].append(tasks.limit_excess(test, 2.0))
        limits["1-nearest neighbour"].append(tasks.limit_excess(test, np.inf))
        if dimension == 1:
            limits.setdefault("α = d/4", []).append(float(tasks.excess(global_average(nets[0], test), test)))
        if i < tuned:
            baselines.append(_tuned(train, test))
    return Curves(
        dimension, tuple(sizes), {k: np.stack(v) for k, v in found.items()}, np.array(bayes),
        {k: np.array(v) for k, v in limits.items()},
        {k: np.array([b[k] for b in baselines]) for k in (baselines[0] if baselines else {})},
    )  # fmt: skip


def predictions(
    nets: Sequence[cl.Network], x: np.ndarray, labels: Float[np.ndarray, "n v"], x_test: np.ndarray, dimension: int
) -> Float[np.ndarray, "nets+1 m v"]:
    """Scores of deep networks and of the Hilbert estimate, for several labellings of the points.

    The networks must be so deep that their Gram matrix is the identity to rounding (`is_identity`), which makes
    interpolation a weighted vote.
    """
    for net in nets:
        if not is_identity(net, x):
            raise ValueError(f"{net.activation.name}: {net.depth} layers are too few for a diagonal Gram matrix")
    tables = [deep.table(*net).coefficients for net in nets]
    points, columns = jnp.asarray(x), jnp.asarray(labels)
    parts = [cl.votes(jnp.asarray(x_test[i : i + BLOCK]), points, columns, tables, dimension / 2) for i in range(0, len(x_test), BLOCK)]  # fmt: skip
    return np.concatenate(parts, axis=1)


def global_average(net: cl.Network, test: tasks.Sample) -> Float[np.ndarray, " m"]:
    r"""Predictions for $d=1$ of a vote in which every point of the population takes part: $\int(2\eta-1)\psi\,dP$ by quadrature."""
    nodes, mass = tasks.population(NODES)
    return _sign(predictions([net], nodes.x, (mass * (2 * nodes.eta - 1))[:, None], test.x, 1)[0, :, 0])


def is_identity(net: cl.Network, x: Float[np.ndarray, "n k"]) -> bool:
    """Whether the sum of a row of the Gram matrix is 1 to rounding: bounded by n times the kernel of the closest pair."""
    gaps, _ = cKDTree(x).query(x, k=2)
    log_t = np.log(-np.log1p(-0.5 * np.maximum(gaps[:, 1].min(), 1e-11) ** 2))
    values = deep.table(*net)
    largest = float(deep.log_kernel(values, np.array([log_t]))[0]) - values.offset - values.diagonal
    return bool(np.log(len(x)) + largest < np.log(1e-9))


def _labels(train: tasks.Sample, sizes: Sequence[int], rng: np.random.Generator) -> Float[np.ndarray, "n v"]:
    """One column for each size and kind of labels; points beyond the size have label 0."""
    kinds = (train.y, train.bayes, rng.choice([-1.0, 1.0], len(train.y)))
    taken = np.arange(len(train.y))[:, None] < np.asarray(sizes)
    return np.concatenate([kind[:, None] * taken for kind in kinds], axis=1)


def _nearest(x: np.ndarray, labels: np.ndarray, sizes: Sequence[int], x_test: np.ndarray) -> Float[np.ndarray, "m v"]:
    """The nearest point's label among those of each size."""
    rows = [cKDTree(x[:n]).query(x_test)[1] for n in sizes]
    return np.stack([labels[rows[v % len(sizes)], v] for v in range(labels.shape[1])], axis=1)


def _majority(labels: np.ndarray, tests: int) -> Float[np.ndarray, "m v"]:
    return np.tile(labels.sum(axis=0), (tests, 1))


def _sign(scores: np.ndarray) -> np.ndarray:
    return np.where(scores >= 0, 1.0, -1.0)


def _excess(scores: Float[np.ndarray, "m v"], test: tasks.Sample, sizes: int) -> Float[np.ndarray, "sizes labels"]:
    """Excess risks; where training labels have no noise, test labels have none either."""
    clean = test._replace(eta=(test.bayes + 1) / 2)
    parts = np.split(_sign(scores), len(LABELS), axis=1)
    assert parts[0].shape[1] == sizes
    return np.stack([tasks.excess(p, clean if name == "noise-free" else test) for p, name in zip(parts, LABELS, strict=True)], 1)  # fmt: skip


def _tuned(train: tasks.Sample, test: tasks.Sample) -> dict[str, float]:
    """Two methods with a parameter, chosen from six values on a quarter of the training points held out, fitted on all."""
    split = ShuffleSplit(1, test_size=0.25, random_state=0)
    k = sorted({int(v) for v in np.geomspace(1, len(train.y) / 8, 6)})
    # Width of the Gaussian, with the penalty fixed at scikit-learn's default.
    searches = {
        "k nearest neighbours": GridSearchCV(KNeighborsClassifier(), {"n_neighbors": k}, cv=split),
        "Gaussian SVM": GridSearchCV(SVC(), {"gamma": list(4.0 ** np.arange(-1, 5))}, cv=split),
    }
    return {
        name: float(tasks.excess(search.fit(train.x, train.y).predict(test.x), test))
        for name, search in searches.items()
    }


# -- what the card judges ----------------------------------------------------------------------------------------------


def fall(found: Curves, labels: str = "drawn") -> Estimate:
    r"""Mean excess risk of $\alpha=d/2$ at the largest size over that at the smallest, bootstrap over sets."""
    first, last = (found.at("α = d/2", size, labels) for size in (0, -1))
    return statistics.bootstrap((last, first), _quotient)


def lead(found: Curves, labels: str = "drawn") -> Estimate:
    r"""Least lead of $\alpha=d/2$ over its rivals at the largest size: their excess risk less its own."""
    own = found.at("α = d/2", labels=labels)
    return extreme(np.stack([found.at(r, labels=labels) - own for r in RIVALS], axis=1), "least")


def ranking(found: Curves, labels: str = "drawn") -> Estimate:
    r"""Excess risks of $\alpha=d/2$, 1-nearest neighbour and majority at the largest size, to be judged by their order.

    As shares of the majority's on the same test points, of which some samples happen to hold harder ones than others.
    """
    rules = ("α = d/2", "1-nearest neighbour", "majority")
    most = found.at("majority", labels=labels)
    return statistics.order(np.stack([found.at(r, labels=labels) / most for r in rules], axis=1), paired=True)


def plateau(found: Curves, rule: str, limit: str) -> Estimate:
    """Mean excess risk of a rule at the largest size over a predicted limit, bootstrap over sets."""
    return statistics.bootstrap((found.at(rule), found.limits[limit]), _quotient)


def _quotient(a: np.ndarray, b: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.asarray(np.mean(a, axis=axis) / np.mean(b, axis=axis))


def reading(found: Curves) -> str:
    """One sentence on where all rules stand at the largest size."""
    own = statistics.mean(found.at("α = d/2"))
    others = [f"{name} {statistics.mean(found.at(name))}" for name in (*RIVALS[:3], "Hilbert estimate")]
    others += [f"{name} with tuned parameter {statistics.mean(values)}" for name, values in found.tuned.items()]
    strong = float(found.limits["α = d"].mean())
    return (
        f"**d = {found.dimension}**, {found.sizes[-1]} points, Bayes error {found.bayes.mean():.3f}: excess risk of the network with "
        f"α = d/2 **{own}**; {'; '.join(others)}. The vote with α = d tends to {strong:.3f}."
    )
