"""The official files, where REPRISE_DATA_DIR has them: known shapes, counts, sums and first rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from reprise.datasets import load, registry, store
from reprise.datasets.readers import omniglot

pytestmark = pytest.mark.data


@pytest.fixture(autouse=True)
def _official(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.DATA_DIR, str(real_data))


def need(name: str, *parts: str) -> None:
    """Skip unless the files of these parts of a set are there."""
    entry = registry.find(name)
    folder = Path(os.environ[store.DATA_DIR]) / str(entry.folder)
    for file in entry.files:
        if file.part in (parts or ("train", "test", "all")) and not (folder / file.name).is_file():
            pytest.skip(f"{name}: {file.name} is not in {store.DATA_DIR}")


def test_nothing_in_the_folder_is_damaged():
    results = store.check(progress=False)
    assert {r.name: [f.detail for f in r.files if not f.ok] for r in results if not r.ok} == {}
    assert any(r.state == "complete" for r in results)


MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# Mean and deviation of all training pixels, as published with many a normalisation.
@pytest.mark.parametrize(
    ("name", "first", "train", "test", "mean", "std"),
    [
        ("mnist", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], MNIST_TRAIN, MNIST_TEST, 0.1306604762738429, 0.30810780717887876),
        ("fashion-mnist", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], [6000] * 10, [1000] * 10, 0.2860405969887955, 0.35302424451492237),
    ],
)  # fmt: skip
def test_the_mnists(name, first, train, test, mean, std):
    need(name)
    data = load(name, scale=None)
    assert (data.x.shape, data.x_test.shape) == ((60_000, 784), (10_000, 784))
    assert data.x.dtype == np.uint8
    assert data.y[:10].tolist() == first
    assert np.bincount(data.y).tolist() == train
    assert np.bincount(data.y_test).tolist() == test
    pixels = np.bincount(data.x.ravel(), minlength=256)
    value = np.arange(256) / 255
    measured = (pixels * value).sum() / pixels.sum()
    spread = np.sqrt((pixels * value**2).sum() / pixels.sum() - measured**2)
    assert measured == pytest.approx(mean, rel=1e-6)
    assert spread == pytest.approx(std, rel=1e-6)


def test_an_image_of_mnist_is_upright():
    """The first training image is a five: its ink by rows begins and ends where everyone's first five does."""
    need("mnist")
    image = load("mnist", scale=None, flatten=False).x[0]
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (5, 24, 4, 23)
    assert int(image.sum()) == 27525


def test_kmnist_test_images_alone():
    need("kmnist", "test")
    data = load("kmnist", part="test")
    assert data.x.shape == (10_000, 784)
    assert np.bincount(data.y).tolist() == [1000] * 10
    assert data.x_test.shape == (0, 784)


SIZES = {
    "boston": (506, 13),
    "concrete": (1030, 8),
    "energy": (768, 8),
    "kin8nm": (8192, 8),
    "naval": (11934, 14),
    "power": (9568, 4),
    "protein": (45730, 9),
    "wine": (1599, 11),
    "yacht": (308, 6),
}


@pytest.mark.parametrize("name", SIZES)
def test_uci_sets_by_the_group_convention(name):
    need(f"uci/{name}")
    rows, inputs = SIZES[name]
    data = load(f"uci/{name}", split=1)
    assert data.x.shape == (int(0.9 * rows), inputs)
    assert len(data.x) + len(data.x_test) == rows
    np.testing.assert_allclose(data.x.mean(axis=0), 0.0, atol=1e-11)
    np.testing.assert_allclose(data.x.std(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose([data.y.mean(), data.y.std()], [0.0, 1.0], atol=1e-11)


@pytest.mark.parametrize("name", SIZES)
def test_uci_sets_by_the_official_splits(name):
    need(f"uci/{name}", "all", "extra")
    rows = SIZES[name][0]
    for split in (0, 4 if name == "protein" else 19):
        data = load(f"uci/{name}", split=split, convention="official", scale=None, scale_y=None)
        both = np.concatenate([data.meta.train_rows, data.meta.test_rows])
        assert sorted(both.tolist()) == list(range(rows))
        assert len(data.x) == round(0.9 * rows)


def test_uci_columns_are_those_of_the_papers():
    """First rows, as anyone can read them in the raw files of UCI."""
    need("uci/energy")
    need("uci/yacht")
    energy = load("uci/energy", scale=None, scale_y=None)
    first = np.flatnonzero(energy.meta.train_rows == 0)
    assert energy.x[first].tolist() == [[0.98, 514.5, 294.0, 110.25, 7.0, 2.0, 0.0, 0.0]]
    assert energy.y[first].tolist() == [15.55]
    yacht = load("uci/yacht", scale=None, scale_y=None)
    y = np.concatenate([yacht.y, yacht.y_test])
    assert len(y) == 308
    assert (y.min(), y.max()) == (0.01, 62.42)


def test_naval_without_constant_columns():
    need("uci/naval")
    group = load("uci/naval", scale=None)
    assert (group.x.max(axis=0) > group.x.min(axis=0)).all()
    official = load("uci/naval", convention="official", scale=None)
    constant = np.flatnonzero(official.x.max(axis=0) == official.x.min(axis=0))
    assert constant.tolist() == [8, 11]


def test_omniglot():
    need("omniglot")
    data = load("omniglot", scale=None, flatten=False)
    assert data.x.shape == (964 * 20, 105, 105)
    assert data.x_test.shape == (659 * 20, 105, 105)
    assert set(np.bincount(data.y)) == {20}
    assert (data.y_test.min(), data.y_test.max()) == (964, 1622)
    assert 0.03 < data.x.mean() < 0.08  # ink is 1, and most of a page is white


def test_omniglot_arrays_are_the_official_drawings():
    need("omniglot", "train", "extra")
    folder = Path(os.environ[store.DATA_DIR]) / "omniglot"
    arrays = load("omniglot", part="train", scale=None, flatten=False).x.reshape(964, 20, 105, 105)
    alphabets = set()
    for number in (1, 2):
        drawings = omniglot.read_drawings(folder / f"images_background_small{number}.zip")
        expected = arrays[drawings.characters - 1, drawings.drawers - 1]
        np.testing.assert_array_equal(drawings.images, expected)
        alphabets |= set(drawings.alphabets)
        assert len(drawings.images) == {1: 2720, 2: 3120}[number]
    assert {"Greek", "Korean", "Latin"} <= alphabets


def test_omniglot_one_shot_runs():
    need("omniglot", "extra")
    folder = Path(os.environ[store.DATA_DIR]) / "omniglot"
    runs = omniglot.read_one_shot(folder / "all_runs.zip")
    assert len(runs) == 20
    assert all(sorted(run.answers.tolist()) == list(range(20)) for run in runs)
