from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import reprise
from reprise import Estimate
from reprise.compendium.errors import ParameterError, RepriseError, StudyError
from reprise.compendium.study import Study
from reprise.compendium.verdicts import Verdict
from tests.compendium import sample

Make = Callable[..., Path]
QUICK: dict[str, Any] = {"tosses": 400, "seeds": 8, "bias": 0.5, "mode": "fair"}
GOOD, BAD = Estimate(0.5, 0.49, 0.51, n=8), Estimate(0.8, 0.79, 0.81, n=8)


@pytest.fixture
def study(compendium: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    compendium()
    monkeypatch.setenv("REPRISE_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("REPRISE_PROFILE", "quick")
    return reprise.open(sample.SLUG, **QUICK)


def save_figure(study: Study) -> None:
    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 0])
    study.figure("F1", fig, data=pd.DataFrame({"x": [0, 1], "y": [1.0, 0.0]}))


def evidence(study: Study) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((study.folder / "evidence.json").read_text())
    return data


def test_a_whole_study(study: Study) -> None:
    assert study.test("C1", "mean", measured=GOOD, control=BAD) is Verdict.REPRODUCED
    save_figure(study)
    study.say("**bold**")
    study.source(save_figure)
    study.close()
    data = evidence(study)
    assert data["claims"][0]["verdict"] == "reproduced"
    assert data["claims"][0]["checks"][0]["measured"]["high"] == 0.51
    assert data["provenance"]["python"]


def test_a_missing_check_is_reported_as_not_run(study: Study) -> None:
    save_figure(study)
    study.close()
    claim = evidence(study)["claims"][0]
    assert claim["verdict"] == "not run"
    assert claim["checks"][0] == {
        "name": "mean",
        "criterion": {"kind": "within", "low": 0.45, "high": 0.55},
        "control_name": "loaded coin",
        "measured": None,
        "control": None,
        "verdict": "not run",
    }


def test_wrong_use_is_named(study: Study) -> None:
    with pytest.raises(RepriseError, match="unknown claim 'C2' of coin-tosses; known: C1"):
        study.test("C2", "mean", measured=GOOD, control=BAD)
    with pytest.raises(RepriseError, match="unknown check 'means' of claim C1; did you mean 'mean'"):
        study.test("C1", "means", measured=GOOD, control=BAD)
    with pytest.raises(StudyError, match="measured of 'mean' must be an Estimate, got float"):
        study.test("C1", "mean", measured=0.5, control=BAD)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="judges a single value"):
        study.test("C1", "mean", measured=Estimate.exact([0.4, 0.5]), control=BAD)
    study.test("C1", "mean", measured=GOOD, control=BAD)
    with pytest.raises(StudyError, match="tested twice"):
        study.test("C1", "mean", measured=GOOD, control=BAD)


def test_figures_are_complete_and_saved_once(study: Study) -> None:
    with pytest.raises(StudyError, match="figure\\(s\\) F1"):
        study.close()
    fig, _ = plt.subplots()
    with pytest.raises(StudyError, match="empty data frame"):
        study.figure("F1", fig, data=pd.DataFrame())
    with pytest.raises(RepriseError, match="unknown figure 'F2'"):
        study.figure("F2", fig, data=pd.DataFrame({"x": [1]}))
    plt.close(fig)
    save_figure(study)
    fig, _ = plt.subplots()
    with pytest.raises(StudyError, match="saved twice"):
        study.figure("F1", fig, data=pd.DataFrame({"x": [1]}))
    plt.close(fig)
    for kind in ("svg", "png", "pdf", "csv"):
        assert (study.folder / "figures" / f"F1.{kind}").stat().st_size > 0
    assert "Points near one half." in (study.folder / "figures" / "F1.svg").read_text()


def test_a_figure_has_the_same_bytes_twice(compendium: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compendium()
    contents = []
    for name in ("a", "b"):
        monkeypatch.setenv("REPRISE_RUN_DIR", str(tmp_path / name))
        study = reprise.open(sample.SLUG, **QUICK)
        save_figure(study)
        contents.append([(study.folder / "figures" / f"F1.{k}").read_bytes() for k in ("svg", "png", "pdf", "csv")])
    assert contents[0] == contents[1]


def test_after_closing_nothing_more_can_be_said(study: Study) -> None:
    save_figure(study)
    study.close()
    for act in (study.close, lambda: study.say("x"), lambda: study.test("C1", "mean", measured=GOOD, control=BAD)):
        with pytest.raises(StudyError, match="closed"):
            act()


def test_below_its_profile_a_claim_is_not_run(compendium: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = sample.card()["claims"]
    claims[0]["profile"] = "standard"
    compendium(claims=claims)
    monkeypatch.setenv("REPRISE_PROFILE", "quick")
    study = reprise.open(sample.SLUG, **QUICK)
    assert study.test("C1", "mean", measured=GOOD, control=BAD) is Verdict.NOT_RUN
    monkeypatch.setenv("REPRISE_PROFILE", "full")
    study = reprise.open(sample.SLUG, **QUICK)
    assert study.test("C1", "mean", measured=GOOD, control=BAD) is Verdict.REPRODUCED


def test_the_profile_of_a_session_is_that_of_its_values(compendium: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    compendium()
    monkeypatch.delenv("REPRISE_PROFILE", raising=False)
    assert reprise.open(sample.SLUG, **QUICK).profile == "quick"
    assert reprise.open(sample.SLUG, **{**QUICK, "tosses": 4000}).profile == "standard"
    assert reprise.open(sample.SLUG, **{**QUICK, "tosses": 999}).profile == "custom"


def test_bad_parameters_are_refused_at_once(compendium: Make) -> None:
    compendium()
    with pytest.raises(ParameterError, match="did you mean 'tosses'"):
        reprise.open(sample.SLUG, **QUICK, tossses=3)
