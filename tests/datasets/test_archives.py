"""ZIP files, NumPy's archives and Omniglot, from archives made here."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from reprise.datasets.errors import FormatError, TruncatedError
from reprise.datasets.readers import omniglot
from reprise.datasets.readers.archives import members, read_npz


def make_zip(path, files: dict[str, bytes]):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def png(seed: int, side: int = 105) -> tuple[bytes, np.ndarray]:
    """A drawing as a file, and where it has ink."""
    ink = np.random.default_rng(seed).random((side, side)) < 0.1
    stream = io.BytesIO()
    Image.fromarray(~ink).save(stream, "PNG")
    return stream.getvalue(), ink.astype(np.uint8)


def test_members_are_sorted_and_filtered(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"b/2.png": b"2", "b/1.png": b"1", "c.txt": b"c", "b/": b""})
    assert list(members(path, suffix=".png")) == [("b/1.png", b"1"), ("b/2.png", b"2")]
    assert len(list(members(path))) == 3


def test_a_truncated_zip_is_named(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a": b"a" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(TruncatedError, match="ends before its table of contents"):
        list(members(path))


def test_a_damaged_zip_is_named(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a": b"a" * 1000})
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="a is damaged"):
        list(members(path))


def test_what_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"<html>")
    with pytest.raises(FormatError, match="is no ZIP archive"):
        list(members(path))
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="is no ZIP archive"):
        read_npz(path, [])


def test_arrays_come_back(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3), y=np.eye(2))
    assert list(read_npz(path, ["y"])) == ["y"]
    np.testing.assert_array_equal(read_npz(path, ["x"])["x"], [0, 1, 2])
    with pytest.raises(FormatError, match="has no array z, only x, y"):
        read_npz(path, ["z"])


def test_a_truncated_archive_of_arrays_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(TruncatedError):
        read_npz(path, ["x"])


def test_pickles_are_not_loaded(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match="damaged archive of arrays"):
        read_npz(path, ["x"])


def test_drawings_are_read_with_their_names(tmp_path):
    names = ["set/Greek/character02/0395_01.png", "set/Greek/character01/0394_20.png"]
    drawn = {name: png(seed) for seed, name in enumerate(names)}
    files = {name: content for name, (content, _) in drawn.items()}
    path = make_zip(tmp_path / "a.zip", {**files, "set/readme.txt": b""})
    drawings = omniglot.read_drawings(path)
    assert drawings.characters.tolist() == [394, 395]
    assert drawings.drawers.tolist() == [20, 1]
    assert drawings.alphabets == ("Greek", "Greek")
    np.testing.assert_array_equal(drawings.images, [drawn[names[1]][1], drawn[names[0]][1]])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b""}, "has no Omniglot drawings"),
        ({"s/Greek/character01/0394_01.png": b"no image"}, "0394_01.png is no image"),
        ({"s/Greek/character01/0394_01.png": png(0, 28)[0]}, "0394_01.png has 28 x 28 pixels"),
    ],
)
def test_wrong_drawings_are_refused(tmp_path, files, message):
    with pytest.raises(FormatError, match=message):
        omniglot.read_drawings(make_zip(tmp_path / "a.zip", files))


def one_shot(answers: str) -> dict[str, bytes]:
    files = {f"run01/{part}/{i}.png": png(i)[0] for part in ("training", "test") for i in (1, 2)}
    return {**files, "run01/class_labels.txt": answers.encode()}


def test_one_shot_runs_map_test_to_training(tmp_path):
    answers = "run01/test/1.png run01/training/2.png\nrun01/test/2.png run01/training/1.png\n"
    (run,) = omniglot.read_one_shot(make_zip(tmp_path / "a.zip", one_shot(answers)))
    assert run.answers.tolist() == [1, 0]
    np.testing.assert_array_equal(run.training, [png(1)[1], png(2)[1]])


def test_one_shot_runs_that_do_not_fit_are_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", one_shot("run01/test/1.png run01/training/2.png\n"))
    with pytest.raises(FormatError, match=r"class_labels\.txt does not fit"):
        omniglot.read_one_shot(path)
    with pytest.raises(FormatError, match="has no runs"):
        omniglot.read_one_shot(make_zip(tmp_path / "b.zip", {"a": b""}))
