"""Running one notebook: parameters checked first, papermill in a process of its own, a record only if all went well.

A run happens in ``runs/<slug>/.<id>.work`` and is renamed to ``runs/<slug>/<id>`` when its record has been written. If it
fails, is killed, times out or is interrupted, the folder becomes ``runs/<slug>/<id>.failed`` with the partial notebook
and the log, without a record; an earlier good run of that id stays as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from reprise.compendium import cards, devices, digest, paths
from reprise.compendium.errors import Interrupted, RunError
from reprise.compendium.files import write_atomically
from reprise.compendium.kinds import EXIT_CELL_FAILED, EXIT_KERNEL_DIED

_POLL_S = 0.1
_CELL = re.compile(r"Executing Cell (\d+)")
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")


def quick_xla(version: str | None = None) -> str:
    """How XLA compiles for a CPU at `quick`: faster, to code that runs about as fast.

    Most programs of that profile run for less time than they take to compile. Larger profiles keep XLA's own choice; a
    user's XLA_FLAGS come last and win. A flag that jaxlib does not know would end the kernel, so each is given to the
    versions that it was tried on alone (`version`, by default the installed one): the second was dropped in 0.11.1.

    >>> quick_xla("0.11.0")
    '--xla_backend_optimization_level=2 --xla_cpu_use_fusion_emitters=false'
    >>> quick_xla("0.12.0.1"), quick_xla("0.13.0")
    ('--xla_backend_optimization_level=2', '')
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", version or metadata.version("jaxlib")))
    if not (0, 10) <= numbers < (0, 13):
        return ""
    emitters = " --xla_cpu_use_fusion_emitters=false" if numbers < (0, 11, 1) else ""
    return "--xla_backend_optimization_level=2" + emitters


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: cells done, and what the current cell says of itself."""

    cell: int
    cells: int
    seconds: float
    label: str = ""
    done: int = 0
    total: int | None = None

    def __str__(self) -> str:
        text = f"cell {self.cell}/{self.cells}, {self.seconds:.0f} s"
        if self.label:
            share = f" {self.done}/{self.total}" if self.total else f" {self.done}" if self.done else ""
            text += f": {self.label}{share}"
        return text


def run(
    slug: str,
    *,
    profile: str = "quick",
    overrides: dict[str, Any] | None = None,
    run_id: str | None = None,
    timeout_minutes: float | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Path:
    """Execute a paper's notebook; returns the run folder with ``record.json``, notebook, figures and log.

    ``timeout_minutes`` defaults to ten times what the profile expects, at least 15.

    Raises:
        RepriseError: unknown paper or profile, bad parameter (before anything starts), or a run that did not end well
            (:class:`RunError`, naming the partial notebook).
    """
    card = cards.find(slug)
    values = card.values(profile, overrides)
    if timeout_minutes is None:
        timeout_minutes = max(15.0, 10 * card.profile(profile).minutes)
    if run_id is None:
        run_id = f"{profile}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    elif not _ID.match(run_id):
        raise RunError(f"run id '{run_id}' may hold letters, digits, '-' and '_' only")
    cells = _check_notebook(card)
    folder = paths.runs(slug) / run_id
    with _exclusive(folder):
        work = folder.with_name(f".{run_id}.work")
        _prepare(work)
        started = datetime.now(UTC)
        try:
            with devices.claim(paths.root() / "runs") as device_env:
                source = _execute(card, profile, values, work, timeout_minutes, device_env, report, cells)
            _write_record(work, card, source, started)
        except BaseException as error:
            failed = _set_aside(work, folder)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted(f"{slug}: interrupted; {_left(failed)}") from None
            if isinstance(error, RunError):
                raise RunError(f"{slug}: {error}; {_left(failed)}") from None
            if isinstance(error, OSError):
                raise RunError(f"{slug}: cannot write to {work.parent}: {error}; {_left(failed)}") from None
            raise
        _move_into_place(work, folder)
        shutil.rmtree(folder.with_name(f"{run_id}.failed"), ignore_errors=True)
    return folder


def _check_notebook(card: cards.Card) -> int:
    """The number of code cells of a notebook that papermill can inject parameters into."""
    try:
        notebook = json.loads(card.notebook.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{card.slug} has a card but no notebook at {card.notebook}") from None
    except ValueError as error:
        raise RunError(f"{card.notebook} is no notebook: {error}") from None
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    tagged = [c for c in code if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise RunError(f"{card.notebook} must have exactly one cell tagged 'parameters', it has {len(tagged)}")
    return len(notebook["cells"]) + 1  # papermill adds one


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; a second run of the same id is refused at once."""
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a")
    except OSError as error:
        raise RunError(f"cannot write to {folder.parent}: {error}") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another run of {folder.parent.name} with the id '{folder.name}' is going on; "
                "wait for it, or give this one another --id"
            ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _prepare(work: Path) -> None:
    try:
        shutil.rmtree(work, ignore_errors=True)
        (work / "figures").mkdir(parents=True)
        probe = work / "probe"
        probe.write_bytes(b"\0" * 65536)
        probe.unlink()
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise RunError(f"cannot write to {work.parent}: {error}") from None


def _execute(
    card: cards.Card,
    profile: str,
    values: dict[str, Any],
    work: Path,
    timeout_minutes: float,
    device_env: dict[str, str],
    report: Callable[[Progress], None] | None,
    cells: int,
) -> dict[str, Any]:
    """Execute the notebook; returns of which code, as it was when the notebook started."""
    top = paths.root()
    job = {
        "notebook": str(card.notebook),
        "output": str(work / "notebook.ipynb"),
        "parameters": values,
        "cwd": str(top),
    }
    (work / "job.json").write_text(json.dumps(job))
    with tempfile.TemporaryDirectory(prefix="reprise-") as short:  # socket paths must be short
        environment = {
            **os.environ,
            "REPRISE_ROOT": str(top),
            "REPRISE_RUN_DIR": str(work),
            "REPRISE_PROFILE": profile,
            "JUPYTER_RUNTIME_DIR": short,
            "JUPYTER_DATA_DIR": f"{short}/data",  # a user's own kernels must not stand in for this environment's
            "JUPYTER_CONFIG_DIR": f"{short}/config",
            "IPYTHONDIR": f"{short}/ipython",
            "JUPYTER_PLATFORM_DIRS": "1",
            "MPLBACKEND": "agg",  # figures are shown by the study, not by the session
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONHASHSEED": "0",
            **device_env,
        }
        environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(top / "runs" / ".jax-cache"))
        environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
        if profile == "quick":
            environment["XLA_FLAGS"] = f"{quick_xla()} {environment.get('XLA_FLAGS', '')}".strip()
        with (work / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "reprise.compendium.execute", str(work / "job.json")],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            try:
                source = _source(
                    card, profile
                )  # while the kernel starts: what is edited later did not make the numbers
                code = _wait(process, work, timeout_minutes, report, cells)
            finally:
                _kill(process)
    _judge_ending(code, work)
    return source


def _wait(
    process: subprocess.Popen[bytes],
    work: Path,
    timeout_minutes: float,
    report: Callable[[Progress], None] | None,
    cells: int,
) -> int:
    started = time.monotonic()
    cell, offset = 0, 0
    while True:
        try:
            return process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
        if seconds > 60 * timeout_minutes:
            raise RunError(f"timed out after {timeout_minutes:g} min in cell {cell}")
        if report is None:
            continue
        with (work / "log.txt").open("rb") as log:
            log.seek(offset)
            text = log.read()
        offset += len(text)
        for found in _CELL.finditer(text.decode(errors="replace")):
            cell = int(found[1])
        state: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((work / "progress.json").read_text())
        report(Progress(cell, cells, seconds, **state))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the child and its kernel (which has a process group of its own), whatever state they are in."""
    with contextlib.suppress(psutil.Error):
        for descendant in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                descendant.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge_ending(code: int, work: Path) -> None:
    """Whether the notebook really ran to its end: exit code, execution counts, errors, and the closing evidence."""
    tail = _log_tail(work)
    if code == EXIT_CELL_FAILED:
        raise RunError(_failed_cell(work) or f"a cell failed: {tail}")
    if code == EXIT_KERNEL_DIED:
        raise RunError(f"the kernel died (killed, or out of memory): {tail}")
    if code != 0:
        raise RunError(f"the notebook's process ended with code {code}: {tail}")
    notebook = json.loads((work / "notebook.ipynb").read_text(encoding="utf-8"))
    code_cells = [c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    # After a killed kernel papermill saves a notebook whose cells all claim to be completed; their counts tell.
    if any(cell["execution_count"] is None for cell in code_cells):
        raise RunError("not every cell was executed")
    if failed := _failed_cell(work):
        raise RunError(failed)
    if not (work / "evidence.json").is_file():
        raise RunError("the notebook ended without study.close(), so nothing was judged")


def _failed_cell(work: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        notebook = json.loads((work / "notebook.ipynb").read_text(encoding="utf-8"))
        for index, cell in enumerate(notebook["cells"]):
            for output in cell.get("outputs", []):
                if output["output_type"] == "error":
                    return f"cell {index} failed: {output['ename']}: {output['evalue']}"
    return None


def _log_tail(work: Path) -> str:
    try:
        lines = (work / "log.txt").read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "empty log"


def _source(card: cards.Card, profile: str) -> dict[str, Any]:
    commit, dirty = _commit()
    return {"commit": commit, "dirty": dirty, "source_digest": digest.source_digest(card, profile)}


def _write_record(work: Path, card: cards.Card, source: dict[str, Any], started: datetime) -> None:
    _name_no_folder(work / "notebook.ipynb", card)
    evidence = json.loads((work / "evidence.json").read_text(encoding="utf-8"))
    provenance = evidence.pop("provenance")
    provenance.pop("seconds_in_notebook", None)
    evidence["provenance"] = {
        **source,
        **provenance,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 2),
    }
    for leftover in ("evidence.json", "job.json", "progress.json"):
        (work / leftover).unlink(missing_ok=True)
    write_atomically(work / "record.json", json.dumps(evidence, indent=1, allow_nan=False) + "\n")


def _name_no_folder(executed: Path, card: cards.Card) -> None:
    """Papermill notes where it read and wrote; a notebook that is published names no folder of the machine it ran on."""
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    notebook["metadata"]["papermill"] |= {
        "input_path": card.notebook.relative_to(paths.root()).as_posix(),
        "output_path": executed.name,
    }
    write_atomically(executed, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _commit() -> tuple[str | None, bool | None]:
    git = ["git", "-C", str(paths.root())]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return head.stdout.strip(), bool(status.stdout.strip())


def _move_into_place(work: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    work.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _set_aside(work: Path, folder: Path) -> Path | None:
    failed = folder.with_name(f"{folder.name}.failed")
    with contextlib.suppress(OSError):
        (work / "record.json").unlink(missing_ok=True)
        shutil.rmtree(failed, ignore_errors=True)
        work.rename(failed)
        return failed
    return None


def _left(failed: Path | None) -> str:
    if failed is None or not (failed / "notebook.ipynb").is_file():
        return "no record was written"
    return f"no record was written, the partial notebook is {failed / 'notebook.ipynb'}"
