"""Bias and closed form (C1, C2): hand calculations, enumeration, finite differences, NumPy and scikit-learn."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from reprise.compendium import cards
from reprise.compendium.criteria import Outcome
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    bias_figures,
    bias_study,
    gradient_bias,
    ridge_head,
    scalar_example,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.imitation_study import Head

CARD = cards.find("ssl-dataset-distillation")


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


def judge(claim: str, name: str, estimate: Any) -> Outcome:
    return CARD.claim(claim).check(name).criterion.judge(estimate)


class TestScalarExample:
    def test_the_numbers_by_hand(self) -> None:
        """At x = 1: solutions 4/7, 2/3 and 6/11, slopes 16/49, 8/9 and 24/121."""
        true = 2 * (4 / 7 - 1) * 16 / 49
        single = (2 * (2 / 3 - 1) * 8 / 9 + 2 * (6 / 11 - 1) * 24 / 121) / 2
        assert scalar_example.true_gradient(1.0) == pytest.approx(true, rel=1e-14)
        assert scalar_example.expected_gradient(1.0, 1) == pytest.approx(single, rel=1e-14)
        assert (round(true, 7), round(single, 7)) == (-0.2798834, -0.3864541)

    @pytest.mark.parametrize("x", [0.3, 1.0, 2.5])
    def test_closed_form_is_the_derivative(self, x: float) -> None:
        def loss(z: float) -> float:
            return (z**2 / (1.25 * z**2 + 0.5) - 1) ** 2

        step = 1e-5
        assert scalar_example.true_gradient(x) == pytest.approx(
            (loss(x + step) - loss(x - step)) / (2 * step), rel=1e-8
        )

    @pytest.mark.parametrize("draws", [1, 2, 3])
    def test_expectation_over_all_outcomes(self, draws: int) -> None:
        outcomes = itertools.product(scalar_example.SCALES, repeat=draws)
        values = [
            jax.grad(lambda z, a: (scalar_example.solution(z, a) - 1) ** 2)(jnp.float64(0.7), jnp.asarray(a))
            for a in outcomes
        ]
        assert scalar_example.expected_gradient(0.7, draws) == pytest.approx(float(np.mean(values)), rel=1e-12)

    def test_bias_falls_like_one_over_draws(self) -> None:
        ratio = scalar_example.relative_bias(1.0, 256) / scalar_example.relative_bias(1.0, 512)
        assert ratio == pytest.approx(2.0, rel=0.01)

    def test_linear_solution_and_loss_have_none(self) -> None:
        assert abs(scalar_example.enumerated_bias(1.0, linear=True)) < 1e-15
        assert judge("C1", "scalar bias", bias_study.scalar_bias()) is Outcome.MET
        assert judge("C1", "scalar bias", bias_study.scalar_bias(linear=True)) is Outcome.VIOLATED

    def test_sampling(self) -> None:
        assert judge("C1", "scalar example", bias_study.scalar_mean(seed=5)) is Outcome.MET
        assert judge("C1", "scalar example", bias_study.scalar_truth()) is Outcome.VIOLATED


class TestGradientBias:
    def test_masks(self) -> None:
        masks, chances = gradient_bias.all_masks(3)
        assert chances.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(chances @ masks, 0.75)
        assert len(np.unique(masks, axis=0)) == 8

    def test_expected_averages_of_the_denoiser(self) -> None:
        problem, rng = gradient_bias.denoiser(samples=3, pixels=4), np.random.default_rng(0)
        pairs, singles = problem.draw(1, 20000, rng)
        np.testing.assert_allclose(pairs.mean(axis=0), problem.expected[0], atol=0.02)
        np.testing.assert_allclose(singles.mean(axis=0), problem.expected[1], atol=0.02)

    def test_denoiser_against_least_squares_with_explicit_masks(self) -> None:
        """Differences of the outer loss, with weights from stacked rows of masked samples."""
        samples, pixels, draws = 5, 3, 4
        problem = gradient_bias.denoiser(samples=samples, pixels=pixels, seed=2)
        rng = np.random.default_rng([2, 8])
        mix, _ = rng.standard_normal((2, pixels, pixels)) / pixels**0.5
        x = rng.standard_normal((samples, pixels)) @ mix
        masks = np.random.default_rng(3).random((draws, samples, pixels)) < 0.75

        def outer(x: np.ndarray) -> float:
            rows = np.concatenate([*(x * m for m in masks), np.sqrt(draws * samples * 0.1) * np.eye(pixels)])
            wanted = np.concatenate([*([x] * draws), np.zeros((pixels, pixels))])
            w = np.linalg.lstsq(rows, wanted, rcond=None)[0]
            gram, p = mix.T @ mix, 0.75
            second = p * p * gram + p * (1 - p) * np.diag(np.diag(gram))
            return float(np.trace(w.T @ second @ w) - 2 * p * np.trace(w.T @ gram) + np.trace(gram))

        averages = (np.einsum("jia,jib->iab", masks, masks, dtype=float) / draws, masks.mean(axis=0))
        found = np.asarray(problem.gradient(tuple(map(jnp.asarray, averages)))).reshape(x.shape)
        step = 1e-6
        for i, j in ((0, 0), (2, 1), (4, 2)):
            move = np.zeros_like(x)
            move[i, j] = step
            assert found[i, j] == pytest.approx((outer(x + move) - outer(x - move)) / (2 * step), rel=1e-6, abs=1e-8)

    def test_bias_of_the_network_by_enumeration(self) -> None:
        """With one draw there are eight outcomes: exact mean, and a linear term of exact mean zero."""
        problem = gradient_bias.network(seed=1)
        _, chances = gradient_bias.all_masks(3)
        run = jax.jit(jax.vmap(lambda q: problem.gradient((q,))))
        bias = chances @ np.asarray(run(jnp.eye(8))) - gradient_bias.true_gradient(problem)
        exact = np.linalg.norm(bias) / np.linalg.norm(gradient_bias.true_gradient(problem))
        found = bias_study.measure("network", [1, 16], 800, seed=1)
        estimate = bias_study.one_draw(found)
        assert float(estimate.low) < exact < float(estimate.high)
        assert judge("C1", "network, one draw", estimate) is Outcome.MET

    def test_linear_term_has_mean_zero(self) -> None:
        problem = gradient_bias.network(seed=0)
        sampler = gradient_bias.Sampler(problem, 4000)
        np.testing.assert_allclose(sampler.true, gradient_bias.true_gradient(problem), rtol=1e-12)
        _, linear = sampler.gradients(1, np.random.default_rng(0))
        assert np.all(np.abs(linear.mean(axis=0)) < 5 * linear.std(axis=0) / np.sqrt(4000) + 1e-12)

    def test_decay_and_controls(self) -> None:
        found = bias_study.measure("denoiser", [1, 4, 16, 64], 800, seed=3)
        assert judge("C1", "denoiser, decay", bias_study.decay(found)) is Outcome.MET
        assert judge("C1", "denoiser, decay", bias_study.decay(found, averaged=True)) is Outcome.VIOLATED
        assert judge("C1", "denoiser, one draw", bias_study.no_draw(found)) is Outcome.VIOLATED
        figure, table = bias_figures.bias([found])
        assert figure.axes
        assert (table["value"] > 0).all()

    def test_unknown_kind(self) -> None:
        with pytest.raises(ValueError, match="denoiser, network"):
            bias_study.measure("autoencoder", [1, 2], 80)


@pytest.fixture(scope="module")
def head() -> Head:
    rng = np.random.default_rng(0)
    features, new = np.abs(rng.standard_normal((12, 20))), np.abs(rng.standard_normal((7, 20)))
    targets = rng.standard_normal((12, 3)) + 2.0
    return Head(features, targets, new, ridge_head.descend(features, targets, new, stretches=30))


class TestRidgeHead:
    def test_against_numpy(self, head: Head) -> None:
        a, b = (np.hstack([f, np.ones((len(f), 1))]) for f in (head.features, head.new))
        gram = a @ a.T
        weights = np.linalg.solve(gram + 1e-6 * np.trace(gram) * np.eye(12), head.targets)
        np.testing.assert_allclose(head.closed(), b @ a.T @ weights, rtol=1e-9)

    def test_against_scikit_learn_and_without_the_constant(self, head: Head) -> None:
        gram = head.features @ head.features.T
        model = KernelRidge(alpha=1e-6, kernel="precomputed").fit(gram, head.targets)
        other = model.predict(head.new @ head.features.T)
        np.testing.assert_allclose(head.closed(constant=False, scaled=False), other, rtol=1e-7)

    def test_descent_ends_there(self, head: Head) -> None:
        closed = head.closed()
        gaps = np.linalg.norm(head.descent.predictions - closed, axis=(1, 2)) / np.linalg.norm(closed)
        assert gaps[-1] < 1e-8 < 1e-3 < gaps[0]
        for control in (head.closed(constant=False), head.closed(scaled=False)):
            assert np.linalg.norm(control - closed) > 1e-5 * np.linalg.norm(closed)

    def test_no_gradient_through_the_penalty(self, head: Head) -> None:
        """As if the penalty were given; frozen, another part of the gradient is missing."""
        features, targets, new = (jnp.asarray(a) for a in (head.features, head.targets, head.new))
        ridge = float(1e-6 * jnp.sum(ridge_head.with_constant(features) ** 2))

        def slope(**options: Any) -> np.ndarray:
            return np.asarray(
                jax.grad(lambda f: jnp.sum(ridge_head.predict(f, targets, new, **options) ** 2))(features)
            )

        np.testing.assert_allclose(slope(), slope(ridge=ridge), rtol=1e-9)
        assert np.linalg.norm(slope(frozen=True) - slope()) > 0.1 * np.linalg.norm(slope())
