"""Data sets: found, verified by checksum, read from their official formats, and handed over as NumPy arrays.

- :func:`load` gives a set by name; what it took is noted for the record of the run.
- :mod:`reprise.datasets.synthetic` makes the synthetic tasks.
- :mod:`reprise.datasets.store` finds, fetches and checks files, without importing NumPy.
- :mod:`reprise.datasets.registry` is the list of sets, plain data in YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reprise.datasets.errors import DataError, DataWarning

if TYPE_CHECKING:
    from reprise.datasets.dataset import Dataset, Meta
    from reprise.datasets.loading import load

__all__ = ["DataError", "DataWarning", "Dataset", "Meta", "load"]


def __getattr__(name: str) -> Any:
    """Import what needs NumPy on first use, so that the command line can list and check data without it."""
    from importlib import import_module

    homes = {"Dataset": "dataset", "Meta": "dataset", "load": "loading"}
    if name not in homes:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
