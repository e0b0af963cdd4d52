"""C1: which of three rules a network of growing depth becomes."""

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float

from reprise import progress
from reprise.estimate import Estimate
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import tasks
from reprise.papers.infinite_width.wide_deep_optimality.evidence import extreme

RULES: tuple[ac.Limit, ...] = ("nearest", "singular", "majority")
KINDS: tuple[deep.Kind, ...] = get_args(deep.Kind)
DIMENSION = 2


def activations() -> list[ac.Activation]:
    """Eight activations, two or three for each class of the taxonomy."""
    return [
        ac.hermite({2: 1.0}, "h₂"), ac.hermite({3: 1.0}, "h₃"),
        ac.optimal(DIMENSION), ac.sine(2.676), ac.erf(),
        ac.relu(), ac.gelu(), ac.square(),
    ]  # fmt: skip


class Agreement(NamedTuple):
    """Shares of test points at which a network and a rule agree.

    Attributes:
        depths: numbers of hidden layers.
        shares: activation name -> (training sets, kernels, depths, rules).
        limits: activation name -> class that the taxonomy predicts.
    """

    depths: tuple[int, ...]
    shares: dict[str, Float[np.ndarray, "sets kernels depths rules"]]
    limits: dict[str, ac.Limit]

    def of(self, names: Sequence[str], depth: int, rule: ac.Limit | None = None) -> Float[np.ndarray, "sets k"]:
        """Agreement with a rule (the predicted one if None) at one depth, all activations and kernels as columns."""
        at = self.depths.index(depth)
        picked = [self.shares[n][:, :, at, RULES.index(rule or self.limits[n])] for n in names]
        return np.concatenate(picked, axis=1)

    def members(self, limit: ac.Limit) -> list[str]:
        """Activations of a class."""
        return [name for name, found in self.limits.items() if found == limit]


def agreement(depths: Sequence[int], *, n: int, tests: int, sets: int, seed: int) -> Agreement:
    """Train every network on each of ``sets`` training sets of ``n`` points and compare with the three rules.

    The singular rule is that of the activation itself, or of `activations.optimal` for those without a pole. In every set
    exactly two in five points are of class 1, so that the majority is clear.
    """
    chosen = activations()
    stand_in = ac.optimal(DIMENSION)
    shares: dict[str, list[np.ndarray]] = {a.name: [] for a in chosen}
    for i in progress.track(range(sets), "Deep networks against three rules"):
        rng = tasks.stream(seed, "taxonomy", i)
        train, test = (tasks.draw(DIMENSION, m, rng, balanced=True) for m in (n, tests))
        given = cl.pairs(train.x, test.x)
        near, most = cl.nearest(train.x, train.y, test.x), cl.majority(train.y, tests)
        for a in chosen:
            singular = cl.smoother(a if a.limit == "singular" else stand_in, given, train.y)
            rules = np.stack([near, singular, most])
            shares[a.name].append(
                np.array([[_same(cl.Network(a, d, kind), given, train.y, rules) for d in depths] for kind in KINDS])
            )
    return Agreement(tuple(depths), {k: np.stack(v) for k, v in shares.items()}, {a.name: a.limit for a in chosen})


def _same(net: cl.Network, given: cl.Pairs, y: np.ndarray, rules: np.ndarray) -> Float[np.ndarray, " rules"]:
    return np.asarray((cl.decide(net, given, y) == rules).mean(axis=1))


def least(found: Agreement, names: Sequence[str]) -> Estimate:
    """Least agreement with the predicted rule at the greatest depth."""
    return extreme(found.of(names, found.depths[-1]), "least")


def shallow(found: Agreement, names: Sequence[str]) -> Estimate:
    """Control: the largest agreement that the same networks have with one hidden layer."""
    return extreme(found.of(names, found.depths[0]), "largest")


def margin(found: Agreement, *, shift: int = 0) -> Estimate:
    """Least lead of the predicted rule over the best of the other two, at the greatest depth.

    With ``shift`` 1 the map from activations to rules is scrambled: each class is assigned the next one's rule. Then the
    largest lead is returned, the most favourable to the scrambled map.
    """
    leads = []
    for name, limit in found.limits.items():
        assigned = (RULES.index(limit) + shift) % len(RULES)
        last = found.shares[name][:, :, -1]
        others: Bool[np.ndarray, " rules"] = np.arange(len(RULES)) != assigned
        leads.append(last[..., assigned] - last[..., others].max(axis=-1))
    return extreme(np.concatenate(leads, axis=1), "largest" if shift else "least")
