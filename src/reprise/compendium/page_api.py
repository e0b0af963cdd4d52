"""The API reference, read from the source: nothing is imported, so a page needs no JAX and no kernel gets compiled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from reprise.compendium import page_docstrings
from reprise.compendium.page_model import Compendium
from reprise.compendium.page_parts import write_if_changed

PACKAGE = Path(__file__).resolve().parents[1]

# What each page documents, in order; a trailing dot takes every public module of a package.
PAGES: dict[str, tuple[str, ...]] = {
    "kernels": ("kernels.",),
    "networks": ("networks.",),
    "statistics": ("statistics.", "estimate"),
    "datasets": ("datasets.",),
    "plotting": ("plotting.", "progress"),
    "compendium": tuple(
        f"compendium.{name}"
        for name in (
            "study",
            "cards",
            "criteria",
            "verdicts",
            "records",
            "runs",
            "verify",
            "sweep",
            "citations",
            "pages",
        )
    ),
}

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_PROPERTIES = {"property", "cached_property", "functools.cached_property"}
_HIDDEN_DECORATORS = {"overload", "typing.overload", "model_validator"}


def write(book: Compendium) -> set[Path]:
    """Write what the pages under ``book/api`` include, one part for each wing; returns what is to be kept."""
    kept = set()
    for name, wanted in PAGES.items():
        modules = [path for entry in wanted for path in _modules(entry)]
        target = book.generated / f"api-{name}.md"
        write_if_changed(target, "\n\n".join(_module(path) for path in modules) + "\n")
        kept.add(target)
    return kept


def _modules(entry: str) -> Iterator[Path]:
    """The files of an entry of :data:`PAGES`; the package itself comes before its modules."""
    if not entry.endswith("."):
        path = PACKAGE.joinpath(*entry.split(".")).with_suffix(".py")
        if path.is_file():
            yield path
        return
    folder = PACKAGE / entry.rstrip(".")
    for path in sorted(folder.glob("*.py"), key=lambda p: (p.stem != "__init__", p.stem)):
        if path.stem == "__init__" or not path.stem.startswith("_"):
            yield path


def _module(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    public = list(_public(tree))
    blocks = [
        f"## `{name.removeprefix('reprise.')}`",
        f"```{{py:module}} {name}\n```",
        page_docstrings.convert(ast.get_docstring(tree) or ""),
    ]
    if len(public) > 1:
        rows = [f"[`{node.name}`](#{name}.{node.name})\n: {_first_line(node)}\n" for node in public]
        blocks.append("\n".join(rows))
    blocks += [_entry(node) for node in public]
    return "\n\n".join(block for block in blocks if block)


def _public(tree: ast.Module) -> Iterator[Documented]:
    """Functions and classes that are defined here, documented and not private, in the order of ``__all__`` if there is one."""
    exported = _exported(tree)
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, Documented) and not node.name.startswith("_") and ast.get_docstring(node) is not None
    }
    names = [name for name in exported if name in found] if exported is not None else list(found)
    yield from (found[name] for name in names)


def _exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            try:
                return [str(name) for name in ast.literal_eval(node.value)]
            except ValueError:
                return None
    return None


def _entry(node: Documented) -> str:
    if not isinstance(node, ast.ClassDef):
        return _directive("function", f"{node.name}{_signature(node)}", node, "", depth=5)
    members = []
    for member in node.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) or member.name.startswith("_"):
            continue
        decorators = {ast.unparse(d).split("(")[0] for d in member.decorator_list}
        if ast.get_docstring(member) is None or decorators & _HIDDEN_DECORATORS:
            continue
        if decorators & _PROPERTIES:
            kind = f":type: {ast.unparse(member.returns)}\n" if member.returns else ""
            members.append(_directive("property", member.name, member, kind, depth=4))
        else:
            option = ":classmethod:\n" if "classmethod" in decorators else ""
            option = ":staticmethod:\n" if "staticmethod" in decorators else option
            bound = "staticmethod" not in decorators
            members.append(
                _directive("method", f"{member.name}{_signature(member, bound=bound)}", member, option, depth=4)
            )
    return _directive("class", f"{node.name}{_fields(node)}", node, "", depth=5, inner=members)


def _directive(
    kind: str, signature: str, node: Documented, options: str, *, depth: int, inner: list[str] | None = None
) -> str:
    fence = ":" * depth
    body = "\n\n".join([page_docstrings.convert(ast.get_docstring(node) or ""), *(inner or [])])
    return f"{fence}{{py:{kind}}} {signature}\n{options}\n{body}\n{fence}"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool = False) -> str:
    text = _one_line(ast.unparse(node.args))
    if bound:
        text = re.sub(r"^(self|cls)(: [^,]+)?(, )?", "", text)
    returns = f" -> {_one_line(ast.unparse(node.returns))}" if node.returns else ""
    return f"({text}){returns}"


def _fields(node: ast.ClassDef) -> str:
    """A class's signature: that of ``__init__``, else its annotated fields, as dataclasses and Equinox modules have them."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return _signature(member, bound=True).partition(" -> ")[0]
    bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
    if bases & {"StrEnum", "Enum", "Protocol", "Exception", "BaseModel", "_Strict", "_Criterion"}:
        return ""
    fields = []
    for member in node.body:
        if (
            isinstance(member, ast.AnnAssign)
            and isinstance(member.target, ast.Name)
            and not member.target.id.startswith("_")
        ):
            default = f" = {ast.unparse(member.value)}" if member.value else ""
            fields.append(_one_line(f"{member.target.id}: {ast.unparse(member.annotation)}{default}"))
    return f"({', '.join(fields)})" if fields else ""


def _first_line(node: Documented) -> str:
    return page_docstrings.summary(ast.get_docstring(node) or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
