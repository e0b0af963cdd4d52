"""Laws, priors and finite networks against SciPy, neural-tangents, networks with weights and brute force."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from reprise.kernels import gp
from reprise.kernels.nt import nt, stax
from reprise.networks import MLP, ensemble
from reprise.papers.infinite_width.scale_mixture_nngp import (
    architectures,
    evidence,
    finite,
    initial_study,
    laws,
    scale_priors,
    scale_study,
    toy,
    trained,
    trained_study,
)

NET: dict[str, Any] = {"hidden": 2, "w_std": 1.3, "b_std": 0.4}


def kernel(n: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return np.asarray(architectures.mlp(jnp.asarray(x), jnp.asarray(x), **NET)) + 0.1 * np.eye(n)


class TestLaws:
    def test_prior_is_the_mixture_of_gaussians(self) -> None:
        k, f = kernel(3), np.array([0.4, -1.0, 2.0])
        law = laws.prior(k, 1.5, 0.7)
        mixed, _ = integrate.quad(
            lambda s: stats.invgamma(1.5, scale=0.7).pdf(s) * stats.multivariate_normal(np.zeros(3), s * k).pdf(f),
            0,
            np.inf,
        )
        assert stats.multivariate_t(law.mean, law.shape, df=float(law.dof)).pdf(f) == pytest.approx(mixed, rel=1e-6)

    def test_density_is_scipys(self) -> None:
        k, y = kernel(4), np.array([0.4, -1.0, 2.0, 0.1])
        ours = laws.log_density(
            jnp.asarray(y @ np.linalg.solve(k, y)), jnp.asarray(np.linalg.slogdet(k)[1]), 4, 3.0, 0.6
        )
        assert float(ours) == pytest.approx(stats.multivariate_t(np.zeros(4), 0.6 * k, df=3.0).logpdf(y), rel=1e-12)
        gauss = laws.gaussian_log_density(
            jnp.asarray(y @ np.linalg.solve(k, y)), jnp.asarray(np.linalg.slogdet(k)[1]), 4, 0.6
        )
        assert float(gauss) == pytest.approx(stats.multivariate_normal(np.zeros(4), 0.6 * k).logpdf(y), rel=1e-12)

    def test_posterior_is_the_conditional_of_the_joint_law(self) -> None:
        k, y, f = kernel(5), np.array([0.4, -1.0, 2.0]), np.array([0.3, -0.8])
        law = laws.posterior(k[3:, 3:], k[3:, :3], k[:3, :3], y, 1.5, 0.7)
        ours = stats.multivariate_t(law.mean, law.shape, df=float(law.dof)).logpdf(f)
        joint = stats.multivariate_t(np.zeros(5), 0.7 / 1.5 * k, df=3.0).logpdf(np.concatenate([y, f]))
        marginal = stats.multivariate_t(np.zeros(3), 0.7 / 1.5 * k[:3, :3], df=3.0).logpdf(y)
        assert ours == pytest.approx(joint - marginal, rel=1e-10)

    def test_large_a_is_the_gaussian_process(self) -> None:
        k, y = kernel(5), np.array([0.4, -1.0, 2.0])
        law = laws.posterior(k[3:, 3:], k[3:, :3], k[:3, :3], y, 1e8, 1e8)
        gauss = gp.posterior(k[3:, 3:], k[3:, :3], k[:3, :3], y, 0.0)
        np.testing.assert_allclose(law.mean, gauss.mean, rtol=1e-10)
        np.testing.assert_allclose(law.shape, gauss.covariance, rtol=1e-6)

    def test_trained_laws_are_the_shared_ensemble_limit_times_the_scale(self) -> None:
        problem = toy.make_toy(3, hidden=2, w_std=2.0, b_std=1.0)
        k, theta = problem.blocks(), problem.blocks(tangent=True)
        ours = laws.trained(*k, problem.y, 2.0, 3.0, theta_tx=theta[1], theta_xx=theta[2])
        shared = gp.ensemble_limit(theta[2], theta[1], *k, problem.y)
        np.testing.assert_allclose(ours.mean, shared.mean, rtol=1e-8)
        np.testing.assert_allclose(ours.shape, 1.5 * shared.covariance, rtol=1e-7, atol=1e-10)


class TestArchitectures:
    def test_mlp_and_its_tangent_kernel_are_neural_tangents(self) -> None:
        x = np.random.default_rng(0).normal(size=(4, 3))
        layers = [stax.Dense(1, W_std=1.3, b_std=0.4), stax.Erf()] * 2
        _, _, theirs = stax.serial(*layers, stax.Dense(1, W_std=1.0, b_std=None))
        ours = architectures.mlp_both(jnp.asarray(x), activation="erf", **NET)
        np.testing.assert_allclose(ours[0], theirs(x, None, "nngp"), rtol=1e-6)
        np.testing.assert_allclose(ours[1], theirs(x, None, "ntk"), rtol=1e-6)
        np.testing.assert_allclose(
            architectures.mlp(jnp.asarray(x), jnp.asarray(x), activation="erf", **NET), ours[0], rtol=1e-10
        )

    def test_conv_is_neural_tangents(self) -> None:
        x = np.random.default_rng(0).normal(size=(3, 4, 4))
        layers = [stax.Conv(1, (3, 3), padding="SAME", W_std=1.3, b_std=0.4), stax.Relu()] * 2
        _, _, theirs = stax.serial(*layers, stax.Flatten(), stax.Dense(1, W_std=1.0, b_std=None))
        ours = architectures.conv(jnp.asarray(x), jnp.asarray(x), **NET)
        np.testing.assert_allclose(ours, theirs(x[..., None], None, "nngp"), rtol=1e-6)
        np.testing.assert_allclose(architectures.conv_variance(jnp.asarray(x), **NET), np.diag(ours), rtol=1e-8)

    @pytest.mark.parametrize("activation", ["relu", "erf"])
    def test_variance_is_the_diagonal(self, activation: str) -> None:
        x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)))
        full = architectures.mlp(x, x, activation=activation, **NET)
        np.testing.assert_allclose(
            architectures.mlp_variance(x, activation=activation, **NET), jnp.diagonal(full), rtol=1e-7
        )

    @pytest.mark.parametrize("name", ["mlp", "residual", "conv"])
    def test_finite_networks_have_these_covariances(self, name: str, key: jax.Array) -> None:
        x = np.random.default_rng(1).normal(size=(2, 3, 3) if name == "conv" else (2, 3))
        drawn = finite.draw_outputs(name, x, 20_000, width=24, key=key, **NET)
        found = np.einsum("bop,boq->pq", drawn.unit, drawn.unit) / (2 * len(drawn.unit))
        exact = initial_study.KERNELS[name](jnp.asarray(x), jnp.asarray(x), **NET)
        # width enters the covariance at order 1/width through the kernel's fluctuations; ReLU's is linear in it but for angles
        np.testing.assert_allclose(found, exact, rtol=0.06)


class TestFinite:
    def test_exact_sampling_is_the_law_of_networks_with_weights(self, key: jax.Array) -> None:
        x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 3)), jnp.float32)
        options = {"width": 6, "w_std": 1.3, "b_std": 0.0}
        drawn = finite.draw_outputs("mlp", np.asarray(x), 20_000, hidden=2, key=key, outputs=1, **options)
        models = ensemble(lambda k: MLP(3, 6, depth=3, w_std=1.3, key=k), jax.random.split(key, 20_000))
        outputs = np.asarray(jax.vmap(lambda m: jax.vmap(m)(x))(models))[..., 0] / 1.3
        for combination in ([1.0, 0.0], [1.0, -1.0], [0.7, 2.0]):
            assert stats.ks_2samp(outputs @ combination, drawn.unit[:, 0] @ combination).pvalue > 1e-3

    def test_network_forward_has_the_kernels_covariance(self, key: jax.Array) -> None:
        x = jnp.asarray([-1.0, 0.3, 2.0], jnp.float32)
        nets = jax.vmap(
            lambda k: trained.network(trained.draw_weights(k, 64, 2), x, 1.3, 0.4)
        )(jax.random.split(key, 8000))  # fmt: skip
        exact, _ = architectures.mlp_both(jnp.asarray(x, jnp.float64)[:, None], activation="erf", **NET)
        np.testing.assert_allclose(np.cov(np.asarray(nets).T), exact, rtol=0.12, atol=0.01)


class TestScalePriors:
    @pytest.mark.parametrize("prior", scale_priors.PRIORS, ids=lambda p: p.name)
    def test_density_is_normalised_and_is_that_of_the_draws(self, prior: scale_priors.ScalePrior) -> None:
        grid = np.linspace(-40, 40, 80_001)
        density = np.exp(prior.log_density(np.exp(grid)) + grid)
        assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-6)
        cdf = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1])) * (grid[1] - grid[0])])
        draws = np.log(prior.sample(np.random.default_rng(0), 20_000))
        assert stats.ks_1samp(draws, lambda u: np.interp(u, grid, cdf)).pvalue > 1e-3

    @pytest.mark.parametrize("prior", scale_priors.PRIORS[:3], ids=lambda p: p.name)
    def test_tail_index_is_that_of_the_mixture(self, prior: scale_priors.ScalePrior) -> None:
        mixture = scale_priors.of_prior(prior)
        far = np.array([1e4, 1e5])
        spread = np.sqrt(mixture.scales)
        tail = stats.norm.sf(far[:, None] / spread) @ mixture.weights
        assert -np.log(tail[1] / tail[0]) / np.log(10.0) == pytest.approx(prior.tail_index, rel=0.01)

    def test_quadrature_is_students_law(self) -> None:
        problem = toy.make_toy(1, hidden=2, w_std=2.0, b_std=1.0)
        pair = scale_study.closed_form_error(problem, 0.01)
        assert np.max(pair["measured"].high) < 1e-10

    def test_importance_sampling_agrees_with_quadrature(self) -> None:
        prior, q, n = scale_priors.PRIORS[2], 7.0, 5
        exact = scale_priors.by_quadrature(prior, q, n)
        proposal = scale_priors.conjugate_proposal(q, n, a=0.25, b=0.0)
        drawn = scale_priors.by_importance(prior, proposal, q, n, 200_000, np.random.default_rng(0))
        f = np.linspace(-3, 3, 13)
        np.testing.assert_allclose(drawn.density(f, 0.2, 0.5), exact.density(f, 0.2, 0.5), rtol=0.02)
        np.testing.assert_allclose(drawn.cdf(f, 0.2, 0.5), exact.cdf(f, 0.2, 0.5), atol=0.003)


class TestTrained:
    def test_last_layer_descent_ends_at_the_conditioned_start(self, key: jax.Array) -> None:
        problem = toy.make_toy(0, hidden=1, w_std=4.0, b_std=2.0)
        net = {"hidden": 1, "w_std": 4.0, "b_std": 2.0}
        scales = np.full(500, 2.0)
        done = trained.train_last_layer(
            problem.x, problem.y, problem.x_test, scales, width=2048, steps=3000, key=key, **net
        )
        law = laws.trained(*problem.blocks(), problem.y, 1e9, 2e9)  # a fixed scale of 2
        assert done.residual.max() < 1e-5
        z = (done.outputs - np.asarray(law.mean)) / np.sqrt(np.diag(np.asarray(law.shape)))
        assert abs(z.std() - 1.0) < 0.1
        assert np.abs(z.mean(axis=0)).max() < 0.2

    def test_full_training_at_any_scale_is_descent_on_the_scaled_network(self, key: jax.Array) -> None:
        problem = toy.make_toy(0, hidden=2, w_std=2.0, b_std=1.0)
        options = {"width": 32, "hidden": 2, "w_std": 2.0, "b_std": 1.0, "rate": 0.02, "steps": 30, "key": key}
        data = (problem.x, problem.y, problem.x_test)
        done = trained.train_all_layers(*data, np.array([3.0]), chunk=1, **options)
        weights = trained.draw_weights(jax.random.split(key, 1)[0], 32, 2)

        def loss(w: trained.Weights) -> jax.Array:
            f = 3.0**0.5 * trained.network(w, jnp.asarray(problem.x, jnp.float32), 2.0, 1.0)
            return 0.5 * jnp.sum((f - jnp.asarray(problem.y, jnp.float32)) ** 2)

        for _ in range(30):
            weights = jax.tree.map(lambda p, g: p - 0.02 / 3.0 * g, weights, jax.grad(loss)(weights))
        f = 3.0**0.5 * trained.network(weights, jnp.asarray(problem.x_test, jnp.float32), 2.0, 1.0)
        np.testing.assert_allclose(done.outputs[0], f, rtol=1e-3, atol=1e-4)

    def test_laws_agree_with_the_librarys_ensemble(self) -> None:
        problem = toy.make_toy(2, hidden=2, w_std=1.3, b_std=0.4)
        layers = [stax.Dense(1, W_std=1.3, b_std=0.4), stax.Erf()] * 2
        _, _, kernel_fn = stax.serial(*layers, stax.Dense(1, W_std=1.0, b_std=None))
        predict = nt.predict.gradient_descent_mse_ensemble(kernel_fn, problem.x[:, None], problem.y[:, None])
        mean, covariance = predict(x_test=problem.x_test[:, None], get="ntk", compute_cov=True)
        theta = problem.blocks(tangent=True)
        ours = laws.trained(*problem.blocks(), problem.y, 1.0, 1.0, theta_tx=theta[1], theta_xx=theta[2])
        np.testing.assert_allclose(ours.mean, mean[:, 0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(ours.shape, covariance, rtol=1e-3, atol=1e-6)


class TestEvidence:
    def test_scale_ratio_finds_the_factor(self) -> None:
        shape = kernel(3)
        law = laws.Student(4.0, jnp.zeros(3), jnp.asarray(shape))
        draws = stats.multivariate_t(np.zeros(3), 1.44 * shape, df=4.0).rvs(4000, random_state=0)
        ratio = trained_study.scale_ratio(draws, law)
        assert ratio.low < 1.2 < ratio.high
        assert ratio.high - ratio.low < 0.08

    def test_law_test_accepts_its_law_and_rejects_another(self) -> None:
        shape = kernel(3)
        law = laws.Student(4.0, jnp.ones(3), jnp.asarray(shape))
        draws = stats.multivariate_t(np.ones(3), shape, df=4.0).rvs(4000, random_state=1)
        assert trained_study.law_test(draws, law).value > 0.01
        assert trained_study.law_test(draws, law._replace(dof=9.0)).value < 1e-3
        assert trained_study.location_z(draws, law).value < 3.5
        assert trained_study.location_z(draws, law, np.zeros(3)).value > 10

    def test_joint_exceedance_of_bivariate_t(self) -> None:
        draws = stats.multivariate_t(np.zeros(2), np.eye(2), df=2.0).rvs(400_000, random_state=0)
        u = stats.t(2.0).isf(0.025)
        both = np.mean((np.abs(draws) > u).all(axis=1)) / 0.05
        assert initial_study.joint_exceedance(2.0, 0.95) == pytest.approx(both, abs=0.01)

    def test_hill_of_the_law_is_that_of_its_draws(self) -> None:
        draws = stats.t(4).rvs(400_000, random_state=0)
        exact = evidence.law_hill(lambda x: 2 * stats.t(4).sf(x), 0.05)
        assert evidence.hill(draws, 0.05)[0] == pytest.approx(exact, rel=0.03)
