"""The examples in the docstrings of reprise.statistics run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import reprise.statistics as package

MODULES = [package.__name__, *(f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_function_has_an_example():
    finder = doctest.DocTestFinder(exclude_empty=True)
    bare = []
    for name in package.__all__:
        thing = getattr(package, name)
        if callable(thing) and not isinstance(thing, type):
            examples = [e for t in finder.find(thing, name, globs={}) for e in t.examples]
            bare += [] if examples else [name]
    assert not bare
