r"""Shots: a kernel entry is the share of all-zero outcomes among R runs, so its error is binomial.

After $U_{\Phi(y)}$ and then $U_{\Phi(x)}^\dagger$ the outcome 0...0 has the probability $K(x,y)$.
"""

import numpy as np
from jaxtyping import Float


def measured(exact: Float[np.ndarray, "p q"], shots: int, rng: np.random.Generator) -> Float[np.ndarray, "p q"]:
    """Entries estimated from R shots each: binomial counts over R.

    >>> measured(np.array([[0.0, 1.0]]), 100, np.random.default_rng(0)).tolist()
    [[0.0, 1.0]]
    """
    if shots < 1:
        raise ValueError(f"shots: at least one run of the circuit is expected, not {shots}")
    return np.asarray(rng.binomial(shots, np.clip(exact, 0.0, 1.0)) / shots)


def measured_gram(exact: Float[np.ndarray, "p p"], shots: int, rng: np.random.Generator) -> Float[np.ndarray, "p p"]:
    """A kernel matrix whose pairs are measured once each; its diagonal is 1 and needs no measurement."""
    upper = np.triu(measured(exact, shots, rng), 1)
    return np.asarray(upper + upper.T + np.eye(len(exact)))


def swap_test(exact: Float[np.ndarray, "..."], shots: int, rng: np.random.Generator) -> Float[np.ndarray, "..."]:
    """The same overlap by the swap test, which shows 0 with probability (1+K)/2; its variance is (1-K^2)/R."""
    return np.asarray(2.0 * rng.binomial(shots, 0.5 * (1.0 + np.clip(exact, 0.0, 1.0))) / shots - 1.0)


def clipped(gram: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """The nearest positive semidefinite matrix: negative eigenvalues are set to zero.

    >>> clipped(np.array([[0.0, 1.0], [1.0, 0.0]])).round(12).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    values, vectors = np.linalg.eigh(gram)
    kept = np.clip(values, 0.0, None)
    return np.asarray((vectors * kept) @ vectors.T)


def off_diagonal(gram: Float[np.ndarray, "p p"]) -> Float[np.ndarray, " pairs"]:
    """The entries above the diagonal."""
    return gram[np.triu_indices(len(gram), 1)]
