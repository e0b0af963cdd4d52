"""What a measured interval must satisfy: five typed criteria and the one rule by which all are judged.

A criterion is *met* if the whole interval satisfies it, *violated* if the whole interval contradicts it, and
*undecided* otherwise. NaN and infinity are always undecided: a diverged run neither supports nor refutes.
"""

from __future__ import annotations

import math
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reprise.estimate import Estimate


class Outcome(StrEnum):
    """How an interval stands to a criterion."""

    MET = "met"
    VIOLATED = "violated"
    UNDECIDED = "undecided"


class _Criterion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def judge(self, estimate: Estimate) -> Outcome:
        """Judge an estimate.

        Raises:
            TypeError: a sequence where one number is needed, or the reverse.
        """
        if isinstance(estimate.value, tuple) is not isinstance(self, Ordered):
            wanted = "a sequence of values" if isinstance(self, Ordered) else "a single value"
            raise TypeError(f"criterion '{self}' judges {wanted}, got {estimate!r}")
        return self._judge(estimate) if estimate.finite else Outcome.UNDECIDED

    def _judge(self, estimate: Estimate) -> Outcome:
        low, high = _scalar(estimate.low), _scalar(estimate.high)
        lowest, highest = self.range()
        if lowest <= low and high <= highest:
            return Outcome.MET
        if high < lowest or low > highest:
            return Outcome.VIOLATED
        return Outcome.UNDECIDED

    def range(self) -> tuple[float, float]:
        """The closed range that satisfies the criterion, for those that have one."""
        raise TypeError(f"criterion '{self}' has no range")


class Within(_Criterion):
    """The quantity lies in the closed range [low, high]."""

    kind: Literal["within"] = "within"
    low: float
    high: float

    @model_validator(mode="after")
    def _not_reversed(self) -> Within:
        if self.low > self.high:
            raise ValueError(f"reversed range: low {self.low} is above high {self.high}")
        return self

    def range(self) -> tuple[float, float]:
        """The accepted range."""
        return self.low, self.high

    def __str__(self) -> str:
        return f"in [{self.low:g}, {self.high:g}]"


class AtLeast(_Criterion):
    """The quantity is at least ``value``."""

    kind: Literal["at_least"] = "at_least"
    value: float

    def range(self) -> tuple[float, float]:
        """The accepted range."""
        return self.value, math.inf

    def __str__(self) -> str:
        return f"≥ {self.value:g}"


class AtMost(_Criterion):
    """The quantity is at most ``value``."""

    kind: Literal["at_most"] = "at_most"
    value: float

    def range(self) -> tuple[float, float]:
        """The accepted range."""
        return -math.inf, self.value

    def __str__(self) -> str:
        return f"≤ {self.value:g}"


class Equals(_Criterion):
    """The quantity equals ``value`` to within ``max(atol, rtol·|value|)``; at least one tolerance is positive."""

    kind: Literal["equals"] = "equals"
    value: float
    rtol: float = Field(default=0.0, ge=0)
    atol: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _tolerant(self) -> Equals:
        if self.tolerance <= 0:
            raise ValueError("equals needs a positive tolerance: rtol (with a value other than 0) or atol")
        return self

    @property
    def tolerance(self) -> float:
        """The half width of the accepted range."""
        return max(self.atol, self.rtol * abs(self.value))

    def range(self) -> tuple[float, float]:
        """The accepted range."""
        return self.value - self.tolerance, self.value + self.tolerance

    def __str__(self) -> str:
        return f"= {self.value:g} ± {self.tolerance:.2g}"


class Ordered(_Criterion):
    """A sequence is strictly increasing or decreasing, each step beyond doubt.

    Met if every neighbouring pair of intervals is disjoint in the right order; violated if at least one pair is
    disjoint in the wrong order.
    """

    kind: Literal["ordered"] = "ordered"
    direction: Literal["increasing", "decreasing"]

    def _judge(self, estimate: Estimate) -> Outcome:
        low, high = _sequence(estimate.low), _sequence(estimate.high)
        if len(low) < 2:
            return Outcome.UNDECIDED
        if self.direction == "decreasing":
            low, high = tuple(-h for h in high), tuple(-lo for lo in low)
        ends = list(zip(low, high, strict=True))
        if all(first[1] < second[0] for first, second in pairwise(ends)):
            return Outcome.MET
        if any(first[0] > second[1] for first, second in pairwise(ends)):
            return Outcome.VIOLATED
        return Outcome.UNDECIDED

    def __str__(self) -> str:
        return f"strictly {self.direction}"


Criterion = Annotated[Within | AtLeast | AtMost | Equals | Ordered, Field(discriminator="kind")]


def _scalar(value: Any) -> float:
    return float(value)


def _sequence(value: Any) -> tuple[float, ...]:
    return tuple(value)
