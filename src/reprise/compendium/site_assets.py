"""What the site carries beside its pages: figures, records and notebooks under lasting addresses, and redirects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from reprise.compendium.page_model import WEBSITE_FOLDERS, BookError, Compendium
from reprise.compendium.page_parts import copy_if_changed, render, write_if_changed
from reprise.compendium.site_index import search_index

FORMS = ("svg", "png", "pdf", "csv")


def publish(book: Compendium) -> None:
    """Put figures, records, notebooks and redirects into the built site, and take out what no longer belongs there.

    Raises:
        BookError: a redirect to a page that is not there, or from one that is.
    """
    kept = _copy(book)
    for folder in WEBSITE_FOLDERS:
        for path in (book.html / folder).glob("**/*"):
            if path.is_file() and path not in kept:
                path.unlink()
    _remove_stale_pages(book)
    for source, target in redirects(book).items():
        _redirect(book, source, target)
    write_if_changed(book.html / ".nojekyll", "")


def redirects(book: Compendium) -> dict[str, str]:
    """All redirects: the first page, each paper's short address, and those of ``book/redirects.yml``.

    Raises:
        BookError: the file is not a plain mapping of addresses.
    """
    found = {"index.html": "book/index.html"}
    found |= {f"{paper.slug}.html": f"{paper.document}.html" for paper in book.papers}
    file = book.book / "redirects.yml"
    written = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    if written is None:
        return found
    if not isinstance(written, dict) or not all(isinstance(x, str) for pair in written.items() for x in pair):
        raise BookError(f"{file} must map old addresses to new ones, such as book/old.html: book/new.html")
    return found | written


def _copy(book: Compendium) -> set[Path]:
    kept: set[Path] = set()

    def put(source: Path, *address: str) -> None:
        target = book.html.joinpath(*address)
        copy_if_changed(source, target)
        kept.add(target)

    for paper in book.papers:
        put(paper.notebook, "notebooks", paper.card.topic, paper.notebook.name)
        if paper.record is None:
            continue
        for figure in paper.figures:
            for form in FORMS:
                put(paper.record.figure(figure.id, form), "figures", paper.slug, f"{figure.id}.{form}")
        folders = {name: book.book / "records" / paper.slug / name for name in paper.recorded}
        folders[paper.record.profile] = paper.record.folder
        for profile, folder in folders.items():
            for name in ("record.json", "notebook.ipynb"):
                put(folder / name, "records", paper.slug, profile, name)
    return kept


def _remove_stale_pages(book: Compendium) -> None:
    """Sphinx leaves the page of a document that has gone where it was."""
    documents = set(search_index(book.html)["docnames"])
    for page in (book.html / "book").glob("**/*.html"):
        if page.relative_to(book.html).with_suffix("").as_posix() not in documents:
            page.unlink()
            source = book.html / "_sources" / page.relative_to(book.html).with_suffix("")
            for left in source.parent.glob(f"{source.name}.*"):
                left.unlink()
    if (book.html / "jupyter_execute").is_dir():
        shutil.rmtree(book.html / "jupyter_execute")


def _redirect(book: Compendium, source: str, target: str) -> None:
    page, _, _ = target.partition("#")
    if not (book.html / page).is_file():
        raise BookError(f"redirect from {source}: there is no page {page}")
    if (
        source != "index.html"
        and (book.html / source).is_file()
        and "book-redirect" not in (book.html / source).read_text()
    ):
        raise BookError(f"redirect from {source}: there is a page at that address")
    address = "../" * source.count("/") + target
    write_if_changed(book.html / source, render("redirect.html", address=address, script=json.dumps(address)))
