import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reprise.networks import MLP, each, ensemble, member, members, predict, size, stack


def make(key):
    return MLP(2, 8, depth=3, b_std=0.1, key=key)


def test_members_are_the_models_of_their_keys(key):
    keys = jax.random.split(key, 4)
    models = ensemble(make, keys)
    for i in range(4):
        for a, b in zip(jax.tree.leaves(member(models, i)), jax.tree.leaves(make(keys[i])), strict=True):
            assert np.array_equal(a, b)
    again = stack([make(k) for k in keys])
    assert eqx.tree_equal(models, again)
    assert size(members(models, 1, 3)) == 2


def test_predict_is_one_by_one(key):
    models = ensemble(make, jax.random.split(key, 4))
    x = jax.random.normal(key, (6, 2))
    out = predict(models, x)
    assert out.shape == (4, 6, 1)
    for i in range(4):
        assert np.allclose(out[i], jax.vmap(member(models, i))(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("at_once", [None, 1, 3, 10])
def test_each(key, at_once):
    models = ensemble(make, jax.random.split(key, 5))
    found = each(lambda m: {"norm": jnp.sum(m.weights[1] ** 2)}, models, at_once=at_once)
    assert np.allclose(found["norm"], [float(jnp.sum(w**2)) for w in models.weights[1]], rtol=1e-5)


def test_errors(key):
    with pytest.raises(ValueError, match="one axis of typed JAX keys"):
        ensemble(make, key)
    with pytest.raises(ValueError, match="leading axis of seeds"):
        size(make(key))
    with pytest.raises(ValueError, match="at least one"):
        stack([])
