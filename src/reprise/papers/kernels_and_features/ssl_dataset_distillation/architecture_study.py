"""Claim C5: other architectures, pre-trained on the same small sets."""

from collections.abc import Mapping, Sequence

import numpy as np

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    convnets,
    imitation_study,
    jobs,
    pretraining,
    transfer_study,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.image_tasks import Target
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import Pairs, Sets, World
from reprise.papers.kernels_and_features.ssl_dataset_distillation.transfer_study import Accuracies, Examples

SHUFFLED = "shuffled pixels"
COMPARED = ("no pre-training", "random, labels", "random, teacher", "KRR-ST", SHUFFLED)
"""What is compared; the last is the control."""
MLP_WIDTH = 64


def architecture(kind: str, channels: Sequence[int], side: int) -> Architecture:
    """Another kind of network, with as many blocks of as many channels; the fully connected one has two hidden layers."""
    if kind == "mlp":
        return Architecture("mlp", (MLP_WIDTH, MLP_WIDTH), side)
    if kind not in ("vgg", "resnet"):
        raise ValueError(f"architectures: 'mlp', 'vgg' or 'resnet', which distillation never saw, not {kind!r}")
    return Architecture("vgg" if kind == "vgg" else "resnet", tuple(channels), side)


def shuffle_pixels(pairs: Pairs, *, seed: int) -> Pairs:
    """Pixels of each image in an order of its own; targets stay."""
    flat = pairs[0].reshape(len(pairs[0]), -1)
    moved = np.random.default_rng([seed, 6]).permuted(flat, axis=1)
    return moved.reshape(pairs[0].shape), pairs[1]


def generalise(
    world: World,
    kinds: Sequence[str],
    channels: Sequence[int],
    sets: Sequence[Sets],
    targets: Mapping[tuple[str, int], Target],
    examples: Examples,
    steps: int,
    regression_rate: float,
    label_rate: float,
    *,
    seed: int = 0,
) -> dict[str, Accuracies]:
    """Accuracies of each other architecture."""
    found = {}
    for kind in kinds:
        arch = architecture(kind, channels, world.source.x.shape[1])
        methods = [m for m in COMPARED if m in (COMPARED[0], SHUFFLED) or m in sets[0].pairs]
        work = [(i, name) for i in range(len(sets)) for name in methods[1:]]

        def one(job: tuple[int, str], arch: Architecture = arch) -> Network:
            i, name = job
            pairs = shuffle_pixels(sets[i].pairs["KRR-ST"], seed=seed) if name == SHUFFLED else sets[i].pairs[name]
            lesson = imitation_study.lesson_of(world, name, regression_rate, label_rate)
            return pretraining.pretrain(arch, lesson, *pairs, steps, seed=[seed, 22, i])

        networks = dict(zip(work, jobs.run(one, work, f"pre-training ({kind})"), strict=True))
        for i in range(len(sets)):
            networks[i, COMPARED[0]] = convnets.create(arch, world.wanted.shape[1], [seed, 22, i])
        found[kind] = transfer_study.evaluate(
            arch, networks, methods, targets, examples, f"transfer ({kind})", seed=seed
        )
    return found


def mean_gain(found: Mapping[str, Accuracies], over: str, *, by: str = "KRR-ST") -> Estimate:
    """Gain in fine-tuned accuracy, mean over architectures and targets, paired by seed."""
    gaps = [a.tuned[name, by] - a.tuned[name, over] for a in found.values() for name in a.targets]
    centre = np.mean(gaps, axis=0)
    return statistics.paired_difference(centre, np.zeros_like(centre))
