"""A notebook's parameters: their types, bounds and meaning, checked before anything expensive starts."""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reprise.compendium.errors import ParameterError, suggest

Scalar = int | float | str | bool
Value = Scalar | list[int] | list[float] | list[str]
TypeName = Literal["int", "float", "str", "bool", "list[int]", "list[float]", "list[str]"]
TYPES: tuple[str, ...] = typing.get_args(TypeName)


class Parameter(BaseModel):
    """One parameter of a notebook. Bounds are closed and hold for each element of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: TypeName
    meaning: str = Field(min_length=1)
    unit: str | None = None
    bounds: tuple[float, float] | None = None
    choices: list[str] | None = None
    min_length: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Parameter:
        element = self.element
        if self.bounds is not None:
            if element not in ("int", "float"):
                raise ValueError(f"bounds make no sense for type {self.type}")
            if not self.bounds[0] <= self.bounds[1]:
                raise ValueError(f"reversed bounds {list(self.bounds)}")
        if self.choices is not None and element != "str":
            raise ValueError(f"choices are for str and list[str], not {self.type}")
        return self

    @property
    def element(self) -> str:
        """The type of one element: ``int`` for both ``int`` and ``list[int]``."""
        return self.type.removeprefix("list[").removesuffix("]")

    @property
    def is_list(self) -> bool:
        """Whether the parameter is a list."""
        return self.type.startswith("list[")

    def check(self, name: str, value: Any) -> Value:
        """The value as plain Python of the declared type.

        Raises:
            ParameterError: wrong type, out of bounds, not among the choices, list too short.
        """
        if not self.is_list:
            return self._element(name, value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
            raise ParameterError(f"parameter '{name}' must be {self.type}, got {_describe(value)}")
        if len(value) < self.min_length:
            raise ParameterError(f"parameter '{name}' needs at least {self.min_length} element(s), got {len(value)}")
        return typing.cast("Value", [self._element(f"{name}[{i}]", v) for i, v in enumerate(value)])

    def _element(self, name: str, value: Any) -> Scalar:
        element = self.element
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            value = value.item()
        right = {
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, (int, float)) and not isinstance(value, bool),
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
        }[element]
        if not right:
            raise ParameterError(f"parameter '{name}' must be {element}, got {_describe(value)}")
        if element == "float":
            value = float(value)
            if not math.isfinite(value):
                raise ParameterError(f"parameter '{name}' must be finite, got {value}")
        if self.bounds is not None and not self.bounds[0] <= value <= self.bounds[1]:
            low, high = self.bounds
            raise ParameterError(f"parameter '{name}' must lie in [{low:g}, {high:g}], got {value!r}")
        if self.choices is not None and value not in self.choices:
            raise ParameterError(
                f"parameter '{name}' must be one of {', '.join(self.choices)}, got {value!r}: "
                f"{suggest(value, self.choices)}"
            )
        return typing.cast("Scalar", value)

    def parse(self, name: str, text: str) -> Value:
        """A value from the command line: ``64``, ``0.1``, ``true``, ``erf``, ``32,128,512`` or ``[32, 128]``.

        Raises:
            ParameterError: the text is no value of the declared type.
        """
        if not self.is_list:
            return self.check(name, _scalar(self.element, text))
        inner = text.strip()
        if inner.startswith("["):
            try:
                return self.check(name, json.loads(inner))
            except json.JSONDecodeError as error:
                raise ParameterError(f"parameter '{name}': {text!r} is no JSON list ({error})") from None
        return self.check(name, [_scalar(self.element, part) for part in inner.split(",")])


def check_all(slug: str, declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """Check every given value against its declaration; all declared names must be given.

    Raises:
        ParameterError: naming the first thing that is wrong.
    """
    for name in given:
        if name not in declared:
            raise ParameterError(f"unknown parameter '{name}' for {slug}; {suggest(name, declared)}")
    missing = [name for name in declared if name not in given]
    if missing:
        raise ParameterError(f"{slug} needs the parameter(s) {', '.join(missing)}")
    return {name: declared[name].check(name, given[name]) for name in declared}


def parse_assignments(slug: str, declared: Mapping[str, Parameter], assignments: list[str]) -> dict[str, Value]:
    """Values from ``name=value`` texts of the command line.

    Raises:
        ParameterError: not of the form ``name=value``, unknown name, given twice, bad value.
    """
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ParameterError(f"'{assignment}' is not of the form name=value")
        if name not in declared:
            raise ParameterError(f"unknown parameter '{name}' for {slug}; {suggest(name, declared)}")
        if name in values:
            raise ParameterError(f"parameter '{name}' is given twice")
        values[name] = declared[name].parse(name, text)
    return values


def _scalar(element: str, text: str) -> Any:
    text = text.strip()
    if element == "str":
        return text
    if element == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return int(text) if element == "int" else float(text)
    except ValueError:
        return text


def _describe(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"
