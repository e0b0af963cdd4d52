"""Facts that one run notes down as it goes, for its record: which data it has seen.

Standard library only: data loaders write here, and the compendium reads here, without either knowing the other.
"""

from __future__ import annotations

_datasets: dict[str, str] = {}


def note_dataset(name: str, sha256: str) -> None:
    """Note that this process has loaded the data set ``name`` with this checksum."""
    _datasets[name] = sha256


def datasets() -> dict[str, str]:
    """The data sets that this process has loaded so far: name to SHA-256."""
    return dict(sorted(_datasets.items()))
