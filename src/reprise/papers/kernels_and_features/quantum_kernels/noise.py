r"""Overlaps on a device whose gates err: density matrices, and extrapolation to no noise.

The circuit of one entry is $\mathcal U_{\Phi(x)}^\dagger\,\mathcal U_{\Phi(y)}$ on $|0\rangle$, with gates as a device has
them: H and $R_Z$ on single qubits, CX on pairs, and $e^{i\phi ZZ}$ as CX, $R_Z(-2\phi)$, CX. After every gate each qubit that
it touched goes through a channel of strength c:

- depolarising: with probability c one of X, Y, Z happens, each alike;
- amplitude damping: an excited qubit decays with probability c.

An entry is $\mathrm{tr}(M_x\rho_y)$: $\rho_y$ is y's half of the circuit run forwards, $M_x$ the effect of the outcome
0...0 carried backwards through x's half. So p points cost p runs, not p^2.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Complex, Float

from reprise.papers.kernels_and_features.quantum_kernels.feature_map import PAULIS, kron, signs

Kind = Literal["depolarising", "amplitude damping"]
KINDS: tuple[Kind, ...] = ("depolarising", "amplitude damping")
STRETCH = 1.5
"""How much stronger the second noise is."""
Matrices = Complex[np.ndarray, "p dim dim"]


def kraus(kind: Kind, strength: float) -> Complex[np.ndarray, "k 2 2"]:
    r"""Kraus operators of the channel: $\rho\mapsto\sum_kE_k\rho E_k^\dagger$.

    >>> e = kraus("amplitude damping", 0.2)
    >>> np.einsum("kji,kjl->il", e.conj(), e).real.round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength: a probability is expected, not {strength}")
    if kind == "depolarising":
        weights = np.sqrt(np.array([1.0 - strength] + [strength / 3.0] * 3))
        return np.asarray(weights[:, None, None] * PAULIS)
    if kind == "amplitude damping":
        stays = [[1.0, 0.0], [0.0, np.sqrt(1.0 - strength)]]
        return np.array([stays, [[0.0, np.sqrt(strength)], [0.0, 0.0]]], dtype=np.complex128)
    raise ValueError(f"kind: one of {', '.join(KINDS)} is expected, not {kind!r}")


def on_qubit(gate: Complex[np.ndarray, "2 2"], qubit: int, n: int) -> Complex[np.ndarray, "dim dim"]:
    """A one-qubit matrix on one of n qubits."""
    return kron([gate if i == qubit else PAULIS[0] for i in range(n)])


def cx(control: int, target: int, n: int) -> Complex[np.ndarray, "dim dim"]:
    """The CX gate."""
    z = signs(n)[:, control]
    flipped = on_qubit(PAULIS[1], target, n)
    return np.asarray(np.diag(z > 0) + flipped * (z < 0)[None, :])


def gates(x: Float[np.ndarray, "p n"]) -> Iterator[tuple[Complex[np.ndarray, "..."], tuple[int, ...]]]:
    """The gates that encode points, in order: a matrix for all points, or diagonals of shape (p, dim, 1); and the qubits touched."""
    n, z, a = x.shape[1], signs(x.shape[1]), np.pi - x
    hadamard = (PAULIS[1] + PAULIS[3]) / np.sqrt(2.0)
    for _ in range(2):
        for i in range(n):
            yield on_qubit(hadamard, i, n), (i,)
        for i in range(n):
            yield np.exp(1j * x[:, i, None] * z[:, i])[..., None], (i,)
        for i in range(n):
            for j in range(i + 1, n):
                yield cx(i, j, n), (i, j)
                yield np.exp(1j * (a[:, i] * a[:, j])[:, None] * z[:, j])[..., None], (j,)
                yield cx(i, j, n), (i, j)


def _turned(rho: Matrices, gate: np.ndarray) -> Matrices:
    if gate.ndim == 3:
        return np.asarray(gate * rho * gate.conj().swapaxes(1, 2))
    return np.asarray(gate @ rho @ gate.conj().T)


class Device:
    """A device of n qubits with one kind of noise.

    Args:
        n: number of qubits.
        kind: of noise.
        strength: c.
    """

    def __init__(self, n: int, kind: Kind, strength: float) -> None:
        single = kraus(kind, strength)
        self.n, self._channels = n, [np.stack([on_qubit(e, i, n) for e in single]) for i in range(n)]

    def _through(self, rho: Matrices, qubit: int, *, backwards: bool) -> Matrices:
        operators = self._channels[qubit]
        daggers = operators.conj().swapaxes(1, 2)
        left, right = (daggers, operators) if backwards else (operators, daggers)
        return np.asarray(sum(e @ rho @ f for e, f in zip(left, right, strict=True)))

    def _zeros(self, count: int) -> Matrices:
        rho = np.zeros((count, 2**self.n, 2**self.n), dtype=np.complex128)
        rho[:, 0, 0] = 1.0
        return rho

    def encoded(self, x: Float[np.ndarray, "p n"]) -> Matrices:
        """The states after the encoding circuits, noise after every gate."""
        rho = self._zeros(len(x))
        for gate, touched in gates(x):
            rho = _turned(rho, gate)
            for qubit in touched:
                rho = self._through(rho, qubit, backwards=False)
        return rho

    def effects(self, x: Float[np.ndarray, "p n"]) -> Matrices:
        """The outcome 0...0 after the inverse encoding circuits, carried back to before them.

        The inverse circuit runs the inverse gates in reverse order, each followed by noise. Backwards from the outcome
        that is noise, then gate, from the first gate of the encoding on.
        """
        effect = self._zeros(len(x))
        for gate, touched in gates(x):
            for qubit in touched:
                effect = self._through(effect, qubit, backwards=True)
            effect = _turned(effect, gate)
        return effect

    def kernel(self, x: Float[np.ndarray, "p n"], y: Float[np.ndarray, "q n"]) -> Float[np.ndarray, "p q"]:
        """The probabilities of 0...0 for all pairs."""
        effects, encoded = self.effects(np.asarray(x)), self.encoded(np.asarray(y))
        return np.asarray(np.einsum("pij,qji->pq", effects, encoded, optimize=True).real)

    def gram(self, x: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "p p"]:
        """A kernel matrix from one measurement for each pair; its diagonal is set to 1."""
        upper = np.triu(self.kernel(x, x), 1)
        return np.asarray(upper + upper.T + np.eye(len(x)))


def extrapolated(at_c: Float[np.ndarray, "..."], at_stretched: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The line through values at noise c and at 1.5 times c, read off at no noise.

    >>> float(extrapolated(np.array(0.75), np.array(0.625)))
    1.0
    """
    return np.asarray((STRETCH * at_c - at_stretched) / (STRETCH - 1.0))


def channel_uses(n: int) -> int:
    """Channels in the circuit of one entry: each gate counts the qubits that it touches.

    >>> channel_uses(2)
    36
    """
    return 2 * sum(len(touched) for _, touched in gates(np.zeros((1, n))))


def surviving(n: int, strength: float) -> float:
    """What a depolarising device leaves of an entry's distance from 2^-n, if errors act on random operators.

    A channel of strength c shrinks three of the four Pauli operators of its qubit by 1 - 4c/3, on average by 1 - c.
    """
    return float((1.0 - strength) ** channel_uses(n))
