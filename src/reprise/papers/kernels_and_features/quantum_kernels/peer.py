r"""The same circuits in PennyLane, the field's own simulator, gate by gate; it is imported only when asked.

PennyLane's rotations are $R_Z(t)=e^{-itZ/2}$, so $e^{i\phi Z}$ is $R_Z(-2\\phi)$. Its `IQPEmbedding` is no substitute for the
map: it has other angles, and products of coordinates where the map has products of their distances from pi.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from reprise.papers.kernels_and_features.quantum_kernels.noise import Kind


def _library() -> Any:
    import pennylane as qml  # type: ignore[import-untyped]

    return qml


def _encode(qml: Any, x: np.ndarray, after: Any = None) -> None:
    """The encoding circuit of one point; `after` is told the qubits of every gate."""
    n = len(x)
    told = after or (lambda *_: None)
    for _ in range(2):
        for i in range(n):
            qml.Hadamard(wires=i)
            told(i)
        for i in range(n):
            qml.RZ(-2.0 * x[i], wires=i)
            told(i)
        for i in range(n):
            for j in range(i + 1, n):
                qml.CNOT(wires=[i, j])
                told(i, j)
                qml.RZ(-2.0 * (np.pi - x[i]) * (np.pi - x[j]), wires=j)
                told(j)
                qml.CNOT(wires=[i, j])
                told(i, j)


def _decode(qml: Any, x: np.ndarray, after: Any) -> None:
    """The inverse circuit of one point, noise after each of its gates."""
    n = len(x)
    for _ in range(2):
        for i in reversed(range(n)):
            for j in reversed(range(i + 1, n)):
                qml.CNOT(wires=[i, j])
                after(i, j)
                qml.RZ(2.0 * (np.pi - x[i]) * (np.pi - x[j]), wires=j)
                after(j)
                qml.CNOT(wires=[i, j])
                after(i, j)
        for i in range(n):
            qml.RZ(2.0 * x[i], wires=i)
            after(i)
        for i in range(n):
            qml.Hadamard(wires=i)
            after(i)


def states(x: Float[np.ndarray, "p n"], *, iqp: bool = False) -> np.ndarray:
    """State vectors; with `iqp` those of PennyLane's IQP embedding."""
    qml = _library()
    n = x.shape[1]

    def circuit(point: np.ndarray) -> Any:
        if iqp:
            qml.IQPEmbedding(point, wires=range(n), n_repeats=2)
        else:
            _encode(qml, point)
        return qml.state()

    node = qml.QNode(circuit, qml.device("default.qubit", wires=n))
    return np.stack([np.asarray(node(point)) for point in x])


def kernel(x: Float[np.ndarray, "p n"], *, iqp: bool = False) -> Float[np.ndarray, "p p"]:
    """Overlaps of all pairs."""
    found = states(x, iqp=iqp)
    return np.asarray(np.abs(found.conj() @ found.T) ** 2)


def parities(x: Float[np.ndarray, "p n"], angles: Float[np.ndarray, "layers n 2"]) -> Float[np.ndarray, " p"]:
    """Outputs of a trained circuit, by PennyLane's own observable."""
    qml = _library()
    n = x.shape[1]

    def circuit(point: np.ndarray) -> Any:
        _encode(qml, point)
        for t in range(len(angles)):
            if t:
                for i in range(n):
                    for j in range(i + 1, n):
                        qml.CZ(wires=[i, j])
            for i in range(n):
                qml.RZ(angles[t, i, 0], wires=i)
                qml.RY(angles[t, i, 1], wires=i)
        return qml.expval(qml.prod(*(qml.PauliZ(i) for i in range(n))))

    node = qml.QNode(circuit, qml.device("default.qubit", wires=n))
    return np.array([float(node(point)) for point in x])


def noisy_entry(x: np.ndarray, y: np.ndarray, kind: Kind, strength: float) -> float:
    """One entry on a device whose gates err, by PennyLane's density matrices."""
    qml = _library()
    n = len(x)

    def after(*qubits: int) -> None:
        for qubit in qubits:
            if kind == "depolarising":
                qml.DepolarizingChannel(strength, wires=qubit)
            else:
                qml.AmplitudeDamping(strength, wires=qubit)

    def circuit() -> Any:
        _encode(qml, y, after)
        _decode(qml, x, after)
        return qml.probs(wires=range(n))

    node = qml.QNode(circuit, qml.device("default.mixed", wires=n))
    return float(np.asarray(node())[0])
