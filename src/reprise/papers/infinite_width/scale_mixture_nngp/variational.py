r"""Sparse variational classifiers: a Student's t process (SVTP) and the Gaussian process (SVGP) that it contains.

Inducing outputs of class $c$ in whitened coordinates, $u_c=L\tilde u_c$ with $LL^\top=K_{ZZ}$:

$$q(\tilde u_c\mid s)=\mathcal N(m_c,s\,D_c),\qquad q(s)=IG(\hat a,\hat b),\quad\text{prior }\tilde u_c\mid s\sim\mathcal N(0,sI),\ s\sim IG(a,b).$$

The scale is shared by the classes, so the outputs at $x$ are multivariate $t_{2\hat a}$: with $A=K_{xZ}L^{-\top}$ they have
means $A m_c$ and, given $s$, variances $s(k_{xx}-\|A\|^2+AD_cA^\top)$. The SVGP is $s=v$, a number.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import digamma, gammaln
from jaxtyping import Array, Float, Int, PRNGKeyArray

import reprise._x64  # noqa: F401


class Features(NamedTuple):
    """What a sparse process needs of a set of points."""

    a: Float[Array, "n m"]
    rest: Float[Array, " n"]  # k_xx - |a|^2


class Posterior(NamedTuple):
    """Variational parameters; `log_ab` holds the logarithms of a-hat and of b-hat."""

    mean: Float[Array, "c m"]
    log_d: Float[Array, "c m"]
    log_ab: Float[Array, " 2"]


def features(
    k_zz: Float[np.ndarray, "m m"], k_xz: Float[np.ndarray, "n m"], k_xx: Float[np.ndarray, " n"]
) -> Features:
    """Whitened features, in float32; $O(m^3+nm^2)$ in float64."""
    k = jnp.asarray(k_zz)
    factor = jnp.linalg.cholesky(k + 1e-6 * jnp.trace(k) / len(k) * jnp.eye(len(k)))
    a = solve_triangular(factor, jnp.asarray(k_xz).T, lower=True).T
    rest = jnp.maximum(jnp.asarray(k_xx) - jnp.sum(a**2, axis=1), 1e-8)
    return Features(a.astype(jnp.float32), rest.astype(jnp.float32))


def divergence(q: Posterior, a: float | Array, b: float | Array, student: bool | Array = True) -> Float[Array, ""]:
    r"""KL from the prior, the paper's formula in whitened coordinates.

    $\frac12\sum_c[\mathrm{tr}D_c-\log|D_c|-M+E_q[s^{-1}]\|m_c\|^2]+KL(IG(\hat a,\hat b)\|IG(a,b))$ with
    $E_q[s^{-1}]=\hat a/\hat b$. Without ``student`` the scale is the number $v=b/a$ and the last term is absent.
    """
    a_hat, b_hat = jnp.exp(q.log_ab[0]), jnp.exp(q.log_ab[1])
    inverse = jnp.where(student, a_hat / b_hat, a / b)
    gaussian = 0.5 * jnp.sum(jnp.exp(q.log_d) - q.log_d - 1 + inverse * q.mean**2)
    scale = (
        a * (q.log_ab[1] - jnp.log(b)) - gammaln(a_hat) + gammaln(a) + (a_hat - a) * digamma(a_hat)
        + (b - b_hat) * a_hat / b_hat
    )  # fmt: skip
    return gaussian + jnp.where(student, scale, 0.0)


def sample_logits(
    key: PRNGKeyArray, q: Posterior, at: Features, samples: int, *, scale: Float[Array, ""], student: bool | Array
) -> Float[Array, "s n c"]:
    """Draws of the outputs at some points: one random scale for all classes, or the given one without `student`."""
    normal_key, scale_key = jax.random.split(key)
    mean = at.a @ q.mean.T
    variance = at.rest[:, None] + (at.a**2) @ jnp.exp(q.log_d).T
    white = jax.random.normal(normal_key, (samples, *mean.shape), mean.dtype)
    drawn = jnp.exp(q.log_ab[1]) / jax.random.gamma(scale_key, jnp.exp(q.log_ab[0]), (samples, 1, 1), mean.dtype)
    return mean + jnp.sqrt(jnp.where(student, drawn, scale) * variance) * white


class Kind(NamedTuple):
    """Which process: `student` or not, and whether the law of its scale is learnt or stays at the prior's."""

    student: bool
    learnt: bool


SVGP, SVTP, FROZEN = Kind(False, False), Kind(True, True), Kind(True, False)  # noqa: FBT003


def few_inducing(at: Features, count: int) -> Features:
    """Features of the first inducing points alone: the factor is triangular, so they are the first columns."""
    kept = jnp.arange(at.a.shape[1]) < count
    return Features(jnp.where(kept, at.a, 0.0), at.rest + jnp.sum(jnp.where(kept, 0.0, at.a) ** 2, axis=1))


def train(
    at: Features,
    labels: Int[np.ndarray, " n"],
    scale: float,
    kind: Kind,
    *,
    shape: float,
    classes: int,
    steps: int,
    batch: int = 128,
    samples: int = 8,
    rate: float = 0.03,
    key: PRNGKeyArray,
) -> Posterior:
    r"""Maximise the ELBO by Adam with a decaying rate; prior $s=v$ (SVGP) or $IG(a,av)$ with $v$ the given scale."""
    options = {"classes": classes, "steps": steps, "batch": batch, "samples": samples}
    numbers = (jnp.float32(v) for v in (scale, shape, rate))
    return _train(key, at, jnp.asarray(labels), *numbers, jnp.asarray(kind.student), jnp.asarray(kind.learnt), **options)


@partial(jax.jit, static_argnames=("classes", "steps", "batch", "samples"))
def _train(
    key: PRNGKeyArray,
    at: Features,
    labels: Array,
    scale: Array,
    shape: Array,
    rate: Array,
    student: Array,
    learnt: Array,
    *,
    classes: int,
    steps: int,
    batch: int,
    samples: int,
) -> Posterior:
    n, m = at.a.shape
    optimiser = optax.adam(optax.cosine_decay_schedule(1.0, steps))
    b = shape * scale
    zeros = jnp.zeros((classes, m), jnp.float32)
    start = Posterior(zeros, zeros, jnp.log(jnp.stack([shape, b])))

    def loss(q: Posterior, step_key: PRNGKeyArray) -> Array:
        row_key, draw_key = jax.random.split(step_key)
        rows = jax.random.randint(row_key, (batch,), 0, n)
        here = Features(at.a[rows], at.rest[rows])
        logits = sample_logits(draw_key, q, here, samples, scale=scale, student=student)
        fit = jnp.mean(jax.nn.log_softmax(logits)[:, jnp.arange(batch), labels[rows]])
        return divergence(q, shape, b, student) / n - fit

    def step(
        carry: tuple[Posterior, optax.OptState], step_key: PRNGKeyArray
    ) -> tuple[tuple[Posterior, optax.OptState], None]:
        q, state = carry
        slope = jax.grad(loss)(q, step_key)
        slope = slope._replace(log_ab=jnp.where(learnt, slope.log_ab, 0.0))
        update, state = optimiser.update(slope, state)
        return (jax.tree.map(lambda p, u: p + rate * u, q, update), state), None

    (q, _), _ = jax.lax.scan(step, (start, optimiser.init(start)), jax.random.split(key, steps))
    return q


@partial(jax.jit, static_argnames=("samples", "batches"))
def log_probabilities(
    key: PRNGKeyArray,
    q: Posterior,
    at: Features,
    scale: Array,
    student: Array,
    temperature: Array,
    *,
    samples: int = 200,
    batches: int = 10,
) -> Float[Array, "n c"]:
    """Logarithm of the mean softmax over draws."""

    def part(batch_key: PRNGKeyArray) -> Array:
        logits = sample_logits(batch_key, q, at, samples // batches, scale=scale, student=student)
        return jnp.mean(jax.nn.softmax(logits / temperature), axis=0)

    return jnp.log(jnp.mean(jax.lax.map(part, jax.random.split(key, batches)), axis=0) + 1e-12)
