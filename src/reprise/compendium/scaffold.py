"""A new paper's four files, from templates that run as they are: a contributor starts from green."""

from __future__ import annotations

import json
import re
from pathlib import Path

from reprise.compendium import cards, paths
from reprise.compendium.errors import RepriseError, suggest
from reprise.compendium.files import write_atomically

_SLUG = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")
_ARXIV = re.compile(r"^\d{4}\.\d{4,5}$|^[a-z-]+/\d{7}$")

_CARD = """\
schema: 1
slug: {slug}
title: {title}
authors: [{authors}]
year: {year}
venue: preprint
arxiv: {arxiv}
doi: null
code: null
topic: {topic}
summary: >
  Two sentences in your own words: what the paper says, and why it matters. This template estimates the mean of a
  normal distribution in their place.
finding: >
  The mean is {{C1/mean}}; the claim is {{C1}}, over {{p.seeds}} seeds.
lead_figure: F1
related: []
parameters:
  seeds: {{type: int, bounds: [3, 10000], meaning: independent repetitions}}
  samples: {{type: int, bounds: [2, 1000000], meaning: draws of each repetition}}
profiles:
  quick: {{minutes: 0.2, stands_in_for: the same experiment with fewer draws, values: {{seeds: 20, samples: 100}}}}
  standard: {{minutes: 0.5, stands_in_for: the paper's experiment, values: {{seeds: 50, samples: 1000}}}}
  full: {{minutes: 1, stands_in_for: nothing; it is the paper's own scale, values: {{seeds: 100, samples: 10000}}}}
abstract:
  - {{sentence: "One asserting sentence of the abstract, paraphrased.", claims: [C1]}}
claims:
  - id: C1
    title: The mean is zero
    statement: The draws have mean zero.
    where: Theorem 1
    reported: {{text: "zero", verified: false}}
    profile: quick
    checks:
      - name: mean
        quantity: mean over seeds of the sample mean
        criterion: {{kind: within, low: -0.1, high: 0.1}}
        control: {{name: draws shifted by one, why: their mean is one}}
figures:
  - id: F1
    title: Sample means
    caption: The sample means scatter around zero, those of the control around one.
    alt: Two groups of points; the measured one lies around zero, the control around one.
    claims: [C1]
"""

_MODULE = '''\
"""{title}: the paper's method and its experiments, as pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_means(seeds: int, samples: int, *, shift: float = 0.0) -> NDArray[np.float64]:
    """The mean of ``samples`` standard normal draws plus ``shift``, one for each of ``seeds`` seeds.

    Returns:
        array of shape (seeds,).
    """
    draws = [np.random.default_rng(seed).standard_normal(samples) for seed in range(seeds)]
    return np.stack(draws).mean(axis=1) + shift
'''

_TEST = '''\
"""The module of {slug} against independent truths."""

from __future__ import annotations

import numpy as np

from {module} import sample_means


def test_the_spread_of_a_mean_is_one_over_the_root_of_its_draws() -> None:
    means = sample_means(seeds=400, samples=64)
    # The standard deviation of 400 normal values is known to 3.5 %; four of its standard errors are 14 %.
    assert abs(means.std(ddof=1) * np.sqrt(64) - 1) < 0.14


def test_the_control_is_shifted() -> None:
    assert np.allclose(sample_means(5, 10, shift=1.0), sample_means(5, 10) + 1.0)
'''

_CELLS = [
    ("markdown", "# {title}\n\n{authors_line}, {year}"),
    ("code", "seeds = 20\nsamples = 100"),
    (
        "code",
        "import matplotlib.pyplot as plt\nimport pandas as pd\n\nimport reprise\nfrom {module} import sample_means\n"
        "from reprise.statistics import mean\n\n"
        'study = reprise.open("{slug}", seeds=seeds, samples=samples)',
    ),
    ("markdown", "## The idea\n\nWhy anyone should care, in plain words, before the first equation."),
    (
        "markdown",
        "## The method\n\nThe equations that the experiments use, every symbol defined where it first appears.",
    ),
    ("code", "study.source(sample_means)"),
    ("markdown", "## C1: the mean is zero\n\nThe question; what theory predicts; the experiment; the control."),
    (
        "code",
        "measured = sample_means(seeds, samples)\nshifted = sample_means(seeds, samples, shift=1.0)\n"
        'study.test("C1", "mean", measured=mean(measured), control=mean(shifted))',
    ),
    (
        "code",
        'frame = pd.DataFrame({{"seed": range(seeds), "measured": measured, "control": shifted}})\n'
        "fig, ax = plt.subplots()\n"
        'ax.plot(frame["seed"], frame["measured"], "o", label="measured")\n'
        'ax.plot(frame["seed"], frame["control"], "s", label="control")\n'
        'ax.set(title="Sample means", xlabel="seed", ylabel="sample mean")\nax.legend()\n'
        'study.figure("F1", fig, data=frame)',
    ),
    ("markdown", "## What holds, what does not\n\nVerdicts in words; deviations; what was substituted."),
    ("markdown", "## Try it\n\nTwo or three changes of parameters worth making, at least one that breaks the claim."),
    ("code", "study.close()"),
]


def create(
    slug: str,
    *,
    topic: str,
    title: str,
    authors: list[str],
    year: int,
    arxiv: str | None = None,
) -> list[Path]:
    """Write card, module, notebook and test of a new paper; returns their paths.

    Nothing is written if any of them exists or any value is bad.

    Raises:
        RepriseError: bad slug, unknown topic, paper that exists already, or a folder that cannot be written to.
    """
    _check(slug, topic, title, authors, year, arxiv)
    top = paths.root()
    name = slug.replace("-", "_")
    facts = {
        "slug": slug,
        "title": json.dumps(title, ensure_ascii=False),
        "authors": ", ".join(json.dumps(author, ensure_ascii=False) for author in authors),
        "year": year,
        "arxiv": json.dumps(arxiv),
        "topic": topic,
    }
    plain = {
        "slug": slug,
        "title": title.replace('"', "'").rstrip("."),
        "authors_line": ", ".join(authors),
        "year": year,
        "module": f"reprise.papers.{topic}.{name}",
    }
    package = top / "src" / "reprise" / "papers" / topic
    contents = {
        top / "notebooks" / topic / f"{slug}.yml": _CARD.format(**facts),
        package / f"{name}.py": _MODULE.format(**plain),
        top / "notebooks" / topic / f"{slug}.ipynb": _notebook(plain),
        top / "tests" / "papers" / f"test_{name}.py": _TEST.format(**plain),
    }
    if any(path.stem == slug for path in (top / "notebooks").glob("*/*.yml")):
        raise RepriseError(f"there is a paper '{slug}' already")
    for path in contents:
        if path.exists():
            raise RepriseError(f"{path} exists already; nothing was written")
    if not (package / "__init__.py").exists():
        marker = f'"""Papers of the topic: {cards.TOPIC_TITLES[topic].lower()}."""\n'
        contents = {package / "__init__.py": marker, **contents}
    return _write(contents)


def _check(slug: str, topic: str, title: str, authors: list[str], year: int, arxiv: str | None) -> None:
    if not _SLUG.match(slug):
        raise RepriseError(f"'{slug}' is no slug: lower-case words and digits joined by '-', such as lazy-training")
    if topic not in cards.TOPIC_TITLES:
        raise RepriseError(f"unknown topic '{topic}'; {suggest(topic, cards.TOPIC_TITLES)}")
    if not title.strip() or not all(author.strip() for author in authors):
        raise RepriseError("title and authors must not be empty")
    if not 1900 <= year <= 2100:
        raise RepriseError(f"the year must lie in 1900 to 2100, got {year}")
    if arxiv is not None and not _ARXIV.match(arxiv):
        raise RepriseError(f"'{arxiv}' is no arXiv number, such as 1806.07572")


def _write(contents: dict[Path, str]) -> list[Path]:
    """Write all files, or none."""
    written: list[Path] = []
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
            written.append(path)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RepriseError(f"cannot write the new paper: {error}; nothing was left behind") from None
        raise
    return written


def _notebook(facts: dict[str, object]) -> str:
    cells = []
    for number, (kind, template) in enumerate(_CELLS):
        source = template.format(**facts)
        cell: dict[str, object] = {
            "cell_type": kind,
            "id": f"cell-{number:02d}",
            "metadata": {},
            "source": source.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
            if number == 1:
                cell["metadata"] = {"tags": ["parameters"]}
        cells.append(cell)
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
