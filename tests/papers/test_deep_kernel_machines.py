"""The method against independent truths: shared kernels, closed forms, brute-force sampling, exact Gaussian processes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from reprise.kernels import closed_form, gp
from reprise.papers.infinite_width.deep_kernel_machines import (
    bayesian_networks,
    closed_forms,
    cost_study,
    finite_width,
    gram_kernels,
    learning,
    learning_study,
    limit_study,
    network_study,
    objective,
    prior_draws,
    representation_study,
    sparse,
)

PROBLEMS = finite_width.draw_problems(jax.random.key(1), problems=2, points=3, inputs=3, outputs=2)
FIT = {"depth": 2, "kernel": "relu", "noise": 0.2}


def random_grams(seed: int, *, depth: int = 2, p: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    stack = rng.normal(size=(depth + 1, p, 2 * p))
    grams = stack @ np.swapaxes(stack, 1, 2) / (2 * p)
    return grams[0], grams[1:], rng.normal(size=(p, 2))


class TestKernels:
    def test_relu_is_that_of_the_shared_recursion(self) -> None:
        x = np.random.default_rng(0).normal(size=(6, 3))
        ours = gram_kernels.nngp_grams("relu", jnp.asarray(x @ x.T / 3), 3)[-1]
        np.testing.assert_allclose(ours, closed_form.nngp(x, depth=4, normalised=True), rtol=1e-12)

    def test_relu_is_the_mean_of_rectified_gaussians(self) -> None:
        gram = np.array([[1.3, 0.4], [0.4, 0.7]])
        f = np.random.default_rng(0).multivariate_normal([0, 0], gram, size=400_000)
        phi = np.sqrt(2.0) * np.maximum(f, 0.0)
        np.testing.assert_allclose(gram_kernels.apply("relu", jnp.asarray(gram)), phi.T @ phi / len(f), atol=0.01)

    def test_squared_exponential_needs_distances_only(self) -> None:
        f = np.random.default_rng(0).normal(size=(5, 8))
        square = ((f[:, None] - f[None]) ** 2).sum(-1)
        np.testing.assert_allclose(gram_kernels.apply("se", jnp.asarray(f @ f.T)), np.exp(-0.5 * square), rtol=1e-12)

    @pytest.mark.parametrize("rho", [-1.0, -0.3, 0.0, 0.9, 1.0])
    def test_derivative_is_finite_and_right_even_where_vectors_coincide(self, rho: float) -> None:
        slope = float(jax.grad(gram_kernels.arc_cosine)(rho))
        assert slope == pytest.approx(1.0 - np.arccos(rho) / np.pi, abs=1e-12)

    @pytest.mark.parametrize("kernel", ["relu", "se", "linear"])
    def test_numpy_twin_and_diagonal(self, kernel: str) -> None:
        gram, _, _ = random_grams(0)
        ours = np.asarray(gram_kernels.apply(kernel, jnp.asarray(gram)))
        np.testing.assert_allclose(prior_draws.kernel_matrix(gram[None], kernel)[0], ours, rtol=1e-12)
        np.testing.assert_allclose(gram_kernels.diagonal(kernel, jnp.diagonal(gram)), np.diagonal(ours), rtol=1e-12)


class TestObjective:
    def test_divergence_is_the_mean_log_ratio(self) -> None:
        _, (a, b), _ = random_grams(1)
        draws = np.random.default_rng(0).multivariate_normal(np.zeros(4), a, size=400_000)
        ratio = stats.multivariate_normal(np.zeros(4), a).logpdf(draws) - stats.multivariate_normal(
            np.zeros(4), b
        ).logpdf(draws)
        error = ratio.std() / np.sqrt(len(draws))
        assert float(objective.gaussian_kl(jnp.asarray(a), jnp.asarray(b))) == pytest.approx(
            ratio.mean(), abs=5 * error
        )

    @pytest.mark.parametrize("kernel", ["relu", "se", "linear"])
    def test_whitening_changes_no_value(self, kernel: str) -> None:
        gram0, _, y = random_grams(2)
        factors = jnp.tril(jnp.eye(4) + 0.2 * np.random.default_rng(3).normal(size=(2, 4, 4)))
        grams = objective.whitened_grams(factors, jnp.asarray(gram0), kernel)
        plain = objective.objective(grams, jnp.asarray(gram0), jnp.asarray(y), kernel=kernel, nu=3.0, noise=0.1)
        fit = gp.log_marginal_likelihood(gram_kernels.apply(kernel, grams[-1]), y, 0.1)
        penalty = sum(objective.whitened_divergence(f) for f in factors)
        assert float(plain) == pytest.approx(float(fit - 3.0 * penalty), rel=1e-10)

    def test_wishart_densities_tend_to_it(self) -> None:
        gram0, grams, y = random_grams(4)
        fit = stats.multivariate_normal(np.zeros(4), grams[-1] + 0.1 * np.eye(4)).logpdf(y.T).sum()

        def per_copy(path: np.ndarray, n: int) -> float:
            pairs = zip(path, [gram0, *path[:-1]], strict=True)
            return fit + sum(stats.wishart(n, below / n).logpdf(g) for g, below in pairs) / n

        def limit(path: np.ndarray) -> float:
            pairs = zip(path, [gram0, *path[:-1]], strict=True)
            return fit - sum(float(objective.gaussian_kl(jnp.asarray(g), jnp.asarray(b))) for g, b in pairs)

        other = 0.7 * grams + 0.3 * gram0
        errors = [abs(per_copy(grams, n) - per_copy(other, n) - limit(grams) + limit(other)) for n in (100, 10_000)]
        assert errors[1] < 1e-3
        assert errors[0] / errors[1] == pytest.approx(100.0, rel=1e-3)  # the term left out is of order 1/N

    def test_optimum_beats_its_neighbours_and_the_nngp(self) -> None:
        gram0, y = PROBLEMS.gram0[0], PROBLEMS.y[0]
        best = objective.maximise(gram0, y, nu=1.0, starts=3, key=jax.random.key(0), **FIT)
        assert np.ptp(best.ends) < 1e-8
        rng = np.random.default_rng(0)

        def value(grams: np.ndarray) -> float:
            return float(
                objective.objective(
                    jnp.asarray(grams), jnp.asarray(gram0), jnp.asarray(y), kernel="relu", nu=1.0, noise=0.2
                )
            )

        assert value(best.grams) == pytest.approx(best.objective, rel=1e-10)
        for _ in range(10):
            step = rng.normal(size=best.grams.shape) * 1e-3
            assert value(best.grams + step + np.swapaxes(step, 1, 2)) < best.objective
        assert value(np.asarray(gram_kernels.nngp_grams("relu", jnp.asarray(gram0), 2))) < best.objective


class TestClosedForms:
    def test_geodesic_is_stationary_and_ends_at_both_grams(self) -> None:
        gram0, (s, _), _ = random_grams(5)
        path = np.concatenate([gram0[None], closed_forms.deep_linear(gram0, s, 3), s[None]])
        ratios = np.linalg.solve(path[:-1], path[1:])
        np.testing.assert_allclose(ratios[1:], np.broadcast_to(ratios[0], ratios[1:].shape), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(path, np.swapaxes(path, 1, 2), atol=1e-12)

    def test_optimiser_finds_the_geodesic_not_the_line(self) -> None:
        found = representation_study.study_linear(2, points=4, depth=2, key=jax.random.key(0))
        assert found.geometric.max() < 1e-6
        assert found.arithmetic.min() > 1e-2

    def test_scalar_limit_is_the_machine_of_one_point(self) -> None:
        best = objective.maximise(
            np.array([[1.3]]), np.array([[2.0]]), kernel="linear", depth=1, nu=1.0, noise=0.1, key=jax.random.key(0)
        )
        assert best.grams[0, 0, 0] == pytest.approx(closed_forms.scalar_limit(1.3, 2.0, 0.1), rel=1e-7)

    @pytest.mark.parametrize("width", [2, 5, 64])
    def test_scalar_posterior_by_adaptive_quadrature(self, width: int) -> None:
        def density(g: float, power: int) -> float:
            log_p = width * (0.5 * np.log(g) - 0.5 * g / 1.3 - 0.5 * np.log(g + 0.1) - 2.0 / (g + 0.1))
            return g ** (power - 1) * np.exp(log_p + width)

        norm, first, second = (
            integrate.quad(density, 0, 40, args=(k,), points=[1, 2, 4], limit=400)[0] for k in range(3)
        )
        got = closed_forms.scalar_posterior(width, 1.3, 2.0, 0.1)
        assert got.mean == pytest.approx(first / norm, rel=1e-7)
        assert got.kurtosis == pytest.approx(
            3 * (width / (width + 2) * second * norm / first**2 - 1), rel=1e-5, abs=1e-6
        )

    def test_prior_features_are_gaussian_at_every_width(self) -> None:
        prior = closed_forms.scalar_posterior(6, 0.8, 1.0, 0.1, copies=0)
        assert prior.mean == pytest.approx(0.8, rel=1e-8)
        assert prior.kurtosis == pytest.approx(0.0, abs=1e-6)

    def test_kurtosis_of_features_on_spheres(self) -> None:
        rng = np.random.default_rng(0)
        g = rng.gamma(3.0, size=200_000)
        direction = rng.normal(size=(len(g), 5))
        f = np.sqrt(5 * g) * (direction / np.linalg.norm(direction, axis=1, keepdims=True))[:, 0]
        exact = closed_forms.sphere_kurtosis(g.mean(), (g**2).mean(), 5)
        assert stats.kurtosis(f) == pytest.approx(float(exact), abs=0.06)


class TestFiniteWidth:
    @pytest.mark.parametrize("copies", [0, 5])
    def test_chains_agree_with_brute_force(self, copies: int) -> None:
        chains = finite_width.sample(
            PROBLEMS, jax.random.key(3), width=5, copies=copies, chains=4, draws=1000, sampler="hmc", **FIT
        )
        prior = prior_draws.draw_prior(PROBLEMS, np.random.default_rng(0), width=5, draws=100_000, **FIT)
        for s in range(2):
            weights = prior.weights[s] ** copies
            weights /= weights.sum()
            truth = np.einsum("d,dlij->lij", weights, prior.grams[s])
            error = np.sqrt(np.einsum("d,dlij->lij", weights**2, (prior.grams[s] - truth) ** 2))
            ours = chains.grams[s].reshape(-1, 2, 3, 3)
            scatter = chains.grams[s].mean(axis=1).std(axis=0, ddof=1) / 2.0  # over four chains
            z = (ours.mean(axis=0) - truth) / np.sqrt(error**2 + scatter**2 + (0.02 * ours.std(axis=0)) ** 2)
            assert np.abs(z).max() < 5.0

    def test_both_samplers_agree(self) -> None:
        means = [
            finite_width.sample(
                PROBLEMS, jax.random.key(4), width=16, copies=16, chains=4, draws=600, sampler=name, **FIT
            )
            for name in ("hmc", "nuts")
        ]
        one, two = (limit_study.controlled_means(chains, 0).mean(axis=0) for chains in means)
        assert np.linalg.norm(one - two) / np.linalg.norm(two) < 0.02

    def test_control_variate_changes_no_mean(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1, 4, 2000, 1))
        grams = (1.0 + 0.1 * x + 0.01 * x**2).reshape(1, 4, 2000, 1, 1, 1)
        chains = finite_width.Chains(grams, -x, 0.0, 0.8)
        means = limit_study.controlled_means(chains, 0)
        assert means.mean() == pytest.approx(1.01, abs=1e-3)
        assert means.std() < 0.3 * grams.mean(axis=2).std()
        assert limit_study.unbiased_distance(means, np.array([1.01])) < 1e-3

    def test_units_have_the_gram_matrix_they_were_drawn_for(self) -> None:
        _, grams, _ = random_grams(6)
        units = limit_study.draw_units(grams[:1], 4, np.random.default_rng(0))
        np.testing.assert_allclose(units[0] @ units[0].T / 4, grams[0], rtol=1e-10)

    def test_shared_scale_keeps_a_layer_from_concentrating(self) -> None:
        spread = {}
        for sd in (0.0, 0.5):
            pair = [
                prior_draws.draw_prior(PROBLEMS, np.random.default_rng(0), width=w, scale_sd=sd, **FIT).spread(0)
                for w in (8, 512)
            ]
            spread[sd] = pair[1] / pair[0]
        assert spread[0.0] == pytest.approx(1 / 8, rel=0.3)
        assert spread[0.5] > 0.5


class TestNetworks:
    def test_exact_law_by_importance_sampling(self) -> None:
        width, k0, y, noise = 4, 1.2, 2.0, 0.3
        f = np.sqrt(k0) * np.random.default_rng(0).normal(size=(400_000, width))
        kernel = 2.0 * (np.maximum(f, 0) ** 2).mean(axis=1) + noise
        weight = np.exp(-0.5 * width * (np.log(kernel) + y**2 / kernel))
        weight /= weight.sum()
        exact = bayesian_networks.scalar_finite(width, k0, y, noise, bayesian_networks.scalar_limit(k0, y, noise).f)
        for order in (1, 2, 3):
            moment = weight @ (f**order).mean(axis=1)
            assert exact.moment(order) == pytest.approx(moment, rel=0.02, abs=0.01)

    def test_exact_law_reaches_as_far_as_the_labels_ask(self) -> None:
        found = network_study.study_networks([256, 1024], 8, key=jax.random.key(5))
        np.testing.assert_allclose(found.distance[:, 1] / found.distance[:, 0], 0.25, rtol=0.1)

    def test_two_piece_gaussian_is_self_consistent(self) -> None:
        law = bayesian_networks.scalar_limit(1.2, 2.0, 0.3)
        kernel = 2.0 * float(np.sum(np.maximum(law.f, 0) ** 2 * law.p) * (law.f[1] - law.f[0]))
        rate = bayesian_networks.tilt(np.array([[2.0]]), np.array([[kernel]]), 0.3)[0, 0]
        precision = 1 / 1.2 - 4 * rate
        above, below = law.p[law.f > 0.5][0], law.p[law.f < -0.5][-1]
        at = law.f[law.f > 0.5][0]
        assert np.log(above / below) == pytest.approx(-0.5 * (precision - 1 / 1.2) * at**2, abs=1e-9)

    def test_tilt_is_the_gradient(self) -> None:
        _, (kernel, _), y = random_grams(7)
        slope = jax.grad(lambda k: gp.log_marginal_likelihood(k, jnp.asarray(y), 0.2))(jnp.asarray(kernel))
        np.testing.assert_allclose(bayesian_networks.tilt(y, kernel, 0.2), 0.5 * (slope + slope.T), rtol=1e-8)

    def test_linear_networks_are_machines_and_relu_networks_are_not(self) -> None:
        found = network_study.study_linear_networks(2, key=jax.random.key(0))
        assert found.linear.max() < 1e-6
        assert found.relu.min() > 1e-3

    def test_wrong_proposal_costs_draws_not_truth(self) -> None:
        k0, y = np.array([[1.0, 0.3], [0.3, 0.8]]), np.array([[1.5], [-0.5]])
        law = bayesian_networks.plane_limit(k0, y, 0.2)
        assert law.residual < 1e-9
        wrong = bayesian_networks.plane_limit(k0, 0.5 * y, 0.5)
        draws = [
            bayesian_networks.plane_finite(3, k0, y, 0.2, proposal, draws=30_000, key=jax.random.key(1))
            for proposal in (law, wrong)
        ]
        moments = [np.einsum("d,dni,dnj->ij", d.weights, d.features, d.features) / 3 for d in draws]
        np.testing.assert_allclose(moments[0], moments[1], atol=0.06)


class TestSparse:
    def machine(self, inducing: int, depth: int = 2) -> tuple[sparse.Machine, jax.Array, jax.Array]:
        rng = np.random.default_rng(8)
        x, y = rng.normal(size=(30, 3)), rng.normal(size=30)
        triangles = np.tril(np.eye(inducing) + 0.1 * rng.normal(size=(depth, inducing, inducing)))
        start = sparse.initial_machine(jnp.asarray(x[:inducing]), depth)
        return start._replace(triangles=jnp.asarray(triangles)), jnp.asarray(x), jnp.asarray(y)

    def test_agrees_with_the_dense_objective_when_all_points_induce(self) -> None:
        found = cost_study.study_agreement([12, 20], 2, points=20, key=jax.random.key(0))
        assert found.gap[:, -1].max() < 1e-9
        assert found.gap[:, 0].min() > 1e-3

    def test_timings_grow_with_the_work(self) -> None:
        sizes = {"dense": [16, 256], "sparse": [], "full block": [512]}
        prepared = cost_study.prepare(sizes, inducing=8, key=jax.random.key(0))
        timings = cost_study.study_costs(prepared, repeats=3)
        assert {kind: t.seconds.shape for kind, t in timings.items()} == {"dense": (3, 2), "full block": (3, 1)}
        assert timings["dense"].slope().value > 0.0
        assert timings["dense"].seconds.min() > 0.0

    def test_blocks_add_up(self) -> None:
        machine, x, y = self.machine(7)
        whole = jax.value_and_grad(lambda m: sparse.objective(m, x, y, 2.0, "se"))(machine)
        parts = sparse.blocked_value_and_grad(machine, x, y, 2.0, "se", block=8)
        for one, two in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-10)

    def test_keeping_the_whole_block_changes_no_value(self) -> None:
        machine, x, y = self.machine(7)
        lean = sparse.objective(machine, x, y, 1.0, "se")
        assert float(cost_study.full_block_objective(machine, x, y)) == pytest.approx(float(lean), rel=1e-4)

    def test_nngp_with_all_points_inducing_is_the_exact_process(self) -> None:
        machine, x, y = self.machine(30)
        machine = machine._replace(triangles=jnp.broadcast_to(jnp.eye(30), (2, 30, 30)))
        new = jnp.asarray(np.random.default_rng(9).normal(size=(5, 3)))
        summary = sparse.summarise(machine, x, y, "se", jitter=1e-10)
        got = sparse.predict(machine, summary, new, "se")
        joint = jnp.concatenate([x, new]) / jnp.sqrt(3.0)
        gram = joint @ joint.T
        for height in jnp.exp(machine.log_heights):
            gram = height * gram_kernels.apply("se", gram)
        exact = gp.posterior(gram[30:, 30:], gram[30:, :30], gram[:30, :30], y, 0.1)
        np.testing.assert_allclose(got.mean, exact.mean, atol=2e-3)
        np.testing.assert_allclose(got.variance, jnp.diagonal(exact.covariance) + 0.1, atol=2e-3)

    def test_a_new_point_is_where_the_joint_objective_puts_it(self) -> None:
        rng = np.random.default_rng(11)
        x, y = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
        gram0 = x @ x.T / 3

        @jax.jit
        @jax.value_and_grad
        def loss(flat: jax.Array) -> jax.Array:
            factors = objective.unpack(flat, 2, 4)
            top = gram_kernels.apply("se", objective.whitened_grams(factors, jnp.asarray(gram0), "se")[-1])
            fit = gp.log_marginal_likelihood(top[:3, :3], jnp.asarray(y), 0.1)
            return sum(objective.whitened_divergence(f) for f in factors) - fit

        start = np.tile(np.eye(4)[np.tril_indices(4)], 2)
        found = optimize.minimize(
            lambda f: tuple(np.asarray(v) for v in loss(f)), start, jac=True, options={"gtol": 1e-9}
        )
        joint = objective.whitened_grams(objective.unpack(jnp.asarray(found.x), 2, 4), jnp.asarray(gram0), "se")
        best = objective.maximise(
            gram0[:3, :3], y, kernel="se", depth=2, nu=1.0, noise=0.1, key=jax.random.key(0)
        ).grams
        np.testing.assert_allclose(joint[:, :3, :3], best, atol=1e-6)
        below = [gram0[:3, :3], best[0]]
        roots = [np.linalg.cholesky(np.asarray(gram_kernels.apply("se", jnp.asarray(b)))) for b in below]
        triangles = np.stack([np.linalg.solve(c, np.linalg.cholesky(g)) for c, g in zip(roots, best, strict=True)])
        machine = sparse.initial_machine(jnp.asarray(x[:3]), 2)
        machine = machine._replace(triangles=jnp.asarray(triangles), log_heights=jnp.zeros(3))
        blocks, _ = sparse.propagate(machine, jnp.asarray(x[3:]), "se", jitter=0.0)
        top = gram_kernels.apply("se", joint[-1])
        np.testing.assert_allclose(blocks.ti[0], top[3, :3], atol=1e-5)
        np.testing.assert_allclose(blocks.ii, top[:3, :3], atol=1e-5)

    def test_held_out_points_do_not_count(self) -> None:
        machine, x, y = self.machine(7)
        weight = jnp.ones(30).at[20:].set(0.0)
        assert float(sparse.objective(machine, x, y, 1.0, "se", weight)) == pytest.approx(
            float(sparse.objective(machine, x[:20], y[:20], 1.0, "se")), rel=1e-10
        )


class TestLearning:
    SETTINGS = learning.Settings(inducing=8, steps=30, depth=1, nus=(1.0, 100.0))

    def task(self) -> learning.Task:
        rng = np.random.default_rng(10)
        x = rng.normal(size=(60, 2))
        y = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=60)
        return learning.task_of(x[:45], y[:45], x[45:], y[45:])

    def test_choice_of_nu_never_sees_test_points(self) -> None:
        task = self.task()
        spoilt = task._replace(x_test=np.full_like(task.x_test, np.nan), y_test=np.full_like(task.y_test, np.nan))
        picks = [learning.choose_nu(t, self.SETTINGS, jax.random.key(0)) for t in (task, spoilt)]
        assert picks[0] == picks[1]

    def test_nngp_keeps_identities_and_the_machine_leaves_them(self) -> None:
        task, settings = self.task(), self.SETTINGS
        start = learning.first_machine(task, settings, jax.random.key(0))
        still = learning.train(start, task, nu=1.0, learn_grams=False, settings=settings)
        moved = learning.train(start, task, nu=1.0, learn_grams=True, settings=settings)
        np.testing.assert_array_equal(still.triangles, start.triangles)
        assert float(jnp.abs(moved.triangles - start.triangles).max()) > 1e-3
        assert float(jnp.abs(jnp.triu(moved.triangles, 1)).max()) == 0.0

    def test_large_nu_is_the_nngp(self) -> None:
        task, settings = self.task(), self.SETTINGS._replace(steps=200)
        start = learning.first_machine(task, settings, jax.random.key(0))
        one = learning.score(learning.train(start, task, nu=1e8, learn_grams=True, settings=settings), task, "se")
        two = learning.score(learning.train(start, task, nu=0.0, learn_grams=False, settings=settings), task, "se")
        assert one.test_ll == pytest.approx(two.test_ll, abs=0.02)

    def test_training_raises_the_objective(self) -> None:
        task, settings = self.task(), self.SETTINGS
        start = learning.first_machine(task, settings, jax.random.key(0))
        end = learning.train(start, task, nu=10.0, learn_grams=True, settings=settings)
        data = (jnp.asarray(task.x), jnp.asarray(task.y))
        assert float(sparse.objective(end, *data, 10.0, "se")) > float(sparse.objective(start, *data, 10.0, "se"))

    def test_study_is_paired_and_permutes_training_labels_only(self) -> None:
        table = learning_study.study_learning(
            ["diabetes"], 2, self.SETTINGS, key=jax.random.key(0), methods=("dkm", "nngp", "map")
        )
        assert len(table) == 6
        assert set(learning_study.gains(table, "test_ll")) == {"diabetes"}
        task = self.task()
        permuted = learning_study.permute_labels(task, 0)
        np.testing.assert_array_equal(np.sort(permuted.y), np.sort(task.y))
        np.testing.assert_array_equal(permuted.y_test, task.y_test)
        assert "machine" in learning_study.report(table)
