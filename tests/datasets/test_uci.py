"""UCI tables: both conventions, from a table made here."""

from __future__ import annotations

import numpy as np
import pytest

from reprise.datasets import load
from reprise.datasets.errors import FormatError, OptionError
from reprise.datasets.readers.uci import read_indices, read_table
from reprise.datasets.registry import Table
from tests.datasets.conftest import CLOSED, make_entry
from tests.datasets.test_loading import install

TABLE = np.random.default_rng(0).normal(5, 3, (20, 5))
TABLE[:, 1] = 0.998
ROWS = np.random.default_rng(1).permutation(20)


def lines(values) -> bytes:
    return "".join(f"{v}\n" for v in values).encode()


def files(**changes: bytes) -> dict[str, bytes]:
    table = "\n".join("\t".join(repr(float(v)) for v in row) for row in TABLE) + "\n \n"
    contents = {
        "data": table.encode(),
        "index_features": lines(["0.000e+00", "1.000e+00", "2", "3"]),
        "index_target": lines([4]),
        "n_splits": lines([2]),
        "index_train_0": lines(ROWS[:17]),
        "index_test_0": lines(ROWS[17:]),
        "index_train_1": lines(ROWS[3:]),
        "index_test_1": lines(ROWS[:3]),
        **changes,
    }
    return {f"{name}.txt": content for name, content in contents.items()}


@pytest.fixture
def toy(monkeypatch, tmp_path):
    def toy(drop=(1,), rows=20, **changes):
        contents = files(**changes)
        entry = make_entry(CLOSED, files=contents, reader="uci", task="regression")
        entry = entry.model_copy(update={"table": Table(rows=rows, drop=list(drop))})
        install(monkeypatch, tmp_path / "data", entry, contents)

    return toy


def test_the_group_convention(toy):
    toy()
    data = load("toy", split=5)
    order = np.random.RandomState(5).permutation(20)
    np.testing.assert_array_equal(data.meta.train_rows, order[:18])
    np.testing.assert_array_equal(data.meta.test_rows, order[18:])
    train, test = TABLE[order[:18]], TABLE[order[18:]]
    assert data.x.shape == (18, 3)
    kept = [0, 2, 3]
    expected = (test[:, kept] - train[:, kept].mean(axis=0)) / train[:, kept].std(axis=0)
    np.testing.assert_allclose(data.x_test, expected, rtol=1e-12)
    np.testing.assert_allclose(data.y * data.meta.y_std + data.meta.y_mean, train[:, 4], rtol=1e-12)
    np.testing.assert_allclose([data.meta.y_mean, data.meta.y_std], [train[:, 4].mean(), train[:, 4].std()])


def test_the_official_convention(toy):
    toy()
    data = load("toy", split=1, convention="official", scale=None, scale_y=None)
    np.testing.assert_array_equal(data.meta.test_rows, ROWS[:3])
    np.testing.assert_array_equal(data.x, TABLE[ROWS[3:]][:, :4])
    np.testing.assert_array_equal(data.y_test, TABLE[ROWS[:3], 4])


def test_constant_columns_that_are_kept_become_zero(toy):
    toy()
    data = load("toy", convention="official")
    assert not data.x[:, 1].any()
    assert not data.x_test[:, 1].any()


def test_an_official_split_that_does_not_exist(toy):
    toy()
    with pytest.raises(OptionError, match="split=2: official splits are 0 to 1"):
        load("toy", split=2, convention="official")
    with pytest.raises(OptionError, match="have their own train_fraction"):
        load("toy", convention="official", train_fraction=0.5)


def test_other_shares(toy):
    toy()
    assert len(load("toy", train_fraction=0.5).x) == 10
    assert len(load("toy", n_train=4).x) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": b"1 2 3\n4 5\n"}, "is no table of numbers"),
        ({"data": b"1 2 x\n"}, "is no table of numbers"),
        ({"data": b"1 2 nan\n"}, "not finite"),
        ({"rows": 21}, "has 20 rows, not 21"),
        ({"index_features": b"0\n0\n"}, "index_features.txt has an index twice"),
        ({"index_features": b"0\n5\n"}, "not whole numbers from 0 to 4"),
        ({"index_target": b"-1\n"}, "not whole numbers from 0 to 4"),
        ({"index_target": b"1.5\n"}, "not whole numbers from 0 to 4"),
        ({"index_test_0": lines(ROWS[16:])}, "split 0 has rows in both parts"),
        ({"index_test_0": b"20\n"}, "not whole numbers from 0 to 19"),
    ],
)
def test_tables_and_indices_that_cannot_be_right_are_refused(toy, changes, message):
    toy(**changes)
    with pytest.raises(FormatError, match=message):
        load("toy", convention="official")


def test_an_empty_table_is_refused(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(b"\n\n")
    with pytest.raises(FormatError, match="is empty"):
        read_table(path)
    with pytest.raises(FormatError, match="is empty"):
        read_indices(path, below=3)
