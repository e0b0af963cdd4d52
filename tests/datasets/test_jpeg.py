"""Colour images from archives of JPEG files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reprise.datasets import load, registry, store
from reprise.datasets.errors import FormatError, OptionError
from reprise.datasets.readers import jpeg

ENTRY = registry.find("cifar10-jpeg")
CHOSEN = SimpleNamespace(part="both", size=None)


def picture(colour: tuple[int, int, int], side: int = 32, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).convert(mode).save(out, "JPEG", quality=100)
    return out.getvalue()


def packed(folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    for archive in ENTRY.files:
        with zipfile.ZipFile(folder / archive.name, "w") as target:
            for name, content in files.items():
                target.writestr(f"{archive.part}/{name}", content)
    return {archive.name: str(folder / archive.name) for archive in ENTRY.files}


def read(folder: Path, files: dict[str, bytes], **options: object):
    paths = packed(folder, files)
    chosen = SimpleNamespace(**{**vars(CHOSEN), **options})
    return jpeg.read(ENTRY, chosen, lambda names: {name: paths[name] for name in names})


def test_planes_and_labels(tmp_path):
    raw = read(tmp_path, {"truck/0000.jpg": picture((200, 0, 0)), "airplane/0000.jpg": picture((0, 0, 200))})
    assert raw.train.x.shape == (2, 96, 32)
    assert raw.train.y.tolist() == [0, 9]
    planes = raw.train.x.reshape(2, 3, 32, 32).astype(float).mean(axis=(2, 3))
    np.testing.assert_allclose(planes, [[0, 0, 200], [200, 0, 0]], atol=3)
    assert raw.image is not None
    assert (raw.image.height, raw.image.width) == (96, 32)


def test_one_part_needs_one_archive(tmp_path):
    raw = read(tmp_path, {"cat/0000.jpg": picture((9, 9, 9))}, part="test")
    assert (len(raw.train.x), len(raw.test.x)) == (1, 0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"unicorn/0000.jpg": picture((1, 2, 3))}, "no class's folder"),
        ({"cat/0000.jpg": b"not an image"}, "is no image"),
        ({"cat/0000.jpg": picture((1, 2, 3), side=16)}, "32 x 32 in colour"),
        ({"cat/0000.jpg": picture((1, 2, 3), mode="L")}, "32 x 32 in colour"),
        ({"cat/0000.txt": b""}, "has no JPEG files"),
    ],
)
def test_a_wrong_archive_is_refused(tmp_path, files, message):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, files)


def test_a_size_would_mix_the_planes(tmp_path):
    with pytest.raises(OptionError, match="keep their size"):
        read(tmp_path, {"cat/0000.jpg": picture((1, 2, 3))}, size=16)


@pytest.mark.data
def test_the_archives_that_the_registry_names(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.DATA_DIR, str(real_data))
    if not all((real_data / str(ENTRY.folder) / file.name).is_file() for file in ENTRY.files):
        pytest.skip(f"the archives of {ENTRY.name} are not in {store.DATA_DIR}")
    data = load(ENTRY.name, scale=None)
    assert (data.x.shape, data.x_test.shape) == ((20_000, 3072), (10_000, 3072))
    assert np.bincount(data.y).tolist() == [2000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    # Means of the three colours, as published with many a normalisation of CIFAR-10.
    means = data.x.reshape(-1, 3, 1024).mean(axis=(0, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=0.005)
