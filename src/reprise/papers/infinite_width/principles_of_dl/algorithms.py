r"""Claim C5: what fully trained networks predict depends on the algorithm by $O(1/n)$ only.

The same networks are trained on a few points with targets, in float64, until the loss is below $10^{-10}$ of its start:
by gradient flow (Runge-Kutta), by gradient descent at a share of its largest stable step $2/\lambda_1$, and by Newton steps
in function space, $\theta'=\theta+\eta J^\top(JJ^\top)^{-1}(y-f)$. At infinite width all three end at one prediction.
"""

from collections.abc import Callable, Sequence
from functools import partial
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


def train(net: Net, some: Task, shares: Sequence[float], count: int, *, decades: float = 11.5, seed: int) -> Trained:
    r"""Train the same networks in all ways, for $10^{-\text{decades}}$ of the loss in the slowest direction.

    Args:
        net: scalar output.
        some: points and targets.
        shares: step sizes in units of the largest stable one.
        count: number of networks.
        decades: how far to train.
        seed: base of the draws.
    """
    values = partial(finite.scalar, net)
    condition = _condition(net, some, seed)
    time = 0.5 * decades * np.log(10.0) * condition  # in units of 1 / lambda_1
    flow_steps = int(np.ceil(time / FLOW_STEP))
    descent_steps = [_descent_steps(share, condition, decades) for share in shares]

    def force(p: Params) -> Params:
        error, pull = jax.vjp(lambda q: some.y - values(q, some.x), p)
        return jax.tree.map(lambda leaf: -leaf, pull(error)[0])

    def run(params: Params) -> tuple[Array, ...]:
        theta = finite.tangent(net, params, jnp.concatenate([some.x, some.test]), some.x)
        m = len(some.y)
        largest = jnp.linalg.eigvalsh(theta[:m])[-1]
        start = values(params, some.x)
        kernel = values(params, some.test) + theta[m:] @ jnp.linalg.solve(theta[:m], some.y - start)

        def seen(p: Params) -> tuple[Array, Array]:
            left = jnp.sum((values(p, some.x) - some.y) ** 2) / jnp.sum((start - some.y) ** 2)
            return values(p, some.test), left

        def descended(how: tuple[Array, Array]) -> tuple[Array, Array]:
            share, steps = how
            return seen(_descent(force, params, 2 * share / largest, steps))

        flow = seen(_flow(force, params, FLOW_STEP / largest, flow_steps))
        descent = jax.lax.map(descended, (jnp.asarray(shares), jnp.asarray(descent_steps)))
        newton = seen(_newton(values, some, params))
        left = jnp.maximum(jnp.maximum(flow[1], newton[1]), jnp.max(descent[1]))
        return flow[0], descent[0], newton[0], kernel, left

    rows = 3 + 2 * len(some.y)
    found = finite.over_networks(
        jax.jit(jax.vmap(run)), net, count, seed=seed, name="algorithms", dtype=np.float64, rows=rows
    )
    return Trained(*found)


def train_across(
    widths: Sequence[int], hidden: int, some: Task, shares: Sequence[float], count: int, *, seed: int
) -> list[Trained]:
    """`train` for tanh networks at criticality of each width."""
    inputs = some.x.shape[1]

    def at(width: int) -> Trained:
        return train(Net(inputs, width, hidden, "tanh", 1.0), some, shares, count, seed=seed)

    return finite.across(at, widths)


def _condition(net: Net, some: Task, seed: int) -> float:
    """A condition number that most networks of this width stay below: 1.2 times the mean of 16, plus three deviations."""
    params = finite.draw(net, 16, seed=seed, name="condition", dtype=np.float64)
    kernels = np.asarray(jax.jit(jax.vmap(lambda p: finite.tangent(net, p, some.x, some.x)))(params))
    values = np.linalg.eigvalsh(kernels)
    ratios = values[:, -1] / values[:, 0]
    return float(1.2 * ratios.mean() + 3 * ratios.std())


def _descent_steps(share: float, condition: float, decades: float) -> int:
    """Steps of 2 share / lambda_1 until every direction has decayed: the slowest, or the first if it overshoots."""
    slowest = abs(1 - 2 * share / condition)
    first = abs(1 - 2 * share)
    rate = -np.log(max(slowest, min(first * 1.08, 0.98), 1e-3))
    return int(np.ceil(0.5 * decades * np.log(10.0) / rate))


def _descent(force: Callable[[Params], Params], params: Params, step: Array, steps: Array) -> Params:
    return jax.lax.fori_loop(0, steps, lambda _, p: finite.moved(p, step, force(p)), params)


def _flow(force: Callable[[Params], Params], params: Params, step: Array, steps: int) -> Params:
    """Classical Runge-Kutta; its four stages are a loop too, so that the force is compiled once."""
    dtype = params.first.dtype
    stages = jnp.asarray([[0.0, 1 / 6], [0.5, 1 / 3], [0.5, 1 / 3], [1.0, 1 / 6]], dtype)
    still = jax.tree.map(jnp.zeros_like, params)

    def one(p: Params, _: None) -> tuple[Params, None]:
        def stage(carry: tuple[Params, Params], ab: Array) -> tuple[tuple[Params, Params], None]:
            slope, mixed = carry
            slope = force(finite.moved(p, ab[0] * step, slope))
            return (slope, finite.moved(mixed, ab[1], slope)), None

        (_, mixed), _ = jax.lax.scan(stage, (still, still), stages)
        return finite.moved(p, step, mixed), None

    return jax.lax.scan(one, params, None, length=steps)[0]


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
