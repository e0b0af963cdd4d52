r"""C4: finite networks with polynomial activations, their kernels and their training.

A network has $L$ hidden layers of one width, `reprise.networks.MLP` of depth $L+1$ in NTK parametrisation without biases. Its
inputs are $\sqrt{d+1}\,x$, so that first pre-activations have variance 1, as the normalisation of $\phi$ supposes.
"""

import functools
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.networks import MLP, empirical_ntk, ensemble, predict, train_full_batch
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import tasks
from reprise.papers.infinite_width.wide_deep_optimality.evidence import extreme, hull

DIMENSION = 2


def plain() -> ac.Activation:
    r"""The paper's activation for $d=2$ with $He_3=x^3-3x$ in place of $h_3=He_3/\sqrt6$: the control."""
    good = ac.optimal(DIMENSION)
    return ac.hermite({k: w**0.5 for k, w in zip(good.powers, good.weights, strict=True)}, "not normalised", normalised=False)


def limits(x: Float[np.ndarray, "n k"], activation: ac.Activation, depth: int) -> tuple[np.ndarray, np.ndarray]:
    r"""$\Sigma_L$ and $\Theta_L$ between unit vectors, by the stable recursion, float64."""
    log_t = np.asarray(deep.log_start(x, x))
    np.fill_diagonal(log_t, 0.0)
    logs = deep.evaluate(activation, np.exp(log_t), depth)
    sigma = np.exp(-np.exp(logs.log_t))
    theta = sigma * np.exp(logs.log_r)
    for gram, kind in ((sigma, "nngp"), (theta, "ntk")):
        np.fill_diagonal(gram, np.exp(deep.diagonal(activation, depth, kind)))  # type: ignore[arg-type]
    return sigma, theta


def draw(activation: ac.Activation, width: int, depth: int, count: int, *, seed: int, name: str) -> MLP:
    """Networks of one width, stacked."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), zlib.crc32(f"{name} {width} {depth}".encode())), count)
    return ensemble(
        lambda key: MLP(DIMENSION + 1, width, depth=depth + 1, activation=activation.function, key=key), keys
    )


def inputs(x: Float[np.ndarray, "n k"]) -> Float[Array, "n k"]:
    """Unit vectors as a network takes them."""
    return jnp.asarray(x * x.shape[1] ** 0.5, jnp.float32)


@eqx.filter_jit
def _kernels(models: MLP, x: Array) -> tuple[Array, Array]:
    """Last layer's share (the NNGP kernel of this network) and tangent kernel."""

    def one(model: MLP) -> tuple[Array, Array]:
        def hidden(point: Array) -> Array:
            for layer in range(model.depth - 1):
                point = model.activation(model.layer(layer, point))
            return point

        alpha = jax.vmap(hidden)(x).astype(jnp.float64)
        return alpha @ alpha.T / alpha.shape[1], empirical_ntk(model, x)

    return eqx.filter_vmap(one)(models)  # type: ignore[no-any-return]


class Errors(NamedTuple):
    """Relative Frobenius errors of finite networks' kernels: depth -> (networks, widths)."""

    widths: tuple[int, ...]
    nngp: dict[int, Float[np.ndarray, "networks widths"]]
    ntk: dict[int, Float[np.ndarray, "networks widths"]]


def errors(
    activation: ac.Activation, widths: Sequence[int], depths: Sequence[int], *, count: int, points: int, seed: int
) -> Errors:
    """Kernels of random networks against the recursion of the normalised activation, on random points of the task."""
    x = tasks.draw(DIMENSION, points, tasks.stream(seed, "finite kernels", 0)).x
    found: tuple[dict[int, np.ndarray], dict[int, np.ndarray]] = {}, {}
    with progress.task("Kernels of random networks", len(widths) * len(depths)) as advance:
        for depth in depths:
            targets = limits(x, activation, depth)
            columns: list[list[np.ndarray]] = [[], []]
            for width in widths:
                group = max(1, min(count, 4 * 10**7 // (max(1, depth - 1) * width**2)))
                parts = [
                    _kernels(draw(activation, width, depth, min(group, count - at), seed=seed + at, name="kernels"), inputs(x))
                    for at in range(0, count, group)
                ]
                for k, target in enumerate(targets):
                    kernels = np.concatenate([np.asarray(p[k]) for p in parts])
                    columns[k].append(np.linalg.norm(kernels - target, axis=(1, 2)) / np.linalg.norm(target))
                advance(1)
            for k in range(2):
                found[k][depth] = np.stack(columns[k], axis=1)
    return Errors(tuple(widths), *found)


def slopes(found: Errors, kind: deep.Kind) -> Estimate:
    """Exponents of the error in the width, one interval over all depths."""
    table: dict[int, np.ndarray] = getattr(found, kind)
    return hull([statistics.slope(found.widths, values) for values in table.values()])


class Trained(NamedTuple):
    """Trained networks beside their kernels: depth -> agreement of signs on test points, (networks, widths)."""

    widths: tuple[int, ...]
    agreement: dict[int, Float[np.ndarray, "networks widths"]]
    error: dict[int, Float[np.ndarray, "networks widths"]]
    kernel_error: dict[int, float]


@functools.cache
def task(n: int, tests: int, seed: int) -> tuple[tasks.Sample, tasks.Sample]:
    """Training and test points of this experiment, the classes in fixed shares."""
    rng = tasks.stream(seed, "finite training", 0)
    return tasks.draw(DIMENSION, n, rng, balanced=True), tasks.draw(DIMENSION, tests, rng)


def trained(
    activation: ac.Activation, widths: Sequence[int], depths: Sequence[int], *, count: int, n: int, tests: int, steps: int,
    seed: int, predictor: ac.Activation | None = None,
) -> Trained:  # fmt: skip
    r"""Train networks by full-batch descent and compare their signs with the tangent kernel's interpolation.

    What is compared is $f_t-f_0$, trained on $y+f_0(X)$: a network that starts from zero, as the interpolation does. The rate is
    $N/\lambda_{\max}$ of the limiting kernel. ``predictor`` makes the predictions, another activation than that of the networks in a
    control.
    """
    train, test = task(n, tests, seed)
    good = predictor or activation
    agreement: dict[int, np.ndarray] = {}
    risk: dict[int, np.ndarray] = {}
    kernel_risk: dict[int, float] = {}
    both = np.concatenate([train.x, test.x])
    with progress.task("Training finite networks", len(depths) * len(widths)) as advance:
        for depth in depths:
            theta = limits(both, good, depth)[1]
            predicted = np.where(theta[n:, :n] @ cl.interpolation(theta[:n, :n], train.y) >= 0, 1.0, -1.0)
            rate = float(n / np.linalg.eigvalsh(theta[:n, :n])[-1])
            signs = [
                _signs(draw(activation, w, depth, count, seed=seed, name="training"), train, test, rate, steps) for w in widths
            ]
            advance(len(widths))
            agreement[depth] = np.stack([(s == predicted).mean(axis=1) for s in signs], axis=1)
            risk[depth] = np.stack([tasks.excess(s.T, test) for s in signs], axis=1)
            kernel_risk[depth] = float(tasks.excess(predicted, test))
    return Trained(tuple(widths), agreement, risk, kernel_risk)


def _signs(models: MLP, train: tasks.Sample, test: tasks.Sample, rate: float, steps: int) -> Float[np.ndarray, "nets m"]:
    x, x_test = inputs(train.x), inputs(test.x)
    targets = np.asarray(predict(models, x))[..., 0] + train.y
    done = train_full_batch(
        models, x, targets[..., None], rate=rate, steps=steps, loss="half_mse", allow_divergence=True, label="Training"
    )
    moved = np.asarray(predict(done.models, x_test) - predict(models, x_test))[..., 0]
    return np.where(moved >= 0, 1.0, -1.0)


def least_agreement(found: Trained) -> Estimate:
    """Least agreement over depths at the largest width."""
    return extreme(np.stack([v[:, -1] for v in found.agreement.values()], axis=1), "least")


def largest_agreement(found: Trained) -> Estimate:
    """Largest agreement over depths at the largest width, for a control."""
    return extreme(np.stack([v[:, -1] for v in found.agreement.values()], axis=1), "largest")
