r"""Sums of distances $S(y)=\sum_x|x-y|$ from noisy counts (dimension one; more dimensions are one tree each).

A point of [0, 1] falls in one of $N=2^L$ leaves. A full binary tree holds the count of every node: one record touches
$L+1$ of them, so Laplace noise of scale $(L+1)/\varepsilon$ on every node is $\varepsilon$-private. A query cuts the line
around y into annuli $r_{j+1}<\pm(x-y)\le r_j$ with $r_j=(1+a)^{-j}$ and adds $r_j$ times their counts, each count a sum of
at most $2L$ nodes. Since the answer is linear in the nodes, a query is a sparse row of node weights.

Nodes are numbered as in a heap: the root is 1, the children of i are 2i and 2i+1, leaf i is N+i; entry 0 is unused.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

Ranges = tuple[Int[np.ndarray, "queries ranges"], Int[np.ndarray, "queries ranges"], Float[np.ndarray, " ranges"]]


def depth(n: int) -> int:
    """Smallest L with at least n leaves; n is taken to be public."""
    return max(1, int(np.ceil(np.log2(n))))


def leaf(x: Float[np.ndarray, "..."], levels: int) -> Int[np.ndarray, "..."]:
    """Leaf of each point; points outside [0, 1] are clipped to it."""
    return np.clip(np.floor(np.asarray(x) * 2**levels), 0, 2**levels - 1).astype(np.int64)


def counts(x: Float[np.ndarray, " n"], levels: int) -> Float[np.ndarray, " nodes"]:
    """Counts of all 2N nodes, without noise."""
    size = 2**levels
    nodes = np.zeros(2 * size)
    nodes[size:] = np.bincount(leaf(x, levels), minlength=size)
    for level in range(levels - 1, -1, -1):
        start = 2**level
        nodes[start : 2 * start] = nodes[2 * start : 4 * start].reshape(-1, 2).sum(axis=1)
    return nodes


def noise_scale(levels: int, epsilon: float) -> float:
    """Laplace scale: L1 sensitivity L+1 over the budget."""
    return (levels + 1) / epsilon


def release(
    nodes: Float[np.ndarray, " nodes"],
    epsilon: float,
    rng: np.random.Generator,
    *,
    times: int = 1,
    sensitivity: float | None = None,
) -> Float[np.ndarray, "times nodes"]:
    """Noisy counts of all nodes, `times` independent releases; another `sensitivity` than L+1 breaks the promise."""
    levels = len(nodes).bit_length() - 2
    scale = noise_scale(levels, epsilon) if sensitivity is None else sensitivity / epsilon
    return nodes + rng.laplace(scale=scale, size=(times, len(nodes)))


def annuli(y: Float[np.ndarray, " queries"], levels: int, a: float, *, at: float | None = None) -> Ranges:
    """Ranges of leaves [low, high) around each query and their radii, both sides; with `at` only the annulus below that radius."""
    size = 2**levels
    number = int(np.ceil(levels * np.log(2.0) / np.log1p(a)))
    radii = (1.0 + a) ** -np.arange(number + 1.0)
    right = np.clip(np.floor((y[:, None] + radii) * size), 0, size).astype(np.int64)
    left = np.clip(np.floor((y[:, None] - radii) * size), 0, size).astype(np.int64)
    low = np.concatenate([right[:, 1:], left[:, :-1]], axis=1)
    high = np.concatenate([right[:, :-1], left[:, 1:]], axis=1)
    weights = np.tile(radii[:-1], 2)
    if at is not None:
        kept = np.arange(2 * number) % number == round(float(-np.log(at) / np.log1p(a)))
        low, high, weights = low[:, kept], high[:, kept], weights[kept]
    return low, high, weights


def tree_weights(ranges: Ranges, levels: int) -> sparse.csr_matrix:
    """Node weights of each query, (queries, nodes): the canonical nodes of each range, times its radius."""
    low, high, radii = ranges
    size = 2**levels
    query, which = np.nonzero(high > low)
    lo, hi, value = low[query, which] + size, high[query, which] + size, radii[which]
    rows, columns, data = [], [], []
    while len(lo):
        odd = (lo & 1).astype(bool)
        rows.append(query[odd])
        columns.append(lo[odd])
        data.append(value[odd])
        lo = lo + odd
        odd = (hi & 1).astype(bool) & (hi > lo)
        hi = hi - (hi & 1)
        rows.append(query[odd])
        columns.append(hi[odd])
        data.append(value[odd])
        lo, hi = lo >> 1, hi >> 1
        go = lo < hi
        lo, hi, value, query = lo[go], hi[go], value[go], query[go]
    entries = np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(entries, shape=(len(low), 2 * size))


def flat_answers(leaves: Float[np.ndarray, "... leaves"], ranges: Ranges) -> Float[np.ndarray, "... queries"]:
    """The same sums from a flat histogram: a range is the sum of its leaves."""
    low, high, radii = ranges
    start = np.zeros((*leaves.shape[:-1], 1))
    prefix = np.concatenate([start, np.cumsum(leaves, axis=-1)], axis=-1)
    return (prefix[..., high] - prefix[..., low]) @ radii


def tree_noise(
    weights: sparse.csr_matrix, levels: int, epsilon: float, rng: np.random.Generator, *, times: int = 1
) -> Float[np.ndarray, "times queries"]:
    """Noise of the answers alone, drawn only at the nodes that some query uses: the same law as a whole release."""
    nodes, columns = np.unique(weights.indices, return_inverse=True)
    used = sparse.csr_matrix((weights.data, columns, weights.indptr), shape=(weights.shape[0], len(nodes)))
    return (used @ rng.laplace(scale=noise_scale(levels, epsilon), size=(len(nodes), times))).T


def tree_rms(weights: sparse.csr_matrix, levels: int, epsilon: float) -> Float[np.ndarray, " queries"]:
    """Exact root mean square noise of each query."""
    total = np.asarray(weights.multiply(weights).sum(axis=1)).ravel()
    return np.sqrt(2.0 * total) * noise_scale(levels, epsilon)


def flat_rms(ranges: Ranges, epsilon: float) -> Float[np.ndarray, " queries"]:
    """Exact root mean square noise of the flat histogram (sensitivity 1)."""
    low, high, radii = ranges
    return np.sqrt(2.0 * (np.maximum(high - low, 0) @ radii**2)) / epsilon


def exact_sums(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " queries"]) -> Float[np.ndarray, " queries"]:
    """The true sums of distances, by sorting."""
    ordered = np.sort(x)
    prefix = np.concatenate([[0.0], np.cumsum(ordered)])
    below = np.searchsorted(ordered, y)
    return y * (2 * below - len(x)) + prefix[-1] - 2 * prefix[below]


def grid_answers(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " queries"], epsilon: float, rng: np.random.Generator
) -> Float[np.ndarray, " queries"]:
    r"""Baseline: S at $G=\sqrt{n\varepsilon/2}$ points with Laplace noise of scale $G/\varepsilon$, interpolated.

    One record moves each of the G values by at most 1.
    """
    number = max(2, round(float(np.sqrt(len(x) * epsilon / 2.0))))
    points = np.linspace(0.0, 1.0, number)
    noisy = exact_sums(x, points) + rng.laplace(scale=number / epsilon, size=number)
    return np.interp(y, points, noisy)
