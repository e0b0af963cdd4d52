r"""Biroli and Mézard 2024: kernel density estimates with exponentially many points.

- `regimes`: the limit of many dimensions in closed form: thresholds, indices, rates. No quadrature, no sample.
- `spectrum`, `quadrature`: exact numbers at finite d and n by integration over the noncentral chi-square law, up to
  thousands of dimensions. No limit, no sample.
- `samples`: data sets drawn point by point. `edge`: data sets of any size drawn by their nearest points.
- `stable`: the stable law, and fits of it and of the Gaussian to the same end.
- `classical`, `optimum` (C5, C6): bandwidths by rules, by cross-validation, and by least divergence.
- `evidence` (C1, C2, C4), `tails` (C3): from samples to estimates. `figures`, `figures_limits`: the figures with their data.

Limit, quadrature and simulation are three paths that share the definition of the bandwidth's unit and nothing else.
"""
