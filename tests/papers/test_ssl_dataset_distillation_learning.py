"""Networks, views, teacher, distillation, pre-training and what is made of their accuracies (C3 to C6)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import LogisticRegression

from reprise.papers.kernels_and_features.ssl_dataset_distillation import (
    architecture_study,
    augmentation,
    baselines,
    convnets,
    data_free_study,
    distillation,
    image_tasks,
    imitation_study,
    jobs,
    pretraining,
    teacher,
    transfer_figures,
    transfer_study,
)
from reprise.papers.kernels_and_features.ssl_dataset_distillation.augmentation import STILL, Amounts
from reprise.papers.kernels_and_features.ssl_dataset_distillation.convnets import Architecture, Network
from reprise.papers.kernels_and_features.ssl_dataset_distillation.distillation import Choice, Recipe
from reprise.papers.kernels_and_features.ssl_dataset_distillation.small_sets import FAIR, LABELLED, Sets, World
from reprise.papers.kernels_and_features.ssl_dataset_distillation.transfer_study import Accuracies

ARCH = Architecture("conv", (3, 4), 8)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 8, 8)).astype(np.float32)
Y = RNG.standard_normal((12, 5)).astype(np.float32)


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


class TestNetworks:
    def test_convolutions_are_those_of_jax(self) -> None:
        net = convnets.create(ARCH, 5, 0)
        out = jnp.asarray(X)[..., None]
        for layer in net.body:
            filters = layer["w"].reshape(3, 3, out.shape[-1], -1)
            z = jax.lax.conv_general_dilated(out, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            z = (z - z.mean((0, 1, 2))) / jnp.sqrt(z.var((0, 1, 2)) + 1e-5)
            out = jax.lax.reduce_window(jax.nn.relu(z), 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
        features, _ = convnets.embed(ARCH, net, jnp.asarray(X), train=True)
        np.testing.assert_allclose(features, out.reshape(12, -1), rtol=1e-4, atol=1e-5)
        assert features.shape[1] == convnets.width(ARCH)

    def test_running_statistics(self) -> None:
        """After many batches normalisation by them is that by the batch."""
        net = convnets.create(ARCH, 5, 0)
        for _ in range(150):
            trained, stats = convnets.outputs(ARCH, net, jnp.asarray(X), train=True)
            net = net._replace(stats=stats)
        np.testing.assert_allclose(convnets.outputs(ARCH, net, jnp.asarray(X), train=False)[0], trained, atol=1e-4)

    @pytest.mark.parametrize("kind", ["vgg", "resnet", "mlp"])
    def test_other_kinds(self, kind: str) -> None:
        arch = architecture_study.architecture(kind, (3, 4), 8)
        net = convnets.create(arch, 5, 0)
        features, stats = convnets.embed(arch, net, jnp.asarray(X), train=True)
        assert features.shape == (12, convnets.width(arch))
        assert len(stats) == len(net.body) == len(convnets.layers(arch))
        assert float(jnp.min(jnp.std(features, axis=0).max())) > 0

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="blocks fit images of 8 pixels"):
            convnets.layers(Architecture("conv", (2, 2, 2, 2), 8))
        with pytest.raises(ValueError, match="kind"):
            convnets.layers(Architecture("lstm", (2,), 8))
        with pytest.raises(ValueError, match="never saw"):
            architecture_study.architecture("conv", (2,), 8)

    def test_gradients_of_a_convolution(self) -> None:
        """The custom rule against JAX's own differentiation of a sum over the nine neighbours."""
        x, w = RNG.standard_normal((3, 5, 5, 2)), RNG.standard_normal((18, 4))

        def sums(x: Any, w: Any) -> Any:
            padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            parts = (padded[:, i : i + 5, j : j + 5] @ w.reshape(3, 3, 2, 4)[i, j] for i in range(3) for j in range(3))
            return jnp.sum(jnp.sin(sum(parts)))

        found = jax.grad(lambda x, w: jnp.sum(jnp.sin(convnets.convolve(x, w))), argnums=(0, 1))(x, w)
        for a, b in zip(found, jax.grad(sums, argnums=(0, 1))(x, w), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)

    def test_features_in_blocks(self) -> None:
        net = convnets.create(ARCH, 5, 0)
        many = np.random.default_rng(5).standard_normal((convnets.BLOCK + 7, 8, 8)).astype(np.float32)
        whole = convnets.outputs(ARCH, net, jnp.asarray(many), train=False)[0]
        np.testing.assert_allclose(convnets.predictions(ARCH, net, many), whole, rtol=1e-4, atol=1e-5)

    def test_redrawn(self) -> None:
        net = convnets.create(Architecture("conv", (16, 32), 8), 5, 0)
        other = convnets.redrawn(net, jax.random.key(0))
        for old, new in zip(net.body, other.body, strict=True):
            assert float(new["w"].std()) == pytest.approx((2 / old["w"].shape[0]) ** 0.5, rel=0.15)
            assert not np.allclose(old["w"], new["w"])


class TestViews:
    def test_nothing_random(self) -> None:
        seen = augmentation.augment(jax.random.key(0), jnp.asarray(X), -0.5, STILL)
        np.testing.assert_allclose(seen, X, atol=1e-6)

    def test_mirror(self) -> None:
        seen = augmentation.augment(jax.random.key(0), jnp.asarray(X), -0.5, Amounts(flip=1.0))
        np.testing.assert_allclose(seen, X[:, :, ::-1], atol=1e-6)

    def test_noise_and_contrast(self) -> None:
        flat = jnp.full((400, 8, 8), 1.0, jnp.float32)
        seen = augmentation.augment(jax.random.key(1), flat, 0.0, Amounts(noise=0.3))
        assert float(seen.std()) == pytest.approx(0.3, rel=0.02)
        factor = np.asarray(augmentation.augment(jax.random.key(1), flat, 0.0, Amounts(contrast=0.5))[:, 3, 3])
        assert np.exp(-0.5) <= factor.min() < factor.max() <= np.exp(0.5)

    def test_shift_leaves_background(self) -> None:
        point = jnp.zeros((300, 8, 8), jnp.float32).at[:, 4, 4].set(1.0)
        seen = np.asarray(augmentation.augment(jax.random.key(2), point, 0.0, Amounts(shift=0.125)))
        np.testing.assert_allclose(seen.sum(axis=(1, 2)), 1.0, atol=1e-5)
        rows = seen.sum(axis=2) @ np.arange(8)
        assert 3.0 <= rows.min() < 3.3
        assert 4.7 < rows.max() <= 5.0

    def test_cut(self) -> None:
        seen = np.asarray(
            augmentation.augment(jax.random.key(3), jnp.ones((50, 8, 8), jnp.float32), -2.0, Amounts(cut=0.5))
        )
        assert set(np.unique(seen)) == {-2.0, 1.0}
        assert ((seen == -2.0).sum(axis=(1, 2)) <= 16).all()


class TestTeacher:
    def test_loss_against_correlations(self) -> None:
        a, b = np.random.default_rng(1).standard_normal((2, 50, 4))
        cross = np.corrcoef(a.T, b.T)[:4, 4:]
        expected = np.sum((1 - np.diag(cross)) ** 2) + 5e-3 * np.sum((cross - np.diag(np.diag(cross))) ** 2)
        assert float(teacher.barlow_twins(jnp.asarray(a), jnp.asarray(b))) == pytest.approx(expected, rel=1e-4)

    def test_training_lowers_the_loss_and_scale_is_one(self) -> None:
        arch = Architecture("conv", (4, 8), 8, pooled=True)
        found = teacher.train(arch, X, 0.0, Amounts(shift=0.1, noise=0.1), steps=150, batch=12, seed=0)
        assert found.losses[-20:].mean() < 0.6 * found.losses[:20].mean()
        assert teacher.features(found, X).std() == pytest.approx(1.0, rel=1e-4)
        still = teacher.train(arch, X, 0.0, Amounts(shift=0.1, noise=0.1), steps=150, batch=12, seed=0, frozen=True)
        assert len(still.losses) == teacher.CALIBRATION
        for layer, drawn in zip(still.network.body, convnets.create(arch, 8, [0, 12]).body, strict=True):
            np.testing.assert_array_equal(layer["w"], drawn["w"])
        assert all(float(np.min(s["var"])) > 0 and not np.allclose(s["mean"], 0) for s in still.network.stats)
        with pytest.raises(ValueError, match="at most the 12 images"):
            teacher.train(arch, X, 0.0, STILL, steps=1, batch=13, seed=0)


RECIPE = Recipe(ARCH, 2, 6, 8, 10)
VIEWS = np.random.default_rng(2).standard_normal((40, 8, 8)).astype(np.float32)
WANTED = np.tanh(VIEWS.reshape(40, -1)[:, :5])


class TestDistillation:
    def test_what_is_learnt(self) -> None:
        for choice, moves in (
            (Choice(0.01), (True, True)),
            (Choice(0.01, images=0.0), (False, True)),
            (Choice(0.01, targets=0.0), (True, False)),
        ):
            found = distillation.distil(RECIPE, choice, (X, Y), VIEWS, WANTED, seed=0)
            assert (not np.array_equal(found.images, X), not np.array_equal(found.targets, Y)) == moves
            assert (found.slopes > 0).all()
        fresh = distillation.distil(RECIPE, Choice(0.01, fresh=1.0), (X, Y), VIEWS, WANTED, seed=0)
        assert fresh.losses[0] != found.losses[0]

    def test_first_step_is_that_of_optax(self) -> None:
        """The first gradient by differentiation outside of the loop, for a pool of untrained networks."""
        recipe = RECIPE._replace(pool=1, steps=1)
        found = distillation.distil(recipe, Choice(0.01, fresh=1.0), (X, Y), VIEWS, WANTED, seed=4)
        rng = np.random.default_rng([4, 17])
        rng.integers(1, 6, 1)
        rng.integers(0, 1, 1)
        rows = rng.integers(0, 40, (1, 10))[0]
        net = convnets.create(ARCH, 5, [4, 18, 0])
        pairs = (jnp.asarray(X), jnp.asarray(Y))

        def loss(pairs: Any) -> Any:
            f = convnets.embed(ARCH, net, pairs[0], train=False)[0].astype(jnp.float64)
            g = convnets.embed(ARCH, net, jnp.asarray(VIEWS[rows]), train=False)[0].astype(jnp.float64)
            f, g = (jnp.concatenate([a, jnp.ones((len(a), 1))], axis=1) for a in (f, g))
            k = f @ f.T
            ridge = jax.lax.stop_gradient(1e-6 * jnp.trace(k))
            return jnp.mean((WANTED[rows] - g @ f.T @ jnp.linalg.inv(k + ridge * jnp.eye(12)) @ pairs[1]) ** 2)

        value, slopes = jax.value_and_grad(loss)(pairs)
        assert found.losses[0] == pytest.approx(float(value), rel=1e-3)
        optimiser = optax.adamw(0.01, weight_decay=0.0)
        moves, _ = optimiser.update(slopes, optimiser.init(pairs), pairs)
        np.testing.assert_allclose(found.targets - Y, moves[1], atol=2e-4)
        assert np.mean(np.abs((found.images - X) - np.asarray(moves[0])) < 2e-4) > 0.98

    def test_loss_falls(self) -> None:
        recipe = RECIPE._replace(steps=150, batch=40)
        found = distillation.distil(recipe, Choice(0.03), (X, Y), VIEWS, WANTED, seed=0)
        assert found.losses[-10:].mean() < 0.7 * found.losses[:10].mean()

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="do not fit"):
            distillation.distil(RECIPE, Choice(0.01), (X, Y), VIEWS, WANTED[:-1], seed=0)


class TestPretraining:
    def test_regression_steps_are_those_of_optax(self) -> None:
        lesson = pretraining.regression(0.1)
        found = pretraining.pretrain(ARCH, lesson, X, Y, 4, seed=3)
        net = convnets.create(ARCH, 5, 3)
        optimiser = optax.chain(
            optax.add_decayed_weights(1e-3), optax.sgd(lambda n: 0.1 * jnp.where(n < 2, 1.0, 0.1), momentum=0.9)
        )
        parts = (net.body, net.head)
        state = optimiser.init(parts)
        for _ in range(4):
            slope = jax.grad(
                lambda p: jnp.mean(
                    (convnets.outputs(ARCH, Network(p[0], p[1], net.stats), jnp.asarray(X), train=True)[0] - Y) ** 2
                )
            )(parts)
            moves, state = optimiser.update(slope, state, parts)
            parts = optax.apply_updates(parts, moves)
        # optax scales the accumulated momentum by the present rate, as here
        for a, b in zip(jax.tree.leaves((found.body, found.head)), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)

    def test_error_of_the_mean_is_one(self) -> None:
        net = convnets.create(ARCH, 5, 0)
        wanted = np.random.default_rng(0).standard_normal((12, 5))
        net = net._replace(head={"w": net.head["w"] * 0, "b": jnp.asarray(wanted.mean(axis=0), jnp.float32)})
        assert pretraining.relative_error(ARCH, net, X, wanted) == pytest.approx(1.0, rel=1e-6)

    def test_softmax_regression_against_scikit_learn(self) -> None:
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, 200)
        x = (rng.standard_normal((200, 4)) + 1.5 * np.eye(4)[y]).astype(np.float32)
        w = np.asarray(pretraining._softmax_regression(jnp.asarray(x), jnp.asarray(y), jnp.float32(0.01)))
        other = LogisticRegression(C=1 / (2 * 200 * 0.01)).fit(x, y)
        assert np.mean((x @ w[:-1] + w[-1]).argmax(axis=1) == other.predict(x)) > 0.97

    def test_a_target_is_learnt(self) -> None:
        target = image_tasks.load_target("held-out", "digits", 8, 60, 60, 200)
        net = convnets.create(ARCH, 5, 0)
        found = pretraining.transfer(ARCH, net, target, (0.03,), 40, seed=0)
        assert found.test.shape == (1,)
        assert min(found.test[0], found.linear) > 0.5


class TestSets:
    source = image_tasks.load_source("digits", 8, 600, 100)

    def test_source(self) -> None:
        assert set(np.unique(self.source.labels)) == set(range(6))
        assert self.source.x.mean() == pytest.approx(0.0, abs=1e-5)
        assert self.source.x.min() == pytest.approx(self.source.background, rel=1e-5)
        with pytest.raises(ValueError, match="unlabelled: digits has"):
            image_tasks.load_source("digits", 8, 5000, 100)

    def test_target_parts_are_disjoint(self) -> None:
        target = image_tasks.load_target("held-out", "digits", 8, 60, 60, 200, seed=1)
        rows = [set(map(bytes, part)) for part in (target.x, target.x_val, target.x_test)]
        assert not (rows[0] & rows[1])
        assert not (rows[0] & rows[2])
        assert not (rows[1] & rows[2])
        assert set(np.unique(target.y)) == {0, 1, 2, 3}
        with pytest.raises(ValueError, match="too few"):
            image_tasks.load_target("held-out", "digits", 8, 600, 60, 200)

    def test_the_source_as_a_target(self) -> None:
        target = image_tasks.load_target("source", "digits", 8, 60, 60, 200, seed=1)
        assert set(np.unique(target.y)) == set(np.unique(target.y_test)) == set(range(6))
        assert not (set(map(bytes, target.x)) & set(map(bytes, target.x_test)))

    def test_lessons(self) -> None:
        none = teacher.Teacher(ARCH, convnets.create(ARCH, 1, 0), 1.0, np.zeros(0))
        strong = augmentation.strong(flip=False)
        world = World(self.source, none, none, VIEWS, WANTED, WANTED, np.zeros(40, int), strong)
        lessons = {n: imitation_study.lesson_of(world, n, 0.3, 0.1) for n in (*LABELLED, *FAIR, "KRR-ST")}
        assert [lessons[n].labels for n in (*LABELLED, *FAIR, "KRR-ST")] == [1, 1, 1, 0, 1, 1, 1, 0]
        assert [lessons[n].amounts == STILL for n in (*LABELLED, *FAIR)] == [False] * 3 + [True] * 4
        assert lessons["ridge on labels"] == lessons["KRR-ST"]

    def test_subsets(self) -> None:
        x, labels = baselines.random_subset(self.source, 30, seed=0)
        assert np.bincount(labels).tolist() == [5] * 6
        known = {bytes(image): label for image, label in zip(self.source.x, self.source.labels, strict=True)}
        assert [known[bytes(image)] for image in x] == labels.tolist()
        middle, labels = baselines.centroids(self.source, 12, labelled=True, seed=0)
        means = np.stack([self.source.x[self.source.labels == c].mean(axis=0) for c in range(6)])
        nearest = ((middle[:, None] - means) ** 2).sum(axis=(2, 3)).argmin(axis=1)
        np.testing.assert_array_equal(nearest, labels)
        with pytest.raises(ValueError, match="multiple of the 6"):
            baselines.random_subset(self.source, 31, seed=0)

    def test_class_vectors(self) -> None:
        vectors = baselines.class_vectors(np.array([0, 3, 5]), 8, centred=True)
        np.testing.assert_allclose(vectors.sum(axis=1), 0.0, atol=1e-6)
        assert np.mean(vectors**2) == pytest.approx(1.0)
        assert np.all(vectors[:, 6:] == 0)

    def test_matching_brings_class_means_together(self) -> None:
        start = baselines.random_subset(self.source, 6, seed=0)
        found = baselines.match_distributions(ARCH, self.source, start, STILL, steps=60, rate=0.1, batch=40, seed=0)
        means = np.stack([self.source.x[self.source.labels == c].mean(axis=0) for c in range(6)])
        assert np.linalg.norm(found - means) < 0.8 * np.linalg.norm(start[0] - means)

    def test_shuffled_pixels(self) -> None:
        moved, targets = architecture_study.shuffle_pixels((X, Y), seed=0)
        np.testing.assert_array_equal(np.sort(moved.reshape(12, -1)), np.sort(X.reshape(12, -1)))
        assert not np.allclose(moved, X)
        assert targets is Y


def accuracies(gap: float) -> Accuracies:
    """Two targets, four seeds; KRR-ST better than every other method by `gap` on the first and worse on the second."""
    noise = 0.001 * np.arange(4)
    tuned = {}
    for sign, name in ((1, "a"), (-1, "b")):
        for k, method in enumerate(("no pre-training", *LABELLED, "random, teacher")):
            tuned[name, method] = 0.5 + 0.01 * k + noise**1.5
        tuned[name, "KRR-ST"] = 0.55 + sign * gap + noise
    return Accuracies(("a", "b"), tuned, tuned, {})


def accuracies_without_home(found: Accuracies) -> Accuracies:
    return found._replace(tuned={place: v for place, v in found.tuned.items() if place[0] != "source"})


class TestEvidence:
    def test_targets_won(self) -> None:
        assert scalar(transfer_study.targets_won(accuracies(0.1))) == 0.5
        assert scalar(transfer_study.targets_won(accuracies(0.001))) == pytest.approx(1.0)
        assert scalar(transfer_study.targets_won(accuracies(0.1), by="no pre-training")) == 0.0

    def test_mean_rank(self) -> None:
        assert scalar(transfer_study.mean_rank(accuracies(0.2))) == (1 + 7) / 2
        assert scalar(transfer_study.mean_rank(accuracies(0.2), by="no pre-training")) == 6.0

    def test_gains(self) -> None:
        found = accuracies(0.2)
        worst = transfer_study.over_no_pretraining(found)
        assert scalar(worst) == pytest.approx(-0.15, abs=0.01)
        assert scalar(transfer_study.mean_gain(found, "random, teacher")) == pytest.approx(0.0, abs=0.01)
        assert scalar(architecture_study.mean_gain({"mlp": found}, "random, labels")) == pytest.approx(0.04, abs=0.01)

    def test_advantage_at_home_and_over_plain_baselines(self) -> None:
        """On the source the baselines gain five points, so the advantage shrinks by as much; plain ones lose ten."""
        found = accuracies(0.1)
        tuned = dict(found.tuned)
        for name in ("a", "b", "source"):
            tuned[name, "KRR-ST"] = tuned["a", "KRR-ST"]
            for method in LABELLED:
                tuned[name, method] = tuned["a", method] + 0.05 * (name == "source")
            for method in FAIR:
                tuned[name, method] = tuned["a", "random, labels"] - 0.1
        found = found._replace(tuned=tuned)
        assert scalar(transfer_study.shrinkage(found)) == pytest.approx(0.05)
        report = transfer_study.controls_report(found)
        assert "smaller there" in report
        own = tuned["a", "KRR-ST"].mean() - tuned["a", "random, labels"].mean() + 0.1
        assert f"without their augmentation: {100 * own:+.1f} [" in report
        assert "source" not in transfer_study.controls_report(accuracies_without_home(found))

    def test_students(self) -> None:
        found = {
            "KRR-ST": np.array([0.8, 0.7, 0.9]),
            "random, teacher": np.array([0.8, 0.8, 0.7]),
            "Gaussian noise": np.full(3, 0.5),
        }
        assert scalar(data_free_study.over_noise(found)) == pytest.approx(0.3)
        gaps = np.array([0.0, -0.1, 0.2])
        expected = gaps.mean() / (gaps.std(ddof=1) / 3**0.5)
        assert scalar(data_free_study.beside_random(found)) == pytest.approx(expected)

    def test_jobs_keep_their_order(self) -> None:
        assert jobs.run(lambda n: -n, list(range(20)), "numbers") == [-n for n in range(20)]
        assert jobs.run(lambda n: n, [], "nothing") == []

    def test_table_and_figure_with_and_without_the_source(self) -> None:
        found = accuracies(0.1)
        tuned = {**found.tuned, **{("source", m): v for (n, m), v in found.tuned.items() if n == "a"}}
        with_source = found._replace(tuned=tuned, linear=tuned)
        head = transfer_figures.rates_table(with_source).splitlines()[0]
        assert head == "| fine-tuned / linear (%) | a | b | source |"
        for accs, groups in ((found, 2), (with_source, 3)):
            values = {
                **accs.tuned,
                **{(n, "shuffled teacher"): v - 0.1 for (n, m), v in accs.tuned.items() if m == "KRR-ST"},
            }
            _, table = transfer_figures.transfer(accs._replace(tuned=values, linear=values))
            assert table["x"].nunique() == groups
            row = table[(table["panel"] == "linear") & (table["series"] == "shuffled teacher") & (table["x"] == "b")]
            expected = 100 * (values["b", "shuffled teacher"] - values["b", "no pre-training"]).mean()
            assert row["value"].item() == pytest.approx(expected)


class TestOuterGradient:
    def test_against_differences_and_frozen(self) -> None:
        source = image_tasks.Source("digits", X, np.zeros(12, int), X, np.zeros(12, int), 0.0)
        none = teacher.Teacher(ARCH, convnets.create(ARCH, 1, 0), 1.0, np.zeros(0))
        world = World(source, none, none, VIEWS, WANTED, WANTED, np.zeros(40, int), STILL)
        right, frozen = imitation_study.outer_gradient(world, ARCH, [Sets({"random, teacher": (X, Y)}, {}, (X, Y))])
        assert scalar(right) < 1e-5 < 1e-2 < scalar(frozen)
