"""Networks at initialisation against Student's t law: the evidence for claim C1."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import integrate, stats

from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp import architectures
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import (
    Law,
    Pair,
    farthest,
    hill,
    largest_distance,
    law_hill,
    share_difference,
    smallest_p,
    t_survival,
    tail_ratio,
)
from reprise.papers.infinite_width.scale_mixture_nngp.finite import Outputs, draw_outputs
from reprise.papers.infinite_width.scale_mixture_nngp.scale_priors import inverse_gamma
from reprise.statistics import ks_distance

NETWORK = {"w_std": 2.0**0.5, "b_std": 0.3}
KERNELS = {"mlp": architectures.mlp, "residual": architectures.residual, "conv": architectures.conv}

CHANNELS = 16


class InitialStudy(NamedTuple):
    """Networks of several widths at three points; the scale is drawn once a network from IG(a, a), for several a."""

    widths: list[int]
    shapes: list[float]
    kernel: Float[np.ndarray, "p p"]
    drawn: list[Outputs]  # one for each width
    scales: dict[float, Float[np.ndarray, " nets"]]  # one draw a network, for each a

    def scaled(self, a: float, width: int = -1) -> Float[np.ndarray, "nets outputs p"]:
        """Outputs with one scale a network, divided by the predicted spread of each point."""
        spread = np.sqrt(np.diag(self.kernel))
        return np.sqrt(self.scales[a])[:, None, None] * self.drawn[width].unit / spread


class Architecture(NamedTuple):
    """Networks of one other architecture at the largest width."""

    name: str
    kernel: Float[np.ndarray, "p p"]
    drawn: Outputs
    scale: Float[np.ndarray, " nets"]  # from IG(2, 2)


def study_initial(widths: list[int], shapes: list[float], nets: int, *, hidden: int, key: PRNGKeyArray) -> InitialStudy:
    """Fully connected ReLU networks of each width at three points of the plane."""
    point_key, *keys = jax.random.split(key, len(widths) + 1)
    x = _points(point_key)
    drawn = [
        draw_outputs("mlp", x, nets, width=width, hidden=hidden, key=k, **NETWORK)
        for width, k in zip(widths, keys, strict=True)
    ]
    rng = _generator(jax.random.fold_in(key, 1))
    scales = {a: inverse_gamma(a, a).sample(rng, nets) for a in shapes}
    kernel = architectures.mlp(jnp.asarray(x), jnp.asarray(x), hidden=hidden, **NETWORK)
    return InitialStudy(widths, shapes, np.asarray(kernel), drawn, scales)


def study_architectures(
    names: Sequence[str], nets: int, *, width: int, hidden: int, key: PRNGKeyArray
) -> list[Architecture]:
    """Residual networks at points of the plane, convolutional ones at images of 3 x 3 pixels."""
    found = []
    for index, name in enumerate(names):
        point_key, net_key, scale_key = jax.random.split(jax.random.fold_in(key, index), 3)
        x = _points(point_key)
        if name == "conv":
            x = _generator(point_key).normal(size=(3, 3, 3))
        size = CHANNELS if name == "conv" else width
        drawn = draw_outputs(name, x, nets, width=size, hidden=hidden, key=net_key, **NETWORK)
        kernel = np.asarray(KERNELS[name](jnp.asarray(x), jnp.asarray(x), hidden=hidden, **NETWORK))
        found.append(Architecture(name, kernel, drawn, inverse_gamma(2.0, 2.0).sample(_generator(scale_key), nets)))
    return found


def unit_outputs(study: InitialStudy) -> Float[np.ndarray, " nets"]:
    """First output at the first point of the widest networks, before any scale, over its predicted spread."""
    return study.drawn[-1].unit[:, 0, 0] / float(study.kernel[0, 0]) ** 0.5


def marginal_laws(study: InitialStudy, width: int = -1) -> list[Law]:
    """The first output at every point for every a, with the t law that is predicted for it."""
    return [
        (study.scaled(a, width)[:, 0, point], stats.t(2 * a).cdf)
        for a in study.shapes
        for point in range(len(study.kernel))
    ]


def distance(study: InitialStudy) -> Pair:
    """Largest Kolmogorov distance from the t law; the control draws a scale for every unit instead."""
    per_unit = study.drawn[-1].per_unit / np.sqrt(np.diag(study.kernel))
    # the unit scales are IG(2, 1), so twice their root gives IG(2, 2), as t_4 with scale 1 has it
    control = [(np.sqrt(2.0) * per_unit[:, point], stats.t(4).cdf) for point in range(len(study.kernel))]
    nearest = min((ks_distance(x, cdf) for x, cdf in control), key=lambda e: float(np.max(e.value)))
    return {"measured": largest_distance(marginal_laws(study)), "control": nearest}


def p_value(study: InitialStudy, most: int = 10_000) -> Pair:
    """Smallest p-value of the first `most` networks against the t laws; the control is the Gaussian with $t_4$'s variance.

    No width is infinite, and a test of ever more networks rejects any: at width n the excess kurtosis is about 15 h / n.
    """
    sample = study.scaled(2.0)[:most, 0, 0]
    return {
        "measured": smallest_p([(x[:most], cdf) for x, cdf in marginal_laws(study)]),
        "control": smallest_p([(sample, stats.norm(0, 2**0.5).cdf)]),
    }


def joint_distance(study: InitialStudy, a: float = 2.0) -> Pair:
    """Squared Mahalanobis radius over p against $F_{p,2a}$; the control has the right marginals, one scale a *point*."""
    p = len(study.kernel)
    outputs = study.drawn[-1].unit[:, 0]
    law = stats.f(p, 2 * a).cdf
    own = np.stack([np.random.default_rng(i).permutation(study.scales[a]) for i in range(p)], axis=1)
    inverse = np.linalg.inv(study.kernel)

    def radius(values: np.ndarray) -> np.ndarray:
        return np.einsum("ni,ij,nj->n", values, inverse, values) / p

    joint = np.sqrt(study.scales[a])[:, None] * outputs
    return {
        "measured": largest_distance([(radius(joint), law)]),
        "control": largest_distance([(radius(np.sqrt(own) * outputs), law)]),
    }


def tail(study: InitialStudy, share: float = 0.05) -> Pair:
    """Hill's index over 2a for the priors with a <= 1, where it is unbiased enough; control: fixed scale."""
    found = [tail_ratio(study.scaled(a)[:, 0, 0], 2 * a, share) for a in study.shapes if a <= 1]
    fixed = study.drawn[-1].unit[:, 0, 0]
    return {"measured": farthest(found, 1.0), "control": tail_ratio(fixed, 2.0, share)}


def both_extreme(study: InitialStudy, a: float = 1.0, quantile: float = 0.95) -> Pair:
    """Share of second outputs beyond their 95 % range where the first is, minus the t law's; control: fixed scale."""
    expected = joint_exceedance(2 * a, quantile)

    def excess(outputs: np.ndarray) -> Estimate:
        ends = np.quantile(np.abs(outputs), quantile, axis=0)
        first, second = (np.abs(outputs[:, k]) > ends[k] for k in (0, 1))
        return share_difference(int(np.sum(first & second)), int(np.sum(first)), expected)

    return {"measured": excess(study.scaled(a)[:, :, 0]), "control": excess(study.drawn[-1].unit[:, :, 0])}


def joint_exceedance(dof: float, quantile: float) -> float:
    r"""$P(|t_2|>u\mid|t_1|>u)$ for two uncorrelated values with one scale, $u$ the quantile of $|t|$; by quadrature.

    >>> round(joint_exceedance(1e6, 0.95), 3)  # independent in the Gaussian limit
    0.05
    """
    u = stats.t(dof).isf((1 - quantile) / 2)
    scale = stats.invgamma(dof / 2, scale=dof / 2)
    value, _ = integrate.quad(lambda p: (2 * stats.norm.sf(u / np.sqrt(scale.ppf(p)))) ** 2, 0, 1, limit=200)
    return float(value / (1 - quantile))


def other_architectures(found: Sequence[Architecture]) -> Pair:
    """Largest distance from $t_4$ over architectures; the control is the Gaussian of the same variance."""
    samples = [np.sqrt(a.scale) * a.drawn.unit[:, 0, 0] / np.sqrt(a.kernel[0, 0]) for a in found]
    gauss = [ks_distance(x, stats.norm(0, 2**0.5).cdf) for x in samples]
    return {
        "measured": largest_distance([(x, stats.t(4).cdf) for x in samples]),
        "control": min(gauss, key=lambda e: float(np.max(e.value))),
    }


def report(study: InitialStudy, share: float = 0.05) -> str:
    """Markdown: for each a, the tail index by Hill's estimate, and what it would be for the t law at the same share."""
    rows = ["| a | 2a | Hill, networks | Hill, t law at the same share |", "|---|---|---|---|"]
    for a in study.shapes:
        found = hill(study.scaled(a)[:, 0, 0], share)[0]
        rows.append(f"| {a:g} | {2 * a:g} | {found:.2f} | {law_hill(partial(t_survival, 2 * a), share):.2f} |")
    return "\n".join(rows)


def _points(key: PRNGKeyArray) -> np.ndarray:
    """Three points of the plane about 80 degrees apart, at unit distance from the origin."""
    angles = np.arange(3) * 1.4 + _generator(key).uniform()
    return 2**0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _generator(key: PRNGKeyArray) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
