r"""Interpolation with a deep kernel, and the rules that its limits are compared with.

$$m_L(x)=\mathrm{sign}\big(y^\top K_L(X,X)^{-1}K_L(X,x)\big).$$

Only the sign counts, so a kernel may be scaled at every test point, and no depth is too large for float64.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from sklearn.neighbors import KNeighborsClassifier

from reprise.kernels.threads import on_one_thread
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import koenigs
from reprise.papers.infinite_width.wide_deep_optimality.activations import Activation

CUTOFF = 1e-12
"""Eigenvalues below this share of the largest are taken for 0: polynomial kernels of few layers have finite rank."""


class Network(NamedTuple):
    """An infinitely wide network: ``depth`` hidden layers, read through one of its two kernels."""

    activation: Activation
    depth: int
    kind: deep.Kind = "nngp"


class Pairs(NamedTuple):
    r"""$\log t_0$ among training points (infinite on the diagonal is never used) and from test to training points."""

    train: Float[np.ndarray, "n n"]
    test: Float[np.ndarray, "m n"]


def pairs(x: Float[np.ndarray, "n k"], x_test: Float[np.ndarray, "m k"]) -> Pairs:
    """All that any kernel needs to know about the points."""
    return Pairs(np.asarray(deep.log_start(x, x)), np.asarray(deep.log_start(x_test, x)))


def decide(net: Network, given: Pairs, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Predictions +1 or -1 of the interpolating network at the test points; a tie goes to +1."""
    return np.where(scores(net, given, y) >= 0, 1.0, -1.0)


def scores(net: Network, given: Pairs, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """What the sign is taken of, each up to a positive factor of its own."""
    if _near_one(net):
        return _near_one_scores(net, given, y)
    values = deep.table(*net)
    gram = np.array(deep.log_kernel(values, given.train))
    gram = np.zeros_like(gram) if values.sharp else np.exp(gram - values.offset - values.diagonal)
    np.fill_diagonal(gram, 1.0)
    logs = np.asarray(deep.log_kernel(values, given.test))
    rows = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(rows @ interpolation(gram, y))


@on_one_thread
def interpolation(gram: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""Coefficients $K^{-1}y$, or $K^+y$ where the kernel has finite rank.

    A matrix whose rows are dominated by the diagonal is solved as it is; else its spectrum is looked at.
    """
    off = np.abs(gram).sum(axis=1) - np.abs(np.diag(gram))
    if np.all(off < 0.9 * np.diag(gram)):
        return y if off.max() < 1e-17 else np.asarray(scipy.linalg.solve(gram, y, assume_a="pos"))
    w, v = scipy.linalg.eigh(gram)
    kept = w > CUTOFF * w[-1]
    return np.asarray(v[:, kept] @ ((v[:, kept].T @ y) / w[kept]))


@functools.lru_cache(maxsize=256)
def _near_one(net: Network) -> bool:
    """Whether all kernels are so close to 1 that $K$ is rank one to many digits: the very deep NNGP of the ReLU."""
    if net.kind != "nngp" or not net.activation.kink:
        return False
    return bool(np.exp(float(deep.evaluate(net.activation, np.array([4.0]), net.depth).log_t[0])) < 1e-3)


@on_one_thread
def _near_one_scores(net: Network, given: Pairs, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    r"""Scores from $D=1-K$, in units of its mean, without ever forming $1-\delta$.

    With $a=K^{-1}(1-d)$ and $s=\mathbf 1^\top a$: $Da=d+(s-1)\mathbf1$ and $s-1=(\mathbf1^\top D^{-1}d-1)/(1-\mathbf1^\top D^{-1}\mathbf1)$.
    """
    values = deep.table(*net, logarithmic=True)

    def distances(log_t: np.ndarray) -> np.ndarray:
        return -np.expm1(-np.exp(np.asarray(deep.look_up(values.coefficients, jnp.asarray(log_t))) - values.offset))

    d_train, d_test = distances(given.train), distances(given.test)
    np.fill_diagonal(d_train, 0.0)
    unit = d_test.mean()
    inverse_y, inverse_one = scipy.linalg.solve(d_train / unit, np.stack([y, np.ones_like(y)], axis=1)).T
    v = d_test / unit @ inverse_one
    rest = (v - 1) / (1 - inverse_one.sum() / unit)
    return np.asarray(d_test / unit @ inverse_y + rest / unit * inverse_y.sum())


# -- simple rules ------------------------------------------------------------------------------------------------------


def nearest(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> Float[np.ndarray, " m"]:
    """The label of the nearest training point (scikit-learn)."""
    return np.asarray(KNeighborsClassifier(1).fit(x, y).predict(x_test))


def majority(y: np.ndarray, count: int) -> Float[np.ndarray, " m"]:
    """The label of most training points, everywhere."""
    return np.full(count, 1.0 if y.sum() >= 0 else -1.0)


def smoother(activation: Activation, given: Pairs, y: np.ndarray) -> Float[np.ndarray, " m"]:
    r"""$\mathrm{sign}\sum_iy_i\psi(x^\top x_i)$ with $\psi$ from Schröder's equation."""
    logs = koenigs.smoother(activation)(given.test)
    return np.where(np.exp(logs - logs.max(axis=1, keepdims=True)) @ y >= 0, 1.0, -1.0)


def votes(
    x_test: Float[Array, "m k"], x: Float[Array, "n k"], labels: Float[Array, "n v"], tables: Sequence[Float[Array, "4 s"]],
    half_dimension: float,
) -> Float[np.ndarray, "a+1 m v"]:  # fmt: skip
    r"""Weighted votes $\sum_iy_iK(x,x_i)$ of several tabulated kernels at once, then those of the Hilbert estimate.

    Each column of ``labels`` is one training set: labels of the points that it has, 0 at the others. Row maxima are divided out.
    Stages are compiled one by one: fused into one, XLA computes the distances anew for every use.
    """
    log_t = deep.log_start(x_test, x)
    logs = (*(deep.look_up(one, log_t) for one in tables), _log_hilbert(log_t, half_dimension))
    return np.stack([np.asarray(_weighted(v, labels)) for v in logs])


@jax.jit
def _log_hilbert(log_t: Float[Array, "m n"], half_dimension: float) -> Float[Array, "m n"]:
    """Logarithm of the Hilbert estimate's weights $(1-c)^{-d/2}$."""
    return -half_dimension * jnp.log(-jnp.expm1(-jnp.exp(log_t)))


@jax.jit
def _weighted(logs: Float[Array, "m n"], labels: Float[Array, "n v"]) -> Float[Array, "m v"]:
    return jnp.exp(logs - logs.max(axis=1, keepdims=True)) @ labels
