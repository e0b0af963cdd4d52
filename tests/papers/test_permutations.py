"""Closed form, solver, draws and trained networks against one another and against neural-tangents."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from reprise.kernels import gp
from reprise.kernels.nt import nt, stax
from reprise.networks import MLP, empirical_ntk, ensemble
from reprise.papers.infinite_width.permutations import (
    ensembles,
    evidence,
    finite,
    limit,
    networks_evidence,
    regression,
    signs,
    stopping,
)


@pytest.fixture(scope="module")
def trained() -> finite.Run:
    plan = finite.Plan(rate=0.5, steps=80, records=5)
    return finite.train(5, 256, 200, networks_evidence.looked_at(5), plan, seed=0)


class TestLimit:
    @pytest.mark.parametrize(
        ("k", "m", "on", "off", "variance"),
        [
            (10, 2, 0.565422, -0.009850, 0.0065187),
            (30, 2, 0.571006, -0.004267, 0.0021397),
            (30, 30, 0.046022, None, 0.008406),
        ],
    )
    def test_values_of_the_dossier(self, k: int, m: int, on: float, off: float | None, variance: float) -> None:
        law = limit.law(k, m)
        assert float(law.on) == pytest.approx(on, abs=1e-6)
        assert float(law.variance) == pytest.approx(variance, rel=1e-4)
        assert off is None or float(law.off) == pytest.approx(off, abs=1e-6)

    def test_last_layer_values_of_the_dossier(self) -> None:
        assert float(limit.law(10, 2, "last").off) == pytest.approx(-0.0233, abs=5e-5)
        sizes = [limit.ensemble_size(k, trained="last") for k in (10, 15, 20, 25, 30)]
        assert np.round(sizes).tolist() == [57, 88, 121, 155, 190]
        assert [round(limit.ensemble_size(k)) for k in (10, 30)] == [332, 840]
        ratios = [limit.ensemble_size(k) / (k * np.log(k)) for k in (10, 30, 100)]
        assert ratios == pytest.approx([14.4, 8.2, 6.4], abs=0.05)
        assert limit.squared_error(69, 10, trained="last") == pytest.approx(0.00211, abs=1e-5)

    def test_unit_vectors_are_learnt_without_noise(self) -> None:
        for layers in ("all", "last"):
            law = limit.law(7, 1, layers)
            assert np.allclose([law.on, law.off, law.variance], [1.0, 0.0, 0.0], atol=1e-14)

    @pytest.mark.parametrize("layers", ["all", "last"])
    def test_closed_form_is_the_shared_solver(self, layers: str) -> None:
        k, m = 9, np.arange(1, 10)
        inputs = regression.prefixes(k)
        x, unit = regression.normalised(inputs), np.eye(k)
        inside, across, among = regression.kernels(unit), regression.kernels(x, unit), regression.kernels(x)
        theta = (inside.ntk, across.ntk) if layers == "all" else (inside.nngp, across.nngp)
        found = gp.ensemble_limit(*theta, among.nngp, across.nngp, inside.nngp, unit)
        law = limit.law(k, m, layers)
        assert np.allclose(np.diag(found.covariance), law.variance, atol=1e-12)
        assert np.allclose(found.mean, np.where(inputs > 0, law.on[:, None], law.off[:, None]), atol=1e-12)

    def test_closed_form_is_neural_tangents(self) -> None:
        k, m = 6, np.arange(1, 7)
        _, _, kernel = stax.serial(stax.Dense(8, W_std=1.0), stax.Relu(), stax.Dense(k, W_std=1.0))
        predict = nt.predict.gradient_descent_mse_ensemble(kernel, jnp.eye(k), jnp.eye(k), diag_reg=0.0)
        inputs = regression.prefixes(k)
        for get, layers in (("ntk", "all"), ("nngp", "last")):
            found = predict(x_test=jnp.asarray(regression.normalised(inputs)), get=get, compute_cov=True)
            law = limit.law(k, m, layers)
            assert np.allclose(found.mean, np.where(inputs > 0, law.on[:, None], law.off[:, None]), atol=1e-9)
            assert np.allclose(np.diag(found.covariance), law.variance, atol=1e-9)

    def test_accuracy_by_brute_force(self) -> None:
        law, rng = limit.law(6, 2), np.random.default_rng(0)
        mean = np.array([law.on] * 2 + [law.off] * 4)
        draws = mean + np.sqrt(law.variance / 40) * rng.standard_normal((200_000, 6))
        share = ((draws > 0) == (np.arange(6) < 2)).all(axis=1).mean()
        assert float(limit.accuracy(40, 6)) == pytest.approx(share, abs=0.005)

    def test_sizes_are_ordered(self) -> None:
        for k in (5, 12, 40):
            assert limit.ensemble_size(k) < limit.single_bound(k) < limit.quadratic_bound(k)
            assert limit.ensemble_size(k) < limit.union_size(k) < limit.quadratic_bound(k)

    def test_union_sum_by_enumeration(self) -> None:
        k, n = 6, limit.union_size(6)
        total = 0.0
        for x in regression.all_inputs(k):
            m = int(x.sum())
            if m < 2:
                continue
            law = limit.law(k, m)
            root = np.sqrt(n / law.variance)
            total += m * stats.norm.cdf(-law.on * root) + (k - m) * stats.norm.cdf(law.off * root)
        assert total == pytest.approx(0.1, rel=1e-9)


class TestRegression:
    def looked_at(self) -> None:
        assert len(np.unique(regression.all_inputs(5), axis=0)) == 31
        assert regression.all_inputs(5).sum(axis=1).min() == 1
        few = regression.of_weight(40, 7, 16, seed=3)
        assert few.shape == (16, 40)
        assert (few.sum(axis=1) == 7).all()
        assert len(np.unique(few, axis=0)) == 16

    def test_truth_is_the_permuted_input(self) -> None:
        p = regression.permutation(8, 1)
        inputs = regression.all_inputs(8)
        assert np.array_equal(regression.truth(inputs, p)[:, p], inputs > 0.5)

    def test_process_has_the_covariance_of_the_shared_solver(self) -> None:
        k, p = 5, regression.permutation(5, 0)
        inputs = regression.of_weight(k, 2)
        found = regression.process(inputs, p)
        x, unit = regression.normalised(inputs), np.eye(k)
        inside, across, among = regression.kernels(unit), regression.kernels(x, unit), regression.kernels(x)
        law = gp.ensemble_limit(inside.ntk, across.ntk, among.nngp, across.nngp, inside.nngp, regression.targets(p))
        assert np.allclose(found.factor @ found.factor.T, law.covariance, atol=1e-10)
        assert np.allclose(found.mean, law.mean, atol=1e-12)

    def test_gain_reproduces_the_mean(self) -> None:
        inputs, y = regression.all_inputs(4), regression.targets(regression.permutation(4, 2))
        assert np.allclose(regression.gain(inputs) @ y, regression.mean(inputs, y), atol=1e-12)


class TestSigns:
    def test_every_input_weight_and_permutation(self) -> None:
        assert signs.over_inputs([3, 6]).value == 1.0
        assert signs.over_weights([10, 40]).value == 1.0
        assert signs.over_permutations(4).value == 1.0
        assert signs.closed_form_gap([10, 40]).value < 1e-12

    def test_controls_fail(self) -> None:
        linear = signs.over_inputs([6], activation="linear")
        assert linear.value == pytest.approx(7 / 63)  # the unit vectors, and the input without an off coordinate
        assert signs.over_weights([10], missing=True).value == 0.0
        assert signs.over_permutations(4, collide=True).value < 0.5
        assert signs.closed_form_gap([10], "last").value > 0.01

    def test_margins(self) -> None:
        law = limit.law(10, np.arange(2, 11))
        expected = min(law.on.min(), -law.off[:-1].max())
        assert signs.margins([10])[0] == pytest.approx(float(expected), rel=1e-9)
        assert abs(signs.margins([10], activation="linear")[0]) < 1e-12


class TestEnsembles:
    def test_critical_size_is_where_the_rounding_turns_right(self) -> None:
        process = regression.process(regression.of_weight(5, 2), regression.permutation(5, 0))
        draws = ensembles.critical_sizes(process, 30, seed=4)
        xi = ensembles.noise(process, 30, np.random.default_rng([4, 5, 10, 1]))
        for n in (1.0, 20.0, 300.0):
            average = process.mean[:, None] + xi / np.sqrt(n)
            right = ((average > 0) == process.truth[:, None]).all(axis=2).T
            assert np.array_equal(right, draws.right(n))

    def test_blocks_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        process = regression.process(regression.of_weight(5, 2), regression.permutation(5, 0))
        monkeypatch.setattr(ensembles, "BLOCK", 500)
        draws = ensembles.critical_sizes(process, 4000, seed=0)
        assert draws.size.shape == (4000, 10)
        assert draws.accuracy(64).mean() == pytest.approx(float(limit.accuracy(64, 5)), abs=0.02)

    def test_quantiles_are_the_predicted_sizes(self) -> None:
        draws = ensembles.single_inputs([6, 12, 24], 600, most=24)
        ratio = evidence.size_ratio(draws)
        assert ratio.low < 1.0 < ratio.high or abs(ratio.value - 1.0) < 0.04
        assert evidence.size_ratio(draws, "last").low > 3.0
        assert evidence.accuracy_gap(draws, [16, 256]).low < 0.01
        assert evidence.accuracy_gap(draws, [16, 256], copies=True).low > 0.3
        assert (
            evidence.linearithmic_slope(draws).high
            < 0.0
            < evidence.linearithmic_slope([d.unscaled() for d in draws]).low
        )
        assert evidence.largest_ratio(draws).high < 1.0

    def test_all_inputs_need_more_than_one_and_no_more_than_the_sum(self) -> None:
        (draws,) = ensembles.every_input([6], 800)
        assert draws.size.shape == (800, 57)
        joint = evidence.joint_size(draws)
        assert limit.ensemble_size(6) < joint.low
        assert joint.low < limit.union_size(6)
        assert evidence.joint_success(draws, limit.quadratic_bound(6)).low > 0.9
        assert evidence.joint_success(draws, limit.ensemble_size(6)).high < 0.5

    def test_rounding_at_one_half_fails(self) -> None:
        zero, half = (ensembles.all_right([12], 4096, 50, threshold=t) for t in (0.0, 0.5))
        assert zero.mean() > 0.95
        assert half.mean() == 0.0

    def test_growth(self) -> None:
        plain, unscaled = (evidence.growth([100, 300, 1000], unscaled=u) for u in (False, True))
        assert unscaled.value - plain.value == pytest.approx(1.0, abs=1e-9)
        assert 1.0 < plain.value < 1.3


class TestStopping:
    def test_first_passage_by_hand(self) -> None:
        rng = np.random.default_rng(0)
        k, t = 3, 4
        mean, factor = rng.normal(size=(t, k)).astype(np.float32), np.eye(t, dtype=np.float32)
        truth, target = mean > 0, np.zeros((t, k), np.float32)
        found, error = stopping._one(mean, factor, truth, target, 1.0, 5000, np.random.default_rng(5))
        again = np.random.default_rng(5)
        counts = np.bincount(again.integers(t, size=stopping.TESTS), minlength=t)
        total = np.zeros((t, k))
        n = 0
        while n < 5000:
            block = again.standard_normal((t, stopping.BLOCK * k), dtype=np.float32).reshape(t, stopping.BLOCK, k)
            for j in range(stopping.BLOCK):
                total += block[:, j]
                n += 1
                average = mean + total / n
                if ((average > 0) == truth).all():
                    assert found == n
                    assert error == pytest.approx(
                        float(counts @ np.mean(average**2, axis=1)) / stopping.TESTS, rel=1e-4
                    )
                    return
        pytest.fail("the average never became right")

    def test_the_reported_run_is_one_of_last_layer_learning(self) -> None:
        last, full = (stopping.first_passages([10], layers, 200, seed=0) for layers in ("last", "all"))
        assert np.median(last.size) < limit.ensemble_size(10, trained="last") * 1.1
        assert evidence.rank_of_reported(full).high < 0.025
        assert evidence.rank_of_reported(last).low > 0.025
        assert evidence.reported_error(last).value == pytest.approx(1.0, abs=0.1)
        assert evidence.reported_error(full).high < 0.85


class TestFiniteNetworks:
    @pytest.mark.parametrize("scaling", ["ntk", "standard"])
    def test_draw_has_the_law_of_mlp(self, scaling: finite.Scaling) -> None:
        drawn = finite.draw(4, 32, 300, scaling, seed=0)
        built = ensemble(
            lambda key: MLP(4, 32, 4, depth=2, parametrisation=scaling, key=key),
            jax.random.split(jax.random.key(1), 300),
        )
        for a, b in zip(drawn.weights, built.weights, strict=True):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            assert float(a.std()) == pytest.approx(float(b.std()), rel=0.03)
        assert drawn.parametrisation == built.parametrisation
        assert drawn.biases == ()

    @pytest.mark.parametrize("scaling", ["ntk", "standard"])
    def test_largest_eigenvalue_is_that_of_wide_networks(self, scaling: finite.Scaling) -> None:
        k, width = 4, 2048
        kernels = [
            np.asarray(empirical_ntk(MLP(k, width, 1, depth=2, parametrisation=scaling, key=key), np.eye(k)))
            for key in jax.random.split(jax.random.key(0), 8)
        ]
        expected = finite.largest_eigenvalue(k, width, scaling)
        assert np.linalg.eigvalsh(np.mean(kernels, axis=0))[-1] == pytest.approx(expected, rel=0.05)

    def test_training_fits_the_unit_vectors(self, trained: finite.Run) -> None:
        assert np.allclose(trained.end[:, :5], trained.truth[:5], atol=2e-3)
        assert trained.f.shape == (200, 5, 16, 5)

    def test_units_die_and_do_not_come_back(self, trained: finite.Run) -> None:
        lost, gained = trained.gates.mean(axis=0)
        assert 0.005 < lost < 0.2
        assert gained == 0.0

    def test_means_variance_and_law(self, trained: finite.Run) -> None:
        assert networks_evidence.off_support_ratio(trained).value == pytest.approx(1.0, abs=0.25)
        assert networks_evidence.off_support_ratio(trained, predicted="last").high < 0.8
        assert networks_evidence.on_support_deviation(trained).value < 0.05
        assert networks_evidence.variance_ratio(trained).value == pytest.approx(1.0, abs=0.2)
        assert networks_evidence.variance_ratio(trained, after=False).low > 2.0
        assert networks_evidence.normality(trained).value < 0.15

    def test_control_variate_keeps_the_mean_and_takes_the_noise(self, trained: finite.Run) -> None:
        raw, steady = trained.end, networks_evidence.steadied(trained)
        both = [networks_evidence.group_means(v, trained, 2, on=False) for v in (raw, steady)]
        assert both[1].std() < 0.5 * both[0].std()
        gap = both[0] - both[1]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))

    def test_descent_is_the_shared_gradient_flow_for_small_steps(self, trained: finite.Run) -> None:
        slow = trained._replace(eta=1e-3, steps=np.array([4000]), f=trained.f[:2, [0, 0]])
        found = networks_evidence.descent(slow._replace(f=trained.f[:2, [0]]), "all")[:, 0]
        x = np.concatenate([np.eye(5), regression.normalised(networks_evidence.looked_at(5)[5:])])
        theta = np.asarray(regression.kernels(x).ntk)
        for seed, start in itertools.product([0, 1], [trained.start]):
            # the shared solver takes the mean over five examples, so its time is five times longer
            flow = gp.gradient_flow(
                theta[:5, :5], theta[:, :5], start[seed, :5], start[seed], trained.truth[:5] * 1.0, 5 * 4.0
            )
            assert np.allclose(found[seed], flow, atol=1e-4)

    def test_wider_networks_follow_descent_more_closely(self) -> None:
        plan = finite.Plan(0.5, 40, 4)
        runs = finite.across(4, [32, 512], 40, networks_evidence.looked_at(4), plan, seed=1)
        near, far = (networks_evidence.distances(runs, layers).mean(axis=0) for layers in ("all", "last"))
        assert near[1] < 0.5 * near[0]
        assert far[1] > 2 * near[1]
        assert networks_evidence.approach(runs, "all").value < -0.25

    def test_released_parametrisation_tends_to_last_layer_learning(self) -> None:
        run = finite.train(
            5, 1024, 60, networks_evidence.looked_at(5), finite.Plan(0.5, 120), scaling="standard", seed=0
        )
        assert networks_evidence.off_support_ratio(run, networks="last", predicted="last").value == pytest.approx(
            1.0, abs=0.15
        )
        assert networks_evidence.off_support_ratio(run, networks="last", predicted="all").low > 1.5

    def test_ensembles_are_disjoint(self, trained: finite.Run) -> None:
        assert len(networks_evidence.ensemble_accuracy(trained, 64)) == 3
        alone, many = (networks_evidence.ensemble_accuracy(trained, n).mean() for n in (1, 100))
        assert alone == pytest.approx(float(limit.accuracy(1, 5)), abs=0.06)
        assert many > 0.5

    def test_agreeing_ensembles_still_have_an_interval(self, trained: finite.Run) -> None:
        certain = trained._replace(f=np.where(trained.truth, 1.0, -1.0) * np.ones_like(trained.f))
        found = networks_evidence.ensemble_success(certain, 50)
        assert (found.value, found.high) == (1.0, 1.0)
        assert 0.85 < found.low < 0.95
