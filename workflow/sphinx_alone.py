"""Writes the conf.py with which Sphinx and MyST-NB build the book without the jupyter-book wrapper.

The way out if jupyter-book 1.x stops working: continuous integration builds the book this way too, with the newest
Sphinx. After ``make book``, with Sphinx, MyST-NB, the theme and the book's extensions in another environment::

    .venv/bin/python workflow/sphinx_alone.py
    PYTHONPATH=src sphinx-build -W --keep-going -c _build/sphinx-alone . _build/sphinx-alone/html
"""

from __future__ import annotations

import pprint
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "sphinx-alone"
WRAPPER = ("jupyter_book", "sphinx_comments", "sphinx_jupyterbook_latex")


def main() -> None:
    """Take the wrapper's own translation of _config.yml, without the wrapper."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "config",
            "sphinx",
            str(ROOT),
            "--toc",
            str(ROOT / "book" / "_toc.yml"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    written = ROOT / "conf.py"
    settings: dict[str, object] = {}
    exec(compile(written.read_text(), str(written), "exec"), settings)
    written.unlink()
    settings.pop("__builtins__")
    extensions, bibliographies = settings["extensions"], settings.get("bibtex_bibfiles", [])
    assert isinstance(extensions, list)
    assert isinstance(bibliographies, list)
    settings["extensions"] = [name for name in extensions if name not in WRAPPER]
    settings["external_toc_path"] = str(ROOT / "book" / "_toc.yml")
    settings["bibtex_bibfiles"] = [str(ROOT / path) for path in bibliographies]
    for name in ("comments_config", "use_jupyterbook_latex", "use_multitoc_numbering"):
        settings.pop(name, None)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    lines = [f"{name} = {pprint.pformat(value)}\n" for name, value in settings.items()]
    (OUT / "conf.py").write_text("".join(lines))


if __name__ == "__main__":
    main()
