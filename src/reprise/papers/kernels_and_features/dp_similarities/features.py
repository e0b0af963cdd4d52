r"""Kernel means $\frac1n\sum_xe^{-\|x-y\|^2}$ from noisy random features.

With $\omega_j\sim N(0,2I)$ and uniform phases, $\phi_j(x)=\sqrt2\cos(\omega_j^\top x+b_j)$ has
$E\,\phi_j(x)\phi_j(y)=e^{-\|x-y\|^2}$. Released is $\sum_x\phi(x)$: one record moves each of the I entries by at most
$\sqrt2$, so Laplace noise of scale $\sqrt2I/\varepsilon$ on each is $\varepsilon$-private. The size n is public.

A projection is drawn without looking at the data; then k takes the place of d. A Gaussian one, with entries $N(0,1/k)$,
costs dk a query. The fast one flips signs at random, takes the cosine transform and keeps k of its d coefficients at
random, for $d\log d$.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.fft import dct
from scipy.spatial.distance import cdist

Matrix = Float[np.ndarray, "rows columns"]
Project = Callable[[Matrix], Matrix]


@dataclass(frozen=True)
class Structure:
    """What is released: everything that a query needs, and nothing else.

    Attributes:
        frequencies: (dim, features).
        phases: (features,).
        means: noisy sum of features over the public n, (features,).
        project: from d to k columns, or None.
    """

    frequencies: Matrix
    phases: Float[np.ndarray, " features"]
    means: Float[np.ndarray, " features"]
    project: Project | None = None

    def map(self, y: Matrix) -> Matrix:
        """Features of the queries, over their number."""
        z = y if self.project is None else self.project(y)
        return feature_map(z, self.frequencies, self.phases) / len(self.means)

    def __call__(self, y: Matrix) -> Float[np.ndarray, " queries"]:
        """Kernel means at the queries."""
        return self.map(y) @ self.means


def feature_map(x: Matrix, frequencies: Matrix, phases: Float[np.ndarray, " features"]) -> Matrix:
    r"""$\sqrt2\cos(\omega^\top x+b)$."""
    return np.sqrt(2.0) * np.cos(x @ frequencies + phases)


def draw_features(
    dim: int, features: int, rng: np.random.Generator, rate: float = 1.0
) -> tuple[Matrix, Float[np.ndarray, " features"]]:
    r"""Frequencies and phases for $e^{-\text{rate}\,\|x-y\|^2}$."""
    return np.sqrt(2.0 * rate) * rng.standard_normal((dim, features)), rng.uniform(0.0, 2.0 * np.pi, features)


def draw_projection(d: int, k: int, rng: np.random.Generator) -> Matrix:
    """The transpose of G: entries of variance 1/k, shape (d, k)."""
    return rng.standard_normal((d, k)) / np.sqrt(k)


def fast_projection(d: int, k: int, rng: np.random.Generator) -> Project:
    """Random signs, cosine transform, k coefficients at random, scaled to keep squared lengths on average."""
    signs, chosen = rng.choice([-1.0, 1.0], d), rng.permutation(d)[:k]
    scale = np.sqrt(d / k)
    return lambda x: scale * dct(x * signs, norm="ortho", axis=1)[:, chosen]


def noisy_sums(
    sums: Float[np.ndarray, " features"],
    epsilon: float,
    rng: np.random.Generator,
    *,
    times: int = 1,
    sensitivity: float | None = None,
) -> Float[np.ndarray, "times features"]:
    r"""Sums of features with noise for L1 sensitivity $\sqrt2I$; another `sensitivity` breaks the promise."""
    scale = (np.sqrt(2.0) * len(sums) if sensitivity is None else sensitivity) / epsilon
    return sums + rng.laplace(scale=scale, size=(times, len(sums)))


def release(
    x: Matrix,
    features: int,
    epsilon: float,
    rng: np.random.Generator,
    *,
    k: int | None = None,
    rate: float = 1.0,
    times: int = 1,
) -> list[Structure]:
    """Build the private structure; with `k` the points are projected first. `times` draws of noise share the features."""
    project = None if k is None else fast_projection(x.shape[1], k, rng)
    z = x if project is None else project(x)
    frequencies, phases = draw_features(z.shape[1], features, rng, rate)
    sums = np.zeros(features)
    for start in range(0, len(z), 4096):
        sums += feature_map(z[start : start + 4096], frequencies, phases).sum(axis=0)
    noisy = noisy_sums(sums, epsilon, rng, times=times) / len(x)
    return [Structure(frequencies, phases, means, project) for means in noisy]


def exact_means(x: Matrix, y: Matrix, kind: str = "gaussian") -> Float[np.ndarray, " queries"]:
    r"""The true kernel means: `gaussian` $e^{-z}$, `cauchy` $1/(1+z)$, with z the squared distance."""
    total = np.zeros(len(y))
    for start in range(0, len(x), 4096):
        z = cdist(y, x[start : start + 4096], "sqeuclidean")
        total += (np.exp(-z) if kind == "gaussian" else 1.0 / (1.0 + z)).sum(axis=1)
    return total / len(x)


def cloud(n: int, d: int, rng: np.random.Generator) -> Matrix:
    """Points in random directions, squared lengths gamma-distributed with mean 0.75: distances hardly depend on d."""
    x = rng.standard_normal((n, d))
    lengths = np.sqrt(rng.gamma(1.5, 0.5, n))
    return x * (lengths / np.linalg.norm(x, axis=1))[:, None]
