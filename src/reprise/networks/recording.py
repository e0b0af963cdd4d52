"""What is recorded while networks train: functions of one model, called at chosen steps.

A recorder is a function model -> pytree of arrays; `train_full_batch(record=...)` maps it over seeds. These make the
common ones; a dictionary of recorders is a recorder too (`together`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from reprise.networks.empirical import Method, empirical_ntk
from reprise.networks.shapes import Others, Points

Recorder = Callable[[Any], Any]


def record_outputs(x: Points) -> Recorder:
    """The network function on fixed inputs: (n, n_L).

    >>> from reprise.networks import MLP
    >>> record_outputs(jnp.eye(2))(MLP(2, 8, depth=2, key=jax.random.key(0))).shape
    (2, 1)
    """
    points = jnp.asarray(x)
    return lambda model: jax.vmap(model)(points)


def record_ntk(x1: Points, x2: Others | None = None, *, block: int | None = None, method: Method = "auto") -> Recorder:
    """The empirical NTK on fixed inputs: (n, m) in float64.

    >>> from reprise.networks import MLP
    >>> record_ntk(jnp.eye(2))(MLP(2, 8, depth=2, key=jax.random.key(0))).shape
    (2, 2)
    """
    return lambda model: empirical_ntk(model, x1, x2, block=block, method=method)


def record_distance(start: eqx.Module) -> Recorder:
    """Distance of the parameters from those of one start, in Euclidean norm: ().

    >>> from reprise.networks import MLP
    >>> model = MLP(2, 8, depth=2, key=jax.random.key(0))
    >>> print(record_distance(model)(model))
    0.0
    """
    origin = jax.tree.leaves(eqx.filter(start, eqx.is_inexact_array))

    def distance(model: Any) -> Array:
        leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
        return jnp.sqrt(sum(jnp.sum((a - b) ** 2) for a, b in zip(leaves, origin, strict=True)))

    return distance


def together(recorders: Mapping[str, Recorder]) -> Recorder:
    """Several recorders under their names.

    >>> from reprise.networks import MLP
    >>> both = together({"f": record_outputs(jnp.eye(2)), "ntk": record_ntk(jnp.eye(2))})
    >>> sorted(both(MLP(2, 8, depth=2, key=jax.random.key(0))))
    ['f', 'ntk']
    """
    chosen = dict(recorders)
    return lambda model: {name: recorder(model) for name, recorder in chosen.items()}
