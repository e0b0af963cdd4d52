r"""The sparse deep kernel machine: inducing points in every layer, linear in the number of data.

Parameters are the inducing inputs $X_i$ and one whitened triangle a layer, $G^\ell_{ii}=C_\ell M_\ell M_\ell^\top
C_\ell^\top$ with $C_\ell C_\ell^\top=K_{ii}$. Data points $t$ follow from them: with $A=C^{-1}K_{it}$,

$$G_{ti}=A^\top MM^\top C^\top,\qquad(G_{tt})_{jj}=(K_{tt})_{jj}-\|A_j\|^2+\|M^\top A_j\|^2 .$$

On top sits a sparse Gaussian process with kernel $K(G^L)$; its Gaussian posterior over inducing outputs is the best one,
which leaves the collapsed bound. Each layer's kernel has a height, the inputs have lengthscales; all are learned.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import KERNELS, diagonal
from reprise.papers.infinite_width.deep_kernel_machines.objective import whitened_divergence

JITTER = 1e-5


class Machine(NamedTuple):
    """A sparse deep kernel machine; `triangles` equal to identities make it an NNGP of the same kernel."""

    inducing: Float[Array, "i inputs"]
    log_lengthscales: Float[Array, " inputs"]
    log_heights: Float[Array, " layers"]
    log_noise: Float[Array, ""]
    triangles: Float[Array, "depth i i"]


class Blocks(NamedTuple):
    """Joint Gram information of inducing and data points: G_ii, G_ti and the diagonal of G_tt."""

    ii: Float[Array, "i i"]
    ti: Float[Array, "t i"]
    tt: Float[Array, " t"]


class Summary(NamedTuple):
    """All that the collapsed bound needs from the data: sums over points, so blocks of points simply add up."""

    outer: Float[Array, "i i"]
    target: Float[Array, " i"]
    trace: Float[Array, ""]
    square: Float[Array, ""]
    points: Float[Array, ""]


class Prediction(NamedTuple):
    """Mean and variance (noise included) at test points."""

    mean: Float[Array, " t"]
    variance: Float[Array, " t"]


def initial_machine(inducing: Float[Array, "i inputs"], depth: int, *, noise: float = 0.1) -> Machine:
    """Unit lengthscales and heights, NNGP triangles."""
    i, inputs = inducing.shape
    heights = jnp.zeros(depth + 1).at[:depth].set(jnp.log(2.0))
    triangles = jnp.broadcast_to(jnp.eye(i), (depth, i, i))
    return Machine(jnp.asarray(inducing), jnp.zeros(inputs), heights, jnp.log(noise), triangles)


def propagate(
    machine: Machine, x: Float[Array, "t inputs"], kernel: str, jitter: float = JITTER
) -> tuple[Blocks, Float[Array, "i i"]]:
    """Kernel blocks of the top layer for data `x`, and the Cholesky factor of its inducing block.

    Cost O(t i^2 + i^3) a layer; no t by t matrix is ever formed.
    """
    scale = jnp.exp(-machine.log_lengthscales) / jnp.sqrt(x.shape[1])
    at_i, at_t = machine.inducing * scale, x * scale
    blocks = Blocks(at_i @ at_i.T, at_t @ at_i.T, jnp.sum(at_t**2, axis=1))
    for layer, height in enumerate(jnp.exp(machine.log_heights)):
        blocks, factor = _kernel_blocks(blocks, height, kernel, jitter)
        if layer < machine.triangles.shape[0]:
            triangle = jnp.tril(machine.triangles[layer])
            a = jax.scipy.linalg.solve_triangular(factor, blocks.ti.T, lower=True)
            root, moved = factor @ triangle, triangle.T @ a
            spread = blocks.tt - jnp.sum(a**2, axis=0) + jnp.sum(moved**2, axis=0)
            blocks = Blocks(root @ root.T, moved.T @ root.T, spread)
    return blocks, factor


def summarise(
    machine: Machine,
    x: Float[Array, "t inputs"],
    y: Float[Array, " t"],
    kernel: str,
    weight: Array | float = 1.0,
    jitter: float = JITTER,
) -> Summary:
    """Sums over the points of a block; points of `weight` 0 (padding, held out) do not count."""
    blocks, factor = propagate(machine, x, kernel, jitter)
    weight = weight * jnp.ones_like(y)
    a = jax.scipy.linalg.solve_triangular(factor, blocks.ti.T, lower=True)
    return Summary(
        (a * weight) @ a.T,
        a @ (weight * y),
        jnp.sum(weight * (blocks.tt - jnp.sum(a**2, axis=0))),
        jnp.sum(weight * y**2),
        jnp.sum(weight),
    )


def collapsed_bound(summary: Summary, log_noise: Float[Array, ""]) -> Float[Array, ""]:
    r"""$\log N(y;0,Q+\sigma^2I)-\frac1{2\sigma^2}\mathrm{Tr}(K_{tt}-Q)$ with $Q=K_{ti}K_{ii}^{-1}K_{it}$, by sums alone."""
    noise = jnp.exp(log_noise)
    inner = jnp.linalg.cholesky(jnp.eye(summary.target.size) + summary.outer / noise)
    fit = jax.scipy.linalg.solve_triangular(inner, summary.target, lower=True) / noise
    log_det = 2.0 * jnp.sum(jnp.log(jnp.diagonal(inner))) + summary.points * log_noise
    quadratic = summary.square / noise - jnp.sum(fit**2)
    return -0.5 * (summary.points * jnp.log(2.0 * jnp.pi) + log_det + quadratic + summary.trace / noise)


def divergence(machine: Machine) -> Float[Array, ""]:
    r"""$\sum_\ell D_{KL}(N(0,G_{ii})\|N(0,K_{ii}))$."""
    return sum((whitened_divergence(t) for t in machine.triangles), jnp.zeros(()))


def objective(
    machine: Machine,
    x: Float[Array, "t inputs"],
    y: Float[Array, " t"],
    nu: float | Array,
    kernel: str,
    weight: Array | float = 1.0,
    jitter: float = JITTER,
) -> Float[Array, ""]:
    r"""Collapsed bound minus $\nu$ times the divergences; $\nu=0$ is the MAP variant."""
    summary = summarise(machine, x, y, kernel, weight, jitter)
    return collapsed_bound(summary, machine.log_noise) - nu * divergence(machine)


def blocked_value_and_grad(
    machine: Machine,
    x: Float[Array, "t inputs"],
    y: Float[Array, " t"],
    nu: float | Array,
    kernel: str,
    block: int = 1024,
) -> tuple[Float[Array, ""], Machine]:
    """The same objective and its gradient, `block` points at a time: memory O(block i), time linear in the points.

    The bound depends on the data through sums alone. A first pass adds them up, a second sends the bound's gradient
    with respect to the sums back through each block.
    """
    count = -(-x.shape[0] // block)
    pad = count * block - x.shape[0]
    weight = jnp.pad(jnp.ones(x.shape[0]), (0, pad)).reshape(count, block)
    xs = jnp.pad(x, ((0, pad), (0, 0))).reshape(count, block, -1)
    ys = jnp.pad(y, (0, pad)).reshape(count, block)
    parts = list(zip(xs, ys, weight, strict=True))
    summary = jax.tree.map(lambda *terms: sum(terms), *(_summary(machine, *part, kernel) for part in parts))
    value, (to_machine, to_summary) = _outer(machine, summary, nu)
    back = (_pull_back(machine, *part, to_summary, kernel) for part in parts)
    return value, jax.tree.map(lambda *terms: sum(terms), to_machine, *back)


@partial(jax.jit, static_argnames="kernel")
def _summary(machine: Machine, x: Array, y: Array, weight: Array, kernel: str) -> Summary:
    return summarise(machine, x, y, kernel, weight)


@partial(jax.jit, static_argnames="kernel")
def _pull_back(machine: Machine, x: Array, y: Array, weight: Array, to_summary: Summary, kernel: str) -> Machine:
    return jax.vjp(lambda machine: summarise(machine, x, y, kernel, weight), machine)[1](to_summary)[0]


@jax.jit
@partial(jax.value_and_grad, argnums=(0, 1))
def _outer(machine: Machine, summary: Summary, nu: Array) -> Array:
    return collapsed_bound(summary, machine.log_noise) - nu * divergence(machine)


def predict(machine: Machine, summary: Summary, x: Float[Array, "t inputs"], kernel: str) -> Prediction:
    """Predictive mean and variance at new inputs, with the best posterior over the inducing outputs."""
    noise = jnp.exp(machine.log_noise)
    blocks, factor = propagate(machine, x, kernel)
    a = jax.scipy.linalg.solve_triangular(factor, blocks.ti.T, lower=True)
    inner = jnp.linalg.cholesky(jnp.eye(a.shape[0]) + summary.outer / noise)
    b = jax.scipy.linalg.solve_triangular(inner, a, lower=True)
    fit = jax.scipy.linalg.solve_triangular(inner, summary.target, lower=True) / noise
    return Prediction(b.T @ fit, blocks.tt - jnp.sum(a**2, axis=0) + jnp.sum(b**2, axis=0) + noise)


def _kernel_blocks(blocks: Blocks, height: Array, kernel: str, jitter: float) -> tuple[Blocks, Float[Array, "i i"]]:
    function, at_i = KERNELS[kernel], jnp.diagonal(blocks.ii)
    ii = height * function(at_i, blocks.ii, at_i)
    ii = ii + jitter * jnp.mean(jnp.diagonal(ii)) * jnp.eye(ii.shape[0])
    ti = height * function(blocks.tt, blocks.ti, at_i)
    return Blocks(ii, ti, height * diagonal(kernel, blocks.tt)), jnp.linalg.cholesky(ii)
