"""Which file of a figure a page shows, where Sphinx finds it, and how large it is."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from reprise.compendium.cards import Figure
from reprise.compendium.page_model import BookError, Paper

_LARGE_SVG = 600_000
_WIDE = 1.8


def shown(paper: Paper, figure: Figure) -> Path:
    """The form of a figure that the page shows: SVG, or PNG where the SVG would be slow to draw."""
    assert paper.record is not None
    svg = paper.record.figure(figure.id, "svg")
    png = paper.record.figure(figure.id, "png")
    return png if svg.stat().st_size > _LARGE_SVG and png.is_file() else svg


def source(paper: Paper, figure: Figure) -> str:
    """Where the shown image lies, from the top of the source."""
    return f"book/generated/figures/{paper.anchor(figure.id)}{shown(paper, figure).suffix}"


def size(svg: Path) -> tuple[int, int]:
    """Width and height of an SVG of Matplotlib in CSS pixels, so that the page does not jump while it loads."""
    try:
        box = ET.parse(svg).getroot().get("viewBox", "").split()  # noqa: S314 (our own figure)
        return round(float(box[2]) * 4 / 3), round(float(box[3]) * 4 / 3)
    except (ET.ParseError, IndexError, ValueError) as error:
        raise BookError(f"{svg} is no SVG with a view box: {error}") from None


def is_wide(paper: Paper, figure: Figure) -> bool:
    """Whether a figure is so wide that a phone should let it scroll in its frame."""
    assert paper.record is not None
    width, height = size(paper.record.figure(figure.id, "svg"))
    return width > _WIDE * height
