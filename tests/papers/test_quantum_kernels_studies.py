"""Training, machines and studies: known optima, laws and controls that fail; on seeds that no record uses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy import optimize
from sklearn.svm import SVC

from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.quantum_kernels import (
    circuit,
    depth_study,
    device_figures,
    feature_map,
    figures,
    growth_study,
    kernel_study,
    labels,
    machines,
    mitigation_study,
    noise,
    shot_study,
    space_study,
    training,
)

SEED = 77


def scalar(estimate: Estimate) -> float:
    return float(np.asarray(estimate.value))


@pytest.fixture(scope="module")
def sets() -> list[labels.Labelled]:
    return labels.many(2, 4, 20, 100, seed=[SEED])


@pytest.fixture(scope="module")
def trained(sets: list[labels.Labelled]) -> depth_study.Depths:
    return depth_study.train(sets, [0, 1, 2], 2, 120, 500, seed=SEED)


@pytest.fixture(scope="module")
def measured(sets: list[labels.Labelled]) -> shot_study.ShotResults:
    return shot_study.run(sets, [10, 100, 1000], seed=SEED)


class TestTraining:
    def test_cost_is_the_logistic_of_a_normal_score(self) -> None:
        """Written out with loops; the label rule is right exactly where the cost is below one half."""
        rng = np.random.default_rng(0)
        agree, sign, bias = rng.uniform(0.05, 0.95, (3, 7)), rng.choice([-1.0, 1.0], (3, 7)), rng.uniform(-1, 1, 3)
        found = training.misassignment(jnp.asarray(agree), jnp.asarray(sign), jnp.asarray(bias), 200)
        for run in range(3):
            direct = []
            for p, m in zip(agree[run], sign[run], strict=True):
                b = bias[run]
                t = np.sqrt(200) * (0.5 - (p + m * b / 2)) / np.sqrt(2 * p * (1 - p))
                direct.append(1 / (1 + np.exp(-t)))
                scores = {m: p + m * b / 2, -m: 1 - p - m * b / 2}
                assert (max(scores, key=lambda y: scores[y]) == m) == (direct[-1] < 0.5)
            assert float(found[run]) == pytest.approx(np.mean(direct), rel=1e-9)

    def test_gradient_by_differences(self, sets: list[labels.Labelled]) -> None:
        runs, _ = depth_study.arrange(sets[:1], [0, 1], 1)
        at = training.start(runs, np.random.default_rng(0))

        def total(values: np.ndarray) -> jax.Array:
            p = training.agreement(values, runs)
            return training.misassignment(p, runs.labels, values[:, -1], 20).sum()

        exact = np.asarray(jax.grad(total)(jnp.asarray(at))).ravel()
        numeric = optimize.approx_fprime(at.ravel(), lambda v: float(total(jnp.asarray(v.reshape(at.shape)))), 1e-7)
        np.testing.assert_allclose(exact, numeric, atol=1e-5)

    def test_layers_beyond_the_depth_do_nothing(self, sets: list[labels.Labelled]) -> None:
        runs, series = depth_study.arrange(sets[:1], [0, 1, 2], 1)
        at = training.start(runs, np.random.default_rng(1))
        other = at.copy()
        other[series.index(1), 2 * 2 * 2 : -1] += 1.0
        before, after = (np.asarray(training.agreement(jnp.asarray(v), runs)) for v in (at, other))
        np.testing.assert_allclose(before, after, atol=1e-12)

    def test_success_counts_by_the_label_rule(self, sets: list[labels.Labelled]) -> None:
        runs, series = depth_study.arrange(sets[:1], [0, 1], 1)
        at = training.start(runs, np.random.default_rng(2))
        at[:, -1] = 0.2
        index = series.index(1)
        mean = circuit.output(at[index, :-1].reshape(2, 2, 2), feature_map.states(sets[0].x_test))
        plus, minus = (1 + mean) / 2 + 0.1, (1 - mean) / 2 - 0.1
        right = (np.where(plus >= minus, 1.0, -1.0) == sets[0].y_test).mean()
        assert training.success(at, runs)[index] == pytest.approx(right)

    def test_both_optimisers_lower_the_cost_and_the_bias_stays_in_range(self, sets: list[labels.Labelled]) -> None:
        runs, _ = depth_study.arrange(sets[:2], [0, 2], 2)
        for found in (
            training.by_spsa(runs, 80, 500, np.random.default_rng(3)),
            training.by_adam(runs, 60, 500, np.random.default_rng(3)),
        ):
            assert found.costs[:, -10:].mean() < found.costs[:, :3].mean() - 0.05
            assert np.abs(found.parameters[:, -1]).max() <= 1.0


class TestDepths:
    def test_depth_helps_and_controls_do_not_reach_it(self, trained: depth_study.Depths) -> None:
        assert scalar(depth_study.deepest(trained)) > scalar(depth_study.deepest(trained, product=True)) + 0.1
        assert abs(scalar(depth_study.against_itself(trained))) < 0.05
        assert abs(scalar(depth_study.trend(trained, shuffled=True))) < 0.3

    def test_trend_of_known_curves(self) -> None:
        rising: dict[int | str, np.ndarray] = {d: np.full((3, 2), 0.1 * d) for d in (0, 1, 2)}
        found = depth_study.Depths(rising, {})
        assert scalar(depth_study.trend(found)) == pytest.approx(1.0)

    def test_ceiling_is_the_kernel_machine(self, sets: list[labels.Labelled]) -> None:
        """A linear machine on Pauli coefficients and one on overlaps decide alike."""
        ceiling = depth_study.ceiling(sets)
        for value, data in zip(ceiling, sets, strict=True):
            gram, rows = kernel_study.grams(data)
            assert machines.accuracy(gram, data.y, rows, data.y_test) == pytest.approx(value, abs=0.011)

    def test_depths_have_to_increase_from_zero(self, sets: list[labels.Labelled]) -> None:
        with pytest.raises(ValueError, match="begins with 0"):
            depth_study.train(sets, [1, 2, 3], 2, 20, 100, seed=0)


class TestMachines:
    def test_a_transposed_test_matrix_is_refused(self, sets: list[labels.Labelled]) -> None:
        gram, rows = kernel_study.grams(sets[0])
        with pytest.raises(ValueError, match="test, training"):
            machines.accuracy(gram, sets[0].y, rows.T, sets[0].y_test)

    def test_chosen_machine_is_scikit_learns(self, sets: list[labels.Labelled]) -> None:
        data = sets[0]
        found = machines.gaussian(data.x, data.y)
        gamma = found.kernel.keywords["gamma"]  # type: ignore[attr-defined]
        direct = SVC(C=found.penalty, gamma=gamma).fit(data.x, data.y)
        np.testing.assert_allclose(found.decision(data.x_test), direct.decision_function(data.x_test), atol=1e-3)

    def test_controls_are_near_chance_and_baselines_behind(self, sets: list[labels.Labelled]) -> None:
        found = kernel_study.on_artificial(sets, 50_000, seed=SEED)
        assert found.exact.mean() > 0.95
        assert found.measured.mean() > 0.95
        for control in (found.permuted, found.another):
            assert abs(control.mean() - 0.5) < 0.2
        assert scalar(found.compared.margin()) > 0.1

    def test_an_ordinary_split(self) -> None:
        for name, dimension in (("circles", 2), ("breast-cancer", kernel_study.COMPONENTS)):
            data = kernel_study.ordinary_split(name, 20, 1)
            assert data.x.shape == (40, dimension)
            assert data.y.sum() == 0
            assert data.x.min() >= 0.0
            assert data.x_test.max() <= 2.0 * np.pi


class TestSpace:
    def test_gaps_and_their_controls(self) -> None:
        for gaps in (space_study.pauli_gap(seed=SEED), space_study.output_gap(seed=SEED)):
            assert scalar(gaps.measured) < 1e-12
            assert scalar(gaps.control) > 0.05


class TestShots:
    def test_rate_and_variance(self, measured: shot_study.ShotResults) -> None:
        assert scalar(shot_study.rate(measured)) == pytest.approx(-0.5, abs=0.03)
        assert scalar(shot_study.rate(measured, biased=True)) > -0.3
        assert measured.spread.mean() == pytest.approx(1.0, abs=0.08)
        assert measured.swapped.mean() > 2.0
        assert (measured.negative < 0).all()

    def test_predicted_error(self, measured: shot_study.ShotResults, sets: list[labels.Labelled]) -> None:
        law = shot_study.predicted(sets) / np.sqrt(measured.shots)
        np.testing.assert_allclose(np.sqrt((measured.errors**2).mean(axis=0)), law, rtol=0.06)

    def test_norms_of_a_random_matrix(self) -> None:
        sized = shot_study.sizes([20, 40, 80], seed=SEED)
        assert scalar(sized.slope()) == pytest.approx(1.0, abs=0.05)
        assert scalar(sized.slope(operator=True)) < 0.7


class TestGrowth:
    def test_overlaps_halve_and_product_states_do_not(self) -> None:
        grown = growth_study.overlaps([2, 3, 4], 4, 60, seed=SEED)
        assert scalar(grown.overlap_slope()) == pytest.approx(-1.0, abs=0.1)
        assert scalar(grown.overlap_slope(product=True)) == pytest.approx(np.log2(5 / 8), abs=0.08)
        assert scalar(grown.shots_slope()) > scalar(grown.shots_slope(product=True)) + 0.3

    def test_shots_that_tell_entries_apart(self) -> None:
        """At so many shots the mean binomial variance is the variance of the entries."""
        k = np.random.default_rng(0).uniform(0, 0.5, (1, 400))
        grown = growth_study.Growth((2,), k.mean(axis=1)[:, None], k.var(axis=1)[:, None], *np.ones((2, 1, 1)))
        needed = float(grown.shots_needed()[0, 0])
        assert np.mean(k * (1 - k)) / needed == pytest.approx(k.var(), rel=1e-9)

    def test_ranks(self) -> None:
        ranks = growth_study.count_ranks([1, 2, 3], seed=SEED)
        assert ranks.entangled == ranks.product == (4, 16, 64)
        assert ranks.polynomial == (3, 6, 10)
        assert scalar(ranks.slope()) == pytest.approx(2.0)

    def test_factors(self) -> None:
        assert scalar(growth_study.factor_gap([2, 3], 20, seed=SEED)) < 1e-12
        assert scalar(growth_study.factor_gap([2, 3], 20, seed=SEED, entangled=True)) > 0.1

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="increasing"):
            growth_study.overlaps([3, 2], 4, 20, seed=0)


class TestMitigation:
    def test_extrapolation_against_its_law(self, sets: list[labels.Labelled]) -> None:
        found = mitigation_study.run(sets, "depolarising", [0.002, 0.005, 0.01], 0.4)
        raw, better = found.predicted(np.array(found.gate_errors[:-1]))
        np.testing.assert_allclose(found.raw[:, :-1].mean(axis=0), raw, rtol=0.1)
        np.testing.assert_allclose(found.extrapolated[:, :-1].mean(axis=0), better, rtol=0.15)
        assert scalar(found.worst()) < 0.4
        assert scalar(found.heavy()) > 0.9

    def test_shots_can_undo_it(self, sets: list[labels.Labelled]) -> None:
        found = mitigation_study.with_shots(sets, 50_000, seed=SEED)
        assert scalar(found.ratio) < 0.4
        assert scalar(found.few) > 1.0
        assert set(found.accuracies) == {"exact", "raw", "extrapolated"}

    def test_channel_uses(self) -> None:
        """Two layers forwards and two backwards, each with 2 H, 2 R_Z, and CX, R_Z, CX for the pair."""
        assert noise.channel_uses(2) == 4 * (2 + 2 + 2 + 1 + 2)


def test_figures_hold_what_they_draw(
    sets: list[labels.Labelled], trained: depth_study.Depths, measured: shot_study.ShotResults
) -> None:
    grown, ranks = growth_study.overlaps([2, 3], 3, 20, seed=1), growth_study.count_ranks([1, 2], seed=1)
    compared = kernel_study.Compared("x", np.arange(4.0), {b: np.ones(4) for b in kernel_study.BASELINES}, np.ones(4))
    both = [mitigation_study.run(sets, kind, [0.005, 0.01, 0.02], 0.4) for kind in noise.KINDS]
    drawn = [
        figures.decision_maps(sets[0], 0),
        figures.depths(trained, np.ones(4)),
        figures.advantage([compared, compared]),
        device_figures.shot_noise(sets[0], measured, shot_study.predicted(sets), 0),
        device_figures.growth(grown, ranks),
        device_figures.extrapolation(both),
    ]
    for fig, frame in drawn:
        assert len(frame) > 5
        assert frame["value"].notna().all()
        plt.close(fig)
