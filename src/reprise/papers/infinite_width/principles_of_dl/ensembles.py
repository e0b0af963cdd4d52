r"""Large ensembles of random networks at one input, in NumPy float32.

Two ways to the same law. `matrices` draws every weight. `mixture` uses that for one input a layer is exactly a Gaussian
scale mixture, $z^{(\ell+1)}|z^{(\ell)}\sim\gamma z^{(\ell)}+\sqrt{v}\,N(0,1)$ with $v=C_b+\frac{C_W}n\sum_j\sigma(z_j)^2$, and draws
only the preactivations: no approximation, and $n$ times cheaper.
"""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress
from reprise.papers.infinite_width.principles_of_dl.activations import Activation

Law = Literal["gaussian", "signs", "orthogonal"]
CHUNK = 4_000_000
"""Numbers drawn at once: results depend on it, since every chunk has a stream of its own."""


class Net(NamedTuple):
    """One ensemble: activation, width, initialisation, and the norm with which its input enters."""

    activation: Activation
    width: int
    weight: float
    bias: float = 0.0
    skip: float = 0.0
    start: float = 1.0


class Moments(NamedTuple):
    r"""What is kept of every network at the chosen layers, each of shape (nets, layers).

    Attributes:
        layers: which $\ell$.
        second: $\frac1n\sum_iz_i^2$.
        fourth: $\frac1n\sum_iz_i^4$.
        pairs: mean of $z_i^2z_j^2$ over pairs $i\ne j$.
    """

    layers: np.ndarray
    second: Float[np.ndarray, "nets layers"]
    fourth: Float[np.ndarray, "nets layers"]
    pairs: Float[np.ndarray, "nets layers"]

    def at(self, layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Second, fourth and pair moments of one layer, each of shape (nets,)."""
        i = int(np.flatnonzero(self.layers == layer)[0])
        return self.second[:, i], self.fourth[:, i], self.pairs[:, i]


def stream(seed: int, name: str, chunk: int) -> np.random.Generator:
    """A stream of its own for every experiment and chunk."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(name.encode()), chunk])))


def in_chunks(
    work: Callable[[np.random.Generator, int], np.ndarray], nets: int, numbers: int, *, seed: int, name: str
) -> np.ndarray:
    """`work(stream, count)` for all nets, in chunks of about CHUNK numbers, two at a time; joined along axis 0."""
    size = max(1, min(nets, CHUNK // max(1, numbers)))
    counts = [min(size, nets - i) for i in range(0, nets, size)]
    with ThreadPoolExecutor(2) as pool, progress.task(name, nets) as advance:
        parts = []
        jobs = [pool.submit(work, stream(seed, name, i), count) for i, count in enumerate(counts)]
        for job, count in zip(jobs, counts, strict=True):
            parts.append(job.result())
            advance(count)
    return np.concatenate(parts)


def _reduced(z: Float[np.ndarray, "nets n"]) -> Float[np.ndarray, "nets 3"]:
    square = z.astype(np.float64) ** 2
    n = z.shape[1]
    second, fourth = square.mean(axis=1), (square**2).mean(axis=1)
    return np.stack([second, fourth, (n * second**2 - fourth) / (n - 1)], axis=1)


def _moments(layers: Sequence[int], rows: np.ndarray) -> Moments:
    return Moments(np.asarray(layers), rows[..., 0], rows[..., 1], rows[..., 2])


def _expected(net: Net, z: np.ndarray, v: np.ndarray) -> Float[np.ndarray, "nets 3"]:
    """What `_reduced` is on average for the next layer, given this one: its own sampling noise is averaged exactly."""
    v, skip = v[:, 0].astype(np.float64), net.skip**2
    if skip == 0.0:
        return np.stack([v, 3 * v**2, v**2], axis=1)
    second, fourth, pairs = _reduced(z).T
    mean = v + skip * second
    return np.stack(
        [mean, 3 * v**2 + 6 * v * skip * second + skip**2 * fourth, v**2 + 2 * v * skip * second + skip**2 * pairs],
        axis=1,
    )


def mixture(
    net: Net, layers: Sequence[int], nets: int, *, seed: int, name: str = "mixture", expected: bool = False
) -> Moments:
    """Networks at one input by the exact scale mixture.

    With `expected`, the moments of a layer are replaced by their expectations given the layer below: the same mean, less
    noise; `second` is then the variance v itself if there is no skip.
    """
    depth = max(layers)

    def work(rng: np.random.Generator, count: int) -> np.ndarray:
        kept = []
        z = rng.standard_normal((count, net.width), dtype=np.float32)
        z *= np.float32(net.start**0.5)
        fresh = np.empty_like(z)  # two arrays for all layers: new ones would cost as much time as the draws
        for layer in range(1, depth + 1):
            if layer > 1:
                active = net.activation.value(z)
                v = net.bias + net.weight / net.width * np.vecdot(active, active)[:, None]
                if expected and layer in layers:
                    kept.append(_expected(net, z, v))
                if expected and layer == depth:
                    break
                rng.standard_normal(out=fresh, dtype=np.float32)
                fresh *= np.sqrt(v)
                if net.skip:
                    z *= np.float32(net.skip)
                    z += fresh
                else:
                    z, fresh = fresh, z
            if layer in layers and not (expected and layer > 1):
                kept.append(_reduced(z))
        return np.stack(kept, axis=1)

    label = f"{name}: {net.activation.name}, {net.width} units, skip {net.skip:g}"
    return _moments(sorted(layers), in_chunks(work, nets, net.width * 4, seed=seed, name=label))


def _fill(w: Float[np.ndarray, "count n n"], rng: np.random.Generator, law: Law) -> None:
    r"""Draw weights of variance 1: Gaussian, random signs, or $\sqrt n$ times a Haar-distributed orthogonal matrix."""
    if law == "signs":
        w[:] = rng.integers(0, 2, w.shape, dtype=np.int8)
        w *= 2
        w -= 1
        return
    rng.standard_normal(out=w, dtype=np.float32)
    if law == "orthogonal":
        q, r = np.linalg.qr(w)
        w[:] = q * np.float32(w.shape[1] ** 0.5) * np.sign(np.einsum("cii->ci", r))[:, None, :]


def matrices(
    nets: Sequence[Net], layers: Sequence[int], count: int, *, seed: int, law: Law = "gaussian"
) -> list[Moments]:
    """Networks of one width by their weight matrices; ensembles in `nets` share them."""
    n, depth = nets[0].width, max(layers)

    def work(rng: np.random.Generator, some: int) -> np.ndarray:
        shared = rng.standard_normal((some, n), dtype=np.float32)
        z = np.stack([np.float32(net.start**0.5) * shared for net in nets], axis=2)
        kept, w = [], np.empty((some, n, n), np.float32)
        for layer in range(1, depth + 1):
            if layer > 1:
                _fill(w, rng, law)
                active = [
                    np.float32((e.weight / n) ** 0.5) * e.activation.value(z[:, :, i]) for i, e in enumerate(nets)
                ]
                z = w @ np.stack(active, axis=2)
            if layer in layers:
                kept.append(np.stack([_reduced(z[:, :, i]) for i in range(len(nets))], axis=1))
        return np.stack(kept, axis=1)

    name = f"{law} matrices of {n} x {n}"
    rows = in_chunks(work, count, n * n, seed=seed, name=name)
    return [_moments(sorted(layers), rows[:, :, i]) for i in range(len(nets))]
