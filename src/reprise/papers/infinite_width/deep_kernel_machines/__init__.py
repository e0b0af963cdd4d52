"""Deep kernel machines (Yang et al., ICML 2023): an infinite-width limit in which representations are learnt.

`gram_kernels`, `objective`: the method. `closed_forms`, `bayesian_networks`: where the limit is known otherwise.
`finite_width`, `prior_draws`: finite deep Gaussian processes, sampled. `sparse`, `learning`: inducing points, regression.
`*_study`: one experiment of the chapter each. `figures`, `evidence`: what the notebook shows.
"""

import reprise._x64  # noqa: F401
