"""Activations with the derivatives that the recursions need, in NumPy: theory shares no code with the networks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

Function = Callable[[np.ndarray], np.ndarray]


class Activation(NamedTuple):
    r"""An activation $\sigma$ for the recursions.

    Attributes:
        name: in figures and tables.
        value: $\sigma$.
        first: $\sigma'$.
        second: $\sigma''$ (None where it is a distribution).
        taylor: $\sigma(0),\sigma'(0),\sigma''(0),\sigma'''(0)$, or None where they do not exist.
        slopes: $(a_+,a_-)$ of a scale-invariant activation, else None.
    """

    name: str
    value: Function
    first: Function
    second: Function | None = None
    taylor: tuple[float, float, float, float] | None = None
    slopes: tuple[float, float] | None = None


def leaky(plus: float, minus: float, name: str) -> Activation:
    r"""$a_+z$ for $z>0$ and $a_-z$ for $z<0$: linear, ReLU and leaky ReLU.

    >>> leaky(1.0, 0.0, "ReLU").value(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    steeper = np.maximum if plus >= minus else np.minimum  # several times faster than to choose by the sign
    return Activation(
        name,
        lambda z: steeper(plus * z, minus * z),
        lambda z: np.where(z > 0, plus, minus).astype(z.dtype),
        slopes=(plus, minus),
    )


def _tanh_first(z: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 - np.tanh(z) ** 2)


def _gauss(z: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def _swish_first(z: np.ndarray) -> np.ndarray:
    s = special.expit(z)
    return np.asarray(s + z * s * (1 - s))


def _swish_second(z: np.ndarray) -> np.ndarray:
    s = special.expit(z)
    return np.asarray(s * (1 - s) * (2.0 + z * (1.0 - 2.0 * s)))


def _sigmoid_first(z: np.ndarray) -> np.ndarray:
    s = special.expit(z)
    return np.asarray(s * (1 - s))


LINEAR = leaky(1.0, 1.0, "linear")
RELU = leaky(1.0, 0.0, "ReLU")
LEAKY = leaky(1.0, 0.2, "leaky ReLU")
TANH = Activation("tanh", np.tanh, _tanh_first, lambda z: -2 * np.tanh(z) * _tanh_first(z), (0.0, 1.0, 0.0, -2.0))
SIN = Activation("sin", np.sin, np.cos, lambda z: -np.sin(z), (0.0, 1.0, 0.0, -1.0))
ERF = Activation(
    "erf",
    special.erf,
    lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2)),
    lambda z: -4 / np.sqrt(np.pi) * z * np.exp(-(z**2)),
    (0.0, 2 / np.sqrt(np.pi), 0.0, -4 / np.sqrt(np.pi)),
)
TILTED = Activation(
    "tilted sine",
    lambda z: np.sin(z) + 0.5 * (1 - np.cos(z)),
    lambda z: np.cos(z) + 0.5 * np.sin(z),
    lambda z: -np.sin(z) + 0.5 * np.cos(z),
    (0.0, 1.0, 0.5, -1.0),
)
r"""$\sin z+\frac12(1-\cos z)$: $\sigma''(0)\ne0$, so that its two critical exponents are not 2 and 1."""
GELU = Activation(
    "GELU",
    lambda z: z * special.ndtr(z),
    lambda z: special.ndtr(z) + z * _gauss(z),
    lambda z: (2.0 - z**2) * _gauss(z),
)
SWISH = Activation("SWISH", lambda z: z * special.expit(z), _swish_first, _swish_second)
SIGMOID = Activation(
    "sigmoid",
    special.expit,
    _sigmoid_first,
    lambda z: _sigmoid_first(z) * (1 - 2 * special.expit(z)),
    (0.5, 0.25, 0.0, -0.125),
)
SOFTPLUS = Activation(
    "softplus", lambda z: np.logaddexp(0.0, z), special.expit, _sigmoid_first, (float(np.log(2.0)), 0.5, 0.25, 0.0)
)
BY_NAME = {a.name: a for a in (LINEAR, RELU, LEAKY, TANH, SIN, ERF, TILTED, GELU, SWISH, SIGMOID, SOFTPLUS)}
