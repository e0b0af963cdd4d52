"""What a notebook shows: claim boxes, figures, the closing table.

Each output carries HTML for Jupyter, plain text for a terminal, and a machine-readable part from which the book's page
is made, so that the page never has to take HTML apart.
"""

from __future__ import annotations

import base64
import html
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.compendium.cards import Card, Figure
from reprise.compendium.verdicts import Verdict
from reprise.estimate import Estimate, as_tuple

if TYPE_CHECKING:
    from reprise.compendium.study import Tested

CHECK_TYPE = "application/vnd.reprise.check+json"
FIGURE_TYPE = "application/vnd.reprise.figure+json"
CLAIMS_TYPE = "application/vnd.reprise.claims+json"
OPENING_TYPE = "application/vnd.reprise.opening+json"

# A sign and a colour for each verdict: the meaning must not hang on the colour alone.
SIGNS = {
    Verdict.REPRODUCED: ("✓", "#1b6e53"),
    Verdict.PARTLY: ("◐", "#7a5c00"),
    Verdict.NOT_REPRODUCED: ("✗", "#a3333d"),
    Verdict.INCONCLUSIVE: ("?", "#5b5f66"),
    Verdict.UNPROVEN: ("!", "#7a3e9d"),
    Verdict.NOT_RUN: ("–", "#5b5f66"),
}

Bundle = dict[str, Any]


def show(bundle: Bundle) -> None:
    """Display in a notebook, print in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        sys.stdout.write(bundle["text/plain"] + "\n")
        return
    from IPython.display import display

    display(bundle, raw=True)


def opening(card: Card, profile: str, values: dict[str, Any]) -> Bundle:
    """Which paper, which profile, what it stands in for."""
    stands = card.profile(profile).stands_in_for if profile != "custom" else "values of your own; no profile"
    text = f"{card.title} · profile {profile}: {stands}"
    return {
        OPENING_TYPE: {"paper": card.slug, "profile": profile, "parameters": values},
        "text/html": f"<p><em>{_escape(card.title)}</em> · profile <strong>{profile}</strong>: {_escape(stands)}</p>",
        "text/plain": text,
    }


def check(tested: Tested) -> Bundle:
    """The box of one check: criterion, measured, control, verdict."""
    sign, colour = SIGNS[tested.verdict]
    claim, entry = tested.claim, tested.check
    rows = [
        ("criterion", f"{entry.quantity} {entry.criterion}"),
        ("measured", describe(tested.measured)),
        (f"control: {entry.control.name}", f"{describe(tested.control)} (must fail: {entry.control.why})"),
    ]
    if tested.verdict is Verdict.NOT_RUN:
        rows.append(("note", f"judged from profile {entry.profile or claim.profile} upwards; shown here as a preview"))
    table = "".join(
        f"<tr><th style='text-align:left;padding-right:1em'>{_escape(k)}</th><td style='text-align:left'>{_escape(v)}</td></tr>"
        for k, v in rows
    )
    return {
        CHECK_TYPE: {"claim": claim.id, "name": entry.name, "verdict": str(tested.verdict)},
        "text/html": (
            f"<div style='border-left:4px solid {colour};padding:.3em 1em;margin:.5em 0'>"
            f"<strong>{claim.id} · {_escape(entry.name)}</strong> "
            f"<span style='color:{colour}'><strong>{sign} {tested.verdict}</strong></span><table>{table}</table></div>"
        ),
        "text/plain": f"{claim.id} · {entry.name}: {sign} {tested.verdict}\n"
        + "\n".join(f"  {k}: {v}" for k, v in rows),
    }


def figure(entry: Figure, png: Path) -> Bundle:
    """A saved figure with its caption."""
    image = base64.b64encode(png.read_bytes()).decode()
    return {
        FIGURE_TYPE: {"id": entry.id},
        "text/html": (
            f"<figure><img alt='{_escape(entry.alt)}' src='data:image/png;base64,{image}' style='max-width:100%'>"
            f"<figcaption><strong>{entry.id}. {_escape(entry.title)}.</strong> {_escape(entry.caption)}</figcaption></figure>"
        ),
        "text/plain": f"[{entry.id}] {entry.title}: {entry.alt}",
    }


def prose(markdown: str) -> Bundle:
    """Markdown with computed numbers."""
    return {"text/markdown": markdown, "text/plain": markdown}


def closing(card: Card, verdicts: dict[str, Verdict], facts: dict[str, Any]) -> Bundle:
    """The table of claims and verdicts, and the versions under them."""
    rows = "".join(
        f"<tr><td>{claim.id}</td><td style='text-align:left'>{_escape(claim.title)}</td>"
        f"<td style='text-align:left;color:{SIGNS[verdicts[claim.id]][1]}'><strong>{SIGNS[verdicts[claim.id]][0]} "
        f"{verdicts[claim.id]}</strong></td></tr>"
        for claim in card.claims
    )
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    under = f"Python {facts['python']}, {versions}; backend {facts['backend']} ({facts['device']})"
    return {
        CLAIMS_TYPE: {claim: str(verdict) for claim, verdict in verdicts.items()},
        "text/html": f"<table>{rows}</table><p><small>{_escape(under)}</small></p>",
        "text/plain": "\n".join(
            f"{claim.id} {claim.title}: {SIGNS[verdicts[claim.id]][0]} {verdicts[claim.id]}" for claim in card.claims
        )
        + f"\n{under}",
    }


def describe(estimate: Estimate) -> str:
    """An estimate in words: value, interval, level, method, number of samples."""
    if estimate.level == 1.0:
        how = estimate.method if estimate.n == 1 else f"{estimate.method}, n = {estimate.n}"
    else:
        how = f"{estimate.level * 100:g} % {estimate.method}, n = {estimate.n}"
    if isinstance(estimate.value, tuple):
        ends = zip(estimate.value, as_tuple(estimate.low), as_tuple(estimate.high), strict=True)
        return ", ".join(f"{v:.4g} [{lo:.4g}, {hi:.4g}]" for v, lo, hi in ends) + f" ({how})"
    return f"{estimate} ({how})"


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
