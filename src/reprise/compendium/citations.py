"""Citations of a paper and of its reproduction, or of one figure of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import yaml

from reprise.compendium import cards, paths, records
from reprise.compendium.errors import RepriseError

_ESCAPES = str.maketrans({"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_"})


@dataclass(frozen=True, slots=True)
class Work:
    """What is cited: the original paper, or its reproduction here."""

    key: str
    kind: str
    title: str
    authors: list[str]
    year: int
    venue: str
    doi: str | None = None
    arxiv: str | None = None
    url: str | None = None
    version: str | None = None
    note: str | None = None


def paper(card: cards.Card) -> Work:
    """The original paper."""
    return Work(
        key=_key(card),
        kind="paper",
        title=card.title,
        authors=list(card.authors),
        year=card.year,
        venue=card.venue,
        doi=card.doi,
        arxiv=card.arxiv,
        url=f"https://arxiv.org/abs/{card.arxiv}" if card.arxiv else None,
    )


def reproduction(card: cards.Card, figure: str | None = None) -> Work:
    """The reproduction in this compendium, or one figure of it; authors, version and address from CITATION.cff.

    Raises:
        RepriseError: unknown figure, or no readable CITATION.cff.
    """
    file = paths.root() / "CITATION.cff"
    try:
        meta = yaml.safe_load(file.read_text(encoding="utf-8"))
        authors = [_person(author) for author in meta["authors"]]
        version = str(meta["version"])
        year = int(str(meta["date-released"])[:4])
        book = str(meta["title"])
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RepriseError(f"cannot read {file}: {type(error).__name__}: {error}") from None
    subject = f"Reproduction of “{card.title}”"
    anchor = ""
    if figure is not None:
        entry = card.figure(figure)
        subject = f"{entry.title} (figure {entry.id} of the reproduction of “{card.title}”)"
        anchor = f"#{card.slug}-{entry.id.lower()}"
    address = str(meta.get("url") or meta.get("repository-code") or "").rstrip("/")
    record = records.best(card.slug)
    note = None
    if record is not None:
        commit = record.provenance.get("commit")
        note = f"profile {record.profile}" + (f", commit {commit[:12]}" if commit else "")
    return Work(
        key=f"reprise-{card.slug}" + (f"-{figure.lower()}" if figure else ""),
        kind="reproduction",
        title=subject,
        authors=authors,
        year=year,
        venue=book,
        url=f"{address}/book/papers/{card.topic}/{card.slug}.html{anchor}" if address else None,
        version=version,
        note=note,
    )


def bibtex(card: cards.Card, figure: str | None = None) -> str:
    """BibTeX of the paper and of its reproduction (or figure)."""
    return "\n\n".join(_bibtex(work) for work in (paper(card), reproduction(card, figure)))


def csl_json(card: cards.Card, figure: str | None = None) -> list[dict[str, Any]]:
    """CSL-JSON of the paper and of its reproduction (or figure), as reference managers read it."""
    return [_csl(work) for work in (paper(card), reproduction(card, figure))]


def text(card: cards.Card, figure: str | None = None) -> str:
    """Both as plain lines."""
    return "\n".join(_text(work) for work in (paper(card), reproduction(card, figure)))


def _bibtex(work: Work) -> str:
    entry = "article" if work.kind == "paper" else "incollection"
    fields = {
        "title": "{" + work.title.translate(_ESCAPES).replace("“", "``").replace("”", "''") + "}",
        "author": " and ".join(work.authors),
        "year": str(work.year),
        "journal" if entry == "article" else "booktitle": work.venue.translate(_ESCAPES),
        "doi": work.doi,
        "eprint": work.arxiv,
        "archiveprefix": "arXiv" if work.arxiv else None,
        "url": work.url,
        "version": work.version,
        "note": work.note,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{entry}{{{work.key},", *lines, "}"])


def _csl(work: Work) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": work.key,
        "type": "article-journal" if work.kind == "paper" else "chapter",
        "title": work.title,
        "author": [_names(name) for name in work.authors],
        "issued": {"date-parts": [[work.year]]},
        "container-title": work.venue,
    }
    optional = {
        "DOI": work.doi,
        "URL": work.url,
        "version": work.version,
        "note": work.note,
        "number": f"arXiv:{work.arxiv}" if work.arxiv else None,
    }
    return item | {name: value for name, value in optional.items() if value}


def _text(work: Work) -> str:
    parts = [f"{', '.join(work.authors)} ({work.year}). {work.title}. {work.venue}"]
    if work.version:
        parts.append(f"version {work.version}")
    if work.note:
        parts.append(work.note)
    where = f"https://doi.org/{work.doi}" if work.doi else work.url
    return ", ".join(parts) + "." + (f" {where}" if where else "")


def _person(author: dict[str, Any]) -> str:
    name = author.get("name") or " ".join(filter(None, (author.get("given-names"), author.get("family-names"))))
    if not name:
        raise KeyError("an author without a name")
    return f"{{{name}}}" if "name" in author else str(name)


def _names(name: str) -> dict[str, str]:
    if name.startswith("{"):
        return {"literal": name.strip("{}")}
    given, _, family = name.rpartition(" ")
    return {"family": family, "given": given} if given else {"literal": family}


def _key(card: cards.Card) -> str:
    family = card.authors[0].rsplit(" ", 1)[-1]
    plain = unicodedata.normalize("NFKD", family).encode("ascii", "ignore").decode().lower()
    word = next((w for w in re.findall(r"[A-Za-z]+", card.title) if len(w) > 3), "paper").lower()
    return f"{plain}{card.year}{word}"
