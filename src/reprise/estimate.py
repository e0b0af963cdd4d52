"""A measured quantity with its uncertainty: the only thing a claim is judged by.

Standard library only, so that statistics, papers and the compendium can share it
without importing one another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

Values = float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with an interval, and how both were got.

    Attributes:
        value: the point estimate; a tuple for a sequence that is judged by its order.
        low: lower end of the interval, of the shape of ``value``.
        high: upper end of the interval, of the shape of ``value``.
        n: number of independent samples behind it (seeds, splits, trials).
        level: coverage that the interval claims, strictly between 0 and 1, or 1 for a bound.
        method: how the interval was got (``"bootstrap"``, ``"t"``, ``"exact"``, ``"bound"``).
        samples: one value per seed, kept in the record so that a rerun can be compared.

    NaN and infinities can be stored (a diverged run is a fact), but a criterion never passes on them.

    Raises:
        ValueError: reversed interval, shapes that differ, ``n < 1`` or a level outside (0, 1].

    >>> Estimate(-0.5, -0.55, -0.45, n=20, method="bootstrap")
    Estimate(-0.5 [-0.55, -0.45], n=20, 95 % bootstrap)
    """

    value: Values
    low: Values
    high: Values
    n: int
    level: float = 0.95
    method: str = "bootstrap"
    samples: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, _plain(getattr(self, name), name))
        object.__setattr__(self, "samples", tuple(float(s) for s in self.samples))
        object.__setattr__(self, "n", int(self.n))
        object.__setattr__(self, "level", float(self.level))
        sizes = {_size(v) for v in (self.value, self.low, self.high)}
        if len(sizes) != 1:
            raise ValueError(f"value, low and high must have one shape, got sizes {sorted(map(str, sizes))}")
        if self.n < 1:
            raise ValueError(f"n counts independent samples and must be at least 1, got {self.n}")
        if not 0.0 < self.level <= 1.0:
            raise ValueError(f"level must lie in (0, 1], got {self.level}")
        for low, high in zip(as_tuple(self.low), as_tuple(self.high), strict=True):
            if low > high:
                raise ValueError(f"reversed interval: low {low!r} is above high {high!r}")

    def __repr__(self) -> str:
        return f"Estimate({self}, n={self.n}, {self.level * 100:g} % {self.method})"

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return "(" + ", ".join(f"{v:.4g}" for v in self.value) + ")"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    @classmethod
    def exact(
        cls,
        value: float | Sequence[float],
        error: float = 0.0,
        *,
        n: int = 1,
        method: str = "exact",
        samples: Sequence[float] = (),
    ) -> Self:
        """A deterministic quantity known to within ``error`` (rounding, quadrature).

        >>> Estimate.exact(0.5, 0.25).low
        0.25
        """
        if not error >= 0:
            raise ValueError(f"error must be non-negative, got {error}")
        values = _plain(value, "value")
        if isinstance(values, tuple):
            low: Values = tuple(v - error for v in values)
            high: Values = tuple(v + error for v in values)
        else:
            low, high = values - error, values + error
        return cls(values, low, high, n=n, level=1.0, method=method, samples=tuple(samples))

    @classmethod
    def bound(cls, low: float, high: float, *, n: int = 1, method: str = "bound") -> Self:
        """A quantity known only to lie between two proven bounds; its value is their midpoint.

        >>> Estimate.bound(0.0, 1.0).value
        0.5
        """
        return cls((low + high) / 2, low, high, n=n, level=1.0, method=method)

    @property
    def finite(self) -> bool:
        """Whether value and interval are all finite; only then can a criterion pass."""
        return all(math.isfinite(x) for part in (self.value, self.low, self.high) for x in as_tuple(part))

    def to_json(self) -> dict[str, Any]:
        """The form of ``record.json``; non-finite numbers become the strings NaN, Infinity, -Infinity."""
        return {
            "value": _encode(self.value),
            "low": _encode(self.low),
            "high": _encode(self.high),
            "n": self.n,
            "level": self.level,
            "method": self.method,
            "samples": [_encode(s) for s in self.samples],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(
            _decode(data["value"]),
            _decode(data["low"]),
            _decode(data["high"]),
            n=data["n"],
            level=data["level"],
            method=data["method"],
            samples=as_tuple(_decode(data["samples"])),
        )


def as_tuple(values: Values) -> tuple[float, ...]:
    """A scalar as a tuple of one, a tuple as it is."""
    return values if isinstance(values, tuple) else (values,)


def _size(values: Values) -> int | None:
    return len(values) if isinstance(values, tuple) else None


def _plain(values: Any, name: str) -> Values:
    """Plain floats of numbers, NumPy or JAX scalars, and one-dimensional sequences or arrays."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return tuple(_number(v, name) for v in values)
    return _number(values, name)


def _number(value: Any, name: str) -> float:
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number, got {value!r}") from error


def _encode(values: Values) -> Any:
    if isinstance(values, tuple):
        return [_encode(v) for v in values]
    if math.isfinite(values):
        return values
    return "NaN" if math.isnan(values) else "Infinity" if values > 0 else "-Infinity"


def _decode(values: Any) -> Values:
    if isinstance(values, list):
        return tuple(float(v) for v in values)
    return float(values)
