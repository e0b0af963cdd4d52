from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprise.compendium import cards
from reprise.compendium.errors import CardError, ParameterError, RepriseError
from tests.compendium import sample

Make = Callable[..., Path]


def refused(make: Make, message: str, **changes: Any) -> None:
    make(**changes)
    with pytest.raises(CardError, match=message):
        cards.find(sample.SLUG)


def changed_check(**changes: Any) -> list[dict[str, Any]]:
    claims = copy.deepcopy(sample.card()["claims"])
    claims[0]["checks"][0].update(changes)
    return claims


def test_the_sample_is_read(compendium: Make) -> None:
    root = compendium()
    card = cards.find(sample.SLUG)
    assert card.claim("C1").check("mean").control.name == "loaded coin"
    assert card.notebook == root / "notebooks" / "infinite_width" / "coin-tosses.ipynb"
    assert card.module == "reprise.papers.infinite_width.coin_tosses"
    assert [c.slug for c in cards.discover()] == [sample.SLUG]
    assert card.values("standard")["tosses"] == 4000
    assert card.values("quick", {"seeds": 3})["seeds"] == 3


def test_an_unknown_key_is_named_with_its_place(compendium: Make) -> None:
    refused(compendium, r"coin-tosses.yml:\n  venu: unknown key; did you mean 'venue'", venu="x")
    refused(
        compendium, r"claims.0.checks.0.contrl: unknown key; did you mean 'control'", claims=changed_check(contrl={})
    )


def test_a_claim_without_control_is_refused(compendium: Make) -> None:
    claims = changed_check()
    del claims[0]["checks"][0]["control"]
    refused(compendium, r"claims\.0\.checks\.0\.control: missing", claims=claims)


def test_a_claim_without_checks_is_refused(compendium: Make) -> None:
    claims = copy.deepcopy(sample.card()["claims"])
    claims[0]["checks"] = []
    refused(compendium, r"claims\.0\.checks", claims=claims)


@pytest.mark.parametrize("alt", [None, "", "   "])
def test_a_figure_without_alt_text_is_refused(compendium: Make, alt: str | None) -> None:
    figures = copy.deepcopy(sample.card()["figures"])
    figures[0]["alt"] = alt
    refused(compendium, r"figures\.0\.alt", figures=figures)
    del figures[0]["alt"]
    refused(compendium, r"figures\.0\.alt: missing", figures=figures)


def test_cross_references_are_checked(compendium: Make) -> None:
    data = sample.card()
    refused(compendium, "lead_figure 'F9'", lead_figure="F9")
    refused(compendium, "names the unknown claim 'C9'", figures=[{**data["figures"][0], "claims": ["C9"]}])
    refused(compendium, "abstract sentence 1 names the unknown claim", abstract=[{"sentence": "x", "claims": ["C2"]}])
    refused(compendium, "unknown claim 'C7'", finding="{C7}")
    refused(compendium, "unknown check 'maen' of claim C1; did you mean 'mean'", finding="{C1/maen}")
    refused(compendium, "must end in :value", finding="{C1/mean:median}")
    refused(compendium, "unknown parameter 'sedes'; did you mean 'seeds'", finding="{p.sedes}")


def test_a_sentence_needs_claims_or_a_reason(compendium: Make) -> None:
    refused(compendium, "either the claims", abstract=[{"sentence": "x"}])
    refused(compendium, "either the claims", abstract=[{"sentence": "x", "claims": ["C1"], "left_out": "y"}])


def test_twins_are_refused(compendium: Make) -> None:
    data = sample.card()
    refused(compendium, "claims: 'C1' stands twice", claims=data["claims"] * 2)
    refused(compendium, "figures: 'F1' stands twice", figures=data["figures"] * 2)
    claims = copy.deepcopy(data["claims"])
    claims[0]["checks"] *= 2
    refused(compendium, "'mean' stands twice", claims=claims)


def test_a_yaml_key_given_twice_is_refused(compendium: Make) -> None:
    root = compendium()
    path = root / "notebooks" / "infinite_width" / "coin-tosses.yml"
    path.write_text(path.read_text() + "year: 1914\n")
    with pytest.raises(CardError, match="'year' stands twice"):
        cards.find(sample.SLUG)


def test_profile_values_are_checked(compendium: Make) -> None:
    profiles = copy.deepcopy(sample.card()["profiles"])
    profiles["full"]["values"]["seeds"] = 1
    refused(compendium, r"profile full: parameter 'seeds' must lie in", profiles=profiles)
    profiles = copy.deepcopy(sample.card()["profiles"])
    del profiles["standard"]["values"]["bias"]
    refused(compendium, r"profile standard: coin-tosses needs the parameter\(s\) bias", profiles=profiles)
    profiles = copy.deepcopy(sample.card()["profiles"])
    del profiles["standard"]
    refused(compendium, r"profiles\.standard: missing", profiles=profiles)


def test_not_yaml_and_not_there(compendium: Make) -> None:
    root = compendium()
    path = root / "notebooks" / "infinite_width" / "coin-tosses.yml"
    path.write_text("a: [")
    with pytest.raises(CardError, match="not valid YAML"):
        cards.find(sample.SLUG)
    with pytest.raises(RepriseError, match="unknown paper 'coin-toses'; did you mean 'coin-tosses'"):
        cards.find("coin-toses")


def test_file_name_and_card_must_agree(compendium: Make) -> None:
    root = compendium()
    path = root / "notebooks" / "infinite_width" / "coin-tosses.yml"
    path.rename(path.with_name("coins.yml"))
    with pytest.raises(CardError, match=r"must be notebooks/infinite_width/coin-tosses\.yml"):
        cards.discover()


def test_unknown_profile(compendium: Make) -> None:
    compendium()
    with pytest.raises(ParameterError, match="unknown profile 'standart'; did you mean 'standard'"):
        cards.find(sample.SLUG).values("standart")
