"""The rule that decides everything: tested at its edges, and by properties over random intervals."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reprise.compendium.criteria import AtLeast, AtMost, Criterion, Equals, Ordered, Outcome, Within
from reprise.compendium.verdicts import Verdict, judge_check, judge_claim
from reprise.estimate import Estimate

MET, VIOLATED, UNDECIDED = Outcome.MET, Outcome.VIOLATED, Outcome.UNDECIDED
UP = math.nextafter


def interval(low: float, high: float) -> Estimate:
    return Estimate(low / 2 + high / 2, low, high, n=5)


EDGES = [
    (Within(low=1, high=2), (1.0, 2.0), MET),
    (Within(low=1, high=2), (1.5, 1.5), MET),
    (Within(low=1, high=2), (UP(1.0, 0), 2.0), UNDECIDED),
    (Within(low=1, high=2), (1.0, UP(2.0, 3)), UNDECIDED),
    (Within(low=1, high=2), (0.0, 1.0), UNDECIDED),
    (Within(low=1, high=2), (0.0, UP(1.0, 0)), VIOLATED),
    (Within(low=1, high=2), (UP(2.0, 3), 5.0), VIOLATED),
    (Within(low=1, high=2), (0.0, 3.0), UNDECIDED),
    (Within(low=1, high=1), (1.0, 1.0), MET),
    (AtLeast(value=1), (1.0, 9.0), MET),
    (AtLeast(value=1), (UP(1.0, 0), 9.0), UNDECIDED),
    (AtLeast(value=1), (0.0, 1.0), UNDECIDED),
    (AtLeast(value=1), (0.0, UP(1.0, 0)), VIOLATED),
    (AtMost(value=1), (-9.0, 1.0), MET),
    (AtMost(value=1), (-9.0, UP(1.0, 2)), UNDECIDED),
    (AtMost(value=1), (1.0, 2.0), UNDECIDED),
    (AtMost(value=1), (UP(1.0, 2), 2.0), VIOLATED),
    (Equals(value=4, rtol=0.25), (3.0, 5.0), MET),
    (Equals(value=4, rtol=0.25), (3.0, UP(5.0, 6)), UNDECIDED),
    (Equals(value=4, rtol=0.25), (UP(5.0, 6), 6.0), VIOLATED),
    (Equals(value=0, atol=0.5), (-0.5, 0.5), MET),
    (Equals(value=-4, rtol=0.25), (-5.0, -3.0), MET),
]


@pytest.mark.parametrize(("criterion", "ends", "outcome"), EDGES)
def test_edges(criterion: Criterion, ends: tuple[float, float], outcome: Outcome) -> None:
    assert criterion.judge(interval(*ends)) is outcome


@pytest.mark.parametrize(
    "criterion", [Within(low=-9, high=9), AtLeast(value=-9), AtMost(value=9), Equals(value=0, atol=9)]
)
@pytest.mark.parametrize(
    "parts",
    [
        *((bad, -1.0, 1.0) for bad in (math.nan, math.inf, -math.inf)),
        *((0.0, bad, 1.0) for bad in (math.nan, -math.inf)),
        *((0.0, -1.0, bad) for bad in (math.nan, math.inf)),
        (math.inf, math.inf, math.inf),
    ],
)
def test_nan_and_infinity_never_pass_nor_refute(criterion: Criterion, parts: tuple[float, float, float]) -> None:
    assert criterion.judge(Estimate(*parts, n=3)) is UNDECIDED


def ordered(*pairs: tuple[float, float]) -> Estimate:
    low, high = zip(*pairs, strict=True)
    return Estimate(tuple((a + b) / 2 for a, b in pairs), low, high, n=5)


@pytest.mark.parametrize(
    ("direction", "pairs", "outcome"),
    [
        ("increasing", [(0, 1), (2, 3), (4, 5)], MET),
        ("increasing", [(0, 1), (1, 3)], UNDECIDED),
        ("increasing", [(0, 2), (1, 3)], UNDECIDED),
        ("increasing", [(2, 3), (0, 1)], VIOLATED),
        ("increasing", [(0, 1), (2, 3), (0, 1)], VIOLATED),
        ("increasing", [(2, 3), (0, 2)], UNDECIDED),
        ("decreasing", [(4, 5), (2, 3), (0, 1)], MET),
        ("decreasing", [(0, 1), (2, 3)], VIOLATED),
        ("decreasing", [(4, 5), (2, 4)], UNDECIDED),
        ("increasing", [(0, 1)], UNDECIDED),
    ],
)
def test_order(direction: str, pairs: list[tuple[float, float]], outcome: Outcome) -> None:
    criterion = TypeAdapter(Criterion).validate_python({"kind": "ordered", "direction": direction})
    assert criterion.judge(ordered(*pairs)) is outcome


def test_an_empty_sequence_has_no_order() -> None:
    assert Ordered(direction="increasing").judge(Estimate((), (), (), n=1)) is UNDECIDED


def test_a_nan_in_a_sequence_is_undecided() -> None:
    estimate = Estimate((0.0, math.nan), (0.0, math.nan), (0.0, math.nan), n=3)
    assert Ordered(direction="increasing").judge(estimate) is UNDECIDED


def test_scalar_and_sequence_criteria_do_not_mix() -> None:
    with pytest.raises(TypeError, match="judges a single value"):
        AtMost(value=1).judge(ordered((0, 1), (2, 3)))
    with pytest.raises(TypeError, match="judges a sequence"):
        Ordered(direction="increasing").judge(interval(0, 1))


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "within", "low": 2, "high": 1},
        {"kind": "within", "low": 0},
        {"kind": "within", "low": 0, "high": math.inf},
        {"kind": "at_most", "value": math.nan},
        {"kind": "at_most", "value": 1, "strict": True},
        {"kind": "equals", "value": 0, "rtol": 0.1},
        {"kind": "equals", "value": 1, "rtol": -0.1},
        {"kind": "equals", "value": 1},
        {"kind": "ordered", "direction": "sideways"},
        {"kind": "nearly", "value": 1},
    ],
)
def test_meaningless_criteria_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Criterion).validate_python(data)


# Few distinct numbers, so that ends meet often; halves and tiny steps keep both sides of each edge in play.
numbers = st.integers(-6, 6).map(lambda i: i / 2) | st.floats(-3, 3)
intervals = st.tuples(numbers, numbers).map(lambda ends: interval(min(ends), max(ends)))
pairs = st.tuples(numbers, numbers).map(sorted)
criteria = st.one_of(
    pairs.map(lambda p: Within(low=p[0], high=p[1])),
    numbers.map(lambda v: AtLeast(value=v)),
    numbers.map(lambda v: AtMost(value=v)),
    st.tuples(numbers, st.floats(0.01, 3)).map(lambda p: Equals(value=p[0], atol=p[1])),
)
growth = st.tuples(st.floats(0, 3), st.floats(0, 3))


def widen(estimate: Estimate, by: tuple[float, float]) -> Estimate:
    assert isinstance(estimate.low, float)
    assert isinstance(estimate.high, float)
    return Estimate(estimate.value, estimate.low - by[0], estimate.high + by[1], n=estimate.n)


@given(criteria, intervals, intervals, growth, growth)
def test_widening_never_turns_anything_into_reproduced(
    criterion: Criterion, measured: Estimate, control: Estimate, by: tuple[float, float], more: tuple[float, float]
) -> None:
    if judge_check(criterion, measured, control) is not Verdict.REPRODUCED:
        assert judge_check(criterion, widen(measured, by), widen(control, more)) is not Verdict.REPRODUCED


@given(criteria, intervals, intervals, growth, growth)
def test_widening_never_turns_anything_into_not_reproduced(
    criterion: Criterion, measured: Estimate, control: Estimate, by: tuple[float, float], more: tuple[float, float]
) -> None:
    if judge_check(criterion, measured, control) is not Verdict.NOT_REPRODUCED:
        assert judge_check(criterion, widen(measured, by), widen(control, more)) is not Verdict.NOT_REPRODUCED


@given(criteria, intervals, intervals)
def test_swapping_measured_and_control_never_stays_reproduced(
    criterion: Criterion, measured: Estimate, control: Estimate
) -> None:
    if judge_check(criterion, measured, control) is Verdict.REPRODUCED:
        assert judge_check(criterion, control, measured) is Verdict.UNPROVEN


@given(criteria, intervals)
def test_a_control_equal_to_the_measurement_never_proves_anything(criterion: Criterion, measured: Estimate) -> None:
    assert judge_check(criterion, measured, measured) in (
        Verdict.UNPROVEN,
        Verdict.INCONCLUSIVE,
        Verdict.NOT_REPRODUCED,
    )


@given(criteria, criteria, intervals, intervals)
def test_a_weaker_criterion_never_gives_reproduced(
    criterion: Criterion, weaker: Criterion, measured: Estimate, control: Estimate
) -> None:
    with_weaker = judge_check(criterion, measured, control, weaker)
    without = judge_check(criterion, measured, control)
    assert (with_weaker is Verdict.REPRODUCED) == (without is Verdict.REPRODUCED)
    assert with_weaker in (without, Verdict.PARTLY)


def test_the_control_decides_first() -> None:
    low = AtMost(value=0)
    good, bad, unsure = interval(-2, -1), interval(1, 2), interval(-1, 1)
    assert judge_check(low, good, bad) is Verdict.REPRODUCED
    assert judge_check(low, good, good) is Verdict.UNPROVEN
    assert judge_check(low, bad, good) is Verdict.UNPROVEN
    assert judge_check(low, good, unsure) is Verdict.INCONCLUSIVE
    assert judge_check(low, bad, unsure) is Verdict.INCONCLUSIVE
    assert judge_check(low, bad, bad) is Verdict.NOT_REPRODUCED
    assert judge_check(low, unsure, bad) is Verdict.INCONCLUSIVE


def test_partly_needs_a_control_that_fails_the_weaker_criterion_too() -> None:
    strict, weaker = Within(low=-0.6, high=-0.4), AtMost(value=0)
    measured = interval(-1.1, -0.9)
    assert judge_check(strict, measured, interval(0.1, 0.2), weaker) is Verdict.PARTLY
    assert judge_check(strict, measured, interval(-0.2, -0.1), weaker) is Verdict.NOT_REPRODUCED
    assert judge_check(strict, measured, interval(-0.1, 0.1), weaker) is Verdict.NOT_REPRODUCED


V = Verdict


@pytest.mark.parametrize(
    ("checks", "claim"),
    [
        ([], V.NOT_RUN),
        ([V.NOT_RUN, V.NOT_RUN], V.NOT_RUN),
        ([V.REPRODUCED, V.REPRODUCED], V.REPRODUCED),
        ([V.REPRODUCED, V.NOT_RUN], V.PARTLY),
        ([V.REPRODUCED, V.INCONCLUSIVE], V.PARTLY),
        ([V.REPRODUCED, V.NOT_REPRODUCED], V.PARTLY),
        ([V.PARTLY], V.PARTLY),
        ([V.NOT_REPRODUCED, V.INCONCLUSIVE], V.NOT_REPRODUCED),
        ([V.INCONCLUSIVE, V.NOT_RUN], V.INCONCLUSIVE),
        ([V.REPRODUCED, V.UNPROVEN], V.UNPROVEN),
        ([V.UNPROVEN, V.NOT_REPRODUCED], V.UNPROVEN),
    ],
)
def test_claim(checks: list[Verdict], claim: Verdict) -> None:
    assert judge_claim(checks) is claim


@given(st.lists(st.sampled_from(list(Verdict)), max_size=5))
def test_the_order_of_checks_does_not_matter_and_reproduced_needs_all(checks: list[Verdict]) -> None:
    verdict = judge_claim(checks)
    assert all(judge_claim(list(p)) is verdict for p in itertools.permutations(checks))
    assert (verdict is Verdict.REPRODUCED) == (bool(checks) and set(checks) == {Verdict.REPRODUCED})
