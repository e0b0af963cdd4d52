import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reprise.kernels import closed_form
from reprise.networks import MLP, empirical_ntk, empirical_ntks, ensemble, member
from reprise.statistics import z_scores, z_threshold


def inputs(key, n=5, d=3):
    return jax.random.normal(key, (n, d), jnp.float64)


def make(key, **options):
    return MLP(
        3,
        **{"width": 9, "out_size": 2, "depth": 3, "b_std": 0.3, "w_std": 1.2, "dtype": jnp.float64, **options},
        key=key,
    )


@pytest.mark.parametrize(
    ("parametrisation", "activation"),
    [
        ("ntk", "relu"),
        ("standard", "relu"),
        ("mean_field", "relu"),
        ("ntk", "erf"),
        ("ntk", "softplus"),
        ("mean_field", "tanh"),
        ("standard", "linear"),
    ],
)
def test_both_routes_agree(key, parametrisation, activation):
    model = make(key, parametrisation=parametrisation, activation=activation)
    x, y = inputs(key), inputs(jax.random.fold_in(key, 1), 4)
    a = empirical_ntk(model, x, y, outputs="full")
    b = empirical_ntk(model, x, y, outputs="full", method="jacobian")
    assert a.shape == (5, 4, 2, 2)
    assert np.allclose(a, b, rtol=1e-11, atol=1e-12)
    assert np.allclose(empirical_ntk(model, x, y), np.trace(a, axis1=2, axis2=3) / 2)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_without_biases_and_at_any_depth(key, depth):
    model = make(key, depth=depth, b_std=0.0)
    x = inputs(key)
    assert np.allclose(empirical_ntk(model, x), empirical_ntk(model, x, method="jacobian"), rtol=1e-11)


def test_finite_differences(key):
    """A third route without automatic differentiation: central differences in every parameter."""
    model = make(key, activation="tanh", width=4)
    x = inputs(key, 3)
    leaves, treedef = jax.tree.flatten(eqx.filter(model, eqx.is_array))
    static = eqx.filter(model, eqx.is_array, inverse=True)
    outputs = eqx.filter_jit(lambda ls: jax.vmap(eqx.combine(jax.tree.unflatten(treedef, ls), static))(x))
    columns = []
    for i, leaf in enumerate(leaves):
        for index in np.ndindex(leaf.shape):
            ends = [outputs([*leaves[:i], leaf.at[index].add(h), *leaves[i + 1 :]]) for h in (1e-5, -1e-5)]
            columns.append((ends[0] - ends[1]) / 2e-5)
    jacobian = np.stack(columns, axis=-1)
    truth = np.einsum("nop,mqp->nmoq", jacobian, jacobian)
    assert np.allclose(empirical_ntk(model, x, outputs="full"), truth, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("method", ["layers", "jacobian"])
def test_blocks_change_nothing(key, block, method):
    model, x, y = make(key), inputs(key), inputs(jax.random.fold_in(key, 1), 4)
    options = {"outputs": "full", "method": method}
    whole = empirical_ntk(model, x, **options)
    assert np.allclose(empirical_ntk(model, x, block=block, **options), whole, rtol=1e-12)
    cross = empirical_ntk(model, x, y, **options)
    assert np.allclose(empirical_ntk(model, x, y, block=block, **options), cross, rtol=1e-12)
    trace = empirical_ntk(model, x, block=block, method=method)
    assert np.allclose(trace, np.trace(whole, axis1=2, axis2=3) / 2, rtol=1e-12)


def test_symmetric_positive_semidefinite_and_trace(key):
    model, x = make(key), inputs(key)
    full = np.asarray(empirical_ntk(model, x, outputs="full"))
    assert np.allclose(full, full.transpose(1, 0, 3, 2))
    flat = full.transpose(0, 2, 1, 3).reshape(10, 10)
    assert np.linalg.eigvalsh(flat).min() > -1e-10
    assert np.allclose(empirical_ntk(model, x), np.trace(full, axis1=2, axis2=3) / 2)


def test_any_equinox_model(key):
    class Residual(eqx.Module):
        linear: eqx.nn.Linear
        scale: jax.Array
        steps: int = eqx.field(static=True)

        def __call__(self, x):
            for _ in range(self.steps):
                x = x + self.scale * jnp.tanh(self.linear(x))
            return jnp.sum(x)  # a number, not a vector

    model = Residual(eqx.nn.Linear(3, 3, key=key, dtype=jnp.float64), jnp.array(0.5), 2)
    x = inputs(key)
    theta = empirical_ntk(model, x, block=2)

    def gradient(point):
        parts = jax.tree.leaves(eqx.filter_grad(lambda m: m(point))(model))
        return np.concatenate([np.ravel(p) for p in parts])

    rows = np.stack([gradient(p) for p in x])
    assert np.allclose(theta, rows @ rows.T, rtol=1e-12)
    with pytest.raises(TypeError, match="'layers' is for MLP, not Residual"):
        empirical_ntk(model, x, method="layers")


def test_against_neural_tangents(key):
    from reprise.kernels.nt import nt, stax

    beta, depth, width = 0.3, 3, 8
    layers = []
    for fan_out in (width, width):
        layers += [stax.Dense(fan_out, W_std=1.0, b_std=beta, parameterization="ntk"), stax.Erf()]
    layers.append(stax.Dense(2, W_std=1.0, b_std=beta, parameterization="ntk"))
    init, apply, _ = stax.serial(*layers)
    model = MLP(3, width, 2, depth=depth, activation="erf", b_std=beta, dtype=jnp.float64, key=key)
    _, params = init(jax.random.key(0), (-1, 3))
    ours = [(w.T, b[None]) for w, b in zip(model.weights, model.biases, strict=True)]
    params = [ours.pop(0) if len(p) == 2 else p for p in params]
    x, y = inputs(key), inputs(jax.random.fold_in(key, 1), 4)
    assert np.allclose(apply(params, x), jax.vmap(model)(x), rtol=1e-12)
    kernel = nt.empirical_ntk_fn(apply, trace_axes=(-1,), implementation=nt.NtkImplementation.JACOBIAN_CONTRACTION)
    assert np.allclose(kernel(x, y, params), empirical_ntk(model, x, y), rtol=1e-11)
    full = nt.empirical_ntk_fn(apply, trace_axes=(), implementation=nt.NtkImplementation.JACOBIAN_CONTRACTION)
    assert np.allclose(full(x, y, params), empirical_ntk(model, x, y, outputs="full"), rtol=1e-11)


def test_ensembles_one_by_one_and_in_groups(key):
    models = ensemble(make, jax.random.split(key, 5))
    x = inputs(key)
    whole = empirical_ntks(models, x)
    assert whole.shape == (5, 5, 5)
    for i in range(5):
        assert np.allclose(whole[i], empirical_ntk(member(models, i), x), rtol=1e-12)
    assert np.allclose(empirical_ntks(models, x, at_once=2), whole, rtol=1e-12)
    with pytest.raises(ValueError, match="at least one member"):
        empirical_ntks(models, x, at_once=0)


def test_mean_is_the_limit_kernel(key):
    """Seed-mean at width 512 within sampling noise and an O(1/n) bias of the closed form."""
    angles = jnp.linspace(0, jnp.pi, 6)
    x = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
    models = ensemble(lambda k: MLP(2, 512, depth=3, b_std=0.1, key=k), jax.random.split(key, 40))
    theta = np.asarray(empirical_ntks(models, x))
    limit = np.asarray(closed_form.ntk(x, x, depth=3, b_std=0.1))
    z = z_scores(theta.reshape(40, -1), limit.ravel(), bias=4 * np.abs(limit).max() / 512)
    assert np.abs(z).max() < z_threshold(36, 40, alarm=1e-5)
    wrong = np.asarray(closed_form.ntk(x, x, depth=4, b_std=0.1))
    z = z_scores(theta.reshape(40, -1), wrong.ravel(), bias=4 * np.abs(wrong).max() / 512)
    assert np.abs(z).max() > z_threshold(36, 40, alarm=1e-5)


def test_how_the_parametrisations_scale(key):
    x = jnp.array([[1.0, 0.5]])

    def mean_kernel(width, parametrisation):
        keys = jax.random.split(key, 50)
        models = ensemble(lambda k: MLP(2, width, depth=3, b_std=0.1, parametrisation=parametrisation, key=k), keys)
        return float(jnp.mean(empirical_ntks(models, x)))

    ratio = {p: mean_kernel(256, p) / mean_kernel(32, p) for p in ("ntk", "standard", "mean_field")}
    assert ratio["ntk"] == pytest.approx(1, rel=0.1)
    assert ratio["standard"] == pytest.approx(8, rel=0.15)  # grows like n
    assert ratio["mean_field"] == pytest.approx(1 / 8, rel=0.15)  # times a rate that grows like n: constant


def test_errors(key):
    model, x = make(key), inputs(key)
    with pytest.raises(ValueError, match="'trace' or 'full'"):
        empirical_ntk(model, x, outputs="diagonal")
    with pytest.raises(ValueError, match="'auto', 'layers' or 'jacobian'"):
        empirical_ntk(model, x, method="structured")


def test_float32_networks_give_float64_kernels(key):
    model = make(key, dtype=jnp.float32)
    theta = empirical_ntk(model, inputs(key))
    double = empirical_ntk(jax.tree.map(lambda w: w.astype(jnp.float64), model), inputs(key))
    assert theta.dtype == jnp.float64
    assert np.allclose(theta, double, rtol=2e-5)
