r"""The trained circuit: local rotations and entangling gates, then the parity of all qubits.

$$W(\theta)=U_{loc}(\theta_l)\,U_{ent}\cdots U_{loc}(\theta_1)\,U_{ent}\,U_{loc}(\theta_0),$$

with $U_{loc}(\theta_t)=\bigotimes_iR_Y(\theta_{ti2})R_Z(\theta_{ti1})$ and $U_{ent}$ a CZ gate on every pair of
qubits: $2n(l+1)$ angles. Two routes lead to its output. `unitaries` multiplies whole matrices, for many circuits of
different depths at once; it trains. `apply` goes gate by gate through a state vector; it checks.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from reprise.papers.kernels_and_features.quantum_kernels.feature_map import parity, signs


def rz(angle: Float[Array, "..."]) -> Complex[Array, "... 2 2"]:
    r"""$R_Z(t)=e^{-itZ/2}$."""
    half = jnp.exp(-0.5j * angle)
    zero = jnp.zeros_like(half)
    return jnp.stack([jnp.stack([half, zero], -1), jnp.stack([zero, half.conj()], -1)], -2)


def ry(angle: Float[Array, "..."]) -> Complex[Array, "... 2 2"]:
    r"""$R_Y(t)=e^{-itY/2}$."""
    c, s = jnp.cos(0.5 * angle) + 0j, jnp.sin(0.5 * angle) + 0j
    return jnp.stack([jnp.stack([c, -s], -1), jnp.stack([s, c], -1)], -2)


def entangler(n: int) -> Float[np.ndarray, " dim"]:
    """The diagonal of a CZ gate on every pair of qubits.

    >>> entangler(2).tolist()
    [1.0, 1.0, 1.0, -1.0]
    """
    ones = (0.5 * (1.0 - signs(n))).sum(axis=1)
    return np.asarray((-1.0) ** (ones * (ones - 1.0) / 2.0))


@jax.jit
def unitaries(
    angles: Float[Array | np.ndarray, "runs layers n 2"],
    depths: Int[Array | np.ndarray, " runs"],
    entangled: Bool[Array | np.ndarray, " runs"],
) -> Complex[Array, "runs dim dim"]:
    """The matrices W of many circuits; layers beyond a run's depth, and its CZ gates if it has none, are left out."""
    layers, n = angles.shape[1], angles.shape[2]
    angles = jnp.asarray(angles)
    gates = ry(angles[..., 1]) @ rz(angles[..., 0])
    local = gates[:, :, 0]
    for qubit in range(1, n):
        shape = (*local.shape[:2], 2 ** (qubit + 1), 2 ** (qubit + 1))
        local = jnp.einsum("rlij,rlkm->rlikjm", local, gates[:, :, qubit]).reshape(shape)
    signs_of_cz = jnp.where(entangled[:, None], jnp.asarray(entangler(n)), 1.0)
    total = local[:, 0]
    for t in range(1, layers):
        longer = local[:, t] @ (signs_of_cz[:, :, None] * total)
        total = jnp.where((t <= depths)[:, None, None], longer, total)
    return total


@jax.jit
def outputs(
    angles: Float[Array | np.ndarray, "runs layers n 2"],
    depths: Int[Array | np.ndarray, " runs"],
    entangled: Bool[Array | np.ndarray, " runs"],
    states: Complex[Array | np.ndarray, "runs p dim"],
) -> Float[Array, "runs p"]:
    r"""$\langle\Phi|W^\dagger fW|\Phi\rangle$ for every run and each of its points."""
    turned = jnp.einsum("rij,rpj->rpi", unitaries(angles, depths, entangled), states)
    return (turned.real**2 + turned.imag**2) @ jnp.asarray(parity(states.shape[-1].bit_length() - 1))


def gate_on(state: Complex[Array, "... dim"], gate: Complex[Array, "2 2"], qubit: int) -> Complex[Array, "... dim"]:
    """A gate on one qubit of a state vector."""
    n = state.shape[-1].bit_length() - 1
    split = state.reshape(*state.shape[:-1], 2**qubit, 2, 2 ** (n - qubit - 1))
    return jnp.einsum("ij,...ajb->...aib", gate, split).reshape(state.shape)


@partial(jax.jit, static_argnames="entangled")
def apply(
    angles: Float[Array | np.ndarray, "layers n 2"],
    state: Complex[Array | np.ndarray, "... dim"],
    *,
    entangled: bool = True,
) -> Complex[Array, "... dim"]:
    """W on state vectors, gate by gate."""
    angles, state = jnp.asarray(angles), jnp.asarray(state)
    for t in range(angles.shape[0]):
        if t and entangled:
            state = state * jnp.asarray(entangler(angles.shape[1]))
        for qubit in range(angles.shape[1]):
            state = gate_on(state, rz(angles[t, qubit, 0]), qubit)
            state = gate_on(state, ry(angles[t, qubit, 1]), qubit)
    return state


def output(
    angles: Float[np.ndarray, "layers n 2"], state: Complex[np.ndarray, "... dim"], *, entangled: bool = True
) -> Float[np.ndarray, "..."]:
    """The mean parity after W, gate by gate."""
    turned = np.asarray(apply(angles, state, entangled=entangled))
    return np.asarray(np.abs(turned) ** 2 @ parity(angles.shape[1]))


def pauli_weights(
    unitary: Complex[np.ndarray, "dim dim"], strings: Complex[np.ndarray, "4**n dim dim"]
) -> Float[np.ndarray, " 4**n"]:
    r"""The weights $\mathrm{tr}(W^\dagger fWP)/2^{n/2}$ that make the output linear in the Pauli features."""
    n = unitary.shape[0].bit_length() - 1
    observable = unitary.conj().T @ (parity(n)[:, None] * unitary)
    return np.asarray(np.einsum("ij,Pji->P", observable, strings).real / np.sqrt(2.0**n))
