"""From a name to arrays: bundled sets, and sets of files made here."""

from __future__ import annotations

import gzip
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn import datasets as bundled

from reprise import provenance
from reprise.datasets import DataError, Dataset, load, registry, store
from reprise.datasets.errors import ChecksumError, FormatError, OptionError, UnknownDatasetError
from tests.datasets.conftest import CLOSED, make_entry
from tests.datasets.test_idx import idx

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (30, 28, 28)).astype(np.uint8)
TEST = RNG.integers(0, 256, (12, 28, 28)).astype(np.uint8)
LABELS = (np.arange(30) % 3).astype(np.uint8)
TEST_LABELS = (np.arange(12) % 3).astype(np.uint8)


def install(monkeypatch, folder, entry, files):
    """Put files into the data folder and make the registry know no other set."""
    place = folder / entry.folder
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    monkeypatch.setenv(store.DATA_DIR, str(folder))
    monkeypatch.setattr(registry, "find", lambda _: entry)


def idx_entry(files):
    entry = make_entry(CLOSED, files=files, classes=["a", "b", "c"])
    parts = [
        file.model_copy(update={"part": "train" if file.name.startswith("train") else "test"}) for file in entry.files
    ]
    return entry.model_copy(update={"files": parts})


def idx_files(labels=LABELS):
    contents = {
        "train-images.gz": TRAIN,
        "train-labels.gz": labels,
        "test-images.gz": TEST,
        "test-labels.gz": TEST_LABELS,
    }
    return {name: gzip.compress(idx(array), mtime=0) for name, array in contents.items()}


@pytest.fixture
def toy(monkeypatch, tmp_path):
    files = idx_files()
    install(monkeypatch, tmp_path / "data", idx_entry(files), files)


def test_images_as_they_are(toy):
    data = load("toy", scale=None, flatten=False)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, TRAIN)
    np.testing.assert_array_equal(data.x_test, TEST)
    np.testing.assert_array_equal(data.y, LABELS)
    np.testing.assert_array_equal(data.meta.train_rows, np.arange(30))
    assert data.meta.classes == ("a", "b", "c")


def test_images_by_default_are_rows_from_0_to_1(toy):
    data = load("toy")
    assert data.x.shape == (30, 784)
    assert data.x.dtype == np.float64
    assert data.meta.image_shape == (28, 28)
    np.testing.assert_allclose(data.x, TRAIN.reshape(30, -1) / 255, rtol=1e-15)


def test_standard_pixels_use_training_statistics(toy):
    data = load("toy", scale="standard")
    expected = (TEST.reshape(12, -1) - TRAIN.mean()) / TRAIN.std()
    np.testing.assert_allclose(data.x_test, expected, rtol=1e-10)


def test_sphere_one_hot_and_single_precision_together(toy):
    data = load("toy", scale="sphere", one_hot=True, dtype=np.float32, size=14)
    assert data.x.dtype == data.y.dtype == np.float32
    assert data.x.shape == (30, 196)
    assert data.meta.image_shape == (14, 14)
    np.testing.assert_allclose(np.linalg.norm(data.x, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(data.y.argmax(axis=1), LABELS)


def test_a_subset_of_classes(toy):
    data = load("toy", classes=(2, 0), one_hot=True)
    assert data.meta.classes == ("c", "a")
    assert data.y.shape == (20, 2)
    expected = np.flatnonzero(LABELS != 1)
    np.testing.assert_array_equal(data.meta.train_rows, expected)
    np.testing.assert_array_equal(data.y.argmax(axis=1), np.where(LABELS[expected] == 2, 0, 1))


def test_a_draw_of_rows(toy):
    data = load("toy", n_train=np.int64(7), n_test=3, seed=4, scale=None)
    assert (len(data.x), len(data.x_test)) == (7, 3)
    np.testing.assert_array_equal(data.x, TRAIN.reshape(30, -1)[data.meta.train_rows])
    np.testing.assert_array_equal(data.y_test, TEST_LABELS[data.meta.test_rows])
    assert len(load("toy", n_test=0).x_test) == 0


@pytest.mark.parametrize(("part", "expected"), [("train", TRAIN), ("test", TEST)])
def test_one_part_needs_no_file_of_the_other(monkeypatch, tmp_path, part, expected):
    files = idx_files()
    present = {name: content for name, content in files.items() if name.startswith(part)}
    install(monkeypatch, tmp_path / "data", idx_entry(files), present)
    data = load("toy", part=part, scale=None, flatten=False)
    np.testing.assert_array_equal(data.x, expected)
    assert data.x_test.shape == (0, 28, 28)
    with pytest.raises(DataError, match="could not be had"):
        load("toy")


def test_images_and_labels_that_do_not_fit_are_refused(monkeypatch, tmp_path):
    files = idx_files(labels=LABELS[:29])
    install(monkeypatch, tmp_path / "data", idx_entry(files), files)
    with pytest.raises(FormatError, match=r"has 30 images, .* 29 labels"):
        load("toy")


def test_the_set_is_noted_for_the_record():
    data = load("digits")
    assert provenance.datasets()["digits"] == data.meta.sha256
    assert data.meta.sha256 == registry.find("digits").digest
    load("breast_cancer")
    assert "breast-cancer" in provenance.datasets()
    assert "breast_cancer" not in provenance.datasets()


def test_digits():
    official = bundled.load_digits()
    data = load("digits", scale=None)
    np.testing.assert_array_equal(data.x, official.data[data.meta.train_rows])
    np.testing.assert_array_equal(data.y_test, official.target[data.meta.test_rows])
    assert (len(data.x), len(data.x_test)) == (1617, 180)
    assert load("digits").x.max() == 1.0
    assert load("digits", size=4, flatten=False).x.shape == (1617, 4, 4)
    assert "MNIST" in str(data.meta.stand_in)


def test_diabetes_in_original_units():
    official = bundled.load_diabetes(scaled=False)
    data = load("diabetes", split=3)
    y = data.y * data.meta.y_std + data.meta.y_mean
    np.testing.assert_allclose(y, official.target[data.meta.train_rows], rtol=1e-12)
    np.testing.assert_allclose(data.x.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(data.x.std(axis=0), 1.0, rtol=1e-12)
    raw = load("diabetes", split=3, scale=None, scale_y=None)
    np.testing.assert_array_equal(raw.x, official.data[data.meta.train_rows])
    assert (raw.meta.y_mean, raw.meta.y_std) == (0.0, 1.0)


@pytest.mark.parametrize(("name", "shape", "classes"), [("iris", 4, 3), ("wine", 13, 3), ("breast-cancer", 30, 2)])
def test_small_tables_with_classes(name, shape, classes):
    data = load(name, train_fraction=0.5)
    assert data.x.shape[1] == shape
    assert len(data.meta.classes) == len(np.unique(data.y)) == classes
    assert abs(len(data.x) - len(data.x_test)) <= 1


def test_all_rows_may_be_training_rows():
    data = load("digits", train_fraction=1.0, scale="standard")
    assert (len(data.x), data.x_test.shape, data.y_test.shape) == (1797, (0, 64), (0,))


def test_a_changed_release_of_scikit_learn_is_noticed(monkeypatch):
    entry = registry.find("iris").model_copy(update={"sha256": "0" * 64})
    monkeypatch.setattr(registry, "find", lambda _: entry)
    with pytest.raises(ChecksumError, match="this release of scikit-learn has other numbers"):
        load("iris")


def test_arrays_cannot_be_written_nor_fields_replaced():
    data = load("iris")
    for array in (data.x, data.y, data.x_test, data.y_test, data.meta.train_rows, data.meta.test_rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(FrozenInstanceError):
        data.x = data.x_test  # type: ignore[misc]


def test_its_name_in_words():
    assert repr(load("iris")) == "Dataset(iris: x (135, 4), x_test (15, 4), y int64)"
    assert Dataset.__module__ == "reprise.datasets.dataset"


def test_what_the_package_does_not_have():
    import reprise.datasets

    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = reprise.datasets.laod


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnist", {"flaten": True}, "mnist: unknown option 'flaten'; did you mean 'flatten'?"),
        ("mnist", {"split": 1}, "mnist: unknown option 'split'"),
        ("diabetes", {"flatten": True}, "diabetes: unknown option 'flatten'; known are: "),
        ("diabetes", {"one_hot": True}, "unknown option 'one_hot'"),
        ("omniglot", {"classes": [1]}, "unknown option 'classes'"),
        ("mnist", {"scale": "unti"}, "mnist: scale='unti': input should be 'unit', 'standard' or 'sphere'; did"),
        ("mnist", {"part": "tset"}, "did you mean 'test'?"),
        ("mnist", {"n_train": "10"}, "mnist: n_train='10': input should be a valid integer"),
        ("mnist", {"n_train": 10.0}, "n_train=10.0"),
        ("mnist", {"n_train": True}, "n_train=True"),
        ("mnist", {"n_train": 0}, "n_train=0: input should be greater than or equal to 1"),
        ("mnist", {"n_test": -1}, "n_test=-1"),
        ("mnist", {"seed": -1}, "seed=-1"),
        ("mnist", {"size": 0}, "size=0"),
        ("mnist", {"dtype": "float16"}, "dtype='float16'"),
        ("mnist", {"dtype": dict}, "dtype="),
        ("mnist", {"classes": []}, "classes=[]"),
        ("mnist", {"classes": [10]}, "mnist: classes=[10]: give distinct labels from 0 to 9"),
        ("mnist", {"classes": [1, 1]}, "give distinct labels"),
        ("mnist", {"classes": "1"}, "classes='1'"),
        ("uci/yacht", {"split": -1}, "split=-1"),
        ("uci/yacht", {"train_fraction": 1.1}, "train_fraction=1.1: input should be less than or equal to 1"),
        ("uci/yacht", {"convention": "offical"}, "did you mean 'official'?"),
        ("uci/yacht", {"scale": "unit"}, "uci/yacht: scale='unit'"),
        ("synthetic/gaussian-product", {"n": 3}, "key: field required"),
        ("synthetic/gaussian-product", {"n": 3, "key": 0, "modes": 3}, "unknown option 'modes'"),
        ("digits", {"n_train": 5, "n_test": 400}, "n_test=400: there are only 180 test rows"),
    ],
)
def test_bad_options_are_refused_before_any_file_is_looked_for(name, options, message):
    with pytest.raises(OptionError) as caught:
        load(name, **options)
    assert message in str(caught.value)
    assert not store.cache_dir().exists()


def test_an_unknown_set():
    with pytest.raises(UnknownDatasetError, match="did you mean 'mnist'"):
        load("mnits")
    with pytest.raises(DataError):
        load("mnits")
