r"""Claim C6: layers merged one by one, by distillation from a dense network, and by the formula without any training.

Two layers $f_2(W_2f_1(W_1x+b_1)+b_2)$ become $\Psi_2(W_2\Psi_1(W_1,b_1),b_2)\,\Phi_2(\Phi_1(x))$: the matrix between them is gone.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.projections import orthogonal_projection
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.snnk import training
from reprise.papers.kernels_and_features.snnk import universal as un
from reprise.papers.kernels_and_features.snnk.estimation_study import rms
from reprise.papers.kernels_and_features.snnk.images import CLASSES, Task, batches, load_task
from reprise.papers.kernels_and_features.snnk.spectra import COSINE

DEPTH = 3
"""Hidden layers."""
MERGES = tuple(range(DEPTH + 1))
NORM = 0.7
"""Norm of inputs and weights of the network that is merged by formula: its second moments stay small."""
UNITS = 4


class Merged(NamedTuple):
    """Networks after 0 to 3 merges.

    Attributes:
        parameters: trained parameters of each, (4,).
        dense: those of the dense network.
        teacher: its test accuracy, (seeds,).
        test: of the merged ones, (seeds, 4).
        other: the same with features of another draw at test time.
    """

    parameters: tuple[int, ...]
    dense: int
    teacher: Float[np.ndarray, " seeds"]
    test: Float[np.ndarray, "seeds 4"]
    other: Float[np.ndarray, "seeds 4"]


def dense_network(p: Any, _: Any, x: Float[Array, "n d"]) -> Float[Array, "n 10"]:
    """Three rectified layers and a linear one."""
    for k in range(DEPTH):
        x = jax.nn.relu(x @ p[f"W{k}"].T + p[f"b{k}"])
    return x @ p["head"].T + p["bias"]


def merged_network(p: Any, frozen: Any, phi: Float[Array, "n m"]) -> Float[Array, "n 10"]:
    r"""From $\Phi_1(x)$ on: layers that are kept multiply by their Ψ, merged ones pass their features on."""
    for k in range(DEPTH):
        phi = jnp.where(frozen["keep"][k] > 0, phi @ p["psi"][k].T, phi)
        if k + 1 < DEPTH:
            phi = jax.nn.relu(phi @ frozen["G"][k].T)
    return phi @ p["head"].T + p["bias"]


def draw_features(width: int, d: int, *, seed: int) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "2 m m"]]:
    """Frozen directions of the first layer and of the next two, which keep the mean square of what they read."""
    first = np.random.default_rng([seed, 63]).standard_normal((width, d)).astype(np.float32)
    keys = (jax.random.key(1000 * seed + layer) for layer in range(1, DEPTH))
    rest = [np.asarray(orthogonal_projection(width, width, key=k, dtype=jnp.float32)) for k in keys]
    return first, np.stack(rest) * np.float32((2.0 / width) ** 0.5)


@jax.jit
def _teach(start: Any, x: Array, y: Array, rows: Array, rates: Array, others: Array) -> tuple[Array, Array]:
    """Outputs of the dense network on training and other images, (rates, ...) each."""

    def one(rate: Array) -> tuple[Array, Array]:
        p = training.fit(dense_network, start, jax.tree.map(jnp.ones_like, start), None, x, y, rows, rate)
        return dense_network(p, None, x), dense_network(p, None, others)

    return jax.lax.map(one, rates)


@jax.jit
def _distil(
    start: Any,
    free: Any,
    frozen: Any,
    phi: Array,
    targets: Array,
    rows: Array,
    rates: Array,
    others: Array,
    foreign: Any,
) -> tuple[Array, Array]:
    """Outputs on other images with the right features and with foreign ones, (merges, rates, n, 10) each."""

    def one(free: Any, keep: Array, rate: Array) -> tuple[Array, Array]:
        own = {**frozen, "keep": keep}
        p = training.fit(merged_network, start, free, own, phi, targets, rows, rate)
        wrong = merged_network(p, {"G": foreign["G"], "keep": keep}, foreign["phi"])
        return merged_network(p, own, others), wrong

    # One network after another: matrix products with a leading axis of networks are slow on a CPU.
    return jax.lax.map(lambda part: jax.vmap(lambda rate: one(part[0], part[1], rate))(rates), (free, frozen["keep"]))


def merge(
    images: str, examples: list[int], width: int, rates: Sequence[float], steps: int, batch: int, seeds: int, *, seed: int = 0
) -> Merged:  # fmt: skip
    """Train a dense network, then distil it into networks of 0 to 3 merges; validation images choose every rate."""
    teachers, tests, others = [], [], []
    parameters: tuple[int, ...] = ()
    dense = 0
    for i in progress.track(range(seeds), "Bundling"):
        own, rng = 1000 * seed + i, np.random.default_rng([seed, 61, i])
        task = load_task(images, examples, seed=own)
        rows, speeds = batches(len(task.x), batch, steps, rng), np.asarray(rates, np.float32)
        rest = np.concatenate([task.x_val, task.x_test])
        begin = _dense_start(width, task.x.shape[1], rng)
        dense = sum(v.size for v in begin.values())
        inside, outside = (np.asarray(v) for v in _teach(begin, task.x, task.y, rows, speeds, rest))
        best = int(np.argmax(_scores(outside, task)[0]))
        teachers.append(_scores(outside, task)[1][best])
        targets = inside[best] - inside[best].mean(axis=1, keepdims=True)
        start, free, keep = _student_start(width, rng)
        (g1, inner), (h1, foreign) = (draw_features(width, task.x.shape[1], seed=s) for s in (own, own + 500_000))
        phi, phi_rest = (_first(x, g1) for x in (task.x, rest))
        out, wrong = _distil(
            start, free, {"G": inner, "keep": keep}, phi, targets / targets.std(), rows, speeds, phi_rest,
            {"G": foreign, "phi": _first(rest, h1)},
        )  # fmt: skip
        chosen = [_best(o, w, task) for o, w in zip(np.asarray(out), np.asarray(wrong), strict=True)]
        tests.append([c[0] for c in chosen])
        others.append([c[1] for c in chosen])
        parameters = tuple(training.count(start, jax.tree.map(lambda v, k=k: v[k], free)) for k in MERGES)
    return Merged(parameters, dense, np.asarray(teachers), np.asarray(tests), np.asarray(others))


def _first(x: Float[np.ndarray, "n d"], g: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    r"""$\sqrt{2/d}\,\max(Gx,0)$, of mean square about 1."""
    return np.maximum(x @ g.T, 0.0) * np.float32((2.0 / g.shape[1]) ** 0.5)


def _dense_start(width: int, d: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    sizes = [d, *[width] * DEPTH]
    p = {f"W{k}": rng.standard_normal((width, n)) * (2.0 / n) ** 0.5 for k, n in enumerate(sizes[:-1])}
    p |= {f"b{k}": np.zeros(width) for k in range(DEPTH)}
    p |= {"head": rng.standard_normal((CLASSES, width)) * width**-0.5, "bias": np.zeros(CLASSES)}
    return {k: v.astype(np.float32) for k, v in p.items()}


def _student_start(width: int, rng: np.random.Generator) -> tuple[Any, Any, np.ndarray]:
    """Parameters, factors of their updates for every number of merges, and which layers are kept, (4, 3)."""
    start = {
        "psi": rng.standard_normal((DEPTH, width, width)) * width**-0.5,
        "head": 0.1 * rng.standard_normal((CLASSES, width)) * width**-0.5,
        "bias": np.zeros(CLASSES),
    }
    keep = np.asarray([[float(layer >= k) for layer in range(DEPTH)] for k in MERGES], np.float32)
    free = {
        "psi": np.broadcast_to(keep[:, :, None, None], (len(MERGES), DEPTH, width, width)),
        "head": np.ones((len(MERGES), CLASSES, width), np.float32),
        "bias": np.ones((len(MERGES), CLASSES), np.float32),
    }
    return {k: v.astype(np.float32) for k, v in start.items()}, free, keep


def _scores(outputs: Float[np.ndarray, "rates n 10"], task: Task) -> tuple[np.ndarray, np.ndarray]:
    v = len(task.y_val)
    picked = outputs.argmax(axis=2)
    return (picked[:, :v] == task.y_val).mean(axis=1), (picked[:, v:] == task.y_test).mean(axis=1)


def _best(out: np.ndarray, wrong: np.ndarray, task: Task) -> tuple[float, float]:
    if not np.isfinite(out).all():
        raise FloatingPointError("distillation diverged; take smaller rates")
    valid, test = _scores(out, task)
    k = int(np.argmax(valid))
    return float(test[k]), float(_scores(wrong, task)[1][k])


def largest_ratio(found: Merged, *, kept: bool = False) -> Estimate:
    """Trained parameters after a merge over before, the largest; without any merge (control) it is 1."""
    p = found.parameters
    return Estimate.exact(1.0 if kept else max(b / a for a, b in itertools.pairwise(p)), n=len(p) - 1)


def drop(found: Merged, merges: int = 1, *, foreign: bool = False) -> Estimate:
    """Test accuracy without a merge less that with some, or with some and features of another draw (control)."""
    return statistics.paired_difference(found.test[:, 0], (found.other if foreign else found.test)[:, merges])


@on_one_thread
def by_formula(
    features: Sequence[int], points: int, draws: int, *, shared: bool = True, seed: int = 0
) -> Float[np.ndarray, "draws k"]:
    r"""Relative error of a two-layer cosine network merged by the formula, for each number of features of both layers.

    The hidden layer is $h=\sqrt{2/l}\,\cos(W_1x+b_1)$ scaled to norm about `NORM`. Everything between the maps stays complex and
    holomorphic; the real part is taken at the end. With `shared` false, the second layer's parameters are mapped by a
    draw of their own (control).
    """
    errors = []
    for i in progress.track(range(draws), "Merging by formula"):
        rng = np.random.default_rng([seed, 62, i])
        x, w1, w2 = (_rows(n, k, rng) for n, k in ((points, UNITS), (UNITS, UNITS), (UNITS, UNITS)))
        b1, b2 = rng.uniform(-np.pi, np.pi, (2, UNITS))
        scale = NORM * np.sqrt(2.0 / UNITS)
        truth = np.cos(scale * np.cos(x @ w1.T + b1) @ w2.T + b2)
        row = []
        for m in features:
            inner = un.draw(COSINE, rng.standard_normal((m, UNITS)), "asymmetric", rng)
            outer = un.draw(COSINE, rng.standard_normal((m, m)), "asymmetric", rng)
            theirs = outer if shared else un.draw(COSINE, rng.standard_normal((m, m)), "asymmetric", rng)
            weights = scale * w2 @ un.parameter_map(w1, b1, inner)
            psi = un.parameter_map(weights, b2, theirs)
            merged = (un.input_map(un.input_map(x, inner), outer) @ psi.T).real
            row.append(rms(merged - truth) / rms(truth))
        errors.append(row)
    return np.asarray(errors)


def _rows(n: int, d: int, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
    v = rng.standard_normal((n, d))
    return NORM * v / np.linalg.norm(v, axis=1, keepdims=True)


def formula_slope(features: Sequence[int], errors: Float[np.ndarray, "draws k"]) -> Estimate:
    """Log-log slope of the error against the number of features."""
    return statistics.slope(features, errors, statistic=rms)


def reading(found: Merged) -> str:
    """Parameters and mean test accuracy after each merge, as Markdown."""
    lines = ["| network | trained parameters | test accuracy |", "|---|---|---|"]
    lines.append(f"| dense | {found.dense} | {found.teacher.mean():.4f} |")
    for k, count, accuracy in zip(MERGES, found.parameters, found.test.mean(axis=0), strict=True):
        lines.append(f"| {k} merges | {count} | {accuracy:.4f} |")
    return "\n".join(lines)
