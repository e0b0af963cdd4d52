"""Transformations against closed forms, independent implementations and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from reprise.datasets import transforms
from reprise.datasets.errors import OptionError
from reprise.datasets.readers import Part
from reprise.datasets.splits import divide, shuffled


def part(n: int = 20) -> Part:
    return Part(np.arange(n) * 10.0, np.arange(n) % 4, np.arange(n))


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=shape).astype(np.float64)


def test_halving_is_the_mean_over_blocks():
    x = images(5, 28, 28)
    blocks = x.reshape(5, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(transforms.resize(x, 14), blocks, rtol=1e-15)


@given(old=st.integers(1, 30), new=st.integers(1, 30))
def test_shrinking_keeps_the_mean_and_constants(old, new):
    x = images(2, old, old)
    if new > old:
        assert transforms.resize(x, new).sum() == x.sum()
        return
    small = transforms.resize(x, new)
    assert small.shape == (2, new, new)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), x.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(transforms.resize(np.ones((1, old, old)), new), 1.0, rtol=1e-12)


def test_shrinking_by_a_fraction_is_the_integral_over_areas():
    """On a 15 times finer grid, pixels of 3 and of 5 both have whole sizes."""
    x = images(1, 5, 5)
    fine = np.kron(x[0], np.ones((3, 3)))
    areas = fine.reshape(3, 5, 3, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(transforms.resize(x, 3)[0], areas, rtol=1e-13)


def test_growing_puts_the_image_into_the_middle_and_keeps_its_type():
    x = images(1, 28, 28).astype(np.uint8)
    large = transforms.resize(x, 32)
    assert large.dtype == np.uint8
    np.testing.assert_array_equal(large[0, 2:30, 2:30], x[0])
    assert large.sum() == x.sum()


def test_rows_and_columns_are_not_exchanged():
    x = np.zeros((1, 4, 4))
    x[0, 0, 3] = 4.0
    assert transforms.resize(x, 2)[0].tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_one_side_cannot_shrink_while_the_other_grows():
    with pytest.raises(OptionError, match="size=3: images of 2 x 5 pixels"):
        transforms.resize(images(1, 2, 5), 3)


def test_standardising_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    train, test = rng.normal(3, 7, (50, 4)), rng.normal(3, 7, (9, 4))
    scaler = StandardScaler().fit(train)
    x, x_test, mean, std = transforms.standardise(train, test, per_column=True)
    np.testing.assert_allclose(x, scaler.transform(train), rtol=1e-12)
    np.testing.assert_allclose(x_test, scaler.transform(test), rtol=1e-12)
    np.testing.assert_allclose(x * std + mean, train, rtol=1e-12)


@pytest.mark.parametrize("constant", [0.998, 0.1, -1e300, 0.0])
def test_a_constant_column_becomes_zero_exactly(constant):
    train = np.column_stack([np.full(11934, constant), np.arange(11934.0)])
    x, x_test, mean, std = transforms.standardise(train, train[:1] + 1.0, per_column=True)
    assert (x[:, 0] == 0.0).all()
    assert (mean[0], std[0]) == (constant, 1.0)
    assert x_test[0, 0] == (constant + 1.0) - constant


def test_one_mean_for_all_pixels():
    x, _, mean, std = transforms.standardise(images(9, 4, 4), images(2, 4, 4), per_column=False)
    assert mean.shape == std.shape == ()
    assert abs(x.mean()) < 1e-12
    assert abs(x.std() - 1) < 1e-12


def test_the_sphere():
    x = transforms.to_sphere(images(6, 3, 5))
    np.testing.assert_allclose(np.linalg.norm(x.reshape(6, -1), axis=1), 1.0, rtol=1e-14)
    assert not transforms.to_sphere(np.zeros((2, 3))).any()


def test_classes_are_kept_in_the_order_given():
    kept = transforms.keep_classes(part(), [3, 1])
    assert kept.rows.tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    assert kept.y.tolist() == [1, 0] * 5
    assert (kept.x == kept.rows * 10.0).all()


@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_draws_are_nested_without_replacement(n, m, seed):
    few, many = sorted((n, m))
    small, large = (transforms.draw(part(), k, seed, "train") for k in (few, many))
    assert small.rows.tolist() == large.rows[:few].tolist()
    assert len(set(large.rows.tolist())) == many
    assert (large.x == large.rows * 10.0).all()


def test_seeds_differ_and_none_keeps_the_order():
    assert transforms.draw(part(), None, 0, "train").rows.tolist() == list(range(20))
    first, second = (transforms.draw(part(), 20, seed, "train").rows.tolist() for seed in (0, 1))
    assert first != second


def test_more_rows_than_there_are_is_an_error():
    with pytest.raises(OptionError, match="n_test=21: there are only 20 test rows"):
        transforms.draw(part(), 21, 0, "test")


def test_every_row_is_drawn_equally_often():
    """20 rows, 4 000 draws of 5: each count is binomial(4000, 1/4); |z| < 4.5 for all, false alarm 1.4e-4."""
    counts = np.zeros(20)
    for seed in range(4000):
        counts[transforms.draw(part(), 5, seed, "train").rows] += 1
    z = (counts - 1000) / np.sqrt(4000 * 0.25 * 0.75)
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("split", [0, 1, 19])
def test_the_order_of_a_split_is_that_of_the_legacy_shuffle(split):
    expected = np.arange(308)
    np.random.seed(split)  # noqa: NPY002
    np.random.shuffle(expected)  # noqa: NPY002
    np.testing.assert_array_equal(shuffled(308, split), expected)


@given(n=st.integers(2, 60), split=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.99))
def test_a_split_is_a_partition(n, split, share):
    x = np.arange(float(n))
    train, test = divide(x, x, split=split, train_fraction=share)
    assert sorted([*train.rows.tolist(), *test.rows.tolist()]) == list(range(n))
    assert len(train.rows) == max(1, int(n * share))
    assert (train.x == train.rows).all()
    assert (test.x == test.rows).all()
