"""The arrows of the architecture, read from the import statements, and what every paper's files must look like."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reprise.compendium import cards
from reprise.datasets import registry

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
NEUTRAL = {"reprise", "reprise.estimate", "reprise.progress", "reprise.provenance"}
SCIENCE = (
    "reprise.background",
    "reprise.kernels",
    "reprise.networks",
    "reprise.statistics",
    "reprise.datasets",
    "reprise.plotting",
)
COMMANDS = ("reprise.cli", "reprise.commands")
NUMERICAL = ("jax", "jaxlib", "equinox", "optax", "blackjax", "neural_tangents")
# What the command line may call for `reprise data`: it imports no JAX either (tested below).
DATA_COMMANDS = ("reprise.datasets.store", "reprise.datasets.registry", "reprise.datasets.errors")


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sorted((SOURCE / "reprise").rglob("*.py"))}


def imports(tree: ast.AST) -> set[str]:
    """Every module that a syntax tree imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            base = node.module or ""
            found.add(base)
            found |= {name for alias in node.names if (name := f"{base}.{alias.name}") in modules()}
    return found


@cache
def graph() -> dict[str, frozenset[str]]:
    return {name: frozenset(imports(ast.parse(path.read_text(), str(path)))) for name, path in modules().items()}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def offences(importers: Any, forbidden: Any) -> list[str]:
    return [
        f"{name} imports {imported}"
        for name, found in graph().items()
        if importers(name)
        for imported in sorted(found)
        if forbidden(name, imported)
    ]


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*/*.ipynb"))


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def code_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_compendium_knows_no_science_and_no_jax():
    def importers(name):
        return name in NEUTRAL or within(name, "reprise.compendium") or name.startswith(COMMANDS)

    def forbidden(name, imported):
        if imported == "reprise.datasets" or within(imported, *DATA_COMMANDS):
            return within(name, *NEUTRAL - {"reprise"}, "reprise.compendium") or name == "reprise"
        return within(imported, *SCIENCE, "reprise.papers", *NUMERICAL)

    assert not offences(importers, forbidden)


def test_neutral_modules_stand_on_the_standard_library():
    third_party = offences(
        lambda name: name in NEUTRAL - {"reprise"},
        lambda _, imported: imported.split(".")[0] not in sys.stdlib_module_names and imported not in NEUTRAL,
    )
    assert not third_party


def test_shared_science_knows_neither_papers_nor_cards():
    def forbidden(_, imported):
        return within(imported, "reprise.papers", "reprise.compendium") or imported.startswith(COMMANDS)

    assert not offences(lambda name: within(name, *SCIENCE), forbidden)


def test_statistics_need_no_jax():
    assert not offences(
        lambda name: within(name, "reprise.statistics"), lambda _, imported: within(imported, *NUMERICAL)
    )


def paper_of(name: str) -> str:
    """The paper of a module: reprise.papers.<topic>.<slug_>, without what lies deeper."""
    return ".".join(name.split(".")[:4])


def test_a_paper_imports_no_other_paper_and_no_card():
    def forbidden(name, imported):
        if within(imported, "reprise.papers"):
            return len(imported.split(".")) > 3 and paper_of(imported) != paper_of(name)
        return within(imported, "reprise.compendium") or imported.startswith(COMMANDS)

    assert not offences(lambda name: within(name, "reprise.papers"), forbidden)


def test_one_gateway_imports_neural_tangents():
    importers = {name for name, found in graph().items() if any(within(i, "neural_tangents") for i in found)}
    assert importers <= {"reprise.kernels.nt"}
    for folder in ("tests", "benchmarks", "workflow"):
        for path in (ROOT / folder).rglob("*.py"):
            found = imports(ast.parse(path.read_text()))
            assert not any(within(name, "neural_tangents") for name in found), path


@pytest.mark.parametrize("module", ["reprise", "reprise.cli", "reprise.compendium.cards", *DATA_COMMANDS])
def test_starting_imports_no_jax(module):
    """By running it: also what is imported by way of others."""
    code = f"import sys, {module}; print(*sorted({{'jax', 'jaxlib', 'neural_tangents'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


def test_files_stay_short():
    folders = ("src", "tests", "benchmarks", "workflow", "book")
    suffixes = {".py", ".js", ".css", ".html", ".jinja", ".j2", ".sh", ".ipynb", ""}
    generated = {ROOT / "book" / "records", ROOT / "book" / "papers", ROOT / "book" / "generated"}
    long = {
        str(path.relative_to(ROOT)): count
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in suffixes and not generated & set(path.parents)
        if "__pycache__" not in path.parts
        if (count := len(path.read_text().splitlines())) > 500
    }
    assert not long


def test_every_card_has_its_four_files():
    found = cards.discover(ROOT)
    assert found
    for card in found:
        module = SOURCE.joinpath(*card.module.split("."))
        assert (ROOT / "notebooks" / card.topic / f"{card.slug}.ipynb").is_file(), card.slug
        assert module.with_suffix(".py").is_file() or (module / "__init__.py").is_file(), card.slug
        assert list((ROOT / "tests" / "papers").glob(f"test_{card.slug.replace('-', '_')}*.py")), card.slug
    assert {path.stem for path in notebooks()} == {card.slug for card in found}


def test_no_list_of_papers_is_kept_anywhere():
    """A paper adds files and changes none: what configures the compendium names no paper."""
    slugs = [card.slug for card in cards.discover(ROOT)]
    written = {form for slug in slugs for form in (slug, slug.replace("-", "_"))}
    configuration = [ROOT / name for name in ("Makefile", "pyproject.toml", "_config.yml", "book/_toc.yml")]
    configuration += (ROOT / ".github").rglob("*.yml")
    for path in configuration:
        if path.exists():
            assert not [slug for slug in written if slug in path.read_text()], path
    for path in [*modules().values(), *(ROOT / "workflow").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text()
        named = [slug for slug in slugs if slug in text or slug.replace("-", "_") in text]
        assert len(named) < max(3, len(slugs)), f"{path} names every paper"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = load(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell.get("id") for cell in notebook["cells"]]
    assert all(ids)
    assert len(ids) == len(set(ids))
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert not {"papermill", "execution"} & set(cell["metadata"])
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert code_of(first).startswith("# ")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_the_parameters_cell_holds_the_quick_values(path):
    card = cards.load_card(path.with_suffix(".yml"))
    tagged = [cell for cell in load(path)["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    values = {}
    for statement in ast.parse(code_of(tagged[0])).body:
        assert isinstance(statement, ast.Assign | ast.AnnAssign), "the parameters cell holds assignments only"
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        assert isinstance(target, ast.Name)
        assert statement.value is not None
        values[target.id] = ast.literal_eval(statement.value)
    assert values == card.profiles.quick.values
    assert {name: type(value) for name, value in values.items()} == {
        name: type(value) for name, value in card.profiles.quick.values.items()
    }


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_thin(path):
    cells = [cell for cell in code_cells(load(path)) if "parameters" not in cell["metadata"].get("tags", [])]
    text = "\n".join(code_of(cell) for cell in cells)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 120
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 10, node.name
        assert not isinstance(node, ast.While)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_imports_its_own_paper_only(path):
    card = cards.load_card(path.with_suffix(".yml"))
    text = "\n".join(code_of(cell) for cell in code_cells(load(path)))
    for name in imports(ast.parse(text)):
        assert not within(name, "neural_tangents")
        if within(name, "reprise.papers") and len(name.split(".")) > 3:
            assert paper_of(name) == card.module
        if within(name, "reprise.compendium"):
            assert name == "reprise.compendium.study"


def test_nothing_unfinished_and_nothing_private_is_committed():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    unfinished = re.compile(r"\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b|NotImplemente[d]Error")  # which is not found here itself
    private = re.compile(r"/(?:home|Users|work|root)/\w+|\bfile://|\bextra-index-url\b")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not name or not path.is_file():
            continue
        if path.suffix in {".png", ".pdf", ".woff2", ".lock"}:
            continue
        text = path.read_text(errors="replace")
        assert not unfinished.search(text), name
        if not name.startswith("tests/"):  # which invent such paths to see them refused
            assert not private.search(text), (name, private.search(text))


@pytest.mark.parametrize("card", cards.discover(ROOT), ids=lambda card: card.slug)
def test_data_sets_of_a_card_have_their_official_names(card: cards.Card) -> None:
    for name, profile in card.profiles:
        assert set(profile.datasets) <= set(registry.names()), name
