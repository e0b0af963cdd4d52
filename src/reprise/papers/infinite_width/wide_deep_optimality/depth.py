r"""Both kernels of networks of any depth, stable from one layer to a hundred thousand.

On the sphere $\Sigma_0=\Theta_0=c$, $\Sigma_{\ell+1}=A(\Sigma_\ell)$, $\Theta_{\ell+1}=\Sigma_{\ell+1}+\Theta_\ell A'(\Sigma_\ell)$. Iterated as
they stand these numbers round to 1 near the diagonal, underflow far from it, and their ratio overflows. Two changes of
variable cure all three. With $t=-\log\Sigma$ and $R=\Theta/\Sigma$,

$$t_{\ell+1}=-\log\Big(1-\sum_ka_k^2(1-e^{-kt_\ell})\Big),\qquad R_{\ell+1}=1+R_\ell\,e(t_\ell),\qquad
e=\frac{\Sigma A'(\Sigma)}{A(\Sigma)} .$$

Every summand is positive, so nothing cancels: close to the diagonal $t$ is the squared distance over two with all its digits,
far from it the logarithm of the kernel. Where one term $a_k^2c^k$ is left of the series, the rest of the depth is a closed form.
A whole Gram matrix is one scalar function of $t_0$, tabulated once and interpolated.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

import reprise._x64  # noqa: F401
from reprise.papers.infinite_width.wide_deep_optimality.activations import TERMS, Activation

Kind = Literal["nngp", "ntk"]
FAR = 45.0
"""From this $t$ on the second term of a series is below rounding."""
STEEP = 1e18
r"""Stands for the steepness $t_L>10^{50}$ of a kernel that only knows its nearest point."""
LOWEST, HIGHEST, NODES, KINK_NODES = 1e-22, 200.0, 1201, 301
"""Range and number of nodes of a table, in $t_0$; fewer for the ReLU, whose layers are all walked through."""


class Logs(NamedTuple):
    r"""Logarithms of $t_L$ and of $R_L$, so that $\log\Sigma_L=-t_L$ and $\log\Theta_L=-t_L+\log R_L$."""

    log_t: Any
    log_r: Any


def evaluate(activation: Activation, t: Float[Any, "..."], depth: int) -> Logs:
    r"""Both kernels after ``depth`` layers from $t=-\log c>0$, elementwise, float64.

    Layers are iterated until one term of the series is left everywhere or nothing changes any more; cost is at most
    ``depth`` times the length of the series an entry.

    >>> from reprise.papers.infinite_width.wide_deep_optimality.activations import optimal
    >>> logs = evaluate(optimal(2), np.array([1.0]), 50_000)
    >>> bool(abs(np.exp(logs.log_t[0]) - 50_000 * math.log(2)) < 1)
    True
    """
    start = jnp.asarray(t, jnp.float64)
    if depth < 0:
        raise ValueError(f"depth: number of hidden layers, not {depth}")
    if activation.kink:
        return Logs(*(np.asarray(v) for v in _relu_layers(start, depth)))
    powers, weights = _padded(activation)
    values, log_r, done = _series_layers(start, powers, weights, depth)
    values, log_r, left = np.asarray(values), np.asarray(log_r), depth - int(done)
    log_t = np.log(values)
    first, weight = activation.powers[0], activation.weights[0]
    if left and first:
        log_t, log_r = _rest(values, log_r, left, first, weight)
    return Logs(log_t, log_r)


def diagonal(activation: Activation, depth: int, kind: Kind) -> float:
    r"""Logarithm of the kernel at $x=x'$: 0, or $\log\sum_{j\le L}A'(1)^j$."""
    if kind == "nngp":
        return 0.0
    growth = activation.end
    if abs(growth - 1) < 1e-12:
        return math.log(depth + 1)
    log = (depth + 1) * math.log(growth)
    return (
        log + math.log(-math.expm1(-log) / (growth - 1)) if growth > 1 else math.log((1 - math.exp(log)) / (1 - growth))
    )


def _rest(t: np.ndarray, log_r: np.ndarray, layers: int, first: int, weight: float) -> tuple[np.ndarray, np.ndarray]:
    r"""The layers left where $A(c)=a_kc^k$: $t\mapsto kt-\log a_k$, $R\mapsto1+kR$."""
    if first == 1:
        return np.log(t - layers * math.log(weight)), np.logaddexp(log_r, math.log(layers))
    shift = -math.log(weight) / (first - 1)
    grown = layers * math.log(first)
    log_t = grown + np.log(t + shift * -math.expm1(-grown))
    return log_t, grown + np.logaddexp(log_r, math.log(-math.expm1(-grown) / (first - 1)))


def _padded(activation: Activation) -> tuple[Array, Array]:
    """Powers and weights in one of two lengths, so that two compilations serve all activations."""
    length = 4 if len(activation.powers) <= 4 else TERMS
    missing = length - len(activation.powers)
    powers = (*activation.powers, *[activation.powers[0]] * missing)
    return jnp.asarray(powers, jnp.float64), jnp.asarray((*activation.weights, *[0.0] * missing))


@jax.jit
def _series_layers(t: Array, powers: Array, weights: Array, depth: int) -> tuple[Array, Array, Array]:
    r"""Iterate a series; returns $t$, $\log R$ and the number of layers done."""
    least = powers[0]

    def layer(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        t, log_r, done, _ = state
        gap = jnp.sum(weights * -jnp.expm1(-t[..., None] * powers), axis=-1)
        terms = weights * jnp.exp(-t[..., None] * (powers - least))
        total = jnp.sum(terms, axis=-1)
        new = jnp.where(gap < 0.5, -jnp.log1p(-gap), least * t - jnp.log(total))
        elasticity = jnp.sum(powers * terms, axis=-1) / total
        new_r = jnp.logaddexp(0.0, log_r + jnp.log(elasticity))
        still = jnp.all(jnp.abs(new - t) <= 4e-15 * t) & jnp.all(jnp.abs(new_r - log_r) <= 4e-15)
        return new, new_r, done + 1, still | ((least > 0) & jnp.all(new > FAR))

    def more(state: tuple[Array, Array, Array, Array]) -> Array:
        return (state[2] < depth) & ~state[3]

    begin = (t, jnp.zeros_like(t), jnp.zeros((), int), (least > 0) & jnp.all(t > FAR))
    return jax.lax.while_loop(more, layer, begin)[:3]


@jax.jit
def _relu_layers(t: Array, depth: int) -> tuple[Array, Array]:
    r"""Iterate the normalised ReLU in $\delta=1-\Sigma=2\sin^2(\theta/2)$: $\delta\mapsto\delta-(\sin\theta-\theta\cos\theta)/\pi$.

    $A'=1-\theta/\pi$. The difference is a series for small angles, where it would cancel. The kernel is bounded below by
    $1/\pi$ from the first layer on, so $R$ needs no logarithm.
    """

    def layer(_: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, ratio = state
        angle = 2 * jnp.arcsin(jnp.sqrt(delta / 2))
        square = angle * angle
        series = angle * square * (1 / 3 - square * (1 / 30 - square * (1 / 840 - square / 45360)))
        moved = jnp.where(angle < 0.05, series, jnp.sin(angle) - angle * (1 - delta))
        new = delta - moved / math.pi
        return new, 1 + ratio * (1 - delta) * (1 - angle / math.pi) / (1 - new)

    delta, ratio = jax.lax.fori_loop(0, depth, layer, (-jnp.expm1(-t), jnp.ones_like(t)))
    return jnp.log(-jnp.log1p(-delta)), jnp.log(ratio)


class Table(NamedTuple):
    r"""$\log K_L$ as a cubic spline in $\log t_0$ on equal steps, less a constant that makes it moderate.

    Attributes:
        coefficients: of the cubic on each step, constant first, (4, nodes - 1).
        offset: what has been added to $\log K_L$.
        diagonal: $\log K_L(x,x)$, not shifted.
        sharp: $\log t_L$ in place of $\log K_L$, where $t_L$ itself is beyond float64 (first class of the taxonomy).
    """

    coefficients: Float[Array, "4 steps"]
    offset: float
    diagonal: float
    sharp: bool


@functools.lru_cache(maxsize=64)
def _on_grid(activation: Activation, depth: int) -> tuple[np.ndarray, Logs]:
    grid = np.linspace(math.log(LOWEST), math.log(HIGHEST), KINK_NODES if activation.kink else NODES)
    return grid, evaluate(activation, np.exp(grid), depth)


@functools.lru_cache(maxsize=256)
def table(activation: Activation, depth: int, kind: Kind = "nngp", logarithmic: bool = False) -> Table:
    r"""Tabulate a kernel of one depth: relative error of $t_L$ below 1e-7 in between the nodes, 1e-5 for the ReLU.

    With ``logarithmic``, $\log t_L$ in place of $\log K_L$, which keeps the digits of kernels next to 1.
    """
    grid, logs = _on_grid(activation, depth)
    sharp = logarithmic or bool(np.max(logs.log_t) > 200)
    values = logs.log_t if sharp else -np.exp(logs.log_t) + (logs.log_r if kind == "ntk" else 0.0)
    shifted = sharp or activation.limit == "singular"
    offset = -float(np.interp(0.0, grid, values)) if shifted else 0.0
    spline = CubicSpline(grid, values + offset)
    return Table(jnp.asarray(spline.c[::-1]), offset, diagonal(activation, depth, kind), sharp)


@jax.jit
def look_up(coefficients: Float[Array, "4 steps"], log_t: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Value of a table at $\log t_0$, elementwise; constant beyond its ends."""
    steps = coefficients.shape[1]
    step = (math.log(HIGHEST) - math.log(LOWEST)) / steps
    place = jnp.clip((log_t - math.log(LOWEST)) / step, 0.0, steps - 1e-9)
    index = place.astype(int)
    rest = (place - index) * step
    c = coefficients[:, index]
    return c[0] + rest * (c[1] + rest * (c[2] + rest * c[3]))


def log_kernel(values: Table, log_t: Float[Any, "..."]) -> Float[Array, "..."]:
    r"""$\log K_L$ plus the table's offset, from $\log t_0$.

    Where the table is sharp, $t_L=e^{\log t_L}$ overflows; any steep decreasing function of $\log t_L$ has the same ratios of 0
    and 1 between kernels, and is returned instead.
    """
    found = look_up(values.coefficients, jnp.asarray(log_t))
    return -STEEP * found if values.sharp else found


@jax.jit
def log_start(x1: Float[Any, "n d"], x2: Float[Any, "m d"]) -> Float[Array, "n m"]:
    r"""$\log t_0=\log(-\log x^\top x')$ for unit vectors of the positive orthant, from differences where points are close.

    A cosine would lose all digits of the distance below 1e-8. Equal points give $-\infty$.
    """
    cosine = jnp.zeros((x1.shape[0], x2.shape[0]))
    gap = jnp.zeros_like(cosine)
    for k in range(x1.shape[1]):
        a, b = x1[:, k, None], x2[None, :, k]
        cosine, gap = cosine + a * b, gap + 0.5 * (a - b) ** 2
    return jnp.log(jnp.where(gap < 0.5, -jnp.log1p(-jnp.minimum(gap, 0.6)), -jnp.log(cosine)))
