"""Images with labels, one draw a seed, for the trained networks."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise import datasets

CLASSES = 10


class Task(NamedTuple):
    """Training, validation and test images as rows, standardised, with labels; the last two parts are never trained on."""

    x: Float[np.ndarray, "n d"]
    y: Int[np.ndarray, " n"]
    x_val: Float[np.ndarray, "v d"]
    y_val: Int[np.ndarray, " v"]
    x_test: Float[np.ndarray, "t d"]
    y_test: Int[np.ndarray, " t"]


def load_task(name: str, examples: list[int], *, classes: list[int] | None = None, seed: int = 0) -> Task:
    """Draw a task.

    Args:
        name: "digits", or a set with an official test part.
        examples: numbers of training, validation and test images.
        classes: keep these alone; they become 0, 1, ...
        seed: of the draw.

    Raises:
        ValueError: not three numbers.
    """
    if len(examples) != 3:
        raise ValueError(f"examples: training, validation and test images, three numbers, not {examples}")
    n, valid, test = examples
    options: dict[str, Any] = {
        "n_train": n + valid,
        "n_test": test,
        "dtype": "float32",
        "scale": "standard",
        "seed": seed,
    }
    if name == "digits":
        options |= {"split": seed, "train_fraction": 0.7}
    if classes is not None:
        options["classes"] = classes
    data = datasets.load(name, **options)
    y, y_test = np.asarray(data.y, dtype=np.int32), np.asarray(data.y_test, dtype=np.int32)
    return Task(data.x[:n], y[:n], data.x[n:], y[n:], data.x_test, y_test)


def batches(n: int, batch: int, steps: int, rng: np.random.Generator) -> Int[np.ndarray, "steps batch"]:
    """Rows of every step: fresh permutations, of which a remainder is left out.

    Raises:
        ValueError: the batch is larger than the set.
    """
    if batch > n:
        raise ValueError(f"batch: at most the {n} training images, not {batch}")
    each = n // batch
    epochs = -(-steps // each)
    drawn = [rng.permutation(n)[: each * batch].reshape(each, batch) for _ in range(epochs)]
    return np.concatenate(drawn)[:steps].astype(np.int32)
