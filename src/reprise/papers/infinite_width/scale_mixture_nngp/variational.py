r"""Sparse variational classifiers: a Student's t process (SVTP) and the Gaussian process (SVGP) that it contains.

Inducing outputs of class $c$ in whitened coordinates, $u_c=L\tilde u_c$ with $LL^\top=K_{ZZ}$:

$$q(\tilde u_c\mid s)=\mathcal N(m_c,s\,D_c),\qquad q(s)=IG(\hat a,\hat b),\quad\text{prior }\tilde u_c\mid s\sim\mathcal N(0,sI),\ s\sim IG(a,b).$$

The scale is shared by the classes, so the outputs at $x$ are multivariate $t_{2\hat a}$: with $A=K_{xZ}L^{-\top}$ they have
means $A m_c$ and, given $s$, variances $s(k_{xx}-\|A\|^2+AD_cA^\top)$. The SVGP is $s=v$, a number. Expectations are taken
by quadrature over the one-dimensional scale and by sampling over the outputs given it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import digamma, gammaln
from jaxtyping import Array, Float, Int

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


def features(k_zz: Float[np.ndarray, "m m"], k_xz: Float[np.ndarray, "n m"], k_xx: Float[np.ndarray, " n"]) -> Features:
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


def scale_nodes(
    q: Posterior, scale: Float[Array, ""], student: bool | Array, count: int
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    r"""Nodes and weights of $q(s)$ by the trapezoidal rule in $u=\log s$, at $u=\log\frac{\hat b}{\hat a}+\tau z$.

    In $u$ the density is $\propto e^{-\hat a(x+e^{-x})}$ with $x=\tau z$; $\tau^2=\frac1{\hat a}+\frac1{2\hat a^2}$ is about its
    variance, and $z$ runs from -4 to 8. As $\hat a\to\infty$ the weights tend to the Gaussian ones of the fixed scale.
    """
    z = jnp.linspace(-4.0, 8.0, count, dtype=jnp.float32)
    a_hat = jnp.exp(q.log_ab[0])
    x = z * jnp.sqrt(1 / a_hat + 0.5 / a_hat**2)
    weights = jax.nn.softmax(jnp.where(student, -a_hat * (x + jnp.expm1(-x)), -0.5 * z**2))
    return jnp.where(student, jnp.exp(q.log_ab[1] - q.log_ab[0] + x), scale), weights


def logits_at(
    q: Posterior, at: Features, s: Float[Array, " k"], white: Float[Array, "k points c"]
) -> Float[Array, "k n c"]:
    """Outputs at some points for each scale, which all classes share, from standard normal numbers."""
    mean = at.a @ q.mean.T
    variance = at.rest[:, None] + (at.a**2) @ jnp.exp(q.log_d).T
    return mean + jnp.sqrt(s[:, None, None] * variance) * white


class Noise(NamedTuple):
    """Random numbers of a training run, drawn beforehand and the same for all processes that are compared."""

    rows: Int[Array, "steps batch"]
    white: Float[Array, "steps nodes batch c"]


def draw_noise(
    rng: np.random.Generator, n: int, *, steps: int, classes: int, batch: int = 128, nodes: int = 16
) -> Noise:
    """Minibatches and standard normal numbers for a bound with so many nodes of the scale."""
    rows = rng.integers(0, n, size=(steps, batch))
    white = rng.standard_normal((steps, nodes, batch, classes), dtype=np.float32)
    return Noise(jnp.asarray(rows), jnp.asarray(white))


class Kind(NamedTuple):
    """Which process: `student` or not, and whether the law of its scale is learnt or stays at the prior's."""

    student: bool
    learnt: bool


SVGP, SVTP, FROZEN = Kind(False, False), Kind(True, True), Kind(True, False)


@jax.jit
def few_inducing(at: Features, count: int) -> Features:
    """Features of the first inducing points alone: the factor is triangular, so they are the first columns."""
    kept = jnp.arange(at.a.shape[1]) < count
    return Features(jnp.where(kept, at.a, 0.0), at.rest + jnp.sum(jnp.where(kept, 0.0, at.a) ** 2, axis=1))


def train(
    at: Features,
    labels: Int[np.ndarray, " n"],
    scale: float,
    kind: Kind,
    noise: Noise,
    *,
    shape: float,
    rate: float = 0.3,
) -> Posterior:
    r"""Maximise the ELBO by Adam with a decaying rate; prior $s=v$ (SVGP) or $IG(a,av)$ with $v$ the given scale.

    Whitened means must travel some $\sqrt v$, far for Adam at the usual rates: a tenth of this one took ten times the steps.
    """
    numbers = (jnp.float32(v) for v in (scale, shape, rate))
    return _train(at, jnp.asarray(labels), noise, *numbers, jnp.asarray(kind.student), jnp.asarray(kind.learnt))


@jax.jit
def _train(
    at: Features,
    labels: Array,
    noise: Noise,
    scale: Array,
    shape: Array,
    rate: Array,
    student: Array,
    learnt: Array,
) -> Posterior:
    n, m = at.a.shape
    steps, nodes, batch, classes = noise.white.shape
    optimiser = optax.adam(optax.cosine_decay_schedule(1.0, steps))
    b = shape * scale
    zeros = jnp.zeros((classes, m), jnp.float32)
    start = Posterior(zeros, zeros, jnp.log(jnp.stack([shape, b])))

    def loss(q: Posterior, part: Noise) -> Array:
        here = Features(at.a[part.rows], at.rest[part.rows])
        s, weights = scale_nodes(q, scale, student, nodes)
        log_p = jax.nn.log_softmax(logits_at(q, here, s, part.white))
        fit = jnp.mean(weights @ log_p[:, jnp.arange(batch), labels[part.rows]])
        return divergence(q, shape, b, student) / n - fit

    def step(carry: tuple[Posterior, optax.OptState], part: Noise) -> tuple[tuple[Posterior, optax.OptState], None]:
        q, state = carry
        slope = jax.grad(loss)(q, part)
        slope = slope._replace(log_ab=jnp.where(learnt, slope.log_ab, 0.0))
        update, state = optimiser.update(slope, state)
        return (jax.tree.map(lambda p, u: p + rate * u, q, update), state), None

    (q, _), _ = jax.lax.scan(step, (start, optimiser.init(start)), noise)
    return q


@jax.jit
def log_probabilities(
    white: Float[Array, "samples nodes 1 c"],
    q: Posterior,
    at: Features,
    scale: Array,
    student: Array,
) -> Float[Array, "n c"]:
    """Logarithm of the mean softmax: quadrature over the scale, draws of the outputs at each node.

    The same standard normal numbers serve all points and all processes, so that differences are sharp.
    """
    s, weights = scale_nodes(q, scale, student, white.shape[1])

    def part(total: Array, own: Array) -> tuple[Array, None]:
        p = jax.nn.softmax(logits_at(q, at, s, own))
        return total + jnp.tensordot(weights, p, 1), None

    start = jnp.zeros((len(at.rest), q.mean.shape[0]), jnp.float32)
    total, _ = jax.lax.scan(part, start, white)
    return jnp.log(total / len(white) + 1e-12)
