"""Simultaneous intervals of steps, sequences judged by their order, deviations of means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reprise.compendium.criteria import AtMost, Ordered, Outcome
from reprise.estimate import Estimate
from reprise.statistics import (
    StatisticsError,
    differences,
    monotone_differences,
    order,
    relative_deviation,
    sequence,
    simultaneous,
)


@pytest.mark.parametrize("method", ["bonferroni", "max-t"])
@pytest.mark.parametrize("correlated", [False, True])
def test_simultaneous_coverage(method, correlated):
    rng = np.random.default_rng(0)
    trials = 400
    hits = 0
    for _ in range(trials):
        x = rng.normal(size=(20, 6)) + (3 * rng.normal(size=(20, 1)) if correlated else 0)
        centre, half = simultaneous(x, method=method)
        hits += bool(np.all(np.abs(centre) <= half))
    assert hits / trials > 0.95 - 4.5 * np.sqrt(0.05 * 0.95 / trials)


def test_max_t_is_narrower_for_correlated_columns():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 8)) * 0.1 + rng.normal(size=(30, 1))
    assert simultaneous(x, method="max-t")[1].sum() < 0.85 * simultaneous(x)[1].sum()


def test_bonferroni_is_exact_for_one_column():
    x = np.random.default_rng(2).normal(size=(9, 1))
    centre, half = simultaneous(x)
    low, _ = stats.t.interval(0.95, 8, loc=x.mean(), scale=stats.sem(x[:, 0]))
    assert centre[0] - half[0] == pytest.approx(low)


def test_largest_step_is_covered():
    rng = np.random.default_rng(3)
    means = np.array([3.0, 2.0, 1.8, 1.0])  # largest step: -0.2
    trials = 1000
    hits = 0
    for _ in range(trials):
        e = monotone_differences(means + rng.normal(size=(10, 1)) + 0.3 * rng.normal(size=(10, 4)))
        hits += e.low <= -0.2 <= e.high
    assert hits / trials > 0.95 - 5 * np.sqrt(0.05 * 0.95 / trials)


def test_decreasing_curves_pass_and_others_do_not():
    rng = np.random.default_rng(4)
    falling = np.array([3.0, 2.0, 1.0]) + 0.1 * rng.normal(size=(20, 3))
    peak = np.array([1.0, 2.0, 0.5]) + 0.1 * rng.normal(size=(20, 3))
    criterion = AtMost(value=0.0)
    assert criterion.judge(monotone_differences(falling)) is Outcome.MET
    assert criterion.judge(monotone_differences(peak)) is Outcome.VIOLATED
    assert criterion.judge(monotone_differences(-falling, direction="increasing")) is Outcome.MET
    assert criterion.judge(monotone_differences(0.1 * rng.normal(size=(20, 3)))) is Outcome.UNDECIDED


def test_steps():
    x = np.array([[3.0, 2.0, 1.0], [4.0, 2.5, 1.5], [3.5, 2.5, 1.0]])
    e = differences(x)
    assert e.value == pytest.approx(tuple(np.diff(x.mean(0))))
    half = stats.t.ppf(1 - 0.05 / 4, 2) * np.diff(x, axis=1).std(axis=0, ddof=1) / np.sqrt(3)
    assert np.allclose(np.subtract(e.high, e.value), half)


def test_paired_order_sees_what_unpaired_cannot():
    rng = np.random.default_rng(5)
    x = np.array([1.0, 1.5, 2.0]) + 2 * rng.normal(size=(15, 1)) + 0.1 * rng.normal(size=(15, 3))
    criterion = Ordered(direction="increasing")
    assert criterion.judge(order(x)) is Outcome.UNDECIDED
    assert criterion.judge(order(x, paired=True)) is Outcome.MET
    assert Ordered(direction="decreasing").judge(order(x, paired=True)) is Outcome.VIOLATED


@pytest.mark.parametrize("paired", [False, True])
def test_order_seldom_errs_on_equal_means(paired):
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(600):
        e = order(rng.normal(size=(8, 4)) + rng.normal(size=(8, 1)), paired=paired)
        wrong += Ordered(direction="increasing").judge(e) is not Outcome.UNDECIDED
    assert wrong / 600 < 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / 600)


@given(st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_equivariance(scale, shift):
    x = np.random.default_rng(7).normal(size=(6, 3))
    a, b = order(x, paired=True), order(scale * x + shift, paired=True)
    assert np.allclose(np.multiply(a.low, scale) + shift, b.low)


def test_errors():
    with pytest.raises(StatisticsError, match="two columns"):
        order([[1.0], [2.0]])
    with pytest.raises(StatisticsError, match="direction"):
        monotone_differences([[1.0, 2.0], [1.0, 2.0]], direction="down")
    with pytest.raises(StatisticsError, match="method"):
        order([[1.0, 2.0], [1.0, 2.0]], method="magic")
    assert simultaneous(np.ones((4, 2)), method="max-t")[1].tolist() == [0.0, 0.0]


def test_relative_deviation_is_unbiased_and_covers():
    rng = np.random.default_rng(8)
    target = np.ones((3, 3))
    for offset in (0.0, 0.5):
        hits, squares = 0, []
        for _ in range(500):
            x = target + offset + rng.normal(size=(15, 3, 3))
            e = relative_deviation(x, target)
            hits += e.low <= offset <= e.high
            squares.append(e.value**2)
        assert hits / 500 > 0.93 - 4.5 * np.sqrt(0.05 * 0.95 / 500)
        if offset:
            assert np.mean(squares) == pytest.approx(offset**2, rel=0.05)
    plug_in = np.linalg.norm((target + rng.normal(size=(15, 3, 3))).mean(0) - target) / 3
    assert plug_in > 0.1  # what the correction takes out


def test_relative_deviation_errors():
    with pytest.raises(StatisticsError, match="shape"):
        relative_deviation(np.ones((5, 2)), np.ones(3))
    with pytest.raises(StatisticsError, match="not all of them zero"):
        relative_deviation(np.ones((5, 2)), np.zeros(2))


def test_sequence():
    parts = [Estimate(float(v), v - 0.1, v + 0.1, n=10 + v, level=0.99) for v in range(3)]
    e = sequence(parts)
    assert (e.value, e.n) == ((0.0, 1.0, 2.0), 10)
    assert e.level == pytest.approx(0.97)
    assert Ordered(direction="increasing").judge(e) is Outcome.MET
    with pytest.raises(StatisticsError, match="at least two"):
        sequence(parts[:1])
    with pytest.raises(StatisticsError, match="scalar"):
        sequence([e, e])
    with pytest.raises(StatisticsError, match=r"ask each for 0\.9975"):
        sequence([Estimate(0.0, 0.0, 0.0, n=1)] * 20)
