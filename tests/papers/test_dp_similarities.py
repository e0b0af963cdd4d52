"""Structures against brute force, closed forms, published values and other libraries."""

from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity, NearestCentroid

from reprise.papers.kernels_and_features.dp_similarities import (
    accounting,
    classifiers,
    encoders,
    exponentials,
    features,
    ledger,
    trees,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


class TestAccounting:
    @pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-5), (8.0, 1e-3)])
    def test_gaussian_delta_is_the_integral(self, epsilon: float, delta: float) -> None:
        sigma = accounting.gaussian_sigma(epsilon, delta)

        def excess(x: float) -> float:
            return max(stats.norm.pdf(x, 1.0, sigma) - np.exp(epsilon) * stats.norm.pdf(x, 0.0, sigma), 0.0)

        start = sigma**2 * epsilon + 0.5  # where the ratio is exp(epsilon)
        found = quad(excess, start, start + 40 * sigma, epsabs=0, epsrel=1e-8, limit=200)[0]
        assert found == pytest.approx(delta, rel=1e-5)
        assert accounting.gaussian_epsilon(sigma, delta) == pytest.approx(epsilon, rel=1e-6)

    def test_textbook_noise_is_more_below_one_and_wrong_far_above(self) -> None:
        def textbook(epsilon: float) -> float:
            return float(np.sqrt(2 * np.log(1.25 / 1e-5)) / epsilon)

        assert accounting.gaussian_sigma(1.0, 1e-5) < textbook(1.0)
        assert accounting.gaussian_delta(textbook(0.9), 0.9) < 1e-5
        assert accounting.gaussian_delta(float(np.sqrt(2 * np.log(1.25 / 0.1)) / 8.0), 8.0) > 0.1

    @pytest.mark.parametrize(("q", "sigma", "order"), [(0.01, 1.1, 4), (0.2, 0.8, 3), (0.5, 4.0, 20)])
    def test_renyi_divergence_is_the_integral(self, q: float, sigma: float, order: int) -> None:
        with mpmath.workdps(30):

            def density(x: mpmath.mpf) -> mpmath.mpf:
                ratio = 1 - q + q * mpmath.exp((2 * x - 1) / (2 * sigma**2))
                return mpmath.npdf(x, 0, sigma) * ratio**order

            moment = mpmath.quad(density, mpmath.linspace(-12 * sigma, 12 * sigma + order, 40))
            expected = float(mpmath.log(moment) / (order - 1))
        assert accounting.subsampled_rdp(q, sigma, order) == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize(
        ("noise", "epochs", "published"),
        [(1.3, 15, 1.19), (1.1, 60, 3.01), (0.7, 45, 7.10)],
        ids=["1.19", "3.01", "7.10"],
    )
    def test_published_budgets_of_dp_sgd_on_mnist(self, noise: float, epochs: int, published: float) -> None:
        """TensorFlow Privacy's tutorial: 60 000 images, batches of 256, delta 1e-5, the older conversion."""
        steps = epochs * 60_000 // 256
        classic = accounting.dp_sgd_epsilon(256 / 60_000, noise, steps, 1e-5, classic=True)
        assert classic == pytest.approx(published, rel=0.02)
        assert accounting.dp_sgd_epsilon(256 / 60_000, noise, steps, 1e-5) < classic

    def test_noise_for_a_budget(self) -> None:
        sigma = accounting.dp_sgd_noise(0.1, 100, 1.0, 1e-5)
        assert accounting.dp_sgd_epsilon(0.1, sigma, 100, 1e-5) == pytest.approx(1.0, rel=1e-3)
        full = accounting.dp_sgd_noise(1.0, 9, 1.0, 1e-5)
        assert full == pytest.approx(3 * accounting.gaussian_sigma(1.0, 1e-5))
        assert accounting.dp_sgd_epsilon(1.0, full, 9, 1e-5) > 1.0 - 1e-9  # the Rényi route is never tighter
        assert accounting.dp_sgd_epsilon(1.0, full, 9, 1e-5) < 1.15


class TestTrees:
    def test_removing_a_record_changes_one_node_a_level(self, rng: np.random.Generator) -> None:
        x = rng.random(200)
        for levels in (1, 5, 8):
            full = trees.counts(x, levels)
            for i in range(0, 200, 17):
                change = full - trees.counts(np.delete(x, i), levels)
                assert np.abs(change).sum() == levels + 1
                assert set(np.unique(change)) <= {0.0, 1.0}
            assert full[1] == 200

    def test_noise_has_the_scale_of_its_sensitivity(self, rng: np.random.Generator) -> None:
        noise = trees.release(np.zeros(64), 0.5, rng, times=3000)
        assert stats.kstest(noise.ravel(), "laplace", args=(0.0, 6 / 0.5)).pvalue > 1e-3

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10_000), st.integers(2, 7), st.floats(0.02, 1.0))
    def test_query_is_the_sum_over_annuli(self, seed: int, levels: int, a: float) -> None:
        """Node weights against a flat sum of leaves, and both against a loop over points."""
        rng = np.random.default_rng(seed)
        x, y, size = rng.random(50), rng.random(4), 2**levels
        ranges, nodes = trees.annuli(y, levels, a), trees.counts(x, levels)
        weights = trees.tree_weights(ranges, levels)
        brute = np.zeros(4)
        for point in trees.leaf(x, levels):
            for q, (low, high) in enumerate(zip(ranges[0], ranges[1], strict=True)):
                brute[q] += ranges[2][(low <= point) & (point < high)].sum()
        assert np.allclose(weights @ nodes, brute)
        assert np.allclose(trees.flat_answers(nodes[size:], ranges), brute)

    def test_a_range_uses_few_nodes(self) -> None:
        levels, low, high = 10, np.array([[3]]), np.array([[1021]])
        weights = trees.tree_weights((low, high, np.ones(1)), levels)
        assert weights.nnz <= 2 * levels
        leaves = np.zeros(2**levels)
        for node in weights.indices:
            width = 2 ** (levels - int(node).bit_length() + 1)
            start = int(node) * width - 2**levels
            leaves[start : start + width] += 1
        assert leaves[3:1021].min() == leaves.max() == 1
        assert leaves[:3].sum() + leaves[1021:].sum() == 0

    def test_without_noise_the_answer_is_within_the_factor(self, rng: np.random.Generator) -> None:
        x, y = rng.beta(2, 5, 4000), rng.random(20)
        truth = np.abs(x[:, None] - y).sum(axis=0)
        assert np.allclose(trees.exact_sums(x, y), truth)
        for a in (0.05, 0.3):
            answer = trees.tree_weights(trees.annuli(y, 12, a), 12) @ trees.counts(x, 12)
            assert (answer < (1 + a) * truth + 1).all()
            assert (answer > truth / (1 + a) - 2).all()

    def test_exact_noise_by_sampling(self, rng: np.random.Generator) -> None:
        y, levels = rng.random(6), 7
        ranges = trees.annuli(y, levels, 0.3)
        weights = trees.tree_weights(ranges, levels)
        noise = trees.release(np.zeros(256), 2.0, rng, times=20_000)
        assert np.allclose((weights @ noise.T).std(axis=1), trees.tree_rms(weights, levels, 2.0), rtol=0.03)
        flat = rng.laplace(scale=0.5, size=(20_000, 128))
        assert np.allclose(trees.flat_answers(flat, ranges).std(axis=0), trees.flat_rms(ranges, 2.0), rtol=0.03)

    def test_noise_at_used_nodes_has_the_law_of_a_release(self, rng: np.random.Generator) -> None:
        """Whole releases and noise at the nodes in use: same spread, same distribution, same correlation of two queries."""
        y, levels = np.array([0.3, 0.34]), 6
        weights = trees.tree_weights(trees.annuli(y, levels, 0.2), levels)
        whole = (weights @ trees.release(np.zeros(128), 2.0, rng, times=20_000).T).T
        used = trees.tree_noise(weights, levels, 2.0, rng, times=20_000)
        assert used.shape == (20_000, 2)
        assert np.allclose(used.std(axis=0), trees.tree_rms(weights, levels, 2.0), rtol=0.03)
        assert stats.ks_2samp(whole[:, 0], used[:, 0]).pvalue > 1e-3
        assert np.corrcoef(used.T)[0, 1] == pytest.approx(np.corrcoef(whole.T)[0, 1], abs=0.03)

    def test_grid_noise_matches_its_sensitivity(self, rng: np.random.Generator) -> None:
        x, y = rng.random(800), np.linspace(0, 1, 21)
        grid = np.linspace(0, 1, 20)
        moved = np.abs(trees.exact_sums(x, grid) - trees.exact_sums(x[1:], grid)).sum()
        assert moved <= 20
        quiet = trees.grid_answers(x, y, 1e9, rng)
        assert np.allclose(quiet, trees.exact_sums(x, y), atol=1e-2 * 800)


class TestFeatures:
    def test_without_noise_the_means_are_scikit_learns(self, rng: np.random.Generator) -> None:
        x, y = features.cloud(300, 5, rng), features.cloud(10, 5, rng)
        density = KernelDensity(bandwidth=np.sqrt(0.5)).fit(x)
        truth = np.exp(density.score_samples(y)) * np.pi ** (5 / 2)
        assert np.allclose(features.exact_means(x, y), truth, rtol=1e-6)
        (structure,) = features.release(x, 40_000, 1e9, rng)
        assert np.allclose(structure(y), truth, atol=0.02)
        (projected,) = features.release(x, 40_000, 1e9, rng, k=5)
        assert np.allclose(projected(y), truth, atol=0.02)  # all of five coordinates: a rotation

    def test_sensitivity_and_noise(self, rng: np.random.Generator) -> None:
        frequencies, phases = features.draw_features(3, 50, rng)
        rows = features.feature_map(100 * rng.standard_normal((5000, 3)), frequencies, phases)
        assert np.abs(rows).sum(axis=1).max() <= np.sqrt(2) * 50
        noise = features.noisy_sums(np.zeros(50), 0.7, rng, times=2000)
        assert stats.kstest(noise.ravel(), "laplace", args=(0.0, np.sqrt(2) * 50 / 0.7)).pvalue > 1e-3

    def test_fast_projection_keeps_sparse_points_on_average(self, rng: np.random.Generator) -> None:
        v = np.zeros((1, 256))
        v[0, 7] = 2.0
        squares = [float((features.fast_projection(256, 32, rng)(v) ** 2).sum()) for _ in range(400)]
        assert np.mean(squares) == pytest.approx(4.0, rel=0.05)
        assert np.std(squares) < 4.0 * np.sqrt(2 / 32) * 1.2
        x = rng.standard_normal((3, 64))
        assert np.allclose((features.fast_projection(64, 64, rng)(x) ** 2).sum(axis=1), (x**2).sum(axis=1))


class TestExponentials:
    @pytest.mark.parametrize(("step", "terms", "error"), [(1.0, 20, 6.3e-4), (0.7, 28, 1.0e-5), (0.5, 39, 1.2e-7)])
    def test_values_of_a_fixed_range(self, step: float, terms: int, error: float) -> None:
        rule = exponentials.trapezoid(step, -16.0, 3.5)
        assert abs(len(rule[0]) - terms) <= 1
        assert exponentials.sup_error(*rule) == pytest.approx(error, rel=0.2)

    def test_law_and_control(self) -> None:
        for step in (0.6, 0.8, 1.2):
            error = exponentials.sup_error(*exponentials.trapezoid(step))
            assert 0.5 < np.log(error) / (-(np.pi**2) / step) < 1.1
        assert exponentials.sup_error(*exponentials.equispaced(39)) > 0.1
        assert len(exponentials.with_terms(30)[0]) <= 30


class TestClassifiers:
    def test_a_record_moves_the_release_by_its_sensitivity(self, rng: np.random.Generator) -> None:
        psi, labels = classifiers.unit_rows(rng.standard_normal((40, 6))), np.arange(40) % 4
        full = classifiers.class_sums(psi, labels, 4)
        for i in range(40):
            change = full - classifiers.class_sums(np.delete(psi, i, 0), np.delete(labels, i), 4)
            assert np.linalg.norm(change) == pytest.approx(classifiers.ROW_SENSITIVITY)

    def test_without_noise_it_is_the_nearest_centroid(self, rng: np.random.Generator) -> None:
        labels = np.arange(300) % 3
        psi = classifiers.unit_rows(rng.standard_normal((300, 8)) + 0.8 * np.eye(8)[labels])
        model = classifiers.fit_similarity(psi, labels, 3, 1000.0, 1e-5, rng)
        assert np.allclose(model.sizes, 100, atol=0.5)
        means = np.stack([psi[labels == c].mean(axis=0) for c in range(3)])
        distances = 2 - 2 * psi @ means.T  # the average squared distance, not that to the mean
        assert (model.predict(psi) == distances.argmin(axis=1)).mean() > 0.99
        peer = NearestCentroid().fit(psi, labels)
        assert (model.predict(psi) == peer.predict(psi)).mean() > 0.9

    def test_noise_is_calibrated(self, rng: np.random.Generator) -> None:
        noisy = classifiers.release(np.zeros((200, 200)), 1.0, 1e-5, rng)
        expected = classifiers.ROW_SENSITIVITY * accounting.gaussian_sigma(1.0, 1e-5)
        assert noisy.std() == pytest.approx(expected, rel=0.02)

    def test_dp_sgd_without_noise_is_logistic_regression(self, rng: np.random.Generator) -> None:
        labels = rng.integers(0, 3, 400)
        psi = classifiers.unit_rows(rng.standard_normal((400, 5)) + np.eye(5)[labels])
        plan = classifiers.Plan(1.0, 3000, 4.0)
        model = classifiers.fit_dp_sgd(psi / 2, labels, 3, 1.0, 1e-5, plan, rng, noise=0.0)
        peer = LogisticRegression(C=1e6, max_iter=2000).fit(psi / 2, labels)
        assert (model.predict(psi / 2) == peer.predict(psi / 2)).mean() > 0.97

    def test_one_step_clips_every_record(self, rng: np.random.Generator) -> None:
        """One step against a loop over records; features of length 10 are clipped."""
        psi, labels = 10 * classifiers.unit_rows(rng.standard_normal((30, 4))), rng.integers(0, 3, 30)
        model = classifiers.fit_dp_sgd(psi, labels, 3, 1.0, 1e-5, classifiers.Plan(1.0, 1, 1.0), rng, noise=0.0)
        total = np.zeros((5, 3))
        for row, label in zip(psi, labels, strict=True):
            gradient = np.outer(np.append(row, 1.0), np.full(3, 1 / 3) - np.eye(3)[label])
            total += gradient / max(1.0, np.linalg.norm(gradient))
        assert np.allclose(model.weights, -total / 30)

    def test_noise_of_a_step(self, rng: np.random.Generator) -> None:
        plan = classifiers.Plan(1.0, 1, 1.0)
        psi, labels = np.zeros((50, 2000)), np.arange(50) % 5
        model = classifiers.fit_dp_sgd(psi, labels, 5, 1.0, 1e-5, plan, rng)
        assert model.weights[:-1].std() * 50 == pytest.approx(accounting.gaussian_sigma(1.0, 1e-5), rel=0.03)


def test_digits_are_centred_unit_vectors() -> None:
    data = encoders.load("digits", 60_000, 0)
    assert data.classes == 10
    for part in (data.train, data.test):
        assert np.allclose(np.linalg.norm(part, axis=1), 1.0)
        assert np.allclose(part.mean(axis=1), 0.0)


def test_kinds_of_features(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments of the public set itself: centred, and white where there is variance."""
    images = np.cumsum(rng.standard_normal((300, 28, 28)), axis=2).astype(np.float32)
    monkeypatch.setattr(encoders, "_public_set", lambda: SimpleNamespace(x=images))
    monkeypatch.setattr(encoders, "_public", encoders._public.__wrapped__)
    assert np.allclose(encoders.encode(images, "pixels").mean(axis=0), 0.0, atol=1e-4)
    assert np.allclose(encoders.encode(images, "filters").mean(axis=0), 0.0, atol=1e-3)
    white = np.cov(encoders.encode(images, "whitened 5").T)
    assert np.allclose(white, np.diag(np.diag(white)), atol=1e-6)
    assert ((np.diag(white) > 0.9) & (np.diag(white) <= 1.0 + 1e-9)).all()


def test_convolution_by_hand(rng: np.random.Generator) -> None:
    image, kernel = rng.random((1, 28, 28)), rng.standard_normal((25, 1))
    found = encoders.convolve(image, kernel).reshape(4, 4)
    maps = [
        max(float((image[0, 2 * i : 2 * i + 5, 2 * j : 2 * j + 5].ravel() @ kernel)[0]), 0.0)
        for i in range(12)
        for j in range(12)
    ]
    assert np.allclose(found, np.reshape(maps, (4, 3, 4, 3)).mean(axis=(1, 3)))


def test_ledger_adds_up() -> None:
    book = ledger.Ledger()
    book.spend("a", "x", 0.5, 1e-6, 3)
    book.spend("b", "x", 1.0)
    book.spend("b", "y", 2.0)
    assert book.total("x") == pytest.approx((2.5, 3e-6))
    assert "**2.5**" in book.table()
    with pytest.raises(ValueError, match="no such budget"):
        book.spend("c", "x", -1.0)
