"""The only gateway to neural-tangents: ``from reprise.kernels.nt import nt, stax``.

neural-tangents 0.6.5 is its last release. It imports names that JAX has since moved or removed, and a TensorFlow bridge
that nothing here uses. This module puts the names back while the library is imported, registers an empty module in the
bridge's place, and takes everything away again: JAX is left as it was, and TensorFlow is never asked for.

Two implementations of the empirical NTK walk through JAX's internals and cannot be repaired from outside
(``STRUCTURED_DERIVATIVES``), or choose among all of them by a cost model that calls the former and is documented as
wrong on CPU and GPU (``AUTO``). They are refused; Jacobian contraction and NTK-vector products work.
"""

import contextlib
import importlib
import importlib.metadata
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import jax
import jax.core
import jax.extend.core
import jax.interpreters.ad

import reprise._x64  # noqa: F401

__all__ = ["SUPPORTED_JAX", "SUPPORTED_NEURAL_TANGENTS", "nt", "stax"]

SUPPORTED_JAX = ("0.10", "0.11", "0.12")
"""Minor versions of JAX that the gateway's tests have run on."""

SUPPORTED_NEURAL_TANGENTS = "0.6.5"

_BRIDGE = "neural_tangents.experimental"
_MOVED_TO_EXTEND = ("Jaxpr", "JaxprEqn", "Literal", "Primitive", "Var")


def _safe_map(function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
    """`map` into a list that refuses columns of different lengths, as the removed ``jax.util.safe_map``."""
    return [function(*row) for row in zip(*columns, strict=True)]


def _safe_zip(*columns: Iterable[Any]) -> list[tuple[Any, ...]]:
    """`zip` into a list that refuses columns of different lengths, as the removed ``jax.util.safe_zip``."""
    return list(zip(*columns, strict=True))


def _check_versions(jax_version: str, installed: str | None) -> None:
    """Refuse, by name, versions that have not been tested together; ``installed`` is None if the wheel is missing."""
    if ".".join(jax_version.split(".")[:2]) not in SUPPORTED_JAX:
        raise ImportError(
            f"neural-tangents has been tested with JAX {', '.join(SUPPORTED_JAX)}, and JAX {jax_version} is installed. "
            f"Install one of these (python -m pip install 'jax>=0.10,<0.13'), or use reprise.kernels.closed_form, "
            f"which needs no neural-tangents."
        )
    how = f"python -m pip install --no-deps neural-tangents=={SUPPORTED_NEURAL_TANGENTS}"
    if installed is None:
        raise ImportError(
            f"neural-tangents is not installed. Install its wheel without its dependencies, which would pull in "
            f"TensorFlow: {how}"
        )
    if installed != SUPPORTED_NEURAL_TANGENTS:
        raise ImportError(
            f"neural-tangents {installed} is installed, but only {SUPPORTED_NEURAL_TANGENTS} has been tested: {how}"
        )


@contextlib.contextmanager
def _names_put_back() -> Iterator[None]:
    """Lend JAX the names that the library imports, and an empty module in place of its TensorFlow bridge."""
    lent: list[tuple[types.ModuleType, str]] = []

    def lend(module: types.ModuleType, name: str, value: Any) -> None:
        if not hasattr(module, name):
            setattr(module, name, value)
            lent.append((module, name))

    util = types.ModuleType("jax.util")
    util.safe_map, util.safe_zip = _safe_map, _safe_zip  # type: ignore[attr-defined]
    modules = {"jax.util": util, _BRIDGE: types.ModuleType(_BRIDGE)}
    missing = [name for name in modules if name not in sys.modules]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _MOVED_TO_EXTEND:
            lend(jax.core, name, getattr(jax.extend.core, name))
        lend(jax.interpreters.ad, "zeros_like_p", jax.extend.core.Primitive("zeros_like"))
        sys.modules.update({name: modules[name] for name in missing})
        try:
            yield
        finally:
            for module, name in lent:
                delattr(module, name)
            for name in missing:
                del sys.modules[name]


def _refusal(mode: str) -> Callable[..., NoReturn]:
    """Make the stand-in for an implementation of the empirical NTK that is wrong or broken here."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ValueError(
            f"NtkImplementation.{mode} does not work under JAX {jax.__version__}: it interprets JAX's internal program "
            f"format of 2023, and AUTO may choose it. Use NtkImplementation.JACOBIAN_CONTRACTION (the default) or "
            f"NTK_VECTOR_PRODUCTS, or reprise.networks.empirical_ntk."
        )

    return refuse


def _import() -> tuple[Any, Any]:
    """Import the library; returns ``neural_tangents`` and ``neural_tangents.stax``."""
    try:
        installed: str | None = importlib.metadata.version("neural-tangents")
    except importlib.metadata.PackageNotFoundError:
        installed = None
    _check_versions(jax.__version__, installed)
    with _names_put_back():
        library = importlib.import_module("neural_tangents")
        layers = importlib.import_module("neural_tangents.stax")
        empirical = importlib.import_module("neural_tangents._src.empirical")
    modes = library.NtkImplementation
    for mode in (modes.AUTO, modes.STRUCTURED_DERIVATIVES):
        empirical._implementation_to_ntk_fn[mode] = _refusal(mode.name)
    return library, layers


nt, stax = _import()
