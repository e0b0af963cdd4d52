import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from reprise.networks import MLP, activations, ensemble, predict

PARAMETRISATIONS = ("ntk", "standard", "mean_field")


def by_hand(model, x):
    """The network in NumPy, from the stored parameters and the definition."""
    depth = len(model.weights)
    alpha = np.asarray(x, np.float64)
    for layer, w in enumerate(np.asarray(w, np.float64) for w in model.weights):
        fan_in = w.shape[1]
        m, k = model.w_std / np.sqrt(fan_in), model.b_std
        if model.parametrisation == "standard":
            m, k = 1.0, 1.0
        if model.parametrisation == "mean_field" and layer == depth - 1:
            m, k = m / np.sqrt(fan_in), k / np.sqrt(fan_in)
        alpha = m * w @ alpha + (k * np.asarray(model.biases[layer], np.float64) if model.biases else 0)
        if layer < depth - 1:
            alpha = np.maximum(alpha, 0)
    return alpha


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize("b_std", [0.0, 0.3])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_definition(key, parametrisation, b_std, depth):
    model = MLP(
        3, 7, 2, depth=depth, parametrisation=parametrisation, w_std=1.3, b_std=b_std, dtype=jnp.float64, key=key
    )
    x = jnp.array([0.3, -1.0, 2.0])
    assert np.allclose(model(x), by_hand(model, x), rtol=1e-13)
    assert len(model.biases) == (depth if b_std else 0)


def test_ntk_and_standard_are_one_function_at_the_start(key):
    options = {"depth": 3, "b_std": 0.2, "w_std": 1.4, "dtype": jnp.float64, "key": key}
    a, b = MLP(4, 16, **options), MLP(4, 16, parametrisation="standard", **options)
    x = jnp.arange(4.0)
    assert np.allclose(a(x), b(x), rtol=1e-12)


def test_mean_field_is_the_ntk_function_over_the_root_of_the_width(key):
    options = {"depth": 3, "b_std": 0.2, "dtype": jnp.float64, "key": key}
    a, b = MLP(4, 16, **options), MLP(4, 16, parametrisation="mean_field", **options)
    x = jnp.arange(4.0)
    assert np.allclose(a(x) / 4.0, b(x), rtol=1e-12)
    assert (a.rate_scale, b.rate_scale) == (1.0, 16.0)
    assert MLP(4, 16, parametrisation="standard", **options).rate_scale == 1 / 16


@pytest.mark.parametrize(("parametrisation", "scale"), [("ntk", 1.0), ("standard", 1.5 / np.sqrt(40))])
def test_initial_law(key, parametrisation, scale):
    model = MLP(3, 40, depth=3, parametrisation=parametrisation, w_std=1.5, b_std=0.5, key=key)
    z = np.asarray(model.weights[1]).ravel() / scale
    assert stats.kstest(z, "norm").pvalue > 1e-6  # false alarm one in a million keys
    layers = [np.asarray(w).ravel()[:40] for w in model.weights]
    assert abs(np.corrcoef(layers[0], layers[1])[0, 1]) < 0.75  # keys differ between layers


def test_output_variance_is_that_of_the_recursion(key):
    """Var f = (1/2 (1/2 (|x|^2/n0 + b2) + b2)) + b2 for a ReLU network of depth 3, at any width, in the mean over keys."""
    models = ensemble(lambda k: MLP(2, 64, depth=3, b_std=0.5, key=k), jax.random.split(key, 4000))
    f = np.asarray(predict(models, jnp.array([[1.0, 1.0]])))[:, 0, 0]
    truth = 0.5 * (0.5 * (1.0 + 0.25) + 0.25) + 0.25
    squares = f**2
    z = (squares.mean() - truth) / (squares.std() / np.sqrt(f.size))
    assert abs(z) < 5  # false alarm below 1e-6


def test_keys_and_dtypes(key):
    a, b = jax.random.split(key)
    assert not np.allclose(MLP(2, 4, depth=2, key=a).weights[0], MLP(2, 4, depth=2, key=b).weights[0])
    assert np.array_equal(MLP(2, 4, depth=2, key=a).weights[0], MLP(2, 4, depth=2, key=a).weights[0])
    model = MLP(2, 4, depth=2, key=a)
    assert model.weights[0].dtype == jnp.float32
    assert model(jnp.ones(2, jnp.float64)).dtype == jnp.float32
    assert MLP(2, 4, depth=2, dtype=jnp.float64, key=a)(jnp.ones(2, jnp.float32)).dtype == jnp.float64


def test_precisions_agree(key):
    """The same parameters in both precisions: float32 is off by its rounding, not by more."""
    model = MLP(5, 256, depth=4, b_std=0.1, key=key)
    double = jax.tree.map(lambda w: w.astype(jnp.float64), model)
    x = jax.random.normal(key, (5,))
    assert np.allclose(model(x), double(x), rtol=0, atol=2e-5)


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_strict_promotion(key, dtype):
    model = MLP(2, 4, depth=3, b_std=0.1, parametrisation="mean_field", activation="softplus", dtype=dtype, key=key)
    assert model(jnp.ones(2)).dtype == dtype


def test_unequal_widths(key):
    model = MLP(2, (5, 3), 4, depth=3, key=key)
    assert [w.shape for w in model.weights] == [(5, 2), (3, 5), (4, 3)]
    assert (model.depth, model.width) == (3, 3)


def test_activations():
    z = jnp.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    slope = jax.vmap(jax.grad(activations.relu))(z)
    assert np.array_equal(slope, [0, 0, 0, 1, 1])
    from scipy.special import erf

    assert np.allclose(activations.erf(z), erf(np.asarray(z)))
    assert np.allclose(activations.softplus(z), np.log1p(np.exp(np.asarray(z))))
    assert activations.resolve(jnp.cos) is jnp.cos


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "at least one weight layer"),
        ({"depth": 2, "parametrisation": "mup"}, "ntk, standard, mean_field"),
        ({"depth": 2, "activation": "gelu"}, "no activation 'gelu'; there are relu"),
        ({"depth": 4, "width": (3, 3)}, "3 hidden widths are needed"),
        ({"depth": 2, "width": 0}, "at least 1"),
    ],
)
def test_errors(key, options, message):
    with pytest.raises(ValueError, match=message):
        MLP(2, options.pop("width", 4), key=key, **options)
