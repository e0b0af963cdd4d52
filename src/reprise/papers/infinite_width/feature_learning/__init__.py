r"""Yang and Hu 2021 (Tensor Programs IV): which infinite-width limits learn features, and what they are.

- `abc_space`: parametrisations as exponents, and the paper's theorems about them; no network in it.
- `networks`: finite networks in any parametrisation, trained step by step. `exponents` (C1) and `dichotomy` (C2) measure on them.
- `linear_limit`, `meanfield_limit`, `deep_limit` (C3): three limits by the Tensor Programs recursion, in NumPy and without a
  network. `convergence` holds finite networks against them.
- `corpus`, `word2vec`, `analogies` (C4): a corpus with planted analogies, CBOW at finite and infinite width, its judgement.
- `few_shot`, `maml`, `kernel_maml`, `meta_study` (C5): first-order MAML of linear networks and of kernels.
- `figures`: the six figures, each with the data that it draws.

Theory and experiment share no code: limits are recursions and quadrature, measurements come from gradients of networks.
"""

import reprise._x64  # noqa: F401
