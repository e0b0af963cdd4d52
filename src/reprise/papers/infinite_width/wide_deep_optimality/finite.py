r"""C4: finite networks with polynomial activations, their kernels and their training.

A network has $L$ hidden layers of one width, `reprise.networks.MLP` of depth $L+1$ in NTK parametrisation without biases. Its
inputs are $\sqrt{d+1}\,x$, so that first pre-activations have variance 1, as the normalisation of $\phi$ supposes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from reprise import progress, statistics
from reprise.estimate import Estimate
from reprise.kernels.threads import on_one_thread
from reprise.networks import MLP, empirical_ntk, predict, train_full_batch
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import tasks

DIMENSION = 2
AT_ONCE = 4 * 10**6
"""Parameters held at once."""


def plain() -> ac.Activation:
    r"""The paper's activation for $d=2$ with $He_3=x^3-3x$ in place of $h_3=He_3/\sqrt6$: the control."""
    good = ac.optimal(DIMENSION)
    return ac.hermite(
        {k: w**0.5 for k, w in zip(good.powers, good.weights, strict=True)}, "not normalised", normalised=False
    )


def limits(x: Float[np.ndarray, "n k"], activation: ac.Activation, depth: int) -> tuple[np.ndarray, np.ndarray]:
    r"""$\Sigma_L$ and $\Theta_L$ between unit vectors, by the stable recursion, float64."""
    log_t = np.array(deep.log_start(x, x))
    np.fill_diagonal(log_t, 0.0)
    logs = deep.evaluate(activation, np.exp(log_t), depth)
    sigma = np.exp(-np.exp(logs.log_t))
    theta = sigma * np.exp(logs.log_r)
    for gram, kind in ((sigma, "nngp"), (theta, "ntk")):
        np.fill_diagonal(gram, np.exp(deep.diagonal(activation, depth, kind)))  # type: ignore[arg-type]
    return sigma, theta


def draw(activation: ac.Activation, width: int, depth: int, count: int, *, seed: int, name: str) -> MLP:
    """Networks of one width, stacked; drawn by NumPy, since XLA takes longer to compile a generator for every shape."""

    def make(key: PRNGKeyArray) -> MLP:
        return MLP(DIMENSION + 1, width, depth=depth + 1, activation=activation.function, key=key)

    shapes, structure = jax.tree.flatten(eqx.filter_eval_shape(make, jax.random.key(0)))
    rng = tasks.stream(seed, f"{name} {width} {depth}", 0)
    drawn = [jnp.asarray(rng.standard_normal((count, *leaf.shape), dtype=np.float32)) for leaf in shapes]
    return jax.tree.unflatten(structure, drawn)  # type: ignore[no-any-return]


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
    """Relative Frobenius errors of finite networks' kernels: depth -> (networks, widths), and the widths of each depth."""

    widths: dict[int, tuple[int, ...]]
    nngp: dict[int, Float[np.ndarray, "networks widths"]]
    ntk: dict[int, Float[np.ndarray, "networks widths"]]


def errors(
    activation: ac.Activation, widths: Mapping[int, Sequence[int]], counts: Mapping[int, int], *, points: int, seed: int
) -> Errors:
    """Kernels of random networks against the recursion of the normalised activation, on random points of the task.

    For each number of hidden layers its own widths and its own number of networks.
    """
    x = tasks.draw(DIMENSION, points, tasks.stream(seed, "finite kernels", 0)).x
    found: tuple[dict[int, np.ndarray], dict[int, np.ndarray]] = {}, {}
    with progress.task("Kernels of random networks", sum(map(len, widths.values()))) as advance:
        for depth in widths:
            targets = limits(x, activation, depth)
            columns: list[list[np.ndarray]] = [[], []]
            nets = counts[depth]
            for width in widths[depth]:
                group = _group(nets, depth, width)
                parts = [
                    _kernels(draw(activation, width, depth, group, seed=seed, name=f"kernels {at}"), inputs(x))
                    for at in range(0, nets, group)
                ]
                for k, target in enumerate(targets):
                    kernels = np.concatenate([np.asarray(p[k]) for p in parts])
                    columns[k].append(np.linalg.norm(kernels - target, axis=(1, 2)) / np.linalg.norm(target))
                advance(1)
            for k in range(2):
                found[k][depth] = np.stack(columns[k], axis=1)
    return Errors({depth: tuple(chosen) for depth, chosen in widths.items()}, *found)


def _group(count: int, depth: int, width: int) -> int:
    """How many networks to hold at once: a divisor, so that one compilation serves all."""
    size = max(1, depth - 1) * width**2 if depth > 1 else 4 * width
    return max(g for g in range(1, count + 1) if count % g == 0 and (g == 1 or g * size <= AT_ONCE))


def slope(found: Errors, kind: deep.Kind, depth: int) -> Estimate:
    """Exponent of the median error in the width: a mean would be that of the single worst network."""
    table: dict[int, np.ndarray] = getattr(found, kind)
    return statistics.slope(found.widths[depth], table[depth], statistic=np.median)


def instability(activation: ac.Activation, depth: int) -> float:
    r"""How much a deviation of a layer's variance from 1 has grown after ``depth`` layers: $\chi^L$, $\chi=\tfrac{d}{dq}E\phi(\sqrt q\,u)^2$ at 1.

    By quadrature; 1 for the ReLU at any depth, more for polynomials.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    step = 1e-5
    up, down = (
        float(np.asarray(activation.function(jnp.asarray(nodes * q**0.5))) ** 2 @ weights / weights.sum())
        for q in (1 + step, 1 - step)
    )
    return ((up - down) / (2 * step)) ** depth


class Trained(NamedTuple):
    """Agreement of trained networks with their kernel's signs on test points: depth -> (networks, widths)."""

    widths: tuple[int, ...]
    agreement: dict[int, Float[np.ndarray, "networks widths"]]


def coin_task(n: int, tests: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training points, their labels and test points; half of the labels are +1, in random order.

    Labels that follow the classes could be learnt from any kernel. Labels by coin leave the answer between the points to
    the kernel alone.
    """
    rng = tasks.stream(seed, "finite training", 0)
    train, test = (tasks.draw(DIMENSION, m, rng, balanced=True) for m in (n, tests))
    return train.x, rng.permutation(np.where(np.arange(n) % 2 == 0, 1.0, -1.0)), test.x


@on_one_thread
def trained(
    activation: ac.Activation, widths: Sequence[int], depths: Sequence[int], *, count: int, n: int, tests: int, steps: int,
    seed: int, predictor: ac.Activation | None = None,
) -> Trained:  # fmt: skip
    r"""Train networks by full-batch descent and compare their signs with descent of the limiting tangent kernel.

    What is compared is $f_k-f_0$, trained on $y+f_0(X)$: a network that starts from zero. After $k$ steps of rate $\eta$ the kernel
    predicts $\Theta_{xX}\Theta_{XX}^{-1}(1-(1-\eta\Theta_{XX}/N)^k)y$, with $\eta=N/\lambda_{\max}$. ``predictor`` makes the predictions,
    another activation than that of the networks in a control.
    """
    x, y, x_test = coin_task(n, tests, seed)
    shares: dict[int, np.ndarray] = {}
    with progress.task("Training finite networks", len(depths) * len(widths)) as advance:
        for depth in depths:
            theta = limits(np.concatenate([x, x_test]), predictor or activation, depth)[1]
            rate = float(n / np.linalg.eigvalsh(theta[:n, :n])[-1])
            predicted = np.where(descent(theta, y, steps, rate) >= 0, 1.0, -1.0)
            signs = []
            for width in widths:
                models = draw(activation, width, depth, count, seed=seed, name="training")
                signs.append(_signs(models, inputs(x), y, inputs(x_test), rate, steps))
                advance(1)
            shares[depth] = np.stack([(s == predicted).mean(axis=1) for s in signs], axis=1)
    return Trained(tuple(widths), shares)


def descent(
    theta: Float[np.ndarray, "n+m n+m"], y: Float[np.ndarray, " n"], steps: int, rate: float
) -> Float[np.ndarray, " m"]:
    """Kernel descent from zero after a number of steps, at the points after the first n, where it learns."""
    n = len(y)
    w, v = np.linalg.eigh(theta[:n, :n])
    w = np.maximum(w, 0.0)
    learnt = -np.expm1(steps * np.log1p(-np.minimum(rate * w / n, 1 - 1e-15)))
    # Where the kernel has no rank, w is rounding and the quotient its limit.
    factor = np.where(w > 1e-13 * w[-1], learnt / np.where(w > 0, w, 1.0), rate * steps / n)
    return np.asarray(theta[n:, :n] @ (v @ (factor * (v.T @ y))))


def _signs(
    models: MLP, x: Array, y: Float[np.ndarray, " n"], x_test: Array, rate: float, steps: int
) -> Float[np.ndarray, "nets m"]:
    """Signs of the change of each network after training on the change ``y``."""
    targets = np.asarray(predict(models, x))[..., 0] + y
    done = train_full_batch(
        models, x, targets[..., None], rate=rate, steps=steps, loss="half_mse", allow_divergence=True, label="Training"
    )
    moved = np.asarray(predict(done.models, x_test) - predict(models, x_test))[..., 0]
    return np.where(moved >= 0, 1.0, -1.0)


def agreement(found: Trained, depth: int) -> Estimate:
    """Agreement of the networks of the largest width with their kernel, at one depth."""
    return statistics.mean(found.agreement[depth][:, -1])
