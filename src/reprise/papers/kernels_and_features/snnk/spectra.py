r"""Four activations with integrable spectra: $f(t)=E_s[\rho\,e^{ist}]$ for a law of the frequency s and a factor ρ.

In the paper's convention $\hat f(\xi)=\int f(t)e^{-2\pi i\xi t}dt$ and $s=2\pi\xi$; the factor is $\hat f(\xi)/p(\xi)$. The laws
are chosen so that it is 1 (cosine, Gaussian, Lorentzian) or $\mp i$ (sine).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

Draw = tuple[Float[np.ndarray, " m"], Complex[np.ndarray, " m"]]


class Spectrum(NamedTuple):
    """An activation and the law of its frequencies.

    Attributes:
        name: of the activation.
        f: the activation itself, elementwise.
        sample: (number, generator) -> frequencies s and factors ρ, (m,) each.
        norm: of x and w at which four moments of the symmetric estimator exist, and at which the rate is measured.
        split: which factorisation is used there.
    """

    name: str
    f: Callable[[np.ndarray], np.ndarray]
    sample: Callable[[int, np.random.Generator], Draw]
    norm: float
    split: str


def _signs(m: int, rng: np.random.Generator) -> Float[np.ndarray, " m"]:
    return rng.choice(np.array([-1.0, 1.0]), m)


def _cosine(m: int, rng: np.random.Generator) -> Draw:
    return _signs(m, rng), np.ones(m, dtype=np.complex128)


def _sine(m: int, rng: np.random.Generator) -> Draw:
    s = _signs(m, rng)
    return s, -1j * s


def _gaussian(m: int, rng: np.random.Generator) -> Draw:
    return rng.standard_normal(m), np.ones(m, dtype=np.complex128)


def _lorentzian(m: int, rng: np.random.Generator) -> Draw:
    return rng.laplace(size=m), np.ones(m, dtype=np.complex128)


COSINE = Spectrum("cosine", np.cos, _cosine, 1.0, "asymmetric")
SINE = Spectrum("sine", np.sin, _sine, 1.0, "asymmetric")
GAUSSIAN = Spectrum("Gaussian", lambda t: np.exp(-0.5 * t**2), _gaussian, 0.5, "symmetric")
LORENTZIAN = Spectrum("Lorentzian", lambda t: 1.0 / (1.0 + t**2), _lorentzian, 0.25, "symmetric")
SPECTRA = (COSINE, SINE, GAUSSIAN, LORENTZIAN)
