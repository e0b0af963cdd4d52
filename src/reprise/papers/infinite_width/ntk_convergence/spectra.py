r"""Eigenvalues of the limiting kernel on digits, and what those that the paper reports say about its networks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from reprise.papers.infinite_width.ntk_convergence import theory
from reprise.papers.infinite_width.ntk_convergence.components import principal_components


def first_eigenvalues(
    batches: Sequence[Float[np.ndarray, "n d"]],
    depths: Sequence[int],
    *,
    bias: float,
    count: int = 3,
    centred: bool = False,
) -> dict[int, Float[np.ndarray, "batches count"]]:
    r"""Largest eigenvalues of $\Theta^{(L)}_\infty(X,X)/N$ on each batch, by depth."""
    rows: dict[int, list[np.ndarray]] = {depth: [] for depth in depths}
    for x in batches:
        kernels = theory.relu_kernels(x @ x.T / x.shape[1], deepest=max(depths), bias=bias)
        for depth in depths:
            rows[depth].append(principal_components(kernels[depth], centred=centred).values[:count])
    return {depth: np.stack(found) for depth, found in rows.items()}


PAPER_EIGENVALUES = (0.0457, 0.00108, 0.00078)
"""Section 6.3; not read off the paper itself."""


def reading(
    spectra: dict[int, Float[np.ndarray, "batches 3"]],
    batches: Sequence[Float[np.ndarray, "n d"]],
    *,
    comparable: bool,
) -> str:
    """Markdown: eigenvalues by depth, the paper's beside them in units of the spread over batches, the gap at beta = 1."""
    wide = first_eigenvalues(batches, sorted(spectra), bias=1.0)
    lines = ["| depth | λ₁ | λ₂ | λ₃ | λ₁/λ₂ | λ₁/λ₂ with β = 1, in units of that |", "|---|---|---|---|---|---|"]
    for depth, values in sorted(spectra.items()):
        gap, wide_gap = (v[:, 0] / v[:, 1] for v in (values, wide[depth]))
        cells = []
        for i in range(3):
            mean, spread = values[:, i].mean(), values[:, i].std(ddof=1)
            away = f" ({(PAPER_EIGENVALUES[i] - mean) / spread:+.1f} σ)" if comparable else ""
            cells.append(f"{mean:.3g} ± {spread:.1g}{away}")
        lines.append(
            f"| {depth} | {' | '.join(cells)} | {gap.mean():.0f} ± {gap.std(ddof=1):.0f} | {(wide_gap / gap).mean():.1f} |"
        )
    paper = ", ".join(f"{v:g}" for v in PAPER_EIGENVALUES)
    note = (
        f"± is the spread over batches; in brackets, how far the paper's {paper} (ratio {PAPER_EIGENVALUES[0] / PAPER_EIGENVALUES[1]:.0f}) "
        "lie from the mean in units of it. Pixels are in [0, 1]."
        if comparable
        else f"These digits are not the paper's; its {paper} can be compared only with MNIST, from the standard profile on."
    )
    return "\n".join([*lines, "", note])
