"""Cells of an executed notebook as cells of its page: evidence drawn from the record, figures with their anchors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import nbformat
from nbformat import NotebookNode

from reprise.compendium import boxes, page_images
from reprise.compendium.cards import Figure
from reprise.compendium.page_model import BookError, Compendium, Evidence, Judged, Paper
from reprise.compendium.page_parts import link, raw, render


@dataclass(frozen=True, slots=True)
class Closing:
    """The place of the table of all claims."""


@dataclass(frozen=True, slots=True)
class Tested:
    """The place of a claim's box, and the checks that it shows."""

    claim: str
    checks: list[str]


_FOLDED = {"parameters", "injected-parameters", "setup"}
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]*)(#[^)\s]*)?\)")


def markdown(source: str) -> NotebookNode:
    """A Markdown cell."""
    cell: NotebookNode = nbformat.v4.new_markdown_cell(source)  # type: ignore[no-untyped-call]
    return cell


def code(source: str, outputs: list[NotebookNode], count: int | None = None) -> NotebookNode:
    """A code cell with its outputs."""
    cell: NotebookNode = nbformat.v4.new_code_cell(  # type: ignore[no-untyped-call]
        source, execution_count=count, outputs=outputs
    )
    return cell


def pieces(cell: NotebookNode, paper: Paper, book: Compendium, seen: set[str]) -> Iterator[NotebookNode | Closing]:
    """What one cell becomes: cells of the page, and :class:`Closing` where the table of claims stands.

    ``seen`` collects what has been shown: ``C1`` and ``C1/error slope`` once their box is on the page.
    """
    if cell.cell_type == "markdown":
        yield markdown(relink(cell.source, paper, book))
        return
    if cell.cell_type != "code":
        return
    tags = set(cell.metadata.get("tags", []))
    if "parameters" in tags and paper.record is not None and "injected-parameters" not in tags:
        return  # the injected cell below it holds the values that were used
    outputs = [o for o in cell.get("outputs", []) if not _dropped(o)]
    plain: list[NotebookNode] = []
    leading: list[NotebookNode] | None = None
    parts: list[NotebookNode | Closing | Tested] = []
    for output in outputs:
        special = _special(output, paper, book)
        if special is None:
            plain.append(output)
            continue
        if leading is None:
            leading, plain = plain, []
        last = parts[-1] if parts and not plain else None
        if isinstance(special, Tested) and isinstance(last, Tested) and last.claim == special.claim:
            last.checks.extend(special.checks)
        else:
            parts += [*_flush(plain), special]
    yield _code(cell, tags, plain if leading is None else leading)
    for part in parts:
        yield _box(paper, part, seen) if isinstance(part, Tested) else part
    if leading is not None:
        yield from _flush(plain)


def claim_box(judged: Judged, shown: list[Evidence], seen: set[str]) -> NotebookNode:
    """A claim with some of its checks; the first box of a claim states it and carries its anchor."""
    first = judged.claim.id not in seen
    seen.add(judged.claim.id)
    seen.update(f"{judged.claim.id}/{item.check.name}" for item in shown)
    html = render("claim.html", judged=judged, shown=shown, first=first)
    anchor = f":name: {judged.anchor}\n" if first else ""
    return markdown(f":::::::{{container}} evidence\n{anchor}\n{raw(html)}:::::::\n")


def figure_cell(figure: Figure, paper: Paper) -> NotebookNode:
    """A figure with its permanent anchor, number, caption, alt text and downloads."""
    anchor = paper.anchor(figure.id)
    downloads = render(
        "downloads.html",
        anchor=anchor,
        number=figure.id[1:],
        files=[
            (kind, link(paper.document, f"figures/{paper.slug}/{figure.id}.{kind}")) for kind in ("svg", "pdf", "csv")
        ],
    )
    alt = " ".join(figure.alt.replace("$", "").split())
    caption = " ".join(figure.caption.split())
    options = [
        f":name: {anchor}",
        f":alt: {alt}",
        f":target: {link(paper.document, f'figures/{paper.slug}/{figure.id}.svg')}",
        f":figclass: reprise-figure{' wide' if page_images.is_wide(paper, figure) else ''}",
    ]
    return markdown(
        f"::::::::{{figure}} /{page_images.source(paper, figure)}\n" + "\n".join(options) + "\n\n"
        f"**Figure {figure.id[1:]}. {figure.title.rstrip('.')}.** {caption}\n\n{raw(downloads)}::::::::\n"
    )


def relink(source: str, paper: Paper, book: Compendium) -> str:
    """Rewrite the notebook's relative links so that they lead to the same things from the page.

    Raises:
        BookError: a link to a file that is neither a page of the book nor published with it.
    """
    parts = re.split(r"(```.*?```|`[^`\n]*`)", source, flags=re.DOTALL)
    parts[::2] = [_LINK.sub(lambda found: _relinked(found, paper, book), part) for part in parts[::2]]
    return "".join(parts)


def _relinked(found: re.Match[str], paper: Paper, book: Compendium) -> str:
    text, target, anchor = found[1], found[2], found[3] or ""
    if not target or "://" in target or target.startswith(("mailto:", "/")):
        return found[0]
    path = PurePosixPath(os.path.normpath(PurePosixPath("notebooks", paper.card.topic, target)))
    slug = path.stem if path.suffix in (".ipynb", ".html", "") else None
    other = book.paper(slug) if slug else None
    if other is not None and (path.parts[0] == "notebooks" or str(path.parent) == "."):
        return f"{text}({link(paper.document, other.document + '.ipynb')}{anchor})"
    if path.parts[0] == "notebooks" and slug and path.suffix == ".ipynb":
        return text.removeprefix("[").removesuffix("]")  # a paper that the book does not have yet
    page = path.with_suffix(".md") if path.suffix == ".html" else path
    if path.parts[0] == "book" and (book.root / page).is_file():
        return f"{text}({link(paper.document, str(page))}{anchor})"
    raise BookError(
        f"{paper.notebook.relative_to(book.root)}: the link {found[0]} leads to {path}, which is no page of the book; "
        "link to ../<topic>/<slug>.ipynb, to ../../book/<page>.md, or to a full address"
    )


def _special(output: NotebookNode, paper: Paper, book: Compendium) -> NotebookNode | Closing | Tested | None:
    """A box, figure or table of ours, or computed prose; None for any other output."""
    data = output.get("data", {})
    if boxes.CHECK_TYPE in data:
        entry = data[boxes.CHECK_TYPE]
        return Tested(str(entry["claim"]), [str(entry["name"])])
    if boxes.FIGURE_TYPE in data:
        figure = paper.card.figure(str(data[boxes.FIGURE_TYPE]["id"]))
        return figure_cell(figure, paper)
    if boxes.CLAIMS_TYPE in data:
        return Closing()
    if "text/markdown" in data:
        return markdown(relink(_joined(data["text/markdown"]), paper, book))
    return None


def _dropped(output: NotebookNode) -> bool:
    """Standard error, the opening line (the header says it), and the verdict that a cell's last call returned."""
    if output.output_type == "stream":
        return bool(output.name == "stderr")
    data = output.get("data", {})
    if boxes.OPENING_TYPE in data:
        return True
    return output.output_type == "execute_result" and _joined(data.get("text/plain", "")).startswith("<Verdict.")


def _code(cell: NotebookNode, tags: set[str], outputs: list[NotebookNode]) -> NotebookNode:
    kept = code(cell.source, outputs, cell.get("execution_count"))
    kept.metadata["tags"] = sorted((tags - _FOLDED - {"hide-input", "show-input"}) | _folding(cell, tags))
    return kept


def _folding(cell: NotebookNode, tags: set[str]) -> set[str]:
    if not cell.source.strip():
        return {"remove-input"}
    return set() if "show-input" in tags else {"hide-input"}


def _flush(plain: list[NotebookNode]) -> list[NotebookNode]:
    """Ordinary outputs between our own, in a cell without visible code."""
    if not plain:
        return []
    cell = code("", list(plain))
    cell.metadata["tags"] = ["remove-input"]
    plain.clear()
    return [cell]


def _box(paper: Paper, place: Tested, seen: set[str]) -> NotebookNode:
    judged = next((j for j in paper.claims if j.claim.id == place.claim), None)
    shown = [e for e in judged.evidence if e.check.name in place.checks] if judged else []
    if judged is None or len(shown) != len(place.checks):
        raise BookError(
            f"{paper.slug}: the executed notebook shows checks of {place.claim} ({', '.join(place.checks)}) that its card "
            "does not have; run it again"
        )
    return claim_box(judged, shown, seen)


def _joined(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)
