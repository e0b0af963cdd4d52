"""A small compendium with three invented papers: every verdict, every profile, every kind of output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

REPOSITORY = Path(__file__).resolve().parents[2]

Check = tuple[str, dict[str, Any], tuple[float, float, float], tuple[float, float, float], str]

# Of each check: its name, criterion, measured and control value with interval, verdict.
CHECKS: dict[str, Check] = {
    "slope": (
        "error slope",
        {"kind": "within", "low": -0.6, "high": -0.4},
        (-0.498, -0.53, -0.46),
        (0.004, -0.01, 0.02),
        "reproduced",
    ),
    "gap": (
        "gap to the limit",
        {"kind": "at_most", "value": 0.05},
        (0.031, 0.02, 0.042),
        (0.41, 0.38, 0.44),
        "reproduced",
    ),
    "half": (
        "share of seeds",
        {"kind": "at_least", "value": 0.9},
        (0.86, 0.8, 0.92),
        (0.1, 0.05, 0.18),
        "inconclusive",
    ),
    "miss": (
        "ratio of rates",
        {"kind": "equals", "value": 2.0, "rtol": 0.05, "atol": 0.0},
        (2.61, 2.5, 2.7),
        (1.0, 0.9, 1.1),
        "not reproduced",
    ),
    "blind": ("rank", {"kind": "at_least", "value": 5.0}, (7.0, 7.0, 7.0), (6.0, 6.0, 6.0), "unproven"),
}


CITATION = {
    "cff-version": "1.2.0",
    "title": "Reprise",
    "authors": [{"name": "The Reprise contributors"}],
    "version": "0.1.0",
    "date-released": "2026-11-23",
    "url": "https://example.org/reprise",
}


CHART = {
    "title": "Powers of the width",
    "caption": "Hops shrink like $n^{-1/2}$.",
    "axis": "exponent of the width",
    "marks": [{"at": -0.5, "text": "1/√n"}, {"at": 0.0, "text": "constant"}],
    "rows": [
        {"slug": "lazy-frogs", "claim": "C1", "check": "error slope", "what": "length of a hop"},
        {"slug": "lazy-frogs", "claim": "C2", "check": "share of seeds", "what": "frogs that sit"},
        {"slug": "lazy-frogs", "claim": "C3", "check": "gap to the limit", "what": "what was not run"},
        {"slug": "not-yet-there", "claim": "C1", "check": "slope", "what": "a paper to come"},
    ],
}


def claim(number: int, keys: list[str], verdict: str, profile: str = "quick") -> dict[str, Any]:
    """One claim of a card, and beside it what the record says of it."""
    return {"number": number, "keys": keys, "verdict": verdict, "profile": profile}


PAPERS: dict[str, dict[str, Any]] = {
    "lazy-frogs": {
        "topic": "infinite_width",
        "title": "Lazy Frogs: On the Constancy of $\\Theta$ in Wide Ponds",
        "authors": ["Ada Marsh", "Benoît Étang", "Chika Ike"],
        "year": 2018,
        "arxiv": "1801.00001",
        "claims": [
            claim(1, ["slope", "gap"], "reproduced"),
            claim(2, ["slope", "half"], "partly"),
            claim(3, ["gap"], "not run", "full"),
        ],
        "profiles": ["quick", "standard"],
    },
    "small-ponds": {
        "topic": "infinite_width",
        "title": "Small Ponds <Break> & Other Limits",
        "authors": ["Dora Teich"],
        "year": 2021,
        "arxiv": None,
        "claims": [claim(1, ["miss"], "not reproduced"), claim(2, ["half"], "inconclusive")],
        "profiles": [],
    },
    "ripple-kernels": {
        "topic": "kernels_and_features",
        "title": "Ripple Kernels",
        "authors": ["Emil Welle", "Fatma Dalga"],
        "year": 2024,
        "arxiv": "2401.00002",
        "claims": [claim(1, ["blind"], "unproven"), claim(2, ["slope"], "reproduced")],
        "profiles": ["quick", "full"],
    },
}


def write(root: Path) -> Path:
    """Lay the compendium out under ``root``: the real written pages, invented papers."""
    shutil.copytree(REPOSITORY / "book", root / "book", ignore=shutil.ignore_patterns("records", "papers", "generated"))
    shutil.copy(REPOSITORY / "_config.yml", root)
    (root / "CITATION.cff").write_text(yaml.safe_dump(CITATION))
    (root / "book" / "parts" / "infinite_width.md").write_text(
        "# Wide ponds\n\nThey agree.\n\n<!-- chart -->\n\nRead on.\n"
    )
    (root / "book" / "parts" / "kernels_and_features.md").write_text("# Kernels and features\n\nOne chapter.\n")
    (root / "book" / "parts" / "kernels_and_features.yml").unlink(missing_ok=True)  # its chart is of chapters not here
    (root / "book" / "parts" / "infinite_width.yml").write_text(yaml.safe_dump(CHART, allow_unicode=True))
    for slug, paper in PAPERS.items():
        card = card_of(slug, paper)
        folder = root / "notebooks" / paper["topic"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{slug}.yml").write_text(yaml.safe_dump(card, allow_unicode=True, sort_keys=False))
        nbformat.write(notebook_of(slug, paper, executed=False), folder / f"{slug}.ipynb")
        for profile in paper["profiles"]:
            write_record(root / "book" / "records" / slug / profile, slug, paper, profile)
        write_record(root / "runs" / slug / "quick", slug, paper, "quick")
    return root


def card_of(slug: str, paper: dict[str, Any]) -> dict[str, Any]:
    """The card of one invented paper."""
    widths = {"type": "list[int]", "unit": "frogs", "bounds": [1, 65536], "meaning": "numbers of frogs"}
    profile = {
        "minutes": 0.4,
        "datasets": [],
        "stands_in_for": "the pond at $n\\le512$",
        "values": {"widths": [32, 64], "seeds": 8},
    }
    return {
        "schema": 1,
        "slug": slug,
        "title": paper["title"],
        "authors": paper["authors"],
        "year": paper["year"],
        "venue": f"Journal of Ponds {paper['year']}",
        "arxiv": paper["arxiv"],
        "doi": "10.1000/pond.1" if slug == "lazy-frogs" else None,
        "code": {"url": "https://example.org/frogs", "licence": "MIT"} if slug == "lazy-frogs" else None,
        "topic": paper["topic"],
        "summary": "Frogs hop less in wider ponds. In the limit $n\\to\\infty$ they sit still.",
        "finding": "The hop length falls with slope {C1/%s} (predicted: $-1/2$), against {C1/%s:control} in the control; "
        "C1 is {C1}. The widest pond has {p.widths} frogs." % ((CHECKS[paper["claims"][0]["keys"][0]][0],) * 2),
        "lead_figure": "F1",
        "related": [{"slug": "ripple-kernels", "how": "Ripples are what frogs leave behind."}]
        if slug == "lazy-frogs"
        else [],
        "parameters": {"widths": widths, "seeds": {"type": "int", "bounds": [2, 1000], "meaning": "ponds a width"}},
        "profiles": {
            "quick": profile,
            "standard": {**profile, "minutes": 7, "values": {"widths": [32, 64, 2048], "seeds": 20}},
            "full": {
                **profile,
                "minutes": 90,
                "stands_in_for": "the paper's own scale",
                "values": {"widths": [32, 64, 10000], "seeds": 10},
            },
        },
        "abstract": [
            {"sentence": "Wide ponds have a limit.", "claims": ["C1"]},
            {"sentence": "Frogs are happy.", "left_out": "Happiness is not measured."},
        ],
        "claims": [claim_of(c) for c in paper["claims"]],
        "figures": [
            {
                "id": f"F{i}",
                "title": f"Hop length, view {i}",
                "caption": "Hops shrink like $n^{-1/2}$; the control does not shrink.",
                "alt": f"Hop length falls along a straight line on log axes while the control stays flat, view {i}.",
                "claims": ["C1"],
            }
            for i in (1, 2)
        ],
    }


def claim_of(entry: dict[str, Any]) -> dict[str, Any]:
    """One claim as the card gives it."""
    return {
        "id": f"C{entry['number']}",
        "title": f"Part {entry['number']}: one converging pond among many puddles",
        "statement": f"For part {entry['number']}, $\\|\\Theta_n-\\Theta_\\infty\\| = O(n^{{-1/2}})$ as the pond widens.",
        "where": f"Theorem {entry['number']}; Figure {entry['number']}",
        "reported": {"text": "Overlaid curves; no number is given.", "verified": entry["number"] == 1},
        "profile": entry["profile"],
        "checks": [
            {
                "name": CHECKS[key][0],
                "quantity": "slope of log hop length against log width",
                "criterion": dict(CHECKS[key][1].items()),
                "control": {"name": "frogs of the wrong depth", "why": "they plateau, so the slope is near 0"},
            }
            for key in entry["keys"]
        ],
    }


def notebook_of(slug: str, paper: dict[str, Any], *, executed: bool) -> nbformat.NotebookNode:
    """The notebook of one invented paper, with or without outputs."""
    cells = [
        new_markdown_cell(f"# {paper['title']}"),
        new_markdown_cell(
            "## The idea\n\nA frog in a wide pond hops less: $\\Theta_n\\to\\Theta_\\infty$. "
            "See [the ripples](../kernels_and_features/ripple-kernels.ipynb) and [the glossary](../../book/glossary.md)."
        ),
        new_code_cell("widths = [32, 64]\nseeds = 8", metadata={"tags": ["parameters"]}),
        new_code_cell(f'import reprise\n\nstudy = reprise.open("{slug}", widths=widths, seeds=seeds)'),
    ]
    for entry in paper["claims"]:
        cells.append(new_markdown_cell(f"## Claim {entry['number']}\n\nWhat theory predicts: $-1/2$."))
        for key in entry["keys"]:
            name = CHECKS[key][0]
            cell = new_code_cell(
                f'slope = hop(widths)\nstudy.test("C{entry["number"]}", "{name}", measured=slope, control=flat)'
            )
            data = {"claim": f"C{entry['number']}", "name": name, "verdict": entry["verdict"]}
            if executed:
                cell.outputs = [
                    new_output("stream", name="stderr", text="WARNING: a secret machine path /home/frog\n"),
                    new_output("stream", name="stdout", text="widths done\n"),
                    new_output(
                        "display_data",
                        {
                            "application/vnd.reprise.check+json": data,
                            "text/html": "<b>old box</b>",
                            "text/plain": "old box",
                        },
                    ),
                ]
            cells.append(cell)
    for figure in ("F1", "F2"):
        cell = new_code_cell(f'study.figure("{figure}", fig, data=frame)')
        if executed:
            cell.outputs = [
                new_output(
                    "display_data",
                    {"application/vnd.reprise.figure+json": {"id": figure}, "image/png": "", "text/plain": "<Figure>"},
                )
            ]
        cells.append(cell)
    closing = new_code_cell("study.close()")
    if executed:
        closing.outputs = [
            new_output(
                "display_data",
                {"application/vnd.reprise.claims+json": {}, "text/html": "<b>old table</b>", "text/plain": "old table"},
            ),
            new_output("display_data", {"text/markdown": "reprise 0.1.0, Python 3.11"}),
        ]
    cells.append(closing)
    if executed:
        for count, cell in enumerate((c for c in cells if c.cell_type == "code"), start=1):
            cell.execution_count = count
    meta = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new_notebook(cells=cells, metadata=meta)
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
    return notebook


def write_record(folder: Path, slug: str, paper: dict[str, Any], profile: str) -> None:
    """A record as the runner writes it."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook_of(slug, paper, executed=True), folder / "notebook.ipynb")
    figures = []
    for name in ("F1", "F2"):
        draw(folder / "figures", name)
        figures.append(
            {
                "id": name,
                "files": {kind: f"figures/{name}.{kind}" for kind in ("svg", "png", "pdf", "csv")},
                "sha256": dict.fromkeys(("svg", "png", "pdf", "csv"), "0" * 64),
            }
        )
    claims = []
    for entry in paper["claims"]:
        not_run = entry["verdict"] == "not run"
        checks = []
        for key in entry["keys"]:
            name, criterion, measured, control, verdict = CHECKS[key]
            check: dict[str, Any] = {"name": name, "criterion": criterion, "control_name": "frogs of the wrong depth"}
            check["measured"] = None if not_run else estimate(*measured)
            check["control"] = None if not_run else estimate(*control)
            check["verdict"] = "not run" if not_run else verdict
            checks.append(check)
        claims.append({"id": f"C{entry['number']}", "verdict": entry["verdict"], "checks": checks})
    record = {
        "schema": 1,
        "paper": slug,
        "profile": profile,
        "parameters": {"widths": [32, 64], "seeds": 8},
        "claims": claims,
        "figures": figures,
        "provenance": {
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "source_digest": "f" * 64,
            "packages": {"jax": "0.10.2", "numpy": "2.4.6"},
            "python": "3.11.9",
            "backend": "cpu",
            "device": "cpu",
            "cpu_count": 2,
            "x64": True,
            "datasets": {"digits": "a" * 64},
            "started": "2026-11-20T12:00:00+00:00",
            "seconds": 12.5,
            "peak_rss_bytes": 512_000_000,
        },
    }
    (folder / "record.json").write_text(json.dumps(record, indent=1))


def estimate(value: float, low: float, high: float) -> dict[str, Any]:
    """An estimate as records give it."""
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": 8,
        "level": 0.95,
        "method": "bootstrap",
        "samples": [value] * 8,
    }


def draw(folder: Path, name: str) -> None:
    """One figure in all its forms."""
    fig, ax = plt.subplots(figsize=(6.4, 4))
    widths = np.array([32, 64, 128, 256, 512])
    ax.loglog(widths, widths**-0.5, "o-")
    ax.axhline(0.3, color="0.6")
    ax.set_xlabel("width $n$")
    ax.set_ylabel("hop length")
    for kind in ("svg", "png", "pdf"):
        fig.savefig(folder / f"{name}.{kind}")
    plt.close(fig)
    (folder / f"{name}.csv").write_text("width,hop\n" + "\n".join(f"{w},{w**-0.5}" for w in widths) + "\n")
