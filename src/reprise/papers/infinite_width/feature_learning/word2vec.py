r"""Word2Vec (CBOW with negative sampling) at finite and infinite width: a linear network with one hidden layer (section 7).

Input vectors $U_w$ and output vectors $V_w$; for a word $t$ with context $C$, $h=\frac1{|C|}\sum_{c\in C}U_c$, and the loss is
$-\log\sigma(V_t\cdot h)-\sum_{w}k\,p_w\log\sigma(-V_w\cdot h)$ with $p\propto$ frequency$^{3/4}$. Negatives enter by their
expectation, $k\,p_w$ of word $w\ne t$ for each example, where word2vec draws $k$ of them.

Width $n$: entries of $U$ uniform with variance $1/n$, $V=0$. Infinite width in muP: all that training ever sees of $U_0$ are
inner products, and $U_0U_0^\top\to I$; so $U_0=I$ with as many columns as words is the limit, exactly.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from reprise.papers.infinite_width.feature_learning.corpus import Examples
from reprise.progress import track

INFINITE = 0
"""Stands for infinite width in a list of widths."""


class Settings(NamedTuple):
    """How vectors are trained, and at how many equally spaced moments they are looked at."""

    epochs: int = 5
    records: int = 6
    batch: int = 64
    rate: float = 0.05
    negatives: float = 5.0
    decay: float = 0.001


class Vectors(NamedTuple):
    """Input and output vectors, (V, columns) each."""

    u: Array
    v: Array


def start(width: int, vocabulary: int, *, seed: int) -> Vectors:
    """Vectors before training, brought to one shape: V columns.

    Narrow vectors are padded with zero columns, which stay zero. Vectors with more than V columns are rotated into V
    dimensions, which changes no inner product, and with $V=0$ at the start nothing else is ever seen of them.
    """
    if width == INFINITE:
        u = np.eye(vocabulary)
    else:
        rng = np.random.default_rng([seed, width, 43])
        drawn = rng.uniform(-1.0, 1.0, size=(vocabulary, width)) * np.sqrt(3.0 / width)
        u = np.zeros((vocabulary, vocabulary))
        if width <= vocabulary:
            u[:, :width] = drawn
        else:
            u = np.asarray(np.linalg.qr(drawn.T, mode="r")).T
    return Vectors(jnp.asarray(u, jnp.float32), jnp.zeros((vocabulary, vocabulary), jnp.float32))


def noise(target: Int[np.ndarray, " examples"], vocabulary: int, negatives: float) -> Float[np.ndarray, " V"]:
    """Expected number of times that a word is drawn as a negative for one example."""
    power = np.bincount(target, minlength=vocabulary).astype(float) ** 0.75
    return np.asarray(negatives * power / power.sum())


def step(
    vectors: Vectors,
    target: Int[Array, " batch"],
    context: Int[Array, "batch around"],
    negatives: Float[Array, " V"],
    rate: Array,
    decay: float,
) -> Vectors:
    """One step on a batch, whose examples all see the same vectors and whose changes add up, as in word2vec's many threads."""
    u, v = vectors
    words = u.shape[0]
    rows = jnp.arange(len(target))[:, None]
    bag = jnp.zeros((len(target), words + 1), u.dtype).at[rows, context].add(1.0)[:, :words]
    bag = bag / jnp.maximum(bag.sum(axis=1, keepdims=True), 1.0)
    positive = jax.nn.one_hot(target, words, dtype=u.dtype)
    weight = negatives * (1.0 - positive) + positive
    hidden = bag @ u
    pull = weight * (positive - jax.nn.sigmoid(hidden @ v.T))
    shrink = 1.0 - rate * decay
    return Vectors(shrink * u + rate * (bag.T @ (pull @ v)), shrink * v + rate * (pull.T @ hidden))


@partial(jax.jit, static_argnames=("decay",))
def _steps(vectors: Vectors, target: Array, context: Array, negatives: Array, rates: Array, *, decay: float) -> Vectors:
    def one_step(state: Vectors, batch: tuple[Array, Array, Array]) -> tuple[Vectors, None]:
        words, around, rate = batch
        move = partial(step, rate=rate, decay=decay)
        return jax.vmap(move)(state, words, around, negatives), None

    return jax.lax.scan(one_step, vectors, (target, context, rates))[0]


def train(starts: Sequence[Vectors], data: Sequence[Examples], vocabulary: int, settings: Settings) -> np.ndarray:
    """Train one set of vectors on each corpus; the learning rate falls linearly to zero.

    Args:
        starts: vectors before training, one a run.
        data: corpora of one size, one a run.
        vocabulary: number of words V.
        settings: how to train.

    Returns:
        Input vectors at each record, (runs, records, V, V).
    """
    batches = len(data[0].target) // settings.batch
    used = batches * settings.batch

    def stacked(name: str) -> np.ndarray:
        rows = [getattr(d, name)[:used].reshape(batches, settings.batch, *getattr(d, name).shape[1:]) for d in data]
        return np.stack(rows, axis=1)

    target, context = stacked("target"), stacked("context")
    negatives = jnp.asarray(np.stack([noise(d.target, vocabulary, settings.negatives) for d in data]), jnp.float32)
    state = jax.tree.map(lambda *parts: jnp.stack(parts), *starts)
    total = settings.epochs * batches // settings.records * settings.records
    found = []
    for some in track(np.split(np.arange(total), settings.records), "word vectors"):
        rates = jnp.asarray(settings.rate * (1.0 - some / total), jnp.float32)
        rows = some % batches
        state = _steps(state, target[rows], context[rows], negatives, rates, decay=settings.decay)
        found.append(np.asarray(state.u))
    return np.stack(found, axis=1)
