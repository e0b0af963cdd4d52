from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprise.compendium import cards, records, runs, scaffold
from reprise.compendium.errors import RepriseError
from tests.compendium import sample

GOOD: dict[str, Any] = {
    "topic": "infinite_width",
    "title": 'On "Lazy" Training: 50% less',
    "authors": ["Lénaïc Chizat"],
    "year": 2019,
    "arxiv": "1812.07956",
}


@pytest.mark.slow
def test_a_new_paper_runs_and_passes_its_tests_as_it_is(compendium: Callable[..., Path], monkeypatch: Any) -> None:
    root = compendium()
    written = scaffold.create("lazy-training", **GOOD)
    assert [p.relative_to(root).as_posix() for p in written] == [
        "src/reprise/papers/infinite_width/__init__.py",
        "notebooks/infinite_width/lazy-training.yml",
        "src/reprise/papers/infinite_width/lazy_training.py",
        "notebooks/infinite_width/lazy-training.ipynb",
        "tests/papers/test_lazy_training.py",
    ]
    assert cards.find("lazy-training").title == GOOD["title"]
    # In a checkout the module lies in the package; here it is put where the package of this checkout finds it.
    hook = root / "sitecustomize.py"
    hook.write_text(
        "import importlib.util, reprise.papers.infinite_width as topic\n"
        f"topic.__path__.append({str(root / 'src/reprise/papers/infinite_width')!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))
    record = records.load(runs.run("lazy-training", run_id="quick"))
    assert record.verdict("C1") == "reproduced"
    test = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            str(root / "tests/papers/test_lazy_training.py"),
        ],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert test.returncode == 0, test.stdout + test.stderr


@pytest.mark.parametrize(
    ("slug", "changes", "message"),
    [
        ("Lazy_Training", {}, "no slug"),
        ("lazy-training", {"topic": "infinite_widht"}, "did you mean 'infinite_width'"),
        ("lazy-training", {"title": " "}, "must not be empty"),
        ("lazy-training", {"authors": [""]}, "must not be empty"),
        ("lazy-training", {"year": 19}, "year"),
        ("lazy-training", {"arxiv": "12.34"}, "no arXiv number"),
        (sample.SLUG, {}, "there is a paper 'coin-tosses' already"),
    ],
)
def test_bad_input_writes_nothing(
    compendium: Callable[..., Path], slug: str, changes: dict[str, Any], message: str
) -> None:
    root = compendium()
    before = sorted(root.rglob("*"))
    with pytest.raises(RepriseError, match=message):
        scaffold.create(slug, **{**GOOD, **changes})
    assert sorted(root.rglob("*")) == before


def test_an_existing_file_is_never_overwritten(compendium: Callable[..., Path]) -> None:
    root = compendium()
    path = root / "tests" / "papers" / "test_lazy_training.py"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(RepriseError, match="exists already; nothing was written"):
        scaffold.create("lazy-training", **GOOD)
    assert path.read_text() == "mine"
    assert not (root / "notebooks" / "infinite_width" / "lazy-training.yml").exists()


def test_a_disk_that_fills_up_leaves_nothing(compendium: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = compendium()
    count = 0

    def fill(path: Path, content: str) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "No space left on device")
        path.write_text(content)

    monkeypatch.setattr(scaffold, "write_atomically", fill)
    with pytest.raises(RepriseError, match="nothing was left behind"):
        scaffold.create("lazy-training", **GOOD)
    assert not list(root.rglob("*lazy*"))
