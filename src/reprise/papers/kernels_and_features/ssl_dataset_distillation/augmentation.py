"""Random views of images: crops by separable interpolation, flips, contrast, noise, cut-outs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import reprise._x64  # noqa: F401


class Amounts(NamedTuple):
    """How much is random; all zeros leave images as they are.

    Attributes:
        scale: half the range of the logarithm of a zoom.
        shift: largest shift over the side.
        flip: probability of a mirror image.
        contrast: half the range of the logarithm of a factor.
        noise: standard deviation of added noise, which is uniform.
        cut: side of a cut-out square over that of the image.
    """

    scale: float = 0.0
    shift: float = 0.0
    flip: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    cut: float = 0.0


STILL = Amounts()
DRAWS = 7
"""Random numbers of a view besides its noise."""


def key(seed: int) -> PRNGKeyArray:
    """A key of the generator that compiles fastest; JAX's usual one takes longer to compile than a network."""
    return jax.random.key(seed, impl="rbg")


def pairing(*, flip: bool) -> Amounts:
    """Views of self-supervised training."""
    return Amounts(scale=0.5, shift=0.2, flip=0.5 * flip, contrast=0.8, noise=0.1)


def strong(*, flip: bool) -> Amounts:
    """For pre-training on labels, distribution matching and students: zoom, shift, flip, contrast, noise, cut-out."""
    return Amounts(scale=0.3, shift=0.15, flip=0.5 * flip, contrast=0.4, noise=0.2, cut=0.3)


def mild(*, flip: bool) -> Amounts:
    """Shifts by an eighth of the side, and flips: the training augmentation of the source."""
    return Amounts(shift=0.125, flip=0.5 * flip)


def augment(
    key: PRNGKeyArray, x: Float[Array, "n h h"], background: float | Float[Array, ""], amounts: Amounts
) -> Float[Array, "n h h"]:
    """A random view of each image.

    Args:
        key: of all draws.
        x: images.
        background: the value outside of an image and in a cut-out.
        amounts: what is random, and how much.
    """
    count, side = x.shape[:2]
    centre = (side - 1) / 2.0
    drawn = jax.random.uniform(key, (count, DRAWS + side**2), jnp.float32, -1.0, 1.0)
    zoom = jnp.exp(amounts.scale * drawn[:, :1])
    shift = amounts.shift * side * drawn[:, 1:3]
    mirror = jnp.where(drawn[:, 3:4] < 2.0 * amounts.flip - 1.0, -1.0, 1.0).astype(jnp.float32)
    place = jnp.arange(side, dtype=jnp.float32) - jnp.float32(centre)
    rows, columns = place * zoom + shift[:, :1], mirror * (place * zoom) + shift[:, 1:]

    def interpolation(where: Float[Array, "n h"]) -> Float[Array, "n h h"]:
        return jnp.maximum(0.0, 1.0 - jnp.abs(where[:, :, None] - place))

    moved = jnp.einsum("nij,njk->nik", interpolation(rows), x - background)
    moved = jnp.einsum("nik,nlk->nil", moved, interpolation(columns))
    moved = moved * jnp.exp(amounts.contrast * drawn[:, 4])[:, None, None]
    moved = moved + amounts.noise * 3.0**0.5 * drawn[:, DRAWS:].reshape(moved.shape)
    corner = centre * drawn[:, 5:DRAWS]
    inside = [jnp.abs(place - corner[:, i : i + 1]) < amounts.cut * side / 2.0 for i in range(2)]
    kept = jnp.where(inside[0][:, :, None] & inside[1][:, None, :], 0.0, moved)
    return (kept + background).astype(jnp.float32)
