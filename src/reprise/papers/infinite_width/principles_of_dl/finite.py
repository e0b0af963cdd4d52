r"""Finite networks in JAX: many layers by a scan, residual or not, their tangent kernel, their training.

NTK parametrisation of the book's ensemble: $z^{(1)}=\sqrt{C_W/n_0}\,Ux$ (with $\gamma=0$),
$z^{(\ell+1)}=\sqrt{C_W/n}\,W\sigma(z^{(\ell)})+\gamma z^{(\ell)}$ and $f=\sqrt{C_W/n}\,v\cdot\sigma(z^{(H)})$, all entries
standard normal at the start. H counts hidden layers. The book's learning rates $\lambda_W/n$ for weights of variance
$C_W/n$ are these with $\lambda_W=C_W$.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress
from reprise.networks import activations
from reprise.papers.infinite_width.principles_of_dl.ensembles import stream

T = TypeVar("T")
R = TypeVar("R")
CACHE = 3e7
"""Bytes of parameters and gradients handled at once: what stays in a processor's cache is much faster."""


class Net(NamedTuple):
    r"""What the networks of an experiment share.

    Attributes:
        inputs: $n_0$.
        width: n.
        hidden: number H of hidden layers, at least 1.
        activation: name in `reprise.networks.activations`.
        weight: $C_W$.
        skip: $\gamma$.
        outputs: number of outputs.
    """

    inputs: int
    width: int
    hidden: int
    activation: str = "relu"
    weight: Any = 2.0
    skip: float = 0.0
    outputs: int = 1


class Params(NamedTuple):
    """Standard-normal parameters, with a leading axis of seeds when stacked: (n, n0), (H - 1, n, n), (out, n)."""

    first: Float[Array, "... n inputs"]
    middle: Float[Array, "... layers n n"]
    last: Float[Array, "... out n"]


def draw(
    net: Net, count: int, *, seed: int, name: str, start: int = 0, dtype: Any = np.float32, most: int = 0
) -> Params:
    """Parameters of `count` networks, stacked; a network depends on its own number (from `start`) alone.

    With `most`, there are middle layers for so many hidden ones, zero beyond the network's own.

    >>> draw(Net(3, 8, 4), 2, seed=0, name="doc").middle.shape
    (2, 3, 8, 8)
    """
    n = net.width
    shapes = ((n, net.inputs), (net.hidden - 1, n, n), (net.outputs, n))
    parts = [np.zeros((count, *shape), np.float32) for shape in shapes]
    parts[1] = np.zeros((count, max(most, net.hidden) - 1, n, n), np.float32)
    for i in range(count):
        rng = stream(seed, f"{name} {n} {net.hidden}", start + i)
        for part, shape in zip(parts, shapes, strict=True):
            rng.standard_normal(out=part[i, : shape[0]], dtype=np.float32)
    return Params(*(jnp.asarray(part.astype(dtype)) for part in parts))


def outputs(net: Net, params: Params, x: Float[Array, "m inputs"]) -> Float[Array, "m out"]:
    """The function at m inputs."""
    sigma = activations.resolve(net.activation)
    dtype = params.first.dtype
    scale = jnp.asarray((net.weight / net.width) ** 0.5, dtype)
    z = x.astype(dtype) @ params.first.T * jnp.asarray((net.weight / net.inputs) ** 0.5, dtype)

    def layer(z: Array, w: Array) -> tuple[Array, None]:
        return scale * sigma(z) @ w.T + jnp.asarray(net.skip, dtype) * z, None

    z, _ = jax.lax.scan(layer, z, params.middle)
    return scale * sigma(z) @ params.last.T


def scalar(net: Net, params: Params, x: Float[Array, "m inputs"]) -> Float[Array, " m"]:
    """The only output, at m inputs."""
    return outputs(net, params, x)[:, 0]


class Leaky(NamedTuple):
    r"""What may differ between scale-invariant networks of one compiled shape.

    Attributes:
        hidden: number of hidden layers; middle weights beyond it are not used.
        slope: $\sigma(z)=z$ for $z>0$, slope times z for $z<0$: 0 for the ReLU, 1 for linear networks.
        frozen: whether neurons are on or off as given, whatever their preactivations.
    """

    hidden: Array
    slope: Array
    frozen: Array


def leaky(
    net: Net, kind: Leaky, params: Params, x: Float[Array, "m inputs"], held: Float[Array, "layers m n"]
) -> tuple[Float[Array, "m out"], Float[Array, "layers m n"]]:
    """A critical scale-invariant network, and which neurons are on; its compiled shape depends on width and largest depth alone."""
    weight = 2 / (1 + kind.slope**2)
    scale = jnp.sqrt(weight / net.width)

    def active(z: Array, given: Array) -> tuple[Array, Array]:
        on = jnp.where(kind.frozen, given > 0, z > 0)
        return scale * jnp.where(on, z, kind.slope * z), on.astype(z.dtype)

    def layer(z: Array, parts: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        w, given, number = parts
        a, on = active(z, given)
        return jnp.where(number < kind.hidden - 1, a @ w.T, z), on

    z = x @ params.first.T * jnp.sqrt(weight / net.inputs)
    z, on = jax.lax.scan(layer, z, (params.middle, held[:-1], jnp.arange(len(params.middle))))
    a, last = active(z, held[-1])
    return a @ params.last.T, jnp.concatenate([on, last[None]])


def total(tree: Any) -> Array:
    """Sum of squares over a tree of parameters."""
    return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree)), start=jnp.zeros(()))


def moved(params: Params, step: Any, direction: Any) -> Params:
    """Parameters moved by a step along a direction."""
    return jax.tree.map(lambda p, d: p + step.astype(p.dtype) * d, params, direction)


def groups(net: Net, count: int, *, dtype: Any = np.float32, rows: int = 1) -> Iterator[tuple[int, int]]:
    """Start and size of groups of networks that fit the cache; all of one size, so that the last may go beyond `count`.

    >>> list(groups(Net(3, 64, 4), 5))
    [(0, 5)]
    """
    size = (net.hidden - 1) * net.width**2 + net.width * (net.inputs + net.outputs)
    most = max(1, int(CACHE // ((2 + rows) * size * np.dtype(dtype).itemsize)))
    parts = -(-count // most)
    each = -(-count // parts)
    for start in range(0, count, each):
        yield start, each


def over_networks(
    mapped: Callable[..., Any],
    net: Net,
    count: int,
    *others: Any,
    seed: int,
    name: str,
    dtype: Any = np.float32,
    rows: int = 1,
    most: int = 0,
) -> Any:
    """A compiled function of stacked parameters (and what all networks share), for `count` networks: NumPy results, joined.

    With `most`, the parameters are those of so many hidden layers, zero beyond the network's own.
    """
    parts, large = [], net._replace(hidden=max(most, net.hidden))
    with progress.task(f"{name}: {net.hidden} layers of {net.width}", count) as advance:
        for start, size in groups(large, count, dtype=dtype, rows=rows):
            params = draw(net, size, seed=seed, name=name, start=start, dtype=dtype, most=most)
            parts.append(jax.tree.map(np.asarray, mapped(params, *others)))
            advance(min(size, count - start))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *parts)


def across(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """A function of each item, two at a time: compilation uses one core, and so overlaps with another item's work.

    >>> across(lambda n: n**2, [1, 2, 3])
    [1, 4, 9]
    """
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))


def tangent(net: Net, params: Params, x: Float[Array, "m inputs"], k: int) -> Float[Array, "m k"]:
    r"""Empirical tangent kernel $\hat\Theta(x,y)=\nabla f(x)\cdot\nabla f(y)$ of a scalar network, y the first k points, by Jacobians."""
    rows = jax.tree.leaves(jax.jacrev(partial(scalar, net))(params, x))
    flat = [row.reshape(len(x), -1) for row in rows]
    return sum((row @ row[:k].T for row in flat), start=jnp.zeros(()))
