r"""Eigenvalues of hierarchical kernels on the torus, by quadrature: the theory side, free of any sampling.

With filters of first size 2 a patch is an angle and an input a point of the torus $T^p$. A kernel that depends on the
angles' differences $\theta$ alone is diagonal in $e^{ik\cdot\theta}$, and since it is even in every angle,

$$\Lambda_k = \int_{[0,\pi]^p}\frac{d^p\theta}{\pi^p}\,K(\theta)\prod_i\cos(k_i\theta_i)$$

for the uniform measure. All modes $(\pm k_1,\dots,\pm k_p)$ share one eigenvalue. A Fourier transform on an even grid would
mix every mode with its aliases $k+Mm$, whose eigenvalues fall just as slowly and flatten the exponents that we are after.
So the nodes are those of Gauss and Legendre in $u$ with $\theta = \pi u^2(3-2u)$: they crowd where the kernel is singular, at
0 and $\pi$, and the error falls faster than any eigenvalue. NumPy only, and no code in common with `networks`.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float

__all__ = [
    "Kind",
    "Marginal",
    "effective_dimensions",
    "exponent",
    "lowest_layer",
    "marginal",
    "nodes",
    "patches",
    "tables",
]

Kind = Literal["ntk", "rfk"]
Tables = tuple[np.ndarray, np.ndarray]


class Marginal(NamedTuple):
    r"""A kernel with all patches but those of a focus averaged out.

    Attributes:
        eigenvalues: $\Lambda_k$ with $k_i = 0..K$ on the focus and 0 elsewhere; one axis a patch of the focus.
        at_zero: the averaged kernel where the focus agrees, which is the sum of *all* its eigenvalues.
    """

    eigenvalues: Float[np.ndarray, "..."]
    at_zero: float


def patches(filters: Sequence[int]) -> int:
    """Number of patches (circles) in the receptive field of the top layer: half the product of the filter sizes.

    >>> patches((2, 2, 2)), patches((8, 1, 1))
    (4, 4)
    """
    return math.prod(filters) // 2


def effective_dimensions(filters: Sequence[int]) -> tuple[int, ...]:
    r"""Effective dimensions of the meta-patches, $d_{eff}(l) = (s_1-1)\prod_{l'=2}^l s_{l'}$, one a hidden layer.

    >>> effective_dimensions((2, 2, 2)), effective_dimensions((2, 6))
    ((1, 2, 4), (1, 6))
    """
    return tuple(int(v) for v in (filters[0] - 1) * np.cumprod([1, *filters[1:]]))


def exponent(filters: Sequence[int], layer: int, kind: Kind) -> float:
    r"""Decay of sector $l$ by the theorem: $-2\nu-d_{eff}(l)$ with $2\nu = 1$ for the NTK and 3 for the random-feature kernel.

    >>> [exponent((2, 2, 2), layer, "ntk") for layer in (1, 2, 3)]
    [-2.0, -3.0, -5.0]
    """
    return -float(effective_dimensions(filters)[layer - 1] + (1 if kind == "ntk" else 3))


def lowest_layer(filters: Sequence[int], support: Sequence[int]) -> int:
    """The sector of modes on these patches: the lowest layer that has one meta-patch holding them all.

    >>> [lowest_layer((2, 2, 2), s) for s in ((1,), (0, 1), (1, 2), (2, 3))]
    [1, 2, 3, 2]
    """
    for layer in range(1, len(filters) + 1):
        if len({patch // patches(filters[:layer]) for patch in support}) == 1:
            return layer
    raise ValueError(f"patches {tuple(support)} share no meta-patch of filters {tuple(filters)}")


def nodes(highest: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes in $[0,\pi]$ and weights of sum 1 that integrate $K(\theta)\cos(k\theta)$ up to $k$ = ``highest``.

    >>> angle, weight = nodes(8)
    >>> print((weight * np.cos(4 * angle) ** 2).sum().round(6))
    0.5
    """
    u, w = scipy.special.roots_legendre(10 + math.ceil(2.4 * highest))
    u = (u + 1) / 2
    return np.pi * u**2 * (3 - 2 * u), w * 3 * u * (1 - u)


def tables(filters: Sequence[int], grids: Sequence[Float[np.ndarray, " m"]]) -> Tables:
    r"""Both kernels, random-feature and tangent, on a product grid of angle differences, one axis a patch.

    The recursion of `networks` for inputs whose patches have norm 1, on tables: a node's table has one axis for each patch
    below it, averaging over children is an outer mean, and a hidden layer maps $(R, N)$ to $(\kappa_1(R), \kappa_0(R)N+\kappa_1(R))$.

    Args:
        filters: sizes $s_1..s_L$, $s_1$ even; $s_1>2$ spans several circles.
        grids: differences of the angle of each patch of the receptive field.
    """
    if len(grids) != patches(filters):
        raise ValueError(f"filters {tuple(filters)} see {patches(filters)} patches, there are {len(grids)} grids")
    level: list[Tables] = [(np.cos(g), np.cos(g)) for g in grids]
    for size in (filters[0] // 2, *filters[1:]):
        level = [_hidden(*_mean(level[i : i + size])) for i in range(0, len(level), size)]
    return level[0]


def _mean(children: Sequence[Tables]) -> Tables:
    first, second = (functools.reduce(np.add.outer, [child[j] for child in children]) for j in (0, 1))
    return first / len(children), second / len(children)


def _hidden(r: np.ndarray, n: np.ndarray) -> Tables:
    cosine = np.clip(r, -1.0, 1.0)
    slope = 1 - np.arccos(cosine) / np.pi
    lifted = cosine * slope + np.sqrt(1 - cosine**2) / np.pi
    return lifted, slope * n + lifted


def marginal(filters: Sequence[int], focus: Sequence[int], kind: Kind, highest: int) -> Marginal:
    """Eigenvalues of the modes on the patches ``focus``.

    Args:
        filters: of the kernel, whose top layer sees all patches.
        focus: patches, increasing.
        kind: "ntk" or "rfk".
        highest: largest frequency K.
    """
    return _marginals(tuple(filters), tuple(focus), highest)[kind == "ntk"]


@functools.cache
def _marginals(filters: tuple[int, ...], focus: tuple[int, ...], highest: int) -> tuple[Marginal, Marginal]:
    """Of both kernels. Averaging over the other patches needs few nodes, since cosines of low order integrate to 0."""
    fine, coarse = nodes(highest), nodes(0)
    transform = np.outer(np.arange(highest + 1.0), fine[0])
    np.cos(transform, out=transform)
    transform *= fine[1]
    count = patches(filters)
    on_grid = tables(filters, [(fine if i in focus else coarse)[0] for i in range(count)])
    at_zero = tables(filters, [np.zeros(1) if i in focus else coarse[0] for i in range(count)])
    found = []
    for values, ends in zip(on_grid, at_zero, strict=True):
        for axis in reversed(range(count)):
            matrix = transform if axis in focus else coarse[1][None]
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)  # noqa: PLW2901
        weights = [np.ones(1) if i in focus else coarse[1] for i in range(count)]
        total = float(np.sum(ends * functools.reduce(np.multiply.outer, weights)))
        found.append(Marginal(np.ascontiguousarray(values.reshape((highest + 1,) * len(focus))), total))
    return found[0], found[1]
