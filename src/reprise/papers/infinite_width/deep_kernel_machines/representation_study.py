r"""What the labels do to the representation, and that it vanishes as $\nu\to\infty$: the evidence for claim C3."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy import optimize

from reprise.papers.infinite_width.deep_kernel_machines import closed_forms
from reprise.papers.infinite_width.deep_kernel_machines.finite_width import draw_problems
from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import nngp_grams
from reprise.papers.infinite_width.deep_kernel_machines.objective import (
    layer_divergences,
    maximise,
    unpack,
    whitened_divergence,
    whitened_grams,
)
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator


class LinearStudy(NamedTuple):
    """Largest relative error of a formula for the deep linear machine's Gram matrices, one value a problem."""

    geometric: Float[np.ndarray, " problems"]
    arithmetic: Float[np.ndarray, " problems"]


class AlignmentStudy(NamedTuple):
    """Rows are problems, columns values of nu in the given order."""

    nus: Float[np.ndarray, " nus"]
    alignment: Float[np.ndarray, "problems nus"]
    shuffled: Float[np.ndarray, "problems nus"]  # labels shuffled in training, alignment with the true ones
    divergence: Float[np.ndarray, "problems nus layers"]
    from_nngp: Float[np.ndarray, "problems nus"]  # largest relative distance of a layer from the NNGP's
    grams: dict[str, Float[np.ndarray, "p p"]]  # first problem: prior, one for each nu, labels


def study_linear(problems: int, *, points: int, depth: int, key: PRNGKeyArray) -> LinearStudy:
    """Optimise the deep linear objective numerically and compare with the geodesic and with the straight line."""
    geometric: list[float] = []
    arithmetic: list[float] = []
    for number in range(problems):
        gram0, s = (w @ w.T / (2 * points) for w in generator(key, number).normal(size=(2, points, 2 * points)))
        found = _linear_optimum(gram0, s, depth)
        size = np.linalg.norm(found, axis=(1, 2))
        for errors, formula in ((geometric, closed_forms.deep_linear), (arithmetic, closed_forms.arithmetic_path)):
            errors.append(float(np.max(np.linalg.norm(found - formula(gram0, s, depth), axis=(1, 2)) / size)))
    return LinearStudy(np.asarray(geometric), np.asarray(arithmetic))


def study_alignment(
    nus: list[float],
    problems: int,
    *,
    points: int,
    depth: int,
    kernel: str = "relu",
    noise: float = 0.1,
    key: PRNGKeyArray,
) -> AlignmentStudy:
    """Centred alignment of the top Gram matrix with the labels' Gram matrix, for each nu, true and shuffled labels."""
    tasks = draw_problems(key, problems=problems, points=points, inputs=3, outputs=2)
    orders = [generator(key, s).permutation(points) for s in range(problems)]
    rows: dict[str, list[Any]] = {"alignment": [], "shuffled": [], "divergence": [], "from_nngp": []}
    shown: dict[str, np.ndarray] = {}
    for s, (gram0, y, order) in enumerate(zip(tasks.gram0, tasks.y, orders, strict=True)):
        labels, prior = y @ y.T, np.asarray(nngp_grams(kernel, jnp.asarray(gram0), depth))
        if s == 0:
            shown["prior"] = prior[-1]
        columns: dict[str, list[Any]] = {name: [] for name in rows}
        for nu in nus:
            grams, wrong = (
                maximise(gram0, targets, kernel=kernel, depth=depth, nu=nu, noise=noise, key=key).grams
                for targets in (y, y[order])
            )
            columns["alignment"].append(centred_alignment(grams[-1], labels))
            columns["shuffled"].append(centred_alignment(wrong[-1], labels))
            columns["divergence"].append(layer_divergences(grams, gram0, kernel))
            distance = np.linalg.norm(grams - prior, axis=(1, 2)) / np.linalg.norm(prior, axis=(1, 2))
            columns["from_nngp"].append(float(distance.max()))
            if s == 0:
                shown[f"nu = {nu:g}"] = grams[-1]
        if s == 0:
            shown["labels"] = labels
        for name, values in columns.items():
            rows[name].append(values)
    return AlignmentStudy(
        nus=np.asarray(nus), grams=shown, **{name: np.asarray(values) for name, values in rows.items()}
    )


def centred_alignment(a: Float[np.ndarray, "p p"], b: Float[np.ndarray, "p p"]) -> float:
    """Cosine of two Gram matrices after centring their features; 1 if they are proportional.

    >>> round(centred_alignment(np.diag([1.0, 2.0]), np.diag([2.0, 4.0])), 12)
    1.0
    """
    centre = np.eye(len(a)) - 1.0 / len(a)
    a, b = centre @ a @ centre, centre @ b @ centre
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def _linear_optimum(gram0: np.ndarray, s: np.ndarray, depth: int) -> np.ndarray:
    """Minimise the sum of all divergences along the chain input, layers, labels, each with weight one."""
    start = np.tile(np.eye(len(gram0))[np.tril_indices(len(gram0))], depth)
    found = optimize.minimize(
        lambda flat: tuple(np.asarray(v) for v in _linear_loss(flat, gram0, s, depth)),
        start,
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10, "maxiter": 5000},
    )
    return np.asarray(_linear_grams(found.x, gram0, depth))


@partial(jax.jit, static_argnames="depth")
def _linear_grams(flat: Array, gram0: Array, depth: int) -> Array:
    return whitened_grams(unpack(flat, depth, len(gram0)), gram0, "linear")


@partial(jax.jit, static_argnames="depth")
@partial(jax.value_and_grad, argnums=0)
def _linear_loss(flat: Array, gram0: Array, s: Array, depth: int) -> Array:
    top = _linear_grams(flat, gram0, depth)[-1]
    last = 0.5 * (jnp.trace(jnp.linalg.solve(top, s)) + jnp.linalg.slogdet(top)[1])
    return sum((whitened_divergence(f) for f in unpack(flat, depth, len(gram0))), last)
