"""Functions whose scale is random, or is not: when a t process can beat a Gaussian process at all (claim C4)."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from reprise.papers.infinite_width.scale_mixture_nngp import architectures
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import Pair
from reprise.papers.infinite_width.scale_mixture_nngp.scale_priors import inverse_gamma
from reprise.progress import track
from reprise.statistics import mean

NOISE, SHAPE, TESTS = 0.05, 2.0, 20
KERNEL = {"hidden": 2, "activation": "relu", "w_std": 2.0**0.5, "b_std": 0.5}


class SyntheticStudy(NamedTuple):
    """NLL a test point of each predictor, mean over test points; kernel and noise are known to all.

    Attributes:
        sizes: numbers of training points.
        random: by predictor, for functions whose scale is drawn from IG(2, 2).
        fixed: by predictor, for functions of scale 1.
    """

    sizes: list[int]
    random: dict[str, Float[np.ndarray, "functions sizes"]]
    fixed: dict[str, Float[np.ndarray, "functions sizes"]]


def study_synthetic(sizes: list[int], *, seed: int, functions: int = 2000) -> SyntheticStudy:
    """Draw functions at random points and predict them by a t process and by Gaussian processes of two scales.

    Predictors: `t` knows the scale's law, `marginal` is the Gaussian process with the mean of that law (with the true
    scale where the scale is fixed), `fitted` the one with the likeliest scale, $q/n$.
    """
    rng = np.random.default_rng(seed)
    most = max(sizes)
    x = rng.normal(size=(TESTS + most, 3))
    k = np.asarray(architectures.mlp(jnp.asarray(x), jnp.asarray(x), **KERNEL)) + NOISE * np.eye(len(x))
    unit = np.linalg.cholesky(k) @ rng.normal(size=(len(x), functions))
    scales = {"random": inverse_gamma(SHAPE, SHAPE).sample(rng, functions), "fixed": np.ones(functions)}
    kept: dict[str, dict[str, list[np.ndarray]]] = {kind: {} for kind in scales}
    for n in track(sizes, "training sizes"):
        rows = slice(TESTS, TESTS + n)
        cross, inner = k[:TESTS, rows], k[rows, rows]
        gain = np.linalg.solve(inner, cross.T).T
        variance = np.diag(k[:TESTS, :TESTS] - gain @ cross.T)[:, None]
        for kind, scale in scales.items():
            y, tests = np.sqrt(scale) * unit[rows], np.sqrt(scale) * unit[:TESTS]
            q = np.sum(y * np.linalg.solve(inner, y), axis=0)
            known = SHAPE / (SHAPE - 1) if kind == "random" else 1.0
            spreads = {
                "t": (SHAPE + q / 2) / (SHAPE + n / 2),
                "marginal": np.full(functions, known),
                "fitted": q / n,
            }
            for name, s in spreads.items():
                spread = np.sqrt(variance * s)
                law = stats.t(2 * SHAPE + n) if name == "t" else stats.norm
                nll = np.log(spread) - law.logpdf((tests - gain @ y) / spread)
                kept[kind].setdefault(name, []).append(nll.mean(axis=0))
    stacked = {kind: {name: np.stack(rows, axis=1) for name, rows in found.items()} for kind, found in kept.items()}
    return SyntheticStudy(sizes, stacked["random"], stacked["fixed"])


def gain(study: SyntheticStudy, size: int = 0) -> Pair:
    """NLL of the t process minus that of the Gaussian process with the marginal scale; control: fixed scale."""
    return {
        "measured": mean(study.random["t"][:, size] - study.random["marginal"][:, size]),
        "control": mean(study.fixed["t"][:, size] - study.fixed["marginal"][:, size]),
    }
