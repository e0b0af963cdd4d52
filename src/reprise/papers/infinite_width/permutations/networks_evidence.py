"""From trained finite networks to the estimates that the card judges (C2, C3, C4b)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.permutations import limit
from reprise.papers.infinite_width.permutations import regression as rg
from reprise.papers.infinite_width.permutations.finite import Run
from reprise.papers.infinite_width.permutations.regression import Trained
from reprise.papers.infinite_width.permutations.threads import on_one_thread


def worst(estimates: Sequence[Estimate], target: float) -> Estimate:
    """The estimate furthest from a target: one length stands for all."""
    return max(estimates, key=lambda e: abs(float(np.asarray(e.value)) - target))


def looked_at(k: int) -> Float[np.ndarray, "t k"]:
    """What trained networks are looked at on: the unit vectors first, all inputs of weight two, and that of weight k."""
    return np.concatenate([np.eye(k), rg.of_weight(k, 2), np.ones((1, k))])


def steadied(run: Run, trained: Trained = "all") -> Float[np.ndarray, "seeds t k"]:
    r"""Outputs after training, less the noise of the random start that the limit carries along: $f_0(x)-Af_0(X)$.

    A control variate: turning the signs of the second layer turns the sign of $f_0$, so its mean is exactly 0 at every
    width and for every matrix A, and the expectation of the outputs stays what it is. The first k inputs are the unit
    vectors.
    """
    carried = np.einsum("ti,sik->stk", rg.gain(_inputs(run), trained), run.start[:, : run.k])
    return np.asarray(run.end - (run.start - carried))


def _permutation(run: Run) -> np.ndarray:
    return np.asarray(run.truth[: run.k].argmax(axis=1))


def _inputs(run: Run) -> np.ndarray:
    return np.asarray(run.truth @ rg.targets(_permutation(run)).T, dtype=np.float64)


def group_means(values: Float[np.ndarray, "seeds t k"], run: Run, weight: int, *, on: bool) -> np.ndarray:
    """Mean of each network's outputs on (or off) the support over all inputs of one weight, (seeds,)."""
    mask = (run.truth == on) & (run.weights == weight)[:, None]
    return np.asarray(values[:, mask].mean(axis=1))


def off_support_ratio(run: Run, *, networks: Trained = "all", predicted: Trained = "all") -> Estimate:
    """Mean output off the support at weight two, over its prediction.

    Args:
        run: trained networks.
        networks: which layers learn in these networks, for the control variate.
        predicted: whose prediction.
    """
    means = group_means(steadied(run, networks), run, 2, on=False)
    return statistics.mean(means / float(limit.law(run.k, 2, predicted).off))


def on_support_deviation(run: Run, *, networks: Trained = "all", predicted: Trained = "all") -> Estimate:
    """Relative distance of the mean outputs on the support, at weights 2 and k, from their prediction, noise removed."""
    values, weights = steadied(run, networks), (2, run.k)
    means = np.stack([group_means(values, run, m, on=True) for m in weights], axis=1)
    return statistics.relative_deviation(means, [float(limit.law(run.k, m, predicted).on) for m in weights])


def variance_ratio(run: Run, *, after: bool = True) -> Estimate:
    """Variance of the outputs off the support at weight two over $s^2$, ``after`` training or before it."""
    values = run.end if after else run.start
    mask = (~run.truth) & (run.weights == 2)[:, None]
    squares = (values[:, mask] - values[:, mask].mean(axis=0)) ** 2
    count = len(values)
    return statistics.mean(squares.mean(axis=1) * count / (count - 1) / float(limit.law(run.k, 2).variance))


def normality(run: Run, predicted: Trained = "all") -> Estimate:
    """Kolmogorov distance of outputs on the support at weight two from the predicted Gaussian.

    From each network one value for each of its k outputs, which the limit says are independent; output j is looked at on
    an input of weight two that has it on, another one for each network.
    """
    law = limit.law(run.k, 2, predicted)
    values = []
    for j in range(run.k):
        inputs = np.flatnonzero(run.truth[:, j] & (run.weights == 2))
        seeds = np.arange(len(run.f))
        values.append(run.end[seeds, inputs[seeds % len(inputs)], j])
    return statistics.ks_distance((np.concatenate(values) - float(law.on)) / float(np.sqrt(law.variance)))


@on_one_thread
def descent(run: Run, trained: Trained) -> Float[np.ndarray, "seeds records t k"]:
    r"""Kernel descent from each network's own start: $f_s=f_0+A(1-(1-\eta\Theta_{XX})^s)(y-f_0(X))$, in the eigenbasis.

    ``trained`` says with which kernel: the tangent kernel, or the last layer's alone.
    """
    both = rg.kernels(_inputs(run), np.eye(run.k))
    kernel = np.asarray(both.ntk if trained == "all" else both.nngp)
    values, vectors = np.linalg.eigh(kernel[: run.k])
    learnt = (1.0 - (1.0 - run.eta * values) ** run.steps[:, None]) / values  # (records, k)
    residual = np.einsum("ij,sik->sjk", vectors, rg.targets(_permutation(run)) - run.start[:, : run.k])
    return np.asarray(
        run.start[:, None] + np.einsum("tj,rj,sjk->srtk", kernel @ vectors, learnt, residual, optimize=True)
    )


def distances(runs: Sequence[Run], trained: Trained) -> Float[np.ndarray, "seeds widths"]:
    """Root mean square distance over time, inputs and outputs between each network and kernel descent from its start."""
    return np.stack([np.sqrt(((r.f - descent(r, trained)) ** 2).mean(axis=(1, 2, 3))) for r in runs], axis=1)


def approach(runs: Sequence[Run], trained: Trained) -> Estimate:
    """Exponent with which `distances` fall with width."""
    return statistics.slope([r.width for r in runs], distances(runs, trained))


def ensemble_accuracy(run: Run, n: int) -> np.ndarray:
    """Accuracy on inputs of weight two of disjoint ensembles of n networks, one value an ensemble."""
    seen = run.weights == 2
    whole = len(run.f) // n
    averages = run.end[: whole * n, seen].reshape(whole, n, *run.truth[seen].shape).mean(axis=1)
    return np.asarray(((averages > 0.0) == run.truth[seen]).all(axis=2).mean(axis=1))


def ensemble_success(run: Run, n: int) -> Estimate:
    """Mean of `ensemble_accuracy`: t interval over ensembles, at least as wide as if all decisions were independent.

    A few ensembles that happen to agree would have no t interval at all; counting decisions keeps the interval honest.
    """
    shares = ensemble_accuracy(run, n)
    over, decisions = statistics.mean(shares), len(shares) * int((run.weights == 2).sum())
    counted = statistics.proportion(round(float(shares.mean()) * decisions), decisions)
    ends = [float(np.asarray(v)) for v in (over.low, counted.low, over.high, counted.high)]
    return Estimate(
        value=over.value,
        low=min(ends[:2]),
        high=min(1.0, max(ends[2:])),
        n=over.n,
        method="mean over ensembles, the wider of t and Clopper-Pearson",
        samples=over.samples,
    )
