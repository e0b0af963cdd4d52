r"""Claim C5: what fully trained networks predict depends on the algorithm by $O(1/n)$ only.

The same networks are trained on a few points with targets, in float64, until each one's loss is $10^{-10}$ of its start:
by gradient flow (Runge-Kutta), by gradient descent at a share of its largest stable step $2/\lambda_1$, and by Newton steps
in function space, $\theta'=\theta+\eta J^\top(JJ^\top)^{-1}(y-f)$. At infinite width all three end at one prediction.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import finite
from reprise.papers.infinite_width.principles_of_dl.finite import Net, Params

FLOW_STEP = 0.7
"""Runge-Kutta step in units of the inverse of the largest eigenvalue."""
EULER, RUNGE_KUTTA = [[0.0, 1.0]] + 3 * [[0.0, 0.0]], [[0.0, 1 / 6], [0.5, 1 / 3], [0.5, 1 / 3], [1.0, 1 / 6]]
"""For each stage: how far along the last slope it looks, and its share of the step."""
MOST = 20_000
"""Steps after which training is given up."""
NEWTON_SHARE, NEWTON_STEPS = 0.25, 48
"""Newton steps cover a quarter of the error, until a millionth of it is left."""


class Task(NamedTuple):
    """Training points (m, d), targets (m,) and test points (k, d)."""

    x: Float[Array, "m d"]
    y: Float[Array, " m"]
    test: Float[Array, "k d"]


def task(points: int, tests: int, inputs: int, *, seed: int) -> Task:
    r"""Random points of norm $\sqrt d$ with standard normal targets, and random test points."""
    rng = np.random.default_rng([seed, 5])
    all_points = rng.normal(size=(points + tests, inputs))
    all_points *= np.sqrt(inputs) / np.linalg.norm(all_points, axis=1, keepdims=True)
    y = rng.normal(size=points)
    return Task(jnp.asarray(all_points[:points]), jnp.asarray(y), jnp.asarray(all_points[points:]))


class Trained(NamedTuple):
    """Test predictions of networks of one width, each of shape (nets, k), and the largest share of the loss that is left.

    Attributes:
        flow: by gradient flow.
        descent: by gradient descent, (nets, steps, k), one for each step size.
        newton: by Newton steps.
        kernel: what the network's own kernel at the start predicts.
        left: (nets,).
    """

    flow: Float[np.ndarray, "nets k"]
    descent: Float[np.ndarray, "nets steps k"]
    newton: Float[np.ndarray, "nets k"]
    kernel: Float[np.ndarray, "nets k"]
    left: Float[np.ndarray, " nets"]


def train(net: Net, some: Task, shares: Sequence[float], count: int, *, decades: float = 10.0, seed: int) -> Trained:
    r"""Train the same networks in all ways, each until $10^{-\text{decades}}$ of its loss is left.

    Args:
        net: scalar output.
        some: points and targets.
        shares: step sizes in units of the largest stable one.
        count: number of networks.
        decades: how far to train.
        seed: base of the draws.
    """
    steps = jnp.asarray([FLOW_STEP, *(2 * share for share in shares)])
    found = finite.over_networks(
        _training(net, decades),
        net,
        count,
        some,
        steps,
        seed=seed,
        name="algorithms",
        dtype=np.float64,
        rows=3 + 2 * len(some.y),
    )
    return Trained(*found)


@cache
def _training(net: Net, decades: float) -> Callable[..., tuple[Array, ...]]:
    values = partial(finite.scalar, net)

    def run(params: Params, some: Task, steps: Array) -> tuple[Array, ...]:
        points, m = jnp.concatenate([some.x, some.test]), len(some.y)

        def force(p: Params) -> tuple[Params, Array]:
            error, pull = jax.vjp(lambda q: some.y - values(q, some.x), p)
            return jax.tree.map(lambda leaf: -leaf, pull(error)[0]), jnp.sum(error**2)

        def seen(p: Params) -> tuple[Array, Array]:
            f = values(p, points)
            return f[m:], jnp.sum((f[:m] - some.y) ** 2) / loss

        def trained(how: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            step, stages, table = how
            return seen(_trained(force, params, step / largest, stages, table, loss * 10.0**-decades))

        start = values(params, points)
        loss = jnp.sum((start[:m] - some.y) ** 2)
        theta = finite.tangent(net, params, points, m)
        largest = jnp.linalg.eigvalsh(theta[:m])[-1]
        kernel = start[m:] + theta[m:] @ jnp.linalg.solve(theta[:m], some.y - start[:m])
        others = len(steps) - 1
        ends, left = jax.lax.map(
            trained, (steps, jnp.asarray([4] + [1] * others), jnp.asarray([RUNGE_KUTTA] + [EULER] * others))
        )
        newton, rest = seen(_newton(values, some, params))
        return ends[0], ends[1:], newton, kernel, jnp.maximum(jnp.max(left), rest)

    return jax.jit(jax.vmap(run, in_axes=(0, None, None)))


def train_across(
    widths: Sequence[int], hidden: int, some: Task, shares: Sequence[float], count: int, *, seed: int
) -> list[Trained]:
    """`train` for tanh networks at criticality of each width."""
    inputs = some.x.shape[1]

    def at(width: int) -> Trained:
        return train(Net(inputs, width, hidden, "tanh", 1.0), some, shares, count, seed=seed)

    return finite.across(at, widths)


def _trained(
    force: Callable[[Params], tuple[Params, Array]],
    params: Params,
    step: Array,
    stages: Array,
    table: Float[Array, "4 2"],
    goal: Array,
) -> Params:
    """Steps of a Runge-Kutta table until the loss is down at its goal; stages are a loop, so that the force is compiled once."""

    def one(carry: tuple[Params, Array, Array]) -> tuple[Params, Array, Array]:
        p, number, _ = carry

        def stage(i: Array, parts: tuple[Params, Params, Array]) -> tuple[Params, Params, Array]:
            slope, mixed, loss = parts
            slope, here = force(finite.moved(p, table[i, 0] * step, slope))
            return slope, finite.moved(mixed, table[i, 1], slope), jnp.where(i == 0, here, loss)

        still = jax.tree.map(jnp.zeros_like, p)
        _, mixed, loss = jax.lax.fori_loop(0, stages, stage, (still, still, goal))
        return finite.moved(p, step, mixed), number + 1, loss

    def unfinished(carry: tuple[Params, Array, Array]) -> Array:
        return (carry[2] > goal) & (carry[1] < MOST)

    return jax.lax.while_loop(unfinished, one, (params, jnp.asarray(0), jnp.asarray(np.inf)))[0]


def _newton(values: Callable[[Params, Array], Array], some: Task, params: Params) -> Params:
    def one(p: Params, _: None) -> tuple[Params, None]:
        f, pull = jax.vjp(lambda q: values(q, some.x), p)
        rows = jax.vmap(lambda cotangent: pull(cotangent)[0])(jnp.eye(len(some.y), dtype=f.dtype))
        flat = [leaf.reshape(len(some.y), -1) for leaf in jax.tree.leaves(rows)]
        theta = sum((leaf @ leaf.T for leaf in flat), start=jnp.zeros(()))
        direction = pull(jnp.linalg.solve(theta, some.y - f))[0]
        return finite.moved(p, jnp.asarray(NEWTON_SHARE), direction), None

    return jax.lax.scan(one, params, None, length=NEWTON_STEPS)[0]


def distance(a: Float[np.ndarray, "nets k"], b: Float[np.ndarray, "nets k"]) -> Float[np.ndarray, " nets"]:
    """Root mean square difference over test points, network by network."""
    return np.asarray(np.sqrt(np.mean((a - b) ** 2, axis=-1)))


def differences(runs: Sequence[Trained], pick: Callable[[Trained], Any]) -> Float[np.ndarray, "nets widths"]:
    """`distance` of gradient flow from another prediction, one column a width."""
    return np.stack([distance(run.flow, pick(run)) for run in runs], axis=1)


def between_seeds(runs: Sequence[Trained]) -> Float[np.ndarray, "nets widths"]:
    """Control: the distance between two networks trained by the same algorithm from different starts."""
    return np.stack([distance(run.flow, np.roll(run.flow, 1, axis=0)) for run in runs], axis=1)


def step_exponent(run: Trained, shares: Sequence[float], *, seeds: bool = False) -> Estimate:
    """Exponent with which the distance from gradient flow grows with the step; with `seeds`, from another network's."""
    flow = np.roll(run.flow, 1, axis=0) if seeds else run.flow
    samples = np.stack([distance(flow, run.descent[:, i]) for i in range(len(shares))], axis=1)
    return statistics.slope(shares, samples)
