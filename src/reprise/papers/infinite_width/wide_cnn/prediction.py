r"""Learning curves of kernel regression from eigenvalues alone, at finite n, and the exponents that they tend to.

For a student with eigenvalues $\Lambda_k$, a target with expected powers $P_k$, label noise $\sigma^2$ and ridge $\delta$ on the
Gram matrix of $n$ samples,

$$n = \sum_k\frac{\Lambda_k}{\Lambda_k+\kappa}+\frac\delta\kappa,\qquad
\gamma=\frac1n\sum_k\frac{\Lambda_k^2}{(\Lambda_k+\kappa)^2},\qquad
B=\sum_k\frac{\kappa^2P_k}{(\Lambda_k+\kappa)^2},\qquad \varepsilon(n)=\frac{B+\gamma\sigma^2}{1-\gamma}$$

is the expected squared error of the function learnt (Bordelon et al. 2020; the eigenframework of `reprise.kernels` at infinite
width, here with multiplicities). Of this, the modes of a sector carry $B_l+\gamma_l(B+\sigma^2)/(1-\gamma)$. A teacher that is a random
network of infinite width has $P_k$ = its own eigenvalues.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

from reprise.papers.infinite_width.wide_cnn import spectra
from reprise.papers.infinite_width.wide_cnn.spectra import Kind

__all__ = [
    "Curve",
    "Infinite",
    "Modes",
    "Pattern",
    "asymptotic_rate",
    "constant",
    "learning_curve",
    "modes",
    "noisy_bound",
]


class Infinite(NamedTuple):
    """An infinitely wide network on p patches: its kernel, averaged over blocks if its top layer sees fewer than p.

    Attributes:
        filters: sizes of the filters of its hidden layers.
        kind: "ntk" or "rfk".
        order: which patch stands at each place of its tree, if not 0, 1, ..., p-1.
    """

    filters: tuple[int, ...]
    kind: Kind = "ntk"
    order: tuple[int, ...] = ()

    @property
    def scale(self) -> float:
        """The kernel of an input with itself."""
        return len(self.filters) + 1.0 if self.kind == "ntk" else 1.0

    def place(self, patch: int) -> int:
        """Where a patch stands in the tree."""
        return self.order.index(patch) if self.order else patch

    def on(self, support: Sequence[int], highest: int, count: int) -> tuple[np.ndarray, float]:
        """Eigenvalues of the modes on one or two of ``count`` patches, frequencies from 1, and the sum of them all."""
        seen = spectra.patches(self.filters)
        if len({self.place(i) // seen for i in support}) > 1:
            return np.zeros((highest,) * len(support)), 0.0
        at = sorted(self.place(i) % seen for i in support)
        below = spectra.patches(self.filters[: spectra.lowest_layer(self.filters, at) - 1])  # 0 within a first filter
        focus = (0,) if len(at) == 1 else (0, max(below, 1))  # all pairs that meet in the same layer are alike
        found = spectra.marginal(self.filters, focus, self.kind, highest)
        constant = float(found.eigenvalues.flat[0])
        total = found.at_zero - constant
        if len(at) == 2:
            total -= 2 * (spectra.marginal(self.filters, (0,), self.kind, highest).at_zero - constant)
        share = seen / count  # of one block in the average over all
        return share * found.eigenvalues[(slice(1, None),) * len(at)], share * total

    def everywhere(self, count: int, highest: int) -> np.ndarray:
        """Eigenvalues of all modes up to a frequency on all patches, or zeros if the network sees fewer than all at once."""
        if spectra.patches(self.filters) < count:
            return np.zeros((highest + 1,) * count)
        found = spectra.marginal(self.filters, tuple(range(count)), self.kind, highest).eigenvalues
        return np.transpose(found, [self.place(i) for i in range(count)])


class Pattern(NamedTuple):
    """Modes whose non-zero frequencies stand on certain patches: one list entry for all of equal eigenvalue.

    Attributes:
        sector: the layer whose meta-patch they live on.
        multiplicity: number of modes of an entry, shape (m,).
        student: their eigenvalues, shape (m,).
        powers: of each teacher, shape (teachers, m).
        student_rest: sum of the student's eigenvalues that are not listed.
        powers_rest: the same of each teacher's powers.
    """

    sector: int
    multiplicity: Float[np.ndarray, " m"]
    student: Float[np.ndarray, " m"]
    powers: Float[np.ndarray, "t m"]
    student_rest: float
    powers_rest: Float[np.ndarray, " t"]


class Modes(NamedTuple):
    """All modes of a student and its teachers, by pattern; sectors are those of ``reference``.

    Attributes:
        patterns: first the constant, sector 0.
        reference: filters whose meta-patches define the sectors.
    """

    patterns: tuple[Pattern, ...]
    reference: tuple[int, ...]

    def variance_shares(self) -> Float[np.ndarray, "t l"]:
        """Share of each teacher's variance (the constant left out) in each sector."""
        power = np.zeros((len(self.patterns[0].powers), len(self.reference) + 1))
        for part in self.patterns:
            power[:, part.sector] += part.powers @ part.multiplicity + part.powers_rest
        return power[:, 1:] / power[:, 1:].sum(axis=1, keepdims=True)

    def ranked(self, count: int) -> Float[np.ndarray, " count"]:
        """The student's largest eigenvalues, each as often as it occurs."""
        values = np.concatenate([part.student for part in self.patterns])
        times = np.concatenate([part.multiplicity for part in self.patterns]).astype(int)
        order = np.argsort(-values)
        return np.repeat(values[order][:count], times[order][:count])[:count]


def modes(
    student: Infinite, teachers: Sequence[Infinite], highest: Sequence[int], reference: Sequence[int] = ()
) -> Modes:
    """List modes: those on one patch (and on two) up to high frequencies, all others up to a lower one.

    Args:
        student: whose top layer sees all patches.
        teachers: networks on the same patches.
        highest: frequencies for modes on one patch, on two, and on more; 0 for two takes these with the others.
        reference: filters that define the sectors; the student's by default.
    """
    count = spectra.patches(student.filters)
    reference = tuple(reference) or student.filters
    constants = [constant(each) for each in (student, *teachers)]
    found = [
        Pattern(0, np.ones(1), np.array(constants[:1]), np.array(constants[1:])[:, None], 0.0, np.zeros(len(teachers)))
    ]
    singled = [1] if not highest[1] or count == 2 else [1, 2]
    for size in singled:
        for support in itertools.combinations(range(count), size):
            values, totals = zip(
                *(each.on(support, highest[size - 1], count) for each in (student, *teachers)), strict=True
            )
            flat = np.array([v.ravel() for v in values])
            times = np.full(flat.shape[1], 2.0**size)
            rest = np.maximum(np.array(totals) - flat @ times, 0.0)
            sector = spectra.lowest_layer(reference, support)
            found.append(Pattern(sector, times, flat[0], flat[1:], float(rest[0]), rest[1:]))
    grids = [each.everywhere(count, highest[2]) for each in (student, *teachers)]
    size = np.sum(np.indices(grids[0].shape) > 0, axis=0)
    flat = np.array([grid[size > singled[-1]] for grid in grids])
    times = 2.0 ** size[size > singled[-1]]
    whole = np.array([each.scale for each in (student, *teachers)])
    for part in found:
        whole -= np.concatenate([[part.student @ part.multiplicity + part.student_rest],
                                 part.powers @ part.multiplicity + part.powers_rest])  # fmt: skip
    rest = np.maximum(whole - flat @ times, 0.0)
    found.append(Pattern(len(reference), times, flat[0], flat[1:], float(rest[0]), rest[1:]))
    return Modes(tuple(found), reference)


def constant(network: Infinite) -> float:
    """Eigenvalue of the constant function."""
    return float(spectra.marginal(network.filters, (0,), network.kind, 1).eigenvalues[0])


class Curve(NamedTuple):
    """Expected error at each n for each teacher, and what each sector has of it.

    Attributes:
        error: shape (teachers, n).
        sectors: shape (teachers, n, sectors), the constant first.
    """

    error: Float[np.ndarray, "t n"]
    sectors: Float[np.ndarray, "t n l"]


def learning_curve(
    found: Modes, ns: Sequence[float], *, ridge: float = 0.0, noise: float = 0.0, student: Modes | None = None
) -> Curve:
    r"""The formula of the module at sample sizes ``ns``.

    Args:
        found: modes.
        ns: sample sizes.
        ridge: $\delta$, added to the Gram matrix as is.
        noise: $\sigma^2$; the error is that of the learnt function, without the noise of a test label.
        student: take the student's eigenvalues from other modes in the same order (a wrong student, as a control).
    """
    source = found if student is None else student
    sector = np.concatenate([np.full(len(part.student), part.sector) for part in found.patterns])
    spectrum = np.concatenate([part.student for part in source.patterns])
    times = np.concatenate([part.multiplicity for part in found.patterns])
    power = np.concatenate([part.powers for part in found.patterns], axis=1) * times
    tail = sum(part.student_rest for part in source.patterns)
    count = len(found.reference) + 1
    members = [sector == layer for layer in range(count)]
    rest = np.stack([sum(p.powers_rest for p in found.patterns if p.sector == layer) + np.zeros(len(power))
                     for layer in range(count)], axis=1)  # fmt: skip
    sectors = np.empty((len(power), len(ns), count))
    for j, n in enumerate(ns):
        kappa = _kappa(spectrum, times, tail + ridge, n)
        left = kappa / (spectrum + kappa)
        bias = np.stack([power[:, m] @ left[m] ** 2 for m in members], axis=1) + rest
        learnt = np.array([times[m] @ (1 - left[m]) ** 2 for m in members]) / n
        scale = (bias.sum(axis=1) + noise) / (1 - learnt.sum())
        sectors[:, j] = bias + scale[:, None] * learnt
    return Curve(sectors.sum(axis=2), sectors)


def _kappa(spectrum: np.ndarray, times: np.ndarray, beyond: float, n: float) -> float:
    def excess(u: float) -> float:
        kappa = math.exp(u)
        return float(times @ (spectrum / (spectrum + kappa))) + beyond / kappa - n

    high = math.log(2 * (float(times @ spectrum) + beyond) / n)
    low = math.log(max(beyond / n, 1e-14 * math.exp(high)))
    return math.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-12))


def asymptotic_rate(student: Sequence[int], layer: int, kind: Kind = "ntk", teacher: Kind = "ntk") -> float:
    r"""Exponent $\beta$ of $\varepsilon\sim n^{-\beta}$ without noise and ridge for a teacher that ends at a hidden layer.

    $\beta=\alpha r$ with capacity $\alpha=1+2\nu/d_{eff}(L)$ and source $r=2m/(2\nu+d_{eff}(l))$, $2m=2\nu_T$; at most $2\alpha$.

    >>> [round(asymptotic_rate((2, 2, 2), layer), 4) for layer in (1, 2, 3)]
    [0.625, 0.4167, 0.25]
    >>> asymptotic_rate((2, 2), 2, teacher="rfk")
    1.5
    """
    dimensions, smooth = spectra.effective_dimensions(student), {"ntk": 1.0, "rfk": 3.0}
    alpha = 1 + smooth[kind] / dimensions[-1]
    source = smooth[teacher] / (smooth[kind] + dimensions[layer - 1])
    return alpha * min(source, 2.0)


def noisy_bound(student: Sequence[int], layer: int) -> float:
    r"""Exponent $\alpha r/(\alpha r+1)$ of the bound for noisy labels and the best ridge, NTK teacher and student.

    >>> [round(noisy_bound((2, 2, 2), layer), 4) for layer in (1, 2, 3)]
    [0.3846, 0.2941, 0.2]
    """
    rate = asymptotic_rate(student, layer)
    return rate / (rate + 1)
