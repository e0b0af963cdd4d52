"""The paper's method against independent truths: neural-tangents, exact finite-width moments, ranks known in advance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reprise.kernels import closed_form
from reprise.kernels.nt import nt, stax
from reprise.networks import MLP, empirical_ntk, ensemble
from reprise.papers.infinite_width.ntk_convergence import (
    components,
    finite,
    initialisation,
    positivity,
    spectra,
    stopping,
    theory,
    training,
)

NET = finite.Net(inputs=2, depth=4, bias=0.1)


@pytest.fixture(scope="module")
def random_networks() -> finite.Look:
    x = theory.circle(theory.angle_grid(6))
    return initialisation.random_networks(NET, 64, finite.keys(3, "test", 400), x)


class TestTheory:
    def test_values_of_the_dossier(self) -> None:
        _, theta = theory.limit_kernels(theory.circle([0.0, np.pi]), depth=4, bias=0.1)
        assert theta[0, 0] == pytest.approx(0.2825, rel=1e-12)
        assert theta[0, 1] == pytest.approx(0.0643537701, abs=1e-10)

    def test_three_implementations_agree(self) -> None:
        x = np.random.default_rng(0).normal(size=(7, 3))
        ours = theory.relu_kernels(x @ x.T / 3, deepest=5, bias=0.3)
        layers = [stax.Dense(8, W_std=1.0, b_std=0.3), stax.Relu()] * 4
        _, _, kernel = stax.serial(*layers, stax.Dense(1, W_std=1.0, b_std=0.3))
        assert np.allclose(ours[5], np.asarray(kernel(x, None, "ntk")), rtol=1e-12)
        assert np.allclose(ours[5], theory.limit_kernels(x, depth=5, bias=0.3)[1], rtol=1e-12)

    @pytest.mark.parametrize("activation", ["relu", "erf"])
    @pytest.mark.parametrize("depth", [2, 4])
    def test_exact_kernel_is_the_closed_form(self, activation: str, depth: int) -> None:
        x = theory.circle([0.0, 0.4, 2.5])
        expected = np.asarray(closed_form.ntk(x, depth=depth, b_std=0.1, activation=activation))
        found = [
            float(positivity.exact_kernel(c, dimension=2, depth=depth, bias=0.1, activation=activation))
            for c in x @ x[0]
        ]
        assert np.allclose(found, expected[0], rtol=1e-12)

    @pytest.mark.parametrize("name", list(positivity.POLYNOMIALS))
    def test_exact_kernel_of_polynomials(self, name: str) -> None:
        x = theory.circle([0.0, 1.1])
        expected = closed_form.ntk(x, depth=3, b_std=0.1, activation=positivity.POLYNOMIALS[name])
        found = positivity.exact_kernel(float(x[0] @ x[1]), dimension=2, depth=3, bias=0.1, activation=name)
        assert float(found) == pytest.approx(float(expected[0, 1]), rel=1e-12)

    def test_wrong_recursion_is_wrong(self) -> None:
        x = theory.circle([0.0, 1.0])
        right = theory.limit_kernels(x, depth=4, bias=0.1)[1]
        assert np.abs(theory.wrong_recursion(x, depth=4, bias=0.1) / right - 1).min() > 0.2

    def test_descent_is_the_loop(self) -> None:
        rng = np.random.default_rng(1)
        a = rng.normal(size=(6, 6))
        kernel, start, y = a @ a.T / 6, rng.normal(size=(3, 6)), rng.normal(size=4)
        f = start.copy()
        for _ in range(7):
            f = f - 0.3 / 4 * (f[:, :4] - y) @ kernel[:4]
        found = theory.descent(kernel, start, y, [0, 7], rate=0.3)
        assert np.allclose(found[:, 0], start, atol=1e-14)
        assert np.allclose(found[:, 1], f, atol=1e-12)

    def test_small_steps_are_the_flow_and_the_library(self) -> None:
        task = training.circle_task(8)
        _, theta = theory.limit_kernels(task.points, depth=4, bias=0.1)
        start = np.random.default_rng(2).normal(size=len(theta))
        steps = theory.descent(theta, start[None], task.y, [20_000], rate=1e-3)[0, 0]
        flow = theory.flow(theta, start, task.y, 20.0)
        assert np.allclose(steps, flow, atol=1e-4)
        n = task.y.size
        predict = nt.predict.gradient_descent_mse(theta[:n, :n], task.y[:, None])
        _, at_grid = predict(20.0, start[:n, None], start[n:, None], theta[n:, :n])
        assert np.allclose(flow[n:], np.asarray(at_grid)[:, 0], atol=1e-9)

    def test_law_is_that_of_descending_gaussians(self) -> None:
        task = training.circle_task(8)
        sigma, theta = theory.limit_kernels(task.points, depth=4, bias=0.1)
        start = np.random.default_rng(3).multivariate_normal(np.zeros(len(sigma)), sigma, size=4000)
        ends = theory.descent(theta, start, task.y, [50], rate=2.0)[:, 0]
        law = theory.trained_law(theta, sigma, task.y, steps=50, rate=2.0)
        z = (ends.mean(axis=0) - law.mean) / (law.std / np.sqrt(len(ends)))
        assert np.abs(z).max() < 4.5
        assert np.allclose(ends.std(axis=0), law.std, rtol=0.06)

    def test_law_after_long_training_is_the_librarys(self) -> None:
        task = training.circle_task(8)
        sigma, theta = theory.limit_kernels(task.points, depth=4, bias=0.1)
        law = theory.trained_law(theta, sigma, task.y, steps=4000, rate=4.0)
        n = task.y.size
        assert np.allclose(law.mean[:n], task.y, atol=1e-9)
        assert np.allclose(law.std[:n], 0.0, atol=1e-6)
        assert np.allclose(law.mean, theta[:, :n] @ np.linalg.solve(theta[:n, :n], task.y), atol=1e-9)


class TestFiniteNetworks:
    def test_draw_has_the_law_of_mlp(self) -> None:
        drawn = finite.draw(NET, 16, finite.keys(0, "law", 500))
        built = ensemble(lambda key: MLP(2, 16, depth=4, b_std=0.1, key=key), jax.random.split(jax.random.key(1), 500))
        for a, b in zip(jax.tree.leaves(drawn), jax.tree.leaves(built), strict=True):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            assert abs(float(a.mean())) < 5 / np.sqrt(a.size)
            assert float(a.std()) == pytest.approx(1.0, abs=5 / np.sqrt(2 * a.size))
        assert not np.array_equal(drawn.weights[1][0], drawn.weights[1][1])

    def test_a_network_depends_on_its_key_alone(self) -> None:
        keys = finite.keys(0, "alone", 4)
        assert np.array_equal(finite.draw(NET, 8, keys).weights[1][2], finite.draw(NET, 8, keys[2:3]).weights[1][0])
        assert not np.array_equal(jax.random.key_data(keys), jax.random.key_data(finite.keys(0, "another", 4)))

    def test_standard_parametrisation_is_the_same_function_with_a_larger_kernel(self) -> None:
        x, keys = theory.circle([0.0, 1.0, 2.0]), finite.keys(0, "same", 3)
        ntk, standard = (finite.look(finite.draw(NET, 32, keys, parametrisation=p), x) for p in ("ntk", "standard"))
        assert np.allclose(ntk.f, standard.f, atol=1e-5)
        assert (np.einsum("spp->s", standard.ntk) > 5 * np.einsum("spp->s", ntk.ntk)).all()

    def test_kernel_is_that_of_jacobians_and_of_the_library(self) -> None:
        x = theory.circle([0.0, 0.5, 2.0])
        models = finite.draw(NET, 24, finite.keys(0, "jacobian", 1))
        seen = finite.look(models, x)
        model = jax.tree.map(lambda leaf: leaf[0] if isinstance(leaf, jax.Array) else leaf, models)
        assert np.allclose(seen.ntk[0], empirical_ntk(model, jnp.asarray(x), method="jacobian"), rtol=1e-4)
        layers = [stax.Dense(24, W_std=1.0, b_std=0.1), stax.Relu()] * 3
        _, apply, _ = stax.serial(*layers, stax.Dense(1, W_std=1.0, b_std=0.1))
        params: list[tuple[jax.Array, ...]] = []
        for w, b in zip(model.weights, model.biases, strict=True):
            params += [(w.T, b[None]), ()]
        library = nt.empirical_ntk_fn(apply)
        found = library(jnp.asarray(x, jnp.float32), None, params[:-1])
        assert np.allclose(seen.ntk[0], np.asarray(found), rtol=1e-3, atol=1e-5)

    def test_covariance_is_the_last_layers_share(self) -> None:
        x = theory.circle([0.0, 0.5])
        models = finite.draw(NET, 24, finite.keys(0, "share", 2))
        frozen = finite.look(models, x)
        assert frozen.covariance.shape == (2, 2, 2)
        assert (np.linalg.eigvalsh(frozen.ntk - frozen.covariance) > -1e-9).all()

    def test_moments_of_the_outputs(self, random_networks: finite.Look) -> None:
        variances = np.einsum("spp->sp", random_networks.covariance)
        z = (variances[:, 0].mean() - 0.08125) / (variances[:, 0].std() / np.sqrt(len(variances)))
        assert abs(z) < 4
        measured = initialisation.kurtoses(random_networks)
        exact = theory.relu_kurtosis(0.51, [64] * 3, 0.1)
        assert measured.value == pytest.approx(exact, rel=0.3)

    def test_exact_kurtosis_by_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        q = np.full(200_000, 0.51)
        for n in (5, 3):
            z = rng.normal(size=(n, q.size)) * np.sqrt(q)
            q = np.mean(np.maximum(z, 0) ** 2, axis=0) + 0.1**2
        brute = 3 * q.var() / q.mean() ** 2
        assert theory.relu_kurtosis(0.51, [5, 3], 0.1) == pytest.approx(brute, rel=0.05)

    def test_groups_do_not_change_results(self) -> None:
        x, keys = theory.circle([0.0, 1.0]), finite.keys(0, "groups", 6)
        whole, parts = (
            finite.in_groups(lambda group: finite.look(finite.draw(NET, 8, group), x), keys, at_once, "test")
            for at_once in (6, 4)
        )
        assert np.allclose(whole.ntk, parts.ntk, rtol=1e-6)

    @pytest.mark.parametrize(("count", "width"), [(200, 32), (7, 4096), (13, 2048)])
    def test_group_size_fits(self, count: int, width: int) -> None:
        found = finite.group_size(count, width, 4)
        assert 1 <= found <= count
        assert found == 1 or found * 16 * width**2 <= 4e8


class TestTraining:
    def test_mean_field_scaling_is_a_larger_target(self) -> None:
        task, width = training.gaussian_task(8, 8, seed=0), 32
        keys = finite.keys(0, "mean field", 2)
        scaled = finite.train(finite.draw(NET, width, keys), task.x, width**0.5 * task.y, rate=0.5, steps=20)
        models = finite.draw(NET, width, keys, parametrisation="mean_field")
        direct = finite.train(models, task.x, task.y, rate=0.5 * width, steps=20)
        a, b = (finite.look(done.models, task.x).f for done in (scaled, direct))
        assert np.allclose(a / width**0.5, b, atol=2e-4)

    def test_zero_targets_deflate_and_others_inflate(self) -> None:
        task, keys = training.gaussian_task(8, 8, seed=0), finite.keys(0, "inflate", 30)
        up, down = (
            training.drift(NET, 64, keys, task, rate=1.0, steps=40, target_scale=scale).inflation.mean()
            for scale in (2.0, 0.0)
        )
        assert up > 0 > down

    def test_wider_networks_follow_their_kernel_more_closely(self) -> None:
        task = training.circle_task(8)
        _, theta = theory.limit_kernels(task.points, depth=4, bias=0.1)
        found = training.paths_across(NET, [16, 256], 20, task, seed=0, rate=2.0, steps=20)
        near = training.discrepancies(found, theta, task, rate=2.0).mean(axis=0)
        assert near[1] < 0.5 * near[0]

    def test_percentile_gap_knows_the_right_law(self) -> None:
        rng = np.random.default_rng(0)
        law = theory.Law(np.zeros(5), np.ones(5))
        f = rng.normal(size=(500, 5))
        near = training.percentile_gap(f, law, law)
        assert near.high < 0.3
        assert near.low <= near.value <= near.high
        assert training.percentile_gap(f, theory.Law(np.zeros(5), np.zeros(5)), law).low > 0.8


class TestComponents:
    def test_components_are_orthonormal_eigenfunctions(self) -> None:
        x = np.random.default_rng(0).uniform(size=(30, 5))
        kernel = theory.relu_ntk(x, depth=4, bias=0.1)
        found = components.principal_components(kernel)
        assert np.all(np.diff(found.values) <= 0)
        assert np.allclose(found.functions.T @ found.functions / 30, np.eye(30), atol=1e-10)
        assert np.allclose(kernel @ found.functions / 30, found.functions * found.values, atol=1e-10)
        assert np.allclose(components.rayleigh(kernel, found.functions), found.values, atol=1e-12)
        assert found.constant_share(0) > 0.9

    def test_decay_recovers_the_rate_of_exact_descent(self) -> None:
        x = np.random.default_rng(0).uniform(size=(30, 5))
        kernel = theory.relu_ntk(x, depth=4, bias=0.1)
        towards = components.directions(kernel, [1, 2, 5], seed=0)
        steps = np.arange(0, 41, 8)
        for i, rate in enumerate(towards.rates):
            eta = 0.5 / towards.rates[0]
            f = theory.descent(kernel, np.zeros((1, 30)), 0.5 * towards.functions[:, i], steps, rate=eta)
            error = 0.5 * towards.functions[:, i] - f[0]
            along = (error @ towards.functions[:, i] / 30)[None]
            run = components.Descent(eta * steps, steps, eta, along, along, along, along[:, 0])
            exact = pytest.approx(rate, rel=1e-9)
            if towards.names[i].startswith("random"):
                assert run.decay(rate)[0] < rate
            else:
                assert run.decay(rate)[0] == exact

    def test_steadying_keeps_the_mean_and_takes_the_noise(self) -> None:
        rng = np.random.default_rng(0)
        starts, more = 1 + 0.2 * rng.normal(size=(12, 2)), 1 + 0.2 * rng.normal(size=(500, 2))
        rates = starts + 0.01 * rng.normal(size=(12, 2))
        steady = components.steadied(rates, starts, more)
        assert steady.std(axis=0).max() < 0.02
        assert np.allclose(steady.mean(axis=0), 1.0, atol=0.05)

    def test_wide_networks_decay_at_the_eigenvalue(self) -> None:
        x = np.random.default_rng(0).uniform(size=(24, 5))
        kernel = theory.relu_ntk(x, depth=4, bias=0.1)
        towards = components.directions(kernel, [1, 2], seed=0)
        net, budget = finite.Net(5, 4, 0.1), components.Budget(40, 0.4 / towards.rates[0])
        runs, more = components.descents_across(net, [16, 256], [8, 8], x, towards, budget, untrained=40, seed=0)
        wide = components.rates(runs[256], towards, more[256])
        assert components.largest_gap(wide.pick(["1", "2"])).value < 0.3
        small = components.descents(net, 256, 8, x, towards.pick("2"), budget._replace(amplitude=0.01), seed=0)
        assert np.allclose(small["2"].along[:, 0], 0.01)
        assert np.abs(small["2"].along - small["2"].along_frozen).max() < 1e-4
        gaps = [components.approach_slope(runs, more, towards, name) for name in ("2", "random 1")]
        assert all(gap.finite for gap in gaps)
        assert runs[256]["2"].off.max() < runs[16]["2"].off.max()
        with pytest.raises(ValueError, match="one number of networks for each"):
            components.descents_across(net, [16, 32], [8], x, towards, budget, untrained=3, seed=0)

    def test_paper_eigenvalues_are_named_only_where_comparable(self) -> None:
        batches = [np.random.default_rng(i).uniform(size=(20, 5)) for i in range(3)]
        found = spectra.first_eigenvalues(batches, (3, 4), bias=0.1)
        assert found[4].shape == (3, 3)
        assert "σ" in spectra.reading(found, batches, comparable=True)
        assert "σ" not in spectra.reading(found, batches, comparable=False)


class TestStopping:
    def test_flips_the_given_share(self) -> None:
        labels = np.ones(40)
        assert (stopping.flipped(labels, 0.3, seed=0) == -1).sum() == 12
        assert (labels == 1).all()

    def test_ends_are_the_zero_function_and_interpolation(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(12, 3))
        kernel = theory.relu_ntk(x, depth=3, bias=0.1)
        y, y_test = rng.normal(size=8), rng.normal(size=4)
        errors = stopping.clean_errors(kernel[:8, :8], kernel[8:, :8], y, y_test, np.array([0.0, np.inf]))
        end = kernel[8:, :8] @ np.linalg.solve(kernel[:8, :8], y)
        assert errors == pytest.approx([np.mean(y_test**2), np.mean((end - y_test) ** 2)])

    def test_gain_needs_a_minimum_inside(self) -> None:
        assert stopping.stopping_gain(np.array([1.0, 0.5, 0.4])) == 0.0
        assert stopping.stopping_gain(np.array([1.0, 0.4, 0.5])) == pytest.approx(0.25)

    def test_batches_of_bundled_digits_are_disjoint(self) -> None:
        data = stopping.digits("digits", 64, 3, 100, seed=0)
        assert [b.shape for b in data.batches] == [(64, 64)] * 3
        assert data.x_test.shape == (100, 64)
        assert set(np.unique(data.labels[0])) == {-1.0, 1.0}
        assert not np.array_equal(data.batches[0], data.batches[1])


class TestPositivity:
    @pytest.mark.parametrize(
        ("name", "depth", "rank"),
        [("z", 2, 3), ("z", 4, 3), ("z²", 2, 5), ("z + z²", 2, 5), ("z²", 4, 17), ("relu", 2, 20)],
    )
    def test_rank_on_the_circle(self, name: str, depth: int, rank: int) -> None:
        angles = np.sort(np.random.default_rng(0).uniform(-np.pi, np.pi, 20))
        assert positivity.exact_rank(angles, depth=depth, bias=0.1, activation=name)[0] == rank

    @pytest.mark.parametrize(
        ("degree", "dimension", "size"), [(0, 3, 1), (1, 10, 11), (2, 2, 5), (2, 5, 20), (8, 2, 17)]
    )
    def test_polynomial_space(self, degree: int, dimension: int, size: int) -> None:
        assert positivity.polynomial_space(degree, dimension) == size

    def test_float64_rank_is_the_polynomial_space(self) -> None:
        x = positivity.sphere(60, 5, seed=0)
        assert np.allclose(np.linalg.norm(x, axis=1), 1.0)
        gram = np.asarray(closed_form.ntk(x, depth=2, b_std=0.1, activation=(0.0, 1.0, 1.0)))
        assert np.linalg.matrix_rank(gram) == positivity.polynomial_space(2, 5)
        assert abs(positivity.smallest_eigenvalue(x, depth=2, bias=0.1, activation=(0.0, 1.0, 1.0))) < 60
        assert positivity.smallest_eigenvalue(x, depth=2, bias=0.1, activation="relu") > 1e6

    def test_coefficients_sum_to_the_kernel(self) -> None:
        a = positivity.legendre_coefficients(24, depth=2, bias=0.1, activation="erf")
        c = 0.3
        expected = float(positivity.exact_kernel(c, dimension=3, depth=2, bias=0.1, activation="erf"))
        assert np.polynomial.legendre.legval(c, a) == pytest.approx(expected, rel=1e-12)

    def test_without_bias_the_relu_has_empty_degrees(self) -> None:
        with_bias = positivity.legendre_coefficients(9, depth=2, bias=0.1, activation="relu")
        without = positivity.legendre_coefficients(9, depth=2, bias=0.0, activation="relu")
        deeper = positivity.legendre_coefficients(9, depth=3, bias=0.0, activation="relu")
        assert (with_bias > 1e-6).all()
        assert np.abs(without[3::2]).max() < 1e-30
        assert (without[2::2] > 1e-6).all()
        assert (deeper > 1e-7).all()
