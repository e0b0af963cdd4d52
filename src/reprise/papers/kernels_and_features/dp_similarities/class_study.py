"""C5: accuracy and processor time of the similarity classifier and of DP-SGD, on the same features.

The rival's plan is chosen from a fixed grid on a held-out quarter of the training set, for each budget anew, and neither
the search nor its privacy is charged to it; the time of one run with the chosen plan is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.papers.kernels_and_features.dp_similarities import accounting
from reprise.papers.kernels_and_features.dp_similarities.classifiers import (
    PLANS,
    Linear,
    Plan,
    Similarity,
    fit_dp_sgd,
    fit_similarity,
)
from reprise.papers.kernels_and_features.dp_similarities.clocks import processor_seconds
from reprise.papers.kernels_and_features.dp_similarities.encoders import Encoded
from reprise.papers.kernels_and_features.dp_similarities.ledger import Ledger

Table = Float[np.ndarray, "seeds epsilons"]
DELTA = 1e-5
NO_NOISE = 1e4
"""Budget at which the noise of a class sum is below a hundredth of a record."""
BROKEN = 0.01
"""Budget of the control, at which nothing can be learnt."""


@dataclass(frozen=True)
class Comparison:
    """Accuracies and seconds for fitting and predicting, one row a seed, one column a budget."""

    name: str
    epsilons: tuple[float, ...]
    plans: tuple[Plan, ...]
    similarity: Table
    rival: Table
    drowned: Table
    shuffled: Float[np.ndarray, " seeds"]
    similarity_seconds: Table
    rival_seconds: Table
    noiseless: tuple[float, float]
    search: int


def search_runs(data: Encoded) -> int:
    """Runs of each plan in the search."""
    return max(1, 4000 // len(data.train))


def choose(data: Encoded, epsilon: float, seed: int) -> Plan:
    """The plan with the best mean accuracy on a quarter that was held out; the fewer records, the more runs."""
    rng = np.random.default_rng([seed, 50])
    order = rng.permutation(len(data.train))
    fit, held = order[len(order) // 4 :], order[: len(order) // 4]

    def score(plan: Plan) -> float:
        runs = [
            fit_dp_sgd(data.train[fit], data.labels[fit], data.classes, epsilon, DELTA, plan, rng)
            for _ in range(search_runs(data))
        ]
        return float(np.mean([m.predict(data.train[held]) == data.labels[held] for m in runs]))

    return max(PLANS, key=score)


@on_one_thread
def compare(data: Encoded, epsilons: Sequence[float], seeds: int, seed: int) -> Comparison:
    """Run both classifiers and the controls, `seeds` times at each budget."""
    for plan in PLANS:  # the accountant's search is no part of training
        for epsilon in epsilons:
            accounting.dp_sgd_noise(plan.rate, plan.steps, epsilon, DELTA)
    for epsilon in (*epsilons, BROKEN):
        accounting.gaussian_sigma(epsilon, DELTA)
    with progress.task(f"Plans for {data.name}", len(epsilons)) as advance:
        plans = []
        for epsilon in epsilons:
            plans.append(choose(data, epsilon, seed))
            advance(1)
    rng = np.random.default_rng([seed, 51])
    shape = (seeds, len(epsilons))
    right, rival, drowned = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    seconds, rival_seconds, shuffled = np.zeros(shape), np.zeros(shape), np.zeros(seeds)
    for i in progress.track(range(seeds), f"Classifiers on {data.name}"):
        for j, (epsilon, plan) in enumerate(zip(epsilons, plans, strict=True)):
            right[i, j], seconds[i, j] = _timed(data, partial(_similar, data, data.labels, epsilon, rng))
            rival[i, j], rival_seconds[i, j] = _timed(data, partial(_rival, data, epsilon, plan, rng))
            drowned[i, j] = _accuracy(data, _similar(data, data.labels, BROKEN, rng))
        shuffled[i] = _accuracy(data, _similar(data, rng.permutation(data.labels), max(epsilons), rng))
    free = fit_dp_sgd(data.train, data.labels, data.classes, epsilons[-1], DELTA, plans[-1], rng, noise=0.0)
    noiseless = _accuracy(data, _similar(data, data.labels, NO_NOISE, rng)), _accuracy(data, free)
    return Comparison(
        data.name, tuple(epsilons), tuple(plans), right, rival, drowned, shuffled, seconds, rival_seconds,
        noiseless, search_runs(data),
    )  # fmt: skip


def _similar(data: Encoded, labels: np.ndarray, epsilon: float, rng: np.random.Generator) -> Similarity:
    return fit_similarity(data.train, labels, data.classes, epsilon, DELTA, rng)


def _rival(data: Encoded, epsilon: float, plan: Plan, rng: np.random.Generator) -> Linear:
    return fit_dp_sgd(data.train, data.labels, data.classes, epsilon, DELTA, plan, rng)


def _accuracy(data: Encoded, model: Similarity | Linear) -> float:
    return float((model.predict(data.test) == data.test_labels).mean())


def _timed(data: Encoded, fit: Callable[[], Similarity | Linear]) -> tuple[float, float]:
    outcome: list[float] = []
    seconds = processor_seconds(lambda: outcome.append(_accuracy(data, fit())))
    return outcome[-1], seconds


def speed(found: Sequence[Comparison], *, itself: bool = False) -> Estimate:
    """Seconds of DP-SGD over seconds of the similarity classifier, geometric mean over budgets, of the best data set.

    With `itself` the similarity classifier of one half of the seeds is compared with that of the other (control).
    """
    best: list[Estimate] = []
    for c in found:
        ours = np.log(c.similarity_seconds).mean(axis=1)
        half = len(ours) // 2
        gap = ours[:half] - ours[half : 2 * half] if itself else np.log(c.rival_seconds).mean(axis=1) - ours
        e = statistics.mean(gap)
        low, value, high = (float(np.exp(np.asarray(v))) for v in (e.low, e.value, e.high))
        best.append(Estimate(value, low, high, n=e.n, method="geometric mean, t interval of logarithms"))
    return max(best, key=lambda e: e.value)


def worst_gap(c: Comparison, ours: Table) -> Estimate:
    """Accuracy of `ours` minus that of DP-SGD at the budget where it is smallest, simultaneous over budgets."""
    gap = ours - c.rival
    centre, half = statistics.simultaneous(gap, level=0.95, method="bonferroni", seed=0)
    return Estimate(
        float(centre.min()), float((centre - half).min()), float((centre + half).min()), n=len(gap),
        method="smallest of the budgets' mean differences, simultaneous t intervals",
    )  # fmt: skip


def accuracy_gap(found: Sequence[Comparison], *, drowned: bool = False) -> Estimate:
    """`worst_gap` on the data set where it is best; `drowned` takes noise for a budget of `BROKEN` (control)."""
    return max((worst_gap(c, c.drowned if drowned else c.similarity) for c in found), key=lambda e: e.value)


def learnt(found: Sequence[Comparison], *, shuffled: bool = False) -> Estimate:
    """Accuracy at the largest budget, on the data set where it is lowest; `shuffled` trains on shuffled labels."""
    columns = [c.shuffled if shuffled else c.similarity[:, int(np.argmax(c.epsilons))] for c in found]
    return min((statistics.mean(column) for column in columns), key=lambda e: e.value)


@on_one_thread
def allowed(variants: Iterable[tuple[str, Encoded]]) -> str:
    """What features allow: accuracies of both classifiers without any noise, as a table."""
    rng, plan = np.random.default_rng(52), PLANS[-1]
    lines = ["| data | features | averages | logistic regression |", "|---|---|---|---|"]
    for kind, data in progress.track(variants, "Features without noise"):
        means = _accuracy(data, _similar(data, data.labels, NO_NOISE, rng))
        linear = fit_dp_sgd(data.train, data.labels, data.classes, 1.0, DELTA, plan, rng, noise=0.0)
        lines.append(f"| {data.name} | {kind} | {means:.3f} | {_accuracy(data, linear):.3f} |")
    return "\n".join(lines)


def account(spent: Ledger, found: Sequence[Comparison]) -> None:
    """Note down all releases of the comparisons, the rival's search and the controls among them."""
    for c in found:
        runs, total, number = len(c.similarity), sum(c.epsilons), len(c.epsilons)
        spent.spend("similarity, all budgets", c.name, total, number * DELTA, runs)
        spent.spend("DP-SGD, all budgets", c.name, total, number * DELTA, runs)
        spent.spend("DP-SGD, search of plans", c.name, total, number * DELTA, c.search * len(PLANS))
        spent.spend("control: drowned in noise", c.name, BROKEN, DELTA, runs * number)
        spent.spend("control: shuffled labels", c.name, max(c.epsilons), DELTA, runs)


def reading(found: Sequence[Comparison]) -> str:
    """Accuracies, times and the rival's plans, as a table."""
    lines = [
        "| data | ε | similarity | DP-SGD | ms | ms, DP-SGD | its sampling rate, steps, learning rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in found:
        for j, (epsilon, plan) in enumerate(zip(c.epsilons, c.plans, strict=True)):
            ms, rival_ms = (1e3 * np.median(t[:, j]) for t in (c.similarity_seconds, c.rival_seconds))
            lines.append(
                f"| {c.name} | {epsilon:g} | {c.similarity[:, j].mean():.3f} | {c.rival[:, j].mean():.3f} "
                f"| {ms:.2f} | {rival_ms:.1f} | {plan.rate:g}, {plan.steps}, {plan.learning:g} |"
            )
        lines.append(f"| {c.name} | no noise | {c.noiseless[0]:.3f} | {c.noiseless[1]:.3f} | | | |")
    return "\n".join(lines)
