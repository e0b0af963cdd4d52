r"""What the paper predicts, in closed form or by linear algebra in float64. No network is sampled here.

Notation of the paper: depth $L$, hidden width $n$, bias multiplier $\beta$, limiting kernels $\Sigma$ (of the outputs at
the start) and $\Theta$ (tangent kernel), $N$ training points.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from reprise.kernels import closed_form, gp
from reprise.papers.infinite_width.ntk_convergence.threads import on_one_thread

TRAIN_ANGLES = (-1.6, -0.4, 0.4, 2.4)
"""The four training points on the unit circle for section 6.2; the paper does not say which it used.

Unevenly spaced, so that regression with the tangent kernel and with the output covariance differ visibly between them.
"""


def circle(angles: Sequence[float] | Float[np.ndarray, " p"]) -> Float[np.ndarray, "p 2"]:
    r"""Points $(\cos\gamma,\sin\gamma)$ of the unit circle.

    >>> circle([0.0])
    array([[1., 0.]])
    """
    gamma = np.asarray(angles, dtype=np.float64)
    return np.stack([np.cos(gamma), np.sin(gamma)], axis=1)


def angle_grid(points: int) -> Float[np.ndarray, " p"]:
    r"""Equally spaced angles of $[-\pi,\pi)$; 0 is among them if their number is even.

    >>> angle_grid(4).round(3)
    array([-3.142, -1.571,  0.   ,  1.571])
    """
    return np.linspace(-np.pi, np.pi, points, endpoint=False)


def target(x: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    r"""The paper's $f^*(x)=x_1x_2$.

    >>> target(np.array([[2.0, 3.0]]))
    array([6.])
    """
    return x[:, 0] * x[:, 1]


def limit_kernels(
    x: Float[np.ndarray, "n d"], *, depth: int, bias: float, activation: str = "relu"
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"]]:
    r"""$\Sigma^{(L)}$ and $\Theta^{(L)}_\infty$ on all pairs (Proposition 1 and Theorem 1).

    >>> sigma, theta = limit_kernels(circle([0.0, np.pi]), depth=4, bias=0.1)
    >>> theta[0].round(10)
    array([0.2825    , 0.06435377])
    """
    both = closed_form.nngp_ntk(x, depth=depth, b_std=bias, activation=activation)
    return np.asarray(both.nngp), np.asarray(both.ntk)


def relu_kernels(gram: Float[np.ndarray, "n n"], *, deepest: int, bias: float) -> dict[int, Float[np.ndarray, "n n"]]:
    r"""$\Theta^{(L)}_\infty$ of ReLU networks for all $L\le$ `deepest` in one pass, from $XX^\top/n_0$.

    The recursion of Theorem 1 in NumPy, independent of `reprise.kernels`:
    $E[\sigma\sigma]=\frac{\sqrt{pq}}{2\pi}(\sqrt{1-c^2}+c(\pi-\arccos c))$ and $E[\dot\sigma\dot\sigma]=\frac{\pi-\arccos c}{2\pi}$.

    >>> x = circle([0.0, np.pi])
    >>> relu_kernels(x @ x.T / 2, deepest=4, bias=0.1)[4][0].round(10)
    array([0.2825    , 0.06435377])
    """
    sigma = gram + bias**2
    theta = sigma
    found = {1: theta}
    for depth in range(2, deepest + 1):
        root = np.sqrt(np.diag(sigma))
        size = np.outer(root, root)
        cosine = np.clip(sigma / size, -1.0, 1.0)
        np.fill_diagonal(cosine, 1.0)
        rest = np.pi - np.arccos(cosine)
        sigma = size * (np.sqrt((1.0 - cosine) * (1.0 + cosine)) + cosine * rest) / (2 * np.pi) + bias**2
        theta = theta * rest / (2 * np.pi) + sigma
        found[depth] = theta
    return found


def relu_ntk(x: Float[np.ndarray, "n d"], *, depth: int, bias: float) -> Float[np.ndarray, "n n"]:
    r"""$\Theta^{(L)}_\infty$ of the ReLU network between the rows of x; see `relu_kernels`."""
    return relu_kernels(x @ x.T / x.shape[1], deepest=depth, bias=bias)[depth]


def wrong_recursion(x: Float[np.ndarray, "n d"], *, depth: int, bias: float) -> Float[np.ndarray, "n n"]:
    r"""The recursion of Theorem 1 for the ReLU with $\Sigma$ put where $\dot\Sigma$ belongs: a control.

    $\Theta^{(\ell+1)}=\Theta^{(\ell)}\,(\Sigma^{(\ell+1)}-\beta^2)+\Sigma^{(\ell+1)}$.
    """
    sigma, theta = limit_kernels(x, depth=1, bias=bias)
    for layers in range(2, depth + 1):
        sigma, _ = limit_kernels(x, depth=layers, bias=bias)
        theta = theta * (sigma - bias**2) + sigma
    return theta


@on_one_thread
def descent(
    theta: Float[np.ndarray, "p p"],
    start: Float[np.ndarray, "s p"],
    y: Float[np.ndarray, " n"],
    steps: Sequence[int] | np.ndarray,
    *,
    rate: float,
) -> Float[np.ndarray, "s k p"]:
    r"""Kernel gradient descent $f_{k+1}=f_k-\frac\eta N\Theta(\cdot,X)(f_k(X)-y)$ from each start, solved exactly.

    The first $N$ of the $p$ points are the training points. In the eigenbasis of $\Theta(X,X)/N$ the residual of mode $i$
    is multiplied by $1-\eta\lambda_i$ at every step, which tends to the paper's $e^{-\lambda_it}$ at $t=k\eta$ as
    $\eta\to0$. Cost $O(N^3+skpN)$.

    Args:
        theta: kernel on all p points.
        start: functions $f_0$ at the p points, one a seed.
        y: targets at the N training points.
        steps: at which numbers of steps to evaluate.
        rate: learning rate $\eta$.
    """
    n = y.size
    eigenvalues, vectors = np.linalg.eigh(theta[:n, :n] / n)
    shrink = 1.0 - rate * eigenvalues
    sums = np.stack([_geometric(shrink, int(k)) for k in steps])  # sum over j < k of shrink^j
    residual = (y - start[:, :n]) @ vectors
    gain = rate / n * (theta[:, :n] @ vectors)
    return start[:, None, :] + np.einsum("sn,kn,pn->skp", residual, sums, gain)


def _geometric(ratio: np.ndarray, terms: int) -> np.ndarray:
    flat = np.abs(1.0 - ratio) < 1e-14
    safe = np.where(flat, 0.0, ratio)
    return np.asarray(np.where(flat, float(terms), (1.0 - safe**terms) / (1.0 - safe)))


def flow(
    theta: Float[np.ndarray, "p p"], start: Float[np.ndarray, " p"], y: Float[np.ndarray, " n"], time: float
) -> Float[np.ndarray, " p"]:
    r"""The paper's differential equation in place of its steps: $f_t=f_0+\Theta_{xX}\Theta_{XX}^{-1}(1-e^{-t\Pi})(y-f_0)$."""
    n = y.size
    return np.asarray(gp.gradient_flow(theta[:n, :n], theta[:, :n], start[:n], start, y, time))


class Law(NamedTuple):
    """A Gaussian law of functions at the p points, point by point: mean and standard deviation, (p,)."""

    mean: Float[np.ndarray, " p"]
    std: Float[np.ndarray, " p"]

    def standardise(self, f: Float[np.ndarray, "seeds p"], point: int) -> Float[np.ndarray, " seeds"]:
        """Values at one point as draws from N(0, 1), if the law is right."""
        return np.asarray((f[:, point] - self.mean[point]) / self.std[point])


def trained_law(
    theta: Float[np.ndarray, "p p"],
    sigma: Float[np.ndarray, "p p"],
    y: Float[np.ndarray, " n"],
    *,
    steps: int,
    rate: float,
) -> Law:
    r"""Law of $f_k$ over Gaussian starts of covariance $\Sigma$ (section 5); the first N of the p points are for training.

    $f_k=f_0+A_k(y-f_0(X))$ with the linear map $A_k$ of `descent`, so the mean is $A_ky$ and the covariance
    $\Sigma_{xx}-A_k\Sigma_{Xx}-\Sigma_{xX}A_k^\top+A_k\Sigma_{XX}A_k^\top$; $A_k\to\Theta_{xX}\Theta_{XX}^{-1}$. With
    `sigma` for `theta` too this is training of the last layer alone, which ends in the Gaussian-process posterior.
    """
    n, p = y.size, len(theta)
    unit = np.zeros((n, p))
    unit[np.arange(n), np.arange(n)] = 1.0  # starts that are 1 at one training point: descent to 0 reveals A_k
    gain = (unit - descent(theta, unit, np.zeros(n), [steps], rate=rate)[:, 0]).T
    moved = np.einsum("pn,np->p", gain, sigma[:n])
    variance = np.diag(sigma) - 2.0 * moved + np.einsum("pn,nm,pm->p", gain, sigma[:n, :n], gain)
    return Law(gain @ y, np.sqrt(np.clip(variance, 0.0, None)))


def telling_point(one: Law, other: Law) -> int:
    """Index of the point where two laws are furthest apart in Kolmogorov distance, among those with at least half the mean spread."""
    spread = np.sqrt(np.mean(one.std**2))
    distance = [
        np.abs(stats.norm.cdf(t, m1, s1) - stats.norm.cdf(t, m2, s2)).max() if min(s1, s2) > 0.5 * spread else 0.0
        for m1, s1, m2, s2 in zip(one.mean, one.std, other.mean, other.std, strict=True)
        for t in [np.linspace(min(m1, m2) - 3 * s1, max(m1, m2) + 3 * s1, 200)]
    ]
    return int(np.argmax(distance))


def relu_kurtosis(variance: float, widths: Sequence[int], bias: float) -> float:
    r"""Excess kurtosis of the output of a random ReLU network with these hidden widths at one point: exact at finite width.

    Given the layers below, pre-activations are centred Gaussian with one variance $q$, and
    $q_{\ell+1}=\frac1{n_\ell}\sum_j\sigma(z_j)^2+\beta^2$. So $E[q_{\ell+1}|q_\ell]=\frac{q_\ell}2+\beta^2$,
    $\mathrm{Var}[q_{\ell+1}|q_\ell]=\frac5{4n_\ell}q_\ell^2$, and the output, a mixture of Gaussians, has excess kurtosis
    $3\,\mathrm{Var}(q_L)/E[q_L]^2=O(1/n)$.

    Args:
        variance: $\Sigma^{(1)}(x,x)$.
        widths: the $L-1$ hidden widths.
        bias: $\beta$.

    >>> round(relu_kurtosis(0.51, [10**9], 0.1) * 1e9, 3)  # one layer without bias: 3 * 5 / n
    13.889
    """
    first, second = variance, variance**2
    for n in widths:
        second = 0.25 * second + bias**2 * first + bias**4 + 1.25 * second / n
        first = 0.5 * first + bias**2
    return 3.0 * (second / first**2 - 1.0)
