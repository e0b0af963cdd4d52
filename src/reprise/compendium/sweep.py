"""One notebook over a grid of parameters, several at a time, and one tidy table of what came out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from reprise.compendium import cards, records, runs
from reprise.compendium.errors import Interrupted, ParameterError, RepriseError, suggest
from reprise.compendium.parameters import Value
from reprise.estimate import Estimate

Row = dict[str, Any]


def parse_grid(card: cards.Card, assignments: Sequence[str]) -> dict[str, list[Value]]:
    """A grid from ``name=v1,v2,…`` texts; for a list parameter the points are separated by ``;``.

    Every point of the grid is checked here, before any notebook starts.

    Raises:
        ParameterError: unknown name, given twice, a value of the wrong type or out of bounds, no axis at all.
    """
    grid: dict[str, list[Value]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ParameterError(f"'{assignment}' is not of the form name=value,value,…")
        if name not in card.parameters:
            raise ParameterError(f"unknown parameter '{name}' for {card.slug}; {suggest(name, card.parameters)}")
        if name in grid:
            raise ParameterError(f"parameter '{name}' is given twice")
        parameter = card.parameters[name]
        grid[name] = [parameter.parse(name, part) for part in text.split(";" if parameter.is_list else ",")]
    if not grid:
        raise ParameterError("a sweep needs at least one -p name=value,value,…")
    return grid


def sweep(
    slug: str,
    grid: Mapping[str, Sequence[Value]],
    *,
    profile: str = "quick",
    jobs: int | None = None,
    timeout_minutes: float | None = None,
    report: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Row], list[str]]:
    """Run every point of the grid; returns the table and the errors of the points that failed.

    A row is one check at one point: the swept parameters, claim, check, measured value and interval, control, verdict
    and the run's folder. ``jobs`` notebooks run at a time (default: one per two cores, at least one).
    """
    card = cards.find(slug)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    for point in points:
        card.values(profile, point)
    jobs = jobs or max(1, (os.cpu_count() or 2) // 2)
    rows: dict[int, list[Row]] = {}
    errors: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(
                runs.run,
                slug,
                profile=profile,
                overrides=point,
                run_id=f"sweep-{os.getpid()}-{index}",
                timeout_minutes=timeout_minutes,
            ): index
            for index, point in enumerate(points)
        }
        try:
            for done, future in enumerate(as_completed(futures), 1):
                index = futures[future]
                label = ", ".join(f"{k}={v}" for k, v in points[index].items())
                try:
                    rows[index] = _rows(points[index], records.load(future.result()))
                except RepriseError as error:
                    errors.append(f"{label}: {error}")
                    label += " (failed)"
                if report is not None:
                    report(done, len(points), label)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise Interrupted(f"{slug}: sweep interrupted after {len(rows)} of {len(points)} points") from None
    return [row for index in sorted(rows) for row in rows[index]], errors


def _rows(point: Mapping[str, Value], record: records.Record) -> list[Row]:
    rows = []
    for claim, check in record.checks():
        if check["measured"] is None:
            continue
        measured, control = Estimate.from_json(check["measured"]), Estimate.from_json(check["control"])
        rows.append(
            {
                **point,
                "claim": claim,
                "check": check["name"],
                "value": measured.value,
                "low": measured.low,
                "high": measured.high,
                "control": control.value,
                "verdict": check["verdict"],
                "seconds": record.provenance["seconds"],
                "run": record.folder.name,
            }
        )
    return rows
