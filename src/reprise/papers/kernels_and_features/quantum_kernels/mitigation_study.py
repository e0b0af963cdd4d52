"""C6: kernel matrices of a device whose gates err, raw and extrapolated to no noise."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.quantum_kernels import machines, noise, shots
from reprise.papers.kernels_and_features.quantum_kernels.kernel_study import grams
from reprise.papers.kernels_and_features.quantum_kernels.labels import Labelled
from reprise.papers.kernels_and_features.quantum_kernels.noise import Kind

SHOT_ERROR = 0.01
"""Gate error at which shots are added."""
FEW = 100
"""Shots of the control."""
Table = Float[np.ndarray, "sets errors"]


class Mitigated(NamedTuple):
    """Errors of the entries of a kernel matrix, root mean square over pairs, under one kind of noise.

    Attributes:
        kind: of noise.
        gate_errors: strengths c, the heavy one last.
        raw: at strength c.
        extrapolated: from c and 1.5 c.
        qubits: of the device.
        distance: root mean square of exact entries' distances from 2^-n, mean over data sets.
    """

    kind: Kind
    gate_errors: tuple[float, ...]
    raw: Table
    extrapolated: Table
    qubits: int
    distance: float

    def predicted(self, strengths: Float[np.ndarray, " k"]) -> Float[np.ndarray, "2 k"]:
        """Both errors under depolarising noise if entries decay at one rate towards 2^-n."""
        left, less = (
            np.array([noise.surviving(self.qubits, min(1.0, f * s)) for s in strengths]) for f in (1.0, noise.STRETCH)
        )
        return self.distance * np.stack([1.0 - left, np.abs(1.0 - noise.extrapolated(left, less))])

    def worst(self) -> Estimate:
        """Extrapolated over raw error, mean over data sets, at the gate error where it is largest; not the heavy one."""
        ratio = (self.extrapolated / self.raw)[:, :-1]
        return max((statistics.mean(column) for column in ratio.T), key=lambda e: float(np.asarray(e.value)))

    def heavy(self) -> Estimate:
        """The same ratio at the heavy gate error."""
        return statistics.mean(self.extrapolated[:, -1] / self.raw[:, -1])

    def order(self, *, raw: bool = False) -> Estimate:
        """Log-log slope of the error against the gate error, the heavy one left out."""
        return statistics.slope(self.gate_errors[:-1], (self.raw if raw else self.extrapolated)[:, :-1], method="t")


@on_one_thread
def run(sets: Sequence[Labelled], kind: Kind, gate_errors: Sequence[float], heavy: float) -> Mitigated:
    """Noisy kernels at every strength and at 1.5 times it.

    Raises:
        ValueError: the gate errors do not increase.
    """
    if list(gate_errors) != sorted(set(gate_errors)):
        raise ValueError(f"gate_errors: an increasing list is expected, not {list(gate_errors)}")
    n, every = sets[0].x.shape[1], (*gate_errors, heavy)
    x, size = np.concatenate([data.x for data in sets]), len(sets[0].x)
    exact = [shots.off_diagonal(grams(data)[0]) for data in sets]
    raw, better = np.zeros((2, len(sets), len(every)))
    for j, strength in enumerate(progress.track(every, f"Device with {kind}")):
        at = [_pairs(noise.Device(n, kind, s), x, size) for s in (strength, noise.STRETCH * strength)]
        for i, truth in enumerate(exact):
            raw[i, j] = _rms(at[0][i] - truth)
            better[i, j] = _rms(noise.extrapolated(at[0][i], at[1][i]) - truth)
    distance = float(np.mean([_rms(k - 2.0**-n) for k in exact]))
    return Mitigated(kind, every, raw, better, n, distance)


def _pairs(device: noise.Device, x: np.ndarray, size: int) -> list[np.ndarray]:
    """Entries of each data set's pairs; all states and effects at once."""
    effects, encoded = device.effects(x), device.encoded(x)
    found = []
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        entries = np.einsum("pij,qji->pq", effects[part], encoded[part], optimize=True).real
        found.append(shots.off_diagonal(entries))
    return found


def _rms(gap: np.ndarray) -> float:
    return float(np.sqrt(np.mean(gap**2)))


class WithShots(NamedTuple):
    """Error ratios and accuracies on the noisy device with shots."""

    ratio: Estimate
    few: Estimate
    accuracies: dict[str, float]

    def reading(self) -> str:
        """What machines make of the three matrices, in words."""
        found = ", ".join(f"{name} {value:.3f}" for name, value in self.accuracies.items())
        return f"Test accuracy at a gate error of {SHOT_ERROR:.0%}, with shots except for the exact one: {found}."


@on_one_thread
def with_shots(sets: Sequence[Labelled], kernel_shots: int, *, seed: int) -> WithShots:
    """Extrapolated over raw error with shots, and what machines make of exact, raw and extrapolated matrices."""
    n = sets[0].x.shape[1]
    devices = [noise.Device(n, "depolarising", f * SHOT_ERROR) for f in (1.0, noise.STRETCH)]
    ratios: dict[int, list[float]] = {kernel_shots: [], FEW: []}
    scores: dict[str, list[float]] = {"exact": [], "raw": [], "extrapolated": []}
    for i, data in enumerate(progress.track(sets, "Noisy device with shots")):
        rng = np.random.default_rng([seed, 61, i])
        exact, exact_rows = grams(data)
        truth = shots.off_diagonal(exact)
        at = [d.kernel(np.concatenate([data.x, data.x_test]), data.x) for d in devices]
        size = len(data.x)
        for count, found in ratios.items():
            one, two = (shots.measured_gram(k[:size], count, rng) for k in at)
            both = noise.extrapolated(one, two)
            found.append(_rms(shots.off_diagonal(both) - truth) / _rms(shots.off_diagonal(one) - truth))
            if count == kernel_shots:
                rows = [shots.measured(k[size:], count, rng) for k in at]
                kernels = {"raw": (one, rows[0]), "extrapolated": (both, noise.extrapolated(rows[0], rows[1]))}
                for name, (gram, test) in {"exact": (exact, exact_rows), **kernels}.items():
                    scores[name].append(machines.accuracy(shots.clipped(gram), data.y, test, data.y_test))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    return WithShots(statistics.mean(ratios[kernel_shots]), statistics.mean(ratios[FEW]), means)
