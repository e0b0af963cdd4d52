"""Runs that end well and runs that do not: in no case is a record half-written, or one there that should not be."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from reprise.compendium import cards, devices, digest, files, records, runs
from reprise.compendium.errors import ParameterError, RepriseError, RunError
from tests.compendium import sample

Make = Callable[..., Path]
pytestmark = pytest.mark.slow
# Seconds; a machine that is busy with other things is slow, not broken.
PATIENCE = 240
OWN_XLA = "--xla_cpu_enable_fast_math=false"


def nothing_recorded(root: Path, run_id: str = "quick") -> bool:
    folder = root / "runs" / sample.SLUG
    return not (folder / run_id).exists() and not list(folder.rglob("record.json")) and not list(folder.glob(".*.work"))


def test_a_run_that_ends_well(compendium: Make) -> None:
    root = compendium()
    seen: list[runs.Progress] = []
    folder = runs.run(sample.SLUG, overrides={"seeds": 5}, run_id="quick", report=seen.append)
    assert folder == root / "runs" / sample.SLUG / "quick"
    record = records.load(folder)
    assert record.data["parameters"] == {"tosses": 400, "seeds": 5, "bias": 0.5, "mode": "fair"}
    assert record.verdict("C1") == "reproduced"
    assert len(record.check("C1", "mean")["measured"]["samples"]) == 5  # type: ignore[index]
    assert {p.name for p in folder.iterdir()} == {"figures", "log.txt", "notebook.ipynb", "record.json"}
    executed = record.notebook.read_text()
    assert str(root) not in executed  # a published notebook names no folder of the machine
    noted = json.loads(executed)["metadata"]["papermill"]
    assert noted["input_path"] == f"notebooks/infinite_width/{sample.SLUG}.ipynb"
    provenance = record.provenance
    assert provenance["source_digest"]
    assert provenance["packages"]["numpy"]
    assert provenance["seconds"] > 0
    assert provenance["peak_rss_bytes"] > 10**7
    assert seen
    assert seen[-1].cells == 7
    assert records.audit(record) == []


@pytest.mark.parametrize(("profile", "expected"), [("quick", f"{runs.quick_xla()} {OWN_XLA}"), ("standard", OWN_XLA)])
def test_quick_compiles_for_speed_of_compilation(
    compendium: Make, monkeypatch: pytest.MonkeyPatch, profile: str, expected: str
) -> None:
    """A flag that this jaxlib does not know would kill the kernel; the user's flags come last, and the record says so."""
    compendium(cells=["import jax.numpy as jnp\nassert jnp.ones(3).sum() == 3", *sample.CODE_CELLS])
    monkeypatch.setenv("XLA_FLAGS", OWN_XLA)
    record = records.load(runs.run(sample.SLUG, profile=profile, run_id="flags"))
    assert record.provenance["xla_flags"] == expected


def test_only_a_jaxlib_that_knows_a_flag_is_given_it() -> None:
    """As tried on each of these versions: a flag that is unknown ends the process."""
    emitters = {version: "fusion_emitters" in runs.quick_xla(version) for version in ("0.10.0", "0.11.0", "0.11.1")}
    assert emitters == {"0.10.0": True, "0.11.0": True, "0.11.1": False}
    assert runs.quick_xla("0.11.2") == runs.quick_xla("0.12.0.1") == "--xla_backend_optimization_level=2"
    assert runs.quick_xla("0.9.2") == runs.quick_xla("0.13.0") == ""


def test_a_record_is_of_the_code_that_its_run_started_with(compendium: Make) -> None:
    edit = (
        "from reprise.compendium import paths\n"
        "notebook = next(paths.root().glob('notebooks/*/coin-tosses.ipynb'))\n"
        "_ = notebook.write_text(notebook.read_text().replace('import numpy', 'import math, numpy'))"
    )
    compendium(cells=[edit, *sample.CODE_CELLS])
    before = digest.source_digest(cards.find(sample.SLUG), "quick")
    record = records.load(runs.run(sample.SLUG, run_id="quick"))
    assert record.provenance["source_digest"] == before != digest.source_digest(cards.find(sample.SLUG), "quick")


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"overrides": {"sedes": 5}}, ParameterError, "did you mean 'seeds'"),
        ({"overrides": {"seeds": "5"}}, ParameterError, "must be int"),
        ({"overrides": {"seeds": 1}}, ParameterError, "must lie in"),
        ({"profile": "quik"}, ParameterError, "did you mean 'quick'"),
        ({"run_id": "../escape"}, RunError, "run id"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    compendium: Make, kwargs: dict[str, Any], error: type[Exception], message: str
) -> None:
    root = compendium()
    with pytest.raises(error, match=message):
        runs.run(sample.SLUG, **kwargs)
    assert not (root / "runs").exists()


def test_an_unknown_paper(compendium: Make) -> None:
    compendium()
    with pytest.raises(RepriseError, match="did you mean 'coin-tosses'"):
        runs.run("coin-tossing")


def test_a_notebook_without_parameters_cell_is_refused(compendium: Make) -> None:
    root = compendium()
    path = root / "notebooks" / "infinite_width" / "coin-tosses.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = []
    nbformat.write(notebook, path)
    with pytest.raises(RunError, match="exactly one cell tagged 'parameters', it has 0"):
        runs.run(sample.SLUG)


def failing(compendium: Make, cell: str, at: int = 1, **kwargs: Any) -> tuple[Path, str]:
    cells = list(sample.CODE_CELLS)
    cells.insert(at, cell)
    root = compendium(cells=cells)
    with pytest.raises(RunError) as caught:
        runs.run(sample.SLUG, run_id="quick", **kwargs)
    assert nothing_recorded(root)
    return root, str(caught.value)


def test_a_failed_cell_leaves_the_partial_notebook_and_no_record(compendium: Make) -> None:
    root, message = failing(compendium, "1 / 0")
    assert "ZeroDivisionError: division by zero" in message
    partial = root / "runs" / sample.SLUG / "quick.failed" / "notebook.ipynb"
    assert str(partial) in message
    notebook = nbformat.read(partial, as_version=4)
    assert any(o["output_type"] == "error" for c in notebook.cells for o in c.get("outputs", []))


def test_a_killed_kernel_leaves_no_record(compendium: Make) -> None:
    _, message = failing(compendium, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert "kernel died" in message


def test_a_kernel_killed_from_outside_in_mid_run(compendium: Make) -> None:
    root = compendium(
        cells=[
            sample.CODE_CELLS[0],
            "open('pid', 'w').write(str(__import__('os').getpid()))\nimport time\ntime.sleep(600)",
        ]
    )

    def kill() -> None:
        deadline = time.monotonic() + PATIENCE
        while not (root / "pid").is_file() or not (root / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(int((root / "pid").read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(RunError, match="kernel died"):
        runs.run(sample.SLUG, run_id="quick")
    thread.join()
    assert nothing_recorded(root)


def test_a_timeout_kills_the_kernel_too(compendium: Make) -> None:
    cell = "open('pid', 'w').write(str(__import__('os').getpid()))\nimport time\ntime.sleep(600)"
    root, message = failing(compendium, cell, timeout_minutes=0.15)
    assert "timed out after 0.15 min" in message
    if (root / "pid").is_file():  # else the kernel had not even begun
        assert not alive(int((root / "pid").read_text()))


def test_a_notebook_that_never_closes_its_study_is_no_result(compendium: Make) -> None:
    root = compendium(cells=sample.CODE_CELLS[:-1])
    with pytest.raises(RunError, match=r"without study\.close"):
        runs.run(sample.SLUG, run_id="quick")
    assert nothing_recorded(root)


def test_a_failed_rerun_keeps_the_earlier_good_run(compendium: Make) -> None:
    root = compendium()
    before = (runs.run(sample.SLUG, run_id="quick") / "record.json").read_bytes()
    sample.write(root, cells=["raise RuntimeError('later')"])
    with pytest.raises(RunError, match="later"):
        runs.run(sample.SLUG, run_id="quick")
    assert (root / "runs" / sample.SLUG / "quick" / "record.json").read_bytes() == before
    assert (root / "runs" / sample.SLUG / "quick.failed").is_dir()


SLEEPER = [sample.CODE_CELLS[0], "open('pid', 'w').write(str(__import__('os').getpid()))\nimport time\ntime.sleep(600)"]


def start_cli(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reprise.cli", "run", sample.SLUG, "--id", "quick"],
        env={**os.environ, "REPRISE_ROOT": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (root / "pid").is_file() or not (root / "pid").read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    return process


def alive(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_run_and_kernel_and_leaves_no_record(compendium: Make, sent: signal.Signals) -> None:
    root = compendium(cells=SLEEPER)
    process = start_cli(root)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted; no record was written" in errors
    assert nothing_recorded(root)
    assert not alive(int((root / "pid").read_text()))


def test_a_killed_command_leaves_neither_record_nor_kernel(compendium: Make) -> None:
    root = compendium(cells=SLEEPER)
    process = start_cli(root)
    process.kill()
    process.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while alive(int((root / "pid").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not list((root / "runs").rglob("record.json"))


def test_a_second_run_of_the_same_id_is_refused_at_once(compendium: Make) -> None:
    root = compendium(cells=SLEEPER)
    process = start_cli(root)
    try:
        with pytest.raises(RunError, match="another run of coin-tosses with the id 'quick' is going on"):
            runs.run(sample.SLUG, run_id="quick")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def test_two_runs_of_one_paper_at_once_do_not_disturb_each_other(compendium: Make) -> None:
    compendium()
    results: dict[int, Path] = {}

    def go(seeds: int) -> None:
        results[seeds] = runs.run(sample.SLUG, overrides={"seeds": seeds}, run_id=f"s{seeds}")

    threads = [threading.Thread(target=go, args=(seeds,)) for seeds in (4, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seeds, folder in results.items():
        assert records.load(folder).data["parameters"]["seeds"] == seeds
    assert set(results) == {4, 6}


def test_a_read_only_folder_is_said_before_the_kernel_starts(compendium: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = compendium()
    real = Path.mkdir

    def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
        if "runs" in self.parts:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"cannot write to .*Read-only file system"):
        runs.run(sample.SLUG, run_id="quick")
    assert not (root / "runs").exists()


def test_a_disk_that_fills_up_leaves_no_record(compendium: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = compendium()

    def full(path: Path, content: str | bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(runs, "write_atomically", full)
    with pytest.raises(RunError, match="No space left on device"):
        runs.run(sample.SLUG, run_id="quick")
    assert nothing_recorded(root)


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    files.write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_user_s_own_kernelspec_does_not_stand_in(
    compendium: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compendium()
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "trap", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert (runs.run(sample.SLUG, run_id="quick") / "record.json").is_file()


def test_gpus_are_held_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr(devices, "_WAIT_S", 0.01)
    order: list[str] = []
    with devices.claim(tmp_path) as first, devices.claim(tmp_path) as second:
        assert {first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]} == {"3", "5"}

        def third() -> None:
            with devices.claim(tmp_path) as held:
                order.append(held["CUDA_VISIBLE_DEVICES"])

        thread = threading.Thread(target=third)
        thread.start()
        time.sleep(0.2)
        assert order == []
    thread.join(timeout=5)
    assert order
    assert order[0] in ("3", "5")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.visible_gpus() == []
