r"""Claim C1: by which power of the width features move, and how large a learning rate a network survives."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import abc_space, networks
from reprise.papers.infinite_width.feature_learning.abc_space import Parametrisation
from reprise.progress import track

DIVERGED = 100.0
"""A network whose output exceeds this, for targets of size 1, has diverged."""
OCTAVES = (-14.0, 8.0)
"""Range of learning rates searched, as powers of two."""
GRID, ROUNDS = 9, 3


class Movement(NamedTuple):
    """What training did at every width: one `networks.Run` a width."""

    points: list[Parametrisation]
    widths: list[int]
    records: list[int]
    runs: list[networks.Run]

    def table(self, point: int, what: str = "features", record: int = -1) -> Float[np.ndarray, "seeds widths"]:
        """`features` or `preactivations` of one parametrisation at one record, one column a width."""
        return np.stack([getattr(run, what)[:, point, record] for run in self.runs], axis=1)

    def function(self, point: int, record: int = -1) -> Float[np.ndarray, "seeds widths"]:
        r"""Root mean square of $f_t-f_0$ over the probes."""
        moved = [run.f[:, point, record] - run.f[:, point, 0] for run in self.runs]
        return np.stack([np.sqrt(np.mean(gap**2, axis=-1)) for gap in moved], axis=1)

    def distance(self, point: int) -> Float[np.ndarray, "seeds widths"]:
        """Distance to the network linearised at its start, as a share of what it moved: root mean squares over probes."""
        gaps = [run.f[:, point, -1] - run.linear[:, point] for run in self.runs]
        return np.stack([np.sqrt(np.mean(gap**2, axis=-1)) for gap in gaps], axis=1) / self.function(point)

    def exponents(self, what: str = "features", record: int = -1) -> list[Estimate]:
        """Exponent in width of each parametrisation's movement."""
        return [statistics.slope(self.widths, self.table(i, what, record)) for i in range(len(self.points))]


def over_all(shown: Mapping[int, Movement], what: str = "features") -> list[Estimate]:
    """Exponent of each row of the table over all depths and records: the mean, and an interval that holds all intervals.

    >>> quiet = networks.Run(*[np.zeros((2, 1, 3))] * 5)._replace(features=np.array([[[1.0, 2.0]], [[1.0, 2.0]]]))
    >>> double = quiet._replace(features=2 * quiet.features)
    >>> found = over_all({2: Movement([abc_space.mu_p(2)], [8, 16], [1, 5], [quiet, double])})[0]
    >>> round(found.value, 9), found.n
    (1.0, 2)
    """
    moved = list(shown.values())
    every = [m.exponents(what, k) for m in moved for k in range(len(m.records))]
    rows = []
    for found in zip(*every, strict=True):
        value, low, high = (np.array([getattr(e, name) for e in found]) for name in ("value", "low", "high"))
        rows.append(
            Estimate(
                float(value.mean()), float(low.min()), float(high.max()), n=found[0].n,
                method=f"{found[0].method}; widest over depths and steps", samples=tuple(map(float, value)),
            )
        )  # fmt: skip
    return rows


def movement(
    points: Sequence[Parametrisation],
    widths: Sequence[int],
    *,
    seed: int,
    seeds: int,
    rate: float,
    records: Sequence[int],
    linear_steps: int = 0,
    scale: float = 1.0,
) -> Movement:
    """Train the parametrisations at every width on one task that depends on the seed alone."""
    task = networks.make_task(seed, scale=scale)

    def at(width: int) -> networks.Run:
        key = jax.random.fold_in(jax.random.key(seed), width)
        return networks.train(
            points, width, task, key=key, seeds=seeds, rates=rate, records=records, linear_steps=linear_steps
        )

    hidden = points[0].hidden
    runs = [at(width) for width in track(widths, f"networks with {hidden} hidden layers")]
    return Movement(list(points), list(widths), list(records), runs)


def starting_outputs(
    point: Parametrisation, widths: Sequence[int], *, seed: int, seeds: int
) -> Float[np.ndarray, "seeds widths"]:
    r"""Root mean square of $f_0$ over the probes, networks that are not trained."""
    task = networks.make_task(seed)
    columns = []
    for width in widths:
        key = jax.random.fold_in(jax.random.key(seed), 5 * width)
        run = networks.train([point], width, task, key=key, seeds=seeds, rates=0.0, records=(0,))
        columns.append(np.sqrt(np.mean(run.f[:, 0, 0] ** 2, axis=-1)))
    return np.stack(columns, axis=1)


def table_rows(hidden: int) -> list[Parametrisation]:
    """NTK, standard at its stable rate, muP, and muP with the output layer's start of NTK."""
    mu = abc_space.mu_p(hidden)
    return [
        abc_space.ntk(hidden),
        abc_space.standard(hidden, rate=1.0),
        mu,
        mu.replace_output(b=0.0, name="μP, output drawn as in NTK"),
    ]


def largest_rates(
    point: Parametrisation, widths: Sequence[int], *, seed: int, seeds: int, steps: int
) -> Float[np.ndarray, "seeds widths"]:
    """Largest constant eta below which no rate makes a network diverge.

    A coarse grid of powers of two is searched first, then twice a finer one between the smallest and the largest answer.
    """
    task = networks.make_task(seed)
    columns = []
    for width in track(widths, f"largest rates, {point.name}"):
        key = jax.random.fold_in(jax.random.key(seed), 3 * width)
        low, high = OCTAVES
        found, spacing = np.zeros(seeds), 0.0
        for _ in range(ROUNDS):
            grid = np.linspace(low, high, GRID)
            found = _first_divergence(point, width, task, grid, key=key, seeds=seeds, steps=steps)
            spacing = float(grid[1] - grid[0])
            low, high = float(found.min()), float(found.max() + spacing)
        columns.append(2.0 ** (found + 0.5 * spacing))
    return np.stack(columns, axis=1)


def _first_divergence(
    point: Parametrisation, width: int, task: networks.Task, grid: np.ndarray, *, seeds: int, steps: int, key: Any
) -> Float[np.ndarray, " seeds"]:
    """The last entry of the grid (powers of two) before the first that diverges, for each seed."""
    run = networks.train([point] * len(grid), width, task, key=key, seeds=seeds, rates=2.0**grid, records=(steps,))
    survives = np.isfinite(run.largest) & (run.largest < DIVERGED) & np.isfinite(run.f).all(axis=(2, 3))
    count = np.cumprod(survives, axis=1).sum(axis=1)
    return np.asarray(grid[np.clip(count - 1, 0, len(grid) - 1)])


def reading(shown: Mapping[int, Movement]) -> str:
    """Markdown: exponents of the change of features by depth, parametrisation and number of steps."""
    first = next(iter(shown.values()))
    head = " | ".join(f"t = {t}" for t in first.records)
    lines = [f"| hidden layers | | predicted −r | {head} |", "|---|---|---|" + "---|" * len(first.records)]
    for hidden, moved in shown.items():
        for i, point in enumerate(moved.points):
            found = (statistics.slope(moved.widths, moved.table(i, record=k)) for k in range(len(moved.records)))
            cells = " | ".join(f"{e.value:.2f} ± {0.5 * (e.high - e.low):.2f}" for e in found)  # type: ignore[operator]
            lines.append(f"| {hidden} | {point.name} | {0.0 - point.r:g} | {cells} |")
    note = (
        "Exponents of the root mean square change of $x^L$. In the last row preactivations explode, and tanh hides it."
    )
    return "\n".join([*lines, "", note])
