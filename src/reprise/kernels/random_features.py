r"""Random features: kernels of finite width $\hat K = \Phi\Phi^\top$, whose expectation is a kernel.

Every map here returns $\Phi$ of shape (n, width) with the factor $1/\sqrt{\text{width}}$ inside, so that $\Phi\Phi^\top$
is an average over the features and tends to the kernel as the width grows.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Key

import reprise._x64  # noqa: F401
from reprise.kernels.ridge import RidgePath

__all__ = ["RidgePath", "gaussian_features", "relu_features", "ridge_path"]


def gaussian_features(
    phi: Float[ArrayLike, "n m"], eigenvalues: Float[ArrayLike, " m"], width: int, *, key: Key[Array, ""]
) -> Float[Array, "n k"]:
    r"""Features $\Phi = \frac1{\sqrt k}\,\phi\,\Lambda^{1/2}W$ with $W$ iid standard normal, of a kernel known by its spectrum.

    ``phi`` holds the eigenfunctions' values at n points, one a column (for Gaussian data: iid standard normals), and
    $E_W[\Phi\Phi^\top] = \phi\Lambda\phi^\top$. Time and memory O(nmk) and O(mk).

    >>> phi = jax.random.normal(jax.random.key(0), (3, 5))
    >>> gaussian_features(phi, jnp.ones(5), 7, key=jax.random.key(1)).shape
    (3, 7)
    """
    values, spectrum = jnp.asarray(phi, jnp.float64), jnp.asarray(eigenvalues, jnp.float64)
    if spectrum.shape != values.shape[1:]:
        raise ValueError(f"phi has {values.shape[1]} modes but there are {spectrum.size} eigenvalues")
    _check_width(width)
    weights = jax.random.normal(key, (len(spectrum), width), jnp.float64)
    return (values * jnp.sqrt(spectrum / width)) @ weights


def relu_features(
    x: Float[ArrayLike, "n d"], width: int, *, key: Key[Array, ""], dtype: DTypeLike = jnp.float64
) -> Float[Array, "n k"]:
    r"""Features $\frac1{\sqrt k}\max(xW, 0)$ with $W_{ij}\sim\mathcal N(0, 2/d)$.

    The kernel of infinite width is $\frac{\|x\|\|x'\|}d\kappa_1(\cos\angle(x, x'))$, that is
    ``closed_form.dual_activation`` of $xx^\top/d$ with the normalised ReLU. The first features of a larger width are not
    those of a smaller one; to compare widths on the same draw, take columns of one draw and rescale them.

    >>> relu_features(jnp.ones((3, 5)), 7, key=jax.random.key(1)).shape
    (3, 7)
    """
    points = jnp.asarray(x, dtype)
    _check_width(width)
    weights = jax.random.normal(key, (points.shape[1], width), dtype)
    return jax.nn.relu(points @ weights) * jnp.sqrt(jnp.asarray(2 / (points.shape[1] * width), dtype))


def ridge_path(
    features: Float[ArrayLike, "n k"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    features_test: Float[ArrayLike, "t k"],
    ridges: Float[ArrayLike, " r"],
) -> RidgePath:
    r"""Ridge regression on features for every ridge, $\hat f(x) = \varphi_x^\top(\Phi^\top\Phi+\delta I)^{-1}\Phi^\top y$.

    The same function as kernel ridge regression with $\hat K = \Phi\Phi^\top$ and ridge $\delta$ added as is. One
    eigendecomposition of the smaller of $\Phi^\top\Phi$ and $\Phi\Phi^\top$ serves all ridges: time
    $O(nk\min(n,k) + rtc\min(n,k))$, float64. Eigenvalues below round-off count as 0, and ridge 0 means the
    interpolant (or least-squares fit) of least norm. The training error is summed over outputs and averaged over points.
    Can be mapped by `jax.vmap` over trials.

    >>> path = ridge_path(jnp.eye(2), jnp.array([1.0, 2.0]), jnp.eye(2), jnp.array([0.0, 1.0]))
    >>> print(path.predictions)
    [[1.  2. ]
     [0.5 1. ]]
    """
    train, test = jnp.asarray(features, jnp.float64), jnp.asarray(features_test, jnp.float64)
    targets, deltas = jnp.asarray(y, jnp.float64), jnp.asarray(ridges, jnp.float64)
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"train and test points have {train.shape[1]} and {test.shape[1]} features")
    if len(targets) != len(train):
        raise ValueError(f"there are {len(train)} training points and {len(targets)} targets")
    outputs = targets.reshape(len(train), -1)

    n, k = train.shape
    squares, vectors = jnp.linalg.eigh(train.T @ train if k < n else train @ train.T)
    floor = max(n, k) * jnp.finfo(jnp.float64).eps * jnp.abs(squares).max()
    squares = jnp.where(squares > floor, squares, 0.0)
    total = squares + deltas[:, None]
    inverse = jnp.where(total > 0, 1 / jnp.where(total > 0, total, 1.0), 0.0)
    if k < n:  # f = Phi V (s + d)^-1 V^T Phi^T y
        basis_train, basis_test = train @ vectors, test @ vectors
        projected = basis_train.T @ outputs
    else:  # f = Phi Phi^T U (s + d)^-1 U^T y
        basis_train, basis_test = vectors * squares, test @ (train.T @ vectors)
        projected = vectors.T @ outputs
    weights = inverse[:, :, None] * projected
    residual = outputs - jnp.einsum("ns,rsc->rnc", basis_train, weights)
    predictions = jnp.einsum("ts,rsc->rtc", basis_test, weights)
    train_error = jnp.mean(jnp.sum(residual**2, axis=2), axis=1)
    return RidgePath(predictions[..., 0] if targets.ndim == 1 else predictions, train_error)


def _check_width(width: int) -> None:
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
