r"""Claims C2: signals and gradients stay polynomial in depth only where both susceptibilities are 1."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import recursions
from reprise.papers.infinite_width.principles_of_dl.activations import Activation
from reprise.papers.infinite_width.principles_of_dl.ensembles import in_chunks

OUTPUTS = 16
"""Outputs whose gradients are averaged: each is a random vector sent back through the network."""


class Setting(NamedTuple):
    r"""An activation and how far its $C_W$ is from the critical one, as a factor."""

    activation: Activation
    factor: float

    @property
    def weight(self) -> float:
        """$C_W$."""
        return self.factor * recursions.critical_weight(self.activation)

    def log_gains(self, depth: int, which: str = "perpendicular") -> Float[np.ndarray, " depth"]:
        r"""Predicted $\log\chi_\perp(K^{(\ell)})$, or that of $\chi_\parallel$, layer by layer from $K^{(1)}=1$."""
        return np.log(getattr(recursions.layers(self.activation, depth, weight=self.weight), which))


class Passage(NamedTuple):
    r"""Signals through deep networks of one setting, each of shape (nets, layers).

    Attributes:
        setting: which.
        kernel: $\frac1n|z^{(\ell)}|^2$.
        gradient: $|\partial f/\partial z^{(\ell)}|^2$, averaged over outputs.
    """

    setting: Setting
    kernel: Float[np.ndarray, "nets layers"]
    gradient: Float[np.ndarray, "nets layers"]

    def _fit(self, skip: int) -> np.ndarray:
        """Weights of the least-squares slope over all layers but the first `skip`."""
        layers = np.arange(skip, self.gradient.shape[1], dtype=np.float64)
        return np.asarray((layers - layers.mean()) / np.sum((layers - layers.mean()) ** 2))

    def fitted(self, skip: int) -> Estimate:
        r"""Exponential rate per layer at which the gradient grows on its way back to layer $\ell$, least squares."""
        weights = self._fit(skip)

        def slope(rows: np.ndarray, axis: int) -> np.ndarray:
            return np.asarray(-np.log(rows.mean(axis=axis)) @ weights)

        return statistics.bootstrap(self.gradient[:, skip:], slope)

    def predicted(self, skip: int, which: str = "perpendicular") -> float:
        r"""The same fit to what the recursion says: between $\ell$ and $\ell+1$ the gradient gains $\chi_\perp(K^{(\ell)})$."""
        depth = self.gradient.shape[1]
        below = np.concatenate([[0.0], np.cumsum(self.setting.log_gains(depth, which))])[:depth]
        return float(below[skip:] @ self._fit(skip))


def passages(settings: Sequence[Setting], width: int, depth: int, nets: int, *, seed: int) -> list[Passage]:
    """Random networks, forwards and back; all settings share the weight matrices."""
    scales = np.asarray([s.weight**0.5 for s in settings], np.float32)

    def applied(z: np.ndarray, which: str) -> np.ndarray:
        parts = [getattr(s.activation, which)(z[:, :, i]) for i, s in enumerate(settings)]
        return np.asarray(scales * np.stack(parts, axis=2))

    def work(rng: np.random.Generator, count: int) -> np.ndarray:
        z = np.repeat(rng.standard_normal((count, width, 1), dtype=np.float32), len(settings), axis=2)
        tops = rng.standard_normal((count, width, 1, OUTPUTS), dtype=np.float32) / np.float32(width**0.5)
        weights = rng.standard_normal((depth - 1, count, width, width), dtype=np.float32) / np.float32(width**0.5)
        passed = [z]
        for w in weights:
            passed.append(w @ applied(passed[-1], "value"))
        kernel = np.stack([np.mean(z.astype(np.float64) ** 2, axis=1) for z in passed], axis=1)
        gradient = np.empty_like(kernel)  # (count, layers, settings)
        delta = np.repeat(tops, len(settings), axis=2)
        for layer in range(depth - 1, -1, -1):
            gradient[:, layer] = np.mean(np.sum(delta.astype(np.float64) ** 2, axis=1), axis=-1)
            if layer:
                back = np.swapaxes(weights[layer - 1], 1, 2) @ delta.reshape(count, width, -1)
                delta = applied(passed[layer - 1], "first")[..., None] * back.reshape(delta.shape)
        return np.stack([kernel, gradient], axis=1)

    name = f"signals through {depth} layers of {width}"
    rows = in_chunks(work, nets, width**2 * depth, seed=seed, name=name)
    return [Passage(s, rows[:, 0, :, i], rows[:, 1, :, i]) for i, s in enumerate(settings)]


def rate_gap(passages: Sequence[Passage], *, skip: int, shift: float = 1.0) -> Estimate:
    r"""Largest relative distance between fitted and predicted rates over settings off criticality.

    The prediction is for `shift` times the $C_W$ of the networks: 1, or another value as a control.
    """
    pairs = []
    for p in passages:
        if p.setting.factor != 1.0:
            other = p._replace(setting=p.setting._replace(factor=shift * p.setting.factor))
            unit, found = other.predicted(skip), p.fitted(skip)
            ends = [float(v) / unit - 1.0 for v in (found.value, found.low, found.high)]  # type: ignore[arg-type]
            lowest = 0.0 if ends[1] * ends[2] < 0 else min(abs(ends[1]), abs(ends[2]))
            pairs.append((abs(ends[0]), lowest, max(abs(ends[1]), abs(ends[2]))))
    value, low, high = np.max(np.asarray(pairs), axis=0)
    nets = len(passages[0].gradient)
    return Estimate(
        float(value), float(low), float(high), n=nets, method=f"largest of {len(pairs)}, bootstrap intervals"
    )


def pick(passages: Sequence[Passage], activation: Activation, factor: float) -> Passage:
    """The passage of one setting."""
    return next(p for p in passages if p.setting.activation.name == activation.name and p.setting.factor == factor)


def settings(relu: Sequence[float], tanh: Sequence[float]) -> list[Setting]:
    """ReLU and tanh at these factors of their critical C_W."""
    return [Setting(act.RELU, f) for f in relu] + [Setting(act.TANH, f) for f in tanh]


def least_bias(activations: Sequence[Activation]) -> Estimate:
    r"""Smallest $C_b$ among the critical initialisations of these activations; it is a variance, so it must not be negative."""
    found = []
    for a in activations:
        if a.slopes is not None:
            found.append(0.0)
        elif a.taylor is not None:
            found.append(recursions.zero_kernel_point(a).bias)
        else:
            found.append(recursions.half_stable_point(a).bias)
    return Estimate.exact(float(min(found)), n=len(found), method="recursion")


def phase(
    activation: Activation, biases: Float[np.ndarray, " b"], weights: Float[np.ndarray, " w"]
) -> tuple[Float[np.ndarray, "w b"], Float[np.ndarray, "w b"]]:
    r"""$\chi_\parallel$ and $\chi_\perp$ at the stable kernel of each $(C_b,C_W)$, NaN where the kernel grows for ever.

    All points of the plane are iterated at once, on a table of $g$ in $\log K$.
    """
    grid = np.linspace(np.log(1e-8), np.log(1e4), 1200)
    table = [recursions.moments(activation, float(k)) for k in np.exp(grid)]
    square, slope, gain = (np.asarray([getattr(m, name) for m in table]) for name in ("square", "slope", "gain"))
    b, w = np.meshgrid(biases, weights)
    k = np.ones_like(b)
    for _ in range(1600):
        k = np.clip(b + w * np.exp(np.interp(np.log(k), grid, np.log(square))), 1e-8, 1e4)
    gone = k >= 0.99e4
    parallel, perpendicular = (w * np.interp(np.log(k), grid, part) for part in (slope, gain))
    return np.where(gone, np.nan, parallel), np.where(gone, np.nan, perpendicular)


def steady_line(
    activation: Activation, kernels: Float[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    r"""The line $\chi_\perp=1$ in the plane $(C_b,C_W)$, by its fixed points K: $C_W=1/\langle\sigma'^2\rangle$, $C_b=K-C_Wg$.

    Only where the fixed point attracts, $\chi_\parallel\le1$, and $C_b$ is a variance.
    """
    found = []
    for k in kernels:
        m = recursions.moments(activation, float(k))
        bias = k - m.square / m.gain
        if m.slope <= m.gain and bias >= 0.0:
            found.append((bias, 1 / m.gain))
    return tuple(np.asarray(found).T)  # type: ignore[return-value]


FAMILIES = (act.RELU, act.TANH, act.SIN, act.ERF, act.GELU, act.SWISH)
"""Activations that have a critical initialisation."""
