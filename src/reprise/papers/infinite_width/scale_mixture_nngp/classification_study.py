"""Sparse classifiers on images, in and out of distribution: the evidence for claim C5."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import special

from reprise.papers.infinite_width.scale_mixture_nngp import variational
from reprise.papers.infinite_width.scale_mixture_nngp.image_sets import Images, Kernel, Task, load_task
from reprise.papers.infinite_width.scale_mixture_nngp.latent_sampler import draw_randomness, run_chain
from reprise.papers.infinite_width.scale_mixture_nngp.variational import FROZEN, SVGP, SVTP, Kind, Posterior
from reprise.progress import track

SHAPE = 2.0
HUGE = 1.0e6
CLASSES, HIDDEN, SWEEPS = 10, 3, 600
TEMPERATURES = np.geomspace(0.1, 5.0, 41)


class Settings(NamedTuple):
    """Sizes of the experiment; everything is drawn anew for every seed."""

    train: int
    test: int
    inducing: int
    steps: int
    scales: list[float]  # candidates for the prior's scale: v of the SVGP, b/a of the SVTP
    kernel: str
    size: int  # pixels
    chain_points: int  # training points of the exact posterior

    @property
    def valid(self) -> int:
        """Images held out of training to choose scales and temperature: a tenth."""
        return self.train // 10


class Prepared(NamedTuple):
    """Features of every part of a task by the same inducing images; `others` holds test and elsewhere end to end."""

    task: Task
    train: variational.Features
    valid: variational.Features
    others: variational.Features

    def few(self, count: int) -> "Prepared":
        """The same by the first inducing images alone."""
        return Prepared(self.task, *(variational.few_inducing(part, count) for part in self[1:]))


def study_classification(names: list[str], seeds: int, settings: Settings, *, seed: int) -> pd.DataFrame:
    """One row for each set, seed, method and kind of image."""
    rows: list[dict[str, object]] = []
    jobs = [(name, repeat) for name in names for repeat in range(seeds)]
    for name, repeat in track(jobs, "classifiers"):
        offset = 1000 * seed + repeat
        task = load_task(
            name, offset, train=settings.train, valid=settings.valid, test=settings.test,
            size=settings.size,
        )  # fmt: skip
        kernel = Kernel(settings.kernel, HIDDEN, float(task.train.x.mean()), float(task.train.x.std()))
        base = {"set": name, "seed": repeat}
        rows += [base | row for row in sparse_rows(task, kernel, settings, seed=offset)]
        if settings.chain_points:
            rows += [base | row for row in sampled_rows(task, kernel, settings, seed=offset)]
    return pd.DataFrame(rows)


def sparse_rows(task: Task, kernel: Kernel, settings: Settings, *, seed: int) -> list[dict[str, object]]:
    """SVGP, SVTP and their controls; each chooses its prior scale by the NLL of the held-out images.

    The SVTP's posterior scale is learnt by the bound, though. So there is also an SVGP of that scale: what is left between
    the two is the tails' doing.
    """
    at = prepare(task, kernel, settings.inducing)
    few = at.few(max(4, settings.inducing // 10))
    noise = variational.draw_noise(
        np.random.default_rng(seed), len(task.train.x), steps=settings.steps, classes=CLASSES
    )  # fmt: skip

    def fit(one: tuple[Prepared, Kind, float, float]) -> Posterior:
        here, kind, shape, scale = one
        return variational.train(here.train, np.asarray(task.train.labels), scale, kind, noise, shape=shape)

    def choose(found: list[Posterior], kind: Kind) -> int:
        losses = [
            nll(_log_p(q, at.valid, scale, kind), task.valid.labels)
            for q, scale in zip(found, settings.scales, strict=True)
        ]
        return int(np.argmin(losses))

    grid = [(at, kind, SHAPE, scale) for kind in (SVGP, SVTP) for scale in settings.scales]
    workers = max(1, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1
    with ThreadPoolExecutor(workers) as pool:
        fitted = list(pool.map(fit, grid))
        count = len(settings.scales)
        gauss, student = choose(fitted[:count], SVGP), choose(fitted[count:], SVTP)
        v, u = settings.scales[gauss], settings.scales[student]
        own = _mean_scale(fitted[count + student], SVTP, u)
        others = [(at, FROZEN, HUGE, v), (at, FROZEN, SHAPE, v), (few, SVTP, SHAPE, u)]
        rest = list(pool.map(fit, [*others, (at, SVGP, SHAPE, own), (at, FROZEN, HUGE, own)]))
    best = fitted[gauss]
    held_out = _log_p(best, at.valid, v, SVGP)
    losses = [nll(tempered(held_out, t), task.valid.labels) for t in TEMPERATURES]
    temperature = float(TEMPERATURES[int(np.argmin(losses))])
    rows = scores("SVGP", best, at, v, SVGP)
    rows += scores("SVGP, temperature", best, at, v, SVGP, temperature)
    rows += scores("SVTP", fitted[count + student], at, u, SVTP)
    rows += scores("frozen, a = 1e6", rest[0], at, v, FROZEN)
    rows += scores("frozen, a = 2", rest[1], at, v, FROZEN)
    rows += scores("few inducing", rest[2], few, u, SVTP)
    rows += scores("SVGP, SVTP's scale", rest[3], at, own, SVGP)
    return rows + scores("frozen, SVTP's scale", rest[4], at, own, FROZEN)


def prepare(task: Task, kernel: Kernel, inducing: int) -> Prepared:
    """Features by the first training images as inducing images (the parts are drawn at random)."""
    parts = [task.train.x, task.valid.x, task.test.x, *(part.x for part in task.elsewhere.values())]
    points = np.concatenate(parts)
    k_xz = kernel.between(points, points[:inducing])
    found = variational.features(0.5 * (k_xz[:inducing] + k_xz[:inducing].T), k_xz, kernel.diagonal(points))
    first, second = len(parts[0]), len(parts[0]) + len(parts[1])
    return Prepared(
        task,
        *(variational.Features(jnp.asarray(np.asarray(found.a)[rows]), jnp.asarray(np.asarray(found.rest)[rows]))
          for rows in (slice(first), slice(first, second), slice(second, None))),
    )  # fmt: skip


def scores(
    name: str, q: Posterior, at: Prepared, scale: float, kind: Kind, temperature: float = 1.0
) -> list[dict[str, object]]:
    """One row for each kind of image."""
    log_p = tempered(_log_p(q, at.others, scale, kind), temperature)
    parts = {"test": at.task.test, **at.task.elsewhere}
    ends = np.cumsum([len(part.x) for part in parts.values()])[:-1]
    common = {"method": name, "prior_scale": scale, "scale": _mean_scale(q, kind, scale), "dof": _dof(q, kind)}
    common["temperature"] = temperature
    return [
        {"images": images, **measure(piece, part), **common}
        for (images, part), piece in zip(parts.items(), np.split(log_p, ends), strict=True)
    ]


def sampled_rows(task: Task, kernel: Kernel, settings: Settings, *, seed: int) -> list[dict[str, object]]:
    """The exact posteriors of both processes on fewer points, by Markov chains; prior scales chosen in the same way."""
    n, limit = settings.chain_points, 500
    x, labels = task.train.x[:n], jnp.asarray(np.asarray(task.train.labels)[:n])
    k = kernel.between(x, x)
    root = np.linalg.cholesky(0.5 * (k + k.T) + 1e-6 * np.trace(k) / n * np.eye(n))
    parts = {"valid": task.valid, "test": task.test, **task.elsewhere}
    rng = np.random.default_rng(n)
    kept = {name: rng.permutation(len(part.x))[:limit] for name, part in parts.items()}
    points = np.concatenate([parts[name].x[rows] for name, rows in kept.items()])
    gain = np.linalg.solve(root, kernel.between(points, x).T).T
    rest = np.maximum(kernel.diagonal(points) - np.sum(gain**2, axis=1), 1e-9)
    ends = np.cumsum([len(rows) for rows in kept.values()])
    rows: list[dict[str, object]] = []
    valid = np.asarray(task.valid.labels)[kept["valid"]]
    arrays = (jnp.asarray(root), jnp.asarray(gain), jnp.asarray(rest), labels)
    for method, student in (("NNGP, sampled", False), ("t, sampled", True)):
        found = []
        random = draw_randomness(np.random.default_rng(seed), sweeps=SWEEPS, n=n, tests=len(points), a=SHAPE)
        for scale in settings.scales:
            chain = run_chain(random, *arrays, SHAPE, SHAPE * scale, student)
            pieces = dict(zip(kept, np.split(np.asarray(chain.log_p), ends[:-1]), strict=True))
            found.append((nll(pieces["valid"], valid), scale, chain, pieces))
        _, scale, chain, pieces = min(found, key=lambda f: f[0])
        extra = {"prior_scale": scale, "scale": float(np.mean(np.asarray(chain.scales)))}
        for images in list(kept)[1:]:
            part = _part(task, images)
            own_labels = None if part.labels is None else part.labels[kept[images]]
            rows.append(
                {"method": method, "images": images, **measure(pieces[images], Images(part.x, own_labels)), **extra}
            )
    return rows


def measure(log_p: Float[np.ndarray, "n c"], part: Images) -> dict[str, float]:
    """NLL, accuracy, calibration error and entropy.

    Where the images have no label of these classes, the NLL is that of a label drawn uniformly, at best log c.
    """
    entropy = float(-np.mean(np.sum(np.exp(log_p) * log_p, axis=1)))
    if part.labels is None:
        return {"nll": float(-np.mean(log_p)), "accuracy": np.nan, "ece": np.nan, "entropy": entropy}
    accuracy = float(np.mean(np.argmax(log_p, axis=1) == part.labels))
    return {"nll": nll(log_p, part.labels), "accuracy": accuracy, "ece": ece(log_p, part.labels), "entropy": entropy}


def nll(log_p: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"] | None) -> float:
    """Mean negative log probability of the labels."""
    if labels is None:
        raise ValueError("labels are needed")
    return float(-np.mean(log_p[np.arange(len(labels)), labels]))


def ece(log_p: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], bins: int = 15) -> float:
    """Expected calibration error: |accuracy - confidence| in bins of equal width, weighted by their shares.

    >>> round(ece(np.log([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1])), 6)  # half are right, 80 % are claimed
    0.3
    """
    confidence = np.exp(log_p.max(axis=1))
    right = np.argmax(log_p, axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, right.astype(float) - confidence, minlength=bins)
    return float(np.sum(np.abs(gaps)) / len(labels))


def tempered(log_p: Float[np.ndarray, "n c"], temperature: float) -> Float[np.ndarray, "n c"]:
    """Probabilities to the power of 1 / temperature, normalised again.

    >>> np.exp(tempered(np.log([[0.8, 0.2]]), 0.5)).round(4)
    array([[0.9412, 0.0588]])
    """
    return np.asarray(special.log_softmax(log_p / temperature, axis=1))


def _log_p(q: Posterior, at: variational.Features, scale: float, kind: Kind) -> np.ndarray:
    white = np.random.default_rng(0).standard_normal((25, 20, 1, CLASSES), dtype=np.float32)
    found = variational.log_probabilities(white, q, at, jnp.float32(scale), jnp.asarray(kind.student))
    return np.asarray(found, np.float64)


def _part(task: Task, images: str) -> Images:
    return task.test if images == "test" else task.elsewhere[images]


def _mean_scale(q: Posterior, kind: Kind, scale: float) -> float:
    """b-hat / a-hat of an SVTP, v of an SVGP: the squared spread of the process against unit prior."""
    log_a, log_b = np.asarray(q.log_ab, float)
    return float(np.exp(log_b - log_a)) if kind.student else scale


def _dof(q: Posterior, kind: Kind) -> float:
    return float(2 * np.exp(np.asarray(q.log_ab, float)[0])) if kind.student else np.inf
