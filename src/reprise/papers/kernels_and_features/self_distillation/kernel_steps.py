r"""Claims C1, C2 and C3: repeated fits against closed forms, their limit, and what they regularise."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.self_distillation import closed_form, problems
from reprise.papers.kernels_and_features.self_distillation.problems import WAVE_KERNEL, Problem
from reprise.papers.kernels_and_features.self_distillation.refits import Refitter, by_scikit_learn

WAVE_RIDGE = 5.0
"""Penalty of the wave experiments: of the order of the leading eigenvalues, so that one direction soon is the slowest."""
LEADING = 5
"""Ratios of neighbouring directions are looked at for this many: later ones, at the late steps without targets, are rounding."""
FALL = 1e-12
"""Relative change that counts as a fall; rounding is below, every true step at the weights tried is above."""

Smoother = Float[np.ndarray, "waves steps n"]
r"""Diagonals $v_i^\top M^{(\tau)}v_i$ of the matrices that take targets to fitted values, for each wave and step."""


def span(values: Sequence[float], method: str, *, worst: str = "high") -> Estimate:
    """The range of a deterministic quantity over problems; its value is the worst of them."""
    low, high = float(np.min(values)), float(np.max(values))
    return Estimate(high if worst == "high" else low, low, high, n=len(values), level=1.0, method=method)


@on_one_thread
def closed_form_gaps(sizes: Sequence[int], steps: int, *, seed: int = 0) -> tuple[Estimate, Estimate]:
    """Largest difference, over steps and test points, between scikit-learn's refits and the closed form (C1).

    Relative to the largest prediction of all steps. Three data sets, three kernels, weights drawn between -0.5 and 1.5
    for each step. The second estimate is of a closed form that starts from the weighted first fit.
    """
    rng, gaps = np.random.default_rng([seed, 1]), []
    for problem in progress.track(problems.catalogue(sizes, seed), "closed form"):
        for kernel in problems.kernels(problem.x.shape[1]):
            weights, ridge = rng.uniform(-0.5, 1.5, steps).tolist(), float(10 ** rng.uniform(-1, 1))
            refitted = by_scikit_learn(problem, kernel, ridge, weights)
            spectrum = closed_form.decompose(kernel.of(problem.x, problem.x), ridge)
            k_test = kernel.of(problem.x_test, problem.x)
            closed = [
                closed_form.predictions(spectrum, k_test, problem.y, weights, first=first)
                for first in (1.0, weights[0])
            ]
            gaps.append([float(np.abs(refitted - c).max() / np.abs(refitted).max()) for c in closed])
    right, slip = (
        span(column, f"range over {len(gaps)} pairs of data set and kernel") for column in np.transpose(gaps)
    )
    return right, slip


def toy_fits(weight: float, steps: int = 6, *, times: float = 1.0) -> Float[np.ndarray, "steps t"]:
    """The toy's predictor at every step, by scikit-learn, on the grid of 101 points."""
    kernel = problems.gaussian(problems.TOY_GAMMA)
    return by_scikit_learn(problems.toy(), kernel, problems.TOY_RIDGE, [weight] * steps, times=times)[:, :, 0]


def toy_limit(weight: float, *, times: float = 1.0) -> Float[np.ndarray, " t"]:
    r"""Where the toy's fits go: one fit by scikit-learn with penalty $\lambda/\alpha$, or zero without targets."""
    if weight == 0.0:
        return np.zeros(101)
    return toy_fits(1.0, 1, times=times / weight)[0]


def toy_losses(weight: float, steps: int = 6, *, times: float = 1.0) -> Float[np.ndarray, " steps+1"]:
    """Mean squared error of the toy's steps and of their limit, against the sine."""
    fits = np.vstack([toy_fits(weight, steps, times=times), toy_limit(weight, times=times)])
    return np.asarray(((fits - problems.toy().y_test[:, 0]) ** 2).mean(axis=1))


def printed_gap(*, times: float = 1.0) -> Estimate:
    """Largest difference between the toy's losses and the 21 that the paper's code prints to five decimals (C1)."""
    gaps = [np.abs(toy_losses(w, times=times) - printed).max() for w, printed in problems.TOY_LOSSES.items()]
    return span(gaps, "range over three weights")


def _waves(count: int, n: int, seed: int) -> list[tuple[Problem, Refitter, Float[np.ndarray, "t n"]]]:
    found = []
    for i in range(count):
        problem = problems.wave(n, (seed, 2, i))
        refitter = Refitter(WAVE_KERNEL.of(problem.x, problem.x), WAVE_RIDGE)
        found.append((problem, refitter, WAVE_KERNEL.of(problem.x_test, problem.x)))
    return found


@on_one_thread
def distances(
    weights: Sequence[float], count: int, n: int, steps: int, *, penalty: str = "amplified", seed: int = 0
) -> Float[np.ndarray, "waves weights steps"]:
    r"""Distance of every step from a plain fit, over test points and relative to it, for waves of n points (C2).

    The plain fit has the penalty $\lambda/\alpha$, or $\lambda$ itself with `penalty="same"`; it is solved anew.
    """
    columns, found = np.asarray(weights), []
    for problem, refitter, k_test in progress.track(_waves(count, n, seed), "convergence"):
        fits = refitter.repeat(np.repeat(problem.y, len(columns), axis=1), columns, steps, k_test)
        ends = [_plain(refitter, w, penalty).fit(problem.y, k_test)[:, 0] for w in weights]
        end = np.stack(ends, axis=1)
        found.append((np.linalg.norm(fits - end, axis=1) / np.linalg.norm(end, axis=0)).T)
    return np.stack(found)


@on_one_thread
def worst_distances(
    weights: Sequence[float], count: int, n: int, steps: int, *, penalty: str = "amplified", seed: int = 0
) -> Float[np.ndarray, "waves weights steps"]:
    r"""The same for the worst of all targets: $\lVert M^{(\tau)}-M^{(\infty)}\rVert_2/\lVert M^{(\infty)}\rVert_2$ (C2).

    M takes targets to fitted values; it is found by refitting the n unit vectors. The targets of one data set may hold
    little of the slowest direction, and then rounding comes before the rate is seen.
    """
    found = []
    for _, refitter, _ in progress.track(_waves(count, n, seed), "convergence, worst targets"):
        rows = []
        for weight in weights:
            end = _plain(refitter, weight, penalty).fit(np.eye(n))
            gaps = refitter.repeat(np.eye(n), weight, steps) - end
            size = np.abs(np.linalg.eigvalsh(0.5 * (gaps + gaps.swapaxes(1, 2)))).max(axis=1)
            rows.append(size / np.linalg.norm(end, 2))
        found.append(rows)
    return np.asarray(found)


def _plain(refitter: Refitter, weight: float, penalty: str) -> Refitter:
    return Refitter(refitter.gram, WAVE_RIDGE / weight if penalty == "amplified" else WAVE_RIDGE)


def rates(weights: Sequence[float], count: int, n: int, *, seed: int = 0) -> Float[np.ndarray, "waves weights"]:
    r"""The predicted rates $\log((1-\alpha)\max_iA_{ii})$ of the same waves."""
    rows = []
    for _, refitter, _ in _waves(count, n, seed):
        shrinkage = closed_form.decompose(refitter.gram, WAVE_RIDGE).shrinkage
        rows.append([np.log(closed_form.rate(shrinkage, w)) for w in weights])
    return np.asarray(rows)


def rate_ratio(
    reference: Float[np.ndarray, "waves weights steps"],
    measured: Float[np.ndarray, "waves weights steps"],
    predicted: Float[np.ndarray, "waves weights"],
    *,
    between: tuple[float, float] = (1e-13, 1e-9),
) -> Estimate:
    """Fitted decrease of the log distance per step over the predicted one: union of intervals over weights (C2).

    Fitted over the steps at which `reference` lies between two distances, where the slowest direction is left over and
    rounding is far away; bootstrap over waves at each weight.
    """
    parts = []
    for j in range(reference.shape[1]):
        ratios = []
        for i in range(len(reference)):
            chosen = np.flatnonzero((reference[i, j] > between[0]) & (reference[i, j] < between[1]))
            slope = np.polyfit(chosen, np.log(measured[i, j, chosen]), 1)[0]
            ratios.append(slope / predicted[i, j])
        parts.append(statistics.mean(ratios, method="bootstrap"))
    return union(parts, 1.0)


def _spectra(smoother: Smoother, seed: int) -> list[Float[np.ndarray, " n"]]:
    count, _, n = smoother.shape
    return [closed_form.decompose(r.gram, WAVE_RIDGE).values for _, r, _ in _waves(count, n, seed)]


def union(parts: Sequence[Estimate], centre: float) -> Estimate:
    """The part that is farthest from a centre, with the union of all intervals."""
    values = [float(np.asarray(p.value)) for p in parts]
    worst = parts[int(np.argmax(np.abs(np.asarray(values) - centre)))]
    low, high = (float(pick([np.asarray(end) for end in ends])) for pick, ends in (
        (np.min, [p.low for p in parts]), (np.max, [p.high for p in parts])
    ))  # fmt: skip
    return Estimate(
        worst.value,
        low,
        high,
        n=worst.n,
        level=worst.level,
        method=f"union of {len(parts)}: {worst.method}",
        samples=worst.samples,
    )


def last_distance(found: Float[np.ndarray, "waves weights steps"]) -> Estimate:
    """Distance from the limit at the last step: range over waves and weights (C2)."""
    return span(found[:, :, -1].ravel().tolist(), "range over waves and weights")


def distance_to_ridges(count: int, n: int, steps: int, *, seed: int = 0) -> Estimate:
    r"""Without targets: smallest distance of the last step from a plain fit, relative to that fit (control of C2).

    Over 121 penalties from $\lambda$ to $10^{12}\lambda$; the range over waves. It is one for the zero function.
    """
    penalties, found = WAVE_RIDGE * np.geomspace(1.0, 1e12, 121), []
    for problem, refitter, k_test in _waves(count, n, seed):
        last = refitter.repeat(problem.y, 0.0, steps, k_test)[-1, :, 0]
        spectrum = closed_form.decompose(refitter.gram, 1.0)
        along = spectrum.vectors.T @ problem.y
        plain = (k_test @ spectrum.vectors) @ (along / (spectrum.values[:, None] + penalties))
        found.append(float((np.linalg.norm(plain - last[:, None], axis=0) / np.linalg.norm(plain, axis=0)).min()))
    return span(found, "range over waves", worst="low")


def remainder(weight: float, count: int, n: int, steps: int, *, seed: int = 0) -> Estimate:
    """Norm of the last step's predictor over that of the first fit: range over waves (C2)."""
    found = []
    for problem, refitter, k_test in _waves(count, n, seed):
        fits = refitter.repeat(problem.y, weight, steps, k_test)
        found.append(float(np.linalg.norm(fits[-1]) / np.linalg.norm(fits[0])))
    return span(found, "range over waves", worst="high" if weight == 0.0 else "low")


@on_one_thread
def smoother_steps(weight: float, count: int, n: int, steps: int, *, seed: int = 0) -> Smoother:
    r"""$v_i^\top M^{(\tau)}v_i$ of the matrices $M^{(\tau)}$ that take targets to fitted values, found by refitting (C3).

    The columns of the identity are the targets, so that the fits are $M^{(\tau)}$; $v_i$ are the eigenvectors of K.
    """
    found = []
    for _, refitter, _ in progress.track(_waves(count, n, seed), f"smoothers, weight {weight:g}"):
        vectors = closed_form.decompose(refitter.gram, WAVE_RIDGE).vectors
        fits = refitter.repeat(np.eye(n), weight, steps)
        found.append(np.sum((vectors.T @ fits) * vectors.T, axis=2))
    return np.stack(found)


def share(fine: np.ndarray) -> Estimate:
    """The share of true entries."""
    return Estimate.exact(float(fine.mean()), n=int(fine.size), method="share, all counted")


def _neighbours(smoother: Float[np.ndarray, "waves steps n"], leading: int) -> Float[np.ndarray, "waves steps leading"]:
    """$R_k=B_{kk}/B_{k+1,k+1}$ of the leading directions."""
    return np.asarray(smoother[..., :leading] / smoother[..., 1 : leading + 1])


def share_falling(smoothers: Sequence[Smoother], steps: int = 10) -> Estimate:
    """Share of the first steps at which the effective degrees of freedom fall (C3)."""
    traces = np.stack([s.sum(axis=-1)[:, :steps] for s in smoothers])
    return share(np.diff(traces, axis=-1) < -FALL * traces[..., :-1])


def over_floor(smoothers: Sequence[Smoother], weights: Sequence[float], *, seed: int = 0) -> Estimate:
    r"""Smallest degrees of freedom over all steps, over their limit $\sum_id_i/(d_i+\lambda/\alpha)$ (C3)."""
    ratios = []
    for found, weight in zip(smoothers, weights, strict=True):
        floors = [closed_form.limit_factors(d, WAVE_RIDGE, weight).sum() for d in _spectra(found, seed)]
        ratios += (found.sum(axis=-1).min(axis=1) / floors).tolist()
    return span(ratios, "range over waves and weights", worst="low")


def over_bound(
    smoothers: Sequence[Smoother],
    weights: Sequence[float],
    *,
    limit: bool = False,
    leading: int = LEADING,
    seed: int = 0,
) -> Estimate:
    r"""Largest of the leading ratios $R_k$ over steps, over its bound $A_{kk}/B^{(\infty)}_{k+1,k+1}$ (C3).

    With `limit` over the ratio's limit instead, which is no bound (see `closed_form.limit_ratio`).
    """
    against = closed_form.limit_ratio if limit else closed_form.ratio_bound
    excess = []
    for found, weight in zip(smoothers, weights, strict=True):
        for b, d in zip(found, _spectra(found, seed), strict=True):
            excess.append(float((_neighbours(b, leading) / against(d, WAVE_RIDGE, weight)[:leading]).max()))
    return span(excess, "range over waves and weights")


def share_above_first(smoothers: Sequence[Smoother], steps: int = 20, leading: int = LEADING) -> Estimate:
    """Share of steps, from the second on, at which the leading ratios $R_k$ exceed those of the first fit (C3)."""
    ratios = np.stack([_neighbours(s, leading)[:, :steps] for s in smoothers])
    return share(ratios[:, :, 1:] > (1.0 + FALL) * ratios[:, :, :1])


def share_growing(smoother: Smoother, steps: int = 20, leading: int = LEADING) -> Estimate:
    """Share of the first steps at which the leading ratios $R_k$ grow (C3)."""
    ratios = _neighbours(smoother, leading)[:, :steps]
    return share(np.diff(ratios, axis=1) > FALL * ratios[:, :-1])


def toy_path(weight: float) -> Estimate:
    """The toy's losses at the six steps, to be judged by their order (C3)."""
    return Estimate.exact(toy_losses(weight)[:6].tolist(), 1e-9, method="computed")


def toy_best_step(weight: float) -> Estimate:
    """The step, of the first six, with the smallest loss of the toy (C3)."""
    return Estimate.exact(1.0 + float(np.argmin(toy_losses(weight)[:6])), method="computed")
