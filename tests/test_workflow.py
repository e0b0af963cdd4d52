"""The Snakemake workflow on a small compendium: what runs at first, what runs again, and what does not.

Three fake papers: ``alpha`` and ``beta`` reach the shared module ``tiny``, ``gamma`` reaches nothing shared. Their
imports stand under TYPE_CHECKING: the workflow reads them, the kernels do not execute them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.compendium import sample

ROOT = Path(__file__).resolve().parents[1]
SLUGS = ("alpha", "beta", "gamma")
REACHES_SHARED = {"alpha", "beta"}
PACKAGE = Path("src/reprise")
SHARED = PACKAGE / "statistics/tiny.py"


def snakemake(root: Path, *options: str, target: str = "papers") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "REPRISE_ROOT"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", target, *options],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def planned(root: Path, *options: str) -> set[str]:
    """The papers that would run now."""
    done = snakemake(root, "--dry-run", *options)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^Job \d+: (\S+) runs at profile", done.stdout + done.stderr, flags=re.MULTILINE))


def module_of(slug: str) -> Path:
    return PACKAGE / "papers" / "infinite_width" / f"{slug}.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A compendium whose papers have all run."""
    root = tmp_path_factory.mktemp("compendium")
    shutil.copytree(ROOT / "workflow", root / "workflow")
    (root / "requirements.lock").write_text("numpy==2.4.6\n")
    for package in (PACKAGE, SHARED.parent, module_of("alpha").parent, module_of("alpha").parent.parent):
        (root / package).mkdir(parents=True, exist_ok=True)
        (root / package / "__init__.py").write_text('"""A package."""\n')
    (root / SHARED).write_text('"""Shared by two papers."""\nONE = 1\n')
    for slug in SLUGS:
        shared = "from reprise.statistics.tiny import ONE\n" if slug in REACHES_SHARED else "ONE = 1\n"
        (root / module_of(slug)).write_text(f'"""One paper."""\n{shared}TWO = 2 * ONE\n')
        cells = [
            "from typing import TYPE_CHECKING\n"
            f"if TYPE_CHECKING:\n    import reprise.papers.infinite_width.{slug}\n"
            "import numpy as np, pandas as pd\nimport matplotlib.pyplot as plt\nimport reprise\n"
            f"study = reprise.open('{slug}', tosses=tosses, seeds=seeds, bias=bias, mode=mode)",
            *sample.CODE_CELLS[1:],
        ]
        sample.write(root, sample.card(slug=slug, title=f"On {slug}"), cells)
    done = snakemake(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def compendium(finished):
    """The finished compendium, put back as it was after the test."""
    kept = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and "runs" not in path.parts}
    times = {path: path.stat() for path in kept}
    yield finished
    for path, content in kept.items():
        if ".snakemake" in path.parts or "_build" in path.parts:
            continue
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        os.utime(path, ns=(times[path].st_atime_ns, times[path].st_mtime_ns))
    for path in [*(finished / "notebooks").rglob("*"), *(finished / "src").rglob("*")]:
        if path.is_file() and path not in kept:
            path.unlink()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_paper_has_run_once(finished):
    for slug in SLUGS:
        assert (finished / "runs" / slug / "quick" / "record.json").is_file()
        assert (finished / "runs" / slug / "quick" / "notebook.ipynb").is_file()


def test_a_second_call_runs_nothing_and_is_quick(compendium):
    started = time.monotonic()
    assert planned(compendium) == set()
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(lambda slug: f"notebooks/infinite_width/{slug}.ipynb", id="notebook"),
        pytest.param(lambda slug: f"notebooks/infinite_width/{slug}.yml", id="card"),
        pytest.param(module_of, id="module"),
    ],
)
def test_a_change_to_a_paper_runs_that_paper_alone(compendium, files):
    old, new = ("TWO", "DOUBLE") if str(files("alpha")).endswith(".py") else ("On alpha", "About alpha")
    edit(compendium / files("alpha"), old, new)
    assert planned(compendium) == {"alpha"}


def test_a_change_to_a_shared_module_runs_the_papers_that_reach_it(compendium):
    edit(compendium / SHARED, "ONE = 1", "ONE = 1.0")
    assert planned(compendium) == REACHES_SHARED


def test_a_newly_reached_module_runs_the_paper(compendium):
    extra = compendium / SHARED.with_name("extra.py")
    extra.write_text('"""Another shared module."""\nTHREE = 3\n')
    os.utime(extra, (0, 0))
    edit(compendium / module_of("gamma"), "ONE = 1", "from reprise.statistics.extra import THREE as ONE")
    assert planned(compendium) == {"gamma"}


def test_a_change_to_the_lock_runs_everything(compendium):
    edit(compendium / "requirements.lock", "2.4.6", "2.5.5")
    assert planned(compendium) == set(SLUGS)


def test_touching_a_file_runs_nothing(compendium):
    """A checkout changes times, not contents."""
    (compendium / SHARED).touch()
    assert planned(compendium) == set()


def test_a_new_paper_runs_alone_and_needs_no_list(compendium):
    sample.write(compendium, sample.card(slug="delta"))
    assert planned(compendium) == {"delta"}


def test_a_lost_record_is_made_again(compendium):
    record = compendium / "runs" / "beta" / "quick" / "record.json"
    kept = record.read_bytes()
    stat = record.stat()
    record.unlink()
    try:
        assert planned(compendium) == {"beta"}
    finally:
        record.write_bytes(kept)
        os.utime(record, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_larger_profile_is_other_work(compendium):
    assert planned(compendium, "--config", "profile=standard") == set(SLUGS)


def test_some_papers_can_be_chosen(compendium):
    assert planned(compendium, "--config", "profile=standard", "papers=alpha,gamma") == {"alpha", "gamma"}


@pytest.mark.parametrize(
    ("config", "message"),
    [("profile=huge", "unknown profile 'huge'"), ("papers=omega", "unknown paper omega; the papers are alpha")],
)
def test_bad_configuration_is_refused_before_anything_runs(compendium, config, message):
    done = snakemake(compendium, "--config", config)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_one_failing_paper_keeps_no_other_from_running(compendium):
    edit(compendium / "notebooks/infinite_width/alpha.ipynb", "rng = np.random", "rng = np.no_such_thing")
    edit(compendium / "notebooks/infinite_width/beta.ipynb", "On beta", "About beta")
    done = snakemake(compendium)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "no_such_thing" in output
    assert not (compendium / "runs" / "alpha" / "quick" / "record.json").exists()
    assert planned(compendium) == {"alpha"}


SLURM = {
    # Runs the wrapped command at once, and prints the number of the job.
    "sbatch": """for word; do case "$word" in --wrap=*) job=${word#--wrap=};; esac; done
echo "$*" >>"$SLURM_FAKE/submitted"; echo $$
(SLURM_JOB_ID=$$ sh -c "$job" && state=COMPLETED || state=FAILED
 echo "$$|$state" >>"$SLURM_FAKE/states") >"$SLURM_FAKE/log.$$" 2>&1 &""",
    "sacct": """case "$*" in *JobIdRaw,State*) cat "$SLURM_FAKE/states" 2>/dev/null;; esac; exit 0""",
    "srun": """while [ "${1#-}" != "$1" ]; do shift; done; exec "$@" """,
    **dict.fromkeys(("sinfo", "scontrol", "sacctmgr", "sshare", "squeue", "scancel"), "exit 0"),
}


def test_on_a_cluster_every_notebook_is_a_job_with_a_gpu_of_its_own(compendium, tmp_path, monkeypatch):
    """Through the SLURM plugin, with stand-ins for SLURM's commands."""
    for name, body in SLURM.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_FAKE", str(tmp_path))
    done = snakemake(
        compendium,
        *("--workflow-profile", "workflow/profiles/slurm", "--config", "profile=full", "papers=alpha,gamma"),
        *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    submitted = (tmp_path / "submitted").read_text().splitlines()
    assert len(submitted) == 2
    assert all("--gpus=1 " in line and "--mem 16000 " in line and "--cpus-per-task=2 " in line for line in submitted)
    for slug in ("alpha", "gamma"):
        record = json.loads((compendium / "runs" / slug / "full" / "record.json").read_text())
        assert record["profile"] == "full"
