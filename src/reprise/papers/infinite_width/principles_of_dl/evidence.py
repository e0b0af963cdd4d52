"""The checks of each claim by name: what was measured beside its control, from the experiments' samples."""

from collections.abc import Sequence

import numpy as np

from reprise import statistics
from reprise.estimate import Estimate
from reprise.papers.infinite_width.principles_of_dl import activations as act
from reprise.papers.infinite_width.principles_of_dl import (
    algorithms,
    aspect,
    classes,
    criticality,
    information,
    tangent,
)
from reprise.papers.infinite_width.principles_of_dl import fluctuations as fl
from reprise.papers.infinite_width.principles_of_dl.algorithms import Trained
from reprise.papers.infinite_width.principles_of_dl.criticality import Passage
from reprise.papers.infinite_width.principles_of_dl.fluctuations import Ensemble
from reprise.papers.infinite_width.principles_of_dl.tangent import Cell, Kernels

Pair = dict[str, Estimate]
Checks = dict[str, Pair]
CONTROLS = 2000
"""Networks of the control with random signs as weights."""


def _pair(measured: Estimate, control: Estimate) -> Pair:
    return {"measured": measured, "control": control}


def nearly_gaussian(
    drawn: Sequence[Ensemble], mixed: Sequence[Ensemble], orthogonal: Sequence[Ensemble], *, seed: int
) -> Checks:
    """C1: networks by their weights, by the scale mixture, and linear and ReLU ones with orthogonal weights."""
    narrow = min(e.width for e in mixed)
    layer = int(fl.pick(drawn, act.LINEAR, narrow).moments.layers[-1])
    relu = fl.pick(drawn, act.RELU, narrow)
    seen = (act.LINEAR, act.RELU, act.TANH)
    exponents = {what: fl.range_of([fl.width_exponent(mixed, a, what) for a in seen]) for what in ("ratio", "depth")}
    growths = {
        f"growth, {e.activation.name}": _pair(fl.growth(fl.pick(mixed, e.activation, narrow)), fl.growth(e))
        for e in orthogonal
    }
    return growths | {
        "four-point ratio, tanh": _pair(*(fl.against_recursion(mixed, act.TANH, a) for a in (act.TANH, act.RELU))),
        "asymptotic slope, tanh": _pair(*(fl.late_slope(a) for a in (act.TANH, act.RELU))),
        "single neuron": _pair(
            fl.kurtosis_ratio(fl.pick(drawn, act.LINEAR, narrow).moments, layer),
            fl.sign_weights(narrow, layer, CONTROLS, seed=seed),
        ),
        "collapse": _pair(exponents["ratio"], exponents["depth"]),
        "scale mixture": _pair(*(fl.same_law(relu, layer, seed=seed, first=wrong) for wrong in (False, True))),
    }


def criticality_checks(
    passages: Sequence[Passage], factors: Sequence[float], deep: np.ndarray, shallow: np.ndarray
) -> Checks:
    """C2: signals through random networks, training losses of deep and shallow ones (nets, factors)."""
    return {
        "gradient rates": _pair(*(criticality.rate_gap(passages, skip=8, shift=shift) for shift in (1.0, 1.05))),
        "rate at criticality": _pair(*(criticality.pick(passages, act.RELU, f).fitted(0) for f in (1.0, 1.25))),
        "trainable when critical": _pair(*aspect.at_criticality(factors, deep)),
        "depth decides": _pair(*(aspect.discrimination(factors, losses) for losses in (deep, shallow))),
        "critical bias": _pair(*(criticality.least_bias(a) for a in (criticality.FAMILIES, [act.SIGMOID]))),
    }


def universality(far: int) -> Checks:
    """C3: exponents and amplitudes by recursion at a far layer, critical points, stability."""
    some, biases = classes.ZERO_KERNEL, (0.0, 0.05)
    exponents = {  # off criticality perturbations sink below rounding long before the far layer
        f"{what} exponent": _pair(
            classes.exponent_gap(some, what, far), classes.exponent_gap(some, what, far // 50, bias=0.05)
        )
        for what in ("kernel", "parallel", "perpendicular")
    }
    points = {f"critical {a.name}": _pair(classes.critical(a), Estimate.exact(2.0)) for a in (act.GELU, act.SWISH)}
    return exponents | points | {
        "kernel amplitude": _pair(*(classes.amplitude_gap(some, far, bias=bias) for bias in biases)),
        "constant kernel": _pair(*(classes.kernel_growth(factor, far) for factor in (1.0, 1.01))),
        "half-stability": _pair(classes.sidedness(), classes.sidedness(ordinary=True)),
    }  # fmt: skip


def wide_networks(layers: Sequence[int], right: np.ndarray, off: np.ndarray) -> Checks:
    """C3: wide tanh networks at criticality and with a bias, against the critical recursion."""
    return {"wide networks": _pair(*(classes.against_recursion(act.TANH, layers, some) for some in (right, off)))}


def tangent_kernel(cells: Sequence[Cell], widths: Sequence[int], relu: Sequence[Kernels], *, seed: int) -> Checks:
    """C4: exponents over the grid of depths and widths, ReLU networks trained at these widths, and controls that are trained here."""
    depths = sorted({c.hidden for c in cells})
    powers = {what: tangent.powers(cells, what) for what in ("fluctuation", "change")}
    line, row, cell = tangent.diagonal(cells), tangent.row(cells, depths[0]), tangent.deepest(cells)
    mean_field = tangent.mean_field(depths[1], depths, widths, len(cell.kernels.before), seed=seed)
    both = [fl.range_of([tangent.along(some, what) for what in powers]) for some in (line, row)]
    return {
        "fluctuation against width": _pair(powers["fluctuation"][1], tangent.along(line, "fluctuation", -1.0)),
        "fluctuation against depth": _pair(powers["fluctuation"][0], tangent.along(line, "fluctuation")),
        "change against width": _pair(powers["change"][1], mean_field),
        "change against depth": _pair(powers["change"][0], tangent.along(line, "change")),
        "change against width, ReLU": _pair(tangent.width_exponent(widths, relu), mean_field),
        "collapse": _pair(*both),
        "kernel moves": _pair(cell.estimate("change"), tangent.linearised(cell, 20, seed=seed)),
    }


def algorithm_checks(runs: Sequence[Trained], widths: Sequence[int], shares: Sequence[float]) -> Checks:
    """C5: exponents of the differences between algorithms against width and step."""
    others = statistics.slope(widths, algorithms.between_seeds(runs))
    half, most = list(shares).index(0.5), list(shares).index(0.9)
    tables = {
        "half the largest step": algorithms.differences(runs, lambda run: run.descent[:, half]),
        "nine tenths of the largest step": algorithms.differences(runs, lambda run: run.descent[:, most]),
        "Newton steps": algorithms.differences(runs, lambda run: run.newton),
        "kernel prediction": algorithms.differences(runs, lambda run: run.kernel),
    }
    steps = [algorithms.step_exponent(runs[-1], shares, seeds=other) for other in (False, True)]
    return {name: _pair(statistics.slope(widths, table), others) for name, table in tables.items()} | {
        "growth with the step": _pair(*steps)
    }


def optimal_ratio(studies: Sequence[aspect.Residual], sweeps: Sequence[aspect.Sweep], plain: Sequence[aspect.Sweep]) -> Checks:  # fmt: skip
    """C6: information, residual amplitudes (linear and tanh), and best depths where they were sought."""
    checks = {
        "leading coefficient": _pair(information.coefficients(), information.coefficients(share=3.0)),
        "interior maximum": _pair(*(information.beyond_the_optimum(order) for order in (None, 2))),
    }
    for found in studies:
        if found.activation is not act.RELU:
            checks[f"amplitude, {found.activation.name} residual"] = _pair(found.gap(), found.gap(plain=True))
    if sweeps:
        checks["best depth against width"] = _pair(*(aspect.depth_exponent(each[0]) for each in (sweeps, plain)))
        checks["best depth with skips"] = _pair(*(aspect.depth_gain(*each) for each in (sweeps, plain)))
    return checks
