r"""The limit of singular kernels, by a second route: Schröder's equation in high precision.

If $A(0)=0<A'(0)=\lambda<1$, then $\psi(c)=\lim_LA^{(L)}(c)/\lambda^L$ is the solution of $\psi(A(c))=\lambda\psi(c)$ with $\psi(c)\sim c$
(Koenigs 1884). Its Taylor coefficients follow one by one,

$$p_1=1,\qquad p_k(\lambda-\lambda^k)=\sum_{j<k}p_j\,[c^k]A(c)^j ,$$

and near 1, where the series is slow, the equation itself carries the argument to where it is fast. No limit is taken, no
logarithm stored: nothing is shared with `depth` but the definition of $A$.
"""

import functools
import itertools
import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from reprise.papers.infinite_width.wide_deep_optimality.activations import Activation

ORDER, DIGITS, BITS, SMALL = 24, 45, 160, 0.02
"""Length of the series, digits and bits, and the cosine below which the series is used: an error of about 1e-38."""


def _dual(activation: Activation) -> Callable[[int], int]:
    r"""$A$ in fixed point: whole numbers in units of $2^{-160}$, by Horner's rule. Much faster than floating point of any length."""
    total = mp.fsum(mp.mpf(w) for w in activation.weights)
    scaled = [int(mp.nint(mp.ldexp(mp.mpf(w) / total, BITS))) for w in activation.weights]
    steps = [b - a for a, b in itertools.pairwise((0, *activation.powers))]

    def value(c: int) -> int:
        powers = {step: _power(c, step) for step in set(steps)}
        result = 0
        for weight, step in zip(reversed(scaled), reversed(steps), strict=True):
            result = ((result + weight) * powers[step]) >> BITS
        return result

    return value


def _power(c: int, k: int) -> int:
    result = 1 << BITS
    for _ in range(k):
        result = (result * c) >> BITS
    return result


@functools.lru_cache(maxsize=32)
def series(activation: Activation) -> tuple[mp.mpf, ...]:
    r"""Taylor coefficients $p_1,\dots,p_K$ of $\psi$, in 45 digits.

    >>> from reprise.papers.infinite_width.wide_deep_optimality.activations import optimal
    >>> [float(p) for p in series(optimal(2))[:3]]
    [1.0, 0.0, 1.3333333333333333]
    """
    with mp.workdps(DIGITS):
        total = mp.fsum(mp.mpf(w) for w in activation.weights)
        base = [mp.mpf(activation.coefficient(k)) / total for k in range(ORDER + 1)]
        rate, found = base[1], [mp.mpf(0), mp.mpf(1)]
        powers: list[list[mp.mpf]] = [[], base]
        for k in range(2, ORDER + 1):
            found.append(mp.fsum(found[j] * powers[j][k] for j in range(1, k)) / (rate - rate**k))
            powers.append(_product(powers[-1], base))
        return tuple(found[1:])


def _product(a: list[mp.mpf], b: list[mp.mpf]) -> list[mp.mpf]:
    return [mp.fsum(a[i] * b[k - i] for i in range(k + 1) if a[i] and b[k - i]) for k in range(len(a))]


def log_psi(activation: Activation, distances: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    r"""$\log\psi(1-\delta)$ at distances $\delta\in(0,1)$, correct to double precision."""
    with mp.workdps(DIGITS):
        dual, coefficients = _dual(activation), series(activation)
        rate = mp.mpf(activation.coefficient(1)) / mp.fsum(mp.mpf(w) for w in activation.weights)
        small, found = int(SMALL * 2**BITS), []
        for delta in distances:
            c, steps = (1 << BITS) - int(mp.nint(mp.ldexp(mp.mpf(float(delta)), BITS))), 0
            while c > small:
                c, steps = dual(c), steps + 1
            small_c, value = mp.ldexp(mp.mpf(c), -BITS), mp.mpf(0)
            for coefficient in reversed(coefficients):
                value = (value + coefficient) * small_c
            found.append(float(mp.log(value) - steps * mp.log(rate)))
    return np.array(found)


@functools.lru_cache(maxsize=32)
def smoother(activation: Activation, nodes: int = 100) -> CubicSpline:
    r"""$\log\psi$ as a spline in $\log t$, $c=e^{-t}$, on $10^{-12}\le t\le20$, to weigh many pairs of points."""
    grid = np.linspace(math.log(1e-12), math.log(20.0), nodes)
    return CubicSpline(grid, log_psi(activation, -np.expm1(-np.exp(grid))))
