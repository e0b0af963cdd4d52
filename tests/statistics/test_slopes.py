import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprise.statistics import StatisticsError, fitted_slope, linear_slope, slope

WIDTHS = np.array([32, 64, 128, 256, 512, 1024, 2048])


def errors(rng, seeds, exponent=-0.5, sigma=0.4):
    return WIDTHS**exponent * rng.lognormal(-0.5 * sigma**2, sigma, size=(seeds, WIDTHS.size))


@pytest.mark.parametrize(("method", "usual"), [("bootstrap", 0.942), ("t", 0.944), ("bca", 0.914)])
def test_coverage_of_the_exponent(method, usual):
    rng = np.random.default_rng(0)
    trials = 600
    hits = 0
    for _ in range(trials):
        e = slope(WIDTHS, errors(rng, 20), method=method, n_boot=600)
        hits += e.low <= -0.5 <= e.high
    # measured once over 3,000 data sets; now 4.5 standard errors below (false alarm 3e-6)
    assert hits / trials > usual - 4.5 * np.sqrt(0.06 * 0.94 / trials)


def test_fits_the_mean_and_not_the_mean_of_exponents():
    x = np.array([1.0, 10.0])
    samples = np.array([[1.0, 0.1], [3.0, 0.1]])
    assert slope(x, samples).value == pytest.approx(np.log10(0.1 / 2.0))


def test_other_statistics():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, WIDTHS.size)) * WIDTHS**-0.5
    e = slope(WIDTHS, x, statistic=np.std)
    assert e.low < -0.5 < e.high
    assert "std" in e.method
    unbiased = slope(WIDTHS, x, statistic=functools.partial(np.std, ddof=1))
    assert unbiased.value == pytest.approx(e.value)
    with pytest.raises(StatisticsError, match="for the mean"):
        slope(WIDTHS, x, statistic=np.std, method="t")


@given(st.floats(-2, 2), st.floats(0.01, 100), st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_exact_power_laws_and_equivariance(exponent, scale, stretch):
    y = scale * np.tile(WIDTHS**exponent, (4, 1))
    e = slope(stretch * WIDTHS, y, n_boot=100)
    assert e.value == pytest.approx(exponent, abs=1e-9)
    assert e.high - e.low < 1e-9


def test_permuting_seeds_or_columns_changes_nothing():
    rng = np.random.default_rng(2)
    y = errors(rng, 12)
    rows, cols = rng.permutation(12), rng.permutation(WIDTHS.size)
    a, b, c = (
        slope(WIDTHS, y, method="t"),
        slope(WIDTHS, y[rows], method="t"),
        slope(WIDTHS[cols], y[:, cols], method="t"),
    )
    assert a.low == pytest.approx(b.low, rel=1e-12)
    assert a.low == pytest.approx(c.low, rel=1e-12)


def test_linear_slope():
    rng = np.random.default_rng(3)
    x = np.linspace(0, 1, 5)
    y = 2 * x + 1 + 0.1 * rng.normal(size=(30, 5))
    e = linear_slope(x, y)
    assert e.low < 2 < e.high
    assert e.value == pytest.approx(stats.linregress(x, y.mean(0)).slope)
    t = linear_slope(x, y, method="t")
    per_seed = [stats.linregress(x, row).slope for row in y]
    assert t.value == pytest.approx(np.mean(per_seed))
    assert t.high - t.value == pytest.approx(stats.t.ppf(0.975, 29) * stats.sem(per_seed), rel=1e-9)
    assert np.allclose(t.samples, per_seed)


def test_unequal_numbers_of_seeds():
    rng = np.random.default_rng(4)
    columns = [n**-0.5 * rng.lognormal(sigma=0.1, size=size) for n, size in zip(WIDTHS, range(8, 15), strict=True)]
    e = slope(WIDTHS, columns)
    assert e.low < -0.5 < e.high
    assert e.n == 8
    with pytest.raises(StatisticsError, match="'t' for seeds in rows"):
        slope(WIDTHS, columns, method="t")


def test_fitted_slope_is_that_of_scipy():
    rng = np.random.default_rng(5)
    x, y = WIDTHS, WIDTHS**1.5 * rng.lognormal(sigma=0.1, size=WIDTHS.size)
    e, f = fitted_slope(x, y), stats.linregress(np.log(x), np.log(y))
    half = stats.t.ppf(0.975, WIDTHS.size - 2) * f.stderr
    assert (e.value, e.low, e.high) == pytest.approx((f.slope, f.slope - half, f.slope + half), rel=1e-9)
    assert fitted_slope([0, 1, 2], [1.0, 3.0, 5.0], log=False).value == pytest.approx(2)


def test_samples_predict_another_slope():
    rng = np.random.default_rng(6)
    found = [slope(WIDTHS, errors(rng, 15), n_boot=100) for _ in range(300)]
    spread = np.std([e.value for e in found])
    told = np.mean([np.std(e.samples, ddof=1) for e in found]) / np.sqrt(15)
    assert told == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [[1.0, 0.0], [1.0, 0.0]], "positive values, the smallest is 0"),
        ([0, 2], [[1.0, 1.0], [1.0, 1.0]], "x: a log-log slope needs positive"),
        ([2, 2], [[1.0, 1.0], [1.0, 1.0]], "two different values"),
        ([1, 2, 3], [[1.0, 1.0], [1.0, 1.0]], "one column for each of the 3"),
        ([1, 2], [[1.0, 1.0]], "at least 2 are needed"),
        ([1, 2], [[1.0, np.nan], [1.0, 1.0]], "not finite"),
        ([1, 2], [1.0, 1.0], "dimension"),
    ],
)
def test_errors(x, y, message):
    with pytest.raises(StatisticsError, match=message):
        slope(x, y)


def test_bad_options():
    y = errors(np.random.default_rng(7), 5)
    with pytest.raises(StatisticsError, match="method"):
        slope(WIDTHS, y, method="magic")
    with pytest.raises(StatisticsError, match="one length"):
        fitted_slope([1, 2, 3], [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(StatisticsError, match="at least 3"):
        fitted_slope([1, 2], [1.0, 2.0])
