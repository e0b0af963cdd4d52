r"""Finite two-layer networks trained on the unit vectors, in two parametrisations.

All are `reprise.networks.MLP` of depth 2 without biases, float32, stacked over seeds. In "ntk" parametrisation both
layers take part in the limit. In "standard" parametrisation, that of the released code, weights are drawn with standard
deviation $1/\sqrt{\text{fan in}}$ and nothing stands in front of them: the tangent kernel is about $n$ times that of the
last layer, and the first layer's share is of order $k/n$.
"""

import zlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from reprise import progress
from reprise.networks import MLP, record_outputs, train_full_batch
from reprise.papers.infinite_width.permutations import regression

Scaling = Literal["ntk", "standard"]

AT_ONCE = 6e6
"""Numbers held at once by the networks that train together: they stay in a processor's cache."""


class Plan(NamedTuple):
    r"""How networks are trained: gradient descent on $\frac12\sum_i\|f(x_i)-y_i\|^2$ for a number of steps.

    Attributes:
        rate: learning rate times the largest eigenvalue of the limiting kernel, below 2 to be stable.
        steps: number of steps.
        records: at how many times, start and end included, the function is looked at.
    """

    rate: float
    steps: int
    records: int = 2

    @property
    def times(self) -> list[int]:
        """Steps at which the function is looked at, denser at the beginning.

        >>> Plan(0.5, 60, 5).times
        [0, 4, 15, 34, 60]
        """
        share = np.linspace(0.0, 1.0, self.records) ** 2
        return sorted({round(self.steps * float(s)) for s in share})


class Run(NamedTuple):
    """Networks of one width, trained on the unit vectors.

    Attributes:
        f: outputs at the recorded steps, (seeds, records, T, k).
        steps: recorded steps, (records,).
        eta: learning rate of the steps.
        truth: which outputs should be on, (T, k).
        k: length of inputs and outputs.
        width: number n of hidden units.
        gates: share of pairs of a hidden unit and a unit vector that training has turned off, and on, (seeds, 2).
    """

    f: Float[np.ndarray, "seeds records t k"]
    steps: np.ndarray
    eta: float
    truth: Bool[np.ndarray, "t k"]
    k: int
    width: int
    gates: Float[np.ndarray, "seeds 2"]

    @property
    def start(self) -> Float[np.ndarray, "seeds t k"]:
        """Outputs before training."""
        return self.f[:, 0]

    @property
    def end(self) -> Float[np.ndarray, "seeds t k"]:
        """Outputs after training."""
        return self.f[:, -1]

    @property
    def weights(self) -> np.ndarray:
        """Number of ones of every input, (T,)."""
        return self.truth.sum(axis=1)


def draw(k: int, width: int, count: int, scaling: Scaling, *, seed: int) -> MLP:
    """Random networks, stacked: the law of `MLP`, drawn by NumPy, which needs no compilation for a new width.

    >>> draw(3, 8, 2, "ntk", seed=0).weights[0].shape
    (2, 8, 3)
    """
    rng = np.random.default_rng([seed, zlib.crc32(f"{scaling} {k} {width}".encode())])
    shapes = ((count, width, k), (count, k, width))
    drawn = tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    if scaling == "standard":
        drawn = tuple(w / np.float32(w.shape[-1] ** 0.5) for w in drawn)

    def blank(key: jax.Array) -> MLP:
        return MLP(k, width, k, depth=2, parametrisation=scaling, key=key)

    shape = eqx.filter_eval_shape(eqx.filter_vmap(blank), jax.random.split(jax.random.key(0), count))
    return eqx.tree_at(lambda m: m.weights, shape, tuple(jnp.asarray(w) for w in drawn))  # type: ignore[no-any-return]


def largest_eigenvalue(k: int, width: int, scaling: Scaling) -> float:
    r"""Largest eigenvalue of the expected tangent kernel at the start on the unit vectors.

    In standard parametrisation the kernel is $n\,K$ from the last layer plus $k$ times the first layer's share
    $\Theta-K$, since the factors $1/\sqrt n$ and $1/\sqrt k$ are missing in front of the weights.
    """
    sigma, theta = (np.asarray(kernel) for kernel in regression.kernels(np.eye(k)))
    kernel = theta if scaling == "ntk" else width * sigma + k * (theta - sigma)
    return float(np.linalg.eigvalsh(kernel)[-1])


def train(
    k: int,
    width: int,
    count: int,
    inputs: Float[np.ndarray, "t k"],
    plan: Plan,
    *,
    scaling: Scaling = "ntk",
    seed: int,
) -> Run:
    """Draw networks, train them on the unit vectors and a permutation of them, and look at them on test inputs.

    Args:
        k: length of inputs and outputs.
        width: hidden units.
        count: number of networks.
        inputs: zeros and ones, (T, k); they are normalised here.
        plan: of the training.
        scaling: parametrisation.
        seed: of the networks and of the permutation.
    """
    permutation = regression.permutation(k, seed)
    x, y = regression.normalised(inputs), regression.targets(permutation)
    eta = plan.rate / largest_eigenvalue(k, width, scaling)
    models = draw(k, width, count, scaling, seed=seed)
    done = train_full_batch(
        models,
        np.eye(k),
        y,
        rate=eta,
        steps=plan.steps,
        loss="half_sse",
        record=record_outputs(x.astype(np.float32)),
        record_at=plan.times,
        at_once=group_size(count, 2 * k * width),
        label=f"{width} units, {scaling}, k = {k}",
    )
    f = np.asarray(done.records, dtype=np.float64)
    before, after = (np.asarray(m.weights[0]) > 0.0 for m in (models, done.models))
    gates = np.stack([(before & ~after).mean(axis=(1, 2)), (after & ~before).mean(axis=(1, 2))], axis=1)
    return Run(f, done.steps, eta, regression.truth(inputs, permutation), k, width, gates)


def group_size(count: int, size: int) -> int:
    """How many of `count` networks with `size` parameters train at once: a divisor of the count, if there is a fair one.

    >>> group_size(300, 20_480), group_size(7, 10**9)
    (150, 1)
    """
    most = max(1, min(count, int(AT_ONCE // size)))
    best = max(d for d in range(1, most + 1) if count % d == 0)
    return best if 2 * best > most else most


def across(
    k: int,
    widths: Sequence[int],
    count: int,
    inputs: Float[np.ndarray, "t k"],
    plan: Plan,
    *,
    scaling: Scaling = "ntk",
    seed: int,
) -> list[Run]:
    """`train` at each width, with fresh networks for each."""
    return [
        train(k, width, count, inputs, plan, scaling=scaling, seed=seed)
        for width in progress.track(widths, f"widths, {scaling}, k = {k}")
    ]
