r"""Exact moments of one universal random feature of the cosine, for any split and any M.

With $z_1=\alpha x$, $z_2=\beta w$ and $v=z_1+z_2$ the estimate of one feature is $Z=e^{isb}\Lambda_g(z_1)\Lambda_g(z_2)$. A Gaussian
integral gives, with $c=\frac{2(1+4M)}{1+8M}$ and $C=\frac{(1+4M)^d}{(1+8M)^{d/2}}$,

$$E|Z|^2=C\exp\big(c\,\|\mathrm{Re}\,v\|^2-\mathrm{Re}(z_1^\top z_1+z_2^\top z_2)\big),\qquad
E\,Z^2=C\,e^{2isb}\exp\big(c\,v^\top v-z_1^\top z_1-z_2^\top z_2\big),$$

and $\mathrm{Var}\,\mathrm{Re}Z=\frac12(E|Z|^2+\mathrm{Re}E\,Z^2)-\cos^2(w^\top x+b)$. For M = 0: $E|Z|^2=e^{\|x\|^2+\|w\|^2}$ (asymmetric) and
$e^{\|x+w\|^2}$ (symmetric). Nothing here is sampled.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from reprise.papers.kernels_and_features.snnk.universal import Split, multipliers


def second_moments(
    x: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, " n"],
    split: Split,
    extra: float = 0.0,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    r"""$E|Z|^2$ and $\mathrm{Re}\,E\,Z^2$ for paired rows; the frequency's sign changes neither.

    >>> x, w = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> [round(float(m[0]), 6) for m in second_moments(x, w, np.zeros(1), "asymmetric")]
    [7.389056, 1.0]
    """
    alpha, beta = (v[0] for v in multipliers(np.ones(1), split))
    first, second = alpha * x, beta * w
    v, dim = first + second, x.shape[1]
    squares = (first**2).sum(axis=1) + (second**2).sum(axis=1)
    scale = 2 * (1 + 4 * extra) / (1 + 8 * extra)
    front = (1 + 4 * extra) ** dim / (1 + 8 * extra) ** (dim / 2)
    modulus = front * np.exp(scale * (v.real**2).sum(axis=1) - squares.real)
    square = front * np.exp(2j * b + scale * (v**2).sum(axis=1) - squares)
    return modulus, square.real


def variance(
    x: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, " n"],
    split: Split,
    extra: float = 0.0,
) -> Float[np.ndarray, " n"]:
    """Variance of the real part of one feature of the cosine; over m, that of the estimate.

    >>> x, w = np.array([[0.5, -0.2, 0.8]]), np.array([[0.3, 0.9, -0.1]])
    >>> [round(float(variance(x, w, np.array([0.3]), s)[0]), 5) for s in ("asymmetric", "symmetric")]
    [2.66778, 1.35414]
    """
    modulus, square = second_moments(x, w, b, split, extra)
    return 0.5 * (modulus + square) - np.cos((x * w).sum(axis=1) + b) ** 2


def best_extra(
    x: Float[np.ndarray, "n d"], w: Float[np.ndarray, "n d"], b: Float[np.ndarray, " n"], split: Split
) -> tuple[float, float]:
    """The M of least mean variance, and that variance over the one of M = 0."""
    plain = variance(x, w, b, split).mean()
    found = minimize_scalar(
        lambda m: np.log(variance(x, w, b, split, m).mean() / plain), bounds=(0.0, 5.0), method="bounded"
    )
    return (float(found.x), float(np.exp(found.fun))) if found.fun < 0 else (0.0, 1.0)
