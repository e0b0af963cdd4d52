r"""Claim C4: the tangent kernel's scatter at the start and its change in training, both of order depth over width.

One input and one output, so that the kernel is a number, $\hat\Theta=|\nabla f|^2$. Training moves the output by one, in steps that
each cover half of what is left, until the loss is 1 % of its start: the change of the function is the same at every
depth and width. The ReLU's kink lets its kernel change by more than a smooth network's, so both kinds are trained.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import finite
from reprise.papers.infinite_width.principles_of_dl.finite import Leaky, Net, Params

SHARE = 0.5
"""Share of the remaining error that a step covers."""
STEPS = 4
"""A sixteenth of the error is left, so that the loss is below a hundredth even where the kernel moves."""
INPUTS = 8
LARGEST = 0.126
"""Largest depth over width of the grid: beyond, neither effect is small and no power law is expected."""


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


def _kind(net: Net, frozen: bool = False) -> Leaky:
    return Leaky(*(jnp.asarray(v) for v in (net.hidden, {"relu": 0.0, "linear": 1.0}[net.activation], frozen)))


def _shape(net: Net) -> Net:
    """What a compiled function may depend on."""
    return Net(net.inputs, net.width, 1)


def _nothing(params: Params) -> Float[Array, "layers 1 n"]:
    return jnp.zeros((len(params.middle) + 1, 1, len(params.first)), params.first.dtype)


@cache
def _training(net: Net, linearised: bool) -> Callable[..., tuple[Array, Array, Array]]:
    x = the_input()

    def run(params: Params, kind: Leaky, move: Array) -> tuple[Array, Array, Array]:
        _, gates = finite.leaky(net, kind._replace(frozen=jnp.asarray(False)), params, x, _nothing(params))

        def value(p: Params) -> Array:
            return finite.leaky(net, kind, p, x, gates)[0][0, 0]

        def linear(p: Params) -> Array:
            at, slope = jax.jvp(value, (params,), (jax.tree.map(jnp.subtract, p, params),))
            return at + slope

        def step(carry: tuple[Params, Array], number: Array) -> tuple[tuple[Params, Array], tuple[Array, Array]]:
            p, goal = carry
            f, g = jax.value_and_grad(linear if linearised else value)(p)
            goal = jnp.where(number == 0, f + move, goal)
            theta = finite.total(g)
            return (finite.moved(p, SHARE * (goal - f) / theta, g), goal), (f, theta)

        _, (f, theta) = jax.lax.scan(step, (params, move), jnp.arange(STEPS + 1))
        return theta[0], theta[-1], ((f[-1] - f[0] - move) / move) ** 2

    return jax.jit(jax.vmap(run, in_axes=(0, None, None)))


def trained(
    net: Net,
    count: int,
    *,
    seed: int,
    name: str,
    move: float = 1.0,
    linearised: bool = False,
    frozen: bool = False,
    most: int = 0,
) -> Kernels:
    r"""Train networks on one input, from $f_0$ to $f_0+$ `move`.

    Args:
        net: of scalar output, "relu" or "linear" (at criticality).
        count: number of networks.
        seed: base of the draws.
        name: of the experiment.
        move: change of the output.
        linearised: train $f_{\theta_0}+\nabla f_{\theta_0}\cdot(\theta-\theta_0)$ instead (control).
        frozen: keep each ReLU on or off as it is at the start (diagnosis).
        most: largest depth among the networks that share a compiled function.
    """
    run = _training(_shape(net), linearised)
    others = (_kind(net, frozen), jnp.float32(move))
    found = finite.over_networks(run, net, count, *others, seed=seed, name=name, most=most)
    return Kernels(*(np.asarray(part, dtype=np.float64) for part in found))


@cache
def _starting(net: Net) -> Callable[[Params, Leaky], Array]:
    x = the_input()

    def run(params: Params, kind: Leaky) -> Array:
        return finite.total(jax.grad(lambda p: finite.leaky(net, kind, p, x, _nothing(params))[0][0, 0])(params))

    return jax.jit(jax.vmap(run, in_axes=(0, None)))


def untrained(net: Net, count: int, *, seed: int, name: str, most: int = 0) -> Float[np.ndarray, " nets"]:
    """Tangent kernels of random networks."""
    run = _starting(_shape(net))
    found = finite.over_networks(run, net, count, _kind(net), seed=seed, name=name, most=most)
    return np.asarray(found, dtype=np.float64)


class Cell(NamedTuple):
    """One depth and width: kernels of random ReLU networks, and of trained linear ones."""

    hidden: int
    width: int
    start: Float[np.ndarray, " nets"]
    kernels: Kernels

    def samples(self, what: str) -> Float[np.ndarray, " nets"]:
        """Of what "fluctuation" or "change" is computed: kernels at the start, or their relative changes."""
        return self.start if what == "fluctuation" else self.kernels.change

    def estimate(self, what: str) -> Estimate:
        """Size of the effect with its bootstrap interval."""
        return statistics.bootstrap(self.samples(what), SIZES[what], n_boot=1000)


def _fluctuation(kernels: np.ndarray, axis: int) -> np.ndarray:
    r"""$\log(1+\mathrm{Var}(\hat\Theta)/\bar\Theta^2)$: the relative variance where it is small, additive in depth where it is not."""
    return np.asarray(np.log(np.mean(kernels**2, axis=axis) / np.mean(kernels, axis=axis) ** 2))


SIZES: dict[str, Callable[..., np.ndarray]] = {"fluctuation": _fluctuation, "change": np.mean}
"""How the size of an effect is computed from its samples."""


def reach(depths: Sequence[int], width: int) -> int:
    """The largest of these depths that the grid has at a width."""
    return max(h for h in depths if h / width < LARGEST)


def grid(depths: Sequence[int], widths: Sequence[int], random: int, count: int, *, seed: int) -> list[Cell]:
    """All depths and widths up to the largest ratio, at criticality: random ReLU networks, trained linear ones."""

    def cell(at: tuple[int, int]) -> Cell:
        hidden, width = at
        most = reach(depths, width)
        start = untrained(Net(INPUTS, width, hidden), random, seed=seed, name="kernels at the start", most=most)
        linear = Net(INPUTS, width, hidden, "linear")
        return Cell(hidden, width, start, trained(linear, count, seed=seed, name="kernels in training", most=most))

    return finite.across(cell, [(h, n) for h in depths for n in widths if h <= reach(depths, n)])


def powers(cells: Sequence[Cell], what: str) -> tuple[Estimate, Estimate]:
    r"""Exponents p of depth and q of inverse width in $cL^pn^{-q}$: least squares in logarithms, bootstrap over networks."""
    design = np.stack(
        [np.ones(len(cells)), np.log([c.hidden for c in cells]), -np.log([c.width for c in cells])], axis=1
    )
    weights = np.linalg.pinv(design)
    p, q = (_fit([c.samples(what) for c in cells], row, what) for row in weights[1:])
    return p, q


def _fit(samples: Sequence[np.ndarray], weights: np.ndarray, what: str = "change") -> Estimate:
    size = SIZES[what]

    def statistic(*parts: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(sum(w * np.log(size(part, axis=axis)) for w, part in zip(weights, parts, strict=True)))

    return statistics.bootstrap(tuple(samples), statistic, paired=False, n_boot=1000)


def diagonal(cells: Sequence[Cell]) -> list[Cell]:
    """The longest chain of cells of one ratio of depth to width."""
    by_ratio: dict[float, list[Cell]] = {}
    for c in cells:
        by_ratio.setdefault(c.hidden / c.width, []).append(c)
    longest = max(len(chain) for chain in by_ratio.values())
    chain = next(chain for chain in by_ratio.values() if len(chain) == longest)
    return sorted(chain, key=lambda c: c.width)


def along(cells: Sequence[Cell], what: str, sign: float = 1.0) -> Estimate:
    """Exponent against width along some cells (times `sign`)."""
    return _fit([c.samples(what) for c in cells], sign * _weights([c.width for c in cells]), what)


def _weights(widths: Sequence[int]) -> Float[np.ndarray, " k"]:
    logs = np.log(widths)
    return np.asarray((logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2))


def row(cells: Sequence[Cell], hidden: int) -> list[Cell]:
    """The cells of one depth."""
    return [c for c in cells if c.hidden == hidden]


def deepest(cells: Sequence[Cell]) -> Cell:
    """The cell of largest ratio of depth to width."""
    return max(cells, key=lambda c: c.hidden / c.width)


def linearised(cell: Cell, count: int, *, seed: int) -> Estimate:
    """Control: the mean change for the linearised networks of a cell."""
    net = Net(INPUTS, cell.width, cell.hidden, "linear")
    change = trained(net, count, seed=seed, name="linearised", linearised=True).change
    return statistics.mean(change)


def mean_field(hidden: int, depths: Sequence[int], widths: Sequence[int], count: int, *, seed: int) -> Estimate:
    r"""Control: the exponent q in mean-field scaling of linear networks: an output divided by $\sqrt n$ must move by one all the same."""
    samples = [
        trained(
            Net(INPUTS, n, hidden, "linear"),
            count,
            seed=seed,
            name="kernels in training",
            move=n**0.5,
            most=reach(depths, n),
        ).change
        for n in widths
    ]
    return _fit(samples, -_weights(widths))


def relu_changes(
    hidden: int, depths: Sequence[int], widths: Sequence[int], count: int, *, seed: int, frozen: bool = False
) -> list[Kernels]:
    """Trained ReLU networks of one depth; with `frozen`, every neuron keeps the state, on or off, that it has at the start."""

    def at(n: int) -> Kernels:
        net, most = Net(INPUTS, n, hidden), reach(depths, n)
        return trained(net, count, seed=seed, name="ReLU in training", frozen=frozen, most=most)

    return finite.across(at, widths)


def width_exponent(widths: Sequence[int], kernels: Sequence[Kernels]) -> Estimate:
    """Exponent q with which the change falls with width."""
    return _fit([k.change for k in kernels], -_weights(widths))


def linear_fluctuation(hidden: int, width: int) -> float:
    r"""$\mathrm{Var}(\hat\Theta)/\bar\Theta^2$ of a deep linear network at one input, up to $O(1/n^2)$ a layer (derived here).

    With $H+1$ weight matrices, $\hat\Theta=\sum_\ell a_\ell b_\ell$: squared norms carried forward to $\ell$ and back to it. Two
    terms share the layers before the one and behind the other, each with a factor $1+\frac2n$:
    $\frac1{(H+1)^2}\sum_{\ell,m}(1+\frac2n)^{H-|\ell-m|}-1$.
    """
    layers = np.arange(hidden + 1)
    shared = hidden - np.abs(layers[:, None] - layers[None, :])
    return float(np.mean((1 + 2 / width) ** shared) - 1)


def mean_change(changes: Float[np.ndarray, " nets"]) -> Estimate:
    """Mean relative change with its bootstrap interval."""
    return statistics.mean(changes, method="bootstrap")


def laziness(cell: Cell, factor: float, *, depths: Sequence[int], seed: int) -> float:
    r"""By how much the change of the kernel shrinks when the output of a cell's networks is multiplied by a factor."""
    net, count = Net(INPUTS, cell.width, cell.hidden, "linear"), len(cell.kernels.before)
    most = reach(depths, cell.width)
    lazy = trained(net, count, seed=seed, name="kernels in training", move=1 / factor, most=most)
    return float(cell.kernels.change.mean() / lazy.change.mean())


def reading(cells: Sequence[Cell], hidden: int, widths: Sequence[int], relu: Sequence[Kernels], *, seed: int) -> str:
    """Sentences on why the ReLU's kernel moves more (its changes, their sign, and frozen states), and on laziness."""
    count, depths = len(relu[0].before), sorted({c.hidden for c in cells})
    frozen = relu_changes(hidden, depths, widths, count, seed=seed, frozen=True)
    free, held = width_exponent(widths, relu), width_exponent(widths, frozen)
    drift = [float(np.mean(k.after / k.before - 1.0)) for k in (relu[-1], frozen[-1])]
    lazy = laziness(deepest(cells), 10.0, depths=depths, seed=seed)
    return (
        f"**The ReLU's change** falls like $n^{{-q}}$ with q = {float(free.value):.2f} [{float(free.low):.2f}, {float(free.high):.2f}]; "  # type: ignore[arg-type]
        f"with every neuron's state frozen at the start, q = {float(held.value):.2f} [{float(held.low):.2f}, {float(held.high):.2f}]. "  # type: ignore[arg-type]
        f"At the largest width the kernel changes by {drift[0]:+.1%} on average, with frozen states by {drift[1]:+.1%}. "
        f"**Lazy on purpose:** outputs of linear networks multiplied by 10 reach their target with a change that is {lazy:.1f} times smaller."
    )
