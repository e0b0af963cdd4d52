r"""Claims C2 and C3: what training does to the kernel, and how closely the function follows the kernel's equation."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import stats

from reprise import statistics
from reprise.estimate import Estimate
from reprise.networks import record_outputs
from reprise.papers.infinite_width.ntk_convergence import finite, theory
from reprise.papers.infinite_width.ntk_convergence.finite import Look, Net

CACHE = 2.4e7
"""Bytes of parameters and gradients trained at once: in a processor's cache steps on few examples are twice as fast."""


MEAN_FIELD_CARE = 16.0
"""By how much the learning rate is smaller in mean-field scaling, at every width."""


class Task(NamedTuple):
    """A least-squares problem and what is looked at: targets ``y`` at ``x``, test points ``grid``."""

    x: Float[np.ndarray, "n 2"]
    y: Float[np.ndarray, " n"]
    grid: Float[np.ndarray, "p 2"]

    @property
    def points(self) -> Float[np.ndarray, "n_and_p 2"]:
        """Training points, then test points."""
        return np.concatenate([self.x, self.grid])


def gaussian_task(examples: int, angles: int, seed: int) -> Task:
    r"""Section 6.1: $f^*=x_1x_2$ at Gaussian inputs; kernels are looked at on the unit circle."""
    x = np.random.default_rng(seed).normal(size=(examples, 2))
    return Task(x, theory.target(x), theory.circle(theory.angle_grid(angles)))


def circle_task(angles: int) -> Task:
    """Section 6.2: four points of the unit circle, and the whole circle as test points."""
    x = theory.circle(theory.TRAIN_ANGLES)
    return Task(x, theory.target(x), theory.circle(theory.angle_grid(angles)))


class Drift(NamedTuple):
    r"""Networks before and after training: at the p test points, and at the training points.

    Attributes:
        before: at the test points, before training.
        after: at the test points, after training.
        covered: share of its distance to the targets that the function covers, $\|f_T-f_0\|/\|f^*-f_0\|$ at the training
            points, (seeds,).
        loss: mean squared error there before and after, (seeds, 2).
    """

    before: Look
    after: Look
    covered: Float[np.ndarray, " seeds"]
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
        start, end = before.f[:, p:], after.f[:, p:]
        covered = np.linalg.norm(end - start, axis=1) / np.linalg.norm(target_scale * task.y - start, axis=1)
        return Drift(_first(before, p), _first(after, p), covered, 2.0 * done.loss[:, [0, -1]])

    at_once = finite.group_size(len(keys), width, net.depth, CACHE)
    found: Drift = finite.in_groups(one_group, keys, at_once, f"{width} units, {net.activation}")
    return found


def drifts(
    net: Net,
    widths: Sequence[int],
    count: int,
    task: Task,
    *,
    seed: int,
    rate: float,
    steps: int,
    mean_field: bool = False,
    slowed: bool = False,
    target_scale: float = 1.0,
) -> list[Drift]:
    """`drift` at each width; in mean-field scaling, or with the rate divided by the width (``slowed``), on request.

    The same seed gives the same starts, whatever the variant. In mean-field scaling the kernel grows about tenfold while
    it learns, so that the rate of the others is beyond stability for some data; it is divided by `MEAN_FIELD_CARE`.
    """

    def at(width: int) -> Drift:
        return drift(
            net,
            width,
            finite.keys(seed, f"drift {width} {net.activation}", count),
            task,
            rate=rate / (width if slowed else MEAN_FIELD_CARE if mean_field else 1.0),
            steps=steps,
            target_scale=width**0.5 if mean_field else target_scale,
        )

    return finite.across(at, widths)


def table(drifts: Sequence[Drift], what: str) -> Float[np.ndarray, "seeds widths"]:
    """`change`, `covered` or `inflation` of every network, one column a width."""
    return np.stack([getattr(d, what) for d in drifts], axis=1)


def _first(look: Look, p: int) -> Look:
    return Look(look.f[:, :p], look.ntk[:, :p, :p], look.covariance[:, :p, :p])


class Paths(NamedTuple):
    """Functions while they are trained: ``f`` of shape (seeds, records, n + p), the n training points first."""

    steps: np.ndarray
    f: Float[np.ndarray, "seeds records points"]


def paths(net: Net, width: int, keys: PRNGKeyArray, task: Task, *, rate: float, steps: int, records: int = 5) -> Paths:
    """Train networks on the task, recording the function at training and test points."""
    record = record_outputs(task.points.astype(np.float32))
    every = max(1, steps // records)

    def one_group(group: PRNGKeyArray) -> np.ndarray:
        models = finite.draw(net, width, group)
        done = finite.train(models, task.x, task.y, rate=rate, steps=steps, record=record, record_every=every)
        return np.asarray(done.records[..., 0], dtype=np.float64)

    at_once = finite.group_size(len(keys), width, net.depth, CACHE)
    f = finite.in_groups(one_group, keys, at_once, f"{width} units on the circle")
    return Paths(np.asarray(sorted({*range(0, steps, every), steps})), f)


def paths_across(
    net: Net, widths: Sequence[int], count: int, task: Task, *, seed: int, rate: float, steps: int
) -> list[Paths]:
    """`paths` at each width, with fresh seeds for each."""

    def at(width: int) -> Paths:
        return paths(net, width, finite.keys(seed, f"path {width}", count), task, rate=rate, steps=steps)

    return finite.across(at, widths)


def discrepancies(
    paths: Sequence[Paths], kernel: Float[np.ndarray, "points points"], task: Task, *, rate: float
) -> Float[np.ndarray, "seeds widths"]:
    """`discrepancy` of every network, one column a width."""
    return np.stack([discrepancy(p, kernel, task, rate=rate) for p in paths], axis=1)


def discrepancy(
    paths: Paths, kernel: Float[np.ndarray, "points points"], task: Task, *, rate: float
) -> Float[np.ndarray, " seeds"]:
    r"""$\sup_{t,x}|f_{\theta(t)}(x)-f_t(x)|$: each network against kernel descent with `kernel` from its own start."""
    predicted = theory.descent(kernel, paths.f[:, 0], task.y, paths.steps, rate=rate)
    return np.asarray(np.abs(paths.f - predicted).max(axis=(1, 2)))


def percentile_gap(
    f: Float[np.ndarray, "seeds p"],
    law: theory.Law,
    reference: theory.Law,
    percentiles: Sequence[float] = (10.0, 50.0, 90.0),
) -> Estimate:
    """Root mean square distance of sample percentile curves from those of the law, in units of the mean spread of `reference`.

    Bootstrap over seeds. Resampling adds the sampling noise once more, which moves a root mean square up: the upper end
    errs on the safe side, and the interval reaches down to the value itself.
    """
    curves = law.mean + stats.norm.ppf(np.asarray(percentiles) / 100.0)[:, None] * law.std
    unit = np.sqrt(np.mean(reference.std**2))

    def gap(rows: np.ndarray, axis: int) -> np.ndarray:
        found = np.percentile(rows, percentiles, axis=axis)  # (percentiles, resamples, p)
        return np.asarray(np.sqrt(np.mean((found - curves[:, None, :]) ** 2, axis=(0, 2))) / unit)

    found = statistics.bootstrap(f, gap, n_boot=400)
    return dataclasses.replace(found, low=min(found.low, found.value), method=f"{found.method}, down to the value")
