"""Finite networks in a few lines of JAX, as the independent side of tests: forward pass and empirical kernels."""

import jax
import jax.numpy as jnp
import scipy.stats


def initial(key, widths):
    """Standard normal weights and biases for layers of these widths, inputs first and the output last."""
    keys = jax.random.split(key, 2 * (len(widths) - 1)).reshape(len(widths) - 1, 2)
    return [
        (jax.random.normal(k[0], (b, a), jnp.float64), jax.random.normal(k[1], (b,), jnp.float64))
        for k, a, b in zip(keys, widths[:-1], widths[1:], strict=True)
    ]


def forward(parameters, x, sigma, w_std, b_std):
    """Output of one network at one point, NTK parametrisation."""
    for layer, (w, b) in enumerate(parameters):
        x = sigma(x) if layer else x
        x = w_std / jnp.sqrt(x.size) * w @ x + b_std * b
    return x[0]


def empirical_kernels(key, x, widths, sigma, w_std, b_std):
    """One network's f f^T and empirical NTK, each (n, n)."""
    parameters = initial(key, widths)
    values = jax.vmap(lambda p: forward(parameters, p, sigma, w_std, b_std))(x)
    gradients = jax.vmap(lambda p: jax.grad(forward)(parameters, p, sigma, w_std, b_std))(x)
    flat = jnp.concatenate([g.reshape(len(x), -1) for g in jax.tree.leaves(gradients)], axis=1)
    return jnp.outer(values, values), flat @ flat.T


def z_limit(tests, degrees, false_alarm=1e-6):
    """Largest |z| that ``tests`` t-distributed scores exceed with probability ``false_alarm`` at most (Bonferroni)."""
    return scipy.stats.t.ppf(1 - false_alarm / (2 * tests), degrees)


def z_scores(samples, truth):
    """Deviation of the mean over the first axis from ``truth`` in standard errors."""
    error = samples.std(axis=0, ddof=1) / jnp.sqrt(len(samples))
    return (samples.mean(axis=0) - truth) / error
