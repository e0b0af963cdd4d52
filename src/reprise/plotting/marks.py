"""The four kinds of evidence, each with its fixed look: theory, experiment, control, reported value."""

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from reprise.plotting._placement import placer
from reprise.plotting.colours import CONTROL, EXPERIMENT, INK, PAPER, REPORTED, readable

Kind = Literal["bars", "band"]
_NARROW = ("X", "P", "x", "+")
"""Markers that an edge in the colour of the paper would eat away."""


def theory(ax: Axes, x: ArrayLike, y: ArrayLike, label: str | None = None, color: str = INK, **style: Any) -> Line2D:
    """A prediction: a dashed line, in ink unless it belongs to a family.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> theory(ax, [1, 2], [1, 2]).get_linestyle()
    '--'
    """
    options: dict[str, Any] = {"linestyle": (0, (5, 2.2)), "linewidth": 1.5, "zorder": 3.2, **style}
    (line,) = ax.plot(np.asarray(x), np.asarray(y), color=color, label=label, **options)
    return line


def experiment(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    label: str | None = None,
    color: str = EXPERIMENT,
    kind: Kind = "bars",
    marker: str = "o",
    **style: Any,
) -> Line2D:
    """A measurement: markers, with intervals as bars, or a line with a band.

    Args:
        ax: axes.
        x: shape (k,).
        y: shape (k,).
        low: lower ends of the intervals, shape (k,), or None.
        high: upper ends.
        label: for the legend; the caption says what the intervals are.
        color: EXPERIMENT, or one of a family or of GROUPS.
        kind: "bars" (markers and bars) or "band" (line and band, for dense x).
        marker: Matplotlib marker.
        style: further options of the line (`linestyle="-"` joins markers).

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> experiment(ax, [1, 2], [1.0, 0.5], [0.9, 0.4], [1.1, 0.6]).get_marker()
    'o'
    """
    a, b, lo, hi = _arrays(x, y, low, high)
    if kind == "band":
        if lo is not None:
            ax.fill_between(a, lo, hi, color=color, alpha=0.2, linewidth=0, zorder=1.8)
        options: dict[str, Any] = {"linestyle": "-", "linewidth": 1.5, "zorder": 3, **style}
        (line,) = ax.plot(a, b, color=color, label=label, **options)
        return line
    if kind != "bars":
        raise ValueError(f"kind: 'bars' or 'band', not {kind!r}")
    if lo is not None:
        ax.errorbar(a, b, yerr=[b - lo, hi - b], fmt="none", ecolor=color, elinewidth=1.2, capsize=2.5, zorder=3)
    options = {
        "linestyle": "none", "markersize": 5.5, "markeredgecolor": PAPER, "markeredgewidth": 0.0 if marker in _NARROW else 0.6, "zorder": 3.5, **style
    }  # fmt: skip
    (line,) = ax.plot(a, b, marker=marker, color=color, label=label, **options)
    return line


def control(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    label: str | None = "control",
    kind: Kind = "bars",
    **style: Any,
) -> Line2D:
    """What the claim would look like if it were false: as `experiment`, in muted red, with crosses.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> control(ax, [1, 2], [1, 1]).get_color() == CONTROL
    True
    """
    options: dict[str, Any] = {"marker": "X", "markersize": 6.0, **style} if kind == "bars" else dict(style)
    return experiment(ax, x, y, low, high, label=label, color=CONTROL, kind=kind, **options)


def reported(ax: Axes, value: float, label: str = "", axis: Literal["x", "y"] = "y", where: float = 0.01) -> Line2D:
    """A value that the paper reports: a thin dotted line across the axes, with its label on it.

    Args:
        ax: axes.
        value: the value.
        label: written along the line.
        axis: the axis on which the value is read.
        where: preferred place of the label along the line, as a share of the axes; a horizontal line's label moves
            where data are in its way.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> reported(ax, 0.5, "paper: 0.5").get_color() == REPORTED
    True
    """
    options: dict[str, Any] = {"color": REPORTED, "linewidth": 1.1, "linestyle": (0, (1, 1.8)), "zorder": 1.9}
    text: dict[str, Any] = {
        "fontsize": 9, "color": readable(REPORTED), "textcoords": "offset points", "annotation_clip": False
    }  # fmt: skip
    if axis == "y":
        line = ax.axhline(value, **options)
        note = ax.annotate(label, (where, value), (0, 3), xycoords=ax.get_yaxis_transform(), va="bottom", **text)
        placer(ax).along.append((note, where))
    elif axis == "x":
        line = ax.axvline(value, **options)
        ax.annotate(label, (value, 1 - where), (4, 0), xycoords=ax.get_xaxis_transform(), va="top", rotation=90, **text)
    else:
        raise ValueError(f"axis: 'x' or 'y', not {axis!r}")
    return line


def _arrays(
    x: ArrayLike, y: ArrayLike, low: ArrayLike | None, high: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, Any, Any]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if (low is None) != (high is None):
        raise ValueError("low and high: give both ends of the intervals, or none")
    if low is None or high is None:
        return a, b, None, None
    lo, hi = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not a.shape == b.shape == lo.shape == hi.shape:
        raise ValueError(f"x, y, low, high: one shape is expected, not {a.shape}, {b.shape}, {lo.shape}, {hi.shape}")
    return a, b, np.minimum(lo, b), np.maximum(hi, b)
