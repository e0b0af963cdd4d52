r"""The empirical NTK of a finite network, by contraction of Jacobians.

$$\hat\Theta_{oo'}(x,x')=\sum_p\partial_{\theta_p}f_o(x)\,\partial_{\theta_p}f_{o'}(x').$$

Two routes to the same numbers:

- `jacobian`: any Equinox model. Jacobians of a block of inputs are built leaf by leaf and contracted; memory
  block x outputs x parameters.
- `layers`: `MLP` only. The gradient with respect to a weight matrix is an outer product, $\partial f_o/\partial
  W^{(\ell)}=m_\ell\,\delta^{(\ell+1)}_o\otimes\alpha^{(\ell)}$ with $\delta^{(\ell)}_o=\partial f_o/\partial\tilde\alpha^{(\ell)}$,
  so its share of the kernel is $m_\ell^2\langle\delta_o(x),\delta_{o'}(x')\rangle\langle\alpha(x),\alpha(x')\rangle$ and that
  of the bias $k_\ell^2\langle\delta_o(x),\delta_{o'}(x')\rangle$. Memory inputs x outputs x width: width $10^4$ is no
  effort, where a Jacobian would have $2\cdot10^8$ columns.

Products are accumulated in float64, whatever the network's precision.
"""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import reprise._x64  # noqa: F401
from reprise.networks.ensembles import in_groups
from reprise.networks.mlp import MLP
from reprise.networks.shapes import Others, Points

Outputs = Literal["trace", "full"]
Method = Literal["auto", "layers", "jacobian"]


def empirical_ntk(
    model: eqx.Module,
    x1: Points,
    x2: Others | None = None,
    *,
    block: int | None = None,
    outputs: Outputs = "trace",
    method: Method = "auto",
) -> Float[Array, "n m"] | Float[Array, "n m out out"]:
    r"""Empirical NTK of one model between two sets of inputs.

    Args:
        model: any callable Equinox model that maps one input to a vector (or a number).
        x1: inputs, shape (n, ...).
        x2: inputs, shape (m, ...); x1 if None.
        block: how many inputs have their Jacobian in memory at once; all if None.
        outputs: "trace" for the mean over outputs $\frac1{n_L}\sum_o\hat\Theta_{oo}$ (which tends to $\Theta_\infty$), "full"
            for all pairs.
        method: "layers" (MLP only), "jacobian" (any model), or "auto" for the first that applies.

    Returns:
        float64, shape (n, m), or (n, m, n_L, n_L) for "full".

    Works under `jax.jit` and `jax.vmap`; for a stacked ensemble see `empirical_ntks`.

    >>> model = MLP(2, 32, depth=3, key=jax.random.key(0))
    >>> x = jnp.eye(2)
    >>> theta = empirical_ntk(model, x)
    >>> theta.shape, bool(jnp.allclose(theta, empirical_ntk(model, x, method="jacobian")))
    ((2, 2), True)
    """
    if outputs not in ("trace", "full"):
        raise ValueError(f"outputs: 'trace' or 'full', not {outputs!r}")
    contract = _contraction(model, method)
    a = jnp.asarray(x1)
    step = a.shape[0] if block is None else max(1, block)
    if x2 is None:
        return _symmetric(contract, model, _blocks(a, step), outputs)
    left, right = _blocks(a, step), _blocks(jnp.asarray(x2), step)
    rows = [jnp.concatenate([contract(model, p, q, outputs) for q in right], axis=1) for p in left]
    return jnp.concatenate(rows, axis=0)


def empirical_ntks(
    models: eqx.Module,
    x1: Points,
    x2: Others | None = None,
    *,
    block: int | None = None,
    outputs: Outputs = "trace",
    method: Method = "auto",
    at_once: int | None = None,
) -> Float[Array, "seeds n m"] | Float[Array, "seeds n m out out"]:
    """Empirical NTK of every member of a stacked ensemble, `at_once` of them at a time; otherwise as `empirical_ntk`.

    >>> from reprise.networks import ensemble
    >>> models = ensemble(lambda key: MLP(2, 8, depth=3, key=key), jax.random.split(jax.random.key(0), 5))
    >>> empirical_ntks(models, jnp.eye(2), at_once=2).shape
    (5, 2, 2)
    """
    a, b = jnp.asarray(x1), None if x2 is None else jnp.asarray(x2)
    return in_groups(lambda part: _mapped(part, a, b, block, outputs, method), models, at_once)


@eqx.filter_jit
def _mapped(
    models: eqx.Module, x1: Array, x2: Array | None, block: int | None, outputs: Outputs, method: Method
) -> Array:
    return eqx.filter_vmap(lambda model: empirical_ntk(model, x1, x2, block=block, outputs=outputs, method=method))(
        models
    )


def _contraction(model: eqx.Module, method: str) -> Callable[[Any, Array, Array, str], Array]:
    if method not in ("auto", "layers", "jacobian"):
        raise ValueError(f"method: 'auto', 'layers' or 'jacobian', not {method!r}")
    if method == "layers" and not isinstance(model, MLP):
        raise TypeError(f"method 'layers' is for MLP, not {type(model).__name__}; take 'jacobian'")
    if not callable(model):
        raise TypeError(f"model: {type(model).__name__} cannot be called")
    return _layers if isinstance(model, MLP) and method != "jacobian" else _jacobians


def _blocks(x: Array, step: int) -> list[Array]:
    return [x[i : i + step] for i in range(0, x.shape[0], step)]


def _symmetric(
    contract: Callable[[Any, Array, Array, str], Array], model: eqx.Module, parts: list[Array], outputs: str
) -> Array:
    """Blocks on and above the diagonal; the others are their transposes."""
    table: dict[tuple[int, int], Array] = {}
    for i, p in enumerate(parts):
        for j in range(i, len(parts)):
            found = contract(model, p, parts[j], outputs)
            table[i, j] = found
            if j > i:
                table[j, i] = jnp.swapaxes(found, 0, 1) if outputs == "trace" else found.transpose(1, 0, 3, 2)
    count = len(parts)
    return jnp.concatenate([jnp.concatenate([table[i, j] for j in range(count)], axis=1) for i in range(count)], axis=0)


def _pairs(a: Float[Array, "n o p"], b: Float[Array, "m o p"], outputs: str) -> Array:
    a, b = a.astype(jnp.float64), b.astype(jnp.float64)
    if outputs == "trace":
        return jnp.einsum("nop,mop->nm", a, b, precision="highest") / a.shape[1]
    return jnp.einsum("nop,mqp->nmoq", a, b, precision="highest")


def _jacobians(model: eqx.Module, x1: Array, x2: Array, outputs: str) -> Array:
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def jacobian(x: Array) -> list[Array]:
        def at(p: Any) -> Array:
            return jax.vmap(lambda one: jnp.ravel(eqx.combine(p, static)(one)))(x)

        rows = jax.jacrev(at)(params)
        return [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(rows)]

    left = jacobian(x1)
    right = left if x2 is x1 else jacobian(x2)
    return sum((_pairs(a, b, outputs) for a, b in zip(left, right, strict=True)), start=jnp.zeros(()))


def _layers(model: MLP, x1: Array, x2: Array, outputs: str) -> Array:
    left = _signals(model, x1)
    right = left if x2 is x1 else _signals(model, x2)
    total = jnp.zeros(())
    for layer, (alphas, deltas) in enumerate(zip(left, right, strict=True)):
        (a1, d1), (a2, d2) = alphas, deltas
        m, k = model.multipliers(layer)
        gram = m**2 * jnp.matmul(a1.astype(jnp.float64), a2.astype(jnp.float64).T, precision="highest")
        if model.biases:
            gram = gram + k**2
        total = total + _pairs(d1, d2, outputs) * (gram if outputs == "trace" else gram[..., None, None])
    return total


def _signals(model: MLP, x: Array) -> list[tuple[Array, Array]]:
    """For each layer the activations that enter it, (n, n_l), and df/d(pre-activations), (n, n_L, n_{l+1})."""

    def one(point: Array) -> list[tuple[Array, Array]]:
        alphas: list[Array] = []

        def shifted(shifts: list[Array]) -> tuple[Array, list[Array]]:
            alpha = jnp.asarray(point, model.weights[0].dtype)
            entering = []
            for layer in range(model.depth):
                entering.append(alpha)
                z = model.layer(layer, alpha) + shifts[layer]
                alpha = model.activation(z) if layer < model.depth - 1 else z
            return alpha, entering

        zeros = [jnp.zeros(w.shape[0], w.dtype) for w in model.weights]
        out, pull, alphas = jax.vjp(shifted, zeros, has_aux=True)
        (deltas,) = jax.vmap(pull)(jnp.eye(out.shape[0], dtype=out.dtype))
        return list(zip(alphas, deltas, strict=True))

    return jax.vmap(one)(x)
