"""Learning with scale mixtures against exact inference, brute force and properties."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from reprise.papers.infinite_width.scale_mixture_nngp import (
    architectures,
    class_report,
    classification_study,
    conv_ensembles,
    image_sets,
    latent_sampler,
    laws,
    more_figures,
    regression,
    regression_study,
    synthetic_study,
    variational,
)

SHARED: dict[str, Any] = {"hidden": 2, "activation": "erf"}
Data = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    return x, np.sin(x[:, 0]) + 0.1 * rng.normal(size=40), rng.normal(size=(7, 2))


class TestRegression:
    theta = np.array([0.2, -0.5, 0.3, -2.0])

    def matrices(self, x: np.ndarray, x_test: np.ndarray) -> np.ndarray:
        w, b, _, noise = np.exp(self.theta)
        both = jnp.asarray(np.concatenate([x, x_test]))
        k = np.asarray(architectures.mlp(both, both, w_std=w, b_std=b, **SHARED))
        return k + noise * np.eye(len(k))

    def test_evidence_is_scipys_density(self, data: Data) -> None:
        x, y, x_test = data
        k, v = self.matrices(x, x_test)[:40, :40], float(np.exp(self.theta[2]))
        arrays = (jnp.asarray(self.theta), jnp.asarray(x), jnp.asarray(y))
        student = regression.evidence(*arrays, 2.0, **SHARED)
        assert float(student) == pytest.approx(stats.multivariate_t(np.zeros(40), v * k, df=4.0).logpdf(y), abs=1e-4)
        gauss = regression.evidence(*arrays, np.inf, **SHARED)
        assert float(gauss) == pytest.approx(stats.multivariate_normal(np.zeros(40), v * k).logpdf(y), abs=1e-4)

    def test_prediction_is_the_posterior_of_the_law(self, data: Data) -> None:
        x, y, x_test = data
        k, v = self.matrices(x, x_test), float(np.exp(self.theta[2]))
        found = regression.predict(regression.Fit(self.theta, 0.0, 2.0), x, y, x_test, **SHARED)
        law = laws.posterior(k[40:, 40:], k[40:, :40], k[:40, :40], y, 2.0, 2.0 * v)
        np.testing.assert_allclose(found.mean, law.mean, rtol=1e-5)
        np.testing.assert_allclose(found.spread**2, np.diag(law.shape), rtol=1e-5)
        assert found.dof == 44.0

    def test_prediction_with_huge_a_is_the_gaussian_one(self, data: Data) -> None:
        x, y, x_test = data
        gauss, student = (
            regression.predict(regression.Fit(self.theta, 0.0, a), x, y, x_test, **SHARED) for a in (np.inf, 1e9)
        )
        targets = np.linspace(-1, 1, 7)
        np.testing.assert_allclose(student.nll(targets), gauss.nll(targets), rtol=1e-6, atol=1e-6)

    def test_fit_beats_its_starts_and_its_slope_is_right(self, data: Data) -> None:
        x, y, _ = data
        found = regression.fit(x, y, 2.0, steps=15, **SHARED)
        arrays = (jnp.asarray(x), jnp.asarray(y))
        starts = [float(regression.evidence(jnp.asarray(s), *arrays, 2.0, **SHARED)) for s in regression.STARTS]
        assert found.evidence > max(starts)
        assert optimize.check_grad(
            lambda t: float(regression._loss(jnp.asarray(t), *arrays, 2.0, **SHARED)[0]),
            lambda t: np.asarray(regression._loss(jnp.asarray(t), *arrays, 2.0, **SHARED)[1]),
            self.theta,
        ) == pytest.approx(0.0, abs=1e-5)

    def test_no_prior_of_the_scale_beats_a_point_mass(self, data: Data) -> None:
        x, y, x_test = data
        q = regression.predict(regression.Fit(self.theta, 0.0, 2.0), x, y, x_test, **SHARED).q
        gain = regression.gain_of_point_mass(q, 40, 2.0)
        assert gain > 0
        arrays = (jnp.asarray(x), jnp.asarray(y))

        def best(a: float) -> float:
            grid = np.linspace(-4, 4, 161)
            thetas = np.tile(self.theta, (161, 1))
            thetas[:, 2] = grid
            return max(float(regression.evidence(jnp.asarray(t), *arrays, a, **SHARED)) for t in thetas)

        assert gain == pytest.approx(best(np.inf) - best(2.0), abs=0.01)

    def test_likelihoods_are_normalised(self) -> None:
        grid = np.linspace(-60, 60, 20_001)
        for dof in (5.0, np.inf):
            law = regression.Prediction(np.full(20_001, 0.3), np.full(20_001, 1.7), dof)
            assert np.trapezoid(np.exp(-law.nll(grid)), grid) == pytest.approx(1.0, abs=1e-3)

    def test_radial_rival_learns_a_smooth_function(self) -> None:
        rng = np.random.default_rng(0)
        x, x_test = rng.normal(size=(60, 2)), rng.normal(size=(200, 2))
        y, y_test = (np.sin(p[:, 0]) + 0.1 * rng.normal(size=len(p)) for p in (x, x_test))
        found = regression_study.radial(regression_study.Task(x, y, x_test, y_test, 1.0))
        assert np.mean((found.mean - y_test) ** 2) < 0.1 * y_test.var()
        assert 0.88 < found.covered(y_test) < 0.99

    def test_tasks_are_disjoint_and_standardised(self) -> None:
        for condition in regression_study.CONDITIONS:
            task = regression_study.load_task("diabetes", 0, condition, 100)
            assert task.x.shape == (100, 10)
            np.testing.assert_allclose(task.x.mean(0), 0.0, atol=1e-10)
            rows = {row.tobytes() for row in np.round(task.x, 9)}
            assert not rows & {row.tobytes() for row in np.round(task.x_test, 9)}
        hit = regression_study.load_task("diabetes", 0, "outliers", 100).y
        assert np.sum(np.abs(hit) > 3.0) >= 4


class TestSynthetic:
    def test_the_right_scale_wins_on_either_side(self) -> None:
        found = synthetic_study.study_synthetic([10, 40], seed=1, functions=600)
        pair = synthetic_study.gain(found)
        assert np.max(pair["measured"].high) < 0 < np.min(pair["control"].low)
        excess = (found.random["fitted"] - found.random["t"]).mean(axis=0)
        assert excess[0] > 4 * excess[1] > 0


def features(n: int = 60, m: int = 12, seed: int = 0) -> tuple[variational.Features, np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    k = np.asarray(architectures.mlp(jnp.asarray(x), jnp.asarray(x), hidden=1))
    return variational.features(k[:m, :m], k[:, :m], np.diag(k)), k, x


class TestVariational:
    def test_features_give_the_kernel_at_inducing_points(self) -> None:
        at, k, _ = features()
        np.testing.assert_allclose(at.a[:12] @ at.a.T, k[:12], atol=1e-4)
        np.testing.assert_allclose(jnp.sum(at.a**2, axis=1) + at.rest, np.diag(k), rtol=1e-4)

    def test_fewer_inducing_points_are_the_first_columns(self) -> None:
        at, k, _ = features()
        few = variational.few_inducing(at, 5)
        direct = variational.features(k[:5, :5], k[:, :5], np.diag(k))
        np.testing.assert_allclose(few.a[:, :5], direct.a, atol=1e-4)
        np.testing.assert_allclose(few.rest, direct.rest, atol=1e-4)

    def test_divergence_is_the_mean_log_ratio(self) -> None:
        rng = np.random.default_rng(0)
        q = variational.Posterior(
            jnp.asarray(rng.normal(size=(2, 3))),
            jnp.asarray(0.3 * rng.normal(size=(2, 3))),
            jnp.log(jnp.array([3.0, 4.0])),
        )
        s = stats.invgamma(3.0, scale=4.0).rvs(200_000, random_state=1)
        spread = np.sqrt(s[:, None, None] * np.exp(np.asarray(q.log_d)))
        u = np.asarray(q.mean) + spread * rng.normal(size=(len(s), 2, 3))
        ratio = stats.norm.logpdf(u, np.asarray(q.mean), spread) - stats.norm.logpdf(u, 0, np.sqrt(s)[:, None, None])
        ratio = ratio.sum((1, 2)) + stats.invgamma(3.0, scale=4.0).logpdf(s) - stats.invgamma(2.0, scale=1.5).logpdf(s)
        assert float(variational.divergence(q, 2.0, 1.5)) == pytest.approx(
            ratio.mean(), abs=5 * ratio.std() / len(s) ** 0.5
        )

    def test_divergence_vanishes_at_the_prior(self) -> None:
        zeros = jnp.zeros((2, 3))
        at_prior = variational.Posterior(zeros, zeros, jnp.log(jnp.array([2.0, 5.0])))
        assert float(variational.divergence(at_prior, 2.0, 5.0)) == pytest.approx(0.0, abs=1e-6)
        moved = at_prior._replace(log_ab=at_prior.log_ab + 0.3)
        assert float(variational.divergence(moved, 2.0, 5.0)) > 0.01

    @pytest.mark.parametrize("a", [0.8, 2.0, 20.0])
    def test_nodes_integrate_the_inverse_gamma(self, a: float) -> None:
        q = variational.Posterior(jnp.zeros((1, 1)), jnp.zeros((1, 1)), jnp.log(jnp.array([a, 3.0])))
        s, weights = variational.scale_nodes(q, jnp.float32(1.0), True, 20)
        assert float(jnp.sum(weights)) == pytest.approx(1.0, rel=1e-5)
        assert float(weights @ (1 / s)) == pytest.approx(a / 3.0, rel=5e-3)
        exact = stats.invgamma(a, scale=3.0).expect(lambda v: np.exp(-v))
        assert float(weights @ jnp.exp(-s)) == pytest.approx(exact, rel=2e-2)

    def test_frozen_at_huge_a_is_the_gaussian_process(self) -> None:
        at, _, x = features()
        labels = (x[:, 0] > 0).astype(int)
        noise = variational.draw_noise(np.random.default_rng(0), 60, steps=60, classes=2, batch=30)
        white = np.random.default_rng(1).standard_normal((20, 20, 1, 2)).astype(np.float32)
        found = []
        for kind, shape in ((variational.SVGP, 2.0), (variational.FROZEN, 1e6), (variational.FROZEN, 2.0)):
            q = variational.train(at, labels, 5.0, kind, noise, shape=shape)
            found.append(variational.log_probabilities(white, q, at, jnp.float32(5.0), jnp.asarray(kind.student)))
        np.testing.assert_allclose(found[0], found[1], atol=2e-3)
        assert np.abs(found[0] - found[2]).max() > 0.01

    def test_learns_separable_labels(self) -> None:
        at, _, x = features(200, 40)
        labels = (x[:, 0] > 0).astype(int)
        noise = variational.draw_noise(np.random.default_rng(0), 200, steps=300, classes=2)
        q = variational.train(at, labels, 10.0, variational.SVTP, noise, shape=2.0, rate=0.03)
        logits = np.asarray(at.a @ q.mean.T)
        assert np.mean(np.argmax(logits, axis=1) == labels) > 0.93


class TestLatentSampler:
    def test_one_point_posterior_by_importance_sampling(self) -> None:
        """One training point and two classes: scale and outputs from the prior, weighted by the likelihood."""
        rng = np.random.default_rng(0)
        random = latent_sampler.draw_randomness(rng, sweeps=20_000, n=1, tests=1, a=2.0, classes=2)
        one = jnp.ones((1, 1))
        chain = latent_sampler.run_chain(
            random,
            one,
            0.6 * one,
            jnp.array([0.64]),
            jnp.array([0]),
            2.0,
            6.0,
            jnp.asarray(True),
        )
        s = 6.0 / rng.gamma(2.0, size=400_000)
        f = np.sqrt(s)[:, None] * rng.normal(size=(400_000, 2))
        weight = 1 / (1 + np.exp(f[:, 1] - f[:, 0]))
        test = 0.6 * f + 0.8 * np.sqrt(s)[:, None] * rng.normal(size=f.shape)
        p = np.average(1 / (1 + np.exp(test[:, 1] - test[:, 0])), weights=weight)
        assert float(jnp.exp(chain.log_p[0, 0])) == pytest.approx(p, abs=0.03)
        assert float(np.mean(np.log(chain.scales))) == pytest.approx(np.average(np.log(s), weights=weight), abs=0.12)

    def test_scale_stays_for_the_gaussian_process(self) -> None:
        random = latent_sampler.draw_randomness(np.random.default_rng(0), sweeps=60, n=2, tests=1, a=2.0, classes=2)
        chain = latent_sampler.run_chain(
            random,
            jnp.eye(2),
            0.5 * jnp.ones((1, 2)),
            jnp.array([0.5]),
            jnp.array([0, 1]),
            2.0,
            6.0,
            jnp.asarray(False),
        )
        np.testing.assert_allclose(chain.scales, 3.0, rtol=1e-12)


class TestClassification:
    def test_scores(self) -> None:
        log_p = np.log(np.full((4, 10), 0.1))
        labelled = classification_study.measure(log_p, image_sets.Images(np.zeros((4, 2, 2)), np.array([0, 1, 2, 3])))
        assert labelled["nll"] == pytest.approx(np.log(10.0))
        assert labelled["entropy"] == pytest.approx(np.log(10.0))
        sure = np.log(np.where(np.eye(10)[[0, 1]] > 0, 0.991, 0.001))
        foreign = classification_study.measure(sure, image_sets.Images(np.zeros((2, 2, 2)), None))
        assert foreign["nll"] == pytest.approx(-(np.log(0.991) + 9 * np.log(0.001)) / 10)
        assert np.isnan(foreign["accuracy"])

    def test_corruptions_keep_shape_and_grow_with_level(self) -> None:
        x = np.zeros((20, 12, 12))
        x[:, 2:10, 5:7] = 1.0  # a bar
        for kind in image_sets.CORRUPTIONS:
            changes = [
                np.abs(image_sets.corrupt(x, kind, level, np.random.default_rng(0)) - x).mean() for level in (1, 3, 5)
            ]
            assert changes == sorted(changes)
            assert changes[0] > 0

    def test_parts_of_a_task_are_disjoint(self) -> None:
        task = image_sets.load_task("digits", 3, train=100, valid=20, test=50, size=8)
        parts = [{row.tobytes() for row in part.x} for part in (task.train, task.valid, task.test)]
        assert not parts[0] & parts[1]
        assert len(task.elsewhere["rotation"].x) == 150

    def test_kernels_between_images(self) -> None:
        x = np.random.default_rng(0).uniform(size=(5, 6, 6))
        for name in ("mlp", "conv"):
            kernel = image_sets.Kernel(name, 2, 0.5, 0.3)
            k = kernel.between(x, x)
            np.testing.assert_allclose(np.diag(k), kernel.diagonal(x), rtol=1e-7)
            assert np.linalg.eigvalsh(k).min() > -1e-9


def table_of_scores() -> pd.DataFrame:
    """Three seeds; the SVTP is better by 0.1 on noisy images (with little scatter) and equal on test images."""
    rows = []
    for seed in range(3):
        for images, better in (("noise", 0.1 + 0.001 * seed), ("test", 0.0), ("kmnist", 0.0)):
            for method in ("SVGP", "SVTP", "frozen, a = 1e6"):
                ece = np.nan if images == "kmnist" else 0.05
                nll = 1.0 + 0.2 * seed - better * (method == "SVTP")
                rows.append({"set": "mnist", "seed": seed, "images": images, "method": method, "nll": nll, "ece": ece})
    return pd.DataFrame(rows)


class TestReports:
    def test_differences_are_paired_and_test_images_come_first(self) -> None:
        found = class_report.gaps(table_of_scores(), "SVTP", "SVGP")
        assert list(found) == [("mnist", "test"), ("mnist", "kmnist"), ("mnist", "noise")]
        assert found["mnist", "noise"].value == pytest.approx(-0.101)
        assert found["mnist", "noise"].high < -0.09  # seeds differ by 0.2, which pairing removes

    def test_share_won_counts_pairs_out_of_distribution(self) -> None:
        pair = class_report.share_won(table_of_scores())
        assert (pair["measured"].value, pair["control"].value) == (0.5, 0.0)
        tiny = table_of_scores()
        tiny.loc[tiny.method == "SVTP", "nll"] = tiny.loc[tiny.method == "SVGP", "nll"].to_numpy() - 1e-5
        assert class_report.share_won(tiny)["measured"].value == 0.0  # rounding is no gain

    def test_calibration_is_shown_where_labels_have_a_meaning(self) -> None:
        assert set(class_report.levels(table_of_scores(), "SVTP", "ece")) == {("mnist", "noise"), ("mnist", "test")}

    def test_calibration_figure_draws_its_table(self) -> None:
        sets = pd.DataFrame(
            {"set": "uci/yacht", "condition": "clean", "split": [0, 1, 0, 1], "method": ["nngp", "nngp", "t", "t"]}
            | {"covered": [0.9, 1.0, 0.94, 0.96]}
        )
        classes = pd.concat(
            [table_of_scores(), table_of_scores().replace({"method": {"SVGP": "SVGP, temperature"}})],
            ignore_index=True,
        ).drop_duplicates(["method", "seed", "images"])
        drawn = more_figures.calibration(sets, classes)["data"]
        assert drawn.query("row == 'yacht, clean'").value.tolist() == pytest.approx([0.95, 0.95])
        assert len(drawn) == 2 + 3 * 2


class TestEnsembles:
    def test_scale_multiplies_the_first_logits(self, key: jax.Array) -> None:
        x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 5)), jnp.float32)
        one, four = (conv_ensembles.draw_network(key, 6, 25, jnp.float32(s)) for s in (1.0, 4.0))
        np.testing.assert_allclose(conv_ensembles.logits(four, x), 2 * conv_ensembles.logits(one, x), rtol=1e-5)

    def test_training_fits_a_few_images(self, key: jax.Array) -> None:
        x = jnp.asarray(np.random.default_rng(0).normal(size=(20, 5, 5)), jnp.float32)
        labels = jnp.arange(20) % 10
        done = conv_ensembles.train_network(key, x, labels, jnp.float32(1.0), 1e-2, channels=8, steps=80, batch=20)
        assert np.mean(np.argmax(conv_ensembles.logits(done, x), axis=1) == np.asarray(labels)) > 0.9
