r"""First-order MAML of the linear one-hidden-layer network, at finite and at infinite width (section 8).

$f(\xi)=V(U\xi+\alpha b)$. A task adapts $(U,b,V)$ by gradient descent on its five labelled images; the classes of its other
images then give a gradient at the adapted weights, which moves the common start. Within a task the update of $U$ has rank
five, so only the features $H=U\xi+\alpha b$ of its ten images are followed:
$$H\leftarrow H-\epsilon\,V^\top\chi\,(X_s^\top X+\alpha^2),\qquad V\leftarrow V-\epsilon\,\chi H_s^\top,\qquad \chi=(\mathrm{softmax}(VH_s)-Y)/5 .$$
Infinite width in muP is the same network with $U_0=\sigma_1[I_d;0]$ and $V_0=\sigma_2[0,I_5]$; at width $n$ entries are
$N(0,\sigma_1^2/n)$ and $N(0,\sigma_2^2/n)$.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise.papers.infinite_width.feature_learning.few_shot import WAYS, Pool, Tasks
from reprise.papers.infinite_width.feature_learning.linear_limit import start as limit_start
from reprise.progress import track

INFINITE = 0
"""Stands for infinite width."""
INNER_RATE = 0.4
CLIP = 0.5
TASK_BATCH = 32
TEST_STEPS = 20


class Hyper(NamedTuple):
    """Hyperparameters of one width: meta-learning rate, sizes of both layers at the start, multiplier of the bias."""

    rate: float
    sigma1: float
    sigma2: float
    alpha: float


TUNED = {
    2: Hyper(0.05, 0.5, 0.5, 2.0),
    8: Hyper(0.1, 0.5, 0.25, 1.0),
    32: Hyper(0.4, 1.0, 0.125, 0.5),
    128: Hyper(0.1, 1.0, 0.125, 1.0),
}
"""What the paper's scripts use below width 512."""
WIDE = Hyper(0.1, 1.0, 2.0**-5, 1.0)
"""From width 512 on, and at infinite width."""
COMMON = Hyper(0.4, 1.0, 2.0**-5, 1.0)
"""For every width on other data than Omniglot, for which nothing was tuned."""


class Network(NamedTuple):
    """Weights: U (h, d), b (h,), V (5, h)."""

    u: Array
    b: Array
    v: Array


def start(width: int, inputs: int, hyper: Hyper, *, seed: int, rows: int | None = None) -> Network:
    """Weights before meta-training; zero rows fill them up to `rows`, and stay zero."""
    if width == INFINITE:
        u, v = limit_start(inputs, WAYS, hyper.sigma1, hyper.sigma2)
    else:
        rng = np.random.default_rng([seed, width, 71])
        u = hyper.sigma1 * rng.normal(size=(width, inputs)) / np.sqrt(width)
        v = hyper.sigma2 * rng.normal(size=(WAYS, width)) / np.sqrt(width)
    more = max(0, (rows or 0) - len(u))
    u, v = np.pad(u, ((0, more), (0, 0))), np.pad(v, ((0, 0), (0, more)))
    return Network(jnp.asarray(u, jnp.float32), jnp.zeros(len(u), jnp.float32), jnp.asarray(v, jnp.float32))


def adapt(
    h: Float[Array, "h ten"],
    v: Float[Array, "5 h"],
    gram: Float[Array, "ten ten"],
    steps: int,
    rate: float,
    moves: Array,
) -> tuple[Array, Array]:
    """Features of ten images (support first) and output weights after so many steps on the support images.

    With ``moves = 0`` the first layer is frozen.
    """
    wanted = jnp.eye(WAYS, dtype=h.dtype)

    def one(_: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        features, out = state
        seen = features[:, :WAYS]
        chi = (jax.nn.softmax(out @ seen, axis=0) - wanted) / WAYS
        return features - moves * rate * (out.T @ (chi @ gram[:WAYS])), out - rate * (chi @ seen.T)

    found: tuple[Array, Array] = jax.lax.fori_loop(0, steps, one, (h, v))
    return found


def _task(
    net: Network, images: Float[Array, "ten d"], alpha: Array, moves: Array, *, steps: int
) -> tuple[Float[Array, "5 5"], Array, Array]:
    """Query logits (classes, queries), adapted query features and output weights."""
    h = net.u @ images.T + alpha * net.b[:, None]
    h, v = adapt(h, net.v, images @ images.T + alpha**2, steps, INNER_RATE, moves)
    return v @ h[:, WAYS:], h[:, WAYS:], v


def meta_gradient(
    net: Network, images: Float[Array, "tasks ten d"], answers: Array, alpha: Array, moves: Array
) -> Network:
    """Sum over tasks of the query loss's gradient at the adapted weights (first order), clipped to norm 1/2."""

    def of_task(some: Array, wanted: Array) -> tuple[Array, Array]:
        logits, h, v = _task(net, some, alpha, moves, steps=1)
        chi = (jax.nn.softmax(logits, axis=0) - jax.nn.one_hot(wanted, WAYS, axis=0, dtype=h.dtype)) / WAYS
        return moves * (v.T @ chi), chi @ h.T

    back, dv = jax.vmap(of_task)(images, answers)
    dv = dv.sum(axis=0)
    du = jnp.einsum("thq,tqd->hd", back, images[:, WAYS:])
    db = alpha * back.sum(axis=(0, 2))
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in (du, db, dv)))
    shrink = jnp.minimum(1.0, CLIP / jnp.maximum(norm, 1e-12))
    return Network(shrink * du, shrink * db, shrink * dv)


@jax.jit
def _meta_train(
    net: Network, pool: Array, support: Array, query: Array, answers: Array, rate: Array, alpha: Array, moves: Array
) -> Network:
    def step(state: Network, batch: tuple[Array, Array, Array]) -> tuple[Network, None]:
        rows, asked, wanted = batch
        images = pool[jnp.concatenate([rows, asked], axis=1)]
        gradient = meta_gradient(state, images, wanted, alpha, moves)
        return jax.tree.map(lambda w, g: w - rate * g, state, gradient), None

    return jax.lax.scan(step, net, (support, query, answers))[0]


@partial(jax.jit, static_argnames=("batch",))
def _answers(net: Network, pool: Array, rows: Array, alpha: Array, moves: Array, *, batch: int) -> Array:
    def one(some: Array) -> Array:
        return jnp.argmax(_task(net, pool[some], alpha, moves, steps=TEST_STEPS)[0], axis=0)

    return jax.lax.map(one, rows, batch_size=batch)


def accuracy(net: Network, pool: Pool, test: Tasks, hyper: Hyper, *, moves: float = 1.0, batch: int = 16) -> float:
    """Accuracy on the query images after twenty steps on the support images."""
    rows = np.concatenate([test.support, test.query], axis=1)
    found = _answers(net, jnp.asarray(pool.flat), rows, jnp.float32(hyper.alpha), jnp.float32(moves), batch=batch)
    return float(np.mean(np.asarray(found) == test.answers))


def meta_train(
    net: Network, pool: Pool, stream: Tasks, hyper: Hyper, *, moves: float = 1.0, records: int = 1, label: str = "MAML"
) -> list[Network]:
    """Meta-train on a stream of tasks, 32 at a time; the network before training and at equally spaced moments.

    Args:
        net: weights before training.
        pool: of training images.
        stream: tasks, in order.
        hyper: meta-learning rate and bias multiplier.
        moves: 0 freezes the first layer in both loops.
        records: number of moments.
        label: of the progress bar.
    """
    batches = len(stream.support) // TASK_BATCH // records
    images = jnp.asarray(pool.flat)
    found = [net]
    for k in track(range(records), label):
        rows = slice(k * batches * TASK_BATCH, (k + 1) * batches * TASK_BATCH)
        parts = (part[rows].reshape(batches, TASK_BATCH, WAYS) for part in stream)
        rates = (jnp.float32(value) for value in (hyper.rate, hyper.alpha, moves))
        found.append(_meta_train(found[-1], images, *parts, *rates))
    return found
