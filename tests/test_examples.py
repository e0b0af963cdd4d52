"""Every command that is written down somewhere can be given as it stands: options, papers, parameters and their values."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprise import cli
from reprise.compendium import cards, sweep
from reprise.compendium.parameters import parse_assignments

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDERS = re.compile(r"\b(SLUG|NAME|FILE|RUN)\b|…|/path/to|lazy-training")


def helps() -> Iterator[str]:
    parser = cli.build_parser()
    yield parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield sub.format_help()


def texts() -> Iterator[tuple[str, str]]:
    for path in [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]:
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    yield from (("--help", text) for text in helps())


def commands() -> list[tuple[str, str]]:
    found = []
    for name, text in texts():
        for line in re.findall(r"^ *(?:\$ )?(reprise [a-z].*)$|`(reprise [a-z][^`]*)`", text, flags=re.MULTILINE):
            command = (line[0] or line[1]).strip()
            if " " in command[len("reprise ") :] and not PLACEHOLDERS.search(command.split(" #")[0]):
                found.append((name, command))
    return sorted(set(found))


def test_commands_are_found() -> None:
    assert len(commands()) > 25


@pytest.mark.parametrize(("where", "command"), commands())
def test_the_command_line_takes_it(where: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command, comments=True)[1:]
    if "--help" in words:
        return
    try:
        given = cli.build_parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{where}: {command}: {capsys.readouterr().err}")
    slug = getattr(given, "slug", None)
    if words[0] in ("run", "sweep", "verify") and slug:
        card = cards.find(slug)
        card.profile(getattr(given, "profile", None) or "quick")
        if words[0] == "sweep":
            assert sweep.parse_grid(card, given.parameter)
        else:
            parse_assignments(slug, card.parameters, given.parameter)
