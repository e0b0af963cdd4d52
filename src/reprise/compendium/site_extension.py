"""The book's Sphinx extension: its look, MathJax without a network, and what the theme leaves undone.

Plain Sphinx: it works under jupyter-book 1.x and under Sphinx with MyST-NB alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from reprise.compendium import site_markup

THEME = Path(__file__).parent / "theme"
MATHJAX = "mathjax/tex-chtml-full.js"
# The renderer with all of TeX, its fonts, and what MathJax's own accessibility menu asks for.
_MATHJAX_PARTS = ("tex-chtml-full.js", "output/chtml", "a11y", "sre/mathmaps/base.json", "sre/mathmaps/en.json")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", _configure)
    app.connect("env-updated", _pages_to_write)
    app.connect("html-page-context", _note_mathematics, priority=100)
    app.connect("html-page-context", _mend, priority=950)
    app.connect("build-finished", _copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Sphinx, config: Config) -> None:
    config.html_static_path = [*config.html_static_path, str(THEME / "static")]
    config.templates_path = [str(THEME / "layout"), *config.templates_path]
    config.mathjax_path = MATHJAX
    for number, name in enumerate(("fonts", "base", "evidence", "pages", "collections", "print")):
        app.add_css_file(f"{name}.css", priority=900 + number)
    app.add_js_file("reprise.js", loading_method="defer", priority=900)


def _pages_to_write(_app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write every page again when the contents or the look have changed: each page shows both."""
    titles = sorted((name, title.astext()) for name, title in env.titles.items())
    look = hashlib.sha256(repr(titles).encode())
    for path in sorted(THEME.glob("[ls]*/*.*")):
        look.update(path.read_bytes())
    digest = look.hexdigest()
    changed = getattr(env, "reprise_look", None) not in (None, digest)
    env.reprise_look = digest  # type: ignore[attr-defined]
    return sorted(env.all_docs) if changed else []


def _note_mathematics(app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Have MathJax loaded where generated HTML or a title in the sidebar holds mathematics, which Sphinx does not see."""
    in_titles = any(title.next_node(nodes.math) for title in app.env.titles.values())
    if in_titles or 'class="math' in context.get("body", ""):
        app.env.get_domain("math").data["has_equations"][page] = True


def _mend(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    if "body" in context:
        context["body"] = site_markup.mend_body(context["body"])
    contents = context.get("generate_toctree_html")
    if contents is not None:
        context["generate_toctree_html"] = lambda *args, **options: site_markup.mend_contents(
            str(contents(*args, **options))
        )


def _copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise RuntimeError("the package sphinx-mathjax-offline is not installed; run make to set up .venv")
    source = Path(found.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in _MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)
