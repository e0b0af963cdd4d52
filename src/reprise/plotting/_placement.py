"""Where labels go: chosen anew at every draw, after the layout is settled, by what is least in the way."""

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

PAD = 6.0
"""Distance of a label from its point, in points."""

SIDES = {"right": (1, 0), "left": (-1, 0), "above": (0, 1), "below": (0, -1)}

Place = tuple[float, Callable[[Annotation], None]]
"""A place that a label can be moved to, and how little it is liked."""


class Placer(Artist):
    """Moves the labels of its axes just before they are drawn; draws nothing itself."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[tuple[Annotation, str]] = []
        self.columns: list[list[Annotation]] = []
        self.along: list[tuple[Annotation, float]] = []
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
        moving = {id(note) for note, _ in [*self.labels, *self.along]}
        fixed = [t for t in ax.texts if t.get_text() and id(t) not in moving]
        scene = _Scene(ax, renderer, scale, [t.get_window_extent(renderer) for t in fixed])
        for note, where in self.along:
            scene.settle(note, _along(where))
        for note, side in self.labels:
            scene.settle(note, _around(side))


def placer(ax: Axes) -> Placer:
    """The placer of these axes; a new one is made where there is none."""
    found = [child for child in ax.get_children() if isinstance(child, Placer)]
    if found:
        return found[0]
    made = Placer()
    ax.add_artist(made)
    return made


class _Scene:
    """What a label must keep clear of, and the search for the place that is least in the way."""

    def __init__(self, ax: Axes, renderer: Any, scale: float, taken: list[Bbox]) -> None:
        self.renderer, self.scale, self.taken = renderer, scale, taken
        self.frame, self.own, self.ink = ax.figure.bbox, ax.bbox, _ink(ax)
        legend = ax.get_legend()
        if legend is not None:
            self.taken.append(legend.get_window_extent(renderer))
        self.taken += [
            _with_ticks(other.bbox, ax.bbox, scale) for other in ax.figure.axes if _apart_from(other.bbox, ax.bbox)
        ]

    def settle(self, note: Annotation, places: Iterable[Place]) -> None:
        """Move a label to the best of some places."""
        best: tuple[float, Callable[[Annotation], None]] | None = None
        for dislike, move in places:
            move(note)
            cost = dislike + self.cost(note.get_window_extent(self.renderer))
            if best is None or cost < best[0]:
                best = cost, move
        assert best is not None
        best[1](note)
        self.taken.append(note.get_window_extent(self.renderer))

    def cost(self, box: Bbox) -> float:
        """How much a label at `box` would be in the way."""
        height = max(1.0, box.height)
        cost = 60.0 * sum(_overlap(box, other, self.scale) for other in self.taken)
        cost += 12.0 * _covered(box, self.ink, self.scale)
        cost += 60.0 * sum(_beyond(box, self.frame)) / height
        left, _, below, above = _beyond(box, self.own)
        return cost + (20.0 * (left + below) + 6.0 * above) / height


def _around(side: str) -> list[Place]:
    """Offsets from a point, the preferred side first, then further away and around."""
    first = SIDES[side]
    around = [first, *[v for v in SIDES.values() if v != first], (1, 1), (1, -1), (-1, 1), (-1, -1)]
    near = [(0.5 * i, PAD * 1.2 * a, (PAD + 2.0) * b) for i, (a, b) in enumerate(around)]
    far = [
        (3.0 + 0.06 * abs(dy) + 0.1 * i, PAD * 1.2 * a, dy)
        for i, (a, b) in enumerate(around)
        for k in (2, 3, 4, 6, 8)
        for dy in ((PAD + 2.0) * k * s for s in ((b,) if b else (1, -1)))
    ]
    return [(dislike, functools.partial(_move, dx=dx, dy=dy)) for dislike, dx, dy in near + far]


def _along(where: float) -> list[Place]:
    """Shares of a horizontal line, at its upper side and its lower one."""
    shares = [where, *(s for s in (0.01, 0.99, 0.2, 0.8, 0.35, 0.65, 0.5) if s != where)]
    moves = [functools.partial(_slide, share=share, up=up) for share in shares for up in (True, False)]
    return [(0.5 * i, move) for i, move in enumerate(moves)]


def _slide(note: Annotation, share: float, up: bool) -> None:
    note.xy = (share, note.xy[1])
    note.xyann = (0, 3 if up else -3)
    note.set_horizontalalignment("left" if share < 0.3 else "right" if share > 0.7 else "center")
    note.set_verticalalignment("bottom" if up else "top")


def _ink(ax: Axes) -> Float[np.ndarray, "points 2"]:
    """Points along every line and interval of the axes, in pixels, about two pixels apart."""
    clouds = [np.empty((0, 2))]
    for line in ax.get_lines():
        vertices = np.asarray(line.get_transform().transform_path(line.get_path()).vertices, dtype=np.float64)
        joined = line.get_linestyle() not in ("None", "none", " ", "")
        clouds += _points(vertices, joined=joined)
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            for segment in collection.get_segments():
                clouds += _points(collection.get_transform().transform(segment), joined=True)
    return np.concatenate(clouds)


def _points(vertices: np.ndarray, *, joined: bool) -> list[np.ndarray]:
    vertices = vertices[np.isfinite(vertices).all(axis=1)]
    clouds = [vertices]
    for a, b in itertools.pairwise(vertices) if joined else ():
        count = int(min(400, np.hypot(*(b - a)) // 2))
        clouds.append(a + (b - a) * np.linspace(0, 1, count)[:, None])
    return clouds


def _with_ticks(other: BboxBase, own: BboxBase, scale: float) -> Bbox:
    """Neighbouring axes with the room of their tick labels and title, as far as it is not these axes' own."""
    x0, y0, y1 = other.x0 - 42 * scale, other.y0 - 30 * scale, other.y1 + 18 * scale
    if other.x0 >= own.x1:
        x0 = max(x0, own.x1)
    if other.y0 >= own.y1:
        y0 = max(y0, own.y1)
    if other.y1 <= own.y0:
        y1 = min(y1, own.y0)
    return Bbox.from_extents(x0, y0, other.x1, y1)


def _apart_from(other: BboxBase, own: BboxBase) -> bool:
    """Whether other axes are beside these, not upon them (twins, insets)."""
    return Bbox.intersection(other, own) is None


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
    return float(min(1.5, 2.0 * inside.sum() / max(1.0, box.width)) + 0.6 * inside.any())


def _beyond(box: Bbox, frame: BboxBase) -> tuple[float, float, float, float]:
    """How far a box reaches beyond a frame: left, right, below, above."""
    return (
        max(0.0, frame.x0 - box.x0),
        max(0.0, box.x1 - frame.x1),
        max(0.0, frame.y0 - box.y0),
        max(0.0, box.y1 - frame.y1),
    )


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
