"""NNGP and NTK recursions against published values, finite networks, limits and invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.kernels.closed_form import dual_activation, nngp, nngp_ntk, ntk, recursion_from_gram
from tests.kernels.finite_networks import empirical_kernels, z_limit, z_scores

X = jax.random.normal(jax.random.key(1), (6, 4), jnp.float64)
Y = jax.random.normal(jax.random.key(2), (3, 4), jnp.float64)
ACTIVATIONS = ["relu", "erf", "linear", (0.0, 1.0, 0.5), jnp.tanh]


def circle(*angles):
    return jnp.array([[jnp.cos(a), jnp.sin(a)] for a in angles])


def test_values_of_the_paper_of_jacot_and_others():
    """Four layers, bias multiplier 0.1, unit circle: Theta(0) = 0.2825 exactly, Theta(pi) = 0.0643537701."""
    theta = ntk(circle(0.0), circle(0.0, np.pi), depth=4, b_std=0.1)[0]
    np.testing.assert_allclose(theta[0], 0.2825, rtol=1e-15)
    np.testing.assert_allclose(theta[1], 0.0643537701, atol=5e-11)


def test_one_layer_is_linear():
    both = nngp_ntk(X, Y, depth=1, w_std=1.3, b_std=0.2)
    np.testing.assert_allclose(both.nngp, 1.69 * X @ Y.T / 4 + 0.04, rtol=1e-14)
    np.testing.assert_array_equal(both.nngp, both.ntk)


def test_linear_network_multiplies_by_its_depth():
    both = nngp_ntk(X, Y, depth=5, activation="linear")
    np.testing.assert_allclose(both.nngp, X @ Y.T / 4, rtol=1e-14)
    np.testing.assert_allclose(both.ntk, 5 * X @ Y.T / 4, rtol=1e-14)


def test_normalised_relu_keeps_variances_at_any_depth():
    sigma, theta = nngp_ntk(X, depth=30, normalised=True)
    norms = jnp.sum(X * X, axis=1) / 4
    np.testing.assert_allclose(jnp.diagonal(sigma), norms, rtol=1e-13)
    np.testing.assert_allclose(jnp.diagonal(theta), 30 * norms, rtol=1e-13)


def test_normalised_relu_is_he_initialisation():
    np.testing.assert_allclose(nngp(X, Y, depth=3, normalised=True) * 2, nngp(X, Y, depth=3, w_std=2**0.5), rtol=1e-14)


@pytest.mark.parametrize(
    ("rule", "sigma"),
    [
        ("relu", jax.nn.relu),
        ("erf", jax.scipy.special.erf),
        ((0.0, 1.0, 0.5), lambda z: z + 0.5 * z * z),
        (jnp.tanh, jnp.tanh),
        (jax.nn.softplus, jax.nn.softplus),
    ],
    ids=["relu", "erf", "polynomial", "tanh", "softplus"],
)
def test_two_layers_against_finite_networks(rule, sigma, key):
    """One hidden layer of any width is unbiased for both kernels: 600 networks, 12 z-scores, false alarm 1e-6.

    A bias multiplier that is 0.4 off must be found out, or the test has no power.
    """
    both = nngp_ntk(Y, depth=2, activation=rule, w_std=1.2, b_std=0.5)
    wrong = nngp_ntk(Y, depth=2, activation=rule, w_std=1.2, b_std=0.9)
    draw = jax.jit(jax.vmap(lambda k: empirical_kernels(k, Y, (4, 32, 1), sigma, 1.2, 0.5)))
    samples = draw(jax.random.split(key, 600))
    limit = z_limit(tests=12, degrees=599)
    for sampled, expected, false in zip(samples, both, wrong, strict=True):
        assert jnp.abs(z_scores(sampled, expected)).max() < limit
        assert jnp.abs(z_scores(sampled, false)).max() > limit


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_four_layers_against_wide_networks(activation, key):
    """Width 512, 24 networks: the O(1/n) bias is a fraction of the standard error; false alarm 1e-6, and depth counts."""
    sigma = jax.nn.relu if activation == "relu" else jax.scipy.special.erf
    run = jax.jit(lambda k: empirical_kernels(k, Y, (4, 512, 512, 512, 1), sigma, 1.5, 0.3)[1])
    samples = jnp.stack([run(k) for k in jax.random.split(key, 24)])
    limit = z_limit(tests=6, degrees=23)
    settings = {"activation": activation, "w_std": 1.5, "b_std": 0.3}
    assert jnp.abs(z_scores(samples, ntk(Y, depth=4, **settings))).max() < limit
    assert jnp.abs(z_scores(samples, ntk(Y, depth=3, **settings))).max() > limit


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: getattr(a, "__name__", str(a)))
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_one_set_or_two_and_permutations(activation, depth):
    order = np.array([3, 0, 5, 1, 4, 2])
    for kernel in (nngp, ntk):
        matrix = kernel(X, depth=depth, activation=activation, b_std=0.1)
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-14)
        np.testing.assert_allclose(matrix, kernel(X, X, depth=depth, activation=activation, b_std=0.1), rtol=1e-12)
        np.testing.assert_allclose(
            kernel(X[order], depth=depth, activation=activation, b_std=0.1),
            matrix[np.ix_(order, order)],
            rtol=1e-12,
        )
        eigenvalues = jnp.linalg.eigvalsh(matrix)
        assert eigenvalues[0] > -1e-12 * eigenvalues[-1]


@given(st.floats(1e-3, 1e3), st.integers(1, 6))
def test_relu_without_bias_is_homogeneous(scale, depth):
    np.testing.assert_allclose(ntk(scale * X, Y, depth=depth), scale * ntk(X, Y, depth=depth), rtol=1e-11)


def test_rotation_invariance():
    rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(3), (4, 4), jnp.float64))[0]
    np.testing.assert_allclose(
        ntk(X @ rotation, Y @ rotation, depth=4, b_std=0.1), ntk(X, Y, depth=4, b_std=0.1), rtol=1e-12
    )


@pytest.mark.parametrize("features", [3, 100, 3072])
def test_equal_points_have_the_angle_zero(features):
    """Blocks see the diagonal as any other entry: a product rounded in another order must not open an angle."""
    x = jax.random.uniform(jax.random.key(4), (64, features), jnp.float64)
    exact = jnp.diagonal(ntk(x, depth=6, b_std=0.1))
    np.testing.assert_allclose(jnp.diagonal(ntk(x, x + 0.0, depth=6, b_std=0.1)), exact, rtol=1e-13)
    np.testing.assert_allclose(jnp.diagonal(ntk(x, 3.0 * x, depth=6)), 3 * jnp.diagonal(ntk(x, depth=6)), rtol=1e-13)


def test_antipodal_points_without_bias():
    theta = ntk(X, -X, depth=2)
    np.testing.assert_allclose(jnp.diagonal(theta), 0.0, atol=1e-16)


def test_zero_inputs():
    zero = jnp.zeros((1, 4))
    np.testing.assert_array_equal(ntk(zero, X, depth=4), 0.0)
    assert jnp.isfinite(ntk(zero, X, depth=4, b_std=0.3)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: getattr(a, "__name__", str(a)))
def test_from_gram_matrices(activation):
    grams = X @ X.T / 4, X @ Y.T / 4, Y @ Y.T / 4
    settings = {"depth": 3, "activation": activation, "w_std": 1.1, "b_std": 0.2}
    expected = nngp_ntk(X, Y, **settings)
    for left, right in ((grams[0], grams[2]), (jnp.diagonal(grams[0]), jnp.diagonal(grams[2]))):
        computed = recursion_from_gram(left, grams[1], right, **settings)
        np.testing.assert_allclose(computed.nngp, expected.nngp, rtol=1e-13)
        np.testing.assert_allclose(computed.ntk, expected.ntk, rtol=1e-13)


def test_dual_activation_is_one_layer():
    gram = X @ X.T / 4
    square = jnp.diagonal(gram)
    layer = dual_activation(gram, square, square, normalised=True)
    np.testing.assert_allclose(layer.nngp, nngp(X, depth=2, normalised=True), rtol=1e-14)
    np.testing.assert_allclose(jnp.diagonal(layer.ntk), 1.0, rtol=1e-15)


def test_gradient_through_a_kernel_of_a_gram_matrix():
    """As in a deep kernel machine: d K(G) / d G against central differences, the diagonal included."""
    root = jax.random.normal(jax.random.key(5), (4, 4), jnp.float64)
    weights = jax.random.normal(jax.random.key(6), (4, 4), jnp.float64)

    def objective(root):
        gram = root @ root.T
        square = jnp.diagonal(gram)
        return jnp.sum(weights * dual_activation(gram, square, square, normalised=True).nngp)

    gradient = jax.grad(objective)(root)
    for index in np.ndindex(4, 4):
        step = jnp.zeros((4, 4)).at[index].set(1e-5)
        numeric = (objective(root + step) - objective(root - step)) / 2e-5
        np.testing.assert_allclose(gradient[index], numeric, rtol=1e-6, atol=1e-8)


def test_gradient_with_respect_to_hyperparameters():
    def objective(w_std, b_std):
        return ntk(X, Y, depth=3, w_std=w_std, b_std=b_std).sum()

    slopes = jax.grad(objective, argnums=(0, 1))(1.2, 0.3)
    numeric = [
        (objective(1.2 + 1e-5, 0.3) - objective(1.2 - 1e-5, 0.3)) / 2e-5,
        (objective(1.2, 0.3 + 1e-5) - objective(1.2, 0.3 - 1e-5)) / 2e-5,
    ]
    np.testing.assert_allclose(slopes, numeric, rtol=1e-7)


def test_dtypes():
    single = X.astype(jnp.float32)
    assert ntk(single, depth=3).dtype == jnp.float64
    assert ntk(single, depth=3, dtype=None).dtype == jnp.float32
    assert ntk(np.arange(6).reshape(3, 2), depth=3).dtype == jnp.float64
    np.testing.assert_allclose(ntk(single, depth=3, dtype=jnp.float32), ntk(X, depth=3), rtol=2e-3)


def test_strict_promotion(strict_promotion):
    for activation in ACTIVATIONS:
        nngp_ntk(X, Y, depth=3, activation=activation, w_std=1.1, b_std=0.2)
        nngp_ntk(X.astype(jnp.float32), depth=2, activation=activation, dtype=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x1": X, "depth": 0}, "at least 1"),
        ({"x1": X[0], "depth": 2}, r"x1 must have shape \(points, features\)"),
        ({"x1": X, "x2": Y[:, :3], "depth": 2}, "x1 has 4 features and x2 has 3"),
        ({"x1": X, "depth": 2, "activation": "swish"}, "no closed form for activation 'swish'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        nngp_ntk(**arguments)


def test_gram_shapes_must_fit():
    with pytest.raises(ValueError, match=r"gram12 has shape \(6, 3\)"):
        recursion_from_gram(X @ X.T, X @ Y.T, X @ X.T, depth=2)
