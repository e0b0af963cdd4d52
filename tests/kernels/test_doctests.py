"""The examples in the docstrings run and print what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "activations", "closed_form", "eigenconstants", "eigenframework", "gp", "gram", "random_features", "ridge", "shifted",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"reprise.kernels.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
