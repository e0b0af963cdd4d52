"""Building the site, and the checks that keep a site that lacks something from being published."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from reprise.compendium import page_model, page_paper, pages, site_assets, site_checks, site_index
from reprise.compendium.page_model import BookError
from tests.book import conftest


def test_site_equals_cards_and_records(site):
    assert site_checks.check(site.book) == []


def test_a_topic_without_papers_is_no_part_of_the_book(invented):
    front = (invented.html / "book" / "index.html").read_text()
    assert "Kernels and features" in front
    assert "Sample complexity" not in front


def test_the_best_record_is_shown(invented):
    profiles = {paper.slug: (paper.profile, paper.recorded) for paper in invented.book.papers}
    assert profiles == {
        "lazy-frogs": ("standard", ("standard", "quick")),
        "small-ponds": ("quick", ()),
        "ripple-kernels": ("full", ("full", "quick")),
    }
    for slug, said in {
        "lazy-frogs": "Profile <em>full</em> has not been run",
        "small-ponds": "no record is committed yet",
        "ripple-kernels": "Changed since",
    }.items():
        paper = invented.book.paper(slug)
        assert said in (invented.html / f"{paper.document}.html").read_text()


def test_no_path_of_this_machine_reaches_a_page(invented):
    for page in invented.html.glob("book/**/*.html"):
        text = page.read_text()
        assert str(invented.root) not in text, page
        assert "/home/frog" not in text, page


def changed(site, address, old, new):
    file = site.html / address
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return site_checks.check(site.book)


def paper_page(site):
    return f"{site.book.paper('lazy-frogs').document}.html"


def test_a_page_that_was_not_built_is_found(scratch):
    (scratch.html / "book" / "cite.html").unlink()
    assert "the page book/cite is in the index but not on the site" in site_checks.check(scratch.book)


def test_a_page_left_over_is_found_and_taken_away_by_the_next_build(scratch):
    left = scratch.html / "book" / "old.html"
    left.write_text("<p>old</p>")
    assert site_checks.check(scratch.book) == ["the page book/old is left over from an earlier build"]
    site_assets.publish(scratch.book)
    assert not left.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id="lazy-frogs-c1"', 'id="gone"', "#lazy-frogs-c1 stands 0 times"),
        ('id="lazy-frogs-f2"', 'id="lazy-frogs-f1"', "#lazy-frogs-f1 stands 2 times"),
        ("verdict-link v-partly", "verdict-link v-reproduced", "the verdict strip shows"),
        ('href="../../rerun.html"', 'href="../../rurun.html"', "the link ../../rurun.html leads nowhere"),
        ("glossary.html", "glossary.html#nothing", "no anchor for the link"),
        ('alt="Hop', 'alt="" title="Hop', "has no alt text"),
        ("</body>", '<script src="https://example.org/x.js"></script></body>', "from another site"),
    ],
)
def test_a_page_that_was_tampered_with_is_found(scratch, old, new, said):
    assert any(said in problem for problem in changed(scratch, paper_page(scratch), old, new))


def test_a_claim_or_figure_missing_from_the_collections_is_found(scratch):
    problems = changed(scratch, "book/claims.html", 'data-claim="lazy-frogs-c2"', "data-lost")
    assert any("the dashboard shows" in problem for problem in problems)
    problems = changed(scratch, "book/gallery.html", 'data-figure="small-ponds-f1"', "")
    assert any("the gallery shows" in problem for problem in problems)
    problems = changed(scratch, "book/index.html", 'class="claim-dot"', "")
    assert any("the front page draws 0 claims" in problem for problem in problems)


def test_a_search_index_that_lacks_a_paper_is_found(scratch):
    file = scratch.html / "searchindex.js"
    index = site_index.search_index(scratch.html)
    for terms in (index["terms"], index["titleterms"]):
        terms.pop("converg", None)
    file.write_text(f"Search.setIndex({json.dumps(index)})")
    assert any("does not find book/papers" in problem for problem in site_checks.check(scratch.book))


def test_search_asks_for_the_words_that_sphinx_asks_for():
    index = {"docnames": ["a", "b"], "terms": {"linearithm": [0, 1], "input": 0, "one": 1}, "titleterms": {"sign": 1}}
    search = site_index.Search(index)
    # "one" is stemmed to the stop word "on", which no index holds.
    assert search.hits("Linearithmic for one input") == {"a"}
    assert search.hits("linearithmic signs") == {"b"}
    assert search.hits("linearithmic moons") == set()
    assert search.hits("for the") == {"a", "b"}


def test_a_download_that_is_gone_is_found(scratch):
    (scratch.html / "figures" / "lazy-frogs" / "F1.csv").unlink()
    assert "lazy-frogs: figure F1 cannot be had as csv" in site_checks.check(scratch.book)


def shown_prose(scratch, old, new):
    """The page's cells after the notebook without outputs has been edited."""
    paper = next(paper for paper in scratch.book.papers if paper.slug == "lazy-frogs")
    notebook = paper.notebook.read_text()
    assert old in notebook
    paper.notebook.write_text(notebook.replace(old, new))
    return page_paper.write(paper, scratch.book).read_text()


def test_a_mended_sentence_shows_without_a_new_run(scratch):
    page = shown_prose(scratch, "What theory predicts", "What the theory foretells")
    assert "What the theory foretells" in page
    assert "What theory predicts" not in page


def test_prose_stays_with_the_code_that_ran(scratch):
    page = shown_prose(scratch, "study.close()", "study.close()  # What the theory foretells")
    assert "What theory predicts" in page
    assert "foretells" not in page


def test_a_record_that_is_gone_fails_the_build_by_name(scratch):
    shutil.rmtree(scratch.root / "runs" / "small-ponds")
    with pytest.raises(BookError, match="nothing has been run for small-ponds"):
        pages.build_book(scratch.root)


def test_no_cards_no_book(scratch):
    shutil.rmtree(scratch.root / "notebooks")
    (scratch.root / "notebooks").mkdir()
    with pytest.raises(BookError, match="there is no card"):
        pages.build_book(scratch.root)


def test_a_warning_of_sphinx_fails_the_build_with_its_place(scratch):
    page = scratch.root / "book" / "cite.md"
    page.write_text(page.read_text() + "\n[nowhere](nowhere.md)\n")
    with pytest.raises(BookError, match=r"book/cite\.md.*nowhere"):
        pages.build_book(scratch.root)


def test_two_builds_at_once_are_refused(scratch):
    with pages._alone(scratch.root), pytest.raises(BookError, match="another build"):
        pages.build_book(scratch.root)


def test_a_second_build_writes_nothing_again_and_a_new_paper_reaches_every_page(scratch):
    pages.build_book(scratch.root)
    page = scratch.html / "book" / "cite.html"
    before = page.stat().st_mtime_ns
    pages.build_book(scratch.root)
    assert page.stat().st_mtime_ns == before
    assert "0 added, 0 changed, 0 removed" in (scratch.root / "_build" / "book.log").read_text()

    notebooks = scratch.root / "notebooks" / "infinite_width"
    card = yaml.safe_load((notebooks / "small-ponds.yml").read_text())
    card |= {"slug": "new-ponds", "title": "Ponds That Are New"}
    (notebooks / "new-ponds.yml").write_text(yaml.safe_dump(card))
    notebook = (
        (notebooks / "small-ponds.ipynb").read_text().replace("Small Ponds <Break> & Other Limits", card["title"])
    )
    (notebooks / "new-ponds.ipynb").write_text(notebook)
    run = scratch.root / "runs" / "new-ponds" / "quick"
    shutil.copytree(scratch.root / "runs" / "small-ponds" / "quick", run)
    for name in ("record.json", "notebook.ipynb"):
        changed_file = (run / name).read_text().replace("small-ponds", "new-ponds")
        (run / name).write_text(changed_file.replace("Small Ponds <Break> & Other Limits", card["title"]))
    pages.build_book(scratch.root)
    assert card["title"] in page.read_text()
    assert (scratch.html / "new-ponds.html").is_file()

    for name in ("yml", "ipynb"):
        (notebooks / f"new-ponds.{name}").unlink()
    shutil.rmtree(run.parent)
    pages.build_book(scratch.root)
    assert card["title"] not in page.read_text()
    assert not (scratch.html / "book" / "papers" / "infinite_width" / "new-ponds.html").exists()
    assert not (scratch.html / "figures" / "new-ponds").exists() or not any(
        (scratch.html / "figures" / "new-ponds").iterdir()
    )


def test_redirects_lead_on(scratch):
    (scratch.root / "book" / "redirects.yml").write_text("book/old/place.html: book/cite.html\n")
    site_assets.publish(scratch.book)
    text = (scratch.html / "book" / "old" / "place.html").read_text()
    assert 'url=../../book/cite.html"' in text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("book/a.html: book/nowhere.html", "there is no page book/nowhere.html"),
        ("book/cite.html: book/rerun.html", "there is a page at that address"),
        ("- book/a.html", "must map old addresses to new ones"),
    ],
)
def test_a_bad_redirect_is_refused(scratch, written, said):
    (scratch.root / "book" / "redirects.yml").write_text(written)
    with pytest.raises(BookError, match=said):
        site_assets.publish(scratch.book)


def test_the_root_is_looked_up_nowhere_else(invented, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with page_model.at(invented.root):
        assert conftest.gathered(invented.root).book.papers[0].card.path.is_relative_to(invented.root)
