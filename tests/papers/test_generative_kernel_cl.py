"""Heads, losses, streams and the protocol's arithmetic against closed forms, peers and hand-made cases."""

import doctest
from fractions import Fraction
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads
from scipy import stats
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from reprise.papers.kernels_and_features.generative_kernel_cl import (
    evidence,
    generative,
    heads,
    learners,
    protocol,
    streams,
)
from reprise.papers.kernels_and_features.generative_kernel_cl.generative import Generator, Prior
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import Sizes

SIZES = Sizes(hidden=16, latent=4, frequencies=8, memory=3, steps=5, batch=8, draws=2, rate_decay=0.85)
START = jnp.asarray(heads.START)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


class TestHead:
    def test_value_by_exact_arithmetic(self):
        """Three samples, ridge 0.11, query (2, -1): Gauss elimination in fractions."""
        c = [(1, 0), (0, 1), (1, 1)]
        ridge = Fraction(11, 100)
        rows = [
            [Fraction(a[0] * b[0] + a[1] * b[1]) + (ridge if i == j else 0) for j, b in enumerate(c)]
            + [Fraction(i == 0), Fraction(i != 0)]
            for i, a in enumerate(c)
        ]
        for i in range(3):
            rows[i] = [v / rows[i][i] for v in rows[i]]
            for k in set(range(3)) - {i}:
                rows[k] = [v - rows[k][i] * w for v, w in zip(rows[k], rows[i], strict=True)]
        across = [2 * a[0] - a[1] for a in c]
        exact = [float(sum(k * row[3 + j] for k, row in zip(across, rows, strict=True))) for j in (0, 1)]
        assert exact == pytest.approx([1.512123, -0.869036], abs=5e-7)
        x, points = jnp.asarray([[2.0, -1.0]]), jnp.asarray(c, jnp.float64)
        targets = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        found = heads.scores(x @ points.T, points @ points.T, targets, jnp.ones(3), START)
        np.testing.assert_allclose(found[0], exact, rtol=1e-12)

    def test_peer_with_some_samples_left_out(self, rng):
        core, x, labels = rng.normal(size=(9, 4)), rng.normal(size=(6, 4)), rng.integers(0, 3, 9)
        used = np.asarray([1, 1, 0, 1, 1, 0, 1, 1, 1])
        kept, targets = used == 1, np.eye(3)[labels]
        peer = KernelRidge(alpha=0.5 + heads.FLOOR).fit(core[kept], targets[kept]).predict(x)
        scalars = jnp.asarray([-0.5, 2.0, 0.3])  # the ridge counts by its size
        found = heads.scores(x @ core.T, jnp.asarray(core @ core.T), jnp.asarray(targets), jnp.asarray(used), scalars)
        np.testing.assert_allclose(found, 2.0 * peer + 0.3, rtol=1e-9)
        other = heads.scores(x @ core.T, jnp.asarray(core @ core.T), jnp.asarray(targets), jnp.ones(9), scalars)
        assert not np.allclose(found, other, rtol=1e-3)

    def test_linear_head_from_features(self, rng):
        core, x, labels = rng.normal(size=(9, 4)), rng.normal(size=(6, 4)), rng.integers(0, 3, 9)
        used, targets = jnp.asarray(rng.integers(0, 2, 9), jnp.float64), jnp.asarray(np.eye(3)[labels])
        scalars = jnp.asarray([0.4, 1.5, -0.2])
        found = heads.linear_scores(jnp.asarray(x), jnp.asarray(core), targets, used, scalars)
        dual = heads.scores(jnp.asarray(x @ core.T), jnp.asarray(core @ core.T), targets, used, scalars)
        np.testing.assert_allclose(found, dual, rtol=1e-9)

    def test_gradient_passes_through_the_solve(self, rng):
        core, x = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(2, 3)))
        targets = jnp.asarray(np.eye(2)[[0, 1, 0, 1, 1]])

        def value(c, s):
            return heads.scores(x @ c.T, c @ c.T, targets, jnp.ones(5), s)[0, 0]

        check_grads(value, (core, jnp.asarray([0.2, 1.5, 0.1])), order=1, modes=["rev"], rtol=1e-4)

    def test_gaussian_kernel(self, rng):
        a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
        found = heads.gaussian_kernel(jnp.asarray(a), jnp.asarray(b), jnp.log(0.7))
        np.testing.assert_allclose(found, rbf_kernel(a, b, gamma=1 / (2 * 0.49)), rtol=1e-10)

    def test_fourier_features_have_that_kernel_for_their_mean(self, rng):
        x, k = rng.normal(size=(4, 3)), 200_000
        phases = jnp.asarray(rng.uniform(0, 2 * np.pi, k))
        phi = heads.fourier(jnp.asarray(x), jnp.asarray(rng.normal(size=(k, 3))), phases)
        np.testing.assert_allclose(phi @ phi.T, rbf_kernel(x, gamma=0.5), atol=6 / np.sqrt(k))


class TestLosses:
    def test_divergence_against_a_sample_mean(self, rng):
        m, v, pm, pv = rng.normal(size=3), rng.normal(size=3) * 0.3, rng.normal(size=3), rng.normal(size=3) * 0.3
        z = m + np.exp(v / 2) * rng.normal(size=(400_000, 3))
        logs = stats.norm.logpdf(z, m, np.exp(v / 2)) - stats.norm.logpdf(z, pm, np.exp(pv / 2))
        found = float(heads.gaussian_divergence(*map(jnp.asarray, (m, v, pm, pv))))
        totals = logs.sum(axis=1)
        assert found == pytest.approx(totals.mean(), abs=5 * totals.std() / np.sqrt(len(totals)))
        assert float(heads.gaussian_divergence(*map(jnp.asarray, (m, v, m, v)))) == pytest.approx(0.0, abs=1e-12)

    def test_contrast_on_four_points(self):
        z = jnp.asarray([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        assert float(heads.contrast(z, jnp.asarray([0, 0, 1, 1]))) == pytest.approx(0.0637798, abs=5e-8)
        assert float(heads.contrast(3.0 * z, jnp.asarray([0, 0, 1, 1]))) == pytest.approx(0.0637798, abs=5e-8)

    def test_contrast_by_its_definition(self, rng):
        z, labels = rng.normal(size=(7, 3)), np.asarray([0, 0, 1, 1, 1, 2, 0])
        unit, total = z / np.linalg.norm(z, axis=1, keepdims=True), 0.0
        for i in range(7):
            others = [a for a in range(7) if a != i]
            norm = np.log(sum(np.exp(unit[i] @ unit[a] / 0.2) for a in others))
            partners = [a for a in others if labels[a] == labels[i]]
            if partners:
                total -= np.mean([unit[i] @ unit[p] / 0.2 - norm for p in partners]) / 7
        assert float(heads.contrast(jnp.asarray(z), jnp.asarray(labels), 0.2)) == pytest.approx(total, rel=1e-9)

    def test_contrast_prefers_the_right_labels(self):
        z = jnp.asarray([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
        right, wrong = (heads.contrast(z, jnp.asarray(y)) for y in ([0, 0, 1, 1], [0, 1, 0, 1]))
        assert float(right) < 0.1 < float(wrong)

    def test_contrast_has_a_gradient_at_the_origin(self):
        slope = jax.grad(lambda z: heads.contrast(z, jnp.asarray([0, 0, 1])))(jnp.zeros((3, 2)))
        assert np.isfinite(slope).all()

    @pytest.mark.parametrize("gaussian", [False, True])
    def test_evidence_by_the_laws_of_pixels(self, rng, gaussian):
        """Differences between images are those of log-densities; the divergence is the same function as above."""
        model = Generator(6, SIZES, jax.random.key(0))
        x = jnp.asarray(rng.integers(0, 2, (5, 6)), jnp.float32)
        prior = Prior(jnp.asarray(rng.normal(size=(5, 4)), jnp.float32), jnp.zeros((5, 4), jnp.float32))
        noise = jnp.asarray(rng.normal(size=(5, 4)), jnp.float32)
        lost, mean = generative.evidence_loss(model, x, prior, noise, gaussian=gaussian)
        m, v = model.encode(x)
        pixels = jax.nn.sigmoid(model.decode(m + jnp.exp(0.5 * v) * noise))
        if gaussian:
            top = stats.norm.logpdf(0.0, 0.0, np.sqrt(0.05))
            logs = stats.norm.logpdf(np.asarray(x), np.asarray(pixels), np.sqrt(0.05)) - top
        else:
            logs = stats.bernoulli.logpmf(np.asarray(x), np.asarray(pixels))
        expected = -logs.sum(axis=1) + np.asarray(heads.gaussian_divergence(m, v, *prior))
        np.testing.assert_allclose(lost, expected, rtol=2e-4)
        np.testing.assert_array_equal(mean, m)


class TestPieces:
    def test_adam_is_that_of_optax(self, rng):
        target = jnp.asarray(rng.normal(size=3), jnp.float32)
        start = jnp.zeros(3, jnp.float32)

        def loss(p, i):
            return jnp.sum((p - target) ** 2) * (1.0 + 0.1 * i)

        found = learners.descend(loss, start, jnp.asarray(0.05, jnp.float32), 20)
        p, adam = start, optax.adam(0.05)
        moments = adam.init(p)
        for i in range(20):
            move, moments = adam.update(jax.grad(loss)(p, i), moments)
            p = optax.apply_updates(p, move)
        np.testing.assert_allclose(found, p, rtol=1e-5)

    def test_features_do_not_depend_on_what_else_is_asked(self, rng):
        net = learners.network(6, 16, 4, jax.random.key(1))
        x = jnp.asarray(rng.random((5, 6)), jnp.float32)
        points = learners.features(net, x)
        np.testing.assert_allclose(learners.features(net, x[:1])[0], points[0], atol=1e-5)
        np.testing.assert_allclose(jnp.linalg.norm(points, axis=1), 2.0, rtol=1e-3)

    def test_whole_numbers_are_uniform(self, rng):
        drawn = learners.whole(jnp.asarray(rng.random(60_000), jnp.float32), 3)
        counts = np.bincount(np.asarray(drawn))
        assert len(counts) == 3
        assert stats.chisquare(counts).pvalue > 1e-4
        assert (np.asarray(learners.whole(jnp.asarray([0.2, 0.99]), 0)) == 0).all()

    def test_a_seed_has_its_own_numbers(self):
        few, many = (learners.Noise.draw(n, 3, (5, 2), [1, 2]) for n in (2, 4))
        np.testing.assert_array_equal(few.normal, many.normal[:2])
        assert not np.allclose(many.normal[0], many.normal[1])
        assert not np.allclose(few.normal, learners.Noise.draw(2, 3, (5, 2), [1, 3]).normal)

    def test_permuted_targets_keep_their_numbers(self, rng):
        targets, used = heads.labelled(3, 5, jnp.asarray(2))
        assert int(used.sum()) == 6
        mixed = generative.permuted(targets, used, jnp.asarray(rng.random(15)))
        np.testing.assert_array_equal((mixed * used[:, None]).sum(axis=0), [2, 2, 2])
        assert not np.array_equal(mixed, targets)

    def test_fisher_ratio_of_many_samples(self, rng):
        prior = Prior(jnp.asarray(rng.normal(size=(1, 3, 2))), jnp.asarray(rng.normal(size=(1, 3, 2)) * 0.4))
        z = np.asarray(prior.sample(jnp.asarray(rng.normal(size=(200_000, 1, 3, 2)))))[:, 0]
        means = z.mean(axis=0)
        between = ((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()
        within = ((z - means) ** 2).sum(axis=2).mean()
        assert float(generative.fisher(prior)[0]) == pytest.approx(np.log(between / within), abs=0.02)


class TestArithmetic:
    TABLE = np.asarray([[0.9, 0.5, 0.5], [0.8, 1.0, 0.5], [0.6, 0.9, 0.7]])

    def test_average_and_forgetting(self):
        assert protocol.average(self.TABLE) == pytest.approx((0.6 + 0.9 + 0.7) / 3)
        assert protocol.forgetting(self.TABLE) == pytest.approx((0.3 + 0.1) / 2)

    def test_forgetting_counts_from_when_a_task_was_learnt(self):
        """What a task scored before it was met is no memory."""
        lucky = self.TABLE.copy()
        lucky[0, 1] = 1.0
        assert protocol.forgetting(lucky) == protocol.forgetting(self.TABLE)

    def test_gains_count_as_negative_forgetting(self):
        assert protocol.forgetting(np.asarray([[0.5, 0.0], [0.9, 1.0]])) == pytest.approx(-0.4)

    def test_one_task_cannot_be_forgotten(self):
        with pytest.raises(ValueError, match="two tasks"):
            protocol.forgetting(np.ones((1, 1)))


@pytest.fixture(scope="module")
def pool() -> streams.Pool:
    return streams.load("digits", 8, 16)


class TestStreams:
    def test_split_tasks_have_two_classes_and_disjoint_images(self, pool):
        stream = streams.split(pool, "split digits", 2, 30, 5, 20, seed=1)
        assert (stream.seeds, stream.tasks, stream.classes) == (2, 5, 2)
        rows = {row.tobytes() for row in pool.x}
        for s in range(2):
            for t in range(5):
                parts = [stream.x[s, t], stream.core[s, t].reshape(10, -1), stream.x_val[s, t], stream.x_test[s, t]]
                found = [row.tobytes() for part in parts for row in part]
                assert len(set(found)) == len(found) == 60 + 10 + 40 + 40
                assert set(found) <= rows
        np.testing.assert_array_equal(np.bincount(stream.y[0, 0]), [30, 30])

    def test_labels_are_those_of_the_images(self, pool):
        stream = streams.split(pool, "split digits", 1, 30, 5, 20)
        label = {pool.x[i].tobytes(): c for c in range(10) for i in pool.rows[c]}
        for t in range(5):
            for x, y in ((stream.x, stream.y), (stream.x_val, stream.y_val), (stream.x_test, stream.y_test)):
                assert [label[row.tobytes()] for row in x[0, t]] == (2 * t + y[0, t]).tolist()
            assert [label[row.tobytes()] for row in stream.core[0, t, 1]] == [2 * t + 1] * 5

    def test_permutations(self, pool):
        stream, still = (streams.shifted(pool, k, 2, 3, 20, 2, 10) for k in ("permuted", "unshifted"))
        np.testing.assert_array_equal(stream.core[:, 0], still.core[:, 0])
        np.testing.assert_array_equal(np.sort(stream.core, axis=-1), np.sort(still.core, axis=-1))
        assert not np.array_equal(stream.core[0, 1], still.core[0, 1])
        np.testing.assert_array_equal(still.core[:, 0], still.core[:, 2])
        # one permutation for all images of a task
        moved = [np.flatnonzero((stream.core[0, 1].reshape(20, -1) != still.core[0, 1].reshape(20, -1)).any(axis=0))]
        assert len(moved[0]) > 20

    def test_a_quarter_turn(self):
        """Task 9 of 20 is turned by 90 degrees, less what is drawn."""
        images = np.random.default_rng(0).random((1, 2, 64)).astype(np.float32)
        still = SimpleNamespace(uniform=lambda: 0.0)
        found = streams._shift(images, "rotated", 9, 20, (8, 8), still).reshape(2, 8, 8)
        quarters = [np.rot90(images.reshape(2, 8, 8), k, axes=(1, 2)) for k in (1, 3)]
        assert min(np.abs(found - q).max() for q in quarters) < 1e-5
        np.testing.assert_allclose(streams._shift(images, "rotated", 0, 20, (8, 8), still), images, atol=1e-6)

    def test_rotated_pixels_stay_in_range(self, pool):
        stream = streams.shifted(pool, "rotated", 1, 4, 20, 2, 10)
        assert 0.0 <= stream.x.min() <= stream.x.max() <= 1.0
        assert not np.allclose(stream.core[0, 1], stream.core[0, 2])

    def test_fewer_classes_are_drawn_for_each_seed(self, pool):
        stream = streams.shifted(pool, "unshifted", 6, 2, 20, 2, 10, classes=2)
        assert stream.classes == 2
        assert len({stream.core[s, 0].mean().round(6) for s in range(6)}) > 1

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda p: streams.split(p, "x", 1, 200, 5, 20), "class 0 has 178 images"),
            (lambda p: streams.shifted(p, "mirrored", 1, 2, 20, 2, 10), "permuted, rotated or unshifted"),
            (lambda p: streams.shifted(p._replace(shape=(4, 4, 4)), "rotated", 1, 2, 20, 2, 10), "grey images"),
            (lambda p: streams.load("digits", 14, 16), "8 x 8"),
            (lambda p: streams.load("cifar10-jpeg", 14, 12), "divide 32"),
        ],
    )
    def test_bad_input(self, pool, call, message):
        with pytest.raises(ValueError, match=message):
            call(pool)

    def test_colour_images_are_shrunk_plane_by_plane(self):
        planes = np.zeros((1, 3, 32, 32), np.uint8)
        planes[0, 0] = 255
        planes[0, 1, :16] = 51
        found = streams._shrunk(planes.reshape(1, -1), 2).reshape(2, 2, 3)
        np.testing.assert_allclose(found[..., 0], 1.0)
        np.testing.assert_allclose(found[..., 1], [[0.2, 0.2], [0.0, 0.0]], atol=1e-7)
        np.testing.assert_array_equal(found[..., 2], 0.0)


@pytest.mark.parametrize(
    "module", [heads, learners, protocol, evidence], ids=lambda module: module.__name__.split(".")[-1]
)
def test_doctests(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
