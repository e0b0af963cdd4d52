r"""The space of abc-parametrisations: exponents in width, and what the theorems say about them (section 3).

In an $L$-hidden-layer network of width $n$ every weight is $W^l=n^{-a_l}w^l$ with $w^l_{ij}\sim N(0,n^{-2b_l})$, and SGD moves
$w$ at rate $\eta n^{-c}$. What the function does depends on two combinations only: the size $a_l+b_l$ of the weights at the
start, and the rate exponent $c+2a_l$ with which gradient descent on $w$ moves $W$.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-9


class Parametrisation(NamedTuple):
    """Exponents of an L-hidden-layer network; `a` and `b` have L + 1 entries, input layer first.

    >>> ntk(2).r, standard(2, rate=1.0).r, mu_p(2).r, standard(2, rate=0.0).r
    (0.5, 0.5, 0.0, -1.0)
    """

    name: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    c: float

    @property
    def hidden(self) -> int:
        """Number L of hidden layers."""
        return len(self.a) - 1

    @property
    def output_size(self) -> float:
        r"""$a_{L+1}+b_{L+1}$: output weights are of size $n$ to minus this power."""
        return self.a[-1] + self.b[-1]

    @property
    def output_rate(self) -> float:
        r"""$2a_{L+1}+c$: output weights move by $n$ to minus this power."""
        return 2 * self.a[-1] + self.c

    @property
    def r(self) -> float:
        r"""$r=\min(a_{L+1}+b_{L+1},2a_{L+1}+c)+c-1+\min_{l\le L}[2a_l+1(l=1)]$: features move by $\Theta(n^{-r})$."""
        hidden = min(2 * a + (layer == 0) for layer, a in enumerate(self.a[:-1]))
        return min(self.output_size, self.output_rate) + self.c - 1 + hidden

    @property
    def stable(self) -> bool:
        """Theorem 3.3: neither preactivations at the start nor logits in training grow with the width."""
        sizes = [a + b for a, b in zip(self.a, self.b, strict=True)]
        start = _equal(sizes[0], 0.0) and all(_equal(s, 0.5) for s in sizes[1:-1]) and sizes[-1] >= 0.5 - TOLERANCE
        training = self.r >= -TOLERANCE and self.output_rate >= 1 - TOLERANCE
        return start and training and self.output_size + self.r >= 1 - TOLERANCE

    @property
    def non_trivial(self) -> bool:
        """Whether the function moves at all in the limit, if it is stable."""
        return _equal(self.output_rate, 1.0) or _equal(self.output_size + self.r, 1.0)

    @property
    def kind(self) -> str:
        """`unstable`, `trivial`, `features` or `kernel`: Theorem 3.8 leaves no other."""
        if not self.stable:
            return "unstable"
        if not self.non_trivial:
            return "trivial"
        return "features" if _equal(self.r, 0.0) else "kernel"

    def shifted(self, theta: float, *, rate: bool = True) -> "Parametrisation":
        r"""The same dynamics by other numbers: $a_l+\theta$, $b_l-\theta$, $c-2\theta$ (equation 5).

        With ``rate=False`` the learning rate is left alone, which is no symmetry.
        """
        return Parametrisation(
            f"{self.name}, shifted",
            tuple(a + theta for a in self.a),
            tuple(b - theta for b in self.b),
            self.c - 2 * theta * rate,
        )

    def replace_output(self, *, a: float | None = None, b: float | None = None, name: str) -> "Parametrisation":
        """The same but for the exponents of the output layer."""
        last_a = self.a[-1] if a is None else a
        last_b = self.b[-1] if b is None else b
        return Parametrisation(name, (*self.a[:-1], last_a), (*self.b[:-1], last_b), self.c)


def standard(hidden: int, *, rate: float) -> Parametrisation:
    """Standard parametrisation with learning rate proportional to width to the power ``-rate``."""
    b = (0.0, *[0.5] * hidden)
    return Parametrisation(f"standard, rate n^-{rate:g}" if rate else "standard", (0.0,) * (hidden + 1), b, rate)


def ntk(hidden: int) -> Parametrisation:
    """Tangent-kernel parametrisation."""
    return Parametrisation("NTK", (0.0, *[0.5] * hidden), (0.0,) * (hidden + 1), 0.0)


def mean_field() -> Parametrisation:
    """Mean-field parametrisation of one hidden layer."""
    return Parametrisation("mean field", (0.0, 1.0), (0.0, 0.0), -1.0)


def mu_p(hidden: int) -> Parametrisation:
    """Maximal update parametrisation (equation 4)."""
    a = (-0.5, *[0.0] * (hidden - 1), 0.5)
    return Parametrisation("μP", a, (0.5,) * (hidden + 1), 0.0)


def from_invariants(
    name: str, *, output_size: float, output_rate: float, input_gain: float, hidden_gain: float, theta: float = 0.0
) -> Parametrisation:
    r"""Two hidden layers with given $a_3+b_3$, $2a_3+c$, $2a_1+c+1$ and $2a_2+c$, at the place `theta` of its orbit.

    Hidden sizes are the stable ones, $a_1+b_1=0$ and $a_2+b_2=\frac12$. Then
    $r=\min(a_3+b_3,2a_3+c)-1+\min(\text{input gain},\text{hidden gain})$.

    >>> from_invariants("", output_size=1, output_rate=1, input_gain=0.25, hidden_gain=0.5).r
    0.25
    """
    c = -2.0 * theta
    a = ((input_gain - 1 - c) / 2, (hidden_gain - c) / 2, (output_rate - c) / 2)
    b = (-a[0], 0.5 - a[1], output_size - a[2])
    return Parametrisation(name, a, b, c)


_CORNERS = (
    # output size, output rate, input gain, hidden gain: by r and by what makes the function move
    (1.0, 1.0, 0.0, 0.0),  # μP
    (1.0, 1.0, 0.0, 0.5),  # only the first layer learns features
    (1.0, 1.0, 0.5, 0.0),  # only the second does
    (1.5, 1.0, 0.0, 0.0),  # smaller output weights
    (1.0, 1.5, 0.0, 0.0),  # output weights do not learn
    (1.0, 1.0, 0.25, 0.25),
    (1.0, 1.0, 0.25, 0.75),
    (1.0, 1.0, 0.75, 0.25),
    (0.75, 1.0, 0.5, 0.5),
    (0.75, 1.25, 0.5, 0.75),
    (0.5, 1.0, 1.0, 1.0),  # NTK
    (0.5, 1.0, 2.0, 1.0),  # standard with rate 1/n
    (0.5, 1.5, 1.0, 1.0),
    (0.5, 1.0, 1.0, 2.0),
    (0.75, 1.0, 0.75, 0.75),
    (1.0, 1.0, 0.5, 0.5),
    (1.0, 1.0, 0.5, 1.0),
    (1.0, 1.0, 1.0, 0.5),
)
_UNSTABLE = (
    (1.0, 1.0, -0.5, -0.5),  # features explode, r = -1/2
    (1.0, 1.0, -0.5, 0.0),
    (1.0, 1.0, 0.0, -0.5),
)


def sample(seed: int, count: int | None = None) -> tuple[list[Parametrisation], list[Parametrisation]]:
    """Stable non-trivial points and points with r = -1/2, each at a random place of its symmetry orbit.

    Args:
        seed: of the places on the orbits.
        count: how many of the stable points, evenly spread over the list; all of them if None.
    """
    rng = np.random.default_rng([seed, 7])
    picked = np.arange(len(_CORNERS))
    if count is not None and count < len(_CORNERS):
        picked = np.unique(np.linspace(0, len(_CORNERS) - 1, count).round().astype(int))
    return [_point(_CORNERS[i], rng) for i in picked], [_point(corner, rng) for corner in _UNSTABLE]


def blowing_up() -> Parametrisation:
    r"""$2a_{L+1}+c=\frac12$: one step moves the logits by $n^{1/2}$."""
    return from_invariants("unstable logits", output_size=1.0, output_rate=0.5, input_gain=1.0, hidden_gain=1.0)


def trivial() -> Parametrisation:
    """Stable, but nothing moves."""
    return from_invariants("trivial", output_size=1.0, output_rate=1.5, input_gain=0.5, hidden_gain=0.5)


def exponents(points: Sequence[Parametrisation]) -> np.ndarray:
    """Predicted exponents -r, one a point."""
    return np.array([-point.r for point in points])


def _point(corner: Sequence[float], rng: np.random.Generator) -> Parametrisation:
    size, rate, first, second = corner
    return from_invariants(
        f"({size:g}, {rate:g}, {first:g}, {second:g})",
        output_size=size,
        output_rate=rate,
        input_gain=first,
        hidden_gain=second,
        theta=float(rng.uniform(-0.5, 0.5)),
    )


def _equal(x: float, y: float) -> bool:
    return abs(x - y) < TOLERANCE
