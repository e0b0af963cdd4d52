"""Pages made from cards and records: text and numbers, cells, links, drawings."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import nbformat
import pytest

from reprise.compendium import (
    boxes,
    page_cells,
    page_chart,
    page_docstrings,
    page_interval,
    page_lists,
    page_parts,
    site_markup,
)
from reprise.compendium import page_text as text
from reprise.compendium.criteria import AtLeast, AtMost, Equals, Ordered, Within
from reprise.compendium.page_model import BookError
from reprise.compendium.verdicts import Verdict
from reprise.estimate import Estimate

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (-0.5, "−0.5"),
        (1e-9, "10<sup>−9</sup>"),
        (2.5e-7, "2.5 × 10<sup>−7</sup>"),
        (-3e12, "−3 × 10<sup>12</sup>"),
        (0.0, "0"),
        (math.nan, "not a number"),
        (-math.inf, "−∞"),
    ],
)
def test_a_number_reads_as_a_person_would_write_it(value, shown):
    assert text.number(value).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        (Estimate(-0.49837, -0.5312, -0.4601, n=8), "−0.498 [−0.531, −0.460]"),
        (Estimate(1234.56, 1200.0, 1300.0, n=8), "1235 [1200, 1300]"),
        (Estimate(4.2e-11, 3.9e-11, 4.5e-11, n=8), "4.20 [3.90, 4.50] × 10<sup>−11</sup>"),
        (Estimate.exact(7.0), "7"),
        (Estimate.exact(11.01285096947, 1e-10), "11.0129 ± 10<sup>−10</sup>"),
        (Estimate(-1.0, -1.0 - 1e-13, -1.0 + 1e-13, n=3), "−1.00000 ± 10<sup>−13</sup>"),
        (Estimate((1.0, 2.0), (0.9, 1.9), (1.1, 2.1), n=3), "1.00 [0.90, 1.10], 2.00 [1.90, 2.10]"),
        (Estimate(math.nan, math.nan, math.nan, n=1), "not a number [not a number, not a number]"),
    ],
)
def test_an_interval_has_the_digits_that_its_width_gives_meaning_to(estimate, shown):
    assert text.interval(estimate).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_criteria_read_after_their_quantity():
    assert text.criterion(Within(low=-0.6, high=-0.4)) == "between −0.6 and −0.4"
    assert text.criterion(AtLeast(value=5)) == "at least 5"
    assert text.criterion(AtMost(value=1e-9)) == "at most 10<sup>−9</sup>"
    assert text.criterion(Equals(value=2, rtol=0.05)) == "2 ± 0.1"
    assert text.criterion(Ordered(direction="decreasing")) == "strictly decreasing"


def test_card_text_is_markdown_without_html():
    assert text.inline("a <b> & *c* `d` $x<y$") == (
        'a &lt;b&gt; &amp; <em>c</em> <code>d</code> <span class="math notranslate nohighlight">\\(x&lt;y\\)</span>'
    )
    assert text.inline('the paper\'s "word"') == "the paper’s “word”"
    assert text.inline("500 and 10 000 units, 0.5 100 times") == "500 and 10\u202f000 units, 0.5 100 times"
    assert text.plain(r"slope of $\Theta_n \to \infty$, *soon*") == "slope of Theta_n to infinity, soon"


def test_the_finding_takes_its_numbers_from_the_record(invented):
    paper = invented.book.paper("lazy-frogs")
    card = paper.card.model_copy(
        update={
            "finding": "It is {C1/error slope}, by value {C1/error slope:value}, control {C1/error slope:control}, "
            "{C1/error slope:verdict}; C1 {C1}, C3 {C3}; {C3/gap to the limit}; {p.widths}; $x^{-1/2}$ stays."
        }
    )
    assert text.finding(card, paper.record).striptags() == (
        "It is −0.498 [−0.530, −0.460], by value −0.498, control 0.004, reproduced; C1 reproduced, C3 not run; not run; "
        "32 and 64; \\(x^{-1/2}\\) stays."
    )


def test_each_verdict_has_a_sign_of_its_own():
    signs = {str(page_parts.sign(verdict)) for verdict in Verdict}
    assert len(signs) == len(Verdict)


@pytest.mark.parametrize("measured", [0.03, 1e-12, 400.0, -5.0, 0.05])
@pytest.mark.parametrize("control", [0.4, 1e-12, 1e6, -1e6])
def test_the_drawing_keeps_both_marks_inside_and_on_their_side_of_the_edge(measured, control):
    drawing = page_interval.strip(AtMost(value=0.05), Estimate.exact(measured), Estimate.exact(control))
    edge = float(drawing.split('class="edge" d="M')[1].split()[0])
    mark = float(drawing.split('class="measured mark" cx="')[1].split('"')[0])
    assert 0 < mark < 280
    assert (mark <= edge + 0.11) is (measured <= 0.05)


def test_nothing_is_drawn_of_what_is_not_finite_or_not_there():
    assert page_interval.strip(AtMost(value=1), None, None) == ""
    assert page_interval.strip(AtMost(value=1), Estimate.exact(math.inf), Estimate.exact(2)) == ""


def test_sequences_are_drawn_as_courses():
    falling = Estimate((3.0, 2.0, 1.0), (2.9, 1.9, 0.9), (3.1, 2.1, 1.1), n=5)
    drawing = page_interval.strip(
        Ordered(direction="decreasing"), falling, Estimate((1.0,) * 3, (1.0,) * 3, (1.0,) * 3, n=5)
    )
    assert drawing.count("measured mark") == 3
    assert drawing.count("control mark") == 3


def link_cases():
    return [
        ("[a](../kernels_and_features/ripple-kernels.ipynb)", "[a](../kernels_and_features/ripple-kernels.ipynb)"),
        ("[a](small-ponds.ipynb#small-ponds-f1)", "[a](small-ponds.ipynb#small-ponds-f1)"),
        ("[a](../../book/glossary.md)", "[a](../../glossary.md)"),
        ("[a](../../book/api/kernels.html#x)", "[a](../../api/kernels.md#x)"),
        ("[a](https://example.org/b)", "[a](https://example.org/b)"),
        ("[a](#lazy-frogs-c1)", "[a](#lazy-frogs-c1)"),
        ("[not here yet](../sample_complexity/other.ipynb)", "not here yet"),
        ("`[a](nowhere.md)` stays", "`[a](nowhere.md)` stays"),
        ("```\n[a](nowhere.md)\n```", "```\n[a](nowhere.md)\n```"),
    ]


@pytest.mark.parametrize(("written", "shown"), link_cases())
def test_links_of_a_notebook_lead_to_the_same_from_its_page(invented, written, shown):
    assert page_cells.relink(written, invented.book.paper("lazy-frogs"), invented.book) == shown


def test_a_link_that_leads_nowhere_is_refused_by_name(invented):
    with pytest.raises(BookError, match=r"lazy-frogs\.ipynb: the link .*book/nowhere\.md"):
        page_cells.relink("[a](../../book/nowhere.md)", invented.book.paper("lazy-frogs"), invented.book)


def executed(*outputs):
    return nbformat.v4.new_code_cell("x = 1", outputs=list(outputs))


def shown(cell, invented, slug="lazy-frogs"):
    return list(page_cells.pieces(cell, invented.book.paper(slug), invented.book, set()))


def check_output(claim, name):
    data = {boxes.CHECK_TYPE: {"claim": claim, "name": name, "verdict": "reproduced"}, "text/html": "old"}
    return nbformat.v4.new_output("display_data", data)


def test_boxes_are_drawn_anew_from_the_record(invented):
    code, box = shown(executed(check_output("C1", "error slope")), invented)
    assert code.outputs == []
    assert "old" not in box.source
    assert "−0.498 [−0.530, −0.460]" in box.source
    assert ":name: lazy-frogs-c1" in box.source
    assert box.source.count("statement") == 1


def test_checks_of_one_claim_side_by_side_share_a_box(invented):
    cell = executed(
        check_output("C1", "error slope"), check_output("C1", "gap to the limit"), check_output("C2", "error slope")
    )
    _, first, second = shown(cell, invented)
    assert "gap to the limit" in first.source
    assert ":name: lazy-frogs-c2" in second.source


def test_the_order_of_outputs_is_kept(invented):
    text_output = nbformat.v4.new_output("stream", name="stdout", text="between")
    cell = executed(check_output("C1", "error slope"), text_output, check_output("C1", "gap to the limit"))
    code, first, between, second = shown(cell, invented)
    assert code.outputs == []
    assert "error slope" in first.source
    assert between.outputs[0].text == "between"
    assert between.metadata.tags == ["remove-input"]
    assert "gap to the limit" in second.source
    assert ":name:" not in second.source


def test_standard_error_and_returned_verdicts_do_not_reach_the_page(invented):
    cell = executed(
        nbformat.v4.new_output("stream", name="stderr", text="/home/secret"),
        nbformat.v4.new_output(
            "execute_result", {"text/plain": "<Verdict.REPRODUCED: 'reproduced'>"}, execution_count=1
        ),
        nbformat.v4.new_output("display_data", {boxes.OPENING_TYPE: {}, "text/html": "opening"}),
        nbformat.v4.new_output("execute_result", {"text/plain": "42"}, execution_count=1),
    )
    (code,) = shown(cell, invented)
    assert [output.data["text/plain"] for output in code.outputs] == ["42"]


def test_a_check_that_the_card_does_not_know_is_refused(invented):
    with pytest.raises(BookError, match=r"C1 .*nonsense.* run it again"):
        shown(executed(check_output("C1", "nonsense")), invented)


def test_the_cell_of_default_parameters_gives_way_to_the_injected_one(invented):
    default = nbformat.v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]})
    injected = nbformat.v4.new_code_cell("n = 2", metadata={"tags": ["injected-parameters"]})
    assert shown(default, invented) == []
    assert shown(injected, invented)[0].source == "n = 2"


def test_a_part_page_opens_with_what_was_written_about_it(invented, tmp_path):
    book = replace(invented.book, root=tmp_path)
    papers = invented.book.topics["infinite_width"]
    assert page_lists.topic("infinite_width", papers, book).startswith("# Infinite width at a glance\n")
    (tmp_path / "book" / "parts").mkdir(parents=True)
    (tmp_path / "book" / "parts" / "infinite_width.md").write_text("# Wide\n\nWords.\n")
    assert page_lists.topic("infinite_width", papers, book).startswith("# Wide\n\nWords.\n")


def test_the_chart_of_a_part_draws_what_records_hold(invented, tmp_path):
    written = page_chart.chart("infinite_width", invented.book)
    assert written.count("<tr>") == 3  # its head, and two rows: one check was not run, one paper is not there
    assert "−0.498 [−0.530, −0.460]" in written
    assert 'href="infinite_width/lazy-frogs.html#lazy-frogs-c1"' in written
    assert "$" not in written
    assert page_chart.chart("kernels_and_features", invented.book) == ""

    book = replace(invented.book, root=tmp_path)
    plan = tmp_path / "book" / "parts" / "infinite_width.yml"
    plan.parent.mkdir(parents=True)
    for broken in (
        "rows: [",
        "title: t",
        "rows: [{slug: lazy-frogs, claim: C1, check: eror slope, what: w}]",
    ):
        plan.write_text(broken)
        with pytest.raises(BookError, match=r"infinite_width\.yml"):
            page_chart.chart("infinite_width", book)


def test_the_benchmarks_page_shows_what_was_measured_or_says_that_nothing_was(invented, tmp_path):
    book = replace(invented.book, root=tmp_path)
    assert "make bench" in page_lists.benchmarks(book)
    rows = [
        {
            "name": "sum",
            "against": "a loop",
            "ours": 0.0123,
            "theirs": 2.5,
            "ratio": 203.25,
            "goal": "at least 2 times as fast",
            "met": True,
        },
        {
            "name": "help",
            "against": "",
            "ours": 0.31,
            "theirs": None,
            "ratio": None,
            "goal": "at most 0.3 s",
            "met": False,
        },
    ]
    results = {"machine": "a machine", "cores": 2, "date": "2026-11-23", "versions": {"python": "3.11"}, "rows": rows}
    (tmp_path / "benchmarks").mkdir()
    file = tmp_path / "benchmarks" / "results.json"
    file.write_text(json.dumps(results))
    shown = page_lists.benchmarks(book)
    for said in ("23 November 2026 on a machine, 2 cores", "12.3 ms", "2.5 s", "203", "not met", "against a loop"):
        assert said in shown
    file.write_text("{}")
    with pytest.raises(BookError, match=r"cannot read .*results\.json: KeyError"):
        page_lists.benchmarks(book)


def test_docstrings_become_pages():
    written = page_docstrings.convert(
        "Sum of :func:`reprise.x.y` and $z$.\n\nMore.\n\nArgs:\n    a: first,\n        over two lines.\n    *b: second.\n\n"
        "Returns:\n    a sum.\n\n>>> f(1)  # doctest: +SKIP\n2"
    )
    assert written.startswith("Sum of `y` and $z$.\n\nMore.")
    assert "**Arguments**\n\n`a`\n: first,\n  over two lines.\n\n`b`\n: second." in written
    assert "**Returns.** a sum." in written
    assert "```pycon\n>>> f(1)\n2\n```" in written


def test_markup_of_sphinx_is_mended():
    body = '<dt>f(\n<dl>\n<dd><em class="sig-param">x</em>,</dd>\n<dd><em class="sig-param">y</em>,</dd>\n</dl>\n)</dt>'
    assert "<dl>" not in site_markup.mend_body(body)
    assert site_markup.mend_body(body).count('"sig-line"') == 2
    kept = "<dl>\n<dd><p>real</p></dd>\n</dl>\n"
    assert site_markup.mend_body(kept) == kept
