r"""Trained infinitely wide networks by a generic solver: kernel matrices, one linear solve, no closed form of the answer.

Inputs are rows of zeros and ones, normalised to length one; targets are permuted unit vectors. With $X$ the unit vectors,
mean $\Theta_{xX}\Theta_{XX}^{-1}Y$ and covariance $K_{xx}-AK_{Xx}-K_{xX}A^\top+AK_{XX}A^\top$, $A=\Theta_{xX}\Theta_{XX}^{-1}$.
"""

import itertools
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from reprise.kernels import closed_form
from reprise.papers.infinite_width.permutations.threads import on_one_thread

Trained = Literal["all", "last"]
"""Which layers learn: all (tangent kernel), or the last alone (the kernel of the outputs)."""


def all_inputs(k: int) -> Float[np.ndarray, "t k"]:
    """All $2^k-1$ nonzero inputs.

    >>> all_inputs(2)
    array([[0., 1.],
           [1., 0.],
           [1., 1.]])
    """
    numbers = np.arange(1, 2**k)
    return (numbers[:, None] >> np.arange(k - 1, -1, -1) & 1).astype(np.float64)


def prefixes(k: int) -> Float[np.ndarray, "k k"]:
    """One input of every weight 1, ..., k: the first m coordinates are on.

    >>> prefixes(2)
    array([[1., 0.],
           [1., 1.]])
    """
    return np.tril(np.ones((k, k)))


def of_weight(k: int, weight: int, most: int | None = None, *, seed: int = 0) -> Float[np.ndarray, "t k"]:
    """Inputs with `weight` ones: all of them, or a random choice of `most` different ones.

    >>> of_weight(4, 2).shape, of_weight(30, 15, 8).shape
    ((6, 4), (8, 30))
    """
    total = _binomial(k, weight)
    if most is None or total <= most:
        on = np.asarray(list(itertools.combinations(range(k), weight)))
    else:
        rng, chosen = np.random.default_rng([seed, k, weight]), set[tuple[int, ...]]()
        while len(chosen) < most:
            chosen.add(tuple(sorted(rng.permutation(k)[:weight].tolist())))
        on = np.asarray(sorted(chosen))
    x = np.zeros((len(on), k))
    np.put_along_axis(x, on, 1.0, axis=1)
    return x


def _binomial(k: int, m: int) -> float:
    return float(np.prod([(k - i) / (i + 1) for i in range(min(m, k - m))]))


def normalised(inputs: Float[np.ndarray, "t k"]) -> Float[np.ndarray, "t k"]:
    """Inputs at length one."""
    return inputs / np.linalg.norm(inputs, axis=1, keepdims=True)


def permutation(k: int, seed: int) -> Int[np.ndarray, " k"]:
    """A random permutation: input coordinate i goes to output coordinate `permutation[i]`."""
    return np.random.default_rng([seed, k]).permutation(k)


def targets(permutation: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k k"]:
    """What the unit vectors are trained on, (k, k): row i is the unit vector of `permutation[i]`.

    >>> targets(np.array([1, 0]))
    array([[0., 1.],
           [1., 0.]])
    """
    return np.eye(len(permutation))[permutation]


def truth(inputs: Float[np.ndarray, "t k"], permutation: Int[np.ndarray, " k"]) -> Bool[np.ndarray, "t k"]:
    """Which outputs should be on.

    >>> truth(np.array([[1.0, 0.0, 1.0]]), np.array([1, 2, 0]))
    array([[ True,  True, False]])
    """
    return inputs @ targets(permutation) > 0.5


def kernels(
    x1: Float[np.ndarray, "t k"], x2: Float[np.ndarray, "s k"] | None = None, activation: str = "relu"
) -> closed_form.Kernels:
    """Covariance K of the outputs at the start, and tangent kernel Theta, between inputs taken at length one.

    At length one both depend on the cosine alone, and a set of binary inputs has few different cosines. So the shared
    kernel is evaluated once for each, between points of the unit circle, and scaled from two input coordinates to k.
    """
    others = x1 if x2 is None else x2
    lengths = np.linalg.norm(x1, axis=1)[:, None] * np.linalg.norm(others, axis=1)
    cosine = np.clip(x1 @ others.T / lengths, -1.0, 1.0)
    cosine[np.abs(cosine - 1.0) < 1e-14] = 1.0
    values, where = np.unique(cosine, return_inverse=True)
    both = _on_the_circle(values, activation)
    scale = 2.0 / x1.shape[1]
    return closed_form.Kernels(*(scale * kernel[where].reshape(cosine.shape) for kernel in both))


def _on_the_circle(cosine: Float[np.ndarray, " c"], activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Both kernels of two-coordinate inputs of length one at these cosines; padded, so that few shapes are compiled."""
    size = 64
    while size < len(cosine):
        size *= 8
    t = np.zeros(size)
    t[: len(cosine)] = cosine
    points = np.stack([t, np.sqrt((1.0 - t) * (1.0 + t))], axis=1)
    both = closed_form.nngp_ntk(np.array([[1.0, 0.0]]), points, depth=2, activation=activation)
    return np.asarray(both.nngp)[0, : len(cosine)], np.asarray(both.ntk)[0, : len(cosine)]


@on_one_thread
def mean(
    inputs: Float[np.ndarray, "t k"],
    y: Float[np.ndarray, "n k"],
    *,
    trained: Trained = "all",
    activation: str = "relu",
    examples: Float[np.ndarray, "n k"] | None = None,
) -> Float[np.ndarray, "t k"]:
    """Mean output of trained networks at normalised inputs, by one solve.

    Args:
        inputs: zeros and ones.
        y: targets of the training examples.
        trained: all layers or the last alone.
        activation: "relu", or "linear" for a network without nonlinearity.
        examples: training inputs, the unit vectors if None.
    """
    x = np.eye(inputs.shape[1]) if examples is None else examples
    both = kernels(np.concatenate([x, inputs]), x, activation)
    kernel = np.asarray(both.ntk if trained == "all" else both.nngp)
    return np.asarray(kernel[len(x) :] @ np.linalg.solve(kernel[: len(x)], y))


def gain(inputs: Float[np.ndarray, "t k"], trained: Trained = "all") -> Float[np.ndarray, "t k"]:
    r"""$A=\Theta_{xX}\Theta_{XX}^{-1}$: how an output at each input depends on what was trained on the unit vectors."""
    return mean(inputs, np.eye(inputs.shape[1]), trained=trained)


class Process(NamedTuple):
    """The Gaussian process of trained networks at T inputs: its k outputs are independent with one covariance.

    Attributes:
        mean: (T, k).
        factor: a square root L of the covariance, (T, T).
        truth: which outputs should be on, (T, k).
    """

    mean: Float[np.ndarray, "t k"]
    factor: Float[np.ndarray, "t t"]
    truth: Bool[np.ndarray, "t k"]


@on_one_thread
def process(inputs: Float[np.ndarray, "t k"], permutation: Int[np.ndarray, " k"], trained: Trained = "all") -> Process:
    """Mean and covariance at inputs of weight two or more, which were not trained on."""
    k = inputs.shape[1]
    both = kernels(np.concatenate([np.eye(k), inputs]))
    sigma, theta = np.asarray(both.nngp), np.asarray(both.ntk if trained == "all" else both.nngp)
    weights = np.linalg.solve(theta[:k, :k], theta[:k, k:]).T
    crossed = weights @ sigma[:k, k:]
    covariance = sigma[k:, k:] - crossed - crossed.T + weights @ sigma[:k, :k] @ weights.T
    lift = 1e-10 * np.trace(covariance) / len(inputs)
    factor = np.linalg.cholesky(covariance + lift * np.eye(len(inputs)))
    return Process(weights @ targets(permutation), factor, truth(inputs, permutation))
