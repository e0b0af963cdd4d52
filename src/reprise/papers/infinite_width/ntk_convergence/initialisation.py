r"""Claim C1: kernels and outputs of random networks against their limits (Proposition 1, Theorem 1)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from reprise import statistics
from reprise.estimate import Estimate
from reprise.networks.mlp import Parametrisation
from reprise.papers.infinite_width.ntk_convergence import finite
from reprise.papers.infinite_width.ntk_convergence.finite import Look, Net


def random_networks(
    net: Net,
    width: int | tuple[int, ...],
    keys: PRNGKeyArray,
    x: Float[np.ndarray, "p d"],
    *,
    parametrisation: Parametrisation = "ntk",
) -> Look:
    """Outputs, tangent kernels and output covariances of fresh networks, a group of seeds at a time."""
    widest = width if isinstance(width, int) else max(width)

    def one_group(group: PRNGKeyArray) -> Look:
        return finite.look(finite.draw(net, width, group, parametrisation=parametrisation), x)

    found: Look = finite.in_groups(
        one_group, keys, finite.group_size(len(keys), widest, net.depth), f"{widest} units, random"
    )
    return found


def across_widths(
    net: Net,
    widths: Sequence[int],
    count: int,
    x: Float[np.ndarray, "p d"],
    *,
    seed: int,
    last: int | None = None,
    parametrisation: Parametrisation = "ntk",
) -> list[Look]:
    """`random_networks` at each width, with fresh seeds for each; `last` fixes the width of the last hidden layer."""

    def at(width: int) -> Look:
        keys = finite.keys(seed, f"start {width} {last} {parametrisation}", count)
        shape = width if last is None else (width,) * (net.depth - 2) + (last,)
        return random_networks(net, shape, keys, x, parametrisation=parametrisation)

    return finite.across(at, widths)


def relative_errors(
    kernels: Float[np.ndarray, "seeds p p"], limit: Float[np.ndarray, "p p"]
) -> Float[np.ndarray, " seeds"]:
    r"""$\|\hat\Theta-\Theta_\infty\|_F/\|\Theta_\infty\|_F$ of every network."""
    return np.asarray(np.linalg.norm(kernels - limit, axis=(1, 2)) / np.linalg.norm(limit))


def error_table(looks: Sequence[Look], limit: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "seeds widths"]:
    """Relative errors of the tangent kernels, one column a width."""
    return np.stack([relative_errors(look.ntk, limit) for look in looks], axis=1)


def size_table(looks: Sequence[Look]) -> Float[np.ndarray, "seeds widths"]:
    r"""Mean diagonal entry of $\hat\Theta$, one column a width."""
    return np.stack([np.einsum("spp->s", look.ntk) / look.ntk.shape[1] for look in looks], axis=1)


def excess_kurtosis(variances: Float[np.ndarray, "..."], axis: int = 0) -> np.ndarray:
    r"""Excess kurtosis of outputs from their variances given the hidden layers: $3\,\mathrm{Var}(\hat q)/E[\hat q]^2$.

    The output is a mixture of centred Gaussians with random variance $\hat q$, for which this is exact.
    """
    return np.asarray(3.0 * variances.var(axis=axis, ddof=0) / variances.mean(axis=axis) ** 2)


def kurtosis_slope(looks: Sequence[Look], widths: Sequence[int]) -> Estimate:
    """Log-log slope of the outputs' excess kurtosis (averaged over the points) against width, bootstrap over seeds."""
    variances = np.stack([np.einsum("spp->sp", look.covariance) for look in looks], axis=1)  # (seeds, widths, p)
    lx = np.log(np.asarray(widths, dtype=np.float64))
    weights = (lx - lx.mean()) / np.sum((lx - lx.mean()) ** 2)

    def slope(rows: np.ndarray, axis: int) -> np.ndarray:
        return np.log(excess_kurtosis(rows, axis=axis).mean(axis=-1)) @ weights

    return statistics.bootstrap(variances, slope, n_boot=1000)


def kurtoses(look: Look) -> Estimate:
    """Excess kurtosis of the outputs of one width, averaged over the points, bootstrap over seeds."""
    variances = np.einsum("spp->sp", look.covariance)
    return statistics.bootstrap(
        variances, lambda rows, axis: excess_kurtosis(rows, axis=axis).mean(axis=-1), n_boot=400
    )
