r"""The paper's one-dimensional toy: five noisy values of a sine, an erf network, and a few test points between them."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.scale_mixture_nngp import architectures


class Toy(NamedTuple):
    """Data and kernels; training points come first in the joint kernels."""

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    x_test: Float[np.ndarray, " t"]
    kernel: Float[np.ndarray, "n+t n+t"]
    tangent: Float[np.ndarray, "n+t n+t"]

    def blocks(self, tangent: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kernel among test points, between test and training points, among training points."""
        n = len(self.x)
        k = self.tangent if tangent else self.kernel
        return k[n:, n:], k[n:, :n], k[:n, :n]


def make_toy(
    seed: int, *, hidden: int, w_std: float, b_std: float, x_test: Float[np.ndarray, " t"] | None = None
) -> Toy:
    r"""Five points spread over $[-\pi,\pi]$, each moved a little at random, with noise of 0.1 on their labels.

    The spread keeps the kernel well conditioned, so that gradient descent reaches its end.
    """
    rng = np.random.default_rng(seed)
    x = np.linspace(-2.8, 2.8, 5) + rng.uniform(-0.1, 0.1, 5)
    y = np.sin(x) + 0.1 * rng.normal(size=5)
    tests = np.array([-2.1, -0.7, 0.7, 2.1]) if x_test is None else np.asarray(x_test)
    joint = jnp.concatenate([x, tests])[:, None]
    kernel, tangent = architectures.mlp_both(joint, hidden=hidden, activation="erf", w_std=w_std, b_std=b_std)
    return Toy(x, y, tests, np.asarray(kernel), np.asarray(tangent))
