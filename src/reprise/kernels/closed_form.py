r"""NNGP and NTK of infinitely wide fully connected networks, by recursion over the layers.

An implementation of our own, independent of neural-tangents: each is the other's check.

The network of depth $L$ has $L$ weight layers, standard normal parameters and NTK parametrisation:
$\alpha^{(0)} = x$, $\tilde\alpha^{(\ell+1)} = \frac{\sigma_w}{\sqrt{n_\ell}}W^{(\ell)}\alpha^{(\ell)} + \sigma_b b^{(\ell)}$,
$\alpha^{(\ell)} = \sigma(\tilde\alpha^{(\ell)})$, output $\tilde\alpha^{(L)}$. As the hidden widths grow (Jacot et al. 2018,
Proposition 1 and Theorem 1, there $\sigma_w = 1$ and $\sigma_b = \beta$), with the expectations $D, \dot D$ of `activations`,

$$\Sigma^{(1)} = \Theta^{(1)} = \frac{\sigma_w^2}{n_0}x^\top x' + \sigma_b^2, \qquad
\Sigma^{(\ell+1)} = \sigma_w^2 D(\Sigma^{(\ell)}) + \sigma_b^2, \qquad
\Theta^{(\ell+1)} = \sigma_w^2\,\Theta^{(\ell)}\dot D(\Sigma^{(\ell)}) + \Sigma^{(\ell+1)} .$$
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Real

import reprise._x64  # noqa: F401
from reprise.kernels.activations import Activation, resolve

__all__ = ["Kernels", "dual_activation", "nngp", "nngp_ntk", "ntk", "recursion_from_gram"]

State: TypeAlias = tuple[Array, Array, Array, Array]
Get: TypeAlias = Literal["nngp", "ntk", "both"]
Scalar: TypeAlias = float | Float[Array, ""]
ActivationLike: TypeAlias = str | Sequence[float] | Callable[[Array], Array] | Activation

_UNROLLED = 8  # layers that are fused into one loop over the entries


class Kernels(NamedTuple):
    """Both kernels between the same two sets of points."""

    nngp: Float[Array, "n m"]
    ntk: Float[Array, "n m"]


def nngp_ntk(
    x1: Real[ArrayLike, "n d"],
    x2: Real[ArrayLike, "m d"] | None = None,
    *,
    depth: int,
    activation: ActivationLike = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
    normalised: bool = False,
    quadrature_order: int = 128,
    dtype: DTypeLike | None = jnp.float64,
) -> Kernels:
    r"""Both kernels of the network of ``depth`` weight layers between the rows of ``x1`` and of ``x2``.

    Args:
        x1: points, shape (n, d).
        x2: points, shape (m, d); None means ``x1``, with an exact diagonal.
        depth: number of weight layers $L$, at least 1 (1 is the linear kernel).
        activation: "relu", "erf", "linear", coefficients of a polynomial, or any scalar JAX function.
        w_std: $\sigma_w$, of every layer. A network with $\sqrt2$ keeps the variance of ReLU layers.
        b_std: $\sigma_b$, the multiplier of the biases.
        normalised: for the ReLU, multiply it by $\sqrt2$, so that hidden layers keep variances at ``w_std`` 1.
        quadrature_order: number of Gauss-Hermite nodes for a JAX function.
        dtype: in which to compute, float64 unless told otherwise; None means that of the inputs.

    Returns:
        `Kernels` of two (n, m) matrices. Time O(nm(d + L)), memory O(nm).

    Four layers on the circle (Jacot et al. 2018, Figure 1):

    >>> x = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> print(nngp_ntk(x, depth=4, b_std=0.1).ntk[0])
    [0.2825     0.06435377]
    """
    return _kernels(
        x1,
        x2,
        "both",
        depth=depth,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
        normalised=normalised,
        quadrature_order=quadrature_order,
        dtype=dtype,
    )


def nngp(
    x1: Real[ArrayLike, "n d"],
    x2: Real[ArrayLike, "m d"] | None = None,
    *,
    depth: int,
    activation: ActivationLike = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
    normalised: bool = False,
    quadrature_order: int = 128,
    dtype: DTypeLike | None = jnp.float64,
) -> Float[Array, "n m"]:
    r"""Covariance $\Sigma^{(L)}$ of the network's outputs at initialisation; arguments as `nngp_ntk`.

    >>> print(nngp(jnp.eye(2), depth=2, w_std=2**0.5).round(6))
    [[1.      0.31831]
     [0.31831 1.     ]]
    """
    return _kernels(
        x1,
        x2,
        "nngp",
        depth=depth,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
        normalised=normalised,
        quadrature_order=quadrature_order,
        dtype=dtype,
    )


def ntk(
    x1: Real[ArrayLike, "n d"],
    x2: Real[ArrayLike, "m d"] | None = None,
    *,
    depth: int,
    activation: ActivationLike = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
    normalised: bool = False,
    quadrature_order: int = 128,
    dtype: DTypeLike | None = jnp.float64,
) -> Float[Array, "n m"]:
    r"""Neural tangent kernel $\Theta^{(L)}$ in NTK parametrisation; arguments as `nngp_ntk`.

    >>> print(ntk(jnp.eye(2), depth=2).round(6))
    [[0.5      0.079577]
     [0.079577 0.5     ]]
    """
    return _kernels(
        x1,
        x2,
        "ntk",
        depth=depth,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
        normalised=normalised,
        quadrature_order=quadrature_order,
        dtype=dtype,
    )


def recursion_from_gram(
    gram11: Float[ArrayLike, "n n"] | Float[ArrayLike, " n"],
    gram12: Float[ArrayLike, "n m"],
    gram22: Float[ArrayLike, "m m"] | Float[ArrayLike, " m"],
    *,
    depth: int,
    activation: ActivationLike = "relu",
    w_std: Scalar = 1.0,
    b_std: Scalar = 0.0,
    normalised: bool = False,
    quadrature_order: int = 128,
) -> Kernels:
    r"""Both kernels from the Gram matrices of the inputs, $G = XX^\top/n_0$, instead of the inputs.

    Equal to `nngp_ntk` of any inputs that have these Gram matrices; keeps their dtype. Of ``gram11`` and ``gram22``
    only the diagonals count, so a vector of squared norms does as well. Time and memory O(nmL) and O(nm).

    >>> x = jnp.array([[1.0, 0.0], [0.6, 0.8]])
    >>> g = x @ x.T / 2
    >>> same = recursion_from_gram(g, g, g, depth=3).ntk - ntk(x, depth=3)
    >>> bool(jnp.abs(same).max() < 1e-15)
    True
    """
    product = jnp.asarray(gram12)
    square1, square2 = (_diagonal(g, product.dtype) for g in (gram11, gram22))
    if product.shape != (square1.size, square2.size):
        raise ValueError(
            f"gram12 has shape {product.shape}, but gram11 and gram22 are for {square1.size} and {square2.size} points"
        )
    rule = resolve(activation, normalised=normalised, quadrature_order=quadrature_order)
    return _recursion(product, square1, square2, w_std=w_std, b_std=b_std, depth=_depth(depth), rule=rule, get="both")


def dual_activation(
    cov12: Float[ArrayLike, "n m"],
    var1: Float[ArrayLike, " n"],
    var2: Float[ArrayLike, " m"],
    activation: ActivationLike = "relu",
    *,
    normalised: bool = False,
    quadrature_order: int = 128,
) -> Kernels:
    r"""One activation alone: $E[\sigma(u_i)\sigma(v_j)]$ as ``nngp`` and $E[\sigma'(u_i)\sigma'(v_j)]$ as ``ntk``.

    For $(u_i, v_j)$ centred Gaussian with variances ``var1[i]``, ``var2[j]`` and covariance ``cov12[i, j]``. Kernel
    functions of Gram matrices $K(G)$ are this, differentiable with respect to all three.

    >>> print(dual_activation(jnp.array([[0.0]]), jnp.ones(1), jnp.ones(1)).ntk)
    [[0.25]]
    """
    s, p, q = jnp.asarray(cov12), jnp.asarray(var1), jnp.asarray(var2)
    rule = resolve(activation, normalised=normalised, quadrature_order=quadrature_order)
    return _layer(s, p, q, rule)


def _kernels(
    x1: ArrayLike,
    x2: ArrayLike | None,
    get: Get,
    *,
    depth: int,
    activation: ActivationLike,
    w_std: Scalar,
    b_std: Scalar,
    normalised: bool,
    quadrature_order: int,
    dtype: DTypeLike | None,
) -> Any:
    """Check the points, multiply them, and run the recursion for one kernel or both."""
    left = _points(x1, "x1", dtype)
    right = left if x2 is None else _points(x2, "x2", dtype)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"x1 has {left.shape[1]} features and x2 has {right.shape[1]}")
    rule = resolve(activation, normalised=normalised, quadrature_order=quadrature_order)
    scale = 1 / left.shape[1]
    square1, square2 = (jnp.sum(x * x, axis=1) * scale for x in (left, right))
    product = jnp.matmul(left, right.T, precision="highest") * scale
    if x2 is None:
        product = jnp.fill_diagonal(product, square1, inplace=False)
    return _recursion(product, square1, square2, w_std=w_std, b_std=b_std, depth=_depth(depth), rule=rule, get=get)


@functools.partial(jax.jit, static_argnames=("depth", "rule", "get"))
def _recursion(
    product: Array,
    square1: Array,
    square2: Array,
    *,
    w_std: Scalar,
    b_std: Scalar,
    depth: int,
    rule: Activation,
    get: Get,
) -> Any:
    """Run the recursion of the module from raw inner products (n, m) and squared norms (n,), (m,)."""
    weight = jnp.square(jnp.asarray(w_std, product.dtype))
    bias = jnp.square(jnp.asarray(b_std, product.dtype))
    sigma = weight * product + bias
    p, q = (weight * square + bias for square in (square1[:, None], square2[None, :]))

    def layer(_: Any, state: State) -> State:
        sigma, theta, p, q = state
        expected, slope = rule.dual(sigma, p, q)
        sigma = weight * expected + bias
        theta = weight * theta * slope + sigma
        return sigma, theta, weight * rule.moment(p) + bias, weight * rule.moment(q) + bias

    state = sigma, sigma, p, q
    for done in range(min(depth - 1, _UNROLLED)):
        state = layer(done, state)
    # A loop keeps the program of a deep network small.
    sigma, theta, _, _ = jax.lax.fori_loop(_UNROLLED, max(depth - 1, _UNROLLED), layer, state)
    if get != "both":
        return sigma if get == "nngp" else theta
    # One result lets the compiler fuse all layers into one loop; two would make it redo each layer many times.
    sigma, theta = jax.lax.optimization_barrier(jnp.stack([sigma, theta]))
    return Kernels(sigma, theta)


@functools.partial(jax.jit, static_argnames="rule")
def _layer(s: Array, p: Array, q: Array, rule: Activation) -> Kernels:
    return Kernels(*rule.dual(s, p[:, None], q[None, :]))


def _points(x: ArrayLike, name: str, dtype: DTypeLike | None) -> Array:
    points = jnp.asarray(x, dtype)
    if points.ndim != 2:
        raise ValueError(f"{name} must have shape (points, features), got {points.shape}")
    return points if jnp.issubdtype(points.dtype, jnp.floating) else points.astype(jnp.float64)


def _depth(depth: int) -> int:
    if depth < 1:
        raise ValueError(f"depth counts weight layers and must be at least 1, got {depth}")
    return int(depth)


def _diagonal(gram: ArrayLike, dtype: DTypeLike) -> Array:
    matrix = jnp.asarray(gram, dtype)
    return matrix if matrix.ndim == 1 else jnp.diagonal(matrix)
