"""Turn pytest-benchmark's JSON into ``benchmarks/results.json``, the table that the book shows.

Usage: python -m benchmarks.report measured.json [results.json]

``rows`` hold one contest each: ``name``, ``against``, ``ours`` and ``theirs`` (median seconds; ``theirs`` null if there is
no counterpart), ``ratio`` (theirs/ours of a speed-up, ours/theirs of an overhead, null without counterpart), ``kind``,
``goal`` in words, ``limit`` as a number, and ``met``. Beside them: ``machine``, ``cores``, ``versions``, ``date``, and
pytest-benchmark's own ``machine_info``, ``datetime`` and ``benchmarks`` (names, median, spread and rounds) that they rest on.
"""

import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.contests import CONTESTS, Contest

PACKAGES = ("jax", "jaxlib", "neural-tangents", "numpy", "scipy", "scikit-learn", "papermill")
WORDS = {
    "speedup": "at least {:g} times as fast",
    "overhead": "at most {:.0%} longer",
    "seconds": "at most {:g} s",
}


def row(contest: Contest, medians: dict[str, float]) -> dict[str, Any] | None:
    """One line of the table; None if a side has not been measured.

    >>> measured = {"fast": 1.0, "slow": 3.0}
    >>> line = row(Contest("sum", "fast", "slow", "a loop", "speedup", 2.0), measured)
    >>> line["ratio"], line["goal"], line["met"]
    (3.0, 'at least 2 times as fast', True)
    """
    if contest.ours not in medians or (contest.theirs and contest.theirs not in medians):
        return None
    ours = medians[contest.ours]
    theirs = medians[contest.theirs] if contest.theirs else None
    ratio = None
    if theirs is not None:
        ratio = theirs / ours if contest.kind == "speedup" else ours / theirs
    reached = ours if ratio is None else ratio
    met = reached >= contest.goal if contest.kind == "speedup" else reached <= contest.goal
    limit = contest.goal - 1 if contest.kind == "overhead" else contest.goal
    return {
        "name": contest.name,
        "against": contest.against,
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "kind": contest.kind,
        "goal": WORDS[contest.kind].format(limit),
        "limit": contest.goal,
        "met": met,
    }


def report(measured: dict[str, Any]) -> dict[str, Any]:
    """The results from pytest-benchmark's JSON."""
    sides = [
        {"name": b["name"], "stats": {k: b["stats"][k] for k in ("median", "iqr", "min", "rounds")}}
        for b in measured["benchmarks"]
    ]
    medians = {side["name"]: side["stats"]["median"] for side in sides}
    cpu = measured["machine_info"].get("cpu", {})
    processor = cpu.get("brand_raw") or "an unnamed processor"
    python = measured["machine_info"].get("python_version")
    return {
        "schema": 1,
        "date": measured["datetime"][:10],
        "machine": processor,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": {"python": python} | {name: _version(name) for name in PACKAGES},
        "rows": [line for contest in CONTESTS if (line := row(contest, medians)) is not None],
        "datetime": measured["datetime"],
        "machine_info": {"python_version": python, "cpu": {"brand_raw": processor}},
        "benchmarks": sides,
    }


def write(source: Path, target: Path) -> dict[str, Any]:
    """Write the results of ``source`` to ``target``, whole or not at all."""
    results = report(json.loads(source.read_text(encoding="utf-8")))
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    temporary.replace(target)
    return results


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def table(results: dict[str, Any]) -> str:
    """The rows as lines of text."""
    lines = [f"{results['machine']}, {results['cores']} cores, {results['date']}"]
    for line in results["rows"]:
        against = f" against {line['against']}" if line["against"] else ""
        ratio = "" if line["ratio"] is None else f", {line['theirs']:.3f} s: ratio {line['ratio']:.2f}"
        met = "met" if line["met"] else "NOT met"
        lines.append(f"{line['name']}{against}: {line['ours']:.3f} s{ratio} (goal {line['goal']}: {met})")
    return "\n".join(lines)


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("results.json")
    sys.stdout.write(table(write(Path(sys.argv[1]), target)) + "\n")
