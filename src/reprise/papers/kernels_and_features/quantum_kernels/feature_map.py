r"""The feature map: a data point becomes a state of n qubits; the overlap of two states is the kernel.

$|\Phi(x)\rangle=U(x)H^{\otimes n}U(x)H^{\otimes n}|0\rangle$ with the diagonal

$$U(x)=\exp\Bigl(i\sum_ix_iZ_i+i\sum_{i<j}(\pi-x_i)(\pi-x_j)Z_iZ_j\Bigr).$$

Amplitudes are in the order of bits, qubit 0 the most significant; bit 0 has $Z=+1$. As $z_i^2=1$, the sum over pairs
is $\tfrac12\bigl((\sum_ia_iz_i)^2-\sum_ia_i^2\bigr)$ with $a=\pi-x$: no list of pairs is needed.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

import reprise._x64  # noqa: F401

PAULIS = np.array(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]],
    dtype=np.complex128,
)
"""The matrices I, X, Y, Z."""


def signs(n: int) -> Float[np.ndarray, "dim n"]:
    """Eigenvalues of Z on each qubit, one row for each bit string.

    >>> signs(2).tolist()
    [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    """
    bits = np.arange(2**n)[:, None] >> np.arange(n - 1, -1, -1) & 1
    return 1.0 - 2.0 * bits


def parity(n: int) -> Float[np.ndarray, " dim"]:
    """Eigenvalues of the product of all Z.

    >>> parity(2).tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    return np.asarray(signs(n).prod(axis=1))


def walsh_hadamard(amplitudes: Complex[Array, "... dim"]) -> Complex[Array, "... dim"]:
    """A Hadamard gate on every qubit, in n 2^n operations a state."""
    lead, dim = amplitudes.shape[:-1], amplitudes.shape[-1]
    for half in (2**i for i in range(dim.bit_length() - 1)):
        pair = amplitudes.reshape(*lead, -1, 2, half)
        amplitudes = jnp.stack([pair[..., 0, :] + pair[..., 1, :], pair[..., 0, :] - pair[..., 1, :]], axis=-2)
    return amplitudes.reshape(*lead, dim) / np.sqrt(dim)


@partial(jax.jit, static_argnames="layers")
def _states(x: Array, entangled: float, layers: int) -> Array:
    n = x.shape[-1]
    z, a = jnp.asarray(signs(n).T), jnp.pi - x
    pairs = 0.5 * ((a @ z) ** 2 - jnp.sum(a**2, axis=-1, keepdims=True))
    phase = jnp.exp(1j * (x @ z + entangled * pairs))
    state = jnp.full((*x.shape[:-1], 2**n), 2.0 ** (-n / 2), dtype=phase.dtype) * phase
    for _ in range(layers - 1):
        state = walsh_hadamard(state) * phase
    return state


def states(x: Float[np.ndarray, "... n"], *, entangled: bool = True, layers: int = 2) -> Complex[np.ndarray, "... dim"]:
    r"""The states $|\Phi(x)\rangle$ of data points.

    Compiled for 64, 256, 1024, ... points: any other number is filled up, so that few sizes are ever compiled.

    Args:
        x: data points, one angle a qubit.
        entangled: with the phases of pairs; without them the states are products of one-qubit states.
        layers: repetitions of Hadamards and phases, two in the paper.

    Raises:
        ValueError: x has no axis of angles, or there is no layer.

    >>> states(np.zeros((3, 2))).shape
    (3, 4)
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(f"x: data points of shape (..., n) with n >= 1 are expected, not of shape {x.shape}")
    if layers < 1:
        raise ValueError(f"layers: at least one repetition is expected, not {layers}")
    flat = x.reshape(-1, x.shape[-1])
    size = 64
    while size < len(flat):
        size *= 4
    filled = np.concatenate([flat, np.zeros((size - len(flat), flat.shape[1]))])
    found = np.asarray(_states(filled, float(entangled), layers))
    return found[: len(flat)].reshape(*x.shape[:-1], -1)


def overlaps(a: Complex[np.ndarray, "... p dim"], b: Complex[np.ndarray, "... q dim"]) -> Float[np.ndarray, "... p q"]:
    r"""The kernel $K=|\langle a|b\rangle|^2$ between all states of two lists."""
    inner = a.conj() @ b.swapaxes(-1, -2)
    return np.asarray(inner.real**2 + inner.imag**2)


def kernel(
    x: Float[np.ndarray, "p n"], y: Float[np.ndarray, "q n"], *, entangled: bool = True, layers: int = 2
) -> Float[np.ndarray, "p q"]:
    r"""$K(x,y)=|\langle\Phi(x)|\Phi(y)\rangle|^2$ between two lists of points.

    >>> k = kernel(np.array([[1.0, 2.0]]), np.array([[2.5, 0.5]]))
    >>> round(float(k[0, 0]), 10)
    0.0126889285
    """
    a, b = (states(points, entangled=entangled, layers=layers) for points in (x, y))
    return overlaps(a, b)


def product_kernel(x: Float[np.ndarray, "p n"], y: Float[np.ndarray, "q n"]) -> Float[np.ndarray, "p q"]:
    r"""The kernel without phases of pairs, as a product over qubits, from Bloch vectors.

    One qubit's state has the Bloch vector $r(x)=(\sin^22x,\ \sin2x\cos2x,\ \cos2x)$, and the overlap of two such states
    is $\frac12(1+r\cdot r')$.

    >>> bool(np.isclose(product_kernel(np.ones((1, 3)), np.ones((1, 3)))[0, 0], 1.0))
    True
    """
    a, b = bloch(np.asarray(x)), bloch(np.asarray(y))
    return np.asarray(np.prod(0.5 * (1.0 + np.einsum("pic,qic->pqi", a, b)), axis=-1))


def bloch(x: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "... n 3"]:
    """Bloch vectors of the qubits of a product state."""
    s, c = np.sin(2.0 * x), np.cos(2.0 * x)
    return np.stack([s * s, s * c, c], axis=-1)


def kron(matrices: Sequence[Complex[np.ndarray, "2 2"]]) -> Complex[np.ndarray, "dim dim"]:
    """The Kronecker product of one matrix a qubit."""
    product = np.eye(1, dtype=np.complex128)
    for matrix in matrices:
        product = np.kron(product, matrix)
    return product


def pauli_strings(n: int) -> Complex[np.ndarray, "4**n dim dim"]:
    """All products of Pauli matrices on n qubits."""
    return np.stack([kron([PAULIS[i] for i in index]) for index in np.ndindex(*(4,) * n)])


def pauli_features(found: Complex[np.ndarray, "p dim"]) -> Float[np.ndarray, "p 4**n"]:
    r"""The feature vector of a state: $\langle\Phi|P|\Phi\rangle/2^{n/2}$ for every Pauli string P.

    Their inner products are the kernel, since $\mathrm{tr}(\rho\rho')=2^{-n}\sum_P\mathrm{tr}(\rho P)\,\mathrm{tr}(\rho'P)$.
    """
    n = found.shape[-1].bit_length() - 1
    turned = np.einsum("Pij,pj->pPi", pauli_strings(n), found)
    return np.asarray(np.einsum("pi,pPi->pP", found.conj(), turned).real / np.sqrt(2.0**n))
