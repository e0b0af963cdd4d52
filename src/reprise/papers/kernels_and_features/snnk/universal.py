r"""Universal random features: one map of the input, one of the parameters, joined by a dot product.

$$f(w^\top x+b)=E\Big[\rho\,e^{isb}\,\Lambda_g(\alpha x)\,\Lambda_g(\beta w)\Big],\qquad
\Lambda_g(z)=(1+4M)^{d/4}\exp\!\big(-M\|g\|^2+\sqrt{1+4M}\,g^\top z-\tfrac12z^\top z\big),$$

with $g\sim N(0,I)$, $\alpha\beta=is$ and $M\ge0$; $z^\top z$ is not $|z|^2$. Both maps share the draw $(s,\rho,g)$.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from reprise.papers.kernels_and_features.snnk.spectra import Spectrum

Split = Literal["asymmetric", "symmetric"]
Correction = Literal["exact", "doubled", "modulus"]


class Frozen(NamedTuple):
    """What is drawn once and shared by inputs and parameters.

    Attributes:
        s: frequencies, (m,).
        factor: (m,).
        g: directions, (m, d).
        alpha: multipliers of the input, (m,).
        beta: multipliers of the parameters, (m,).
        extra: M, at least 0.
        correction: "exact"; "doubled" and "modulus" are the two slips that are tested.
    """

    s: Float[np.ndarray, " m"]
    factor: Complex[np.ndarray, " m"]
    g: Float[np.ndarray, "m d"]
    alpha: Complex[np.ndarray, " m"]
    beta: Complex[np.ndarray, " m"]
    extra: float = 0.0
    correction: Correction = "exact"


def multipliers(
    s: Float[np.ndarray, " m"], split: Split
) -> tuple[Complex[np.ndarray, " m"], Complex[np.ndarray, " m"]]:
    r"""$(is, 1)$ or $(\sqrt{is},\sqrt{is})$.

    >>> a, b = multipliers(np.array([1.0, -1.0]), "symmetric")
    >>> bool(np.allclose(a * b, [1j, -1j]))
    True

    Raises:
        ValueError: another split.
    """
    if split == "asymmetric":
        return 1j * s, np.ones(len(s), dtype=np.complex128)
    if split == "symmetric":
        root = np.sqrt(1j * s)
        return root, root
    raise ValueError(f"split: 'asymmetric' or 'symmetric', not {split!r}")


def draw(
    spectrum: Spectrum,
    g: Float[np.ndarray, "m d"],
    split: Split,
    rng: np.random.Generator,
    *,
    extra: float = 0.0,
    correction: Correction = "exact",
) -> Frozen:
    """Frequencies for given directions.

    Raises:
        ValueError: M is negative, or an unknown split.
    """
    if extra < 0:
        raise ValueError(f"extra: M is at least 0, not {extra}")
    s, factor = spectrum.sample(len(g), rng)
    return Frozen(s, factor, g, *multipliers(s, split), extra, correction)


def exponential(
    points: Float[np.ndarray, "n d"] | Complex[np.ndarray, "n d"], scale: Complex[np.ndarray, " m"], frozen: Frozen
) -> Complex[np.ndarray, "n m"]:
    r"""$\Lambda_{g_j}(c_jx)$ for every point and feature."""
    big, dim = frozen.extra, frozen.g.shape[1]
    square = (points**2).sum(axis=1)[:, None] * scale**2
    if frozen.correction == "modulus":
        square = np.abs(square).astype(np.complex128)
    share = 1.0 if frozen.correction == "doubled" else 0.5
    exponent = np.sqrt(1 + 4 * big) * scale * (points @ frozen.g.T) - share * square
    if big > 0:
        exponent = exponent - big * (frozen.g**2).sum(axis=1)
    size = (1 + 4 * big) ** (dim / 4) * np.exp(exponent.real)
    # Real cosines and sines are several times faster than NumPy's complex exponential.
    return np.asarray(size * np.cos(exponent.imag) + 1j * (size * np.sin(exponent.imag)))


def input_map(x: Float[np.ndarray, "n d"], frozen: Frozen) -> Complex[np.ndarray, "n m"]:
    r"""$\Phi(x)$, made of the input alone; complex points are allowed."""
    return exponential(x, frozen.alpha, frozen) * len(frozen.s) ** -0.5


def parameter_map(
    w: Float[np.ndarray, "l d"], b: Float[np.ndarray, " l"], frozen: Frozen
) -> Complex[np.ndarray, "l m"]:
    r"""$\Psi(w,b)$, made of the parameters alone."""
    turn = frozen.factor * np.exp(1j * np.outer(b, frozen.s))
    return turn * exponential(w, frozen.beta, frozen) * len(frozen.s) ** -0.5


def layer(
    x: Float[np.ndarray, "n d"], w: Float[np.ndarray, "l d"], b: Float[np.ndarray, " l"], frozen: Frozen
) -> Float[np.ndarray, "n l"]:
    r"""$\mathrm{Re}\,\Phi(x)\Psi(W,b)^\top$, which estimates $f(Wx+b)$.

    >>> from reprise.papers.kernels_and_features.snnk.spectra import COSINE
    >>> rng = np.random.default_rng(0)
    >>> f = draw(COSINE, rng.standard_normal((20000, 2)), "asymmetric", rng)
    >>> x, w, b = np.array([[0.3, 0.1]]), np.array([[0.2, -0.4]]), np.array([0.1])
    >>> bool(abs(layer(x, w, b, f)[0, 0] - np.cos(w[0] @ x[0] + 0.1)) < 0.03)
    True
    """
    return np.asarray((input_map(x, frozen) @ parameter_map(w, b, frozen).T).real)
