r"""Claim C3: finite networks in muP against three limits that were computed without a network.

Linear networks are drawn as $U=n^{-1/2}\Omega A_0$, $V=n^{-1/2}B_0\Omega^\top$ and trained by automatic differentiation. Networks
with tanh come from `networks`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.feature_learning import (
    abc_space,
    deep_limit,
    linear_limit,
    meanfield_limit,
    networks,
)
from reprise.papers.infinite_width.feature_learning.linear_limit import Problem
from reprise.progress import track

CACHE = 24_000_000
"""Bytes of linear networks trained at once."""


class Approach(NamedTuple):
    """Finite networks and their limit at the probes after training.

    Attributes:
        widths: of the networks.
        finite: one array (seeds, p) a width.
        quiet: the same with most of the scatter removed and the mean kept, where that can be done, else `finite`.
        limit: the feature-learning limit, (p,).
        kernel: what another theory says, (p,): the kernel limit, or the limit with one term left out.
    """

    widths: list[int]
    finite: list[np.ndarray]
    quiet: list[np.ndarray]
    limit: np.ndarray
    kernel: np.ndarray

    def errors(self, target: np.ndarray) -> list[np.ndarray]:
        """Root mean square distance over the probes for each network, one array a width."""
        return [np.sqrt(np.mean((f - target) ** 2, axis=1)) for f in self.finite]

    def slope(self, target: np.ndarray) -> Estimate:
        """Exponent in width of the distance to `target`."""
        return statistics.slope(self.widths, np.stack(self.errors(target), axis=1))

    def bias_slope(self, target: np.ndarray) -> Estimate:
        r"""Exponent in width of $|E[f]-\text{target}|$, root mean square over the probes, by bootstrap over networks."""
        lx = np.log(np.asarray(self.widths, dtype=float))
        weights = (lx - lx.mean()) / np.sum((lx - lx.mean()) ** 2)

        def slope(rows: np.ndarray, axis: int) -> np.ndarray:
            gaps = np.mean(rows, axis=axis) - target
            return np.asarray(0.5 * np.log(np.mean(gaps**2, axis=-1)) @ weights)

        return statistics.bootstrap(np.stack(self.quiet, axis=1), slope, n_boot=1000)

    @property
    def telling(self) -> int:
        """The probe at which the two theories differ most."""
        return int(np.argmax(np.abs(self.limit - self.kernel)))

    def score(self, target: np.ndarray) -> Estimate:
        """Distance of the mean function from `target` at the largest width in standard errors, at the most telling probe.

        Finite networks have a bias of order 1/n, which enough of them would show; the score takes at most n/4.
        """
        most = max(8, self.widths[-1] // 4)
        values = self.finite[-1][:most, self.telling]
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
        z = abs(float(values.mean()) - float(target[self.telling])) / error
        return Estimate.exact(z, n=len(values), method="z-score of the mean")


@partial(jax.jit, static_argnames=("slots",))
def train_linear(
    keys: UInt32[Array, "seeds 2"], x: Array, y: Array, probes: Array, rate: float, width: Array, *, slots: int
) -> tuple[Float[Array, "seeds p"], Float[Array, "seeds k k"]]:
    r"""Linear networks of one output in muP with unit variances: f at the probes in the end, and $\Omega^\top\Omega/n$."""

    def output(weights: tuple[Array, Array], point: Array) -> Array:
        u, v = weights
        return v @ (u @ point)

    def loss(weights: tuple[Array, Array], point: Array, target: Array) -> Array:
        return 0.5 * (output(weights, point) - target) ** 2

    def one(data: Array) -> tuple[Array, Array]:
        key = jax.random.wrap_key_data(data)
        real = (jnp.arange(slots) < width)[:, None]
        omega = real * jax.random.normal(key, (slots, x.shape[1] + 1), jnp.float32).astype(x.dtype) / jnp.sqrt(width)

        def step(weights: tuple[Array, Array], example: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
            u, v = jax.grad(loss)(weights, *example)
            moved = (weights[0] - rate * u, weights[1] - rate * v)
            return moved, jax.vmap(lambda p: output(moved, p))(probes)

        start = (omega[:, :-1], omega[:, -1])
        _, found = jax.lax.scan(step, start, (x, y))
        return found[-1], omega.T @ omega

    found: tuple[Array, Array] = jax.vmap(one)(keys)
    return found


def linear(problem: Problem, widths: Sequence[int], *, seed: int, seeds: int, rate: float) -> Approach:
    """Linear networks after the last step."""
    arrays = [jnp.asarray(part) for part in (problem.x, problem.y[:, 0], problem.probes)]
    finite, quiet = [], []
    at_once = max(1, CACHE // (24 * max(widths)))
    for width in track(widths, "linear networks"):
        split = jax.random.split(jax.random.fold_in(jax.random.key(seed), 7 * width), seeds)
        keys = np.asarray(jax.random.key_data(split))
        groups = np.resize(keys, (-(-seeds // at_once) * at_once, 2)).reshape(-1, at_once, 2)
        parts = [train_linear(some, *arrays, rate, np.asarray(float(width)), slots=max(widths)) for some in groups]
        f, gram = (np.concatenate(part)[:seeds] for part in zip(*parts, strict=True))
        finite.append(f)
        quiet.append(without_scatter(f, gram))
    limit, kernel = (f(problem, rate=rate)[-1, :, 0] for f in (linear_limit.trajectory, linear_limit.kernel_trajectory))
    return Approach(list(widths), finite, quiet, limit, kernel)


def without_scatter(
    f: Float[np.ndarray, "seeds p"], gram: Float[np.ndarray, "seeds k k"]
) -> Float[np.ndarray, "seeds p"]:
    r"""Remove what is linear in $\Omega^\top\Omega/n-I$, whose mean is exactly zero: the mean stays, the scatter goes.

    The rest scatters by $O(1/n)$ instead of $n^{-1/2}$, so that a bias of order $1/n$ can be seen with few networks.
    """
    upper = np.triu_indices(gram.shape[1])
    known = (gram - np.eye(gram.shape[1]))[:, upper[0], upper[1]]
    design = np.concatenate([np.ones((len(f), 1)), known], axis=1)
    coefficients = np.linalg.lstsq(design, f, rcond=None)[0]
    return np.asarray(f - known @ coefficients[1:])


def nonlinear(problem: Problem, widths: Sequence[int], *, seed: int, seeds: int, rate: float) -> Approach:
    """Networks with one hidden tanh layer after the last step."""
    finite = _tanh_networks(1, problem, widths, seed=seed, seeds=seeds, rate=rate, steps=len(problem.x))
    limit, kernel = (f(problem, rate=rate)[-1] for f in (meanfield_limit.trajectory, meanfield_limit.kernel_trajectory))
    return Approach(list(widths), finite, finite, limit, kernel)


def deep(problem: Problem, widths: Sequence[int], *, seed: int, seeds: int, rate: float) -> Approach:
    """Networks with two hidden tanh layers after one step; the other theory takes a matrix and its transpose as independent."""
    finite = _tanh_networks(2, problem, widths, seed=seed, seeds=seeds, rate=rate, steps=1)
    limit, control = (
        deep_limit.after_one_step(problem.x[0], float(problem.y[0, 0]), problem.probes, rate=rate, transpose=transpose)
        for transpose in (True, False)
    )
    return Approach(list(widths), finite, finite, limit, control)


def _tanh_networks(
    hidden: int, problem: Problem, widths: Sequence[int], *, seed: int, seeds: int, rate: float, steps: int
) -> list[np.ndarray]:
    task = networks.Task(problem.x, problem.y[:, 0], problem.probes)
    found = []
    for width in track(widths, f"tanh networks with {hidden} hidden layers"):
        key = jax.random.fold_in(jax.random.key(seed), 13 * width + hidden)
        run = networks.train(
            [abc_space.mu_p(hidden)], width, task, key=key, seeds=seeds, rates=rate, records=(steps,),
            slots=max(widths) if hidden == 1 else None,
        )  # fmt: skip
        found.append(run.f[:, 0, -1])
    return found


def reading(found: Mapping[str, Approach]) -> str:
    """Markdown: what finite networks compute on average, and both theories, at the most telling probe."""
    lines = ["| | width | mean network | limit | other theory |", "|---|---|---|---|---|"]
    for name, approach in found.items():
        mean = statistics.mean(approach.finite[-1][:, approach.telling])
        limit, other = (float(theory[approach.telling]) for theory in (approach.limit, approach.kernel))
        spread = 0.5 * (mean.high - mean.low)  # type: ignore[operator]
        lines.append(
            f"| {name} | {approach.widths[-1]} | {mean.value:.4f} ± {spread:.4f} | {limit:.4f} | {other:.4f} |"
        )
    return "\n".join(lines)
