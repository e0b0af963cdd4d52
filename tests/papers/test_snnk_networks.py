"""Layers, bundles, adapters and merges against explicit loops, other libraries and published counts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from reprise.kernels.projections import rectified
from reprise.kernels.random_features import ridge_path
from reprise.papers.kernels_and_features.snnk import adapter_study as ads
from reprise.papers.kernels_and_features.snnk import adapters as ad
from reprise.papers.kernels_and_features.snnk import bundle_study as bs
from reprise.papers.kernels_and_features.snnk import (
    bundles,
    figures,
    images,
    layers,
    network_figures,
    training,
    transformer,
)
from reprise.papers.kernels_and_features.snnk import layer_study as ls
from reprise.papers.kernels_and_features.snnk import merge_study as ms
from reprise.papers.kernels_and_features.snnk.adapters import Adapter
from reprise.papers.kernels_and_features.snnk.layers import Variant


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


class TestTraining:
    def test_descends_to_least_squares_and_leaves_frozen_parts(self, rng: np.random.Generator) -> None:
        x, y = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
        start = {"w": jnp.zeros((3, 2)), "b": jnp.ones(2)}
        rows = jnp.tile(jnp.arange(60), (3000, 1))

        def forward(p: Any, _: Any, z: Any) -> Any:
            return z @ p["w"] + p["b"]

        p = training.fit(
            forward, start, {"w": 1.0, "b": 0.0}, None, jnp.asarray(x), jnp.asarray(y), rows, jnp.asarray(0.01)
        )
        np.testing.assert_array_equal(p["b"], 1.0)
        np.testing.assert_allclose(p["w"], np.linalg.lstsq(x, y - 1.0, rcond=None)[0], atol=1e-4)

    def test_fewer_steps_are_the_first_rows(self, rng: np.random.Generator) -> None:
        x, y = (jnp.asarray(rng.standard_normal((20, k))) for k in (3, 1))
        rows = jnp.arange(20).reshape(5, 4)

        def fit(rows: Any, steps: Any) -> Any:
            start = {"w": jnp.zeros((3, 1))}
            return training.fit(
                lambda p, _, z: z @ p["w"], start, {"w": 1.0}, None, x, y, rows, jnp.asarray(0.1), steps
            )

        found = jax.jit(fit)(rows, jnp.asarray(3))["w"]
        np.testing.assert_allclose(found, fit(rows[:3], None)["w"], rtol=1e-6)
        assert not np.allclose(found, fit(rows, None)["w"])

    def test_batches(self, rng: np.random.Generator) -> None:
        rows = images.batches(50, 20, 5, rng)
        assert rows.shape == (5, 20)
        assert len(np.unique(rows[:2])) == 40
        with pytest.raises(ValueError, match="at most the 10"):
            images.batches(10, 20, 5, rng)

    def test_a_task_needs_three_numbers(self) -> None:
        with pytest.raises(ValueError, match="three numbers"):
            images.load_task("digits", [10, 10])


class TestLayers:
    @pytest.mark.parametrize("pad", [0, 9])
    @pytest.mark.parametrize("place", [1, 2])
    @pytest.mark.parametrize("kind", ["dense", "disentangled", "bottleneck"])
    def test_forward_is_the_network_as_written_down(
        self, kind: Any, place: int, pad: int, rng: np.random.Generator
    ) -> None:
        m = {"dense": 6 if place == 1 else 5}.get(kind, 3)
        variant = Variant(kind, m, place=place)
        x = rng.standard_normal((7, 6)).astype(np.float32)
        z = layers.frozen_features(variant, [x, x, x], seed=3, pad=pad)[0]
        p, _, frozen = layers.start(variant, 6, 5, rng, seed=3, pad=pad)
        p = {k: v + 0.01 if v.ndim == 1 else v for k, v in p.items()}
        h = x / np.sqrt((x**2).mean())
        for layer, (weights, offset) in enumerate((("first", "offset"), ("second", "shift")), start=1):
            own = kind if layer == place else "dense"
            a = p[weights][:, : m if layer == place else h.shape[1]]
            if own != "dense":
                g = layers.projection(own, m, h.shape[1], seed=3)
                h = np.maximum(h @ g.T, 0) if own == "disentangled" else h @ g.T
                h = h * (np.sqrt((2.0 if own == "disentangled" else 1.0) / g.shape[1]) if layer == 2 else 1.0)
                if layer == 1:
                    h /= np.sqrt((h**2).mean())
            h = h @ a.T + p[offset]
            h = h if own == "disentangled" else np.maximum(h, 0)
        np.testing.assert_allclose(layers.forward(p, frozen, z), h @ p["head"].T + p["bias"], rtol=2e-4, atol=2e-5)

    def test_what_is_trained(self, rng: np.random.Generator) -> None:
        counts = {}
        for trained in ("all", "rest", "head"):
            variant = Variant("disentangled", 16, trained)  # type: ignore[arg-type]
            p, free, _ = layers.start(variant, 64, 32, rng, seed=0, pad=64)
            counts[trained] = training.count(p, free)
        head, second = 10 * 33, 32 * 33
        assert counts == {"all": head + second + 32 * 16, "rest": head + second, "head": head}

    def test_small_study(self) -> None:
        found = ls.train("digits", [300, 100, 200], [0.0625, 0.25, 1.0], 16, [0.01], 80, 50, 3)
        assert scalar(ls.parameter_ratio(found, 16)) == 0.25
        assert scalar(ls.parameter_ratio(found, 16, stored=True)) == pytest.approx((16 * 16 + 16 * 64) / (16 * 64))
        for place in (1, 2):
            assert ls.loss_of_accuracy(found, ls.quarter(found, trained="head", place=place)).low > 0.02
        figure, table = network_figures.layers(found)
        assert len(figure.axes) == 2
        assert np.isfinite(table["value"]).all()
        assert "Ψ frozen" in ls.reading(found, [64])

    def test_a_quarter_has_to_be_there(self) -> None:
        with pytest.raises(ValueError, match=r"0\.25"):
            ls.variants(64, 64, [0.5, 1.0])

    def test_operations(self) -> None:
        assert scalar(ls.operations(256, 64)) == pytest.approx(0.5, rel=0.01)
        assert scalar(ls.operations(256, 256)) == pytest.approx(2.0, rel=0.01)


class TestBundles:
    def test_closed_form_is_ridge_regression_of_scikit_learn(self, rng: np.random.Generator) -> None:
        z, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
        found = bundles.closed_form(z, y, 0.7)
        np.testing.assert_allclose(found, Ridge(alpha=0.7, fit_intercept=False).fit(z, y).coef_.T, atol=1e-10)
        new = rng.standard_normal((5, 6))
        ridges = [0.1, 0.7]
        path = bundles.dual_path(z @ z.T, y, new @ z.T, ridges)
        np.testing.assert_allclose(path, ridge_path(z, y, new, jnp.asarray(ridges)).predictions, atol=1e-10)
        np.testing.assert_allclose(bundles.primal_path(z, y, new, ridges), path, atol=1e-10)
        with pytest.raises(ValueError, match="positive"):
            bundles.closed_form(z, y, 0.0)

    def test_loss_is_least_at_the_closed_form(self, rng: np.random.Generator) -> None:
        z, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
        best = bundles.closed_form(z, y, 0.5)
        gradient = jax.grad(lambda w: 0.5 * jnp.sum((z @ w - y) ** 2) + 0.25 * jnp.sum(w**2))(jnp.asarray(best))
        np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
        assert bundles.loss(best, z, y, 0.5) < bundles.loss(best + 0.01, z, y, 0.5)

    def test_descent_comes_from_above(self, rng: np.random.Generator) -> None:
        z, y = rng.standard_normal((60, 20)), rng.standard_normal((60, 2))
        best = bundles.loss(bundles.closed_form(z, y, 1.0), z, y, 1.0)
        descent = bundles.descend(z, y, 1.0, 2000)
        for curve in descent:
            assert curve[0] == pytest.approx(0.5 * (y**2).sum())
            assert curve.min() > best * (1 - 1e-12)
            assert curve[-1] == pytest.approx(best, rel=1e-10)
        assert descent.plain.dtype == np.float64

    @pytest.mark.parametrize("depth", [1, 2])
    def test_many_features_tend_to_the_limit(self, depth: int, rng: np.random.Generator) -> None:
        x = rng.standard_normal((6, 4))
        grams = []
        for seed in range(20):
            z = bundles.features(x, 1500, depth, seed=seed)
            grams.append(z @ z.T)
        limit = bundles.limit_gram(x, depth)
        np.testing.assert_allclose(np.mean(grams, axis=0), limit, atol=0.03 * limit.max())

    @pytest.mark.parametrize("name", ["diabetes", "friedman1", "digits"])
    def test_tables(self, name: str) -> None:
        table = bs.load_table(name, seed=1)
        assert len(table.x[0]) / sum(map(len, table.x)) == pytest.approx(0.6, abs=0.01)
        np.testing.assert_allclose(table.y[0].mean(axis=0), 0.0, atol=1e-12)
        with pytest.raises(ValueError, match="friedman1"):
            bs.load_table("iris")

    def test_study_and_its_controls(self) -> None:
        gaps = bs.gaps(["friedman1"], 40, 3000)
        assert abs(scalar(bs.final_gap(gaps))) < 1e-6
        assert scalar(bs.smallest_gap(gaps)) > -1e-9
        assert scalar(bs.final_gap(gaps, wrong=True)) < -1e-6
        errors = bs.compare(["friedman1"], 600, 3, 30)
        most, few, linear = (scalar(bs.worst_ratio(errors, k)) for k in ("bundled", "few", "linear"))
        assert most < 0.7 * linear
        assert few > 1.3 * linear
        assert bs.table(errors).count("\n") == 2
        figure, table = figures.closed_form(gaps, errors)
        assert len(figure.axes) == 2
        assert np.isfinite(table["value"]).all()


class TestAdapters:
    def test_published_counts(self) -> None:
        base = transformer.Shape(1, 1, 768, 12, 2)
        assert ad.trained(Adapter("dense", 48), base) == 894_528
        assert ad.trained(Adapter("rectified", 16), base) == 156_672
        small = base._replace(width=64, depth=4)
        ratio = ad.trained(Adapter("dense", 32), small) / ad.trained(Adapter("cosine", 12), small)
        assert ratio == pytest.approx(4192 / 832)
        assert ratio > 5

    @pytest.mark.parametrize("kind", ["dense", "rectified", "cosine", "linear", "none"])
    def test_adapters_start_as_the_identity(self, kind: Any, rng: np.random.Generator) -> None:
        shape = transformer.Shape(4, 9, 8, 2, 5)
        trunk = transformer.start_trunk(shape, rng)
        x = rng.standard_normal((3, 4, 9)).astype(np.float32)
        values, _, frozen = ad.start(Adapter(kind, 3), shape, 6, seed=1)
        plain = transformer.run(trunk, *transformer.no_adapters(shape, 6), x, 4)
        np.testing.assert_array_equal(transformer.run(trunk, values, frozen, x, 4), plain)

    def test_an_adapter_is_its_formula(self, rng: np.random.Generator) -> None:
        shape = transformer.Shape(4, 9, 8, 1, 5)
        x = rng.standard_normal((2, 4, 8))
        z = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
        for kind in ("rectified", "cosine"):
            values, _, frozen = ad.start(Adapter(kind, 4), shape, 6, seed=1)
            one = {k: v[0] + (1.0 if k == "v" else 0.0) for k, v in values.items()}
            g = ad.directions(kind, 4, 8, seed=100)
            u = z @ g.T * 8**-0.5
            phi = np.maximum(u, 0)
            if kind == "cosine":
                phi = np.stack([np.cos(u[..., 0]), np.sin(u[..., 0]), np.cos(u[..., 2]), np.sin(u[..., 2])], axis=-1)
                np.testing.assert_array_equal(g[0], g[1])
            np.testing.assert_allclose(transformer.adapt(one, frozen, x), x + phi @ one["A"][:4], rtol=1e-3, atol=1e-3)

    def test_attention_by_loops(self, rng: np.random.Generator) -> None:
        d, heads = 8, 2
        block = {"qkv": rng.standard_normal((d, 3 * d)), "out": rng.standard_normal((d, d))}
        x = rng.standard_normal((1, 5, d))
        q, k, v = np.split(x[0] @ block["qkv"], 3, axis=1)
        out = np.zeros((5, d))
        for h in range(heads):
            part = slice(4 * h, 4 * h + 4)
            for i in range(5):
                weights = np.exp(k[:, part] @ q[i, part] / 2.0)
                out[i, part] = weights @ v[:, part] / weights.sum()
        np.testing.assert_allclose(transformer.attention(block, x, heads)[0], out @ block["out"], rtol=1e-8)

    def test_patches_that_do_not_fit(self) -> None:
        cut = transformer.patches(np.ones((2, 25)), 2)
        assert cut.shape == (2, 9, 4)
        assert cut.sum() == 50

    def test_bad_sizes(self) -> None:
        with pytest.raises(ValueError, match="between 1 and 4"):
            ad.start(Adapter("dense", 5), transformer.Shape(4, 9, 8, 1, 5), 4, seed=0)
        sizes = ads.Sizes("digits", 4, 8, 1, 4, 2, [100, 100, 50], 5, 5, [0.01], 3)
        with pytest.raises(ValueError, match="source, training, validation"):
            ads.adapt(sizes)

    def test_small_study(self) -> None:
        sizes = ads.Sizes("digits", 4, 8, 1, 8, 3, [300, 200, 100, 150], 20, 20, [0.01, 0.03], 3)
        found = ads.adapt(sizes)
        assert scalar(ads.savings(found)) == pytest.approx((2 * 8 * 8 + 8 + 8) / (3 * 8 + 8))
        assert scalar(ads.savings(found, stored=True)) < scalar(ads.savings(found))
        assert all(((s.test >= 0) & (s.test <= 1)).all() for s in found.scores)
        pair = ads.ours(found)
        assert pair[0].validation.mean() >= pair[1].validation.mean()
        figure, table = network_figures.adapters(found)
        assert figure.axes
        assert np.isfinite(table["accuracy"]).all()
        assert ads.table(found).count("untrained trunk") == 2
        assert all(len(s.spare) == 2 for s in found.scores)


class TestMerges:
    def test_a_merged_network_has_no_matrix_between(self, rng: np.random.Generator) -> None:
        start, free, keep = ms._student_start(5, rng)
        g1, inner = ms.draw_features(5, 7, seed=0)
        x = rng.standard_normal((3, 7)).astype(np.float32)
        phi = ms._first(x, g1)
        np.testing.assert_allclose(phi, rectified(x, g1) * (2 * 5 / 7) ** 0.5, rtol=1e-6)
        for merges in ms.MERGES:
            h = phi
            for layer in range(3):
                if layer >= merges:
                    h = h @ start["psi"][layer].T
                if layer < 2:
                    h = np.maximum(h @ inner[layer].T, 0)
            found = ms.merged_network(start, {"keep": keep[merges], "G": inner}, phi)
            np.testing.assert_allclose(found, h @ start["head"].T + start["bias"], rtol=1e-4, atol=1e-5)
            count = training.count(start, jax.tree.map(lambda v, k=merges: v[k], free))
            assert count == (3 - merges) * 25 + 10 * 6

    def test_study_and_its_control(self) -> None:
        found = ms.merge("digits", [300, 100, 200], 32, [0.01], 100, 50, 3)
        assert scalar(ms.largest_ratio(found)) < 0.95
        assert scalar(ms.largest_ratio(found, kept=True)) == 1.0
        assert ms.drop(found, foreign=True).low > 0.03
        sizes = [32, 64, 128]
        pair = [ms.by_formula(sizes, 4, 5, shared=s) for s in (True, False)]
        figure, table = network_figures.merges(found, sizes, *pair)
        assert len(figure.axes) == 2
        assert np.isfinite(table["value"]).all()
        assert "3 merges" in ms.reading(found)
