"""Figures and axes: two sizes, the style, ticks that a person would choose, a legend beside the axes."""

import math
from collections.abc import Sequence
from importlib import resources
from typing import Any, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, Formatter, Locator, MaxNLocator, NullFormatter, NullLocator

SINGLE = (6.4, 4.0)
WIDE = (9.0, 3.6)
"""Sizes in inches: a single column, and a row of panels."""

_MANTISSAS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
)


def style() -> None:
    """Apply the book's style (one file, `reprise.mplstyle`) to all figures made from now on; `single` and `wide` do it.

    >>> style()
    >>> mpl.rcParams["font.size"]
    10.0
    """
    with resources.as_file(resources.files("reprise.plotting") / "reprise.mplstyle") as path:
        mpl.style.use(path)


def single(title: str = "") -> tuple[Figure, Axes]:
    """A single-column figure with one set of axes, 6.4 x 4 in.

    >>> fig, ax = single("The error falls with width")
    >>> fig.get_size_inches().tolist()
    [6.4, 4.0]
    >>> plt.close(fig)
    """
    style()
    fig, ax = plt.subplots(figsize=SINGLE)
    if title:
        ax.set_title(title)
    return fig, ax


def wide(
    ncols: int = 2, titles: Sequence[str] = (), *, share: bool = True, nrows: int = 1, height: float | None = None
) -> tuple[Figure, Any]:
    """A row of panels, 9 x 3.6 in, with shared axes.

    Args:
        ncols: number of panels in a row.
        titles: one title a panel.
        share: share both axes among panels (leave out for panels of different quantities).
        nrows: number of rows; each adds 3.2 in.
        height: of the figure, in inches, instead.

    Returns:
        The figure and an array of axes of shape (ncols,), or (nrows, ncols).

    >>> fig, axes = wide(3)
    >>> axes.shape
    (3,)
    >>> plt.close(fig)
    """
    style()
    size = (WIDE[0], height or WIDE[1] + 3.2 * (nrows - 1))
    fig, axes = plt.subplots(nrows, ncols, figsize=size, sharex=share, sharey=share, squeeze=False)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title)
    return fig, axes[0] if nrows == 1 else axes


def log_ticks(ax: Axes, axis: str = "x", values: Sequence[float] | None = None) -> None:
    r"""A logarithmic axis with the ticks that a person would choose.

    Args:
        ax: axes.
        axis: "x", "y" or "both".
        values: ticks exactly here (the widths that were run), thinned evenly to eight at most; else `decades` of
            whatever limits the axis has when it is drawn.

    Numbers from 0.0001 to below a million are written out, others as powers of ten.

    >>> fig, ax = single()
    >>> _ = ax.plot([32, 2048], [1, 0.1])
    >>> log_ticks(ax, "x", [32, 128, 512, 2048])
    >>> [t.get_text() for t in ax.get_xticklabels()]
    ['32', '128', '512', '2048']
    >>> plt.close(fig)
    """
    if axis not in ("x", "y", "both"):
        raise ValueError(f"axis: 'x', 'y' or 'both', not {axis!r}")
    for name in ("x", "y") if axis == "both" else (axis,):
        (ax.set_xscale if name == "x" else ax.set_yscale)("log")
        which = ax.xaxis if name == "x" else ax.yaxis
        if values is None:
            which.set_major_locator(_Decades())
        else:
            which.set_major_locator(FixedLocator(_thinned(values)))
            which.set_minor_locator(NullLocator())
        which.set_major_formatter(_Numbers())
        which.set_minor_formatter(NullFormatter())


def decades(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: decades, every second or third where there are many, 1-2-5 or finer where few.

    >>> decades(0.9, 12), decades(0.008, 150)
    ([1.0, 2.0, 5.0, 10.0], [0.01, 0.1, 1.0, 10.0, 100.0])
    """
    if not 0.0 < low < high:
        raise ValueError(f"a logarithmic axis needs 0 < low < high, not {low} and {high}")
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    span = math.log10(high / low)
    step = 1 if span <= 6 else math.ceil(span / 6)
    for mantissas in _MANTISSAS:
        grid = [m * 10.0**e for e in range(first, last + 1) if len(mantissas) > 1 or e % step == 0 for m in mantissas]
        ticks = [float(f"{v:.12g}") for v in grid if low <= v * (1 + 1e-9) and v <= high * (1 + 1e-9)]
        if len(ticks) >= 3:
            return ticks
    return list(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)[1:-1])


def number(value: float, *, powers: bool = False) -> str:
    r"""A tick label: plain where short, a power of ten where not.

    >>> number(0.05), number(2048), number(20000), number(1e-5), number(100, powers=True)
    ('0.05', '2048', '20\u2009000', '$10^{-5}$', '$10^{2}$')
    """
    if value <= 0:
        return f"{value:g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10.0**exponent
    if powers or not 1e-4 <= value < 1e6:
        lead = "" if abs(mantissa - 1.0) < 1e-6 else rf"{mantissa:.3g}\times"
        return rf"${lead}10^{{{exponent}}}$"
    if value >= 10_000:
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.10g}"


def outside_legend(ax: Axes, title: str | None = None) -> Legend:
    """A legend to the right of the axes, for more curves than can be labelled directly.

    >>> fig, ax = single()
    >>> _ = ax.plot([0, 1], label="n = 32")
    >>> outside_legend(ax, "width").get_title().get_text()
    'width'
    >>> plt.close(fig)
    """
    return ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), title=title, alignment="left")


def _thinned(values: Sequence[float], most: int = 8) -> list[float]:
    ordered = sorted({float(v) for v in values})
    step = -(-len(ordered) // most)
    return ordered[:: max(1, step)] if len(ordered) <= most or step > 1 else ordered


def panel_letters(axes: Sequence[Axes] | np.ndarray) -> None:
    """Letters a, b, ... before the titles of panels.

    >>> fig, axes = wide(2, ["one", "two"])
    >>> panel_letters(axes)
    >>> axes[1].get_title(loc="left")
    'b  two'
    >>> plt.close(fig)
    """
    for letter, ax in zip("abcdefghijklmnop", np.ravel(np.asarray(axes, dtype=object)), strict=False):
        ax.set_title(f"{letter}  {ax.get_title(loc='left')}".rstrip(), loc="left")


class _Decades(Locator):
    """Ticks at `decades` of the limits that the axis has when it is drawn."""

    def __call__(self) -> list[float]:
        """The ticks."""
        low, high = cast("Any", self.axis).get_view_interval()
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """The ticks from vmin to vmax."""
        low, high = sorted((float(vmin), float(vmax)))
        return decades(low, high) if 0.0 < low < high else []


class _Numbers(Formatter):
    """Tick labels by `number`, all as powers of ten if one of them has to be."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks."""
        powers = any(not 1e-4 <= v < 1e6 for v in values)
        return [number(v, powers=powers) for v in values]

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002 - Matplotlib's signature
        """The label of one value, as a cursor reads it."""
        return number(x)
