"""Random directions against the laws of their rows, rectified features against quadrature."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import dblquad

from reprise.kernels import projections
from reprise.kernels.projections import arc_cosine, gaussian_projection, orthogonal_projection, rectified

X, W = np.array([0.5, -0.2, 0.8]), np.array([0.3, 0.9, -0.1])


def test_examples() -> None:
    result = doctest.testmod(projections)
    assert result.attempted > 0
    assert result.failed == 0


class TestDirections:
    def test_orthogonal_within_blocks_alone(self) -> None:
        g = np.asarray(orthogonal_projection(4, 12, key=jax.random.key(0)))
        products = g @ g.T
        for i in range(12):
            for j in range(i):
                if i // 4 == j // 4:
                    assert abs(products[i, j]) < 1e-12
                else:
                    assert abs(products[i, j]) > 1e-6

    @pytest.mark.parametrize("draw", [gaussian_projection, orthogonal_projection])
    def test_each_row_is_standard_normal(self, draw) -> None:
        keys = jax.random.split(jax.random.key(1), 400)
        g = np.asarray(jax.vmap(lambda key: draw(3, 6, key=key))(keys))
        for row in (0, 2, 5):
            assert stats.kstest(g[:, row, 1], "norm").pvalue > 1e-3
            assert stats.kstest((g[:, row] ** 2).sum(axis=1), "chi2", args=(3,)).pvalue > 1e-3
        np.testing.assert_allclose(np.cov(g[:, 0].T), np.eye(3), atol=0.25)

    def test_blocks_that_do_not_fit_are_cut(self) -> None:
        assert orthogonal_projection(5, 7, key=jax.random.key(0)).shape == (7, 5)
        assert orthogonal_projection(5, 2, key=jax.random.key(0), dtype=jnp.float32).dtype == jnp.float32

    @pytest.mark.parametrize("draw", [gaussian_projection, orthogonal_projection])
    def test_sizes_are_checked(self, draw) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            draw(0, 3, key=jax.random.key(0))


class TestArcCosine:
    def test_published_check_value(self) -> None:
        assert float(arc_cosine(X, W)) == pytest.approx(0.1199618, abs=5e-8)

    @pytest.mark.parametrize("angle", [0.3, 1.4, 2.9])
    def test_is_the_gaussian_integral(self, angle: float) -> None:
        a, b = np.array([1.5, 0.0]), 0.7 * np.array([np.cos(angle), np.sin(angle)])

        def integrand(v: float, u: float) -> float:
            g = np.array([u, v])
            return max(g @ a, 0.0) * max(g @ b, 0.0) * stats.norm.pdf(u) * stats.norm.pdf(v)

        found = dblquad(integrand, 0, 8, -8, 8, epsabs=1e-7)[0]
        assert float(arc_cosine(a, b)) == pytest.approx(found, abs=2e-6)

    @settings(max_examples=25, deadline=None)
    @given(st.floats(0.1, 5.0), st.floats(0.1, 5.0))
    def test_scales_with_both_norms(self, a: float, b: float) -> None:
        assert float(arc_cosine(a * X, b * W)) == pytest.approx(a * b * float(arc_cosine(X, W)), rel=1e-10)

    def test_ends(self) -> None:
        assert float(arc_cosine(X, X)) == pytest.approx(float(X @ X) / 2)
        assert float(arc_cosine(X, -X)) == pytest.approx(0.0, abs=1e-12)
        assert float(arc_cosine(0 * X, W)) == 0.0

    def test_rectified_features_tend_to_it(self) -> None:
        keys = jax.random.split(jax.random.key(2), 50)
        values = np.asarray(
            jax.vmap(lambda k: rectified(X, g := gaussian_projection(3, 4000, key=k)) @ rectified(W, g))(keys)
        )
        assert abs(values.mean() - 0.1199618) < 4 * values.std(ddof=1) / 50**0.5
        assert (
            abs(values.mean() - max(X @ W, 0.0)) > 20 * values.std(ddof=1) / 50**0.5
        )  # no rectifier of the dot product

    def test_threshold(self) -> None:
        g = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
        np.testing.assert_allclose(rectified(jnp.array([3.0, 0.0]), g, -0.5), np.array([3.0, -0.5]) / 2**0.5)
