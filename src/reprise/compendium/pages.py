"""The book: pages written from cards and records, built by jupyter-book, checked against what they were made from."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reprise.compendium import (
    page_api,
    page_dashboard,
    page_front,
    page_lists,
    page_paper,
    site_assets,
    site_build,
    site_checks,
)
from reprise.compendium.page_model import BookError, Compendium, at, gather
from reprise.compendium.page_parts import raw, write_if_changed

__all__ = ["BookError", "build_book", "write_pages"]

Report = Callable[[str], None]


def build_book(
    root: Path,
    *,
    runs: Path | None = None,
    records: Path | None = None,
    progress: Report | None = None,
    strict: bool = True,
) -> Path:
    """Build the site from cards and records; executes nothing.

    Args:
        root: the compendium's top folder.
        runs: where runs lie; ``runs/`` by default. Their ``<slug>/quick`` serves papers without a committed record.
        records: where committed records lie; ``book/records/`` by default.
        progress: told in a few words what is going on.
        strict: take every warning of Sphinx, every paper without a record and every finding of the site's checks as an
            error.

    Returns:
        The site's first page.

    Raises:
        BookError: the build failed, or the site is not what cards and records say.
        CardError, RecordError: a card or record that cannot be read.
    """
    root, say = root.resolve(), progress or (lambda _: None)
    with at(root), _alone(root):
        say("reading cards and records")
        book = gather(root, runs=runs or root / "runs", recorded=records or root / "book" / "records")
        _check_complete(book, strict=strict)
        say(f"writing the pages of {len(book.papers)} papers")
        write_pages(book)
        site_build.build(book, say, strict=strict)
        site_assets.publish(book)
        say("checking the site against cards and records")
        problems = site_checks.check(book)
        if problems and strict:
            raise BookError("the site is not what cards and records say:\n  " + "\n  ".join(problems))
        for problem in problems:
            say(f"warning: {problem}")
    return book.html / "index.html"


def write_pages(book: Compendium) -> None:
    """Write every generated page and part of a page; leave untouched what has not changed, remove what has gone."""
    kept = {page_paper.write(paper, book) for paper in book.papers}
    for name, papers in book.topics.items():
        target = book.book / "papers" / f"{name}.md"
        write_if_changed(target, page_lists.topic(name, papers, book))
        kept.add(target)
    parts = {
        "front": raw(page_front.figure(book)),
        "paths": page_lists.paths(book),
        "overview": raw(page_lists.overview(book)),
        "claims": raw(page_dashboard.table(book)),
        "gallery": raw(page_lists.gallery(book)),
        "bibliography": raw(page_lists.bibliography(book)),
        "datasets": raw(page_lists.datasets(book)),
        "benchmarks": raw(page_lists.benchmarks(book)),
    }
    for name, content in parts.items():
        target = book.generated / f"{name}.md"
        write_if_changed(target, content or "\n")
        kept.add(target)
    kept |= page_api.write(book)
    for folder, pattern in ((book.book / "papers", "**/*"), (book.generated, "*.md")):
        for path in folder.glob(pattern):
            if path.is_file() and path not in kept:
                path.unlink()


def _check_complete(book: Compendium, *, strict: bool) -> None:
    if not book.papers:
        raise BookError(f"there is no card under {book.root / 'notebooks'}, so there is no book to build")
    missing = [p.slug for p in book.papers if p.record is None]
    if missing and strict:
        raise BookError(
            f"nothing has been run for {', '.join(missing)}: run `reprise run {missing[0]} --profile quick` "
            "(with --id quick), or `make book`, which runs what is missing"
        )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the build folder, so that two builds at once do not write into one another."""
    folder = root / "_build"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BookError(f"another build of the book is going on in {folder}") from None
        yield
