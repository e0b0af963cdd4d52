r"""Fully connected networks in three parametrisations.

Depth $L$ counts weight layers ($L-1$ hidden layers), widths $n_0,\dots,n_L$, activation $\sigma$:

$$\alpha^{(0)}=x,\qquad\tilde\alpha^{(\ell+1)}=m_\ell W^{(\ell)}\alpha^{(\ell)}+k_\ell b^{(\ell)},\qquad
\alpha^{(\ell)}=\sigma(\tilde\alpha^{(\ell)}),\qquad f_\theta(x)=\tilde\alpha^{(L)}.$$

| parametrisation | stored parameters at start | $m_\ell$ | $k_\ell$ | learning rate |
|---|---|---|---|---|
| `ntk` (Jacot et al. 2018, section 3) | $N(0,1)$ | $w/\sqrt{n_\ell}$ | $\beta$ | $\eta$ |
| `standard` | $W\sim N(0,w^2/n_\ell)$, $b\sim N(0,\beta^2)$ | 1 | 1 | $\eta/n$ to be stable |
| `mean_field` (maximal update) | $N(0,1)$ | $w/\sqrt{n_\ell}$, last layer $w/n_{L-1}$ | $\beta$, last layer $\beta/\sqrt{n_{L-1}}$ | $\eta n$ |

`ntk` and `standard` are the same random function at the start; their gradients differ, and so do their kernels: the
standard one grows like $n$. `mean_field` divides the function by $\sqrt n$ and multiplies the rate by $n$, so that
features move by an amount that does not vanish with width (Yang and Hu 2021, table 1, after the symmetry
$a\to a+\theta,\ b\to b-\theta,\ c\to c-2\theta$). The rate is the caller's business; `rate_scale` gives the factor.
"""

import itertools
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

import reprise._x64  # noqa: F401
from reprise.networks import activations

Parametrisation = Literal["ntk", "standard", "mean_field"]
PARAMETRISATIONS = ("ntk", "standard", "mean_field")


class MLP(eqx.Module):
    """A fully connected network on one input; map over a batch with `jax.vmap(model)`.

    Attributes:
        weights: L arrays, `weights[l]` of shape (n_{l+1}, n_l), as stored (see the module's table).
        biases: L arrays, `biases[l]` of shape (n_{l+1},); empty if `b_std` is 0.
        activation: elementwise function.
        parametrisation: "ntk", "standard" or "mean_field".
        w_std: w of the table.
        b_std: beta of the table.

    >>> model = MLP(2, 64, depth=4, b_std=0.1, key=jax.random.key(0))
    >>> model(jnp.ones(2)).shape, model.depth, [w.shape for w in model.weights]
    ((1,), 4, [(64, 2), (64, 64), (64, 64), (1, 64)])
    """

    weights: tuple[Float[Array, "out in"], ...]
    biases: tuple[Float[Array, " out"], ...]
    activation: activations.Activation = eqx.field(static=True)
    parametrisation: Parametrisation = eqx.field(static=True)
    w_std: float = eqx.field(static=True)
    b_std: float = eqx.field(static=True)
    precision: str = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        width: int | tuple[int, ...],
        out_size: int = 1,
        *,
        depth: int,
        activation: str | activations.Activation = "relu",
        parametrisation: Parametrisation = "ntk",
        w_std: float = 1.0,
        b_std: float = 0.0,
        dtype: DTypeLike = jnp.float32,
        precision: str = "highest",
        key: PRNGKeyArray,
    ) -> None:
        """Draw the parameters.

        Args:
            in_size: n_0.
            width: all hidden widths, or a tuple of the L - 1 of them.
            out_size: n_L.
            depth: L, the number of weight layers, at least 1.
            activation: "relu", "erf", "softplus", "tanh", "linear", or an elementwise JAX function.
            parametrisation: "ntk", "standard" or "mean_field".
            w_std: standard deviation of the weights (in units of 1/sqrt(fan in)).
            b_std: bias multiplier beta; 0 means no biases at all.
            dtype: of the parameters; inputs are converted to it.
            precision: of matrix products ("highest": no TF32 or bfloat16 passes on accelerators).
            key: a JAX key.
        """
        if parametrisation not in PARAMETRISATIONS:
            raise ValueError(f"parametrisation: one of {', '.join(PARAMETRISATIONS)}, not {parametrisation!r}")
        if depth < 1:
            raise ValueError(f"depth: at least one weight layer is needed, not {depth}")
        hidden = (width,) * (depth - 1) if isinstance(width, int) else tuple(width)
        if len(hidden) != depth - 1:
            raise ValueError(f"width: {depth - 1} hidden widths are needed for depth {depth}, not {len(hidden)}")
        sizes = (in_size, *hidden, out_size)
        if min(sizes) < 1:
            raise ValueError(f"sizes: all widths are at least 1, not {sizes}")
        self.activation = activations.resolve(activation)
        self.parametrisation = parametrisation
        self.w_std, self.b_std, self.precision = float(w_std), float(b_std), precision
        keys = jax.random.split(key, 2 * depth)
        standard = parametrisation == "standard"
        weights, biases = [], []
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            w = jax.random.normal(keys[2 * layer], (fan_out, fan_in), dtype)
            weights.append(w * jnp.asarray(w_std / fan_in**0.5, dtype) if standard else w)
            if self.b_std != 0.0:
                b = jax.random.normal(keys[2 * layer + 1], (fan_out,), dtype)
                biases.append(b * jnp.asarray(b_std, dtype) if standard else b)
        self.weights, self.biases = tuple(weights), tuple(biases)

    @property
    def depth(self) -> int:
        """Number L of weight layers."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """Fan-in of the last layer: the hidden width (n_0 for a single layer)."""
        return self.weights[-1].shape[-1]

    @property
    def rate_scale(self) -> float:
        """Factor of the learning rate that makes training comparable across widths: 1, 1/n or n."""
        return {"ntk": 1.0, "standard": 1.0 / self.width, "mean_field": float(self.width)}[self.parametrisation]

    def multipliers(self, layer: int) -> tuple[float, float]:
        """The multipliers m and k of weights and biases of a layer (see the module's table)."""
        if self.parametrisation == "standard":
            return 1.0, 1.0
        fan_in = self.weights[layer].shape[-1]
        weight, bias = self.w_std / fan_in**0.5, self.b_std
        if self.parametrisation == "mean_field" and layer == self.depth - 1:
            weight, bias = weight / fan_in**0.5, bias / fan_in**0.5
        return weight, bias

    def layer(self, layer: int, alpha: Float[Array, " n_in"]) -> Float[Array, " n_out"]:
        """Pre-activations of the next layer from the activations of this one."""
        m, k = self.multipliers(layer)
        weights = self.weights[layer]
        z = jnp.asarray(m, weights.dtype) * jnp.matmul(weights, alpha, precision=self.precision)
        return z + jnp.asarray(k, weights.dtype) * self.biases[layer] if self.biases else z

    def __call__(self, x: Float[Array, " n_0"]) -> Float[Array, " n_L"]:
        """The network function at one input."""
        alpha = jnp.asarray(x, self.weights[0].dtype)
        for layer in range(self.depth - 1):
            alpha = self.activation(self.layer(layer, alpha))
        return self.layer(self.depth - 1, alpha)
