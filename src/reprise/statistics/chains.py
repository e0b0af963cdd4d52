r"""Markov chains: have they mixed, and how many independent samples are they worth?

Rank-normalised split $\hat R$ and bulk/tail effective sample size of Vehtari et al. (2021), Bayesian Analysis 16:667.
Draws are split in halves, ranked over all chains together and replaced by normal scores, so that heavy tails and unequal
scales are seen; the autocorrelation sum is Geyer's initial monotone sequence.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level, kept
from reprise.statistics.means import t_quantile

Chains = Float[np.ndarray, "chains draws"]


def r_hat(chains: ArrayLike) -> float:
    r"""Rank-normalised split $\hat R$: the larger of bulk and folded (scale) form; near 1 if the chains agree.

    Args:
        chains: shape (chains, draws), draws >= 4, of one scalar quantity.

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> r_hat(x) < 1.01, r_hat(x + np.arange(4)[:, None]) > 1.2
    (True, True)
    """
    x = _split(_chains(chains))
    if not np.ptp(x) > 0.0:
        return 1.0
    folded = np.abs(x - np.median(x))
    return max(_r_hat(_scores(x)), _r_hat(_scores(folded)))


def bulk_ess(chains: ArrayLike) -> float:
    """Effective sample size of the bulk (rank-normalised split chains): for means and medians.

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> 1600 < bulk_ess(x) < 2500
    True
    """
    return _ess(_scores(_split(_chains(chains))))


def tail_ess(chains: ArrayLike) -> float:
    """Effective sample size of the 5 % and 95 % quantiles, the smaller of the two.

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> tail_ess(x) > 1000
    True
    """
    x = _chains(chains)
    ends = np.quantile(x, [0.05, 0.95])
    return min(_ess(_split((x <= end).astype(np.float64))) for end in ends)


def effective_size(chains: ArrayLike) -> float:
    """Effective sample size for the plain mean (split chains, no ranks).

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> 1600 < effective_size(x) < 2500
    True
    """
    return _ess(_split(_chains(chains)))


def chain_mean(chains: ArrayLike, level: float = 0.95) -> Estimate:
    r"""Posterior mean with its Monte-Carlo interval $\bar x\pm t\,s/\sqrt{\mathrm{ESS}}$.

    Args:
        chains: shape (chains, draws) of one scalar quantity.
        level: confidence level.

    Returns:
        Estimate; `n` is the effective sample size, `samples` the means of the chains.

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> e = chain_mean(x)
    >>> e.low < 0 < e.high
    True
    """
    x = _chains(chains)
    check_level(level)
    ess = effective_size(x)
    value = float(x.mean())
    size = max(2, int(ess))
    half = t_quantile(level, size - 1) * float(x.std(ddof=1)) / float(np.sqrt(size))
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=size,
        level=level,
        method=f"mean of {x.shape[0]} chains, Monte-Carlo error by effective sample size",
        samples=kept(x.mean(axis=1)),
    )


def _chains(chains: ArrayLike) -> Chains:
    x = as_samples(chains, name="chains", least=1, dims=(2,))
    if x.shape[1] < 4:
        raise StatisticsError(f"chains: at least 4 draws are needed, there are {x.shape[1]}")
    return x


def _split(x: Chains) -> Float[np.ndarray, "twice half"]:
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


def _scores(x: Chains) -> Chains:
    ranks = stats.rankdata(x, method="average").reshape(x.shape)
    return np.asarray(stats.norm.ppf((ranks - 0.375) / (x.size + 0.25)))


def _r_hat(x: Chains) -> float:
    draws = x.shape[1]
    within = float(x.var(axis=1, ddof=1).mean())
    between = float(x.mean(axis=1).var(ddof=1))
    if within == 0.0:
        return 1.0 if between == 0.0 else float("inf")
    return float(np.sqrt((draws - 1) / draws + between / within))


def _autocovariance(x: Chains) -> Chains:
    draws = x.shape[1]
    size = 1 << (2 * draws - 1).bit_length()
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), n=size)
    return np.asarray(np.fft.irfft(spectrum * spectrum.conj(), n=size)[:, :draws] / draws)


def _ess(x: Chains) -> float:
    count, draws = x.shape
    if not np.ptp(x) > 0.0:
        return float(x.size)
    covariance = _autocovariance(x)
    within = float(covariance[:, 0].mean() * draws / (draws - 1))
    total = within * (draws - 1) / draws
    if count > 1:
        total += float(x.mean(axis=1).var(ddof=1))
    rho = 1.0 - (within - covariance.mean(axis=0) * draws / (draws - 1)) / total
    rho[0] = 1.0
    pairs = rho[: 2 * (draws // 2)].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0.0)
    stop = int(negative[0]) if negative.size else pairs.size
    time = -1.0 + 2.0 * float(np.minimum.accumulate(pairs[:stop]).sum()) if stop else 1.0
    return float(x.size / max(time, 1.0 / np.log10(x.size)))
