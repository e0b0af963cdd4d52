"""Text of cards and numbers of records, as they stand on a page: inline Markdown, mathematics, intervals."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from reprise.compendium.cards import PLACEHOLDER, Card
from reprise.compendium.criteria import AtLeast, AtMost, Criterion, Equals, Ordered, Within
from reprise.compendium.records import Record
from reprise.estimate import Estimate, as_tuple

_MATH = re.compile(r"(\$[^$]+\$)")
_THIN = "\N{NARROW NO-BREAK SPACE}"
_GROUPED = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)")
_MINUS = "\N{MINUS SIGN}"
_TIMES = "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"
# Intervals narrower than this, relative to the value, are errors of a computation and not of a sample.
_EXACT = 1e-5


def inline(text: str) -> Markup:
    """One line of a card as HTML: emphasis, code, links and ``$mathematics$``; HTML in it is shown, not obeyed.

    Numbers such as 10 000 do not break at the end of a line.
    """
    line = _GROUPED.sub(lambda found: found[0].replace(" ", _THIN), " ".join(text.split()))
    return Markup(_markdown().renderInline(line).strip())


def plain(text: str) -> str:
    """The same without any markup, for alt texts, tooltips and titles."""
    bare = re.sub(r"\$([^$]+)\$", lambda found: _bare_math(found[1]), " ".join(text.split()))
    return re.sub(r"[*`]", "", bare)


def number(value: float, *, digits: int | None = None) -> Markup:
    """A number as a reader wants it: a true minus sign, powers of ten as powers of ten.

    Args:
        value: the number.
        digits: decimals to show (of the mantissa where a power of ten is split off); by default, four significant.
    """
    if math.isnan(value):
        return Markup("not a number")
    if math.isinf(value):
        return Markup("∞") if value > 0 else Markup(f"{_MINUS}∞")
    text = f"{value:.4g}" if digits is None else f"{value:.{digits}f}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.replace("-", _MINUS)
    if not exponent:
        return Markup(mantissa)
    power = str(int(exponent)).replace("-", _MINUS)
    head = "" if mantissa == "1" else f"{mantissa}{_TIMES}"
    return Markup(f"{head}10<sup>{power}</sup>")


def interval(estimate: Estimate) -> Markup:
    """``value [low, high]`` with as many digits as the interval's width gives meaning to; sequences joined by commas."""
    rows = zip(as_tuple(estimate.value), as_tuple(estimate.low), as_tuple(estimate.high), strict=True)
    return Markup(", ").join(_one_interval(*row) for row in rows)


def value_of(estimate: Estimate) -> Markup:
    """The value alone, to four significant digits."""
    rows = zip(as_tuple(estimate.value), as_tuple(estimate.low), as_tuple(estimate.high), strict=True)
    return Markup(", ").join(_one_interval(*row, ends=False) for row in rows)


def how(estimate: Estimate) -> str:
    """How the interval was got, in a few words."""
    seeds = f", n = {estimate.n}" if estimate.n > 1 else ""
    if estimate.level == 1.0:
        return f"{estimate.method}{seeds}"
    return f"{estimate.level * 100:g} % {estimate.method}{seeds}"


def criterion(rule: Criterion) -> Markup:
    """A criterion as it reads after the quantity: ``between −0.6 and −0.4``."""
    match rule:
        case Within():
            return Markup("between {} and {}").format(number(rule.low), number(rule.high))
        case AtLeast():
            return Markup("at least {}").format(number(rule.value))
        case AtMost():
            return Markup("at most {}").format(number(rule.value))
        case Equals():
            return Markup("{} ± {}").format(number(rule.value), number(float(f"{rule.tolerance:.2g}")))
        case Ordered():
            return Markup(f"strictly {rule.direction}")


def finding(card: Card, record: Record | None) -> Markup:
    """The card's finding with its placeholders filled from the record; mathematics is left alone."""
    parts = []
    for part in _MATH.split(card.finding):
        if part.startswith("$"):
            parts.append(inline(part))
            continue
        rest, place = [], 0
        for found in PLACEHOLDER.finditer(part):
            rest += [_keep_spaces(part[place : found.start()]), _filled(card, record, found[1])]
            place = found.end()
        parts += [*rest, _keep_spaces(part[place:])]
    return Markup("").join(parts)


def listed(items: Sequence[Any]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = [str(i) for i in items]
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def parameter(value: Any) -> str:
    """A parameter's value: lists joined, truth in lower case."""
    if isinstance(value, list):
        return ", ".join(parameter(v) for v in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def day(moment: str) -> str:
    """The date of an ISO time stamp in words: ``23 November 2026``."""
    date = datetime.fromisoformat(moment)
    return f"{date.day} {date:%B %Y}"


def duration(seconds: float) -> str:
    """A run time that a person would say."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def seconds(time: float) -> str:
    """A measured time to three digits, in milliseconds where it is short."""
    return f"{time * 1000:.3g} ms" if time < 0.1 else f"{time:.3g} s"


def _one_interval(value: float, low: float, high: float, *, ends: bool = True) -> Markup:
    if not all(map(math.isfinite, (value, low, high))):
        shown = number(value)
        return Markup("{} [{}, {}]").format(shown, number(low), number(high)) if ends else shown
    width, size = high - low, max(abs(low), abs(high), abs(value))
    if not ends or width == 0:
        return number(float(f"{value:.4g}"))
    if width < _EXACT * size:
        half = number(float(f"{max(high - value, value - low):.1g}"))
        return Markup("{} ± {}").format(number(value, digits=_decimals(size, 6)), half)
    scale = math.floor(math.log10(size))
    digits = max(0, 1 - math.floor(math.log10(width)))
    if -4 <= scale < 5:
        return Markup("{} [{}, {}]").format(*(number(x, digits=digits) for x in (value, low, high)))
    mantissas = [number(x / 10.0**scale, digits=max(0, digits + scale)) for x in (value, low, high)]
    return Markup("{} [{}, {}]{}{}").format(*mantissas, _TIMES, number(10.0**scale))


def _decimals(size: float, significant: int) -> int | None:
    """How many decimals show that many significant digits; None where a power of ten is needed anyway."""
    scale = math.floor(math.log10(size))
    return max(0, significant - 1 - scale) if -4 <= scale < 5 else None


def _filled(card: Card, record: Record | None, key: str) -> Markup:
    if key.startswith("p."):
        values = record.data["parameters"] if record else card.profiles.quick.values
        value = values.get(key[2:])
        return Markup.escape(listed([parameter(v) for v in value]) if isinstance(value, list) else parameter(value))
    claim_id, _, rest = key.partition("/")
    if not rest:
        return Markup("<strong>{}</strong>").format(record.verdict(claim_id) if record else "not run")
    name, _, part = rest.partition(":")
    entry = record.check(claim_id, name) if record else None
    if entry is None or entry["measured"] is None:
        return Markup("<em>not run</em>")
    if part == "verdict":
        return Markup("<strong>{}</strong>").format(entry["verdict"])
    estimate = Estimate.from_json(entry["control" if part == "control" else "measured"])
    shown = value_of(estimate) if part in ("value", "control") else interval(estimate)
    return Markup('<span class="measured">{}</span>').format(shown)


def _keep_spaces(text: str) -> Markup:
    lead = " " if text[:1].isspace() else ""
    tail = " " if text[-1:].isspace() and text.strip() else ""
    return Markup(lead) + inline(text) + Markup(tail)


def _bare_math(tex: str) -> str:
    words = {r"\infty": "infinity", r"\to": "to", r"\le": "≤", r"\ge": "≥", r"\times": "×", r"\sim": "~"}
    for command, word in words.items():
        tex = re.sub(re.escape(command) + r"(?![a-zA-Z])", f" {word} ", tex)
    tex = re.sub(r"\\(?:text|mathrm|operatorname)\{([^}]*)\}", r"\1", tex)
    return " ".join(re.sub(r"[{}\\]", "", tex).split())


@cache
def _markdown() -> MarkdownIt:
    options = {"html": False, "typographer": True}
    parser = (
        MarkdownIt("commonmark", options)
        .enable("smartquotes")
        .use(dollarmath_plugin, allow_space=True, double_inline=True)
    )

    def render(_self: Any, tokens: Any, index: int, *_: Any) -> str:
        return f'<span class="math notranslate nohighlight">\\({html.escape(tokens[index].content)}\\)</span>'

    for kind in ("math_inline", "math_inline_double"):
        parser.add_render_rule(kind, render)
    return parser
