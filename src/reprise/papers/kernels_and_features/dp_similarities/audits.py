r"""C2: can an adversary tell X from X without one record better than the budget allows?

Two releases are compared many times over by the best statistic there is, the likelihood ratio of what the record touches.
For a pure budget every event has $P\le e^\varepsilon Q$: half of the runs choose a threshold, the other half give
Clopper-Pearson bounds on both probabilities, and $\log(P_{low}/Q_{high})$ is a lower bound on the true $\varepsilon$. For
Gaussian noise the same bounds give a lower bound on the distance $\mu=\Phi^{-1}(P)-\Phi^{-1}(Q)$ of the two Gaussians, and
$\varepsilon$ follows from $\mu$ exactly. An audit refutes privacy; it never proves it.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy import stats

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.papers.kernels_and_features.dp_similarities import accounting, classifiers, features, trees

Scores = Float[np.ndarray, " runs"]
Sampler = Callable[[bool, int, np.random.Generator], Scores]
LEVEL = 0.95
THRESHOLDS = 60
BATCH = 20_000


def _counts(inside: Scores, outside: Scores, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    above = [len(s) - np.searchsorted(np.sort(s), thresholds, side="left") for s in (inside, outside)]
    return above[0], above[1]


def _bounds(k_in: np.ndarray, k_out: np.ndarray, n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    """One-sided Clopper-Pearson bounds, jointly at `LEVEL`: lower for the first share, upper for the second."""
    tail = (1.0 - LEVEL) / 2.0
    low = np.where(k_in > 0, stats.beta.ppf(tail, np.maximum(k_in, 1), n_in - k_in + 1), 0.0)
    high = np.where(k_out < n_out, stats.beta.ppf(1.0 - tail, k_out + 1, np.maximum(n_out - k_out, 1)), 1.0)
    return low, high


def _pure(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(low, 1e-300) / high)


def _gaussian(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return stats.norm.ppf(low) - stats.norm.ppf(high)


def lower_bound(inside: Scores, outside: Scores, *, delta: float = 0.0) -> float:
    """Lower confidence bound on epsilon; with `delta` for Gaussian noise, else for a pure budget."""
    half_in, half_out = len(inside) // 2, len(outside) // 2
    measure = _gaussian if delta else _pure
    ends = np.quantile(inside[:half_in], [0.05, 0.999])
    thresholds = np.linspace(float(ends[0]), float(ends[1]), THRESHOLDS) - 1e-9 * float(np.ptp(ends) + 1.0)
    learnt = measure(*_bounds(*_counts(inside[:half_in], outside[:half_out], thresholds), half_in, half_out))
    best = thresholds[[int(np.nanargmax(learnt))]]
    held = (inside[half_in:], outside[half_out:])
    value = float(measure(*_bounds(*_counts(*held, best), len(held[0]), len(held[1])))[0])
    if not delta:
        return max(value, 0.0)
    return accounting.gaussian_epsilon(1.0 / value, delta) if value > 0.0 else 0.0


def audit(sampler: Sampler, runs: int, audits: int, epsilon: float, *, delta: float = 0.0, seed: int = 0) -> Estimate:
    """Mean of independent audits' lower bounds over the claimed epsilon, t interval."""
    found = []
    for index in progress.track(range(audits), "Privacy audit"):
        rng = np.random.default_rng([seed, 7, index])
        sides = []
        for member in (True, False):
            blocks = [min(BATCH, runs - start) for start in range(0, runs, BATCH)]
            sides.append(np.concatenate([sampler(member, b, rng) for b in blocks]))
        found.append(lower_bound(sides[0], sides[1], delta=delta) / epsilon)
    return statistics.mean(found)


def tree_sampler(epsilon: float, *, levels: int = 4, sensitivity: float | None = None) -> Sampler:
    """The tree of 2^levels points on [0, 1], from which the middle one is taken."""
    x = (np.arange(2**levels) + 0.5) / 2**levels
    full, fewer = (trees.counts(part, levels) for part in (x, np.delete(x, len(x) // 2)))
    changed = np.flatnonzero(full != fewer)

    def sample(member: bool, times: int, rng: np.random.Generator) -> Scores:
        noisy = trees.release(full if member else fewer, epsilon, rng, times=times, sensitivity=sensitivity)[:, changed]
        return np.asarray((np.abs(noisy - fewer[changed]) - np.abs(noisy - full[changed])).sum(axis=1))

    return sample


def feature_sampler(epsilon: float, *, number: int = 4, sensitivity: float | None = None) -> Sampler:
    """Few random features, and the record among 4000 candidates that moves them most."""
    rng = np.random.default_rng(11)
    frequencies, phases = features.draw_features(2, number, rng)
    rows = features.feature_map(3.0 * rng.standard_normal((4000, 2)), frequencies, phases)
    record = rows[np.argmax(np.abs(rows).sum(axis=1))]
    fewer = rows[:50].sum(axis=0)

    def sample(member: bool, times: int, rng: np.random.Generator) -> Scores:
        sums = fewer + record if member else fewer
        noisy = features.noisy_sums(sums, epsilon, rng, times=times, sensitivity=sensitivity)
        return np.asarray((np.abs(noisy - fewer) - np.abs(noisy - fewer - record)).sum(axis=1))

    return sample


def class_sampler(epsilon: float, delta: float, *, length: float = 1.0) -> Sampler:
    """Class sums of unit vectors in five dimensions; a `length` above 1 is a feature that nobody normalised."""
    rng = np.random.default_rng(12)
    psi = classifiers.unit_rows(rng.standard_normal((30, 5)))
    psi[0] *= length
    labels = np.arange(30) % 3
    full, fewer = (classifiers.class_sums(psi[s:], labels[s:], 3) for s in (0, 1))
    change = full - fewer

    def sample(member: bool, times: int, rng: np.random.Generator) -> Scores:
        sums = np.broadcast_to(full if member else fewer, (times, *full.shape))
        noisy = classifiers.release(sums, epsilon, delta, rng)
        return np.asarray(np.tensordot(noisy - fewer, change, axes=2))

    return sample


def all_audits(
    runs: int, audits: int, epsilon: float, delta: float, seed: int, *, length: float = 2.0
) -> dict[str, tuple[Estimate, Estimate]]:
    """Audits of the three structures, each with its broken mechanism; `length` is that of the record nobody normalised."""
    cases = {
        "tree": (tree_sampler(epsilon), tree_sampler(epsilon, sensitivity=1.0), 0.0),
        "random features": (feature_sampler(epsilon), feature_sampler(epsilon, sensitivity=2.0**0.5), 0.0),
        "class sums": (class_sampler(epsilon, delta), class_sampler(epsilon, delta, length=length), delta),
    }
    return {
        name: (
            audit(whole, runs, audits, epsilon, delta=at, seed=seed),
            audit(broken, runs, audits, epsilon, delta=at, seed=seed),
        )
        for name, (whole, broken, at) in cases.items()
    }
