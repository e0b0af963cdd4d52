"""Support vector machines on kernel matrices, and the classical baselines, all by scikit-learn.

The artificial data are separable, so their machine has a large finite penalty and nothing to choose. Every other machine
chooses kernel and penalty by four-fold cross-validation on the training points, from eight candidates (a linear one has
only its penalty to choose, from two).
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

HARD = 1e4
"""The penalty of an almost hard margin."""
PENALTIES = (1.0, 100.0)
WIDTHS = (0.1, 0.5, 2.5, 12.5)
"""Gamma of the Gaussian kernel over the inverse variance of the coordinates."""
SCALES = (1.0, 1 / 4, 1 / 16, 1 / 64)
"""Shares of the full turn onto which ordinary data are scaled for a kernel of states."""
MOST_STEPS = 100_000
"""Steps after which a machine on an indefinite matrix is stopped."""
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
Points = Float[np.ndarray, "p n"]
Labels = Float[np.ndarray, " p"]


def accuracy(
    gram: Float[np.ndarray, "p p"],
    y: Labels,
    rows: Float[np.ndarray, "q p"],
    y_test: Float[np.ndarray, " q"],
    penalty: float = HARD,
) -> float:
    """Test accuracy of a machine on a kernel matrix; `rows` holds the kernel of test with training points.

    Raises:
        ValueError: the test matrix is not of shape (test, training); a square one that is transposed cannot be told.
    """
    if rows.shape != (len(y_test), len(y)):
        raise ValueError(f"rows: shape (test, training) = {(len(y_test), len(y))} is expected, not {rows.shape}")
    return float((decision(gram, y, rows, penalty) * y_test > 0).mean())


def decision(
    gram: Float[np.ndarray, "p p"], y: Labels, rows: Float[np.ndarray, "q p"], penalty: float = HARD
) -> Float[np.ndarray, " q"]:
    """Decision values of a machine on a kernel matrix."""
    machine = SVC(C=penalty, kernel="precomputed", max_iter=MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an indefinite matrix (a control) need not converge
        machine.fit(gram, y)
    return np.asarray(machine.decision_function(rows))


class Chosen:
    """A machine on one of several kernels; kernel and penalty by cross-validation on the training points.

    Args:
        kernels: the candidates, each from two lists of points to the matrix between them.
    """

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self.kernels = kernels

    def fit(self, x: Points, y: Labels, seed: int = 0) -> "Chosen":
        """Choose and fit; among equals the first candidate and the smallest penalty."""
        folds, best = _folds(x, y, seed), -1.0
        for kernel in self.kernels:
            gram = kernel(x, x)
            for penalty in PENALTIES:
                held = [
                    accuracy(gram[np.ix_(fit, fit)], y[fit], gram[np.ix_(out, fit)], y[out], penalty) * len(out)
                    for fit, out in folds
                ]
                if sum(held) > best:
                    best, self.kernel, self.penalty = sum(held), kernel, penalty
        self.x, self.y, self.gram = x, y, self.kernel(x, x)
        return self

    def decision(self, x: Points) -> Float[np.ndarray, " p"]:
        """Decision values at new points."""
        return decision(self.gram, self.y, self.kernel(x, self.x), self.penalty)

    def score(self, x: Points, y: Labels) -> float:
        """Accuracy at new points."""
        return float((self.decision(x) * y > 0).mean())


def _folds(x: Points, y: Labels, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(StratifiedKFold(4, shuffle=True, random_state=seed).split(x, y))


def scaled(kernel: Kernel, scales: Sequence[float] = SCALES) -> list[Kernel]:
    """The kernel at several scales of its inputs."""
    return [lambda x, y, scale=scale: kernel(scale * x, scale * y) for scale in scales]  # type: ignore[misc]


def gaussian(x: Points, y: Labels, seed: int = 0) -> Chosen:
    """A Gaussian kernel; width and penalty by cross-validation."""
    inverse = 1.0 / float(x.var(axis=0).mean())
    return Chosen([partial(rbf_kernel, gamma=width * inverse) for width in WIDTHS]).fit(x, y, seed)


def logistic(x: Points, y: Labels, seed: int = 0) -> Pipeline:
    """Logistic regression on standardised coordinates; penalty by cross-validation."""
    search = GridSearchCV(LogisticRegression(), {"C": PENALTIES}, cv=_folds(x, y, seed))
    return make_pipeline(StandardScaler(), search).fit(x, y)
