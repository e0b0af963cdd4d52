"""What a page is made from: a paper's card, its best record, and whether the two still belong to the code at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprise.compendium import cards, paths, records
from reprise.compendium.cards import Card, Check, Claim, Figure
from reprise.compendium.errors import RepriseError
from reprise.compendium.records import Record
from reprise.compendium.verdicts import Verdict
from reprise.estimate import Estimate

WEBSITE_FOLDERS = ("figures", "records", "notebooks")


class BookError(RepriseError):
    """The book could not be built, or what was built is not what cards and records say."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One check with what the record says of it."""

    check: Check
    measured: Estimate | None
    control: Estimate | None
    verdict: Verdict
    profile: str

    @property
    def preview(self) -> bool:
        """Whether it was measured below the profile at which it can be judged."""
        return self.verdict is Verdict.NOT_RUN and self.measured is not None


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim with its evidence."""

    claim: Claim
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    anchor: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as the book shows it.

    Attributes:
        card: its card.
        notebook: the notebook without outputs.
        record: the best record, or None where nothing was ever run.
        recorded: the profiles of which a record is committed, the fullest first.
        current: whether the record was made by the code, card and lock at hand.
    """

    card: Card
    notebook: Path
    record: Record | None
    recorded: tuple[str, ...]
    current: bool

    @property
    def slug(self) -> str:
        """The paper's slug."""
        return self.card.slug

    @property
    def document(self) -> str:
        """The page's name within the site, without suffix."""
        return f"book/papers/{self.card.topic}/{self.slug}"

    @property
    def profile(self) -> str | None:
        """The profile that the page shows."""
        return self.record.profile if self.record else None

    @property
    def claims(self) -> list[Judged]:
        """Every claim of the card with its evidence from the record."""
        return [self._judged(claim) for claim in self.card.claims]

    @property
    def figures(self) -> list[Figure]:
        """The figures of the card of which the record holds files."""
        return [f for f in self.card.figures if self.record and self.record.figure(f.id, "svg").is_file()]

    def anchor(self, figure_or_claim: str) -> str:
        """The permanent anchor of a figure or a claim: ``ntk-convergence-f1``."""
        return f"{self.slug}-{figure_or_claim.lower()}"

    def _judged(self, claim: Claim) -> Judged:
        evidence = []
        for check in claim.checks:
            entry: dict[str, Any] = (self.record and self.record.check(claim.id, check.name)) or {}
            measured, control = entry.get("measured"), entry.get("control")
            evidence.append(
                Evidence(
                    check,
                    Estimate.from_json(measured) if measured else None,
                    Estimate.from_json(control) if control else None,
                    Verdict(entry.get("verdict", Verdict.NOT_RUN)),
                    _higher(claim.profile, check.profile or claim.profile),
                )
            )
        verdict = self.record.verdict(claim.id) if self.record else Verdict.NOT_RUN
        return Judged(claim, verdict, tuple(evidence), self.anchor(claim.id))


@dataclass(frozen=True, slots=True)
class Compendium:
    """All that the site is made from."""

    root: Path
    papers: tuple[Paper, ...]

    @property
    def book(self) -> Path:
        """The folder of the written pages."""
        return self.root / "book"

    @property
    def generated(self) -> Path:
        """The folder of parts of pages that are generated."""
        return self.book / "generated"

    @property
    def html(self) -> Path:
        """Where the site is built."""
        return self.root / "_build" / "html"

    @property
    def topics(self) -> dict[str, list[Paper]]:
        """The papers of each topic that has any, in the book's order."""
        found = {topic: [p for p in self.papers if p.card.topic == topic] for topic in cards.TOPIC_TITLES}
        return {topic: papers for topic, papers in found.items() if papers}

    def paper(self, slug: str) -> Paper | None:
        """The paper of that slug, if the book has it."""
        return next((p for p in self.papers if p.slug == slug), None)


@contextmanager
def at(root: Path) -> Iterator[None]:
    """Look for cards and code under ``root``, whatever the working directory."""
    before = os.environ.get("REPRISE_ROOT")
    os.environ["REPRISE_ROOT"] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ["REPRISE_ROOT"]
        else:
            os.environ["REPRISE_ROOT"] = before


def gather(root: Path, *, runs: Path, recorded: Path) -> Compendium:
    """Read every card and choose its record: full, else standard, else quick, else this build's quick run.

    Raises:
        CardError, RecordError: a card or record that cannot be read.
    """
    papers = []
    for card in cards.discover(root):
        found = [p for p in reversed(paths.PROFILES) if (recorded / card.slug / p / "record.json").is_file()]
        record = None
        if found:
            record = records.load(recorded / card.slug / found[0])
        elif (runs / card.slug / "quick" / "record.json").is_file():
            record = records.load(runs / card.slug / "quick")
        notebook = root / "notebooks" / card.topic / f"{card.slug}.ipynb"
        current = record is not None and record.is_of_current_code()
        papers.append(Paper(card, notebook, record, tuple(found), current))
    return Compendium(root, tuple(papers))


def _higher(one: str, other: str) -> str:
    return max(one, other, key=paths.PROFILES.index)
