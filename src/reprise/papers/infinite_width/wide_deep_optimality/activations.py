r"""Activations by their Hermite coefficients: all that depth sees of them.

With $\phi$ normalised to $E\phi(u)^2=1$ for $u\sim N(0,1)$ and $a_k=E[\phi\,h_k]$ its coefficients in the orthonormal Hermite
polynomials, one layer turns a cosine $c$ into the dual activation

$$A(c)=E[\phi(u)\phi(v)]=\sum_ka_k^2c^k,\qquad A(0)=(E\phi)^2,\quad A'(0)=(E\phi')^2,\quad A(1)=1 .$$

Everything but the ReLU is such a series with a few dozen terms here; the ReLU has a kink and a closed form.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array

import reprise._x64  # noqa: F401

Limit = Literal["nearest", "singular", "majority"]
TERMS = 64
"""Longest series: what is cut off is below rounding for every activation here."""


@dataclasses.dataclass(frozen=True)
class Activation:
    r"""A normalised activation.

    Attributes:
        name: for tables.
        function: $\phi$ itself, elementwise, for finite networks.
        powers: degrees $k$ with $a_k\ne0$, increasing.
        weights: $a_k^2$, of sum 1.
        kink: the dual activation is the ReLU's closed form, and the series stands only for its first coefficients.
    """

    name: str
    function: Callable[[Array], Array] = dataclasses.field(compare=False, repr=False)
    powers: tuple[int, ...]
    weights: tuple[float, ...]
    kink: bool = False

    def coefficient(self, k: int) -> float:
        """The coefficient $a_k^2$ of $c^k$."""
        return dict(zip(self.powers, self.weights, strict=True)).get(k, 0.0)

    @property
    def start(self) -> float:
        """$A'(0)$, by which small cosines shrink in a layer."""
        return self.coefficient(1)

    @property
    def end(self) -> float:
        """$A'(1)$, by which small distances grow in a layer."""
        return 1.0 if self.kink else float(np.dot(self.powers, self.weights))

    @property
    def limit(self) -> Limit:
        r"""The classifier at infinite depth, from $E\phi$ and $E\phi'$ alone (the paper's taxonomy)."""
        if self.coefficient(0) > 0.0:
            return "majority"
        return "singular" if self.coefficient(1) > 0.0 else "nearest"

    @property
    def alpha(self) -> float:
        r"""Order of the pole of the limiting kernel at $c=1$: $\alpha=-\log A'(0)/\log A'(1)$."""
        if self.limit != "singular":
            raise ValueError(f"{self.name}: only a singular limit has a pole")
        return -math.log(self.start) / math.log(self.end)


def hermite(amplitudes: dict[int, float], name: str, *, normalised: bool = True) -> Activation:
    r"""$\phi=\sum_ka_kh_k$ with orthonormal $h_k$, or with the plain $He_k=\sqrt{k!}\,h_k$ if not ``normalised``.

    The unnormalised one keeps the dual activation of the normalised one, which it does *not* have: a control.

    >>> hermite({2: 1.0}, "h2").limit
    'nearest'
    """
    scale = {k: a if normalised else a * math.sqrt(math.factorial(k)) for k, a in amplitudes.items()}
    plain = np.zeros(max(scale) + 1)
    for k, a in scale.items():
        plain[: k + 1] += a * np.asarray(scipy.special.hermitenorm(k).coef[::-1]) / math.sqrt(math.factorial(k))
    coefficients = tuple(float(v) for v in plain)

    def function(z: Array) -> Array:
        total = jnp.full_like(z, coefficients[-1])
        for value in coefficients[-2::-1]:
            total = total * z + jnp.asarray(value, z.dtype)
        return total

    powers = tuple(sorted(amplitudes))
    return Activation(name, function, powers, _unit([amplitudes[k] ** 2 for k in powers]))


def optimal(dimension: int) -> Activation:
    r"""The paper's activation for intrinsic dimension $d$: the pole has order $\alpha=d/2$.

    $d\ge2$: $2^{-d/4}h_3+\sqrt{1-2^{1-d/2}}\,h_2+2^{-d/4}h_1$, so $A'(0)=2^{-d/2}$ and $A'(1)=2$. $d=1$: $(h_1+h_7)/\sqrt2$.

    >>> optimal(1).alpha, optimal(2).alpha, optimal(4).alpha
    (0.5, 1.0, 2.0)
    """
    return pole(dimension / 2, f"optimal for d = {dimension}")


def pole(alpha: float, name: str = "") -> Activation:
    r"""A polynomial activation whose limit has a pole of order ``alpha``.

    From 1 on the paper's $h_1,h_2,h_3$ with $A'(1)=2$; below, $(h_1+h_k)/\sqrt2$ with $A'(1)=(1+k)/2=2^{1/\alpha}$, which needs
    $k=2^{1+1/\alpha}-1$ whole ($\alpha=\tfrac12$ is the paper's activation for $d=1$).

    >>> pole(0.25).powers
    (1, 31)
    """
    label = name or f"α = {alpha:g}"
    if alpha >= 1:
        a = 2.0 ** (-alpha / 2)
        middle = {2: math.sqrt(1 - 2 * a * a)} if alpha > 1 else {}
        return hermite({1: a, **middle, 3: a}, label)
    degree = round(2 ** (1 + 1 / alpha)) - 1
    if not math.isclose(degree, 2 ** (1 + 1 / alpha) - 1):
        raise ValueError(f"alpha: 1/{1 / alpha:g} gives no whole degree; below 1 take 1/2, 1/3, 1/4, ...")
    return hermite({1: math.sqrt(0.5), degree: math.sqrt(0.5)}, label)


def sine(a: float) -> Activation:
    r"""$\sin(\sqrt a\,x)/\sqrt{e^{-a}\sinh a}$ with $A(c)=\sinh(ac)/\sinh a$; $a$ is the squared frequency.

    >>> round(sine(2.676).alpha, 3)
    1.0
    """
    powers = tuple(range(1, 2 * TERMS, 2))
    logs = [k * math.log(a) - math.lgamma(k + 1) for k in powers]
    root, size = math.sqrt(a), math.sqrt(-math.expm1(-2 * a) / 2)
    top = max(logs)
    return Activation(
        f"sine, a = {a:g}", lambda z: jnp.sin(root * z) / size, powers, _unit([math.exp(v - top) for v in logs])
    )


def erf() -> Activation:
    r"""The error function, normalised: $A(c)=\arcsin(2c/3)/\arcsin(2/3)$."""
    powers = tuple(range(1, 2 * TERMS, 2))
    share = [math.comb(k - 1, (k - 1) // 2) / 2.0 ** (k - 1) / k * (2 / 3) ** k for k in powers]
    size = math.sqrt(2 / math.pi * math.asin(2 / 3))
    return Activation("erf", lambda z: jax.lax.erf(z) / size, powers, _unit(share))


def relu() -> Activation:
    r"""The ReLU, normalised: $\sqrt2\max(x,0)$, $A(0)=1/\pi$, $A'(0)=\tfrac12$, $A'(1)=1$."""
    return Activation("ReLU", lambda z: math.sqrt(2) * jax.nn.relu(z), (0, 1), (1 / math.pi, 0.5), kink=True)


def gelu() -> Activation:
    r"""The GELU $x\,\Phi(x)$, normalised; its coefficients by quadrature."""
    nodes, probabilities = scipy.special.roots_hermitenorm(160)
    probabilities = probabilities / probabilities.sum()
    values = nodes * scipy.special.ndtr(nodes)
    size = math.sqrt(float(probabilities @ values**2))
    before, now = np.zeros_like(nodes), np.ones_like(nodes)
    squares = []
    for k in range(TERMS):
        squares.append(float(probabilities @ (values * now)) ** 2)
        before, now = now, (nodes * now - math.sqrt(k) * before) / math.sqrt(k + 1)
    # Odd coefficients beyond the first vanish; quadrature leaves dust.
    powers = tuple(k for k in range(TERMS) if k < 2 or k % 2 == 0)
    weights = _unit([squares[k] for k in powers])
    return Activation("GELU", lambda z: jax.nn.gelu(z, approximate=False) / size, powers, weights)


def square() -> Activation:
    r"""$x^2/\sqrt3$, not centred: $A(c)=(1+2c^2)/3$."""
    return Activation("x²", lambda z: z * z / math.sqrt(3), (0, 2), (1 / 3, 2 / 3))


def _unit(squares: Sequence[float]) -> tuple[float, ...]:
    total = math.fsum(squares)
    return tuple(float(v) / total for v in squares)
