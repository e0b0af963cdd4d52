r"""Teacher and student: learning curves of ridgeless and ridge regression, all sample sizes from one factorisation.

Training sets are nested. With $K=LL^\top$ on all points, training points first, the leading $n\times n$ block of $L$ is the factor of
the first n points, $L_{test,:n}$ is already $K_{test,n}L_n^{-\top}$, and the first n entries of $z=L_N^{-1}y$ do not depend on what
follows. So the prediction from n points is the partial sum $\sum_{i<n}L_{test,i}z_i$, and a whole curve costs one Cholesky factor. A
teacher's labels are $L_T\xi$ on training and test points together, one joint draw of its Gaussian process. Everything in float64.
"""

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse.linalg
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from reprise.papers.infinite_width.wide_cnn.networks import Net, kernel_matrix, on_torus
from reprise.progress import task

__all__ = ["Errors", "Noisy", "gram_eigenvalues", "learning_curves", "noisy_curves"]

_JITTER = 1e-10
Pair = tuple[str, str]


class Errors(NamedTuple):
    """Squared test errors of one student on one teacher, over realisations (of points and targets) and sample sizes.

    Attributes:
        total: mean squared error, shape (r, n).
        half: power of the error in modes on the first half of the patches, the constant included, shape (r, n).
        constant: power of its constant part, shape (r, n).
    """

    total: Float[np.ndarray, "r n"]
    half: Float[np.ndarray, "r n"]
    constant: Float[np.ndarray, "r n"]

    def top_share(self) -> Float[np.ndarray, "r n"]:
        """Share of the error in modes on both halves of the patches at once (halves are alike, so one is measured)."""
        return 1 - (2 * self.half - self.constant) / self.total


class Noisy(NamedTuple):
    """Excess errors under label noise: at the ridge chosen on held-out noisy labels, and without ridge; (r, n) each."""

    tuned: Float[np.ndarray, "r n"]
    ridgeless: Float[np.ndarray, "r n"]
    ridges: Float[np.ndarray, "r n"]


def learning_curves(
    nets: Mapping[str, Net],
    pairs: Sequence[Pair],
    *,
    patches: int,
    ns: Sequence[int],
    test: int,
    draws: int,
    realisations: int,
    key: Array,
) -> dict[Pair, Errors]:
    """Run every (student, teacher) pair on the same points.

    Args:
        nets: kernels by name.
        pairs: names of student and teacher.
        patches: number of circles.
        ns: training-set sizes, increasing.
        test: number of test points, even: pairs that share half of their patches.
        draws: targets a teacher and realisation.
        realisations: fresh sets of points and targets.
        key: random key.
    """
    found: dict[Pair, list[np.ndarray]] = {pair: [] for pair in pairs}
    teachers = list(dict.fromkeys(teacher for _, teacher in pairs))
    names = [*teachers, *dict.fromkeys(student for student, _ in pairs if student not in teachers)]
    most = ns[-1]
    with _threads(most + test), task(f"Learning curves, {patches} patches", realisations * len(names)) as advance:
        for one in jax.random.split(key, realisations):
            keys = jax.random.split(one, len(teachers) + 1)
            x = on_torus(keys[0], most + test, patches, shared=test)
            labels: dict[str, Array] = {}
            factors: dict[str, Array] = {}
            for i, name in enumerate(names):
                factor = _factor(kernel_matrix(nets[name], x), _JITTER)
                if i < len(teachers):
                    labels[name] = _draw(keys[i + 1], factor, draws)
                if any(student == name for student, _ in pairs):
                    factors[name] = factor
                advance(1)
            for student, teacher in pairs:
                made = _powers(factors[student], labels[teacher], labels[teacher][:most], tuple(ns))
                found[student, teacher].append(np.asarray(made))
    return {pair: Errors(*np.stack(values, axis=1)) for pair, values in found.items()}


def noisy_curves(
    student: Net,
    teachers: Mapping[str, Net],
    *,
    patches: int,
    noise: Mapping[str, float],
    ridges: Sequence[float],
    ns: Sequence[int],
    test: int,
    draws: int,
    realisations: int,
    key: Array,
) -> dict[str, Noisy]:
    r"""Ridge regression on noisy labels; the ridge is chosen for each n and realisation on held-out points.

    Args:
        student: kernel of the regression.
        teachers: kernels of the targets by name.
        patches: number of circles.
        noise: variance $\sigma^2$ of the label noise for each teacher.
        ridges: $\delta$, added to the Gram matrix as is.
        ns: training-set sizes, increasing.
        test: number of held-out points, and of test points.
        draws: targets a teacher and realisation.
        realisations: fresh sets of points and targets.
        key: random key.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in teachers}
    most = ns[-1]
    with _threads(most + 2 * test), task("Noisy labels", realisations) as advance:
        for one in jax.random.split(key, realisations):
            keys = jax.random.split(one, 2 * len(teachers) + 1)
            x = on_torus(keys[0], most + 2 * test, patches)
            labels, seen = {}, {}
            for name, teacher, first, second in zip(teachers, teachers.values(), keys[1::2], keys[2::2], strict=True):
                labels[name] = _draw(first, _factor(kernel_matrix(teacher, x), _JITTER), draws)
                seen[name] = _with_noise(second, labels[name], noise[name])
            gram = kernel_matrix(student, x)
            curves: dict[str, list[np.ndarray]] = {name: [] for name in teachers}
            for ridge in (_JITTER, *ridges):
                factor = _factor(gram, ridge)
                for name in teachers:
                    made = _held_out(factor, labels[name], seen[name], tuple(ns))
                    curves[name].append(np.asarray(made))
            for name in teachers:
                held_out, tested = np.moveaxis(np.array(curves[name]), 1, 0)
                best = held_out.argmin(axis=0)
                chosen = np.array([_JITTER, *ridges])[best]
                found[name].append(np.stack([np.take_along_axis(tested, best[None], 0)[0], tested[0], chosen]))
            advance(1)
    return {name: Noisy(*np.stack(values, axis=1)) for name, values in found.items()}


def gram_eigenvalues(net: Net, *, patches: int, points: int, count: int, key: Array) -> Float[np.ndarray, " c"]:
    """The largest eigenvalues of a Gram matrix at random points over their number: estimates of the kernel's own."""
    matrix = np.asarray(kernel_matrix(net, on_torus(key, points, patches)))
    with _threads(points):
        found = scipy.sparse.linalg.eigsh(matrix, count, v0=np.ones(points), return_eigenvectors=False)
    return np.sort(found)[::-1] / points


def _threads(points: int) -> AbstractContextManager[Any]:
    """One thread for small matrices, on which more of them cost more than they gain."""
    return threadpool_limits(1 if points < 2000 else None, user_api="blas")  # type: ignore[no-any-return, unused-ignore]


@jax.jit
def _factor(gram: Float[Array, "n n"], ridge: float) -> Float[Array, "n n"]:
    scale = jnp.where(ridge == _JITTER, gram[0, 0], 1.0)
    return jnp.linalg.cholesky(gram + ridge * scale * jnp.eye(len(gram)), symmetrize_input=False)


@functools.partial(jax.jit, static_argnames="draws")
def _draw(key: Array, factor: Float[Array, "n n"], draws: int) -> Float[Array, "n c"]:
    return factor @ jax.random.normal(key, (len(factor), draws))


@jax.jit
def _with_noise(key: Array, labels: Float[Array, "n c"], variance: float) -> Float[Array, "n c"]:
    return labels + jnp.sqrt(variance) * jax.random.normal(key, labels.shape)


def _errors(factor: Array, labels: Array, trained: Array, ns: tuple[int, ...]) -> list[Float[Array, "t c"]]:
    """Test label minus prediction for each n."""
    most = ns[-1]
    z = solve_triangular(factor[:most, :most], trained, lower=True)
    left, start, found = labels[most:], 0, []
    for n in ns:
        left = left - factor[most:, start:n] @ z[start:n]
        found.append(left)
        start = n
    return found


@functools.partial(jax.jit, static_argnames="ns")
def _powers(factor: Array, labels: Array, trained: Array, ns: tuple[int, ...]) -> Float[Array, "3 n"]:
    """Mean square, power shared by pairs, and power of the mean (without its sampling noise), averaged over targets."""
    found = []
    for error in _errors(factor, labels, trained, ns):
        first, second = jnp.split(error, 2)
        m = len(first)
        alone = (first.sum(0) ** 2 - (first**2).sum(0)) / (m * (m - 1))
        found.append(jnp.stack([jnp.mean(v) for v in (error**2, first * second, alone)]))
    return jnp.stack(found, axis=1)


@functools.partial(jax.jit, static_argnames="ns")
def _held_out(factor: Array, labels: Array, seen: Array, ns: tuple[int, ...]) -> Float[Array, "2 n"]:
    """Mean square on noisy labels of the first half of the test points, and of the function on the second half."""
    most = ns[-1]
    half = (len(labels) - most) // 2
    noise = (seen - labels)[most : most + half]
    errors = _errors(factor, labels, seen[:most], ns)
    return jnp.stack([jnp.stack([jnp.mean((e[:half] + noise) ** 2), jnp.mean(e[half:] ** 2)]) for e in errors], axis=1)
