"""Laws, matrices and comparisons: distribution functions, histograms, heat maps, rows of intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.plotting.axes import wide
from reprise.plotting.colours import CONTROL, EXPERIMENT, INK
from reprise.plotting.marks import experiment, theory


def ecdf(
    ax: Axes,
    samples: ArrayLike,
    cdf: Callable[[np.ndarray], np.ndarray] | None = None,
    label: str | None = None,
    color: str = EXPERIMENT,
    level: float | None = 0.95,
) -> Line2D:
    """Empirical distribution function with its Kolmogorov band, and the predicted one dashed.

    Args:
        ax: axes.
        samples: shape (n,), independent.
        cdf: the predicted distribution function, or None.
        label: of the samples.
        color: of the samples.
        level: of the simultaneous band; None for no band.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> ecdf(ax, [0.1, 0.4, 0.6], lambda t: np.clip(t, 0, 1)).get_drawstyle()
    'steps-post'
    """
    from scipy import stats

    x = np.sort(np.asarray(samples, dtype=np.float64))
    sns.ecdfplot(x=x, ax=ax, color=color, label=label, linewidth=1.5)
    line = ax.get_lines()[-1]
    line.set_zorder(3)
    if level is not None:
        half = float(stats.kstwo.ppf(level, x.size))
        steps = np.arange(1, x.size + 1) / x.size
        low, high = np.clip(steps - half, 0, 1), np.clip(steps + half, 0, 1)
        ax.fill_between(x, low, high, step="post", color=color, alpha=0.18, linewidth=0, zorder=1.8)
    if cdf is not None:
        grid = np.linspace(x[0] - 0.05 * np.ptp(x), x[-1] + 0.05 * np.ptp(x), 400)
        theory(ax, grid, cdf(grid), label="theory")
    ax.set_ylabel("share of samples")
    return line


def histogram(
    ax: Axes,
    samples: ArrayLike,
    density: Callable[[np.ndarray], np.ndarray] | None = None,
    label: str | None = None,
    color: str = EXPERIMENT,
    bins: int | ArrayLike = 30,
) -> None:
    """Density histogram (filled lightly, outlined), and the predicted density dashed.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> histogram(ax, [0.1, 0.4, 0.6], bins=3)
    """
    x = np.asarray(samples, dtype=np.float64)
    edges = np.histogram_bin_edges(x, bins=bins)
    sns.histplot(
        x=x, bins=edges, stat="density", element="step", fill=True, alpha=0.25, color=color, label=label, ax=ax,
        linewidth=1.2,
    )  # fmt: skip
    if density is not None:
        grid = np.linspace(edges[0], edges[-1], 400)
        theory(ax, grid, density(grid), label="theory")
    ax.set_ylabel("density")


def heatmaps(
    matrices: Sequence[ArrayLike],
    titles: Sequence[str],
    *,
    limits: tuple[float, float] | None = None,
    label: str = "",
    height: float | None = None,
) -> tuple[Figure, Any]:
    """Matrices side by side on one colour scale, with one colour bar.

    Where values of both signs occur the scale is diverging and symmetric about 0, else sequential.

    Args:
        matrices: each of shape (n, m).
        titles: one for each.
        limits: of the colour scale; common to all, from the data if None.
        label: of the colour bar, with symbol and unit.
        height: of the figure in inches.

    >>> fig, axes = heatmaps([np.eye(3), np.ones((3, 3))], ["prior", "posterior"], label="$G$")
    >>> len(axes)
    2
    """
    values = [np.asarray(m, dtype=np.float64) for m in matrices]
    if len(values) != len(titles):
        raise ValueError(f"titles: one for each of the {len(values)} matrices, not {len(titles)}")
    low, high = limits or (min(float(v.min()) for v in values), max(float(v.max()) for v in values))
    colours = "mako"
    if low < 0 < high and limits is None:
        high = max(-low, high)
        low, colours = -high, "vlag"
    fig, axes = wide(len(values), titles, share=False, height=height)
    for ax, matrix in zip(axes, values, strict=True):
        sns.heatmap(
            matrix, ax=ax, vmin=low, vmax=high, cmap=colours, square=True, cbar=False, xticklabels=False,
            yticklabels=False, rasterized=matrix.size > 2500,
        )  # fmt: skip
        ax.grid(visible=False)
    bar = fig.colorbar(axes[0].collections[0], ax=list(axes), shrink=0.8, label=label)
    bar.outline.set_visible(False)
    return fig, axes


def intervals(
    ax: Axes,
    names: Sequence[str],
    estimates: Sequence[Estimate],
    *,
    controls: Sequence[Estimate | None] | None = None,
    reference: float | None = 0.0,
) -> None:
    """One row for each name: an estimate with its interval, its control below in muted red, a reference line.

    Args:
        ax: axes.
        names: shape (k,), the first on top.
        estimates: k scalar estimates.
        controls: k scalar estimates, or None where there is none.
        reference: where the thin line of "no difference" stands; None for no line.

    >>> from reprise.plotting import single
    >>> fig, ax = single()
    >>> intervals(ax, ["yacht", "energy"], [Estimate(0.3, 0.1, 0.5, n=10), Estimate(0.1, -0.1, 0.3, n=10)])
    >>> [t.get_text() for t in ax.get_yticklabels()]
    ['yacht', 'energy']
    """
    if not len(names) == len(estimates) == len(controls or names):
        raise ValueError("names, estimates and controls: one length is expected")
    shift = 0.0 if controls is None else 0.14
    if reference is not None:
        ax.axvline(reference, color=INK, linewidth=0.9, zorder=1.5)
    for row, estimate in enumerate(estimates):
        _row(ax, row - shift, estimate, EXPERIMENT, "o", "measured" if row == 0 else None)
    named = False
    for row, other in enumerate(controls or ()):
        if other is not None:
            _row(ax, row + shift, other, CONTROL, "X", None if named else "control")
            named = True
    ax.set_yticks(range(len(names)), labels=list(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)


def _row(ax: Axes, height: float, estimate: Estimate, color: str, marker: str, label: str | None) -> None:
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))  # type: ignore[arg-type]
    ax.plot([low, high], [height, height], color=color, linewidth=1.6, solid_capstyle="butt", zorder=3)
    experiment(ax, [value], [height], color=color, marker=marker, label=label, markersize=6.5)
