"""The gateway to neural-tangents: what it lends and takes back, what it refuses, and that the library is right under it."""

import importlib.metadata
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from reprise.kernels import closed_form
from reprise.kernels import nt as gateway
from reprise.kernels.nt import nt, stax
from tests.kernels.finite_networks import empirical_kernels, z_limit, z_scores

POINTS = jax.random.normal(jax.random.key(1), (7, 5), jnp.float64)
OTHERS = jax.random.normal(jax.random.key(2), (4, 5), jnp.float64)


def network(depth, activation, w_std=1.0, b_std=0.1, width=1):
    def dense(units):
        return stax.Dense(units, W_std=w_std, b_std=b_std, parameterization="ntk")

    hidden = [layer for _ in range(depth - 1) for layer in (dense(width), activation)]
    return stax.serial(*hidden, dense(1))


def test_import_leaves_jax_as_it_was_and_never_asks_for_tensorflow():
    program = """
import sys, jax, jax.core, jax.interpreters.ad
before = set(vars(jax.core)), set(vars(jax.interpreters.ad))
from reprise.kernels.nt import nt, stax
assert (set(vars(jax.core)), set(vars(jax.interpreters.ad))) == before
assert "jax.util" not in sys.modules and "neural_tangents.experimental" not in sys.modules
assert not any(name.split(".")[0] in ("tensorflow", "tf2jax") for name in sys.modules)
assert jax.config.jax_enable_x64
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize("version", ["0.9.2", "0.13.0", "0.4.36", "1.0.0"])
def test_untested_jax_is_refused_by_name(version):
    with pytest.raises(ImportError, match=rf"JAX {version} is installed.*closed_form"):
        gateway._check_versions(version, "0.6.5")


@pytest.mark.parametrize("version", ["0.10.0", "0.10.2", "0.11.2", "0.12.0.1"])
def test_tested_jax_is_accepted(version):
    gateway._check_versions(version, "0.6.5")


def test_another_release_of_the_library_is_refused():
    with pytest.raises(ImportError, match=r"0\.6\.6 is installed, but only 0\.6\.5"):
        gateway._check_versions("0.12.0", "0.6.6")


def test_missing_wheel_says_how_to_install_it(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ImportError, match=r"pip install --no-deps neural-tangents==0\.6\.5"):
        gateway._import()


@pytest.mark.parametrize("mode", ["AUTO", "STRUCTURED_DERIVATIVES"])
def test_broken_modes_are_refused_with_a_reason(mode):
    init, apply, _ = network(2, stax.Relu())
    implementation = getattr(nt.NtkImplementation, mode)
    makers = [
        lambda: nt.empirical_ntk_fn(apply, implementation=implementation),
        lambda: nt.empirical_kernel_fn(apply, implementation=implementation),
        lambda: nt.monte_carlo_kernel_fn(init, apply, jax.random.key(0), 1, implementation=implementation),
        lambda: nt.empirical_ntk_fn(apply, implementation=int(implementation)),
    ]
    for make in makers:
        with pytest.raises(ValueError, match=f"{mode} does not work.*JACOBIAN_CONTRACTION"):
            make()


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("b_std", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("name", "layer"), [("relu", stax.Relu()), ("erf", stax.Erf()), ("linear", stax.Identity())])
def test_closed_forms(depth, b_std, name, layer):
    _, _, kernel = network(depth, layer, 1.3, b_std)
    theirs = kernel(POINTS, OTHERS)
    ours = closed_form.nngp_ntk(POINTS, OTHERS, depth=depth, activation=name, w_std=1.3, b_std=b_std)
    np.testing.assert_allclose(theirs.nngp, ours.nngp, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(theirs.ntk, ours.ntk, rtol=1e-12, atol=1e-13)


def test_closed_form_on_the_diagonal():
    """The library takes the angle of a point with itself for about 1e-8, hence the looser bound."""
    _, _, kernel = network(4, stax.Relu())
    ours = closed_form.nngp_ntk(POINTS, depth=4, b_std=0.1)
    np.testing.assert_allclose(kernel(POINTS, None, "nngp"), ours.nngp, rtol=1e-12)
    np.testing.assert_allclose(kernel(POINTS, None, "ntk"), ours.ntk, rtol=1e-7)


def test_closed_form_of_a_quadrature_activation():
    _, _, kernel = network(3, stax.Sin())
    ours = closed_form.nngp_ntk(POINTS, OTHERS, depth=3, activation=jnp.sin, b_std=0.1)
    np.testing.assert_allclose(kernel(POINTS, OTHERS, "ntk"), ours.ntk, rtol=1e-11)


@pytest.mark.filterwarnings("ignore:size requires ndarray:DeprecationWarning")
@pytest.mark.parametrize("implementation", ["JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS"])
def test_empirical_ntk_is_the_product_of_jacobians(implementation):
    init, apply, _ = network(3, stax.Erf(), width=16)
    _, parameters = init(jax.random.key(0), POINTS.shape)
    kernel = nt.empirical_ntk_fn(apply, implementation=getattr(nt.NtkImplementation, implementation))
    rows = [
        jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(gradient)])
        for gradient in (jax.grad(lambda p, x=x: apply(p, x[None])[0, 0])(parameters) for x in POINTS)
    ]
    jacobian = jnp.stack(rows)
    np.testing.assert_allclose(kernel(POINTS, None, parameters), jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)


def test_analytic_kernels_against_finite_networks():
    """400 networks with one hidden layer, whose kernels are unbiased; a false alarm has probability 1e-6."""
    _, _, kernel = network(2, stax.Relu(), 1.5, 0.3)
    wrong = network(2, stax.Relu(), 1.5, 0.1)[2]
    keys = jax.random.split(jax.random.key(3), 400)
    products, tangents = jax.vmap(lambda key: empirical_kernels(key, OTHERS, (5, 64, 1), jax.nn.relu, 1.5, 0.3))(keys)
    for get, samples in (("nngp", products), ("ntk", tangents)):
        limit = z_limit(tests=10, degrees=399)
        assert jnp.abs(z_scores(samples, kernel(OTHERS, None, get))).max() < limit
        if get == "ntk":
            assert jnp.abs(z_scores(samples, wrong(OTHERS, None, get))).max() > limit


def test_monte_carlo_estimates_of_the_library():
    """Its own sampler, 300 keys one sample each, against its analytic kernel; false alarm 1e-6."""
    init, apply, _ = network(2, stax.Erf(), width=64)
    kernel = network(2, stax.Erf())[2]
    draw = jax.jit(lambda key: nt.monte_carlo_kernel_fn(init, apply, key, 1)(OTHERS, None, "ntk"))
    samples = jnp.stack([draw(key) for key in jax.random.split(jax.random.key(5), 300)])
    scores = z_scores(samples, kernel(OTHERS, None, "ntk"))
    assert jnp.abs(scores).max() < z_limit(tests=10, degrees=299)


@pytest.mark.parametrize("device_count", [0, -1, 1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_batching_equals_unbatched(device_count):
    _, _, kernel = network(3, stax.Relu())
    x = jax.random.normal(jax.random.key(9), (8, 5), jnp.float64)
    batched = nt.batch(kernel, batch_size=2, device_count=device_count)
    for get in ("nngp", "ntk"):
        np.testing.assert_allclose(batched(x, OTHERS, get), kernel(x, OTHERS, get), rtol=1e-14)
        np.testing.assert_allclose(batched(x, None, get), kernel(x, None, get), rtol=1e-7)


def training_problem():
    _, _, kernel = network(3, stax.Relu(), b_std=0.3)
    both = kernel(POINTS, None, "ntk"), kernel(OTHERS, POINTS, "ntk")
    y = jax.random.normal(jax.random.key(7), (7, 2), jnp.float64)
    start = jax.random.normal(jax.random.key(8), (11, 2), jnp.float64)
    return *both, y, start[:7], start[7:]


def flow(velocity, theta_xx, theta_tx, start_x, start_t, time):
    """Integrate df/dt = -Theta(., X) velocity(f(X)) over training and test points."""
    kernel = np.vstack([theta_xx, theta_tx])
    shape = (len(kernel), start_x.shape[1])

    def change(_, flat):
        return -(kernel @ np.asarray(velocity(flat.reshape(shape)[: len(theta_xx)]))).ravel()

    first = np.vstack([start_x, start_t]).ravel()
    solution = scipy.integrate.solve_ivp(change, (0, time), first, method="DOP853", rtol=1e-11, atol=1e-12)
    return solution.y[:, -1].reshape(shape)


def test_predict_mse_solves_the_flow():
    theta_xx, theta_tx, y, start_x, start_t = training_problem()
    predict = nt.predict.gradient_descent_mse(theta_xx, y)
    time = 40.0
    train, test = predict(time, start_x, start_t, theta_tx)
    solved = flow(lambda f: (f - y) / y.size, theta_xx, theta_tx, start_x, start_t, time)
    np.testing.assert_allclose(np.vstack([train, test]), solved, rtol=1e-8, atol=1e-9)


def test_predict_other_loss_solves_the_flow():
    theta_xx, theta_tx, y, start_x, start_t = training_problem()
    labels = jax.nn.softmax(y)

    def loss(f, y):
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(f), axis=1))

    predict = nt.predict.gradient_descent(loss, theta_xx, labels)
    train, test = predict(20.0, start_x, start_t, theta_tx)
    velocity = jax.jit(jax.grad(lambda f: loss(f, labels)))
    solved = flow(velocity, theta_xx, theta_tx, start_x, start_t, 20.0)
    np.testing.assert_allclose(np.vstack([train, test]), solved, rtol=1e-5, atol=1e-6)


def test_predict_under_jit():
    """Inside a compiled function the library evaluates its decompositions eagerly, through a JAX internal."""
    theta_xx, theta_tx, y, start_x, start_t = training_problem()
    predict = nt.predict.gradient_descent_mse(theta_xx, y)
    compiled = jax.jit(lambda t: predict(t, start_x, start_t, theta_tx)[1])
    np.testing.assert_allclose(compiled(3.0), predict(3.0, start_x, start_t, theta_tx)[1], rtol=1e-12)
