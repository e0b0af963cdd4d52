import numpy as np
import pytest

from reprise.statistics import StatisticsError, bulk_ess, chain_mean, effective_size, r_hat, tail_ess


def autoregressive(rng, rho, chains=4, draws=4000):
    x = np.empty((chains, draws))
    x[:, 0] = rng.normal(size=chains)
    noise = rng.normal(size=(chains, draws)) * np.sqrt(1 - rho**2)
    for t in range(1, draws):
        x[:, t] = rho * x[:, t - 1] + noise[:, t]
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregression(rho):
    rng = np.random.default_rng(0)
    found = [(effective_size(x), bulk_ess(x)) for x in (autoregressive(rng, rho) for _ in range(12))]
    # one estimate varies by up to 10 % (rho = 0.9): 12 of them by 3 %; four of these
    assert np.mean(found, axis=0) == pytest.approx(16_000 * (1 - rho) / (1 + rho), rel=0.12)


def test_classic_forms_are_those_of_blackjax():
    from blackjax import diagnostics

    x = autoregressive(np.random.default_rng(1), 0.7, draws=1000)
    halves = np.concatenate([x[:, :500], x[:, 500:]])
    theirs = float(diagnostics.effective_sample_size(halves, chain_axis=0, sample_axis=1))
    assert effective_size(x) == pytest.approx(theirs, rel=0.02)


def test_r_hat_sees_place_and_scale():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 800))
    assert r_hat(x) < 1.01
    assert r_hat(x + 0.3 * np.arange(4)[:, None]) > 1.05
    assert r_hat(x * np.array([1, 1, 1, 3])[:, None]) > 1.05  # same means: only the folded form sees it
    drift = x + np.linspace(0, 2, 800)
    assert r_hat(drift) > 1.1  # splitting sees a trend that all chains share
    assert r_hat(np.ones((4, 10))) == 1.0
    assert r_hat(np.stack([np.zeros(10), np.ones(10)])) == np.inf


def test_invariance():
    rng = np.random.default_rng(3)
    x = autoregressive(rng, 0.5, draws=500)
    assert r_hat(x) == pytest.approx(r_hat(x[::-1]), rel=1e-12)
    assert bulk_ess(np.exp(x)) == pytest.approx(bulk_ess(x), rel=1e-12)  # ranks only
    assert effective_size(5 * x - 2) == pytest.approx(effective_size(x), rel=1e-9)


def test_heavy_tails_do_not_break_it():
    x = np.random.default_rng(4).standard_cauchy(size=(4, 1000))
    assert r_hat(x) < 1.02
    assert 2500 < bulk_ess(x) < 5000
    assert 2000 < tail_ess(x) < 6000


def test_chain_mean_covers():
    rng = np.random.default_rng(5)
    hits = sum((e := chain_mean(autoregressive(rng, 0.6, draws=300))).low <= 0 <= e.high for _ in range(300))
    assert hits / 300 > 0.95 - 4.5 * np.sqrt(0.05 * 0.95 / 300)


def test_errors():
    with pytest.raises(StatisticsError, match="at least 4 draws"):
        r_hat(np.ones((2, 3)))
    with pytest.raises(StatisticsError, match="dimension"):
        bulk_ess(np.ones(10))
