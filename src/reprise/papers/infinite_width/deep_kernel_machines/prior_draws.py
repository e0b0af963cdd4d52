"""Draws from the prior of a finite deep Gaussian process, reweighted by one copy of the labels.

This is the posterior of the *standard* limit, in which labels are not copied; one copy weighs so little that
importance sampling from the prior is enough, and no code is shared with the Markov chains.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.deep_kernel_machines.finite_width import Problems


class PriorDraws(NamedTuple):
    """Gram matrices (problems, draws, depth, P, P) and normalised weights (problems, draws)."""

    grams: Float[np.ndarray, "problems draws depth p p"]
    weights: Float[np.ndarray, "problems draws"]

    def mean(self, problem: int) -> Float[np.ndarray, "depth p p"]:
        """Posterior mean of the Gram matrices."""
        return np.einsum("d,dlij->lij", self.weights[problem], self.grams[problem])

    def spread(self, problem: int) -> float:
        """Root of the summed posterior variances of all entries."""
        deviation = self.grams[problem] - self.mean(problem)
        return float(np.sqrt(np.einsum("d,dlij->", self.weights[problem], deviation**2)))

    def resample(self, problem: int, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count depth p p"]:
        """Draws of equal weight."""
        return self.grams[problem][rng.choice(len(self.weights[problem]), size=count, p=self.weights[problem])]


def draw_prior(
    problems: Problems,
    rng: np.random.Generator,
    *,
    width: int,
    depth: int,
    kernel: str,
    noise: float,
    draws: int = 2000,
    scale_sd: float = 0.0,
) -> PriorDraws:
    """Draw features layer by layer, unit by unit.

    With `scale_sd` > 0 all units of a layer share one lognormal factor: then they are not independent given the layer
    below, and no width makes their Gram matrix concentrate.
    """
    count, p = problems.y.shape[:2]
    grams = np.empty((count, draws, depth, p, p))
    log_weight = np.empty((count, draws))
    for s in range(count):
        gram = np.broadcast_to(problems.gram0[s], (draws, p, p))
        for layer in range(depth):
            inner = rng.standard_normal((draws, p, width))
            inner = inner @ np.swapaxes(inner, 1, 2) / width
            root = np.linalg.cholesky(kernel_matrix(gram, kernel))
            shared = np.exp(2.0 * scale_sd * rng.standard_normal(draws))[:, None, None]
            gram = shared * (root @ inner @ np.swapaxes(root, 1, 2))
            grams[s, :, layer] = gram
        covariance = kernel_matrix(gram, kernel) + noise * np.eye(p)
        solved = np.linalg.solve(covariance, np.broadcast_to(problems.y[s], (draws, *problems.y[s].shape)))
        quadratic = np.sum(problems.y[s] * solved, axis=(1, 2))
        log_weight[s] = -0.5 * (quadratic + problems.y.shape[2] * np.linalg.slogdet(covariance)[1])
    weights = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return PriorDraws(grams, weights / weights.sum(axis=1, keepdims=True))


def kernel_matrix(gram: Float[np.ndarray, "draws p p"], kernel: str) -> Float[np.ndarray, "draws p p"]:
    """The kernels of a stack of Gram matrices, in NumPy."""
    diagonal = np.einsum("dii->di", gram)
    if kernel == "linear":
        return gram
    if kernel == "se":
        return np.exp(-0.5 * (diagonal[:, :, None] + diagonal[:, None, :] - 2.0 * gram))
    scale = np.sqrt(diagonal[:, :, None] * diagonal[:, None, :])
    angle = np.arccos(np.clip(gram / scale, -1.0, 1.0))
    return scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
