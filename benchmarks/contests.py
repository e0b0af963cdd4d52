"""What is measured against what: one contest a row of the results, with the goal that it must meet."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Contest:
    """Two benchmarks (names of test functions) and a goal.

    ``speedup``: their time over ours must be at least ``goal``. ``overhead``: our time over theirs must be at most
    ``goal``. ``seconds``: our time must be at most ``goal`` (no counterpart).
    """

    name: str
    ours: str
    theirs: str | None
    against: str
    kind: Literal["speedup", "overhead", "seconds"]
    goal: float


CONTESTS = (
    Contest(
        name="Gram matrix of a ReLU NTK, 4000 points of 784 features, 4 layers",
        ours="test_gram_of_reprise",
        theirs="test_gram_by_jitted_neural_tangents",
        against="neural-tangents kernel_fn, jitted",
        kind="speedup",
        goal=1.0,
    ),
    Contest(
        name="Gram matrix of a ReLU NTK, 4000 points of 784 features, 4 layers",
        ours="test_gram_of_reprise",
        theirs="test_gram_by_neural_tangents_batch",
        against="neural-tangents nt.batch",
        kind="speedup",
        goal=2.0,
    ),
    Contest(
        name="Kernel ridge regression at 30 ridges, 2000 training and 500 test points",
        ours="test_ridge_path_of_reprise",
        theirs="test_ridge_path_by_scikit_learn",
        against="a loop over scikit-learn's KernelRidge",
        kind="speedup",
        goal=10.0,
    ),
    Contest(
        name="Choosing among 30 ridges by leaving one out, 400 points",
        ours="test_leave_one_out_of_reprise",
        theirs="test_leave_one_out_by_scikit_learn",
        against="scikit-learn's cross_val_score, leave one out, 1 of the 30 ridges",
        kind="speedup",
        goal=10.0,
    ),
    Contest(
        name="Runner on a notebook of 20 s",
        ours="test_runner_of_reprise",
        theirs="test_runner_by_papermill",
        against="papermill's execute_notebook alone",
        kind="overhead",
        goal=1.05,
    ),
    Contest(
        name="Building the book again with nothing changed",
        ours="test_build_without_changes",
        theirs=None,
        against="",
        kind="seconds",
        goal=30.0,
    ),
    Contest(
        name="reprise --help",
        ours="test_help",
        theirs=None,
        against="",
        kind="seconds",
        goal=0.3,
    ),
)
