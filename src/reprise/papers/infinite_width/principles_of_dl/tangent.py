r"""Claim C4: the tangent kernel's scatter at the start and its change in training, both of order depth over width.

One input and one output, so that the kernel is a number, $\hat\Theta=|\nabla f|^2$. Training moves the output by one
standard deviation of the ensemble, in steps that each cover a fifth of what is left, until the loss is 1 % of its start:
the change of the function is the same at every depth and width.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import finite
from reprise.papers.infinite_width.principles_of_dl.finite import Net, Params

SHARE = 0.2
"""Share of the remaining error that a step covers."""
STEPS = 12
"""0.8 to this power is 0.07, so that the loss is below a hundredth even where the kernel moves."""
INPUTS = 8


class Kernels(NamedTuple):
    r"""Tangent kernels of trained networks, (nets,): before, after, and the share of the loss that is left."""

    before: Float[np.ndarray, " nets"]
    after: Float[np.ndarray, " nets"]
    left: Float[np.ndarray, " nets"]

    @property
    def change(self) -> Float[np.ndarray, " nets"]:
        r"""$|\hat\Theta_T-\hat\Theta_0|/\hat\Theta_0$."""
        return np.abs(self.after - self.before) / self.before


def the_input() -> Float[Array, "1 inputs"]:
    """One input of norm that makes the first layer's kernel $C_W$."""
    return jnp.ones((1, INPUTS), jnp.float32)


def trained(net: Net, count: int, *, seed: int, name: str, move: float = 1.0, linearised: bool = False) -> Kernels:
    r"""Train networks on one input, from $f_0$ to $f_0+$ `move`.

    Args:
        net: of scalar output.
        count: number of networks.
        seed: base of the draws.
        name: of the experiment.
        move: change of the output.
        linearised: train $f_{\theta_0}+\nabla f_{\theta_0}\cdot(\theta-\theta_0)$ instead (control).
    """
    x = the_input()

    def run(params: Params) -> tuple[Array, Array, Array]:
        def value(p: Params) -> Array:
            if not linearised:
                return finite.scalar(net, p, x)[0]
            tangent = jax.tree.map(jnp.subtract, p, params)
            at, slope = jax.jvp(lambda q: finite.scalar(net, q, x)[0], (params,), (tangent,))
            return at + slope

        look = jax.value_and_grad(value)
        start, gradient = look(params)
        goal = start + move

        def step(p: Params, _: None) -> tuple[Params, None]:
            f, g = look(p)
            return finite.moved(p, SHARE * (goal - f) / finite.total(g), g), None

        end, _ = jax.lax.scan(step, params, None, length=STEPS)
        f, after = look(end)
        return finite.total(gradient), finite.total(after), ((f - goal) / move) ** 2

    found = finite.over_networks(run, net, count, seed=seed, name=name)
    return Kernels(*(np.asarray(part, dtype=np.float64) for part in found))


def untrained(net: Net, count: int, *, seed: int, name: str) -> Float[np.ndarray, " nets"]:
    """Tangent kernels of random networks."""
    x = the_input()

    def run(params: Params) -> Array:
        return finite.total(jax.grad(lambda p: finite.scalar(net, p, x)[0])(params))

    return np.asarray(finite.over_networks(run, net, count, seed=seed, name=name), dtype=np.float64)


class Cell(NamedTuple):
    """One depth and width: kernels of random networks, and of trained ones."""

    hidden: int
    width: int
    start: Float[np.ndarray, " nets"]
    kernels: Kernels

    @property
    def squares(self) -> Float[np.ndarray, " nets"]:
        r"""Squared relative deviations of the start kernels, whose mean is $\mathrm{Var}(\hat\Theta)/\bar\Theta^2$."""
        n = len(self.start)
        return (self.start / self.start.mean() - 1.0) ** 2 * n / (n - 1)

    def samples(self, what: str) -> Float[np.ndarray, " nets"]:
        """What is averaged: "fluctuation" or "change"."""
        return self.squares if what == "fluctuation" else self.kernels.change


def grid(depths: Sequence[int], widths: Sequence[int], random: int, count: int, *, seed: int) -> list[Cell]:
    """All depths and widths, ReLU at criticality."""
    cells = []
    for hidden in depths:
        for width in widths:
            net = Net(INPUTS, width, hidden)
            start = untrained(net, random, seed=seed, name="kernels at the start")
            cells.append(Cell(hidden, width, start, trained(net, count, seed=seed, name="kernels in training")))
    return cells


def powers(cells: Sequence[Cell], what: str) -> tuple[Estimate, Estimate]:
    r"""Exponents p of depth and q of inverse width in $cL^pn^{-q}$, least squares in logarithms, bootstrap over networks."""
    design = np.stack(
        [np.ones(len(cells)), np.log([c.hidden for c in cells]), -np.log([c.width for c in cells])], axis=1
    )
    weights = np.linalg.pinv(design)
    return tuple(_fit([c.samples(what) for c in cells], row) for row in weights[1:])  # type: ignore[return-value]


def _fit(samples: Sequence[np.ndarray], weights: np.ndarray) -> Estimate:
    def statistic(*parts: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(sum(w * np.log(part.mean(axis=axis)) for w, part in zip(weights, parts, strict=True)))

    return statistics.bootstrap(tuple(samples), statistic, paired=False, n_boot=1000)


def diagonal(cells: Sequence[Cell]) -> list[Cell]:
    """The longest chain of cells of one ratio of depth to width."""
    by_ratio: dict[float, list[Cell]] = {}
    for c in cells:
        by_ratio.setdefault(c.hidden / c.width, []).append(c)
    return sorted(max(by_ratio.values(), key=len), key=lambda c: c.width)


def along(cells: Sequence[Cell], what: str, sign: float = 1.0) -> Estimate:
    """Exponent against width along some cells (times `sign`)."""
    logs = np.log([c.width for c in cells])
    weights = sign * (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)
    return _fit([c.samples(what) for c in cells], weights)


def row(cells: Sequence[Cell], hidden: int) -> list[Cell]:
    """The cells of one depth."""
    return [c for c in cells if c.hidden == hidden]


def deepest(cells: Sequence[Cell]) -> Cell:
    """The cell of largest ratio of depth to width."""
    return max(cells, key=lambda c: c.hidden / c.width)


def linearised(cell: Cell, count: int, *, seed: int) -> Estimate:
    """Control: the mean change for the linearised networks of a cell."""
    net = Net(INPUTS, cell.width, cell.hidden)
    change = trained(net, count, seed=seed, name="linearised", linearised=True).change
    return statistics.mean(change)


def mean_field_exponent(hidden: int, widths: Sequence[int], count: int, *, seed: int) -> Estimate:
    r"""Control: the exponent q of the change in mean-field scaling: an output divided by $\sqrt n$ must move by one all the same."""
    samples = [trained(Net(INPUTS, n, hidden), count, seed=seed, name="mean field", move=n**0.5).change for n in widths]
    logs = np.log(widths)
    return _fit(samples, -(logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2))


mean_change = partial(statistics.mean, method="bootstrap")
"""Mean relative change with its bootstrap interval."""


def linear_fluctuation(hidden: int, width: int) -> float:
    r"""$\mathrm{Var}(\hat\Theta)/\bar\Theta^2$ of a deep linear network at one input, up to $O(1/n^2)$ a layer (derived here).

    With $H+1$ weight matrices, $\hat\Theta=\sum_\ell a_\ell b_\ell$: squared norms carried forward to $\ell$ and back to it. Two
    terms share the layers before the one and behind the other, each with a factor $1+\frac2n$:
    $\frac1{(H+1)^2}\sum_{\ell,m}(1+\frac2n)^{H-|\ell-m|}-1$.
    """
    layers = np.arange(hidden + 1)
    shared = hidden - np.abs(layers[:, None] - layers[None, :])
    return float(np.mean((1 + 2 / width) ** shared) - 1)
