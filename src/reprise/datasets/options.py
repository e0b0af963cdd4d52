"""The options of :func:`reprise.datasets.load`, validated before any file is touched."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reprise.datasets.errors import OptionError, suggestion

Scale = Literal["unit", "standard", "sphere"]
Dtype = Literal["float64", "float32"]


class Options(BaseModel):
    """What every set understands.

    Attributes:
        n_train: keep this many training rows, drawn with ``seed``; with one seed, a smaller draw is a prefix of a
            larger one. ``None`` keeps all, in the order of the file.
        n_test: the same for the test rows.
        seed: seed of these draws.
        dtype: floating-point type of the inputs and of real targets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n_train: int | None = Field(default=None, ge=1)
    n_test: int | None = Field(default=None, ge=0)
    seed: int = Field(default=0, ge=0)
    dtype: Dtype = "float64"


class ClassOptions(Options):
    """What sets with classes understand.

    Attributes:
        classes: keep only these labels, which become 0, 1, … in the order given.
        one_hot: give targets as rows with a single 1.
    """

    classes: list[int] | None = Field(default=None, min_length=1)
    one_hot: bool = False


class PixelOptions(BaseModel):
    """What images understand.

    Attributes:
        size: bring images to ``size`` by ``size`` pixels: the mean over areas if smaller, a frame of zeros if larger.
        flatten: one row per image, instead of height by width.
        scale: ``unit`` divides by the value of a full pixel; ``standard`` subtracts the mean of all training pixels
            and divides by their standard deviation; ``sphere`` divides each image by its Euclidean norm;
            ``None`` leaves the values of the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size: int | None = Field(default=None, ge=1, le=512)
    flatten: bool = True
    scale: Scale | None = "unit"


class PartOptions(BaseModel):
    """What sets with an official training and test part understand.

    Attributes:
        part: ``both``; or only ``train`` or ``test``, which is then ``x`` and ``y``, and the other part is empty and
            its files are not needed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    part: Literal["both", "train", "test"] = "both"


class ImageOptions(ClassOptions, PixelOptions, PartOptions):
    """Images in an official training and test part."""


class DrawingOptions(Options, PixelOptions, PartOptions):
    """The same without names of the classes, and with other classes in the test part."""


class SplitOptions(BaseModel):
    """What sets without an official test part understand.

    Attributes:
        split: rows are shuffled with this seed before they are divided.
        train_fraction: the share of rows that comes first and is the training part; with 1, there is no test part.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    split: int = Field(default=0, ge=0, le=2**32 - 1)
    train_fraction: float = Field(default=0.9, gt=0, le=1)


class SmallImageOptions(ClassOptions, PixelOptions, SplitOptions):
    """Images without an official test part."""


class TableClassOptions(ClassOptions, SplitOptions):
    """Tables with classes.

    Attributes:
        scale: ``standard`` subtracts each column's training mean and divides by its training standard deviation;
            ``sphere`` divides each row by its Euclidean norm.
    """

    scale: Literal["standard", "sphere"] | None = "standard"


class RegressionOptions(Options, SplitOptions):
    """Tables with a real target.

    Attributes:
        scale: as for tables with classes.
        scale_y: ``standard`` does the same to the targets; ``None`` leaves them in original units.
    """

    scale: Literal["standard", "sphere"] | None = "standard"
    scale_y: Literal["standard"] | None = "standard"


class UciOptions(RegressionOptions):
    """The UCI regression sets.

    Attributes:
        convention: ``group`` shuffles with seed ``split`` and trains on the first ``train_fraction`` of rows, without
            constant columns; ``official`` takes rows and columns from the published index files, ``split`` being
            their number.
    """

    convention: Literal["group", "official"] = "group"


class GeneratedOptions(BaseModel):
    """What every synthetic task understands; see :mod:`reprise.datasets.synthetic` for the laws.

    Attributes:
        n: number of training points.
        n_test: number of test points.
        key: the seed.
        dtype: floating-point type of inputs and targets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n: int = Field(ge=1)
    n_test: int = Field(default=0, ge=0)
    key: int = Field(ge=0)
    dtype: Dtype = "float64"


class PowerLawOptions(GeneratedOptions):
    """What the Gaussian power-law task understands besides.

    Attributes:
        modes: number of modes.
        alpha: decay of the eigenvalues.
        beta: decay of the target's power.
        noise_variance: variance of the noise on targets.
    """

    modes: int = Field(ge=1)
    alpha: float = Field(gt=0)
    beta: float = Field(gt=0)
    noise_variance: float = Field(default=0.0, ge=0)


_M = TypeVar("_M", bound=BaseModel)


def parse(model: type[_M], name: str, options: Mapping[str, Any]) -> _M:
    """Validate the options given for the set ``name``.

    >>> parse(ImageOptions, "mnist", {"flaten": True})
    Traceback (most recent call last):
    reprise.datasets.errors.OptionError: mnist: unknown option 'flaten'; did you mean 'flatten'?

    Raises:
        OptionError: naming the option, what is wrong with it and what it may be.
    """
    for option in options:
        if option not in model.model_fields:
            hint = suggestion(option, model.model_fields)
            raise OptionError(f"{name}: unknown option '{option}'; {hint}")
    given = {key: _plain(value) for key, value in options.items()}
    if "dtype" in given:
        given["dtype"] = _dtype_name(given["dtype"])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise OptionError(f"{name}: " + "; ".join(_problem(model, e) for e in error.errors())) from None


def _plain(value: Any) -> Any:
    """NumPy scalars, ranges and tuples as plain numbers and lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (tuple, range)):
        return [_plain(item) for item in value]
    return value


def _dtype_name(value: Any) -> Any:
    """The name of a NumPy or JAX type; anything else is left for the validation to refuse."""
    try:
        return value if isinstance(value, str) else np.dtype(value).name
    except TypeError:
        return value


def _problem(model: type[BaseModel], error: Any) -> str:
    option = str(error["loc"][0])
    given = "" if error["type"] == "missing" else f"={error['input']!r}"
    message = f"{option}{given}: {error['msg'][0].lower()}{error['msg'][1:]}"
    choices = _choices(model.model_fields[option].annotation)
    if choices and isinstance(error["input"], str):
        message += f"; {suggestion(error['input'], choices)}"
    return message


def _choices(annotation: Any) -> list[str]:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return [c for c in typing.get_args(annotation) if isinstance(c, str)]
    if origin in {typing.Union, types.UnionType}:
        return [c for part in typing.get_args(annotation) for c in _choices(part)]
    return []
