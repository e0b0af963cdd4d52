"""Blocked Gram matrices against the kernel in one piece, on one device and on eight."""

import functools
import json
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from reprise.kernels import closed_form
from reprise.kernels import gram as module
from reprise.kernels.gram import gram

X = np.random.default_rng(0).normal(size=(37, 5))
Y = np.random.default_rng(1).normal(size=(11, 5))


def rbf(a, b):
    return jnp.exp(-jnp.sum((a[:, None] - b[None]) ** 2, axis=-1) / 5)


@pytest.mark.parametrize("block", [1, 5, 12, 36, 37, 38, 1024])
def test_any_block_gives_the_kernel(block):
    np.testing.assert_allclose(gram(rbf, X, block=block), rbf_kernel(X, gamma=0.2), rtol=1e-12)
    np.testing.assert_allclose(gram(rbf, X, Y, block=block), rbf_kernel(X, Y, gamma=0.2), rtol=1e-12)
    np.testing.assert_allclose(gram(rbf, Y, X, block=block), rbf_kernel(Y, X, gamma=0.2), rtol=1e-12)


def linear(a, b):
    return a @ b.T


@given(n=st.integers(1, 40), m=st.integers(1, 40), block=st.integers(1, 17))
@settings(max_examples=25)
def test_any_sizes(n, m, block):
    x, y = np.arange(2.0 * n).reshape(n, 2), np.arange(2.0 * m).reshape(m, 2) - 3
    np.testing.assert_array_equal(gram(linear, x, y, block=block), x @ y.T)
    np.testing.assert_array_equal(gram(linear, x, block=block), x @ x.T)


def test_symmetric_exactly_and_positive_semi_definite():
    matrix = gram(functools.partial(closed_form.ntk, depth=4, b_std=0.1), X, block=8)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix, closed_form.ntk(X, depth=4, b_std=0.1), rtol=1e-12)
    assert jnp.linalg.eigvalsh(matrix)[0] > 0


def test_permutation():
    order = np.random.default_rng(2).permutation(len(X))
    expected = gram(rbf, X, block=7)[np.ix_(order, order)]
    np.testing.assert_allclose(gram(rbf, X[order], block=7), expected, rtol=1e-14)


def test_half_of_the_tiles_is_computed(monkeypatch):
    """Counted where progress is reported: blocks * (blocks + 1) / 2 tiles instead of blocks ** 2."""
    seen = []

    class Recorder:
        def __init__(self, label, total):
            seen.append([label, total, 0])

        def __enter__(self):
            return self.advance

        def __exit__(self, *_):
            return False

        @staticmethod
        def advance(steps):
            seen[-1][2] += steps

    monkeypatch.setattr(module, "task", Recorder)
    gram(rbf, X, block=10, label="test")
    gram(rbf, X, Y, block=10)
    assert seen == [["test", 10, 10], ["Gram matrix", 8, 8]]


def test_several_kernels_at_once():
    kernels = gram(functools.partial(closed_form.nngp_ntk, depth=3), X, block=9)
    np.testing.assert_allclose(kernels.nngp, closed_form.nngp(X, depth=3), rtol=1e-12)
    np.testing.assert_allclose(kernels.ntk, closed_form.ntk(X, depth=3), rtol=1e-12)


def test_points_of_any_shape():
    images = np.random.default_rng(3).normal(size=(7, 4, 4, 3))

    def kernel(a, b):
        return jnp.einsum("nijc,mijc->nm", a, b)

    flat = images.reshape(7, -1)
    np.testing.assert_allclose(gram(kernel, images, block=3), flat @ flat.T, rtol=1e-13)


def test_dtypes():
    def kernel(a, b):
        assert a.dtype == b.dtype == jnp.float32
        return a @ b.T

    matrix = gram(kernel, X, block=8, dtype=jnp.float32)
    assert matrix.dtype == jnp.float64
    np.testing.assert_allclose(matrix, X @ X.T, rtol=1e-4, atol=1e-5)
    assert gram(linear, X.astype(np.float32)).dtype == jnp.float64
    assert gram(linear, np.arange(6, dtype=np.uint8).reshape(3, 2))[2, 2] == 41


def test_result_survives_its_source():
    """On a CPU the result takes over the buffer it was assembled in: nothing else may write there."""
    first = gram(linear, X, block=8)
    kept = np.array(first)
    for _ in range(3):
        gram(linear, X + 1, block=8)
    np.testing.assert_array_equal(first, kept)


def test_a_kernel_that_cannot_be_hashed():
    class Scaled:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, a, b):
            return 2 * a @ b.T

    np.testing.assert_allclose(gram(Scaled(), X, block=8), 2 * X @ X.T, rtol=1e-13)


def test_compiled_once_for_the_same_kernel():
    traces = []

    def kernel(a, b):
        traces.append(1)
        return a @ b.T

    for _ in range(3):
        gram(kernel, X, block=8)
    assert len(traces) == 1


def test_equal_partials_are_compiled_once():
    traces = []

    def kernel(factor, a, b, *, power):
        traces.append((factor, power))
        return factor * (a @ b.T) ** power

    for power in (2, 1, 2, 1):
        matrix = gram(functools.partial(kernel, 3.0, power=power), X, block=8)
        np.testing.assert_allclose(matrix, 3 * (X @ X.T) ** power, rtol=1e-12)
    assert traces == [(3.0, 2), (3.0, 1)]
    unhashable = functools.partial(kernel, jnp.array(3.0), power=1)
    np.testing.assert_allclose(gram(unhashable, X, block=8), matrix, rtol=1e-12)


def asymmetric(a, b):
    return a @ jnp.roll(b, 1, axis=1).T


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": linear, "x1": X, "block": 0}, "block must be at least 1"),
        ({"kernel": linear, "x1": X, "x2": Y[:, :3]}, r"points of x1 have shape \(5,\) and points of x2 \(3,\)"),
        ({"kernel": linear, "x1": X[0]}, "along its first axis"),
        ({"kernel": linear, "x1": X[:0]}, "along its first axis"),
        ({"kernel": linear, "x1": X, "devices": []}, "devices is empty"),
        ({"kernel": lambda a, b: a.sum() + b.sum(), "x1": X}, r"must return a matrix of shape \(37, 37\)"),
        ({"kernel": asymmetric, "x1": X}, "not symmetric"),
    ],
)  # fmt: skip
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        gram(**arguments)


def test_asymmetric_functions_of_two_sets_are_fine():
    np.testing.assert_allclose(gram(asymmetric, X, X), X @ np.roll(X, 1, axis=1).T, rtol=1e-13)


EIGHT = """
import functools, json, sys
import jax, numpy as np
from reprise.kernels import closed_form
from reprise.kernels import gram as module
from reprise.kernels.gram import gram
assert len(jax.devices()) == 8
x = np.random.default_rng(0).normal(size=(101, 6))
y = np.random.default_rng(1).normal(size=(23, 6))
kernel = functools.partial(closed_form.ntk, depth=3, b_std=0.1)
used, shards = [], module._shards
def spy(tiles):
    used.append(len(tiles.sharding.device_set))
    return shards(tiles)
module._shards = spy
results = []
for devices in (jax.devices(), jax.devices()[:3], jax.devices()[:1], None):
    for second in (None, y):
        results.append(np.asarray(gram(kernel, x, second, block=17, devices=devices)).tolist())
one = [np.asarray(kernel(x)).tolist(), np.asarray(kernel(x, y)).tolist()]
json.dump({"results": results, "one": one, "used": sorted(set(used))}, sys.stdout)
"""


def test_eight_devices_give_what_one_gives():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EIGHT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert output["used"] == [1, 3, 8]
    assert len(output["results"]) == 8
    for number, result in enumerate(output["results"]):
        reference = output["results"][4 + number % 2]  # one device
        np.testing.assert_array_equal(result, reference)
        np.testing.assert_allclose(result, output["one"][number % 2], rtol=1e-12)
