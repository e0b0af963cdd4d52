r"""Claim C1: outputs are Gaussian up to a four-point vertex of order depth over width."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import recursions
from reprise.papers.infinite_width.principles_of_dl.activations import Activation
from reprise.papers.infinite_width.principles_of_dl.ensembles import Moments, Net, matrices, mixture

SHOWN = (act.LINEAR, act.LEAKY, act.RELU, act.TANH)
SPARED = {act.LINEAR.name: 4, act.RELU.name: 1, act.TANH.name: 4}
"""Ensembles by the mixture: by how much fewer networks than for the ReLU, whose tails are the heaviest, are enough."""
LARGEST = 0.2
"""Largest (l - 1)/n of these experiments: beyond, a few networks carry the ReLU's average."""


class Ensemble(NamedTuple):
    """One activation at one width: samples, and which layers they are of."""

    activation: Activation
    width: int
    moments: Moments

    def ratio(self, layer: int) -> Estimate:
        r"""$\hat V/(nK^2)=\overline{z_i^2z_j^2}/\overline{z_i^2}^2-1$ with its interval over networks."""
        second, _, pairs = self.moments.at(layer)
        return interval(np.stack([pairs, second], axis=1), lambda m: m[..., 0] / m[..., 1] ** 2 - 1)


def interval(rows: Float[np.ndarray, "nets k"], statistic: object, level: float = 0.95) -> Estimate:
    """A smooth function of means over networks, with the Student interval of its jackknife."""
    apply = statistic
    assert callable(apply)
    n = len(rows)
    total = rows.sum(axis=0)
    value = float(apply(total / n))
    blocks = np.array_split(rows, min(n, 200))
    sums = np.stack([b.sum(axis=0) for b in blocks])
    sizes = np.asarray([len(b) for b in blocks])[:, None]
    left = np.asarray(apply((total - sums) / (n - sizes)))
    k = len(blocks)
    found = statistics.mean(value + (k - 1) * (value - left), level=level)
    half = 0.5 * (float(found.high) - float(found.low))  # type: ignore[arg-type]
    return Estimate(
        value, value - half, value + half, n=n, level=level, method=f"jackknife over {k} groups of networks"
    )


def depths(width: int, deepest: int) -> list[int]:
    r"""Layers looked at: $\ell-1$ in powers of two up to `deepest` and a share LARGEST of the width."""
    powers = [2**p for p in range(12) if 2**p <= min(deepest, LARGEST * width)]
    return [1, *(1 + p for p in powers)]


def networks(widths: Sequence[int], counts: Sequence[int], deepest: int, *, seed: int) -> list[Ensemble]:
    """Every activation shown at every width, by weight matrices that the activations share."""
    found = []
    for width, count in zip(widths, counts, strict=True):
        nets = [Net(a, width, recursions.critical_weight(a)) for a in SHOWN]
        several = matrices(nets, depths(width, deepest), count, seed=seed)
        found += [Ensemble(a, width, m) for a, m in zip(SHOWN, several, strict=True)]
    return found


def mixtures(widths: Sequence[int], counts: Sequence[int], deepest: int, *, seed: int) -> list[Ensemble]:
    """The same ensembles by the exact scale mixture, many more networks (without the leaky ReLU), moments given the layer below."""

    def draw(a: Activation, n: int, count: int) -> Moments:
        net = Net(a, n, recursions.critical_weight(a))
        return mixture(net, depths(n, deepest), count // SPARED[a.name], seed=seed, expected=True)

    return [
        Ensemble(a, n, draw(a, n, count))
        for a in SHOWN
        if a is not act.LEAKY
        for n, count in zip(widths, counts, strict=True)
    ]


def predicted(activation: Activation, width: int, layers: np.ndarray) -> np.ndarray:
    """Four-point ratio: exact at finite width for scale-invariant activations, else the recursion's leading order."""
    if activation.slopes is not None:
        return recursions.exact_ratio(recursions.amplitude(activation), width, layers)
    depth = int(np.max(layers))
    recursion = recursions.layers(activation, depth, weight=recursions.critical_weight(activation))
    return np.asarray(recursion.ratio[np.asarray(layers) - 1] / width)


def pick(ensembles: Sequence[Ensemble], activation: Activation, width: int) -> Ensemble:
    """The ensemble of an activation and width."""
    return next(e for e in ensembles if e.activation.name == activation.name and e.width == width)


def growth(ensemble: Ensemble) -> Estimate:
    r"""$\hat\nu=n[(1+\hat V/(nK^2))^{1/(\ell-1)}-1]$ at the deepest layer looked at: what a layer adds to the ratio."""
    layer = int(ensemble.moments.layers[-1])
    second, _, pairs = ensemble.moments.at(layer)
    return interval(
        np.stack([pairs, second], axis=1),
        lambda m: ensemble.width * ((m[..., 0] / m[..., 1] ** 2) ** (1 / (layer - 1)) - 1),
    )


def orthogonal(width: int, count: int, deepest: int, *, seed: int) -> list[Ensemble]:
    """Control: linear and ReLU networks with orthogonal weight matrices, which hand the norm on without noise."""
    kinds = (act.LINEAR, act.RELU)
    nets = [Net(a, width, recursions.critical_weight(a)) for a in kinds]
    several = matrices(nets, depths(width, deepest), count, seed=seed, law="orthogonal")
    return [Ensemble(a, width, m) for a, m in zip(kinds, several, strict=True)]


def against_recursion(ensembles: Sequence[Ensemble], activation: Activation, other: Activation) -> Estimate:
    """Measured ratio at the largest width and deepest layer in units of the recursion's for `activation`, of `other`'s networks."""
    width = max(e.width for e in ensembles)
    ensemble = pick(ensembles, other, width)
    layer = int(ensemble.moments.layers[-1])
    unit = float(predicted(activation, width, np.asarray([layer]))[0])
    found = ensemble.ratio(layer)
    value, low, high = (float(v) / unit for v in (found.value, found.low, found.high))  # type: ignore[arg-type]
    return Estimate(value, low, high, n=found.n, level=found.level, method=found.method)


def late_slope(activation: Activation, layer: int = 1000) -> Estimate:
    r"""$V^{(\ell+1)}/K^2-V^{(\ell)}/K^2$ by the recursion at one layer: tends to $\frac23$ in class (ii)."""
    ratio = recursions.layers(activation, layer + 1, weight=recursions.critical_weight(activation)).ratio
    return Estimate.exact(float(ratio[layer] - ratio[layer - 1]), error=1e-9, method="recursion")


def range_of(estimates: Sequence[Estimate]) -> Estimate:
    """The smallest interval that holds all of them."""
    low, high = min(float(e.low) for e in estimates), max(float(e.high) for e in estimates)  # type: ignore[arg-type]
    middle = float(np.mean([float(e.value) for e in estimates]))  # type: ignore[arg-type]
    return Estimate(middle, low, high, n=min(e.n for e in estimates), method=f"range of {len(estimates)} intervals")


def kurtosis_ratio(moments: Moments, layer: int) -> Estimate:
    r"""Excess kurtosis of a single neuron over three times the pair's ratio: 1 for a scale mixture."""
    second, fourth, pairs = moments.at(layer)
    return interval(
        np.stack([pairs, second, fourth], axis=1),
        lambda m: (m[..., 2] / m[..., 1] ** 2 - 3) / (3 * (m[..., 0] / m[..., 1] ** 2 - 1)),
    )


def sign_weights(width: int, layer: int, count: int, *, seed: int) -> Estimate:
    """Control: the kurtosis ratio of a linear network whose weights are random signs, so that its layers are no mixture."""
    (moments,) = matrices([Net(act.LINEAR, width, 1.0)], [layer], count, seed=seed, law="signs")
    return kurtosis_ratio(moments, layer)


def width_exponent(ensembles: Sequence[Ensemble], activation: Activation, fixed: str) -> Estimate:
    r"""Exponent of $\log(1+\hat V/(nK^2))$ against width, with $(\ell-1)/n$ or $\ell-1$ held fixed.

    The logarithm is what a scale-invariant network adds layer by layer, so that points with equal ratio coincide up to
    $O(1/n)$ even where the ratio is no longer small.
    """
    mine = sorted((e for e in ensembles if e.activation.name == activation.name), key=lambda e: e.width)
    base = int(mine[0].moments.layers[-1]) - 1
    samples, widths = [], [e.width for e in mine]
    for e in mine:
        layer = 1 + (base * e.width // widths[0] if fixed == "ratio" else base)
        second, _, pairs = e.moments.at(layer)
        samples.append(np.stack([pairs, second], axis=1))
    weights = np.log(widths) - np.mean(np.log(widths))
    weights = weights / np.sum(weights**2)
    points = [interval(s, lambda m: np.log(np.log(m[..., 0] / m[..., 1] ** 2))) for s in samples]
    value = float(weights @ [float(p.value) for p in points])  # type: ignore[arg-type]
    halves = np.asarray([0.5 * (float(p.high) - float(p.low)) for p in points])  # type: ignore[arg-type]
    half = float(np.sqrt(np.sum((weights * halves) ** 2)))
    return Estimate(
        value, value - half, value + half, n=min(len(s) for s in samples), method="log-log slope, jackknife"
    )


def same_law(drawn: Ensemble, layer: int, *, seed: int, first: bool = False) -> Estimate:
    r"""Kolmogorov distance of $\frac1n\sum_iz_i^2$ between networks drawn by their weights and as many by the mixture.

    The interval is a band for both samples. With `first`, the mixture is looked at in its first layer, where neurons are
    independent Gaussians.
    """
    norms = drawn.moments.at(layer)[0]
    net = Net(drawn.activation, drawn.width, recursions.critical_weight(drawn.activation))
    other = mixture(net, [1, layer], len(norms), seed=seed, name="law")
    return statistics.ks_distance(norms, other.at(1 if first else layer)[0])
