r"""Self-distillation of kernel ridge regression in closed form: one eigendecomposition, all steps.

Step $\tau$ fits the mixture $\alpha^{(\tau)}y+(1-\alpha^{(\tau)})y^{(\tau-1)}$ with kernel matrix $K=VDV^\top$ and ridge
$\lambda$ (added as it is, not times N). With $A=D(D+\lambda)^{-1}$ the fitted values are $y^{(\tau)}=VB^{(\tau)}V^\top y$,

$$B^{(1)}=A,\qquad B^{(\tau)}=A\bigl(\alpha^{(\tau)}+(1-\alpha^{(\tau)})B^{(\tau-1)}\bigr).$$
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float


class Spectrum(NamedTuple):
    """Kernel matrix of the training points, decomposed.

    Attributes:
        values: eigenvalues d, descending, none negative, (N,).
        vectors: eigenvectors V, in columns, (N, N).
        ridge: the penalty.
    """

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"]
    ridge: float

    @property
    def shrinkage(self) -> Float[np.ndarray, " n"]:
        r"""$A_{ii}=d_i/(d_i+\lambda)$: what one fit leaves of each direction."""
        return self.values / (self.values + self.ridge)


def decompose(gram: Float[np.ndarray, "n n"], ridge: float) -> Spectrum:
    """Eigendecomposition of a kernel matrix, with eigenvalues below zero (rounding) set to zero; O(N³).

    >>> print(decompose(np.diag([1.0, 3.0]), 1.0).shrinkage)
    [0.75 0.5 ]
    """
    values, vectors = np.linalg.eigh(gram)
    return Spectrum(np.maximum(values[::-1], 0.0), vectors[:, ::-1], float(ridge))


def factors(
    shrinkage: Float[np.ndarray, " n"], weights: Sequence[float], *, first: float = 1.0
) -> Float[np.ndarray, "steps n"]:
    r"""The diagonals $B^{(1)},\dots,B^{(T)}$ for any sequence of weights; the first weight is not used.

    `first` multiplies $B^{(1)}$. It is one; a frequent slip is the first weight (the control of C1).

    >>> factors(np.array([0.5]), [1.0, 0.0, 0.5]).ravel().tolist()
    [0.5, 0.25, 0.3125]
    """
    steps = [first * shrinkage]
    for weight in weights[1:]:
        steps.append(shrinkage * (weight + (1.0 - weight) * steps[-1]))
    return np.stack(steps)


def predictions(
    spectrum: Spectrum,
    k_test: Float[np.ndarray, "t n"],
    y: Float[np.ndarray, "n c"],
    weights: Sequence[float],
    *,
    first: float = 1.0,
) -> Float[np.ndarray, "steps t c"]:
    r"""Every step's predictor at test points, straight from the decomposition that gives the first fit.

    $f^{(\tau)}(x)=k(x,X)\,V(D+\lambda)^{-1}\bigl(\alpha^{(\tau)}+(1-\alpha^{(\tau)})B^{(\tau-1)}\bigr)V^\top y$.
    """
    before = np.concatenate([np.ones((1, len(y))), factors(spectrum.shrinkage, weights, first=first)[:-1]])
    alpha = np.asarray([1.0, *weights[1:]])[:, None]
    mixed = (alpha + (1.0 - alpha) * before) / (spectrum.values + spectrum.ridge)
    mixed[0] *= first
    return np.asarray(
        np.einsum("tn,sn,nc->stc", k_test @ spectrum.vectors, mixed, spectrum.vectors.T @ y, optimize=True)
    )


def limit_factors(values: Float[np.ndarray, " n"], ridge: float, weight: float) -> Float[np.ndarray, " n"]:
    r"""$B^{(\infty)}=\frac{\alpha d}{\alpha d+\lambda}$: the plain fit with penalty $\lambda/\alpha$; zero without targets.

    >>> print(limit_factors(np.array([1.0]), 1.0, 0.5), limit_factors(np.array([1.0]), 1.0, 0.0))
    [0.33333333] [0.]
    """
    return weight * values / (weight * values + ridge)


def rate(shrinkage: Float[np.ndarray, " n"], weight: float) -> float:
    r"""Factor by which the distance to the limit falls at each step in the end: $(1-\alpha)\max_iA_{ii}$."""
    return float((1.0 - weight) * shrinkage.max())


def limit_ratio(values: Float[np.ndarray, " n"], ridge: float, weight: float) -> Float[np.ndarray, " n-1"]:
    r"""Where $R_k=B_{kk}/B_{k+1,k+1}$ goes: $\frac{d_k(\alpha d_{k+1}+\lambda)}{d_{k+1}(\alpha d_k+\lambda)}\le d_k/d_{k+1}$.

    It comes there *from above*: the leading direction is the slower of the two to reach its limit, from a larger value.
    """
    left, right = values[:-1], values[1:]
    return np.asarray(left * (weight * right + ridge) / (right * (weight * left + ridge)))


def ratio_bound(values: Float[np.ndarray, " n"], ridge: float, weight: float) -> Float[np.ndarray, " n-1"]:
    r"""A bound on $R_k$ at every step: $A_{kk}/B^{(\infty)}_{k+1,k+1}$, as $B$ falls from A to its limit; infinite at weight 0."""
    first, last = values / (values + ridge), limit_factors(values, ridge, weight)
    with np.errstate(divide="ignore"):
        return np.asarray(first[:-1] / last[1:])


def optimal_weight(with_targets: ArrayLike, with_teacher: ArrayLike, targets: ArrayLike) -> float:
    r"""The weight $\alpha^\star$ that minimises a student's squared error on validation targets $\tilde y$.

    A student is affine in its weight, $f=\alpha f_1+(1-\alpha)f_0$, where $f_1$ was fitted to the targets alone and $f_0$
    to the teacher alone. So its error is a parabola, with minimum at
    $\alpha^\star=\langle f_1-f_0,\tilde y-f_0\rangle/\lVert f_1-f_0\rVert^2$. Nothing keeps it between 0 and 1.

    >>> optimal_weight([1.0, 0.0], [0.0, 0.0], [-0.5, 9.0])
    -0.5
    """
    f1, f0, y = (np.asarray(v, dtype=np.float64) for v in (with_targets, with_teacher, targets))
    direction = f1 - f0
    return float(np.sum(direction * (y - f0)) / np.sum(direction**2))
