"""``reprise data list | fetch | check``."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any

from reprise.compendium.errors import RepriseError, RunError
from reprise.datasets import registry, store
from reprise.datasets.errors import DataError, OptionError, UnknownDatasetError


def main(arguments: Namespace) -> int:
    """Dispatch to the action; data errors become the command line's own."""
    try:
        action = {"list": _list, "fetch": _fetch, "check": _check}[arguments.action]
        return action(arguments)
    except (UnknownDatasetError, OptionError) as error:
        raise RepriseError(str(error)) from None
    except DataError as error:
        raise RunError(str(error)) from None


def _list(arguments: Namespace) -> int:
    entries = [registry.find(name) for name in arguments.names] or store.catalogue()
    rows: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "title": entry.title,
            "licence": entry.licence,
            "bytes": sum(file.bytes or 0 for file in entry.files),
            "where": store.located(entry),
            "used_for": list(entry.used_for),
        }
        for entry in entries
    ]
    if arguments.json:
        _print(rows)
        return 0
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        size = f"{row['bytes'] / 1e6:8.2f} MB" if row["bytes"] else "          –"
        print(f"{row['name']:{width}}  {size}  {row['where']:8}  {row['title']} ({row['licence']})")
    return 0


def _fetch(arguments: Namespace) -> int:
    if not arguments.names:
        raise RepriseError("name the data sets to fetch; `reprise data list` shows them")
    fetched = {}
    for name in arguments.names:
        files = store.fetch(name)
        fetched[name] = [file.to_json() for file in files]
        if not arguments.json:
            for file in files:
                print(f"{name}: {file.name} ({file.place}) {file.path}")
            if not files:
                print(f"{name}: comes with the packages, nothing to fetch")
    if arguments.json:
        _print(fetched)
    return 0


def _check(arguments: Namespace) -> int:
    wanted = {registry.find(name).name for name in arguments.names}
    checks = [c for c in store.check(arguments.folder) if not wanted or c.name in wanted]
    if arguments.json:
        _print([check.to_json() for check in checks])
    else:
        for check in checks:
            print(f"{check.name}: {check.state}")
            for file in check.files:
                if not file.ok:
                    print(f"  {file.path}: {file.detail}")
            for name in check.missing if check.state == "partial" else ():
                print(f"  not there: {name}")
            for path in check.set_aside:
                print(f"  set aside earlier: {path}")
    damaged = [check.name for check in checks if not check.ok]
    if damaged:
        print(f"reprise: damaged: {', '.join(damaged)}", file=sys.stderr)
    return 1 if damaged else 0


def _print(data: Any) -> None:
    print(json.dumps(data, indent=1))
