r"""Claim C4's corollary, early stopping: kernel gradient descent on labels of which some are wrong (section 5.1)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise.datasets import load
from reprise.papers.infinite_width.ntk_convergence import theory
from reprise.papers.infinite_width.ntk_convergence.threads import on_one_thread


class Digits(NamedTuple):
    """Batches of digits with pixels in [0, 1] and labels -1 (even) or 1 (odd)."""

    batches: list[np.ndarray]
    labels: list[np.ndarray]
    x_test: Float[np.ndarray, "m d"]
    y_test: Float[np.ndarray, " m"]


def digits(name: str, size: int, batches: int, tests: int, seed: int) -> Digits:
    """Disjoint random batches of a data set of digits, "mnist" or scikit-learn's "digits"."""
    own_split = {"split": 0, "train_fraction": 0.7} if name == "digits" else {}
    data = load(name, flatten=True, scale="unit", n_train=size * batches, n_test=tests, seed=seed, **own_split)
    y = 2.0 * (np.asarray(data.y, dtype=np.int64) % 2) - 1.0
    y_test = 2.0 * (np.asarray(data.y_test, dtype=np.int64) % 2) - 1.0
    parts = [slice(i * size, (i + 1) * size) for i in range(batches)]
    return Digits([np.asarray(data.x[p]) for p in parts], [y[p] for p in parts], np.asarray(data.x_test), y_test)


def flipped(labels: Float[np.ndarray, " n"], share: float, seed: int) -> Float[np.ndarray, " n"]:
    """Labels of which exactly this share, at random places, has the wrong sign."""
    wrong = np.random.default_rng(seed).permutation(labels.size)[: round(share * labels.size)]
    out = labels.copy()
    out[wrong] *= -1.0
    return out


@on_one_thread
def clean_errors(
    kernel: Float[np.ndarray, "n n"],
    cross: Float[np.ndarray, "m n"],
    labels: Float[np.ndarray, " n"],
    y_test: Float[np.ndarray, " m"],
    times: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    r"""Mean squared test error of $f_t=\Theta_{xX}\Theta_{XX}^{-1}(1-e^{-t\Theta_{XX}/N})y$ at each time; infinite times allowed."""
    n = labels.size
    values, vectors = np.linalg.eigh(kernel)
    gains = -np.expm1(-np.outer(times, values) / n) / values
    predictions = (gains * (labels @ vectors)) @ (cross @ vectors).T
    return np.asarray(np.mean((predictions - y_test) ** 2, axis=1))


def stopping_gain(errors: Float[np.ndarray, "... k"]) -> Float[np.ndarray, "..."]:
    """How much better the best time is than both ends, relative: min(first, last) / smallest - 1; 0 without a minimum inside."""
    return np.asarray(np.minimum(errors[..., 0], errors[..., -1]) / errors.min(axis=-1) - 1.0)


TIMES = np.concatenate([[0.0], np.logspace(0, 9, 91), [np.inf]])
"""Times at which kernel descent is evaluated, from the start to the end."""


def error_curves(
    data: Digits, *, depth: int, bias: float, noise: float, seed: int
) -> Float[np.ndarray, "batches times"]:
    """Clean test error at `TIMES` for each batch, trained on labels of which the share `noise` is wrong."""
    curves = []
    for i, (x, labels) in enumerate(zip(data.batches, data.labels, strict=True)):
        n = len(x)
        kernel = theory.relu_ntk(np.concatenate([x, data.x_test]), depth=depth, bias=bias)
        wrong = flipped(labels, noise, seed=seed * len(data.batches) + i)
        curves.append(clean_errors(kernel[:n, :n], kernel[n:, :n], wrong, data.y_test, TIMES))
    return np.stack(curves)
