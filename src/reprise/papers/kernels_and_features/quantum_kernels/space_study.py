"""C3: overlaps are inner products of Pauli coefficients, circuits are linear in them, another simulator agrees."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.quantum_kernels import circuit, feature_map, noise, peer

QUBITS = 2
POINTS = 500
CIRCUITS = 20
LAYERS = 4
PEER_POINTS = 4
PEER_NOISE = 0.02


class Gaps(NamedTuple):
    """What was measured and its control, as exact estimates."""

    measured: Estimate
    control: Estimate


def points(count: int, n: int, *key: int) -> Float[np.ndarray, "count n"]:
    """Uniform random points on the full turn."""
    return 2.0 * np.pi * (1.0 - np.random.default_rng(list(key)).random((count, n)))


def pauli_gap(*, seed: int) -> Gaps:
    """Largest difference of overlaps from inner products of Pauli coefficients; control: moduli of amplitudes."""
    found = feature_map.states(points(POINTS, QUBITS, seed, 31))
    overlaps, features = feature_map.overlaps(found, found), feature_map.pauli_features(found)
    inner = features @ features.T
    return Gaps(_largest(overlaps - inner), _largest(np.sqrt(overlaps) - inner))


def ranks(*, seed: int) -> tuple[Gaps, int]:
    """Rank of the kernel matrix; control: moduli of amplitudes. And that of product states, for comparison."""
    x = points(POINTS, QUBITS, seed, 31)
    overlaps = feature_map.kernel(x, x)
    counted = (rank(overlaps), rank(np.sqrt(overlaps)))
    right, off = (Estimate.exact(float(r), n=POINTS, method="eigenvalues above rounding") for r in counted)
    return Gaps(right, off), rank(feature_map.product_kernel(x, x))


def rank(gram: Float[np.ndarray, "p p"]) -> int:
    """Eigenvalues above rounding error."""
    return int(np.linalg.matrix_rank(gram, hermitian=True))


def output_gap(*, seed: int) -> Gaps:
    """Largest difference of circuits' outputs, gate by gate, from weights times Pauli coefficients.

    The weights come from whole matrices. Control: weights of the inverse circuits.
    """
    rng = np.random.default_rng([seed, 32])
    found = feature_map.states(points(POINTS // 5, QUBITS, seed, 33))
    angles = rng.uniform(0.0, 2.0 * np.pi, (CIRCUITS, LAYERS + 1, QUBITS, 2))
    whole = np.asarray(circuit.unitaries(angles, np.full(CIRCUITS, LAYERS), np.ones(CIRCUITS, dtype=bool)))
    features, strings = feature_map.pauli_features(found), feature_map.pauli_strings(QUBITS)
    right, off = [], []
    for one, unitary in zip(angles, whole, strict=True):
        seen = circuit.output(one, found)
        right.append(seen - features @ circuit.pauli_weights(unitary, strings))
        off.append(seen - features @ circuit.pauli_weights(unitary.conj().T, strings))
    return Gaps(_largest(np.array(right)), _largest(np.array(off)))


def peer_gap(*, seed: int) -> Gaps:
    """Largest difference from PennyLane over overlaps, outputs and noisy overlaps; control: its IQP embedding."""
    rng = np.random.default_rng([seed, 34])
    apart = []
    for n in (2, 3):
        x = points(PEER_POINTS, n, seed, 35, n)
        angles = rng.uniform(0.0, 2.0 * np.pi, (LAYERS + 1, n, 2))
        ours = feature_map.kernel(x, x)
        apart += [ours - peer.kernel(x)]
        apart += [circuit.output(angles, feature_map.states(x)) - peer.parities(x, angles)]
    off = ours - peer.kernel(x, iqp=True)
    x = points(PEER_POINTS, 2, seed, 36)
    for kind in noise.KINDS:
        ours = noise.Device(2, kind, PEER_NOISE).kernel(x[:2], x[2:])
        theirs = [[peer.noisy_entry(a, b, kind, PEER_NOISE) for b in x[2:]] for a in x[:2]]
        apart.append(ours - np.array(theirs))
    return Gaps(_largest(np.concatenate([a.ravel() for a in apart])), _largest(off))


def _largest(gap: np.ndarray) -> Estimate:
    return Estimate.exact(float(np.abs(gap).max()), n=gap.size, method="largest of all entries")
