"""Proportions, Kolmogorov-Smirnov, z-scores, kurtosis and skewness, total variation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprise.statistics import (
    StatisticsError,
    ks_distance,
    ks_test,
    kurtosis,
    largest_z,
    proportion,
    skewness,
    total_variation,
    z_scores,
    z_threshold,
)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_proportion_is_that_of_scipy(kn, level):
    k, n = kn
    e = proportion(k, n, level)
    f = stats.binomtest(k, n).proportion_ci(level, method="exact")
    assert (e.low, e.high) == pytest.approx((f.low, f.high), abs=1e-9)
    assert e.low <= e.value <= e.high


@pytest.mark.parametrize("n", [1, 7, 30])
def test_proportion_covers_every_share(n):
    for p in np.linspace(0.01, 0.99, 50):
        k = np.arange(n + 1)
        inside = np.array([proportion(int(i), n).low <= p <= proportion(int(i), n).high for i in k])
        assert stats.binom.pmf(k, n, p)[inside].sum() >= 0.95 - 1e-12


def test_bad_proportions():
    for k, n in [(-1, 5), (6, 5), (0, 0), (1.5, 5)]:
        with pytest.raises(StatisticsError):
            proportion(k, n)


def test_ks_p_values_are_those_of_scipy_and_uniform():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=80), rng.normal(size=60)
    assert ks_test(x).value == pytest.approx(stats.kstest(x, "norm").pvalue)
    assert ks_test(x, stats.norm.cdf).value == ks_test(x).value
    assert ks_test(x, y).value == pytest.approx(stats.ks_2samp(x, y).pvalue)
    p = [ks_test(rng.normal(size=50)).value for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_ks_distance_covers_the_true_distance(shift):
    rng = np.random.default_rng(1)
    truth = 2 * stats.norm.cdf(shift / 2) - 1
    trials = 1500
    one = two = 0
    for _ in range(trials):
        x = shift + rng.normal(size=70)
        e = ks_distance(x)
        one += e.low <= truth <= e.high
        f = ks_distance(x, rng.normal(size=50))
        two += f.low <= truth <= f.high
    assert one / trials > 0.95 - 5 * np.sqrt(0.05 * 0.95 / trials)
    assert two / trials > 0.95 - 5 * np.sqrt(0.05 * 0.95 / trials)


def test_ks_band_is_exact_for_a_true_law():
    rng = np.random.default_rng(2)
    trials = 4000
    hits = sum(ks_distance(rng.uniform(size=20), lambda t: t).low == 0.0 for _ in range(trials))
    assert abs(hits / trials - 0.95) < 6 * np.sqrt(0.05 * 0.95 / trials)


def test_z_scores():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5000, 10, 40))[:, :, :].reshape(5000, 400)[:30]
    z = z_scores(x, np.zeros(400))
    assert np.allclose(z, stats.ttest_1samp(x, 0).statistic)
    assert stats.kstest(z, stats.t(29).cdf).pvalue > 1e-6
    assert np.all(z_scores(x, np.zeros(400), bias=10.0) == 0.0)
    # mean 0.3, standard error 0.1, allowed bias 0.1: 2 standard errors are left
    y = 0.3 + 0.1 * np.sqrt(30) * (x[:, :1] - x[:, :1].mean()) / x[:, :1].std(ddof=1)
    assert z_scores(y, [0.0], bias=0.1)[0] == pytest.approx(2.0)
    assert z_scores(y, [0.0])[0] == pytest.approx(3.0)
    assert np.array_equal(z_scores([[1.0, 1.0], [1.0, 1.0]], [1.0, 2.0]), [0.0, -np.inf])
    with pytest.raises(StatisticsError, match="bias"):
        z_scores(x, np.zeros(400), bias=-1.0)


def test_largest_z_keeps_its_false_alarm_rate():
    rng = np.random.default_rng(4)
    threshold = z_threshold(25, 12, alarm=0.05)
    alarms = sum(largest_z(rng.normal(size=(12, 5, 5)), np.zeros((5, 5))).value > threshold for _ in range(2000))
    assert alarms / 2000 < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 2000)
    assert alarms / 2000 > 0.03  # independent entries: Bonferroni is nearly sharp
    with pytest.raises(StatisticsError):
        z_threshold(0, 10)


@pytest.mark.parametrize(("statistic", "scipy_form"), [(kurtosis, stats.kurtosis), (skewness, stats.skew)])
def test_shape_values_are_those_of_scipy(statistic, scipy_form):
    x = np.random.default_rng(5).exponential(size=200)
    assert statistic(x, method="t").value == pytest.approx(scipy_form(x, bias=False), rel=1e-10)
    e, f = statistic(x, n_boot=400), statistic(3 * x - 100, n_boot=400)
    assert (e.value, e.low, e.high) == pytest.approx((f.value, f.low, f.high), rel=1e-6)
    mirrored = statistic(-x, method="t").value
    assert mirrored == pytest.approx(e.value if statistic is kurtosis else -e.value)


@pytest.mark.parametrize("method", ["t", "bca", "percentile"])
def test_kurtosis_of_gaussian_samples_is_covered(method):
    rng = np.random.default_rng(6)
    trials = 400
    hits = 0
    for _ in range(trials):
        e = kurtosis(rng.normal(size=300), method=method, n_boot=400)
        hits += e.low <= 0 <= e.high
    # a fourth moment is slow: 0.90 at n = 300 and 0.93 at n = 1,000, measured over 1,500 data sets
    assert hits / trials > 0.90 - 4.5 * np.sqrt(0.1 * 0.9 / trials)


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(7)
    scales = rng.gamma(4.0, size=(40, 1)) / 4.0  # values share a scale within a cluster
    x = np.sqrt(scales) * rng.normal(size=(40, 200))
    pooled, clustered = kurtosis(x.ravel(), n_boot=300), kurtosis(x, n_boot=300)
    assert pooled.value == pytest.approx(clustered.value)
    assert clustered.high - clustered.low > 1.5 * (pooled.high - pooled.low)
    assert clustered.n == 40
    assert len(clustered.samples) == 40


def test_clustered_kurtosis_covers():
    rng = np.random.default_rng(8)
    truth = 3 * (1 / 4)  # scale mixture: 3 Var(g)/E[g]^2 with g gamma of shape 4
    trials = 250
    hits = 0
    for _ in range(trials):
        g = rng.gamma(4.0, size=(200, 1)) / 4.0
        e = kurtosis(np.sqrt(g) * rng.normal(size=(200, 30)), method="bca", n_boot=400)
        hits += e.low <= truth <= e.high
    assert hits / trials > 0.90 - 4.5 * np.sqrt(0.1 * 0.9 / trials)


def test_shape_errors():
    with pytest.raises(StatisticsError, match="at least 4"):
        kurtosis([1.0, 2.0, 3.0])
    with pytest.raises(StatisticsError, match="all values are equal"):
        skewness(np.ones(10))
    with pytest.raises(StatisticsError, match="method"):
        kurtosis(np.arange(10.0), method="magic")


EDGES = np.linspace(-3, 3, 13)


def cells(shift=0.0):
    return np.diff(stats.norm.cdf(np.concatenate([[-np.inf], EDGES, [np.inf]]) - shift))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_total_variation_covers(shift):
    rng = np.random.default_rng(9)
    truth = 0.5 * np.abs(cells(shift) - cells()).sum()
    hits = {"one": 0, "two": 0}
    for _ in range(300):
        x = shift + rng.normal(size=400)
        e = total_variation(x, bins=EDGES, probabilities=cells(), n_boot=400)
        f = total_variation(x, rng.normal(size=500), bins=EDGES, n_boot=400)
        hits["one"] += e.low <= truth <= e.high
        hits["two"] += f.low <= truth <= f.high
    assert min(hits.values()) / 300 > 0.95 - 4.5 * np.sqrt(0.05 * 0.95 / 300)


def test_total_variation_forms():
    x = np.array([0.5, 0.5, 1.5, 5.0])
    exact = total_variation(x, bins=[0, 1, 2], probabilities=[0.5, 0.25])
    assert exact.value == pytest.approx(0.0)
    assert total_variation(x, bins=[0, 1, 2], probabilities=[0.0, 0.5, 0.25, 0.25]).value == pytest.approx(0.0)
    assert total_variation(x, x + 10, bins=[0, 1, 2, 6]).value == pytest.approx(1.0)
    wide = total_variation(x, bins=[0, 1, 2], probabilities=[0.5, 0.25], effective=2)
    assert wide.high >= exact.high
    with pytest.raises(StatisticsError, match="increasing"):
        total_variation(x, x, bins=[0, 0, 1])
    with pytest.raises(StatisticsError, match="either"):
        total_variation(x, bins=[0, 1])
    with pytest.raises(StatisticsError, match="cells"):
        total_variation(x, bins=[0, 1], probabilities=[0.1, 0.2])
    with pytest.raises(StatisticsError, match="sum"):
        total_variation(x, bins=[0, 1, 2], probabilities=[0.9, 0.9])
    with pytest.raises(StatisticsError, match="effective"):
        total_variation(x, x, bins=[0, 1], effective=1)
