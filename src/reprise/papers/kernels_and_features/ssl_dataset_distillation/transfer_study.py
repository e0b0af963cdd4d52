"""Claim C4: accuracy on other data sets after fine-tuning and of linear classifiers, for every method and control."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    image_tasks,
    imitation_study,
    jobs,
    pretraining,
    teacher,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import Target
from reprise.papers.kernels_and_features.ssl_dataset_distillation.pretraining import Transfer
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import CONTROLS, FAIR, LABELLED, World

METHODS = ("no pre-training", *LABELLED, "random, teacher", "KRR-ST")
"""What is compared; the last is the method."""
HOME = "source"
"""The target that is the source with its own labels: a control, on which label-based baselines are at home. No check
counts it among the targets."""


class Accuracies(NamedTuple):
    """Test accuracies by target and method.

    Attributes:
        targets: names, without that of the source itself.
        tuned: (target, method) -> one a seed, at the learning rate with the best mean validation accuracy over seeds.
        linear: (target, method) -> one a seed.
        rates: (target, method) -> that learning rate.
    """

    targets: tuple[str, ...]
    tuned: dict[tuple[str, str], Float[np.ndarray, " seeds"]]
    linear: dict[tuple[str, str], Float[np.ndarray, " seeds"]]
    rates: dict[tuple[str, str], float]

    def of(self, *, linear: bool) -> dict[tuple[str, str], Float[np.ndarray, " seeds"]]:
        """One of the two evaluations."""
        return self.linear if linear else self.tuned


class Examples(NamedTuple):
    """Numbers of target images, and how to fine-tune."""

    labelled: int
    validation: int
    tests: int
    steps: int
    rates: tuple[float, ...]


def load_targets(
    names: Sequence[str], source: str, side: int, examples: Examples, seeds: int, *, seed: int = 0
) -> dict[tuple[str, int], Target]:
    """Every target for every seed, each with a draw of its own."""
    sizes = (examples.labelled, examples.validation, examples.tests)
    return {
        (name, i): image_tasks.load_target(name, source, side, *sizes, seed=100 * seed + i)
        for name in names
        for i in range(seeds)
    }


def evaluate(
    arch: Architecture,
    networks: Mapping[tuple[int, str], Network],
    methods: Sequence[str],
    targets: Mapping[tuple[str, int], Target],
    examples: Examples,
    label: str,
    *,
    seed: int = 0,
) -> Accuracies:
    """Accuracies of all methods on all targets; on one target and seed all see the same images in the same order."""
    work = [(name, method, i) for name, i in targets for method in methods]

    def one(job: tuple[str, str, int]) -> Transfer:
        name, method, i = job
        sizes = (examples.rates, examples.steps)
        return pretraining.transfer(arch, networks[i, method], targets[name, i], *sizes, seed=1000 * seed + i)

    found = dict(zip(work, jobs.run(one, work, label), strict=True))
    names, seeds = tuple(dict.fromkeys(n for n, _ in targets)), len({i for _, i in targets})
    tuned, linear, rates = {}, {}, {}
    for name in names:
        for method in methods:
            results = [found[name, method, i] for i in range(seeds)]
            best = int(np.mean([r.validation for r in results], axis=0).argmax())
            rates[name, method] = examples.rates[best]
            tuned[name, method] = np.asarray([r.test[best] for r in results])
            linear[name, method] = np.asarray([r.linear for r in results])
    return Accuracies(tuple(name for name in names if name != HOME), tuned, linear, rates)


def transfer_all(
    arch: Architecture,
    networks: Mapping[tuple[int, str], Network],
    targets: Mapping[tuple[str, int], Target],
    examples: Examples,
    *,
    seed: int = 0,
) -> Accuracies:
    """Accuracies of all methods, plain variants and controls for which there are networks."""
    have = {name for _, name in networks}
    methods = [name for name in (*METHODS, *FAIR, *CONTROLS) if name in have]
    return evaluate(arch, networks, methods, targets, examples, "transfer", seed=seed)


def targets_won(found: Accuracies, *, by: str = "KRR-ST", linear: bool = False) -> Estimate:
    """Share of targets on which the 95 % intervals of the differences to all label-based baselines lie above 0."""
    values = found.of(linear=linear)
    won = [
        float(
            all(_low(statistics.paired_difference(values[name, by], values[name, other])) > 0.0 for other in LABELLED)
        )
        for name in found.targets
    ]
    return Estimate.exact(float(np.mean(won)), n=len(won), method="counted over targets", samples=won)


def _low(estimate: Estimate) -> float:
    return float(np.asarray(estimate.low))


def mean_rank(found: Accuracies, *, by: str = "KRR-ST") -> Estimate:
    """Rank of the mean accuracy among no pre-training, label-based baselines and undistilled pairs; mean over targets.

    The interval comes from resampling seeds, the same ones for all methods.
    """
    others = METHODS[:-1]
    own = np.stack([found.tuned[name, by] for name in found.targets], axis=1)
    rest = np.stack([[found.tuned[name, m] for m in others] for name in found.targets])  # targets, methods, seeds
    both = np.concatenate([own[:, None, :], rest.transpose(2, 1, 0)], axis=1)  # seeds, methods, targets

    def rank(rows: np.ndarray, axis: int) -> np.ndarray:
        centre = rows.mean(axis=axis)
        above = centre[..., 1:, :] > centre[..., :1, :]
        return np.asarray(1.0 + above.sum(axis=-2).mean(axis=-1))

    return statistics.bootstrap(both, rank)


def over_no_pretraining(found: Accuracies, *, by: str = "KRR-ST") -> Estimate:
    """Gain in fine-tuned accuracy over no pre-training on the target where it is smallest, for all targets at once."""
    level = 1.0 - 0.05 / len(found.targets)
    gains = [
        statistics.paired_difference(found.tuned[n, by], found.tuned[n, "no pre-training"], level=level)
        for n in found.targets
    ]
    return min(gains, key=lambda e: float(np.asarray(e.value)))


def mean_gain(found: Accuracies, over: str, *, by: str = "KRR-ST", linear: bool = False) -> Estimate:
    """Gain in accuracy over another method, mean over targets, paired by seed."""
    values = found.of(linear=linear)
    gaps = np.mean([values[n, by] - values[n, over] for n in found.targets], axis=0)
    return statistics.paired_difference(gaps, np.zeros_like(gaps))


def advantage(found: Accuracies, name: str, others: Sequence[str]) -> Float[np.ndarray, " seeds"]:
    """Fine-tuned accuracy of KRR-ST on one target less the mean of other methods, one a seed."""
    rest = np.mean([found.tuned[name, other] for other in others], axis=0)
    gaps: np.ndarray = found.tuned[name, "KRR-ST"] - rest
    return gaps


def shrinkage(found: Accuracies) -> Estimate:
    """Advantage over the label-based baselines, mean over targets, less that on the source with its own labels."""
    away = np.mean([advantage(found, name, LABELLED) for name in found.targets], axis=0)
    return statistics.paired_difference(away, advantage(found, HOME, LABELLED))


def controls_report(found: Accuracies) -> str:
    """The advantage over label-based baselines on targets, over their plain variants, and on the source itself."""

    def away(others: Sequence[str]) -> str:
        return _points(np.mean([advantage(found, name, others) for name in found.targets], axis=0))

    text = (
        f"KRR-ST less the mean of the three label-based baselines that augment, fine-tuned, mean over targets: "
        f"{away(LABELLED[:3])} points; without their augmentation: {away(FAIR)} points."
    )
    if (HOME, "KRR-ST") not in found.tuned:
        return text
    shrunk = shrinkage(found)
    low, high = (float(np.asarray(end)) for end in (shrunk.low, shrunk.high))
    verdict = "smaller there" if low > 0.0 else "larger there" if high < 0.0 else "not told apart"
    return (
        f"{text} Less the mean of all four: {away(LABELLED)} points on the targets, "
        f"{_points(advantage(found, HOME, LABELLED))} points on the source with its own labels; the difference, "
        f"{_points(np.asarray(shrunk.samples))} points, should be above 0, and the advantage is {verdict}."
    )


def _points(samples: Float[np.ndarray, " seeds"]) -> str:
    """Mean of accuracies in percentage points, with its interval."""
    e = statistics.mean(100.0 * np.asarray(samples))
    value, low, high = (float(np.asarray(part)) for part in (e.value, e.low, e.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def teacher_report(world: World, targets: Mapping[tuple[str, int], Target]) -> str:
    """What the teacher's own features are worth on the targets, beside those of random weights: the ceiling of imitation."""
    lines = []
    for name in dict.fromkeys(n for n, _ in targets):
        found = []
        for model in (world.teacher, world.untrained):
            rates = [
                imitation_study.linear_accuracy(
                    (teacher.features(model, t.x), t.y), (teacher.features(model, t.x_test), t.y_test)
                )
                for (n, _), t in targets.items()
                if n == name
            ]
            found.append(100 * float(np.mean(rates)))
        lines.append(f"{name} {found[0]:.1f} % ({found[1]:.1f} %)")
    return (
        "Linear classifiers on the features of the teacher itself, and in brackets of random weights: "
        + ", ".join(lines)
        + "."
    )
