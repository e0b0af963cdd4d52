r"""Giapitzakis, Back de Luca and Fountoulakis 2025: permutations learnt exactly from the unit vectors.

- `limit`: the closed form of mean and variance in the limit, and what follows for ensembles. No kernel solver, no sample.
- `regression`: mean and covariance of trained infinitely wide networks by a generic solver. No closed form.
- `signs` (C1): sign patterns over inputs, weights and permutations.
- `ensembles` (C3, C4, C5): averages of networks drawn from the limiting Gaussian process, and how large they must be.
- `stopping` (C4b): the released experiment, which adds networks until the accuracy is reached.
- `finite` (C2, C3, C4b): finite networks, drawn and trained, in two parametrisations.
- `evidence`, `networks_evidence`: from samples to estimates. `figures`, `network_figures`: the figures with the data that they draw.

Theory and experiment share no code: closed form against solver, closed form against sampled processes, both against
trained networks.
"""
