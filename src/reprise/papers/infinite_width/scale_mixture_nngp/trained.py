r"""Ensembles of finite networks after gradient descent on squared loss, each with its own scale on the last layer.

$f=\sqrt s\,g$, with $g$ the network of unit last-layer variance. Gradient descent on $f$ towards $y$ at rate $\eta/s$ is
gradient descent on $g$ towards $y/\sqrt s$ at rate $\eta$: the gradient of $\frac12|f-y|^2$ is $s(g-y/\sqrt s)\nabla g$. So
every network trains equally fast, and the end point is the same.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks import activations
from reprise.papers.infinite_width.scale_mixture_nngp.finite import Normals, count_normals, mlp_features
from reprise.progress import task, track

CHUNK = 500  # networks whose last layers are trained together


class Weights(NamedTuple):
    """A fully connected network in NTK parametrisation: standard normal, last layer without bias."""

    first: Float[Array, "n 1"]
    hidden: Float[Array, "h-1 n n"]
    biases: Float[Array, "h n"]
    last: Float[Array, " n"]


class Ensemble(NamedTuple):
    """Trained networks: outputs at the test points and what is left of the training error."""

    outputs: Float[np.ndarray, "nets t"]
    residual: Float[np.ndarray, " nets"]  # largest error at a training point


def train_last_layer(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    x_test: Float[np.ndarray, " t"],
    scales: Float[np.ndarray, " nets"],
    *,
    width: int,
    hidden: int,
    w_std: float,
    b_std: float,
    steps: int,
    key: PRNGKeyArray,
) -> Ensemble:
    r"""Gradient descent on the last weights alone.

    Weights move in the span of the training features, $w=w_0+\Phi^\top c$, so the descent is followed in the coefficients:
    $c\leftarrow c-\eta(\Phi\Phi^\top c+\Phi w_0-y)$ is $w\leftarrow w-\eta\Phi^\top(\Phi w-y)$, step by step.
    """
    points = jnp.asarray(np.concatenate([x, x_test]))[:, None]
    options = {"nets": CHUNK, "width": width, "hidden": hidden, "w_std": w_std, "b_std": b_std, "steps": steps}
    count = len(scales)
    padded = jnp.asarray(np.resize(scales, -(-count // CHUNK) * CHUNK)).reshape(-1, CHUNK)
    found = []
    for index, own in enumerate(track(padded, "training last layers")):
        part = _last_layer(jax.random.fold_in(key, index), points, jnp.asarray(y), own, **options)
        found.append([np.asarray(p) for p in part])
    return Ensemble(*(np.concatenate([part[k] for part in found])[:count] for k in (0, 1)))


@partial(jax.jit, static_argnames=("nets", "width", "hidden", "steps"))
def _last_layer(
    key: PRNGKeyArray,
    points: Array,
    y: Array,
    scales: Array,
    *,
    nets: int,
    width: int,
    hidden: int,
    w_std: float,
    b_std: float,
    steps: int,
) -> tuple[Array, Array]:
    n = len(y)
    normals = Normals(key, nets, count_normals("mlp", len(points), width, hidden) + width, points.dtype)
    phi = mlp_features(
        normals, points, width=width, hidden=hidden, activation="erf", w_std=w_std, b_std=b_std
    ) / width**0.5  # fmt: skip
    start = jnp.einsum("bpj,bj->bp", phi, normals.take(width))
    gram = jnp.einsum("bpj,bqj->bpq", phi, phi[:, :n])
    rate = 1 / jnp.trace(gram[:, :n], axis1=1, axis2=2)[:, None]
    target = y / jnp.sqrt(scales)[:, None]

    def step(c: Array, _: None) -> tuple[Array, None]:
        return c - rate * (jnp.einsum("bpq,bq->bp", gram[:, :n], c) + start[:, :n] - target), None

    c, _ = jax.lax.scan(step, jnp.zeros((nets, n)), None, length=steps)
    f = jnp.sqrt(scales)[:, None] * (start + jnp.einsum("bpq,bq->bp", gram, c))
    return f[:, n:], jnp.max(jnp.abs(f[:, :n] - y), axis=1)


def train_all_layers(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    x_test: Float[np.ndarray, " t"],
    scales: Float[np.ndarray, " nets"],
    *,
    width: int,
    hidden: int,
    w_std: float,
    b_std: float,
    rate: float,
    steps: int,
    key: PRNGKeyArray,
    chunk: int = 64,
) -> Ensemble:
    """Full-batch gradient descent on all weights, in float32; chunks of networks go to the cores of a CPU in parallel."""
    keys = jax.random.split(key, len(scales))
    options = {"width": width, "hidden": hidden, "steps": steps}
    fixed = [jnp.asarray(v, jnp.float32) for v in (x, y, x_test)]
    starts = range(0, len(scales), chunk)
    workers = max(1, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1

    def run(first: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(first, first + chunk)
        pad = chunk - len(scales[part])
        own_keys = jnp.concatenate([keys[part], keys[:pad]])
        own = jnp.asarray(np.concatenate([scales[part], scales[:pad]]), jnp.float32)
        outputs, residual = _all_layers(own_keys, own, *fixed, rate, w_std, b_std, **options)
        return np.asarray(outputs, np.float64)[: chunk - pad], np.asarray(residual, np.float64)[: chunk - pad]

    found = []
    with ThreadPoolExecutor(workers) as pool, task(f"training networks of width {width}", len(starts)) as advance:
        for part in pool.map(run, starts):
            found.append(part)
            advance(1)
    return Ensemble(*(np.concatenate([part[k] for part in found]) for k in (0, 1)))


@partial(jax.jit, static_argnames=("width", "hidden", "steps"))
def _all_layers(
    keys: Array,
    scales: Array,
    x: Array,
    y: Array,
    x_test: Array,
    rate: float,
    w_std: float,
    b_std: float,
    *,
    width: int,
    hidden: int,
    steps: int,
) -> tuple[Array, Array]:
    def one(args: tuple[PRNGKeyArray, Array]) -> tuple[Array, Array]:
        net_key, scale = args
        weights = draw_weights(net_key, width, hidden)
        target = y / jnp.sqrt(scale)

        def loss(w: Weights) -> Array:
            return 0.5 * jnp.sum((network(w, x, w_std, b_std) - target) ** 2)

        def step(w: Weights, _: None) -> tuple[Weights, None]:
            return jax.tree.map(lambda p, g: p - rate * g, w, jax.grad(loss)(w)), None

        weights, _ = jax.lax.scan(step, weights, None, length=steps)
        f = jnp.sqrt(scale) * network(weights, jnp.concatenate([x_test, x]), w_std, b_std)
        return f[: len(x_test)], jnp.max(jnp.abs(f[len(x_test) :] - y))

    return jax.lax.map(one, (keys, scales), batch_size=2)


def draw_weights(key: PRNGKeyArray, width: int, hidden: int) -> Weights:
    """Standard normal weights in float32."""
    shapes = ((width, 1), (hidden - 1, width, width), (hidden, width), (width,))
    normals = Normals(key, 1, sum(math.prod(shape) for shape in shapes))
    return Weights(*(normals.take(*shape)[0] for shape in shapes))


def network(w: Weights, x: Float[Array, " p"], w_std: float, b_std: float) -> Float[Array, " p"]:
    """An erf network on scalars with a last layer of unit variance."""
    phi = activations.resolve("erf")
    width = w.last.shape[0]
    h = phi(w_std * x[:, None] @ w.first.T + b_std * w.biases[0])
    for matrix, bias in zip(w.hidden, w.biases[1:], strict=True):
        h = phi(w_std / width**0.5 * h @ matrix.T + b_std * bias)
    return h @ w.last / width**0.5
