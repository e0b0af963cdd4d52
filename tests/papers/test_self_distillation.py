"""Closed forms against repeated fitting, scikit-learn, SciPy's minimiser and the losses that the paper's code prints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.metrics.pairwise import pairwise_kernels

from reprise.papers.kernels_and_features.self_distillation import (
    closed_form,
    figures,
    generalisation,
    kernel_steps,
    problems,
    weights,
)
from reprise.papers.kernels_and_features.self_distillation.refits import Refitter, by_scikit_learn

RIDGE = 0.7


def scalar(estimate: object) -> float:
    return float(np.asarray(estimate.value))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((12, 5))


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((12, 2))


class TestClosedForm:
    def test_a_step_minimises_the_weighted_loss(self, features: np.ndarray, targets: np.ndarray) -> None:
        """SciPy's minimiser on the loss as it is written down, with both squares, at a weight above one too."""
        y, spectrum = targets[:, :1], closed_form.decompose(features @ features.T, RIDGE)
        teacher = y
        for step, alpha in enumerate((1.0, 0.3, 1.4)):

            def loss(theta: np.ndarray, alpha: float = alpha, teacher: np.ndarray = teacher) -> float:
                fit = features @ theta
                squares = alpha * ((fit - y[:, 0]) ** 2).sum() + (1 - alpha) * ((fit - teacher[:, 0]) ** 2).sum()
                return float(0.5 * squares + 0.5 * RIDGE * (theta**2).sum())

            best = optimize.minimize(loss, np.zeros(5), tol=1e-12).x
            fits = closed_form.predictions(spectrum, features @ features.T, y, [1.0, 0.3, 1.4])
            np.testing.assert_allclose(fits[step, :, 0], features @ best, atol=1e-5)
            teacher = fits[step]

    def test_constant_weight_as_a_sum_of_powers(self) -> None:
        a, alpha = np.array([0.05, 0.5, 0.99]), 0.3
        for tau, found in enumerate(closed_form.factors(a, [alpha] * 8), start=1):
            powers = sum((1 - alpha) ** j * a ** (j + 1) for j in range(tau - 1))
            np.testing.assert_allclose(found, alpha * powers + (1 - alpha) ** (tau - 1) * a**tau, rtol=1e-13)

    def test_first_weight_is_not_used(self) -> None:
        a = np.array([0.2, 0.8])
        np.testing.assert_array_equal(closed_form.factors(a, [5.0, 0.3]), closed_form.factors(a, [1.0, 0.3]))

    def test_predictions_at_new_points(self, features: np.ndarray, targets: np.ndarray) -> None:
        """Against linear solves, one a step, with weights of any sign and two targets."""
        gram, new = features @ features.T, np.random.default_rng(3).standard_normal((4, 5)) @ features.T
        sequence, teacher = [1.0, -0.4, 1.3, 0.2], targets
        fits = closed_form.predictions(closed_form.decompose(gram, RIDGE), new, targets, sequence)
        for step, alpha in enumerate(sequence):
            mixed = alpha * targets + (1 - alpha) * teacher
            solved = np.linalg.solve(gram + RIDGE * np.eye(12), mixed)
            np.testing.assert_allclose(fits[step], new @ solved, rtol=1e-10, atol=1e-12)
            teacher = gram @ solved

    @pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
    def test_limit_is_the_ridge_of_penalty_over_weight(
        self, features: np.ndarray, targets: np.ndarray, alpha: float
    ) -> None:
        gram = features @ features.T
        last = Refitter(gram, RIDGE).repeat(targets, alpha, 400)[-1]
        np.testing.assert_allclose(last, gram @ np.linalg.solve(gram + RIDGE / alpha * np.eye(12), targets), atol=1e-12)

    def test_distance_from_the_limit_is_geometric(self) -> None:
        d, alpha = np.array([3.0, 1.0, 0.1]), 0.3
        a, end = d / (d + RIDGE), closed_form.limit_factors(d, RIDGE, alpha)
        for tau, found in enumerate(closed_form.factors(a, [alpha] * 10), start=1):
            np.testing.assert_allclose(found - end, ((1 - alpha) * a) ** (tau - 1) * (a - end), atol=1e-14)
        assert closed_form.rate(a, alpha) == pytest.approx(0.7 * 3.0 / 3.7)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=6), st.floats(0.01, 10.0), st.floats(0.01, 0.99))
    def test_ratios_keep_between_first_fit_and_bound(self, values: list[float], ridge: float, alpha: float) -> None:
        d = np.sort(np.asarray(values))[::-1]
        kept = closed_form.factors(d / (d + ridge), [alpha] * 30)
        ratios = kept[:, :-1] / kept[:, 1:]
        assert (ratios >= ratios[0] * (1 - 1e-12)).all()
        assert (ratios <= closed_form.ratio_bound(d, ridge, alpha) * (1 + 1e-12)).all()
        assert (np.diff(kept.sum(axis=1)) <= 0).all()

    def test_ratios_overshoot_their_limit(self) -> None:
        """Rates 0.9 and 0.1 at weight 1/2: 9, then 15.545, 15.825 at step 3, and 15.545 in the end."""
        d = np.array([9.0, 1.0 / 9.0])
        kept = closed_form.factors(d / (d + 1.0), [0.5] * 60)
        ratio = kept[:, 0] / kept[:, 1]
        assert ratio[2] == pytest.approx(0.83475 / 0.05275)
        assert ratio[-1] == pytest.approx(closed_form.limit_ratio(d, 1.0, 0.5)[0], rel=1e-9)
        assert ratio[2] > 1.01 * ratio[-1]

    def test_optimal_weight_minimises_the_loss(self) -> None:
        rng = np.random.default_rng(4)
        for _ in range(20):
            f1, f0, y = rng.standard_normal((3, 30))
            loss = lambda w, f1=f1, f0=f0, y=y: float(((w * f1 + (1 - w) * f0 - y) ** 2).sum())  # noqa: E731
            best = optimize.minimize_scalar(loss, bracket=(-1, 2)).x
            assert closed_form.optimal_weight(f1, f0, y) == pytest.approx(best, abs=1e-6)
            assert closed_form.optimal_weight(f0, f1, y) == pytest.approx(1 - best, abs=1e-6)


class TestRefits:
    def test_scikit_learn_and_cholesky_agree(self) -> None:
        wave, kernel = problems.wave(30, (5, 1), tests=10), problems.gaussian(8.0)
        gram, k_test = kernel.of(wave.x, wave.x), kernel.of(wave.x_test, wave.x)
        ours = Refitter(gram, RIDGE).repeat(wave.y, 0.3, 4, k_test)
        np.testing.assert_allclose(ours, by_scikit_learn(wave, kernel, RIDGE, [0.3] * 4), atol=1e-10)
        doubled = Refitter(gram, 2 * RIDGE).repeat(wave.y, 0.3, 4, k_test)
        np.testing.assert_allclose(doubled, by_scikit_learn(wave, kernel, RIDGE, [0.3] * 4, times=2.0), atol=1e-10)

    def test_one_weight_a_column(self) -> None:
        wave = problems.wave(20, (5, 2))
        refitter, both = Refitter(problems.WAVE_KERNEL.of(wave.x, wave.x), RIDGE), np.array([0.2, 0.9])
        together = refitter.repeat(np.repeat(wave.y, 2, axis=1), both, 3)
        for j, w in enumerate(both):
            np.testing.assert_allclose(together[:, :, [j]], refitter.repeat(wave.y, float(w), 3), atol=1e-12)


class TestProblems:
    def test_kernels_are_those_of_scikit_learn(self) -> None:
        x, z = np.random.default_rng(0).standard_normal((2, 6, 3))
        for kernel in problems.kernels(3):
            options = dict(kernel.options)
            np.testing.assert_allclose(kernel.of(x, z), pairwise_kernels(x, z, metric=options.pop("kernel"), **options))

    def test_waves(self) -> None:
        truth = np.concatenate([problems.wave(2, (1, i), tests=400).y_test for i in range(60)])
        assert truth.var() == pytest.approx(1.0, abs=0.1)
        one, same, other = (problems.wave(5, key) for key in ((0, 2, 1), (0, 2, 1), (0, 4, 1)))
        np.testing.assert_array_equal(one.y, same.y)
        assert not np.allclose(one.y, other.y)

    def test_catalogue(self) -> None:
        sets = problems.catalogue([40, 50], 0)
        assert [(p.name, len(p.x), p.y.shape[1]) for p in sets] == [
            ("toy", 11, 1),
            ("diabetes", 40, 1),
            ("digits", 50, 10),
        ]


class TestSteps:
    @pytest.mark.parametrize("weight", list(problems.TOY_LOSSES))
    def test_toy_losses_as_printed(self, weight: float) -> None:
        np.testing.assert_allclose(kernel_steps.toy_losses(weight), problems.TOY_LOSSES[weight], atol=5.0e-6)

    def test_gaps(self) -> None:
        right, slip = kernel_steps.closed_form_gaps([30, 30], 6, seed=3)
        assert np.asarray(right.high) < 1e-11
        assert np.asarray(slip.low) > 1e-3
        assert np.asarray(kernel_steps.printed_gap(times=11.0).low) > 0.01

    def test_a_known_rate_is_found(self) -> None:
        steps = np.arange(60)
        found = np.exp(-0.6 * steps)[None, None] * np.array([1.0, 3.0])[:, None, None]
        assert scalar(kernel_steps.rate_ratio(found, found, np.full((2, 1), -0.6))) == pytest.approx(1.0, abs=1e-9)
        assert scalar(kernel_steps.rate_ratio(found, found, np.full((2, 1), -0.3))) == pytest.approx(2.0, abs=1e-9)

    def test_convergence_of_waves(self) -> None:
        found = kernel_steps.worst_distances([0.3, 0.9], 2, 25, 70)
        ratio = kernel_steps.rate_ratio(found, found, kernel_steps.rates([0.3, 0.9], 2, 25))
        assert scalar(ratio) == pytest.approx(1.0, abs=5e-3)
        assert scalar(kernel_steps.last_distance(kernel_steps.distances([0.3], 2, 25, 200))) < 1e-13
        assert scalar(kernel_steps.last_distance(kernel_steps.distances([0.3], 2, 25, 200, penalty="same"))) > 0.1
        assert scalar(kernel_steps.distance_to_ridges(2, 25, 200)) == pytest.approx(1.0, abs=1e-6)
        assert scalar(kernel_steps.remainder(0.0, 2, 25, 200)) < 1e-10

    def test_smoothers_are_the_closed_form(self) -> None:
        """Refits of the unit vectors, along the eigenvectors, are the recursion's factors."""
        found = kernel_steps.smoother_steps(0.35, 1, 20, 5, seed=2)
        wave = problems.wave(20, (2, 2, 0))
        spectrum = closed_form.decompose(problems.WAVE_KERNEL.of(wave.x, wave.x), kernel_steps.WAVE_RIDGE)
        np.testing.assert_allclose(found[0], closed_form.factors(spectrum.shrinkage, [0.35] * 5), atol=1e-12)

    def test_shares_and_bounds(self) -> None:
        bare, guided, fixed = (kernel_steps.smoother_steps(w, 2, 20, 30) for w in (0.0, 0.35, 1.0))
        assert scalar(kernel_steps.share_falling([bare, guided])) == 1.0
        assert scalar(kernel_steps.share_falling([fixed])) == 0.0
        assert scalar(kernel_steps.share_growing(bare)) == 1.0
        assert scalar(kernel_steps.share_growing(guided)) < 0.5
        assert scalar(kernel_steps.share_above_first([bare, guided])) == 1.0
        assert scalar(kernel_steps.share_above_first([fixed])) == 0.0
        assert scalar(kernel_steps.over_floor([guided], [0.35])) == pytest.approx(1.0, abs=1e-6)
        assert scalar(kernel_steps.over_floor([bare], [0.35])) < 1e-3
        assert scalar(kernel_steps.over_bound([guided], [0.35])) < 1.0
        assert np.asarray(kernel_steps.over_bound([bare], [0.35]).low) > 1.0
        assert np.asarray(kernel_steps.over_bound([guided], [0.35], limit=True).low) > 1.0

    def test_union_spans_its_parts(self) -> None:
        parts = [kernel_steps.span(v, "") for v in ([0.9, 0.95], [1.0, 1.02])]
        joint = kernel_steps.union(parts, 1.0)
        assert (joint.low, joint.high, joint.value) == (0.9, 1.02, 0.95)


class TestWeights:
    def test_toy(self) -> None:
        toy = weights.of_toy(3)
        assert toy[0].weight == pytest.approx(-0.6218, abs=5e-5)
        assert toy[0].reached[0] == pytest.approx(0.14834, abs=5e-6)
        assert toy[1].weight == pytest.approx(0.3304, abs=5e-5)
        assert scalar(weights.toy_weight(toy, cut=True)) == 0.0

    def test_grid_never_wins(self) -> None:
        found = weights.of_waves(12, 25, seed=4)
        spacing = float(np.diff(weights.GRID).max())
        assert len(found) == 24
        assert scalar(weights.grid_gap(found)) <= 0.5 * spacing + 1e-12
        assert scalar(weights.grid_gap(found, swapped=True)) > 10 * spacing
        assert 0 <= scalar(weights.loss_gap(found)) < 1e-6
        assert scalar(weights.loss_gap(found, shuffled=True)) < -1e-3
        assert scalar(weights.share_won(found)) == 1.0
        assert scalar(weights.share_won(found, shuffled=True)) < 0.5
        negative, above, beyond = weights.outside(found)
        assert 0 < negative < 1
        assert 0 < above < 1
        assert 0 <= beyond < negative + above


@pytest.fixture(scope="module")
def found() -> generalisation.Gains:
    return generalisation.distil(25, 40, [0.03, 0.3, 5.0, 30.0], seed=1)


class TestGeneralisation:
    def test_penalty_is_risk_optimal(self, found: generalisation.Gains) -> None:
        """Its plain fits beat those of a tenth and ten times of it, on data sets of their own."""
        plain = generalisation.distil(25, 40, [0.1, 1.0, 10.0], seed=1).first.mean(axis=0)
        assert plain[1] < min(plain[0], plain[2])
        assert found.best in generalisation.PENALTIES

    def test_gains_change_sign(self, found: generalisation.Gains) -> None:
        assert np.asarray(generalisation.smallest_gain(found).low) > 0
        assert np.asarray(generalisation.smallest_gain(found, above=True).high) < 0

    def test_figures_hold_what_they_draw(self, found: generalisation.Gains) -> None:
        apart = kernel_steps.worst_distances([0.3, 0.7], 2, 15, 60)
        drawn = [
            figures.toy_paths(0.35),
            figures.regularisation(0.35),
            figures.convergence(apart, apart, kernel_steps.rates([0.3, 0.7], 2, 15), [0.3, 0.7]),
            figures.weights(weights.of_toy(2), weights.of_waves(4, 15)),
            figures.gains(found),
        ]
        for figure, table in drawn:
            assert figure.axes
            assert len(table) > 3
            assert np.isfinite(table["value"]).all()
