"""Support vector machines on kernel matrices, and the classical baselines, all by scikit-learn.

The artificial data are separable, so their machine has a large finite penalty and nothing to choose. Every baseline
chooses its parameters by five-fold cross-validation on the training points, from twenty candidates each.
"""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

HARD = 1e4
"""The penalty of an almost hard margin."""
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
WIDTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Gamma of the Gaussian kernel over the inverse variance of the coordinates."""
SCALES = (1.0, 0.5, 0.25, 0.125, 0.0625)
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


def _folds(seed: int) -> StratifiedKFold:
    return StratifiedKFold(5, shuffle=True, random_state=seed)


def gaussian(x: Points, y: Labels, seed: int = 0) -> GridSearchCV:
    """A Gaussian kernel; width and penalty by cross-validation."""
    widths = [w / float(x.var(axis=0).mean()) for w in WIDTHS]
    grid = {"C": PENALTIES, "gamma": widths}
    return GridSearchCV(SVC(max_iter=MOST_STEPS), grid, cv=_folds(seed)).fit(x, y)


def logistic(x: Points, y: Labels, seed: int = 0) -> GridSearchCV:
    """Logistic regression on standardised coordinates; penalty by cross-validation."""
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": np.logspace(-3, 3, 20)}
    return GridSearchCV(pipe, grid, cv=_folds(seed)).fit(x, y)


class OfStates:
    """A machine on a kernel of states; the scale of the inputs and the penalty by cross-validation.

    Args:
        kernel: from two lists of points to the matrix between them.
        scales: factors of the inputs that are tried.
    """

    def __init__(self, kernel: Kernel, scales: tuple[float, ...] = SCALES) -> None:
        self.kernel, self.scales = kernel, scales

    def fit(self, x: Points, y: Labels, seed: int = 0) -> "OfStates":
        """Choose and fit."""
        found = []
        for scale in self.scales:
            gram = self.kernel(scale * x, scale * x)
            machine = SVC(kernel="precomputed", max_iter=MOST_STEPS)
            search = GridSearchCV(machine, {"C": PENALTIES}, cv=_folds(seed)).fit(gram, y)
            found.append((search.best_score_, scale, search))
        _, self.scale, self.machine = max(found, key=lambda entry: entry[0])
        self.x = x
        return self

    def score(self, x: Points, y: Labels) -> float:
        """Accuracy at new points."""
        return float(self.machine.score(self.kernel(self.scale * x, self.scale * self.x), y))
