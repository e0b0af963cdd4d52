"""Every notebook, executed by papermill at profile quick; what ``make book`` has run already is taken as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reprise.compendium import cards, paths, records, runs
from reprise.compendium.errors import RecordError
from reprise.compendium.records import Record
from reprise.compendium.verdicts import Verdict
from reprise.compendium.verify import compare

CARDS = {card.slug: card for card in cards.discover()}
PROFILES = list(paths.PROFILES)

pytestmark = pytest.mark.notebooks


def quick_run(slug: str) -> Record:
    try:
        found = records.load(paths.runs(slug) / "quick")
    except RecordError:
        found = None
    if found is not None and found.is_of_current_code():
        return found
    return records.load(runs.run(slug, profile="quick", run_id="quick"))


@pytest.fixture(scope="module", params=CARDS)
def run(request: pytest.FixtureRequest) -> Record:
    return quick_run(request.param)


def code_cells(record: Record) -> list[dict[str, Any]]:
    notebook = json.loads(record.notebook.read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def test_it_ran_to_its_end_without_warnings(run):
    for index, cell in enumerate(code_cells(run)):
        assert cell["execution_count"] is not None, index
        for output in cell["outputs"]:
            assert output["output_type"] != "error", index
            assert output.get("name") != "stderr", (index, "".join(output.get("text", [])))


def test_its_record_withstands_an_audit(run):
    assert run.profile == "quick"
    assert records.audit(run) == []


def test_every_check_of_this_profile_was_made_and_its_control_failed(run):
    card = CARDS[run.paper]
    for claim in card.claims:
        for check in claim.checks:
            if PROFILES.index(check.profile or claim.profile) > 0:
                continue
            entry = run.check(claim.id, check.name)
            assert entry is not None
            assert entry["measured"] is not None, (claim.id, check.name)
            assert entry["verdict"] != Verdict.UNPROVEN, (claim.id, check.name)


def test_every_figure_of_the_card_is_there_in_every_format(run):
    for figure in CARDS[run.paper].figures:
        for kind in ("svg", "png", "pdf", "csv"):
            assert run.figure(figure.id, kind).stat().st_size > 0


def test_it_is_quick(run):
    """The goal is 30 s on two cores; the limit leaves room for a machine that does other work."""
    assert run.provenance["seconds"] < 120


def test_it_agrees_with_the_committed_record(run):
    committed = [record for record in records.committed(run.paper) if record.profile == "quick"]
    if not committed:
        pytest.skip("no record at profile quick has been committed")
    report = compare(committed[0], run)
    assert report.agrees, json.dumps(report.to_json(), indent=1)
