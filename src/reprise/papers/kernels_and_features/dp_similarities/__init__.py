r"""Backurs, Lin, Mahabadi, Silwal, Tarnawski 2024: similarities to a private data set.

Structures, each with calibrated noise:

- `accounting`: the noise that a budget demands; the budget that DP-SGD spends.
- `trees`: sums of distances from noisy range counts, with a flat histogram and a Lipschitz grid to compare.
- `features`: kernel means from noisy random features, with or without a random projection.
- `exponentials`: 1/(1+z) as a short sum of exponentials.
- `classifiers`: the nearest-average-similarity classifier, and DP-SGD.

Studies: `distance_study` (C1), `audits` (C2), `projection_study` (C3), `smooth_study` (C4), `class_study` (C5),
`clocks` (C3, C6). `figures` draws, `ledger` adds up what was spent.

Noise comes from NumPy's generators in double precision, which is fine for a study and not for a release: the low bits of
floating-point Laplace noise leak.
"""
