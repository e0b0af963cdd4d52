"""Pictures are made smaller and drawn faster where nobody can see it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reprise import plotting
from reprise.compendium.figures import compact, write_plainly


def png(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_a_drawing_gets_a_palette_and_keeps_its_pixels_and_facts() -> None:
    y, x = np.mgrid[:200, :300]
    drawing = np.full((200, 300, 3), 255.0)
    drawing[np.abs(y - x / 2) < 2] = (31, 119, 180)
    drawing *= 0.5 + 0.5 * np.clip(np.abs(y + x / 3 - 150)[..., None] / 2, 0, 1)
    from PIL.PngImagePlugin import PngInfo

    facts = PngInfo()
    facts.add_itxt("Description", "two lines that cross")
    before = png(drawing, pnginfo=facts, compress_level=0)
    after = compact(before)
    image = Image.open(io.BytesIO(after))
    assert len(after) < len(png(drawing))
    assert image.mode == "P"
    assert image.info["Description"] == "two lines that cross"
    assert np.abs(np.asarray(image.convert("RGB"), dtype=float) - np.floor(drawing)).mean() < 0.3
    assert compact(before) == after


def test_a_photograph_and_a_transparent_picture_stay_as_they_are() -> None:
    noise = np.random.default_rng(0).integers(0, 256, size=(100, 100, 4))
    for pixels in (noise[..., :3], noise):
        after = compact(png(pixels, compress_level=0))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(after))), pixels)


def test_numbers_at_ticks_are_plain_text_unless_a_power_of_ten_stands_beside_the_axis() -> None:
    fig, (ordinary, tiny) = plotting.wide(2, share=False)
    for ax, unit in ((ordinary, 1.0), (tiny, 1e-7)):
        ax.plot([-1.0, 0.0, 2.0], [-unit, 0.0, 2 * unit])
    fig.draw_without_rendering()

    def labels(axis) -> list[str]:
        return [label.get_text() for label in axis.get_ticklabels()]

    as_formulas = labels(ordinary.yaxis)
    assert "mathdefault" in as_formulas[0]
    write_plainly(fig)
    fig.draw_without_rendering()
    assert labels(ordinary.yaxis) == [text[len(r"$\mathdefault{") : -len("}$")] for text in as_formulas]
    assert "mathdefault" in labels(tiny.yaxis)[0]
    assert tiny.yaxis.get_offset_text().get_text() == r"$\times\mathdefault{10^{−7}}\mathdefault{}$"
