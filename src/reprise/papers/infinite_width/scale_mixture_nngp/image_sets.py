"""Images to learn from, and images that are none of their kind: other sets, rotated and noisy copies."""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from reprise import datasets
from reprise.kernels.gram import gram
from reprise.papers.infinite_width.scale_mixture_nngp import architectures

FOREIGN = {"mnist": ("fashion-mnist", "kmnist"), "fashion-mnist": ("mnist", "kmnist"), "digits": ()}
CORRUPTIONS = ("rotation", "noise")
SEVERITIES = (1, 3, 5)
_DEGREES = (15.0, 30.0, 45.0, 60.0, 75.0)
_NOISE = (0.1, 0.2, 0.3, 0.4, 0.5)


class Images(NamedTuple):
    """Images of unit scale with labels; labels are None where the classes are others."""

    x: Float[np.ndarray, "n h w"]
    labels: Int[np.ndarray, " n"] | None


class Task(NamedTuple):
    """Disjoint parts of one set, and the images from elsewhere by name."""

    name: str
    train: Images
    valid: Images
    test: Images
    elsewhere: dict[str, Images]


def load_task(name: str, seed: int, *, train: int, valid: int, test: int, size: int) -> Task:
    """Draw the parts with this seed; a corruption at all severities makes one set of images, with the true labels.

    KMNIST is used through its test part alone. Foreign images keep no label: their classes are others.
    """
    options: dict[str, Any] = {"flatten": False, "size": size, "seed": seed}
    if name == "digits":
        options |= {"split": seed, "train_fraction": 0.7}
    data = datasets.load(name, n_train=train + valid, n_test=test, **options)
    x_test, y_test = data.x_test.astype(float), data.y_test
    rng = np.random.default_rng(seed)
    elsewhere = {}
    for other in FOREIGN[name]:
        found = datasets.load(other, part="test", n_train=test, flatten=False, size=size, seed=seed)
        elsewhere[other] = Images(found.x.astype(float), None)
    for kind in CORRUPTIONS:
        copies = [corrupt(x_test, kind, level, rng) for level in SEVERITIES]
        elsewhere[kind] = Images(np.concatenate(copies), np.tile(y_test, len(SEVERITIES)))
    x = data.x.astype(float)
    return Task(
        name, Images(x[:train], data.y[:train]), Images(x[train:], data.y[train:]), Images(x_test, y_test), elsewhere
    )


def corrupt(
    x: Float[np.ndarray, "n h w"], kind: str, level: int, rng: np.random.Generator
) -> Float[np.ndarray, "n h w"]:
    """Copies turned by 15 to 75 degrees, to either side, or with added Gaussian noise of 0.1 to 0.5; level 1 to 5.

    >>> corrupt(np.zeros((2, 4, 4)), "rotation", 5, np.random.default_rng(0)).max()
    np.float64(0.0)
    """
    if kind == "rotation":
        turned = ndimage.rotate(x, _DEGREES[level - 1], axes=(1, 2), reshape=False, order=1)
        back = ndimage.rotate(x, -_DEGREES[level - 1], axes=(1, 2), reshape=False, order=1)
        return np.where(rng.uniform(size=(len(x), 1, 1)) < 0.5, turned, back)
    return np.clip(x + _NOISE[level - 1] * rng.normal(size=x.shape), 0.0, 1.0)


WEIGHT, BIAS = 2.0**0.5, 0.1


class Kernel(NamedTuple):
    """A network kernel on images, standardised by the training images' mean and spread."""

    name: str  # mlp or conv
    hidden: int
    centre: float
    unit: float

    def prepare(self, x: Float[np.ndarray, "n h w"]) -> np.ndarray:
        """Standardise; flatten for fully connected networks."""
        z = (x - self.centre) / self.unit
        return z if self.name == "conv" else z.reshape(len(z), -1)

    def between(self, p: Float[np.ndarray, "n h w"], q: Float[np.ndarray, "m h w"]) -> np.ndarray:
        """Kernel matrix, by blocks."""
        rule = architectures.conv if self.name == "conv" else architectures.mlp
        block = partial(rule, hidden=self.hidden, w_std=WEIGHT, b_std=BIAS)
        size = 100 if self.name == "conv" else 1024
        return np.asarray(gram(block, self.prepare(p), self.prepare(q), block=size))

    def diagonal(self, p: Float[np.ndarray, "n h w"]) -> np.ndarray:
        """Kernel of each image with itself."""
        rule = architectures.conv_variance if self.name == "conv" else architectures.mlp_variance
        return np.asarray(rule(jnp.asarray(self.prepare(p)), hidden=self.hidden, w_std=WEIGHT, b_std=BIAS))
