"""Gram matrix of a ReLU NTK: blocks and symmetric halves against the library's own two ways."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reprise.kernels import closed_form
from reprise.kernels.gram import gram
from reprise.kernels.nt import nt, stax

N, FEATURES, DEPTH, B_STD = 4000, 784, 4, 0.1
ROUNDS = {"rounds": 5, "iterations": 1, "warmup_rounds": 1}


@pytest.fixture(scope="module")
def points():
    return jax.random.uniform(jax.random.key(0), (N, FEATURES), jnp.float64)


@pytest.fixture(scope="module")
def reference(points):
    """A corner of the matrix from the formula, so that nobody is fast and wrong."""
    return np.asarray(closed_form.ntk(points[:50], points[-70:], depth=DEPTH, b_std=B_STD))


def theirs():
    def dense():
        return stax.Dense(1, W_std=1.0, b_std=B_STD, parameterization="ntk")

    layers = [layer for _ in range(DEPTH - 1) for layer in (dense(), stax.Relu())]
    return stax.serial(*layers, dense())[2]


def measured(benchmark, function, reference):
    matrix = benchmark.pedantic(lambda: jax.block_until_ready(function()), **ROUNDS)
    np.testing.assert_allclose(matrix[:50, -70:], reference, rtol=1e-10)


def test_gram_of_reprise(benchmark, points, reference):
    kernel = functools.partial(closed_form.ntk, depth=DEPTH, b_std=B_STD)
    measured(benchmark, lambda: gram(kernel, points), reference)


def test_gram_by_jitted_neural_tangents(benchmark, points, reference):
    kernel = theirs()
    jitted = jax.jit(lambda x: kernel(x, None, "ntk"))
    measured(benchmark, lambda: jitted(points), reference)


def test_gram_by_neural_tangents_batch(benchmark, points, reference):
    """With 4 x 4 batches, the fastest of 2, 4, 8 and 16 on the machine of the recorded results."""
    kernel = nt.batch(theirs(), batch_size=N // 4)
    measured(benchmark, lambda: kernel(points, None, "ntk"), reference)
