"""Networks that are distilled: noisy tasks, two architectures, and a trainer that counts what it trains (C5)."""

import time
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from reprise import datasets
from reprise.networks import MLP

Outputs = Literal["linear", "softmax"]
CLASSES = 10


class Task(NamedTuple):
    """Classification with noisy labels, one task a seed.

    Targets of training and validation points are one-hot, of labels that are noisy alike. Those of test points are the
    expectation of such a target, so that test losses have no noise of their own; the largest is that of the true class.
    """

    x: Float[np.ndarray, "seeds n d"]
    y: Float[np.ndarray, "seeds n 10"]
    x_val: Float[np.ndarray, "seeds v d"]
    y_val: Float[np.ndarray, "seeds v 10"]
    x_test: Float[np.ndarray, "seeds t d"]
    y_test: Float[np.ndarray, "seeds t 10"]


def noisy_task(
    name: str, seeds: int, n: int, validation: int, tests: int, noise: float, *, size: int | None = None, seed: int = 0
) -> Task:
    """Draws of a data set's rows, one a seed; a share `noise` of labels is replaced by a class at random.

    Args:
        name: "digits", or a set with an official test part.
        seeds: number of tasks.
        n: training points.
        validation: validation points, drawn from the same training part.
        tests: test points.
        noise: share of the labels that are drawn anew.
        size: images are reduced to this many pixels a side.
        seed: base of all draws.
    """
    parts = []
    for i in range(seeds):
        rng = np.random.default_rng([seed, i, 5])
        options: dict[str, Any] = {"n_train": n + validation, "n_test": tests, "dtype": "float32", "scale": "standard"}
        if size is not None:
            options["size"] = size
        if name == "digits":
            options |= {"split": 100 * seed + i, "train_fraction": 0.6}
        else:
            options |= {"seed": 100 * seed + i}
        data = datasets.load(name, **options)
        labels = np.asarray(data.y, dtype=np.int64).copy()
        redrawn = rng.random(len(labels)) < noise
        labels[redrawn] = rng.integers(0, CLASSES, int(redrawn.sum()))
        hot = np.eye(CLASSES, dtype=np.float32)
        y = hot[labels]
        y_test = (1.0 - noise) * hot[np.asarray(data.y_test, dtype=np.int64)] + np.float32(noise / CLASSES)
        parts.append((data.x[:n], y[:n], data.x[n:], y[n:], data.x_test, y_test))
    return Task(*(np.stack(column) for column in zip(*parts, strict=True)))


class ConvNet(eqx.Module):
    r"""Two 3 x 3 convolutions of stride 2 with ReLU, and a linear readout; weights scaled by $\sqrt{2/\text{fan in}}$.

    On one image given as a row of side² pixels. Convolutions are products of patches and weights, which run fast for
    many stacked networks.
    """

    first: Float[Array, "c 9"]
    second: Float[Array, "c2 c9"]
    last: Float[Array, "10 features"]
    side: int = eqx.field(static=True)

    def __init__(self, side: int, channels: int, *, key: PRNGKeyArray) -> None:
        """Draw the weights; the second layer has twice the channels."""
        half = -(-side // 2)
        shapes = ((channels, 9), (2 * channels, 9 * channels), (CLASSES, 2 * channels * (-(-half // 2)) ** 2))
        keys = jax.random.split(key, 3)
        self.first, self.second, self.last = (
            jax.random.normal(k, s, jnp.float32) for k, s in zip(keys, shapes, strict=True)
        )
        self.side = side

    def __call__(self, pixels: Float[Array, " d"]) -> Float[Array, " 10"]:
        """Outputs of one image."""
        x = pixels.reshape(self.side, self.side, 1)
        for weights in (self.first, self.second):
            x = jax.nn.relu(_patches(x) @ weights.T * (2.0 / weights.shape[1]) ** 0.5)
        return self.last @ x.ravel() * self.last.shape[1] ** -0.5


def _patches(x: Float[Array, "h w c"]) -> Float[Array, "h2 w2 9c"]:
    """The 3 x 3 neighbourhood of every second pixel, zero beyond the edge."""
    height, width = x.shape[:2]
    padded = jnp.pad(x, ((1, 2), (1, 2), (0, 0)))
    return jnp.concatenate([padded[i : i + height : 2, j : j + width : 2] for i in range(3) for j in range(3)], axis=-1)


class Recipe(NamedTuple):
    """How a network is made and trained.

    Attributes:
        network: "mlp" (one hidden layer) or "cnn".
        width: hidden units or channels.
        outputs: "linear", or "softmax" as in the paper's code; squared error either way.
        decay: weight decay, the penalty's derivative over the parameter.
        rate: learning rate of stochastic gradient descent with momentum 0.9.
        steps: number of steps.
        batch: examples a step.
        anchored: the penalty is on the distance from the start, not on the weights: then a wide network is a kernel
            regression, while plain decay shrinks its features until they have to be learnt anew.
    """

    network: str
    width: int
    outputs: Outputs
    decay: float
    rate: float
    steps: int
    batch: int
    anchored: bool = False


class Fit(NamedTuple):
    """Outputs of trained networks, (seeds, points, 10)."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Trainer:
    """Trains the same networks again and again to different targets: same start, same order of examples.

    So a student is a function of its targets alone, as in the kernel regression. One compiled program serves all of them.

    Attributes:
        task: the data.
        seconds: wall time of each training so far (all seeds together count as one).
    """

    def __init__(self, task: Task, recipe: Recipe, *, seed: int = 0) -> None:
        """Draw the start: hidden weights random, readout zero, so that every network starts as the zero function.

        Both architectures store standard normal numbers and scale them where they are used.
        """
        self.task, self.recipe, self.seconds = task, recipe, list[float]()
        (seeds, n, inputs), rng = task.x.shape, np.random.default_rng([seed, 8])

        def make(key: PRNGKeyArray) -> Any:
            if recipe.network == "cnn":
                return ConvNet(round(inputs**0.5), recipe.width, key=key)
            return MLP(inputs, recipe.width, CLASSES, depth=2, w_std=2**0.5, b_std=0.1, key=key)

        def draw(leaf: Any) -> Any:
            if not isinstance(leaf, jax.ShapeDtypeStruct):
                return leaf
            return jnp.asarray(rng.standard_normal((seeds, *leaf.shape)), jnp.float32)

        drawn = jax.tree.map(draw, eqx.filter_eval_shape(make, jax.random.key(0)))
        last = (lambda m: [m.last]) if recipe.network == "cnn" else (lambda m: [m.weights[-1], m.biases[-1]])
        self.models = eqx.tree_at(last, drawn, replace_fn=jnp.zeros_like)
        self.rows = jnp.asarray([_order(n, recipe, rng) for _ in range(seeds)], jnp.int32)
        self.inputs = tuple(jnp.asarray(x) for x in (task.x, task.x_val, task.x_test))

    @property
    def count(self) -> int:
        """Number of trainings so far."""
        return len(self.seconds)

    def fit(self, targets: Float[np.ndarray, "seeds n 10"]) -> Fit:
        """Train all seeds to these targets from the common start and return their outputs."""
        r, begun = self.recipe, time.perf_counter()
        numbers = jnp.asarray([r.rate, r.decay, float(r.anchored)], jnp.float32)
        out = _trained(self.models, self.inputs, jnp.asarray(targets, jnp.float32), self.rows, numbers, r.outputs)
        fit = Fit(*(np.asarray(part, dtype=np.float64) for part in out))
        if not all(np.isfinite(part).all() for part in fit):
            raise FloatingPointError(f"training diverged at rate {r.rate:g}; take a smaller one")
        self.seconds.append(time.perf_counter() - begun)
        return fit


def _order(n: int, recipe: Recipe, rng: np.random.Generator) -> Int[np.ndarray, "steps batch"]:
    """The examples of every step: fresh permutations, of which a remainder is left out."""
    batches = n // recipe.batch
    epochs = -(-recipe.steps // batches)
    drawn = [rng.permutation(n)[: batches * recipe.batch].reshape(batches, recipe.batch) for _ in range(epochs)]
    return np.concatenate(drawn)[: recipe.steps]


@eqx.filter_jit
def _trained(
    models: eqx.Module,
    inputs: tuple[Array, ...],
    targets: Float[Array, "seeds n 10"],
    rows: Int[Array, "seeds steps batch"],
    numbers: Float[Array, "3"],
    outputs: Outputs,
) -> list[Array]:
    """Outputs, at all inputs, of networks trained to the targets of the first: momentum 0.9, cosine rate, minibatches."""
    steps, (rate, decay, anchored) = rows.shape[1], numbers
    rates = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.arange(steps) / steps))

    def answers(model: Any, x: Array) -> Array:
        out = jax.vmap(model)(x)
        return jax.nn.softmax(out) if outputs == "softmax" else out

    def one(model: eqx.Module, parts: tuple[Array, ...], y: Array, rows: Array) -> list[Array]:
        begin, static = eqx.partition(model, eqx.is_inexact_array)

        def loss(p: Any, chosen: Array) -> Array:
            gaps = answers(eqx.combine(p, static), parts[0][chosen]) - y[chosen]
            return 0.5 * jnp.mean(jnp.sum(gaps**2, axis=1))

        def step(carry: tuple[Any, Any], now: tuple[Array, Array]) -> tuple[tuple[Any, Any], None]:
            p, speed = carry
            slope = jax.tree.map(lambda g, w, w0: g + decay * (w - anchored * w0), jax.grad(loss)(p, now[0]), p, begin)
            speed = jax.tree.map(lambda v, g: 0.9 * v + g, speed, slope)
            return (jax.tree.map(lambda w, v: w - now[1] * v, p, speed), speed), None

        still = jax.tree.map(jnp.zeros_like, begin)
        (params, _), _ = jax.lax.scan(step, (begin, still), (rows, rates.astype(jnp.float32)))
        return [answers(eqx.combine(params, static), x) for x in parts]

    return eqx.filter_vmap(one)(models, inputs, targets, rows)
