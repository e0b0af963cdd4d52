"""The child process of a run: papermill executes one notebook here, and nothing else happens.

Called by :mod:`reprise.compendium.runs` as ``python -m reprise.compendium.execute JOB.json``; a process of its own so that
the parent can time it out, kill it with its kernel, and judge what it left.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

import psutil
from traitlets.config import Config

from reprise.compendium.kinds import EXIT_CELL_FAILED, EXIT_KERNEL_DIED

log = logging.getLogger(__name__)


def main(job_file: str) -> int:
    """Execute the notebook that the job file describes; the exit code says how it ended."""
    # The validator of notebooks would build a grammar of addresses at its import, which takes a second and which no
    # notebook needs; it does without where the module is not there.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    import papermill
    from papermill.exceptions import PapermillException

    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    # Sockets in files have no ports to race for when many notebooks start at once. They need a folder of their own:
    # left to itself, jupyter_client puts those of all kernels into the working directory under one name.
    sockets = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / "kernel"
    # After the last cell all is on disk: a kernel that is told to stop at once ends a second sooner than one that tidies up.
    config = Config(
        {
            "KernelManager": {"transport": "ipc", "ip": str(sockets)},
            "NotebookClient": {"shutdown_kernel": "immediate"},
        }
    )
    try:
        papermill.execute_notebook(
            job["notebook"],
            job["output"],
            parameters=job["parameters"],
            kernel_name="python3",
            language="python",
            cwd=job["cwd"],
            progress_bar=False,
            log_output=True,
            start_timeout=120,
            autosave_cell_every=5,
            config=config,
        )
    except PapermillException as error:
        log.info("cell failed: %s", error)
        return EXIT_CELL_FAILED
    except Exception as error:  # noqa: BLE001 (nbclient has several errors for a kernel that is gone)
        log.info("kernel died: %s: %s", type(error).__name__, error)
        return EXIT_KERNEL_DIED
    return 0


def _end_with(parent: int) -> None:
    """End kernel and process once the parent is gone: killed outright, it cannot do that itself."""
    while os.getppid() == parent:
        time.sleep(1.0)
    with contextlib.suppress(psutil.Error):
        for descendant in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                descendant.kill()
    os._exit(EXIT_KERNEL_DIED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
