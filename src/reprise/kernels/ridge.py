r"""Kernel ridge regression for all ridges from one decomposition.

With $K = U\,\mathrm{diag}(s)\,U^\top$, everything a ridge path needs is a function of $s$ and $U^\top y$:
predictions $k_x^\top(K+\delta I)^{-1}y$, train errors, leave-one-out errors and $\kappa$. The ridge $\delta$ is added to
$K$ as is, not times $n$ (the convention of Simon et al. 2024).
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

import reprise._x64  # noqa: F401
from reprise.kernels.shifted import reduce_to_band

__all__ = ["KernelRidge", "RidgePath", "ridge_path"]


class RidgePath(NamedTuple):
    """Ridge regression for every ridge: predictions at the test points, and the mean squared training error."""

    predictions: Float[Array, "r t"] | Float[Array, "r t c"]
    train_error: Float[Array, " r"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class KernelRidge:
    r"""A kernel matrix and targets, ready for any ridge $\delta\ge0$. Make it with `fit`.

    Eigenvalues below $n\,\epsilon\,s_{\max}$ are round-off and count as 0. At ridge 0 the pseudo-inverse is meant: the
    interpolant of least norm. Errors are squared, summed over outputs and averaged over points.

    Attributes:
        eigenvalues: $s$, ascending, none negative.
        eigenvectors: $U$, in columns.
        targets: $y$, shape (n, outputs).
        vector: whether the targets came as a vector, and predictions go out as vectors.
    """

    eigenvalues: Float[Array, " n"]
    eigenvectors: Float[Array, "n n"]
    targets: Float[Array, "n c"]
    vector: bool = dataclasses.field(metadata={"static": True})

    @classmethod
    def fit(cls, gram: Float[ArrayLike, "n n"], y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"]) -> "KernelRidge":
        r"""Decompose the Gram matrix of the training points, $K = U\,\mathrm{diag}(s)\,U^\top$, in float64.

        Time $O(n^3)$ once (memory $O(n^2)$); every ridge after it costs $O(n)$ for errors and $O(nt)$ for $t$ predictions.
        Refuses matrices that are not square, not finite or not symmetric, and targets that do not fit.

        >>> model = KernelRidge.fit(jnp.array([[2.0, 1.0], [1.0, 2.0]]), jnp.array([1.0, -1.0]))
        >>> print(model.predict(jnp.array([[2.0, 1.0]]), ridge=1.0))
        [0.5]
        """
        matrix, targets = _checked(gram, y)
        eigenvalues, eigenvectors = jnp.linalg.eigh(matrix)
        resolution = len(matrix) * jnp.finfo(jnp.float64).eps * jnp.abs(eigenvalues).max()
        eigenvalues = jnp.where(eigenvalues > resolution, eigenvalues, 0.0)
        return cls(eigenvalues, eigenvectors, targets.reshape(len(matrix), -1), targets.ndim == 1)

    def predict(
        self, k_test: Float[ArrayLike, "t n"], ridge: float | Float[ArrayLike, ""]
    ) -> Float[Array, " t"] | Float[Array, "t c"]:
        r"""Predict $k_x^\top(K+\delta I)^{-1}y$ at test points from their kernel with the training points.

        >>> model = KernelRidge.fit(jnp.eye(2), jnp.array([1.0, 2.0]))
        >>> print(model.predict(jnp.eye(2), ridge=0.0))
        [1. 2.]
        """
        return self.path(k_test, jnp.asarray([ridge]))[0]

    def path(
        self, k_test: Float[ArrayLike, "t n"], ridges: Float[ArrayLike, " r"]
    ) -> Float[Array, "r t"] | Float[Array, "r t c"]:
        r"""Predictions for every ridge; time $O(n^2c + rntc)$ after `fit`, memory $O(rtc)$.

        >>> model = KernelRidge.fit(jnp.eye(2), jnp.array([1.0, 2.0]))
        >>> print(model.path(jnp.eye(2)[:1], jnp.array([0.0, 1.0]))[:, 0])
        [1.  0.5]
        """
        kernel = jnp.asarray(k_test, jnp.float64)
        if kernel.ndim != 2 or kernel.shape[1] != len(self.eigenvalues):
            raise ValueError(
                f"k_test must have shape (test points, {len(self.eigenvalues)}), got {kernel.shape}; rows are test points"
            )
        shrunk = self._inverse(ridges)[:, :, None] * self._projected
        if shrunk.shape[0] * shrunk.shape[2] < len(kernel):  # fewer columns of weights than rows of test points
            weights = jnp.einsum("ns,rsc->rnc", self.eigenvectors, shrunk)
            out = jnp.einsum("tn,rnc->rtc", kernel, weights)
        else:
            out = jnp.einsum("ts,rsc->rtc", kernel @ self.eigenvectors, shrunk)
        return out[..., 0] if self.vector else out

    def train_error(self, ridges: Float[ArrayLike, " r"]) -> Float[Array, " r"]:
        r"""Mean squared training error $\frac1n\|\delta(K+\delta I)^{-1}y\|^2$ for every ridge, $O(rn)$.

        >>> print(KernelRidge.fit(jnp.eye(2), jnp.ones(2)).train_error(jnp.array([0.0, 1.0])))
        [0.   0.25]
        """
        left_over = 1 - self.eigenvalues * self._inverse(ridges)
        # s/(s+d) is exact near 1 only up to rounding, so the difference is taken in the other form where d > 0.
        ridge = _ridges(ridges)[:, None]
        left_over = jnp.where(ridge > 0, ridge * self._inverse(ridges), left_over)
        return left_over**2 @ jnp.sum(self._projected**2, axis=1) / len(self.targets)

    def loo(self, ridges: Float[ArrayLike, " r"]) -> Float[Array, " r"]:
        r"""Mean squared leave-one-out error for every ridge, from the closed form of `loo_residuals`; $O(rn^2)$.

        >>> print(KernelRidge.fit(jnp.eye(2), jnp.ones(2)).loo(jnp.array([1.0])))
        [1.]
        """
        inverse = self._inverse(ridges)
        diagonal = inverse @ (self.eigenvectors**2).T
        weights = jnp.einsum("ns,rsc->rnc", self.eigenvectors, inverse[:, :, None] * self._projected)
        return jnp.mean(jnp.sum((weights / diagonal[:, :, None]) ** 2, axis=2), axis=1)

    def loo_residuals(self, ridge: float) -> Float[Array, " n"] | Float[Array, "n c"]:
        r"""Residual $y_i - \hat f_{-i}(x_i) = \frac{[(K+\delta I)^{-1}y]_i}{[(K+\delta I)^{-1}]_{ii}}$ of every point.

        $\hat f_{-i}$ is fitted without point $i$, at the same ridge. Needs $K+\delta I$ invertible.

        >>> print(KernelRidge.fit(jnp.eye(2), jnp.array([1.0, 2.0])).loo_residuals(0.5))
        [1. 2.]
        """
        inverse = self._inverse(jnp.asarray([ridge]))[0]
        weights = self.eigenvectors @ (inverse[:, None] * self._projected)
        residuals = weights / (self.eigenvectors**2 @ inverse)[:, None]
        return residuals[:, 0] if self.vector else residuals

    def kappa(self, ridge: float | Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        r"""$1/\mathrm{tr}[(K+\delta I)^{-1}]$, the empirical counterpart of the eigenframework's $\kappa$; O(n) a ridge.

        0 if $K + \delta I$ is singular.

        >>> print(KernelRidge.fit(jnp.eye(4), jnp.ones(4)).kappa(1.0))
        0.5
        """
        return 1 / jnp.sum(1 / (self.eigenvalues + jnp.asarray(ridge)[..., None]), axis=-1)

    def degrees_of_freedom(self, ridge: float | Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        r"""$\mathrm{tr}[K(K+\delta I)^{-1}]$, the effective number of fitted directions; O(n) a ridge.

        >>> print(KernelRidge.fit(jnp.eye(4), jnp.ones(4)).degrees_of_freedom(1.0))
        2.0
        """
        ridges = jnp.asarray(ridge, jnp.float64)
        fitted = self.eigenvalues * self._inverse(ridges.reshape(-1))
        return fitted.sum(axis=-1).reshape(ridges.shape)

    @property
    def _projected(self) -> Float[Array, "n c"]:
        return self.eigenvectors.T @ self.targets

    def _inverse(self, ridges: Float[ArrayLike, " r"]) -> Float[Array, "r n"]:
        """Return 1/(s + ridge) for every ridge, 0 where that is 1/0."""
        total = self.eigenvalues + _ridges(ridges)[:, None]
        return jnp.where(total > 0, 1 / jnp.where(total > 0, total, 1.0), 0.0)


def ridge_path(
    gram: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    k_test: Float[ArrayLike, "t n"],
    ridges: Float[ArrayLike, " r"],
) -> RidgePath:
    r"""Predictions and training errors for every ridge, three times faster than by `KernelRidge` on a CPU.

    The same numbers as ``KernelRidge.fit(gram, y)`` with ``path`` and ``train_error``, without eigenvectors: one reduction to
    a band serves all ridges (see `shifted`), $\frac43n^3 + O(rn^2c + rntc)$. Every ridge must make $K+\delta I$ positive
    definite in float64; for ridge 0 of a singular matrix, leave-one-out errors and $\kappa$ use `KernelRidge`.

    >>> path = ridge_path(jnp.eye(2), jnp.array([1.0, 2.0]), jnp.eye(2)[:1], jnp.array([0.0, 1.0]))
    >>> print(path.predictions[:, 0], path.train_error)
    [1.  0.5] [0.    0.625]
    """
    matrix, targets = _checked(gram, y)
    tests, deltas = jnp.asarray(k_test, jnp.float64), _ridges(ridges)
    if tests.ndim != 2 or tests.shape[1] != len(matrix):
        raise ValueError(
            f"k_test must have shape (test points, {len(matrix)}), got {tests.shape}; rows are test points"
        )
    weights = jnp.asarray(reduce_to_band(np.asarray(matrix)).solve(targets.reshape(len(matrix), -1), deltas))
    predictions = jnp.einsum("tn,rnc->rtc", tests, weights)
    train_error = jnp.mean(jnp.sum((deltas[:, None, None] * weights) ** 2, axis=2), axis=1)
    return RidgePath(predictions[..., 0] if targets.ndim == 1 else predictions, train_error)


def _checked(gram: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Refuse matrices that are not square, finite and symmetric, and targets that do not fit."""
    matrix, targets = jnp.asarray(gram, jnp.float64), jnp.asarray(y, jnp.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the Gram matrix must be square, got shape {matrix.shape}")
    if targets.ndim not in (1, 2) or len(targets) != len(matrix):
        raise ValueError(f"y must have shape ({len(matrix)},) or ({len(matrix)}, outputs), got {targets.shape}")
    if not isinstance(matrix, jax.core.Tracer):
        _check_values(matrix, targets)
    return matrix, targets


def _ridges(ridges: Float[ArrayLike, " r"]) -> Float[Array, " r"]:
    array = jnp.asarray(ridges, jnp.float64)
    if array.ndim != 1:
        raise ValueError(f"ridges must be a vector, got shape {array.shape}")
    if not isinstance(array, jax.core.Tracer) and not bool(jnp.all(array >= 0)):
        raise ValueError("ridges must be numbers of at least 0")
    return array


def _check_values(matrix: Array, targets: Array) -> None:
    finite, skew, size = (float(fact) for fact in _facts(matrix))
    for name, values, fine in (("the Gram matrix", matrix, finite), ("y", targets, jnp.isfinite(targets).all())):
        if not fine:
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise ValueError(f"{name} has {bad} entries that are NaN or infinite")
    if skew > 1e-6 * size:
        raise ValueError(
            f"the Gram matrix is not symmetric: entries and their mirror images differ by up to {skew:.2e} "
            f"(largest entry {size:.2e})"
        )


@jax.jit
def _facts(matrix: Array) -> tuple[Array, Array, Array]:
    """Whether all is finite, the largest difference between mirror images, and the largest entry."""
    return jnp.isfinite(matrix).all(), jnp.abs(matrix - matrix.T).max(), jnp.abs(matrix).max()
