"""Gaussian expectations of activations against mpmath, moments, quadrature and identities."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.integrate
from hypothesis import given
from hypothesis import strategies as st

from reprise.kernels.activations import _ARCSINE, Erf, Hermite, Linear, Polynomial, Relu, arc_cosine, resolve

ALL = [Relu(), Relu(normalised=True), Erf(), Linear(), Polynomial((0.5, -1.0, 0.3, 0.2)), Hermite(jnp.tanh)]
NAMES = ["relu", "normalised", "erf", "linear", "polynomial", "tanh"]
each_rule = pytest.mark.parametrize("rule", ALL, ids=NAMES)
variances = st.floats(1e-3, 1e3)


@functools.cache
def compiled(rule):
    return jax.jit(rule.dual), jax.jit(rule.moment)


def exact_arc_cosines(c):
    with mpmath.workdps(40):
        c = mpmath.mpf(float(c))
        k0 = (mpmath.pi - mpmath.acos(c)) / mpmath.pi
        return float(k0), float((mpmath.sqrt((1 - c) * (1 + c)) + c * mpmath.pi * k0) / mpmath.pi)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("gap", [0.0, 2**-53, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.3, 0.5, 0.7, 1.0])
def test_arc_cosine_near_both_ends(gap, sign):
    c = sign * (1 - gap)
    k0, k1 = arc_cosine(jnp.asarray(c, jnp.float64))
    exact0, exact1 = exact_arc_cosines(c)
    np.testing.assert_allclose(k0, exact0, rtol=5e-16, atol=0)
    np.testing.assert_allclose(k1, exact1, rtol=5e-16, atol=1e-16)  # cancels at c = -1


@given(st.floats(-1, 1))
def test_arc_cosine_everywhere(c):
    k0, k1 = arc_cosine(jnp.asarray(c, jnp.float64))
    exact0, exact1 = exact_arc_cosines(c)
    assert abs(k0 - exact0) <= 4e-16 * exact0
    assert abs(k1 - exact1) <= 3e-16


def test_coefficients_of_the_arc_sine():
    """Derived again: interpolation of arcsin(sqrt z)/sqrt z in the Chebyshev points of [0, 1/4], 50 digits."""
    with mpmath.workdps(50):
        count = len(_ARCSINE)
        points = [(1 + mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count))) / 8 for i in range(count)]
        powers = mpmath.matrix([[z**j for j in range(count)] for z in points])
        values = mpmath.matrix([mpmath.asin(mpmath.sqrt(z)) / mpmath.sqrt(z) for z in points])
        solved = mpmath.lu_solve(powers, values)
    np.testing.assert_allclose([float(c) for c in solved], _ARCSINE, rtol=1e-15)


def test_cosines_outside_are_clipped():
    k0, k1 = arc_cosine(jnp.array([1 + 1e-9, -1 - 1e-9, 2.0]))
    np.testing.assert_array_equal(k0, [1, 0, 1])
    np.testing.assert_array_equal(k1, [1, 0, 1])


@pytest.mark.parametrize("c", [1.0, -1.0, 0.0, 0.3, 1 - 1e-12])
def test_arc_cosine_derivatives(c):
    slope0 = jax.grad(lambda c: arc_cosine(c)[0])(c)
    slope1 = jax.grad(lambda c: arc_cosine(c)[1])(c)
    exact0, _ = exact_arc_cosines(c)
    np.testing.assert_allclose(slope1, exact0, atol=1e-16)
    expected = 0.0 if abs(c) == 1 else 1 / (math.pi * math.sqrt((1 - c) * (1 + c)))
    np.testing.assert_allclose(slope0, expected, rtol=1e-14)


def double_integral(f, s, p, q):
    """E f(u) f(v) by adaptive quadrature over two independent normals."""
    rho = s / math.sqrt(p * q)

    def integrand(b, a):
        u, v = math.sqrt(p) * a, math.sqrt(q) * (rho * a + math.sqrt(1 - rho**2) * b)
        return f(u) * f(v) * math.exp(-(a * a + b * b) / 2) / (2 * math.pi)

    return scipy.integrate.dblquad(integrand, -9, 9, -9, 9, epsabs=1e-10, epsrel=1e-10)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "f", "slope"),
    [
        (Erf(), math.erf, lambda z: 2 / math.sqrt(math.pi) * math.exp(-z * z)),
        (Hermite(jnp.tanh), math.tanh, lambda z: 1 / math.cosh(z) ** 2),
        (Hermite(lambda z: z * jnp.sin(z), 48), lambda z: z * math.sin(z), lambda z: math.sin(z) + z * math.cos(z)),
    ],
    ids=["erf", "tanh", "z sin z"],
)
def test_against_adaptive_quadrature(rule, f, slope):
    s, p, q = -0.4, 0.7, 1.1
    values = rule.dual(*(jnp.asarray(v, jnp.float64) for v in (s, p, q)))
    np.testing.assert_allclose(values[0], double_integral(f, s, p, q), rtol=2e-8)
    np.testing.assert_allclose(values[1], double_integral(slope, s, p, q), rtol=2e-7)


def test_relu_against_its_integral():
    """E max(u,0) max(v,0) in polar coordinates: a one-dimensional integral over the angle."""
    p, q, rho = 0.8, 2.5, -0.35
    angle = math.acos(rho)
    radial = scipy.integrate.quad(lambda a: math.cos(a) * math.cos(a - angle), angle - math.pi / 2, math.pi / 2)[0]
    s = jnp.asarray(rho * math.sqrt(p * q))
    value, slope = Relu().dual(s, jnp.asarray(p), jnp.asarray(q))
    np.testing.assert_allclose(value, math.sqrt(p * q) * radial / math.pi, rtol=1e-12)
    np.testing.assert_allclose(slope, (math.pi - angle) / (2 * math.pi), rtol=1e-14)  # both positive


def test_polynomial_against_gaussian_moments():
    """E u^a v^b for a, b <= 3 from Isserlis' theorem."""
    s, p, q = 0.3, 0.8, 1.7
    moments = {
        (0, 0): 1, (1, 1): s, (2, 0): p, (0, 2): q, (2, 2): p * q + 2 * s * s,
        (3, 1): 3 * p * s, (1, 3): 3 * q * s, (3, 3): 9 * p * q * s + 6 * s**3,
    }  # fmt: skip
    c = (0.5, -1.0, 0.3, 0.2)
    expected = sum(c[a] * c[b] * m for (a, b), m in moments.items())
    value, slope = Polynomial(c).dual(*(jnp.asarray(v) for v in (s, p, q)))
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    d = (-1.0, 0.6, 0.6)
    derivative = sum(d[a] * d[b] * m for (a, b), m in moments.items() if a < 3 and b < 3)
    np.testing.assert_allclose(slope, derivative, rtol=1e-14)


def test_polynomial_equals_quadrature():
    c = (0.1, 1.0, -0.7, 0.0, 0.2)
    by_nodes = Hermite(lambda z: jnp.polyval(jnp.array(c[::-1]), z), 8)
    arguments = [jnp.asarray(v) for v in (-0.9, 1.3, 0.9)]
    np.testing.assert_allclose(Polynomial(c).dual(*arguments), by_nodes.dual(*arguments), rtol=1e-12)


def test_quadrature_converges_to_the_closed_form_of_erf():
    arguments = [jnp.asarray(v) for v in (0.45, 0.6, 0.8)]
    errors = [
        abs(Hermite(jax.scipy.special.erf, order).dual(*arguments)[0] - Erf().dual(*arguments)[0])
        for order in (4, 8, 16, 32)
    ]
    assert all(after < before / 3 for before, after in itertools.pairwise(errors))
    assert errors[-1] < 1e-10


@pytest.mark.parametrize("order", [2, 7, 64, 200])
def test_many_nodes_stay_orthonormal(order):
    """At cosine 1 the series sums to the quadrature of the square, for any number of nodes."""
    rule, p = Hermite(jnp.tanh, order), jnp.array([0.3, 1.0, 4.0])
    np.testing.assert_allclose(rule.dual(p, p, p)[0], rule.moment(p), rtol=1e-12)


@each_rule
def test_slope_is_the_derivative_with_respect_to_the_covariance(rule):
    dual, p, q = compiled(rule)[0], jnp.array(0.7), jnp.array(1.4)
    for s in (-0.9, -0.2, 0.0, 0.5):
        derivative = jax.grad(lambda s: dual(s, p, q)[0])(s)
        np.testing.assert_allclose(derivative, dual(s, p, q)[1], rtol=1e-9, atol=1e-12)


@each_rule
@given(p=variances)
def test_moment_is_the_diagonal(rule, p):
    dual, moment = compiled(rule)
    p = jnp.asarray(p)
    np.testing.assert_allclose(moment(p), dual(p, p, p)[0], rtol=1e-11)


@each_rule
@given(p=variances, q=variances, rho=st.floats(-1, 1))
def test_symmetry_and_cauchy_schwarz(rule, p, q, rho):
    dual, moment = compiled(rule)
    s, p, q = (jnp.asarray(v, jnp.float64) for v in (rho * math.sqrt(p * q), p, q))
    value, slope = dual(s, p, q)
    bound = jnp.sqrt(moment(p) * moment(q))
    for swapped, straight in zip(dual(s, q, p), (value, slope), strict=True):
        np.testing.assert_allclose(swapped, straight, rtol=1e-10, atol=1e-12 * float(bound))
    assert jnp.abs(value) <= bound * (1 + 1e-12)


@each_rule
def test_positive_semi_definite(rule):
    x = jax.random.normal(jax.random.key(0), (40, 3), jnp.float64)
    s = x @ x.T
    p = jnp.diagonal(s)
    for matrix in compiled(rule)[0](s, p[:, None], p[None, :]):
        eigenvalues = jnp.linalg.eigvalsh(matrix)
        assert eigenvalues[0] > -1e-13 * eigenvalues[-1] * 40


@each_rule
def test_gradients_are_finite_where_points_coincide_or_vanish(rule):
    def total(s, p):
        return sum(part.sum() for part in compiled(rule)[0](s, p[:, None], p[None, :]))

    x = jnp.array([[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    s = x @ x.T
    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(s, jnp.diagonal(s))
    assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)


@pytest.mark.parametrize("bad", ["sigmoid", "RELU", ""])
def test_unknown_name_lists_the_known(bad):
    with pytest.raises(ValueError, match="relu, erf, linear"):
        resolve(bad)


def test_normalised_is_for_relu_alone():
    with pytest.raises(ValueError, match="activation='relu'"):
        resolve("erf", normalised=True)


def test_too_few_nodes():
    with pytest.raises(ValueError, match="at least 2"):
        resolve(jnp.tanh, quadrature_order=1)
