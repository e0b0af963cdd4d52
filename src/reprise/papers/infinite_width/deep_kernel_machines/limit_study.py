"""Finite deep Gaussian processes against the limit, width by width: the evidence for claims C1 and C2."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import stats

from reprise.estimate import as_tuple
from reprise.papers.infinite_width.deep_kernel_machines.closed_forms import sphere_kurtosis
from reprise.papers.infinite_width.deep_kernel_machines.finite_width import Chains, Problems, draw_problems, sample
from reprise.papers.infinite_width.deep_kernel_machines.gram_kernels import nngp_grams
from reprise.papers.infinite_width.deep_kernel_machines.objective import Optimum, maximise
from reprise.papers.infinite_width.deep_kernel_machines.prior_draws import PriorDraws, draw_prior
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator
from reprise.progress import track
from reprise.statistics import bulk_ess, ks_distance, r_hat

SHOWN_UNITS = 4


class Settings(NamedTuple):
    """What is sampled, and how."""

    widths: list[int]
    problems: int = 4
    points: int = 4
    depth: int = 2
    kernel: str = "relu"
    chains: int = 4
    draws: int = 1000
    sampler: str = "nuts"
    inputs: int = 3
    outputs: int = 3
    noise: float = 0.1


class LimitStudy(NamedTuple):
    """Rows are problems, columns widths; see the fields' comments."""

    widths: Float[np.ndarray, " widths"]
    error: Float[np.ndarray, "problems widths"]  # |E G - G*| / |G*|, all layers
    wrong_nu: Float[np.ndarray, "problems widths"]  # the same against the optimum for twice the true nu
    uncopied: Float[np.ndarray, "problems widths"]  # the same for a posterior with one copy of the labels
    spread: Float[np.ndarray, "problems widths"]  # posterior standard deviation of G / |G*|
    shared_scale: Float[np.ndarray, "problems widths"]  # the same if the units of a layer share a random scale
    kurtosis: Float[np.ndarray, "problems widths"]  # mean |excess kurtosis| of a feature, all points and layers
    prior_kurtosis: Float[np.ndarray, "problems widths"]  # the same for prior features of the first layer
    ks: Float[np.ndarray, "problems widths"]  # Kolmogorov distance of f' G*^-1 f from chi squared, top layer
    ks_prior: Float[np.ndarray, "problems widths"]  # the same with the NNGP covariance in place of G*
    r_hat: Float[np.ndarray, " problems"]  # largest over Gram entries, layers, widths
    r_hat_mixed: Float[np.ndarray, " problems"]  # the same with one chain from the posterior of uncopied labels
    ess: Float[np.ndarray, " problems"]  # smallest bulk effective sample size
    ess_sticky: Float[np.ndarray, " problems"]  # the same for chains that move only every 50th step
    divergent: float
    optima: list[Optimum]
    optima_gap: float  # largest gap between local optima found from different starts
    grams: Float[np.ndarray, "problems depth p p"]  # posterior means at the largest width
    features: dict[int, Float[np.ndarray, " draws"]]  # f_1 / sqrt(G*_11), first problem, top layer, by width
    problems: Problems


def study_limit(settings: Settings, *, key: PRNGKeyArray) -> LimitStudy:
    """Sample every width, optimise the objective apart from it, and compare."""
    key_problems, key_starts, key_run, key_units = jax.random.split(key, 4)
    problems = draw_problems(
        key_problems,
        problems=settings.problems,
        points=settings.points,
        inputs=settings.inputs,
        outputs=settings.outputs,
    )
    optima = optimise_all(problems, settings, nu=1.0, starts=3, key=key_starts)
    double = optimise_all(problems, settings, nu=2.0, starts=1, key=key_starts)
    columns: dict[str, list[np.ndarray]] = {}
    divergent, features, means = 0.0, {}, np.zeros(())
    for index, width in enumerate(track(settings.widths, "widths")):
        key_width = jax.random.fold_in(key_run, index)
        chains = sample(
            problems,
            key_width,
            width=width,
            copies=width,
            depth=settings.depth,
            kernel=settings.kernel,
            noise=settings.noise,
            chains=settings.chains,
            draws=settings.draws,
            sampler=settings.sampler,
        )
        rng = generator(key_units, index)
        single = draw_prior(
            problems, rng, width=width, depth=settings.depth, kernel=settings.kernel, noise=settings.noise
        )
        scaled = draw_prior(
            problems, rng, width=width, depth=settings.depth, kernel=settings.kernel, noise=settings.noise, scale_sd=0.5
        )
        column, means, features[width] = _one_width(
            width, chains, single, scaled, optima, double, problems, settings, rng
        )
        for name, values in column.items():
            columns.setdefault(name, []).append(values)
        divergent = max(divergent, chains.divergent)
    table = {name: np.stack(values, axis=1) for name, values in columns.items()}
    worst = {name: table.pop(name) for name in ("r_hat", "r_hat_mixed", "ess", "ess_sticky")}
    return LimitStudy(
        widths=np.asarray(settings.widths, dtype=float),
        **table,
        r_hat=worst["r_hat"].max(axis=1),
        r_hat_mixed=worst["r_hat_mixed"].max(axis=1),
        ess=worst["ess"].min(axis=1),
        ess_sticky=worst["ess_sticky"].min(axis=1),
        divergent=divergent,
        optima=optima,
        optima_gap=max(float(np.ptp(o.ends)) for o in optima),
        grams=means,
        features=features,
        problems=problems,
    )


def report(study: LimitStudy) -> str:
    """What the diagnostics say beside the checks, as Markdown."""
    return (
        f"Share of divergent transitions: **{study.divergent:.2%}** at most. Ascents of the objective from three starts end "
        f"within **{study.optima_gap:.1e}** of each other."
    )


def optimise_all(problems: Problems, settings: Settings, *, nu: float, starts: int, key: PRNGKeyArray) -> list[Optimum]:
    """The maximum of the objective for every problem."""
    return [
        maximise(
            gram0, y, kernel=settings.kernel, depth=settings.depth, nu=nu, noise=settings.noise, starts=starts, key=key
        )
        for gram0, y in zip(problems.gram0, problems.y, strict=True)
    ]


def controlled_means(chains: Chains, problem: int) -> Float[np.ndarray, "chains size"]:
    """Mean of the Gram entries in each chain, with the score as control variate.

    The score has posterior mean zero, so subtracting its best linear combination changes no mean; it removes the part of
    the fluctuations that is linear in the position, which dominates in wide layers.
    """
    grams, scores = chains.grams[problem], chains.scores[problem]
    flat = grams.reshape(*grams.shape[:2], -1)
    centred = (flat - flat.mean(axis=(0, 1))).reshape(-1, flat.shape[-1])
    regressors = scores.reshape(-1, scores.shape[-1])
    coefficients = np.linalg.lstsq(regressors - regressors.mean(axis=0), centred, rcond=None)[0]
    return flat.mean(axis=1) - scores.mean(axis=1) @ coefficients


def unbiased_distance(means: Float[np.ndarray, "chains size"], target: Float[np.ndarray, "..."]) -> float:
    """Distance of the mean from a target, from products of different chains only, in which their noise cancels."""
    error = means - target.reshape(-1)
    products = error @ error.T
    count = len(means)
    square = (products.sum() - np.trace(products)) / (count * (count - 1))
    return float(np.sqrt(max(square, 0.0)))


def _one_width(
    width: int,
    chains: Chains,
    single: PriorDraws,
    scaled: PriorDraws,
    optima: list[Optimum],
    double: list[Optimum],
    problems: Problems,
    settings: Settings,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rows: list[dict[str, Any]] = []
    means, shown = [], np.zeros(0)
    for s, optimum in enumerate(optima):
        size = np.linalg.norm(optimum.grams)
        by_chain = controlled_means(chains, s)
        mean = by_chain.mean(axis=0).reshape(optimum.grams.shape)
        means.append(mean)
        flat = chains.grams[s].reshape(-1, *optimum.grams.shape)
        units = draw_units(flat[:, -1], width, rng)
        prior = np.asarray(nngp_grams(settings.kernel, problems.gram0[s], settings.depth))
        if s == 0:
            shown = units[:, 0].ravel() / np.sqrt(optimum.grams[-1, 0, 0])
        uncopied = single.mean(s)
        rows.append(
            {
                "error": unbiased_distance(by_chain, optimum.grams) / size,
                "wrong_nu": unbiased_distance(by_chain, double[s].grams) / np.linalg.norm(double[s].grams),
                "uncopied": np.linalg.norm(uncopied - optimum.grams) / size,
                "spread": np.sqrt(flat.var(axis=0).sum()) / size,
                "shared_scale": scaled.spread(s) / size,
                "kurtosis": _kurtosis(flat, width),
                "prior_kurtosis": _kurtosis(single.grams[s][:, :1], width),
                "ks": _mahalanobis_ks(units, optimum.grams[-1]),
                "ks_prior": _mahalanobis_ks(units, prior[-1]),
                **_diagnostics(chains.grams[s], single.resample(s, chains.grams.shape[2], rng)),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, np.stack(means), shown


def draw_units(
    grams: Float[np.ndarray, "draws p p"], width: int, rng: np.random.Generator, *, most: int = 2000
) -> Float[np.ndarray, "draws p units"]:
    r"""Features of a few units given their Gram matrix: $F=\sqrt N\,C\,Q$ with $Q$ uniform on orthonormal rows, exactly."""
    thin = grams[:: max(1, len(grams) // most)]
    p = thin.shape[-1]
    normal = rng.standard_normal((len(thin), p, width))
    inner = np.linalg.cholesky(normal @ np.swapaxes(normal, 1, 2))
    rows = np.linalg.solve(inner, normal[:, :, :SHOWN_UNITS])
    return np.sqrt(width) * np.linalg.cholesky(thin) @ rows


def _kurtosis(grams: Float[np.ndarray, "draws layers p p"], width: int) -> float:
    diagonal = np.einsum("dlii->dli", grams)
    return float(np.mean(np.abs(sphere_kurtosis(diagonal.mean(axis=0), (diagonal**2).mean(axis=0), width))))


def _mahalanobis_ks(units: Float[np.ndarray, "draws p units"], covariance: Float[np.ndarray, "p p"]) -> float:
    p = covariance.shape[0]
    white = np.linalg.solve(np.linalg.cholesky(covariance), np.swapaxes(units, 0, 1).reshape(p, -1))
    return as_tuple(ks_distance(np.sum(white**2, axis=0), lambda t: stats.chi2.cdf(t, p)).value)[0]


def _diagnostics(grams: Float[np.ndarray, "chains draws depth p p"], other: np.ndarray) -> dict[str, float]:
    rows, columns = np.tril_indices(grams.shape[-1])
    entries = np.moveaxis(grams[..., rows, columns], (2, 3), (0, 1)).reshape(-1, *grams.shape[:2])
    wrong = np.moveaxis(other[..., rows, columns], 0, -1).reshape(len(entries), -1)
    mixed = entries[:4].copy()
    mixed[:, 0] = wrong[:4]
    sticky = np.repeat(entries[:4, :, ::50], 50, axis=2)[:, :, : grams.shape[1]]
    return {
        "r_hat": max(r_hat(e) for e in entries),
        "r_hat_mixed": max(r_hat(e) for e in mixed),
        "ess": min(bulk_ess(e) for e in entries),
        "ess_sticky": min(bulk_ess(e) for e in sticky),
    }
