"""Reading the registry, once."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from reprise.datasets.errors import RegistryError, UnknownDatasetError, suggestion
from reprise.datasets.registry.models import Entry

_FOLDER = files("reprise.datasets.registry")
_NEEDED = ("data.txt", "index_features.txt", "index_target.txt")


def entries() -> tuple[Entry, ...]:
    """All data sets, in the order of their names."""
    return tuple(entry for _, entry in sorted(_by_name().items()))


def names() -> tuple[str, ...]:
    """The names of all data sets."""
    return tuple(sorted(_by_name()))


def find(name: str) -> Entry:
    """The data set of this name or alias.

    >>> find("uci/bostonHousing").name
    'uci/boston'

    Raises:
        UnknownDatasetError: there is none; the message suggests what may have been meant.
    """
    known = _by_name()
    aliases = {alias: entry for entry in known.values() for alias in entry.aliases}
    entry = known.get(name) or aliases.get(name)
    if entry is None:
        raise UnknownDatasetError(f"unknown data set '{name}'; {suggestion(name, {*known, *aliases})}")
    return entry


@cache
def _by_name() -> dict[str, Entry]:
    result: dict[str, Entry] = {}
    taken: set[str] = set()
    for source in sorted(_FOLDER.iterdir(), key=lambda f: f.name):
        if source.name.endswith(".yml"):
            for entry in read(source.read_text(encoding="utf-8"), source.name):
                clash = taken & {entry.name, *entry.aliases}
                if clash:
                    raise RegistryError(f"{source.name}: the name {min(clash)} is taken twice")
                taken |= {entry.name, *entry.aliases}
                result[entry.name] = entry
    return result


def read(text: str, source: str, folder: Traversable = _FOLDER) -> list[Entry]:
    """Read one file of the registry.

    Args:
        text: its content, a YAML list of entries.
        source: its name, for messages.
        folder: where the lists of ``files_from`` lie.

    Raises:
        RegistryError: it is not a list, or an entry is malformed; the message says which and why.
    """
    raw = yaml.safe_load(text)
    if not isinstance(raw, list):
        raise RegistryError(f"{source}: a list of data sets is expected")
    for item in raw:
        if isinstance(item, dict) and isinstance(item.get("files_from"), str):
            item["files"] = _listed(folder / item["files_from"], str(item.get("folder")))
    try:
        return TypeAdapter(list[Entry]).validate_python(raw)
    except ValidationError as error:
        problems = "; ".join(
            f"{_place(raw, e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise RegistryError(f"{source}: {problems}") from error


def _listed(source: Traversable, folder: str) -> list[dict[str, Any]]:
    """The files of ``folder`` in a list that maps paths to checksum and size."""
    listed: dict[str, dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))
    result = []
    for path, known in listed.items():
        parent, _, name = path.rpartition("/")
        if parent == folder:
            result.append({"name": name, "part": "all" if name in _NEEDED else "extra", **known})
    return result


def _place(raw: list[Any], location: tuple[int | str, ...]) -> str:
    """Where in the file a problem is: the set's name, then the path to the key."""
    first, *rest = location
    item = raw[first] if isinstance(first, int) else {}
    name = item.get("name", f"entry {first}") if isinstance(item, dict) else f"entry {first}"
    return ".".join([str(name), *map(str, rest)])
