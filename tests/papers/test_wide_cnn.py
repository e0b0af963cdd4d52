"""Wide convolutional networks: kernels against a peer library, spectra against closed forms, curves against simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from reprise.estimate import Estimate
from reprise.kernels import closed_form
from reprise.kernels import eigenframework as ef
from reprise.kernels.nt import stax
from reprise.papers.infinite_width.wide_cnn import (
    evidence,
    experiments,
    networks,
    prediction,
    regression,
    spectra,
    tables,
)
from reprise.papers.infinite_width.wide_cnn.networks import Net
from reprise.papers.infinite_width.wide_cnn.prediction import Infinite

TREES = [(2,), (2, 2), (2, 3), (2, 2, 2), (2, 4), (8, 1, 1), (4, 2)]


def coordinates(angles: np.ndarray) -> jnp.ndarray:
    return jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1))


# Kernels


@pytest.mark.parametrize(
    ("shift", "rfk", "ntk"),
    [([np.pi / 2] * 4, 0.6048257201, 1.0603881068), ([np.pi / 3, 0, 0, 0], 0.9227739816, 3.0947511260)],
)
def test_kernels_have_the_values_computed_elsewhere(shift: list[float], rfk: float, ntk: float) -> None:
    x = np.array([[0.3, 1.2, -0.5, 2.0]])
    found = networks.depths(coordinates(x), coordinates(x + shift), (2, 2, 2))[-1]
    np.testing.assert_allclose([float(f[0, 0]) for f in found], [rfk, ntk], atol=1e-9)
    by_table = spectra.tables((2, 2, 2), [np.array([s]) for s in shift])
    np.testing.assert_allclose([t.item() for t in by_table], [rfk, ntk], atol=1e-9)


@pytest.mark.parametrize("filters", TREES)
def test_both_recursions_agree_and_have_the_right_diagonal(filters: tuple[int, ...]) -> None:
    rng, count = np.random.default_rng(1), spectra.patches(filters)
    x, y = rng.uniform(0, 2 * np.pi, (2, 5, count))
    found = networks.depths(coordinates(x), coordinates(y), filters)[-1]
    for i in range(5):
        expected = spectra.tables(filters, [np.array([d]) for d in x[i] - y[i]])
        np.testing.assert_allclose([f[i, i] for f in found], [t.item() for t in expected], atol=1e-12)
    same = networks.depths(coordinates(x), coordinates(x), filters)
    for layer, (r, n) in enumerate(same, start=1):
        np.testing.assert_allclose(np.diag(r), 1.0, atol=1e-7)
        np.testing.assert_allclose(np.diag(n), layer + 1.0, atol=1e-6)


@pytest.mark.parametrize("order", [(), tuple((i + 1) % 8 for i in range(8)), (0, 1, 4, 5, 2, 3, 6, 7)])
@pytest.mark.parametrize("filters", [(2, 2, 2), (2, 2), (2,), (4, 2), (8, 1, 1)])
def test_kernels_are_those_of_a_peer_library(filters: tuple[int, ...], order: tuple[int, ...]) -> None:
    """Also where filters straddle patches, so that nodes see inputs of all lengths."""
    rng = np.random.default_rng(2)
    x, y = (coordinates(a) for a in rng.uniform(0, 2 * np.pi, (2, 6, 4)))
    layers = []
    for size in filters:
        layers += [stax.Conv(1, (size,), strides=(size,), padding="VALID", W_std=2**0.5), stax.Relu()]
    kernel = stax.serial(*layers, stax.Flatten(), stax.Dense(1, W_std=2**0.5))[2]
    arranged = [a[:, jnp.array(order)] if order else a for a in (x, y)]
    expected = kernel(*[a[:, :, None] for a in arranged], ("nngp", "ntk"))
    for value, wanted in zip(networks.depths(x, y, filters, order)[-1], expected, strict=True):
        np.testing.assert_allclose(value, wanted, atol=2e-6)


def test_fully_connected_kernel_is_the_closed_form() -> None:
    x = networks.on_torus(jax.random.key(0), 7, 4)
    expected = closed_form.ntk(x, x, depth=4, w_std=2**0.5)
    np.testing.assert_allclose(networks.kernel_matrix(Net((8, 1, 1)), x), expected, atol=1e-6)


def test_pairs_of_points_share_half_of_their_patches() -> None:
    x = np.asarray(networks.on_torus(jax.random.key(1), 20, 4, shared=8))
    np.testing.assert_array_equal(x[12:16, :4], x[16:, :4])
    assert np.abs(x[12:16, 4:] - x[16:, 4:]).min() > 1e-6
    np.testing.assert_allclose((x.reshape(20, 4, 2) ** 2).sum(-1), 1.0)


def test_only_a_swap_of_patches_that_changes_the_tree_changes_the_kernel() -> None:
    x = networks.on_torus(jax.random.key(2), 9, 4)
    deep = networks.kernel_matrix(Net((2, 2, 2)), x)
    within = networks.kernel_matrix(Net((2, 2, 2), order=(2, 3, 0, 1, 4, 5, 6, 7)), x)
    across = networks.kernel_matrix(networks.swapped(Net((2, 2, 2)), 8), x)
    np.testing.assert_allclose(within, deep, atol=1e-12)
    assert np.abs(across - deep).max() > 0.01


# Spectra


def test_one_layer_has_the_closed_form_and_no_odd_modes() -> None:
    found = spectra.marginal((2,), (0,), "ntk", 40).eigenvalues
    k = np.arange(2, 41, 2)
    expected = (2 / (k + 1) ** 2 + 2 / (k - 1) ** 2 + 2 / (1 - k**2)) / np.pi**2
    np.testing.assert_allclose(found[k], expected, atol=1e-13)
    assert found[0] == pytest.approx(6 / np.pi**2, abs=1e-12)
    np.testing.assert_allclose(found[3::2], 0.0, atol=1e-13)
    assert evidence.odd_over_even((2, 2), 20).value > 0.01


@pytest.mark.parametrize("kind", ["ntk", "rfk"])
def test_eigenvalues_are_those_of_a_fourier_transform(kind: spectra.Kind) -> None:
    """On a grid of M points every eigenvalue comes with its aliases, of which all up to frequency 400 are added here."""
    m = 32
    grid = np.arange(m) * (2 * np.pi / m)
    values = spectra.tables((2, 2), [grid, grid])[kind == "ntk"]
    transformed = np.fft.fft2(values).real / m**2
    found = spectra.marginal((2, 2), (0, 1), kind, 400).eigenvalues
    for a, b in ((0, 0), (2, 4), (5, 6), (8, 1)):
        i, j = (np.abs(np.arange(-12, 13) * m + v) for v in (a, b))
        assert transformed[a, b] == pytest.approx(found[np.ix_(i, j)].sum(), rel=1e-2), (a, b)


def test_marginals_agree_with_the_full_spectrum_at_any_resolution() -> None:
    full = spectra.marginal((2, 2, 2), (0, 1, 2, 3), "ntk", 8)
    assert full.at_zero == pytest.approx(4.0, abs=1e-12)
    for focus in ((0,), (0, 1), (0, 2)):
        part = spectra.marginal((2, 2, 2), focus, "ntk", 24).eigenvalues
        k = (slice(0, 9),) * len(focus)
        cut = full.eigenvalues[tuple(slice(None) if i in focus else 0 for i in range(4))]
        np.testing.assert_allclose(part[k], cut, rtol=2e-3, atol=1e-8)
    finer = spectra.marginal((2, 2, 2), (0, 1, 2, 3), "ntk", 12).eigenvalues[:9, :9, :9, :9]
    np.testing.assert_allclose(full.eigenvalues, finer, rtol=1e-5, atol=1e-12)


def test_exponents_are_those_of_the_theorem_and_of_no_other_sector() -> None:
    for kind, expected in (("ntk", [-2, -3, -5]), ("rfk", [-4, -5, -7])):
        fitted = evidence.sector_exponents((2, 2, 2), kind, [256, 64, 20])
        assert [spectra.exponent((2, 2, 2), layer, kind) for layer in (1, 2, 3)] == expected
        assert evidence.distance(fitted, expected).high < 0.2
        assert evidence.distance(fitted, [e - 1 for e in expected]).low > 0.5
    connected = evidence.subset_exponents((8, 1, 1), "ntk", 14, [(0,), (0, 1)])
    np.testing.assert_allclose([e.value for e in connected], -5, atol=0.4)


def test_within_a_sector_only_the_norm_of_the_frequency_counts() -> None:
    right, wrong = (evidence.direction_spread((2, 2), "ntk", 48, order) for order in (2, 1))
    assert right.high < 0.08
    assert wrong.low > 0.2


def test_sectors_are_found_by_the_lowest_common_layer() -> None:
    assert spectra.lowest_layer((2, 2, 2), (0, 3)) == 3
    assert spectra.lowest_layer((8, 1, 1), (0, 3)) == 1
    with pytest.raises(ValueError, match="share no meta-patch"):
        spectra.lowest_layer((2, 2), (0, 2))
    with pytest.raises(ValueError, match="see 4 patches"):
        spectra.tables((2, 2, 2), [np.zeros(1)] * 3)


# Formula


@pytest.fixture(scope="module")
def modes() -> prediction.Modes:
    teachers = [Infinite(filters) for filters in experiments.TEACHERS.values()]
    return prediction.modes(Infinite((2, 2, 2)), teachers, (128, 32, 8))


def test_modes_make_up_the_whole_kernel(modes: prediction.Modes) -> None:
    student = sum(p.student @ p.multiplicity + p.student_rest for p in modes.patterns)
    assert student == pytest.approx(4.0, abs=1e-9)
    power = sum(p.powers @ p.multiplicity + p.powers_rest for p in modes.patterns)
    np.testing.assert_allclose(power, [2.0, 3.0, 4.0], atol=1e-5)
    shares = modes.variance_shares()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(shares[0], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(shares[1, 2], 0, atol=1e-6)
    assert shares[2, 2] > 0.1


def test_swapped_student_has_pairs_in_its_top_sector(modes: prediction.Modes) -> None:
    swapped = prediction.modes(
        Infinite((2, 2, 2), order=(0, 2, 1, 3)), [Infinite((2, 2))], (128, 32, 8), reference=(2, 2, 2)
    )
    for mine, theirs in zip(modes.patterns, swapped.patterns, strict=True):
        if mine.sector <= 1:
            np.testing.assert_allclose(mine.student, theirs.student, rtol=1e-9)
    pair = next(i for i, p in enumerate(modes.patterns) if p.sector == 2)
    assert swapped.patterns[pair].student[-1] < 0.2 * modes.patterns[pair].student[-1]


@pytest.mark.parametrize(("ridge", "noise"), [(0.0, 0.0), (0.5, 0.0), (2.0, 0.7)])
def test_formula_is_the_eigenframework_with_multiplicities(ridge: float, noise: float) -> None:
    found = prediction.modes(Infinite((2, 2)), [Infinite((2, 2))], (24, 0, 12))
    spectrum = np.concatenate([np.repeat(p.student, p.multiplicity.astype(int)) for p in found.patterns])
    power = np.concatenate([np.repeat(p.powers[0], p.multiplicity.astype(int)) for p in found.patterns])
    tail = sum(p.student_rest for p in found.patterns)
    rest = sum(float(p.powers_rest[0]) for p in found.patterns)
    for n in (40, 150):
        mine = prediction.learning_curve(found, [n], ridge=ridge, noise=noise)
        theirs = ef.test_error(spectrum, power, n, ridge=ridge, noise=noise, tail=tail, tail_power=rest)
        # The library lets the tail take part in the slope of z, by the share tail / kappa / n.
        assert mine.error[0, 0] == pytest.approx(float(theirs) - noise, rel=0.02)
        np.testing.assert_allclose(mine.sectors.sum(axis=2), mine.error)


def test_formula_against_simulated_gaussian_features() -> None:
    """Where features are Gaussian, as the formula assumes, it is exact up to the noise of the simulation."""
    found = prediction.modes(Infinite((2, 2)), [Infinite((2, 2)), Infinite((2,)), Infinite((2, 2), "rfk")], (16, 0, 8))
    parts = [p._replace(student_rest=0.0, powers_rest=0 * p.powers_rest) for p in found.patterns]
    found = found._replace(patterns=tuple(parts))
    times = np.concatenate([p.multiplicity for p in parts]).astype(int)
    spectrum = np.repeat(np.concatenate([p.student for p in parts]), times)
    power = np.repeat(np.concatenate([p.powers for p in parts], axis=1), times, axis=1)
    rng, n, errors = np.random.default_rng(3), 60, []
    for _ in range(30):
        features = rng.normal(size=(n, len(spectrum)))
        gram = (features * spectrum) @ features.T
        learnt = spectrum[:, None] * features.T @ np.linalg.solve(gram + 0.1 * np.eye(n), features)
        errors.append([((np.eye(len(spectrum)) - learnt) ** 2 * p).sum() for p in power])
    predicted = prediction.learning_curve(found, [n], ridge=0.1).error[:, 0]
    np.testing.assert_allclose(np.mean(errors, axis=0), predicted, rtol=0.05)


def test_far_slopes_do_not_depend_on_where_the_spectrum_is_cut() -> None:
    slopes = [
        [evidence.far_rate([found], teacher, [2], 2e4).value for teacher in (0, 1)]
        for found in (experiments.matched_modes(2), experiments.matched_modes(2, 3e4))
    ]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=0.03)
    np.testing.assert_allclose(slopes[0], [1.0, 1.5], atol=0.06)


def test_far_slope_tends_to_the_asymptotic_rate() -> None:
    found = prediction.modes(Infinite((2, 2)), [Infinite((2, 2)), Infinite((2,))], (1024, 0, 200))
    slopes = [evidence.far_rate([found], teacher, [1], 8000.0).value for teacher in (0, 1)]
    expected = [prediction.asymptotic_rate((2, 2), 2), prediction.asymptotic_rate((2, 2), 1)]
    np.testing.assert_allclose(slopes, expected, rtol=0.06)


# Experiments


@pytest.fixture(scope="module")
def school() -> experiments.TeacherStudent:
    return experiments.teacher_student(
        ns=[16, 32, 64, 128], test=128, draws=32, realisations=4, frequencies=(128, 32, 8), seed=7, laplace=True
    )


def test_nested_curves_are_kernel_regression_at_each_n() -> None:
    nets, key = {"net": Net((2, 2, 2))}, jax.random.key(4)
    found = regression.learning_curves(
        nets, [("net", "net")], patches=4, ns=[10, 25, 40], test=30, draws=3, realisations=1, key=key
    )["net", "net"]
    keys = jax.random.split(jax.random.split(key, 1)[0], 2)
    x = networks.on_torus(keys[0], 70, 4, shared=30)
    gram = np.asarray(networks.kernel_matrix(nets["net"], x))
    labels = np.linalg.cholesky(gram + 4e-10 * np.eye(70)) @ np.asarray(jax.random.normal(keys[1], (70, 3)))
    for j, n in enumerate((10, 25, 40)):
        model = KernelRidge(alpha=4e-10, kernel="precomputed").fit(gram[:n, :n], labels[:n])
        error = labels[40:] - model.predict(gram[40:, :n])
        assert found.total[0, j] == pytest.approx((error**2).mean(), rel=1e-6)
        assert found.half[0, j] == pytest.approx((error[:15] * error[15:]).mean(), rel=1e-5)


def test_ridge_is_added_as_is_and_chosen_on_held_out_labels() -> None:
    options = {"patches": 4, "noise": {"t": 4.0}, "ns": [20, 80], "test": 60, "draws": 8, "realisations": 3}
    many = regression.noisy_curves(
        Net((2, 2, 2)), {"t": Net((2,))}, ridges=[0.01, 1.0, 50.0], key=jax.random.key(6), **options
    )["t"]
    tiny = regression.noisy_curves(Net((2, 2, 2)), {"t": Net((2,))}, ridges=[1e-9], key=jax.random.key(6), **options)[
        "t"
    ]
    np.testing.assert_allclose(tiny.tuned, tiny.ridgeless, rtol=1e-3)
    np.testing.assert_allclose(many.ridgeless, tiny.ridgeless, rtol=1e-6)
    assert many.tuned.mean() < 0.8 * many.ridgeless.mean()
    assert set(np.unique(many.ridges)) <= {1e-10, 0.01, 1.0, 50.0}


def test_a_ridge_is_added_to_the_diagonal_and_the_jitter_in_units_of_the_kernel() -> None:
    gram = networks.kernel_matrix(Net((2, 2)), networks.on_torus(jax.random.key(5), 12, 2))
    for ridge, added in ((2.0, 2.0), (1e-10, 3e-10)):
        factor = regression._factor(gram, ridge)
        np.testing.assert_allclose(factor @ factor.T - gram, added * np.eye(12), atol=1e-13)


def test_pairs_of_test_points_see_the_sectors_of_a_function() -> None:
    """Without training points the error is the teacher itself, whose shares the spectrum knows."""
    x = networks.on_torus(jax.random.key(8), 700, 4, shared=700)
    factor = jnp.linalg.cholesky(networks.kernel_matrix(Net((2, 2, 2)), x) + 1e-9 * jnp.eye(700))
    values = factor @ jax.random.normal(jax.random.key(9), (700, 400))
    stacked = jnp.concatenate([jnp.ones((1, 400)), values])
    block = jnp.eye(701)
    total, half, constant = (np.asarray(v) for v in regression._powers(block, stacked, stacked[:1], (1,)))
    teacher = Infinite((2, 2, 2))
    expected = 1 - prediction.constant(teacher) / 4
    share = prediction.modes(teacher, [teacher], (128, 32, 8)).variance_shares()[0, 2] * expected
    assert total[0] == pytest.approx(4.0, rel=0.1)
    assert constant[0] == pytest.approx(prediction.constant(teacher), rel=0.25)
    assert 1 - (2 * half[0] - constant[0]) / total[0] == pytest.approx(share, abs=0.04)


def test_measured_curves_follow_the_formula_of_their_own_student_only(school: experiments.TeacherStudent) -> None:
    taught = school.measured()
    assert taught.shape == (4, 3, 4)
    assert evidence.largest_deviation(taught, school.formula(), school.ns).value < 0.1
    assert evidence.largest_deviation(taught, school.formula("fully connected"), school.ns).low > 0.2
    swapped = school.measured("swapped")
    np.testing.assert_allclose(swapped.mean(axis=0)[:, -1], school.formula("swapped")[:, -1], rtol=0.15)


def test_swapping_hurts_pairs_and_not_single_patches(school: experiments.TeacherStudent) -> None:
    pair, single = (
        evidence.error_ratio(school.errors["swapped", name], school.errors["hierarchical", name])
        for name in ("two patches", "one patch")
    )
    assert pair.low > 1.1
    assert single.low < 1.05
    assert ("Laplace", "one patch") in school.errors


def test_gram_eigenvalues_estimate_the_spectrum(modes: prediction.Modes) -> None:
    ranked = modes.ranked(40)
    assert np.all(np.diff(ranked) <= 0)
    right, wrong = evidence.gram_deviation(
        [modes, modes._replace(patterns=tuple(p._replace(student=p.student * 1.5) for p in modes.patterns))],
        Net((2, 2, 2)), points=400, repeats=3, seed=0,
    )  # fmt: skip
    assert right.high < 0.2 < wrong.low


# Evidence


def test_exponents_and_rates_of_exact_power_laws() -> None:
    k = np.arange(2, 65)
    values = np.where(k % 2 == 0, 3.0, 0.1) * k**-2.5
    for parity in (0, 1):
        fitted = evidence.fitted_exponent(k, values, parity)
        np.testing.assert_allclose([fitted.low, fitted.high], -2.5, atol=1e-9)
    assert evidence.distance([fitted], [-3.0]).value == pytest.approx(0.5)
    ns = [64, 128, 256, 512, 1024]
    slopes = np.array([0.6, 0.4, 0.25])
    curves = np.asarray(ns, float) ** -slopes[:, None] * np.random.default_rng(0).uniform(0.99, 1.01, (5, 3, 1))
    assert evidence.rate(ns, curves[:, 0]).value == pytest.approx(0.6, abs=1e-9)
    assert evidence.smallest_gap(ns, curves).value == pytest.approx(0.15, abs=1e-9)
    assert evidence.smallest_margin(ns, curves, [0.5, 0.35, 0.3]).value == pytest.approx(-0.05, abs=1e-9)
    assert evidence.dimension_cost(ns, curves).value == pytest.approx(0.25 / 0.6, abs=1e-9)
    farthest = evidence.rate_times_dimension(ns, curves, [2, 3, 4])
    nearest = evidence.rate_times_dimension(ns, curves, [2, 3, 4], np.argmin)
    assert farthest.value == pytest.approx(1.2)
    assert nearest.value == pytest.approx(1.0)
    off = evidence.largest_deviation(curves, 1.3 * curves.mean(axis=0), ns)
    assert off.value == pytest.approx(1 - 1 / 1.3, abs=1e-9)
    assert off.low <= off.value <= off.high


def test_interval_of_a_distance_covers_zero_where_windows_straddle() -> None:
    fitted = Estimate(-2.1, -2.2, -1.9, n=1, level=1.0)
    found = evidence.distance([fitted], [-2.0])
    assert found.low == 0.0
    assert found.value == pytest.approx(0.1)
    assert found.high == pytest.approx(0.2)


def test_tables_have_a_row_a_teacher_and_a_sector(school: experiments.TeacherStudent) -> None:
    found = tables.rates(school).splitlines()
    assert len(found) == 2 + 3
    assert [line.split("|")[2].strip() for line in found[2:]] == ["0.625", "0.417", "0.250"]
    assert len(tables.exponents([64, 32, 12]).splitlines()) == 2 + 6
