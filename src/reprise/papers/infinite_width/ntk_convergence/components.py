r"""Claim C4: along kernel principal component $f^{(i)}$ the error decays at rate $\lambda_i$ (section 6.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise import statistics
from reprise.estimate import Estimate
from reprise.networks import record_outputs
from reprise.papers.infinite_width.ntk_convergence import finite, theory
from reprise.papers.infinite_width.ntk_convergence.finite import Net

AMPLITUDE = 0.5
r"""The target is $f^*=f_{\theta(0)}+0.5f^{(i)}$."""


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


def rayleigh(kernels: Float[np.ndarray, "*seeds n n"], functions: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "*seeds c"]:
    r"""$\langle f,\Pi f\rangle_{p^{in}}$ for each function: the rate at which an error along it starts to fall."""
    n = len(functions)
    return np.asarray(np.einsum("nc,...nm,mc->...c", functions, kernels, functions, optimize=True) / n**2)


class Descent(NamedTuple):
    """Networks trained towards their start plus half a function, and the same with each kernel frozen at the start.

    Attributes:
        times: (records,).
        steps: (records,).
        rate: learning rate.
        along: what is left of the error along the function, (seeds, records), from 0.5 down.
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


def descend(
    net: Net,
    width: int,
    keys: PRNGKeyArray,
    x: Float[np.ndarray, "n d"],
    function: Float[np.ndarray, " n"],
    *,
    predicted: float,
    decays: float,
    steps: int,
    largest_rate: float,
    records: int,
    label: str,
) -> Descent:
    r"""Train networks from $f_{\theta(0)}$ to $f_{\theta(0)}+0.5f$ for `decays` predicted decay times, if the rate allows.

    The rate is decays / (predicted * steps), at most `largest_rate`; gradient descent is stable below $2/\lambda_1$.
    """
    n = len(x)
    rate = min(largest_rate, decays / (predicted * steps))
    every = max(1, steps // records)
    record = record_outputs(x.astype(np.float32))
    stops = np.asarray(sorted({*range(0, steps, every), steps}))

    def one_group(group: PRNGKeyArray) -> tuple[np.ndarray, ...]:
        models = finite.draw(net, width, group)
        before = finite.look(models, x)
        y = before.f + AMPLITUDE * function
        done = finite.train(models, x, y, rate=rate, steps=steps, record=record, record_every=every)
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

    at_once = finite.group_size(width, net.depth, memory=2.4e7)
    along, off, frozen, start = finite.in_groups(one_group, keys, at_once, label)
    return Descent(rate * stops, stops, rate, along, off, frozen, start)


def start_rates(
    net: Net, width: int, keys: PRNGKeyArray, x: Float[np.ndarray, "n d"], functions: Float[np.ndarray, "n c"]
) -> Float[np.ndarray, "seeds c"]:
    """Rayleigh quotients of the kernels of further, untrained networks."""
    found: np.ndarray = finite.in_groups(
        lambda group: rayleigh(finite.look(finite.draw(net, width, group), x).ntk, functions),
        keys,
        finite.group_size(width, net.depth, memory=2.4e7),
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


def largest_gap(
    rates: Float[np.ndarray, "seeds c"],
    starts: Float[np.ndarray, "seeds c"],
    more: Float[np.ndarray, "others c"],
    predicted: Float[np.ndarray, " c"],
) -> Estimate:
    r"""Largest relative distance $|\bar\lambda_i/\lambda_i-1|$ over the functions, bootstrap over both sets of seeds."""

    def gap(r: np.ndarray, s: np.ndarray, m: np.ndarray) -> float:
        return float(np.max(np.abs(steadied(r, s, m).mean(axis=0) / predicted - 1.0)))

    trained = np.stack([rates, starts], axis=1)
    return statistics.bootstrap((trained, more), lambda t, m: gap(t[:, 0], t[:, 1], m), paired=False)


def first_eigenvalues(
    batches: Sequence[Float[np.ndarray, "n d"]], *, depth: int, bias: float, count: int = 3, centred: bool = False
) -> Float[np.ndarray, "batches count"]:
    r"""Largest eigenvalues of $\Theta^{(L)}_\infty(X,X)/N$ on each batch."""
    kernels = (theory.limit_kernels(x, depth=depth, bias=bias)[1] for x in batches)
    return np.stack([principal_components(k, centred=centred).values[:count] for k in kernels])
