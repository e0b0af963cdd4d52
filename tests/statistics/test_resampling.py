import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprise.statistics import StatisticsError, bootstrap, mean
from reprise.statistics.resampling import percentile_tail


def ratio(a, b):
    return a.sum() / b.sum()


def coverage(draw, truth, trials, **options):
    hits = 0
    for _ in range(trials):
        e = draw(options)
        hits += e.low <= truth <= e.high
    return hits / trials


@pytest.mark.parametrize(("ours", "theirs"), [("percentile", "percentile"), ("bca", "BCa")])
def test_agrees_with_scipy_within_resampling_noise(ours, theirs):
    x = np.random.default_rng(0).lognormal(size=40)
    e = bootstrap(x, np.mean, method=ours, expand=False, n_boot=40_000, seed=1)
    f = stats.bootstrap((x,), np.mean, method=theirs, n_resamples=40_000, rng=np.random.default_rng(2))
    spread = f.standard_error
    # an end of 40,000 resamples has a standard error of about 0.012 spreads; 8 of the difference's
    assert e.low == pytest.approx(f.confidence_interval.low, abs=0.14 * spread)
    assert e.high == pytest.approx(f.confidence_interval.high, abs=0.14 * spread)


def test_bca_of_two_samples_agrees_with_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.lognormal(size=30), rng.lognormal(size=30)

    def statistic(x, y, axis=-1):
        return x.mean(axis=axis) / y.mean(axis=axis)

    for paired in (True, False):
        e = bootstrap((a, b), statistic, method="bca", n_boot=20_000, paired=paired)
        f = stats.bootstrap(
            (a, b), statistic, paired=paired, method="BCa", n_resamples=20_000, rng=np.random.default_rng(0)
        )
        assert e.low == pytest.approx(f.confidence_interval.low, abs=0.2 * f.standard_error)
        assert e.high == pytest.approx(f.confidence_interval.high, abs=0.2 * f.standard_error)


def test_expanded_percentile_covers_with_few_samples_where_the_plain_one_does_not():
    rng = np.random.default_rng(4)
    trials = 1500
    x = rng.normal(size=(trials, 6))
    hits = {True: 0, False: 0}
    for row in x:
        for expand in hits:
            e = bootstrap(row, np.mean, expand=expand, n_boot=800)
            hits[expand] += e.low <= 0 <= e.high
    # plain: about 0.87 for six Gaussian samples. A margin of 5 standard errors (0.028) on either side.
    assert hits[True] / trials > 0.95 - 0.028
    assert hits[False] / trials < 0.90


def test_bca_covers_a_skewed_statistic():
    rng = np.random.default_rng(5)
    trials = 800
    hits = 0
    for row in rng.exponential(size=(trials, 40)):
        e = bootstrap(row, np.mean, method="bca", n_boot=1000)
        hits += e.low <= 1 <= e.high
    # known to undercover slightly (about 0.935 at n = 40); five standard errors below
    assert hits / trials > 0.935 - 5 * np.sqrt(0.06 * 0.94 / trials)


def test_vectorised_and_looped_statistics_agree():
    x = np.random.default_rng(6).normal(size=(15, 3))
    a = bootstrap(x, np.median, n_boot=300, seed=7)
    b = bootstrap(x, lambda rows: np.median(rows, axis=0), n_boot=300, seed=7)
    assert a.value == b.value
    assert a.low == b.low
    assert a.high == b.high
    assert len(a.value) == 3


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis(axis):
    x = np.random.default_rng(8).normal(size=(4, 9))
    rows = np.moveaxis(x, axis, 0)
    a = bootstrap(x, np.mean, axis=axis, n_boot=200)
    b = bootstrap(rows, np.mean, axis=0, n_boot=200)
    assert np.allclose(a.low, b.low)
    looped = bootstrap(x, lambda s: s.mean(axis=axis), axis=axis, n_boot=200)
    assert np.allclose(looped.high, b.high)


def test_large_samples_go_in_parts_with_the_same_result(monkeypatch):
    x = np.random.default_rng(9).normal(size=50)
    whole = bootstrap(x, np.mean, n_boot=500)
    monkeypatch.setattr("reprise.statistics.resampling._ELEMENTS", 500)
    assert bootstrap(x, np.mean, n_boot=500) == whole


def test_pseudo_values_average_to_the_statistic_and_give_its_standard_error():
    x = np.random.default_rng(10).normal(size=25)
    e = bootstrap(x, np.mean)
    assert np.allclose(e.samples, x)
    a, b = np.random.default_rng(11).lognormal(size=(2, 400))
    e = bootstrap((a, b), ratio, n_boot=2000)
    error = np.std(e.samples, ddof=1) / 20
    assert (e.high - e.low) / (2 * 1.96) == pytest.approx(error, rel=0.15)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_same_seed_same_interval(seed):
    x = np.arange(8.0)
    assert bootstrap(x, np.mean, n_boot=100, seed=seed) == bootstrap(x, np.mean, n_boot=100, seed=seed)


def test_unpaired_samples_of_unequal_length():
    rng = np.random.default_rng(12)
    a, b = rng.normal(size=20), rng.normal(size=33)
    e = bootstrap((a, b), lambda x, y: x.mean() - y.mean(), paired=False, n_boot=4000)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert e.low == pytest.approx(welch.low, abs=0.15)
    assert e.n == 20
    with pytest.raises(StatisticsError, match="one length"):
        bootstrap((a, b), ratio)


def test_constant_samples_have_a_point_interval():
    for method in ("percentile", "bca"):
        e = bootstrap(np.full(10, 3.0), np.mean, method=method)
        assert (e.low, e.value, e.high) == (3.0, 3.0, 3.0)


def test_percentile_tail_tends_to_the_nominal_one():
    tails = [percentile_tail(n, 0.95) for n in (5, 10, 100, 10**6)]
    assert all(np.diff(tails) > 0)
    assert tails[-1] == pytest.approx(0.025, rel=1e-4)


def test_errors():
    x = np.arange(5.0)
    with pytest.raises(StatisticsError, match="method"):
        bootstrap(x, np.mean, method="magic")
    with pytest.raises(StatisticsError, match="n_boot"):
        bootstrap(x, np.mean, n_boot=10)
    with pytest.raises(StatisticsError, match="not finite on at least one resample"):
        bootstrap(x, lambda s: np.nan)
    with pytest.raises(StatisticsError, match="number or a vector"):
        bootstrap(np.ones((5, 2, 2)), np.mean)
    with pytest.raises(StatisticsError, match="not finite"):
        bootstrap([1.0, np.nan], np.mean)


def test_bootstrap_mean_is_close_to_t():
    x = np.random.default_rng(13).normal(size=60)
    a, b = mean(x), mean(x, method="bootstrap", n_boot=20_000)
    assert a.low == pytest.approx(b.low, abs=0.03)
    assert a.value == b.value
