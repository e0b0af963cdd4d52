"""What a notebook holds on to: it tests claims, saves figures and closes with a table of verdicts."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise import provenance
from reprise.compendium import boxes, cards, environment, figures, paths
from reprise.compendium.errors import StudyError
from reprise.compendium.files import write_atomically
from reprise.compendium.parameters import check_all
from reprise.compendium.verdicts import Verdict, judge_check, judge_claim
from reprise.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Tested:
    """A check with its evidence and verdict."""

    claim: cards.Claim
    check: cards.Check
    measured: Estimate
    control: Estimate
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The form of ``record.json``."""
        return {
            **_described(self.check),
            "measured": self.measured.to_json(),
            "control": self.control.to_json(),
            "verdict": str(self.verdict),
        }


def open_study(slug: str, **parameters: Any) -> Study:
    """Open the study of one paper with the values of its notebook's parameters cell.

    Raises:
        RepriseError: unknown paper, broken card.
        ParameterError: unknown or missing parameter, wrong type, out of bounds.
    """
    card = cards.find(slug)
    values = check_all(slug, card.parameters, parameters)
    profile = os.environ.get("REPRISE_PROFILE")
    if profile is None:
        profile = next((p for p in paths.PROFILES if card.values(p) == values), "custom")
    else:
        card.profile(profile)
    folder = os.environ.get("REPRISE_RUN_DIR")
    run_dir = Path(folder) if folder else paths.runs(slug) / "interactive"
    study = Study(card, values, profile, run_dir)
    boxes.show(boxes.opening(card, profile, values))
    return study


class Study:
    """One execution of one paper's notebook.

    Attributes:
        card: the paper's card.
        parameters: the checked parameter values.
        profile: ``quick``, ``standard``, ``full``, or ``custom`` in a session whose values are those of no profile.
        folder: where figures and evidence go.
    """

    def __init__(self, card: cards.Card, parameters: dict[str, Any], profile: str, folder: Path) -> None:
        self.card, self.parameters, self.profile, self.folder = card, parameters, profile, folder
        self._tested: dict[tuple[str, str], Tested] = {}
        self._figures: dict[str, dict[str, Any]] = {}
        self._started = time.monotonic()
        self._closed = False

    def test(self, claim_id: str, name: str, *, measured: Estimate, control: Estimate) -> Verdict:
        """Judge one check by the card's criterion and show its box.

        Raises:
            StudyError: no estimate, a check tested twice, a closed study.
            RepriseError: unknown claim or check.
        """
        self._open()
        claim = self.card.claim(claim_id)
        check = claim.check(name)
        if (claim_id, name) in self._tested:
            raise StudyError(f"check '{name}' of {claim_id} is tested twice; each check is judged once")
        for what, estimate in (("measured", measured), ("control", control)):
            if not isinstance(estimate, Estimate):
                raise StudyError(f"{what} of '{name}' must be an Estimate, got {type(estimate).__name__}")
        try:
            verdict = judge_check(check.criterion, measured, control, check.weaker)
        except TypeError as error:
            raise StudyError(f"check '{name}' of {claim_id}: {error}") from None
        if not self._reaches(check.profile or claim.profile) or not self._reaches(claim.profile):
            verdict = Verdict.NOT_RUN
        tested = Tested(claim, check, measured, control, verdict)
        self._tested[claim_id, name] = tested
        boxes.show(boxes.check(tested))
        return verdict

    def figure(self, figure_id: str, fig: Figure, data: pd.DataFrame) -> None:
        """Save a figure of the card with the data that it draws, and show it.

        Writes SVG (the same bytes for the same figure), PNG, PDF and CSV with title and description inside.

        Raises:
            RepriseError: a figure that the card does not name.
            StudyError: saved twice, or nothing in ``data``.
        """
        self._open()
        entry = self.card.figure(figure_id)
        if figure_id in self._figures:
            raise StudyError(f"figure {figure_id} is saved twice")
        if data.empty:
            raise StudyError(f"figure {figure_id} comes with an empty data frame; it must hold what is drawn")
        self._figures[figure_id] = figures.save(fig, entry, self.card, data, self.folder / "figures")
        boxes.show(boxes.figure(entry, self.folder / "figures" / f"{figure_id}.png"))

    def say(self, markdown: str) -> None:
        """Show Markdown text, for numbers that this run has computed."""
        self._open()
        boxes.show(boxes.prose(markdown))

    def source(self, *objects: Callable[..., Any]) -> None:
        """Show the source of functions or classes, without their docstrings' doctests being run."""
        self._open()
        code = "\n\n".join(inspect.getsource(thing).rstrip() for thing in objects)
        boxes.show(boxes.prose(f"```python\n{code}\n```"))

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of each claim so far."""
        return {claim.id: judge_claim([v for _, v in self._checks(claim)]) for claim in self.card.claims}

    def close(self) -> None:
        """Show the table of claims and versions, and hand the evidence to the runner.

        Raises:
            StudyError: a figure of the card was not saved, or the study is closed already.
        """
        self._open()
        missing = [f.id for f in self.card.figures if f.id not in self._figures]
        if missing:
            raise StudyError(f"the card names figure(s) {', '.join(missing)}, which this notebook did not save")
        self._closed = True
        evidence: dict[str, Any] = {
            "schema": 1,
            "paper": self.card.slug,
            "profile": self.profile,
            "parameters": self.parameters,
            "claims": [
                {
                    "id": claim.id,
                    "verdict": str(verdict),
                    "checks": [self._check_json(claim, check) for check in claim.checks],
                }
                for claim, verdict in zip(self.card.claims, self.verdicts().values(), strict=True)
            ],
            "figures": [self._figures[f.id] for f in self.card.figures],
            "provenance": {
                **environment.of_this_process(),
                "datasets": provenance.datasets(),
                "seconds_in_notebook": round(time.monotonic() - self._started, 3),
            },
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "evidence.json", json.dumps(evidence, indent=1, allow_nan=False))
        boxes.show(boxes.closing(self.card, self.verdicts(), evidence["provenance"]))

    def _checks(self, claim: cards.Claim) -> list[tuple[cards.Check, Verdict]]:
        tested = [(check, self._tested.get((claim.id, check.name))) for check in claim.checks]
        return [(check, t.verdict if t else Verdict.NOT_RUN) for check, t in tested]

    def _check_json(self, claim: cards.Claim, check: cards.Check) -> dict[str, Any]:
        tested = self._tested.get((claim.id, check.name))
        if tested is not None:
            return tested.to_json()
        return {**_described(check), "measured": None, "control": None, "verdict": str(Verdict.NOT_RUN)}

    def _reaches(self, profile: str) -> bool:
        own = paths.PROFILES.index(self.profile) if self.profile in paths.PROFILES else 0
        return own >= paths.PROFILES.index(profile)

    def _open(self) -> None:
        if self._closed:
            raise StudyError("this study is closed; study.close() belongs into the last cell")


def _described(check: cards.Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "criterion": check.criterion.model_dump(mode="json"),
        "control_name": check.control.name,
    }
