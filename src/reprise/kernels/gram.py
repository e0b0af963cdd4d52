"""Gram matrices in blocks: each pair of points once, on all devices, in memory of a few blocks, with progress.

The points are cut into blocks of equal size. A tile is the kernel between two blocks; of a symmetric matrix only the tiles
on and above the diagonal are computed, the others are their mirror. Tiles go out in rounds of one to a device
(`jax.shard_map` over a mesh of the devices, no communication) and come back into one matrix in the host's memory, while
the devices work on the next round.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, DTypeLike, Real

import reprise._x64  # noqa: F401
from reprise.progress import task

__all__ = ["gram"]

BlockKernel: TypeAlias = Callable[[Array, Array], Any]
Pairs: TypeAlias = list[tuple[int, int]]
T = TypeVar("T")
_AXIS = "tiles"
_ALIGNMENT = 64
_SKEW = 1e-3  # far above rounding in float32, far below a kernel that is not one


def gram(
    kernel: BlockKernel,
    x1: Real[Array | np.ndarray, "n ..."],
    x2: Real[Array | np.ndarray, "m ..."] | None = None,
    *,
    block: int = 1024,
    devices: Sequence[jax.Device] | None = None,
    dtype: DTypeLike = jnp.float64,
    label: str = "Gram matrix",
) -> Any:
    """Kernel matrix between the points ``x1`` and ``x2``, or of ``x1`` with itself.

    Args:
        kernel: block function; takes (b, ...) and (c, ...) points and returns a (b, c) matrix, or a tuple of such (then
            the result is a tuple of matrices). It is compiled, so it must be traceable, and remembered: the same function,
            or a `functools.partial` of the same contents, is not compiled again; a new lambda is. With ``x2`` None it must be
            symmetric.
        x1: points along the first axis, any shape after it.
        x2: points, or None for the symmetric matrix of ``x1``, of which half is computed.
        block: largest number of points in a block; blocks are made equal, so the last one is not nearly empty.
        devices: which to use; all local ones by default.
        dtype: of the points handed to the kernel, hence of its arithmetic if it follows its inputs (those of `closed_form`
            do with ``dtype=None``). float32 is several times faster on most GPUs; the result is float64 all the same,
            because the solves that follow need it.
        label: what the progress display calls it.

    Returns:
        Float64 matrix (n, m), exactly symmetric if ``x2`` is None. Time n(n+1)/2 or nm kernel entries over the number of
        devices; memory the result plus two tiles a device.

    >>> x = jnp.arange(6.0).reshape(3, 2)
    >>> print(gram(lambda a, b: a @ b.T, x, block=2))
    [[ 1.  3.  5.]
     [ 3. 13. 23.]
     [ 5. 23. 41.]]
    """
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    left = _points(x1, "x1", dtype)
    right = left if x2 is None else _points(x2, "x2", dtype)
    if left.shape[1:] != right.shape[1:]:
        raise ValueError(f"points of x1 have shape {left.shape[1:]} and points of x2 {right.shape[1:]}")
    chosen = tuple(jax.local_devices() if devices is None else devices)
    if not chosen:
        raise ValueError("devices is empty")

    symmetric = x2 is None
    rows, columns = _blocks(left, block), _blocks(right, block)
    pairs = [(i, j) for i in range(len(rows)) for j in range(i if symmetric else 0, len(columns))]
    rounds = _rounds(kernel, rows, columns, pairs, chosen[: len(pairs)])

    structure = None
    matrices: list[np.ndarray] = []
    with task(label, len(pairs)) as advance:
        for here, tiles in _one_ahead(rounds):
            leaves, structure = jax.tree.flatten(tiles)
            matrices = matrices or [_empty(len(left), len(right)) for _ in leaves]
            for matrix, leaf in zip(matrices, leaves, strict=True):
                for (i, j), tile in zip(here, _shards(leaf), strict=False):
                    _place(matrix, tile, i * rows.shape[1], j * columns.shape[1], symmetric=symmetric)
            advance(len(here))
    return jax.tree.unflatten(structure, jax.device_put(matrices, may_alias=True))


def _points(x: Array | np.ndarray, name: str, dtype: DTypeLike) -> np.ndarray:
    points = np.asarray(x, dtype)
    if points.ndim < 2 or not points.size:
        raise ValueError(
            f"{name} must hold points along its first axis, shape (n, d) or more, got shape {points.shape}"
        )
    return points


def _empty(n: int, m: int) -> np.ndarray:
    """Make an uninitialised matrix aligned so that JAX on a CPU can take it over without a copy."""
    buffer = np.empty(n * m * 8 + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + n * m * 8].view(np.float64).reshape(n, m)


def _blocks(points: np.ndarray, block: int) -> np.ndarray:
    """Cut into equal blocks of at most ``block`` points, shape (blocks, size, ...), filling up with the first point."""
    count = math.ceil(len(points) / block)
    size = math.ceil(len(points) / count)
    if missing := count * size - len(points):
        points = np.concatenate([points, np.repeat(points[:1], missing, axis=0)])
    return points.reshape(count, size, *points.shape[1:])


def _rounds(
    kernel: BlockKernel,
    rows: np.ndarray,
    columns: np.ndarray,
    pairs: Pairs,
    devices: tuple[jax.Device, ...],
) -> Iterator[tuple[Pairs, Any]]:
    """Start round after round; yields the pairs of blocks of a round and its tiles, which may still be under way."""
    mesh = Mesh(np.array(devices), _AXIS)
    everywhere = NamedSharding(mesh, PartitionSpec())
    rows_there, columns_there = jax.device_put((rows, columns), everywhere, may_alias=True)
    tile = _tile_function(kernel, mesh)
    for start in range(0, len(pairs), len(devices)):
        here = pairs[start : start + len(devices)]
        filled = here + here[-1:] * (len(devices) - len(here))
        yield here, tile(rows_there, columns_there, np.array(filled))


@dataclasses.dataclass(frozen=True)
class _Partial:
    """A `functools.partial` that equals another with the same contents, so that it is compiled once."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]

    def __call__(self, left: Array, right: Array) -> Any:
        return self.function(*self.arguments, left, right, **dict(self.options))


def _tile_function(kernel: BlockKernel, mesh: Mesh) -> Callable[..., Any]:
    if isinstance(kernel, functools.partial):
        kernel = _Partial(kernel.func, kernel.args, tuple(sorted(kernel.keywords.items())))
    try:
        return _compiled(kernel, mesh)
    except TypeError:  # a kernel that cannot be hashed cannot be remembered
        return _compiled.__wrapped__(kernel, mesh)


@functools.lru_cache(maxsize=32)
def _compiled(kernel: BlockKernel, mesh: Mesh) -> Callable[..., Any]:
    """Compile one tile a device: from all blocks (everywhere) and one pair of block numbers a device."""

    def tile(rows: Array, columns: Array, pair: Array) -> Any:
        left, right = rows[pair[0, 0]], columns[pair[0, 1]]

        def checked(block: Array) -> Array:
            if block.shape != (len(left), len(right)):
                raise ValueError(
                    f"the kernel must return a matrix of shape {(len(left), len(right))} for blocks of {len(left)} "
                    f"and {len(right)} points, but returned shape {block.shape}"
                )
            return block[None].astype(jnp.float64)

        return jax.tree.map(checked, kernel(left, right))

    apart, everywhere = PartitionSpec(_AXIS), PartitionSpec()
    mapped = jax.shard_map(tile, mesh=mesh, in_specs=(everywhere, everywhere, apart), out_specs=apart, check_vma=False)
    return jax.jit(mapped)


def _one_ahead(rounds: Iterator[T]) -> Iterator[T]:
    """Yield each round only after the next has been started, so that copying and computing overlap."""
    before = next(rounds)
    for after in rounds:
        yield before
        before = after
    yield before


def _shards(tiles: Array) -> Iterator[np.ndarray]:
    """Yield the tiles of a round in order, each from its own device."""
    shards = sorted(tiles.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return (np.asarray(shard.data)[0] for shard in shards)


def _place(matrix: np.ndarray, tile: np.ndarray, row: int, column: int, *, symmetric: bool) -> None:
    """Copy a tile to its place (cut at the edge), and its mirror if ``symmetric``."""
    tile = tile[: len(matrix) - row, : matrix.shape[1] - column]
    if symmetric and row == column:
        skew, size = np.abs(tile - tile.T).max(), np.abs(tile).max()
        if skew > _SKEW * size:
            raise ValueError(
                f"the kernel is not symmetric: k(a, b) and k(b, a) differ by {skew:.2e} where the largest entry is "
                f"{size:.2e}. Pass x2 as well to compute every entry"
            )
        tile = (tile + tile.T) / 2
    rows, columns = slice(row, row + tile.shape[0]), slice(column, column + tile.shape[1])
    matrix[rows, columns] = tile
    if symmetric and row != column:
        matrix[columns, rows] = tile.T
