r"""Claim C2: over the whole abc space, is every stable non-trivial network either a feature learner or a kernel method?"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import abc_space, exponents, networks
from reprise.papers.infinite_width.feature_learning.exponents import Movement

RECORDS = (1, 5)


def survey(
    widths: Sequence[int], *, points: int, seed: int, seeds: int, rate: float, scale: float
) -> tuple[Movement, Movement]:
    """Networks of the sampled parametrisations: the stable non-trivial ones, and the others.

    The others are those with r = -1/2, one whose logits explode, and a trivial one, in this order.
    """
    stable, unstable = abc_space.sample(seed, points)
    others = [*unstable, abc_space.blowing_up(), abc_space.trivial()]
    every = exponents.movement(
        [*stable, *others], widths, seed=seed, seeds=seeds, rate=rate, records=RECORDS, linear_steps=RECORDS[-1],
        scale=scale,
    )  # fmt: skip
    return _pick(every, range(len(stable))), _pick(every, range(len(stable), len(every.points)))


def _pick(every: Movement, which: Sequence[int]) -> Movement:
    rows = list(which)
    runs = [networks.Run(*(part[:, rows] for part in run)) for run in every.runs]
    return Movement([every.points[i] for i in rows], every.widths, every.records, runs)


def feature_tables(stable: Movement, others: Movement) -> Float[np.ndarray, "seeds points widths"]:
    r"""How far preactivations move, of all points with a prediction: the stable ones, then those with r = -1/2.

    The stable ones after the last step. Where features explode, tanh saturates at once and nothing moves any more, so these
    after the first step.
    """
    exploding = [i for i, point in enumerate(others.points) if point.r < 0]
    tables = [stable.table(i, "preactivations") for i in range(len(stable.points))]
    tables += [others.table(i, "preactivations", 0) for i in exploding]
    return np.stack(tables, axis=1)


def predicted(stable: Movement, others: Movement) -> Float[np.ndarray, " points"]:
    """The exponents -r that belong to `feature_tables`."""
    return abc_space.exponents([*stable.points, *(p for p in others.points if p.r < 0)])


def point_exponents(tables: Float[np.ndarray, "seeds points widths"], widths: Sequence[int]) -> list[Estimate]:
    """Measured exponent of every point."""
    return [statistics.slope(widths, tables[:, i]) for i in range(tables.shape[1])]


def regression(
    tables: Float[np.ndarray, "seeds points widths"], widths: Sequence[int], expected: Float[np.ndarray, " points"]
) -> Estimate:
    """Slope of measured on predicted exponents over all points, by bootstrap over networks."""
    lx = np.log(np.asarray(widths, dtype=float))
    weights = (lx - lx.mean()) / np.sum((lx - lx.mean()) ** 2)
    centred = expected - expected.mean()

    def slope(rows: np.ndarray, axis: int) -> np.ndarray:
        measured = np.log(np.mean(rows, axis=axis)) @ weights
        return np.asarray(measured @ centred / np.sum(centred**2))

    return statistics.bootstrap(tables, slope, n_boot=1000)


def relabelled(expected: Float[np.ndarray, " points"], seed: int) -> Float[np.ndarray, " points"]:
    """The predictions, each given to another point."""
    rng = np.random.default_rng([seed, 73])
    order = rng.permutation(len(expected))
    return expected[order[np.argsort(np.roll(order, 1))]]


def kernel_groups(stable: Movement) -> dict[float, list[int]]:
    """Points by r; one group holds the feature learners, r = 0."""
    values = sorted({round(point.r, 6) for point in stable.points})
    return {r: [i for i, point in enumerate(stable.points) if abs(point.r - r) < 1e-6] for r in values}


def group_distance(stable: Movement, group: Sequence[int]) -> Float[np.ndarray, "seeds widths"]:
    """Distance to the linearised network as a share of the movement: geometric mean over a group of points."""
    return np.exp(np.mean([np.log(stable.distance(i)) for i in group], axis=0))


def distance_exponents(stable: Movement) -> tuple[Estimate, Estimate, Estimate]:
    """Exponent in width of the distance to the linearised network: r > 0, the least positive r, and r = 0."""
    groups = kernel_groups(stable)
    positive = sorted(r for r in groups if r > 0)
    rows = ([i for r in positive for i in groups[r]], groups[positive[0]], groups[0.0])
    every, slow, features = (statistics.slope(stable.widths, group_distance(stable, which)) for which in rows)
    return every, slow, features


def movement_exponent(some: Movement, which: Sequence[int] | None = None) -> Estimate:
    """Exponent of how far the function moves, geometric mean over points."""
    rows = range(len(some.points)) if which is None else which
    table = np.exp(np.mean([np.log(some.function(i)) for i in rows], axis=0))
    return statistics.slope(some.widths, table)


def largest_exponent(some: Movement, which: Sequence[int] | None = None) -> Estimate:
    """Exponent of the largest |f| met in training, geometric mean over points."""
    rows = range(len(some.points)) if which is None else which
    table = np.stack([np.exp(np.mean(np.log(run.largest[:, list(rows)]), axis=1)) for run in some.runs], axis=1)
    return statistics.slope(some.widths, table)


def symmetry(seed: int, *, width: int = 32, shift: float = 0.3) -> tuple[Estimate, Estimate]:
    """Largest relative change of the trained function under the symmetry, over three points, and without moving c."""
    task = networks.make_task(seed)
    points = [abc_space.mu_p(2), abc_space.ntk(2), abc_space.standard(2, rate=1.0)]
    runs = [
        networks.train([p, p.shifted(shift), p.shifted(shift, rate=False)], width, task, key=jax.random.key(seed),
                       seeds=1, rates=0.5, records=RECORDS, dtype=jax.numpy.float64).f[0]
        for p in points
    ]  # fmt: skip
    right, wrong = ([float(np.abs(f[k] - f[0]).max() / np.abs(f[0]).max()) for f in runs] for k in (1, 2))
    return _range(right), _range(wrong)


def _range(values: Sequence[float]) -> Estimate:
    return Estimate(max(values), min(values), max(values), n=len(values), level=1.0, method="range over points", samples=tuple(values))  # fmt: skip
