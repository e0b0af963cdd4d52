"""A small drawing beside each check: what the criterion accepts, what was measured, what the control gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from markupsafe import Markup

from reprise.compendium.criteria import Criterion, Ordered
from reprise.estimate import Estimate, as_tuple

_WIDTH, _HEIGHT, _MARGIN = 280, 46, 12
_ROWS = {"measured": 15.0, "control": 31.0}
_LOG_RATIO = 30.0
_SQUEEZED = 0.05


def strip(criterion: Criterion, measured: Estimate | None, control: Estimate | None) -> Markup:
    """An SVG of the accepted range with both intervals on it; empty where there is nothing finite to draw.

    It repeats what the text beside it says, so it is hidden from screen readers.
    """
    if measured is None or control is None or not (measured.finite and control.finite):
        return Markup("")
    marks = _sequences(measured, control) if isinstance(criterion, Ordered) else _ranges(criterion, measured, control)
    return Markup(
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true" focusable="false">{"".join(marks)}</svg>'
    )


def _ranges(criterion: Criterion, measured: Estimate, control: Estimate) -> Iterable[str]:
    lowest, highest = criterion.range()
    ends = [x for x in (lowest, highest) if math.isfinite(x)]
    values = [x for e in (measured, control) for x in (*as_tuple(e.low), *as_tuple(e.value), *as_tuple(e.high))]
    place = _scale([*ends, *values], around=_nearest_edge(ends, as_tuple(measured.value)[0]))
    left = place(lowest) if math.isfinite(lowest) else 0.0
    right = place(highest) if math.isfinite(highest) else float(_WIDTH)
    yield f'<rect class="accepted" x="{left:.1f}" y="3" width="{max(right - left, 2):.1f}" height="{_HEIGHT - 8}"/>'
    for end in ends:
        yield f'<path class="edge" d="M{place(end):.1f} 3V{_HEIGHT - 5}"/>'
    for kind, estimate in (("control", control), ("measured", measured)):
        low, value, high = (place(as_tuple(x)[0]) for x in (estimate.low, estimate.value, estimate.high))
        yield _bar(kind, low, value, high, _ROWS[kind])


def _sequences(measured: Estimate, control: Estimate) -> Iterable[str]:
    """Two courses of values, left to right, each with its bars; both on one scale from bottom to top."""
    everything = [x for e in (measured, control) for part in (e.low, e.high) for x in as_tuple(part)]
    place = _scale(everything, length=_HEIGHT - 8)
    for kind, estimate in (("control", control), ("measured", measured)):
        values = as_tuple(estimate.value)
        step = (_WIDTH - 4 * _MARGIN) / max(len(values) - 1, 1)
        xs = [2 * _MARGIN + i * step for i in range(len(values))]
        ys = [_HEIGHT - 4 - place(v) for v in values]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
        yield f'<path class="{kind} course" d="M{path}"/>'
        for x, y, low, high in zip(xs, ys, as_tuple(estimate.low), as_tuple(estimate.high), strict=True):
            top, bottom = _HEIGHT - 4 - place(high), _HEIGHT - 4 - place(low)
            yield f'<path class="{kind} bar" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>'
            yield _mark(kind, x, y)


def _bar(kind: str, low: float, value: float, high: float, y: float) -> str:
    caps = "".join(f"M{x:.1f} {y - 4:g}v8" for x in (low, high)) if high - low > 3 else ""
    return f'<path class="{kind} bar" d="M{low:.1f} {y:g}H{high:.1f}{caps}"/>' + _mark(kind, value, y)


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "measured":
        return f'<circle class="measured mark" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>'
    return f'<path class="control mark" d="M{x - 3.2:.1f} {y - 3.2:.1f}l6.4 6.4m0-6.4l-6.4 6.4"/>'


def _nearest_edge(ends: list[float], measured: float) -> tuple[float, float]:
    """The edge of the accepted range that the measured value is nearest to, and how near it is."""
    edge = min(ends, key=lambda end: abs(end - measured))
    return edge, abs(edge - measured)


def _scale(
    values: list[float], length: float = _WIDTH, around: tuple[float, float] | None = None
) -> Callable[[float], float]:
    """Where a value lies on the drawing.

    Logarithmic where all values are positive and span more than a factor of thirty. Otherwise, where a far value would
    squeeze the distance between measurement and edge, distances from that edge are drawn on a logarithmic scale.
    """
    span = max(values) - min(values)
    move: Callable[[float], float] = float
    if min(values) > 0 and max(values) / min(values) > _LOG_RATIO:
        move = math.log
    elif around is not None and 0 < around[1] < _SQUEEZED * span:
        edge, distance = around
        move = lambda value: math.asinh(2 * (value - edge) / distance)  # noqa: E731 (three short forms of one thing)
    low, high = move(min(values)), move(max(values))
    margin = min(_MARGIN, length / 8)
    if high == low:
        return lambda _: length / 2
    return lambda value: margin + (length - 2 * margin) * (move(value) - low) / (high - low)
