"""A small compendium with one paper, made in a temporary folder: the ground that these tests stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import yaml

SLUG = "coin-tosses"

PARAMETERS_CELL = "tosses = 400\nseeds = 8\nbias = 0.5\nmode = 'fair'"

CODE_CELLS = [
    "import numpy as np, pandas as pd\nimport matplotlib.pyplot as plt\nimport reprise\n"
    "study = reprise.open('coin-tosses', tosses=tosses, seeds=seeds, bias=bias, mode=mode)",
    "from reprise import Estimate\n"
    "rng = np.random.default_rng(0)\n"
    "means = rng.binomial(tosses, bias, size=seeds) / tosses\n"
    "def estimate(x):\n"
    "    half = 3 * x.std(ddof=1) / len(x) ** 0.5\n"
    "    return Estimate(x.mean(), x.mean() - half, x.mean() + half, n=len(x), method='t', samples=tuple(x))\n"
    "study.test('C1', 'mean', measured=estimate(means), control=estimate(means + 0.3))",
    "fig, ax = plt.subplots()\nax.plot(means)\n"
    "study.figure('F1', fig, data=pd.DataFrame({'seed': range(seeds), 'mean': means}))",
    "study.say(f'The mean is **{means.mean():.3f}**.')\nstudy.close()",
]


def card(**changes: Any) -> dict[str, Any]:
    """The card as plain data; ``changes`` replace top-level keys."""
    values = {"tosses": 400, "seeds": 8, "bias": 0.5, "mode": "fair"}
    data: dict[str, Any] = {
        "schema": 1,
        "slug": SLUG,
        "title": "On the Mean of Fair Coins",
        "authors": ["Jakob Bernoulli", "Abraham de Moivre"],
        "year": 1913,
        "venue": "Basel",
        "arxiv": "1806.07572",
        "doi": "10.1000/coins",
        "code": None,
        "topic": "infinite_width",
        "summary": "Fair coins fall on heads half of the time. This is what the law of large numbers says.",
        "finding": "The mean is {C1/mean}; the claim is {C1}, with {p.seeds} seeds.",
        "lead_figure": "F1",
        "parameters": {
            "tosses": {"type": "int", "unit": "tosses", "bounds": [1, 100000], "meaning": "tosses a seed"},
            "seeds": {"type": "int", "bounds": [2, 1000], "meaning": "independent seeds"},
            "bias": {"type": "float", "bounds": [0, 1], "meaning": "probability of heads"},
            "mode": {"type": "str", "choices": ["fair", "loaded"], "meaning": "kind of coin"},
        },
        "profiles": {
            name: {"minutes": 0.1, "stands_in_for": f"the {name} size", "values": {**values, "tosses": tosses}}
            for name, tosses in [("quick", 400), ("standard", 4000), ("full", 40000)]
        },
        "abstract": [
            {"sentence": "Fair coins have mean one half.", "claims": ["C1"]},
            {"sentence": "The coins are beautiful.", "left_out": "not measurable"},
        ],
        "claims": [
            {
                "id": "C1",
                "title": "The mean",
                "statement": "The mean tends to one half.",
                "where": "Theorem 1",
                "reported": {"text": "one half", "verified": True},
                "profile": "quick",
                "checks": [
                    {
                        "name": "mean",
                        "quantity": "mean share of heads",
                        "criterion": {"kind": "within", "low": 0.45, "high": 0.55},
                        "control": {"name": "loaded coin", "why": "its mean lies 0.3 higher"},
                    }
                ],
            }
        ],
        "figures": [
            {
                "id": "F1",
                "title": "Means",
                "caption": "Close to one half.",
                "alt": "Points near one half.",
                "claims": ["C1"],
            }
        ],
    }
    data.update(changes)
    return data


def write(root: Path, data: dict[str, Any] | None = None, cells: list[str] | None = None) -> Path:
    """Write the compendium under ``root``; ``cells`` replace the code cells after the parameters cell."""
    data = data or card()
    folder = root / "notebooks" / data["topic"]
    folder.mkdir(parents=True, exist_ok=True)
    (root / "_config.yml").write_text("title: sample\n")
    (folder / f"{data['slug']}.yml").write_text(yaml.safe_dump(data, sort_keys=False))
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    parameters = nbformat.v4.new_code_cell(PARAMETERS_CELL)
    parameters.metadata["tags"] = ["parameters"]
    notebook.cells = [
        nbformat.v4.new_markdown_cell(f"# {data['title']}"),
        parameters,
        *(nbformat.v4.new_code_cell(cell) for cell in (cells if cells is not None else CODE_CELLS)),
    ]
    nbformat.write(notebook, folder / f"{data['slug']}.ipynb")
    return root
