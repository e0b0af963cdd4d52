"""The built site in a real browser: offline, on a phone, in the dark, by keyboard, for a screen reader."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
WIDER = """() => [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && e.getClientRects().length)
    .filter(e => !e.closest('.scroll, pre, dialog, .bd-sidebar, table, mjx-container, .visually-hidden, .skip-link'))
    .filter(e => !e.closest('figure.wide > a, .bd-sidebar-secondary, .output, .cell_output, .highlight, .pst-scrollable-table-container'))
    .map(e => e.tagName + '.' + e.className).slice(0, 5)"""


def test_nothing_is_asked_of_another_site_nothing_fails_and_mathematics_is_set(site, visit):
    visitor = visit()
    for page in site.kinds():
        opened = visitor.open(page)
        visitor.settle()
        assert opened.locator("mjx-merror").count() == 0, page
        unset = "() => [...document.querySelectorAll('.math')].filter(e => e.textContent.includes('\\\\(')).length"
        assert opened.evaluate(unset) == 0, page
        if page.removesuffix(".html") in {paper.document for paper in site.book.papers}:
            assert opened.locator("mjx-container").count() > 0
    assert visitor.elsewhere == []
    assert visitor.errors == []


def test_typefaces_come_with_the_site(visit):
    opened = visit(mathematics=False).open("book/index.html")
    opened.evaluate("document.fonts.ready")
    loaded = opened.evaluate("() => [...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")
    assert {"Reprise Serif", "Reprise Sans"} <= {name.strip('"') for name in loaded}


def test_fits_a_phone(site, visit):
    visitor = visit(**PHONE)
    for page in site.kinds():
        opened = visitor.open(page)
        visitor.settle()
        width, room = opened.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert width <= room, (page, opened.evaluate(WIDER))
        assert opened.evaluate(WIDER) == [], page


def test_dark_mode_follows_the_system_and_keeps_figures_readable(site, visit):
    visitor = visit(color_scheme="dark", mathematics=False)
    paper = next(p for p in site.book.papers if p.figures)
    opened = visitor.open(f"{paper.document}.html")
    background = opened.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert max(map(int, background[4:-1].split(","))) < 60
    plates = opened.evaluate(
        "() => [...document.querySelectorAll('.plate, figure.reprise-figure > a')]"
        ".map(e => getComputedStyle(e).backgroundColor)"
    )
    assert plates
    assert all(min(map(int, colour[4:-1].split(","))) > 230 for colour in plates)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(site, visit, scheme):
    from axe_playwright_python.sync_playwright import Axe

    visitor = visit(color_scheme=scheme, mathematics=scheme == "light", reduced_motion="reduce")
    found = []
    for page in site.kinds():
        opened = visitor.open(page)
        visitor.settle()
        opened.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        for violation in Axe().run(opened).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append((page, violation["id"], len(violation["nodes"]), nodes))
    assert not found, found


def test_images_load_and_say_what_they_show(site, visit):
    visitor = visit(mathematics=False)
    for page in site.kinds():
        opened = visitor.open(page)
        assert opened.evaluate("() => [...document.images].filter(i => !i.alt.trim()).map(i => i.src)") == [], page
        silent = "svg:not([aria-hidden=true]):not([role=img][aria-label]):not(.copybtn svg)"
        assert opened.locator(f".bd-article {silent}").count() == 0, page
        opened.evaluate("() => [...document.images].forEach(image => { image.loading = 'eager'; })")
        opened.wait_for_function("() => [...document.images].every(image => image.complete)")
        assert opened.evaluate("() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src)") == [], page


def test_downloads_resolve_and_hold_data(site, visit):
    visitor = visit(mathematics=False)
    for paper in site.book.papers:
        opened = visitor.open(f"{paper.document}.html")
        links = opened.eval_on_selector_all("a[download]", "links => links.map(link => link.href)")
        files = [Path(unquote(urlsplit(link).path)) for link in links]
        assert len([file for file in files if file.suffix == ".csv"]) == len(paper.figures)
        for file in files:
            assert file.stat().st_size > 16, file
            if file.suffix == ".csv":
                header, *rows = csv.reader(file.read_text().splitlines())
                assert header
                assert rows
                assert all(len(row) == len(header) for row in rows), file


def test_the_keyboard_reaches_content_first_and_shows_where_it_is(visit):
    opened = visit(reduced_motion="reduce", mathematics=False).open("book/claims.html")
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    assert opened.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    opened.keyboard.press("Enter")
    reached = []
    for _ in range(12):
        opened.keyboard.press("Tab")
        name, style = opened.evaluate(
            "() => { const e = document.activeElement; return [e.name || e.tagName, getComputedStyle(e).outlineStyle]; }"
        )
        reached.append(name)
        assert style != "none", name
    assert {"verdict", "topic", "profile", "text"} <= set(reached)


def test_the_keyboard_works_the_filters(site, visit):
    opened = visit(mathematics=False).open("book/claims.html")
    box = opened.locator("input[name=verdict]").first
    box.focus()
    opened.keyboard.press("Space")
    verdict = box.get_attribute("value")
    shown = opened.locator("tbody[data-claim]:visible")
    assert shown.count() == opened.locator(f"tbody[data-verdict={verdict}]").count()


def test_filters_filter_and_stay_in_the_address(site, visit):
    opened = visit(mathematics=False).open("book/claims.html")
    claims = [(paper, judged) for paper in site.book.papers for judged in paper.claims]
    shown = opened.locator("tbody[data-claim]:visible")
    status = opened.locator(".filter-status")
    assert shown.count() == len(claims)
    assert str(len(claims)) in status.inner_text()
    for value in {judged.verdict.value for _, judged in claims}:
        opened.goto("about:blank")
        opened.goto(site.url(f"book/claims.html#verdict={value.replace(' ', '-')}"))
        assert shown.count() == sum(judged.verdict.value == value for _, judged in claims)
    opened.goto("about:blank")
    opened.goto(site.url("book/claims.html"))
    topic = claims[0][0].card.topic
    opened.select_option("select[name=topic]", topic)
    assert shown.count() == sum(paper.card.topic == topic for paper, _ in claims)
    assert f"topic={topic}" in opened.url
    opened.fill("input[name=text]", claims[0][0].slug.upper())
    assert shown.count() == len(claims[0][0].claims)
    opened.reload()
    assert shown.count() == len(claims[0][0].claims)
    assert opened.input_value("input[name=text]") == claims[0][0].slug.upper()
    opened.fill("input[name=text]", "no such words anywhere")
    assert shown.count() == 0
    assert opened.locator(".nothing").is_visible()
    opened.click("button[type=reset]")
    opened.wait_for_function("() => !location.hash")
    assert shown.count() == len(claims)


def test_the_dashboard_is_a_plain_table_without_scripts(site, visit):
    opened = visit(java_script_enabled=False).open("book/claims.html")
    assert opened.locator("tbody[data-claim]:visible").count() == sum(len(p.claims) for p in site.book.papers)
    assert not opened.locator("form.filters").is_visible()


def test_signs_of_the_front_page_lead_to_their_claims(site, visit):
    opened = visit(mathematics=False).open("book/index.html")
    dots = opened.locator(".front-wide .claim-dot")
    assert dots.count() == sum(len(p.claims) for p in site.book.papers)
    dots.first.click()
    opened.wait_for_url("**/papers/**")
    anchor = opened.url.partition("#")[2]
    assert opened.locator(f"[id='{anchor}']").count() == 1


def test_search_finds_a_paper_by_its_claim(site, visit):
    paper = site.book.papers[0]
    words = paper.card.claims[0].title.replace("$", " ").split()[:3]
    opened = visit(mathematics=False).open("search.html")
    opened.goto(site.url("search.html") + "?q=" + "+".join(words))
    opened.wait_for_function(
        "name => [...document.querySelectorAll('#search-results a')].some(link => link.href.includes(name))",
        arg=f"{paper.document}.html",
    )


def test_short_addresses_lead_to_papers_and_keep_the_anchor(site, visit):
    paper = site.book.papers[0]
    opened = visit(mathematics=False).open(f"{paper.slug}.html#{paper.anchor('C1')}")
    opened.wait_for_url(f"**/{paper.document}.html#{paper.anchor('C1')}")


def test_code_folds(site, visit):
    paper = next(p for p in site.book.papers if p.record)
    opened = visit(mathematics=False).open(f"{paper.document}.html")
    folds = opened.locator("div.cell details.hide")
    assert folds.count() > 0
    assert folds.first.get_attribute("open") is None
    opened.get_by_role("button", name="Show all code").click()
    assert folds.first.get_attribute("open") is not None
    assert opened.locator("div.cell pre").first.is_visible()


def test_commands_and_citations_can_be_copied(site, visit):
    opened = visit(mathematics=False).open(f"{site.book.papers[0].document}.html")
    assert opened.locator(".box button.copybtn").count() >= 3
