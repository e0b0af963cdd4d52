"""Wide and deep optimality: kernels of any depth, their limits and the task, against independent truth."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from reprise.kernels import closed_form
from reprise.papers.infinite_width.wide_deep_optimality import activations as ac
from reprise.papers.infinite_width.wide_deep_optimality import classifiers as cl
from reprise.papers.infinite_width.wide_deep_optimality import depth as deep
from reprise.papers.infinite_width.wide_deep_optimality import koenigs, poles, tasks, taxonomy

SMOOTH = [a for a in taxonomy.activations() if not a.kink]
ALL = [*taxonomy.activations(), *(ac.optimal(d) for d in (1, 4, 8)), ac.pole(0.25)]
LIMITS = ["nearest"] * 2 + ["singular"] * 3 + ["majority"] * 3


def recursion(a: ac.Activation, c: mp.mpf, depth: int) -> tuple[mp.mpf, mp.mpf]:
    """Both kernels by the recursion as it stands, in whatever precision is set."""
    total = mp.fsum(mp.mpf(w) for w in a.weights)
    terms = [(k, mp.mpf(w) / total) for k, w in zip(a.powers, a.weights, strict=True)]
    sigma = theta = c
    for _ in range(depth):
        slope = mp.fsum(k * w * sigma ** (k - 1) for k, w in terms if k)
        sigma = mp.fsum(w * sigma**k for k, w in terms)
        theta = sigma + theta * slope
    return sigma, theta


# Activations


@pytest.mark.parametrize("a", ALL, ids=lambda a: a.name)
def test_dual_activation_is_the_average_over_gaussian_pairs(a: ac.Activation) -> None:
    """The function that networks apply and the series that depth iterates belong together."""
    nodes, weights = scipy.special.roots_hermitenorm(120)
    weights = weights / weights.sum()
    phi = np.asarray(a.function(nodes))
    assert float(weights @ phi**2) == pytest.approx(1.0, abs=2e-2 if a.kink else 1e-7)
    for c in (0.1, 0.6, 0.95):
        v = c * nodes[:, None] + math.sqrt(1 - c * c) * nodes
        expected = float(weights @ (phi * (np.asarray(a.function(v)) @ weights)))
        dual = math.exp(-math.exp(float(deep.evaluate(a, np.array([-math.log(c)]), 1).log_t[0])))
        assert dual == pytest.approx(expected, abs=1e-2 if a.kink else 1e-7)


@pytest.mark.parametrize(("a", "limit"), list(zip(taxonomy.activations(), LIMITS, strict=True)), ids=str)
def test_two_averages_decide_the_class(a: ac.Activation, limit: str) -> None:
    nodes, weights = scipy.special.roots_hermitenorm(100)
    phi = np.asarray(a.function(nodes)) @ weights / weights.sum()
    slope = (np.asarray(a.function(nodes)) * nodes) @ weights / weights.sum()  # E phi' by parts
    found = "majority" if abs(phi) > 1e-8 else "singular" if abs(slope) > 1e-8 else "nearest"
    assert a.limit == limit == found


@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_the_papers_activations_have_the_pole_of_their_dimension(d: int) -> None:
    a = ac.optimal(d)
    assert a.alpha == pytest.approx(d / 2, rel=1e-12)
    assert (a.start, a.end) == pytest.approx((0.5, 4.0) if d == 1 else (2.0 ** (-d / 2), 2.0))


@pytest.mark.parametrize(("a", "alpha"), [(2.676, 1.0), (6.13539, 2.0), (13.8258, 4.0), (1e-3, 0.5)])
def test_sines_have_the_poles_computed_elsewhere(a: float, alpha: float) -> None:
    found = ac.sine(a)
    assert found.alpha == pytest.approx(alpha, rel=1e-4)
    assert found.start == pytest.approx(a / math.sinh(a), rel=1e-10)
    assert found.end == pytest.approx(a / math.tanh(a), rel=1e-10)


def test_poles_that_no_whole_degree_gives_are_refused() -> None:
    assert ac.pole(0.25).alpha == pytest.approx(0.25)
    with pytest.raises(ValueError, match="whole degree"):
        ac.pole(0.4)
    with pytest.raises(ValueError, match="singular"):
        _ = ac.relu().alpha


# Kernels of any depth


@pytest.mark.parametrize("a", SMOOTH, ids=lambda a: a.name)
@pytest.mark.parametrize("depth", [0, 1, 4, 60])
def test_stable_recursion_is_the_recursion(a: ac.Activation, depth: int) -> None:
    distances = ["1e-12", "1e-4", "0.3", "0.9"]
    with mp.workdps(80):
        cosines = [1 - mp.mpf(d) for d in distances]
        logs = deep.evaluate(a, np.array([float(-mp.log(c)) for c in cosines]), depth)
        for place, c in enumerate(cosines):
            sigma, theta = recursion(a, c, depth)
            assert float(logs.log_t[place]) == pytest.approx(float(mp.log(-mp.log(sigma))), abs=1e-11)
            assert float(logs.log_r[place]) == pytest.approx(float(mp.log(theta / sigma)), abs=1e-11 * max(1, depth))


@pytest.mark.parametrize("a", [ac.optimal(2), ac.optimal(8)], ids=lambda a: a.name)
def test_fifty_thousand_layers_lose_nothing(a: ac.Activation) -> None:
    """Numbers of fifteen thousand decimal places and more, beyond any float."""
    with mp.workdps(50):
        c = 1 - mp.mpf("1e-8")
        sigma, theta = recursion(a, c, 50_000)
        expected = float(mp.log(sigma)), float(mp.log(theta / sigma))
        logs = deep.evaluate(a, np.array([float(-mp.log(c))]), 50_000)
    assert -math.exp(logs.log_t[0]) == pytest.approx(expected[0], rel=1e-13)
    assert logs.log_r[0] == pytest.approx(expected[1], rel=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_relu_is_the_library_closed_form(depth: int) -> None:
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(7, 3)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    log_t = np.array(deep.log_start(x, x))
    logs = deep.evaluate(ac.relu(), np.exp(np.where(np.isfinite(log_t), log_t, 0.0)), depth)
    sigma = np.exp(-np.exp(logs.log_t))
    off = ~np.eye(7, dtype=bool)
    scaled = x * math.sqrt(3)
    kinds: tuple[deep.Kind, ...] = ("nngp", "ntk")
    for mine, kind, theirs in zip(
        (sigma, sigma * np.exp(logs.log_r)), kinds, (closed_form.nngp, closed_form.ntk), strict=True
    ):
        full = np.asarray(theirs(scaled, scaled, depth=depth + 1, activation="relu", w_std=math.sqrt(2)))
        relative = mine / math.exp(deep.diagonal(ac.relu(), depth, kind))
        np.testing.assert_allclose(relative[off], (full / full[0, 0])[off], rtol=2e-7)


def test_relu_goes_to_one_like_the_inverse_square_of_depth() -> None:
    depth = 50_000
    delta = -math.expm1(-math.exp(float(deep.evaluate(ac.relu(), np.array([1.0]), depth).log_t[0])))
    assert delta * 2 * depth**2 / (9 * math.pi**2) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("a", [ac.optimal(1), ac.erf(), ac.relu(), ac.gelu()], ids=lambda a: a.name)
def test_diagonal_is_the_limit_of_equal_points(a: ac.Activation) -> None:
    for depth in (1, 6):
        logs = deep.evaluate(a, np.array([1e-20]), depth)
        assert float(logs.log_r[0]) == pytest.approx(deep.diagonal(a, depth, "ntk"), abs=1e-6)
    assert deep.diagonal(a, 9, "nngp") == 0.0


@pytest.mark.parametrize("a", [ac.hermite({2: 1.0}, "h2"), ac.optimal(2), ac.erf(), ac.relu()], ids=lambda a: a.name)
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
def test_tables_hold_between_their_nodes(a: ac.Activation, kind: deep.Kind) -> None:
    t = 10 ** np.random.default_rng(1).uniform(-20, 1.5, 200)
    values, logs = deep.table(a, 12, kind), deep.evaluate(a, t, 12)
    found = np.asarray(deep.look_up(values.coefficients, np.log(t))) - values.offset
    expected = logs.log_t if values.sharp else -np.exp(logs.log_t) + (logs.log_r if kind == "ntk" else 0.0)
    np.testing.assert_allclose(found, expected, rtol=2e-5 if a.kink else 2e-6, atol=2e-5 if a.kink else 2e-6)


def test_distances_of_close_points_keep_their_digits() -> None:
    x = np.array([[0.6, 0.8], [1.0, 0.0]])
    angle = math.atan2(0.8, 0.6) + 1e-9
    close = np.array([[math.cos(angle), math.sin(angle)], [0.0, 1.0]])
    log_t = np.asarray(deep.log_start(x, close))
    with mp.workdps(40):
        gap = mp.fsum((mp.mpf(float(a)) - mp.mpf(float(b))) ** 2 for a, b in zip(x[0], close[0], strict=True)) / 2
        assert log_t[0, 0] == pytest.approx(float(mp.log(-mp.log(1 - gap))), abs=1e-12)
    assert log_t[0, 1] == pytest.approx(math.log(-math.log(0.8)), abs=1e-14)
    assert np.asarray(deep.log_start(x, x))[0, 0] == -np.inf


# The limit of singular kernels


@pytest.mark.parametrize("a", poles.singular(), ids=lambda a: a.name)
def test_schroeders_equation_holds(a: ac.Activation) -> None:
    c = np.array([0.99, 0.7, 0.1, 0.01])
    image = np.exp(-np.exp(deep.evaluate(a, -np.log(c), 1).log_t))
    left, right = koenigs.log_psi(a, 1 - image), koenigs.log_psi(a, 1 - c) + math.log(a.start)
    np.testing.assert_allclose(left, right, atol=1e-10)
    assert koenigs.log_psi(a, np.array([1 - 1e-6]))[0] == pytest.approx(math.log(1e-6), abs=1e-4)


def test_psi_is_the_limit_of_scaled_iterates() -> None:
    a, c = ac.optimal(2), 0.5
    with mp.workdps(60):
        value = recursion(a, mp.mpf(c), 400)[0] * mp.mpf(2) ** 400
        expected = float(mp.log(value))
    assert koenigs.log_psi(a, np.array([1 - c]))[0] == pytest.approx(expected, abs=1e-14)
    assert koenigs.smoother(a)(math.log(-math.log(c))) == pytest.approx(expected, abs=1e-5)


def test_poles_are_measured_and_a_wrong_closed_form_is_not_found() -> None:
    chosen = [ac.optimal(4), ac.sine(6.13539)]
    slopes = [poles.slope(a) for a in chosen]
    np.testing.assert_allclose(slopes, [-a.alpha for a in chosen], rtol=2e-3)
    assert poles.slope_error(chosen, slopes).high < 0.01
    assert poles.slope_error(chosen, slopes, swapped=True).low > 0.5


def test_tangent_kernel_has_the_same_limit_and_the_relu_has_none() -> None:
    ratio, plain = poles.tangent_ratio([ac.optimal(2)], 400)
    assert ratio.low > 0.98
    assert ratio.high < 1.02
    assert np.all(plain > 1)
    assert poles.tangent_ratio([ac.relu()], 400, psi=False)[0].high < 0.3


def test_shape_settles_only_with_a_singular_limit() -> None:
    assert poles.change([ac.optimal(2)], 500, 2000).high < 1e-9
    assert poles.change([ac.relu()], 500, 2000).low > 100
    assert poles.gap([ac.optimal(2), ac.optimal(4)], 2000).high < 1e-9
    assert poles.gap([ac.optimal(2), ac.optimal(4)], 2000, other=True).low > 0.1


# The task


@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_posterior_is_bayes_formula(d: int) -> None:
    p = np.random.default_rng(d).dirichlet(np.ones(d + 1), 20)
    first, second = (np.array([scipy.stats.dirichlet(a).pdf(row) for row in p]) for a in tasks.DIRICHLET[d])
    np.testing.assert_allclose(tasks.posterior(p, d), 0.4 * first / (0.4 * first + 0.6 * second), rtol=1e-10)


def test_samples_lie_on_the_sphere_and_follow_their_posterior() -> None:
    found = tasks.draw(2, 20_000, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(found.x, axis=1), 1.0)
    assert found.x.min() >= 0
    assert (found.y > 0).mean() == pytest.approx(0.4, abs=0.015)
    middle = np.abs(found.eta - 0.5) < 0.3
    assert (found.y[middle] > 0).mean() == pytest.approx(found.eta[middle].mean(), abs=0.03)
    assert tasks.draw(4, 50, np.random.default_rng(3), balanced=True).y.sum() == -10


def test_excess_is_the_expected_error_less_that_of_bayes() -> None:
    sample = tasks.draw(1, 500, np.random.default_rng(5))
    guess = np.where(np.random.default_rng(6).random(500) < 0.5, 1.0, -1.0)
    risk = np.where(guess > 0, 1 - sample.eta, sample.eta).mean()
    assert tasks.excess(guess, sample) == pytest.approx(risk - tasks.bayes_error(sample), abs=1e-12)
    assert tasks.excess(np.stack([sample.bayes, guess], axis=1), sample)[0] == 0.0


@pytest.mark.parametrize("order", [1.5, 2.0, 4.0])
def test_local_vote_is_that_of_a_poisson_process(order: float) -> None:
    """The stable law against simulated neighbours, with volumes Γ_k and weights Γ_k^(-s)."""
    rng = np.random.default_rng(7)
    weights = np.cumsum(rng.exponential(size=(4000, 2000)), axis=1) ** -order
    for eta in (0.3, 0.6):
        votes = np.where(rng.random(weights.shape) < eta, weights, -weights).sum(axis=1)
        # What is cut off has a mean, and with 2000 neighbours next to no variance.
        rest = (2 * eta - 1) * 2000.0 ** (1 - order) / (order - 1)
        assert (votes + rest > 0).mean() == pytest.approx(tasks.local_vote(np.array([eta]), order)[0], abs=0.025)


def test_local_vote_runs_from_bayes_to_the_nearest_neighbour() -> None:
    eta = np.array([0.1, 0.4, 0.5, 0.8])
    np.testing.assert_allclose(tasks.local_vote(eta, 1 + 1e-6), [0, 0, 0.5, 1], atol=1e-4)
    np.testing.assert_allclose(tasks.local_vote(eta, 1e6), eta, atol=1e-5)
    np.testing.assert_array_equal(tasks.local_vote(eta, np.inf), eta)
    with pytest.raises(ValueError, match="order"):
        tasks.local_vote(eta, 1.0)
    sample = tasks.draw(1, 300, np.random.default_rng(8))
    cover_hart = (2 * sample.eta * (1 - sample.eta)).mean() - tasks.bayes_error(sample)
    assert tasks.limit_excess(sample, np.inf) == pytest.approx(cover_hart, abs=1e-12)


def test_population_has_the_moments_of_the_densities() -> None:
    nodes, mass = tasks.population(2000)
    p = nodes.x[:, 0] / nodes.x.sum(axis=1)
    assert mass.sum() == pytest.approx(1.0, abs=1e-6)
    assert (mass * p).sum() == pytest.approx(0.4 / 3 + 0.6 * 2 / 3, abs=1e-5)
    assert (mass * nodes.eta).sum() == pytest.approx(0.4, abs=1e-5)


# Classifiers


@pytest.fixture(scope="module")
def problem() -> tuple[tasks.Sample, tasks.Sample, cl.Pairs]:
    rng = np.random.default_rng(11)
    train, test = tasks.draw(2, 8, rng), tasks.draw(2, 30, rng)
    return train, test, cl.pairs(train.x, test.x)


@pytest.mark.parametrize(
    "a", [ac.optimal(2), ac.optimal(8), ac.square(), ac.hermite({3: 1.0}, "h3")], ids=lambda a: a.name
)
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
def test_decisions_are_those_of_a_solve_in_high_precision(
    a: ac.Activation, kind: deep.Kind, problem: tuple[tasks.Sample, tasks.Sample, cl.Pairs]
) -> None:
    train, test, given = problem
    scores = _exact_scores(a, 12, kind, train, test)
    clear = np.abs(scores) > 1e-6
    found = cl.decide(cl.Network(a, 12, kind), given, train.y)
    np.testing.assert_array_equal(found[clear], np.sign(scores)[clear])
    assert clear.mean() > 0.9


def _exact_scores(a: ac.Activation, depth: int, kind: deep.Kind, train: tasks.Sample, test: tasks.Sample) -> np.ndarray:
    """Scores at the test points as shares of the sum of their terms' sizes."""
    which = 0 if kind == "nngp" else 1
    with mp.workdps(60):
        unit = [[mp.mpf(float(v)) for v in row] for row in (*train.x, *test.x)]
        unit = [[v / mp.sqrt(mp.fsum(w * w for w in row)) for v in row] for row in unit]
        n = len(train.y)

        def kernel(i: int, j: int) -> mp.mpf:
            return recursion(a, mp.fsum(u * v for u, v in zip(unit[i], unit[j], strict=True)), depth)[which]

        gram = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                gram[i, j] = kernel(i, j)
        solved = mp.lu_solve(gram, mp.matrix([float(v) for v in train.y]))
        terms = [[kernel(n + k, i) * solved[i] for i in range(n)] for k in range(len(test.y))]
        return np.array([float(mp.fsum(row) / mp.fsum(abs(v) for v in row)) for row in terms])


def test_relu_next_to_rank_one_is_solved_to_all_digits(problem: tuple[tasks.Sample, tasks.Sample, cl.Pairs]) -> None:
    """At 300 layers the Gram matrix is that of ones up to 5e-4; the truth in 40 digits from the angles themselves."""
    train, test, _ = problem
    test = tasks.Sample(*(v[:10] for v in test))
    given = cl.pairs(train.x, test.x)
    net, n = cl.Network(ac.relu(), 300), len(train.y)
    assert cl._near_one(net)
    with mp.workdps(40):
        unit = [[mp.mpf(float(v)) for v in row] for row in (*train.x, *test.x)]
        unit = [[v / mp.sqrt(mp.fsum(w * w for w in row)) for v in row] for row in unit]

        def kernel(i: int, j: int) -> mp.mpf:
            c = mp.fsum(u * v for u, v in zip(unit[i], unit[j], strict=True))
            for _ in range(300 if i != j else 0):
                angle = mp.acos(c)
                c = (mp.sin(angle) + (mp.pi - angle) * c) / mp.pi
            return c if i != j else mp.mpf(1)

        gram = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                gram[i, j] = kernel(i, j)
        solved = mp.lu_solve(gram, mp.matrix([float(v) for v in train.y]))
        expected = np.array(
            [float(mp.fsum(kernel(n + k, i) * solved[i] for i in range(n))) for k in range(len(test.y))]
        )
    found = cl.scores(net, given, train.y)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_interpolation_takes_the_pseudo_inverse_where_rank_is_missing() -> None:
    x = np.random.default_rng(0).normal(size=(9, 3))
    y = np.random.default_rng(1).normal(size=9)
    np.testing.assert_allclose(cl.interpolation(x @ x.T, y), np.linalg.pinv(x @ x.T, rcond=1e-10) @ y, atol=1e-8)
    near = np.eye(9) + 0.01 * np.ones((9, 9))
    np.testing.assert_allclose(cl.interpolation(near, y), np.linalg.solve(near, y), atol=1e-12)


def test_votes_weigh_by_the_limit_and_the_hilbert_estimate(
    problem: tuple[tasks.Sample, tasks.Sample, cl.Pairs],
) -> None:
    train, test, given = problem
    net = cl.Network(ac.optimal(2), 300)
    columns = np.stack([train.y, train.y * (np.arange(8) < 4)], axis=1)
    deep_votes, hilbert = cl.votes(test.x, train.x, columns, [deep.table(*net).coefficients], 1.0)
    np.testing.assert_array_equal(np.where(deep_votes[:, 0] >= 0, 1, -1), cl.smoother(net.activation, given, train.y))
    weights = 1 / (1 - test.x @ train.x.T)
    np.testing.assert_allclose(hilbert, weights / weights.max(axis=1, keepdims=True) @ columns, atol=1e-9)


def test_simple_rules() -> None:
    x, y = np.eye(3), np.array([1.0, -1.0, -1.0])
    np.testing.assert_array_equal(cl.nearest(x, y, np.array([[0.9, 0.3, 0.0], [0.1, 0.2, 0.9]])), [1, -1])
    np.testing.assert_array_equal(cl.majority(y, 2), [-1, -1])
