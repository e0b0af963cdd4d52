"""The paper's method against independent truths: theorems' tables, explicit gradients, neural-tangents, word2vec's own loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from reprise.kernels.nt import stax
from reprise.papers.infinite_width.feature_learning import (
    abc_space,
    analogies,
    convergence,
    corpus,
    deep_limit,
    dichotomy,
    exponents,
    few_shot,
    kernel_maml,
    linear_limit,
    maml,
    meanfield_limit,
    meta_study,
    networks,
    word2vec,
)
from reprise.papers.infinite_width.feature_learning.word2vec import INFINITE, Settings

PLAN = corpus.Plan(concepts=6, forms=3, concept_words=2, form_words=3, filler=10)


class TestSpace:
    @pytest.mark.parametrize(
        ("point", "r", "kind"),
        [
            (abc_space.ntk(3), 0.5, "kernel"),
            (abc_space.standard(3, rate=1.0), 0.5, "kernel"),
            (abc_space.standard(3, rate=0.0), -1.0, "unstable"),
            (abc_space.mu_p(3), 0.0, "features"),
            (abc_space.mean_field(), 0.0, "features"),
            (abc_space.mu_p(2).replace_output(b=0.0, name=""), -0.5, "unstable"),
            (abc_space.blowing_up(), 0.5, "unstable"),
            (abc_space.trivial(), 0.5, "trivial"),
        ],
    )
    def test_the_table(self, point: abc_space.Parametrisation, r: float, kind: str) -> None:
        assert point.r == pytest.approx(r)
        assert point.kind == kind

    def test_mean_field_is_mu_p_in_other_numbers(self) -> None:
        shifted, mean_field = abc_space.mu_p(1).shifted(0.5), abc_space.mean_field()
        assert shifted[1:] == mean_field[1:]

    def test_the_output_layer_of_ntk_has_the_exponent_a_of_mu_p(self) -> None:
        assert abc_space.ntk(2).a[-1] == abc_space.mu_p(2).a[-1]
        assert abc_space.ntk(2).b[-1] != abc_space.mu_p(2).b[-1]

    @given(some.floats(-3, 3))
    def test_classes_are_invariant_under_the_symmetry(self, theta: float) -> None:
        stable, unstable = abc_space.sample(0)
        for point in [*stable, *unstable, abc_space.trivial()]:
            moved = point.shifted(theta)
            assert moved.r == pytest.approx(point.r, abs=1e-9)
            assert moved.kind == point.kind

    def test_the_sample_is_stable_and_covers_both_classes(self) -> None:
        stable, unstable = abc_space.sample(3)
        assert len(stable) == 18
        assert {point.kind for point in stable} == {"features", "kernel"}
        assert {point.r for point in unstable} == {-0.5}
        assert {round(point.r, 6) for point in abc_space.sample(1, 6)[0]} == {0.0, 0.25, 0.5}


class TestNetworks:
    def test_forward_is_the_definition(self) -> None:
        rng = np.random.default_rng(0)
        w = (rng.normal(size=(5, 2)), rng.normal(size=(5, 5)), rng.normal(size=5))
        a, x = np.array([-0.5, 0.25, 0.5]), np.array([0.6, -0.8])
        f, h = networks.forward(tuple(jnp.asarray(v) for v in w), jnp.asarray(x), jnp.asarray(5.0), jnp.asarray(a))
        first = 5**0.5 * w[0] @ x
        second = 5**-0.25 * w[1] @ np.tanh(first)
        assert np.allclose(h, [first, second], rtol=1e-12)
        assert float(f) == pytest.approx(5**-0.5 * w[2] @ np.tanh(second), rel=1e-12)

    def test_training_is_the_loop_by_hand(self) -> None:
        """One hidden layer with gradients written out; also that spare slots change nothing."""
        n, point, rate = 6, abc_space.ntk(1), 0.3
        task = networks.make_task(0)
        key = jax.random.key(5)
        run = networks.train([point], n, task, key=key, seeds=1, rates=rate, records=(3,), slots=9, dtype=jnp.float64)
        drawn = networks.draw(jax.random.split(key, 1)[0], jnp.asarray(6.0), 9, 1, 2, jnp.float64)
        u, v = (np.asarray(part)[:n] for part in drawn)
        for x, y in zip(task.x[:3], task.y[:3], strict=True):
            h = u @ x
            chi = n**-0.5 * v @ np.tanh(h) - y
            u, v = (
                u - rate * chi * n**-0.5 * np.outer(v * (1 - np.tanh(h) ** 2), x),
                v - rate * chi * n**-0.5 * np.tanh(h),
            )
        assert np.allclose(run.f[0, 0, -1], n**-0.5 * v @ np.tanh(u @ task.probes.T), rtol=1e-10)
        start = np.asarray(drawn[0])[:n] @ task.probes.T
        moved = np.tanh(u @ task.probes.T) - np.tanh(start)
        assert run.features[0, 0, 0] == pytest.approx(np.sqrt(np.mean(moved**2)), rel=1e-10)

    def test_the_linearised_network_is_kernel_descent(self) -> None:
        n, point, rate = 8, abc_space.mu_p(2), 0.4
        task = networks.make_task(1)
        key = jax.random.key(2)
        run = networks.train(
            [point], n, task, key=key, seeds=1, rates=rate, records=(4,), linear_steps=4, dtype=jnp.float64
        )
        a, width = jnp.asarray(point.a), jnp.asarray(8.0)
        normal = networks.draw(jax.random.split(key, 1)[0], width, networks.SHARED, 2, 2, jnp.float64)
        w = networks.start(normal, width, jnp.asarray(point.b))
        points = np.concatenate([task.probes, task.x])
        gradients = [jax.grad(lambda v, p=p: networks.forward(v, p, width, a)[0])(w) for p in jnp.asarray(points)]
        flat = np.stack([np.concatenate([np.ravel(part) for part in g]) for g in gradients])
        kernel = flat @ flat.T
        f = np.array([float(networks.forward(w, p, width, a)[0]) for p in jnp.asarray(points)])
        for i in range(4):
            f = f - rate * (f[3 + i] - task.y[i]) * kernel[:, 3 + i]
        assert np.allclose(run.linear[0, 0], f[:3], rtol=1e-9)

    def test_symmetry_holds_and_its_control_fails(self) -> None:
        right, wrong = dichotomy.symmetry(4, width=16)
        assert right.high < 1e-12
        assert wrong.low > 1e-3

    def test_tiles_leave_order_and_seeds_alone(self) -> None:
        points, task = [abc_space.ntk(1), abc_space.mu_p(1)], networks.make_task(0)
        both = networks.train(points, 8, task, key=jax.random.key(0), seeds=20, rates=0.5, records=(1, 2))
        one = networks.train(points[1:], 8, task, key=jax.random.key(0), seeds=20, rates=0.5, records=(1, 2))
        assert both.f.shape == (20, 2, 3, 3)
        assert np.allclose(both.f[:, 1], one.f[:, 0], rtol=1e-5)

    def test_the_largest_rate_of_a_linear_model_is_known(self) -> None:
        """In the standard parametrisation wide networks diverge where the last layer does: eta |x|^2 of about 2."""
        rates = exponents.largest_rates(abc_space.standard(1, rate=0.0), [256], seed=0, seeds=4, steps=40)
        task = networks.make_task(0)
        rng = np.random.default_rng(0)
        square = np.mean(np.tanh(rng.normal(size=(4000, 2)) @ task.x.T) ** 2)
        assert 1.0 < rates.mean() * 256 * square < 5.0


class TestEstimates:
    def test_regression_finds_a_planted_slope(self) -> None:
        widths, expected = [10, 100, 1000], np.array([-0.5, -0.25, 0.0, 0.5])
        rng = np.random.default_rng(0)
        noise = np.exp(0.05 * rng.normal(size=(12, 4, 3)))
        tables = noise * np.array(widths) ** (0.8 * expected[:, None])
        found = dichotomy.regression(tables, widths, expected)
        assert found.low < 0.8 < found.high
        assert found.high < 0.9

    def test_the_exponent_over_all_depths_holds_every_interval(self) -> None:
        widths, rng = [8, 32, 128], np.random.default_rng(2)
        shown = {}
        for depth, power in ((2, -0.4), (3, -0.6)):
            moved = np.array(widths) ** power * np.exp(0.02 * rng.normal(size=(20, 2, 3)))
            runs = [networks.Run(*[moved[:, None, :, k]] * 5) for k in range(3)]
            shown[depth] = exponents.Movement([abc_space.ntk(depth)], widths, [1, 5], runs)
        (found,) = exponents.over_all(shown)
        assert found.value == pytest.approx(-0.5, abs=0.02)
        assert -0.65 < found.low < -0.6 < -0.4 < found.high < -0.35
        assert len(found.samples) == 4

    def test_the_best_kernel_may_be_one_that_was_not_meta_trained(self) -> None:
        one, two = np.full((3, 2), 0.4), np.array([[0.45, 0.5]] * 3)
        rest = np.full((3, 2), 0.3)
        meta = meta_study.MetaStudy([2, 0], np.arange(2), rest[:, None], rest, rest, one, two, rest[:, 0])
        assert np.all(meta.best_kernel == 0.5)

    def test_relabelling_gives_every_prediction_away(self) -> None:
        expected = np.arange(10.0)
        other = dichotomy.relabelled(expected, 3)
        assert sorted(other) == sorted(expected)
        assert not np.any(other == expected)

    def test_regressing_out_the_scatter_keeps_the_mean(self) -> None:
        rng = np.random.default_rng(1)
        omega = rng.normal(size=(4000, 20, 2)) / np.sqrt(20)
        gram = np.einsum("snk,snl->skl", omega, omega)
        gap = gram - np.eye(2)
        f = (1.5 + 2 * gap[:, 0, 1] + gap[:, 0, 0] ** 2)[:, None]
        quiet = convergence.without_scatter(f, gram)
        assert quiet.std() < 0.5 * f.std()
        assert quiet.mean() == pytest.approx(1.5 + 2 / 20, abs=0.01)


class TestLimits:
    def test_finite_linear_networks_are_the_recursion_with_their_gram(self) -> None:
        problem = linear_limit.make_problem(0)
        keys = jax.random.key_data(jax.random.split(jax.random.key(0), 3))
        f, gram = convergence.train_linear(
            keys,
            *(jnp.asarray(v) for v in (problem.x, problem.y[:, 0], problem.probes)),
            0.5,
            jnp.asarray(7.0),
            slots=12,
        )
        for k in range(3):
            expected = linear_limit.trajectory(problem, rate=0.5, gram=np.asarray(gram[k]))[-1, :, 0]
            assert np.allclose(f[k], expected, rtol=1e-9)

    def test_first_step_from_zero_by_hand(self) -> None:
        problem = linear_limit.make_problem(2, steps=1)
        x, y = problem.x[0], problem.y[0, 0]
        # U <- U + eta y V x, V <- V + eta y U x: E[VU] = eta y (1 + 1) x, and the cubic term's mean vanishes with it
        expected = 0.5 * y * 2 * (problem.probes @ x)
        assert np.allclose(linear_limit.trajectory(problem, rate=0.5)[-1, :, 0], expected, rtol=1e-12)
        assert np.allclose(linear_limit.kernel_trajectory(problem, rate=0.5)[-1, :, 0], expected, rtol=1e-12)

    def test_quadrature_converges_and_agrees_with_particles(self) -> None:
        problem = linear_limit.make_problem(3)
        exact = meanfield_limit.trajectory(problem, rate=1.0, order=44)[-1]
        assert np.allclose(exact, meanfield_limit.trajectory(problem, rate=1.0, order=32)[-1], atol=1e-3)
        rng = np.random.default_rng(0)
        u, v = rng.normal(size=(200_000, 2)), rng.normal(size=200_000)
        for x, y in zip(problem.x, problem.y[:, 0], strict=True):
            active = np.tanh(u @ x)
            chi = np.mean(v * active) - y
            u, v = u - chi * np.outer(v * (1 - active**2), x), v - chi * active
        assert np.allclose(exact, np.mean(v[:, None] * np.tanh(u @ problem.probes.T), axis=0), atol=0.02)

    def test_small_steps_make_both_limits_agree(self) -> None:
        problem = linear_limit.make_problem(4)
        near, kernel = (
            f(problem, rate=1e-4)[-1] for f in (meanfield_limit.trajectory, meanfield_limit.kernel_trajectory)
        )
        assert np.allclose(near, kernel, rtol=1e-3)

    def test_two_layers_agree_with_a_very_wide_network(self) -> None:
        x, probes = np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.6, 0.8]])
        right, wrong = (deep_limit.after_one_step(x, 1.0, probes, rate=1.0, transpose=t) for t in (True, False))
        rng, n, found = np.random.default_rng(0), 1000, []
        for _ in range(8):
            u, w, v = rng.normal(size=(n, 2)), rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n)
            h1 = u @ x
            x1 = np.tanh(h1)
            h2 = w @ x1
            chi = v @ np.tanh(h2) / n - 1.0
            dh2 = v * (1 - np.tanh(h2) ** 2)
            u1 = u - chi * np.outer((w.T @ dh2) * (1 - x1**2), x)
            w1, v1 = w - chi * np.outer(dh2, x1) / n, v - chi * np.tanh(h2)
            found.append([v1 @ np.tanh(w1 @ np.tanh(u1 @ p)) / n for p in probes])
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(8)
        assert np.all(np.abs(mean - right) < 5 * error + 0.005)
        assert np.all(np.abs(mean - wrong) > 5 * error)

    def test_finite_networks_come_closer(self) -> None:
        problem = linear_limit.make_problem(0)
        found = convergence.nonlinear(problem, [16, 256], seed=0, seeds=64, rate=1.0)
        near, far = (float(np.mean(e)) for e in found.errors(found.limit))
        assert 2.5 < near / far < 6.5
        assert found.score(found.kernel).value > 5


class TestWords:
    def test_a_sentence_has_what_the_plan_says(self) -> None:
        words = corpus.sentences(PLAN, 200, seed=0)
        assert words.shape == (200, PLAN.length)
        assert words.max() < PLAN.vocabulary
        assert np.all((words < PLAN.grid).sum(axis=1) == 1)

    def test_shuffling_keeps_frequencies(self) -> None:
        words = corpus.sentences(PLAN, 50, seed=0)
        mixed = corpus.shuffled(words, seed=1)
        assert np.array_equal(np.bincount(words.ravel()), np.bincount(mixed.ravel()))
        assert not np.array_equal(words, mixed)

    def test_contexts_are_neighbours_within_the_window(self) -> None:
        words = np.arange(8)[None]
        found = corpus.examples(words, window=2, vocabulary=8, seed=0)
        for target, around in zip(found.target, found.context, strict=True):
            near = set(around[around < 8])
            assert target not in near
            assert near
            assert all(abs(int(k) - int(target)) <= 2 for k in near)

    def test_a_step_is_word2vecs_loop(self) -> None:
        rng = np.random.default_rng(0)
        vocabulary, rate = 7, 0.1
        u, v = rng.normal(size=(2, vocabulary, 7))
        target, context = np.array([2]), np.array([[0, 3, 0, vocabulary]])
        negatives = rng.uniform(size=vocabulary)
        around = [0, 3, 0]
        h = u[around].mean(axis=0)
        pull = np.zeros(7)
        v_new = v.copy()
        for w in range(vocabulary):
            label, times = (1.0, 1.0) if w == 2 else (0.0, negatives[w])
            g = rate * times * (label - 1 / (1 + np.exp(-h @ v[w])))
            pull += g * v[w]
            v_new[w] += g * h
        u_new = u.copy()
        for w in around:
            u_new[w] += pull / 3
        vectors = word2vec.Vectors(jnp.asarray(u), jnp.asarray(v))
        found = word2vec.step(vectors, target, context, jnp.asarray(negatives), jnp.asarray(rate), 0.0)
        assert np.allclose(found.u, u_new, rtol=1e-10)
        assert np.allclose(found.v, v_new, rtol=1e-10)

    def test_very_wide_vectors_are_the_limit(self) -> None:
        """Rotation to V columns keeps inner products, which tend to the identity."""
        wide = np.asarray(word2vec.start(40_000, 20, seed=0).u)
        assert np.abs(wide @ wide.T - np.eye(20)).max() < 0.03
        data = [corpus.examples(corpus.sentences(PLAN, 300, seed=0), window=4, vocabulary=PLAN.vocabulary, seed=0)] * 2
        starts = [word2vec.start(n, PLAN.vocabulary, seed=0) for n in (100_000, INFINITE)]
        near, limit = word2vec.train(starts, data, PLAN.vocabulary, Settings(epochs=2))[:, -1]
        assert np.abs(near @ near.T - limit @ limit.T).max() < 0.05 * np.abs(limit @ limit.T).max()

    def test_zero_columns_stay_zero(self) -> None:
        data = [corpus.examples(corpus.sentences(PLAN, 100, seed=0), window=4, vocabulary=PLAN.vocabulary, seed=0)]
        start = word2vec.start(5, PLAN.vocabulary, seed=0)
        found = word2vec.train([start], data, PLAN.vocabulary, Settings(epochs=1))[0, -1]
        assert np.all(found[:, 5:] == 0)
        assert not np.allclose(found[:, :5], np.asarray(start.u)[:, :5])

    def test_planted_vectors_answer_everything_and_orthogonal_ones_nothing(self) -> None:
        rng = np.random.default_rng(0)
        concept, form = rng.normal(size=(PLAN.concepts, 30)), rng.normal(size=(PLAN.forms, 30))
        vectors = 0.01 * rng.normal(size=(PLAN.vocabulary, 30))
        vectors[: PLAN.grid] = (concept[:, None] + form[None]).reshape(-1, 30)
        asked = analogies.questions(PLAN, count=200, seed=0)
        assert analogies.accuracy(vectors, asked) > 0.95
        assert analogies.accuracy(np.eye(PLAN.vocabulary), asked) == 0.0

    def test_silhouette_is_scikit_learns(self) -> None:
        from sklearn.metrics import silhouette_score

        rng = np.random.default_rng(0)
        points, group = rng.normal(size=(20, 2)), np.repeat([0, 1], 10)
        assert analogies.silhouette(points, group) == pytest.approx(silhouette_score(points, group), rel=1e-12)


class TestFewShot:
    def test_tasks_have_five_classes_and_two_drawings_of_each(self) -> None:
        pool = few_shot.Pool(np.zeros((6, few_shot.DRAWINGS, 2), np.float32))
        found = few_shot.tasks(pool, 300, seed=0)
        classes = found.support // few_shot.DRAWINGS
        assert all(len(set(row)) == 5 for row in classes)
        assert np.array_equal(classes, found.query // few_shot.DRAWINGS)
        assert not np.any(found.support == found.query)
        assert np.allclose(np.bincount(classes.ravel()) / 300, 5 / 6, atol=0.1)

    @pytest.mark.parametrize("moves", [0.0, 1.0])
    def test_the_meta_gradient_is_that_of_explicit_adaptation(self, moves: float) -> None:
        rng = np.random.default_rng(0)
        images, answers = (
            jnp.asarray(rng.normal(size=(3, 10, 4))),
            jnp.asarray(rng.permuted(np.tile(np.arange(5), (3, 1)), axis=1)),
        )
        u, b, v = (jnp.asarray(rng.normal(size=shape)) for shape in ((6, 4), (6,), (5, 6)))
        alpha = 0.7

        def loss(weights: tuple[jax.Array, ...], x: jax.Array, wanted: jax.Array) -> jax.Array:
            first, bias, last = weights
            logits = (first @ x.T + alpha * bias[:, None]).T @ last.T
            return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(5), wanted])

        total = [jnp.zeros_like(part) for part in (u, b, v)]
        factors = (moves, moves, 1.0)
        for x, wanted in zip(images, answers, strict=True):
            inner = jax.grad(loss)((u, b, v), x[:5], jnp.arange(5))
            adapted = tuple(w - f * maml.INNER_RATE * g for w, f, g in zip((u, b, v), factors, inner, strict=True))
            outer = jax.grad(loss)(adapted, x[5:], wanted)
            total = [t + f * g for t, f, g in zip(total, factors, outer, strict=True)]
        norm = np.sqrt(sum(float(jnp.sum(t**2)) for t in total))
        found = maml.meta_gradient(maml.Network(u, b, v), images, answers, jnp.asarray(alpha), jnp.asarray(moves))
        assert norm > maml.CLIP
        for part, expected in zip(found, total, strict=True):
            assert np.allclose(part, expected * maml.CLIP / norm, atol=1e-10)

    def test_hyperparameters_are_the_papers_on_omniglot_and_common_elsewhere(self) -> None:
        assert [meta_study.hyper(n, tuned=True).rate for n in (2, 8, 32, 128, 512, INFINITE)] == [
            0.05,
            0.1,
            0.4,
            0.1,
            0.1,
            0.1,
        ]
        assert meta_study.hyper(INFINITE, tuned=True).sigma2 == 0.03125
        assert len({meta_study.hyper(n, tuned=False) for n in (2, 32, INFINITE)}) == 1

    def test_spare_rows_change_nothing(self) -> None:
        split = few_shot.synthetic(seed=0, classes=20)
        stream, test = few_shot.tasks(split.train, 64, seed=0), few_shot.tasks(split.test, 50, seed=1)
        scores = []
        for rows in (8, 12):
            net = maml.start(8, 48, maml.TUNED[8], seed=0, rows=rows)
            done = maml.meta_train(net, split.train, stream, maml.TUNED[8])[-1]
            scores.append((np.asarray(done.u)[:8], maml.accuracy(done, split.test, test, maml.TUNED[8])))
        assert np.allclose(scores[0][0], scores[1][0], atol=1e-5)
        assert scores[0][1] == pytest.approx(scores[1][1], abs=0.02)

    @pytest.mark.parametrize("tangent", [False, True])
    def test_kernels_are_neural_tangents(self, tangent: bool) -> None:
        x = np.random.default_rng(0).normal(size=(6, 5))
        layers = stax.serial(stax.Dense(8, W_std=1.0, b_std=None), stax.Relu(), stax.Dense(1, W_std=1.0, b_std=None))
        extended = np.concatenate([x, np.full((6, 1), np.sqrt(0.4))], axis=1)
        expected = layers[2](extended, None, "ntk" if tangent else "nngp") * 6
        assert np.allclose(kernel_maml.Kernel(tangent, 1.0, 0.4)(x, x), expected, rtol=1e-6)

    def test_a_kernel_has_nothing_to_learn_and_a_feature_learner_has(self) -> None:
        split = few_shot.synthetic(seed=1)
        found = meta_study.study(
            split, [2, 16], batches=150, kernel_batches=20, kernel_classes=40, test_tasks=150, seed=1, seeds=2
        )
        assert found.limit.mean() > found.best_kernel.mean() + 0.15
        assert abs(found.kernels.mean() - found.untrained.mean()) < 0.06
        assert abs(found.frozen[:, -1].mean() - found.frozen[:, 0].mean()) < 0.06
        assert found.accuracy[:, 0, -1].mean() < found.limit.mean()

    def test_kernels_get_the_hyperparameters_that_serve_them_best(self) -> None:
        split = few_shot.synthetic(seed=2)
        some = few_shot.Pool(split.plain.images[:20])
        lessons = few_shot.tasks(some, 30 * maml.TASK_BATCH, seed=0)
        validation = few_shot.tasks(split.validation, 100, seed=1)
        kernels = kernel_maml.candidates(split.validation, validation, tangent=True)
        from_zero = [kernel_maml.accuracy(kernel, split.validation, validation) for kernel in kernels]
        assert from_zero == sorted(from_zero, reverse=True)
        assert len({kernel.scale for kernel in kernels}) == len(kernels) == len(kernel_maml.SCALES)

        def after(kernel: kernel_maml.Kernel, rate: float) -> float:
            points, weights = kernel_maml.meta_train(kernel, some, lessons, rate=rate)
            return kernel_maml.accuracy(kernel, split.validation, validation, points=points, weights=weights)

        few = [kernels[0], kernels[-1]]
        scores = {(kernel, rate): after(kernel, rate) for kernel in few for rate in kernel_maml.RATES}
        chosen = kernel_maml.tuned_for_training(few, some, lessons, split.validation, validation)
        assert len(set(scores.values())) > 1
        assert scores[chosen] == max(scores.values())

    def test_the_linear_kernel_is_the_frozen_network(self) -> None:
        """Adaptation with a frozen first layer is kernel descent with the linear kernel."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(10, 4))
        net = maml.start(INFINITE, 4, maml.Hyper(0.1, 1.0, 0.0, 0.0), seed=0)
        h, v = maml.adapt(
            jnp.asarray(np.asarray(net.u, np.float64) @ x.T),
            jnp.asarray(np.asarray(net.v, np.float64)),
            jnp.asarray(x @ x.T),
            3,
            0.4,
            jnp.asarray(0.0),
        )
        expected = kernel_maml.adapt((x @ x.T)[None], np.zeros((1, 10, 5)), 3)[0]
        assert np.allclose((v @ h).T, expected, rtol=1e-9)

    @pytest.mark.data
    def test_omniglot_parts_share_no_class(self, real_data: object) -> None:
        split = few_shot.omniglot(seed=0, size=14, validation=100)
        assert [len(part.images) for part in split] == [4 * 864, 864, 100, 659]
        assert np.array_equal(split.train.images[:864], split.plain.images)
        test = few_shot.tasks(split.test, 300, seed=0)
        assert 0.3 < few_shot.nearest_neighbour(split.test, test) < 0.7


def test_figures_hold_what_they_draw() -> None:
    from reprise.papers.infinite_width.feature_learning import figures

    rng = np.random.default_rng(0)
    widths = [16, 64, 256]
    fall = np.array(widths) ** -0.5 * np.exp(0.1 * rng.normal(size=(8, 3)))
    finite = [np.zeros((8, 2)) + column[:, None] for column in fall.T]
    approach = convergence.Approach(widths, finite, finite, np.zeros(2), np.ones(2))
    fig, data = figures.approaches(dict.fromkeys(("one", "two", "three"), approach))
    assert set(data.series) == {"limit", "control: wrong theory", "prediction"}
    assert len(fig.axes) == 3
    drawn = data[(data.panel == "one") & (data.series == "limit")]
    assert np.allclose(drawn.value, fall.mean(axis=0))
