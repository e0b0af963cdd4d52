r"""Kernels that need the Gram matrix of the features alone: the ones a deep kernel machine can stack.

A layer hands on only $G=FF^\top/N$, so its kernel must be a function of $G_{ii}$, $G_{ij}$ and $G_{jj}$:

- ``relu``: $\sqrt{G_{ii}G_{jj}}\,\kappa_1(\rho)$ with $\rho=G_{ij}/\sqrt{G_{ii}G_{jj}}$ and
  $\kappa_1(\rho)=[\sqrt{1-\rho^2}+\rho(\pi-\arccos\rho)]/\pi$, normalised so that $K_{ii}=G_{ii}$;
- ``se``: $\exp\{-\tfrac12(G_{ii}+G_{jj}-2G_{ij})\}$, an isotropic kernel of the features;
- ``linear``: $G$ itself, for which the machine has a closed form.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

GramKernel = Callable[[Float[Array, " n"], Float[Array, "n m"], Float[Array, " m"]], Float[Array, "n m"]]


@jax.custom_jvp
def arc_cosine(rho: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The normalised arc-cosine function $\kappa_1$ of order one, with $\kappa_1(1)=1$, $\kappa_1(-1)=0$.

    Its derivative $1-\arccos(\rho)/\pi$ is written out, since automatic differentiation meets $0\cdot\infty$ at
    $\rho=\pm1$, where every diagonal entry lies.

    >>> [round(float(arc_cosine(r)), 4) for r in (-1.0, 0.0, 1.0)]
    [0.0, 0.3183, 1.0]
    """
    rho = jnp.clip(rho, -1.0, 1.0)
    return (jnp.sqrt(1.0 - rho * rho) + rho * (jnp.pi - jnp.arccos(rho))) / jnp.pi


@arc_cosine.defjvp
def _arc_cosine_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (rho,), (change,) = primals, tangents
    return arc_cosine(rho), (1.0 - jnp.arccos(jnp.clip(rho, -1.0, 1.0)) / jnp.pi) * change


def relu(left: Float[Array, " n"], cross: Float[Array, "n m"], right: Float[Array, " m"]) -> Float[Array, "n m"]:
    """ReLU kernel of a cross Gram block and the two diagonals that go with it."""
    scale = jnp.sqrt(left)[:, None] * jnp.sqrt(right)[None, :]
    return scale * arc_cosine(cross / scale)


def squared_exponential(
    left: Float[Array, " n"], cross: Float[Array, "n m"], right: Float[Array, " m"]
) -> Float[Array, "n m"]:
    """Squared exponential kernel of unit height and unit lengthscale."""
    return jnp.exp(-0.5 * (left[:, None] + right[None, :] - 2.0 * cross))


def linear(left: Float[Array, " n"], cross: Float[Array, "n m"], right: Float[Array, " m"]) -> Float[Array, "n m"]:
    """Linear kernel: the Gram matrix itself."""
    del left, right
    return cross


KERNELS: dict[str, GramKernel] = {"relu": relu, "se": squared_exponential, "linear": linear}


def diagonal(kernel: str, gram: Float[Array, " n"]) -> Float[Array, " n"]:
    """Diagonal of the kernel matrix from the diagonal of the Gram matrix.

    >>> diagonal("se", jnp.array([2.0])).tolist(), diagonal("relu", jnp.array([2.0])).tolist()
    ([1.0], [2.0])
    """
    return jnp.ones_like(gram) if kernel == "se" else gram


def apply(kernel: str, gram: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """Kernel matrix of a square Gram matrix.

    >>> apply("se", jnp.zeros((2, 2))).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    diagonal = jnp.diagonal(gram)
    return KERNELS[kernel](diagonal, gram, diagonal)


def nngp_grams(kernel: str, gram0: Float[Array, "p p"], depth: int) -> Float[Array, "depth p p"]:
    r"""Gram matrices $K(G_{\ell-1})$ of the usual infinite-width limit, which ignores the labels."""
    grams = [gram0]
    for _ in range(depth):
        grams.append(apply(kernel, grams[-1]))
    return jnp.stack(grams[1:])
