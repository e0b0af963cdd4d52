r"""Ridge regression on Gaussian power-law data, simulated: the side that knows nothing of the theory.

A point is a row $x$ of iid standard normals, one a mode; the target is $f(x)=\sum_iv_ix_i$, labels are
$y=f+\mathcal N(0,\sigma^2)$, the kernel is $K(x,x')=\sum_i\lambda_ix_ix'_i$, and $k$ random features
$g_j(x)=w_j\cdot\Lambda^{1/2}x$ have it as their expectation. Every predictor is linear in $x$,
$\hat f(x)=x\cdot A(K+\delta I)^{-1}y$ with $A$ of shape (modes, n), so its risk over test points is a norm and needs
no test set.

Two more averages are taken exactly rather than sampled. Kernel and features do not change if a mode's sign flips, so the
risk may be averaged over the signs of the $v_i$; and it is quadratic in the label noise. With $S=X\,\mathrm{diag}(v^2)X^\top$
and $H=(K+\delta I)^{-1}$,

$$E_{te} = \sum_iv_i^2 - 2\,\mathrm{tr}[H\,X\mathrm{diag}(v^2)A] + \mathrm{tr}[HA^\top AHS]
+ \sigma^2\big(1+\mathrm{tr}[HA^\top AH]\big), \qquad
E_{tr} = \tfrac{\delta^2}n\big(\mathrm{tr}[H^2S] + \sigma^2\,\mathrm{tr}\,H^2\big).$$

What is left to vary from trial to trial is the draw of points and features. That makes curves at neighbouring widths,
which share the draw, comparable to a fraction of a per cent.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

import reprise._x64  # noqa: F401
from reprise.papers.infinite_width.more_is_better.theory import LawTask, tails
from reprise.papers.infinite_width.more_is_better.threads import one_blas_thread
from reprise.progress import track

__all__ = [
    "LawRun",
    "Parts",
    "Sweep",
    "errors_by_ridge",
    "kernel_ridge",
    "kernel_ridge_trial",
    "law_runs",
    "random_features",
    "random_features_trial",
]


class Parts(NamedTuple):
    """Errors split into what the target costs and what one unit of label-noise variance costs."""

    test_target: Float[ArrayLike, "..."]
    test_noise: Float[ArrayLike, "..."]
    train_target: Float[ArrayLike, "..."]
    train_noise: Float[ArrayLike, "..."]


class Sweep(NamedTuple):
    """Errors of every trial: arrays (trials, ..., ridges), with the split of `Parts` kept for any noise level."""

    parts: Parts
    ridges: Float[np.ndarray, " r"]

    def test(self, noise: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "t ... r"]:
        """Test error at this noise variance, which it includes; an array must broadcast against the trials' arrays."""
        return np.asarray(self.parts.test_target + noise * (1 + self.parts.test_noise))

    def train(self, noise: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "t ... r"]:
        """Training error at this noise variance."""
        return np.asarray(self.parts.train_target + noise * self.parts.train_noise)


class _Moments(NamedTuple):
    """What the formulas of the module need of one kernel on one draw of points."""

    kernel: Array  # K
    reach: Array  # A^T A
    signal: Array  # X diag(v^2) X^T
    cross: Array  # X diag(v^2) A


def _moments(x: Array, power: Array, a: Array) -> _Moments:
    weighted = x * power
    return _Moments(x @ a, a.T @ a, weighted @ x.T, weighted @ a)


@functools.partial(jax.jit, static_argnames="n")
def errors_by_ridge(moments: _Moments, total_power: Array, ridges: Array, *, n: int) -> Parts:
    """The four errors for every kernel of a stack and every ridge; the first ``n`` points are trained on."""
    kernel, reach, signal, cross = (m[..., :n, :n] for m in moments)
    values, u = jnp.linalg.eigh((kernel + kernel.mT) / 2)
    reach, signal, cross = (u.mT @ m @ u for m in (reach, signal, cross))
    diag = functools.partial(jnp.diagonal, axis1=-2, axis2=-1)
    h = 1 / (jnp.maximum(values, 0.0)[..., None] + ridges)  # (..., n, r)
    left = (ridges * h) ** 2
    return Parts(
        total_power - 2 * _dot(diag(cross), h) + jnp.sum(h * ((reach * signal.mT) @ h), axis=-2),
        _dot(diag(reach), h**2),
        _dot(diag(signal), left) / n,
        jnp.mean(left, axis=-2),
    )


def _dot(weights: Array, h: Array) -> Array:
    return jnp.sum(weights[..., None] * h, axis=-2)


@functools.partial(jax.jit, static_argnames=("n", "width"))
def _draw(key: Key[Array, ""], eigenvalues: Array, *, n: int, width: int) -> tuple[Array, Array]:
    """Points (n, m), and features' weights in the coordinates of the points, (m, width)."""
    key_x, key_w = jax.random.split(key)
    x = jax.random.normal(key_x, (n, len(eigenvalues)), jnp.float64)
    w = jax.random.normal(key_w, (len(eigenvalues), width), jnp.float64)
    return x, jnp.sqrt(eigenvalues)[:, None] * w


@functools.partial(jax.jit, static_argnames=("start", "stop"))
def _widen(
    unscaled: Array, x: Array, features: Array, power: Array, *, start: int, stop: int
) -> tuple[Array, _Moments]:
    """Add the features from ``start`` to ``stop``; the kernel of all up to ``stop``."""
    added = features[:, start:stop]
    unscaled = unscaled + added @ (x @ added).T
    return unscaled, _moments(x, power, unscaled / stop)  # A = Lambda^(1/2) W (X Lambda^(1/2) W)^T / k


def random_features_trial(
    key: Key[Array, ""],
    eigenvalues: Float[Array, " m"],
    power: Float[Array, " m"],
    ridges: Float[ArrayLike, " r"],
    *,
    ns: Sequence[int],
    widths: Sequence[int],
) -> Parts:
    r"""One draw of points and features: errors for all sample sizes, widths and ridges.

    Smaller samples are the first points of the largest, smaller widths the first features of the largest; the kernel
    itself ($k=\infty$) comes last. Widths must increase.

    Returns:
        `Parts` of arrays (sample sizes, widths + 1, ridges). Time O(m n k) for the largest n and k, and O(m n^2) a width.
    """
    x, features = _draw(key, eigenvalues, n=max(ns), width=max(widths))
    unscaled, found = jnp.zeros((len(eigenvalues), max(ns))), []
    for start, stop in itertools.pairwise((0, *widths)):
        unscaled, moments = _widen(unscaled, x, features, power, start=start, stop=stop)
        found.append(moments)
    found.append(_moments_of_kernel(x, power, eigenvalues))
    stacked = _Moments(*(jnp.stack(field) for field in zip(*found, strict=True)))
    rows = [errors_by_ridge(stacked, jnp.sum(power), jnp.asarray(ridges), n=n) for n in ns]
    return Parts(*(jnp.stack(field) for field in zip(*rows, strict=True)))


@jax.jit
def _moments_of_kernel(x: Array, power: Array, eigenvalues: Array) -> _Moments:
    return _moments(x, power, eigenvalues[:, None] * x.T)


def random_features(
    eigenvalues: Float[Array, " m"],
    power: Float[Array, " m"],
    *,
    ns: Sequence[int],
    widths: Sequence[int],
    ridges: Float[np.ndarray, " r"],
    trials: int,
    key: Key[Array, ""],
    label: str = "Gaussian random features",
) -> Sweep:
    """`random_features_trial` for independent trials: arrays (trials, sample sizes, widths + 1, ridges)."""
    if list(widths) != sorted(set(widths)):
        raise ValueError(f"widths must increase, got {list(widths)}")
    run = functools.partial(random_features_trial, ns=ns, widths=widths)
    return _sweep(lambda k: run(k, eigenvalues, power, ridges), ridges, trials, key, label)


@functools.partial(jax.jit, static_argnames=("n", "modes"))
def kernel_ridge_trial(
    key: Key[Array, ""],
    alphas: Float[Array, " t"],
    betas: Float[Array, " t"],
    tails: Float[Array, " t"],
    tail_powers: Float[Array, " t"],
    ridges: Float[Array, " r"],
    *,
    n: int,
    modes: int,
) -> Parts:
    r"""One draw of points: kernel ridge regression on several power-law tasks, the modes beyond ``modes`` in mean.

    Those modes are too many and too weak to be learnt from n points: in the kernel matrix they average to their summed
    eigenvalue on the diagonal (``tails``), in the labels they are Gaussian noise of their summed power
    (``tail_powers``), exactly so as they are independent of all others.

    Returns:
        `Parts` of arrays (tasks, ridges).
    """
    x = jax.random.normal(key, (n, modes), jnp.float64)
    index = jnp.arange(1, modes + 1, dtype=jnp.float64)

    def moments(laws: tuple[Array, Array, Array, Array]) -> _Moments:
        alpha, beta, tail, tail_power = laws
        kernel, reach, signal, cross = _moments(x, index**-beta, (index**-alpha)[:, None] * x.T)
        return _Moments(kernel + tail * jnp.eye(n), reach, signal + tail_power * jnp.eye(n), cross)

    total = jax.vmap(lambda beta: jnp.sum(index**-beta))(betas) + tail_powers
    return errors_by_ridge(jax.lax.map(moments, (alphas, betas, tails, tail_powers)), total[:, None], ridges, n=n)


def kernel_ridge(
    tasks: Sequence[tuple[float, float]],
    tails: Sequence[tuple[float, float]],
    *,
    n: int,
    modes: int,
    ridges: Float[np.ndarray, " r"],
    trials: int,
    key: Key[Array, ""],
    label: str = "kernel ridge regression",
) -> Sweep:
    """`kernel_ridge_trial` for independent trials and tasks (alpha, beta): arrays (trials, tasks, ridges)."""
    laws = [jnp.asarray(column, jnp.float64) for column in (*zip(*tasks, strict=True), *zip(*tails, strict=True))]
    run = functools.partial(kernel_ridge_trial, n=n, modes=modes)
    return _sweep(lambda k: run(k, *laws, ridges), ridges, trials, key, label)


class LawRun(NamedTuple):
    """One power-law task, simulated: errors of trials by ridge, and of other trials that the ridge is chosen on."""

    task: LawTask
    chosen_on: Float[np.ndarray, "s r"]
    test: Float[np.ndarray, "t r"]
    train: Float[np.ndarray, "t r"]

    @property
    def best(self) -> int:
        """Number of the ridge that is best on average over the trials that it is chosen on."""
        return int(self.chosen_on.mean(axis=0).argmin())


def law_runs(
    tasks: Sequence[LawTask],
    *,
    n: int,
    modes: int,
    ridges: Float[np.ndarray, " r"],
    selection: int,
    evaluation: int,
    key: Key[Array, ""],
) -> dict[LawTask, LawRun]:
    """Simulate tasks, all on the same draws; noise is relative to the simulated noise-free error at the least ridge."""
    laws = list(dict.fromkeys((t.alpha, t.beta) for t in tasks))
    sums = [tails(*law, modes) for law in laws]
    parts = [
        kernel_ridge(laws, sums, n=n, modes=modes, ridges=ridges, trials=count, key=jax.random.fold_in(key, i))
        for i, count in enumerate((selection, evaluation))
    ]
    found = {}
    for task in tasks:
        at = laws.index((task.alpha, task.beta))
        noise = task.noise_rel * float(parts[0].test(0.0)[:, at].mean(axis=0)[int(np.argmin(ridges))])
        found[task] = LawRun(
            task, parts[0].test(noise)[:, at], parts[1].test(noise)[:, at], parts[1].train(noise)[:, at]
        )
    return found


def _sweep(
    run: Callable[[Key[Array, ""]], Parts],
    ridges: Float[np.ndarray, " r"],
    trials: int,
    key: Key[Array, ""],
    label: str,
) -> Sweep:
    """All trials. One BLAS thread: eigendecompositions of this size lose more to threads than they gain."""
    with one_blas_thread():
        rows = [jax.tree.map(np.asarray, run(k)) for k in track(jax.random.split(key, trials), label)]
    return Sweep(Parts(*(np.stack(field) for field in zip(*rows, strict=True))), ridges)
