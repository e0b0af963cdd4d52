"""Trained networks against kernel ridge regression with their own tangent kernel, and the bookkeeping of grid searches."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from reprise.networks import empirical_ntk, member
from reprise.papers.kernels_and_features.self_distillation import classifiers, network_figures, network_steps
from reprise.papers.kernels_and_features.self_distillation.classifiers import ConvNet, Fit, Recipe, Task, Trainer

RECIPE = Recipe("mlp", 16, "linear", decay=2e-3, rate=1.0, steps=60, batch=20)


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


@pytest.fixture(scope="module")
def task() -> Task:
    return classifiers.noisy_task("digits", 2, 60, 30, 40, 0.4, seed=3)


class TestTask:
    def test_noise(self) -> None:
        clean, noisy = (classifiers.noisy_task("digits", 1, 900, 100, 300, noise) for noise in (0.0, 0.5))
        np.testing.assert_array_equal(clean.x, noisy.x)
        changed = (clean.y.argmax(2) != noisy.y.argmax(2)).mean()
        assert changed == pytest.approx(0.45, abs=0.05)
        np.testing.assert_array_equal(clean.y_test.argmax(2), noisy.y_test.argmax(2))

    def test_expected_targets(self, task: Task) -> None:
        np.testing.assert_allclose(task.y_test.sum(axis=2), 1.0, rtol=1e-6)
        np.testing.assert_allclose(task.y_test.max(axis=2), 0.64, rtol=1e-6)
        assert set(np.unique(task.y)) == {0.0, 1.0}


class TestNetworks:
    @pytest.mark.parametrize("side", [5, 8])
    def test_convolutions_are_those_of_jax(self, side: int) -> None:
        net = ConvNet(side, 3, key=jax.random.key(0))
        x = jnp.asarray(np.random.default_rng(0).standard_normal((side, side, 1)), jnp.float32)
        out = x[None]
        for weights in (net.first, net.second):
            filters = weights.reshape(-1, 3, 3, out.shape[-1]).transpose(1, 2, 3, 0)
            numbers = ("NHWC", "HWIO", "NHWC")
            padded = jnp.pad(out, ((0, 0), (1, 1), (1, 1), (0, 0)))
            out = jax.lax.conv_general_dilated(padded, filters, (2, 2), "VALID", dimension_numbers=numbers)
            out = jax.nn.relu(out * (2.0 / weights.shape[1]) ** 0.5)
        expected = net.last @ out.ravel() * net.last.shape[1] ** -0.5
        np.testing.assert_allclose(net(x.ravel()), expected, rtol=2e-5, atol=2e-5)

    def test_wide_network_held_to_its_start_is_kernel_ridge(self) -> None:
        r"""$f=\Theta(\cdot,X)(\Theta+N\mu)^{-1}y$ with the tangent kernel of the start."""
        task = classifiers.noisy_task("digits", 1, 40, 20, 20, 0.2, seed=1)
        recipe = Recipe("mlp", 1024, "linear", decay=0.02, rate=0.5, steps=800, batch=40, anchored=True)
        trainer = Trainer(task, recipe)
        fit = trainer.fit(task.y)
        net = member(trainer.models, 0)
        x, x_val = jnp.asarray(task.x[0]), jnp.asarray(task.x_val[0])
        theta, across = (np.asarray(empirical_ntk(net, a, x)).squeeze() for a in (x, x_val))
        if theta.ndim == 4:
            theta, across = theta[:, 0, :, 0], across[:, 0, :, 0]
        ridge = across @ np.linalg.solve(theta + 40 * 0.02 * np.eye(40), task.y[0])
        assert np.linalg.norm(fit.validation[0] - ridge) < 0.1 * np.linalg.norm(ridge)

    def test_a_student_is_a_function_of_its_targets(self, task: Task) -> None:
        trainer = Trainer(task, RECIPE, seed=1)
        first, again = trainer.fit(task.y), trainer.fit(task.y)
        np.testing.assert_array_equal(first.test, again.test)
        assert trainer.count == 2
        np.testing.assert_array_equal(trainer.fit(np.zeros_like(task.y)).test, 0.0)
        assert not np.allclose(Trainer(task, RECIPE, seed=2).fit(task.y).test, first.test)

    def test_softmax_outputs_are_shares(self, task: Task) -> None:
        fit = Trainer(task, RECIPE._replace(outputs="softmax")).fit(task.y)
        np.testing.assert_allclose(fit.test.sum(axis=2), 1.0, rtol=1e-5)

    def test_order_of_examples(self) -> None:
        rows = classifiers._order(50, RECIPE._replace(steps=5), np.random.default_rng(0))
        assert rows.shape == (5, 20)
        for epoch in (rows[:2], rows[2:4]):
            assert len(np.unique(epoch)) == 40

    def test_divergence_is_reported(self, task: Task) -> None:
        with pytest.raises(FloatingPointError, match="rate"):
            Trainer(task, RECIPE._replace(rate=1e4)).fit(task.y)

    def test_wider_is_more_affine(self, task: Task) -> None:
        found = network_steps.defects_by_width(task, network_steps.LINEARITY._replace(batch=20, steps=200), [8, 256])
        assert found.shape == (2, 2, 2)
        assert scalar(network_steps.width_slope(found[0], [8, 256])) < -0.1


class Affine:
    """A stand-in for a trainer whose students are linear in their targets: ridge regression on the inputs."""

    def __init__(self, task: Task, decay: float = 20.0) -> None:
        self.task, self.recipe, self.seconds = task, RECIPE._replace(decay=decay), list[float]()

    @property
    def count(self) -> int:
        return len(self.seconds)

    def fit(self, targets: np.ndarray) -> Fit:
        self.seconds.append(1.0)
        parts = []
        for new in (self.task.x, self.task.x_val, self.task.x_test):
            solved = [
                b @ np.linalg.solve(a.T @ a + self.recipe.decay * np.eye(a.shape[1]), a.T @ t)
                for a, b, t in zip(self.task.x.astype(float), new.astype(float), targets, strict=True)
            ]
            parts.append(np.stack(solved))
        return Fit(*parts)


@pytest.fixture(scope="module")
def trainer(task: Task) -> Affine:
    return Affine(task)


@pytest.fixture(scope="module")
def rounds(trainer: Affine) -> list[network_steps.Round]:
    return network_steps.distil(trainer, 3)  # type: ignore[arg-type]


class TestSearch:
    def test_estimate_is_exact_for_affine_students(self, trainer: Affine, rounds: list[network_steps.Round]) -> None:
        task = trainer.task
        first = trainer.fit(task.y)
        assert (rounds[0].defect < 1e-10).all()
        for i in range(2):

            def loss(w: float, i: int = i) -> float:
                mixed = w * task.y + (1 - w) * first.train
                return float(((trainer.fit(mixed).validation[i] - task.y_val[i]) ** 2).sum(axis=1).mean())

            best = optimize.minimize_scalar(loss, bracket=(-1, 2))
            assert rounds[0].weight[i] == pytest.approx(best.x, abs=1e-5)
            assert rounds[0].free.validation[i] == pytest.approx(best.fun, rel=1e-8)

    def test_bookkeeping(self, rounds: list[network_steps.Round]) -> None:
        assert [(r.step, r.trainings, r.seconds) for r in rounds] == [(s, (2, 10, 3), (2.0, 10.0)) for s in (2, 3)]
        assert scalar(network_steps.cost(rounds)) == 0.2
        assert scalar(network_steps.cost(rounds, parabola=True)) == 0.3
        assert network_steps.wall_time(rounds) == 0.2

    def test_choice_sees_validation_alone(self, rounds: list[network_steps.Round]) -> None:
        best = network_steps.chosen(rounds[0])
        for i in range(2):
            curve = [s.validation[i] for s in rounds[0].grid]
            k = int(np.argmin(curve))
            assert best.validation[i] == min(curve)
            assert best.accuracy[i] == rounds[0].grid[k].accuracy[i]
        blind = network_steps.random_weight(rounds[0])
        np.testing.assert_allclose(blind.test, np.mean([s.test for s in rounds[0].grid], axis=0))

    def test_margin_in_standard_errors(self, rounds: list[network_steps.Round]) -> None:
        searched = np.mean([network_steps.chosen(r).accuracy for r in rounds], axis=0)
        at = np.mean([r.at.accuracy for r in rounds], axis=0)
        expected = (at - searched).mean() / (np.std(searched, ddof=1) / np.sqrt(2))
        assert scalar(network_steps.accuracy_margin(rounds)) == pytest.approx(expected)

    def test_calibration_of_the_first_fit(self, trainer: Affine, rounds: list[network_steps.Round]) -> None:
        """The slope of a regression of validation targets on the fit's deviation from the mean target."""
        task, first = trainer.task, trainer.fit(trainer.task.y)
        mean = task.y[0].mean(axis=0)
        x, y = (first.validation[0] - mean).ravel(), (task.y_val[0] - mean).ravel()
        assert rounds[0].slope[0] == pytest.approx(float(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]))

    def test_figures_and_table(self, rounds: list[network_steps.Round]) -> None:
        for figure, table in (
            network_figures.search(rounds),
            network_figures.linearity(np.array([[[0.5, 0.2], [0.6, 0.3]], [[0.5, 0.4], [0.6, 0.5]]]), [8, 32]),
        ):
            assert figure.axes
            assert np.isfinite(table["value"]).all()
        assert network_figures.rounds_table(rounds).count("\n") >= 5
