"""The USPS reader against files written here."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from reprise.datasets import load, registry
from reprise.datasets.errors import FormatError
from reprise.datasets.options import ImageOptions
from reprise.datasets.readers import usps


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        rng = np.random.default_rng(0)
        content = {
            "train/data": rng.random((5, 256), dtype=np.float32),
            "train/target": np.arange(5, dtype=np.int32),
            "test/data": rng.random((3, 256), dtype=np.float32),
            "test/target": np.array([9, 8, 7], dtype=np.int32),
        }
        path = tmp_path / "usps.h5"
        with h5py.File(path, "w") as file:
            for name, values in (content | changes).items():
                if values is not None:
                    file[name] = values
        return path, content

    return write


@pytest.mark.parametrize(("part", "sizes"), [("both", (5, 3)), ("train", (5, 0)), ("test", (3, 0))])
def test_parts_are_read_as_written(write, part, sizes):
    path, content = write()
    raw = usps.read(registry.find("usps"), ImageOptions(part=part), lambda names: dict.fromkeys(names, str(path)))
    assert (len(raw.train.x), len(raw.test.x)) == sizes
    first = "test" if part == "test" else "train"
    np.testing.assert_array_equal(raw.train.x.reshape(-1, 256), content[f"{first}/data"])
    np.testing.assert_array_equal(raw.train.y, content[f"{first}/target"])
    assert raw.image.maximum == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train/target": None}, "train/target"),
        ({"train/data": np.zeros((5, 255), np.float32)}, "shape"),
        ({"train/data": np.full((5, 256), 2.0, np.float32)}, "outside 0 to 1"),
    ],
)
def test_another_content_is_refused(write, changes, message):
    path, _ = write(**changes)
    with pytest.raises(FormatError, match=message):
        usps.read_part(path, "train")


def test_no_hdf5_file_is_refused(tmp_path):
    (tmp_path / "usps.h5").write_bytes(b"digits")
    with pytest.raises(FormatError, match="no HDF5 file"):
        usps.read_part(tmp_path / "usps.h5", "train")


@pytest.mark.data
def test_the_official_numbers(real_data, monkeypatch):
    monkeypatch.setenv("REPRISE_DATA_DIR", str(real_data))
    if not (real_data / "usps" / "usps.h5").is_file():
        pytest.skip("usps.h5 is not there")
    data = load("usps")
    assert (data.x.shape, data.x_test.shape) == ((7291, 256), (2007, 256))
    assert np.bincount(data.y).tolist() == [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
    assert np.bincount(data.y_test).tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
