from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reprise
from reprise.compendium import cards, digest, records, runs, sweep, verify
from reprise.compendium.errors import ParameterError, RecordError
from reprise.estimate import Estimate
from tests.compendium import sample

Make = Callable[..., Path]


@pytest.fixture
def finished(compendium: Make) -> Path:
    compendium()
    return runs.run(sample.SLUG, run_id="quick")


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((folder / "record.json").read_text())
    change(data)
    (folder / "record.json").write_text(json.dumps(data))


@pytest.mark.slow
def test_promote_copies_what_the_book_needs(finished: Path) -> None:
    target = records.promote(finished)
    assert target.parts[-4:] == ("book", "records", sample.SLUG, "quick")
    assert {p.name for p in target.rglob("*")} == {
        "record.json",
        "notebook.ipynb",
        "figures",
        *(f"F1.{kind}" for kind in ("svg", "png", "pdf", "csv")),
    }
    assert records.best(sample.SLUG).folder == target  # type: ignore[union-attr]
    assert records.promote(finished) == target
    assert not [p for p in target.parent.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
def test_a_verdict_edited_by_hand_is_found(finished: Path) -> None:
    edit(finished, lambda data: data["claims"][0]["checks"][0]["measured"].update(low=0.9, value=0.95, high=1.0))
    problems = records.audit(records.load(finished))
    assert any("says reproduced, but its evidence says not reproduced" in p for p in problems)
    with pytest.raises(RecordError, match="does not fit its card"):
        records.promote(finished)


@pytest.mark.slow
def test_a_changed_figure_is_found(finished: Path) -> None:
    (finished / "figures" / "F1.csv").write_text("other")
    assert any("not the file that was recorded" in p for p in records.audit(records.load(finished)))


@pytest.mark.slow
def test_changed_parameters_cannot_stand_for_a_profile(compendium: Make) -> None:
    compendium()
    folder = runs.run(sample.SLUG, overrides={"seeds": 4})
    with pytest.raises(RecordError, match="changed seeds of profile quick"):
        records.promote(folder)


def test_broken_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no record"):
        records.load(tmp_path)
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(RecordError, match="cannot read"):
        records.load(tmp_path)
    (tmp_path / "record.json").write_text('{"schema": 2}')
    with pytest.raises(RecordError, match="schema 2; this version reads schema 1"):
        records.load(tmp_path)
    (tmp_path / "record.json").write_text('{"schema": 1, "paper": "x"}')
    with pytest.raises(RecordError, match="lacks claims, figures"):
        records.load(tmp_path)


@pytest.mark.slow
def test_verify_asks_nothing_of_a_time(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = records.load(finished)
    data = json.loads(json.dumps(record.data))
    check = data["claims"][0]["checks"][0]
    check["measured"].update(value=3.0, low=2.9, high=3.1, samples=[])
    check["verdict"] = "not reproduced"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "record.json").write_text(json.dumps(data))
    shutil.copytree(finished / "figures", tmp_path / "other" / "figures")
    slower = records.load(tmp_path / "other")
    assert not verify.compare(record, slower).agrees
    card = cards.find(record.paper)
    claim = card.claims[0]
    timed = claim.model_copy(update={"checks": [claim.checks[0].model_copy(update={"timed": True})]})
    monkeypatch.setattr(cards, "find", lambda slug: card.model_copy(update={"claims": [timed]}))
    report = verify.compare(record, slower)
    assert report.agrees
    assert not report.checks[0].inside


@pytest.mark.slow
def test_verify_agrees_with_itself_and_finds_a_shift(finished: Path, tmp_path: Path) -> None:
    record = records.load(finished)
    report = verify.compare(record, record)
    assert report.agrees
    assert report.figures[0].identical
    other = tmp_path / "other"
    (other / "figures").mkdir(parents=True)
    data = json.loads(json.dumps(record.data))
    measured = data["claims"][0]["checks"][0]["measured"]
    measured.update(value=measured["value"] + 0.1, high=measured["high"] + 0.1)
    (other / "record.json").write_text(json.dumps(data))
    rows = (finished / "figures" / "F1.csv").read_text().splitlines()
    seed, value = rows[1].split(",")
    rows[1] = f"{seed},{float(value) * 1.01}"
    (other / "figures" / "F1.csv").write_text("\n".join(rows) + "\n")
    report = verify.compare(record, records.load(other))
    assert not report.agrees
    assert not report.checks[0].inside
    assert report.figures[0].largest_difference == pytest.approx(0.01 / 1.01)


def test_the_prediction_interval_covers_a_second_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    repeats = 2000
    for _ in range(repeats):
        first, second = rng.standard_normal(8), rng.standard_normal(12)
        low, high = verify.prediction(Estimate(first.mean(), -1, 1, n=8, samples=tuple(first)), 12)
        inside += low[0] <= second.mean() <= high[0]
    # Binomial: five standard errors around the level, so a false alarm is rarer than one in a million.
    error = math.sqrt(verify.LEVEL * (1 - verify.LEVEL) / repeats)
    assert abs(inside / repeats - verify.LEVEL) < 5 * error


def test_without_samples_the_recorded_interval_is_widened() -> None:
    low, high = verify.prediction(Estimate(0.0, -1.96, 1.96, n=20), 20)
    assert high[0] == pytest.approx(math.sqrt(2) * 2.5758, rel=1e-3)
    assert low[0] == -high[0]


def test_exact_values_get_a_numeric_floor() -> None:
    low, high = verify.prediction(Estimate.exact(2.0), 1)
    assert low[0] == pytest.approx(2.0 - 2e-4, abs=1e-12)
    assert high[0] == pytest.approx(2.0 + 2e-4, abs=1e-12)


def test_a_residual_of_rounding_may_differ_by_machine() -> None:
    """Below a share of what the criterion allows; above it, the floor is as tight as everywhere."""
    low, high = verify.prediction(Estimate.exact(2e-9), 1, allowed=1e-6)
    assert (low[0], high[0]) == (-1e-7, 1e-7)
    low, high = verify.prediction(Estimate.exact(2e-6), 1, allowed=1e-6)
    assert high[0] - low[0] < 1e-9


def test_the_floor_of_an_error_is_relative_to_what_is_allowed() -> None:
    low, high = verify.prediction(Estimate.exact(4.5e-5), 1, allowed=0.01)
    assert (low[0], high[0]) == pytest.approx((4.4e-5, 4.6e-5))


@pytest.mark.parametrize("worst", [np.max, np.min])
def test_the_worst_of_a_few_is_expected_where_each_of_them_is(worst: Callable[..., float]) -> None:
    rng, repeats, inside = np.random.default_rng(3), 2000, 0
    for _ in range(repeats):
        first, second = rng.normal(size=(2, 5))
        found = Estimate(float(worst(first)), first.min(), first.max(), n=5, level=1.0, samples=tuple(first))
        low, high = verify.prediction(found, 5)
        inside += low[0] <= worst(second) <= high[0]
    error = math.sqrt(verify.LEVEL * (1 - verify.LEVEL) / repeats)
    assert verify.LEVEL - 3 * error < inside / repeats < 1.0


@pytest.mark.parametrize(
    ("criterion", "size"),
    [
        ({"kind": "at_most", "value": 1e-6}, 1e-6),
        ({"kind": "equals", "value": 0.0, "rtol": 0.0, "atol": 1e-8}, 1e-8),
        ({"kind": "at_most", "value": -0.5}, 0.0),
        ({"kind": "at_least", "value": 1e-6}, 0.0),
        ({"kind": "within", "low": -1.0, "high": 1.0}, 0.0),
    ],
)
def test_what_a_criterion_allows_is_the_size_of_an_error(criterion: dict[str, Any], size: float) -> None:
    assert verify._allowed(criterion) == size


def test_only_a_tiny_bound_makes_a_residual() -> None:
    low, high = verify.prediction(Estimate.exact(2e-9), 1, allowed=0.05)
    assert high[0] - low[0] == pytest.approx(1e-5)


def test_the_grid_of_a_sweep_is_checked_before_anything_runs(compendium: Make) -> None:
    root = compendium()
    card = cards.find(sample.SLUG)
    assert sweep.parse_grid(card, ["seeds=4,5", "mode=fair,loaded"]) == {"seeds": [4, 5], "mode": ["fair", "loaded"]}
    for texts, message in [
        ([], "at least one"),
        (["sedes=4"], "did you mean 'seeds'"),
        (["seeds=4,x"], "must be int"),
        (["seeds=4", "seeds=5"], "given twice"),
        (["seeds"], "not of the form"),
    ]:
        with pytest.raises(ParameterError, match=message):
            sweep.parse_grid(card, texts)
    with pytest.raises(ParameterError, match="must lie in"):
        sweep.sweep(sample.SLUG, {"seeds": [4, 1]})
    assert not (root / "runs").exists()


@pytest.mark.slow
def test_a_sweep_gives_one_tidy_row_a_check_and_names_what_failed(compendium: Make) -> None:
    cells = list(sample.CODE_CELLS)
    cells.insert(1, "assert seeds != 5, 'five is bad'")
    compendium(cells=cells)
    seen: list[str] = []
    rows, errors = sweep.sweep(sample.SLUG, {"seeds": [4, 5, 6]}, jobs=2, report=lambda d, t, text: seen.append(text))
    assert [(row["seeds"], row["claim"], row["check"]) for row in rows] == [(4, "C1", "mean"), (6, "C1", "mean")]
    assert len(errors) == 1
    assert "seeds=5" in errors[0]
    assert "five is bad" in errors[0]
    assert len(seen) == 3


class TestDigest:
    MODULE = '"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x + 1\n'

    def package(self, root: Path) -> Path:
        package = root / "src" / "reprise"
        for folder in ("", "kernels", "networks", "papers", "papers/infinite_width", "compendium"):
            (package / folder).mkdir(parents=True, exist_ok=True)
            (package / folder / "__init__.py").write_text("")
        (package / "kernels" / "gram.py").write_text(self.MODULE)
        (package / "kernels" / "other.py").write_text(self.MODULE)
        (package / "networks" / "mlp.py").write_text("x = 1\n")
        (package / "compendium" / "verdicts.py").write_text("x = 1\n")
        (package / "compendium" / "runs.py").write_text("x = 1\n")
        (package / "papers" / "infinite_width" / "coin_tosses.py").write_text("from reprise.kernels import gram\n")
        return package

    def make(self, compendium: Make) -> tuple[Path, cards.Card]:
        root = compendium(cells=["from reprise.papers.infinite_width.coin_tosses import gram", "%matplotlib inline"])
        self.package(root)
        return root, cards.find(sample.SLUG)

    def test_reached_files_follow_imports_only(self, compendium: Make) -> None:
        root, _ = self.make(compendium)
        names = {p.relative_to(root / "src" / "reprise").as_posix() for p in digest.reached_files(sample.SLUG)}
        assert "kernels/gram.py" in names
        assert "papers/infinite_width/coin_tosses.py" in names
        assert "compendium/verdicts.py" in names
        assert not names & {"kernels/other.py", "networks/mlp.py", "compendium/runs.py"}

    @pytest.mark.parametrize(
        ("change", "counts"),
        [
            (lambda p: (p / "kernels/gram.py").write_text(TestDigest.MODULE.replace("x + 1", "x + 2")), True),
            (lambda p: (p / "kernels/gram.py").write_text(TestDigest.MODULE.replace("Doc", "Other")), False),
            (lambda p: (p / "kernels/gram.py").write_text("# why\n" + TestDigest.MODULE), False),
            (lambda p: (p / "kernels/other.py").write_text("y = 1"), False),
            (lambda p: (p / "compendium/verdicts.py").write_text("x = 2"), True),
            (lambda p: (p / "compendium/runs.py").write_text("x = 2"), False),
        ],
    )
    def test_only_a_change_of_meaning_counts(
        self, compendium: Make, change: Callable[[Path], object], counts: bool
    ) -> None:
        root, card = self.make(compendium)
        before = digest.source_digest(card, "quick")
        assert digest.source_digest(card, "quick") == before
        change(root / "src" / "reprise")
        assert (digest.source_digest(card, "quick") != before) is counts

    def test_criteria_and_locked_versions_count_prose_does_not(self, compendium: Make) -> None:
        root, card = self.make(compendium)
        lock = root / "requirements.lock"
        lock.write_text("jax==0.12.0 \\\n    --hash=sha256:aa\nsphinx==7.4.7 \\\n")
        before = digest.source_digest(card, "quick")
        lock.write_text("jax==0.12.0 \\\n    --hash=sha256:bb\nsphinx==7.4.8 \\\n")
        assert digest.source_digest(card, "quick") == before
        lock.write_text("jax==0.12.1 \\\n")
        assert digest.source_digest(card, "quick") != before
        lock.write_text("jax==0.12.0 \\\n")
        data = sample.card(summary="Other words. Other words.")
        assert digest.source_digest(cards.Card.model_validate(data), "quick") == before
        data["claims"][0]["checks"][0]["criterion"]["high"] = 0.56
        assert digest.source_digest(cards.Card.model_validate(data), "quick") != before

    def test_each_profile_counts_for_itself_alone(self, compendium: Make) -> None:
        _, card = self.make(compendium)
        before = {profile: digest.source_digest(card, profile) for profile in ("quick", "standard", "full")}
        assert len(set(before.values())) == 3
        data = sample.card()
        data["profiles"]["quick"]["values"]["tosses"] = 401
        smaller = cards.Card.model_validate(data)
        changed = {profile for profile in before if digest.source_digest(smaller, profile) != before[profile]}
        assert changed == {"quick"}


class TestDigestOfData:
    """On a copy of the real data wing, for a paper that loads MNIST."""

    def make(self, compendium: Make) -> tuple[Path, cards.Card]:
        root = compendium(cells=["from reprise.datasets.loading import load"])
        package = root / "src" / "reprise"
        package.mkdir(parents=True)
        for name in ("__init__.py", "provenance.py", "datasets", "compendium"):
            real = Path(reprise.__file__).parent / name
            (shutil.copytree if real.is_dir() else shutil.copy)(real, package / name)
        data = sample.card()
        for profile in data["profiles"].values():
            profile["datasets"] = ["mnist"]
        return package / "datasets", cards.Card.model_validate(data)

    def replace(self, file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def add_a_reader(self, datasets: Path) -> None:
        (datasets / "readers" / "zip.py").write_text("x = 1\n")
        self.replace(datasets / "loading.py", "import Part, Reader, ", "import Part, Reader, zip, ")
        self.replace(datasets / "loading.py", '    "idx": idx,\n', '    "idx": idx,\n    "zip": zip,\n')

    def add_a_set(self, datasets: Path) -> None:
        (datasets / "registry" / "zoo.yml").write_text(
            "- {name: zoo, title: Zoo, task: classification, reader: zip, licence: none, paper: none}\n"
        )

    @pytest.mark.parametrize(
        ("change", "counts"),
        [
            (add_a_reader, False),
            (add_a_set, False),
            (lambda self, d: self.replace(d / "readers" / "uci.py", "import warnings", "import json"), False),
            (lambda self, d: self.replace(d / "registry" / "images.yml", "MNIST handwritten", "Handwritten"), False),
            (lambda self, d: self.replace(d / "readers" / "idx.py", "import struct", "import json"), True),
            (lambda self, d: self.replace(d / "registry" / "images.yml", "440fcabf", "540fcabf"), True),
            (lambda self, d: self.replace(d / "loading.py", "x /= image.maximum", "x /= 255"), True),
            (lambda self, d: self.replace(d / "loading.py", '"idx": idx', '"idx": uci'), True),
        ],
    )
    def test_only_the_sets_in_use_and_their_readers_count(
        self, compendium: Make, change: Callable[..., None], counts: bool
    ) -> None:
        datasets, card = self.make(compendium)
        before = digest.source_digest(card, "quick")
        change(self, datasets)
        assert (digest.source_digest(card, "quick") != before) is counts

    def test_a_set_by_its_alias_has_the_files_of_its_folder(self) -> None:
        (entry,) = digest.data_entries(["uci/bostonHousing"], Path(reprise.__file__).parents[2])
        assert entry["name"] == "uci/boston"
        assert {"data.txt", "index_features.txt"} <= {Path(f["name"]).name for f in entry["files"]}
        assert all(f["name"].startswith("uci-regression/bostonHousing/data/") for f in entry["files"])
