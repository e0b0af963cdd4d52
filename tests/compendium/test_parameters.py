from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reprise.compendium.errors import ParameterError
from reprise.compendium.parameters import Parameter, check_all, parse_assignments

WIDTHS = Parameter(type="list[int]", meaning="widths", bounds=(1, 4096))
RATE = Parameter(type="float", meaning="learning rate", bounds=(0, 10))
SEEDS = Parameter(type="int", meaning="seeds", bounds=(2, 100))
MODE = Parameter(type="str", meaning="activation", choices=["relu", "erf"])
FLAG = Parameter(type="bool", meaning="biases")
DECLARED = {"widths": WIDTHS, "rate": RATE, "seeds": SEEDS, "mode": MODE, "flag": FLAG}
GOOD: dict[str, Any] = {"widths": [8, 16], "rate": 1.0, "seeds": 5, "mode": "relu", "flag": True}


def test_good_values_come_back_as_plain_python() -> None:
    values = check_all("p", DECLARED, {**GOOD, "widths": np.array([8, 16]), "seeds": np.int64(5), "rate": 1})
    assert values == GOOD
    assert type(values["rate"]) is float
    assert type(values["seeds"]) is int


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seeds", "5", r"'seeds' must be int, got '5' \(str\)"),
        ("seeds", 5.0, "must be int"),
        ("seeds", True, "must be int"),
        ("seeds", 1, r"must lie in \[2, 100\], got 1"),
        ("seeds", 101, "must lie in"),
        ("rate", "fast", "must be float"),
        ("rate", math.nan, "must be finite"),
        ("rate", math.inf, "must be finite"),
        ("rate", -0.1, "must lie in"),
        ("widths", 8, r"must be list\[int\]"),
        ("widths", "8,16", r"must be list\[int\]"),
        ("widths", [], "at least 1 element"),
        ("widths", [8, "16"], r"widths\[1\]' must be int"),
        ("widths", [8, 5000], r"widths\[1\]' must lie in"),
        ("mode", "rleu", "did you mean 'relu'"),
        ("flag", 1, "must be bool"),
    ],
)
def test_bad_values_are_named_with_what_would_be_right(name: str, value: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_all("p", DECLARED, {**GOOD, name: value})


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ParameterError, match="unknown parameter 'widht' for ntk-convergence; did you mean 'widths'"):
        check_all("ntk-convergence", DECLARED, {**GOOD, "widht": 3})


def test_missing_names_are_listed() -> None:
    with pytest.raises(ParameterError, match="needs the parameter\\(s\\) rate, flag"):
        check_all("p", DECLARED, {k: v for k, v in GOOD.items() if k not in ("rate", "flag")})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("widths=8,16", {"widths": [8, 16]}),
        ("widths=[8, 16]", {"widths": [8, 16]}),
        ("widths=8", {"widths": [8]}),
        ("rate=1e-3", {"rate": 0.001}),
        ("seeds=7", {"seeds": 7}),
        ("flag=false", {"flag": False}),
        ("mode=erf", {"mode": "erf"}),
    ],
)
def test_assignments(text: str, value: dict[str, Any]) -> None:
    assert parse_assignments("p", DECLARED, [text]) == value


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seeds"], "not of the form name=value"),
        (["seeds=5", "seeds=6"], "given twice"),
        (["seeds=5.5"], "must be int"),
        (["seeds="], "must be int"),
        (["widths=[8"], "no JSON list"),
        (["widths="], "must be int"),
        (["flag=yes"], "must be bool"),
        (["sseeds=5"], "did you mean 'seeds'"),
    ],
)
def test_bad_assignments(texts: list[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parse_assignments("p", DECLARED, texts)


@pytest.mark.parametrize(
    "data",
    [
        {"type": "tuple", "meaning": "x"},
        {"type": "int", "meaning": ""},
        {"type": "str", "meaning": "x", "bounds": [0, 1]},
        {"type": "int", "meaning": "x", "bounds": [2, 1]},
        {"type": "int", "meaning": "x", "choices": ["1"]},
        {"type": "int", "meaning": "x", "minimum": 1},
    ],
)
def test_bad_declarations(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Parameter.model_validate(data)
