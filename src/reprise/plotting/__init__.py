"""Figures with one look throughout the book; titles, labels and what is drawn are the caller's.

Theory is a dashed line in ink, experiment markers with intervals, control muted red, a reported value a thin dotted line; a
family runs light to dark; groups are colour-blind-safe. `single()` and `wide()` apply the style. Labels stand at the curves
(`direct_label`, `label_lines`) up to four of them, else in `outside_legend`.
"""

from reprise.plotting.axes import (
    SINGLE,
    WIDE,
    log_ticks,
    number,
    outside_legend,
    panel_letters,
    single,
    style,
    wide,
)
from reprise.plotting.colours import (
    CONTROL,
    EXPERIMENT,
    GRID,
    GROUPS,
    INK,
    MARKERS,
    PAPER,
    REPORTED,
    family,
    readable,
)
from reprise.plotting.distributions import ecdf, heatmaps, histogram, intervals
from reprise.plotting.labels import direct_label, interval_text, label_lines, slope_guide, slope_note
from reprise.plotting.marks import control, experiment, reported, theory

__all__ = [
    "CONTROL",
    "EXPERIMENT",
    "GRID",
    "GROUPS",
    "INK",
    "MARKERS",
    "PAPER",
    "REPORTED",
    "SINGLE",
    "WIDE",
    "control",
    "direct_label",
    "ecdf",
    "experiment",
    "family",
    "heatmaps",
    "histogram",
    "interval_text",
    "intervals",
    "label_lines",
    "log_ticks",
    "number",
    "outside_legend",
    "panel_letters",
    "readable",
    "reported",
    "single",
    "slope_guide",
    "slope_note",
    "style",
    "theory",
    "wide",
]
