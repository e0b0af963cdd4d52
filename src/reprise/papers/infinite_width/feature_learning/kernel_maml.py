r"""First-order MAML in the kernel limits of a ReLU network: the function moves, the kernel does not.

A function is $f=\sum_iK(\cdot,x_i)c_i$ over the meta-training images. Adaptation and the meta-step both add multiples of
$K(\cdot,x)$; everything that can be learnt from other tasks has to sit in the one function from which all tasks start.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from reprise.papers.infinite_width.feature_learning.few_shot import WAYS, Pool, Tasks
from reprise.papers.infinite_width.feature_learning.maml import CLIP, INNER_RATE, TASK_BATCH, TEST_STEPS
from reprise.progress import track


class Kernel(NamedTuple):
    """A limit of the ReLU network with one hidden layer.

    Attributes:
        tangent: NTK if true, else NNGP: only the last layer learns.
        scale: factor in front.
        bias: variance of the hidden layer's biases over that of its weights.
    """

    tangent: bool
    scale: float
    bias: float

    def __call__(self, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
        """The kernel between two sets of points."""
        return self.of_products(x @ y.T, np.sum(x**2, axis=1)[:, None], np.sum(y**2, axis=1)[None])

    def of_products(self, inner: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        r"""$\frac12\lambda|\bar x||\bar y|\kappa_1(\rho)$, plus for the NTK $\frac12\lambda\,\bar x\cdot\bar y\,\kappa_0(\rho)$.

        $\bar x$ is $x$ with a further coordinate, the root of `bias`; $\rho$ is the cosine,
        $\kappa_0=1-\arccos(\rho)/\pi$ and $\kappa_1=\rho\kappa_0+\sqrt{1-\rho^2}/\pi$.

        Args:
            inner: inner products $x\cdot y$.
            first: squared norms $|x|^2$, of a shape that fits.
            second: squared norms $|y|^2$.
        """
        size = np.sqrt((first + self.bias) * (second + self.bias))
        rho = np.clip((inner + self.bias) / size, -1.0, 1.0)
        zero = 1.0 - np.arccos(rho) / np.pi
        found = size * (rho * zero + np.sqrt(1.0 - rho**2) / np.pi)
        if self.tangent:
            found += (inner + self.bias) * zero
        return np.asarray(0.5 * self.scale * found)


def adapt(
    gram: Float[np.ndarray, "tasks ten ten"], f: Float[np.ndarray, "tasks ten 5"], steps: int
) -> Float[np.ndarray, "tasks ten 5"]:
    """The function at a task's ten images after so many steps on the first five, image k of class k."""
    wanted = np.eye(WAYS)
    for _ in range(steps):
        chi = (softmax(f[:, :WAYS], axis=2) - wanted) / WAYS
        f = f - INNER_RATE * gram[:, :, :WAYS] @ chi
    return f


def products(pool: Pool, test: Tasks) -> Float[np.ndarray, "tasks ten ten"]:
    """Inner products of the tasks' images, support first."""
    images = pool.flat[np.concatenate([test.support, test.query], axis=1)].astype(np.float64)
    return np.asarray(images @ images.transpose(0, 2, 1))


def accuracy(
    kernel: Kernel, pool: Pool, test: Tasks, *, inner: np.ndarray | None = None, points: np.ndarray | None = None,
    weights: np.ndarray | None = None
) -> float:  # fmt: skip
    """Accuracy after twenty steps, from the function with `weights` at `points`, or from zero.

    Whoever tries many kernels gives the `products` of the tasks' images as `inner`.
    """
    inner = products(pool, test) if inner is None else inner
    squares = np.einsum("tii->ti", inner)
    gram = kernel.of_products(inner, squares[:, :, None], squares[:, None])
    f = np.zeros((*gram.shape[:2], WAYS))
    if points is not None and weights is not None:
        rows = np.concatenate([test.support, test.query], axis=1)
        needed, place = np.unique(rows, return_inverse=True)
        f = (kernel(pool.flat[needed].astype(np.float64), points) @ weights)[place.reshape(rows.shape)]
    return float(np.mean(adapt(gram, f, TEST_STEPS)[:, WAYS:].argmax(axis=2) == test.answers))


def meta_train(kernel: Kernel, pool: Pool, stream: Tasks, *, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Meta-train the common function; points (images, d) and weights (images, 5) of the function that was found."""
    points = pool.flat.astype(np.float64)
    gram = kernel(points, points).astype(np.float32)
    weights = np.zeros((len(points), WAYS))
    batches = len(stream.support) // TASK_BATCH
    for k in range(batches):
        some = slice(k * TASK_BATCH, (k + 1) * TASK_BATCH)
        rows = np.concatenate([stream.support[some], stream.query[some]], axis=1)
        f = (gram[rows.ravel()] @ weights.astype(np.float32)).reshape(*rows.shape, WAYS)
        f = adapt(gram[rows[:, :, None], rows[:, None]], f, 1)[:, WAYS:]
        chi = (softmax(f, axis=2) - np.eye(WAYS)[stream.answers[some]]) / WAYS
        asked, errors = stream.query[some].ravel(), chi.reshape(-1, WAYS)
        norm = np.sqrt(np.sum(errors * (gram[np.ix_(asked, asked)] @ errors)))
        np.subtract.at(weights, asked, rate * min(1.0, CLIP / norm) * errors)
    return points, weights


SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
BIASES = (0.0, 0.3, 3.0, 30.0)


def candidates(pool: Pool, validation: Tasks, *, tangent: bool) -> list[Kernel]:
    """For each scale the kernel with the best bias variance, by accuracy on validation tasks from zero; best first."""
    norm = float(np.mean(np.sum(pool.flat**2, axis=1)))
    inner = products(pool, validation)
    best = []
    for scale in track(SCALES, "kernel scales"):
        grid = [Kernel(tangent, scale * WAYS / norm, bias * norm) for bias in BIASES]
        scores = [accuracy(kernel, pool, validation, inner=inner) for kernel in grid]
        best.append((max(scores), grid[int(np.argmax(scores))]))
    return [kernel for _, kernel in sorted(best, key=lambda pair: -pair[0])]


RATES = (0.1, 0.01)


def tuned_for_training(
    kernels: Sequence[Kernel], pool: Pool, lessons: Tasks, held_out: Pool, validation: Tasks
) -> tuple[Kernel, float]:
    """The kernel and meta-learning rate of the highest accuracy on validation tasks after meta-training.

    A kernel that is best from zero can be unstable from any other start, if its scale or bias is large.
    """
    found = []
    for kernel in track(kernels, "meta-trained kernels"):
        for rate in RATES:
            points, weights = meta_train(kernel, pool, lessons, rate=rate)
            score = accuracy(kernel, held_out, validation, points=points, weights=weights)
            found.append((score, kernel, rate))
    return max(found, key=lambda entry: entry[0])[1:]
