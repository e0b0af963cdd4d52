"""What the palette promises: contrast, order in grey, even steps, difference for colour-blind eyes."""

import itertools

import numpy as np
import pytest

from reprise import plotting
from reprise.plotting.colours import contrast_ratio, lab, lightness, linear, readable, rgb

# Machado, Oliveira and Fernandes (2009), IEEE TVCG 15:1291, severity 1, on linear light
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colours, kind=None):
    values = rgb(list(colours))
    if kind is not None:
        light = np.clip(linear(values) @ np.array(BLINDNESS[kind]).T, 0, 1)
        values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return lab(values)


def closest(points):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))


@pytest.mark.parametrize("kind", [None, *BLINDNESS])
def test_groups_differ_for_every_eye(kind):
    assert closest(seen(plotting.GROUPS, kind)) > 17
    with_control = seen([*plotting.GROUPS, plotting.CONTROL], kind)
    assert min(np.linalg.norm(with_control[:-1] - with_control[-1], axis=1)) > 14


@pytest.mark.parametrize("kind", [None, *BLINDNESS])
def test_evidence_differs_for_every_eye(kind):
    assert closest(seen([plotting.INK, plotting.EXPERIMENT, plotting.CONTROL], kind)) > 15


def test_evidence_is_ordered_in_a_grey_print():
    light = lightness([plotting.INK, plotting.EXPERIMENT, plotting.CONTROL, plotting.PAPER])
    assert np.all(np.diff(light) > 15)


@pytest.mark.parametrize("n", range(2, 11))
def test_a_family_is_even_and_ordered_in_grey(n):
    colours = plotting.family(n)
    assert len(set(colours)) == n
    assert np.all(np.diff(lightness(colours)) < 0)
    steps = np.linalg.norm(np.diff(lab(rgb(colours)), axis=0), axis=1)
    assert steps.max() / steps.min() < 1.4


def test_a_family_of_one_and_of_none():
    assert 30 < lightness(plotting.family(1)[0]) < 50
    with pytest.raises(ValueError, match="at least one"):
        plotting.family(0)


def test_everything_stands_out_from_the_paper():
    for colour in [*plotting.family(8), plotting.EXPERIMENT, plotting.CONTROL, plotting.REPORTED, plotting.INK]:
        assert contrast_ratio(colour, plotting.PAPER) >= 3.0
    for colour in plotting.GROUPS:
        assert contrast_ratio(colour, plotting.PAPER) >= 2.6  # with markers of six forms


def test_text_reads():
    for colour in [*plotting.GROUPS, *plotting.family(8), plotting.CONTROL, plotting.REPORTED, "white"]:
        assert contrast_ratio(readable(colour), plotting.PAPER) >= 4.5


def test_lightness_agrees_with_a_published_pair():
    assert lab(rgb("#ff0000")).tolist() == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
