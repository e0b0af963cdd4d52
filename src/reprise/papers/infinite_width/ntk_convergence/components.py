r"""Claim C4: along kernel principal component $f^{(i)}$ the error decays at rate $\lambda_i$ (section 6.3)."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise import statistics
from reprise.estimate import Estimate
from reprise.networks import record_outputs
from reprise.networks.recording import Recorder
from reprise.papers.infinite_width.ntk_convergence import finite, theory
from reprise.papers.infinite_width.ntk_convergence.finite import Net
from reprise.papers.infinite_width.ntk_convergence.threads import on_one_thread

AMPLITUDE = 0.5
r"""The paper's target is $f^*=f_{\theta(0)}+0.5f^{(i)}$."""

SMALL = 0.05
"""An error so small that a network of moderate width corrects it without moving its kernel."""


class Components(NamedTuple):
    r"""Eigenvalues of $\Pi$ (of $\Theta(X,X)/N$), falling, and its eigenfunctions at the N points.

    Attributes:
        values: (N,).
        functions: (N, N), column i is $f^{(i+1)}$ with mean square 1.
    """

    values: Float[np.ndarray, " n"]
    functions: Float[np.ndarray, "n n"]

    def constant_share(self, i: int) -> float:
        """Squared cosine between component i (from 0) and the constant function."""
        return float(np.mean(self.functions[:, i]) ** 2)


@on_one_thread
def principal_components(kernel: Float[np.ndarray, "n n"], *, centred: bool = False) -> Components:
    r"""Kernel principal components, not centred as in the paper, or centred (what scikit-learn's KernelPCA does)."""
    n = len(kernel)
    gram = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean() if centred else kernel
    values, vectors = np.linalg.eigh((gram + gram.T) / (2 * n))
    return Components(values[::-1], np.sqrt(n) * vectors[:, ::-1])


def random_directions(count: int, points: int, seed: int) -> Float[np.ndarray, "points count"]:
    """Random orthogonal functions on the points, mean square 1: the control."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(points, count)))
    return np.asarray(np.sqrt(points) * q)


def rayleigh(kernels: Float[np.ndarray, "... n n"], functions: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "... c"]:
    r"""$\langle f,\Pi f\rangle_{p^{in}}$ for each function: the rate at which an error along it starts to fall."""
    n = len(functions)
    return np.asarray(np.einsum("nc,...nm,mc->...c", functions, kernels, functions, optimize=True) / n**2)


class Descent(NamedTuple):
    """Networks trained towards their start plus a function, and the same with each kernel frozen at the start.

    Attributes:
        times: (records,).
        steps: (records,).
        rate: learning rate.
        along: what is left of the error along the function, (seeds, records), from the amplitude down.
        off: norm of the error orthogonal to it, (seeds, records).
        along_frozen: as `along`, for kernel descent with the network's own kernel of the start.
        start: Rayleigh quotient of each network's kernel at the start, (seeds,).
    """

    times: np.ndarray
    steps: np.ndarray
    rate: float
    along: Float[np.ndarray, "seeds records"]
    off: Float[np.ndarray, "seeds records"]
    along_frozen: Float[np.ndarray, "seeds records"]
    start: Float[np.ndarray, " seeds"]

    def decay(self, predicted: float, *, frozen: bool = False) -> Float[np.ndarray, " seeds"]:
        r"""Fitted rate until one predicted decay time, $\lambda_it\le1$: from $c_k=c_0(1-\eta\hat\lambda)^k$."""
        inside = np.flatnonzero((predicted * self.times <= 1.0) & (self.steps > 0))
        k = int(inside[-1]) if inside.size else 1
        c = self.along_frozen if frozen else self.along
        ratio = np.clip(c[:, k] / c[:, 0], 0.0, None)
        return np.asarray((1.0 - ratio ** (1.0 / self.steps[k])) / self.rate)


class Directions(NamedTuple):
    """Functions on the N digits towards which networks are trained, with their predicted rates.

    Attributes:
        names: "1", "2", ... for principal components, "random 1", ... for the controls.
        functions: (N, directions), mean square 1.
        rates: eigenvalues, or Rayleigh quotients of the random ones, (directions,).
    """

    names: list[str]
    functions: Float[np.ndarray, "n c"]
    rates: Float[np.ndarray, " c"]

    def pick(self, *names: str) -> "Directions":
        """Some of the directions."""
        at = [self.names.index(name) for name in names]
        return Directions(list(names), self.functions[:, at], self.rates[at])

    @property
    def random(self) -> list[str]:
        """Names of the random directions."""
        return [name for name in self.names if name.startswith("random")]

    @property
    def principal(self) -> list[str]:
        """Names of the principal components."""
        return [name for name in self.names if not name.startswith("random")]


def directions(
    kernel: Float[np.ndarray, "n n"], components: Sequence[int], *, seed: int, controls: int = 2
) -> Directions:
    """Principal components by their numbers (from 1), and random directions."""
    found = principal_components(kernel)
    at = np.asarray(components) - 1
    drawn = random_directions(controls, len(kernel), seed)
    return Directions(
        [*map(str, components), *(f"random {i + 1}" for i in range(controls))],
        np.concatenate([found.functions[:, at], drawn], axis=1),
        np.concatenate([found.values[at], rayleigh(kernel, drawn)]),
    )


def group(net: Net, width: int, count: int) -> int:
    """How many networks to train at once on digits."""
    return finite.group_size(count, width, net.depth, memory=2.4e7)


class Budget(NamedTuple):
    r"""How long, how fast and how far to train: `steps` steps of the rate that covers `decays` predicted decay times.

    The rate is decays / (predicted * steps), at most `largest_rate`; gradient descent is stable below $2/\lambda_1$.
    The error at the start is `amplitude` times the direction.
    """

    steps: int
    largest_rate: float
    decays: float = 3.0
    records: int = 16
    amplitude: float = AMPLITUDE


def descend(
    net: Net,
    width: int,
    keys: PRNGKeyArray,
    x: Float[np.ndarray, "n d"],
    function: Float[np.ndarray, " n"],
    predicted: float,
    budget: Budget,
) -> Descent:
    r"""Train networks from $f_{\theta(0)}$ towards $f_{\theta(0)}$ plus `amplitude` times the function."""
    n = len(x)
    rate = min(budget.largest_rate, budget.decays / (predicted * budget.steps))
    every = max(1, budget.steps // budget.records)
    stops = np.asarray(sorted({*range(0, budget.steps, every), budget.steps}))

    def one_group(group: PRNGKeyArray) -> tuple[np.ndarray, ...]:
        models = finite.draw(net, width, group)
        before = finite.look(models, x)
        y = before.f + budget.amplitude * function
        done = finite.train(models, x, y, rate=rate, steps=budget.steps, record=_outputs(x), record_every=every)
        error = y[:, None] - np.asarray(done.records[..., 0], dtype=np.float64)
        frozen = np.stack(
            [
                yi - theory.descent(k, f[None], yi, stops, rate=rate)[0]
                for yi, k, f in zip(y, before.ntk, before.f, strict=True)
            ]
        )
        along = error @ function / n
        off = np.sqrt(np.clip(np.mean(error**2, axis=-1) - along**2, 0.0, None))
        return along, off, frozen @ function / n, rayleigh(before.ntk, function[:, None])[:, 0]

    at_once = group(net, width, len(keys))
    along, off, frozen, start = finite.in_groups(one_group, keys, at_once, f"{width} units along components")
    return Descent(rate * stops, stops, rate, along, off, frozen, start)


@lru_cache(maxsize=4)
def _recorder(data: bytes, shape: tuple[int, ...]) -> Recorder:
    return record_outputs(np.frombuffer(data, np.float32).reshape(shape))


def _outputs(x: Float[np.ndarray, "n d"]) -> Recorder:
    """One recorder for one set of points, so that it is compiled once a width."""
    points = np.ascontiguousarray(x, dtype=np.float32)
    return _recorder(points.tobytes(), points.shape)


def descents(
    net: Net,
    width: int,
    count: int,
    x: Float[np.ndarray, "n d"],
    towards: Directions,
    budget: Budget,
    *,
    seed: int,
) -> dict[str, Descent]:
    """The same networks of one width trained towards each direction in turn."""
    keys = finite.keys(seed, f"component {width}", count)
    return {
        name: descend(net, width, keys, x, towards.functions[:, i], float(towards.rates[i]), budget)
        for i, name in enumerate(towards.names)
    }


def descents_across(
    net: Net,
    widths: Sequence[int],
    counts: Sequence[int],
    x: Float[np.ndarray, "n d"],
    towards: Directions,
    budget: Budget,
    *,
    untrained: int,
    seed: int,
) -> tuple[dict[int, dict[str, Descent]], dict[int, np.ndarray]]:
    """Networks trained towards all directions at the largest width, towards one of each kind below it.

    Returns:
        By width: the runs of each direction, and `start_rates` of further networks.
    """
    if len(counts) != len(widths):
        raise ValueError(f"one number of networks for each of the {len(widths)} widths is needed, not {len(counts)}")

    def at(item: tuple[int, int]) -> tuple[dict[str, Descent], np.ndarray]:
        width, count = item
        some = towards if width == max(widths) else towards.pick("2", towards.random[0])
        runs = descents(net, width, count, x, some, budget, seed=seed)
        at_once = group(net, width, count)
        return runs, start_rates(net, width, untrained, x, towards, at_once=at_once, seed=seed)

    found = finite.across(at, list(zip(widths, counts, strict=True)))
    return {n: runs for n, (runs, _) in zip(widths, found, strict=True)}, {
        n: more for n, (_, more) in zip(widths, found, strict=True)
    }


def start_rates(
    net: Net, width: int, count: int, x: Float[np.ndarray, "n d"], towards: Directions, *, at_once: int, seed: int
) -> Float[np.ndarray, "seeds c"]:
    """Rayleigh quotients of the kernels of further, untrained networks, one column a direction."""
    keys = finite.keys(seed, f"untrained {width}", count)
    found: np.ndarray = finite.in_groups(
        lambda group: rayleigh(finite.look(finite.draw(net, width, group), x).ntk, towards.functions),
        keys,
        at_once,
        f"{width} units, untrained",
    )
    return found


def steadied(
    rates: Float[np.ndarray, "seeds c"], starts: Float[np.ndarray, "seeds c"], more: Float[np.ndarray, "others c"]
) -> Float[np.ndarray, "seeds c"]:
    r"""Rates with most of the chance of the draw taken out (a control variate).

    A network whose kernel starts large learns fast, for no other reason than its draw. Its rate minus its own start's
    Rayleigh quotient, plus the mean of that quotient over all networks (the trained ones and many untrained), has the
    same expectation and a fraction of the variance.
    """
    return np.asarray(rates - starts + np.concatenate([starts, more]).mean(axis=0))


class Rates(NamedTuple):
    """Fitted rates over predicted rates at one width: one row a network, one column a direction; `more` are untrained."""

    names: list[str]
    fitted: Float[np.ndarray, "seeds c"]
    starts: Float[np.ndarray, "seeds c"]
    more: Float[np.ndarray, "others c"]

    @property
    def steady(self) -> Float[np.ndarray, "seeds c"]:
        """Fitted rates, steadied."""
        return steadied(self.fitted, self.starts, self.more)

    def pick(self, names: Sequence[str]) -> "Rates":
        """Some of the directions."""
        at = [self.names.index(name) for name in names]
        return Rates(list(names), self.fitted[:, at], self.starts[:, at], self.more[:, at])


def rates(
    runs: dict[str, Descent], towards: Directions, more: Float[np.ndarray, "others c"], *, frozen: bool = False
) -> Rates:
    """Fitted rates of these runs in units of the predicted ones; `more` has a column for each of all directions."""
    names = list(runs)
    some = towards.pick(*names)
    fitted = [runs[name].decay(float(rate), frozen=frozen) for name, rate in zip(names, some.rates, strict=True)]
    starts = np.stack([runs[name].start for name in names], axis=1)
    others = more[:, [towards.names.index(name) for name in names]]
    return Rates(names, np.stack(fitted, axis=1) / some.rates, starts / some.rates, others / some.rates)


def largest_gap(found: Rates) -> Estimate:
    r"""Largest relative distance $|\bar\lambda_i/\lambda_i-1|$ over the directions, bootstrap over both sets of networks."""

    def gap(trained: np.ndarray, more: np.ndarray) -> float:
        return float(np.max(np.abs(steadied(trained[:, 0], trained[:, 1], more).mean(axis=0) - 1.0)))

    return statistics.bootstrap((np.stack([found.fitted, found.starts], axis=1), found.more), gap, paired=False)


def _width_slope(columns: dict[int, np.ndarray], statistic: Callable[[np.ndarray], float]) -> Estimate:
    """Log-log slope of a statistic against width, seeds drawn for each width."""
    weights = np.log(sorted(columns)) - np.mean(np.log(sorted(columns)))
    weights /= np.sum(weights**2)

    def slope(*parts: np.ndarray) -> float:
        return float(np.log([statistic(part) for part in parts]) @ weights)

    return statistics.bootstrap(tuple(columns[n] for n in sorted(columns)), slope, paired=False)


def stray_slope(runs: dict[int, dict[str, Descent]], name: str) -> Estimate:
    r"""Exponent with which the mean of $\max_t\|h_t\|$ towards a direction falls with width."""
    return _width_slope({n: run[name].off.max(axis=1) for n, run in runs.items()}, lambda part: float(part.mean()))


def approach_slope(
    runs: dict[int, dict[str, Descent]], more: dict[int, np.ndarray], towards: Directions, name: str
) -> Estimate:
    r"""Exponent with which the relative distance of a direction's mean rate from the prediction falls with width."""
    columns = {n: rates(run, towards, more[n]).pick([name]).steady[:, 0] for n, run in runs.items()}
    return _width_slope(columns, lambda part: float(np.abs(part.mean() - 1.0)))


def head_start(
    runs: dict[int, dict[str, Descent]],
    more: dict[int, np.ndarray],
    towards: Directions,
    narrow: int,
    wide: int,
    *,
    frozen: bool = False,
) -> Estimate:
    r"""Mean rate along $f^{(2)}$ of the narrow networks minus that of the wide ones, in units of $\lambda_2$."""
    a, b = (rates(runs[n], towards, more[n], frozen=frozen).pick(["2"]).steady[:, 0] for n in (narrow, wide))
    return statistics.bootstrap((a, b), lambda p, q: float(p.mean() - q.mean()), paired=False)
