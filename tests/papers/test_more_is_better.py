"""More is better: formulas against independent solutions, simulations against scikit-learn and brute force."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from reprise.estimate import Estimate
from reprise.kernels import closed_form
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import (
    evidence,
    experiments,
    images,
    simulation,
    sweeps,
    theory,
    vision,
)
from reprise.papers.infinite_width.more_is_better.theory import LawTask

RIDGES = np.array([0.01, 0.3, 5.0])
TASKS = LawTask.several([1.5, 1.2, 0.0, 1.5, 1.8, 0.0, 1.5, 1.8, 1.0, 1.5, 1.8, 5.0])


@pytest.fixture(scope="module")
def study() -> experiments.FeatureStudy:
    return experiments.feature_study(
        alpha=1.5, beta=1.5, modes=600, noise=0.5, ns=[16, 32], widths=[8, 16, 32, 64], ridges=np.logspace(-3, 2, 11),
        selection=6, evaluation=12, seed=3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> dict[LawTask, simulation.LawRun]:
    tasks = [*TASKS, LawTask(1.12, 1.36), LawTask(2.0, 1.2)]
    return simulation.law_runs(
        tasks, n=64, modes=2048, ridges=np.logspace(-6, 4, 61), selection=4, evaluation=10, key=jax.random.key(5)
    )


# Theory


def test_best_errors_are_those_computed_elsewhere() -> None:
    law = ef.power_law(1.5, 10_000)
    found = theory.best_errors(law, law, ns=[256], widths=[64, 256, 1024, np.inf], noise=0.5)
    np.testing.assert_allclose(found[0], [1.0751, 0.9180, 0.8610, 0.8374], atol=6e-5)


def test_fixed_ridge_peaks_where_features_equal_samples() -> None:
    law = ef.power_law(1.5, 10_000)
    test, _ = theory.error_grid(law, law, ns=[256], widths=[64, 256, 1024], ridges=[1e-3], noise=0.5)
    np.testing.assert_allclose(test[0, :, 0], [1.245, 5.584, 1.217], rtol=1e-3)


@pytest.mark.parametrize(("n", "k", "ridge"), [(40, 25, 0.2), (25, 40, 0.01), (30, 30, 1.0), (30, np.inf, 0.05)])
def test_grid_against_an_independent_root(n: float, k: float, ridge: float) -> None:
    spectrum, power = np.arange(1, 301.0) ** -1.3, np.arange(1, 301.0) ** -1.7

    def counted(log_gamma: float) -> float:
        return float((spectrum / (spectrum + np.exp(log_gamma))).sum())

    low = scipy.optimize.brentq(lambda u: counted(u) - min(n, k), -40, 40) + 1e-9
    root = scipy.optimize.brentq(
        lambda u: np.log(n - counted(u)) + np.log1p(-counted(u) / k) + u - np.log(ridge), low, 60, xtol=1e-13
    )
    gamma = np.exp(root)
    learnt = spectrum / (spectrum + gamma)
    z, q = learnt.sum(), (learnt**2).sum()
    kappa = gamma * (1 - z / k)
    share = 1.0 if np.isinf(k) else k / (k - q)
    lost = (q if np.isinf(k) else (q * (k - 2 * z) + z**2) / (k - q)) / n
    bias = ((gamma / (spectrum + gamma) - kappa * spectrum / (spectrum + gamma) ** 2 * share) * power).sum()
    expected = (bias + 0.3) / (1 - lost)

    test, train = theory.error_grid(spectrum, power, ns=[n], widths=[k], ridges=[ridge], noise=0.3)
    assert test[0, 0, 0] == pytest.approx(expected, rel=1e-8)
    assert train[0, 0, 0] == pytest.approx((ridge / (n * kappa)) ** 2 * expected, rel=1e-7)


def test_best_errors_agree_with_the_library_search() -> None:
    law = ef.power_law(1.4, 400)
    found = theory.best_errors(law, law, ns=[50], widths=[30, np.inf], noise=0.2)[0]
    for k, value in zip((30, None), found, strict=True):
        assert value == pytest.approx(float(ef.optimal_ridge(law, law, n=50, k=k, noise=0.2).test_error), rel=1e-10)


def test_curve_follows_from_the_mode_sums() -> None:
    """The continuum formula against sums over modes, for which neither integral nor exponent is put in by hand."""
    alpha, beta, noise_rel, n, modes = 1.5, 1.8, 2.0, 5000, 100_000
    tail, tail_power = theory.tails(alpha, beta, modes)
    spectrum, power = ef.power_law(alpha, modes), ef.power_law(beta, modes)
    base = ef.test_error(spectrum, power, n, ridge=0.0, tail=tail, tail_power=tail_power)
    ridges = jnp.geomspace(1e-3, 5.0, 7)
    found = ef.errors(spectrum, power, n, ridge=ridges, noise=noise_rel * base, tail=tail, tail_power=tail_power)
    expected = ef.fitting_ratio_curve(found.ratio, alpha, beta, noise_rel)
    np.testing.assert_allclose(found.test / base, expected, rtol=3e-3)


def test_best_ratio_of_the_sums_is_the_root_and_needs_the_tail() -> None:
    found = theory.best_ratios(TASKS, [1000], modes=20_000)[:, 0]
    np.testing.assert_allclose(found, [0.25, 0.0, 0.0444, 0.3270], atol=1e-3)
    cut = theory.best_ratios(TASKS[:1], [1000], modes=100_000, with_tails=False)
    assert cut[0, 0] == pytest.approx(0.107, abs=1e-3)


@pytest.mark.parametrize("task", [*TASKS, LawTask(1.12, 1.36), LawTask(1.17, 1.14), LawTask(2.0, 1.2)], ids=str)
@pytest.mark.parametrize("excess", [0.01, 0.05])
def test_admissible_ratio_costs_exactly_the_excess(task: LawTask, excess: float) -> None:
    ratio, best = theory.admissible_ratio(task, excess), ef.fitting_ratio_optimum(*task)
    assert best < ratio < 1
    at, least = (float(ef.fitting_ratio_curve(r, *task)) for r in (ratio, best))
    assert at / least == pytest.approx(1 + excess, rel=1e-9)
    dense = np.asarray(ef.fitting_ratio_curve(np.linspace(0, 0.999, 4000), *task))
    assert dense.min() >= least * (1 - 1e-9)


def test_overfitting_is_not_obligatory_on_the_edge_of_the_class() -> None:
    """On the edge the curve's excess is a closed form: with beta = alpha = 2 it is 1 / (1 - R)."""
    assert theory.admissible_ratio(LawTask(2.0, 2.0)) == pytest.approx(1 - 1 / 1.05, rel=1e-9)
    assert theory.admissible_ratio(LawTask(1.5, 1.5)) > 0.1 > theory.admissible_ratio(LawTask(1.5, 1.8))
    bound = experiments.class_bound([1.1, 1.5, 2.0], [-0.1, 0.0, 0.3], LawTask(2.0, 1.2))["measured"]
    assert bound.value == pytest.approx(theory.admissible_ratio(LawTask(1.1, 1.1)), rel=1e-9)


def test_tasks_come_in_triples() -> None:
    with pytest.raises(ValueError, match="triples"):
        LawTask.several([1.5, 1.2])


# Simulation


SPECTRUM, POWER = ef.power_law(1.3, 4), ef.power_law(1.6, 4)


def _draw(seed: int, n: int, width: int) -> SimpleNamespace:
    """What a trial draws from that seed, and what it finds."""
    key = jax.random.key(seed)
    x, features = simulation._draw(key, SPECTRUM, n=n, width=width)
    return SimpleNamespace(x=np.asarray(x), features=np.asarray(features))


def _trial(seed: int, ns: list[int], widths: list[int]) -> dict[str, np.ndarray]:
    found = simulation.random_features_trial(jax.random.key(seed), SPECTRUM, POWER, RIDGES, ns=ns, widths=widths)
    return {name: np.asarray(part) for name, part in found._asdict().items()}


def _signed_targets() -> list[np.ndarray]:
    return [np.array(signs) * np.sqrt(np.asarray(POWER)) for signs in itertools.product([1.0, -1.0], repeat=4)]


def test_sign_average_equals_brute_force_over_all_signs() -> None:
    """Errors with sklearn's ridge regression on the features, averaged over every sign pattern and exact in the noise."""
    n, width = 5, 3
    drawn, found = _draw(1, n, width), _trial(1, [n], [width])
    phi = drawn.x @ drawn.features / np.sqrt(width)
    for r, ridge in enumerate(RIDGES):

        def fit(y: np.ndarray, ridge: float = ridge) -> tuple[np.ndarray, float]:
            model = Ridge(alpha=ridge, fit_intercept=False).fit(phi, y)
            coefficients = drawn.features @ model.coef_ / np.sqrt(width)
            return coefficients, float(np.mean((model.predict(phi) - y) ** 2))

        fits = [(v, *fit(drawn.x @ v)) for v in _signed_targets()]
        units = [fit(column) for column in np.eye(n)]
        expected = (
            np.mean([((w - v) ** 2).sum() for v, w, _ in fits]),
            sum((w**2).sum() for w, _ in units),
            np.mean([train for *_, train in fits]),
            sum(train for _, train in units),
        )
        np.testing.assert_allclose([part[0, 0, r] for part in found.values()], expected, rtol=1e-9)


def test_infinite_width_is_kernel_ridge_regression() -> None:
    n, spectrum = 6, np.asarray(SPECTRUM)
    drawn, found = _draw(2, n, 3), _trial(2, [n], [3])
    kernel = (drawn.x * spectrum) @ drawn.x.T
    for r, ridge in enumerate(RIDGES):
        errors = []
        for v in _signed_targets():
            dual = KernelRidge(alpha=ridge, kernel="precomputed").fit(kernel, drawn.x @ v).dual_coef_
            errors.append(((spectrum * (drawn.x.T @ dual) - v) ** 2).sum())
        np.testing.assert_allclose(found["test_target"][0, -1, r], np.mean(errors), rtol=1e-9)


def test_smaller_samples_and_widths_are_parts_of_the_largest() -> None:
    drawn, found = _draw(3, 10, 8), _trial(3, [6, 10], [4, 8])
    phi = drawn.x[:6] @ drawn.features[:, :4] / np.sqrt(4)
    left = RIDGES[0] * np.linalg.inv(phi @ phi.T + RIDGES[0] * np.eye(6))
    np.testing.assert_allclose(found["train_noise"][0, 0, 0], np.trace(left @ left) / 6, rtol=1e-9)


def test_simulation_agrees_with_theory_within_its_noise(study: experiments.FeatureStudy) -> None:
    """Two code paths that share nothing but the task; some bias is left at n = 16, most of it in small training errors."""
    off = study.errors().mean(axis=0) / study.theory() - 1
    assert np.median(np.abs(off)) < 0.02
    assert np.mean(np.abs(off) < 0.1) > 0.8


def test_modes_beyond_the_last_act_through_their_sums() -> None:
    """Half as many modes and a longer tail give the same errors, up to the draw."""
    keys = jax.random.key(8)
    found = [
        simulation.kernel_ridge(
            [(1.5, 1.2)], [theory.tails(1.5, 1.2, modes)], n=32, modes=modes, ridges=RIDGES, trials=40, key=keys
        )
        for modes in (1024, 4096)
    ]
    means = [f.test(0.0).mean(axis=0) for f in found]
    errors = [f.test(0.0).std(axis=0, ddof=1) / np.sqrt(40) for f in found]
    z = (means[0] - means[1]) / np.hypot(*errors)
    assert np.abs(z).max() < 4.5  # false alarm below 1e-4


def test_widths_must_increase() -> None:
    law = ef.power_law(1.5, 8)
    with pytest.raises(ValueError, match="increase"):
        simulation.random_features(law, law, ns=[4], widths=[8, 4], ridges=RIDGES, trials=1, key=jax.random.key(0))


# Evidence


def test_ridges_are_chosen_on_the_selection_trials() -> None:
    selection, evaluation = np.array([[3.0, 1.0, 2.0]]), np.array([[0.0, 5.0, 1.0], [0.0, 7.0, 1.0]])
    np.testing.assert_array_equal(evidence.tuned(selection, evaluation), [5.0, 7.0])


def test_extremes_have_joint_intervals() -> None:
    """Forty true zeros: the interval of the largest reaches below 0 in at least 95 % of repetitions."""
    rng = np.random.default_rng(0)
    fooled = [evidence.largest(rng.normal(size=(12, 40))).low > 0 for _ in range(300)]
    assert np.mean(fooled) < 0.05
    one_by_one = [(rng.normal(size=(12, 40)).mean(axis=0) > 2.2 / np.sqrt(12)).any() for _ in range(300)]
    assert np.mean(one_by_one) > 0.3  # what separate intervals would do


def test_steps_and_gains_cover_the_grid() -> None:
    errors = np.array([[[4.0, 3.0, 1.0], [2.0, 2.5, 0.5]]])
    assert sorted(evidence.steps(errors)[0]) == [-2.0, -2.0, -2.0, -1.0, -0.5, -0.5, 0.5]
    gains = evidence.beats_infinite(errors, ns=[1, 4], widths=[2, 8])
    np.testing.assert_array_equal(gains[0], [3.0, 1.5, 2.0])


def test_checks_of_random_features_pass_and_their_controls_fail(study: experiments.FeatureStudy) -> None:
    theory_rise = experiments.rise_in_theory(study, 1e-3)
    assert _ends(theory_rise["measured"])[1] <= 1e-9 < _ends(theory_rise["control"])[0]
    rise = experiments.rise_in_simulation(study, 1e-3)
    assert _ends(rise["measured"])[1] <= 0 < _ends(rise["control"])[0]
    loss = experiments.finite_width_loses(study, 1e-3)
    assert _ends(loss["measured"])[0] >= 0 > _ends(loss["control"])[1]
    share = experiments.gaussian_share(study)
    assert _ends(share["control"])[1] < 0.9


def test_a_well_chosen_fixed_ridge_spoils_the_control(study: experiments.FeatureStudy) -> None:
    """The control can pass, so its failing means something."""
    assert _ends(experiments.rise_in_simulation(study, 3.0)["control"])[1] <= 0


def test_no_width_equal_to_a_sample_size_is_refused(study: experiments.FeatureStudy) -> None:
    with pytest.raises(ValueError, match="no width equals"):
        experiments.gaussian_median_error(study._replace(ns=(17, 33)))


def test_predicted_ratios_cost_little_and_wrong_ones_much(runs: dict[LawTask, simulation.LawRun]) -> None:
    cost = experiments.cost_of_prediction(runs, TASKS)
    assert _ends(cost["measured"])[1] < 0.01 < _ends(cost["control"])[0]
    near = experiments.within_five_percent(runs, [LawTask(1.5, 1.8), LawTask(1.12, 1.36)], [LawTask(2.0, 1.2)])
    assert _ends(near["measured"])[1] < 0.1 < _ends(near["control"])[0]


def test_simulated_curve_meets_the_formula(runs: dict[LawTask, simulation.LawRun]) -> None:
    run = runs[LawTask(1.12, 1.36)]
    test, ratio = run.test.mean(axis=0), run.train.mean(axis=0) / run.test.mean(axis=0)
    at_quarter = np.interp(0.5, np.sqrt(ratio), test) / test[run.best]
    assert at_quarter == pytest.approx(1.211, rel=0.03)


def _ends(estimate: Estimate) -> tuple[float, float]:
    return float(np.asarray(estimate.low)), float(np.asarray(estimate.high))


# Images


@pytest.fixture(scope="module")
def digits() -> tuple[images.Pool, np.ndarray]:
    pool = images.load_pool("digits", 240, seed=1)
    return pool, images.kernel_matrix(pool, "fc")


def test_convolutional_kernel_of_one_pixel_is_fully_connected() -> None:
    """On 1 x 1 images the only weight of a 3 x 3 filter that matters is its centre."""
    x = np.random.default_rng(0).normal(size=(5, 1))
    found = images.convolutional(1, "ccf")(jnp.asarray(x), jnp.asarray(x))
    expected = closed_form.ntk(jnp.asarray(x), depth=3)
    np.testing.assert_allclose(found / found[0, 0], expected / expected[0, 0], rtol=1e-7)


def test_relu_kernel_is_the_mean_of_the_features() -> None:
    x = np.random.default_rng(1).normal(size=(4, 6))
    w = np.random.default_rng(2).normal(size=(6, 400_000)) * np.sqrt(2 / 6)
    sampled = np.maximum(x @ w, 0) @ np.maximum(x @ w, 0).T / w.shape[1]
    expected = closed_form.nngp(jnp.asarray(x), depth=2, w_std=np.sqrt(2.0)) / 2
    np.testing.assert_allclose(sampled, expected, rtol=0.02)


def test_pool_spectrum_keeps_trace_and_power(digits: tuple[images.Pool, np.ndarray]) -> None:
    pool, matrix = digits
    y = pool.signs(images.GROUPS["digits"])
    values, power = images.pool_spectrum(matrix, y)
    assert values.sum() == pytest.approx(np.trace(matrix) / len(y), rel=1e-10)
    assert power.sum() == pytest.approx(1.0, rel=1e-10)
    assert np.all(np.diff(values) <= 0)


def test_theory_for_a_pool_needs_the_correction_for_unseen_images() -> None:
    """A quarter of a small pool is trained on: with the correction the theory is right, without it far off."""
    rng, size, n, ridge = np.random.default_rng(0), 400, 100, 1e-2
    x = rng.normal(size=(size, 5))
    kernel = np.exp(-np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2)) / 2)
    y = np.sign(x[:, 0] + 0.3 * x[:, 1])
    values, power = images.pool_spectrum(kernel, y)
    whole, train = (e[0, 0, 0] for e in theory.error_grid(values, power, ns=[n], widths=[np.inf], ridges=[ridge]))
    found = []
    for _ in range(60):
        order = rng.permutation(size)
        chosen, others = order[:n], order[n:]
        dual = np.linalg.solve(kernel[np.ix_(chosen, chosen)] + ridge * np.eye(n), y[chosen])
        found.append(np.mean((kernel[np.ix_(others, chosen)] @ dual - y[others]) ** 2))
    assert np.mean(found) == pytest.approx(images.unseen(whole, train, n=n, pool=size), rel=0.03)
    assert np.mean(found) > 1.2 * whole


def test_ridge_sweep_against_sklearn(digits: tuple[images.Pool, np.ndarray]) -> None:
    pool, matrix = digits
    y, n, key = pool.one_hot(), 80, jax.random.key(4)
    sweep = sweeps.noise_sweep(matrix, y, n=n, noise_levels=[0.0, 2.0], ridges=RIDGES, trials=1, key=key)
    order = sweeps._generator(jax.random.split(key, 1)[0]).permutation(len(y))
    chosen, others = order[:n], order[n:]
    model = KernelRidge(alpha=RIDGES[1], kernel="precomputed").fit(matrix[np.ix_(chosen, chosen)], y[chosen])
    test = ((model.predict(matrix[np.ix_(others, chosen)]) - y[others]) ** 2).sum(axis=1).mean()
    train = ((model.predict(matrix[np.ix_(chosen, chosen)]) - y[chosen]) ** 2).sum(axis=1).mean()
    assert sweep.test[0, 0, 1] == pytest.approx(test, rel=1e-8)
    assert sweep.train[0, 0, 1] == pytest.approx(train, rel=1e-8)
    np.testing.assert_allclose(sweep.train_clean[0, 1], sweep.train[0, 0], rtol=1e-10)


def test_a_kernel_without_structure_has_kappa_one_over_n() -> None:
    y = np.eye(3)[np.random.default_rng(0).integers(0, 3, size=60)]
    found = sweeps.scaling(np.eye(60), y, ns=[10, 20, 40], trials=2, key=jax.random.key(0))
    np.testing.assert_allclose(found.kappa, [[1 / 10, 1 / 20, 1 / 40]] * 2, rtol=1e-12)


def test_scaling_needs_images_to_test_on() -> None:
    with pytest.raises(ValueError, match="no test images"):
        sweeps.scaling(np.eye(10), np.eye(10), ns=[10], trials=1, key=jax.random.key(0))


def test_image_checks_pass_and_their_controls_fail() -> None:
    study = vision.vision_study(
        "digits/fc", pool=300, n=160, noise_levels=[0.0, 5.0, 50.0], ridges=np.logspace(-6, 5, 23), trials=6, seed=0
    )
    ratio = vision.ratio_without_noise([study])
    assert _ends(ratio["measured"])[1] < 0.1 < _ends(ratio["control"])[0]
    rise = vision.rise_with_noise([study], [0.0, 5.0, 50.0])
    assert _ends(rise["measured"])[0] > 0.05 > _ends(rise["control"])[1]
    beta = vision.beta_exponent([study])
    assert _ends(beta["measured"])[1] < -0.1 < _ends(beta["control"])[0]
    assert vision.summary([study])["noise"].tolist() == [0.0, 5.0, 50.0]


def test_blocks_fit_into_memory() -> None:
    for kernel, side in (("conv-pool", 14), ("myrtle5", 28), ("conv", 28), ("fc", 28)):
        covariances = {"conv": side**2, "fc": 1}.get(kernel, side**4)
        assert images.largest_block(kernel, side) ** 2 * covariances * 8 < 4e8
