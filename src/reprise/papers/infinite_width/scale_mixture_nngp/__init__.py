"""Scale mixtures of neural network Gaussian processes (Lee, Yun, Yang, Lee 2022): laws, samplers and studies.

- `laws`: Student's t process; `scale_priors`: other priors on the scale, by quadrature and importance sampling.
- `architectures`: kernels with a last layer of unit variance; `finite`: the same networks with finitely many units.
- `trained`: ensembles after gradient descent; `regression`: hyperparameters by evidence.
- `variational`: sparse classifiers; `latent_sampler`: the same posterior by a Markov chain; `conv_ensembles`.
- `*_study`: the experiments of a claim; `evidence`: estimates of them; `figures`, `more_figures`: what is shown.
"""
