"""A built site of an invented compendium, the site of this checkout, and a browser without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reprise.compendium import page_model, pages
from tests.book import compendium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Milliseconds; a machine that is busy with other things is slow, not broken.
PATIENCE = 120_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@dataclass(frozen=True)
class Site:
    """A built site and what it was made from."""

    root: Path
    book: page_model.Compendium

    @property
    def html(self) -> Path:
        return self.book.html

    def url(self, page: str) -> str:
        address, mark, anchor = page.partition("#")
        return (self.html / address).as_uri() + mark + anchor

    def kinds(self) -> list[str]:
        """One page of each kind, and every paper."""
        written = ["index", "verdicts", "claims", "gallery", "rerun", "contribute", "glossary", "numerics"]
        written += ["datasets", "benchmarks", "bibliography", "api", "api/statistics"]
        topics = [f"papers/{topic}" for topic in self.book.topics]
        papers = [paper.document.removeprefix("book/") for paper in self.book.papers]
        return [f"book/{name}.html" for name in [*written, *topics, *papers]] + ["search.html", "genindex.html"]


def build(root: Path, **options: Any) -> Site:
    """Build the site of the compendium under ``root``."""
    pages.build_book(root, **options)
    return gathered(root)


def gathered(root: Path) -> Site:
    """The site that lies under ``root``."""
    with page_model.at(root):
        return Site(root, page_model.gather(root, runs=root / "runs", recorded=root / "book" / "records"))


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of an invented compendium. Tests must leave it as it is."""
    return build(compendium.write(tmp_path_factory.mktemp("compendium")))


@pytest.fixture(scope="session", params=["invented", "this checkout"])
def site(request: pytest.FixtureRequest) -> Site:
    """Two sites: that of an invented compendium, and that of this checkout as ``make book`` leaves it."""
    if request.param == "invented":
        return request.getfixturevalue("invented")
    root = Path(__file__).resolve().parents[2]
    if not (root / "_build" / "html" / "book" / "index.html").is_file():
        unavailable("the book of this checkout is not built: make book")
    return gathered(root)


@pytest.fixture
def scratch(invented: Site, tmp_path: Path) -> Site:
    """A copy of the invented compendium with its built site, to be changed."""
    root = tmp_path / "compendium"
    shutil.copytree(invented.root, root)
    return gathered(root)


def unavailable(reason: str) -> None:
    """Skip, but fail where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: nothing is skipped)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        unavailable("no browser: install Chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Visitor:
    """A page that may load files of the site and nothing else, and keeps what went wrong.

    ``mathematics=False`` leaves MathJax out, which takes most of the time that a page needs.
    """

    def __init__(self, browser: Browser, site: Site, *, mathematics: bool = True, **options: Any) -> None:
        self.site = site
        self.mathematics = mathematics
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.context.route("**/*", self._only_files)
        self.page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        self.page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        self.page.on("console", self._listen)

    def open(self, page: str) -> Page:
        self.page.goto(self.site.url(page))
        self.page.wait_for_load_state("load")
        return self.page

    def settle(self) -> None:
        """Wait until mathematics is set."""
        self.page.evaluate("async () => { if (window.MathJax?.startup) await window.MathJax.startup.promise; }")

    def _only_files(self, route: Any) -> None:
        if not self.mathematics and "/mathjax/" in route.request.url:
            route.fulfill(body="", content_type="text/javascript")
        elif route.request.url.startswith("file:"):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"console: {message.text}")


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Any]:
    """Open pages of the site; options are those of a browser context."""
    opened: list[Visitor] = []

    def start(**options: Any) -> Visitor:
        opened.append(Visitor(browser, site, **options))
        return opened[-1]

    yield start
    for visitor in opened:
        visitor.context.close()
