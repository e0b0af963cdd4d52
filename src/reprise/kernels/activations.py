r"""Gaussian expectations of activations: what one layer does to covariances in the limit of infinite width.

For $(u, v)$ centred Gaussian with variances $p, q$ and covariance $s$, every activation here gives

$$D(s, p, q) = E[\sigma(u)\sigma(v)], \qquad \dot D(s, p, q) = E[\sigma'(u)\sigma'(v)] = \partial D/\partial s .$$

Three are closed forms (ReLU: Cho and Saul 2009, eq. 6; erf: Williams 1997, eq. 11; polynomials: Mehler's formula ends),
and `Hermite` takes any differentiable function by Gauss-Hermite quadrature.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401

__all__ = ["Activation", "Erf", "Hermite", "Linear", "Polynomial", "Relu", "resolve"]

SNAP = 16
"""Cosines within this many rounding errors of 1 (or -1) count as 1: the angle between them is below resolution."""


@runtime_checkable
class Activation(Protocol):
    """One activation: its two Gaussian expectations, elementwise over arrays that broadcast together."""

    def dual(
        self, s: Float[Array, "..."], p: Float[Array, "..."], q: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Return $D(s,p,q)$ and $\dot D(s,p,q)$."""

    def moment(self, p: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return $E[\sigma(u)^2] = D(p,p,p)$, exactly where `dual` would round."""


_ARCSINE = (
    1.0,
    0.16666666666664942,
    0.07500000000385201,
    0.044642856805998936,
    0.03038195969768514,
    0.022371749733164054,
    0.01735977964134998,
    0.01388484282640208,
    0.012170138592391726,
    0.0065293020047365695,
    0.019513468251252167,
    -0.016187392271599134,
    0.03187962140081284,
)
r"""Interpolant of $\arcsin(\sqrt z)/\sqrt z$ in 13 Chebyshev points of [0, 1/4]; within 1.7e-17 of it."""


@jax.custom_jvp
def arc_cosine(c: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Arc-cosine functions $\kappa_0(c) = (\pi-\arccos c)/\pi$, $\kappa_1(c) = (\sqrt{1-c^2} + c\,\pi\kappa_0(c))/\pi$.

    Elementwise, for cosines in [-1, 1]; values outside are clipped. Both keep their accuracy near $c = \pm1$: the sine is
    $\sqrt{(1-c)(1+c)}$, and the angle is $2\arcsin\sqrt{(1-|c|)/2}$ there. The arc sine is a polynomial, because the
    library's arc tangent is a call an entry and twenty times slower than the rest together. Derivatives:
    $\kappa_1' = \kappa_0$ everywhere; $\kappa_0' = 1/(\pi\sqrt{1-c^2})$, with the convention 0 at $c = \pm1$, where it
    is infinite.

    >>> k0, k1 = arc_cosine(jnp.array([1.0, 0.0, -1.0]))
    >>> print(k0, k1.round(6))
    [1.  0.5 0. ] [1.      0.31831 0.     ]
    """
    size = jnp.minimum(jnp.abs(c), 1.0)
    far = size <= 0.5
    z = jnp.where(far, size * size, (1 - size) / 2)
    series = jnp.full_like(z, _ARCSINE[-1])
    for coefficient in _ARCSINE[-2::-1]:
        series = coefficient + z * series
    arcsine = jnp.where(far, size, jnp.sqrt(z)) * series
    turn = jnp.where(far, 0.5 - arcsine / math.pi, 2 / math.pi * arcsine)  # angle to the nearer axis, over pi
    k0 = jnp.where(c < 0, turn, 1 - turn)
    sine = jnp.sqrt((1 - size) * (1 + size))
    return k0, sine / math.pi + jnp.clip(c, -1.0, 1.0) * k0


@arc_cosine.defjvp
def _arc_cosine_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    (c,), (dc,) = primals, tangents
    k0, k1 = arc_cosine(c)
    square = (1 - c) * (1 + c)
    inside = square > 0
    slope = jnp.where(inside, 1 / (math.pi * jnp.sqrt(jnp.where(inside, square, 1.0))), 0.0)
    return (k0, k1), (slope * dc, k0 * dc)


def _roots(p: Array) -> tuple[Array, Array]:
    r"""Return $\sqrt p$ and $1/\sqrt p$, both 0 (with derivative 0) where ``p`` is 0: a point that the layer cannot see."""
    positive = p > 0
    root = jnp.where(positive, jnp.sqrt(jnp.where(positive, p, 1.0)), 0.0)
    return root, jnp.where(positive, 1 / jnp.where(positive, root, 1.0), 0.0)


def _snap(c: Array) -> Array:
    """Set cosines to 1 and -1 where rounding hides the difference; derivatives stay as they are."""
    near = 1 - SNAP * jnp.finfo(c.dtype).eps
    snapped = jnp.where(jnp.abs(c) >= near, jnp.sign(c), c)
    return c + jax.lax.stop_gradient(snapped - c)


@dataclasses.dataclass(frozen=True)
class Relu:
    r"""$\sigma(z) = a\max(z, 0)$ with $a^2 = 1$, or $a^2 = 2$ if ``normalised``, which keeps variances: $D(p,p,p)=p$.

    $D = \tfrac{a^2}2\sqrt{pq}\,\kappa_1(c)$, $\dot D = \tfrac{a^2}2\kappa_0(c)$, $c = s/\sqrt{pq}$.
    """

    normalised: bool = False

    def dual(self, s: Array, p: Array, q: Array) -> tuple[Array, Array]:
        r"""Return $D$ and $\dot D$."""
        (root_p, inverse_p), (root_q, inverse_q) = _roots(p), _roots(q)
        k0, k1 = arc_cosine(_snap(s * inverse_p * inverse_q))
        return self._gain * root_p * root_q * k1, self._gain * k0

    def moment(self, p: Array) -> Array:
        """Return $a^2p/2$."""
        return self._gain * p

    @property
    def _gain(self) -> float:
        return 1.0 if self.normalised else 0.5


@dataclasses.dataclass(frozen=True)
class Erf:
    r"""The error function: $D = \tfrac2\pi\arcsin\frac{2s}{\sqrt{(1+2p)(1+2q)}}$, $\dot D = \tfrac4\pi\det^{-1/2}$.

    $\det = (1+2p)(1+2q) - 4s^2$.
    """

    def dual(self, s: Array, p: Array, q: Array) -> tuple[Array, Array]:
        r"""Return $D$ and $\dot D$; the arc sine as an arc tangent, accurate for large variances too."""
        root = jnp.sqrt(1 + 2 * (p + q) + 4 * (p * q - s * s))
        return 2 / math.pi * jnp.arctan2(2 * s, root), 4 / math.pi / root

    def moment(self, p: Array) -> Array:
        r"""Return $\tfrac2\pi\arctan(2p/\sqrt{1+4p})$."""
        return 2 / math.pi * jnp.arctan2(2 * p, jnp.sqrt(1 + 4 * p))


@dataclasses.dataclass(frozen=True)
class Linear:
    r"""The identity: $D = s$, $\dot D = 1$."""

    def dual(self, s: Array, p: Array, q: Array) -> tuple[Array, Array]:  # noqa: ARG002 - Activation
        """Return $s$ and 1."""
        return s, jnp.ones_like(s)

    def moment(self, p: Array) -> Array:
        """Return $p$."""
        return p


@dataclasses.dataclass(frozen=True)
class Polynomial:
    r"""$\sigma(z) = \sum_j c_j z^j$, given by its coefficients from the constant upwards.

    The Hermite expansion of $\sigma(\sqrt p\,z)$ ends, and Mehler's formula becomes a polynomial in $s$, exact and PSD:
    $D = \sum_k k!\,B_k(p)B_k(q)s^k$ with $B_k(p) = \sum_{j-k\ \text{even}} c_j\frac{j!}{2^{(j-k)/2}((j-k)/2)!\,k!}p^{(j-k)/2}$.
    """

    coefficients: tuple[float, ...]

    def dual(self, s: Array, p: Array, q: Array) -> tuple[Array, Array]:
        r"""Return $D$ and $\dot D$ (the polynomial of $\sigma'$)."""
        derivative = tuple(j * c for j, c in enumerate(self.coefficients))[1:]
        return _mehler(self.coefficients, s, p, q), _mehler(derivative, s, p, q)

    def moment(self, p: Array) -> Array:
        """Return $D(p,p,p)$."""
        return _mehler(self.coefficients, p, p, p)


def _mehler(coefficients: Sequence[float], s: Array, p: Array, q: Array) -> Array:
    """Evaluate the polynomial kernel of `Polynomial` by Horner's rule in ``s``."""
    total = jnp.zeros_like(s)
    for k in reversed(range(len(coefficients))):
        left = _mehler_coefficient(coefficients, k, p)
        total = math.factorial(k) * left * _mehler_coefficient(coefficients, k, q) + s * total
    return total


def _mehler_coefficient(coefficients: Sequence[float], k: int, p: Array) -> Array:
    total = jnp.zeros_like(p)
    for j in range(k, len(coefficients), 2):
        half = (j - k) // 2
        weight = math.factorial(j) / (2**half * math.factorial(half) * math.factorial(k))
        total = total + coefficients[j] * weight * p**half
    return total


@dataclasses.dataclass(frozen=True)
class Hermite:
    r"""Any JAX function, differentiable almost everywhere, by Gauss-Hermite quadrature with ``order`` nodes.

    Mehler's formula over the nodes: $D = \sum_{k<K} a_k(p)a_k(q)c^k$ with $a_k(p) = E[\sigma(\sqrt p z)h_k(z)]$, $h_k$
    the orthonormal Hermite polynomials, and the same with $\sigma'$ (by automatic differentiation) for $\dot D$. Every
    partial sum is positive semi-definite. For analytic functions the error falls like $e^{-c\sqrt{K}}$: with 128 nodes
    below 1e-11 for tanh at variance 1 (1e-5 at variance 4, where its poles are twice as near). At kinks it falls only
    like a power of $1/K$, so use the closed form of the ReLU.
    """

    function: Callable[[Array], Array]
    order: int = 128

    def dual(self, s: Array, p: Array, q: Array) -> tuple[Array, Array]:
        r"""Return $D$ and $\dot D$; cost ``order`` fused multiply-adds an entry."""
        c = jnp.clip(_snap(s * _roots(p)[1] * _roots(q)[1]), -1.0, 1.0)
        values = self._series(self.function, c, p, q)
        return values, self._series(jax.grad(self.function), c, p, q)

    def moment(self, p: Array) -> Array:
        r"""Return $E[\sigma(\sqrt p z)^2]$ over the nodes."""
        nodes, weights, _ = _nodes(self.order)
        return self._at_nodes(self.function, p, nodes) ** 2 @ weights.astype(p.dtype)

    def _series(self, function: Callable[[Array], Array], c: Array, p: Array, q: Array) -> Array:
        nodes, _, transform = _nodes(self.order)
        left = self._at_nodes(function, p, nodes) @ transform.astype(p.dtype)
        right = self._at_nodes(function, q, nodes) @ transform.astype(q.dtype)

        def horner(total: Array, k: Array) -> tuple[Array, None]:
            return left[..., k] * right[..., k] + c * total, None

        degrees = jnp.arange(self.order - 1, -1, -1)
        return jax.lax.scan(horner, jnp.zeros_like(c), degrees)[0]

    @staticmethod
    def _at_nodes(function: Callable[[Array], Array], p: Array, nodes: Array) -> Array:
        r"""Evaluate $f(\sqrt p z_i)$: the shape of ``p`` with a last axis of nodes."""
        points = _roots(p)[0][..., None] * nodes.astype(p.dtype)
        return jax.vmap(function)(points.ravel()).reshape(points.shape)


@functools.lru_cache(maxsize=16)
def _quadrature(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights of the standard normal, and the matrix that takes values at nodes to Hermite coefficients."""
    nodes, weights = scipy.special.roots_hermitenorm(order)
    weights = weights / weights.sum()
    polynomials = np.empty((order, order))
    polynomials[0] = np.sqrt(weights)  # times sqrt(weight), so that high degrees do not overflow
    if order > 1:
        polynomials[1] = nodes * polynomials[0]
    for k in range(1, order - 1):
        step = nodes * polynomials[k] - math.sqrt(k) * polynomials[k - 1]
        polynomials[k + 1] = step / math.sqrt(k + 1)
    return nodes, weights, (polynomials * np.sqrt(weights)).T


def _nodes(order: int) -> tuple[Array, Array, Array]:
    nodes, weights, transform = _quadrature(order)
    return jnp.asarray(nodes), jnp.asarray(weights), jnp.asarray(transform)


def resolve(
    activation: str | Sequence[float] | Callable[[Array], Array] | Activation,
    *,
    normalised: bool = False,
    quadrature_order: int = 128,
) -> Activation:
    """Turn what a caller may pass for an activation into an `Activation`.

    A name (``"relu"``, ``"erf"``, ``"linear"``), coefficients of a polynomial, any scalar JAX function (then by
    quadrature of ``quadrature_order`` nodes), or an `Activation` itself. ``normalised`` is for the ReLU alone.

    >>> resolve("relu", normalised=True)
    Relu(normalised=True)
    >>> resolve([0, 0, 1])
    Polynomial(coefficients=(0.0, 0.0, 1.0))
    """
    if normalised and activation != "relu":
        raise ValueError("normalised=True is for activation='relu'; scale other activations by w_std")
    if isinstance(activation, str):
        named: dict[str, Activation] = {"relu": Relu(normalised), "erf": Erf(), "linear": Linear()}
        if activation not in named:
            raise ValueError(
                f"no closed form for activation {activation!r}; there are {', '.join(named)}. "
                f"Pass a JAX function for any other, or the coefficients of a polynomial"
            )
        return named[activation]
    if hasattr(activation, "dual") and hasattr(activation, "moment"):
        return activation  # type: ignore[return-value]
    if callable(activation):
        if quadrature_order < 2:
            raise ValueError(f"quadrature_order must be at least 2, got {quadrature_order}")
        return Hermite(activation, quadrature_order)
    return Polynomial(tuple(float(c) for c in activation))
