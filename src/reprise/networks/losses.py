r"""Losses, with the factor in front stated, since it is a factor of the learning rate and of time.

For $N$ examples, outputs $f_i\in\mathbb R^{n_L}$ and targets $y_i$:

| name | value | one step of rate $\eta$ moves $f$ by | time of $s$ steps |
|---|---|---|---|
| `half_mse` | $\frac1{2N}\sum_i\lVert f_i-y_i\rVert^2$ | $-\frac\eta N\Theta(f-y)$ | $t=s\eta$ (Jacot et al. 2018, section 5) |
| `mse` | $\frac1N\sum_i\lVert f_i-y_i\rVert^2$ | $-\frac{2\eta}N\Theta(f-y)$ | $t=2s\eta$ |
| `half_sse` | $\frac12\sum_i\lVert f_i-y_i\rVert^2$ | $-\eta\,\Theta(f-y)$ | $t=Ns\eta$ |
| `cross_entropy` | $-\frac1N\sum_i\sum_cy_{ic}\log\mathrm{softmax}(f_i)_c$ | | |

Squares are summed over outputs, not averaged.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Loss = Callable[[Float[Array, "n out"], Float[Array, "n out"]], Float[Array, ""]]


def half_mse(f: Float[Array, "n out"], y: Float[Array, "n out"]) -> Float[Array, ""]:
    """Half the mean over examples of the squared distance.

    >>> print(half_mse(jnp.array([[1.0], [3.0]]), jnp.zeros((2, 1))))
    2.5
    """
    return 0.5 * mse(f, y)


def mse(f: Float[Array, "n out"], y: Float[Array, "n out"]) -> Float[Array, ""]:
    """Mean over examples of the squared distance (summed over outputs).

    >>> print(mse(jnp.array([[1.0], [3.0]]), jnp.zeros((2, 1))))
    5.0
    """
    return jnp.sum((f - y) ** 2) / f.shape[0]


def half_sse(f: Float[Array, "n out"], y: Float[Array, "n out"]) -> Float[Array, ""]:
    """Half the sum over examples of the squared distance.

    >>> print(half_sse(jnp.array([[1.0], [3.0]]), jnp.zeros((2, 1))))
    5.0
    """
    return 0.5 * jnp.sum((f - y) ** 2)


def cross_entropy(f: Float[Array, "n out"], y: Float[Array, "n out"]) -> Float[Array, ""]:
    """Mean cross-entropy of logits f against target probabilities (one-hot labels) y.

    >>> print(cross_entropy(jnp.zeros((1, 2)), jnp.array([[1.0, 0.0]])).round(6))
    0.693147
    """
    return -jnp.sum(y * jax.nn.log_softmax(f, axis=-1)) / f.shape[0]


LOSSES: dict[str, Loss] = {
    "half_mse": half_mse,
    "mse": mse,
    "half_sse": half_sse,
    "cross_entropy": cross_entropy,
}


def resolve(loss: str | Loss) -> Loss:
    """A loss by name, or any function (outputs, targets) -> number as it is.

    >>> resolve("mse") is mse
    True
    """
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"no loss {loss!r}; there are {', '.join(LOSSES)}, or pass a function of outputs and targets")
    return LOSSES[loss]
