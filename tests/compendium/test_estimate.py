from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.estimate import Estimate

anything = st.floats(allow_nan=True, allow_infinity=True)


def test_arrays_and_numpy_scalars_become_plain_floats() -> None:
    estimate = Estimate(np.float32(0.5), np.array(0.25), np.int64(1), n=np.int64(3), samples=np.array([0.25, 1.0]))
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.25, 1.0)
    assert estimate.samples == (0.25, 1.0)
    assert type(estimate.n) is int


def test_a_reversed_interval_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match=r"reversed interval: low 2\.0 is above high 1\.0"):
        Estimate(1.5, 2.0, 1.0, n=3)


def test_one_reversed_pair_of_a_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="reversed interval"):
        Estimate((1.0, 2.0), (0.0, 3.0), (2.0, 2.5), n=3)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Estimate((1.0, 2.0), 0.0, 3.0, n=3)


@pytest.mark.parametrize("n", [0, -1])
def test_no_samples_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Estimate(0.0, 0.0, 0.0, n=n)


@pytest.mark.parametrize("level", [0.0, -0.1, 1.1, math.nan])
def test_level_must_be_a_coverage(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        Estimate(0.0, 0.0, 0.0, n=1, level=level)


@pytest.mark.parametrize("value", ["0.5", None, True, b"1"])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        Estimate(value, 0.0, 1.0, n=1)  # type: ignore[arg-type]


def test_exact_and_bound() -> None:
    assert Estimate.exact(1.0, 0.5) == Estimate(1.0, 0.5, 1.5, n=1, level=1.0, method="exact")
    assert Estimate.exact([1.0, 2.0]).high == (1.0, 2.0)
    assert Estimate.bound(2.0, 4.0).value == 3.0
    with pytest.raises(ValueError, match="non-negative"):
        Estimate.exact(1.0, -0.1)
    with pytest.raises(ValueError, match="non-negative"):
        Estimate.exact(1.0, math.nan)


def test_nan_in_any_part_is_not_finite() -> None:
    assert Estimate(0.0, 0.0, 0.0, n=1).finite
    for parts in [(math.nan, 0.0, 1.0), (0.0, -math.inf, 1.0), (0.0, 0.0, math.inf)]:
        assert not Estimate(*parts, n=1).finite


@given(value=anything, ends=st.tuples(anything, anything), samples=st.lists(anything, max_size=4))
def test_json_round_trip_is_valid_json_and_keeps_every_number(
    value: float, ends: tuple[float, float], samples: list[float]
) -> None:
    low, high = sorted(ends) if not any(map(math.isnan, ends)) else ends
    estimate = Estimate(value, low, high, n=2, samples=tuple(samples))
    text = json.dumps(estimate.to_json(), allow_nan=False)
    assert repr(Estimate.from_json(json.loads(text)).to_json()) == repr(estimate.to_json())
