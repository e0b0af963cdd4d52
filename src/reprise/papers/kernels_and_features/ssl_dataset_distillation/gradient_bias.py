r"""Bias of the outer gradient where the inner problem is drawn at random (C1): a linear denoiser and a small network.

Both inner problems depend on their masks only through averages over the $J$ draws. So the outer gradient is a smooth
function $g(q)$ of these averages $q$, the expected inner problem is $g(E q)$, known exactly, and

$$E\,g(q)-g(Eq)\approx\tfrac12 g''(Eq)[\mathrm{Cov}(q)]=O(1/J).$$

The linear term $g'(Eq)[q-Eq]$ has mean 0; subtracting it (a control variate) leaves the bias as it is and most of the
noise behind.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401

KEEP = 0.75
"""Probability that a mask keeps an entry."""
Averages = tuple[Array, ...]


class Problem(NamedTuple):
    """A bilevel problem.

    Attributes:
        gradient: averages of the draws -> outer gradient in the synthetic samples, as a vector.
        draw: (J, repetitions, generator) -> averages over J draws, one row a repetition.
        expected: their expectation.
    """

    gradient: Callable[[Averages], Float[Array, " size"]]
    draw: Callable[[int, int, np.random.Generator], tuple[np.ndarray, ...]]
    expected: Averages


def all_masks(pixels: int) -> tuple[Float[np.ndarray, "masks d"], Float[np.ndarray, " masks"]]:
    """All masks of so many pixels, and their probabilities.

    >>> masks, chances = all_masks(2)
    >>> masks.tolist(), chances.tolist()
    ([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0625, 0.1875, 0.1875, 0.5625])
    """
    masks = np.array([[(i >> j) & 1 for j in range(pixels)] for i in range(2**pixels)], dtype=np.float64)
    kept = masks.sum(axis=1)
    return masks, KEEP**kept * (1.0 - KEEP) ** (pixels - kept)


def denoiser(*, samples: int = 8, pixels: int = 6, ridge: float = 0.1, masked: bool = True, seed: int = 0) -> Problem:
    r"""Linear denoiser: $W=\arg\min\frac1J\sum_j\lVert(X_s\circ M_j)W-X_s\rVert^2+m\lambda\lVert W\rVert^2$.

    It depends on averages $T_i$ of $m_{ij}m_{ij}^\top$ and $t_i$ of $m_{ij}$, whose expectations are
    $p^2+p(1-p)I$ and $p$. The outer loss is the expected masked loss on other data.

    Args:
        samples: number m of synthetic samples.
        pixels: their dimension.
        ridge: penalty over m.
        masked: False for the inner problem of the method: squared error to targets, nothing drawn.
        seed: of samples and outer data.
    """
    rng = np.random.default_rng([seed, 8])
    mix, turn = rng.standard_normal((2, pixels, pixels)) / pixels**0.5
    x = jnp.asarray(rng.standard_normal((samples, pixels)) @ mix)
    y = x @ turn
    gram = jnp.asarray(mix.T @ mix)
    outer = KEEP**2 * gram + KEEP * (1.0 - KEEP) * jnp.diag(jnp.diag(gram))

    def loss(x: Array, averages: Averages) -> Array:
        pairs, singles = averages
        left = jnp.einsum("ia,ib,iab->ab", x, x, pairs) + samples * ridge * jnp.eye(pixels)
        right = jnp.einsum("ia,ib,ia->ab", x, x if masked else y, singles)
        w = jnp.linalg.solve(left, right)
        return jnp.sum(w * (outer @ w)) - 2.0 * KEEP * jnp.sum(w * gram) + jnp.trace(gram)

    masks, chances = all_masks(pixels)
    products = np.einsum("ka,kb->kab", masks, masks)

    def draw(draws: int, repetitions: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        if not masked:
            return np.ones((repetitions, samples, pixels, pixels)), np.ones((repetitions, samples, pixels))
        shares = rng.multinomial(draws, chances, (repetitions, samples)) / draws
        return np.tensordot(shares, products, 1), shares @ masks

    keep = KEEP if masked else 1.0
    pair = keep**2 + keep * (1.0 - keep) * jnp.eye(pixels)
    expected = (jnp.broadcast_to(pair, (samples, pixels, pixels)), jnp.full((samples, pixels), keep))
    return Problem(lambda averages: jax.grad(loss)(x, averages).ravel(), draw, expected)


def network(
    *, samples: int = 4, pixels: int = 3, hidden: int = 4, steps: int = 12, rate: float = 0.5, masked: bool = True, seed: int = 0
) -> Problem:  # fmt: skip
    r"""A tanh network with one hidden layer, trained by `steps` unrolled gradient steps to undo a random mask.

    A draw is one mask for all samples, so the average over draws is a vector of frequencies of the $2^d$ masks, and its
    expectation their probabilities. With `masked` False it regresses on targets instead.
    """
    rng = np.random.default_rng([seed, 9])
    x, other = (jnp.asarray(rng.standard_normal((n, pixels))) for n in (samples, 24))
    other = other.at[:, 1].set(other[:, 0])  # two pixels agree, so a hidden one can be guessed
    y = jnp.tanh(x @ rng.standard_normal((pixels, pixels)))
    start = tuple(jnp.asarray(rng.standard_normal(s) / s[0] ** 0.5) for s in ((pixels, hidden), (hidden, pixels)))
    table, probabilities = all_masks(pixels)
    masks, chances = jnp.asarray(table), jnp.asarray(probabilities)

    def error(weights: Averages, inputs: Array, wanted: Array, shares: Array) -> Array:
        out = jnp.tanh((masks[:, None] * inputs) @ weights[0]) @ weights[1]
        return shares @ jnp.mean((out - wanted) ** 2, axis=(1, 2))

    def loss(x: Array, shares: Array) -> Array:
        wanted = x if masked else y

        def step(weights: Averages, _: None) -> tuple[Averages, None]:
            slope = jax.grad(error)(weights, x, wanted, shares)
            return jax.tree.map(lambda w, g: w - rate * g, weights, slope), None

        weights, _ = jax.lax.scan(step, start, None, length=steps)
        return error(weights, other, other, chances)

    whole = np.eye(2**pixels)[-1]

    def draw(draws: int, repetitions: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        if not masked:
            return (np.tile(whole, (repetitions, 1)),)
        return (rng.multinomial(draws, probabilities, repetitions) / draws,)

    expected = chances if masked else jnp.asarray(whole)
    return Problem(lambda averages: jax.grad(loss)(x, averages[0]).ravel(), draw, (expected,))


def true_gradient(problem: Problem) -> Float[np.ndarray, " size"]:
    """Gradient through the expected inner problem."""
    return gradients(problem, tuple(np.asarray(q)[None] for q in problem.expected))[0]


def gradients(problem: Problem, averages: tuple[np.ndarray, ...]) -> Float[np.ndarray, "r size"]:
    """Gradients at averages, one a row."""
    return np.asarray(jax.jit(jax.vmap(problem.gradient))(averages))


class Sampler:
    """Gradients of one problem at sampled averages; one compiled program for all numbers of draws.

    Attributes:
        problem: the problem.
        repetitions: how many gradients a call gives.
        true: the true gradient.
    """

    def __init__(self, problem: Problem, repetitions: int) -> None:
        """Compile the program, which gives the true gradient on the way."""

        def one(averages: Averages) -> tuple[Array, Array, Array]:
            off = jax.tree.map(lambda q, e: q - e, averages, problem.expected)
            true, linear = jax.jvp(problem.gradient, (problem.expected,), (off,))
            return problem.gradient(averages), linear, true

        self.problem, self.repetitions = problem, repetitions
        self._run = jax.jit(jax.vmap(one, out_axes=(0, 0, None)))
        self.true = np.asarray(self._run(self.problem.draw(1, repetitions, np.random.default_rng(0)))[2])

    def gradients(
        self, draws: int, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "r size"], Float[np.ndarray, "r size"]]:
        """Gradients with J draws, one a repetition, and the linear terms of mean 0 that may be subtracted from them."""
        values, linear, _ = self._run(self.problem.draw(draws, self.repetitions, rng))
        return np.asarray(values), np.asarray(linear)
