"""The budget of DP-SGD and the exact Gaussian mechanism against the library dp-accounting."""

import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from reprise.papers.kernels_and_features.dp_similarities import accounting


@pytest.mark.parametrize(("q", "sigma", "steps"), [(0.01, 1.0, 1000), (0.1, 2.0, 200), (0.25, 4.0, 50)])
def test_budget_of_dp_sgd(q: float, sigma: float, steps: int) -> None:
    event = SelfComposedDpEvent(PoissonSampledDpEvent(q, GaussianDpEvent(sigma)), steps)
    peer = RdpAccountant(list(map(float, accounting.ORDERS))).compose(event).get_epsilon(1e-5)
    own = accounting.dp_sgd_epsilon(q, sigma, steps, 1e-5)
    assert own == pytest.approx(peer, rel=1e-6)
    assert own > PLDAccountant().compose(event).get_epsilon(
        1e-5
    )  # a bound by Rényi divergences lies above the exact curve


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0])
def test_the_gaussian_mechanism_is_exact(sigma: float) -> None:
    peer = PLDAccountant().compose(GaussianDpEvent(sigma)).get_epsilon(1e-5)
    assert accounting.gaussian_epsilon(sigma, 1e-5) == pytest.approx(peer, rel=1e-3)
