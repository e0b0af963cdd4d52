"""C1: which of three rules a network of growing depth becomes."""

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
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
        sides: activation name -> (training sets, kernels, rules, rules, 2): number of points where two rules differ and the
            deepest network follows the first, and number of points where they differ.
        limits: activation name -> class that the taxonomy predicts.
    """

    depths: tuple[int, ...]
    shares: dict[str, Float[np.ndarray, "sets kernels depths rules"]]
    sides: dict[str, Float[np.ndarray, "sets kernels r r 2"]]
    limits: dict[str, ac.Limit]

    def of(self, names: Sequence[str], place: int) -> Float[np.ndarray, "sets k"]:
        """Agreement with the predicted rule at the depth of this place, all activations and kernels as columns."""
        return np.concatenate([self.shares[n][:, :, place, RULES.index(self.limits[n])] for n in names], axis=1)

    def members(self, limit: ac.Limit) -> list[str]:
        """Activations of a class, but for the ReLU, which is judged by itself."""
        return [name for name, found in self.limits.items() if found == limit and name != "ReLU"]


@on_one_thread
def agreement(depths: Sequence[int], *, n: int, tests: int, sets: int, seed: int) -> Agreement:
    """Train every network on each of ``sets`` training sets of ``n`` points and compare with the three rules.

    The singular rule is that of the activation itself, or of `activations.optimal` for those without a pole. In every set
    exactly two in five points are of class 1, so that the majority is clear.
    """
    chosen = activations()
    stand_in = ac.optimal(DIMENSION)
    shares: dict[str, list[np.ndarray]] = {a.name: [] for a in chosen}
    sides: dict[str, list[np.ndarray]] = {a.name: [] for a in chosen}
    for i in progress.track(range(sets), "Deep networks against three rules"):
        rng = tasks.stream(seed, "taxonomy", i)
        train, test = (tasks.draw(DIMENSION, m, rng, balanced=True) for m in (n, tests))
        given = cl.pairs(train.x, test.x)
        near, most = cl.nearest(train.x, train.y, test.x), cl.majority(train.y, tests)
        for a in chosen:
            rules = np.stack([near, cl.smoother(a if a.limit == "singular" else stand_in, given, train.y), most])
            signs = np.array([[cl.decide(cl.Network(a, d, kind), given, train.y) for d in depths] for kind in KINDS])
            shares[a.name].append((signs[:, :, None] == rules).mean(axis=-1))
            sides[a.name].append(_sides(signs[:, -1], rules))
    return Agreement(
        tuple(depths), {k: np.stack(v) for k, v in shares.items()}, {k: np.stack(v) for k, v in sides.items()},
        {a.name: a.limit for a in chosen},
    )  # fmt: skip


def _sides(
    signs: Float[np.ndarray, "kernels m"], rules: Float[np.ndarray, "rules m"]
) -> Float[np.ndarray, "kernels r r 2"]:
    differ = rules[:, None] != rules[None, :]
    follow = (signs[:, None, None] == rules[:, None]) & differ
    return np.stack([follow.sum(axis=-1), np.broadcast_to(differ.sum(axis=-1), follow.shape[:-1])], axis=-1)


def least(found: Agreement, names: Sequence[str]) -> Estimate:
    """Least agreement with the predicted rule at the greatest depth."""
    return extreme(found.of(names, -1), "least")


def shallow(found: Agreement, names: Sequence[str]) -> Estimate:
    """Control: the largest agreement that the same networks have with one hidden layer."""
    return extreme(found.of(names, 0), "largest")


def siding(found: Agreement, *, shift: int = 0) -> Estimate:
    """Where the predicted rule and another one differ: least share of test points at which the network follows the predicted one.

    With ``shift`` 1 the map from activations to rules is scrambled, each class assigned the next one's rule. Then the
    largest of the activations' shares is returned, the most favourable to the scrambled map.
    """
    columns = []
    for name, limit in found.limits.items():
        assigned = (RULES.index(limit) + shift) % len(RULES)
        others = [r for r in range(len(RULES)) if r != assigned]
        counts = found.sides[name][:, :, assigned][:, :, others]
        # Scrambled: the other rule that beats the assigned one most clearly.
        columns.append(counts.reshape(len(counts), -1, 2))
    table = np.concatenate(columns, axis=1)
    value = _followed(table)
    if shift:
        value = value.reshape(-1, len(RULES) - 1)
        keep = np.arange(len(value)) * (len(RULES) - 1) + value.argmin(axis=1)
        table, value = table[:, keep], value.min(axis=1)
    place = int(value.argmax() if shift else value.argmin())
    return statistics.bootstrap(table[:, place], _followed)


def _followed(counts: Float[np.ndarray, "... sets k 2"], axis: int = 0) -> Float[np.ndarray, "... k"]:
    total = counts.sum(axis=axis)
    return np.asarray(total[..., 0] / total[..., 1])


def relu_on_its_way(found: Agreement) -> str:
    """A sentence on how slowly the ReLU's NNGP kernel becomes the majority, and what it is before."""
    shares = found.shares["ReLU"][:, KINDS.index("nngp")].mean(axis=0)
    voting = "; ".join(
        f"L = {d}: {s:.3f}" for d, s in zip(found.depths, shares[:, RULES.index("majority")], strict=True)
    )
    single = shares[:, RULES.index("singular")]
    best = int(single.argmax())
    return (
        f"Agreement of the ReLU's NNGP kernel with the majority: {voting}. "
        f"It is closest to the singular rule at **{found.depths[best]}** layers, with agreement on a share **{single[best]:.3f}**."
    )
