"""Where labels go: chosen anew at every draw, after the layout is settled, by what is least in the way."""

import itertools
from typing import Any, cast

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

PAD = 6.0
"""Distance of a label from its point, in points."""

SIDES = {"right": (1, 0), "left": (-1, 0), "above": (0, 1), "below": (0, -1)}


class Placer(Artist):
    """Moves the labels of its axes just before they are drawn; draws nothing itself."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[tuple[Annotation, str]] = []
        self.columns: list[list[Annotation]] = []
        self.set_zorder(-1000)
        self.set_in_layout(False)

    def draw(self, renderer: Any) -> None:
        """Choose the places."""
        ax = cast("Axes", self.axes)
        if not ax.get_visible():
            return
        scale = renderer.points_to_pixels(1.0)
        for column in self.columns:
            _spread(ax, column, renderer, scale)
        taken = [note.get_window_extent(renderer) for column in self.columns for note in column]
        others = [t for t in ax.texts if t.get_text() and all(t is not n for n, _ in self.labels)]
        taken += [t.get_window_extent(renderer) for t in others]
        ink = _ink(ax)
        for note, side in self.labels:
            taken.append(_settle(ax, note, side, renderer, scale, taken, ink))


def placer(ax: Axes) -> Placer:
    found = [child for child in ax.get_children() if isinstance(child, Placer)]
    if found:
        return found[0]
    made = Placer()
    ax.add_artist(made)
    return made


def _ink(ax: Axes) -> Float[np.ndarray, "points 2"]:
    """Points along every line of the axes, in pixels, about two pixels apart."""
    clouds = [np.empty((0, 2))]
    for line in ax.get_lines():
        path = line.get_transform().transform_path(line.get_path())
        vertices = np.asarray(path.vertices, dtype=np.float64)
        vertices = vertices[np.isfinite(vertices).all(axis=1)]
        if len(vertices) == 0:
            continue
        clouds.append(vertices)
        if line.get_linestyle() in ("None", "none", " ", ""):
            continue
        for a, b in itertools.pairwise(vertices):
            count = int(min(400, np.hypot(*(b - a)) // 2))
            if count:
                clouds.append(a + (b - a) * np.linspace(0, 1, count)[:, None])
    return np.concatenate(clouds)


def _settle(
    ax: Axes, note: Annotation, side: str, renderer: Any, scale: float, taken: list[Bbox], ink: np.ndarray
) -> Bbox:
    best: tuple[float, tuple[Any, ...]] | None = None
    frame = ax.figure.bbox
    for rank, (dx, dy) in enumerate(_candidates(side)):
        _move(note, dx, dy)
        box = note.get_window_extent(renderer)
        cost = 0.5 * rank
        cost += 60.0 * sum(_overlap(box, other, scale) for other in taken)
        cost += 8.0 * _covered(box, ink, scale)
        cost += 60.0 * _outside(box, frame)
        if best is None or cost < best[0]:
            best = cost, (dx, dy)
    assert best is not None
    _move(note, *best[1])
    return note.get_window_extent(renderer)


def _candidates(side: str) -> list[tuple[float, float]]:
    """Offsets in points, the preferred side first, then further away and around."""
    first = SIDES[side]
    around = [first, *[v for v in SIDES.values() if v != first], (1, 1), (1, -1), (-1, 1), (-1, -1)]
    near = [(PAD * 1.2 * a, (PAD + 2.0) * b) for a, b in around]
    far = [(PAD * 1.2 * a, (PAD + 2.0) * b * k + (k - 1) * 6.0 * s) for k in (2, 3) for a, b in around for s in (1, -1)]
    return near + far


def _move(note: Annotation, dx: float, dy: float) -> None:
    note.xyann = (dx, dy)
    note.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    note.set_verticalalignment("bottom" if dy > 0 else "top" if dy < 0 else "center")


def _overlap(a: Bbox, b: Bbox, scale: float) -> float:
    """Shared share of the smaller box, with a margin of 1.5 points."""
    m = 1.5 * scale
    w = min(a.x1, b.x1) - max(a.x0, b.x0) + m
    h = min(a.y1, b.y1) - max(a.y0, b.y0) + m
    if w <= 0 or h <= 0:
        return 0.0
    return float(0.2 + w * h / max(1.0, min(a.width * a.height, b.width * b.height)))


def _covered(box: Bbox, ink: np.ndarray, scale: float) -> float:
    m = 1.0 * scale
    inside = (ink[:, 0] > box.x0 - m) & (ink[:, 0] < box.x1 + m) & (ink[:, 1] > box.y0 - m) & (ink[:, 1] < box.y1 + m)
    return float(min(1.5, 2.0 * inside.sum() / max(1.0, box.width)) + 0.3 * inside.any())


def _outside(box: Bbox, frame: BboxBase) -> float:
    lost = (
        max(0.0, frame.x0 - box.x0)
        + max(0.0, box.x1 - frame.x1)
        + max(0.0, frame.y0 - box.y0)
        + max(0.0, box.y1 - frame.y1)
    )
    return float(lost / max(1.0, box.height))


def _spread(ax: Axes, notes: list[Annotation], renderer: Any, scale: float) -> None:
    """Push the labels of a column apart, keeping their order, within the height of the axes."""
    if not notes:
        return
    anchors = np.array([ax.transData.transform(note.xy)[1] for note in notes])
    heights = np.array([note.get_window_extent(renderer).height + 1.5 * scale for note in notes])
    order = np.argsort(anchors, kind="stable")
    places = apart(anchors[order], heights[order], ax.bbox.y0, ax.bbox.y1)
    for index, place in zip(order, places, strict=True):
        note = notes[index]
        note.xyann = (note.xyann[0], float(place - anchors[index]) / scale)


def apart(anchors: np.ndarray, heights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Least-squares places with the given gaps (pool adjacent violators), kept between low and high where they fit.

    >>> apart(np.array([0.0, 1.0]), np.array([10.0, 10.0]), -50.0, 50.0)
    array([-4.5,  5.5])
    """
    offsets = np.concatenate([[0.0], np.cumsum(0.5 * (heights[:-1] + heights[1:]))])
    groups: list[list[float]] = []
    for value in anchors - offsets:
        groups.append([value, 1.0])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (a, m), (b, n) = groups[-2], groups[-1]
            groups[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    level = np.concatenate([np.full(int(n), value) for value, n in groups])
    bottom, top = low + 0.5 * heights[0], high - 0.5 * heights[-1] - offsets[-1]
    return np.asarray(np.clip(level, bottom, max(bottom, top)) + offsets)
