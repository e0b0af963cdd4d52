"""The chart of a part: measured values of several papers on one axis, as its file in ``book/parts`` chooses them.

``book/parts/<topic>.yml``::

    title: "Powers of the width"
    caption: "what the chart shows"
    axis: "exponent of the width"
    marks: [{at: -1, text: "1/n"}, {at: -0.5, text: "1/√n"}]
    rows:
      - {slug: ntk-convergence, claim: C1, check: error slope, what: "distance of the kernel from its limit"}

Rows whose paper is not in the book, or whose record lacks the check, are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from reprise.compendium.page_model import BookError, Compendium, Judged, Paper
from reprise.compendium.page_parts import link, render
from reprise.estimate import Estimate

_WIDTH, _HEIGHT, _MARGIN = 360.0, 26.0, 14.0


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value: what it is, whose it is, and its place on the axis."""

    what: str
    paper: Paper
    judged: Judged
    address: str
    measured: Estimate
    drawing: Markup


def chart(topic: str, book: Compendium) -> str:
    """The chart of a part as HTML; empty if it has no file or fewer than two values.

    Raises:
        BookError: the file is not as described above, or names a claim or check that the card does not have.
    """
    file = book.book / "parts" / f"{topic}.yml"
    if not file.is_file():
        return ""
    try:
        plan = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = [entry for entry in (_find(row, book, file) for row in plan["rows"]) if entry is not None]
        marks = [(float(mark["at"]), str(mark["text"])) for mark in plan["marks"]]
        words = {name: str(plan[name]) for name in ("title", "caption", "axis")}
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise BookError(f"{file}: {type(error).__name__}: {error}") from None
    if len(found) < 2:
        return ""
    ends = [x for _, _, _, e in found for x in (e.low, e.high)] + [at for at, _ in marks]
    low, high = min(map(_number, ends)), max(map(_number, ends))
    document = f"book/papers/{topic}"
    rows = [
        Row(
            what,
            paper,
            judged,
            f"{link(document, paper.document + '.html')}#{judged.anchor}",
            measured,
            _drawing(measured, [at for at, _ in marks], low, high),
        )
        for what, paper, judged, measured in found
    ]
    return render("chart.html", rows=rows, axis_drawing=_axis(marks, low, high), **words)


def _find(row: dict[str, Any], book: Compendium, file: Path) -> tuple[str, Paper, Judged, Estimate] | None:
    paper = book.paper(row["slug"])
    if paper is None:
        return None
    judged = next((j for j in paper.claims if j.claim.id == row["claim"]), None)
    evidence = next((e for e in judged.evidence if e.check.name == row["check"]), None) if judged else None
    if judged is None or evidence is None:
        raise BookError(f"{file}: {row['slug']} has no check '{row['check']}' of a claim {row['claim']}")
    if evidence.measured is None or not evidence.measured.finite or isinstance(evidence.measured.value, tuple):
        return None
    return str(row["what"]), paper, judged, evidence.measured


def _number(value: float | tuple[float, ...]) -> float:
    assert not isinstance(value, tuple)
    return value


def _place(value: float, low: float, high: float) -> float:
    return _MARGIN + (_WIDTH - 2 * _MARGIN) * (value - low) / ((high - low) or 1.0)


def _drawing(measured: Estimate, marks: list[float], low: float, high: float) -> Markup:
    """One row; hidden from screen readers, since the interval stands beside it in words."""
    left, at, right = (_place(_number(x), low, high) for x in (measured.low, measured.value, measured.high))
    y = _HEIGHT / 2
    rules = "".join(f'<path class="edge" d="M{_place(x, low, high):.1f} 0V{_HEIGHT:g}"/>' for x in marks)
    caps = "".join(f"M{x:.1f} {y - 4:g}v8" for x in (left, right)) if right - left > 3 else ""
    return Markup(
        f'<svg class="strip" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" aria-hidden="true" focusable="false">{rules}'
        f'<path class="measured bar" d="M{left:.1f} {y:g}H{right:.1f}{caps}"/>'
        f'<circle class="measured mark" cx="{at:.1f}" cy="{y:g}" r="4"/></svg>'
    )


def _axis(marks: list[tuple[float, str]], low: float, high: float) -> Markup:
    """The marks with their words, above the rows; neighbours that would touch go on two lines."""
    parts, last = [], -math.inf
    for at, text in sorted(marks):
        x = _place(at, low, high)
        up = x - last < 62.0
        last = -math.inf if up else x
        anchor = "start" if x < 40 else "end" if x > _WIDTH - 40 else "middle"
        parts.append(f'<path class="edge" d="M{x:.1f} {16 if up else 30}V34"/>')
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(f"{x:.1f}", 12 if up else 27, anchor, text)
        )
    return Markup(
        f'<svg class="strip axis" viewBox="0 0 {_WIDTH:g} 34" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )
