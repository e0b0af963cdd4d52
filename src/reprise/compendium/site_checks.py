"""The built site against what it was made from: a book that silently lacks a paper, claim or figure must not be published."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx_external_toc.parsing import parse_toc_yaml

from reprise.compendium import page_text as text
from reprise.compendium.page_model import Compendium, Paper
from reprise.compendium.page_parts import key
from reprise.compendium.site_assets import FORMS, redirects
from reprise.compendium.site_index import Page, Search, read_page, search_index


def check(book: Compendium) -> list[str]:
    """Everything that is wrong with the built site, in words; empty if nothing is."""
    index = search_index(book.html)
    problems = _pages(book, set(index["docnames"]))
    if problems:
        return problems  # the rest would only repeat it
    for paper in book.papers:
        problems += _paper(book, paper)
    problems += _collections(book)
    problems += _search(book, Search(index))
    for document in index["docnames"]:
        problems += _links(book.html, f"{document}.html")
    for source in redirects(book):
        problems += _links(book.html, source)
    return problems


def expected_documents(book: Compendium) -> set[str]:
    """The documents that the site must consist of: the written pages of the contents, and one for each paper and topic."""
    site_map = parse_toc_yaml(book.book / "_toc.yml")
    written = {str(name).removesuffix(".md") for name in site_map}
    topics = {f"book/papers/{topic}" for topic in book.topics}
    return written | topics | {paper.document for paper in book.papers}


def _pages(book: Compendium, indexed: set[str]) -> list[str]:
    expected = expected_documents(book)
    problems = [f"the page {name} was not built" for name in sorted(expected - indexed)]
    problems += [f"the page {name} was built but nothing asks for it" for name in sorted(indexed - expected)]
    built = {p.relative_to(book.html).with_suffix("").as_posix() for p in (book.html / "book").glob("**/*.html")}
    problems += [f"the page {name} is in the index but not on the site" for name in sorted(indexed - built)]
    problems += [f"the page {name} is left over from an earlier build" for name in sorted(built - indexed)]
    return problems


def _paper(book: Compendium, paper: Paper) -> list[str]:
    """Verdicts, claims and figures of one page, against card and record."""
    page = _page(book.html / f"{paper.document}.html")
    ids = Counter(page.ids)
    problems = []
    wanted = [judged.anchor for judged in paper.claims] + [paper.anchor(figure.id) for figure in paper.figures]
    problems += [f"{paper.slug}: the anchor #{a} stands {ids[a]} times on the page" for a in wanted if ids[a] != 1]
    strip = [
        v.get("class", "").split() for tag, v in page.elements if tag == "a" and "verdict-link" in v.get("class", "")
    ]
    shown = [classes[-1].removeprefix("v-") for classes in strip[: len(paper.claims)]]
    verdicts = [key(judged.verdict) for judged in paper.claims]
    if shown != verdicts:
        problems.append(f"{paper.slug}: the verdict strip shows {shown}, the record says {verdicts}")
    if paper.record:
        lacking = [f.id for f in paper.card.figures if f not in paper.figures]
        problems += [f"{paper.slug}: figure {name} of the card has no file in the record" for name in lacking]
    for figure in paper.figures:
        for form in FORMS:
            if not (book.html / "figures" / paper.slug / f"{figure.id}.{form}").is_file():
                problems.append(f"{paper.slug}: figure {figure.id} cannot be had as {form}")
    return problems


def _collections(book: Compendium) -> list[str]:
    """The dashboard and the gallery hold every claim and every figure once."""
    problems = []
    rows = [v for _, v in _page(book.html / "book/claims.html").elements if "data-claim" in v]
    shown = {v["data-claim"]: v["data-verdict"] for v in rows}
    wanted = {j.anchor: key(j.verdict) for p in book.papers for j in p.claims}
    if len(rows) != len(wanted) or shown != wanted:
        problems.append(
            f"the dashboard shows {len(rows)} claims, cards have {len(wanted)}; they or their verdicts differ"
        )
    items = [v["data-figure"] for _, v in _page(book.html / "book/gallery.html").elements if "data-figure" in v]
    figures = [p.anchor(f.id) for p in book.papers for f in p.figures]
    if sorted(items) != sorted(figures):
        problems.append(f"the gallery shows {len(items)} figures, records have {len(figures)}")
    dots = [v for _, v in _page(book.html / "book/index.html").elements if v.get("class") == "claim-dot"]
    if len(dots) != 2 * len(wanted):
        problems.append(f"the front page draws {len(dots) // 2} claims, cards have {len(wanted)}")
    return problems


def _search(book: Compendium, search: Search) -> list[str]:
    """Every claim's title finds its paper and the dashboard."""
    problems = []
    for paper in book.papers:
        for claim in paper.card.claims:
            title = text.plain(claim.title)
            found = search.hits(title)
            missed = [name for name in (paper.document, "book/claims") if name not in found]
            problems += [f"{paper.slug}: searching “{title}” ({claim.id}) does not find {name}" for name in missed]
    return problems


def _links(html: Path, address: str) -> list[str]:
    """Links and loaded files of a page: each internal one leads somewhere, none loads from another site."""
    path = html / address
    page = _page(path)
    problems = [f"{address}: the image {name} has no alt text" for name in page.images_without_text]
    problems += [f"{address}: loads {name} from another site" for name in page.loads if urlsplit(name).netloc]
    for target in {*page.links, *page.loads}:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
        if file.is_dir():
            file /= "index.html"
        if not file.is_file():
            problems.append(f"{address}: the link {target} leads nowhere")
        elif parts.fragment and file.suffix == ".html" and not _has_anchor(file, unquote(parts.fragment)):
            problems.append(f"{address}: there is no anchor for the link {target}")
    return problems


def _has_anchor(file: Path, fragment: str) -> bool:
    return "=" in fragment or fragment in _page(file).ids


def _page(path: Path) -> Page:
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _changed: int) -> Page:
    return read_page(path)
