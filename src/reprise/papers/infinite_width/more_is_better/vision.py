"""Images: what is measured of one kernel on one data set, and the checks that several such tasks answer."""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from reprise.estimate import Estimate
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import evidence, images, sweeps
from reprise.papers.infinite_width.more_is_better.evidence import Tested
from reprise.papers.infinite_width.more_is_better.theory import LawTask, admissible_ratio

__all__ = [
    "VisionStudy",
    "against_paper",
    "alpha_exponent",
    "beta_exponent",
    "ratio_without_noise",
    "rise_with_noise",
    "summary",
    "vision_study",
]


class VisionStudy(NamedTuple):
    """One kernel on one set of images: sweeps to choose ridges and to measure, and scalings, one of a control kernel."""

    name: str
    noise_levels: tuple[float, ...]
    noisy: tuple[sweeps.NoiseSweep, sweeps.NoiseSweep]
    scaling: sweeps.Scaling
    controls: dict[str, sweeps.Scaling]

    @property
    def alpha(self) -> float:
        """Exponent of the eigenvalues, from the scaling of kappa."""
        return -evidence.scalar(evidence.exponents([self.scaling], "kappa")[0])

    @property
    def beta(self) -> float:
        """Exponent of the target's powers, from the scaling of the ridgeless error."""
        return 1 - evidence.scalar(evidence.exponents([self.scaling], "error")[0])

    def law(self, noise_rel: float = 0.0) -> LawTask:
        """The task that the two exponents stand for; the formula holds for beta below 2 alpha + 1."""
        return LawTask(self.alpha, min(self.beta, 2 * self.alpha + 0.99), noise_rel)

    def ratios(self) -> Estimate:
        """Fitting ratio at the best ridge, by noise level."""
        return evidence.best_ratio(*self.noisy)


def vision_study(
    name: str,
    *,
    pool: int,
    n: int,
    noise_levels: Sequence[float],
    ridges: Float[np.ndarray, " r"],
    trials: int,
    seed: int,
    controls: Sequence[str] = ("narrow",),
) -> VisionStudy:
    """Everything that is measured of one task, named "data set/kernel"."""
    data, kernel = name.split("/")
    drawn = images.load_pool(data, pool, seed=seed)
    matrices = {k: images.kernel_matrix(drawn, k) for k in (kernel, *controls)}
    y, keys = drawn.one_hot(), jax.random.split(jax.random.key(seed), 3)
    sweep = functools.partial(
        sweeps.noise_sweep, matrices[kernel], y, n=n, ridges=ridges, trials=trials, label=f"ridges, {name}"
    )
    ns = [max(n // d, 4) for d in (16, 8, 4, 2, 1)]
    grow = functools.partial(sweeps.scaling, y=y, ns=ns, trials=trials, key=keys[2], label=f"scaling, {name}")
    return VisionStudy(
        name,
        tuple(noise_levels),
        (sweep(noise_levels=noise_levels, key=keys[0]), sweep(noise_levels=noise_levels, key=keys[1])),
        grow(matrices[kernel]),
        {name: grow(matrices[name]) for name in controls},
    )


def _joint(studies: Sequence[VisionStudy]) -> float:
    return 1 - 0.05 / len(studies)


def ratio_without_noise(studies: Sequence[VisionStudy]) -> Tested:
    """Fitting ratio at the best ridge without noise, the largest of the tasks; control: the least for permuted labels."""
    first = functools.partial(evidence.best_ratio, reduce=lambda ratios: float(ratios[0]), level=_joint(studies))
    return Tested(
        measured=evidence.worst([first(*s.noisy) for s in studies]),
        control=evidence.worst([first(*s.noisy, labels="permuted") for s in studies], min),
    )


def rise_with_noise(studies: Sequence[VisionStudy], levels: Sequence[float]) -> Tested:
    """Smallest rise of the best fitting ratio between these noise levels; control: noise in the test labels alone."""

    def found(labels: Literal["noisy", "test_only"]) -> list[Estimate]:
        estimates = []
        for study in studies:
            rise = functools.partial(evidence.ratio_steps, [study.noise_levels.index(level) for level in levels])
            estimates.append(evidence.best_ratio(*study.noisy, labels=labels, reduce=rise, level=_joint(studies)))
        return estimates

    return Tested(measured=evidence.worst(found("noisy"), min), control=evidence.worst(found("test_only")))


def alpha_exponent(studies: Sequence[VisionStudy]) -> Tested:
    """Slope of the kappa estimate against n, the flattest of the tasks; control: the control kernel's steepest."""
    measured, control = ([s.scaling for s in studies], [s.controls["narrow"] for s in studies])
    return Tested(
        measured=evidence.worst(evidence.exponents(measured, "kappa")),
        control=evidence.worst(evidence.exponents(control, "kappa"), min),
    )


def beta_exponent(studies: Sequence[VisionStudy]) -> Tested:
    """Slope of the ridgeless test error against n, the flattest of the tasks; control: permuted labels' steepest."""
    scalings = [s.scaling for s in studies]
    return Tested(
        measured=evidence.worst(evidence.exponents(scalings, "error")),
        control=evidence.worst(evidence.exponents(scalings, "permuted"), min),
    )


def against_paper(study: VisionStudy) -> tuple[Tested, Tested]:
    """Alpha and beta of one task, to be compared with the paper's; controls: a wide Gaussian kernel, permuted labels."""

    def flipped(scaling: sweeps.Scaling, what: str, offset: float) -> Estimate:
        found = evidence.exponents([scaling], what)[0]
        value, low, high = (offset - float(np.asarray(end)) for end in (found.value, found.high, found.low))
        samples = tuple(offset - s for s in found.samples)
        return Estimate(value, low, high, n=found.n, level=found.level, method=found.method, samples=samples)

    return (
        Tested(measured=flipped(study.scaling, "kappa", 0.0), control=flipped(study.controls["wide"], "kappa", 0.0)),
        Tested(measured=flipped(study.scaling, "error", 1.0), control=flipped(study.scaling, "permuted", 1.0)),
    )


def summary(studies: Sequence[VisionStudy]) -> pd.DataFrame:
    """Exponents and best fitting ratios of every task, beside what the two exponents predict."""
    rows = []
    for study in studies:
        task = study.law()
        measured = study.ratios()
        assert isinstance(measured.value, tuple)
        for level, ratio in zip(study.noise_levels, measured.value, strict=True):
            predicted = ef.fitting_ratio_optimum(*task._replace(noise_rel=level))
            rows.append(
                {
                    "task": study.name,
                    "alpha": task.alpha,
                    "beta": task.beta,
                    "noise": level,
                    "best ratio": ratio,
                    "ratio from exponents": predicted,
                    "within 5 % up to": admissible_ratio(task._replace(noise_rel=level)),
                }
            )
    return pd.DataFrame(rows)
