from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reprise.compendium import cards, citations
from reprise.compendium.errors import RepriseError
from tests.compendium import sample

CFF = """\
cff-version: 1.2.0
title: Reprise
authors:
  - {family-names: Noether, given-names: Emmy}
  - {name: The Reprise authors}
version: 0.1.0
date-released: 2026-11-23
url: https://example.org/reprise/
"""


@pytest.fixture
def card(compendium: Callable[..., Path]) -> cards.Card:
    root = compendium(title="Coins & Dice: 50% of $1")
    (root / "CITATION.cff").write_text(CFF)
    return cards.find(sample.SLUG)


def test_bibtex_escapes_and_names_both_works(card: cards.Card) -> None:
    text = citations.bibtex(card)
    assert "@article{bernoulli1913coins," in text
    assert r"title = {{Coins \& Dice: 50\% of \$1}}" in text
    assert "author = {Jakob Bernoulli and Abraham de Moivre}" in text
    assert "eprint = {1806.07572}" in text
    assert "doi = {10.1000/coins}" in text
    assert "@incollection{reprise-coin-tosses," in text
    assert "author = {Emmy Noether and {The Reprise authors}}" in text
    assert text.count("{") == text.count("}")


def test_a_figure_has_its_anchor(card: cards.Card) -> None:
    text = citations.bibtex(card, "F1")
    assert "reprise-coin-tosses-f1" in text
    assert "https://example.org/reprise/book/papers/infinite_width/coin-tosses.html#coin-tosses-f1" in text
    with pytest.raises(RepriseError, match="unknown figure 'F2'"):
        citations.text(card, "F2")


def test_csl_json_splits_names(card: cards.Card) -> None:
    paper, ours = json.loads(json.dumps(citations.csl_json(card)))
    assert paper["author"][1] == {"family": "Moivre", "given": "Abraham de"}
    assert paper["DOI"] == "10.1000/coins"
    assert ours["author"][1] == {"literal": "The Reprise authors"}
    assert ours["version"] == "0.1.0"


def test_text(card: cards.Card) -> None:
    assert citations.text(card).splitlines()[0] == (
        "Jakob Bernoulli, Abraham de Moivre (1913). Coins & Dice: 50% of $1. Basel. https://doi.org/10.1000/coins"
    )


def test_a_missing_citation_file_is_named(card: cards.Card, tmp_path: Path) -> None:
    (tmp_path / "CITATION.cff").unlink()
    with pytest.raises(RepriseError, match=r"cannot read .*CITATION\.cff"):
        citations.bibtex(card)
