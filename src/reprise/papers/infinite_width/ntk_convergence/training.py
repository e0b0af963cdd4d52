r"""Claims C2 and C3: what training does to the kernel, and how closely the function follows the kernel's equation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise import statistics
from reprise.estimate import Estimate
from reprise.networks import record_outputs
from reprise.papers.infinite_width.ntk_convergence import finite, theory
from reprise.papers.infinite_width.ntk_convergence.finite import Look, Net


class Task(NamedTuple):
    """A least-squares problem and what is looked at: targets ``y`` at ``x``, test points ``grid``."""

    x: Float[np.ndarray, "n 2"]
    y: Float[np.ndarray, " n"]
    grid: Float[np.ndarray, "p 2"]


def gaussian_task(examples: int, angles: int, seed: int) -> Task:
    r"""Section 6.1: $f^*=x_1x_2$ at Gaussian inputs; kernels are looked at on the unit circle."""
    x = np.random.default_rng(seed).normal(size=(examples, 2))
    return Task(x, theory.target(x), theory.circle(theory.angle_grid(angles)))


def circle_task(angles: int) -> Task:
    """Section 6.2: four points of the unit circle, and the whole circle as test points."""
    x = theory.circle(theory.TRAIN_ANGLES)
    return Task(x, theory.target(x), theory.circle(theory.angle_grid(angles)))


class Drift(NamedTuple):
    """Networks before and after training: at the p test points, and at the training points.

    Attributes:
        before: at the test points, before training.
        after: at the test points, after training.
        moved: root mean square change of the function at the training points, (seeds,).
        loss: mean squared error there before and after, (seeds, 2).
    """

    before: Look
    after: Look
    moved: Float[np.ndarray, " seeds"]
    loss: Float[np.ndarray, "seeds 2"]

    @property
    def change(self) -> Float[np.ndarray, " seeds"]:
        r"""$\Delta=\|\hat\Theta_T-\hat\Theta_0\|_F/\|\hat\Theta_0\|_F$."""
        gap = np.linalg.norm(self.after.ntk - self.before.ntk, axis=(1, 2))
        return np.asarray(gap / np.linalg.norm(self.before.ntk, axis=(1, 2)))

    @property
    def inflation(self) -> Float[np.ndarray, " seeds"]:
        r"""$\mathrm{tr}\hat\Theta_T/\mathrm{tr}\hat\Theta_0-1$."""
        return np.asarray(np.einsum("spp->s", self.after.ntk) / np.einsum("spp->s", self.before.ntk) - 1.0)


def drift(
    net: Net, width: int, keys: PRNGKeyArray, task: Task, *, rate: float, steps: int, target_scale: float = 1.0
) -> Drift:
    r"""Train networks and compare kernels before and after.

    ``target_scale`` multiplies the targets. With $\sqrt n$ the dynamics are exactly those of the network in mean-field
    scaling: with $f=g/\sqrt n$ and rate $\eta n$, a step is
    $-\eta n\cdot\frac1N\sum_i(\frac{g_i}{\sqrt n}-y_i)\frac{\nabla g_i}{\sqrt n}=-\eta\frac1N\sum_i(g_i-\sqrt n\,y_i)\nabla g_i$.
    """
    points = np.concatenate([task.grid, task.x])
    p = len(task.grid)

    def one_group(group: PRNGKeyArray) -> Drift:
        models = finite.draw(net, width, group)
        before = finite.look(models, points)
        done = finite.train(models, task.x, target_scale * task.y, rate=rate, steps=steps)
        after = finite.look(done.models, points)
        moved = np.sqrt(np.mean((after.f - before.f)[:, p:] ** 2, axis=1))
        return Drift(_first(before, p), _first(after, p), moved, 2.0 * done.loss[:, [0, -1]])

    at_once = finite.group_size(width, net.depth)
    found: Drift = finite.in_groups(one_group, keys, at_once, f"{width} units, {net.activation}")
    return found


def _first(look: Look, p: int) -> Look:
    return Look(look.f[:, :p], look.ntk[:, :p, :p], look.covariance[:, :p, :p])


class Paths(NamedTuple):
    """Functions while they are trained: ``f`` of shape (seeds, records, n + p), the n training points first."""

    steps: np.ndarray
    f: Float[np.ndarray, "seeds records points"]


def paths(
    net: Net, width: int, keys: PRNGKeyArray, task: Task, *, rate: float, steps: int, record_every: int
) -> Paths:
    """Train networks on the task, recording the function at training and test points."""
    record = record_outputs(np.concatenate([task.x, task.grid]).astype(np.float32))

    def one_group(group: PRNGKeyArray) -> np.ndarray:
        models = finite.draw(net, width, group)
        done = finite.train(
            models, task.x, task.y, rate=rate, steps=steps, record=record, record_every=record_every
        )
        return np.asarray(done.records[..., 0], dtype=np.float64)

    at_once = finite.group_size(width, net.depth, memory=2.4e7)
    f = finite.in_groups(one_group, keys, at_once, f"{width} units on the circle")
    stops = np.asarray(sorted({*range(0, steps, record_every), steps}))
    return Paths(stops, f)


def discrepancy(
    paths: Paths, kernel: Float[np.ndarray, "points points"], task: Task, *, rate: float
) -> Float[np.ndarray, " seeds"]:
    r"""$\sup_{t,x}|f_{\theta(t)}(x)-f_t(x)|$: each network against kernel descent with `kernel` from its own start."""
    predicted = theory.descent(kernel, paths.f[:, 0], task.y, paths.steps, rate=rate)
    return np.asarray(np.abs(paths.f - predicted).max(axis=(1, 2)))


def percentile_gap(
    ends: Float[np.ndarray, "seeds p"],
    mean: Float[np.ndarray, " p"],
    std: Float[np.ndarray, " p"],
    *,
    unit: float,
    percentiles: Sequence[float] = (10.0, 50.0, 90.0),
) -> Estimate:
    """Root mean square distance of sample percentile curves from those of the Gaussian, in units of `unit`.

    Bootstrap over seeds; resampling adds the sampling noise once more, so the interval errs upwards.
    """
    from scipy import stats

    z = stats.norm.ppf(np.asarray(percentiles) / 100.0)
    curves = mean + z[:, None] * std

    def gap(rows: np.ndarray, axis: int) -> np.ndarray:
        found = np.percentile(rows, percentiles, axis=axis)  # (percentiles, resamples, p)
        return np.asarray(np.sqrt(np.mean((found - curves[:, None, :]) ** 2, axis=(0, 2))) / unit)

    return statistics.bootstrap(ends, gap, n_boot=500)
