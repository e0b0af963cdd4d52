r"""Sehanobish et al. 2024: layers that are dot products of a map of the input and a map of the parameters.

- `spectra`, `universal`, `moments`: universal random features of four activations, and the exact variance for the cosine.
- `estimation_study` (C1): estimates against the activations, with the slips that a program can make.
- `images`, `training`: image tasks; one trainer with masks for what is frozen.
- `layers`, `layer_study` (C2): networks with one layer replaced, and the linear rival of the same size.
- `expressive_study` (C3): a neuron of the arc-cosine kernel against the best function of any w·x.
- `bundles`, `bundle_study` (C4): the fully bundled network in closed form, by descent, and against backpropagation.
- `transformer`, `adapters`, `adapter_study` (C5): adapters on a frozen transformer.
- `merge_study` (C6): layers merged one by one, and by the formula.
- `figures`, `network_figures`: the figures with the data that they draw.

Random directions and rectified features are shared: `reprise.kernels.projections`.
"""
