"""The experiments of the chapter: each runs in one call and answers checks with a measured and a control estimate."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from reprise.estimate import Estimate
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import evidence, images, simulation, theory
from reprise.papers.infinite_width.more_is_better.evidence import Tested
from reprise.papers.infinite_width.more_is_better.theory import LawTask

__all__ = [
    "FeatureStudy",
    "class_bound",
    "cost_of_interpolating",
    "cost_of_prediction",
    "feature_study",
    "finite_width_loses",
    "gaussian_median_error",
    "gaussian_share",
    "mode_sums",
    "relu_study",
    "rise_in_simulation",
    "rise_in_theory",
    "tail_matters",
    "within_five_percent",
]


class FeatureStudy(NamedTuple):
    """Random features on Gaussian data: simulation for choosing ridges and for measuring, and the theory, on one grid."""

    spectrum: Float[Array, " m"]
    power: Float[Array, " m"]
    ns: tuple[int, ...]
    widths: tuple[int, ...]
    ridges: Float[np.ndarray, " r"]
    noise: float
    selection: simulation.Sweep
    evaluation: simulation.Sweep
    test_theory: Float[np.ndarray, "n k r"]
    train_theory: Float[np.ndarray, "n k r"]
    best_theory: Float[np.ndarray, "n k"]
    shuffled: Float[np.ndarray, "e n k r"]

    def expected(
        self, ns: Sequence[float] | np.ndarray, widths: Sequence[float], ridges: Float[np.ndarray, " r"]
    ) -> Float[np.ndarray, "n k r"]:
        """Expected test errors on another grid."""
        return theory.error_grid(self.spectrum, self.power, ns=ns, widths=widths, ridges=ridges, noise=self.noise)[0]

    def tuned(self, noise: float | None = None) -> Float[np.ndarray, "t n k"]:
        """Test errors at ridges chosen on the selection trials."""
        level = self.noise if noise is None else noise
        return evidence.tuned(self.selection.test(level), self.evaluation.test(level))

    def fixed(self, ridge: float, noise: float | None = None) -> Float[np.ndarray, "t n k"]:
        """Test errors at one ridge for all, the nearest of the grid."""
        at = int(np.argmin(np.abs(np.log(self.ridges / ridge))))
        return self.evaluation.test(self.noise if noise is None else noise)[..., at]

    def errors(self) -> Float[np.ndarray, "t e n k r"]:
        """Test and train errors of the evaluation trials, side by side."""
        return np.stack([self.evaluation.test(self.noise), self.evaluation.train(self.noise)], axis=1)

    def theory(self) -> Float[np.ndarray, "e n k r"]:
        """Expected test and train errors, side by side."""
        return np.stack([self.test_theory, self.train_theory])


def feature_study(
    *,
    alpha: float,
    beta: float,
    modes: int,
    noise: float,
    ns: Sequence[int],
    widths: Sequence[int],
    ridges: Float[np.ndarray, " r"],
    selection: int,
    evaluation: int,
    seed: int,
) -> FeatureStudy:
    """Simulate random features of all widths at all sample sizes, and evaluate the theory on the same grid."""
    spectrum, power = ef.power_law(alpha, modes), ef.power_law(beta, modes)
    keys = jax.random.split(jax.random.key(seed), 3)
    simulate = functools.partial(simulation.random_features, spectrum, power, ns=ns, widths=widths, ridges=ridges)
    limit = [*widths, np.inf]
    test, train = theory.error_grid(spectrum, power, ns=ns, widths=limit, ridges=ridges, noise=noise)
    shuffled = jax.random.permutation(keys[2], power)
    wrong = theory.error_grid(spectrum, shuffled, ns=ns, widths=limit, ridges=ridges, noise=noise)
    return FeatureStudy(
        spectrum,
        power,
        tuple(ns),
        tuple(widths),
        ridges,
        noise,
        simulate(trials=selection, key=keys[0], label="trials to choose ridges"),
        simulate(trials=evaluation, key=keys[1], label="trials to measure"),
        test,
        train,
        theory.best_errors(spectrum, power, ns=ns, widths=limit, noise=noise),
        np.stack(wrong),
    )


def rise_in_theory(study: FeatureStudy, fixed_ridge: float) -> Tested:
    """Largest rise of the expected test error to the next width or sample size; control at a fixed ridge."""
    at = int(np.argmin(np.abs(np.log(study.ridges / fixed_ridge))))
    best, fixed = (evidence.steps(g[None]).max() for g in (study.best_theory, study.test_theory[..., at]))
    return Tested(measured=Estimate.exact(best, 1e-10), control=Estimate.exact(fixed, 1e-10))


def rise_in_simulation(study: FeatureStudy, fixed_ridge: float) -> Tested:
    """Largest rise of the simulated test error to the next width or sample size; control at a fixed ridge."""
    return Tested(
        measured=evidence.largest(evidence.steps(study.tuned())),
        control=evidence.largest(evidence.steps(study.fixed(fixed_ridge))),
    )


def finite_width_loses(study: FeatureStudy, fixed_ridge: float, noise_factor: float = 10.0) -> Tested:
    """Smallest excess error of a width up to 2n over infinite width; control at a fixed ridge and more noise."""
    excess = functools.partial(evidence.beats_infinite, ns=study.ns, widths=study.widths)
    loud = study.fixed(fixed_ridge, noise_factor * study.noise)
    return Tested(measured=evidence.smallest(excess(study.tuned())), control=evidence.smallest(excess(loud)))


def _at_k_equals_n(study: FeatureStudy) -> tuple[np.ndarray, np.ndarray]:
    """Simulated errors, and the theory of k = infinity, at the grid points with as many features as samples."""
    rows = [(i, study.widths.index(n)) for i, n in enumerate(study.ns) if n in study.widths]
    if not rows:
        raise ValueError("no width equals a sample size, so the kernel formula cannot be tested where it is worst")
    i, j = (np.asarray(index) for index in zip(*rows, strict=True))
    simulated = study.errors()[:, :, i, j]
    return simulated.reshape(len(simulated), -1), study.theory()[:, i, np.full_like(j, -1)].ravel()


def gaussian_median_error(study: FeatureStudy) -> Tested:
    """Median relative error of the theory over the grid; control: the formula of k = infinity where k = n."""
    errors = study.errors()
    simulated, infinite = _at_k_equals_n(study)
    return Tested(
        measured=evidence.median_error(errors.reshape(len(errors), -1), study.theory().ravel()),
        control=evidence.median_error(simulated, infinite),
    )


def gaussian_share(study: FeatureStudy) -> Tested:
    """Share of grid points within the band; control: the theory of a target with its coefficients shuffled."""
    errors = study.errors()
    samples = errors.reshape(len(errors), -1)
    return Tested(
        measured=evidence.share_in_band(samples, study.theory().ravel()),
        control=evidence.share_in_band(samples, study.shuffled.ravel()),
    )


def relu_study(runs: Sequence[images.ReluSweep], n: int, widths: Sequence[int]) -> tuple[Tested, Tested, Tested]:
    """Median error and share within the band for ReLU features on images, and median error of their Gaussian imitation.

    Each is that of the worst data set.

    Controls: the formula of k = infinity at the width nearest to n, and the theory for shuffled coefficients.
    """
    level = 1 - 0.05 / len(runs)
    near = int(np.argmin(np.abs(np.log(np.asarray(widths) / n))))
    flat = [np.stack([r.test, r.train], axis=1) for r in runs]
    expected = [np.stack([r.test_theory, r.train_theory]) for r in runs]
    shuffled = [np.stack([r.test_shuffled, r.train_shuffled]) for r in runs]

    def each(statistic: object, points: Sequence[np.ndarray], theories: Sequence[np.ndarray]) -> list[Estimate]:
        assert callable(statistic)
        return [statistic(p.reshape(len(p), -1), t.ravel(), level) for p, t in zip(points, theories, strict=True)]

    at_n, infinite = [f[:, :, near] for f in flat], [e[:, -1] for e in expected]
    imitated = [np.stack([r.imitated.test(0.0)[:, 0], r.imitated.train(0.0)[:, 0]], axis=1) for r in runs]
    theirs = [np.stack([r.test_imitated, r.train_imitated]) for r in runs]
    same_n, no_width = [f[:, :, near] for f in imitated], [e[:, -1] for e in theirs]
    return (
        Tested(
            measured=evidence.worst(each(evidence.median_error, flat, expected)),
            control=evidence.worst(each(evidence.median_error, at_n, infinite), min),
        ),
        Tested(
            measured=evidence.worst(each(evidence.share_in_band, flat, expected), min),
            control=evidence.worst(each(evidence.share_in_band, flat, shuffled)),
        ),
        Tested(
            measured=evidence.worst(each(evidence.median_error, imitated, theirs)),
            control=evidence.worst(each(evidence.median_error, same_n, no_width), min),
        ),
    )


def mode_sums(tasks: Sequence[LawTask], ns: Sequence[int], modes: int) -> Tested:
    """Largest distance of the root formula from the discrete eigenframework; control: the claim that R* is 0.

    The control takes the tasks in which the formula puts R* above 0.1, where interpolation must be refuted.
    """
    found = theory.best_ratios(tasks, ns, modes=modes)
    roots = np.asarray([ef.fitting_ratio_optimum(*t) for t in tasks])[:, None]
    clear = np.broadcast_to(roots > 0.1, found.shape)
    return Tested(
        measured=Estimate.exact(np.abs(found - roots).max(), 1e-6),
        control=Estimate.exact(found[clear].min(), 1e-6),
    )


def tail_matters(task: LawTask, n: int, modes: int) -> Tested:
    """Distance of the root formula from a spectrum cut off after some modes; control: the same with the tail put back."""
    root = ef.fitting_ratio_optimum(*task)
    cut, whole = (abs(theory.best_ratios([task], [n], modes=modes, with_tails=w)[0, 0] - root) for w in (False, True))
    return Tested(measured=Estimate.exact(cut, 1e-6), control=Estimate.exact(whole, 1e-6))


Runs = dict[LawTask, simulation.LawRun]


def cost_of_prediction(runs: Runs, tasks: Sequence[LawTask]) -> Tested:
    """Excess error at the formula's R*, the worst task; control: excess at R = 0 where the formula puts R* above 0.1."""
    roots = [ef.fitting_ratio_optimum(*t) for t in tasks]
    wrong = [runs[t] for t, root in zip(tasks, roots, strict=True) if root > 0.1]
    return Tested(
        measured=evidence.worst(evidence.cost_at([runs[t] for t in tasks], roots)),
        control=evidence.worst(evidence.cost_at(wrong, [0.0] * len(wrong)), min),
    )


def cost_of_interpolating(runs: Runs, tasks: Sequence[LawTask], controls: Sequence[LawTask]) -> Tested:
    """Excess error at the least ridge, the worst task; control: the least excess among tasks that need a ridge."""
    cost = [evidence.cost_at([runs[t] for t in group], [0.0] * len(group)) for group in (tasks, controls)]
    return Tested(measured=evidence.worst(cost[0]), control=evidence.worst(cost[1], min))


def within_five_percent(runs: Runs, tasks: Sequence[LawTask], controls: Sequence[LawTask]) -> Tested:
    """Largest fitting ratio within 5 % of the optimum, the worst task; control: the least among the control tasks."""
    found = [evidence.admissible([runs[t] for t in group]) for group in (tasks, controls)]
    return Tested(measured=evidence.worst(found[0]), control=evidence.worst(found[1], min))


def class_bound(alphas: Sequence[float], margins: Sequence[float], control: LawTask) -> Tested:
    """Largest fitting ratio within 5 %, by formula, over noise-free tasks with beta at least alpha; control: one below."""
    frame = theory.ratio_map(alphas, [m for m in margins if m >= 0])
    return Tested(
        measured=Estimate.exact(frame["admissible_ratio"].max(), 1e-9),
        control=Estimate.exact(theory.admissible_ratio(control), 1e-9),
    )
