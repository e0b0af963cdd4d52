"""Source and target images: what is seen without labels, what is held out, and labelled targets of other kinds."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise import datasets

SEEN, UNSEEN = (0, 1, 2, 3, 4, 5), (6, 7, 8, 9)
"""Classes of the source, and those that are kept for a target."""
OWN = {"held-out": UNSEEN, "source": SEEN}
"""Targets that are classes of the source."""
CLASSES = 10
"""Outputs of every classifier; a target with fewer classes leaves the others unused."""


class Source(NamedTuple):
    """Source images, normalised by mean and spread of the unlabelled ones.

    Attributes:
        name: of the data set.
        x: unlabelled images that teacher and distillation see.
        labels: their classes, which only label-based baselines look at.
        held_out: other images of the same classes.
        held_out_labels: their classes.
        background: the value of an empty pixel.
    """

    name: str
    x: Float[np.ndarray, "n h h"]
    labels: Int[np.ndarray, " n"]
    held_out: Float[np.ndarray, "k h h"]
    held_out_labels: Int[np.ndarray, " k"]
    background: float

    @property
    def flips(self) -> bool:
        """Whether a mirror image is an image of the same kind; digits have none."""
        return self.name == "fashion-mnist"


class Target(NamedTuple):
    """A labelled target: images and classes of three disjoint parts, normalised by mean and spread of the first."""

    x: Float[np.ndarray, "n h h"]
    y: Int[np.ndarray, " n"]
    x_val: Float[np.ndarray, "v h h"]
    y_val: Int[np.ndarray, " v"]
    x_test: Float[np.ndarray, "t h h"]
    y_test: Int[np.ndarray, " t"]


def load_source(name: str, side: int, unlabelled: int, held_out: int, *, seed: int = 0) -> Source:
    """The source's classes 0 to 5: unlabelled images, and held-out ones from the official test part where there is one.

    Raises:
        ValueError: there are not so many images.
    """
    data = datasets.load(name, **_options(name, side, seed, 0.75), classes=list(SEEN))
    x, y, x_test, y_test = data.x, data.y, data.x_test, data.y_test
    for part, have, want in (("unlabelled", len(x), unlabelled), ("held_out", len(x_test), held_out)):
        if have < want:
            raise ValueError(f"{part}: {name} has {have} such images at most, not {want}")
    rng = np.random.default_rng([seed, 1])
    rows, others = rng.permutation(len(x))[:unlabelled], rng.permutation(len(x_test))[-held_out:]
    mean, spread = float(x[rows].mean()), float(x[rows].std())
    scaled, held = ((part - mean) / spread for part in (x[rows], x_test[others]))
    return Source(name, _f32(scaled), y[rows], _f32(held), y_test[others], -mean / spread)


def load_target(
    name: str, source: str, side: int, labelled: int, validation: int, tests: int, *, seed: int = 0
) -> Target:
    """A target's parts, drawn with this seed.

    Test images come from the official test part, except for KMNIST, whose test part alone is used, and for digits.

    Args:
        name: "held-out" (classes 6 to 9 of the source), "source" (its classes 0 to 5, whose training images may be among
            the unlabelled ones), or a data set.
        source: the source's name.
        side: of the images.
        labelled: training images.
        validation: validation images.
        tests: test images.
        seed: of the draw.

    Raises:
        ValueError: there are not so many images.
    """
    options = _options(source if name in OWN else name, side, seed, 0.3)
    if name in OWN:
        data = datasets.load(source, **options, classes=list(OWN[name]))
    elif name == "kmnist":
        data = datasets.load(name, **options, part="test")
    else:
        data = datasets.load(name, **options)
    rng = np.random.default_rng([seed, 2])
    x, y = data.x, data.y
    order = rng.permutation(len(x))
    if len(data.x_test):
        x_test, y_test = data.x_test, data.y_test
    else:
        x_test, y_test = x[order[labelled + validation :]], y[order[labelled + validation :]]
    if len(x) < labelled + validation or len(x_test) < tests:
        raise ValueError(
            f"{name}: {len(x)} images for training and validation and {len(x_test)} for tests are too few for "
            f"{labelled} + {validation} and {tests}"
        )
    chosen = rng.permutation(len(x_test))[:tests]
    first, second = order[:labelled], order[labelled : labelled + validation]
    mean, spread = float(x[first].mean()), float(x[first].std())
    images = [_f32((part - mean) / spread) for part in (x[first], x[second], x_test[chosen])]
    return Target(images[0], y[first], images[1], y[second], images[2], y_test[chosen])


def _options(name: str, side: int, seed: int, training: float) -> dict[str, Any]:
    options: dict[str, Any] = {"flatten": False, "size": side}
    if name == "digits":  # no official parts: a share of the rows is for training
        options |= {"split": seed, "train_fraction": training}
    return options


def _f32(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.float32)
