"""Mends in the markup of Sphinx and its theme that a screen reader trips over."""

from __future__ import annotations

import re

# Arguments of a long signature stand in a list of definitions that defines nothing.
_ARGUMENTS = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*?</dd>\n)+)</dl>\n')
_TOGGLE = re.compile(r"<summary>(?=<span class=\"toctree-toggle)")


def mend_body(body: str) -> str:
    """The body of a page: signatures and bibliographies without roles that they do not fill."""
    body = _ARGUMENTS.sub(lambda found: f'<span class="sig-lines">{_lines(found[1])}</span>\n', body)
    return body.replace('<div role="list" class="citation-list">', '<div class="citation-list">').replace(
        ' role="doc-biblioentry"', ""
    )


def mend_contents(contents: str) -> str:
    """The sidebar's contents: what opens a part of it gets a name."""
    return _TOGGLE.sub('<summary aria-label="Show or hide what is under this entry">', contents)


def _lines(items: str) -> str:
    return items.replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
