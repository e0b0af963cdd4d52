r"""Kernel ridge regression on images: exponents from scaling with n, and the fitting ratio that noise asks for.

The exponents are read off two curves: $1/\mathrm{tr}[K_n^{-1}]\simeq\kappa\propto n^{-\alpha}$, and the ridgeless test
error $\propto n^{-(\beta-1)}$. Noise is added to the one-hot rows, with total variance ``noise_rel`` times the noise-free
ridgeless test error of the trial, and rows are brought back to unit norm, as the authors do.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

import reprise._x64  # noqa: F401
from reprise.papers.infinite_width.more_is_better.threads import one_blas_thread
from reprise.progress import track

__all__ = ["NoiseSweep", "Scaling", "noise_sweep", "scaling"]


class NoiseSweep(NamedTuple):
    """Errors of every trial for every set of labels and every ridge.

    ``test`` and ``train`` have noise in all labels, one set a noise level. The controls: ``test_only`` has noise in the
    test labels alone (trained on clean labels, ``train_clean``), and rows stay as long as they are, since shorter rows
    would be another target; ``permuted`` has one set, labels without signal.
    """

    test: Float[np.ndarray, "t s r"]
    train: Float[np.ndarray, "t s r"]
    test_only: Float[np.ndarray, "t s r"]
    train_clean: Float[np.ndarray, "t s r"]
    test_permuted: Float[np.ndarray, "t 1 r"]
    train_permuted: Float[np.ndarray, "t 1 r"]


class Scaling(NamedTuple):
    """Kappa estimates and ridgeless test errors of every trial for every sample size; ``permuted`` as in `NoiseSweep`."""

    ns: tuple[int, ...]
    kappa: Float[np.ndarray, "t n"]
    error: Float[np.ndarray, "t n"]
    permuted: Float[np.ndarray, "t n"]


def _apart(labels: Array) -> Array:
    """Label sets (sets, points, outputs) as columns (points, sets * outputs)."""
    return jnp.moveaxis(labels, 0, 1).reshape(labels.shape[1], -1)


@functools.partial(jax.jit, static_argnames="renormalise")
def _noise_trial(
    inner: Array,
    outer: Array,
    clean: tuple[Array, Array],
    permuted: tuple[Array, Array],
    draws: tuple[Array, Array],
    noise_levels: Array,
    ridges: Array,
    *,
    renormalise: bool,
) -> tuple[Array, Array]:
    """Test and training errors (label sets, ridges): noisy sets, clean training for each of them, permuted labels.

    Pairs hold the rows of the training and of the test images; ``draws`` are standard normals (levels, rows, outputs).
    """
    values, u = jnp.linalg.eigh(inner)
    basis, outputs = outer @ u, clean[0].shape[1]
    ridgeless = basis @ (u.T @ clean[0] / jnp.maximum(values, 1e-12 * values[-1])[:, None])
    base = jnp.mean(jnp.sum((ridgeless - clean[1]) ** 2, axis=1))

    def unit(rows: Array) -> Array:
        return rows / jnp.linalg.norm(rows, axis=2, keepdims=True) if renormalise else rows

    spread = jnp.sqrt(noise_levels * base / outputs)[:, None, None]
    added = [y + spread * draw for y, draw in zip(clean, draws, strict=True)]
    noisy, noisy_test = (unit(rows) for rows in added)
    labels = jnp.concatenate([noisy, jnp.broadcast_to(clean[0], noisy.shape), permuted[0][None]])
    targets = jnp.concatenate([noisy_test, added[1], permuted[1][None]])

    projected, target = u.T @ _apart(labels), _apart(targets)
    by_set = functools.partial(jnp.reshape, shape=(-1, len(labels), outputs))

    def at(ridge: Array) -> tuple[Array, Array]:
        h = projected / (jnp.maximum(values, 0.0) + ridge)[:, None]
        mean_square = [jnp.mean(jnp.sum(by_set(e) ** 2, axis=2), axis=0) for e in (basis @ h - target, ridge * h)]
        return mean_square[0], mean_square[1]

    test, train = jax.lax.map(at, ridges)
    return test.T, train.T


def noise_sweep(
    gram: Float[np.ndarray, "N N"],
    y: Float[np.ndarray, "N c"],
    *,
    n: int,
    noise_levels: Sequence[float],
    ridges: Float[np.ndarray, " r"],
    trials: int,
    key: Key[Array, ""],
    renormalise: bool = True,
    label: str = "ridge sweep",
) -> NoiseSweep:
    """Ridge sweep at every noise level; every trial draws n training images of the pool and tests on the others.

    Args:
        gram: kernel matrix of the pool.
        y: one-hot labels.
        n: training images.
        noise_levels: total noise variance over the noise-free ridgeless test error of the trial.
        ridges: added to the kernel matrix as they are.
        trials: how many.
        key: of the draws.
        renormalise: bring noisy rows to unit norm.
        label: what the progress display calls it.
    """
    rows = []
    with one_blas_thread():
        for one in track(jax.random.split(key, trials), label):
            rng = _generator(one)
            order, shuffled = rng.permutation(len(gram)), y[rng.permutation(len(y))]
            chosen, others = order[:n], order[n:]
            draws = [rng.standard_normal((len(noise_levels), len(part), y.shape[1])) for part in (chosen, others)]
            labels = [tuple(a[part] for part in (chosen, others)) for a in (y, shuffled)]
            inner, outer = gram[np.ix_(chosen, chosen)], gram[np.ix_(others, chosen)]
            levels = np.asarray(noise_levels, np.float64)
            found = _noise_trial(inner, outer, *labels, tuple(draws), levels, ridges, renormalise=renormalise)
            rows.append(jax.tree.map(np.asarray, found))
    test, train = (np.stack(column) for column in zip(*rows, strict=True))
    sets = np.split(np.arange(test.shape[1]), [len(noise_levels), 2 * len(noise_levels)])
    return NoiseSweep(*(a[:, chosen] for chosen in sets for a in (test, train)))


def _generator(key: Key[Array, ""]) -> np.random.Generator:
    """NumPy's generator seeded by a key, for draws that are cheaper to make than to compile."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


@jax.jit
def _ridgeless(inner: Array, outer: Array, y: Array, y_test: Array) -> tuple[Array, Array]:
    """Kappa estimate, and the mean squared error of every output of the interpolant."""
    values, u = jnp.linalg.eigh(inner)
    values = jnp.maximum(values, 1e-12 * values[-1])
    predicted = outer @ (u @ ((u.T @ y) / values[:, None]))
    return 1 / jnp.sum(1 / values), jnp.mean((predicted - y_test) ** 2, axis=0)


def scaling(
    gram: Float[np.ndarray, "N N"],
    y: Float[np.ndarray, "N c"],
    *,
    ns: Sequence[int],
    trials: int,
    key: Key[Array, ""],
    label: str = "scaling with n",
) -> Scaling:
    """Kappa estimates and ridgeless test errors on nested draws of the sizes ``ns``, tested on the rest of the pool."""
    n_test = len(gram) - max(ns)
    if n_test < 1:
        raise ValueError(f"the pool of {len(gram)} leaves no test images beside {max(ns)} training images")
    rows = []
    with one_blas_thread():
        for one in track(jax.random.split(key, trials), label):
            rng = _generator(one)
            order = rng.permutation(len(gram))
            both, others = np.concatenate([y, y[rng.permutation(len(y))]], axis=1), order[-n_test:]
            found = []
            for n in ns:
                chosen = order[:n]
                inner, outer = gram[np.ix_(chosen, chosen)], gram[np.ix_(others, chosen)]
                kappa, errors = _ridgeless(inner, outer, both[chosen], both[others])
                found.append((float(kappa), *np.asarray(errors).reshape(2, -1).sum(axis=1)))
            rows.append(found)
    return Scaling(tuple(ns), *np.moveaxis(np.asarray(rows), 2, 0))
