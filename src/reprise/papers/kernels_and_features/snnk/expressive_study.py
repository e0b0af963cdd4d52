r"""Claim C3: a neuron of the arc-cosine kernel against functions of w·x."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline, make_lsq_spline

from reprise import statistics
from reprise.estimate import Estimate
from reprise.kernels.projections import arc_cosine
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.snnk import bundles
from reprise.papers.kernels_and_features.snnk import universal as un
from reprise.papers.kernels_and_features.snnk.spectra import COSINE

DIMENSION = 10
RIDGES = tuple(10.0**p for p in range(-10, -1))
"""Ridges among which a third of the training points chooses."""
Vector = Float[np.ndarray, " n"]


def twins() -> tuple[Float[np.ndarray, "2 10"], Float[np.ndarray, " 10"]]:
    """Two inputs with the same dot product with w, 0.6, but norms of 0.6 and about 1.62; and w, of norm 1."""
    x, w = np.zeros((2, DIMENSION)), np.zeros(DIMENSION)
    x[:, 0], x[1, 1], w[0] = 0.6, 1.5, 1.0
    return x, w


def rectified_estimates(draws: int, features: int, *, seed: int = 0) -> Float[np.ndarray, "draws 2"]:
    """The neuron's value at both inputs, for independent draws of the features."""
    (x, w), rng, values = twins(), np.random.default_rng([seed, 33]), []
    for _ in range(draws):
        g = rng.standard_normal((features, DIMENSION))
        values.append(_rectified(x, g) @ _rectified(w, g))
    return np.asarray(values)


def _rectified(x: Float[np.ndarray, "*n d"], g: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "*n m"]:
    r"""$m^{-1/2}\max(Gx,0)$."""
    return np.maximum(x @ g.T, 0.0) * len(g) ** -0.5


def universal_estimates(draws: int, features: int, *, seed: int = 0) -> Float[np.ndarray, "draws 2"]:
    """The same for the cosine of w·x."""
    (x, w), rng = twins(), np.random.default_rng([seed, 31])
    values = []
    for _ in range(draws):
        frozen = un.draw(COSINE, rng.standard_normal((features, DIMENSION)), "asymmetric", rng)
        values.append(un.layer(x, w[None], np.zeros(1), frozen)[:, 0])
    return np.asarray(values)


def over_limit(values: Float[np.ndarray, "draws 2"], *, rectifier: bool = False) -> Estimate:
    """Mean estimate at the second input over the arc-cosine kernel, or (control) over max(w·x, 0)."""
    x, w = twins()
    limit = np.maximum(x @ w, 0.0) if rectifier else np.asarray(arc_cosine(x, w))
    return statistics.mean(values[:, 1] / limit[1])


def gap(values: Float[np.ndarray, "draws 2"]) -> Estimate:
    """Mean difference between the two inputs, in standard errors."""
    return statistics.largest_z(values[:, 1] - values[:, 0], 0.0)


class Regression(NamedTuple):
    """Test targets and predictions of the two models, (repeats, points) each, and their R², (repeats,)."""

    target: Float[np.ndarray, "repeats n"]
    neuron: Float[np.ndarray, "repeats n"]
    spline: Float[np.ndarray, "repeats n"]
    neuron_r2: Float[np.ndarray, " repeats"]
    spline_r2: Float[np.ndarray, " repeats"]


def r_squared(target: Vector, predicted: Vector) -> float:
    """Share of the variance explained, on points that were not fitted.

    >>> r_squared(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    0.0
    """
    return float(1.0 - ((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum())


@on_one_thread
def regress(points: int, features: int, repeats: int, *, rectifier: bool = False, seed: int = 0) -> Regression:
    """Learn a target of one random w0 from Gaussian inputs, by one neuron (fresh features) and by a spline of w·x.

    Args:
        points: training points, and as many test points.
        features: of the neuron.
        repeats: independent repetitions.
        rectifier: the target is max(w0·x, 0) instead of the arc-cosine kernel of w0 and x.
        seed: base of all draws.
    """
    rows = []
    for i in range(repeats):
        rng = np.random.default_rng([seed, 32, i])
        w = rng.standard_normal(DIMENSION)
        w /= np.linalg.norm(w)
        x = rng.standard_normal((2 * points, DIMENSION))
        y = np.maximum(x @ w, 0.0) if rectifier else np.asarray(arc_cosine(x, np.broadcast_to(w, x.shape)))
        train, test = slice(0, points), slice(points, None)
        g = rng.standard_normal((features, DIMENSION))
        one = fit_neuron(_rectified(x, g), y, points)
        direction, spline = fit_ridge_function(x[train], y[train], rng)
        other = np.asarray(spline(np.clip(x[test] @ direction, *spline.t[[0, -1]])))
        rows.append((y[test], one, other, r_squared(y[test], one), r_squared(y[test], other)))
    return Regression(*(np.asarray(column) for column in zip(*rows, strict=True)))


def fit_neuron(phi: Float[np.ndarray, "n m"], y: Vector, points: int) -> Float[np.ndarray, " t"]:
    """Predictions beyond the first `points` rows of the vector Ψ by least squares; a third of them chooses the ridge."""
    held = points // 3
    predictions = bundles.primal_path(phi[held:points], y[held:points, None], phi, RIDGES)[:, :, 0]
    best = int(np.argmin(((predictions[:, :held] - y[:held]) ** 2).mean(axis=1)))
    return predictions[best, points:]


def fit_ridge_function(
    x: Float[np.ndarray, "n d"],
    y: Vector,
    rng: np.random.Generator,
    *,
    knots: int = 14,
    steps: int = 25,
    starts: int = 3,
) -> tuple[Float[np.ndarray, " d"], BSpline]:
    """The best g(w·x) by projection pursuit: g a cubic spline on quantiles, w by Gauss-Newton steps with halving.

    Starts from the least-squares direction and from random ones, and keeps the best on the training points.
    Source: Friedman and Stuetzle, Projection Pursuit Regression, 1981.
    """
    first = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
    best: tuple[float, np.ndarray, BSpline] | None = None
    for start in (first, *rng.standard_normal((starts - 1, x.shape[1]))):
        w = start / np.linalg.norm(start)
        spline, loss = _spline(x @ w, y, knots)
        for _ in range(steps):
            residual, slope = y - spline(x @ w), spline.derivative()(x @ w)
            move = np.linalg.lstsq(slope[:, None] * x, residual, rcond=None)[0]
            for size in (1.0, 0.5, 0.25, 0.125):
                new = w + size * move
                new /= np.linalg.norm(new)
                candidate, value = _spline(x @ new, y, knots)
                if value < loss:
                    break
            else:
                break
            stop = loss - value < 1e-9 * loss
            w, spline, loss = new, candidate, value
            if stop:
                break
        if best is None or loss < best[0]:
            best = (loss, w, spline)
    assert best is not None
    return best[1], best[2]


def _spline(u: Vector, y: Vector, knots: int) -> tuple[BSpline, float]:
    order = np.argsort(u)
    a, inner = u[order], np.quantile(u, np.linspace(0.0, 1.0, knots + 2)[1:-1])
    t = np.concatenate([[a[0]] * 4, inner, [a[-1]] * 4])
    spline = make_lsq_spline(a, y[order], t, k=3)
    return spline, float(((y - spline(u)) ** 2).mean())


def ceiling(dimension: int = DIMENSION, nodes: int = 60) -> float:
    r"""Exact R² of the conditional mean given $u=w_0^\top x$ for the arc-cosine target and Gaussian inputs.

    By Gauss quadrature over $u\sim N(0,1)$ and the squared length of the rest, $\chi^2_{d-1}$.
    """
    from scipy.special import roots_genlaguerre, roots_hermitenorm

    u, pu = roots_hermitenorm(nodes)
    half, pr = roots_genlaguerre(nodes, (dimension - 1) / 2 - 1)
    pu, pr = pu / pu.sum(), pr / pr.sum()
    length = np.sqrt(u[:, None] ** 2 + 2 * half)
    angle = np.arccos(u[:, None] / length)
    k = length / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * np.cos(angle))
    inner, total = k @ pr, pu @ (k @ pr)
    return float((pu @ (inner - total) ** 2) / (pu @ ((k - total) ** 2 @ pr)))


def advantage(found: Regression) -> Estimate:
    """R² of the neuron less that of the spline, paired."""
    return statistics.paired_difference(found.neuron_r2, found.spline_r2)


def explained(found: Regression) -> tuple[Estimate, Estimate]:
    """R² of the neuron and of the spline, means over repetitions."""
    return statistics.mean(found.neuron_r2), statistics.mean(found.spline_r2)
