"""What each subcommand does: takes parsed arguments, prints, returns the exit code."""

from __future__ import annotations

import csv
import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any, Self

from reprise.compendium import cards, paths, records
from reprise.compendium.boxes import SIGNS
from reprise.compendium.errors import Interrupted, RecordError, RepriseError, RunError, suggest
from reprise.compendium.parameters import parse_assignments
from reprise.compendium.records import Record
from reprise.compendium.verdicts import Verdict
from reprise.estimate import Estimate

USER_ERRORS = (RepriseError,)


def exit_code(error: RepriseError) -> int:
    """130 for an interrupted run, 1 for one that failed, 2 for wrong use."""
    if isinstance(error, Interrupted):
        return 130
    return 1 if isinstance(error, RunError) else 2


def run(arguments: Namespace) -> int:
    """``reprise run``."""
    from reprise.compendium import runs

    card = cards.find(arguments.slug)
    overrides = parse_assignments(card.slug, card.parameters, arguments.parameter)
    with _ProgressLine(arguments.slug, quiet=arguments.json) as line:
        folder = runs.run(
            arguments.slug,
            profile=arguments.profile,
            overrides=overrides,
            run_id=arguments.run_id,
            timeout_minutes=arguments.timeout,
            report=line.show,
        )
    record = records.load(folder)
    if arguments.json:
        _print_json({"run": str(folder), **record.data})
        return 0
    _print_claims([(card, record)])
    print(f"\n{record.provenance['seconds']:.0f} s; notebook, figures and record: {folder}")
    _compare_with_record(record)
    return 0


def sweep(arguments: Namespace) -> int:
    """``reprise sweep``."""
    from reprise.compendium import sweep as sweeping

    card = cards.find(arguments.slug)
    grid = sweeping.parse_grid(card, arguments.parameter)

    def show(done: int, total: int, label: str) -> None:
        print(f"{done}/{total} {label}", file=sys.stderr)

    rows, errors = sweeping.sweep(
        arguments.slug,
        grid,
        profile=arguments.profile,
        jobs=arguments.jobs,
        timeout_minutes=arguments.timeout,
        report=show,
    )
    for error in errors:
        print(f"reprise: {error}", file=sys.stderr)
    if arguments.json:
        _print_json({"rows": rows, "errors": errors})
    elif rows:
        out = Path(arguments.out or paths.runs(card.slug) / f"sweep-{time.strftime('%Y%m%d-%H%M%S')}.csv")
        try:
            with out.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise RunError(
                f"cannot write the table to {out}: {error}; the runs are in {paths.runs(card.slug)}"
            ) from None
        _print_table(
            [*grid, "claim", "check", "value", "low", "high", "verdict"],
            [
                [
                    *(_short(r[n]) for n in grid),
                    r["claim"],
                    r["check"],
                    *(_short(r[n]) for n in ("value", "low", "high")),
                    r["verdict"],
                ]
                for r in rows
            ],
        )
        print(f"\n{out}")
    return 1 if errors else 0


def verify(arguments: Namespace) -> int:
    """``reprise verify``."""
    from reprise.compendium import runs
    from reprise.compendium.verify import compare

    if arguments.run and (arguments.parameter or arguments.profile):
        raise RepriseError("--run compares a finished run; --profile and -p make no sense with it")
    if arguments.slug is None and (arguments.parameter or arguments.run):
        raise RepriseError("-p and --run need a paper")
    slugs = [arguments.slug] if arguments.slug else [c.slug for c in cards.discover() if records.committed(c.slug)]
    if not slugs:
        raise RepriseError("no paper has a committed record yet")
    reports = []
    for slug in slugs:
        card = cards.find(slug)
        if arguments.run:
            rerun = records.load(Path(arguments.run))
            if rerun.paper != slug:
                raise RepriseError(f"{arguments.run} is a run of {rerun.paper}, not of {slug}")
            recorded = _committed(slug, rerun.profile)
        else:
            recorded = _committed(slug, arguments.profile)
            overrides = parse_assignments(slug, card.parameters, arguments.parameter)
            with _ProgressLine(slug, quiet=arguments.json) as line:
                folder = runs.run(
                    slug,
                    profile=recorded.profile,
                    overrides=overrides,
                    run_id=f"verify-{recorded.profile}",
                    timeout_minutes=arguments.timeout,
                    report=line.show,
                )
            rerun = records.load(folder)
        reports.append(compare(recorded, rerun))
        if not arguments.json:
            _print_report(reports[-1])
    if arguments.json:
        _print_json([report.to_json() for report in reports])
    return 0 if all(report.agrees for report in reports) else 1


def record(arguments: Namespace) -> int:
    """``reprise record``."""
    folder = records.promote(Path(arguments.run))
    if arguments.json:
        _print_json({"record": str(folder)})
    else:
        print(f"recorded: {folder}\ncommit it with git, then build the book again")
    return 0


def claims(arguments: Namespace) -> int:
    """``reprise claims``."""
    if arguments.verdict is not None and arguments.verdict not in [str(v) for v in Verdict]:
        raise RepriseError(f"unknown verdict '{arguments.verdict}'; {suggest(arguments.verdict, map(str, Verdict))}")
    if arguments.topic is not None and arguments.topic not in cards.TOPIC_TITLES:
        raise RepriseError(f"unknown topic '{arguments.topic}'; {suggest(arguments.topic, cards.TOPIC_TITLES)}")
    chosen = [cards.find(arguments.slug)] if arguments.slug else cards.discover()
    pairs = [(c, records.best(c.slug)) for c in chosen if arguments.topic in (None, c.topic)]
    if arguments.json:
        _print_json(
            [
                entry
                for card, rec in pairs
                for entry in _claims_json(card, rec)
                if arguments.verdict in (None, entry["verdict"])
            ]
        )
    else:
        _print_claims(pairs, only=arguments.verdict)
    return 0


def cite(arguments: Namespace) -> int:
    """``reprise cite``."""
    from reprise.compendium import citations

    slug, _, figure = arguments.target.partition(":")
    card = cards.find(slug)
    if arguments.format == "csl-json":
        _print_json(citations.csl_json(card, figure or None))
    else:
        print(getattr(citations, arguments.format)(card, figure or None))
    return 0


def book(arguments: Namespace) -> int:
    """``reprise book``."""
    from reprise.compendium import pages

    def show(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    index = pages.build_book(paths.root(), runs=paths.runs(), records=paths.root() / "book" / "records", progress=show)
    if arguments.json:
        _print_json({"index": str(index)})
    else:
        print(f"the book: {index}")
    if arguments.open:
        import webbrowser

        webbrowser.open(index.as_uri())
    return 0


def data(arguments: Namespace) -> int:
    """``reprise data``."""
    from reprise import commands_data

    return commands_data.main(arguments)


def new(arguments: Namespace) -> int:
    """``reprise new``."""
    from reprise.compendium import scaffold

    files = scaffold.create(
        arguments.slug,
        topic=arguments.topic,
        title=arguments.title,
        authors=arguments.author or ["First Author"],
        year=arguments.year,
        arxiv=arguments.arxiv,
    )
    if arguments.json:
        _print_json({"files": [str(file) for file in files]})
    else:
        print("\n".join(str(file) for file in files))
        print(f"\nthey run as they are: reprise run {arguments.slug}\nhow to go on: the book's page on adding a paper")
    return 0


def _committed(slug: str, profile: str | None) -> Record:
    found = records.committed(slug)
    if profile is not None:
        cards.find(slug).profile(profile)
        found = [r for r in found if r.profile == profile]
    if not found:
        raise RecordError(f"{slug} has no committed record" + (f" at profile {profile}" if profile else ""))
    return found[-1]


def _compare_with_record(rerun: Record) -> None:
    """What a rerunner wants to know without asking: does it agree with the committed record?"""
    from reprise.compendium.verify import compare

    recorded = [r for r in records.committed(rerun.paper) if r.profile == rerun.profile]
    if recorded:
        print("beside the committed record:")
        _print_report(compare(recorded[0], rerun))


def _print_report(report: Any) -> None:
    rows = [
        [
            c.claim,
            c.check,
            ", ".join(f"{v:.4g}" for v in c.recorded),
            ", ".join(f"{v:.4g}" for v in c.rerun),
            ", ".join(f"[{a:.4g}, {b:.4g}]" for a, b in zip(c.low, c.high, strict=True)),
            ("a time" if c.timed else "inside" if c.inside else "OUTSIDE")
            + ("" if c.verdict_recorded == c.verdict_rerun else f"; {c.verdict_recorded} → {c.verdict_rerun}"),
        ]
        for c in report.checks
    ]
    _print_table(["claim", "check", "record", "rerun", "expected in", ""], rows)
    for name in report.missing:
        print(f"not measured in the rerun: {name}")
    for f in report.figures:
        if f.identical:
            state = "same data"
        elif not f.same_shape:
            state = "data of another shape"
        else:
            state = f"data differ by at most {f.largest_difference:.1e} of a value"
        print(f"figure {f.figure}: {state}")
    print(f"{report.paper}, {report.profile}: {'agrees' if report.agrees else 'DISAGREES'} with the record")


def _claims_json(card: cards.Card, rec: Record | None) -> list[dict[str, Any]]:
    return [
        {
            "paper": card.slug,
            "topic": card.topic,
            "claim": claim.id,
            "title": claim.title,
            "statement": claim.statement,
            "verdict": str(rec.verdict(claim.id) if rec else Verdict.NOT_RUN),
            "profile": rec.profile if rec else None,
            "checks": [rec.check(claim.id, check.name) for check in claim.checks] if rec else [],
        }
        for claim in card.claims
    ]


def _print_claims(pairs: list[tuple[cards.Card, Record | None]], only: str | None = None) -> None:
    rows = []
    for card, rec in pairs:
        for claim in card.claims:
            verdict = rec.verdict(claim.id) if rec else Verdict.NOT_RUN
            if only in (None, str(verdict)):
                rows.append(
                    [card.slug, claim.id, claim.title, rec.profile if rec else "", f"{SIGNS[verdict][0]} {verdict}"]
                )
                for check in claim.checks:
                    entry = rec.check(claim.id, check.name) if rec else None
                    if entry and entry["measured"] is not None and len(pairs) == 1:
                        measured = Estimate.from_json(entry["measured"])
                        state = Verdict(entry["verdict"])
                        rows.append(
                            ["", "", f"  {check.name} {check.criterion}", str(measured), f"{SIGNS[state][0]} {state}"]
                        )
    _print_table(["paper", "claim", "", "profile" if len(pairs) > 1 else "profile, measured", "verdict"], rows)


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    if not rows:
        print("nothing to show")
        return
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ",".join(_short(v) for v in value)
    return str(value)


class _ProgressLine:
    """One line on standard error that says how far a run is; a line a minute where there is no terminal."""

    def __init__(self, slug: str, *, quiet: bool) -> None:
        self.slug, self.quiet = slug, quiet
        self.terminal = sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal and not self.quiet:
            sys.stderr.write("\r\033[K")

    def show(self, progress: Any) -> None:
        if self.quiet:
            return
        if self.terminal:
            sys.stderr.write(f"\r\033[K{self.slug}: {progress}")
            sys.stderr.flush()
        elif progress.seconds >= self._next:
            self._next = progress.seconds + 15.0
            print(f"{self.slug}: {progress}", file=sys.stderr, flush=True)
