"""The book's recursions against quadrature, exact finite-width moments, the dossier's numbers and finite networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from reprise.networks import activations as network_activations
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import (
    algorithms,
    aspect,
    classes,
    criticality,
    ensembles,
    evidence,
    finite,
    fluctuations,
    information,
    recursions,
    tangent,
)

SMOOTH = (act.TANH, act.SIN, act.ERF, act.TILTED, act.GELU, act.SWISH, act.SIGMOID, act.SOFTPLUS)


def expectation(function, k: float) -> float:
    """An average over N(0, k) by adaptive quadrature."""
    return integrate.quad(lambda x: function(np.sqrt(k) * x) * stats.norm.pdf(x), -12, 12, limit=400, points=[0.0])[0]


class TestActivations:
    @pytest.mark.parametrize("a", SMOOTH, ids=lambda a: a.name)
    def test_derivatives_are_those_of_finite_differences(self, a) -> None:
        z, h = np.linspace(-4, 4, 33), 1e-4
        assert np.allclose((a.value(z + h) - a.value(z - h)) / (2 * h), a.first(z), atol=1e-7)
        assert np.allclose((a.first(z + h) - a.first(z - h)) / (2 * h), a.second(z), atol=1e-7)

    @pytest.mark.parametrize("a", [a for a in SMOOTH if a.taylor], ids=lambda a: a.name)
    def test_taylor_coefficients(self, a) -> None:
        zero, h = np.zeros(1), 1e-4
        third = (a.second(zero + h) - a.second(zero - h)) / (2 * h)
        found = np.concatenate([a.value(zero), a.first(zero), a.second(zero), third])
        assert np.allclose(found, a.taylor, atol=1e-6)

    @pytest.mark.parametrize(
        ("a", "name"), [(act.RELU, "relu"), (act.TANH, "tanh"), (act.LINEAR, "linear"), (act.ERF, "erf")]
    )
    def test_theory_and_networks_mean_the_same_function(self, a, name) -> None:
        z = np.linspace(-3, 3, 31)
        assert np.allclose(a.value(z), np.asarray(network_activations.resolve(name)(jnp.asarray(z))), atol=1e-12)


class TestRecursions:
    @pytest.mark.parametrize("a", [*SMOOTH, act.RELU, act.LEAKY], ids=lambda a: a.name)
    @pytest.mark.parametrize("k", [0.05, 1.0, 9.0])
    def test_moments_against_adaptive_quadrature(self, a, k) -> None:
        m = recursions.moments(a, k)
        assert m.square == pytest.approx(expectation(lambda z: a.value(z) ** 2, k), rel=1e-8)
        assert m.fourth == pytest.approx(expectation(lambda z: a.value(z) ** 4, k), rel=1e-8)
        assert m.gain == pytest.approx(expectation(lambda z: a.first(z) ** 2, k), rel=1e-8)
        by_parts = expectation(lambda z: a.value(z) ** 2 * (z**2 - k), k) / (2 * k**2)
        assert m.slope == pytest.approx(by_parts, rel=1e-6)

    @pytest.mark.parametrize("a", [act.TANH, act.TILTED, act.RELU], ids=lambda a: a.name)
    def test_the_kernel_alone_is_that_of_the_whole_recursion(self, a) -> None:
        options = {"weight": 1.1, "bias": 0.03, "start": 0.7}
        whole = recursions.layers(a, 30, **options).kernel
        np.testing.assert_allclose(recursions.kernels(a, 30, **options), whole, rtol=1e-13)

    def test_sine_has_a_closed_form(self) -> None:
        flow = recursions.layers(act.SIN, 50, weight=1.0).kernel
        assert np.allclose(flow[1:], (1 - np.exp(-2 * flow[:-1])) / 2, rtol=1e-12)

    def test_amplitudes_and_values_of_the_dossier(self) -> None:
        assert recursions.amplitude(act.LINEAR) == 2.0
        assert recursions.amplitude(act.RELU) == 5.0
        assert float(recursions.exact_ratio(5.0, 100, 10)) == pytest.approx(0.5513, abs=5e-5)
        assert float(recursions.exact_ratio(recursions.residual_amplitude(act.LINEAR, 0.5), 100, 10)) == pytest.approx(
            0.1820, abs=1e-4
        )
        gelu, swish = (recursions.half_stable_point(a) for a in (act.GELU, act.SWISH))
        assert gelu.weight == pytest.approx(1.983, abs=5e-4)
        assert gelu.bias == pytest.approx(0.173, abs=5e-4)
        assert swish.weight == pytest.approx(1.988, abs=5e-4)
        assert recursions.exponents(act.SIN).a1 == -1.0

    @pytest.mark.parametrize("a", [act.GELU, act.SWISH], ids=lambda a: a.name)
    def test_critical_points_are_critical(self, a) -> None:
        point = recursions.half_stable_point(a)
        m = recursions.moments(a, point.kernel)
        assert point.weight * m.slope == pytest.approx(1.0, abs=1e-10)
        assert point.weight * m.gain == pytest.approx(1.0, abs=1e-10)
        assert point.bias + point.weight * m.square == pytest.approx(point.kernel, rel=1e-12)

    def test_vertex_of_the_first_kind_is_the_exact_one_to_first_order(self) -> None:
        for a in (act.LINEAR, act.RELU, act.LEAKY):
            ratio = recursions.layers(a, 9, weight=recursions.critical_weight(a)).ratio
            assert np.allclose(ratio, recursions.amplitude(a) * np.arange(9))
            exact = recursions.exact_ratio(recursions.amplitude(a), 10**7, np.arange(1, 10)) * 10**7
            assert np.allclose(ratio, exact, rtol=1e-4, atol=1e-8)

    def test_residual_recursion_of_the_linear_network(self) -> None:
        for skip in (0.3, 0.8):
            flow = recursions.layers(act.LINEAR, 5, weight=1 - skip**2, skip=skip)
            assert np.allclose(flow.kernel, 1.0)
            assert np.allclose(flow.ratio, 2 * (1 - skip**4) * np.arange(5))

    def test_residual_relu_starts_like_the_simple_formula_and_leaves_it(self) -> None:
        found = recursions.residual_vertex(act.RELU, 10, 0.5)
        nu = recursions.residual_amplitude(act.RELU, 0.5)
        assert found[1] == pytest.approx(nu)
        assert found[9] > 1.4 * 9 * nu
        assert np.allclose(recursions.residual_vertex(act.RELU, 4, 0.0), 5.0 * np.arange(4))

    @pytest.mark.parametrize("skip", [0.0, 0.7])
    def test_linear_networks_have_no_other_correlators(self, skip) -> None:
        assert np.allclose(recursions.residual_vertex(act.LINEAR, 6, skip), 2 * (1 - skip**4) * np.arange(6))

    def test_correlators_of_tanh_are_those_of_wide_networks(self) -> None:
        net = ensembles.Net(act.TANH, 400, 1 - 0.9**2, skip=0.9)
        second, _, pairs = ensembles.mixture(net, [8], 12000, seed=3, expected=True).at(8)
        found = fluctuations.interval(
            np.stack([pairs, second], axis=1), lambda m: 400 * (m[..., 0] / m[..., 1] ** 2 - 1)
        )
        full = recursions.residual_vertex(act.TANH, 8, 0.9)[-1]
        assert found.low < full < found.high
        plain = recursions.layers(act.TANH, 8, weight=1 - 0.9**2, skip=0.9).ratio[-1]
        assert plain < 0.975 * full
        assert np.allclose(
            recursions.residual_vertex(act.TANH, 8, 0.0), recursions.layers(act.TANH, 8, weight=1.0).ratio
        )

    def test_residual_relu_meets_the_simulation_of_the_dossier(self) -> None:
        assert aspect.predicted_ratio(act.RELU, 100, 10, 0.5) == pytest.approx(0.646, abs=0.03)
        assert aspect.predicted_ratio(act.RELU, 100, 10, 0.9) == pytest.approx(0.1325, abs=0.002)

    def test_sigmoid_would_need_a_negative_variance(self) -> None:
        assert recursions.zero_kernel_point(act.SIGMOID).bias == pytest.approx(-4.0)

    @pytest.mark.parametrize(("a", "sign"), [(act.SIGMOID, -1.0), (act.SOFTPLUS, 1.0)], ids=["sigmoid", "softplus"])
    def test_susceptibilities_of_sigmoid_and_softplus_never_meet(self, a, sign) -> None:
        gaps = [recursions.moments(a, k).slope - recursions.moments(a, k).gain for k in np.geomspace(1e-3, 30.0, 40)]
        assert np.all(sign * np.asarray(gaps) > 0)


class TestInformation:
    @pytest.mark.parametrize("m", [1, 2, 5])
    def test_expansion_is_that_of_the_exact_information(self, m) -> None:
        t = 4e-3
        exact = information.lognormal_information(t, m, m)
        third = (exact - float(information.truncated(t, m, m, order=2))) / t**3
        assert third == pytest.approx(-(m * m) * (6 * m + 20) / 48, rel=0.25)
        assert information.leading_coefficient(m, m) == pytest.approx(1.0, abs=0.01)

    def test_law_of_the_scale_does_not_matter_at_second_order(self) -> None:
        t = 2e-3
        two_points = np.log([1 - np.sqrt(t), 1 + np.sqrt(t)])
        found = information.exact(two_points, np.array([0.5, 0.5]), 2, 3)
        assert found == pytest.approx(6 / 8 * t**2, rel=0.05)

    def test_relative_entropy_of_student_neurons(self) -> None:
        # v inverse-gamma makes one neuron a Student variable, whose entropy is known
        dof = 12.0
        quantiles = (np.arange(20000) + 0.5) / 20000
        v = (dof - 2) / 2 / stats.gamma.ppf(quantiles, dof / 2)
        v = v / v.mean()
        found = information.relative_entropy(np.log(v), np.full(len(v), 1 / len(v)), 1, points=600)
        scale = np.sqrt((dof - 2) / dof)
        entropy = stats.t.entropy(dof, scale=scale)
        assert found == pytest.approx(0.5 * np.log(2 * np.pi * np.e) - entropy, abs=2e-5)

    def test_truncated_maximum_is_the_formula(self) -> None:
        t = np.linspace(0, 0.5, 200001)
        for m in (1, 4):
            assert t[np.argmax(information.truncated(t, m, m))] == pytest.approx(
                information.optimal_ratio(1.0, 2 * m), abs=1e-5
            )

    def test_exact_information_has_no_maximum(self) -> None:
        found = [information.lognormal_information(t, 2, 2) for t in (0.05, 0.1, 0.3, 1.0, 3.0)]
        assert np.all(np.diff(found) > 0)


class TestEnsembles:
    def test_matrices_and_mixture_have_the_exact_moments(self) -> None:
        nets = [ensembles.Net(a, 16, recursions.critical_weight(a)) for a in (act.LINEAR, act.RELU)]
        for net, moments in zip(nets, ensembles.matrices(nets, [1, 3], 20000, seed=1), strict=True):
            exact = recursions.exact_ratio(recursions.amplitude(net.activation), 16, np.array([1, 3]))
            other = ensembles.mixture(net, [1, 3], 20000, seed=1)
            for some in (moments, other):
                assert np.allclose(some.second.mean(axis=0), 1.0, atol=0.03)
                assert np.allclose(some.pairs.mean(axis=0) - 1.0, exact, atol=0.06)

    def test_weights_have_their_law(self) -> None:
        w = np.empty((50, 16, 16), np.float32)
        for law in ("gaussian", "signs", "orthogonal"):
            ensembles._fill(w, np.random.default_rng(0), law)
            assert np.mean(w**2) == pytest.approx(1.0, abs=0.05 if law == "gaussian" else 1e-5)
            if law == "signs":
                assert set(np.unique(w).tolist()) == {-1.0, 1.0}
            if law == "orthogonal":
                gram = w @ np.swapaxes(w, 1, 2) / 16
                np.testing.assert_allclose(gram, np.broadcast_to(np.eye(16), gram.shape), atol=1e-5)

    def test_orthogonal_weights_keep_the_norm(self) -> None:
        (moments,) = ensembles.matrices([ensembles.Net(act.LINEAR, 8, 1.0)], [1, 4], 50, seed=0, law="orthogonal")
        assert np.allclose(moments.second[:, 0], moments.second[:, 1], rtol=1e-5)

    def test_chunks_do_not_change_with_the_number_of_workers(self) -> None:
        net = ensembles.Net(act.TANH, 16, 1.0)
        one, two = (ensembles.mixture(net, [3], 300, seed=2).second for _ in range(2))
        assert np.array_equal(one, two)
        assert not np.array_equal(one, ensembles.mixture(net, [3], 300, seed=3).second)

    def test_jackknife_interval_covers(self) -> None:
        rng, hits = np.random.default_rng(0), 0
        for _ in range(200):
            rows = rng.gamma(4.0, 0.25, size=(400, 1))
            e = fluctuations.interval(np.concatenate([rows**2, rows], axis=1), lambda m: m[..., 0] / m[..., 1] ** 2 - 1)
            hits += e.low < 0.25 < e.high
        assert 178 <= hits <= 200


class TestFinite:
    def test_forward_pass_is_the_definition(self) -> None:
        net = finite.Net(3, 5, 3, "tanh", 1.3, 0.4, outputs=2)
        params = finite.draw(net, 1, seed=0, name="test", dtype=np.float64)
        u, w, v = (np.asarray(part[0]) for part in params)
        x = np.array([[0.3, -1.0, 2.0]])
        z = np.sqrt(1.3 / 3) * u @ x[0]
        for layer in w:
            z = np.sqrt(1.3 / 5) * layer @ np.tanh(z) + 0.4 * z
        one = jax.tree.map(lambda leaf: leaf[0], params)
        assert np.allclose(finite.outputs(net, one, jnp.asarray(x))[0], np.sqrt(1.3 / 5) * v @ np.tanh(z))

    def test_kernels_of_linear_networks_scatter_as_derived(self) -> None:
        kernels = tangent.untrained(finite.Net(tangent.INPUTS, 32, 4, "linear", 1.0), 4000, seed=0, name="test")
        assert kernels.mean() == pytest.approx(5.0, rel=0.02)
        assert kernels.var() / kernels.mean() ** 2 == pytest.approx(tangent.linear_fluctuation(4, 32), rel=0.1)

    def test_mean_tangent_kernel_is_the_recursion(self) -> None:
        kernels = tangent.untrained(finite.Net(tangent.INPUTS, 64, 4), 2000, seed=0, name="test")
        # K(1) = C_W |x|^2 / n0 = 2, and the recursion's layer 5 is the output
        expected = recursions.layers(act.RELU, 5, weight=2.0, start=2.0).tangent[-1]
        assert kernels.mean() == pytest.approx(expected, rel=0.03)

    def test_tangent_kernel_is_that_of_a_peer(self) -> None:
        from reprise.kernels.nt import nt

        net, x = finite.Net(3, 16, 3, "tanh", 1.0), jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
        params = jax.tree.map(lambda leaf: leaf[0], finite.draw(net, 1, seed=0, name="test", dtype=np.float64))
        peer = nt.empirical_ntk_fn(lambda p, x: finite.outputs(net, p, x), vmap_axes=0)(x, x[:2], params)
        assert np.allclose(finite.tangent(net, params, x, 2), peer, rtol=1e-8)

    @pytest.mark.parametrize(("name", "weight", "slope"), [("relu", 2.0, 0.0), ("linear", 1.0, 1.0)])
    def test_networks_of_traced_depth_are_the_plain_ones(self, name, weight, slope) -> None:
        net, x = finite.Net(3, 16, 3, name, weight), jnp.ones((1, 3), jnp.float32)
        plain, deeper = (finite.draw(net, 1, seed=0, name="test", most=most) for most in (0, 6))
        one, more = (jax.tree.map(lambda leaf: leaf[0], params) for params in (plain, deeper))
        kind = finite.Leaky(jnp.asarray(3), jnp.asarray(slope), jnp.asarray(False))
        found, on = finite.leaky(net, kind, more, x, jnp.zeros((6, 1, 16)))
        assert more.middle.shape == (5, 16, 16)
        assert np.allclose(found, finite.outputs(net, one, x), rtol=1e-5)
        held, _ = finite.leaky(net, kind._replace(frozen=jnp.asarray(True)), more, -x, on)
        assert np.allclose(held, -found, rtol=1e-5)

    def test_large_outputs_make_networks_lazy(self) -> None:
        net = finite.Net(tangent.INPUTS, 32, 3, "linear")
        whole, tenth = (tangent.trained(net, 50, seed=0, name="test", move=move) for move in (1.0, 0.1))
        assert whole.change.mean() == pytest.approx(10 * tenth.change.mean(), rel=0.3)

    def test_linearised_networks_keep_their_kernel_and_learn(self) -> None:
        found = tangent.trained(finite.Net(tangent.INPUTS, 16, 3), 5, seed=0, name="test", linearised=True)
        assert np.all(found.change < 1e-6)
        assert np.all(found.left < 0.01)

    def test_frozen_states_agree_at_the_start_and_then_part(self) -> None:
        net = finite.Net(tangent.INPUTS, 32, 3)
        free, frozen = (tangent.trained(net, 50, seed=0, name="test", frozen=how) for how in (False, True))
        assert np.allclose(free.before, frozen.before, rtol=1e-5)
        assert np.mean(free.after - free.before) < np.mean(frozen.after - frozen.before)

    def test_wider_networks_change_less(self) -> None:
        narrow, wide = (tangent.trained(finite.Net(tangent.INPUTS, n, 2), 100, seed=0, name="test") for n in (16, 128))
        assert narrow.change.mean() > 4 * wide.change.mean()

    def test_groups_cover_all_networks_once(self) -> None:
        net = finite.Net(8, 256, 16)
        starts = list(finite.groups(net, 57))
        sizes = {size for _, size in starts}
        assert len(sizes) == 1
        assert [start for start, _ in starts] == list(range(0, 57, sizes.pop()))


class TestAlgorithms:
    def test_all_ways_end_at_the_targets_and_agree_for_linear_regression(self) -> None:
        some = algorithms.task(3, 4, 12, seed=0)
        run = algorithms.train(finite.Net(12, 512, 1, "linear", 1.0), some, [0.25, 0.5], 2, decades=8.0, seed=0)
        assert np.all(run.left < 1e-7)
        assert algorithms.distance(run.flow, run.kernel).max() < 0.02
        assert algorithms.distance(run.flow, run.newton).max() < 0.02

    def test_smaller_steps_come_closer_to_the_flow(self) -> None:
        some = algorithms.task(3, 4, 12, seed=1)
        run = algorithms.train(finite.Net(12, 16, 2, "tanh", 1.0), some, [0.05, 0.2, 0.8], 8, decades=8.0, seed=0)
        gaps = [algorithms.distance(run.flow, run.descent[:, i]).mean() for i in range(3)]
        assert gaps[0] < gaps[1] < gaps[2]


class TestClasses:
    @pytest.mark.parametrize("a", classes.ZERO_KERNEL, ids=lambda a: a.name)
    def test_two_inputs_contract_by_the_perpendicular_susceptibility(self, a) -> None:
        weight = recursions.critical_weight(a)
        found = classes.two_inputs(a, 6, weight=weight, angle=1e-4)
        flow = recursions.layers(a, 6, weight=weight)
        assert np.allclose(found[1:] / found[:-1], flow.perpendicular[:-1], rtol=1e-5)

    def test_half_stability_is_second_order(self) -> None:
        assert classes.one_sidedness(act.GELU) > 0
        assert classes.one_sidedness(act.TANH, bias=0.05) < -0.5


class TestCriticality:
    def test_gradients_follow_the_recursion_off_criticality(self) -> None:
        settings = criticality.settings([0.5, 1.0], [0.5])
        passages = criticality.passages(settings, 64, 16, 40, seed=0)
        assert passages[0].predicted(0) == pytest.approx(np.log(0.5))
        assert passages[0].fitted(0).value == pytest.approx(np.log(0.5), abs=0.05)
        assert criticality.rate_gap(passages, skip=4).value < 0.1
        assert criticality.rate_gap(passages, skip=4, shift=1.5).low > 0.1

    def test_phase_plane_knows_the_critical_point(self) -> None:
        parallel, perpendicular = criticality.phase(act.TANH, np.array([0.0, 0.3]), np.array([0.5, 1.0, 1.8]))
        assert perpendicular[0, 0] == pytest.approx(0.5, abs=1e-3)
        assert parallel[1, 0] == pytest.approx(1.0, abs=0.01)
        assert perpendicular[2, 0] > 1.0


class TestAspect:
    def test_residual_amplitudes_of_the_dossier(self) -> None:
        found = aspect.residual(act.LINEAR, [0.5], width=100, layer=10, nets=20000, seed=0)
        assert np.expm1(found.logs[0].value) == pytest.approx(0.1820, abs=0.01)
        assert found.predicted[0] == pytest.approx(np.log(1.1820), abs=1e-3)

    def test_best_depth_of_parabolas(self) -> None:
        depths = [1, 2, 4, 8, 16]
        rows = [np.tile((np.log(depths) - np.log(best)) ** 2, (5, 1)) for best in (3.0, 6.0)]
        one = aspect.Sweep(0.0, depths, [10, 20], rows)
        assert np.allclose(one.best_depths(), [3.0, 6.0])
        assert aspect.depth_exponent(one).value == pytest.approx(1.0)
        assert aspect.depth_gain(one, one).value == pytest.approx(0.0)

    def test_no_widths_no_sweep(self) -> None:
        assert aspect.sweeps(0.9, [], [], 4, steps=10, seed=0) == ([], [])

    def test_critical_networks_train_and_others_do_not(self) -> None:
        task = aspect.digits(10, seed=0)
        (losses,) = aspect.trainability([0.1, 1.0], [8], 64, task, 3, steps=100, seed=0)
        assert losses[:, 1].mean() < 0.5
        assert losses[:, 0].mean() > 0.9


def test_evidence_tells_classes_apart() -> None:
    checks = evidence.universality(300)
    assert checks["kernel exponent"]["measured"].high < 0.05
    assert checks["kernel exponent"]["control"].low > 0.5
    assert checks["constant kernel"]["measured"].high < 1e-6 < checks["constant kernel"]["control"].low
