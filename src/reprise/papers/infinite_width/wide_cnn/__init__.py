"""What can be learnt with wide convolutional neural networks (Cagnetta, Favero, Wyart 2023): kernels, spectra, rates.

`networks` is the method (kernels of infinitely wide networks on raw coordinates, for experiments), `regression` the
experiments, `spectra` and `prediction` the theory (eigenvalues on the torus by cosine transforms, exponents, the formula of
finite n), `evidence` turns them into estimates, `figures` draws.
"""
