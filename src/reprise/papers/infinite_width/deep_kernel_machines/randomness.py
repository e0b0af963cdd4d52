"""NumPy generators from JAX keys, for draws of many different shapes, each of which JAX would have to compile."""

import jax
import numpy as np
from jaxtyping import PRNGKeyArray


def generator(key: PRNGKeyArray, *path: int) -> np.random.Generator:
    """A generator of its own for each key and path of integers.

    >>> key = jax.random.key(0)
    >>> bool(generator(key, 1).normal() == generator(key, 1).normal())
    True
    >>> bool(generator(key, 1).normal() == generator(key, 2).normal())
    False
    """
    return np.random.default_rng([*np.asarray(jax.random.key_data(key)).tolist(), *path])
