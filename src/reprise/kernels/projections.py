r"""Random directions for feature maps: independent or block-orthogonal Gaussian rows, and rectified features on them.

Rows $g_j\in\mathbb R^d$ are each $N(0,I_d)$ in both cases. In a block of $d$ orthogonal rows they avoid one another, which
takes variance out of averages over the features while every single row keeps its law.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Key

import reprise._x64  # noqa: F401

__all__ = ["arc_cosine", "gaussian_projection", "orthogonal_projection", "rectified"]


def gaussian_projection(
    dimension: int, features: int, *, key: Key[Array, ""], dtype: DTypeLike = jnp.float64
) -> Float[Array, "m d"]:
    """Independent rows, each N(0, I).

    >>> gaussian_projection(3, 5, key=jax.random.key(0)).shape
    (5, 3)

    Raises:
        ValueError: a size below 1.
    """
    _check(dimension, features)
    return jax.random.normal(key, (features, dimension), dtype)


def orthogonal_projection(
    dimension: int, features: int, *, key: Key[Array, ""], dtype: DTypeLike = jnp.float64
) -> Float[Array, "m d"]:
    r"""Rows in blocks of d: orthogonal within a block, each row N(0, I), blocks independent.

    A block is a uniformly random orthogonal matrix (QR of a Gaussian one, signs fixed) whose rows are stretched to
    independent lengths of the $\chi_d$ law. The last block is cut off where m is no multiple of d. Time $O(md^2)$.
    Source: Yu, Suresh, Choromanski, Holtmann-Rice, Kumar, Orthogonal Random Features, 2016.

    >>> g = orthogonal_projection(3, 3, key=jax.random.key(0))
    >>> off = g @ g.T - jnp.diag(jnp.diag(g @ g.T))
    >>> bool(jnp.abs(off).max() < 1e-12)
    True

    Raises:
        ValueError: a size below 1.
    """
    _check(dimension, features)
    return _blocks(key, math.ceil(features / dimension), dimension, jnp.dtype(dtype).name)[:features]


@partial(jax.jit, static_argnames=("blocks", "dimension", "dtype"))
def _blocks(key: Key[Array, ""], blocks: int, dimension: int, dtype: str) -> Float[Array, "m d"]:
    """Whole blocks, so that one compiled program serves all numbers of features within them."""
    shape_key, length_key = jax.random.split(key)
    q, r = jnp.linalg.qr(jax.random.normal(shape_key, (blocks, dimension, dimension), dtype))
    q = q * jnp.sign(jnp.diagonal(r, axis1=1, axis2=2))[:, None, :]
    lengths = jnp.linalg.norm(jax.random.normal(length_key, (blocks, dimension, dimension), dtype), axis=2)
    return (q * lengths[:, :, None]).reshape(blocks * dimension, dimension)


def rectified(
    x: Float[ArrayLike, "*n d"], projection: Float[ArrayLike, "m d"], threshold: float = 0.0
) -> Float[Array, "*n m"]:
    r"""Features $m^{-1/2}\max(Gx, c)$; with c = 0 their dot products tend to `arc_cosine`.

    >>> rectified(jnp.array([1.0, 0.0]), jnp.array([[4.0, 1.0], [-4.0, 1.0], [0.0, 1.0], [2.0, 0.0]])).tolist()
    [2.0, 0.0, 0.0, 1.0]
    """
    g = jnp.asarray(projection)
    return jnp.maximum(jnp.asarray(x) @ g.T, threshold) * jnp.asarray(g.shape[0] ** -0.5, g.dtype)


@jax.jit
def arc_cosine(x: Float[ArrayLike, "*n d"], w: Float[ArrayLike, "*n d"]) -> Float[Array, "*n"]:
    r"""$E[\max(g^\top x,0)\max(g^\top w,0)]=\frac{\|x\|\|w\|}{2\pi}(\sin\theta+(\pi-\theta)\cos\theta)$, $\theta=\angle(x,w)$.

    The arc-cosine kernel of order one (Cho and Saul 2009), half of it in their normalisation; 0 where x or w is 0.

    >>> print(arc_cosine(jnp.array([2.0, 0.0]), jnp.array([3.0, 0.0])))
    3.0
    """
    a, b = jnp.asarray(x, jnp.float64), jnp.asarray(w, jnp.float64)
    lengths = jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1)
    cosine = jnp.clip(jnp.sum(a * b, axis=-1) / jnp.where(lengths > 0, lengths, 1.0), -1.0, 1.0)
    angle = jnp.arccos(cosine)
    return lengths / (2 * jnp.pi) * (jnp.sin(angle) + (jnp.pi - angle) * cosine)


def _check(dimension: int, features: int) -> None:
    if dimension < 1 or features < 1:
        raise ValueError(f"dimension and features: both at least 1, not {dimension} and {features}")
