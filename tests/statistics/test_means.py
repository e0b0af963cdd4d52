import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reprise.statistics import StatisticsError, mean, paired_difference, prediction_interval

ARRAYS = hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e3, 1e3))


def test_t_interval_is_that_of_scipy():
    x = np.random.default_rng(0).normal(size=12)
    found = mean(x, level=0.9)
    low, high = stats.t.interval(0.9, 11, loc=x.mean(), scale=stats.sem(x))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.samples == tuple(x)
    assert found.n == 12


def test_paired_difference_is_the_one_sample_interval_of_differences():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 15))
    found = paired_difference(a, b)
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


@pytest.mark.parametrize("future", [1, 5])
def test_prediction_interval_covers_the_next_mean(future):
    rng = np.random.default_rng(2)
    trials, n = 4000, 6
    hits = 0
    for _ in range(trials):
        e = prediction_interval(rng.normal(size=n), future=future)
        hits += e.low <= rng.normal(size=future).mean() <= e.high
    # exact for Gaussian samples: binomial with p = 0.95; six standard errors (false alarm 2e-9)
    assert abs(hits / trials - 0.95) < 6 * np.sqrt(0.95 * 0.05 / trials)


def test_prediction_interval_half_width():
    x = np.array([1.0, 2.0, 4.0])
    e = prediction_interval(x, 0.95)
    half = stats.t.ppf(0.975, 2) * x.std(ddof=1) * np.sqrt(1 + 1 / 3)
    assert e.high - e.value == pytest.approx(half, rel=1e-12)


def test_numeric_floor():
    assert prediction_interval([2.0, 2.0], relative=1e-3).high == pytest.approx(2.002)
    assert prediction_interval([2.0], absolute=0.5).low == 1.5
    wide = prediction_interval([1.0, 3.0], absolute=1e-9)
    assert wide.high - wide.value > 1.0
    with pytest.raises(StatisticsError, match="positive floor"):
        prediction_interval([2.0])
    with pytest.raises(StatisticsError, match="floors"):
        prediction_interval([2.0, 3.0], absolute=-1.0)
    with pytest.raises(StatisticsError, match="future"):
        prediction_interval([2.0, 3.0], future=0)


def test_coverage_of_the_t_interval():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 5))
    hits = sum(e.low <= 0 <= e.high for e in map(mean, x))
    assert abs(hits / 4000 - 0.95) < 6 * np.sqrt(0.95 * 0.05 / 4000)


@given(ARRAYS, st.floats(-10, 10), st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_equivariance(x, shift, scale):
    e, f = mean(x), mean(scale * x + shift)
    bound = 1e-9 * (1 + np.abs(x).max()) * 20
    assert f.value == pytest.approx(scale * e.value + shift, abs=bound)
    assert f.low == pytest.approx(scale * e.low + shift, abs=bound)
    assert f.high == pytest.approx(scale * e.high + shift, abs=bound)


@given(ARRAYS, st.randoms())
@settings(max_examples=50, deadline=None)
def test_order_of_seeds_does_not_matter(x, random):
    y = x.copy()
    random.shuffle(y)
    assert mean(x).low == pytest.approx(mean(y).low, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], "at least 2 are needed, there are 1"),
        ([1.0, np.nan, np.inf], r"2 of 3 values are not finite \(the first at index 1\)"),
        ([[1.0, 2.0]], "dimension"),
        (["a", "b"], "not an array of real numbers"),
        ([], "at least 2"),
    ],
)
def test_bad_samples(values, message):
    with pytest.raises(StatisticsError, match=message):
        mean(values)


def test_bad_options():
    with pytest.raises(StatisticsError, match="level"):
        mean([1.0, 2.0], level=1.5)
    with pytest.raises(StatisticsError, match="method"):
        mean([1.0, 2.0], method="z")
    with pytest.raises(StatisticsError, match="pairs"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])


def test_jax_arrays_are_read():
    import jax.numpy as jnp

    assert mean(jnp.array([1.0, 3.0])).value == 2.0
