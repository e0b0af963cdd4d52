"""Labels in place of legends: text at the curve, moved until it overlaps neither other labels nor data.

Places are chosen when the figure is drawn, after the layout is settled, so the order in which labels, titles and limits
are set does not matter.
"""

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from reprise.estimate import Estimate
from reprise.plotting._placement import PAD, SIDES, placer
from reprise.plotting.colours import INK, PAPER, readable


def direct_label(
    ax: Axes, x: float, y: float, text: str, color: str = INK, side: str = "right", **style: Any
) -> Annotation:
    """A label at a point of a curve, in the curve's colour (darkened until it reads).

    Args:
        ax: axes.
        x: of the point, in data coordinates.
        y: of the point.
        text: the label.
        color: of the curve.
        side: preferred side: "right", "left", "above" or "below"; another is taken where that one is occupied.
        style: further options of the text.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> direct_label(ax, 1.0, 1.0, "n = 32").get_text()
    'n = 32'
    """
    if side not in SIDES:
        raise ValueError(f"side: one of {', '.join(SIDES)}, not {side!r}")
    options: dict[str, Any] = {"fontsize": 9.5, "color": readable(color), "zorder": 6, **style}
    note = ax.annotate(
        text, (x, y), (PAD, 0), textcoords="offset points", va="center", annotation_clip=False, **options
    )
    note.set_path_effects([patheffects.withStroke(linewidth=2.4, foreground=PAPER)])
    note.set_in_layout(_last_column(ax))
    placer(ax).labels.append((note, side))
    return note


def _last_column(ax: Axes) -> bool:
    """Whether room may be made to the right of these axes; else a label must fit in, or the panels would be squeezed."""
    spec = ax.get_subplotspec()
    return spec is None or spec.is_last_col()


def label_lines(ax: Axes, lines: list[Line2D] | None = None) -> list[Annotation]:
    """Each labelled line's label at its right end, beside the axes, spread so that none overlap.

    Args:
        ax: axes.
        lines: which lines; all with a label if None.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> _ = ax.plot([0, 1], [0, 1], label="theory")
    >>> [note.get_text() for note in label_lines(ax)]
    ['theory']
    """
    chosen = [k for k in (ax.get_lines() if lines is None else lines) if not str(k.get_label()).startswith("_")]
    ends = [(line, *end) for line in chosen if (end := _right_end(line)) is not None]
    last = max((x for _, x, _ in ends), default=0.0)
    notes = []
    for line, x, y in ends:
        note = ax.annotate(
            str(line.get_label()), (last if _near(ax, x, last, y) else x, y), (PAD + 2, 0), textcoords="offset points",
            va="center", fontsize=9.5, color=readable(str(line.get_color())), annotation_clip=False, zorder=6,
        )  # fmt: skip
        notes.append(note)
    placer(ax).columns.append(notes)
    return notes


def _near(ax: Axes, x: float, last: float, y: float) -> bool:
    """Whether two ends are within a fifth of the axes, so that their labels can stand in one column."""
    pixels = ax.transData.transform([(x, y), (last, y)])[:, 0]
    return bool(pixels[1] - pixels[0] < 0.2 * ax.bbox.width)


def _right_end(line: Line2D) -> tuple[float, float] | None:
    data = np.column_stack([np.asarray(v, dtype=np.float64) for v in line.get_data()])
    data = data[np.isfinite(data).all(axis=1)]
    if len(data) == 0:
        return None
    x, y = data[np.argmax(data[:, 0])]
    return float(x), float(y)


def slope_note(
    ax: Axes, estimate: Estimate, where: tuple[float, float], color: str = INK, name: str = "slope", side: str = "right"
) -> Annotation:
    """The fitted slope with its interval, beside the line.

    Args:
        ax: axes.
        estimate: of `reprise.statistics.slope`.
        where: point of the line, in data coordinates.
        color: of the line.
        name: what stands before the number.
        side: preferred side, as in `direct_label`.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> slope_note(ax, Estimate(-0.5, -0.53, -0.46, n=20), (1, 1)).get_text()
    'slope −0.50 [−0.53, −0.46]'
    """
    return direct_label(ax, *where, f"{name} {interval_text(estimate)}", color=color, side=side)


def interval_text(estimate: Estimate) -> str:
    """A scalar estimate as text, with as many digits as its interval deserves.

    >>> interval_text(Estimate(-0.5012, -0.5301, -0.4634, n=20))
    '−0.50 [−0.53, −0.46]'
    >>> interval_text(Estimate.exact(0.25))
    '0.25'
    """
    if isinstance(estimate.value, tuple) or isinstance(estimate.low, tuple) or isinstance(estimate.high, tuple):
        raise TypeError("one number with an interval is expected, not a sequence")
    value, low, high = estimate.value, estimate.low, estimate.high
    width = high - low
    if not np.isfinite(width) or width <= 1e-9 * max(1.0, abs(value)):
        return f"{value:.4g}".replace("-", "−")
    digits = int(np.clip(-np.floor(np.log10(width / 3)), 0, 6))
    if abs(value) >= 1e5:
        return f"{value:.3g} [{low:.3g}, {high:.3g}]".replace("-", "−")
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def slope_guide(
    ax: Axes, exponent: float, start: tuple[float, float], factor: float = 4.0, text: str | None = None
) -> Line2D:
    """A short thin line of a given log-log slope, for the eye.

    Args:
        ax: axes with logarithmic scales.
        exponent: the slope.
        start: its left end, in data coordinates.
        factor: right end over left end.
        text: label; the exponent if None.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> slope_guide(ax, -0.5, (10, 1.0)).get_ydata().tolist()
    [1.0, 0.5]
    """
    x = np.array([start[0], start[0] * factor])
    y = start[1] * (x / x[0]) ** exponent
    (line,) = ax.plot(x, y, color=INK, linewidth=0.9, linestyle="-", zorder=2)
    middle = float(np.sqrt(x[0] * x[1])), float(np.sqrt(y[0] * y[1]))
    direct_label(ax, *middle, f"{exponent:g}".replace("-", "−") if text is None else text, side="above", fontsize=9)
    return line
