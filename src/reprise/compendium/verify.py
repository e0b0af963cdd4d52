"""Comparing a new run with the committed record: which numbers come out again, claim by claim and figure by figure.

A rerun with the same seeds on another machine should agree to rounding; one with other seeds should fall inside the
interval that the record's own spread predicts for a second measurement. The comparison uses the latter, with a floor
for numbers that have no spread, so that a change of platform is not called a failure. Two kinds of numbers are the
machine's own: a residual far below what its criterion allows is rounding, and a time (``timed`` in the card) depends on
the processor and on what else it does. The first is inside as long as it stays that small; the second is shown and asked
for nothing.
"""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scipy.special import ndtri, stdtrit

from reprise.compendium import cards
from reprise.compendium.records import Record
from reprise.estimate import Estimate, as_tuple

REL_FLOOR = 1e-4  # what pages show of a number: training in single precision carries rounding that far
ABS_FLOOR = 1e-12
RESIDUAL = 1e-4  # no statistic is held to less: what is judged by such a bound is a residual
ROUNDING = 0.1  # of what its criterion allows: a residual below that is rounding
LEVEL = 0.99


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured value beside the record's."""

    claim: str
    check: str
    recorded: tuple[float, ...]
    rerun: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    inside: bool
    verdict_recorded: str
    verdict_rerun: str
    timed: bool = False

    @property
    def agrees(self) -> bool:
        """Inside the prediction interval, with the same verdict; a time agrees with every other."""
        return self.timed or (self.inside and self.verdict_recorded == self.verdict_rerun)


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """The data of one figure beside the record's: identical, or the largest relative difference of a number."""

    figure: str
    identical: bool
    same_shape: bool
    largest_difference: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole comparison."""

    paper: str
    profile: str
    checks: list[Comparison] = field(default_factory=list)
    figures: list[FigureComparison] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether every check agrees and none is missing."""
        return not self.missing and all(check.agrees for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Plain data for a program."""
        return {**asdict(self), "agrees": self.agrees}


def compare(recorded: Record, rerun: Record) -> Report:
    """Compare every measured value and every figure's data of a rerun with the record."""
    report = Report(recorded.paper, recorded.profile)
    timed = {
        (claim.id, check.name) for claim in cards.find(recorded.paper).claims for check in claim.checks if check.timed
    }
    for claim, entry in recorded.checks():
        other = rerun.check(claim, entry["name"])
        if entry["measured"] is None:
            continue
        if other is None or other["measured"] is None:
            report.missing.append(f"{claim}, {entry['name']}")
            continue
        before, after = Estimate.from_json(entry["measured"]), Estimate.from_json(other["measured"])
        low, high = prediction(before, after.n, _allowed(entry["criterion"]))
        values = as_tuple(after.value)
        inside = len(values) == len(low) and all(
            a <= v <= b or (math.isnan(v) and math.isnan(a)) for a, v, b in zip(low, values, high, strict=True)
        )
        report.checks.append(
            Comparison(
                claim,
                entry["name"],
                as_tuple(before.value),
                values,
                low,
                high,
                inside,
                entry["verdict"],
                other["verdict"],
                (claim, entry["name"]) in timed,
            )
        )
    for figure in recorded.data["figures"]:
        report.figures.append(
            _compare_tables(figure["id"], recorded.figure(figure["id"], "csv"), rerun.figure(figure["id"], "csv"))
        )
    return report


def prediction(before: Estimate, n_after: int, allowed: float = 0.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where a second, independent measurement is expected with probability :data:`LEVEL`.

    If the value is the mean of the samples, the t prediction interval for the mean of ``n_after`` new ones,
    ``s·sqrt(1/n + 1/n_after)·t``. If it is the largest or smallest of them, where each of ``n_after`` new ones is expected.
    Otherwise the half width of the recorded interval (taken as normal) times ``sqrt 2``, since two measurements differ.
    Never narrower than the numeric floor, which is relative to the value or, if that is more, to what its criterion has
    ``allowed``. Of a residual, a size that is rounding may come out as any other that is.
    """
    rounding = ROUNDING * allowed if allowed <= RESIDUAL else 0.0
    lows, highs = [], []
    for value, low, high in zip(as_tuple(before.value), as_tuple(before.low), as_tuple(before.high), strict=True):
        floor = max(REL_FLOOR * max(abs(value), allowed), ABS_FLOOR)
        ends = [*_expected(before, value, low, high, n_after), value - floor, value + floor]
        if abs(value) <= rounding:
            ends += [-rounding, rounding]
        lows.append(min(ends))
        highs.append(max(ends))
    return tuple(lows), tuple(highs)


def _allowed(criterion: dict[str, Any]) -> float:
    """The size that a criterion allows, if it is one on the size of an error, else 0."""
    if criterion["kind"] == "at_most":
        return max(0.0, float(criterion["value"]))
    if criterion["kind"] == "equals" and criterion["value"] == 0:
        return float(criterion["atol"])
    return 0.0


def _expected(before: Estimate, value: float, low: float, high: float, n_after: int) -> tuple[float, float]:
    samples, new = before.samples, max(n_after, 1)
    n = len(samples)
    if n >= 3 and not isinstance(before.value, tuple):
        mean = math.fsum(samples) / n
        spread = math.sqrt(math.fsum((s - mean) ** 2 for s in samples) / (n - 1))
        if math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-15):
            half = float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * spread * math.sqrt(1 / n + 1 / new)
            return value - half, value + half
        if value in (min(samples), max(samples)):
            half = float(stdtrit(n - 1, 1 - 0.5 * (1 - LEVEL) / new)) * spread * math.sqrt(1 / n + 1)
            return mean - half, mean + half
    half = max(value - low, high - value)
    if before.level < 1.0:
        half *= math.sqrt(2) * float(ndtri(0.5 + LEVEL / 2) / ndtri(0.5 + before.level / 2))
    return value - half, value + half


def _compare_tables(figure: str, before: Path, after: Path) -> FigureComparison:
    try:
        first, second = before.read_text(encoding="utf-8"), after.read_text(encoding="utf-8")
    except OSError:
        return FigureComparison(figure, identical=False, same_shape=False, largest_difference=None)
    if first == second:
        return FigureComparison(figure, identical=True, same_shape=True, largest_difference=0.0)
    rows, others = list(csv.reader(first.splitlines())), list(csv.reader(second.splitlines()))
    if [len(r) for r in rows] != [len(r) for r in others] or rows[0] != others[0]:
        return FigureComparison(figure, identical=False, same_shape=False, largest_difference=None)
    largest = 0.0
    for row, other in zip(rows[1:], others[1:], strict=True):
        for a, b in zip(row, other, strict=True):
            largest = max(largest, _difference(a, b))
    return FigureComparison(figure, identical=False, same_shape=True, largest_difference=largest)


def _difference(a: str, b: str) -> float:
    if a == b:
        return 0.0
    try:
        x, y = float(a), float(b)
    except ValueError:
        return math.inf
    scale = max(abs(x), abs(y))
    return abs(x - y) / scale if scale > 0 else 0.0
