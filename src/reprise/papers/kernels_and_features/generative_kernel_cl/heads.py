r"""Closed-form classifiers: kernel ridge regression on a small set of samples, and the kernels for it.

A head has three scalars $(\lambda,\gamma,\beta)$, one each per task, which start at (0.1, 1, 0):

$$\alpha=(K_{CC}+(|\lambda|+0.01)I)^{-1}Y,\qquad\mathrm{scores}(x)=\gamma\,k(x,C)\,\alpha+\beta.$$
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

import reprise._x64  # noqa: F401

START = (0.1, 1.0, 0.0)
"""Where the scalars of a head start."""
FLOOR = 0.01
"""Least ridge."""


def start(tasks: int) -> Float[Array, "tasks 3"]:
    """The scalars of all tasks before the first.

    >>> start(2).shape
    (2, 3)
    """
    return jnp.asarray(np.tile(np.asarray(START, np.float32), (tasks, 1)))


def scores(
    across: Float[Array, "q m"],
    gram: Float[Array, "m m"],
    targets: Float[Array, "m c"],
    used: Float[Array, " m"],
    scalars: Float[Array, "3"],
) -> Float[Array, "q c"]:
    r"""Scores of q queries from m samples, of which only those marked in `used` count (the ridge is solved in float64).

    A sample that is not used has its row and column of the Gram matrix, its column of `across` and its target set to 0:
    its weight is then exactly 0 and the others' are those without it.

    Args:
        across: kernel between queries and samples.
        gram: kernel among samples.
        targets: one-hot classes of the samples.
        used: 1 or 0 for each sample.
        scalars: $(\lambda,\gamma,\beta)$.

    >>> c = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> y = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> x = jnp.asarray([[2.0, -1.0]])
    >>> print(scores(x @ c.T, c @ c.T, y, jnp.ones(3), jnp.asarray([0.1, 1.0, 0.0])).round(6))
    [[ 1.512123 -0.869036]]
    """
    mask = used.astype(jnp.float64)
    kernel = gram.astype(jnp.float64) * mask[:, None] * mask
    ridge = jnp.abs(scalars[0].astype(jnp.float64)) + FLOOR
    system = kernel + ridge * jnp.eye(len(kernel))
    weights = jax.scipy.linalg.solve(system, targets.astype(jnp.float64) * mask[:, None], assume_a="pos")
    found = (across.astype(jnp.float64) * mask) @ weights
    return (scalars[1] * found + scalars[2]).astype(across.dtype)


def linear_scores(
    queries: Float[Array, "q z"],
    core: Float[Array, "m z"],
    targets: Float[Array, "m c"],
    used: Float[Array, " m"],
    scalars: Float[Array, "3"],
) -> Float[Array, "q c"]:
    r"""The same for the linear kernel, from features: $x^\top C^\top(CC^\top+\delta I)^{-1}Y=x^\top(C^\top C+\delta I)^{-1}C^\top Y$.

    The system has the size of a feature and not that of the set of samples.

    >>> c = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> y = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> print(linear_scores(jnp.asarray([[2.0, -1.0]]), c, y, jnp.ones(3), jnp.asarray([0.1, 1.0, 0.0])).round(6))
    [[ 1.512123 -0.869036]]
    """
    points = core.astype(jnp.float64) * used.astype(jnp.float64)[:, None]
    ridge = jnp.abs(scalars[0].astype(jnp.float64)) + FLOOR
    system = points.T @ points + ridge * jnp.eye(points.shape[1])
    weights = jax.scipy.linalg.solve(system, points.T @ targets.astype(jnp.float64), assume_a="pos")
    found = queries.astype(jnp.float64) @ weights
    return (scalars[1] * found + scalars[2]).astype(queries.dtype)


def labelled(classes: int, memory: int, used: Int[Array, ""] | int) -> tuple[Float[Array, "cm c"], Float[Array, " cm"]]:
    """One-hot classes of samples that lie class by class, and which of them count: the first `used` of each class.

    >>> targets, counted = labelled(2, 3, 1)
    >>> counted.tolist()
    [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """
    owner = jnp.repeat(jnp.arange(classes), memory)
    counted = jnp.tile(jnp.arange(memory), classes) < used
    return jax.nn.one_hot(owner, classes, dtype=jnp.float32), counted.astype(jnp.float32)


def joined(
    targets: Float[Array, "m c"],
    used: Float[Array, " m"],
    seen: Bool[Array, " tasks"],
    scalars: Float[Array, "tasks 3"],
) -> tuple[Float[Array, "tm tc"], Float[Array, " tm"], Float[Array, "3"]]:
    """One head for the classes of all tasks so far: its targets, which samples count, and the mean of the scalars' sizes.

    >>> targets, counted, _ = joined(*labelled(2, 1, 1), jnp.asarray([True, False]), jnp.ones((2, 3)))
    >>> targets.shape, counted.tolist()
    ((4, 4), [1.0, 1.0, 0.0, 0.0])
    """
    tasks, (m, classes) = len(seen), targets.shape
    wide = jnp.einsum("tu,mc->tmuc", jnp.eye(tasks, dtype=targets.dtype), targets).reshape(tasks * m, tasks * classes)
    shared = jnp.sum(jnp.where(seen[:, None], jnp.abs(scalars), 0.0), axis=0) / jnp.sum(seen)
    return wide, (seen[:, None] * used).reshape(-1), shared


def right_among_seen(
    found: Float[Array, "tv tc"], y: Int[Array, "tasks v"], seen: Bool[Array, " tasks"]
) -> Float[Array, " tasks"]:
    """Accuracy on each task where its class is sought among those of all tasks so far, by the scores of all classes."""
    classes = found.shape[1] // len(seen)
    found = jnp.where(jnp.repeat(seen, classes), found, -jnp.inf).reshape(*y.shape, -1)
    return right(found, y + classes * jnp.arange(len(seen))[:, None])


def cross_entropy(scores: Float[Array, "n c"], y: Int[Array, " n"]) -> Float[Array, " n"]:
    """Of each point, by the softmax of its scores."""
    return -jnp.take_along_axis(jax.nn.log_softmax(scores, axis=1), y[:, None], axis=1)[:, 0]


def right(scores: Float[Array, "... c"], y: Int[Array, "..."]) -> Float[Array, "..."]:
    """Share of points whose largest score is that of their class, over the last axis."""
    return jnp.mean(jnp.argmax(scores, axis=-1) == y, axis=-1)


def gaussian_kernel(a: Float[Array, "n p"], b: Float[Array, "m p"], log_width: Float[Array, ""]) -> Float[Array, "n m"]:
    r"""$\exp(-\|a-b\|^2/(2w^2))$.

    >>> print(gaussian_kernel(jnp.zeros((1, 2)), jnp.ones((1, 2)), jnp.asarray(0.0)).round(4))
    [[0.3679]]
    """
    squares = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1) - 2.0 * a @ b.T
    return jnp.exp(-0.5 * jnp.maximum(squares, 0.0) * jnp.exp(-2.0 * log_width))


def fourier(
    points: Float[Array, "n p"], frequencies: Float[Array, "k p"], phases: Float[Array, " k"]
) -> Float[Array, "n k"]:
    r"""Random Fourier features $\sqrt{2/k}\,\cos(\omega_j^\top x+b_j)$ (Rahimi and Recht 2007).

    For $\omega_j\sim N(0,I)$ their inner product has the Gaussian kernel of width 1 for its mean.

    >>> fourier(jnp.ones((3, 2)), jnp.ones((5, 2)), jnp.zeros(5)).shape
    (3, 5)
    """
    scale = jnp.asarray((2.0 / len(phases)) ** 0.5, points.dtype)
    return scale * jnp.cos(points @ frequencies.T + phases)


def gaussian_divergence(
    mean: Float[Array, "... z"],
    log_var: Float[Array, "... z"],
    prior_mean: Float[Array, "... z"],
    prior_log_var: Float[Array, "... z"],
) -> Float[Array, "..."]:
    r"""KL divergence of diagonal Gaussians, $\frac12\sum_j\big(\log\frac{s_j^2}{\sigma_j^2}+\frac{\sigma_j^2+(\mu_j-m_j)^2}{s_j^2}-1\big)$.

    >>> one, zero = jnp.ones(3), jnp.zeros(3)
    >>> print(gaussian_divergence(one, zero, zero, zero))
    1.5
    """
    gap = (mean - prior_mean) ** 2
    terms = prior_log_var - log_var + (jnp.exp(log_var) + gap) * jnp.exp(-prior_log_var) - 1.0
    return 0.5 * jnp.sum(terms, axis=-1)


def contrast(points: Float[Array, "n z"], labels: Int[Array, " n"], temperature: float = 0.1) -> Float[Array, ""]:
    r"""Supervised contrastive loss (Khosla et al. 2020, eq. 2) on points that are first brought to unit length.

    $$\frac1n\sum_i\frac{-1}{|P(i)|}\sum_{p\in P(i)}\log\frac{e^{z_i^\top z_p/\tau}}{\sum_{a\ne i}e^{z_i^\top z_a/\tau}},$$
    with $P(i)$ the other points of the same class; a point that is alone in its class counts 0.

    >>> z = jnp.asarray([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
    >>> print(contrast(z, jnp.asarray([0, 0, 1, 1])).round(7))
    0.0637798
    """
    # A point at the origin has no direction; the small number keeps its gradient finite.
    unit = points * jax.lax.rsqrt(jnp.sum(points**2, axis=1, keepdims=True) + 1e-12)
    itself = jnp.eye(len(points), dtype=bool)
    similar = jnp.where(itself, -jnp.inf, unit @ unit.T / temperature)
    log_share = jnp.where(itself, 0.0, similar - jax.nn.logsumexp(similar, axis=1, keepdims=True))
    partners = (labels[:, None] == labels) & ~itself
    count = partners.sum(axis=1)
    terms = -jnp.sum(jnp.where(partners, log_share, 0.0), axis=1) / jnp.maximum(count, 1)
    return jnp.mean(terms)
