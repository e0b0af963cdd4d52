"""Learners, protocol and evidence on a tiny stream: what may change, what must not, and that controls fail."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from reprise.papers.kernels_and_features.generative_kernel_cl import (
    costs,
    evidence,
    figures,
    generative,
    heads,
    learners,
    networks,
    protocol,
    stored,
    streams,
    study,
    tables,
)
from reprise.papers.kernels_and_features.generative_kernel_cl.learners import Sizes
from reprise.papers.kernels_and_features.generative_kernel_cl.protocol import Bench, Runs

SIZES = Sizes(hidden=24, latent=4, frequencies=16, memory=10, steps=60, batch=8, draws=3, rate_decay=0.85)
MEMORIES = [1, 2, 10]
GRID = study.Grid([0.01], [10.0], [0.3])


def scalar(estimate: Any) -> float:
    return float(np.asarray(estimate.value))


@pytest.fixture(scope="module")
def found() -> dict[str, study.Found]:
    """All benchmarks, small."""
    return study.everything(
        ["digits"], "digits", 2, 5, 8, 16, [60, 60, 30, 30], 3, SIZES, MEMORIES, GRID, 9, seed=5
    )  # fmt: skip


@pytest.fixture(scope="module")
def split(found) -> study.Found:
    return evidence.judged(found)


@pytest.fixture(scope="module")
def bench(split) -> Bench:
    return Bench(split.stream, 9, seed=5)


def learnt(bench: Bench, learner: Any, plan: Any, tasks: int = 2) -> list[Any]:
    """States of the first seed before and after each task."""
    ((runs, rows),) = bench._batches([plan] * 3, bench.stream.seeds)
    states = [bench.start(learner, rows)]
    for t in range(tasks):
        noise = bench._noise(learner, t)[0]
        states.append(learners.trained(learner, states[-1], runs, bench.images, jnp.asarray(t), noise))
    return states


class TestGenerative:
    def test_old_priors_and_heads_stay(self, bench, split):
        _, first, second = learnt(bench, split.generator, split.chosen[study.GENERATED])
        np.testing.assert_array_equal(first.prior.mean[:, 0], second.prior.mean[:, 0])
        np.testing.assert_array_equal(first.prior.log_var[:, 0], second.prior.log_var[:, 0])
        np.testing.assert_array_equal(first.scalars[:, 0], second.scalars[:, 0])
        assert not np.allclose(first.prior.mean[:, 1], second.prior.mean[:, 1])
        weights = (s.model.encoder.weights[0] for s in (first, second))
        assert not np.allclose(*weights)

    def test_rehearsal_begins_with_the_second_task(self, bench, split):
        plan = split.chosen[study.GENERATED]
        with_it, without = (learnt(bench, split.generator, plan._replace(rehearse=r)) for r in (1.0, 0.0))
        np.testing.assert_array_equal(with_it[1].prior.mean, without[1].prior.mean)
        assert not np.allclose(with_it[2].prior.mean, without[2].prior.mean)

    def test_a_state_holds_no_image(self, split):
        """Its size does not depend on how many images there were."""
        state, d = split.of(study.GENERATED).state, split.stream.x.shape[-1]
        count = sum(leaf[0].size for leaf in jax.tree.leaves(state) if hasattr(leaf, "size"))
        h, z = SIZES.hidden, SIZES.latent
        encoder = d * h + h + h * h + h + 2 * z * h + 2 * z
        decoder = z * h + h + h * h + h + h * d + d
        assert count == encoder + decoder + 5 * 2 * 2 * z + 5 * 3

    def test_only_counted_samples_matter(self, bench, split):
        state = jax.tree.map(lambda leaf: leaf[0], split.of(study.GENERATED).state)
        now = generative.Trained(state.model, state.prior.at(0), state.scalars[0])
        plan = split.chosen[study.GENERATED]._replace(memory=jnp.asarray(2))
        rng = np.random.default_rng(0)
        noise, queries = rng.normal(size=(2, 10, 4)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
        other = noise.copy()
        other[:, 2:] += 1.0
        a, b = (split.generator.head(now, jnp.asarray(queries), plan, jnp.asarray(n)) for n in (noise, other))
        np.testing.assert_array_equal(a, b)
        other[:, 0] += 1.0
        assert not np.allclose(a, split.generator.head(now, jnp.asarray(queries), plan, jnp.asarray(other)))

    def test_union_is_one_ridge_on_all_samples(self):
        rng = np.random.default_rng(1)
        core, queries = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 50, 2))
        y, targets = rng.integers(0, 2, (3, 50)), np.eye(2)[[0, 0, 1, 1]]
        seen, scalars = np.asarray([True, True, False]), jnp.asarray([0.3, 1.0, 0.0])
        core_, queries_, y_, targets_ = (jnp.asarray(v) for v in (core, queries, y, targets))
        wide = heads.joined(targets_, jnp.ones(4), jnp.asarray(seen), jnp.tile(scalars, (3, 1)))
        found = heads.linear_scores(queries_.reshape(-1, 2), core_.reshape(-1, 2), *wide)
        out = heads.right_among_seen(found, y_, jnp.asarray(seen))
        labels = np.asarray([0, 0, 1, 1, 2, 2, 3, 3])
        peer = KernelRidge(alpha=0.3 + heads.FLOOR).fit(core[:2].reshape(8, 2), np.eye(4)[labels])
        for t in range(2):
            right = (peer.predict(queries[t]).argmax(axis=1) == y[t] + 2 * t).mean()
            assert float(out[t]) == pytest.approx(right)
        assert float(out[2]) == 0.0

    def test_rehearsal_prevents_forgetting_and_permuted_labels_are_at_chance(self, split):
        kept, lost = (split.of(m) for m in (study.GENERATED, study.FORGETFUL))
        assert kept.final.mean() > lost.final.mean() + 0.1
        assert abs(protocol.average(kept.found["permuted"]).mean() - 0.5) < 0.1

    def test_decoded_samples_are_features_of_images(self, split):
        state = jax.tree.map(lambda leaf: leaf[0], split.of(study.GENERATED).state)
        noise = jnp.asarray(np.random.default_rng(2).normal(size=(2, 10, 4)), jnp.float32)
        z = split.generator.samples(state.model, state.prior.at(0), noise)
        again = split.generator._replace(images=True).samples(state.model, state.prior.at(0), noise)
        images = jax.nn.sigmoid(state.model.decode(z))
        np.testing.assert_allclose(again, state.model.encode(images)[0], rtol=1e-5)


class TestStored:
    @pytest.mark.parametrize("memory", [2, 10])
    def test_heads_are_ridge_regressions_on_present_features(self, bench, split, memory):
        runs = split.of("linear", memory)
        state = jax.tree.map(lambda leaf: leaf[1], runs.state)
        stream, task = split.stream, 2
        core = stream.core[1, task, :, :memory].reshape(2 * memory, -1)
        c, q = (np.asarray(learners.features(state.shared.net, jnp.asarray(x))) for x in (core, stream.x_test[1, task]))
        ridge = abs(float(state.scalars[task, 0])) + heads.FLOOR
        peer = KernelRidge(alpha=ridge).fit(c, np.repeat(np.eye(2), memory, axis=0)).predict(q)
        right = (peer.argmax(axis=1) == stream.y_test[1, task]).mean()
        assert runs.found["accuracy"][1, -1, task] == pytest.approx(right, abs=1.5 / len(q))

    def test_frequencies_start_at_the_standard_normal(self, bench):
        learner = stored.Stored(SIZES)
        state = bench.start(learner, [0])
        shared = jax.tree.map(lambda leaf: leaf[0], state.shared)
        mean, log_var = shared.frequencies(jnp.ones((20, 4), jnp.float32), jnp.ones(20, jnp.float32))
        np.testing.assert_array_equal(np.concatenate([mean, log_var]), 0.0)

    def test_each_kernel_is_its_own(self, bench):
        learner = stored.Stored(SIZES)
        shared = jax.tree.map(lambda leaf: leaf[0], bench.start(learner, [0]).shared)
        rng = np.random.default_rng(0)
        points = jnp.asarray(rng.normal(size=(20, 4)), jnp.float32)
        luck = stored.Luck(jnp.asarray(rng.normal(size=(16, 4)), jnp.float32), jnp.zeros(16, jnp.float32))
        found = []
        for i in range(3):
            plan = stored.Plan(0, 10, 0.1, tuple(float(i == j) for j in range(3)))
            found.append(learner.kernels(shared, plan, points, points, jnp.ones(20, jnp.float32), luck)[1])
        np.testing.assert_allclose(found[0], points @ points.T, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.diag(found[1]), 1.0, rtol=1e-5)
        assert len({float(k[0, 1]) for k in found}) == 3


class TestNetworks:
    def test_fine_tuning_leaves_other_heads(self, bench, split):
        plan = split.chosen[study.FINE_TUNED]
        _, first, second = learnt(bench, networks.Networks(SIZES), plan)
        np.testing.assert_array_equal(first.heads[:, 0], second.heads[:, 0])
        np.testing.assert_array_equal(second.heads[:, 2:], 0.0)
        _, _, rehearsed = learnt(bench, networks.Networks(SIZES), plan._replace(rehearse=1.0))
        assert not np.allclose(first.heads[:, 0], rehearsed.heads[:, 0])

    def test_joint_training_is_the_ceiling(self, split):
        assert split.of(study.JOINT).final.mean() > split.of(study.FINE_TUNED).final.mean()


class TestProtocol:
    def test_results_do_not_depend_on_how_many_runs_are_trained_at_once(self, split):
        plan = split.chosen[study.FINE_TUNED]
        learner = networks.Networks(SIZES)
        stream = split.stream
        small = Bench(stream, 2, seed=5).follow(learner, {"a": plan, "b": plan._replace(joint=1.0)})
        large = Bench(stream, 6, seed=5).follow(learner, {"b": plan._replace(joint=1.0), "a": plan})
        for name in "ab":
            np.testing.assert_allclose(small[name].found["accuracy"], large[name].found["accuracy"], atol=0.07)
        np.testing.assert_allclose(small["a"].final, split.of(study.FINE_TUNED).final, atol=0.03)

    def test_the_better_plan_is_chosen(self, bench, split):
        plan = split.chosen[study.FINE_TUNED]
        options = [plan._replace(rate=0.0), plan, plan._replace(rate=1e-6)]
        assert bench.choose(networks.Networks(SIZES), options) == 1

    def test_memories_must_fit(self, split):
        for memories in ([1, 2], [10, 1], [1, 1, 10]):
            with pytest.raises(ValueError, match="memories must increase"):
                study.run(split.stream, SIZES, memories, GRID, 9)


def runs(values: Any, **more: Any) -> Runs:
    table = np.broadcast_to(np.asarray(values, dtype=float)[:, None, None], (len(values), 3, 3))
    return Runs({"accuracy": table, **{k: np.full((len(values), 3, 3), v) for k, v in more.items()}}, None)


class TestEvidence:
    THEIRS = np.asarray([0.90, 0.91, 0.92, 0.91, 0.90])

    def invented(self, gain: float) -> Any:
        table = {(study.GENERATED, n): runs(self.THEIRS + gain, permuted=0.5) for n in MEMORIES}
        table |= {(study.VARIATIONAL, n): runs(self.THEIRS) for n in MEMORIES}
        return study.Found(SimpleNamespace(classes=2), table, {}, MEMORIES, None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("gain", "sign"), [(0.02, 1), (-0.02, -1)])
    def test_sign(self, gain, sign):
        for judge in (evidence.a_tenth, evidence.equal_memory, evidence.small_memories):
            measured, control = judge(self.invented(gain))
            assert sign * scalar(measured) > 0
            assert np.asarray(control.high) < 0

    def test_one_standard_error_is_allowed(self):
        error = evidence.standard_error(self.THEIRS)
        assert error == pytest.approx(self.THEIRS.std(ddof=1) / 5**0.5)
        assert scalar(evidence.a_tenth(self.invented(-error))[0]) == pytest.approx(0.0, abs=1e-12)

    def test_least_memory(self):
        assert evidence.reaching(self.invented(0.0)) == 1
        assert evidence.reaching(self.invented(-0.05)) is None

    def test_a_tenth_must_have_been_run(self):
        found = self.invented(0.0)._replace(memories=[2, 5, 30])
        with pytest.raises(ValueError, match="a tenth of the last, 3"):
            evidence.a_tenth(found)

    def test_controls_of_the_small_run(self, found):
        three = evidence.benchmarks(found)
        assert list(three) == ["split digits", "permuted", "rotated"]
        measured, control = evidence.rehearsal(three)
        assert scalar(measured) < -0.05
        assert abs(scalar(control)) < 0.1
        measured, control = evidence.first_task(three)
        assert scalar(control) < 0.6 < scalar(measured)
        for key in ("accuracy", "fisher", "nearest"):
            assert all(np.isfinite(scalar(e)) for e in evidence.contrast(three, key))
        separation = evidence.contrast(three, "fisher")
        assert scalar(separation[1]) < scalar(separation[0])


class TestCosts:
    def test_bytes(self, split):
        state = split.of(study.GENERATED).state
        own = 2 * 2 * SIZES.latent + 3
        assert costs.generator_bytes(split, 7) - costs.generator_bytes(split, 0) == 4 * 7 * own
        networks_alone = sum(
            leaf[0].size for leaf in jax.tree.leaves(state.model) if hasattr(leaf, "dtype") and leaf.ndim > 1
        )
        assert costs.generator_bytes(split, 0) == 4 * networks_alone
        assert costs.stored_bytes(split, 3, 10) == 3 * 10 * 2 * 64

    def test_break_even_is_where_the_curves_cross(self, split):
        even = costs.break_even(split, 10)
        before, after = int(np.floor(even)), int(np.ceil(even))
        assert costs.stored_bytes(split, before, 10) <= costs.generator_bytes(split, before)
        assert costs.stored_bytes(split, after, 10) >= costs.generator_bytes(split, after)

    def test_growth(self, split):
        measured, control = costs.growth(split)
        assert scalar(control) == 20.0
        assert 1.0 < scalar(measured) < 2.0

    def test_rehearsing_everything_costs_more(self, split):
        steps = costs.steps(split, 5)
        assert 0.0 < scalar(steps.share) < 1.0
        assert scalar(steps.time(itself=True)) == pytest.approx(1.0, abs=0.5)
        decoded = costs.steps(split, 5, images=True)
        assert scalar(decoded.share) < scalar(steps.share)


class TestShown:
    def test_figures_hold_what_they_draw(self, found, split):
        three = evidence.benchmarks(found)
        kept, lost = (study.generated_images(split, m, 2) for m in (study.GENERATED, study.FORGETFUL))
        assert kept.shape == (3, 5, 2, 2, 64)
        assert 0.0 <= kept.min() <= kept.max() <= 1.0
        shares = [study.recognised(split, images) for images in (kept, lost)]
        assert shares[0].shape == (3, 5)
        drawn = [
            figures.memories(found), figures.first_task(found), figures.contrast(three), figures.overview(three),
            figures.samples(split, kept, lost), figures.ages(split, *shares),
        ]  # fmt: skip
        for figure, table in drawn:
            assert figure.axes
            assert np.isfinite(table["value"].astype(float)).all()

    def test_real_images_are_recognised(self, split):
        """By the network that judges generated ones."""
        stream = split.stream
        images = np.moveaxis(stream.core, 3, 3)
        assert study.recognised(split, images).mean() > 0.9

    def test_tables(self, found, split):
        for text in (tables.methods(found), tables.union(found), tables.variants(found), tables.chosen(found)):
            assert text.count("\n") >= 3
            assert "nan" not in text
        assert "split digits" in tables.memory(split)


def test_streams_of_one_shape_share_compiled_functions(found):
    shapes = {tuple(f.stream.x.shape) for f in found.values()}
    assert len(shapes) == 1
    assert isinstance(found["permuted"].stream, streams.Stream)
