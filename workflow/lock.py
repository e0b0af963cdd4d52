"""Resolves the locks and writes what follows from them: run it as ``make lock`` (needs uv, and nothing else).

``requirements.lock`` pins and hashes every package of running, building and testing, for every supported Python.
``requirements-cuda12.lock`` and ``requirements-cuda13.lock`` hold what a GPU needs on top. ``environment.yml`` lists
the versions of the lock for Python 3.12, for people who use conda.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONDA_PYTHON = "3.12"
GROUPS = ("kernels", "build", "test")
BY_HAND = "neural-tangents"
RECIPE = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-annotate",
    "--no-header",
    "--quiet",
]
ENTRY = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? *\\?$")
PYTHON_CLAUSE = re.compile(r"python_full_version (?P<operator><|>=|==) '(?P<version>[0-9.]+?)(?:\.\*)?'")


def resolve(lock: Path, *options: str) -> None:
    """Writes one lock; versions that it already has are kept while they fit."""
    uv = shlex.split(os.environ.get("UV") or "uv")
    groups = [word for group in GROUPS for word in ("--group", group)]
    try:
        subprocess.run(
            [*uv, "pip", "compile", "pyproject.toml", *groups, *RECIPE, *options, "--output-file", str(lock)],
            cwd=ROOT,
            check=True,
        )
    except FileNotFoundError:
        sys.exit("make lock needs uv (pip install uv), or its path: make lock UV=/path/to/uv")


def blocks(lock: str) -> list[str]:
    """The entries of a lock, each with its hashes."""
    return [block for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE) if block.strip()]


def write_extra(extra: str) -> None:
    """Writes ``requirements-<extra>.lock``: what the extra adds to ``requirements.lock``."""
    base = ROOT / "requirements.lock"
    target = ROOT / f"requirements-{extra}.lock"
    resolve(target, "--extra", extra, "--constraint", base.name)
    known = set(blocks(base.read_text()))
    target.write_text("".join(block for block in blocks(target.read_text()) if block not in known))


def holds_on_conda_python(marker: str) -> str | None:
    """What is left of a marker once the Python is known: "" if nothing, None if it excludes that Python.

    Only the forms that the locks have are known: a conjunction with at most one clause on the Python version.
    """
    wanted = tuple(int(part) for part in CONDA_PYTHON.split("."))
    left = []
    for clause in marker.split(" and "):
        match = PYTHON_CLAUSE.fullmatch(clause)
        if match is None:
            left.append(clause)
            continue
        bound = tuple(int(part) for part in match["version"].split("."))[:2]
        if not {"<": wanted < bound, ">=": wanted >= bound, "==": wanted == bound}[match["operator"]]:
            return None
    return " and ".join(left)


def environment(lock: str) -> str:
    """The text of ``environment.yml`` for a lock's text."""
    pins = []
    by_hand = ""
    for block in blocks(lock):
        match = ENTRY.match(block.splitlines()[0])
        if match is None:
            sys.exit(f"this entry of the lock has a form that is not known: {block.splitlines()[0]}")
        marker = holds_on_conda_python(match["marker"] or "")
        if marker is None:
            continue
        pin = f"{match['name']}=={match['version']}"
        if match["name"] == BY_HAND:
            by_hand = pin
        else:
            pins.append(f'      - "{pin}{" ; " + marker if marker else ""}"')
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return "\n".join(
        [
            "# Written by `make lock` from requirements.lock: the same versions, for conda and mamba.",
            "#",
            f"#   conda env create --file environment.yml && conda activate {metadata['name']}",
            f"#   python -m pip install --no-deps --no-build-isolation {by_hand} --editable .",
            "#",
            "# The second line is needed: that package asks for TensorFlow, which is not used here, and an environment",
            "# file cannot tell pip to leave one package's dependencies out.",
            f"name: {metadata['name']}",
            "channels:",
            "  - conda-forge",
            "  - nodefaults",
            "dependencies:",
            f"  - python={CONDA_PYTHON}",
            "  - pip",
            "  - make",
            "  - pip:",
            *pins,
            "",
        ]
    )


def main() -> None:
    """Writes all four files."""
    base = ROOT / "requirements.lock"
    resolve(base)
    for extra in ("cuda12", "cuda13"):
        write_extra(extra)
    (ROOT / "environment.yml").write_text(environment(base.read_text()))


if __name__ == "__main__":
    main()
