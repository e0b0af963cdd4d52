"""The experiments of the chapter, each in one call, with the formula's curves for the same tasks beside the measured ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.wide_cnn import networks, prediction, regression, spectra
from reprise.papers.infinite_width.wide_cnn.networks import Net
from reprise.papers.infinite_width.wide_cnn.prediction import Infinite, Modes
from reprise.papers.infinite_width.wide_cnn.regression import Errors, Noisy

__all__ = [
    "CONNECTED",
    "STUDENT",
    "TEACHERS",
    "Matched",
    "NoisyStudy",
    "TeacherStudent",
    "doubled_input",
    "matched",
    "matched_modes",
    "noisy_labels",
    "student_modes",
    "teacher_student",
]

STUDENT = (2, 2, 2)
"""Filters of the student: three hidden layers over the four patches of an input in eight dimensions."""
CONNECTED = (8, 1, 1)
"""As many hidden layers, fully connected: the first filter takes the whole input, the others have size 1."""
TEACHERS = {"one patch": (2,), "two patches": (2, 2), "all patches": (2, 2, 2)}
"""Random networks of growing depth, whose functions are sums over ever larger meta-patches."""
_HIGHEST = {2: (2048, 0, 500), 3: (1024, 0, 72), 4: (512, 0, 16), 6: (64, 0, 3)}
_ENOUGH = 20_000.0


def _variance(network: Infinite) -> float:
    return network.scale - prediction.constant(network)


class TeacherStudent(NamedTuple):
    """Students on the three teachers with p = 4 patches; errors are in units of each teacher's variance.

    Attributes:
        ns: training-set sizes.
        errors: by student and teacher. Students: "hierarchical", "swapped", "fully connected", "Laplace".
        modes: of the hierarchical student; ``connected`` and ``swapped`` are those of the other networks.
    """

    ns: tuple[int, ...]
    errors: dict[tuple[str, str], Errors]
    modes: Modes
    connected: Modes
    swapped: Modes

    def formula(self, student: str = "hierarchical", ns: Sequence[float] = ()) -> Float[np.ndarray, "t n"]:
        """Predicted errors on the three teachers."""
        modes = {"hierarchical": self.modes, "fully connected": self.connected, "swapped": self.swapped}[student]
        return prediction.learning_curve(modes, ns or self.ns).error

    def measured(self, student: str = "hierarchical") -> Float[np.ndarray, "r t n"]:
        """Errors of a student on the teachers that it was run on."""
        return np.stack([self.errors[pair].total for pair in self.errors if pair[0] == student], axis=1)


def _scaled(errors: Errors, variance: float) -> Errors:
    return Errors(*(part / variance for part in errors))


def _in_units(found: Modes, teachers: Sequence[Infinite]) -> Modes:
    """The same modes with every teacher's variance set to 1."""
    unit = np.array([_variance(each) for each in teachers])
    parts = [p._replace(powers=p.powers / unit[:, None], powers_rest=p.powers_rest / unit) for p in found.patterns]
    return found._replace(patterns=tuple(parts))


def teacher_student(
    *, ns: Sequence[int], test: int, draws: int, realisations: int, frequencies: Sequence[int], seed: int, laplace: bool
) -> TeacherStudent:
    """Hierarchical, swapped and fully connected students (and the Laplace kernel) on teachers of three depths."""
    d = 2 * spectra.patches(STUDENT)
    nets = {name: Net(filters) for name, filters in TEACHERS.items()}
    nets |= {
        "hierarchical": Net(STUDENT),
        "swapped": networks.swapped(Net(STUDENT), d),
        "fully connected": Net(CONNECTED),
    }
    nets |= {"Laplace": Net((), "laplace")} if laplace else {}
    students = {name: "all patches" if name == "hierarchical" else name for name in nets if name not in TEACHERS}
    found = regression.learning_curves(
        nets, [(alias, teacher) for alias in students.values() for teacher in TEACHERS], patches=d // 2, ns=ns,
        test=test, draws=draws, realisations=realisations, key=jax.random.key(seed),
    )  # fmt: skip
    teachers = [Infinite(filters) for filters in TEACHERS.values()]
    errors = {
        (name, teacher): _scaled(found[alias, teacher], _variance(infinite))
        for name, alias in students.items()
        for teacher, infinite in zip(TEACHERS, teachers, strict=True)
    }
    enough = (*frequencies[:2], min(frequencies[2], 16))
    listed = [
        _in_units(prediction.modes(student, teachers, highest, reference=STUDENT), teachers)
        for student, highest in (
            (Infinite(STUDENT), enough), (Infinite(CONNECTED), enough), (Infinite(STUDENT, order=(0, 2, 1, 3)), enough)
        )
    ]  # fmt: skip
    return TeacherStudent(tuple(ns), errors, *listed)


def doubled_input(*, ns: Sequence[int], test: int, draws: int, realisations: int, seed: int) -> dict[str, Errors]:
    """The one-patch teacher with twice as many patches: hierarchical, straddled and fully connected students."""
    nets = {"teacher": Net((2,)), "hierarchical": Net((2, 2, 2, 2)), "fully connected": Net((16, 1, 1, 1))}
    nets["straddled"] = networks.straddled(nets["hierarchical"], 16)
    found = regression.learning_curves(
        nets, [(name, "teacher") for name in nets if name != "teacher"], patches=8, ns=ns, test=test, draws=draws,
        realisations=realisations, key=jax.random.fold_in(jax.random.key(seed), 8),
    )  # fmt: skip
    return {name: errors for (name, _), errors in found.items()}


def student_modes(frequencies: Sequence[int]) -> Modes:
    """Modes of the hierarchical student up to high frequencies, for the formula at large n.

    Teachers: the student itself, the one-patch teacher, random features, as in `matched_modes`, and the two-patch teacher.
    """
    teachers = [Infinite(STUDENT), Infinite((2,)), Infinite(STUDENT, "rfk"), Infinite((2, 2))]
    return _in_units(prediction.modes(Infinite(STUDENT), teachers, frequencies), teachers)


class Matched(NamedTuple):
    """Students (2, s) on s patches, effective dimension s: errors over the variance, by teacher.

    Attributes:
        sizes: s, increasing.
        ns: training-set sizes.
        errors: for each s, by teacher: "same" (the student's own kernel), "one patch", and "smooth" (random features) if asked for.
        modes: for each s, teachers in the same order.
    """

    sizes: tuple[int, ...]
    ns: tuple[int, ...]
    errors: tuple[dict[str, Errors], ...]
    modes: tuple[Modes, ...]

    def measured(self, teacher: str) -> Float[np.ndarray, "r s n"]:
        """Errors on one teacher."""
        return np.stack([each[teacher].total for each in self.errors], axis=1)

    def formula(self, teacher: int = 0, ns: Sequence[float] = ()) -> Float[np.ndarray, "s n"]:
        """Predicted errors on a teacher, by its number."""
        return np.stack([prediction.learning_curve(m, ns or self.ns).error[teacher] for m in self.modes])


def matched(
    *, sizes: Sequence[int], ns: Sequence[int], test: int, draws: int, realisations: int, seed: int, smooth: bool
) -> Matched:
    """Students whose top layer sees s patches, on teachers that depend on all of them (smooth ones too), or on one each."""
    errors, listed = [], []
    for size in sizes:
        nets = {"same": Net((2, size)), "one patch": Net((2,))} | ({"smooth": Net((2, size), "rfk")} if smooth else {})
        found = regression.learning_curves(
            nets, [("same", name) for name in nets], patches=size, ns=ns, test=test, draws=draws,
            realisations=realisations, key=jax.random.fold_in(jax.random.key(seed), 100 + size),
        )  # fmt: skip
        listed.append(matched_modes(size))
        unit = [_variance(each) for each in _matched_teachers(size)]
        errors.append({name: _scaled(found["same", name], v) for name, v in zip(nets, unit, strict=False)})
    return Matched(tuple(sizes), tuple(ns), tuple(errors), tuple(listed))


def _matched_teachers(size: int) -> list[Infinite]:
    return [Infinite((2, size)), Infinite((2,)), Infinite((2, size), "rfk")]


def matched_modes(size: int, n: float = _ENOUGH) -> Modes:
    r"""Modes of the student (2, s) with the powers of its three teachers, in units of their variances.

    Beyond n = 20 000 the listed frequencies grow as those that are learnt: with $\kappa\sim n^{-(1+1/s)}$, that is as
    $\kappa^{-1/2}$ on one patch and as $n^{1/s}$ on all.
    """
    teachers, growth = _matched_teachers(size), max(n / _ENOUGH, 1.0)
    single, pair, whole = _HIGHEST[size]
    highest = (int(single * growth ** ((1 + 1 / size) / 2)), pair, int(whole * growth ** (1 / size)))
    return _in_units(prediction.modes(teachers[0], teachers, highest), teachers)


class NoisyStudy(NamedTuple):
    """Noisy labels: excess errors over each teacher's variance, measured and by the formula.

    Attributes:
        ns: training-set sizes.
        measured: by teacher.
        best: formula at the best of the ridges, shape (teachers, n); ``ridgeless`` at none; ``clean`` without noise.
    """

    ns: tuple[int, ...]
    measured: dict[str, Noisy]
    best: Float[np.ndarray, "t n"]
    ridgeless: Float[np.ndarray, "t n"]
    clean: Float[np.ndarray, "t n"]


def noisy_labels(
    modes: Modes, *, noise: float, ridges: Sequence[float], ns: Sequence[int], test: int, draws: int, realisations: int,
    seed: int,
) -> NoisyStudy:  # fmt: skip
    """The hierarchical student on noisy labels of the three teachers; ``noise`` is a share of each teacher's variance."""
    unit = {name: _variance(Infinite(filters)) for name, filters in TEACHERS.items()}
    found = regression.noisy_curves(
        Net(STUDENT), {name: Net(filters) for name, filters in TEACHERS.items()}, patches=spectra.patches(STUDENT),
        noise={name: noise * v for name, v in unit.items()}, ridges=ridges, ns=ns, test=test, draws=draws,
        realisations=realisations, key=jax.random.fold_in(jax.random.key(seed), 5),
    )  # fmt: skip
    scaled: Mapping[str, Noisy] = {
        name: Noisy(n.tuned / unit[name], n.ridgeless / unit[name], n.ridges) for name, n in found.items()
    }
    curves = np.stack([prediction.learning_curve(modes, ns, ridge=r, noise=noise).error for r in (0.0, *ridges)])
    return NoisyStudy(
        tuple(ns), dict(scaled), curves.min(axis=0), curves[0], prediction.learning_curve(modes, ns).error
    )
