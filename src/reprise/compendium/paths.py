"""Where things lie in a compendium."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from reprise.compendium.errors import RepriseError

PROFILES = ("quick", "standard", "full")


def root() -> Path:
    """The compendium's top folder.

    ``REPRISE_ROOT`` if set, else the nearest folder upwards from the working directory that holds ``_config.yml`` and
    ``notebooks/``, else the checkout that this package was installed from.

    Raises:
        RepriseError: there is none.
    """
    named = os.environ.get("REPRISE_ROOT")
    if named:
        folder = Path(named).expanduser().resolve()
        if not (folder / "notebooks").is_dir():
            raise RepriseError(f"REPRISE_ROOT is {folder}, which has no notebooks/ folder")
        return folder
    return _search(Path.cwd())


@cache
def _search(start: Path) -> Path:
    package = Path(__file__).resolve().parents[3]
    for folder in (start, *start.parents, package):
        if (folder / "_config.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise RepriseError(
        f"no compendium at or above {start}: run inside a checkout (a folder with _config.yml and notebooks/), "
        "or set REPRISE_ROOT to one"
    )


def runs(slug: str | None = None) -> Path:
    """``runs/``, or the folder of one paper's runs in it."""
    return root() / "runs" / slug if slug else root() / "runs"


def records(slug: str, profile: str) -> Path:
    """The folder of a committed record: ``book/records/<slug>/<profile>``."""
    return root() / "book" / "records" / slug / profile
