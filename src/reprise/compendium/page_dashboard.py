"""The claims dashboard: every claim of every paper in one table, which scripts can filter and which works without them."""

from __future__ import annotations

from reprise.compendium import page_text as text
from reprise.compendium.cards import TOPIC_TITLES
from reprise.compendium.page_model import Compendium, Judged, Paper
from reprise.compendium.page_parts import key, render
from reprise.compendium.verdicts import Verdict


def table(book: Compendium) -> str:
    """The filters and the table."""
    verdicts = [j.verdict for p in book.papers for j in p.claims]
    profiles = [p.profile for p in book.papers if p.profile]
    return render(
        "dashboard.html",
        rows=[(paper, judged, _words(paper, judged)) for paper in book.papers for judged in paper.claims],
        verdicts=[(v, key(v), verdicts.count(v)) for v in Verdict if v in verdicts],
        topics=[(topic, TOPIC_TITLES[topic]) for topic in book.topics],
        profiles=sorted(set(profiles), key=("quick", "standard", "full").index),
    )


def _words(paper: Paper, judged: Judged) -> str:
    """What the text filter searches."""
    card, claim = paper.card, judged.claim
    parts = [card.slug, card.title, *card.authors, claim.id, claim.title, claim.statement, claim.reported.text]
    parts += [word for check in claim.checks for word in (check.name, check.quantity, check.control.name)]
    return text.plain(" ".join(parts)).lower()
