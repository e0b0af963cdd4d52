r"""Exact numbers at finite d and n by one-dimensional quadrature; no sample, no limit.

With $\phi(t)=E[e^{-tX}]$ and n independent points
$$E[Y_2]=n\int_0^\infty t\,E[X^2e^{-tX}]\,\phi(t)^{n-1}dt,\qquad E[\log Z]=\int_0^\infty\frac{e^{-t}-\phi(t)^n}t\,dt ,$$
integrated in $s=\log t$ by the trapezoidal rule, which is spectrally accurate for such integrands. The window in $s$ is
found from $\Lambda(t)=-n\log\phi(t)$, so it follows the heavy tail by itself. E[w_max] needs a second integral, over
the place of the nearest point; the expected Hill index, one over the place of the (k+1)-th.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize, special

from reprise.papers.kernels_and_features.kde_large_dims.regimes import condensation, cumulant
from reprise.papers.kernels_and_features.kde_large_dims.spectrum import Spectrum, spectrum

STEP, NODES = 0.5, 400
"""Step in log t, and most nodes. The integrands are entire in it and a few units wide, 1/mu where the sum is condensed,
so the error is below 1e-8; where the window is wider than 200, so are they, and the step is too."""
CELLS = 400_000
"""Numbers held at once."""


class Sum:
    r"""The sum $Z=\sum_ie^{-\beta|x-y_i|^2/2}$ at one d, n and beta, relative to the term of the nearest typical point."""

    def __init__(
        self, d: int, log_n: float, beta: float, *, size: float | None = None, resolution: float = 0.4
    ) -> None:
        self.spectrum: Spectrum = spectrum(d, log_n, beta, size=size, resolution=resolution)
        self.n = float(np.exp(log_n))
        place = float(np.interp(0.0, self.spectrum.log_below, self.spectrum.e))
        self.log_scale = -0.5 * beta * place
        self.log_x = -0.5 * beta * self.spectrum.e - self.log_scale

    def exponent(self, s: np.ndarray) -> Float[np.ndarray, " k"]:
        r"""$\Lambda(e^s)=-n\log\phi(e^s)$, with X in units of `log_scale`, (k,)."""
        return np.asarray(-self.n * np.log1p(-self._over_grid(s, lambda y: -np.expm1(-np.exp(y))) / self.n))

    def _over_grid(self, s: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, " k"]:
        """Expected sum over points of a function of log(tX)."""
        rows = max(1, CELLS // self.log_x.size)
        with np.errstate(over="ignore", under="ignore"):
            parts = [
                function(np.minimum(block[:, None] + self.log_x, 700.0)) @ self.spectrum.expected
                for block in np.array_split(s, -(-s.size // rows))
            ]
        return np.concatenate(parts)

    def window(self, low: float, high: float) -> Float[np.ndarray, " k"]:
        r"""Grid of $s$ on which $\Lambda$ runs from low to high."""
        # Lambda is concave in t, so it stays below t times the mean sum: no end lies below that line's
        log_mean = float(special.logsumexp(self.log_x, b=self.spectrum.expected))
        ends = []
        for target in (low, high):
            start, reach = float(np.log(target)) - log_mean, 1.0
            while self.exponent(np.array([start + reach]))[0] < target:
                reach *= 2.0
            ends.append(optimize.brentq(self._gap, start - 0.1, start + reach, args=(target,), xtol=0.01))
        step = max(STEP, (ends[1] - ends[0]) / NODES)
        return np.arange(ends[0], ends[1] + step, step)

    def _gap(self, s: float, target: float) -> float:
        return float(np.log(self.exponent(np.array([s]))[0] / target))

    def mean_log(self) -> float:
        r"""$E[\log Z]$."""
        s = self.window(1e-11, 60.0)
        survive = np.exp(-self.exponent(s))
        # Frullani: the integral of e^{-e^s} over s from the lower end is that end's distance to 0, less Euler's constant
        head = -float(s[0]) - np.euler_gamma + float(np.exp(s[0]))
        return self.log_scale + head - (s[1] - s[0]) * float(survive.sum() - 0.5 * (survive[0] + survive[-1]))

    def participation(self) -> float:
        r"""$E[Y_2]$, with $Y_2=\sum_iw_i^2$ and $w_i=X_i/Z$."""
        s = self.window(1e-9, 60.0)

        def square(y: np.ndarray) -> np.ndarray:
            t = np.exp(np.minimum(y, 30.0))  # where e^{-t} is 0
            return np.asarray(t * t * np.exp(-t))

        exponent = self.exponent(s)
        return float(s[1] - s[0]) * float(np.sum(self._over_grid(s, square) * np.exp(-exponent * (1.0 - 1.0 / self.n))))

    def largest_weight(self) -> float:
        r"""$E[w_{max}]$: sum over the place of the nearest point of $\int tXe^{-tX}\,E[e^{-tX'};X'<X]^{n-1}\,ds$.

        The inner expectation ends at that place, so the error is of second order in the resolution: take 0.1.
        """
        s, (_, _, _, _, count, _) = self.window(1e-9, 60.0), self.spectrum
        total = 0.0
        for block in np.array_split(s, max(1, s.size * count.size // CELLS)):
            y = np.minimum(block[:, None] + self.log_x, 30.0)
            t = np.exp(y)
            cells = count * -np.expm1(-t)
            # points nearer than X are excluded, the others contribute 1 - e^{-tX'}; half a cell on either side
            farther = np.cumsum(cells[:, ::-1], axis=1)[:, ::-1] - 0.5 * cells
            nearer = np.cumsum(count) - 0.5 * count
            gone = np.minimum((farther + nearer) / self.n, 1.0 - 1e-15)
            total += float(np.sum(count * t * np.exp(-t) * np.exp((self.n - 1.0) * np.log1p(-gone))))
        return float(s[1] - s[0]) * total


@lru_cache(maxsize=1024)
def participation(d: int, log_n: float, beta: float) -> float:
    r"""$E[Y_2]$ at $|x|^2=d$."""
    return Sum(d, log_n, beta).participation()


def seen_share(d: int, log_n: float, beta: float) -> float:
    r"""$\sigma=\frac{1-E[e^{-Z/E[Z]}]}{1-1/e}$: 1 if the sum is its mean, 0 if the mean lies in events that no sample contains.

    At 2 beta it is the same for $\sum_iX_i^2$, the sample's second moment.
    """
    z = Sum(d, log_n, beta)
    log_mean = log_n + d * float(cumulant(beta)) - z.log_scale
    return float(np.expm1(-z.exponent(np.array([-log_mean]))[0]) / np.expm1(-1.0))


@lru_cache(maxsize=256)
def threshold(d: int, log_n: float, level: float = 0.5) -> float:
    r"""$h(d)$ at which `seen_share` is one half: the finite-size $h_G$; times $\sqrt2$ it is that of the second moment."""
    edge = condensation(log_n / d)
    found = optimize.brentq(lambda y: seen_share(d, log_n, edge * float(np.exp(y))) - level, -2.0, 1.5, xtol=1e-7)
    return float((edge * np.exp(found)) ** -0.5)


@lru_cache(maxsize=256)
def hill_scale(d: int, log_n: float, k: int) -> float:
    r"""Expected mean of $\frac12(E_{(k+1)}-E_{(i)})$ over $i\le k$; the expected Hill estimate of the index is $h^2$ over it.

    Given the (k+1)-th distance the k nearer ones are independent with law F cut off there, so the mean is that of
    $\int_0^eF/F(e)$ over the law of the (k+1)-th, Beta(k+1, n-k) in F.
    """
    table = spectrum(d, log_n, condensation(log_n / d), resolution=0.05)
    e, below = table.e, np.exp(table.log_below)
    inside = np.concatenate([[0.0], np.cumsum(0.5 * (below[1:] + below[:-1]) * np.diff(e))])
    n = float(np.exp(log_n))
    keep = (below > 0) & (below < n)
    share = below[keep] / n
    log_law = special.xlogy(k + 1.0, share) + (n - k - 1.0) * np.log1p(-share)  # over log F
    law = np.exp(log_law - log_law.max()) * np.gradient(table.log_below[keep])
    return 0.5 * float(np.sum(law * inside[keep] / below[keep]) / np.sum(law))


@lru_cache(maxsize=64)
def lengths(d: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and weights of the law of $|x|^2$, chi-square with d degrees of freedom: Gauss-Laguerre by Golub and Welsch."""
    k, a = np.arange(nodes), 0.5 * d - 1.0
    x, vectors = linalg.eigh_tridiagonal(2.0 * k + a + 1.0, np.sqrt(k[1:] * (k[1:] + a)))
    return 2.0 * x, vectors[0] ** 2


def divergence(d: int, log_n: float, h: float, *, nodes: int = 5) -> float:
    r"""$\frac1dE[D_{KL}(\rho\|\hat\rho_h)]$, averaged over data and over x."""
    size, weight = lengths(d, nodes)
    mean = sum(w * Sum(d, log_n, h**-2, size=float(v)).mean_log() for v, w in zip(size, weight, strict=True))
    return (log_n - float(mean)) / d + float(np.log(h)) - 0.5


def optimal_bandwidth(d: int, log_n: float, start: float, *, nodes: int = 5) -> tuple[float, float]:
    """The bandwidth of least divergence and the divergence per dimension there."""
    found = optimize.minimize_scalar(
        lambda y: divergence(d, log_n, float(np.exp(y)), nodes=nodes),
        bracket=(np.log(start), np.log(start) + 0.1), tol=1e-4,
    )  # fmt: skip
    return float(np.exp(found.x)), float(found.fun)


def extrapolate(dims: Sequence[int], values: Sequence[float], *, terms: int = 2) -> float:
    r"""$a$ of $a+b\frac{\log d}d+\frac cd$ (terms = 2, or without the last: 1) by least squares."""
    d = np.asarray(dims, dtype=np.float64)
    columns = [np.ones_like(d), np.log(d) / d, 1.0 / d][: terms + 1]
    return float(np.linalg.lstsq(np.stack(columns, axis=1), np.asarray(values), rcond=None)[0][0])
