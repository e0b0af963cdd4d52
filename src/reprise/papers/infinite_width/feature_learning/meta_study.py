r"""Claim C5: few-shot accuracy of the feature-learning limit, of finite networks and of kernels on the same tasks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import few_shot, kernel_maml, maml
from reprise.papers.infinite_width.feature_learning.few_shot import Pool, Split
from reprise.papers.infinite_width.feature_learning.maml import INFINITE, Hyper
from reprise.progress import track

RECORDS = 5


class MetaStudy(NamedTuple):
    """Test accuracies, one row a seed.

    Attributes:
        widths: widths, the last of them infinite (0).
        tasks: meta-training tasks seen at each record, from 0.
        accuracy: (seeds, widths, records).
        frozen: infinite width, first layer frozen in both loops: the linear kernel, (seeds, records).
        shuffled: infinite width, answers of the meta-training tasks permuted, (seeds, records).
        kernels: ReLU NNGP and NTK, meta-trained, (seeds, 2).
        untrained: the same from the zero function, each with the hyperparameters that are best there, (seeds, 2).
        pixels: nearest neighbour in pixel space, (seeds,).
    """

    widths: list[int]
    tasks: np.ndarray
    accuracy: np.ndarray
    frozen: np.ndarray
    shuffled: np.ndarray
    kernels: np.ndarray
    untrained: np.ndarray
    pixels: np.ndarray

    @property
    def limit(self) -> np.ndarray:
        """Infinite width after meta-training, (seeds,)."""
        return np.asarray(self.accuracy[:, -1, -1])

    @property
    def best_kernel(self) -> np.ndarray:
        """The kernel method of the highest mean accuracy, meta-trained or not, (seeds,)."""
        every = np.concatenate([self.kernels, self.untrained, self.frozen[:, [0, -1]]], axis=1)
        return np.asarray(every[:, int(np.argmax(every.mean(axis=0)))])

    def over_kernels(self) -> tuple[Estimate, Estimate]:
        """Accuracy above the best kernel: of the limit, and of the limit with a frozen first layer."""
        return (
            statistics.paired_difference(self.limit, self.best_kernel),
            statistics.paired_difference(self.frozen[:, -1], self.best_kernel),
        )

    def gains(self) -> tuple[Estimate, Estimate]:
        """What meta-training adds at infinite width, with true and with permuted answers."""
        start = self.accuracy[:, -1, 0]
        return statistics.paired_difference(self.limit, start), statistics.paired_difference(
            self.shuffled[:, -1], start
        )

    def below_limit(self, index: int) -> Estimate:
        """By how much a finite width misses the limit."""
        return statistics.paired_difference(self.limit, self.accuracy[:, index, -1])


def data(name: str, *, seed: int) -> Split:
    """Omniglot or its synthetic stand-in."""
    return few_shot.omniglot(seed=seed) if name == "omniglot" else few_shot.synthetic(seed=seed)


def hyper(width: int, *, tuned: bool) -> Hyper:
    """The paper's hyperparameters for Omniglot, those of the nearest width that it tuned; or one choice for all widths."""
    if not tuned:
        return maml.COMMON
    if width == INFINITE or width >= 512:
        return maml.WIDE
    return maml.TUNED[min(maml.TUNED, key=lambda tuned: abs(np.log(tuned / width)))]


def study(
    split: Split,
    widths: Sequence[int],
    *,
    batches: int,
    kernel_batches: int,
    kernel_classes: int,
    test_tasks: int,
    seed: int,
    seeds: int,
    as_paper: bool = False,
) -> MetaStudy:
    """Meta-train every width, both controls and both kernels on each seed's own stream of tasks.

    With `as_paper` every width has the hyperparameters that the paper found for it on Omniglot, else all have the same.
    """
    every = [*widths, INFINITE]
    inputs = split.train.images.shape[-1]
    small = inputs + few_shot.WAYS if inputs <= 128 else None  # one shape for all widths where that is cheap
    rows: dict[str, list[object]] = {name: [] for name in MetaStudy._fields[2:]}
    count = batches * maml.TASK_BATCH
    tuning = few_shot.tasks(split.validation, test_tasks, seed=seed, stream=1)
    choices = [kernel_maml.candidates(split.validation, tuning, tangent=tangent) for tangent in (False, True)]
    some = Pool(split.plain.images[:kernel_classes])

    def lessons(s: int, stream: int, batches: int) -> few_shot.Tasks:
        return few_shot.tasks(some, batches * maml.TASK_BATCH, seed=s, stream=stream)

    short = lessons(seed, 5, max(1, kernel_batches // 4))
    trained = [kernel_maml.tuned_for_training(best, some, short, split.validation, tuning) for best in choices]
    for s in range(100 * seed, 100 * seed + seeds):
        test = few_shot.tasks(split.test, test_tasks, seed=s, stream=2)
        stream = few_shot.tasks(split.train, count, seed=s, stream=3)

        def curve(
            width: int, tasks: few_shot.Tasks = stream, moves: float = 1.0, s: int = s, test: few_shot.Tasks = test
        ) -> list[float]:
            chosen = hyper(width, tuned=as_paper)
            net = maml.start(width, inputs, chosen, seed=s, rows=small)
            label = f"MAML, {'infinite' if width == INFINITE else width}"
            found = maml.meta_train(net, split.train, tasks, chosen, moves=moves, records=RECORDS, label=label)
            return [maml.accuracy(each, split.test, test, chosen, moves=moves) for each in found]

        rows["accuracy"].append([curve(width) for width in every])
        rows["frozen"].append(curve(INFINITE, moves=0.0))
        rows["shuffled"].append(curve(INFINITE, few_shot.tasks(split.train, count, seed=s, stream=3, shuffled=True)))
        scores = []
        for kernel, rate in track(trained, "kernel MAML"):
            points, weights = kernel_maml.meta_train(kernel, some, lessons(s, 4, kernel_batches), rate=rate)
            scores.append(kernel_maml.accuracy(kernel, split.test, test, points=points, weights=weights))
        rows["kernels"].append(scores)
        rows["untrained"].append([kernel_maml.accuracy(best[0], split.test, test) for best in choices])
        rows["pixels"].append(few_shot.nearest_neighbour(split.test, test))
    seen = np.linspace(0, count, RECORDS + 1)
    return MetaStudy(every, seen, **{name: np.array(values, dtype=float) for name, values in rows.items()})


def reading(meta: MetaStudy) -> str:
    """Markdown: accuracies before and after meta-training, in percent."""
    rows = [
        (f"width {n}" if n else "infinite width", meta.accuracy[:, i, 0], meta.accuracy[:, i, -1])
        for i, n in enumerate(meta.widths)
    ]
    rows.append(("infinite width, first layer frozen", meta.frozen[:, 0], meta.frozen[:, -1]))
    rows.append(("infinite width, permuted answers", meta.shuffled[:, 0], meta.shuffled[:, -1]))
    rows += [(f"ReLU {name}", meta.untrained[:, k], meta.kernels[:, k]) for k, name in enumerate(("NNGP", "NTK"))]
    lines = ["| | before meta-training | after |", "|---|---|---|"]
    lines += [f"| {name} | {_percent(before)} | {_percent(after)} |" for name, before, after in rows]
    lines.append(f"| nearest neighbour of pixels | {_percent(meta.pixels)} | |")
    return "\n".join([*lines, "", "Test accuracy in percent, ± 95 % interval over repetitions."])


def _percent(values: np.ndarray) -> str:
    found = statistics.mean(100 * values)
    return f"{found.value:.1f} ± {0.5 * (found.high - found.low):.1f}"  # type: ignore[operator]
