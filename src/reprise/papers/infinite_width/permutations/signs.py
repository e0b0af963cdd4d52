"""Claim C1: sign patterns of the mean, by the generic solver, over inputs, weights and permutations."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from reprise.estimate import Estimate
from reprise.papers.infinite_width.permutations import limit
from reprise.papers.infinite_width.permutations import regression as rg
from reprise.papers.infinite_width.permutations.regression import Trained

ZERO = 1e-9
"""What the solver's rounding may leave of a zero. A sign counts where a mean is further from 0 than this."""


def right(mean: Float[np.ndarray, "t k"], truth: Bool[np.ndarray, "t k"]) -> Bool[np.ndarray, " t"]:
    """Which inputs have the right sign on every output: beyond `ZERO` above on the support and below off it.

    Inputs of weight one were trained on. Off their support the mean is 0, and the rule "1 if above 0" gives 0, which is right.
    """
    seen = truth.sum(axis=1, keepdims=True) == 1
    above, below = mean > ZERO, np.where(seen, mean <= ZERO, mean < -ZERO)
    return np.asarray(np.where(truth, above, below).all(axis=1))


def over_inputs(sizes: Sequence[int], *, activation: str = "relu", seed: int = 0) -> Estimate:
    """Share of all nonzero inputs with right signs, for a random permutation at each k; the smallest over k."""

    def share(k: int) -> float:
        inputs, p = rg.all_inputs(k), rg.permutation(k, seed)
        mean = rg.mean(inputs, rg.targets(p), activation=activation)
        return float(right(mean, rg.truth(inputs, p)).mean())

    shares = [share(k) for k in sizes]
    return Estimate.exact(min(shares), n=sum(2**k - 1 for k in sizes), method="all inputs counted", samples=shares)


def over_weights(sizes: Sequence[int], *, missing: bool = False, seed: int = 0) -> Estimate:
    """Share of weights 1 to k with right signs, one input each; the smallest over k.

    By symmetry this exhausts the inputs. With ``missing`` the first unit vector is left out of the training set.
    """

    def share(k: int) -> float:
        inputs, p = rg.prefixes(k), rg.permutation(k, seed)
        keep = slice(int(missing), None)
        mean = rg.mean(inputs, rg.targets(p)[keep], examples=np.eye(k)[keep])
        return float(right(mean, rg.truth(inputs, p)).mean())

    shares = [share(k) for k in sizes]
    return Estimate.exact(min(shares), n=sum(sizes), method="all weights counted", samples=shares)


def over_permutations(k: int, *, collide: bool = False) -> Estimate:
    """Share of all pairs of a permutation and an input with right signs; with ``collide`` two examples share a target."""
    inputs = rg.all_inputs(k)
    found = []
    for values in itertools.permutations(range(k)):
        p = np.asarray(values)
        y = rg.targets(p)
        if collide:
            y[0] = y[1]
        found.append(right(rg.mean(inputs, y), rg.truth(inputs, p)).mean())
    return Estimate.exact(float(np.mean(found)), n=len(found) * len(inputs), method="all permutations counted")


def closed_form_gap(sizes: Sequence[int], trained: Trained = "all") -> Estimate:
    """Largest difference over k and weights between the solver (all layers trained) and the closed form for `trained`."""
    gaps = []
    for k in sizes:
        inputs, p = rg.prefixes(k), rg.permutation(k, 0)
        on, off, _ = limit.law(k, np.arange(1, k + 1), trained)
        expected = np.where(rg.truth(inputs, p), on[:, None], off[:, None])
        gaps.append(float(np.abs(rg.mean(inputs, rg.targets(p)) - expected).max()))
    return Estimate.exact(max(gaps), n=sum(sizes), method="largest of all weights", samples=gaps)


def margins(sizes: Sequence[int], *, activation: str = "relu") -> Float[np.ndarray, " sizes"]:
    """Smallest distance of a mean from 0 on the right side, over unseen inputs and outputs, for each k."""

    def margin(k: int) -> float:
        inputs = rg.prefixes(k)[1:]
        on = inputs > 0.5
        mean = rg.mean(inputs, np.eye(k), activation=activation)
        return float(np.where(on, mean, -mean).min())

    return np.asarray([margin(k) for k in sizes])
