"""Tables of the chapter as Markdown, from what was computed."""

from collections.abc import Mapping, Sequence

from reprise.papers.infinite_width.wide_cnn import evidence, prediction, spectra
from reprise.papers.infinite_width.wide_cnn.experiments import STUDENT, TEACHERS, Matched, TeacherStudent
from reprise.papers.infinite_width.wide_cnn.spectra import Kind

__all__ = ["exponents", "rates", "rates_by_dimension"]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def exponents(frequencies: Sequence[int]) -> str:
    """Fitted exponents of both kernels by sector and parity, beside the theorem's."""
    names: Mapping[Kind, str] = {"ntk": "tangent", "rfk": "random features"}
    rows = []
    for kind, name in names.items():
        even, odd = (evidence.sector_exponents(STUDENT, kind, frequencies, parity) for parity in (0, 1))
        expected = [f"{spectra.exponent(STUDENT, layer, kind):g}" for layer in (1, 2, 3)]
        rows += [[name, i + 1, expected[i], even[i], odd[i]] for i in range(3)]
    return _table(["kernel", "sector", "theory", "even modes", "odd modes"], rows)


def rates(study: TeacherStudent) -> str:
    """Exponents on the three teachers: asymptotic, by the formula at the same n, measured; two students."""
    students = ("hierarchical", "fully connected")
    predicted = {name: evidence.formula_rates(study.ns, study.formula(name)) for name in students}
    measured = {name: study.measured(name) for name in students}
    rows = []
    for i, teacher in enumerate(TEACHERS):
        row: list[object] = [teacher, f"{prediction.asymptotic_rate(STUDENT, i + 1):.3f}"]
        for name in students:
            row += [f"{predicted[name][i]:.3f}", evidence.rate(study.ns, measured[name][:, i])]
        rows.append(row)
    last = f"n ≤ {study.ns[-1]}"
    head = ["teacher", "β, n → ∞", f"formula, {last}", "measured", f"fully connected, formula, {last}", "measured"]
    return _table(head, rows)


def rates_by_dimension(found: Matched) -> str:
    """Exponents of matched students and teachers by dimension, and those for one-patch teachers."""
    rows = []
    for size, errors, curve in zip(found.sizes, found.errors, found.formula(), strict=True):
        whole, single = (evidence.rate(found.ns, errors[name].total) for name in ("same", "one patch"))
        rows.append([size, f"{1 / size:.3f}", f"{evidence.formula_rates(found.ns, curve):.3f}", whole, single])
    return _table(["s", "1 / s", f"formula, n ≤ {found.ns[-1]}", "measured, whole input", "measured, one patch"], rows)
