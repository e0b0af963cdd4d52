"""Claim C1 as evidence: the scalar example, the bias of one draw, its decay, and what averaging gradients leaves."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.ssl_dataset_distillation import gradient_bias, scalar_example
from reprise.papers.kernels_and_features.ssl_dataset_distillation.gradient_bias import Problem, Sampler

GROUPS = 20
"""Repetitions are averaged in this many groups, which are the independent samples of a slope."""
KINDS: dict[str, Callable[..., Problem]] = {"denoiser": gradient_bias.denoiser, "network": gradient_bias.network}
SCALAR_SAMPLES = 200_000
"""Draws of the scalar example, which cost nothing."""
LATE = 16
"""Draws from which on the expansion in 1/J is used for the network."""
ERRORS = 5.0
"""Standard errors that the interval of a single bias spans to each side."""


class Biases(NamedTuple):
    """Relative bias of the gradient, by numbers of draws.

    Attributes:
        kind: "denoiser" or "network".
        draws: numbers J.
        inner: bias with J draws in the inner problem, (groups, len(draws)), along its own direction.
        averaged: bias of the average of J gradients of one draw each, likewise.
        deterministic: relative bias of the inner problem in which nothing is drawn.
        noise: standard deviation of a single gradient with J draws, relative, (len(draws),).
    """

    kind: str
    draws: tuple[int, ...]
    inner: Float[np.ndarray, "groups j"]
    averaged: Float[np.ndarray, "groups j"]
    deterministic: float
    noise: Float[np.ndarray, " j"]


def measure(kind: str, draws: Sequence[int], repetitions: int, *, seed: int = 0) -> Biases:
    """Bias at every number of draws.

    Args:
        kind: "denoiser" or "network".
        draws: numbers J.
        repetitions: gradients that are averaged; a quarter for the network, whose gradients are costly, and a
            quarter of it all for the control; rounded down to a multiple of 80.
        seed: of problem and draws.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: one of {', '.join(KINDS)}, not {kind!r}")
    if kind == "network":
        repetitions //= 4
    quarter = max(repetitions // (4 * GROUPS), 1) * GROUPS
    sampler, rng = Sampler(KINDS[kind](seed=seed), quarter), np.random.default_rng([seed, 10])
    inner, averaged, noise = [], [], []
    for count in progress.track(draws, f"gradients of the {kind}"):
        parts = [sampler.gradients(count, rng) for _ in range(4)]
        values, linear = (np.concatenate(part) for part in zip(*parts, strict=True))
        inner.append(_along(values - linear, sampler.true))
        noise.append(np.linalg.norm(values.std(axis=0)) / np.linalg.norm(sampler.true))
        single, linear = sampler.gradients(1, rng)
        averaged.append(_along(single - linear, sampler.true))
    still = KINDS[kind](masked=False, seed=seed)
    nothing = Sampler(still, quarter)
    drawn, right = nothing.gradients(1, rng)[0].mean(axis=0), nothing.true
    return Biases(
        kind, tuple(draws), np.stack(inner, axis=1), np.stack(averaged, axis=1),
        float(np.linalg.norm(drawn - right) / np.linalg.norm(right)), np.asarray(noise),
    )  # fmt: skip


def _along(gradients: Float[np.ndarray, "r size"], true: Float[np.ndarray, " size"]) -> Float[np.ndarray, " groups"]:
    """Group means of the deviation from the true gradient, along the direction of its mean, over the gradient's length.

    The mean over all repetitions is also that of averages of any number of them.
    """
    groups = gradients.reshape(GROUPS, -1, gradients.shape[1]).mean(axis=1) - true
    # The direction comes from the other groups, so that noise does not count as length.
    others = (groups.sum(axis=0) - groups) / (GROUPS - 1)
    return np.sum(groups * others, axis=1) / np.linalg.norm(others, axis=1) / np.linalg.norm(true)


def one_draw(found: Biases) -> Estimate:
    """Relative bias at the smallest number of draws, with an interval of five standard errors."""
    values = found.inner[:, 0]
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(GROUPS))
    return Estimate(
        mean, mean - ERRORS * error, mean + ERRORS * error, n=GROUPS, level=0.9999, method="five standard errors",
        samples=tuple(values),
    )  # fmt: skip


def no_draw(found: Biases) -> Estimate:
    """The same of the deterministic inner problem, where rounding is all there is."""
    return Estimate.exact(found.deterministic, method="rounding of a deterministic gradient")


def decay(found: Biases, *, averaged: bool = False) -> Estimate:
    """Exponent with which the bias falls with J; with `averaged` that of averages of one-draw gradients.

    The law 1/J is the leading term of an expansion, so the network's exponent is taken from `LATE` draws on,
    if there are two such numbers.
    """
    late = np.asarray(found.draws) >= (LATE if found.kind == "network" else 1)
    if late.sum() < 2:
        late[:] = True
    values = found.averaged if averaged else found.inner
    return statistics.slope(np.asarray(found.draws)[late], values[:, late], method="t")


def scalar_mean(*, seed: int = 0) -> Estimate:
    """Sampled mean of the scalar example's gradient with one draw, at x = 1."""
    values = scalar_example.sampled_gradients(1.0, SCALAR_SAMPLES, seed=seed)
    return statistics.mean(values.reshape(GROUPS, -1).mean(axis=1))


def scalar_truth() -> Estimate:
    """Gradient of the scalar example through the expected inner problem, at x = 1, in closed form."""
    return Estimate.exact(scalar_example.true_gradient(1.0), 1e-12, method="closed form")


def scalar_bias(*, linear: bool = False) -> Estimate:
    """Bias of the scalar example over both scales; with `linear` where solution and outer loss are linear."""
    return Estimate.exact(scalar_example.enumerated_bias(1.0, linear=linear), 1e-14, n=2, method="enumeration")
