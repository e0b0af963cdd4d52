r"""Two classes of Dirichlet vectors on the sphere: data whose Bayes rule is known.

A probability vector $p$ of class 1 (prior 0.4) or 2 is drawn from $\mathrm{Dir}(\alpha_1)$ or $\mathrm{Dir}(\alpha_2)$ and put on the
unit sphere as $x=p/\|p\|$: a point of the positive orthant of $S^d$, of intrinsic dimension $d$ = number of coordinates - 1.
The map is one to one, so $\eta(x)=P(\text{class 1}\mid x)$ can be computed from the densities on the simplex.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

PRIOR = 0.4
DIRICHLET: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    1: ((1, 2), (2, 1)),
    2: ((0.5, 0.5, 2.5), (2.5, 0.1, 0.5)),
    4: ((3, 1, 2, 1, 1), (1, 2, 2, 2, 3)),
    8: ((1, 2, 1, 2, 1, 1, 1, 1, 1), (1, 1, 1, 2, 3, 4, 2, 2, 1)),
}
"""Parameters of both classes for intrinsic dimensions 1, 2, 4, 8, as in the paper's code."""
SMALLEST = 1e-300


class Sample(NamedTuple):
    r"""Points with labels and the truth about them.

    Attributes:
        x: unit vectors, (n, d + 1).
        y: labels, +1 for class 1 and -1 for class 2, (n,).
        eta: $P(\text{class 1}\mid x)$, (n,).
    """

    x: Float[np.ndarray, "n k"]
    y: Float[np.ndarray, " n"]
    eta: Float[np.ndarray, " n"]

    @property
    def bayes(self) -> Float[np.ndarray, " n"]:
        """The Bayes rule, +1 or -1."""
        return np.where(self.eta >= 0.5, 1.0, -1.0)


def posterior(p: Float[np.ndarray, "n k"], dimension: int) -> Float[np.ndarray, " n"]:
    r"""$\eta$ at points of the simplex, by Bayes' formula."""
    first, second = (np.asarray(a, dtype=np.float64) for a in DIRICHLET[dimension])
    ratio = _log_density(p, first) - _log_density(p, second)
    return 1 / (1 + np.exp(-(ratio + np.log(PRIOR / (1 - PRIOR)))))


def draw(dimension: int, n: int, rng: np.random.Generator, *, balanced: bool = False) -> Sample:
    """Draw n labelled points; with ``balanced`` exactly the prior's share (rounded) is of class 1, in random order.

    >>> draw(2, 10, np.random.default_rng(0), balanced=True).y.sum()
    np.float64(-2.0)
    """
    first = rng.permutation(n) < round(PRIOR * n) if balanced else rng.random(n) < PRIOR
    a, b = DIRICHLET[dimension]
    # Small concentrations give exact zeros in float64 now and then; they are as good as the smallest number.
    p = np.where(first[:, None], rng.dirichlet(a, n), rng.dirichlet(b, n))
    x = p / np.linalg.norm(p, axis=1, keepdims=True)
    return Sample(x, np.where(first, 1.0, -1.0), posterior(p, dimension))


def population(nodes: int) -> tuple[Sample, Float[np.ndarray, " nodes"]]:
    r"""The whole population for $d=1$ by the midpoint rule: points, labelled by the Bayes rule, and the probability of each.

    >>> float(population(100)[1].sum().round(4))
    1.0
    """
    p = (np.arange(nodes) + 0.5) / nodes
    pair = np.stack([p, 1 - p], axis=1)
    eta = posterior(pair, 1)
    first, second = (np.exp(_log_density(pair, np.asarray(a, dtype=np.float64))) for a in DIRICHLET[1])
    sample = Sample(pair / np.linalg.norm(pair, axis=1, keepdims=True), np.where(eta >= 0.5, 1.0, -1.0), eta)
    return sample, (PRIOR * first + (1 - PRIOR) * second) / nodes


def _log_density(p: Float[np.ndarray, "n k"], a: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    return np.asarray(gammaln(a.sum()) - gammaln(a).sum() + np.log(np.maximum(p, SMALLEST)) @ (a - 1))


def stream(seed: int, experiment: str, repetition: int) -> np.random.Generator:
    """Random numbers of one repetition of one experiment; no two share any."""
    return np.random.default_rng([seed, repetition, *experiment.encode()])


def excess(prediction: Float[np.ndarray, "n ..."], sample: Sample) -> Float[np.ndarray, "..."]:
    r"""Excess risk over the Bayes rule on the sample's points, in expectation over their labels.

    $\frac1n\sum_i|2\eta(x_i)-1|\,1[g(x_i)\ne g^*(x_i)]$: the test error minus that of the Bayes rule, with the noise of the test
    labels averaged out exactly.
    """
    weight = np.abs(2 * sample.eta - 1)
    wrong = sample.bayes != np.asarray(prediction).T
    return np.asarray((wrong * weight).mean(axis=-1)).T


def bayes_error(sample: Sample) -> float:
    r"""Error of the Bayes rule on the sample's points, $E\min(\eta,1-\eta)$."""
    return float(np.minimum(sample.eta, 1 - sample.eta).mean())


def local_vote(eta: Float[np.ndarray, " n"], order: float) -> Float[np.ndarray, " n"]:
    r"""Probability that infinitely many neighbours, weighted by $r^{-d\cdot\text{order}}$, elect class 1 where its share is $\eta$.

    Around a point the volumes $\Gamma_1<\Gamma_2<\dots$ to its neighbours form a Poisson process, and weights are
    $\Gamma_k^{-s}$ with $s$ = ``order`` = $2\alpha/d$. For $s>1$ the weights of either class sum to a positive stable variable of
    index $1/s$ and scale $\eta^s$ or $(1-\eta)^s$. The ratio $Z$ of two such variables to the power $1/s$ has the density
    $\sin(\pi/s)/(\pi/s)\,/(1+2z\cos(\pi/s)+z^2)$ (Zolotarev, Lamperti), so with $b=\pi/s$
    $$P=\frac1b\Big[\arctan\frac{z+\cos b}{\sin b}-\arctan\cot b\Big],\qquad z=\frac\eta{1-\eta} .$$
    $s\to\infty$ gives $\eta$ (1-nearest neighbour), $s\to1$ the Bayes rule.

    >>> local_vote(np.array([0.5, 0.75]), 2.0).round(6)
    array([0.5     , 0.795167])
    """
    if order == np.inf:
        return eta
    if order <= 1:
        raise ValueError(f"order: weights sum to a stable variable only beyond 1, not {order}")
    b = np.pi / order
    angle = np.arctan2(eta * np.sin(b), (1 - eta) + eta * np.cos(b))
    return np.asarray(angle / b)


def limit_excess(sample: Sample, order: float) -> float:
    r"""Excess risk that votes of ``order`` $2\alpha/d$ tend to as $n\to\infty$; infinite order for 1-nearest neighbour."""
    p = local_vote(sample.eta, order)
    error = sample.eta * (1 - p) + (1 - sample.eta) * p
    return float((error - np.minimum(sample.eta, 1 - sample.eta)).mean())
