"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import reprise.datasets

MODULES = [module.name for module in pkgutil.walk_packages(reprise.datasets.__path__, reprise.datasets.__name__ + ".")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
