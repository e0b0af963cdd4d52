r"""Systems $(K+\delta I)a = y$ for many $\delta$ at the price of a few: one reduction to a band, then banded solves.

Householder reflections $Q$ take a symmetric $K$ to a band matrix, $K = QBQ^\top$, and a shift commutes with them:
$(K+\delta I)^{-1}y = Q(B+\delta I)^{-1}Q^\top y$. The reduction is $\frac43n^3$ flops of matrix products (Bischof and Lang
2000, the first stage of two-stage eigensolvers), a solve $O(nb^2)$ for bandwidth $b$. An eigendecomposition serves as many
shifts, and is three to four times slower, because half of its work is bound by memory; a Cholesky factorisation a shift
costs $\frac13n^3$ each.

Computed by LAPACK on the host in float64, whatever the device; nothing here can be traced by JAX.
"""

import dataclasses

import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy.linalg import blas, lapack

__all__ = ["BandForm", "reduce_to_band"]

Reflector = tuple[int, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class BandForm:
    r"""$K = QBQ^\top$. Make it with `reduce_to_band`.

    Attributes:
        band: $B$ in LAPACK's lower band storage, ``band[d, j]`` $= B_{j+d,j}$, shape (bandwidth + 1, n).
        reflectors: blocks $I - VTV^\top$ whose product is $Q$, each as the row where it starts, $V$ and $T$.
    """

    band: np.ndarray
    reflectors: tuple[Reflector, ...]

    def solve(
        self, y: Float[Array | np.ndarray, "n c"], shifts: Float[Array | np.ndarray, " r"]
    ) -> Float[np.ndarray, "r n c"]:
        r"""Solve $(K+\delta I)a = y$ for every shift; time $O(n^2cr)$ for $c$ right sides and $r$ shifts.

        Raises `ValueError` if $K+\delta I$ is not positive definite.

        >>> form = reduce_to_band(np.array([[2.0, 1.0], [1.0, 2.0]]))
        >>> print(form.solve(np.array([[1.0], [-1.0]]), np.array([0.0, 1.0]))[:, :, 0])
        [[ 1.  -1. ]
         [ 0.5 -0.5]]
        """
        right, deltas = np.array(y, np.float64), np.asarray(shifts, np.float64)
        n = self.band.shape[1]
        if right.ndim != 2 or len(right) != n or deltas.ndim != 1:
            raise ValueError(
                f"y must have shape ({n}, columns) and shifts be a vector, got shapes {right.shape} and {deltas.shape}"
            )
        for start, v, t in self.reflectors:
            right[start:] -= v @ (t.T @ (v.T @ right[start:]))
        columns = right.shape[1]
        solved = np.empty((n, len(deltas) * columns))
        for number, delta in enumerate(deltas):
            shifted = self.band.copy()
            shifted[0] += delta
            solved[:, number * columns : (number + 1) * columns] = _solve_band(shifted, right, delta)
        for start, v, t in reversed(self.reflectors):
            solved[start:] -= v @ (t @ (v.T @ solved[start:]))
        return solved.reshape(n, len(deltas), columns).swapaxes(0, 1)


def reduce_to_band(matrix: Float[Array | np.ndarray, "n n"], *, bandwidth: int = 64) -> BandForm:
    r"""Reduce a symmetric matrix to a band by blocks of Householder reflections; $\frac43n^3$ flops, memory $2n^2$.

    Only the lower triangle counts. Backward stable: $QBQ^\top$ differs from $K$ by rounding, $O(\epsilon\|K\|)$.

    >>> form = reduce_to_band(np.diag([1.0, 2.0, 3.0]), bandwidth=1)
    >>> np.abs(form.band[0])
    array([1., 2., 3.])
    """
    if bandwidth < 1:
        raise ValueError(f"bandwidth must be at least 1, got {bandwidth}")
    rest = np.array(matrix, np.float64, order="F")
    if rest.ndim != 2 or rest.shape[0] != rest.shape[1]:
        raise ValueError(f"the matrix must be square, got shape {rest.shape}")
    n, start = len(rest), 0
    band = np.zeros((bandwidth + 1, n))
    reflectors: list[Reflector] = []
    while len(rest) > bandwidth:
        _store_diagonals(band, rest[:bandwidth, :bandwidth], start)
        triangle, v, t = _reflect(rest[bandwidth:, :bandwidth])
        for row in range(len(triangle)):
            columns = np.arange(row, bandwidth)
            band[bandwidth + row - columns, start + columns] = triangle[row, columns]
        start += bandwidth
        rest = _two_sided(np.asfortranarray(rest[bandwidth:, bandwidth:]), v, t)
        reflectors.append((start, v, t))
    _store_diagonals(band, rest, start)
    return BandForm(band, tuple(reflectors))


def _store_diagonals(band: np.ndarray, block: np.ndarray, start: int) -> None:
    for offset in range(len(block)):
        diagonal = np.diagonal(block, -offset)
        band[offset, start : start + len(diagonal)] = diagonal


def _reflect(panel: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""QR of a panel: its upper trapezoid, and $V, T$ of $Q = I - VTV^\top$ (T from $V^\top V$, Joffrain et al. 2006)."""
    factored, taus, _, _ = lapack.dgeqrf(np.asfortranarray(panel), overwrite_a=1)
    count = len(taus)
    v = np.tril(factored[:, :count], -1)
    np.fill_diagonal(v, 1.0)
    v = np.asfortranarray(v)
    active = taus != 0  # a reflection of tau 0 is the identity
    inverse = np.triu(v.T @ v, 1) * np.outer(active, active)
    np.fill_diagonal(inverse, np.where(active, 1 / np.where(active, taus, 1.0), 1.0))
    t, _ = lapack.dtrtri(inverse)
    return np.triu(factored[:count]), v, np.triu(t) * np.outer(active, active)


def _two_sided(rest: np.ndarray, v: np.ndarray, t: np.ndarray) -> np.ndarray:
    r"""Return the lower triangle of $Q^\top AQ = A - WV^\top - VW^\top$, $X = AVT$, $W = X - \frac12VT^\top V^\top X$."""
    x = blas.dsymm(1.0, rest, v @ t, lower=1)
    w = x - 0.5 * v @ (t.T @ (v.T @ x))
    return np.asarray(blas.dsyr2k(-1.0, w, v, 1.0, rest, lower=1, overwrite_c=1))


def _solve_band(shifted: np.ndarray, right: np.ndarray, delta: float) -> np.ndarray:
    try:
        solved = scipy.linalg.solveh_banded(shifted, right, overwrite_ab=True, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"the matrix with {delta:g} on its diagonal is not positive definite; "
            f"use a larger ridge, or reprise.kernels.ridge.KernelRidge, which takes a pseudo-inverse"
        ) from None
    return np.asarray(solved)
