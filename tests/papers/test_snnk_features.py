"""Universal random features against quadrature, closed forms and published check values; every slip is seen to fail."""

import doctest
import importlib
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.kernel_approximation import RBFSampler

from reprise import statistics
from reprise.papers.kernels_and_features.snnk import estimation_study as es
from reprise.papers.kernels_and_features.snnk import expressive_study as ex
from reprise.papers.kernels_and_features.snnk import merge_study as ms
from reprise.papers.kernels_and_features.snnk import moments
from reprise.papers.kernels_and_features.snnk import universal as un
from reprise.papers.kernels_and_features.snnk.spectra import COSINE, GAUSSIAN, LORENTZIAN, SINE, SPECTRA, Spectrum

X, W, B = np.array([[0.5, -0.2, 0.8]]), np.array([[0.3, 0.9, -0.1]]), np.array([0.3])
FEATURES = [16, 64, 256, 1024]
SMALL = {"pairs": 20, "draws": 30, "dimension": 6}


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


@pytest.mark.parametrize(
    "name",
    ["universal", "moments", "expressive_study", "training", "transformer", "adapters", "bundles"],
)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"reprise.papers.kernels_and_features.snnk.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


class TestSpectra:
    @pytest.mark.parametrize("t", [0.0, 0.7, -2.1])
    @pytest.mark.parametrize("spectrum", SPECTRA, ids=lambda s: s.name)
    def test_average_is_the_activation(self, spectrum: Spectrum, t: float) -> None:
        s, factor = spectrum.sample(200_000, np.random.default_rng(1))
        values = factor * np.exp(1j * s * t)
        error = 5 * values.std() / len(s) ** 0.5 + 1e-12
        assert abs(values.mean() - spectrum.f(np.array(t))) < error

    @pytest.mark.parametrize("t", [0.4, 1.3])
    def test_laws_by_integration(self, t: float) -> None:
        """The paper's convention: frequency xi = s / 2 pi, weight f^(xi) / p(xi) = 1 for both."""
        gauss = quad(lambda xi: (2 * np.pi) ** 0.5 * np.exp(-2 * np.pi**2 * xi**2) * np.cos(2 * np.pi * xi * t), -5, 5)[
            0
        ]
        assert gauss == pytest.approx(float(GAUSSIAN.f(np.array(t))), abs=1e-8)
        lorentz = quad(lambda xi: np.pi * np.exp(-2 * np.pi * abs(xi)) * np.cos(2 * np.pi * xi * t), -8, 8, points=[0])[
            0
        ]
        assert lorentz == pytest.approx(float(LORENTZIAN.f(np.array(t))), abs=1e-7)


def by_quadrature(split: str, extra: float, x: np.ndarray, w: np.ndarray, b: float) -> tuple[complex, float]:
    """Mean of Z and variance of its real part in two dimensions, by Gauss-Hermite quadrature over g, both frequencies."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(90)
    weights = weights / weights.sum()
    g = np.stack([v.ravel() for v in np.meshgrid(nodes, nodes, indexing="ij")], axis=1)
    p = np.outer(weights, weights).ravel()
    mean, square = 0.0 + 0.0j, 0.0
    for sign in (1.0, -1.0):
        s = np.full(len(g), sign)
        frozen = un.Frozen(s, np.ones(len(g), complex), g, *un.multipliers(s, split), extra)
        z = (un.input_map(x[None], frozen) * un.parameter_map(w[None], np.array([b]), frozen))[0] * len(g)
        mean, square = mean + 0.5 * (p @ z), square + 0.5 * (p @ z.real**2)
    return mean, square - mean.real**2


class TestUniversal:
    @pytest.mark.parametrize("extra", [0.0, 0.1, 0.4])
    @pytest.mark.parametrize("split", ["asymmetric", "symmetric"])
    def test_mean_and_variance_are_those_of_quadrature(self, split: str, extra: float) -> None:
        x, w, b = np.array([0.5, -0.4]), np.array([0.3, 0.7]), 0.3
        mean, variance = by_quadrature(split, extra, x, w, b)
        assert mean == pytest.approx(np.cos(x @ w + b), abs=1e-10)
        assert float(moments.variance(x[None], w[None], np.array([b]), split, extra)[0]) == pytest.approx(
            variance, rel=1e-8
        )

    def test_published_check_values(self) -> None:
        assert float(np.cos(X[0] @ W[0] + B[0])) == pytest.approx(0.982004, abs=5e-7)
        for split, value in (("asymmetric", 2.66778), ("symmetric", 1.35414)):
            assert float(moments.variance(X, W, B, split)[0]) == pytest.approx(value, abs=5e-6)

    def test_second_moments_without_extra(self) -> None:
        nx, nw, both = (X**2).sum(), (W**2).sum(), ((X + W) ** 2).sum()
        assert float(moments.second_moments(X, W, B, "asymmetric")[0][0]) == pytest.approx(np.exp(nx + nw))
        assert float(moments.second_moments(X, W, B, "symmetric")[0][0]) == pytest.approx(np.exp(both))

    def test_best_extra(self) -> None:
        found, share = moments.best_extra(3 * X, 3 * W, B, "asymmetric")
        values = [moments.variance(3 * X, 3 * W, B, "asymmetric", m).mean() for m in np.linspace(0, 2, 201)]
        assert share == pytest.approx(min(values) / values[0], rel=1e-3)
        assert found > 0
        assert moments.best_extra(0.05 * X, 0.05 * W, B, "asymmetric")[0] < 0.05

    def test_a_layer_is_made_of_both_maps(self) -> None:
        rng = np.random.default_rng(0)
        frozen = un.draw(SINE, rng.standard_normal((200_000, 3)), "symmetric", rng)
        found = un.layer(np.tile(X, (2, 1)), W, B, frozen)
        assert found.shape == (2, 1)
        assert found[0, 0] == pytest.approx(np.sin(X[0] @ W[0] + B[0]), abs=0.02)

    def test_holomorphic(self) -> None:
        """On complex inputs the estimate is the entire function cos(w·z), in both maps."""
        rng = np.random.default_rng(1)
        z = X + 0.3j * W
        frozen = un.draw(COSINE, rng.standard_normal((400_000, 3)), "asymmetric", rng)
        found = (un.input_map(z, frozen) @ un.parameter_map(W, B, frozen).T)[0, 0]
        assert found == pytest.approx(np.cos(z[0] @ W[0] + B[0]), abs=0.03)

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="asymmetric"):
            un.multipliers(np.ones(2), "other")
        with pytest.raises(ValueError, match="at least 0"):
            un.draw(COSINE, np.ones((2, 3)), "symmetric", np.random.default_rng(0), extra=-1.0)


class TestEstimationStudy:
    def test_rate_and_bias(self) -> None:
        found = es.estimate(GAUSSIAN, FEATURES, **SMALL)
        slope = es.rates(FEATURES, [found])[0]
        assert slope.low < -0.5 < slope.high or abs(scalar(slope) + 0.5) < 0.05
        assert scalar(es.bias([found])) < 4.5

    def test_every_slip_is_seen(self) -> None:
        right = es.estimate(COSINE, FEATURES, **SMALL)
        apart = es.estimate(COSINE, FEATURES, shared=False, **SMALL)
        assert es.rates(FEATURES, [apart])[0].low > -0.4
        doubled = [
            es.estimate(COSINE, FEATURES, split=s, correction="doubled", **SMALL) for s in ("symmetric", "asymmetric")
        ]
        assert scalar(es.bias(doubled[:1])) > 10
        assert scalar(es.bias(doubled[1:])) < 4.5  # at equal norms the two halves of the slip cancel
        modulus = es.estimate(COSINE, FEATURES, correction="modulus", **SMALL)
        ratios = [es.variance_ratio(f, "asymmetric", 20, 6) for f in (right, modulus)]
        assert scalar(ratios[0]) == pytest.approx(1.0, abs=0.1)
        assert scalar(ratios[1]) < 0.5
        repeated = es.estimate(COSINE, FEATURES, kind="repeated", **SMALL)
        assert es.ratio_of_errors(repeated, right, FEATURES).low > 1.5

    def test_norms(self) -> None:
        found = es.by_norm([1.0, 3.0], 20, 20, 6)
        assert scalar(found[0]) == pytest.approx(es.exact_error([1.0], es.AT, 6)[0], rel=0.15)
        assert found[1].low > 1
        with pytest.raises(ValueError, match=r"1\.0"):
            es.by_norm([0.5, 3.0], 5, 5, 6)

    def test_unknown_directions(self) -> None:
        with pytest.raises(ValueError, match="orthogonal"):
            es.directions("other", 3, 3, np.random.default_rng(0))

    def test_the_rate_is_that_of_fourier_features_of_scikit_learn(self) -> None:
        """The same fit on an established estimator, so that the yardstick itself is known to be right."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((20, 6))
        truth = np.exp(-((x[:, None] - x) ** 2).sum(axis=2))
        errors = []
        for i in range(20):
            phis = [RBFSampler(gamma=1.0, n_components=m, random_state=100 * i + m).fit_transform(x) for m in FEATURES]
            errors.append([np.sqrt(((p @ p.T - truth) ** 2).mean()) for p in phis])
        assert scalar(statistics.slope(FEATURES, errors)) == pytest.approx(-0.5, abs=0.05)


class TestExpressive:
    def test_twins_share_their_dot_product(self) -> None:
        x, w = ex.twins()
        assert x[0] @ w == x[1] @ w == pytest.approx(0.6)
        values = ex.rectified_estimates(40, 2048)
        assert scalar(ex.over_limit(values)) == pytest.approx(1.0, abs=0.03)
        assert scalar(ex.over_limit(values, rectifier=True)) < 0.9
        assert scalar(ex.gap(values)) > 5
        assert scalar(ex.gap(ex.universal_estimates(40, 512))) < 4.5

    def test_spline_finds_a_ridge_function(self) -> None:
        rng = np.random.default_rng(0)
        w, x = np.array([0.6, -0.8, 0.0]), rng.standard_normal((800, 3))
        direction, spline = ex.fit_ridge_function(x, np.cos(2 * x @ w), rng)
        assert abs(direction @ w) == pytest.approx(1.0, abs=1e-3)
        assert ex.r_squared(np.cos(2 * x @ w), spline(x @ direction)) > 0.999

    def test_ceiling_is_what_the_spline_reaches(self) -> None:
        found = ex.regress(2500, 64, 3)
        assert found.spline_r2.mean() == pytest.approx(ex.ceiling(), abs=0.02)
        plain = ex.regress(1500, 64, 3, rectifier=True)
        assert plain.spline_r2.min() > 0.99
        assert scalar(ex.advantage(plain)) < 0.0


class TestFormula:
    def test_error_falls_only_with_a_shared_draw(self) -> None:
        sizes = [64, 256, 1024]
        right, off = (ms.by_formula(sizes, 6, 12, shared=s) for s in (True, False))
        assert scalar(ms.formula_slope(sizes, right)) == pytest.approx(-0.5, abs=0.15)
        assert scalar(ms.formula_slope(sizes, off)) > -0.3
