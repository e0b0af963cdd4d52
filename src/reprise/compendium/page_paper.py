"""A paper's page: the executed notebook of its best record under a header, its evidence drawn anew from the record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from reprise.compendium import citations, page_cells, page_images
from reprise.compendium import page_text as text
from reprise.compendium.page_model import BookError, Compendium, Judged, Paper
from reprise.compendium.page_parts import copy_if_changed, link, raw, render, write_if_changed


def write(paper: Paper, book: Compendium) -> Path:
    """Write the page of one paper, and the images it shows, where Sphinx finds them."""
    for figure in paper.figures:
        copy_if_changed(page_images.shown(paper, figure), book.root / page_images.source(paper, figure))
    target = book.root / f"{paper.document}.ipynb"
    write_if_changed(target, nbformat.writes(_page(paper, book)) + "\n")  # type: ignore[no-untyped-call]
    return target


def _page(paper: Paper, book: Compendium) -> NotebookNode:
    cells = _cells(paper)
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.lstrip().startswith("# "):
        raise BookError(f"{paper.notebook}: the first cell must be the title, a Markdown cell starting with '# '")
    title, *rest = cells
    heading, _, remainder = title.source.strip().partition("\n")
    cells = [
        page_cells.markdown(heading),
        page_cells.markdown(raw(_header(paper, heading.removeprefix("# ").strip()))),
        page_cells.markdown(raw(_boxes(paper))),
    ]
    if remainder.strip():
        cells.append(page_cells.markdown(page_cells.relink(remainder, paper, book)))
    seen: set[str] = set()
    closed = False
    for cell in rest:
        for piece in page_cells.pieces(cell, paper, book, seen):
            closed = closed or isinstance(piece, page_cells.Closing)
            cells += _closing(paper, seen) if isinstance(piece, page_cells.Closing) else [piece]
    if not closed:
        cells += [page_cells.markdown("## The claims and their verdicts"), *_closing(paper, seen)]
    cells += _appendix(paper)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    page: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=metadata)  # type: ignore[no-untyped-call]
    for index, cell in enumerate(page.cells):
        cell.id = f"{paper.slug}-{index}"[-64:]
    return page


def _cells(paper: Paper) -> list[NotebookNode]:
    """The executed cells, with the prose as it is now: a mended sentence needs no new run.

    Where the code around the prose is no longer the code that ran, both are shown as they were then.
    """
    present = _read(paper, paper.notebook)
    if paper.record is None:
        return present
    executed = _read(paper, paper.record.notebook)
    ran = [cell for cell in executed if cell.cell_type == "code" and not _injected(cell)]
    if [cell.source for cell in ran] != [cell.source for cell in present if cell.cell_type == "code"]:
        return executed
    outputs = iter(cell for cell in executed if cell.cell_type == "code")
    cells = []
    for cell in present:
        cells.append(next(outputs) if cell.cell_type == "code" else cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += [next(outputs)] if any(_injected(cell) for cell in executed) else []
    return cells


def _injected(cell: NotebookNode) -> bool:
    """Whether papermill put this cell in, with the parameters of the run."""
    return "injected-parameters" in cell.metadata.get("tags", [])


def _read(paper: Paper, source: Path) -> list[NotebookNode]:
    try:
        return list(nbformat.read(source, as_version=4).cells)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise BookError(f"{paper.slug}: cannot read the notebook {source}: {error}") from None


def _header(paper: Paper, title: str) -> str:
    card, record = paper.card, paper.record
    figure = next((f for f in paper.figures if f.id == card.lead_figure), None)
    return render(
        "header.html",
        paper=paper,
        title=title,
        record=record,
        finding=text.finding(card, record),
        figure=figure,
        image=link(paper.document, f"figures/{paper.slug}/{figure.id}.svg") if figure else None,
        size=page_images.size(record.figure(figure.id, "svg")) if figure and record else None,
        device=_machine(record.provenance) if record else None,
        stands_in_for=_sentence(card.profile(record.profile).stands_in_for) if record else None,
    )


def _boxes(paper: Paper) -> str:
    card, profile = paper.card, paper.profile or "quick"
    texts = citations.text(card).splitlines()
    entries = citations.bibtex(card).split("\n\n")
    name, value = next(iter(card.profiles.quick.values.items()))
    return render(
        "boxes.html",
        paper=paper,
        record=paper.record,
        minutes=text.duration(card.profile(profile).minutes * 60),
        example=f"{name}={json.dumps(value, separators=(',', ':')).strip('[]')}",
        rerun_page=link(paper.document, "book/rerun.html"),
        cite_page=link(paper.document, "book/cite.html"),
        notebook=link(paper.document, f"notebooks/{card.topic}/{card.slug}.ipynb"),
        executed=link(paper.document, f"records/{card.slug}/{profile}/notebook.ipynb"),
        record_file=link(paper.document, f"records/{card.slug}/{profile}/record.json"),
        citations=list(zip(("The paper", "This reproduction"), texts, entries, strict=True)),
    )


def _closing(paper: Paper, seen: set[str]) -> list[NotebookNode]:
    """The table of all claims, and the boxes of those that the notebook did not come to."""
    cells = [page_cells.markdown(raw(render("closing.html", paper=paper)))]
    for judged in paper.claims:
        shown = [e for e in judged.evidence if f"{judged.claim.id}/{e.check.name}" not in seen]
        if shown:
            cells.append(page_cells.claim_box(judged, shown, seen))
    return cells


def _appendix(paper: Paper) -> list[NotebookNode]:
    by_id: dict[str, Judged] = {judged.claim.id: judged for judged in paper.claims}
    return [
        page_cells.markdown("## The abstract, sentence by sentence"),
        page_cells.markdown(raw(render("abstract.html", paper=paper, by_id=by_id))),
        page_cells.markdown("## Profiles, parameters, record"),
        page_cells.markdown(raw(render("record.html", paper=paper, record=paper.record))),
    ]


def _machine(provenance: dict[str, Any]) -> str:
    device = re.sub(r"\s+", " ", str(provenance["device"]).replace("(R)", "").replace("(TM)", "")).strip()
    if provenance["backend"] == "gpu":
        return f"one {device}"
    cores = f"{provenance['cpu_count']} CPU cores"
    return cores if device in ("", "cpu") else f"{cores} ({device})"


def _sentence(words: str) -> str:
    return words if words.rstrip().endswith((".", "!", "?")) else words.rstrip() + "."
