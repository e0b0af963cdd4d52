"""Trained ensembles against their predicted laws: the evidence for claim C3."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy import optimize, stats

from reprise.estimate import Estimate
from reprise.papers.infinite_width.scale_mixture_nngp import laws
from reprise.papers.infinite_width.scale_mixture_nngp.evidence import Law, Pair, smallest_p
from reprise.papers.infinite_width.scale_mixture_nngp.scale_priors import inverse_gamma
from reprise.papers.infinite_width.scale_mixture_nngp.toy import Toy
from reprise.papers.infinite_width.scale_mixture_nngp.trained import Ensemble, train_all_layers, train_last_layer
from reprise.statistics import bootstrap

LAST, ALL = 2.0, 1.0  # a = b of the prior in either experiment, as in the authors' notebook
LAST_WIDTH = 1024  # enough for networks whose hidden layers stay as they are


class TrainedStudy(NamedTuple):
    """Ensembles of the largest width (and narrower ones, fully trained), with the laws that are compared."""

    toy: Toy
    last: Ensemble
    every: dict[int, Ensemble]  # by width
    last_law: laws.Student
    every_law: laws.Student
    posterior: laws.Student  # the Bayesian posterior for the prior of `last`
    wrong_every: laws.Student  # last-layer law for the prior of `every`


def study_trained(
    toy: Toy,
    *,
    widths: list[int],
    hidden: int,
    w_std: float,
    b_std: float,
    steps: int,
    last_steps: int,
    key: PRNGKeyArray,
    nets: int = 1000,
    last_nets: int = 4000,
) -> TrainedStudy:
    """Train both kinds of ensemble on the toy; the rate is 1.4 over the tangent kernel's largest eigenvalue (2 is the end).

    Labels are a quarter of the toy's: smaller than the prior expects, which tells the Bayesian posterior from the law of trained
    networks, and closer to the limit at a given width.
    """
    toy = toy._replace(y=0.25 * toy.y)
    net: dict[str, Any] = {"hidden": hidden, "w_std": w_std, "b_std": b_std}
    data = (toy.x, toy.y, toy.x_test)
    k, theta = toy.blocks(), toy.blocks(tangent=True)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    last_key, key = jax.random.split(key)
    last = train_last_layer(
        *data,
        inverse_gamma(LAST, LAST).sample(rng, last_nets),
        width=min(LAST_WIDTH, max(widths)),
        steps=last_steps,
        key=last_key,
        **net,
    )
    rate = 1.4 / float(np.linalg.eigvalsh(theta[2])[-1])
    every = {}
    for width in widths:
        key, own = jax.random.split(key)
        scales = inverse_gamma(ALL, ALL).sample(rng, nets)
        every[width] = train_all_layers(*data, scales, width=width, rate=rate, steps=steps, key=own, **net)
    tangent = {"theta_tx": theta[1], "theta_xx": theta[2]}
    return TrainedStudy(
        toy,
        last,
        every,
        laws.trained(*k, toy.y, LAST, LAST),
        laws.trained(*k, toy.y, ALL, ALL, **tangent),
        laws.posterior(*k, toy.y, LAST, LAST),
        laws.trained(*k, toy.y, ALL, ALL),
    )


def law_test(outputs: Float[np.ndarray, "nets t"], law: laws.Student) -> Estimate:
    """Smallest p-value over the marginals and the joint squared radius, which is p F(p, dof) under the law."""
    return smallest_p([*marginals(outputs, law), radius(outputs, law)])


def marginals(outputs: Float[np.ndarray, "nets t"], law: laws.Student) -> list[Law]:
    """Standardised outputs at each test point, with the t law."""
    z = (outputs - np.asarray(law.mean)) / np.sqrt(np.diag(np.asarray(law.shape)))
    return [(column, stats.t(float(law.dof)).cdf) for column in z.T]


def radius(outputs: Float[np.ndarray, "nets t"], law: laws.Student) -> Law:
    """Squared Mahalanobis radius over the number of test points, with the F law."""
    p = outputs.shape[1]
    return squares(outputs, law) / p, stats.f(p, float(law.dof)).cdf


def squares(outputs: Float[np.ndarray, "nets t"], law: laws.Student) -> Float[np.ndarray, " nets"]:
    """Squared Mahalanobis radius about the law's mean."""
    white = np.linalg.solve(np.linalg.cholesky(np.asarray(law.shape)), (outputs - np.asarray(law.mean)).T)
    return np.sum(white**2, axis=0)


def location_z(outputs: Float[np.ndarray, "nets t"], law: laws.Student, mean: np.ndarray | None = None) -> Estimate:
    r"""Largest |median - mean| over test points in standard errors $1/(2f(0)\sqrt N)$; medians exist at any a."""
    target = np.asarray(law.mean if mean is None else mean)
    error = np.sqrt(np.diag(np.asarray(law.shape))) / (2 * stats.t(float(law.dof)).pdf(0) * len(outputs) ** 0.5)
    z = np.abs(np.median(outputs, axis=0) - target) / error
    return Estimate.exact(float(z.max()), n=len(outputs), method=f"largest of {z.size} z-scores of medians")


def scale_ratio(outputs: Float[np.ndarray, "nets t"], law: laws.Student, *, seed: int = 0) -> Estimate:
    r"""Likeliest factor on the law's spread, over all test points, bootstrapped over networks.

    For squared radii $r_i$ and $p$ points the factor $c$ on the scale matrix solves
    $\frac1N\sum_i\frac{(\nu+p)r_i}{\nu c+r_i}=p$; its root is reported.
    """
    p, dof = outputs.shape[1], float(law.dof)

    def solve(r: np.ndarray) -> float:
        def score(log_c: float) -> float:
            return float(np.mean((dof + p) * r / (dof * np.exp(log_c) + r)) - p)

        return float(np.exp(0.5 * optimize.brentq(score, -12.0, 12.0)))

    return bootstrap(squares(outputs, law), solve, n_boot=400, seed=seed)


def last_layer(study: TrainedStudy) -> dict[str, Pair]:
    """Location, law and scale of the ensemble whose last layer was trained, with their controls."""
    f = study.last.outputs
    tangent = study.every_law.mean
    return {
        "location": {
            "measured": location_z(f, study.last_law),
            "control": location_z(f, study.last_law, np.asarray(tangent)),
        },
        "law": {"measured": law_test(f, study.last_law), "control": law_test(f, study.posterior)},
        "scale": {
            "measured": scale_ratio(f, study.last_law),
            "control": scale_ratio(f, study.posterior._replace(dof=study.last_law.dof)),
        },
    }


def all_layers(study: TrainedStudy) -> dict[str, Pair]:
    """The same for full training at the largest width; controls: the last-layer law of the same prior."""
    f = study.every[max(study.every)].outputs
    return {
        "location": {
            "measured": location_z(f, study.every_law),
            "control": location_z(f, study.every_law, np.asarray(study.wrong_every.mean)),
        },
        "law": {"measured": law_test(f, study.every_law), "control": law_test(f, study.wrong_every)},
        "scale": {"measured": scale_ratio(f, study.every_law), "control": scale_ratio(f, study.wrong_every)},
    }


def report(study: TrainedStudy) -> str:
    """Markdown: width by width, p-value and scale of fully trained networks, and what training left."""
    rows = [
        "| width | KS p, joint radius | scale over predicted | largest training error, median |",
        "|---|---|---|---|",
    ]
    for width, found in study.every.items():
        p = smallest_p([radius(found.outputs, study.every_law)]).value
        ratio = scale_ratio(found.outputs, study.every_law)
        rows.append(
            f"| {width} | {p:.3g} | {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] | {np.median(found.residual):.2g} |"
        )
    return "\n".join(rows)
