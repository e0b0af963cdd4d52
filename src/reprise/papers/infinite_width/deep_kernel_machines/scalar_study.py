"""The smallest case over many instances: one data point, every width by quadrature, for claims C1 and C2."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise.papers.infinite_width.deep_kernel_machines import bayesian_networks, closed_forms
from reprise.papers.infinite_width.deep_kernel_machines.randomness import generator


class ScalarStudy(NamedTuple):
    """One row an instance (prior k, label y, noise), one column a width.

    `bias` is |E g - g*| / g*, `uncopied` the same with a single copy of the label, `kurtosis` the excess kurtosis of a
    feature, `network_kurtosis` that of a ReLU network's feature at the same width.
    """

    widths: Float[np.ndarray, " widths"]
    bias: Float[np.ndarray, "instances widths"]
    uncopied: Float[np.ndarray, "instances widths"]
    kurtosis: Float[np.ndarray, "instances widths"]
    network_kurtosis: Float[np.ndarray, "instances widths"]


def study_scalar(widths: list[int], instances: int, *, key: PRNGKeyArray) -> ScalarStudy:
    """Draw instances and integrate each at every width; the networks get labels that ask for small features."""
    rng = generator(key)
    ks, ys = rng.uniform(0.5, 2.0, instances), rng.uniform(0.5, 3.0, instances)
    noises, small = rng.uniform(0.05, 0.5, instances), rng.uniform(0.0, 0.4, instances)
    rows: dict[str, list[list[float]]] = {"bias": [], "uncopied": [], "kurtosis": [], "network": []}
    for k, y, noise, little in zip(ks, ys, noises, small, strict=True):
        limit = closed_forms.scalar_limit(k, y, noise)
        copied = [closed_forms.scalar_posterior(n, k, y, noise) for n in widths]
        single = [closed_forms.scalar_posterior(n, k, y, noise, copies=1) for n in widths]
        law = bayesian_networks.scalar_limit(k, little, noise)
        networks = [bayesian_networks.scalar_finite(n, k, little, noise, law.f) for n in widths]
        rows["bias"].append([abs(p.mean - limit) / limit for p in copied])
        rows["uncopied"].append([abs(p.mean - limit) / limit for p in single])
        rows["kurtosis"].append([p.kurtosis for p in copied])
        rows["network"].append([p.standardised(4) - 3.0 for p in networks])
    return ScalarStudy(np.asarray(widths, dtype=float), *(np.asarray(rows[name]) for name in rows))


def report(study: ScalarStudy) -> str:
    """The sign of the kurtosis in the narrowest layer, as Markdown."""
    narrow = study.kurtosis[:, 0]
    return (
        f"At width {int(study.widths[0])} the excess kurtosis is negative in **{np.mean(narrow < 0):.0%}** of the one-point "
        f"problems, and {narrow.mean():.2f} on average."
    )
