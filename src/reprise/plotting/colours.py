"""The colours of the book: one meaning, one look, in every chapter.

They are chosen so that figures survive a grey print and colour-blind eyes: INK, EXPERIMENT and CONTROL fall on three
lightness steps (CIE L* about 8, 39, 56) on paper of 98; a family runs from L* 60 to 18 in even steps; GROUPS stay at
least 17 Delta-E apart under simulated protanopia, deuteranopia and tritanopia. The tests measure all of this.
"""

import numpy as np
from jaxtyping import Float

INK = "#14181f"
"""Theory (dashed), text."""
EXPERIMENT = "#1f5f99"
"""Measurements (markers with intervals)."""
CONTROL = "#c8685a"
"""Controls: what must fail."""
REPORTED = "#6f6a63"
"""Values reported by the paper (thin, dotted)."""
PAPER = "#fcfbf7"
"""The opaque background, so that a figure reads on a dark page too."""
GRID = "#e4e1d8"
"""Grid lines."""
GROUPS = ("#0072b2", "#999933", "#882255", "#44aa99", "#332288", "#88601f")
"""Unordered groups, colour-blind-safe; beyond six, use panels."""
MARKERS = ("o", "s", "^", "D", "v", "P")
"""One marker for each of GROUPS, so that colour is never the only difference."""

_MAP = "mako_r"
_LIGHT, _DARK = 60.0, 18.0
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def family(n: int) -> list[str]:
    """Colours of an ordered family (widths, depths, sample sizes), light to dark in even perceptual steps.

    Args:
        n: number of members, at least 1; the last is the darkest (the largest width).

    >>> colours = family(4)
    >>> bool(np.all(np.diff(lightness(colours)) < -10))
    True
    """
    if n < 1:
        raise ValueError(f"n: at least one colour, not {n}")
    fine = _fine_map()
    if n == 1:
        return [_hex(fine[len(fine) // 2])]
    steps = np.linalg.norm(np.diff(lab(fine), axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    picked = [int(np.argmin(np.abs(along - t))) for t in np.linspace(0.0, along[-1], n)]
    return [_hex(fine[i]) for i in picked]


def readable(colour: str, contrast: float = 4.5) -> str:
    """The colour, darkened towards INK until text in it reads on paper (WCAG contrast 4.5).

    >>> readable(INK) == INK, readable(CONTROL) != CONTROL
    (True, True)
    """
    base, ink = rgb(colour), rgb(INK)
    for share in np.linspace(0.0, 1.0, 41):
        mixed = (1.0 - share) * base + share * ink
        if contrast_ratio(_hex(mixed), PAPER) >= contrast:
            return _hex(mixed)
    return INK


def rgb(colours: str | list[str] | tuple[str, ...]) -> Float[np.ndarray, "... 3"]:
    """SRGB in [0, 1] of any Matplotlib colour(s).

    >>> rgb("#ffffff")
    array([1., 1., 1.])
    """
    from matplotlib.colors import to_rgb, to_rgba_array

    if isinstance(colours, str):
        return np.asarray(to_rgb(colours), dtype=np.float64)
    return np.asarray(to_rgba_array(list(colours)), dtype=np.float64)[:, :3]


def lab(values: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """CIE L*a*b* (D65) of sRGB values; Euclidean distance is Delta-E (1976).

    >>> lab(np.array([1.0, 1.0, 1.0])).round(1) + 0.0
    array([100.,   0.,   0.])
    """
    xyz = linear(values) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def linear(values: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """Linear light of sRGB values.

    >>> linear(np.array([0.0, 0.5, 1.0])).round(4)
    array([0.   , 0.214, 1.   ])
    """
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lightness(colours: str | list[str] | tuple[str, ...]) -> Float[np.ndarray, "..."]:
    """CIE L*: what is left in a grey print.

    >>> round(float(lightness(PAPER)))
    99
    """
    return lab(rgb(colours))[..., 0]


def contrast_ratio(first: str, second: str) -> float:
    """WCAG contrast ratio of two colours, from 1 to 21.

    >>> round(contrast_ratio("#000000", "#ffffff"), 2)
    21.0
    """
    weights = np.array([0.2126, 0.7152, 0.0722])
    a, b = (float(linear(rgb(c)) @ weights) for c in (first, second))
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def _fine_map() -> Float[np.ndarray, "n 3"]:
    import seaborn as sns

    values = np.asarray(sns.color_palette(_MAP, as_cmap=True)(np.linspace(0.0, 1.0, 1024)))[:, :3]
    light = lab(values)[:, 0]
    return values[(light <= _LIGHT) & (light >= _DARK)]


def _hex(value: Float[np.ndarray, " 3"]) -> str:
    return "#" + "".join(f"{round(255 * float(np.clip(c, 0.0, 1.0))):02x}" for c in value)
