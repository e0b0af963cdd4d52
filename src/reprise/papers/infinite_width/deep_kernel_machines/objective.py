r"""The deep kernel machine's objective and its maximum.

With widths $N_\ell=N\nu_\ell$ and labels copied $N$ times, $\frac1N\log p(G_1..G_L\mid X,\tilde Y)$ tends to

$$\mathcal L=\log P(Y\mid G_L)-\sum_\ell\nu_\ell\,D_{KL}\big(N(0,G_\ell)\,\|\,N(0,K(G_{\ell-1}))\big),$$

where $\log P(Y\mid G_L)=\sum_\lambda\log N(y_\lambda;0,K(G_L)+\sigma^2I)$. To maximise it, each Gram matrix is whitened,
$G_\ell=C_\ell M_\ell M_\ell^\top C_\ell^\top$ with $C_\ell C_\ell^\top=K(G_{\ell-1})$ and $M_\ell$ lower triangular, so
that $M_\ell=I$ is the standard (NNGP) limit and the divergence is $\frac12(\|M_\ell\|_F^2-P-2\sum_i\log|M_{\ell,ii}|)$.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray
from scipy import optimize

from reprise.kernels.gp import log_marginal_likelihood
from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import apply
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator


class Optimum(NamedTuple):
    """The best of several ascents: Gram matrices (depth, P, P), objective, gradient norm, and every ascent's end."""

    grams: Float[np.ndarray, "depth p p"]
    objective: float
    gradient_norm: float
    ends: tuple[float, ...]


def gaussian_kl(a: Float[Array, "p p"], b: Float[Array, "p p"]) -> Float[Array, ""]:
    r"""$D_{KL}(N(0,A)\|N(0,B))=\frac12[\mathrm{Tr}(B^{-1}A)-P+\log|B|-\log|A|]$.

    >>> float(gaussian_kl(jnp.eye(2), jnp.eye(2)))
    0.0
    """
    trace = jnp.trace(jnp.linalg.solve(b, a))
    return 0.5 * (trace - a.shape[0] + jnp.linalg.slogdet(b)[1] - jnp.linalg.slogdet(a)[1])


def objective(
    grams: Float[Array, "depth p p"],
    gram0: Float[Array, "p p"],
    y: Float[Array, "p outputs"],
    *,
    kernel: str,
    nu: float,
    noise: float,
) -> Float[Array, ""]:
    r"""$\mathcal L(G_1..G_L)$ as the paper writes it, by the divergences themselves; cost $O(LP^3)$."""
    below = [gram0, *grams[:-1]]
    divergence = sum(gaussian_kl(g, apply(kernel, b)) for g, b in zip(grams, below, strict=True))
    return log_marginal_likelihood(apply(kernel, grams[-1]), y, noise) - nu * divergence


def layer_divergences(
    grams: Float[ArrayLike, "depth p p"], gram0: Float[ArrayLike, "p p"], kernel: str
) -> Float[np.ndarray, " depth"]:
    """How far each layer has moved from what the layer below prescribes."""
    return np.asarray(_divergences(jnp.asarray(grams), jnp.asarray(gram0), kernel))


def whitened_grams(
    factors: Float[Array, "depth p p"], gram0: Float[Array, "p p"], kernel: str
) -> Float[Array, "depth p p"]:
    r"""$G_\ell=C_\ell M_\ell M_\ell^\top C_\ell^\top$ from the lower triangles $M_\ell$."""
    gram, grams = gram0, []
    for factor in factors:
        root = jnp.linalg.cholesky(apply(kernel, gram)) @ factor
        gram = root @ root.T
        grams.append(gram)
    return jnp.stack(grams)


def whitened_divergence(factor: Float[Array, "p p"]) -> Float[Array, ""]:
    r"""$\frac12(\|M\|_F^2-P)-\sum_i\log|M_{ii}|$ for the lower triangle of $M$."""
    lower = jnp.tril(factor)
    return 0.5 * (jnp.sum(lower**2) - factor.shape[0]) - jnp.sum(jnp.log(jnp.abs(jnp.diagonal(lower))))


def unpack(flat: Float[Array, " size"], depth: int, p: int) -> Float[Array, "depth p p"]:
    """Lower triangles from a flat vector of depth * p * (p + 1) / 2 numbers."""
    rows, columns = np.tril_indices(p)
    return jnp.zeros((depth, p, p)).at[:, rows, columns].set(flat.reshape(depth, -1))


def maximise(
    gram0: Float[ArrayLike, "p p"],
    y: Float[ArrayLike, "p outputs"],
    *,
    kernel: str,
    depth: int,
    nu: float,
    noise: float,
    starts: int = 1,
    key: PRNGKeyArray,
) -> Optimum:
    r"""Maximise $\mathcal L$ from the NNGP solution and from `starts - 1` random triangles around it.

    BFGS on the whitened triangles, float64; several starts, since small $\nu$ can have several local maxima. It ends
    where no derivative of $\mathcal L/\max(1,\nu)$ exceeds 1e-7: a stricter end is beyond rounding, since the
    divergences, which $\nu$ multiplies, are differences of numbers of order one.
    """
    gram0, y = jnp.asarray(gram0), jnp.asarray(y)
    p = gram0.shape[0]
    flat_identity = np.tile(np.eye(p)[np.tril_indices(p)], depth)
    jitters = 0.3 * generator(key).normal(size=(starts, flat_identity.size))
    jitters[0] = 0.0

    unit = max(1.0, nu)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _loss_and_gradient(flat, gram0, y, nu, noise, kernel, depth)
        return float(value) / unit, np.asarray(gradient) / unit

    found = [
        optimize.minimize(
            loss, flat_identity + jitter, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000}
        )
        for jitter in jitters
    ]
    best = min(found, key=lambda result: result.fun)
    grams = _grams(jnp.asarray(best.x), gram0, kernel, depth)
    ends = tuple(-unit * float(result.fun) for result in found)
    return Optimum(np.asarray(grams), max(ends), unit * float(np.linalg.norm(best.jac)), ends)


@partial(jax.jit, static_argnames="kernel")
def _divergences(grams: Array, gram0: Array, kernel: str) -> Array:
    below = [gram0, *grams[:-1]]
    return jnp.stack([gaussian_kl(g, apply(kernel, b)) for g, b in zip(grams, below, strict=True)])


@partial(jax.jit, static_argnames=("kernel", "depth"))
def _grams(flat: Array, gram0: Array, kernel: str, depth: int) -> Array:
    return whitened_grams(unpack(flat, depth, gram0.shape[0]), gram0, kernel)


@partial(jax.jit, static_argnames=("kernel", "depth"))
def _loss_and_gradient(
    flat: Array, gram0: Array, y: Array, nu: float, noise: float, kernel: str, depth: int
) -> tuple[Array, Array]:
    def loss(flat: Array) -> Array:
        factors = unpack(flat, depth, gram0.shape[0])
        fit = log_marginal_likelihood(apply(kernel, whitened_grams(factors, gram0, kernel)[-1]), y, noise)
        return nu * sum(whitened_divergence(f) for f in factors) - fit

    return jax.value_and_grad(loss)(flat)
