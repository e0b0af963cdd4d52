"""Pieces of HTML that pages share: templates, verdict signs and badges, raw blocks of MyST."""

from __future__ import annotations

import hashlib
import html
import os
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reprise.compendium import page_text as text
from reprise.compendium.page_interval import strip
from reprise.compendium.verdicts import Verdict

TEMPLATES = Path(__file__).parent / "theme" / "pages"

# One sign for each verdict, told apart by shape alone; drawn in the colour of the text around it on a 16-pixel grid.
_SIGNS = {
    Verdict.REPRODUCED: '<circle cx="8" cy="8" r="7" fill="currentColor"/>'
    '<path d="M4.6 8.3 7 10.7l4.4-5" fill="none" stroke="var(--sign-paper)" stroke-width="1.8"/>',
    Verdict.PARTLY: '<circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6"/>'
    '<path d="M8 1.8a6.2 6.2 0 0 0 0 12.4z" fill="currentColor"/>',
    Verdict.NOT_REPRODUCED: '<rect x="1.2" y="1.2" width="13.6" height="13.6" rx="1.5" fill="currentColor"/>'
    '<path d="m5 5 6 6m0-6-6 6" fill="none" stroke="var(--sign-paper)" stroke-width="1.8"/>',
    Verdict.INCONCLUSIVE: '<path d="M8 .9 15.1 8 8 15.1.9 8z" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M6.3 6.6a1.7 1.7 0 1 1 2.5 1.5c-.6.3-.8.6-.8 1.2" fill="none" stroke="currentColor" stroke-width="1.3"/>'
    '<circle cx="8" cy="11.2" r=".9" fill="currentColor"/>',
    Verdict.UNPROVEN: '<path d="M8 1.2 15.3 14.4H.7z" fill="currentColor"/>'
    '<path d="M8 5.8v4.4" stroke="var(--sign-paper)" stroke-width="1.7"/>'
    '<circle cx="8" cy="12.1" r="1" fill="var(--sign-paper)"/>',
    Verdict.NOT_RUN: '<circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.4"'
    ' stroke-dasharray="2.4 2"/><path d="M5.4 8h5.2" stroke="currentColor" stroke-width="1.5"/>',
}

MEANINGS = {
    Verdict.REPRODUCED: "every check passes and every control fails",
    Verdict.PARTLY: "some checks pass, or a weaker criterion stated beforehand",
    Verdict.NOT_REPRODUCED: "the whole interval contradicts the claim",
    Verdict.INCONCLUSIVE: "the interval straddles the criterion",
    Verdict.UNPROVEN: "a control passed, so the check cannot tell true from false",
    Verdict.NOT_RUN: "the claim needs a larger profile than was run",
}


def key(verdict: Verdict) -> str:
    """A verdict as a CSS class or a word of a URL: ``not-reproduced``."""
    return verdict.value.replace(" ", "-")


def sign(verdict: Verdict) -> Markup:
    """The verdict's sign, hidden from screen readers since its word stands beside it."""
    drawing = f'<svg class="sign" viewBox="0 0 16 16" aria-hidden="true" focusable="false">{_SIGNS[verdict]}</svg>'
    return Markup(drawing)


def sign_at(verdict: Verdict, x: float, y: float, size: float) -> str:
    """The sign as a part of a larger drawing, its top left corner at (x, y)."""
    scale = size / 16
    return f'<g class="v-{key(verdict)}" transform="translate({x:g} {y:g}) scale({scale:.4g})">{_SIGNS[verdict]}</g>'


def badge(verdict: Verdict) -> Markup:
    """Sign and word."""
    return Markup('<span class="verdict v-{}">{}{}</span>').format(key(verdict), sign(verdict), verdict.value)


def raw(content: str) -> str:
    """HTML as a block of MyST that passes it through untouched."""
    return f"``````{{raw}} html\n{content.strip()}\n``````\n"


def render(template: str, **values: Any) -> str:
    """Fill one of the templates under ``theme/pages``."""
    return _environment().get_template(template).render(**values)


def write_if_changed(path: Path, content: str | bytes) -> None:
    """Write only what is new, so that Sphinx reads again only what has changed."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def copy_if_changed(source: Path, target: Path) -> None:
    """Copy a file whose content differs from what is there."""
    write_if_changed(target, source.read_bytes())


def link(document: str, target: str) -> str:
    """The relative address of ``target`` (from the site's top) as seen from the page of ``document``."""
    return os.path.relpath(target, Path(document).parent).replace(os.sep, "/")


def short_id(content: str) -> str:
    """A short stable identifier, valid as a notebook cell's."""
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def attribute(content: str) -> str:
    """Text for an attribute, all on one line."""
    return html.escape(" ".join(content.split()), quote=True)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        inline=text.inline,
        plain=text.plain,
        interval=text.interval,
        value=text.value_of,
        how=text.how,
        criterion=text.criterion,
        day=text.day,
        duration=text.duration,
        seconds=text.seconds,
        listed=text.listed,
        parameter=text.parameter,
        badge=badge,
        sign=sign,
        key=key,
    )
    environment.globals.update(strip=strip, MEANINGS=MEANINGS, Verdict=Verdict)
    return environment
