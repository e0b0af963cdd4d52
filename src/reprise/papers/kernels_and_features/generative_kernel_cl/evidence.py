"""From runs to estimates: what each check of the card is judged by, and its control."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.generative_kernel_cl.protocol import Runs, average, forgetting
from reprise.papers.kernels_and_features.generative_kernel_cl.study import (
    BARE,
    FINE_TUNED,
    FORGETFUL,
    GENERATED,
    MIXED,
    VARIATIONAL,
    Found,
)

Pair = tuple[Estimate, Estimate]
SHIFTS = ("permuted", "rotated")


def standard_error(values: Float[np.ndarray, " seeds"]) -> float:
    """Of the mean of independent values.

    >>> standard_error(np.asarray([1.0, 3.0]))
    1.0
    """
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def at_least_as_good(ours: Float[np.ndarray, " seeds"], theirs: Float[np.ndarray, " seeds"]) -> Estimate:
    """Mean of ours less theirs, plus one standard error of theirs: at least 0 if ours is not worse by more than that."""
    return statistics.paired_difference(ours + standard_error(theirs), theirs)


def judged(found: dict[str, Found]) -> Found:
    """The split set that stands in for SplitCIFAR100: the last one."""
    return [f for f in found.values() if f.stream.disjoint][-1]


def benchmarks(found: dict[str, Found]) -> dict[str, Found]:
    """The three benchmarks of the paper: that split set, permuted and rotated images."""
    split = judged(found)
    return {split.stream.name: split} | {name: found[name] for name in SHIFTS}


def a_tenth(found: Found) -> Pair:
    """C1: a tenth of the samples, generated, against all of them stored; control with their labels permuted.

    Raises:
        ValueError: a tenth of the largest memory was not run.
    """
    few = found.memories[-1] // 10
    if (GENERATED, few) not in found.runs:
        raise ValueError(f"memories must hold a tenth of the last, {few}, got {list(found.memories)}")
    theirs, ours = found.of(VARIATIONAL).final, found.of(GENERATED, few)
    return at_least_as_good(ours.final, theirs), at_least_as_good(_permuted(ours), theirs)


def equal_memory(found: Found, memory: int | None = None) -> Pair:
    """C1: as many generated as stored samples; control with the labels of the generated ones permuted."""
    ours, theirs = found.of(GENERATED, memory), found.of(VARIATIONAL, memory).final
    return (
        statistics.paired_difference(ours.final, theirs),
        statistics.paired_difference(_permuted(ours), theirs),
    )


def small_memories(found: Found, most: int = 5) -> Pair:
    """C1: the smallest of these differences up to five samples a class, and the largest of the controls."""
    pairs = [equal_memory(found, n) for n in found.memories if n <= most]
    return worst([p for p, _ in pairs]), worst([c for _, c in pairs], largest=True)


def reaching(found: Found) -> int | None:
    """The least number of generated samples whose mean accuracy comes within a standard error of all stored ones."""
    theirs = found.of(VARIATIONAL).final
    least = theirs.mean() - standard_error(theirs)
    return next((n for n in found.memories if found.of(GENERATED, n).final.mean() >= least), None)


def rehearsal(found: dict[str, Found]) -> Pair:
    """C2: forgetting with rehearsal less that without; control: without rehearsal, one half of the draws and the other."""

    def one(f: Found) -> Estimate:
        return statistics.paired_difference(f.of(GENERATED).forgetting, f.of(FORGETFUL).forgetting)

    def same(f: Found) -> Estimate:
        table = f.of(FORGETFUL).found
        return statistics.paired_difference(forgetting(table["even"]), forgetting(table["odd"]))

    return _over(found, one, largest=True), _over(found, same, largest=True)


def less_than_fine_tuning(found: dict[str, Found]) -> Pair:
    """C2: forgetting less that of fine-tuning; control: the generator that doesn't rehearse."""

    def one(f: Found, method: str) -> Estimate:
        return statistics.paired_difference(f.of(method).forgetting, f.of(FINE_TUNED).forgetting)

    return _both(found, one, largest=True)


def first_task(found: dict[str, Found]) -> Pair:
    """C2: what is left of the first task's accuracy above chance; control: the generator that doesn't rehearse."""

    def left(f: Found, method: str) -> Estimate:
        table, chance = f.of(method).found["accuracy"], 1.0 / f.stream.classes
        return statistics.mean((table[:, -1, 0] - chance) / (table[:, 0, 0] - chance))

    return _both(found, left)


def contrast(found: dict[str, Found], quantity: str) -> Pair:
    """C3: gain of the contrastive term in a quantity of the last row, second best of the benchmarks; control: random labels."""
    gains = {name: contrast_gains(f, quantity) for name, f in found.items()}
    measured, control = (sorted((g[i] for g in gains.values()), key=_low)[-2] for i in (0, 1))
    return measured, control


def contrast_gains(found: Found, quantity: str) -> Pair:
    """The same on one benchmark."""
    bare = average(found.of(BARE).found[quantity])
    true, mixed = (average(found.of(m).found[quantity]) for m in (GENERATED, MIXED))
    return statistics.paired_difference(true, bare), statistics.paired_difference(mixed, bare)


def shifted_images(found: dict[str, Found]) -> Pair:
    """C5: against stored samples on permuted and rotated images; control: the generator that doesn't rehearse."""

    def one(f: Found, method: str) -> Estimate:
        return at_least_as_good(f.of(method).final, f.of(VARIATIONAL).final)

    return _both({name: found[name] for name in SHIFTS}, one)


def better_than_fine_tuning(found: dict[str, Found]) -> Pair:
    """C5: against fine-tuning on three benchmarks; control: tasks that don't differ."""

    def gain(f: Found) -> Estimate:
        return statistics.paired_difference(f.of(GENERATED).final, f.of(FINE_TUNED).final)

    return _over(benchmarks(found), gain), gain(found["unshifted"])


def worst(estimates: Sequence[Estimate], *, largest: bool = False) -> Estimate:
    """The estimate with the smallest (or largest) value: if it meets a bound from that side beyond doubt, so do all."""
    pick = max if largest else min
    return pick(estimates, key=lambda e: float(np.asarray(e.value)))


def _over(found: dict[str, Found], one: Callable[[Found], Estimate], *, largest: bool = False) -> Estimate:
    return worst([one(f) for f in found.values()], largest=largest)


def _both(found: dict[str, Found], one: Callable[[Found, str], Estimate], *, largest: bool = False) -> Pair:
    """The method and the generator that doesn't rehearse, each where it does worst."""

    def at(method: str) -> Estimate:
        return worst([one(f, method) for f in found.values()], largest=largest)

    return at(GENERATED), at(FORGETFUL)


def _low(estimate: Estimate) -> float:
    return float(np.asarray(estimate.low))


def _permuted(runs: Runs) -> Float[np.ndarray, " seeds"]:
    return average(runs.found["permuted"])
