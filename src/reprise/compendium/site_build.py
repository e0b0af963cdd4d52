"""One call of jupyter-book, its progress passed on, its warnings kept and told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from reprise.compendium.page_model import BookError, Compendium

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"^(reading sources|writing output|copying images)\.\.\. \[\s*(\d+)%\]")
_SHOWN_PROBLEMS = 20


def build(book: Compendium, say: Callable[[str], None], *, strict: bool) -> None:
    """Build the site from the written and generated pages; reads and writes again only what has changed.

    Raises:
        BookError: jupyter-book failed, or warned while ``strict``; names the warnings and the log.
    """
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(book.root)]
    command += ["--toc", str(book.book / "_toc.yml"), "--path-output", str(book.root)]
    if strict:
        command += ["-W", "--keep-going"]
    package = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "REPRISE_ROOT": str(book.root), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    log = book.root / "_build" / "book.log"
    lines: list[str] = []
    told = before = ""
    with subprocess.Popen(
        command,
        cwd=book.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        try:
            for raw_line in process.stdout:
                line = _COLOUR.sub("", raw_line).rstrip()
                lines.append(line)
                told = _progress(line, told)
                if told != before:
                    before = told
                    say(told)
        except BaseException:
            process.kill()
            raise
        finally:
            log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if process.returncode != 0:
        # A page that failed must be read again next time, not be taken for done.
        shutil.rmtree(book.root / "_build" / ".doctrees", ignore_errors=True)
        raise BookError(_explain(lines, log, book.root))


def _progress(line: str, told: str) -> str:
    """A few words on how far Sphinx is, in steps of a quarter; what was told last where there is nothing new."""
    step = _STEP.match(line)
    if step is None:
        return told
    return f"{step[1]}: {int(step[2]) // 25 * 25} %"


def _explain(lines: list[str], log: Path, root: Path) -> str:
    problems = [line.replace(f"{root}{os.sep}", "") for line in lines if re.search(r"\b(WARNING|ERROR|SEVERE)\b", line)]
    told = problems[:_SHOWN_PROBLEMS] or lines[-_SHOWN_PROBLEMS:]
    more = f"\n  and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
    return "the book could not be built without warnings:\n  " + "\n  ".join(told) + f"{more}\n  (whole log: {log})"
