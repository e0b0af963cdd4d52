"""Reading a built site: its search index as the browser would use it, its pages' anchors, links and images."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.search.en import SearchEnglish

from reprise.compendium.page_model import BookError


@dataclass(slots=True)
class Page:
    """What a page holds that can be checked without a browser."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    images_without_text: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def search_index(html: Path) -> dict[str, Any]:
    """The site's search index.

    Raises:
        BookError: it is not there or cannot be read.
    """
    file = html / "searchindex.js"
    try:
        text = file.read_text(encoding="utf-8").strip().rstrip(";")
        data: dict[str, Any] = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    except (OSError, ValueError) as error:
        raise BookError(f"cannot read the search index {file}: {error}") from None
    return data


class Search:
    """Answers as the site's search would: documents that hold every word of a question, stemmed as Sphinx does."""

    def __init__(self, index: dict[str, Any]) -> None:
        self._names: list[str] = index["docnames"]
        self._terms = [index["terms"], index["titleterms"]]
        self._language = SearchEnglish({})

    def hits(self, question: str) -> set[str]:
        """The documents found; all of them for a question of stop words alone.

        Stems of one or two letters need not be found, as in Sphinx's own search: the stem of "one", "on", is a stop word and
        therefore in no index.
        """
        found: set[str] | None = None
        for word in self._language.split(question):
            if not self._language.word_filter(word.lower()):
                continue
            stem = self._language.stem(word.lower())
            if len(stem) <= 2:
                continue
            holders: set[str] = set()
            for terms in self._terms:
                entry = terms.get(stem, [])
                holders |= {self._names[i] for i in ([entry] if isinstance(entry, int) else entry)}
            found = holders if found is None else found & holders
        return set(self._names) if found is None else found


def read_page(path: Path) -> Page:
    """Anchors, links, loaded files and images of one page."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.elements.append((tag, values))
        if "id" in values:
            self.page.ids.append(values["id"])
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon", "modulepreload"):
            self.page.loads.append(values.get("href", ""))
        elif tag in ("script", "img", "iframe", "source", "video", "audio", "embed") and values.get("src"):
            self.page.loads.append(values["src"])
        if tag == "img" and not values.get("alt", "").strip():
            self.page.images_without_text.append(values.get("src", "")[:80])
