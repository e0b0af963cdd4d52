"""Docstrings as MyST: Google's sections as lists, doctests as code, roles of reStructuredText as plain code."""

from __future__ import annotations

import re
import textwrap

_SECTIONS = {
    "Args": "Arguments",
    "Arguments": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
    "Example": "Example",
    "Examples": "Example",
    "Note": "Note",
    "Notes": "Note",
    "Reference": "Reference",
    "References": "References",
}
_HEADING = re.compile(rf"^({'|'.join(_SECTIONS)}):\s*$")
_ITEM = re.compile(r"^(\*{0,2}[A-Za-z_][\w., ]*(?: \([^)]*\))?):(?:\s+(.*))?$")
_ROLE = re.compile(r":(?:py:)?(?:func|meth|class|mod|data|attr|exc|obj|ref):`~?([^`]+)`")
_LISTS = {"Arguments", "Attributes", "Raises"}


def convert(docstring: str) -> str:
    """A cleaned docstring as MyST."""
    blocks: list[str] = []
    section: str | None = None
    lines: list[str] = []
    for line in [*docstring.splitlines(), "End:"]:
        heading = _HEADING.match(line)
        if not heading and line != "End:" and not (section and line and not line[0].isspace()):
            lines.append(line)
            continue
        blocks.append(_block(section, lines))
        section, lines = (_SECTIONS[heading[1]], []) if heading else (None, [line])
    return "\n\n".join(block for block in blocks if block)


def summary(docstring: str) -> str:
    """The first paragraph, on one line."""
    return _roles(" ".join(docstring.strip().partition("\n\n")[0].split()))


def _block(section: str | None, lines: list[str]) -> str:
    body = textwrap.dedent("\n".join(lines)).strip()
    if not body:
        return ""
    if section is None:
        return _doctests(_roles(body))
    if section not in _LISTS:
        return f"**{section}.** {_doctests(_roles(body))}" if not body.startswith(">>>") else _doctests(body)
    items = []
    for line in body.splitlines():
        item = _ITEM.match(line)
        if item and not line[0].isspace():
            items.append(f"`{item[1].strip('*')}`\n: {_roles(item[2] or '')}")
        elif items:
            items[-1] += f"\n  {_roles(line.strip())}" if line.strip() else ""
        else:
            items.append(_roles(line))
    return f"**{section}**\n\n" + "\n\n".join(items)


def _doctests(body: str) -> str:
    """Runs of ``>>>`` and what they print become code blocks."""
    done: list[str] = []
    inside = False
    for line in body.splitlines():
        if line.lstrip().startswith(">>>") and not inside:
            done += ["", "```pycon"]
            inside = True
        elif inside and not line.strip():
            done += ["```"]
            inside = False
        done.append(re.sub(r"\s*# doctest:.*$", "", line.strip() if inside and line.startswith(" ") else line))
    return "\n".join([*done, "```"] if inside else done)


def _roles(text: str) -> str:
    return _ROLE.sub(lambda found: f"`{found[1].split('.')[-1] if found[1].startswith('reprise') else found[1]}`", text)
