import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.linalg import expm

from reprise.networks import (
    MLP,
    TrainingDivergedError,
    ensemble,
    losses,
    member,
    predict,
    record_distance,
    record_ntk,
    record_outputs,
    stack,
    train,
    train_full_batch,
    train_gradient_flow,
)


@pytest.fixture
def data(key):
    x = jax.random.normal(key, (6, 3), jnp.float64)
    return x, jnp.sin(x[:, 0]) + x[:, 1] * x[:, 2]


def nets(key, seeds=3, **options):
    chosen = {"width": 16, "depth": 3, "b_std": 0.2, "dtype": jnp.float64, **options}
    return ensemble(lambda k: MLP(3, **chosen, key=k), jax.random.split(key, seeds))


def test_one_layer_has_an_exact_solution(key, data):
    """f_s - y = (I - eta K / N)^s (f_0 - y) with K = X X^T / n_0 + beta^2, at every step."""
    x, y = data
    models = nets(key, depth=1)
    kernel = np.asarray(x @ x.T) / 3 + 0.2**2
    f0 = np.asarray(predict(models, x))[:, :, 0]
    done = train_full_batch(models, x, y, rate=0.7, steps=30, record=record_outputs(x), record_every=10)
    step = np.eye(6) - 0.7 * kernel / 6
    for place, s in enumerate(done.steps):
        truth = np.asarray(y) + (f0 - np.asarray(y)) @ np.linalg.matrix_power(step, s).T
        assert np.allclose(done.records[:, place, :, 0], truth, rtol=1e-11, atol=1e-12)
        assert np.allclose(done.loss[:, place], 0.5 * np.mean((truth - np.asarray(y)) ** 2, axis=1), rtol=1e-10)


def test_gradient_flow_is_the_matrix_exponential(key, data):
    x, y = data
    models = nets(key, depth=1)
    kernel = np.asarray(x @ x.T) / 3 + 0.2**2
    gap = np.asarray(predict(models, x))[:, :, 0] - np.asarray(y)
    truth = np.asarray(y) + gap @ expm(-5.0 * kernel / 6).T
    errors = []
    for steps in (10, 20):
        done = train_gradient_flow(models, x, y, time=5.0, steps=steps)
        errors.append(np.abs(np.asarray(predict(done.models, x))[:, :, 0] - truth).max())
    assert errors[1] < 1e-5
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.35)  # fourth order


def test_one_step_by_hand(key, data):
    """Two layers, ReLU, bias: the gradient written out in NumPy."""
    x, y = map(np.asarray, data)
    models = nets(key, seeds=1, depth=2)
    w0, w1 = (np.asarray(w[0]) for w in models.weights)
    b0, b1 = (np.asarray(b[0]) for b in models.biases)
    beta, n0, n1, rate = 0.2, 3, 16, 0.3
    z = x @ w0.T / np.sqrt(n0) + beta * b0
    a = np.maximum(z, 0)
    r = (a @ w1[0] / np.sqrt(n1) + beta * b1[0] - y) / 6
    back = r[:, None] * w1[0] / np.sqrt(n1) * (z > 0)
    done = train_full_batch(models, x, y, rate=rate, steps=1)
    new = done.models
    assert np.allclose(new.weights[1][0, 0], w1[0] - rate * r @ a / np.sqrt(n1), rtol=1e-12)
    assert np.allclose(new.biases[1][0, 0], b1[0] - rate * beta * r.sum(), rtol=1e-12)
    assert np.allclose(new.weights[0][0], w0 - rate * back.T @ x / np.sqrt(n0), rtol=1e-12)
    assert np.allclose(new.biases[0][0], b0 - rate * beta * back.sum(0), rtol=1e-12)


@pytest.mark.parametrize(("loss", "factor"), [("mse", 2.0), ("half_sse", 6.0)])
def test_losses_differ_by_their_factor(key, data, loss, factor):
    x, y = data
    models = nets(key)
    a = train_full_batch(models, x, y, rate=0.1 * factor, steps=5)
    b = train_full_batch(models, x, y, rate=0.1, steps=5, loss=loss)
    assert np.allclose(a.models.weights[1], b.models.weights[1], rtol=1e-11)
    assert np.allclose(b.loss, factor * a.loss, rtol=1e-11)


def test_seeds_together_are_seeds_one_by_one(key, data):
    x, y = data
    models = nets(key, 4)
    together = train_full_batch(models, x, y, rate=0.5, steps=20, record=record_outputs(x), record_every=7)
    for i in range(4):
        alone = train_full_batch(stack([member(models, i)]), x, y, rate=0.5, steps=20)
        assert np.allclose(together.models.weights[1][i], alone.models.weights[1][0], rtol=1e-10)
    grouped = train_full_batch(models, x, y, rate=0.5, steps=20, record=record_outputs(x), record_every=7, at_once=3)
    assert np.allclose(together.records, grouped.records, rtol=1e-10)
    assert np.allclose(together.loss, grouped.loss, rtol=1e-10)


def test_precisions_agree(key, data):
    x, y = data
    single = nets(key, dtype=jnp.float32)
    double = jax.tree.map(lambda w: w.astype(jnp.float64), single)
    a = train_full_batch(single, x, y, rate=0.5, steps=50)
    b = train_full_batch(double, x, y, rate=0.5, steps=50)
    assert a.models.weights[0].dtype == jnp.float32
    assert np.allclose(a.models.weights[1], b.models.weights[1], atol=1e-4)
    assert a.loss.dtype == np.float64
    assert np.allclose(a.loss, b.loss, rtol=1e-4)


def test_the_models_given_stay_as_they_are(key, data):
    x, y = data
    models = nets(key)
    before = [np.asarray(w).copy() for w in jax.tree.leaves(models)]
    train_full_batch(models, x, y, rate=0.5, steps=5)
    for a, b in zip(before, jax.tree.leaves(models), strict=True):
        assert np.array_equal(a, b)


def test_what_is_recorded_and_when(key, data):
    x, y = data
    models = nets(key, 2)
    recorders = {"f": record_outputs(x[:2]), "ntk": record_ntk(x[:2]), "moved": record_distance(member(models, 0))}
    done = train_full_batch(models, x, y, rate=0.1, steps=9, record=recorders, record_at=[1, 5])
    assert done.steps.tolist() == [0, 1, 5, 9]
    assert done.loss.shape == (2, 4)
    assert done.records["f"].shape == (2, 4, 2, 1)
    assert done.records["ntk"].shape == (2, 4, 2, 2)
    assert done.records["moved"][0, 0] == 0.0
    assert done.records["moved"][0, 3] > 0.0
    assert np.allclose(done.records["f"][:, -1], predict(done.models, x[:2]))
    again = train_full_batch(models, x, y, rate=0.1, steps=9, record=recorders["f"], record_every=1)
    assert np.allclose(again.records[:, [0, 1, 5, 9]], done.records["f"], rtol=1e-12)
    assert train_full_batch(models, x, y, rate=0.1, steps=3).records is None


def test_targets_and_inputs_of_each_seed(key, data):
    x, y = data
    models = nets(key, 2)
    own = jnp.stack([y, -y])[:, :, None]
    done = train_full_batch(models, x, own, rate=0.5, steps=10)
    alone = train_full_batch(stack([member(models, 1)]), x, -y, rate=0.5, steps=10)
    assert np.allclose(done.models.weights[1][1], alone.models.weights[1][0], rtol=1e-10)
    both = train_full_batch(models, jnp.stack([x, 2 * x]), own, rate=0.5, steps=10, own_inputs=True, at_once=1)
    alone = train_full_batch(stack([member(models, 1)]), 2 * x, -y, rate=0.5, steps=10)
    assert np.allclose(both.models.weights[1][1], alone.models.weights[1][0], rtol=1e-10)


def test_optax_sgd_is_gradient_descent(key, data):
    x, y = data
    models = nets(key)
    a = train_full_batch(models, x, y, rate=0.5, steps=10)
    b = train_full_batch(models, x, y, optimiser=optax.sgd(0.5), steps=10)
    c = train(models, x, y, optimiser=optax.sgd(0.5), steps=10, batch_size=6, key=key)
    for other in (b, c):
        assert np.allclose(a.models.weights[1], other.models.weights[1], rtol=1e-9)


def test_an_epoch_sees_every_example_once(key):
    """A linear model on one-hot inputs counts how often each example was drawn."""
    x = jnp.eye(6, dtype=jnp.float64)
    models = ensemble(lambda k: MLP(6, 1, depth=1, dtype=jnp.float64, key=k), jax.random.split(key, 2))

    def push(f, y):
        return -jnp.sum(f) / f.shape[0]  # the gradient is the mean of the batch's inputs, whatever the outputs

    rows = []
    for steps in range(1, 7):
        done = train(models, x, jnp.zeros(6), optimiser=optax.sgd(1.0), steps=steps, batch_size=2, key=key, loss=push)
        moved = np.asarray(done.models.weights[0] - models.weights[0])[:, 0] * 2 * np.sqrt(6)
        rows.append(np.round(moved, 6))
    counts = np.asarray(rows)
    assert np.array_equal(counts[2], np.ones((2, 6)))
    assert np.array_equal(counts[5], 2 * np.ones((2, 6)))
    assert counts[0].sum() == 4
    assert set(np.unique(counts[0])) == {0.0, 1.0}
    orders = np.diff(np.concatenate([np.zeros((1, 2, 6)), counts]), axis=0)
    assert not np.array_equal(orders[:, 0], orders[:, 1])  # seeds have their own orders
    assert not np.array_equal(orders[:3], orders[3:])  # and every epoch another


def test_minibatches_in_groups_and_stretches_are_the_same(key, data):
    x, y = data
    models = nets(key, 3)
    options = {"optimiser": optax.adam(1e-2), "steps": 40, "batch_size": 4, "key": key}
    a = train(models, x, y, **options)
    b = train(models, x, y, at_once=2, record_every=7, **options)
    assert np.allclose(a.models.weights[1], b.models.weights[1], rtol=1e-8)
    assert np.all(a.loss[:, -1] < a.loss[:, 0])


def test_classification_with_one_hot_labels(key):
    x = jax.random.normal(key, (40, 3))
    labels = jax.nn.one_hot((x[:, 0] > 0).astype(int), 2)
    models = nets(key, 2, out_size=2)
    done = train_full_batch(models, x, labels, optimiser=optax.adam(0.05), steps=150, loss="cross_entropy")
    assert np.all(done.loss[:, -1] < 0.1)
    assert np.allclose(done.loss[:, 0], [losses.cross_entropy(jax.vmap(member(models, i))(x), labels) for i in (0, 1)])


def test_divergence_is_told(key, data):
    x, y = data
    models = nets(key, 2, depth=1)
    with pytest.raises(TrainingDivergedError, match="2 of 2 seeds is not finite at step 4000; take a smaller rate"):
        train_full_batch(models, x, y, rate=100.0, steps=4000)
    done = train_full_batch(models, x, y, rate=100.0, steps=4000, allow_divergence=True)
    assert not np.isfinite(done.loss[:, -1]).any()


def test_progress_is_reported(key, data, tmp_path, monkeypatch):
    import json

    from reprise import progress

    monkeypatch.setenv("REPRISE_RUN_DIR", str(tmp_path))
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.0)
    seen = []
    write = progress._Reporter.show

    def show(self):
        write(self)
        seen.append(json.loads(self._file.read_text()))

    monkeypatch.setattr(progress._Reporter, "show", show)
    x, y = data
    train_full_batch(nets(key, 2), x, y, rate=0.1, steps=100, label="Widths")
    assert seen[-1] == {"label": "Widths", "done": 200, "total": 200}
    assert len(seen) > 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either rate"),
        ({"rate": 0.1, "optimiser": optax.sgd(0.1)}, "either rate"),
        ({"rate": 0.1, "steps": 0}, "at least one"),
        ({"rate": 0.1, "record_every": 0}, "record_every"),
        ({"rate": 0.1, "record_every": 1, "record_at": [1]}, "not both"),
        ({"rate": 0.1, "record_at": [99]}, "from 0 to 5"),
        ({"rate": 0.1, "at_once": 0}, "at_once"),
        ({"rate": 0.1, "loss": "l2"}, "no loss 'l2'; there are half_mse"),
        ({"rate": 0.1, "y": jnp.zeros(5)}, "6 targets for 2 seeds"),
        ({"rate": 0.1, "own_inputs": True}, "leading axis of 2 seeds"),
    ],
)
def test_errors(key, data, options, message):
    x, y = data
    with pytest.raises(ValueError, match=message):
        train_full_batch(nets(key, 2), x, options.pop("y", y), **{"steps": 5, **options})


def test_more_errors(key, data):
    x, y = data
    with pytest.raises(ValueError, match="batch_size"):
        train(nets(key, 2), x, y, optimiser=optax.sgd(0.1), steps=2, batch_size=7, key=key)
    with pytest.raises(ValueError, match="positive time"):
        train_gradient_flow(nets(key, 2), x, y, time=0.0, steps=2)
