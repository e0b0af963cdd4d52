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
    test labels alone (trained on clean labels, ``train_clean``); ``permuted`` has one set, labels without signal.
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


@functools.partial(jax.jit, static_argnames=("n", "renormalise"))
def _noise_trial(
    key: Key[Array, ""], gram: Array, y: Array, noise_levels: Array, ridges: Array, *, n: int, renormalise: bool
) -> tuple[Array, Array]:
    """Test and training errors (label sets, ridges): noisy sets, clean training for each of them, permuted labels."""
    key_rows, key_noise, key_labels = jax.random.split(key, 3)
    rows = jax.random.permutation(key_rows, len(gram))
    chosen, others = rows[:n], rows[n:]
    values, u = jnp.linalg.eigh(gram[chosen][:, chosen])
    basis = gram[others][:, chosen] @ u

    ridgeless = basis @ (u.T @ y[chosen] / jnp.maximum(values, 1e-12 * values[-1])[:, None])
    base = jnp.mean(jnp.sum((ridgeless - y[others]) ** 2, axis=1))
    spread = jnp.sqrt(noise_levels * base / y.shape[1])[:, None, None]
    noisy = y + spread * jax.random.normal(key_noise, (len(noise_levels), *y.shape))
    noisy = noisy / jnp.linalg.norm(noisy, axis=2, keepdims=True) if renormalise else noisy
    permuted = jax.random.permutation(key_labels, y)[None]
    clean = jnp.broadcast_to(y, noisy.shape)
    labels = jnp.concatenate([noisy, clean, permuted])[:, chosen]
    targets = jnp.concatenate([noisy, noisy, permuted])[:, others]

    projected, target = u.T @ _apart(labels), _apart(targets)
    by_set = functools.partial(jnp.reshape, shape=(-1, len(labels), y.shape[1]))

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
    run = functools.partial(_noise_trial, n=n, renormalise=renormalise)
    fixed = [jnp.asarray(a, jnp.float64) for a in (gram, y, noise_levels, ridges)]
    with one_blas_thread():
        rows = [jax.tree.map(np.asarray, run(k, *fixed)) for k in track(jax.random.split(key, trials), label)]
    test, train = (np.stack(column) for column in zip(*rows, strict=True))
    sets = np.split(np.arange(test.shape[1]), [len(noise_levels), 2 * len(noise_levels)])
    return NoiseSweep(*(a[:, chosen] for chosen in sets for a in (test, train)))


@functools.partial(jax.jit, static_argnames=("ns", "n_test"))
def _scaling_trial(
    key: Key[Array, ""], gram: Array, y: Array, *, ns: tuple[int, ...], n_test: int
) -> tuple[Array, Array, Array]:
    key_rows, key_labels = jax.random.split(key)
    rows = jax.random.permutation(key_rows, len(gram))
    both = jnp.concatenate([y, jax.random.permutation(key_labels, y)], axis=1)
    others, found = rows[-n_test:], []
    for n in ns:
        chosen = rows[:n]
        values, u = jnp.linalg.eigh(gram[chosen][:, chosen])
        values = jnp.maximum(values, 1e-12 * values[-1])
        predicted = gram[others][:, chosen] @ (u @ ((u.T @ both[chosen]) / values[:, None]))
        error, permuted = jnp.split(jnp.mean((predicted - both[others]) ** 2, axis=0), 2)
        found.append((1 / jnp.sum(1 / values), jnp.sum(error), jnp.sum(permuted)))
    kappas, errors, controls = (jnp.stack(column) for column in zip(*found, strict=True))
    return kappas, errors, controls


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
    run = functools.partial(_scaling_trial, ns=tuple(ns), n_test=n_test)
    fixed = jnp.asarray(gram, jnp.float64), jnp.asarray(y, jnp.float64)
    with one_blas_thread():
        rows = [jax.tree.map(np.asarray, run(k, *fixed)) for k in track(jax.random.split(key, trials), label)]
    return Scaling(tuple(ns), *(np.stack(column) for column in zip(*rows, strict=True)))
