"""Map, circuit, noise and labels against explicit matrices, closed forms, quadrature and PennyLane."""

from functools import reduce
from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg
from scipy.stats import unitary_group

from reprise.papers.kernels_and_features.quantum_kernels import circuit, feature_map, labels, noise, peer, shots
from reprise.papers.kernels_and_features.quantum_kernels import space_study as ss

X, Y, Z = feature_map.PAULIS[1:]
EYE = np.eye(2)


def points(count: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, (count, n))


def on(matrix: np.ndarray, qubits: tuple[int, ...], n: int) -> np.ndarray:
    return reduce(np.kron, [matrix if i in qubits else EYE for i in range(n)])


def by_exponential(x: np.ndarray, layers: int = 2) -> np.ndarray:
    """The map as it is written down: matrix exponentials of explicit sums over qubits and pairs."""
    n = len(x)
    generator = sum(x[i] * on(Z, (i,), n) for i in range(n))
    generator = generator + sum(
        (np.pi - x[i]) * (np.pi - x[j]) * on(Z, (i, j), n) for i, j in combinations(range(n), 2)
    )
    hadamards = reduce(np.kron, [(X + Z) / np.sqrt(2.0)] * n)
    state = np.zeros(2**n, dtype=complex)
    state[0] = 1.0
    for _ in range(layers):
        state = linalg.expm(1j * generator) @ hadamards @ state
    return state


class TestFeatureMap:
    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_states_by_matrix_exponentials(self, n: int, layers: int) -> None:
        """Asymmetric points: a wrong order of bits would show."""
        x = points(3, n, seed=n)
        found = np.asarray(feature_map.states(x, layers=layers))
        np.testing.assert_allclose(found, [by_exponential(p, layers) for p in x], atol=1e-12)

    @pytest.mark.parametrize(("layers", "value"), [(2, 0.0126889285), (1, 0.4600066364)])
    def test_known_overlaps(self, layers: int, value: float) -> None:
        a, b = np.array([1.0, 2.0]), np.array([2.5, 0.5])
        assert feature_map.kernel(a[None], b[None], layers=layers)[0, 0] == pytest.approx(value, abs=1e-10)
        inner = np.vdot(by_exponential(a, layers), by_exponential(b, layers))
        assert abs(inner) ** 2 == pytest.approx(value, abs=1e-10)

    def test_states_are_normalised_and_the_kernel_is_symmetric(self) -> None:
        x = points(20, 3)
        gram = feature_map.kernel(x, x)
        np.testing.assert_allclose(np.diag(gram), 1.0, atol=1e-12)
        np.testing.assert_allclose(gram, gram.T, atol=1e-12)
        assert np.linalg.eigvalsh(gram)[0] > -1e-12

    def test_flipping_all_phases_changes_no_overlap(self) -> None:
        x = points(6, 2)
        states = np.stack([by_exponential(p) for p in x])
        flipped = states.conj()
        np.testing.assert_allclose(np.abs(flipped.conj() @ flipped.T) ** 2, feature_map.kernel(x, x), atol=1e-12)

    def test_single_phases_have_period_two_pi_but_pairs_do_not(self) -> None:
        x, shifted = np.array([[1.0, 2.0]]), np.array([[1.0 + 2.0 * np.pi, 2.0]])
        assert feature_map.kernel(x, shifted, entangled=False)[0, 0] == pytest.approx(1.0)
        assert feature_map.kernel(x, shifted)[0, 0] < 0.99

    def test_bloch_vectors_from_the_state(self) -> None:
        x = points(9, 1)
        found = np.asarray(feature_map.states(x))
        seen = np.stack([np.einsum("pi,ij,pj->p", found.conj(), m, found).real for m in (X, Y, Z)], axis=-1)
        np.testing.assert_allclose(feature_map.bloch(x)[:, 0], seen, atol=1e-12)

    @pytest.mark.parametrize("n", [1, 2, 4])
    def test_product_kernel(self, n: int) -> None:
        x, y = points(7, n), points(5, n, seed=1)
        simulated = feature_map.kernel(x, y, entangled=False)
        np.testing.assert_allclose(feature_map.product_kernel(x, y), simulated, atol=1e-12)
        if n > 1:
            assert np.abs(feature_map.product_kernel(x, y) - feature_map.kernel(x, y)).max() > 0.1

    def test_mean_overlap_of_one_qubit(self) -> None:
        grid = 2.0 * np.pi * np.arange(64)[:, None] / 64
        assert feature_map.kernel(grid, grid).mean() == pytest.approx(5 / 8)

    @pytest.mark.parametrize(("n", "pilot"), [(2, 0.308), (3, 0.145)])
    def test_mean_overlap_is_the_purity_of_the_mean_state(self, n: int, pilot: float) -> None:
        """By Gauss-Legendre quadrature over the cube of inputs; sampled means lie nearby."""
        nodes, weights = np.polynomial.legendre.leggauss(48 if n == 2 else 40)
        grid = np.stack(np.meshgrid(*[np.pi * (nodes + 1.0)] * n), axis=-1).reshape(-1, n)
        mass = reduce(np.multiply.outer, [weights / 2.0] * n).ravel()
        states = np.asarray(feature_map.states(grid))
        mean_state = np.einsum("p,pi,pj->ij", mass, states, states.conj())
        exact = np.trace(mean_state @ mean_state).real
        x = points(600, n, seed=3)
        assert shots.off_diagonal(feature_map.kernel(x, x)).mean() == pytest.approx(exact, abs=0.01)
        assert exact == pytest.approx(pilot, abs=0.01)

    def test_overlaps_beyond_random_ones_come_from_a_coupling_of_rank_one(self) -> None:
        """With a random sign for every pair, the same for all points, ten qubits have the mean overlap 2^-10."""
        n, rng = 10, np.random.default_rng(0)
        x = points(150, n)
        a, z = np.pi - x, feature_map.signs(n)

        def excess(coupling: np.ndarray) -> float:
            phase = x @ z.T
            for i, j in combinations(range(n), 2):
                phase = phase + coupling[i, j] * np.outer(a[:, i] * a[:, j], z[:, i] * z[:, j])
            diagonal = np.exp(1j * phase)
            states = np.asarray(feature_map.walsh_hadamard(jnp.asarray(diagonal / np.sqrt(2.0**n)))) * diagonal
            return float(shots.off_diagonal(feature_map.overlaps(states, states)).mean()) * 2**n

        whole = shots.off_diagonal(feature_map.kernel(x, x)).mean() * 2**n
        assert excess(np.ones((n, n))) == pytest.approx(whole, rel=1e-9)
        assert whole > 1.5
        assert excess(rng.choice([-1.0, 1.0], (n, n))) == pytest.approx(1.0, abs=0.1)

    def test_pauli_features(self) -> None:
        found = feature_map.states(points(5, 2))
        features = feature_map.pauli_features(found)
        rho = np.einsum("pi,pj->pij", found, np.conj(found))
        direct = np.trace(rho @ np.kron(Y, X), axis1=1, axis2=2).real / 2.0
        np.testing.assert_allclose(features[:, 4 * 2 + 1], direct, atol=1e-12)
        np.testing.assert_allclose(features[:, 0], 0.5, atol=1e-12)
        np.testing.assert_allclose((features**2).sum(axis=1), 1.0, atol=1e-12)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="layers"):
            feature_map.states(points(2, 2), layers=0)
        with pytest.raises(ValueError, match="data points of shape"):
            feature_map.states(np.zeros(()))


class TestCircuit:
    @pytest.mark.parametrize("n", [2, 3])
    @pytest.mark.parametrize("depth", [0, 1, 3])
    def test_both_routes(self, n: int, depth: int) -> None:
        """Whole matrices with masked layers, and gates on a state vector."""
        angles = np.random.default_rng(depth).uniform(0, 6, (4, n, 2))
        states = feature_map.states(points(5, n))
        for entangled in (True, False):
            whole = circuit.outputs(jnp.asarray(angles)[None], jnp.array([depth]), jnp.array([entangled]), states[None])
            gates = circuit.output(jnp.asarray(angles[: depth + 1]), states, entangled=entangled)
            np.testing.assert_allclose(whole[0], gates, atol=1e-12)

    def test_rotations(self) -> None:
        np.testing.assert_allclose(circuit.rz(jnp.array(0.7)), linalg.expm(-0.35j * Z), atol=1e-12)
        np.testing.assert_allclose(circuit.ry(jnp.array(0.7)), linalg.expm(-0.35j * Y), atol=1e-12)

    def test_cz_on_three_qubits(self) -> None:
        both = [
            np.diag(np.diag((np.eye(8) + on(Z, (i,), 3) + on(Z, (j,), 3) - on(Z, (i, j), 3)) / 2))
            for i, j in combinations(range(3), 2)
        ]
        np.testing.assert_allclose(np.diag(circuit.entangler(3)), reduce(np.matmul, both), atol=1e-12)

    def test_without_layers_only_products_are_measured(self) -> None:
        angles = np.random.default_rng(0).uniform(0, 6, (1, 1, 2, 2))
        whole = np.asarray(circuit.unitaries(jnp.asarray(angles), jnp.array([0]), jnp.array([True])))[0]
        singular = np.linalg.svd(whole.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4))[1]
        assert singular[1] < 1e-12


class TestNoise:
    def test_without_noise_it_is_the_kernel(self) -> None:
        for n in (2, 3):
            x = points(4, n)
            for kind in noise.KINDS:
                np.testing.assert_allclose(
                    noise.Device(n, kind, 0.0).kernel(x, x), feature_map.kernel(x, x), atol=1e-12
                )

    @pytest.mark.parametrize("kind", noise.KINDS)
    def test_channels_keep_the_trace(self, kind: noise.Kind) -> None:
        rho = noise.Device(2, kind, 0.2).encoded(points(3, 2))
        np.testing.assert_allclose(np.trace(rho, axis1=1, axis2=2), 1.0, atol=1e-12)

    def test_depolarising_in_closed_form(self) -> None:
        """Twirled by all Paulis, at c = 3/4, a qubit forgets everything."""
        rho = np.array([[0.8, 0.3j], [-0.3j, 0.2]])
        operators = noise.kraus("depolarising", 0.75)
        np.testing.assert_allclose(sum(e @ rho @ e.conj().T for e in operators), EYE / 2, atol=1e-12)

    def test_full_damping_ends_in_the_ground_state(self) -> None:
        np.testing.assert_allclose(noise.Device(2, "amplitude damping", 1.0).kernel(points(3, 2), points(3, 2)), 1.0)

    def test_forwards_and_backwards_halves_make_the_whole_circuit(self) -> None:
        """One entry by a density matrix through all gates in order, noise after each."""
        x, y, kind, strength = points(1, 2), points(1, 2, seed=4), "depolarising", 0.05
        device = noise.Device(2, "depolarising", strength)
        rho = device.encoded(y)[0]
        single = noise.kraus(kind, strength)
        for gate, touched in reversed(list(noise.gates(x))):
            matrix = np.diag(gate[0, :, 0]) if gate.ndim == 3 else gate
            rho = matrix.conj().T @ rho @ matrix
            for qubit in touched:
                rho = sum(on(e, (qubit,), 2) @ rho @ on(e, (qubit,), 2).conj().T for e in single)
        assert device.kernel(x, y)[0, 0] == pytest.approx(rho[0, 0].real, abs=1e-12)

    def test_extrapolation_removes_the_first_order(self) -> None:
        rate = np.array([0.01, 0.02])
        left = noise.extrapolated(np.exp(-rate), np.exp(-1.5 * rate))
        np.testing.assert_allclose(1.0 - left, 0.75 * rate**2, rtol=0.05)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="probability"):
            noise.kraus("depolarising", 1.5)
        with pytest.raises(ValueError, match="one of depolarising"):
            noise.kraus("thermal", 0.1)


class TestPeer:
    def test_pennylane_agrees_and_its_iqp_embedding_does_not(self) -> None:
        gaps = ss.peer_gap(seed=5)
        assert gaps.measured.value < 1e-10
        assert gaps.control.value > 0.05

    def test_a_wrong_sign_of_the_pair_phase_would_show(self) -> None:
        x = points(4, 2)
        wrong = np.stack([by_exponential(np.array([p[0], 2.0 * np.pi - p[1]])) for p in x])
        assert np.abs(np.abs(wrong.conj() @ wrong.T) ** 2 - peer.kernel(x)).max() > 0.05


class TestLabels:
    def test_scores_by_matrices(self) -> None:
        hidden, x = unitary_group.rvs(4, random_state=1), points(6, 2)
        observable = hidden.conj().T @ np.kron(Z, Z) @ hidden
        direct = [np.vdot(by_exponential(p), observable @ by_exponential(p)).real for p in x]
        np.testing.assert_allclose(labels.scores(x, hidden), direct, atol=1e-12)

    def test_a_data_set(self) -> None:
        data = labels.draw(2, 10, 30, np.random.default_rng(2))
        assert data.x.shape == (20, 2)
        assert data.x_test.shape == (60, 2)
        for x, y in ((data.x, data.y), (data.x_test, data.y_test)):
            assert (y * labels.scores(x, data.hidden)).min() >= labels.GAP
            assert y.sum() == 0
            assert x.min() > 0.0
            assert x.max() <= 2.0 * np.pi
        assert not set(map(tuple, data.x)) & set(map(tuple, data.x_test))

    def test_the_gap_leaves_out_about_half(self) -> None:
        kept = [d.kept for d in labels.many(2, 20, 5, 5, seed=[3])]
        assert np.mean(kept) == pytest.approx(0.55, abs=0.06)


class TestShots:
    def test_binomial_moments(self) -> None:
        exact = np.full(40_000, 0.3)
        rng = np.random.default_rng(0)
        for estimate, variance in (
            (shots.measured(exact, 50, rng), 0.3 * 0.7 / 50),
            (shots.swap_test(exact, 50, rng), (1 - 0.3**2) / 50),
        ):
            assert estimate.mean() == pytest.approx(0.3, abs=5 * np.sqrt(variance / 40_000))
            assert estimate.var() == pytest.approx(variance, rel=0.05)

    def test_a_measured_matrix(self) -> None:
        exact = feature_map.kernel(points(12, 2), points(12, 2))
        found = shots.measured_gram(exact, 20, np.random.default_rng(0))
        np.testing.assert_array_equal(found, found.T)
        np.testing.assert_array_equal(np.diag(found), 1.0)

    def test_clipping_is_the_nearest_positive_matrix(self) -> None:
        rng = np.random.default_rng(1)
        matrix = rng.standard_normal((6, 6))
        matrix = matrix + matrix.T
        near = shots.clipped(matrix)
        assert np.linalg.eigvalsh(near)[0] > -1e-12
        for _ in range(50):
            root = rng.standard_normal((6, 6)) * 0.3
            other = near + 0.05 * root @ root.T
            assert np.linalg.norm(matrix - other) >= np.linalg.norm(matrix - near) - 1e-12

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="shots"):
            shots.measured(np.zeros(2), 0, np.random.default_rng(0))


def test_both_maps_have_full_rank() -> None:
    """Product states fill as many dimensions as entangled ones."""
    x = points(60, 2)
    assert ss.rank(feature_map.kernel(x, x)) == 16
    assert ss.rank(feature_map.product_kernel(x, x)) == 16
    assert ss.rank(np.sqrt(feature_map.kernel(x, x))) == 60
