r"""Two private classifiers on fixed unit-norm features: nearest average similarity, and logistic regression by DP-SGD.

**Similarity.** For each class c release $\tilde v_c=\sum\psi+N(0,\sigma^2I)$ and $\tilde n_c$. Classes are disjoint, so one
record changes one row, and that row, the count scaled by $w$, by $\sqrt{1+w^2}$ in L2. Predicted is the class of smallest
average squared distance $2-2\,\psi(y)^\top\tilde v_c/\tilde n_c$.

**DP-SGD.** Softmax regression from zero, Poisson sampling, each record's gradient clipped to norm 1, Gaussian noise. The
gradient of a record is $(p-e_y)\otimes(\psi,1)$, whose norm is a product, so clipping costs next to nothing: this is
DP-SGD at its fastest. Both run in NumPy.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from reprise.papers.kernels_and_features.dp_similarities import accounting

Matrix = Float[np.ndarray, "rows columns"]
Labels = Int[np.ndarray, " rows"]
COUNT_WEIGHT = 0.5
"""Scale of the count beside a unit vector in the release of a class."""
SPREAD = 0.1
"""Public guess by how much class sizes differ, relative to their mean; noisy counts are weighed against it."""
ROW_SENSITIVITY = float(np.sqrt(1.0 + COUNT_WEIGHT**2))


class Plan(NamedTuple):
    """Hyper-parameters of DP-SGD: share of the data in a batch, steps, learning rate."""

    rate: float
    steps: int
    learning: float


PLANS = tuple(Plan(q, t, lr) for q, t in ((1.0, 5), (1.0, 30), (0.1, 100), (0.1, 400)) for lr in (1.0, 4.0, 16.0))
"""The fixed grid of the rival."""


def unit_rows(x: Matrix) -> Matrix:
    """Rows divided by their norms, so that one record weighs at most 1."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def class_sums(psi: Matrix, labels: Labels, classes: int) -> Matrix:
    """Sums of features of each class, with the scaled count in the last column, without noise."""
    indicator = (labels[None, :] == np.arange(classes)[:, None]).astype(psi.dtype)
    return np.concatenate([indicator @ psi, COUNT_WEIGHT * indicator.sum(axis=1, keepdims=True)], axis=1)


def release(
    sums: Matrix, epsilon: float, delta: float, rng: np.random.Generator, *, sensitivity: float = ROW_SENSITIVITY
) -> Matrix:
    """Class sums with Gaussian noise from the exact calibration."""
    return sums + sensitivity * accounting.gaussian_sigma(epsilon, delta) * rng.standard_normal(sums.shape)


@dataclass(frozen=True)
class Similarity:
    """The released class sums, the public n over the number of classes, and the standard deviation of the counts' noise."""

    noisy: Matrix
    expected: float
    count_noise: float

    @property
    def sizes(self) -> Float[np.ndarray, " classes"]:
        """Noisy counts, drawn towards the expected one as far as their noise exceeds `SPREAD`, and clipped."""
        trust = (SPREAD * self.expected) ** 2 / ((SPREAD * self.expected) ** 2 + self.count_noise**2)
        sizes = self.expected + trust * (self.noisy[:, -1] / COUNT_WEIGHT - self.expected)
        return np.maximum(sizes, self.expected / 4.0)

    def predict(self, psi: Matrix) -> Labels:
        """Class of the smallest average squared distance."""
        return np.argmax(psi @ (self.noisy[:, :-1] / self.sizes[:, None]).T, axis=1)


def fit_similarity(
    psi: Matrix, labels: Labels, classes: int, epsilon: float, delta: float, rng: np.random.Generator
) -> Similarity:
    """The private classifier."""
    noisy = release(class_sums(psi, labels, classes), epsilon, delta, rng)
    count_noise = ROW_SENSITIVITY * accounting.gaussian_sigma(epsilon, delta) / COUNT_WEIGHT
    return Similarity(noisy, len(psi) / classes, count_noise)


@dataclass(frozen=True)
class Linear:
    """Weights of softmax regression, the bias in the last row."""

    weights: Matrix

    def predict(self, psi: Matrix) -> Labels:
        """Class of the largest score."""
        return np.argmax(psi @ self.weights[:-1] + self.weights[-1], axis=1)


def fit_dp_sgd(
    psi: Matrix,
    labels: Labels,
    classes: int,
    epsilon: float,
    delta: float,
    plan: Plan,
    rng: np.random.Generator,
    *,
    noise: float | None = None,
) -> Linear:
    """DP-SGD with the noise multiplier that the budget demands (or a given one, for tests)."""
    multiplier = accounting.dp_sgd_noise(plan.rate, plan.steps, epsilon, delta) if noise is None else noise
    x = np.concatenate([psi, np.ones((len(psi), 1))], axis=1)
    length = np.linalg.norm(x, axis=1)
    weights = np.zeros((x.shape[1], classes))
    expected = plan.rate * len(x)
    for _ in range(plan.steps):
        chosen = np.flatnonzero(rng.random(len(x)) < plan.rate) if plan.rate < 1.0 else slice(None)
        batch, size = x[chosen], length[chosen]
        scores = batch @ weights
        gap = np.exp(scores - scores.max(axis=1, keepdims=True))
        gap /= gap.sum(axis=1, keepdims=True)
        gap[np.arange(len(batch)), labels[chosen]] -= 1.0
        gap /= np.maximum(np.linalg.norm(gap, axis=1) * size, 1.0)[:, None]
        step = batch.T @ gap + multiplier * rng.standard_normal(weights.shape)
        weights -= plan.learning / expected * step
    return Linear(weights)
