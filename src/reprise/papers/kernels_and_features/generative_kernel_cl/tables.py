"""What the notebook says in words and tables."""

from collections.abc import Sequence

import numpy as np

from reprise import statistics
from reprise.papers.kernels_and_features.generative_kernel_cl import costs, evidence, stored
from reprise.papers.kernels_and_features.generative_kernel_cl.protocol import Runs, average
from reprise.papers.kernels_and_features.generative_kernel_cl.study import (
    DECODED,
    FINE_TUNED,
    FORGETFUL,
    GENERATED,
    JOINT,
    REHEARSED,
    Found,
)

METHODS = (JOINT, GENERATED, *stored.KERNELS, REHEARSED, FINE_TUNED, FORGETFUL)
NAMES = {k: f"stored, {k}" for k in stored.KERNELS} | {FORGETFUL: "generated, no rehearsal"}


def name(method: str) -> str:
    """How a method is called in tables and figures."""
    return NAMES.get(method, method)


def points(values: np.ndarray) -> str:
    """Mean of shares in per cent with the half-width of its 95 % interval."""
    found = statistics.mean(100.0 * np.asarray(values))
    return f"{float(np.asarray(found.value)):.1f} ± {0.5 * float(np.asarray(found.high) - np.asarray(found.low)):.1f}"


def methods(found: dict[str, Found]) -> str:
    """Accuracy and forgetting of every method on every benchmark, as a Markdown table."""
    shown = {n: f for n, f in found.items() if n != "unshifted"}
    lines = ["| method | " + " | ".join(shown) + " |", "|---|" + "---|" * len(shown)]
    for method in METHODS:
        cells = [f"{points(f.of(method).final)} ({100 * f.of(method).forgetting.mean():.1f})" for f in shown.values()]
        lines.append(f"| {name(method)} | " + " | ".join(cells) + " |")
    chance = " | ".join(f"{100 / f.stream.classes:.0f}" for f in shown.values())
    return "\n".join([*lines, f"| chance | {chance} |"]) + (
        "\n\nMean accuracy after the last task in per cent with the half-width of its 95 % interval over seeds, and in "
        "brackets mean forgetting in points. Methods with samples use the largest number."
    )


def memory(found: Found) -> str:
    """How few generated samples suffice."""
    least, top = evidence.reaching(found), found.memories[-1]
    reached = (
        "no number of generated samples"
        if least is None
        else f"**{least}** generated sample{'s' * (least > 1)} a class"
    )
    return f"On {found.stream.name}, {reached} come within one standard error of {top} stored ones with variational features."


def union(found: dict[str, Found]) -> str:
    """Accuracy where the task is not given: among the classes of all tasks."""
    shown = {n: f for n, f in found.items() if f.stream.disjoint}
    lines = ["| method | " + " | ".join(shown) + " |", "|---|" + "---|" * len(shown)]
    for method in METHODS:
        cells = [points(average(f.of(method).found["union"])) for f in shown.values()]
        lines.append(f"| {name(method)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "| chance | " + " | ".join("10" for _ in shown) + " |"])


def variants(found: dict[str, Found]) -> str:
    """Other classifiers from the same generator: class means, nearest sample, decoded samples."""
    lines = ["| benchmark | ridge | prior means | nearest sample | decoded samples |", "|---|---|---|---|---|"]
    for title, f in found.items():
        if title == "unshifted":
            continue
        runs: Runs = f.of(GENERATED)
        cells = [points(average(runs.found[key])) for key in ("accuracy", "means", "nearest")]
        top = f.memories[-1]
        cells.append(points(f.of(DECODED).final) if (DECODED, top) in f.runs else "not run")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chosen(found: dict[str, Found]) -> str:
    """Numbers chosen on validation images of the first two tasks."""
    lines = [
        "| benchmark | rate | weight of classification | weight of contrast | rates of stored samples | rates of networks |",
        "|---|---|---|---|---|---|",
    ]
    for title, f in found.items():
        if title == "unshifted":
            continue
        plan = f.chosen[GENERATED]
        kernels = ", ".join(f"{f.chosen[k].rate:g}" for k in stored.KERNELS)
        nets = ", ".join(f"{f.chosen[k].rate:g}" for k in (FINE_TUNED, JOINT))
        lines.append(f"| {title} | {plan.rate:g} | {plan.weight:g} | {plan.contrast:g} | {kernels} | {nets} |")
    return "\n".join(lines)


def cost(found: Found, timed: Sequence[tuple[str, costs.Steps]]) -> str:
    """Ratios of operations and time of each variant, and where the generator's memory breaks even."""
    lines = ["| samples | operations | time |", "|---|---|---|"]
    for title, s in timed:
        lines.append(f"| {title} | {float(np.asarray(s.share.value)):.3f} | {s.time()} |")
    least, top = found.memories[0], found.memories[-1]
    even = [(n, costs.break_even(found, n)) for n in (least, top)]
    words = "; ".join(
        f"{n} a class: " + ("never" if np.isinf(t) else f"from {int(np.ceil(t))} tasks on") for n, t in even
    )
    return "\n".join(lines) + f"\n\nThe generator takes less room than stored samples of {words}."
