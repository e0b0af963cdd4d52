"""The command line as a user meets it: help, examples, JSON, messages and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reprise import cli
from tests.compendium import sample

COMMANDS = ["run", "sweep", "verify", "record", "claims", "cite", "book", "data", "new"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sample.write(tmp_path)
    (tmp_path / "CITATION.cff").write_text(
        "title: Reprise\nauthors: [{name: The Reprise authors}]\nversion: 1.0\ndate-released: 2026-01-01\n"
    )
    monkeypatch.setenv("REPRISE_ROOT", str(tmp_path))
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        code = cli.main(argv)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert f"reprise {command}" in out.partition("examples:")[2]
    assert "exit codes:" in out


def test_help_imports_neither_jax_nor_pydantic() -> None:
    program = (
        "import sys; from reprise import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('jax', 'pydantic', 'numpy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_imports_jax_to_refuse_bad_input(command: str, root: Path) -> None:
    arguments = {"record": "nowhere", "data": "list", "new": "x --topic nowhere --title t --year 2000"}
    argv = [command, *arguments.get(command, "coin-toses").split()]
    if command == "book":
        argv = ["book", "--help"]
    program = f"import sys; from reprise import cli\ntry: cli.main({argv!r})\nexcept SystemExit: pass\nprint('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "coin-toses"], "unknown paper 'coin-toses'; did you mean 'coin-tosses'?"),
        (["run", sample.SLUG, "-p", "sedes=4"], "unknown parameter 'sedes' for coin-tosses; did you mean 'seeds'?"),
        (["run", sample.SLUG, "-p", "seeds=four"], "parameter 'seeds' must be int, got 'four' (str)"),
        (["run", sample.SLUG, "-p", "seeds=1"], "must lie in [2, 1000], got 1"),
        (["run", sample.SLUG, "-p", "seeds"], "not of the form name=value"),
        (["run", sample.SLUG, "--profile", "ful"], "unknown profile 'ful'; did you mean 'full'?"),
        (["sweep", sample.SLUG], "at least one -p"),
        (["verify", sample.SLUG], "no committed record"),
        (["verify"], "no paper has a committed record yet"),
        (["verify", "--run", "x"], "need a paper"),
        (["record", "nowhere"], "there is no record at nowhere"),
        (["claims", "--verdict", "reprodused"], "did you mean 'reproduced'?"),
        (["claims", "--topic", "x"], "unknown topic 'x'; known:"),
        (["cite", f"{sample.SLUG}:F7"], "unknown figure 'F7'"),
        (["data", "list", "mnits"], "mnist"),
        (["data", "fetch"], "name the data sets to fetch"),
    ],
)
def test_wrong_use_is_explained_with_exit_code_2(
    root: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    code, _, err = call(capsys, *argv)
    assert code == 2
    assert message in err
    assert err.startswith("reprise: ")
    assert "Traceback" not in err
    assert not (root / "runs").exists()


def test_a_broken_card_is_explained(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "notebooks" / "infinite_width" / "coin-tosses.yml"
    path.write_text(path.read_text().replace("venue:", "venu:"))
    code, _, err = call(capsys, "claims")
    assert code == 2
    assert "venu: unknown key; did you mean 'venue'?" in err


@pytest.mark.parametrize(
    "argv", [["frobnicate"], ["run"], ["run", "x", "--timeout", "-1"], ["sweep", "x", "-j", "0"], []]
)
def test_usage_errors_exit_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = call(capsys, *argv)
    assert code == 2


def test_outside_a_compendium_the_checkout_that_was_installed_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPRISE_ROOT", str(tmp_path))
    code, _, err = call(capsys, "claims")
    assert code == 2
    assert "which has no notebooks/ folder" in err


def test_cite_in_three_formats(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "@article{bernoulli1913mean," in call(capsys, "cite", sample.SLUG)[1]
    assert json.loads(call(capsys, "cite", sample.SLUG, "--format", "csl-json")[1])[0]["type"] == "article-journal"
    assert "Bernoulli" in call(capsys, "cite", f"{sample.SLUG}:F1", "--format", "text")[1]


@pytest.mark.slow
def test_run_record_verify_claims_sweep(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", sample.SLUG, "--id", "quick")
    assert code == 0, err
    assert re.search(r"C1\s+The mean\s.*✓ reproduced", out)
    run = root / "runs" / sample.SLUG / "quick"
    assert str(run) in out

    code, out, _ = call(capsys, "record", str(run), "--json")
    assert code == 0
    assert Path(json.loads(out)["record"]).is_dir()

    code, out, _ = call(capsys, "verify", sample.SLUG, "--json")
    report: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert report[0]["agrees"]
    assert report[0]["figures"][0]["identical"]

    code, out, _ = call(capsys, "verify", sample.SLUG, "-p", "bias=0.9")
    assert code == 1
    assert "DISAGREES" in out
    assert "OUTSIDE; reproduced → not reproduced" in out

    code, out, _ = call(capsys, "run", sample.SLUG)
    assert "beside the committed record:" in out
    assert "figure F1: same data" in out

    code, out, _ = call(capsys, "claims", "--json", "--verdict", "reproduced")
    assert [c["claim"] for c in json.loads(out)] == ["C1"]
    assert json.loads(call(capsys, "claims", "--json", "--verdict", "partly")[1]) == []

    table = root / "table.csv"
    code, out, _ = call(capsys, "sweep", sample.SLUG, "-p", "seeds=4,6", "--out", str(table))
    assert code == 0
    assert table.read_text().startswith("seeds,claim,check,value,low,high,control,verdict")
    assert len(table.read_text().splitlines()) == 3


@pytest.mark.slow
def test_a_failed_run_exits_with_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.write(root, cells=["raise RuntimeError('no luck')"])
    code, _, err = call(capsys, "run", sample.SLUG)
    assert code == 1
    assert "RuntimeError: no luck" in err
    assert "no record was written" in err


def test_a_closed_pipe_is_no_failure(root: Path) -> None:
    command = f"{sys.executable} -m reprise.cli claims --json | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert os.environ["REPRISE_ROOT"] == str(root)
