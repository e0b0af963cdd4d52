r"""Bias of the outer gradient where the inner problem is drawn at random (C1): a linear denoiser and a small network.

Both inner problems depend on their masks only through averages over the $J$ draws. So the outer gradient is a smooth
function $g(q)$ of these averages $q$, the expected inner problem is $g(E q)$, known exactly, and

$$E\,g(q)-g(Eq)\approx\tfrac12 g''(Eq)[\mathrm{Cov}(q)]=O(1/J).$$

The linear term $g'(Eq)[q-Eq]$ has mean 0; subtracting it (a control variate) leaves the bias as it is and most of the
noise behind.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401

KEEP = 0.75
"""Probability that a mask keeps an entry."""
STEP = 1e-4
"""Of central differences of the gradient in the averages."""
Averages = tuple[Array, ...]


class Problem(NamedTuple):
    """A bilevel problem.

    Attributes:
        function: (data, averages of the draws) -> outer gradient in the synthetic samples, as a vector.
        data: its data; problems with one function share a compiled program.
        draw: (J, repetitions, generator) -> averages over J draws, one row a repetition.
        expected: their expectation.
    """

    function: Callable[[Any, Averages], Float[Array, " size"]]
    data: Any
    draw: Callable[[int, int, np.random.Generator], tuple[np.ndarray, ...]]
    expected: Averages

    def gradient(self, averages: Averages) -> Float[Array, " size"]:
        """The outer gradient at averages of the draws."""
        return self.function(self.data, averages)


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
    data = (x, y, float(masked), jnp.asarray(ridge), gram, outer)
    return Problem(_denoiser_gradient, data, draw, expected)


def _denoiser_gradient(data: Any, averages: Averages) -> Float[Array, " size"]:
    x, y, masked, ridge, gram, outer = data

    def loss(x: Array) -> Array:
        pairs, singles = averages
        left = jnp.einsum("ia,ib,iab->ab", x, x, pairs) + len(x) * ridge * jnp.eye(x.shape[1])
        right = jnp.einsum("ia,ib,ia->ab", x, masked * x + (1.0 - masked) * y, singles)
        w = jnp.linalg.solve(left, right)
        return jnp.sum(w * (outer @ w)) - 2.0 * KEEP * jnp.sum(w * gram) + jnp.trace(gram)

    return jax.grad(loss)(x).ravel()


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

    whole = np.eye(2**pixels)[-1]

    def draw(draws: int, repetitions: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        if not masked:
            return (np.tile(whole, (repetitions, 1)),)
        return (rng.multinomial(draws, probabilities, repetitions) / draws,)

    expected = chances if masked else jnp.asarray(whole)
    data = (x, y, float(masked), jnp.asarray(rate), jnp.arange(steps), start, other, masks, chances)
    return Problem(_network_gradient, data, draw, (expected,))


def _network_gradient(data: Any, averages: Averages) -> Float[Array, " size"]:
    x, y, masked, rate, steps, start, other, masks, chances = data

    def error(weights: Averages, inputs: Array, wanted: Array, shares: Array) -> Array:
        out = jnp.tanh((masks[:, None] * inputs) @ weights[0]) @ weights[1]
        return shares @ jnp.mean((out - wanted) ** 2, axis=(1, 2))

    def loss(x: Array) -> Array:
        wanted = masked * x + (1.0 - masked) * y

        def step(weights: Averages, _: Array) -> tuple[Averages, None]:
            slope = jax.grad(error)(weights, x, wanted, averages[0])
            return jax.tree.map(lambda w, g: w - rate * g, weights, slope), None

        weights, _ = jax.lax.scan(step, start, steps)
        return error(weights, other, other, chances)

    return jax.grad(loss)(x).ravel()


def true_gradient(problem: Problem) -> Float[np.ndarray, " size"]:
    """Gradient through the expected inner problem."""
    return np.asarray(jax.jit(problem.gradient)(problem.expected))


@partial(jax.jit, static_argnums=0)
def _gradients(function: Callable[[Any, Averages], Array], data: Any, averages: Averages) -> Float[Array, "r size"]:
    return jax.vmap(partial(function, data))(averages)


class Sampler:
    """Gradients of one problem at sampled averages; one compiled program for all numbers of draws.

    Attributes:
        problem: the problem.
        repetitions: how many gradients a call gives.
        true: the true gradient.
        slope: derivative of the gradient in the averages, by central differences, (averages, size). Whatever it is, it
            makes a control variate of mean zero; the better it is, the less noise is left.
    """

    def __init__(self, problem: Problem, repetitions: int) -> None:
        """Compile the program, and find the derivative by it."""
        self.problem, self.repetitions = problem, repetitions
        self._shapes = [np.shape(e) for e in problem.expected]
        self._expected = np.concatenate([np.ravel(np.asarray(e)) for e in problem.expected])
        moves = STEP * np.eye(len(self._expected))
        found = self._at(np.concatenate([0.0 * moves[:1], moves, -moves]) + self._expected)
        ahead, behind = np.split(found[1:], 2)
        self.true, self.slope = found[0], (ahead - behind) / (2.0 * STEP)

    def _at(self, averages: Float[np.ndarray, "r q"]) -> Float[np.ndarray, "r size"]:
        """Gradients at so many averages, by programs of one size."""
        count = -len(averages) % self.repetitions
        filled = np.concatenate([averages, np.tile(self._expected, (count, 1))])
        cuts = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1]
        found = []
        for rows in filled.reshape(-1, self.repetitions, filled.shape[1]):
            parts = np.split(rows, cuts, axis=1)
            shaped = tuple(p.reshape(-1, *shape) for p, shape in zip(parts, self._shapes, strict=True))
            found.append(np.asarray(_gradients(self.problem.function, self.problem.data, shaped)))
        return np.concatenate(found)[: len(averages)]

    def gradients(
        self, draws: int, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "r size"], Float[np.ndarray, "r size"]]:
        """Gradients with J draws, one a repetition, and the linear terms of mean 0 that may be subtracted from them."""
        averages = self.problem.draw(draws, self.repetitions, rng)
        flat = np.concatenate([np.reshape(a, (self.repetitions, -1)) for a in averages], axis=1)
        return self._at(flat), (flat - self._expected) @ self.slope
