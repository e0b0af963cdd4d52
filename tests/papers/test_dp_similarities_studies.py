"""Audits and studies: what they find where the truth is known, and that sabotage is seen."""

import numpy as np
import pytest
from scipy import stats

from reprise.papers.kernels_and_features.dp_similarities import (
    accounting,
    audits,
    class_study,
    classifiers,
    clocks,
    distance_study,
    encoders,
    exponentials,
    features,
    ledger,
    projection_study,
    smooth_study,
    trees,
)


class TestAudits:
    def test_a_pure_bound_covers_and_is_near(self) -> None:
        """Randomised response reaches its epsilon with both answers."""
        rng, epsilon = np.random.default_rng(0), 1.5
        share = np.exp(epsilon) / (1 + np.exp(epsilon))
        found = []
        for _ in range(40):
            inside = (rng.random(20_000) < share).astype(float)
            outside = (rng.random(20_000) < 1 - share).astype(float)
            found.append(audits.lower_bound(inside, outside))
        assert np.mean(np.asarray(found) > epsilon) <= 0.15
        assert np.mean(found) > 0.9 * epsilon

    def test_a_gaussian_bound_covers_and_is_near(self) -> None:
        rng, epsilon, delta = np.random.default_rng(1), 1.0, 1e-5
        sigma = accounting.gaussian_sigma(epsilon, delta)
        found = [
            audits.lower_bound(
                1 + sigma * rng.standard_normal(60_000), sigma * rng.standard_normal(60_000), delta=delta
            )
            for _ in range(20)
        ]
        assert np.mean(np.asarray(found) > epsilon) <= 0.15
        assert 0.75 < np.mean(found) < 1.0

    def test_no_difference_means_no_loss(self) -> None:
        rng = np.random.default_rng(2)
        assert audits.lower_bound(rng.standard_normal(4000), rng.standard_normal(4000)) < 0.2

    @pytest.mark.parametrize(
        ("whole", "broken", "delta"),
        [
            (audits.tree_sampler(1.0), audits.tree_sampler(1.0, sensitivity=1.0), 0.0),
            (audits.feature_sampler(1.0), audits.feature_sampler(1.0, sensitivity=2**0.5), 0.0),
            (audits.class_sampler(1.0, 1e-5), audits.class_sampler(1.0, 1e-5, length=2.0), 1e-5),
        ],
        ids=["tree", "features", "classes"],
    )
    def test_only_broken_mechanisms_are_caught(self, whole: object, broken: object, delta: float) -> None:
        right = audits.audit(whole, 30_000, 4, 1.0, delta=delta, seed=5)
        wrong = audits.audit(broken, 30_000, 4, 1.0, delta=delta, seed=5)
        assert 0.5 < right.value < 1.0
        assert wrong.low > 1.3

    def test_the_audited_record_is_among_the_most_revealing(self) -> None:
        """The likelihood ratio of the tree's audit reaches the claimed budget and never exceeds it."""
        scores = audits.tree_sampler(1.0)(True, 20_000, np.random.default_rng(6))
        assert scores.max() == pytest.approx(5.0)  # five nodes, each by at most one, at scale five


class TestDistances:
    def test_noise_is_proportional_to_the_inverse_budget(self) -> None:
        errors = distance_study.by_budget(256, [0.5, 1.0, 4.0], 10, 100, 0.3, 0)
        assert distance_study.slope([0.5, 1.0, 4.0], errors).value == pytest.approx(-1.0, abs=0.05)
        fixed = distance_study.by_budget(256, [0.5, 1.0, 4.0], 10, 100, 0.3, 0, fixed=1.0)
        assert abs(distance_study.slope([0.5, 1.0, 4.0], fixed).value) < 0.05

    def test_pilot_of_the_plan(self) -> None:
        """About 38 and 79 at 1k and 16k points for the tree, 20 and 81 for the grid."""
        found = distance_study.by_size([1024, 16384], 30, 40, 1.0, 0.2, 0)
        assert found.tree.mean(axis=0) == pytest.approx([38, 79], rel=0.3)
        assert found.grid.mean(axis=0) == pytest.approx([20, 81], rel=0.3)
        assert distance_study.noise_law(found).value == pytest.approx(1.0, abs=0.06)
        bend = distance_study.bend([1024, 4096, 16384], np.array([[1.0, 2.0, 3.0]] * 5))
        assert bend.value == pytest.approx(np.log(1.5 / 2.0) / np.log(4.0))

    def test_exponent_in_the_annuli_is_that_of_the_node_weights(self) -> None:
        annuli, levels = [0.05, 0.1, 0.2, 0.4], trees.depth(4096)
        y = distance_study.queries_at(200, np.random.default_rng(1))
        exact = [
            np.log(trees.tree_rms(trees.tree_weights(trees.annuli(y, levels, a), levels), levels, 1.0)).mean()
            for a in annuli
        ]
        expected = np.polyfit(np.log(annuli), exact, 1)[0]
        sampled = distance_study.slope(annuli, distance_study.by_annuli(4096, annuli, 20, 150, 1.0, 0))
        assert sampled.value == pytest.approx(expected, abs=0.04)
        one = distance_study.slope(annuli, distance_study.by_annuli(4096, annuli, 20, 40, 1.0, 0, at=0.3))
        assert one.value > -0.2

    def test_exact_noise_of_both_structures(self) -> None:
        """A flat histogram's is a power of n; the tree's local exponent falls."""
        sizes = [1024, 4096, 16384]
        tree, flat = distance_study.exact_noise(sizes, 100, 1.0, 0.2, 0)
        assert np.allclose(np.diff(np.log((flat**2).mean(axis=0))), np.log(4.0), rtol=0.01)
        assert distance_study.bend(sizes, tree).high < 0.0
        assert np.allclose(distance_study.exact_noise(sizes, 100, 0.5, 0.2, 0)[0], 2.0 * tree)


class TestProjections:
    def test_bias_by_the_law_of_chi_square(self) -> None:
        s, k = np.array([0.3, 1.0, 4.0]), 12
        draws = stats.chi2.rvs(k, size=200_000, random_state=np.random.default_rng(0)) / k
        sampled = np.exp(-np.outer(s, draws)).mean(axis=1) - np.exp(-s)
        assert np.allclose(projection_study.predicted_bias(s, k), sampled, atol=1e-3)

    def test_pair_errors_by_the_law_of_chi_square(self) -> None:
        s = np.linspace(0.2, 4.0, 100)
        draws = stats.chi2.rvs(32, size=(20_000, 1), random_state=np.random.default_rng(0)) / 32
        expected = np.abs(np.exp(-s * draws) - np.exp(-s)).mean()
        for d in (64, 300):
            assert projection_study.pair_errors(d, 32, 100, 60, 0).mean() == pytest.approx(expected, rel=0.05)

    def test_differences_have_their_lengths(self) -> None:
        rng = np.random.default_rng(0)
        for sparse in (False, True):
            v = projection_study.differences(np.array([0.5, 2.0]), 40, rng, sparse=sparse)
            assert np.allclose((v**2).sum(axis=1), [0.5, 2.0])
            assert ((v != 0).sum(axis=1) == (projection_study.ONES if sparse else 40)).all()

    def test_errors_of_private_means_against_a_loop(self) -> None:
        """Without noise worth speaking of, the error is that of the random features alone."""
        found = projection_study.private_means(200, 16, 300, 1e9, [4, None], 3, 0)
        assert found.errors.shape == (3, 2)
        rng = np.random.default_rng([0, 24])
        x, y = features.cloud(200, 16, rng), features.cloud(40, 16, rng)
        structures = features.release(x, 300, 1e9, rng, k=4, times=projection_study.NOISES)
        truth = np.exp(-((x[None] - y[:, None]) ** 2).sum(axis=2)).mean(axis=1)
        assert found.errors[0, 0] == pytest.approx(np.mean([np.abs(s(y) - truth).mean() for s in structures]), rel=1e-6)

    def test_projections_keep_lengths_on_average(self) -> None:
        rng, v = np.random.default_rng(0), np.eye(40)[:3]
        for kind in ("gaussian", "orthogonal", "coordinates"):
            z = np.mean([((v @ projection_study.projection(kind, 40, 10, rng)) ** 2).sum() for _ in range(500)])
            assert z == pytest.approx(3.0, rel=0.1)


class TestSmooth:
    def test_shares_are_optimal(self) -> None:
        _, weights = exponentials.trapezoid(*smooth_study.RULE)
        best = smooth_study.shares(weights)
        assert best.sum() == pytest.approx(1.0)
        rng = np.random.default_rng(0)
        for _ in range(50):
            other = best * np.exp(0.2 * rng.standard_normal(len(best)))
            other /= other.sum()
            assert (weights**2 / other**2).sum() > (weights**2 / best**2).sum()

    def test_the_rule_is_finer_than_the_noise(self) -> None:
        assert exponentials.sup_error(*exponentials.trapezoid(*smooth_study.RULE)) < 0.01

    def test_errors_fall_with_the_budget(self) -> None:
        private, free = (smooth_study.release_errors(500, 4, 400, e, 4, 0).mean() for e in (0.2, 1e6))
        assert free < 0.05
        assert private > 2 * free


def test_comparison_on_few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_study, "PLANS", classifiers.PLANS[:2])
    found = [class_study.compare(encoders.load("digits", 60_000, 0), [1.0, 100.0], 4, 0)]
    assert found[0].similarity.shape == (4, 2)
    assert class_study.learnt(found).value > 0.85
    assert class_study.learnt(found, shuffled=True).value < 0.3
    assert class_study.accuracy_gap(found, drowned=True).value < -0.3
    assert class_study.speed(found).value > 1
    assert class_study.speed(found, itself=True).low < 1 < class_study.speed(found, itself=True).high
    assert "| digits | 100 |" in class_study.reading(found)
    assert min(found[0].noiseless) > 0.75
    assert found[0].noiseless[0] >= found[0].similarity[:, 1].mean() - 0.03
    spent = ledger.Ledger()
    class_study.account(spent, found)
    search = 2 * class_study.search_runs(encoders.load("digits", 60_000, 0)) * 101.0
    assert spent.total("digits")[0] == pytest.approx(2 * 4 * 101.0 + search + 8 * class_study.BROKEN + 4 * 100.0)


def test_what_features_allow() -> None:
    """Classes that differ in one direction among much common scatter: logistic regression learns it, averages do not."""
    rng = np.random.default_rng(7)
    labels = np.arange(600) % 2
    spread = rng.standard_normal((600, 3)) @ np.array([[6.0, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]])
    spread[:, 0] += np.where(labels == 0, -1.0, 1.0)
    spread[:, 1] += np.where(labels == 0, -1.0, 1.0)
    psi = classifiers.unit_rows(spread)
    data = encoders.Encoded("toy", psi[:400], labels[:400], psi[400:], labels[400:], 2)
    means, linear = (float(v) for v in class_study.allowed([("raw", data)]).splitlines()[-1].split("|")[3:5])
    assert linear > means + 0.05
    assert linear > 0.9


def test_the_clock_tells_reading_from_not_reading() -> None:
    sizes = [2048, 8192, 32768]
    seconds = clocks.query_times(sizes, 20, 100, 0.3, 3, 0)
    assert clocks.time_slope(sizes, seconds["exact"]).value > 0.7
    assert abs(clocks.time_slope(sizes, seconds["features"]).value) < 0.3


def test_rounds_time_each_function() -> None:
    found = clocks.rounds([lambda: sum(range(20_000)), lambda: sum(range(200_000))], 5)
    assert found.shape == (5, 2)
    assert 5.0 < np.median(found[:, 1] / found[:, 0]) < 20.0


def test_timed_queries_are_right() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((1000, 7), dtype=np.float32), rng.random(7)
    exact = clocks._exact(x, y.astype(np.float32), np.empty((512, 7), dtype=np.float32))
    assert exact == pytest.approx(np.abs(x - y).sum(), rel=1e-4)
    nodes = np.stack([trees.counts(column, 10) for column in x.T])
    assert clocks._trees(nodes, y, 10, 0.1) == pytest.approx(exact, rel=0.1)
