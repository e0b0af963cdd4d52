"""Explicit repeated fitting: every step solves the ridge problem anew for its mixed targets.

Nothing here decomposes a kernel matrix into eigenvectors, and nothing knows a closed form of more than one step.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from sklearn.kernel_ridge import KernelRidge

from reprise.papers.kernels_and_features.self_distillation.problems import Kernel, Problem


def by_scikit_learn(
    problem: Problem, kernel: Kernel, ridge: float, weights: Sequence[float], *, times: float = 1.0
) -> Float[np.ndarray, "steps t c"]:
    """Predictions at the test points of every step, each fitted by scikit-learn from inputs and mixed targets.

    There the penalty is called alpha. `times` multiplies it (another control: a ridge that grows with the data).
    """
    teacher, seen = problem.y, []
    for step, weight in enumerate(weights):
        targets = problem.y if step == 0 else weight * problem.y + (1.0 - weight) * teacher
        student = KernelRidge(alpha=times * ridge, **kernel.options).fit(problem.x, targets)
        teacher = student.predict(problem.x)
        seen.append(student.predict(problem.x_test))
    return np.stack(seen)


class Refitter:
    """One kernel matrix and ridge, to be fitted to many targets: a Cholesky factor in place of a new one each time.

    >>> print(Refitter(np.eye(2), 1.0).fit(np.array([[1.0], [2.0]])).ravel())
    [0.5 1. ]
    """

    def __init__(self, gram: Float[np.ndarray, "n n"], ridge: float) -> None:
        """Factorise the matrix with the ridge on its diagonal, O(N³)."""
        self.gram, self.ridge = gram, ridge
        self.factor = cho_factor(gram + ridge * np.eye(len(gram)), lower=True, check_finite=False)

    def coefficients(self, targets: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        r"""$(K+\lambda)^{-1}$ targets, O(N²) a column."""
        return np.asarray(cho_solve(self.factor, targets, check_finite=False))

    def fit(
        self, targets: Float[np.ndarray, "n c"], k_test: Float[np.ndarray, "t n"] | None = None
    ) -> Float[np.ndarray, "t c"]:
        """Predictions of the model fitted to these targets, at test points or (if None) at its own."""
        return np.asarray((self.gram if k_test is None else k_test) @ self.coefficients(targets))

    def repeat(
        self,
        y: Float[np.ndarray, "n c"],
        weight: float | Float[np.ndarray, " c"],
        steps: int,
        k_test: Float[np.ndarray, "t n"] | None = None,
    ) -> Float[np.ndarray, "steps t c"]:
        """The predictor of every step at one weight, or at one weight for each column of targets."""
        teacher, seen = y, []
        for _ in range(steps):
            coefficients = self.coefficients(weight * y + (1.0 - weight) * teacher)
            teacher = self.gram @ coefficients
            seen.append(teacher if k_test is None else k_test @ coefficients)
        return np.stack(seen)
