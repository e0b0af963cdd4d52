r"""Kernels of infinitely wide convolutional networks on raw coordinates: the method, for experiments.

Inputs $x\in\mathbb R^d$ are p patches of two coordinates of norm 1 each. A network has hidden layers with non-overlapping filters of sizes
$s_1..s_L$, no biases and the ReLU; its last layer averages over the blocks that are left. With $\hat R = R/\sqrt{R_{xx}R_{yy}}$,
$\kappa_0(t)=\frac{\pi-\arccos t}\pi$ and $\kappa_1(t)=t\kappa_0(t)+\frac{\sqrt{1-t^2}}\pi$, a layer maps each node by

$$R' = \sqrt{R_{xx}R_{yy}}\,\kappa_1(\hat R),\qquad N' = \kappa_0(\hat R)\,N+R',$$

and nodes of the next layer start from the mean over their children. $R$ is the kernel of random features (only the last layer
is trained), $N$ the neural tangent kernel. On whole patches $R_{xx}=1$; a filter that straddles patches sees inputs of all
lengths, hence the general form.
"""

import functools
import math
import operator
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401
from reprise.kernels.gram import gram

__all__ = ["Net", "depths", "kernel_matrix", "on_torus", "straddled", "swapped"]


Node: TypeAlias = tuple[Array, Array, Array, Array]


class Net(NamedTuple):
    """A kernel: of an infinitely wide network, or the Laplace kernel for comparison.

    Attributes:
        filters: sizes of the hidden layers' filters, in coordinates for the first, in nodes for the others.
        kind: "ntk", "rfk", or "laplace" (exp of minus distance over the typical norm; filters are ignored).
        order: which coordinate stands at each place of the network's input, if not the given order.
    """

    filters: tuple[int, ...]
    kind: Literal["ntk", "rfk", "laplace"] = "ntk"
    order: tuple[int, ...] = ()


def swapped(net: Net, coordinates: int) -> Net:
    """The same network with the second and third patch swapped: receptive fields of layer 2 no longer the teacher's."""
    order = [0, 1, 4, 5, 2, 3, *range(6, coordinates)]
    return net._replace(order=tuple(order))


def straddled(net: Net, coordinates: int) -> Net:
    """The same network with all filters moved on by one coordinate: the first layer's fields hold halves of two patches."""
    return net._replace(order=tuple((i + 1) % coordinates for i in range(coordinates)))


def on_torus(key: Array, count: int, patches: int, shared: int = 0) -> Float[Array, "n d"]:
    """Uniform points of the torus as coordinates; in the second half of ``shared`` last points, half the patches are copied.

    Args:
        key: random key.
        count: number of points n.
        patches: number p of circles, d = 2p.
        shared: number of last points that form pairs (i, i + shared / 2) with equal first p / 2 patches.
    """
    angles = 2 * math.pi * np.array(jax.random.uniform(key, (count, patches), jnp.float64))
    if shared:
        first, half = count - shared, patches // 2
        middle = first + shared // 2
        angles[middle:, :half] = angles[first:middle, :half]
    return jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(count, 2 * patches))


def depths(
    x: Float[Array, "n d"], y: Float[Array, "m d"], filters: tuple[int, ...], order: tuple[int, ...] = ()
) -> list[tuple[Float[Array, "n m"], Float[Array, "n m"]]]:
    """Both kernels, (R, N), of the networks with the first 1, 2, ..., L hidden layers."""
    if order:
        x, y = x[:, jnp.array(order)], y[:, jnp.array(order)]
    size = filters[0]
    nodes = []
    for start in range(0, x.shape[1], size):
        a, b = x[:, start : start + size], y[:, start : start + size]
        product = (a @ b.T) * (2 / size)
        nodes.append((product, product, jnp.sum(a * a, 1) * (2 / size), jnp.sum(b * b, 1) * (2 / size)))
    found = []
    for size in (*filters[1:], 1):
        hidden = [_hidden(*node) for node in nodes]
        top = _mean(hidden)
        found.append((top[0], top[1]))
        groups = [hidden[i : i + size] for i in range(0, len(hidden), size)]
        nodes = [_mean(group) for group in groups]
    return found


def _mean(nodes: list[Node]) -> Node:
    r, n, rx, ry = (functools.reduce(operator.add, parts) / len(nodes) for parts in zip(*nodes, strict=True))
    return r, n, rx, ry


def _hidden(r: Array, n: Array, rx: Array, ry: Array) -> Node:
    norm = jnp.sqrt(rx[:, None] * ry[None, :])
    cosine = jnp.clip(r / jnp.where(norm > 0, norm, 1.0), -1.0, 1.0)
    slope = 1 - jnp.arccos(cosine) / math.pi
    lifted = norm * (cosine * slope + jnp.sqrt(1 - cosine**2) / math.pi)
    return lifted, slope * n + lifted, rx, ry


def _block(x: Array, y: Array, *, net: Net) -> Array:
    if net.kind == "laplace":
        square = jnp.sum(x * x, 1)[:, None] + jnp.sum(y * y, 1) - 2 * x @ y.T
        return jnp.exp(-jnp.sqrt(jnp.maximum(square, 0.0)) / math.sqrt(x.shape[1] / 2))
    return depths(x, y, net.filters, net.order)[-1][0 if net.kind == "rfk" else 1]


def kernel_matrix(
    net: Net, x: Float[Array, "n d"], y: Float[Array, "m d"] | None = None, *, block: int = 768
) -> Float[Array, "n m"]:
    """Gram matrix of a kernel, each pair once, on all devices."""
    return gram(functools.partial(_block, net=net), x, y, block=block)  # type: ignore[no-any-return]
