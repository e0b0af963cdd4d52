"""The figure of the front page: every claim of every paper as one sign, by topic and verdict."""

from __future__ import annotations

import math

from reprise.compendium import page_text as text
from reprise.compendium.cards import TOPIC_TITLES
from reprise.compendium.page_model import Compendium, Judged, Paper
from reprise.compendium.page_parts import attribute, key, render, sign_at
from reprise.compendium.verdicts import Verdict

_SIGN, _GAP, _TOP, _PAD = 14.0, 20.0, 34.0, 12.0


def figure(book: Compendium) -> str:
    """The figure in two shapes, for wide and for narrow pages, with one description for both."""
    described = _description(book)
    return render(
        "front.html",
        wide=_wide(book, described),
        narrow=_narrow(book, described),
        counts=_counts(book),
        papers=len(book.papers),
        claims=sum(len(p.card.claims) for p in book.papers),
    )


def _wide(book: Compendium, described: str) -> str:
    """Topics as rows, verdicts as columns, each cell filled with its claims' signs."""
    left, width = 150.0, 760.0
    column = (width - left) / len(Verdict)
    each_row = max(1, int((column - _PAD) // _GAP))
    parts, y = [], _TOP
    for index, verdict in enumerate(Verdict):
        x = left + index * column
        parts.append(sign_at(verdict, x, 6, 12) + f'<text class="head" x="{x + 18:g}" y="16">{verdict}</text>')
    for topic, papers in book.topics.items():
        cells = {v: [(p, j) for p in papers for j in p.claims if j.verdict is v] for v in Verdict}
        rows = max(math.ceil(len(entries) / each_row) for entries in cells.values())
        height = max(rows, 1) * _GAP + _PAD
        parts.append(f'<path class="rule" d="M0 {y:g}H{width:g}"/>')
        parts.append(f'<text class="topic" x="0" y="{y + _PAD + 9:g}">{attribute(TOPIC_TITLES[topic])}</text>')
        for column_index, entries in enumerate(cells.values()):
            for i, (paper, judged) in enumerate(entries):
                x = left + column_index * column + (i % each_row) * _GAP
                parts.append(_claim(paper, judged, x, y + _PAD - 2 + (i // each_row) * _GAP))
        y += height
    return _svg("front-wide", width, y, described, parts)


def _narrow(book: Compendium, described: str) -> str:
    """Topics one under another, each followed by its claims' signs in the order of verdicts."""
    width = 340.0
    each_row = int(width // _GAP)
    parts, y = [], 4.0
    for topic, papers in book.topics.items():
        entries = sorted(((p, j) for p in papers for j in p.claims), key=lambda e: list(Verdict).index(e[1].verdict))
        parts.append(f'<text class="topic" x="0" y="{y + 16:g}">{attribute(TOPIC_TITLES[topic])}</text>')
        y += 26
        for i, (paper, judged) in enumerate(entries):
            parts.append(_claim(paper, judged, (i % each_row) * _GAP, y + (i // each_row) * _GAP))
        y += math.ceil(len(entries) / each_row) * _GAP + 10
    return _svg("front-narrow", width, y, described, parts)


def _claim(paper: Paper, judged: Judged, x: float, y: float) -> str:
    label = f"{paper.slug} {judged.claim.id}, {judged.verdict}: {text.plain(judged.claim.title)}"
    address = attribute(f"papers/{paper.card.topic}/{paper.slug}.html#{judged.anchor}")
    return (
        f'<g class="claim-dot" data-href="{address}"><title>{attribute(label)}</title>'
        f'<rect x="{x - 3:g}" y="{y - 3:g}" width="{_GAP:g}" height="{_GAP:g}" fill="transparent"/>'
        f"{sign_at(judged.verdict, x, y, _SIGN)}</g>"
    )


def _svg(css: str, width: float, height: float, described: str, parts: list[str]) -> str:
    return (
        f'<svg class="front {css}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{attribute(described)}">'
        f"{''.join(parts)}</svg>"
    )


def _counts(book: Compendium) -> list[tuple[Verdict, str, int]]:
    verdicts = [j.verdict for p in book.papers for j in p.claims]
    return [(v, key(v), verdicts.count(v)) for v in Verdict]


def _description(book: Compendium) -> str:
    """What a sighted reader would conclude."""
    sentences = []
    for topic, papers in book.topics.items():
        verdicts = [j.verdict for p in papers for j in p.claims]
        found = [f"{verdicts.count(v)} {v}" for v in Verdict if v in verdicts]
        many = f"{len(papers)} paper{'s' if len(papers) > 1 else ''}"
        sentences.append(f"{TOPIC_TITLES[topic]}, {many}: {text.listed(found)}.")
    return "Every claim of the book by topic and verdict. " + " ".join(sentences)
