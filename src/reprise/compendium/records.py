"""Records: what one run found, on which machine, with which code. Read, checked, chosen, promoted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprise.compendium import cards, digest, paths
from reprise.compendium.errors import RecordError
from reprise.compendium.files import sha256
from reprise.compendium.verdicts import Verdict, judge_check, judge_claim
from reprise.estimate import Estimate

SCHEMA = 1
_KEYS = {"schema", "paper", "profile", "parameters", "claims", "figures", "provenance"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record and the folder that it lies in (with the executed notebook and the figures)."""

    folder: Path
    data: dict[str, Any]

    @property
    def paper(self) -> str:
        """The paper's slug."""
        return str(self.data["paper"])

    @property
    def profile(self) -> str:
        """The profile that was run."""
        return str(self.data["profile"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Where, when and with what it was made."""
        return dict(self.data["provenance"])

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / "notebook.ipynb"

    def verdict(self, claim_id: str) -> Verdict:
        """The verdict of one claim; *not run* for a claim that the record does not know."""
        for claim in self.data["claims"]:
            if claim["id"] == claim_id:
                return Verdict(claim["verdict"])
        return Verdict.NOT_RUN

    def check(self, claim_id: str, name: str) -> dict[str, Any] | None:
        """The entry of one check, or None for one that the record does not know."""
        for claim in self.data["claims"]:
            for check in claim["checks"] if claim["id"] == claim_id else ():
                if check["name"] == name:
                    return dict(check)
        return None

    def checks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """All checks with the id of their claim."""
        for claim in self.data["claims"]:
            for check in claim["checks"]:
                yield claim["id"], check

    def figure(self, figure_id: str, kind: str) -> Path:
        """The file of a figure, ``kind`` one of svg, png, pdf, csv."""
        return self.folder / "figures" / f"{figure_id}.{kind}"

    def is_of_current_code(self) -> bool:
        """Whether the code, card and lock that decide its numbers are those of this checkout."""
        return bool(self.provenance["source_digest"] == digest.source_digest(cards.find(self.paper), self.profile))


def load(path: Path) -> Record:
    """Read a record from its folder or its ``record.json``.

    Raises:
        RecordError: not there, not JSON, of another schema, or incomplete.
    """
    file = path / "record.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"there is no record at {path}") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read the record {file}: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise RecordError(f"{file} has schema {found!r}; this version reads schema {SCHEMA}")
    missing = sorted(_KEYS - set(data))
    if missing:
        raise RecordError(f"{file} lacks {', '.join(missing)}")
    return Record(file.parent, data)


def committed(slug: str) -> list[Record]:
    """The committed records of a paper, the fullest profile first."""
    folders = [paths.records(slug, profile) for profile in reversed(paths.PROFILES)]
    return [load(folder) for folder in folders if (folder / "record.json").is_file()]


def best(slug: str) -> Record | None:
    """The record that the book shows: full, else standard, else committed quick, else this checkout's quick run."""
    found = committed(slug)
    if found:
        return found[0]
    run = paths.runs(slug) / "quick"
    return load(run) if (run / "record.json").is_file() else None


def audit(record: Record) -> list[str]:
    """What is wrong with a record, in words; empty if nothing is.

    Judges every check again from its stored intervals, so that a verdict edited by hand is found, and compares the
    figures' bytes with their checksums.
    """
    card = cards.find(record.paper)
    problems = []
    order = [*paths.PROFILES]
    rank = order.index(record.profile) if record.profile in order else 0
    for claim in card.claims:
        verdicts = []
        for check in claim.checks:
            entry = record.check(claim.id, check.name)
            if entry is None:
                problems.append(f"{claim.id}: the card's check '{check.name}' is not in the record")
                continue
            if entry["criterion"] != check.criterion.model_dump(mode="json"):
                problems.append(f"{claim.id}, {check.name}: the criterion is no longer the card's")
            verdict = Verdict.NOT_RUN
            needed = max(order.index(claim.profile), order.index(check.profile or claim.profile))
            if entry["measured"] is not None and rank >= needed:
                measured, control = Estimate.from_json(entry["measured"]), Estimate.from_json(entry["control"])
                verdict = judge_check(check.criterion, measured, control, check.weaker)
            verdicts.append(verdict)
            if verdict != entry["verdict"]:
                problems.append(f"{claim.id}, {check.name}: says {entry['verdict']}, but its evidence says {verdict}")
        if verdicts and judge_claim(verdicts) != record.verdict(claim.id):
            problems.append(f"{claim.id}: says {record.verdict(claim.id)}, but its checks say {judge_claim(verdicts)}")
    for entry in record.data["figures"]:
        for kind, name in entry["files"].items():
            file = record.folder / name
            if not file.is_file():
                problems.append(f"figure {entry['id']}: {name} is missing")
            elif sha256(file) != entry["sha256"][kind]:
                problems.append(f"figure {entry['id']}: {name} is not the file that was recorded")
    return problems


def promote(run: Path) -> Path:
    """Copy a finished run into ``book/records/<slug>/<profile>``, replacing what is there only when all is copied.

    Raises:
        RecordError: no record, parameters other than the profile's, or a record that does not pass its audit.
    """
    record = load(run)
    card = cards.find(record.paper)
    if record.profile not in paths.PROFILES:
        raise RecordError(f"only runs of a profile can be recorded; this one is '{record.profile}'")
    wanted = card.values(record.profile)
    changed = [name for name, value in wanted.items() if record.data["parameters"].get(name) != value]
    if changed:
        raise RecordError(
            f"this run changed {', '.join(changed)} of profile {record.profile}, so it cannot stand for it in the book"
        )
    problems = audit(record)
    if problems:
        raise RecordError("this run does not fit its card; run it again:\n  " + "\n  ".join(problems))
    target = paths.records(record.paper, record.profile)
    fresh, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name in ("record.json", "notebook.ipynb"):
        shutil.copy2(record.folder / name, fresh / name)
    shutil.copytree(record.folder / "figures", fresh / "figures")
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target
