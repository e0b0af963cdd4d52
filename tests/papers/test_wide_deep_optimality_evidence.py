"""Wide and deep optimality: experiments and their estimates, against brute force and made-up samples."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from reprise.compendium import cards
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import consistency as co
from reprise.papers.infinite_width.wide_deep_optimality import figures, finite, network_figures, tasks, taxonomy
from reprise.papers.infinite_width.wide_deep_optimality import regression as rg
from reprise.papers.infinite_width.wide_deep_optimality.evidence import extreme

# Taxonomy


@pytest.fixture(scope="module")
def rules() -> taxonomy.Agreement:
    return taxonomy.agreement([1, 30, 3000], n=20, tests=60, sets=4, seed=5)


def test_deep_networks_become_their_rule_and_shallow_ones_are_not(rules: taxonomy.Agreement) -> None:
    for limit in ("nearest", "singular", "majority"):
        names = rules.members(limit)
        assert len(names) >= 2
        assert taxonomy.least(rules, names).value > 0.97
        assert taxonomy.shallow(rules, names).value < 0.97
    assert "ReLU" not in rules.members("majority")


def test_sides_count_points_where_two_rules_differ() -> None:
    signs = np.array([[1.0, -1.0, 1.0, 1.0]])
    which = np.array([[1.0, -1.0, 1.0, 1.0], [1.0, 1.0, 1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]])
    counts = taxonomy._sides(signs, which)[0]
    np.testing.assert_array_equal(counts[0, 1], [2, 2])
    np.testing.assert_array_equal(counts[1, 0], [0, 2])
    np.testing.assert_array_equal(counts[2, 0], [0, 3])


def test_networks_side_with_their_rule_and_against_a_scrambled_one() -> None:
    """Two networks that are their rules, but for one in ten points of the second where it sides with the first rule."""
    rng = np.random.default_rng(1)
    sides: dict[str, list[np.ndarray]] = {"near": [], "far": []}
    for _ in range(5):
        which = np.where(rng.random((3, 200)) < 0.5, 1.0, -1.0)
        flawed = np.where(rng.random(200) < 0.1, which[0], which[2])
        sides["near"].append(taxonomy._sides(which[:1], which))
        sides["far"].append(taxonomy._sides(flawed[None], which))
    found = taxonomy.Agreement(
        (1,), {}, {name: np.stack(v) for name, v in sides.items()}, {"near": "nearest", "far": "majority"}
    )
    assert taxonomy.siding(found).value == pytest.approx(0.9, abs=0.05)
    assert taxonomy.siding(found, shift=1).high < 0.2


def test_the_way_of_the_relu_is_told_at_every_depth(rules: taxonomy.Agreement) -> None:
    said = taxonomy.relu_on_its_way(rules)
    assert all(f"L = {d}: " in said for d in rules.depths)


def test_regions_and_agreement_are_drawn_from_their_data(rules: taxonomy.Agreement) -> None:
    _, drawn = figures.agreement_with_depth(rules)
    one = drawn[(drawn.activation == "ReLU") & (drawn["hidden layers"] == 3000)]
    assert one.value.item() == pytest.approx(rules.shares["ReLU"][:, :, -1, 2].mean())
    _, regions = figures.three_rules(20, 3000, 5, side=12)
    relu = regions[(regions.panel == "ReLU") & (regions.kind == "region")]
    assert set(relu["class"]) == {-1.0}
    assert len(regions[regions.kind == "training point"]) == 20


# Consistency


@pytest.fixture(scope="module")
def curves() -> co.Curves:
    return co.curves(1, [20, 160], depth=200, tests=80, sets=6, tuned=2, seed=2)


def test_curves_hold_all_rules_and_their_limits(curves: co.Curves) -> None:
    assert set(curves.excess) == set(co.RULES)
    assert all(table.shape == (6, 2, 3) and table.min() >= 0 for table in curves.excess.values())
    assert set(curves.limits) == {"α = d", "1-nearest neighbour", "α = d/4"}
    # The network made for d is the Hilbert estimate up to a bounded factor of its weights.
    assert (curves.at("α = d/2") - curves.at("Hilbert estimate")).mean() == pytest.approx(0.0, abs=0.02)
    assert curves.at("majority").mean() > 3 * curves.at("α = d/2").mean()
    assert set(curves.tuned) == {"k nearest neighbours", "Gaussian SVM"}
    assert "d = 1" in co.reading(curves)


def test_majority_has_the_smaller_class_as_its_error(curves: co.Curves) -> None:
    assert curves.at("majority").mean() + curves.bayes.mean() == pytest.approx(0.4, abs=0.05)


def test_labels_nest_and_keep_their_kind() -> None:
    train = tasks.draw(2, 30, np.random.default_rng(0))
    columns = co._labels(train, [10, 30], np.random.default_rng(1))
    assert columns.shape == (30, 6)
    np.testing.assert_array_equal(columns[:, 0], train.y * (np.arange(30) < 10))
    np.testing.assert_array_equal(columns[:, 3], train.bayes)
    assert set(columns[:, 5]) == {-1.0, 1.0}
    assert np.any(columns[:, 5] != train.y)


def test_nearest_neighbours_of_nested_sets_are_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    train, test = tasks.draw(2, 60, rng), tasks.draw(2, 40, rng)
    columns = co._labels(train, [15, 60], rng)
    found = co._nearest(train.x, columns, [15, 60], test.x)
    for v in range(6):
        n = (15, 60)[v % 2]
        peer = KNeighborsClassifier(1).fit(train.x[:n], columns[:n, v])
        np.testing.assert_array_equal(found[:, v], peer.predict(test.x))


def test_a_vote_is_interpolation_once_the_gram_matrix_is_diagonal() -> None:
    rng = np.random.default_rng(6)
    train, test = tasks.draw(2, 50, rng), tasks.draw(2, 70, rng)
    net = cl.Network(ac.optimal(2), 120)
    assert co.is_identity(net, train.x)
    assert not co.is_identity(net._replace(depth=5), train.x)
    votes = co.predictions([net], train.x, train.y[:, None], test.x, 2)[0, :, 0]
    np.testing.assert_array_equal(co._sign(votes), cl.decide(net, cl.pairs(train.x, test.x), train.y))
    with pytest.raises(ValueError, match="too few"):
        co.predictions([net._replace(depth=5)], train.x, train.y[:, None], test.x, 2)


def test_global_average_is_the_vote_of_a_large_sample() -> None:
    net, test = cl.Network(ac.pole(0.25), 200), tasks.draw(1, 300, np.random.default_rng(9))
    crowd = tasks.draw(1, 20_000, np.random.default_rng(10))
    vote = co.predictions([net], crowd.x, (2 * crowd.eta - 1)[:, None], test.x, 1)[0, :, 0]
    assert (co._sign(vote) == co.global_average(net, test)).mean() > 0.97


def made_up(own: list[list[float]], near: list[float], most: float) -> co.Curves:
    """Two sizes, drawn labels alone; two sets each with its own values."""
    table = np.zeros((2, 2, 3))
    excess = dict.fromkeys(co.RULES, table + 0.5)
    excess["α = d/2"] = np.array(own)[:, :, None] + np.zeros(3)
    excess["1-nearest neighbour"] = np.array(near)[:, None, None] + table
    excess["majority"] = most + table
    return co.Curves(2, (10, 20), excess, np.zeros(2), {"α = d": np.array([0.1, 0.1])}, {})


def test_estimates_of_made_up_curves() -> None:
    found = made_up([[0.2, 0.1], [0.4, 0.1]], [0.3, 0.3], 0.4)
    assert co.fall(found).value == pytest.approx(1 / 3)
    assert co.lead(found).value == pytest.approx(0.2)
    assert co.ranking(found).value == pytest.approx((0.25, 0.75, 1.0))
    assert co.plateau(found, "α = d/2", "α = d").value == pytest.approx(1.0)


def test_extreme_holds_for_all_means_at_once() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal([0.0, 1.0, 5.0], 1.0, (40, 3))
    low, high = extreme(samples, "least"), extreme(samples, "largest")
    assert low.value == pytest.approx(samples.mean(axis=0).min())
    assert high.value == pytest.approx(samples.mean(axis=0).max())
    alone = extreme(samples[:, :1], "least")
    assert low.low < alone.low


# Finite networks


def test_wide_networks_have_the_kernels_of_the_recursion() -> None:
    good = finite.errors(ac.optimal(2), {1: [64, 1024]}, {1: 60}, points=6, seed=1)
    bad = finite.errors(finite.plain(), {1: [64, 1024]}, {1: 60}, points=6, seed=1)
    for table in (good.nngp[1], good.ntk[1]):
        assert np.median(table[:, 1]) < 0.45 * np.median(table[:, 0])
    assert np.median(bad.ntk[1][:, 1]) > 1.0
    assert finite.slope(good, "nngp", 1).value == pytest.approx(-0.5, abs=0.2)


def test_limits_follow_the_plain_recursion() -> None:
    x = tasks.draw(2, 5, np.random.default_rng(2)).x
    sigma, theta = finite.limits(x, ac.optimal(2), 3)
    c = np.clip(x @ x.T, 0, 1)
    expected_sigma = expected_theta = c
    for _ in range(3):
        expected_theta = (expected_sigma**3 + expected_sigma) / 2 + expected_theta * (3 * expected_sigma**2 + 1) / 2
        expected_sigma = (expected_sigma**3 + expected_sigma) / 2
    np.testing.assert_allclose(sigma, expected_sigma, atol=1e-12)
    np.testing.assert_allclose(theta, expected_theta, atol=1e-11)


def test_variance_deviations_grow_as_the_moments_say() -> None:
    a, b = 1 / math.sqrt(2) - 3 / math.sqrt(12), 1 / math.sqrt(12)
    assert finite.instability(ac.optimal(2), 1) == pytest.approx(a * a + 12 * a * b + 45 * b * b, rel=1e-5)
    assert finite.instability(ac.optimal(2), 3) == pytest.approx((a * a + 12 * a * b + 45 * b * b) ** 3, rel=1e-4)
    assert finite.instability(ac.relu(), 4) == pytest.approx(1.0, rel=1e-4)


def test_unnormalised_polynomials_are_other_functions() -> None:
    x = jnp.asarray([0.3, -1.2])
    np.testing.assert_allclose(finite.plain().function(x), (x + x**3 - 3 * x) / math.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(
        ac.optimal(2).function(x), (x + (x**3 - 3 * x) / math.sqrt(6)) / math.sqrt(2), rtol=1e-12
    )


def test_kernel_descent_is_gradient_descent() -> None:
    x = tasks.draw(2, 12, np.random.default_rng(3)).x
    theta, y, rate = finite.limits(x, ac.optimal(2), 1)[1], np.array([1.0, -1.0, 1.0, 1.0]), 0.7
    coefficients = np.zeros(4)
    for _ in range(37):
        coefficients -= rate / 4 * (theta[:4, :4] @ coefficients - y)
    np.testing.assert_allclose(finite.descent(theta, y, 37, rate), theta[4:, :4] @ coefficients, atol=1e-10)


def test_trained_networks_follow_their_kernel() -> None:
    options = {"count": 3, "n": 8, "tests": 60, "steps": 60, "seed": 1}
    found = finite.trained(ac.optimal(2), [32, 2048], [1], **options)
    assert found.agreement[1].shape == (3, 2)
    assert finite.agreement(found, 1).value > 0.9
    x, y, _ = finite.coin_task(8, 60, 1)
    assert y.sum() == 0
    assert x.shape == (8, 3)


# Depth, for values and for signs


def test_values_are_those_of_plain_interpolation() -> None:
    rng = np.random.default_rng(12)
    train, test = tasks.draw(2, 6, rng), tasks.draw(2, 15, rng)
    found = rg.predict(cl.Network(ac.optimal(2), 9), cl.pairs(train.x, test.x), train.y)
    gram, cross = train.x @ train.x.T, test.x @ train.x.T
    for _ in range(9):
        gram, cross = (gram**3 + gram) / 2, (cross**3 + cross) / 2
    np.testing.assert_allclose(found, cross @ np.linalg.solve(gram, train.y), rtol=1e-4, atol=1e-6)


def test_quality_is_the_expectation_over_labels() -> None:
    rng = np.random.default_rng(13)
    test = tasks.draw(2, 40, rng)
    f = rng.normal(size=40)
    labels = np.where(rng.random((20_000, 40)) < test.eta, 1.0, -1.0)
    excess, mse, share = rg._quality(f, test)
    assert mse == pytest.approx(((f - labels) ** 2).mean(), rel=0.01)
    risk = (np.where(f >= 0, 1.0, -1.0) != labels).mean() - tasks.bayes_error(test)
    assert excess == pytest.approx(risk, abs=0.005)
    bayes = 2 * test.eta - 1
    assert share == pytest.approx((f @ bayes) ** 2 / (f @ f) / (bayes @ bayes))
    assert rg._quality(3.0 * bayes, test)[2] == pytest.approx(1.0)
    assert rg._quality(bayes, test)[0] == 0.0


def test_the_best_depth_is_chosen_on_other_sets() -> None:
    table = np.array([[1.0, 3.0, 4.0], [1.0, 3.0, 4.0], [5.0, 2.0, 4.0], [5.0, 2.0, 4.0]])
    # The first half prefers depth 0, judged on the second: 4 - 5; the second prefers depth 1, judged on the first: 4 - 3.
    assert rg.from_best(table).value == pytest.approx(0.0)
    assert sorted(rg.from_best(table).samples) == [-1, -1, 1, 1]
    assert rg.at_best(rg.Depths((1, 2, 3), table, table, table)).value == pytest.approx((5 + 5 + 3 + 3) / 4)


def test_one_exploding_set_moves_no_median() -> None:
    calm = np.tile([3.0, 2.0, 2.5], (8, 1)) + np.linspace(0.0, 0.01, 8)[:, None]
    wild = calm.copy()
    wild[1, 1] = wild[6, 1] = 1e6
    assert rg.from_best(wild, typical=True).value == pytest.approx(0.5)
    found = rg.at_best(rg.Depths((1, 2, 3), wild, wild, wild))
    assert found.value == pytest.approx(2.005, abs=0.01)
    # Means choose another depth, at which the greatest depth is better.
    assert rg.from_best(wild).value == pytest.approx(0.0)


def test_depth_shrinks_values_and_keeps_signs() -> None:
    options = {"n": 40, "tests": 200, "sets": 5, "seed": 3}
    good = rg.over_depths(ac.optimal(2), [1, 20, 80], **options)
    assert rg.squared_error(good).value == pytest.approx(1.0, abs=1e-6)
    assert rg.explained(good).value < 0.5
    assert good.excess[:, -1].mean() < 0.1
    tuned = rg.tuned(ac.optimal(2), **options)
    assert rg.explained(tuned["one hidden layer, tuned ridge"]).value > 0.8
    _, drawn = network_figures.two_measures({"good": good}, tuned)
    last = drawn[(drawn.series == "good") & (drawn.panel == "excess risk") & (drawn["hidden layers"] == 80)]
    assert last.value.item() == pytest.approx(good.excess[:, -1].mean())


# The card


def test_every_activation_of_the_card_is_in_its_class() -> None:
    card = cards.find("wide-deep-optimality")
    assert [c.id for c in card.claims] == ["C1", "C2", "C3", "C4", "C5"]
    assert {a.limit for a in taxonomy.activations()} == set(taxonomy.RULES)
