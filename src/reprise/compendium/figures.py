"""Saving a figure in four forms, the same bytes for the same content."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.compendium.cards import Card
from reprise.compendium.cards import Figure as FigureEntry
from reprise.compendium.files import sha256, write_atomically

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DRAWN, EMBEDDED = 3, 42
"""Types of fonts in a PDF, as it names them: shapes that are drawn, or the font's own file."""
PALETTE_ERROR = 0.3
"""Mean error of a channel, of 255, that a palette may cost; drawings stay far below, photographs above."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How fine figures are: dots per inch of the PNG, and the type of the PDF's fonts."""

    dpi: int
    fonts: int


PRINT = Finish(200, EMBEDDED)
SCREEN = Finish(100, DRAWN)
"""For `quick`: publishers want fonts embedded and fine pictures, which take longer than all drawing."""


def save(fig: Figure, entry: FigureEntry, card: Card, data: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Write ``<id>.svg``, ``.png``, ``.pdf`` and ``.csv`` into ``folder``; returns the record's entry.

    The SVG is byte-stable: element ids hash with a fixed salt, and no date is written.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    source = f"{card.title} ({card.year}), figure {entry.id} of its reproduction in Reprise"
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Title": entry.title, "Description": entry.alt, "Source": source, "Date": None},
        "png": {"Title": entry.title, "Description": entry.alt, "Source": source, "Software": None},
        "pdf": {"Title": entry.title, "Subject": entry.alt, "CreationDate": None, "Creator": None, "Producer": None},
    }
    files: dict[str, str] = {}
    finish = SCREEN if os.environ.get("REPRISE_PROFILE") == "quick" else PRINT
    fig.set_dpi(finish.dpi)
    write_plainly(fig)
    fig.draw_without_rendering()  # lays out once for all forms; laying out anew for each takes longer than drawing it
    with mpl.rc_context(
        {
            "svg.hashsalt": f"{card.slug}:{entry.id}",
            "svg.fonttype": "path",
            "pdf.fonttype": finish.fonts,
            "figure.constrained_layout.use": False,
            "figure.autolayout": False,
        }
    ):
        fig.set_layout_engine(None)
        box = fig.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])
        for kind, facts in metadata.items():
            buffer = io.BytesIO()
            options: dict[str, Any] = {"pil_kwargs": {"compress_level": 0}} if kind == "png" else {}  # see compact
            fig.savefig(buffer, format=kind, dpi=finish.dpi, metadata=facts, bbox_inches=box, **options)
            content = buffer.getvalue()
            write_atomically(folder / f"{entry.id}.{kind}", compact(content) if kind == "png" else content)
            files[kind] = f"figures/{entry.id}.{kind}"
    plt.close(fig)
    write_atomically(folder / f"{entry.id}.csv", data.to_csv(index=False, lineterminator="\n"))
    files["csv"] = f"figures/{entry.id}.csv"
    digests = {kind: sha256(folder / Path(name).name) for kind, name in files.items()}
    return {"id": entry.id, "files": files, "sha256": digests}


def write_plainly(fig: Figure) -> None:
    r"""Let numbers at ticks be plain text where no power of ten stands beside the axis; they look the same.

    The style asks for mathematical text, so that such a factor reads $\times10^{-5}$ and not 1e-5. Matplotlib then sets
    every number of the axis as a formula, anew for each form of the figure: up to a third of the time to save it.
    """
    from matplotlib.ticker import ScalarFormatter

    for axis in (axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)):
        formatter = axis.get_major_formatter()
        if type(formatter) is ScalarFormatter:
            formatter.format_ticks(axis.get_majorticklocs().tolist())
            if not formatter.get_offset():
                formatter.set_useMathText(False)


def compact(png: bytes) -> bytes:
    """The same picture, compressed, in 256 colours (a third of the size) unless that could be seen."""
    from PIL import Image, ImageChops, ImageStat
    from PIL.PngImagePlugin import PngInfo

    image = Image.open(io.BytesIO(png))
    facts = PngInfo()
    for key, text in image.info.items():
        if isinstance(text, str):
            facts.add_itxt(str(key), text)

    def encoded(picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", dpi=image.info.get("dpi", (PRINT.dpi, PRINT.dpi)), pnginfo=facts)
        return buffer.getvalue()

    if "A" in image.mode and image.getchannel("A").getextrema() != (255, 255):
        return encoded(image)
    full = image.convert("RGB")
    reduced = full.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    errors = ImageStat.Stat(ImageChops.difference(reduced.convert("RGB"), full)).mean
    return encoded(reduced if sum(errors) / len(errors) < PALETTE_ERROR else full)
