"""Every helper, on the sample sheet and one by one: sizes, text, overlap, bytes."""

import importlib.util
import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from reprise import plotting
from reprise.estimate import Estimate
from reprise.plotting._placement import Placer, apart
from reprise.plotting.axes import decades

_spec = importlib.util.spec_from_file_location("sheet", Path(__file__).with_name("sheet.py"))
assert _spec is not None
assert _spec.loader is not None
sheet = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sheet)


@pytest.fixture(autouse=True)
def _closed():
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def ax():
    return plotting.single()[1]


def svg(fig):
    buffer = io.BytesIO()
    fig.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()


@pytest.mark.parametrize("name", sheet.FIGURES)
def test_text_is_large_enough_and_nothing_is_lost(name):
    fig = sheet.FIGURES[name]()
    fig.canvas.draw()
    texts = [t for t in fig.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert texts
    assert min(t.get_fontsize() for t in texts) >= 9
    assert mpl.colors.to_hex(fig.get_facecolor()) == plotting.PAPER


@pytest.mark.parametrize("name", sheet.FIGURES)
def test_labels_overlap_no_label(name):
    fig = sheet.FIGURES[name]()
    fig.canvas.draw()
    renderer = fig.canvas.get_renderer()
    for ax in fig.axes:
        boxes = [t.get_window_extent(renderer) for t in ax.texts if isinstance(t, Annotation) and t.get_text()]
        for i, a in enumerate(boxes):
            assert all(Bbox.intersection(a, b) is None for b in boxes[i + 1 :])


@pytest.mark.parametrize("name", ["width", "family", "law"])
def test_the_same_figure_gives_the_same_bytes(name):
    first, second = svg(sheet.FIGURES[name]()), svg(sheet.FIGURES[name]())
    assert first == second


def test_sizes():
    assert plotting.single()[0].get_size_inches().tolist() == [6.4, 4.0]
    fig, axes = plotting.wide(3, ["a", "b", "c"])
    assert fig.get_size_inches().tolist() == [9.0, 3.6]
    assert axes[0].get_shared_x_axes().joined(axes[0], axes[2])
    grid = plotting.wide(2, nrows=2)[1]
    assert grid.shape == (2, 2)
    assert plotting.wide(2, height=5.0)[0].get_size_inches()[1] == 5.0


def test_looks(ax):
    assert plotting.theory(ax, [1, 2], [1, 2]).get_color() == plotting.INK
    assert plotting.theory(ax, [1, 2], [1, 2]).is_dashed()
    line = plotting.experiment(ax, [1, 2], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5])
    assert (line.get_color(), line.get_marker(), line.get_linestyle()) == (plotting.EXPERIMENT, "o", "None")
    bars = ax.collections[-1].get_segments()
    assert np.allclose(bars[0], [[1, 0.5], [1, 1.5]])
    assert plotting.control(ax, [1], [1]).get_color() == plotting.CONTROL
    band = plotting.experiment(ax, [1, 2], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5], kind="band")
    assert band.get_linestyle() == "-"
    assert plotting.reported(ax, 1.0, "paper").get_linewidth() < 1.2
    assert plotting.reported(ax, 1.0, "paper", axis="x").get_xdata() == [1.0, 1.0]


def test_intervals_always_hold_their_value(ax):
    plotting.experiment(ax, [1.0], [2.0], [2.5], [3.0])  # a median outside its band: the bar reaches it
    assert np.allclose(ax.collections[-1].get_segments()[0], [[1, 2.0], [1, 3.0]])


def test_a_label_moves_away_from_an_occupied_place(ax):
    ax.plot([0, 1], [0, 0])
    ax.set_ylim(-1, 1)
    a = plotting.direct_label(ax, 0.5, 0.0, "first")
    b = plotting.direct_label(ax, 0.5, 0.0, "second")
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    line = ax.transData.transform((0.5, 0.0))[1]
    for note in (a, b):
        box = note.get_window_extent(renderer)
        assert box.y0 > line or box.y1 < line
    assert Bbox.intersection(a.get_window_extent(renderer), b.get_window_extent(renderer)) is None
    assert sum(isinstance(c, Placer) for c in ax.get_children()) == 1


def test_labels_stay_on_the_figure(ax):
    ax.plot([0, 1], [0, 1])
    note = plotting.direct_label(ax, 1.0, 1.0, "a rather long label at the very end of the curve")
    ax.figure.canvas.draw()
    box = note.get_window_extent(ax.figure.canvas.get_renderer())
    assert box.x1 <= ax.figure.bbox.x1 + 1


def test_a_reported_label_slides_out_of_the_way(ax):
    ax.plot([0.0, 0.3, 1.0], [1.02, 1.03, 0.5])
    ax.plot([0.0, 0.3], [0.97, 0.98])
    plotting.reported(ax, 1.0, "paper: 1.0")
    ax.set_ylim(0, 2)
    ax.figure.canvas.draw()
    note = next(t for t in ax.texts if t.get_text() == "paper: 1.0")
    assert note.xy[0] > 0.3
    assert note.get_window_extent().x1 <= ax.bbox.x1


def test_labels_avoid_neighbouring_axes_and_legends():
    _, axes = plotting.wide(2, share=False)
    for ax in axes:
        ax.plot([0, 1], [0, 1], label="curve")
    legend = axes[0].legend(loc="center left")
    long = "a label that would reach into the next panel"
    notes = [
        plotting.direct_label(axes[0], 1.0, 1.0, long),
        plotting.direct_label(axes[0], 0.1, 0.5, "near the legend"),
    ]
    axes[0].figure.canvas.draw()
    boxes = [n.get_window_extent() for n in notes]
    assert boxes[0].x1 < axes[1].bbox.x0
    assert axes[0].bbox.width == pytest.approx(axes[1].bbox.width, rel=0.02)  # no panel is squeezed for a label
    assert all(Bbox.intersection(b, legend.get_window_extent()) is None for b in boxes)


def test_line_labels_keep_their_order(ax):
    lines = [plotting.theory(ax, [0, 1], [0, y], label=f"{y}") for y in (0.02, 0.0, 0.01, 1.0)]
    notes = plotting.label_lines(ax, lines)
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    heights = {n.get_text(): n.get_window_extent(renderer).y0 for n in notes}
    assert heights["0.0"] < heights["0.01"] < heights["0.02"] < heights["1.0"]
    assert len({round(n.get_window_extent(renderer).x0) for n in notes}) == 1
    ax.plot([np.nan], [np.nan], label="empty")
    assert [n.get_text() for n in plotting.label_lines(ax)] == ["0.02", "0.0", "0.01", "1.0"]


def test_apart():
    heights = np.full(3, 10.0)
    places = apart(np.array([50.0, 50.0, 51.0]), heights, 0.0, 100.0)
    assert np.all(np.diff(places) >= 10 - 1e-9)
    assert places.mean() == pytest.approx(np.mean([50, 50, 51]))
    assert np.allclose(apart(np.array([0.0, 50.0, 99.0]), heights, 0.0, 100.0), [5.0, 50.0, 95.0])


def test_slope_note(ax):
    note = plotting.slope_note(ax, Estimate(-0.5, -0.53, -0.46, n=20), (1, 1), name="exponent")
    assert note.get_text() == "exponent −0.50 [−0.53, −0.46]"
    with pytest.raises(TypeError, match="one number"):
        plotting.interval_text(Estimate((1.0, 2.0), (1.0, 2.0), (1.0, 2.0), n=2))


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(1234.5, 1200.0, 1300.0, n=3), "1234 [1200, 1300]"),
        (Estimate(0.00123, 0.0012, 0.0013, n=3), "0.00123 [0.00120, 0.00130]"),
        (Estimate.exact(2.0), "2"),
        (Estimate(float("nan"), float("nan"), float("nan"), n=1), "nan"),
        (Estimate(2.5e7, 2.4e7, 2.6e7, n=3), "2.5e+07 [2.4e+07, 2.6e+07]"),
    ],
)
def test_interval_text(estimate, text):
    assert plotting.interval_text(estimate) == text


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 12, [1, 2, 5, 10]),
        (0.008, 150, [0.01, 0.1, 1, 10, 100]),
        (20, 900, [20, 50, 100, 200, 500]),
        (0.5, 2e5, [1, 10, 100, 1e3, 1e4, 1e5]),
        (0.5, 2e7, [1, 100, 1e4, 1e6]),
        (1, 1e12, [1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
        (3, 4.2, [3, 4]),
    ],
)
def test_decades(low, high, ticks):
    found = decades(low, high)
    if len(ticks) > 2:
        assert found == pytest.approx(ticks)
    else:
        assert len(found) >= 3
        assert all(low <= t <= high for t in found)


def test_log_ticks_follow_the_limits_at_drawing_time(ax):
    plotting.log_ticks(ax, "y")
    ax.plot([1, 2], [1e-3, 1e3])
    ax.figure.canvas.draw()
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert "100" in labels
    assert "0.01" in labels
    plotting.log_ticks(ax, "x", np.geomspace(1, 2**20, 21))
    assert len(ax.get_xticks()) <= 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: plotting.experiment(ax, [1], [1], low=[0]), "both ends"),
        (lambda ax: plotting.experiment(ax, [1], [1, 2], [1], [1]), "one shape"),
        (lambda ax: plotting.experiment(ax, [1], [1], kind="violin"), "'bars' or 'band'"),
        (lambda ax: plotting.reported(ax, 1, axis="z"), "'x' or 'y'"),
        (lambda ax: plotting.direct_label(ax, 1, 1, "a", side="over"), "side"),
        (lambda ax: plotting.log_ticks(ax, "z"), "axis"),
        (lambda ax: plotting.intervals(ax, ["a"], []), "one length"),
        (lambda ax: plotting.heatmaps([np.eye(2)], []), "titles"),
        (lambda ax: decades(-1, 1), "0 < low < high"),
    ],
)
def test_errors(ax, call, message):
    with pytest.raises(ValueError, match=message):
        call(ax)


def test_heatmap_scales():
    fig, axes = plotting.heatmaps([np.eye(2), -np.eye(2)], ["a", "b"])
    assert axes[0].collections[0].get_clim() == (-1.0, 1.0)
    fig, axes = plotting.heatmaps([np.eye(2), 3 * np.eye(2)], ["a", "b"])
    assert axes[1].collections[0].get_clim() == (0.0, 3.0)
    assert fig.axes[-1].get_ylabel() == ""
