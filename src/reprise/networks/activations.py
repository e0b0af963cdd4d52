"""Activations of finite networks: exactly the functions whose infinite-width kernels the book uses.

Conventions where a derivative is not defined, or where libraries differ: the ReLU has derivative 0 at 0; the softplus is
log(1 + exp z); no GELU here, as its usual implementation is an approximation with another kernel.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Activation = Callable[[Float[Array, "..."]], Float[Array, "..."]]


def relu(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """max(z, 0), with derivative 0 at 0.

    >>> print(jax.vmap(jax.grad(relu))(jnp.array([-1.0, 0.0, 2.0])))
    [0. 0. 1.]
    """
    return jax.nn.relu(z)


def erf(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The error function $\frac2{\sqrt\pi}\int_0^z e^{-t^2}dt$.

    >>> print(erf(jnp.array(0.0)))
    0.0
    """
    return jax.lax.erf(z)


def softplus(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 + exp z): smooth, with bounded second derivative.

    >>> print(softplus(jnp.array(0.0)).round(6))
    0.693147
    """
    return jax.nn.softplus(z)


def tanh(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """The hyperbolic tangent.

    >>> print(tanh(jnp.array(0.0)))
    0.0
    """
    return jnp.tanh(z)


def linear(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """The identity: a deep linear network.

    >>> print(linear(jnp.array(3.0)))
    3.0
    """
    return z


ACTIVATIONS: dict[str, Activation] = {
    "relu": relu,
    "erf": erf,
    "softplus": softplus,
    "tanh": tanh,
    "linear": linear,
}


def resolve(activation: str | Activation) -> Activation:
    """An activation by name, or any elementwise JAX function as it is.

    >>> resolve("tanh") is tanh
    True
    """
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}; there are {', '.join(ACTIVATIONS)}, or pass a JAX function")
    return ACTIVATIONS[activation]
