"""Which files a paper's numbers depend on, and one digest of their meaning.

The digest ignores comments, docstrings and layout: it hashes syntax trees, the notebook's code cells and the part of the
card that decides verdicts. Prose can thus be mended without a record's numbers seeming to be of older code. Of the
profiles it holds the one that ran: a smaller ``quick`` does not age what ``standard`` found. Of the data sets it holds
those that this profile names, with their readers: one more set, or one more reader, ages no record.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from reprise.compendium import paths
from reprise.compendium.cards import Card
from reprise.compendium.environment import NUMERICAL

# What shows and stores evidence is left out: it changes no number. What judges it is kept.
_JUDGES = ("study", "criteria", "verdicts", "parameters")

# Where data sets are listed, where their readers are, the module that has a table of these, and that table's name.
_REGISTRY = Path("datasets", "registry")
_READERS = "reprise.datasets.readers"
_LOADING = Path("datasets", "loading.py")
_TABLE = "READERS"

# What decides the arrays that a set gives; titles, licences and addresses do not.
_DECISIVE = ("name", "reader", "classes", "image", "table", "sha256", "files")


def reached_files(slug: str, root: Path | None = None, *, readers: Collection[str] | None = None) -> list[Path]:
    """Every file of the package that the notebook reaches by imports, data files of reached packages included.

    Of the readers of data sets only ``readers`` are followed, if given. The lists of data sets are not among the files:
    see `data_entries`. Deterministic and sorted; read from syntax alone, so that nothing is imported.
    """
    top = root or paths.root()
    notebooks = sorted((top / "notebooks").glob(f"*/{slug}.ipynb"))
    source = top / "src"
    queue = [path for nb in notebooks for path in _imported(_notebook_tree(nb), source, package="")]
    queue += [source / "reprise" / "compendium" / f"{name}.py" for name in _JUDGES]
    reached: set[Path] = set()
    while queue:
        path = queue.pop()
        if path in reached or not path.is_file():
            continue
        relative = path.relative_to(source / "reprise")
        if relative.parts[0] == "compendium" and relative.stem not in _JUDGES:
            continue
        reached.add(path)
        package = ".".join(path.relative_to(source).parent.parts)
        tree = _parsed(path, source, readers)
        queue += _imported(tree, source, package=package)
    without = {source / "reprise", source / "reprise" / _REGISTRY}
    for directory in {path.parent for path in reached if path.name == "__init__.py"} - without:
        reached |= {p for p in directory.iterdir() if p.is_file() and p.suffix in (".yml", ".mplstyle", ".json")}
    return sorted(reached)


def data_entries(datasets: Collection[str], root: Path | None = None) -> list[dict[str, Any]]:
    """What the registry says of these data sets (names or aliases) that decides their arrays, sorted by name."""
    folder = (root or paths.root()) / "src" / "reprise" / _REGISTRY
    wanted, found = set(datasets), []
    for file in sorted(folder.glob("*.yml")) if wanted else ():
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
            if not wanted & {entry["name"], *entry.get("aliases", ())}:
                continue
            if listed := entry.get("files_from"):
                known = json.loads((folder / listed).read_text(encoding="utf-8"))
                inside = entry["folder"] + "/"
                entry["files"] = [{"name": k, **v} for k, v in known.items() if k.startswith(inside)]
            files = [{key: item[key] for key in ("name", "sha256")} for item in entry.pop("files", ())]
            found.append({key: value for key in _DECISIVE if (value := {**entry, "files": files}.get(key))})
    return sorted(found, key=lambda entry: str(entry["name"]))


def source_digest(card: Card, profile: str) -> str:
    """One digest of what a run's numbers depend on.

    That is the notebook's code, the judging part of the card with the values of this profile, the reached modules, the
    data sets of this profile and the locked numerical packages.
    """
    top = paths.root()
    digest = hashlib.sha256()

    def add(label: str, content: str) -> None:
        digest.update(f"{label}\0{content}\0".encode())

    add("notebook", _outline(_notebook_tree(card.notebook)))
    judged = card.model_dump(mode="json", include={"parameters"})
    judged["profile"] = card.profile(profile).model_dump(mode="json", exclude={"minutes", "stands_in_for"})
    for parameter in judged["parameters"].values():
        parameter.pop("meaning"), parameter.pop("unit")
    judged["checks"] = [
        [claim.id, claim.profile, check.name, check.profile, check.criterion.model_dump(mode="json")]
        + ([check.weaker.model_dump(mode="json")] if check.weaker else [])
        for claim in card.claims
        for check in claim.checks
    ]
    add("card", json.dumps(judged, sort_keys=True))
    entries = data_entries(card.profile(profile).datasets, top)
    add("data", json.dumps(entries, sort_keys=True))
    readers = {entry["reader"] for entry in entries}
    for path in reached_files(card.slug, top, readers=readers):
        python = path.suffix == ".py"
        content = _outline(_parsed(path, top / "src", readers)) if python else path.read_text(encoding="utf-8")
        add(path.relative_to(top).as_posix(), content)
    for line in locked_versions(top / "requirements.lock"):
        add("lock", line)
    return digest.hexdigest()


def locked_versions(lock: Path) -> list[str]:
    """The lock's lines of the numerical packages, hashes left out."""
    if not lock.is_file():
        return []
    pattern = re.compile(r"^([A-Za-z0-9_.-]+)==\S+")
    lines = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        found = pattern.match(line)
        if found and found[1].lower().replace("_", "-") in NUMERICAL:
            lines.append(line.rstrip(" \\"))
    return sorted(lines)


def _notebook_tree(path: Path) -> ast.Module:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    body: list[ast.stmt] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code" or "parameters" in cell.get("metadata", {}).get("tags", []):
            continue
        text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("%", "!")))
        body += ast.parse(plain).body
    return ast.Module(body=body, type_ignores=[])


def _parsed(path: Path, source: Path, readers: Collection[str] | None) -> ast.Module:
    """A module's syntax; that of the loader without the readers, and their rows of its table, that are not in use."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if readers is None or path != source / "reprise" / _LOADING:
        return tree
    others: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == _TABLE and isinstance(node.value, ast.Dict):
            rows = list(zip(node.value.keys, node.value.values, strict=True))
            kept = [(k, v) for k, v in rows if isinstance(k, ast.Constant) and k.value in readers]
            others = {ast.unparse(v) for _, v in rows} - {ast.unparse(v) for _, v in kept}
            node.value.keys, node.value.values = [k for k, _ in kept], [v for _, v in kept]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == _READERS:
            node.names = [alias for alias in node.names if alias.name not in others]
    return tree


def _imported(tree: ast.AST, source: Path, package: str) -> Iterator[Path]:
    """The files that a syntax tree's import statements name, packages on the way included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "reprise":
                yield from _files(name, source)


def _files(name: str, source: Path) -> Iterator[Path]:
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        path = source.joinpath(*parts[:depth])
        yield path / "__init__.py"
        yield path.with_suffix(".py")


def _outline(tree: ast.AST) -> str:
    """A syntax tree as text, the same on every Python that we support: no positions, docstrings or empty fields."""
    return json.dumps(_plain(tree), separators=(",", ":"))


def _plain(node: Any) -> Any:
    if isinstance(node, ast.AST):
        fields = {name: _plain(value) for name, value in ast.iter_fields(node)}
        body = fields.get("body")
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            fields["body"] = body[1:] if ast.get_docstring(node, clean=False) is not None else body
        kept = {name: value for name, value in fields.items() if value not in (None, []) and name != "kind"}
        return [type(node).__name__, kept]
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, (str, int, bool)) or node is None:
        return node
    return repr(node)
