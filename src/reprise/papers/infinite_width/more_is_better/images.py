r"""Images: kernels between them, ReLU random features on them, and ridge sweeps at several noise levels.

A pool of N images is the population that samples are drawn from, without replacement. Its kernel matrix gives the
eigenpairs that the theory needs: eigenvalues of $K/N$, coefficients $v = U^\top y/\sqrt N$. The theory's test error
averages over the whole pool, the training images among it; on the images that were not drawn it therefore predicts

$$E_{te}^{\text{unseen}} = \frac{N\,E_{te}-n\,E_{tr}}{N-n}.$$
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from reprise import datasets
from reprise.kernels import closed_form
from reprise.kernels.gram import gram
from reprise.papers.infinite_width.more_is_better import simulation
from reprise.papers.infinite_width.more_is_better.theory import error_grid
from reprise.papers.infinite_width.more_is_better.threads import one_blas_thread
from reprise.progress import track

__all__ = [
    "GROUPS",
    "KERNELS",
    "Pool",
    "ReluSweep",
    "convolutional",
    "kernel_matrix",
    "largest_block",
    "load_pool",
    "pool_spectrum",
    "relu_features",
    "unseen",
]

GROUPS = {"digits": (0, 1, 2, 3, 4), "mnist": (0, 1, 2, 3, 4), "fashion-mnist": (0, 2, 4, 6, 8)}
"""Which classes are +1 in the binary task of the random features; for clothes, tops (and bags) against the rest."""


class Pool(NamedTuple):
    """A draw of images: rows of standardised pixels, their labels, and the side of an image."""

    x: Float[np.ndarray, "N d"]
    labels: Int[np.ndarray, " N"]
    side: int

    def one_hot(self) -> Float[np.ndarray, "N c"]:
        """One row a label, with a single 1."""
        return np.eye(int(self.labels.max()) + 1)[self.labels]

    def signs(self, positive: tuple[int, ...]) -> Float[np.ndarray, " N"]:
        """Labels +1 for these classes and -1 for the others."""
        return np.where(np.isin(self.labels, positive), 1.0, -1.0)


def load_pool(name: str, size: int, *, seed: int, side: int | None = None) -> Pool:
    """The first ``size`` training images of a draw, pixels standardised with one mean and deviation for all.

    ``name`` may end in a side length: "mnist-14" is MNIST brought to 14 x 14 pixels.
    """
    base, _, suffix = name.rpartition("-")
    if suffix.isdigit():
        name, side = base, int(suffix)
    options: dict[str, Any] = {"part": "train"} if name != "digits" else {"split": seed, "train_fraction": 0.999}
    data = datasets.load(name, n_train=size, seed=seed, scale="standard", size=side, **options)
    height, width = data.meta.image_shape or (0, 0)
    assert height == width
    return Pool(np.asarray(data.x), np.asarray(data.y).astype(int), height)


def _fully_connected(_: int) -> Callable[[Array, Array], Array]:
    return functools.partial(closed_form.ntk, depth=3, w_std=1.0)


def _gaussian(width: float) -> Callable[[Array, Array], Array]:
    def kernel(a: Array, b: Array) -> Array:
        """Gaussian kernel; distances are per pixel, so that 1 is the typical distance of two images."""
        square = jnp.sum(a * a, 1)[:, None] + jnp.sum(b * b, 1) - 2 * a @ b.T
        return jnp.exp(-jnp.maximum(square, 0.0) / (2 * width**2 * a.shape[1]))

    return kernel


def convolutional(side: int, layers: str) -> Callable[[Array, Array], Array]:
    """NTK of a convolutional ReLU network on flattened square images, by neural-tangents.

    ``layers`` is read from left to right: c is a 3 x 3 convolution with ReLU, p averages 2 x 2 pixels, g averages all
    that are left, f flattens them. A dense layer ends the network. Weights have unit variance; there are no biases.
    """
    from reprise.kernels.nt import stax

    blocks = {
        "c": lambda: stax.serial(stax.Conv(1, (3, 3), padding="SAME", W_std=1.0, b_std=None), stax.Relu()),
        "p": lambda: stax.AvgPool((2, 2), strides=(2, 2)),
        "g": stax.GlobalAvgPool,
        "f": stax.Flatten,
    }
    _, _, kernel_fn = stax.serial(*(blocks[letter]() for letter in layers), stax.Dense(1, W_std=1.0, b_std=None))

    def kernel(a: Array, b: Array) -> Array:
        return kernel_fn(a.reshape(-1, side, side, 1), b.reshape(-1, side, side, 1), "ntk")

    return kernel


KERNELS: dict[str, Callable[[int], Callable[[Array, Array], Array]]] = {
    "fc": _fully_connected,
    "conv": lambda side: convolutional(side, "ccf"),
    "conv-pool": lambda side: convolutional(side, "cpccg"),
    "myrtle5": lambda side: convolutional(side, "ccpcpcppg"),
    "gaussian": lambda _: _gaussian(1.0),
    "narrow": lambda _: _gaussian(0.02),
    "wide": lambda _: _gaussian(4.0),
}
"""Kernels between images by name: three-layer NTK, convolutional NTKs, Gaussian kernels of three widths."""


def kernel_matrix(pool: Pool, kernel: str) -> Float[np.ndarray, "N N"]:
    """Kernel matrix of a pool, divided by its mean diagonal so that ridges mean the same for every kernel."""
    block = largest_block(kernel, pool.side)
    found = np.asarray(gram(KERNELS[kernel](pool.side), pool.x, block=block, label=f"{kernel} kernel"))
    return found / np.mean(np.diag(found))


def largest_block(kernel: str, side: int) -> int:
    """How many images a block of the kernel matrix may hold.

    Averaging over pixels needs the covariances of all pairs of pixels of every pair of images; flattening needs those
    of equal pixels only. Some six arrays of them are alive at once; they get 2 GB, or 24 GB on an accelerator.

    >>> largest_block("fc", 28), largest_block("conv-pool", 14) < 64
    (1024, True)
    """
    covariances = {"conv": side**2, "conv-pool": side**4, "myrtle5": side**4}.get(kernel, 1)
    budget = 2e9 if jax.default_backend() == "cpu" else 24e9
    return int(np.clip(np.sqrt(budget / (6 * 8 * covariances)), 4, 1024))


def pool_spectrum(
    matrix: Float[np.ndarray, "N N"], y: Float[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Eigenvalues of the kernel over the pool and powers of the target on them, largest first."""
    with one_blas_thread():
        values, vectors = np.linalg.eigh(matrix)
    size = len(y)
    return np.maximum(values[::-1], 0.0) / size, (vectors[:, ::-1].T @ y) ** 2 / size


def unseen(
    test: Float[np.ndarray, "..."], train: Float[np.ndarray, "..."], *, n: int, pool: int
) -> Float[np.ndarray, "..."]:
    """Expected error on the images of the pool that were not drawn, from that on the whole pool."""
    return (pool * test - n * train) / (pool - n)


class ReluSweep(NamedTuple):
    """Random ReLU features on images: simulated errors of every trial, and what the theory expects.

    ``shuffled`` is what it expects of a target whose coefficients are shuffled over the eigenfunctions. ``imitated`` is a
    simulation with Gaussian points that have the images' spectrum and coefficients, and what the theory expects of it:
    it tells a wrong formula from features that are not Gaussian.
    """

    test: Float[np.ndarray, "t k r"]
    train: Float[np.ndarray, "t k r"]
    test_theory: Float[np.ndarray, "k r"]
    train_theory: Float[np.ndarray, "k r"]
    test_shuffled: Float[np.ndarray, "k r"]
    train_shuffled: Float[np.ndarray, "k r"]
    imitated: simulation.Sweep
    test_imitated: Float[np.ndarray, "k r"]
    train_imitated: Float[np.ndarray, "k r"]


def relu_features(
    name: str,
    *,
    pool: int,
    n: int,
    widths: tuple[int, ...],
    ridges: Float[np.ndarray, " r"],
    trials: int,
    seed: int,
) -> ReluSweep:
    r"""Ridge regression on $k$ features $\mathrm{relu}(w\cdot x)$, $w_i\sim\mathcal N(0,2/d)$, of a binary task.

    Every trial draws n images and the features anew; errors are taken on all other images of the pool. The kernel of
    infinitely many features comes last. The theory gets the pool's eigenpairs of that kernel, and no noise.
    """
    images = load_pool(name, pool, seed=seed)
    y = images.signs(GROUPS[name])
    x = jnp.asarray(images.x)
    kernel = np.asarray(closed_form.nngp(x, depth=2, w_std=np.sqrt(2.0))) / 2
    values, power = pool_spectrum(kernel, y)
    expected = []
    for powers in (power, np.random.default_rng(seed).permutation(power)):
        test, train = (e[0] for e in error_grid(values, powers, ns=[n], widths=[*widths, np.inf], ridges=ridges))
        expected += [unseen(test, train, n=n, pool=len(y)), train]
    run = functools.partial(_relu_trial, n=n, widths=widths)
    target, deltas, infinite = jnp.asarray(y), jnp.asarray(ridges), jnp.asarray(kernel)
    keys = track(jax.random.split(jax.random.key(seed), trials), f"ReLU features on {name}")
    with one_blas_thread():
        rows = [jax.tree.map(np.asarray, run(key, x, target, infinite, deltas)) for key in keys]
    test, train = (np.stack(column) for column in zip(*rows, strict=True))
    imitated = simulation.random_features(
        jnp.asarray(values),
        jnp.asarray(power),
        ns=[n],
        widths=widths,
        ridges=ridges,
        trials=max(6, trials // 2),
        key=jax.random.key(seed),
        label=f"Gaussian imitation of {name}",
    )
    of_imitation = error_grid(values, power, ns=[n], widths=[*widths, np.inf], ridges=ridges)
    return ReluSweep(
        test=test,
        train=train,
        test_theory=expected[0],
        train_theory=expected[1],
        test_shuffled=expected[2],
        train_shuffled=expected[3],
        imitated=imitated,
        test_imitated=of_imitation[0][0],
        train_imitated=of_imitation[1][0],
    )


@functools.partial(jax.jit, static_argnames=("n", "widths"))
def _relu_trial(
    key: Key[Array, ""], x: Array, y: Array, kernel: Array, ridges: Array, *, n: int, widths: tuple[int, ...]
) -> tuple[Array, Array]:
    key_rows, key_w = jax.random.split(key)
    rows = jax.random.permutation(key_rows, len(y))
    chosen, others = rows[:n], rows[n:]
    w = jax.random.normal(key_w, (x.shape[1], max(widths)), x.dtype) * jnp.sqrt(2 / x.shape[1])
    features = jax.nn.relu(x @ w)
    train, test = features[chosen], features[others]
    inner, outer = [kernel[chosen][:, chosen]], [kernel[others][:, chosen]]
    sums, cross, before = jnp.zeros((n, n)), jnp.zeros((len(y) - n, n)), 0
    for width in widths:
        block = train[:, before:width]
        sums, cross, before = sums + block @ block.T, cross + test[:, before:width] @ block.T, width
        inner.insert(-1, sums / width)
        outer.insert(-1, cross / width)
    values, vectors = jnp.linalg.eigh(jnp.stack(inner))
    coefficients = vectors.mT @ y[chosen]
    h = coefficients[..., None] / (jnp.maximum(values, 0.0)[..., None] + ridges)  # (k, n, r)
    predicted = jnp.stack(outer) @ (vectors @ h)
    return jnp.mean((predicted - y[others][:, None]) ** 2, axis=-2), jnp.mean((ridges * h) ** 2, axis=-2)
