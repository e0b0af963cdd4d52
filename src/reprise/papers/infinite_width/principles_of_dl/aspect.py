r"""Claim C6: residual connections lower the amplitude of fluctuations, and what depth networks of a width train best at."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import datasets, statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import finite, recursions
from reprise.papers.infinite_width.principles_of_dl.activations import Activation
from reprise.papers.infinite_width.principles_of_dl.ensembles import Net, mixture
from reprise.papers.infinite_width.principles_of_dl.fluctuations import Ensemble, interval


class Residual(NamedTuple):
    r"""Residual networks of one activation: for each $\gamma$ the four-point ratio at one layer, and what theory says.

    Attributes:
        activation: of the networks.
        width: n.
        layer: $\ell$.
        skips: $\gamma$, shape (k,).
        logs: measured $\log(1+\hat V/(nK^2))$, k estimates.
        predicted: the same by theory, shape (k,).
        plain: what the multilayer perceptron's formula would say, shape (k,).
    """

    activation: Activation
    width: int
    layer: int
    skips: Sequence[float]
    logs: list[Estimate]
    predicted: Float[np.ndarray, " k"]
    plain: Float[np.ndarray, " k"]

    def amplitudes(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        r"""Logarithms as $\nu$: times $n/(\ell-1)$."""
        return np.asarray(values) * self.width / (self.layer - 1)

    def gap(self, *, plain: bool = False) -> Estimate:
        """Largest relative distance between measured and predicted amplitude over the skips."""
        unit = self.plain if plain else self.predicted
        ends = np.asarray([[float(v) for v in (e.value, e.low, e.high)] for e in self.logs]) / unit[:, None] - 1  # type: ignore[arg-type]
        size = np.abs(ends)
        lowest = np.where(ends[:, 1] * ends[:, 2] < 0, 0.0, size[:, 1:].min(axis=1))
        return Estimate(
            float(size[:, 0].max()),
            float(lowest.max()),
            float(size[:, 1:].max()),
            n=self.logs[0].n,
            method=f"largest of {len(self.logs)}, jackknife over networks",
        )


def predicted_ratio(activation: Activation, width: int, layer: int, skip: float) -> float:
    r"""Four-point ratio of a residual network: exact for linear ones, else the recursion's leading order.

    A scale-invariant network multiplies $1+V/(nK^2)$ from layer to layer, so its additions are compounded.
    """
    if activation is act.LINEAR:
        return float(recursions.exact_ratio(recursions.residual_amplitude(activation, skip), width, layer))
    ratio = recursions.residual_vertex(activation, layer, skip) / width
    return float(ratio[-1] if activation.slopes is None else np.prod(1 + np.diff(ratio)) - 1)


def simple_ratio(activation: Activation, width: int, layer: int, skip: float) -> float:
    r"""The same without the correlators that a skip adds: the book's formula."""
    weight = recursions.critical_weight(activation, skip)
    if activation.slopes is not None:
        return float(recursions.exact_ratio(recursions.residual_amplitude(activation, skip), width, layer))
    return float(recursions.layers(activation, layer, weight=weight, skip=skip).ratio[-1] / width)


def residual(
    activation: Activation, skips: Sequence[float], *, width: int, layer: int, nets: int, seed: int
) -> Residual:
    """Residual networks at criticality, by exact sampling of one input's preactivations.

    tanh has the smallest ratio, known to leading order alone, and needs the most networks; the ReLU is in no check.
    """
    nets = nets // {act.TANH.name: 1, act.LINEAR.name: 2}.get(activation.name, 6)
    logs = []
    for skip in skips:
        net = Net(activation, width, recursions.critical_weight(activation, skip), skip=skip)
        second, _, pairs = mixture(net, [layer], nets, seed=seed, name="residual", expected=True).at(layer)
        logs.append(interval(np.stack([pairs, second], axis=1), lambda m: np.log(m[..., 0] / m[..., 1] ** 2)))
    predicted = np.log1p([predicted_ratio(activation, width, layer, skip) for skip in skips])
    return Residual(activation, width, layer, skips, logs, predicted, np.full(len(skips), predicted[0]))


def residuals(skips: Sequence[float], *, width: int, layer: int, nets: int, seed: int) -> list[Residual]:
    """Linear, tanh and ReLU networks, in this order."""
    kinds = (act.LINEAR, act.TANH, act.RELU)
    return [residual(a, skips, width=width, layer=layer, nets=nets, seed=seed) for a in kinds]


def explosion(skip: float, factor: float, *, width: int, layer: int, nets: int, seed: int) -> float:
    r"""$K^{(\ell)}/K^{(1)}$ of linear residual networks whose $C_W$ is a factor off $1-\gamma^2$."""
    net = Net(act.LINEAR, width, factor * (1 - skip**2), skip=skip)
    second = mixture(net, [1, layer], nets, seed=seed, name="off criticality").second
    return float(second[:, 1].mean() / second[:, 0].mean())


def variances(nets: int, width: int, layer: int, *, seed: int) -> Ensemble:
    """Random ReLU networks, for the information in their last layer: its variances given the layer below."""
    net = Net(act.RELU, width, 2.0)
    return Ensemble(act.RELU, width, mixture(net, [layer], nets, seed=seed, name="information", expected=True))


RATES = (0.003, 0.03, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Learning rates in units of 1/H among which every network chooses, where initialisations are compared."""
FEW_RATES = (1.0, 3.0, 10.0, 30.0, 100.0)
r"""The same where depths are compared, all of them at criticality, in units of $1/(HC_W)$: a skip makes the tangent kernel smaller."""


class Digits(NamedTuple):
    """Training, validation and test digits as rows of norm sqrt(64), with centred one-hot targets."""

    x: Float[np.ndarray, "n 64"]
    y: Float[np.ndarray, "n out"]
    x_valid: Float[np.ndarray, "v 64"]
    y_valid: Float[np.ndarray, "v out"]
    x_test: Float[np.ndarray, "t 64"]
    y_test: Float[np.ndarray, "t out"]


def digits(examples: int, *, seed: int, linear: bool = False) -> Digits:
    """A small task: scikit-learn's digits; with `linear`, a random linear function of the same images (control)."""
    found = datasets.load("digits", flatten=True)
    x = np.concatenate([found.x, found.x_test]).reshape(-1, 64).astype(np.float64)
    labels = np.concatenate([found.y, found.y_test]).astype(int)
    x = x - x.mean(axis=0)
    x *= 8.0 / np.linalg.norm(x, axis=1, keepdims=True)
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(len(x))
    x, labels = x[order], labels[order]
    if linear:
        y = x @ rng.normal(size=(64, 10)) / 8.0
        y *= 0.3 / y.std()
    else:
        y = np.eye(10)[labels] - 0.1
    cut, end = examples, 2 * examples
    parts = (x[:cut], y[:cut], x[cut:end], y[cut:end], x[end:], y[end:])
    return Digits(*(part.astype(np.float32) for part in parts))


def mean_square(net: finite.Net, params: finite.Params, x: Array, y: Array) -> Array:
    """Squared error summed over outputs, mean over examples."""
    return jnp.mean(jnp.sum((finite.outputs(net, params, x) - y) ** 2, axis=1))


def losses(
    net: finite.Net,
    task: Digits,
    count: int,
    *,
    weights: Sequence[float],
    rates: Sequence[float],
    steps: int,
    by: str,
    seed: int,
    name: str,
) -> tuple[Float[np.ndarray, "nets weights"], Float[np.ndarray, "nets weights"]]:
    r"""Train on digits by full-batch gradient descent; loss in units of the zero function's.

    Args:
        net: ten outputs; its own $C_W$ is not used.
        task: digits.
        count: number of networks.
        weights: each $C_W$ with which the same draws are trained.
        rates: learning rates in units of 1/H.
        steps: of training.
        by: the learning rate of every network is that with the least "train" or "valid" loss.
        seed: base of the draws.
        name: of the experiment.

    Returns:
        Training and test loss of each network, at most 10 (also where training diverged).
    """
    parts = [jnp.asarray(v) for v in task]
    units = [float(np.mean(np.sum(v**2, axis=1))) for v in (task.y, task.y_valid, task.y_test)]
    pairs = np.asarray([(w, r / net.hidden) for w in weights for r in rates], np.float32)

    def run(params: finite.Params) -> Array:
        def at(pair: Array) -> Array:
            mine = net._replace(weight=pair[0])

            def one(_: int, p: finite.Params) -> finite.Params:
                g = jax.grad(lambda q: 0.5 * mean_square(mine, q, parts[0], parts[1]))(p)
                return finite.moved(p, -pair[1], g)

            end = jax.lax.fori_loop(0, steps, one, params)
            return jnp.stack([mean_square(mine, end, parts[2 * i], parts[2 * i + 1]) for i in range(3)])

        return jax.lax.map(at, jnp.asarray(pairs))

    found = finite.over_networks(jax.jit(jax.vmap(run)), net, count, seed=seed, name=name)
    found = found.reshape(count, len(weights), len(rates), 3) / np.asarray(units)
    found = np.nan_to_num(np.minimum(found, 10.0), nan=10.0)
    best = np.argmin(found[..., ("train", "valid").index(by)], axis=2)[..., None]
    return tuple(np.take_along_axis(found[..., i], best, axis=2)[..., 0] for i in (0, 2))  # type: ignore[return-value]


def trainability(
    factors: Sequence[float], depths: Sequence[int], width: int, task: Digits, count: int, *, steps: int, seed: int
) -> list[Float[np.ndarray, "nets factors"]]:
    r"""Training losses of ReLU networks whose $C_W$ is a factor of its critical value 2, at the best rate for training (claim C2).

    One table for each depth.
    """
    weights = [2.0 * factor for factor in factors]

    def at(hidden: int) -> np.ndarray:
        net = finite.Net(64, width, hidden, outputs=10)
        name = "trainability"
        return losses(net, task, count, weights=weights, rates=RATES, steps=steps, by="train", seed=seed, name=name)[0]

    return finite.across(at, depths)


class Sweep(NamedTuple):
    """Test losses over depths, (nets, depths), for each width at one skip."""

    skip: float
    depths: Sequence[int]
    widths: Sequence[int]
    test: list[Float[np.ndarray, "nets depths"]]

    def best_depths(self, rows: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """Depth of least mean test loss at each width: the vertex of the parabola in log depth through the minimum."""
        return np.asarray([_vertex(np.log(self.depths), part.mean(axis=0)) for part in (rows or self.test)])


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Where the parabola through the smallest of y and its neighbours is least, as exp(x); the end of the range if y is least there."""
    i = int(np.argmin(y))
    if i in (0, len(y) - 1):
        return float(np.exp(x[i]))
    a, b, _ = np.polyfit(x[i - 1 : i + 2], y[i - 1 : i + 2], 2)
    return float(np.exp(-b / (2 * a)))


def sweep(
    skip: float, depths: Sequence[int], widths: Sequence[int], task: Digits, count: int, *, steps: int, seed: int
) -> Sweep:
    r"""Test loss over depth for each width, tanh networks at criticality ($C_W=1-\gamma^2$)."""

    def at(both: tuple[int, int]) -> np.ndarray:
        width, hidden = both
        net = finite.Net(64, width, hidden, "tanh", 1.0 - skip**2, skip, outputs=10)
        rates = [rate / net.weight for rate in FEW_RATES]
        train = partial(losses, weights=[net.weight], rates=rates, steps=steps, by="valid", seed=seed)
        return train(net, task, count, name=f"depths {skip}")[1]

    columns = finite.across(at, [(n, h) for n in widths for h in depths])
    k = len(depths)
    test = [np.concatenate(columns[i * k : (i + 1) * k], axis=1) for i in range(len(widths))]
    return Sweep(skip, depths, widths, test)


def _resampled(sweeps: Sequence[Sweep], statistic: object, seed: int = 0, n_boot: int = 1000) -> Estimate:
    assert callable(statistic)
    rng = np.random.default_rng(seed)
    value = float(statistic([s.best_depths() for s in sweeps]))
    boot = []
    for _ in range(n_boot):
        rows = [[part[rng.integers(0, len(part), len(part))] for part in s.test] for s in sweeps]
        boot.append(float(statistic([s.best_depths(r) for s, r in zip(sweeps, rows, strict=True)])))
    low, high = np.quantile(boot, [0.025, 0.975])
    nets = min(len(part) for s in sweeps for part in s.test)
    return Estimate(value, min(float(low), value), max(float(high), value), n=nets, method="bootstrap over networks")


def depth_exponent(one: Sweep) -> Estimate:
    """Exponent with which the best depth grows with width."""
    logs = np.log(one.widths)
    weights = (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)
    return _resampled([one], lambda best: np.log(best[0]) @ weights)


def depth_gain(plain: Sweep, skipping: Sweep) -> Estimate:
    """Mean logarithm of the best depth with residual connections over that without."""
    return _resampled([plain, skipping], lambda best: np.mean(np.log(best[1] / best[0])))


def sweeps(
    skip: float, depths: Sequence[int], widths: Sequence[int], count: int, *, steps: int, seed: int, examples: int = 100
) -> tuple[list[Sweep], list[Sweep]]:
    """Sweeps without and with skips, on digits and on the control's linear targets; none if no widths are given."""
    if not widths:
        return [], []

    def both(task: Digits) -> list[Sweep]:
        return [sweep(each, depths, widths, task, count, steps=steps, seed=seed) for each in (0.0, skip)]

    return both(digits(examples, seed=seed)), both(digits(examples, seed=seed, linear=True))


def better_neighbour(factors: Sequence[float], losses: Float[np.ndarray, "nets factors"]) -> Float[np.ndarray, " nets"]:
    """Losses at the better (on average) of 0.8 and 1.25 times the critical C_W."""
    columns = [losses[:, list(factors).index(f)] for f in (0.8, 1.25)]
    return min(columns, key=lambda column: float(column.mean()))


def at_criticality(factors: Sequence[float], losses: Float[np.ndarray, "nets factors"]) -> tuple[Estimate, Estimate]:
    """Mean training loss at the critical C_W, and at the better of its neighbours."""
    critical = losses[:, list(factors).index(1.0)]
    return statistics.mean(critical), statistics.mean(better_neighbour(factors, losses))


def discrimination(factors: Sequence[float], losses: Float[np.ndarray, "nets factors"]) -> Estimate:
    """Mean loss at the better neighbour minus that at criticality, network by network."""
    return statistics.paired_difference(better_neighbour(factors, losses), losses[:, list(factors).index(1.0)])


def reading(studies: Sequence[Residual], *, width: int, layer: int, seed: int) -> str:
    """Sentences on correlators that a skip adds, on skips off criticality, and on where r* goes."""
    parts = []
    for found in (s for s in studies if s.activation is not act.LINEAR):
        name = found.activation.name
        simple = found.amplitudes(np.log1p([simple_ratio(found.activation, width, layer, s) for s in found.skips]))
        measured = found.amplitudes([float(e.value) for e in found.logs])  # type: ignore[arg-type]
        wanted = found.amplitudes(found.predicted)
        rows = "; ".join(
            f"γ = {s:g}: {m:.3g}, {w:.3g}, {e:.3g}"
            for s, m, w, e in zip(found.skips, measured, wanted, simple, strict=True)
        )
        parts.append(f"**{name}** {rows}.")
    skip = max(studies[0].skips)
    grown = explosion(skip, 1.5, width=width, layer=10 * layer, nets=200, seed=seed)
    expected = (1 + 0.5 * (1 - skip**2)) ** (10 * layer - 1)
    ratios = [4 / 26 / recursions.residual_amplitude(act.TANH, s) for s in (0.0, skip)]
    return (
        f"Amplitude ν of residual networks: measured, by theory with all correlators, by the simple formula. {' '.join(parts)} "
        f"**Off criticality** skips do not help: with half as much weight variance again, γ = {skip:g}, the signal grows "
        f"{grown:.3g}-fold in {10 * layer} layers (the recursion: {expected:.3g}). **The formula** puts r* for two tanh neurons "
        f"at {ratios[0]:.2f} without skips, at {ratios[1]:.2f} with."
    )
