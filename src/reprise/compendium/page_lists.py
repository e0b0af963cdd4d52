"""Pages that list: topics, the gallery, the bibliography, the data sets, the benchmarks."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from reprise.compendium import citations, page_chart, page_images
from reprise.compendium import page_text as text
from reprise.compendium.cards import TOPIC_TITLES
from reprise.compendium.page_model import BookError, Compendium, Paper
from reprise.compendium.page_parts import key, link, raw, render
from reprise.compendium.verdicts import Verdict


def topic(name: str, papers: list[Paper], book: Compendium) -> str:
    """The page of a part: what was written about it in ``book/parts``, then its papers with their verdicts.

    The line ``<!-- chart -->`` of the written part is where the chart goes, if there is one.
    """
    written = book.book / "parts" / f"{name}.md"
    opening = written.read_text(encoding="utf-8") if written.is_file() else f"# {TOPIC_TITLES[name]} at a glance\n"
    document = f"book/papers/{name}"
    cards = [(p, link(document, p.document + ".html"), text.finding(p.card, p.record)) for p in papers]
    drawn = page_chart.chart(name, book)
    opening = opening.replace("<!-- chart -->", raw(drawn) if drawn else "")
    return f"{opening.rstrip()}\n\n{raw(render('topic.html', cards=cards))}"


def overview(book: Compendium) -> str:
    """All papers by topic, for the front page."""
    topics = []
    for name, papers in book.topics.items():
        rows = [(p, f"papers/{name}/{p.slug}.html", Counter(j.verdict for j in p.claims)) for p in papers]
        topics.append((TOPIC_TITLES[name], f"papers/{name}.html", rows))
    return render("overview.html", topics=topics, order=[(v, key(v)) for v in Verdict])


def paths(book: Compendium) -> str:
    """The ways through the book of ``book/paths.yml``, as far as their chapters are there.

    Raises:
        BookError: the file is not as its first lines say.
    """
    file = book.book / "paths.yml"
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else []
        found = []
        for entry in entries or []:
            steps = [(book.paper(step["slug"]), step["why"]) for step in entry["chapters"]]
            there = [(p, f"papers/{p.card.topic}/{p.slug}.html", why) for p, why in steps if p is not None]
            if len(there) > 1:
                found.append((entry["title"], entry["about"], there))
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise BookError(f"{file}: {type(error).__name__}: {error}") from None
    return f"## Ways through the book\n\n{raw(render('paths.html', paths=found))}" if found else ""


def gallery(book: Compendium) -> str:
    """Every figure that a record holds, linked to its place."""
    topics = []
    for name, papers in book.topics.items():
        shown = []
        for paper in papers:
            for figure in paper.figures:
                assert paper.record is not None
                size = page_images.size(paper.record.figure(figure.id, "svg"))
                suffix = page_images.shown(paper, figure).suffix
                address = f"papers/{name}/{paper.slug}.html#{paper.anchor(figure.id)}"
                shown.append((paper, figure, address, f"../figures/{paper.slug}/{figure.id}{suffix}", size))
        topics.append((TOPIC_TITLES[name], shown))
    return render("gallery.html", topics=topics)


def bibliography(book: Compendium) -> str:
    """The papers that are reproduced, with BibTeX."""
    rows = []
    for paper in sorted(book.papers, key=lambda p: (p.card.authors[0].rsplit(" ", 1)[-1].lower(), p.card.year)):
        plain, entry = citations.text(paper.card).splitlines()[0], citations.bibtex(paper.card).split("\n\n")[0]
        rows.append((paper, f"papers/{paper.card.topic}/{paper.slug}.html", plain, entry))
    return render("bibliography.html", rows=rows)


def datasets(book: Compendium) -> str:
    """Every data set of the registry: origin, licence, papers that use it at which profile."""
    rows = [(entry, _users(entry["name"], book)) for entry in _registry()]
    used = [row for row in rows if row[1]]
    return render("datasets.html", used=used, spare=[row for row in rows if not row[1]])


def _registry() -> list[dict[str, Any]]:
    """The registry of data sets as plain data, by name: the compendium imports none of the science."""
    folder = Path(__file__).resolve().parents[1] / "datasets" / "registry"
    found = [entry for file in folder.glob("*.yml") for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
    optional = {"homepage": None, "paper": None, "licence": None, "notes": ""}
    return sorted(({**optional, **entry} for entry in found), key=lambda entry: str(entry["name"]))


def _users(name: str, book: Compendium) -> list[tuple[str, str, str]]:
    """Which papers name a data set, or the group that it belongs to, and at which profiles."""
    names = {name, name.split("/", maxsplit=1)[0]}
    users = []
    for paper in book.papers:
        at = [p for p in ("quick", "standard", "full") if names & set(paper.card.profile(p).datasets)]
        if at:
            users.append((paper.slug, f"papers/{paper.card.topic}/{paper.slug}.html", text.listed(at)))
    return users


def benchmarks(book: Compendium) -> str:
    """The table of ``benchmarks/results.json``, or a line saying that there is none."""
    file = book.root / "benchmarks" / "results.json"
    if not file.is_file():
        return render("benchmarks.html", results=None)
    return render("benchmarks.html", results=_results(file))


def _results(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return {name: data[name] for name in ("machine", "cores", "date", "versions", "rows")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BookError(f"cannot read {file}: {type(error).__name__}: {error}") from None
