r"""Claim C5: the limiting tangent kernel on the sphere is positive definite unless $\sigma$ is a polynomial (Proposition 2).

Float64 cannot tell a tiny positive eigenvalue from zero, so beside it the Gram matrix is factorised in many digits, and
the kernel is expanded in Gegenbauer polynomials: a zonal kernel $\kappa(x\cdot x')$ on $S^{n_0-1}$ is positive
definite if all its coefficients are positive (Schoenberg 1942).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import special

from reprise.estimate import Estimate
from reprise.kernels import closed_form
from reprise.papers.infinite_width.ntk_convergence.threads import on_one_thread

Activation: TypeAlias = str | tuple[float, ...] | Callable[[Any], Any]

ACTIVATIONS: Mapping[str, Activation] = {"ReLU": "relu", "erf": "erf", "tanh": jnp.tanh}
"""Activations for which the kernel is claimed positive definite."""

POLYNOMIALS: Mapping[str, tuple[float, ...]] = {
    "z": (0.0, 1.0),
    "z²": (0.0, 0.0, 1.0),
    "z + z²": (0.0, 1.0, 1.0),
}
"""Activations for which the kernel has finite rank, by their coefficients."""


def sphere(points: int, dimension: int, seed: int) -> Float[np.ndarray, "points dimension"]:
    """Random points of the unit sphere of R^dimension."""
    x = np.random.default_rng(seed).normal(size=(points, dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


@on_one_thread
def smallest_eigenvalue(x: Float[np.ndarray, "n d"], *, depth: int, bias: float, activation: Activation) -> float:
    r"""$\lambda_{\min}/(\varepsilon\lambda_{\max})$ of $\Theta^{(L)}_\infty(X,X)$ in float64, $\varepsilon=2^{-52}$.

    A singular matrix comes out between about -n and n (backward error of a symmetric eigensolver).
    """
    gram = np.asarray(closed_form.ntk(x, depth=depth, b_std=bias, activation=activation))
    eigenvalues = np.linalg.eigvalsh((gram + gram.T) / 2)
    return float(eigenvalues[0] / (np.finfo(float).eps * eigenvalues[-1]))


def polynomial_space(degree: int, dimension: int) -> int:
    r"""Dimension of the polynomials of at most this degree on $S^{n_0-1}$: the largest rank of a polynomial kernel.

    >>> polynomial_space(2, 2), polynomial_space(1, 10)
    (5, 11)
    """
    total = special.comb(dimension + degree - 1, degree, exact=True)
    return int(total + (special.comb(dimension + degree - 2, degree - 1, exact=True) if degree else 0))


def exact_kernel(cosine: Any, *, dimension: int, depth: int, bias: float, activation: str) -> Any:
    r"""$\Theta^{(L)}_\infty$ at unit vectors with this cosine, in mpmath's working precision.

    The recursion of Theorem 1, written once more and independently of `reprise.kernels`, for "relu", "erf" and the
    names in `POLYNOMIALS`. On the sphere all variances $\Sigma(x,x)$ are equal, so two numbers travel.
    """
    beta2 = mp.mpf(repr(bias)) ** 2
    q, s = mp.mpf(1) / dimension + beta2, mp.mpf(cosine) / dimension + beta2
    theta = s
    for _ in range(depth - 1):
        expected, slope, square = _dual(activation, q, s)
        q, s = square + beta2, expected + beta2
        theta = theta * slope + s
    return theta


def _dual(activation: str, q: Any, s: Any) -> tuple[Any, Any, Any]:
    r"""$E[\sigma(u)\sigma(v)]$, $E[\sigma'(u)\sigma'(v)]$ and $E[\sigma(u)^2]$ for variance q and covariance s."""
    if activation == "relu":
        angle = mp.acos(min(mp.mpf(1), s / q))
        return (
            (mp.sqrt(max(mp.mpf(0), q * q - s * s)) + s * (mp.pi - angle)) / (2 * mp.pi),
            (mp.pi - angle) / (2 * mp.pi),
            q / 2,
        )
    if activation == "erf":
        wide = 1 + 2 * q
        return (
            2 / mp.pi * mp.asin(2 * s / wide),
            4 / mp.pi / mp.sqrt(wide * wide - 4 * s * s),
            2 / mp.pi * mp.asin(2 * q / wide),
        )
    c = dict(enumerate(POLYNOMIALS[activation]))  # a z + b z^2: moments by Isserlis' theorem
    a, b = mp.mpf(c.get(1, 0)), mp.mpf(c.get(2, 0))
    return a**2 * s + b**2 * (q * q + 2 * s * s), a**2 + 4 * b**2 * s, a**2 * q + 3 * b**2 * q * q


def exact_rank(
    angles: Float[np.ndarray, " n"], *, depth: int, bias: float, activation: str, digits: int = 80
) -> tuple[int, float]:
    """Rank of the Gram matrix at angles of the unit circle, and log10 of its smallest kept pivot.

    Pivoted Cholesky factorisation with `digits` digits: every pivot above 10^(20 - digits) counts. All pivots positive is
    equivalent to positive definite.
    """
    with mp.workdps(digits):
        n = len(angles)
        gamma = [mp.mpf(float(a)) for a in angles]
        entry = lru_cache(maxsize=None)(
            lambda c: exact_kernel(c, dimension=2, depth=depth, bias=bias, activation=activation)
        )
        gram = [[entry(mp.cos(a - b)) if a != b else entry(mp.mpf(1)) for b in gamma] for a in gamma]
        floor = mp.mpf(10) ** (20 - digits)
        left, smallest = list(range(n)), mp.inf
        for done in range(n):
            pivot = max(left, key=lambda i: gram[i][i])
            size = gram[pivot][pivot]
            if size < floor:
                return done, float(mp.log10(smallest))
            smallest = min(smallest, size)
            left.remove(pivot)
            for i in left:
                factor = gram[i][pivot] / size
                for j in left:
                    gram[i][j] -= factor * gram[pivot][j]
        return n, float(mp.log10(smallest))


@lru_cache(maxsize=4)
def _legendre_rule(nodes: int, digits: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Gauss-Legendre nodes and weights on [0, pi] in many digits, by Newton's method from NumPy's."""
    with mp.workdps(digits + 5):
        points, weights = [], []
        for start in np.polynomial.legendre.leggauss(nodes)[0]:
            x = mp.mpf(float(start))
            for _ in range(2 + int(np.ceil(np.log2(digits / 15)))):
                p0, p1 = mp.mpf(1), x
                for k in range(2, nodes + 1):
                    p0, p1 = p1, ((2 * k - 1) * x * p1 - (k - 1) * p0) / k
                slope = nodes * (x * p1 - p0) / (x * x - 1)
                x -= p1 / slope
            points.append(mp.pi * (x + 1) / 2)
            weights.append(mp.pi / ((1 - x * x) * slope**2))
        return tuple(points), tuple(weights)


def legendre_coefficients(
    degrees: int, *, depth: int, bias: float, activation: str, nodes: int = 80, digits: int = 40
) -> Float[np.ndarray, " degrees_and_zero"]:
    r"""Coefficients $a_k$ of $\Theta_\infty(c)=\sum_ka_kP_k(c)$ on the sphere of $\mathbb R^3$, $k=0,\dots,$ `degrees`.

    $a_k=\frac{2k+1}2\int_0^\pi\Theta_\infty(\cos\theta)P_k(\cos\theta)\sin\theta\,d\theta$; in $\theta$ the integrand is
    analytic, kink of the ReLU included, so Gauss-Legendre quadrature converges geometrically.
    """
    with mp.workdps(digits):
        angles, weights = _legendre_rule(nodes, digits)
        cosines = [mp.cos(t) for t in angles]
        values = [
            w * mp.sin(t) * exact_kernel(c, dimension=3, depth=depth, bias=bias, activation=activation)
            for t, c, w in zip(angles, cosines, weights, strict=True)
        ]
        found = []
        before, now = [mp.mpf(0)] * nodes, [mp.mpf(1)] * nodes
        for k in range(degrees + 1):
            found.append(float((mp.mpf(2 * k + 1) / 2) * mp.fdot(values, now)))
            before, now = (
                now,
                [((2 * k + 1) * c * p - k * q) / (k + 1) for c, p, q in zip(cosines, now, before, strict=True)],
            )
        return np.asarray(found)


DEGREES = 24
"""Highest degree of the expansions, and number of points on the circle."""


def eigenvalue_table(points: int, depths: Sequence[int], *, bias: float, seed: int) -> pd.DataFrame:
    """`smallest_eigenvalue` on the sphere of R^5: activations at every depth, polynomials with one hidden layer."""
    x = sphere(points, 5, seed)
    cases = [(name, f, depth, False) for name, f in ACTIVATIONS.items() for depth in depths]
    cases += [(name, f, 2, True) for name, f in POLYNOMIALS.items()]
    return pd.DataFrame(
        {
            "activation": name,
            "depth": depth,
            "polynomial": polynomial,
            "value": smallest_eigenvalue(x, depth=depth, bias=bias, activation=f),
        }
        for name, f, depth, polynomial in cases
    )


def rank_table(depths: Sequence[int], *, bias: float, seed: int) -> pd.DataFrame:
    """`exact_rank` over the number of points, for random points of the circle."""
    angles = np.sort(np.random.default_rng(seed).uniform(-np.pi, np.pi, DEGREES))
    rows = []
    for name, key, polynomial in _exact():
        for depth in depths:
            rank, pivot = exact_rank(angles, depth=depth, bias=bias, activation=key)
            rows.append(
                {
                    "activation": name,
                    "depth": depth,
                    "polynomial": polynomial,
                    "value": rank / DEGREES,
                    "log10_pivot": pivot,
                }
            )
    return pd.DataFrame(rows)


def coefficient_table(depths: Sequence[int], *, bias: float) -> pd.DataFrame:
    """`legendre_coefficients` up to `DEGREES`, one row a degree."""
    rows = []
    for name, key, polynomial in _exact():
        for depth in depths:
            found = legendre_coefficients(DEGREES, depth=depth, bias=bias, activation=key)
            rows += [
                {"activation": name, "depth": depth, "polynomial": polynomial, "degree": k, "coefficient": a}
                for k, a in enumerate(found)
            ]
    return pd.DataFrame(rows)


def positive_shares(coefficients: pd.DataFrame) -> pd.DataFrame:
    """Share of coefficients above 10^-25 of the largest (the quadrature is good to 10^-38), by activation and depth."""
    groups = coefficients.groupby(["activation", "depth", "polynomial"], sort=False)["coefficient"]
    return groups.agg(lambda a: float(np.mean(a > 1e-25 * a.max()))).rename("value").reset_index()


def empty_degrees() -> float:
    """Share of the ReLU's coefficients that vanish without biases and with one hidden layer."""
    table = legendre_coefficients(DEGREES, depth=2, bias=0.0, activation="relu")
    return float(np.mean(np.abs(table) < 1e-25))


def extremes(table: pd.DataFrame, error: float = 0.0) -> tuple[Estimate, Estimate]:
    """Least value among the activations, and largest among the polynomials, each known to `error`."""
    claimed, control = table[~table.polynomial].value, table[table.polynomial].value
    return (
        Estimate.exact(claimed.min(), error, n=len(claimed), samples=claimed),
        Estimate.exact(control.max(), error, n=len(control), samples=control),
    )


def _exact() -> list[tuple[str, str, bool]]:
    """Names, keys of `exact_kernel`, and whether they are polynomials."""
    named = [(name, f, False) for name, f in ACTIVATIONS.items() if isinstance(f, str)]
    return named + [(name, name, True) for name in POLYNOMIALS]
