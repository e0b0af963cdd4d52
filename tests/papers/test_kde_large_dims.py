"""Closed form, quadrature and simulation against one another, against SciPy, mpmath and brute force."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.kde_large_dims import (
    classical,
    edge,
    evidence,
    optimum,
    quadrature,
    regimes,
    samples,
    spectrum,
    stable,
    tails,
)

ALPHA = 0.3


@pytest.fixture(scope="module")
def runs() -> list[samples.Sums]:
    return evidence.across(ALPHA, [100, 2000, 8000], 400, seed=3)


class TestRegimes:
    @pytest.mark.parametrize(
        ("alpha", "g", "clt", "best", "kl"),
        [
            (0.2, 1.04565, 1.47878, 0.89169, 0.085362),
            (0.5, 0.652145, 0.922273, 0.622436, 0.025886),
            (1.0, 0.372106, 0.526238, 0.369344, 0.003973),
        ],
    )
    def test_values_of_the_dossier(self, alpha: float, g: float, clt: float, best: float, kl: float) -> None:
        assert list(regimes.thresholds(alpha)) == pytest.approx([g, clt, best, kl], abs=6e-6)

    def test_slope_and_curvature_by_differences(self) -> None:
        for r in (1.0, 0.7):
            f = [float(regimes.cumulant(b, r)) for b in (0.799, 0.8, 0.801)]
            assert float(regimes.cumulant_slope(0.8, r)) == pytest.approx((f[2] - f[0]) / 0.002, rel=1e-5)
            assert float(regimes.cumulant_curvature(0.8, r)) == pytest.approx((f[0] - 2 * f[1] + f[2]) / 1e-6, rel=1e-4)

    def test_moments_are_exact(self) -> None:
        d, beta = 7, 0.9
        found = integrate.quad(lambda e: np.exp(-0.5 * beta * e) * stats.ncx2.pdf(e, d, d), 0, 200)[0]
        assert np.log(found) / d == pytest.approx(float(regimes.cumulant(beta)), rel=1e-9)
        rng = np.random.default_rng(0)
        x = np.exp(-0.5 * beta * stats.ncx2.rvs(d, d, size=(400_000, 5), random_state=rng)).sum(axis=1)
        assert regimes.skewness(d, 5, beta) == pytest.approx(float(stats.skew(x)), rel=0.03)
        assert regimes.log_variance(d, np.log(5), beta) == pytest.approx(np.log(x.var()), abs=0.02)

    def test_typical_density_is_smooth_and_least_where_predicted(self) -> None:
        places = regimes.thresholds(ALPHA)
        h = places.g * np.array([1 - 1e-6, 1 + 1e-6])
        below, above = regimes.typical_density(h, ALPHA)
        assert below == pytest.approx(above, abs=1e-5)
        step = 1e-5
        slopes = [np.diff(regimes.typical_density(places.g + np.array(s) * step, ALPHA))[0] for s in ((-2, -1), (1, 2))]
        assert slopes[0] == pytest.approx(slopes[1], abs=1e-8)
        fine = np.linspace(0.5, 1.5, 4001)
        curve = regimes.divergence(fine, ALPHA)
        assert fine[np.argmin(curve)] == pytest.approx(places.optimal, abs=3e-4)
        assert curve.min() == pytest.approx(places.divergence, abs=1e-7)

    def test_spread_rate_vanishes_at_the_threshold(self) -> None:
        assert regimes.spread_rate(1.4142, ALPHA) == pytest.approx(0.0, abs=1e-8)
        assert regimes.spread_rate(1.1, ALPHA) == pytest.approx(-0.0248168, abs=1e-6)
        assert regimes.spread_rate(1.6, ALPHA) == 0.0

    def test_largest_weight_by_simulation(self) -> None:
        for mu in (0.3, 0.6):
            drawn = edge.poisson_dirichlet(mu, 8000, seed=0)
            assert drawn[:, 0].mean() == pytest.approx(regimes.largest_weight(mu), abs=0.01)
            assert drawn[:, 1].mean() == pytest.approx(float(regimes.participation(mu)), abs=0.012)


class TestSpectrum:
    @pytest.mark.parametrize(("d", "order"), [(1, -0.5), (2, 0.0), (20, 9.0), (90, 44.0), (2000, 999.0)])
    def test_bessel_functions(self, d: int, order: float) -> None:
        z = np.array([0.3, 1.0, 2.0]) * max(order, 1.0)
        exact = [float(mpmath.log(mpmath.besseli(order, float(v)))) for v in z]
        assert d == 2 * order + 2
        assert spectrum.log_bessel(order, z) == pytest.approx(exact, abs=2e-9 if order > 40 else 1e-11)

    @pytest.mark.parametrize("d", [1, 2, 15, 60])
    def test_density_and_count_are_scipys(self, d: int) -> None:
        table = spectrum.spectrum(d, 8.0, 1.0, resolution=0.05)
        inner = np.linspace(0, table.e.size - 1, 9).astype(int)[1:-1]
        e = table.e[inner]
        assert spectrum.log_density(e, d, float(d)) == pytest.approx(stats.ncx2.logpdf(e, d, d), abs=1e-9)
        assert table.log_below[inner] - 8.0 == pytest.approx(stats.ncx2.logcdf(e, d, d), abs=2e-3)

    def test_mean_sum_is_the_closed_form_in_any_dimension(self) -> None:
        for d, log_n in ((10, 3.0), (200, 60.0), (2000, 600.0)):
            beta = regimes.condensation(log_n / d) / 1.5
            table = spectrum.spectrum(d, log_n, beta)
            shift = float(np.max(-0.5 * beta * table.e + np.log(table.expected)))
            mean = np.log(np.sum(np.exp(-0.5 * beta * table.e + np.log(table.expected) - shift))) + shift
            assert mean == pytest.approx(log_n + d * float(regimes.cumulant(beta)), abs=1e-6)

    def test_too_many_points_are_refused(self) -> None:
        with pytest.raises(ValueError, match="above 690"):
            spectrum.spectrum(1000, 700.0, 1.0)


class TestQuadrature:
    def test_limits_of_bandwidth(self) -> None:
        d, log_n = 12, np.log(50.0)
        wide, narrow = quadrature.Sum(d, log_n, 1e-6), quadrature.Sum(d, log_n, 60.0)
        assert wide.participation() == pytest.approx(1 / 50, rel=1e-4)
        assert wide.mean_log() == pytest.approx(log_n, abs=1e-4)
        assert narrow.participation() == pytest.approx(1.0, abs=0.05)
        assert narrow.largest_weight() == pytest.approx(1.0, abs=0.05)

    @pytest.mark.parametrize(("d", "n", "mu"), [(2, 30, 1.0), (12, 37, 0.5), (20, 403, 1.5)])
    def test_brute_force(self, d: int, n: int, mu: float) -> None:
        beta = regimes.condensation(np.log(n) / d) / mu
        e = stats.ncx2.rvs(d, d, size=(20_000, n), random_state=np.random.default_rng(1))
        x = np.exp(-0.5 * beta * e)
        z = x.sum(axis=1)
        exact = quadrature.Sum(d, float(np.log(n)), beta)
        for drawn, value in (
            ((x**2).sum(axis=1) / z**2, exact.participation()),
            (x.max(axis=1) / z, exact.largest_weight()),
            (np.log(z), exact.mean_log()),
        ):
            assert abs(drawn.mean() - value) < 4.5 * drawn.std() / np.sqrt(len(drawn)) + 2e-4
        v = z / (n * np.exp(d * regimes.cumulant(beta)))
        share = np.expm1(-v).mean() / np.expm1(-1.0)
        assert quadrature.seen_share(d, float(np.log(n)), beta) == pytest.approx(share, abs=0.01)

    def test_hill_scale_by_brute_force(self) -> None:
        d, n, k = 20, 2000, 15
        near = np.sort(stats.ncx2.rvs(d, d, size=(3000, n), random_state=np.random.default_rng(2)), axis=1)[:, : k + 1]
        drawn = 0.5 * (near[:, k] - near[:, :k].mean(axis=1))
        assert quadrature.hill_scale(d, float(np.log(n)), k) == pytest.approx(drawn.mean(), rel=0.01)

    def test_divergence_by_brute_force(self) -> None:
        d, n, h = 10, 20, 0.9
        rng = np.random.default_rng(3)
        x, y = rng.standard_normal((20_000, 1, d)), rng.standard_normal((20_000, n, d))
        log_z = np.log(np.exp(-0.5 * np.sum((x - y) ** 2, axis=2) / h**2).mean(axis=1))
        drawn = (-0.5 * np.sum(x[:, 0] ** 2, axis=1) - log_z) / d + np.log(h)
        gap = quadrature.divergence(d, float(np.log(n)), h) - drawn.mean()
        assert abs(gap) < 4 * drawn.std() / np.sqrt(len(drawn))

    def test_gauss_laguerre_lengths(self) -> None:
        for d in (1, 2, 40, 1600):
            size, weight = quadrature.lengths(d, 5)
            assert [weight.sum(), weight @ size, weight @ (size - d) ** 2] == pytest.approx([1.0, d, 2 * d])

    def test_corrections_end(self) -> None:
        dims = [100, 200, 400, 800, 1600]
        beta = regimes.condensation(ALPHA) / 0.5
        values = [quadrature.participation(d, ALPHA * d, beta) for d in dims]
        assert quadrature.extrapolate(dims, values) == pytest.approx(0.5, abs=0.005)
        critical = [quadrature.participation(d, ALPHA * d, 0.5 * beta) for d in dims[-2:]]
        assert np.log(critical[0] / critical[1]) / np.log(2) == pytest.approx(0.5, abs=0.03)

    def test_extrapolation_is_exact_for_its_own_form(self) -> None:
        d = np.array([50, 100, 300, 700])
        assert quadrature.extrapolate(d.tolist(), (0.3 - 2 * np.log(d) / d + 5 / d).tolist()) == pytest.approx(0.3)


class TestSamples:
    def test_distances_are_those_of_vectors(self) -> None:
        rng = np.random.default_rng(4)
        drawn = samples.distances(rng, 20, 2000, 9, np.full(20, 9.0)).ravel()
        assert stats.kstest(drawn, stats.ncx2(9, 9).cdf).pvalue > 1e-3
        x = np.sqrt(9.0) * np.eye(9)[0]
        real = np.sum((rng.standard_normal((40_000, 9)) - x) ** 2, axis=1)
        assert stats.ks_2samp(drawn, real).pvalue > 1e-3
        one = samples.distances(rng, 1, 20_000, 1, np.ones(1)).ravel()
        assert stats.kstest(one, stats.ncx2(1, 1).cdf).pvalue > 1e-3

    def test_draws_do_not_depend_on_threads_and_follow_the_seed(self) -> None:
        first, again, other = (samples.simulate(15, 90, 50, [0.5, 2.0], seed=s) for s in (0, 0, 1))
        assert np.array_equal(first.log_z, again.log_z)
        assert not np.array_equal(first.log_z, other.log_z)

    def test_vectors_and_distances_agree(self) -> None:
        pair = [f(12, 200, 300, [0.5, 1.5], seed=5) for f in (samples.vectors, samples.simulate)]
        for name in ("participation", "largest", "log_z"):
            a, b = (getattr(run, name) for run in pair)
            z = (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt((a.var(axis=0) + b.var(axis=0)) / 300)
            assert np.abs(z).max() < 4
        assert pair[0].inside.mean() == pytest.approx(pair[1].inside.mean(), rel=0.1)

    def test_weights(self) -> None:
        run = samples.simulate(15, 90, 50, [0.1, 0.5, 4.0], seed=0)
        assert np.all(run.largest**2 <= run.participation + 1e-6)
        assert np.all(run.participation <= run.largest + 1e-6)
        assert run.carriers(0.1).mean() < run.carriers(0.5).mean() < run.carriers(4.0).mean()
        assert run.h[1] == pytest.approx(np.sqrt(0.5) * regimes.thresholds(run.alpha).g)

    def test_an_x_of_its_own(self) -> None:
        run = samples.simulate(6, 50, 4000, (), h=[0.8], fixed=False, seed=0)
        assert run.size.mean() == pytest.approx(6.0, abs=0.25)
        assert run.h == pytest.approx([0.8])


class TestEdge:
    @pytest.mark.parametrize("mu", [0.5, 1.5])
    def test_as_drawn_in_full(self, mu: float) -> None:
        d, n = 33, 20_000
        alpha = float(np.log(n) / d)
        full = samples.simulate(d, n, 500, [mu], seed=6)
        short = edge.edge_sums(d, alpha, mu, 4000, 400, seed=6)
        assert stats.ks_2samp(full.largest[:, 0], short.largest).pvalue > 1e-3
        assert stats.ks_2samp(full.participation[:, 0], short.participation).pvalue > 1e-3
        mean = np.log(n) + d * float(regimes.cumulant(full.h[0] ** -2)) - short.log_unit
        deviation = np.exp(full.log_z[:, 0] - short.log_unit) - (np.exp(mean) if mu > 1 else 0.0)
        assert stats.ks_2samp(deviation, short.deviation).pvalue > 1e-3

    def test_mean_weights_are_those_of_quadrature(self) -> None:
        for d, mu in ((60, 0.5), (1600, 0.25), (1600, 1.0)):
            run = edge.edge_sums(d, ALPHA, mu, 3000, 500, seed=7)
            exact = quadrature.participation(d, ALPHA * d, regimes.condensation(ALPHA) / mu)
            assert abs(run.participation.mean() - exact) < 4 * run.participation.std() / np.sqrt(3000) + 1e-3


class TestStable:
    @pytest.mark.parametrize("index", [0.5, 0.75, 1.25, 1.5])
    def test_distribution_function_is_scipys(self, index: float, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(stats.levy_stable), "parameterization", property(lambda _: "S0"))
        x = np.array([-2.0, -0.5, 0.3, 1.0, 4.0, 30.0])
        assert stable.cdf(x, index) == pytest.approx(stats.levy_stable.cdf(x, index, 1.0), abs=1e-9)

    def test_levy_in_closed_form(self) -> None:
        x = np.array([0.01, 0.1, 1.0, 10.0, 1000.0])
        assert stable.cdf(x - 1.0, 0.5) == pytest.approx(stats.levy.cdf(x), abs=1e-9)
        assert stable.law(0.5)(x) == pytest.approx(stats.levy.cdf(x), abs=1e-4)

    def test_fit_finds_location_and_scale(self) -> None:
        z = 3.0 + 2.0 * np.random.default_rng(0).standard_normal(4000)
        found, place, width = stable.fitted_distance(z, stable.gaussian, stats.norm.ppf([0.25, 0.5, 0.75]))
        assert found < 0.02
        assert [place, width] == pytest.approx([3.0, 2.0], abs=0.15)

    def test_the_right_law_wins(self) -> None:
        rng = np.random.default_rng(1)
        levy, normal = 1.0 / rng.standard_normal(2000) ** 2, rng.standard_normal(2000)
        near, far = stable.fits(levy, 0.5)
        assert near < 0.02 < 0.1 < far
        heavy, right = stable.fits(normal, 1.5)
        assert right < 0.02 < heavy


class TestEvidence:
    def test_shape_of_grouped_power_sums(self) -> None:
        z = np.random.default_rng(2).exponential(size=3000)
        grouped = evidence.power_sums(z)
        assert float(evidence._shape(grouped, 0)) == pytest.approx(float(stats.skew(z)))
        assert float(evidence._shape(grouped, 0, fourth=True)) == pytest.approx(float(stats.kurtosis(z)))

    def test_skewness_is_the_exact_one_where_it_can_be_seen(self, runs: list[samples.Sums]) -> None:
        for run in runs[:2]:
            found = statistics.bootstrap(evidence.power_sums(evidence.sums(run, 4.0)), evidence._shape)
            assert found.value == pytest.approx(
                regimes.skewness(run.d, run.n, float(run.h[run.at(4.0)] ** -2)), abs=0.2
            )

    def test_thresholds_of_simulation_and_quadrature(self, runs: list[samples.Sums]) -> None:
        found = evidence.threshold_ratio(runs)
        assert found.value == pytest.approx(1.0, abs=0.03)
        assert found.low < found.value < found.high
        assert evidence.threshold_ratio(runs, limit=True).high < 0.95
        assert evidence.ball_thresholds(runs[-1]).value == pytest.approx(1.0)

    def test_regimes_by_skewness(self, runs: list[samples.Sums]) -> None:
        hundred = evidence.fixed_size(runs, 400, seed=3)
        assert evidence.shape_trend(runs, 4.0).value < 0.0 < evidence.shape_trend(hundred, 4.0).low
        assert evidence.least_skewness(runs, 1.44).low > 1.5 > evidence.least_skewness(runs, 1.44, ball=True).high
        assert 1.1 < evidence.crossing(runs).value < 2.1
        assert evidence.crossing(hundred).value > 2.3

    def test_spread(self) -> None:
        dims = [50, 100, 200, 400, 800]
        near, far = (evidence.spread_limit(evidence.edges(ALPHA, r**2, dims, 500, 300, seed=0)) for r in (1.6, 1.1))
        assert near.value == pytest.approx(0.0, abs=2e-3)
        assert far.value == pytest.approx(regimes.spread_rate(1.1, ALPHA), rel=0.1)

    def test_the_gap_closes_at_the_threshold(self) -> None:
        exact = {r: Estimate.exact(regimes.spread_rate(r, ALPHA), 1e-5) for r in (1.05, 1.1, 1.15, 1.2)}
        found = evidence.closing(exact)
        assert found.value == pytest.approx(np.sqrt(2), abs=0.01)
        assert found.low < found.value < found.high

    def test_domination(self, runs: list[samples.Sums]) -> None:
        assert evidence.participation_scores(runs).value < 4.0
        assert evidence.participation_scores(runs, limit=True).value > 5.0
        assert evidence.weight_scores(runs).value < 4.0
        assert (
            evidence.shrinking_gap(ALPHA, [20, 40, 80]).value
            < 1.0
            < evidence.shrinking_gap(ALPHA, [20, 40, 80], fixed=True).value
        )
        run = edge.edge_sums(1600, ALPHA, 0.5, 1000, 300, seed=0)
        assert evidence.weight_law(run, 0.5, seed=0).value < 0.06 < evidence.weight_law(run, 0.7, seed=0).low

    def test_tails(self, runs: list[samples.Sums]) -> None:
        assert tails.hill_deviation(runs[1:]).value < 0.1
        assert tails.hill_deviation(runs[1:], wrong_power=True).low > 0.2
        assert tails.exact_index(1600, 0.3 * 1600) == pytest.approx(1.0, abs=0.02)
        heavy = tails.law_ratio(evidence.sums(runs[-1], 0.5), 0.5, n_boot=20)
        light = tails.law_ratio(evidence.sums(runs[-1], 4.0), 1.5, n_boot=20)
        assert heavy.value < 0.5 < light.value


class TestOptimum:
    def test_classical_rules_are_scipys(self) -> None:
        data = np.random.default_rng(0).standard_normal((3, 50))
        kde = stats.gaussian_kde(data)
        assert classical.scott(3, float(np.log(50))) == pytest.approx(kde.scotts_factor())
        assert classical.silverman(3, float(np.log(50))) == pytest.approx(kde.silverman_factor())

    def test_least_squared_error_by_quadrature(self) -> None:
        n, grid = 60, np.linspace(-9, 9, 4001)
        log_n = float(np.log(n))

        def risk(h: float) -> float:
            mean = stats.norm.pdf(grid, scale=np.sqrt(1 + h**2))
            second = stats.norm.pdf(grid, scale=np.sqrt(1 + h**2 / 2)) / (2 * h * np.sqrt(np.pi))
            return float(np.trapezoid((mean - stats.norm.pdf(grid)) ** 2 + (second - mean**2) / n, grid))

        h = np.linspace(0.2, 0.9, 141)
        assert classical.squared_error_optimal(1, log_n) == pytest.approx(h[np.argmin([risk(v) for v in h])], abs=0.006)
        limit = np.sqrt(np.exp(-0.6) / (1 - np.exp(-0.6) / 2))
        assert classical.squared_error_optimal(1500, 450.0) == pytest.approx(limit, rel=0.005)

    def test_simulation_and_quadrature(self) -> None:
        (run,) = optimum.curves(ALPHA, [15], 400, seed=0)
        best, _ = classical.optimum(15, float(np.log(run.n)))
        found = optimum.simulated_optimum(run)
        assert found.low - 0.02 < best < found.high + 0.02
        assert optimum.divergence_scores([run]).value < 4.0 < optimum.divergence_scores([run], annealed=True).value
        assert optimum.over_threshold(run).high < 1.0

    def test_two_dimensions_are_classical(self) -> None:
        low = optimum.low_curve(3000, 200, seed=0)
        assert optimum.over_threshold(low).low > 2.0
        assert optimum.optimal_participation(low).high < 0.05
        assert optimum.low_exponent([1000, 10_000, 100_000]).value == pytest.approx(-1 / 6, abs=0.03)

    def test_the_optimum_falls_below_condensation(self) -> None:
        found = optimum.optima(ALPHA, [20, 100, 400])
        h = [v for v, _ in found]
        assert h[0] > regimes.thresholds(ALPHA).g > h[1] > h[2] > regimes.thresholds(ALPHA).optimal
        assert min(optimum.losses("Scott", ALPHA, [20, 100, 400], found)) > 0.003

    def test_practice(self) -> None:
        found = classical.practice(8, 60, [0.5, 0.8, 1.1, 1.4], seed=0)
        assert found["scipy scott"] == pytest.approx(classical.scott(8, float(np.log(60))), rel=0.15)
        assert found["cross-validated likelihood"] in (0.8, 1.1)
        assert "optimum" in optimum.practice_table(8, 60, seed=0)
