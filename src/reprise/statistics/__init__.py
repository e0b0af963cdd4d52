"""Estimates with honest intervals: the only currency in which a claim is judged.

Every function takes plain arrays (NumPy, JAX or lists), with independent seeds along axis 0, and returns a
`reprise.estimate.Estimate`. NumPy and SciPy only. Randomness (bootstrap, simulation) has an explicit integer `seed`, so
the same samples give the same interval. NaN, infinities and too few samples raise `StatisticsError`.

Which one? A mean: `mean`. A paired comparison: `paired_difference`. An exponent: `slope`. A rate against a predicted
rate: `linear_slope`. Timings: `fitted_slope`. "Falls with width": `monotone_differences`, or `order` for the criterion
`ordered` (`sequence` joins separate estimates). How often: `proportion`. A law: `ks_distance` (a distance with an interval; `ks_test` for a p-value),
`total_variation`, `kurtosis`, `skewness`. Chains: `r_hat`, `bulk_ess`, `chain_mean`. A matrix or curve against its
prediction: `z_scores`, `largest_z`, `relative_deviation`. Anything else: `bootstrap`.
"""

from reprise.statistics._samples import StatisticsError
from reprise.statistics.chains import bulk_ess, chain_mean, effective_size, r_hat, tail_ess
from reprise.statistics.deviations import relative_deviation
from reprise.statistics.goodness import ks_distance, ks_test, largest_z, z_scores, z_threshold
from reprise.statistics.histograms import total_variation
from reprise.statistics.means import mean, paired_difference, prediction_interval
from reprise.statistics.ordering import differences, monotone_differences, order, sequence, simultaneous
from reprise.statistics.proportions import proportion
from reprise.statistics.resampling import bootstrap
from reprise.statistics.shape import kurtosis, skewness
from reprise.statistics.slopes import fitted_slope, linear_slope, slope

__all__ = [
    "StatisticsError",
    "bootstrap",
    "bulk_ess",
    "chain_mean",
    "differences",
    "effective_size",
    "fitted_slope",
    "ks_distance",
    "ks_test",
    "kurtosis",
    "largest_z",
    "linear_slope",
    "mean",
    "monotone_differences",
    "order",
    "paired_difference",
    "prediction_interval",
    "proportion",
    "r_hat",
    "relative_deviation",
    "sequence",
    "simultaneous",
    "skewness",
    "slope",
    "tail_ess",
    "total_variation",
    "z_scores",
    "z_threshold",
]
