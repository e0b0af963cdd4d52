r"""Finite networks in any abc-parametrisation, trained by plain SGD on $w$ with automatic differentiation.

Exponents enter as numbers, not as shapes: one compilation for each width serves every parametrisation. At one seed all
parametrisations start from the same standard normal matrices.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from reprise.papers.infinite_width.feature_learning.abc_space import Parametrisation

Weights = tuple[Array, ...]


class Task(NamedTuple):
    """Examples taken one at a time, in this order and from the start again, and points at which networks are looked at."""

    x: Float[np.ndarray, "examples d"]
    y: Float[np.ndarray, " examples"]
    probes: Float[np.ndarray, "p d"]


class Exponents(NamedTuple):
    """Parametrisations as arrays, one row each."""

    a: Float[Array, "points layers"]
    b: Float[Array, "points layers"]
    c: Float[Array, " points"]
    rate: Float[Array, " points"]


class Run(NamedTuple):
    """What training did, at the recorded steps.

    Attributes:
        f: function at the probes, at the start and at each record, (seeds, points, 1 + records, p).
        features: root mean square change of a coordinate of $x^L$ over neurons and probes, (seeds, points, records).
        preactivations: the same for preactivations $h^l$, in the layer where they move most.
        linear: function of the same network linearised at its start, at the last record, (seeds, points, p).
        largest: largest |f| at the probes and training examples on the way, (seeds, points).
    """

    f: np.ndarray
    features: np.ndarray
    preactivations: np.ndarray
    linear: np.ndarray
    largest: np.ndarray


def make_task(seed: int, *, examples: int = 5, scale: float = 1.0) -> Task:
    r"""Which side of a line: examples evenly spread over the circle, targets $\pm$ ``scale``; two more probes at random.

    The first probe is the first example. An easy task on purpose: exponents are about widths, not about data.
    """
    rng = np.random.default_rng([seed, 11])
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * rng.permutation(examples) / examples
    angles = np.concatenate([angles, rng.uniform(0, 2 * np.pi, size=2)])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    y = scale * np.where(points[:examples, 0] > 0, 1.0, -1.0)
    return Task(points[:examples], y, points[[0, examples, examples + 1]])


def exponent_arrays(
    points: Sequence[Parametrisation], rates: float | Sequence[float] | np.ndarray
) -> tuple[np.ndarray, ...]:
    """Stack parametrisations of one depth; `rates` are the constants eta in front of the powers of the width."""
    rate = np.broadcast_to(np.asarray(rates, dtype=np.float64), (len(points),))
    a, b, c = (np.array([getattr(p, name) for p in points], dtype=np.float64) for name in "abc")
    return a, b, c, rate


def draw(key: PRNGKeyArray, width: Array, slots: int, hidden: int, inputs: int, dtype: Any = jnp.float32) -> Weights:
    """Standard normal matrices: (slots, d), L - 1 times (slots, slots), and the output vector (slots,).

    Only the first `width` neurons of a layer have weights. The others compute zero, get no gradient and stay so.
    """
    shapes: list[tuple[int, ...]] = [(slots, inputs), *[(slots, slots)] * (hidden - 1), (slots,)]
    keys = jax.random.split(key, len(shapes))
    real = (jnp.arange(slots) < width).astype(dtype)
    first, *middle, last = (jax.random.normal(k, shape, dtype) for k, shape in zip(keys, shapes, strict=True))
    return (real[:, None] * first, *(real[:, None] * g * real for g in middle), real * last)


def start(normal: Weights, width: Array, b: Float[Array, " layers"]) -> Weights:
    r"""$w^l=n^{-b_l}\times$ standard normal."""
    return tuple((width ** -b[i]).astype(g.dtype) * g for i, g in enumerate(normal))


def forward(w: Weights, x: Float[Array, " d"], width: Array, a: Float[Array, " layers"]) -> tuple[Array, Array]:
    r"""The output $f$ and the preactivations, equation 1: $h^l=n^{-a_l}w^l\phi(h^{l-1})$ with $\phi=\tanh$.

    Returns:
        f, a scalar, and $h^1,\dots,h^L$ of shape (L, slots).
    """
    factors = [(width ** -a[i]).astype(w[0].dtype) for i in range(len(w))]
    h = [factors[0] * (w[0] @ x.astype(w[0].dtype))]
    for factor, weight in zip(factors[1:-1], w[1:-1], strict=True):
        h.append(factor * (weight @ jnp.tanh(h[-1])))
    return factors[-1] * (w[-1] @ jnp.tanh(h[-1])), jnp.stack(h)


def _move(w: Weights, gradient: Weights, step: Array) -> Weights:
    return tuple(v - step.astype(v.dtype) * g for v, g in zip(w, gradient, strict=True))


@partial(jax.jit, static_argnames=("slots", "hidden", "dtype"), compiler_options={"xla_cpu_multi_thread_eigen": False})
def _train(
    keys: UInt32[Array, "nets 2"], exps: Exponents, task: Task, width: Array, records: Array, linear_steps: Array, *, slots: int,
    hidden: int, dtype: Any
) -> tuple[Array, ...]:  # fmt: skip
    """One network for each key and row of `exps`; width and numbers of steps are no shapes, so few of these are compiled."""
    x, y, probes = (jnp.asarray(part, dtype) for part in task)

    def one(job: tuple[Array, Exponents]) -> tuple[Array, ...]:
        key, (a, b, c, rate) = jax.random.wrap_key_data(job[0]), job[1]
        step = rate * width**-c
        w0 = start(draw(key, width, slots, hidden, x.shape[1], dtype), width, b)
        scale = (slots / width).astype(dtype)  # means over slots to means over neurons

        def look(w: Weights) -> tuple[Array, Array]:
            return jax.vmap(lambda p: forward(w, p, width, a))(probes)

        def output(w: Weights, i: Array) -> Array:
            return forward(w, x[i], width, a)[0]

        def sgd(t: Array, state: tuple[Weights, Array]) -> tuple[Weights, Array]:
            w, largest = state
            i = t % len(y)
            f, gradient = jax.value_and_grad(output)(w, i)
            chi = f - y[i]
            return _move(w, tuple(chi * g for g in gradient), step), jnp.maximum(largest, jnp.abs(f))

        f0, h0 = look(w0)

        def to_next_record(state: tuple[Weights, Array, Array], t: Array) -> tuple[Any, tuple[Array, ...]]:
            w, largest, before = state
            w, largest = jax.lax.fori_loop(before, t, sgd, (w, largest))
            f, h = look(w)
            moved = jnp.sqrt(scale * jnp.mean((jnp.tanh(h[:, -1]) - jnp.tanh(h0[:, -1])) ** 2))
            most = jnp.sqrt(scale * jnp.max(jnp.mean((h - h0) ** 2, axis=(0, 2))))
            return (w, jnp.maximum(largest, jnp.max(jnp.abs(f))), t), (f, moved, most)

        first = (w0, jnp.zeros((), dtype), jnp.zeros((), records.dtype))
        (_, largest, _), (f, features, preactivations) = jax.lax.scan(to_next_record, first, records)

        def tangent_step(t: Array, dw: Weights) -> Weights:
            i = t % len(y)
            f, slope = jax.jvp(lambda v: output(v, i), (w0,), (dw,))
            return _move(dw, tuple((f + slope - y[i]) * g for g in jax.grad(output)(w0, i)), step)

        dw = jax.lax.fori_loop(0, linear_steps, tangent_step, tuple(jnp.zeros_like(v) for v in w0))
        linear = f0 + jax.jvp(lambda v: look(v)[0], (w0,), (dw,))[1]
        return jnp.concatenate([f0[None], f]), features, preactivations, linear, largest

    found: tuple[Array, ...] = jax.lax.map(one, (keys, exps))
    return found


SHARED = 256
"""Networks with several hidden layers have at least so many slots, so that narrow ones share what was compiled."""
TILE = 32
"""Networks in one call: all experiments come in tiles of this size, so that they share what was compiled."""
RECORDS = 3
WORKERS = 2
"""Tiles at a time: one network after another keeps a core busy, and two cores would only share its small matrices."""


def train(
    points: Sequence[Parametrisation],
    width: int,
    task: Task,
    *,
    key: PRNGKeyArray,
    seeds: int,
    rates: float | Sequence[float] | np.ndarray,
    records: Sequence[int],
    linear_steps: int = 0,
    slots: int | None = None,
    dtype: Any = jnp.float32,
) -> Run:
    """Train one network for each seed and parametrisation on $(f-y)^2/2$, one example a step.

    Args:
        points: parametrisations of one depth.
        width: n.
        task: examples and probes.
        key: seeds are its split; the same for all parametrisations.
        seeds: how many.
        rates: eta, one for all or one for each parametrisation.
        records: steps at which to look, increasing, at most three.
        linear_steps: also follow each network's linearisation at its start, for so many steps.
        slots: room for neurons, if more than the width and `SHARED`.
        dtype: of the weights.
    """
    hidden = points[0].hidden
    room = max(width, slots or 0, SHARED if hidden > 1 else 0)
    jobs = seeds * len(points)
    rows = np.arange(-(-jobs // TILE) * TILE) % jobs
    keys = np.asarray(jax.random.key_data(jax.random.split(key, seeds)))[rows // len(points)]
    every = exponent_arrays(points, rates)
    padded = np.array([*records, *[records[-1]] * (RECORDS - len(records))])

    def tile(first: int) -> list[np.ndarray]:
        some = rows[first : first + TILE] % len(points)
        exps = Exponents(*(jnp.asarray(part[some]) for part in every))
        found = _train(
            keys[first : first + TILE], exps, task, np.asarray(float(width)), padded, np.asarray(linear_steps),
            slots=room, hidden=hidden, dtype=dtype,
        )  # fmt: skip
        return [np.asarray(part, dtype=np.float64) for part in found]

    first, *others = range(0, len(rows), TILE)
    tiles = [tile(first)]  # alone, so that what it compiles is there for the others
    with ThreadPoolExecutor(WORKERS) as pool:
        tiles += pool.map(tile, others)
    parts = (np.concatenate(part)[:jobs] for part in zip(*tiles, strict=True))
    found = Run(*(part.reshape(seeds, len(points), *part.shape[1:]) for part in parts))
    n = len(records)
    return Run(found.f[:, :, : n + 1], found.features[..., :n], found.preactivations[..., :n], *found[3:])
