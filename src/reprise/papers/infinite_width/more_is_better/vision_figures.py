"""The chapter's figures on images: each returns the figure and, tidy, exactly what it draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise import plotting
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import evidence
from reprise.papers.infinite_width.more_is_better.figures import Drawn
from reprise.papers.infinite_width.more_is_better.vision import VisionStudy

__all__ = ["noise_curves", "scaling_curves"]


def scaling_curves(studies: Sequence[VisionStudy]) -> Drawn:
    """Kappa estimate and ridgeless test error against n, with fitted slopes; controls in red."""
    fig, axes = plotting.wide(2, ["spectrum", "target"], share=False)
    rows: list[dict[str, object]] = []
    for what, ax in zip(("kappa", "error"), axes, strict=True):
        for study, colour, marker in zip(studies, plotting.GROUPS, plotting.MARKERS, strict=False):
            found = study.scaling
            against = study.controls["narrow"].kappa if what == "kappa" else found.permuted
            for source, values in (("measured", getattr(found, what)), ("control", against)):
                low, high = np.quantile(values, [0.025, 0.975], axis=0)
                look = (
                    {"color": colour, "marker": marker, "label": study.name}
                    if source == "measured"
                    else {"label": None}
                )
                mark = plotting.experiment if source == "measured" else plotting.control
                mark(ax, found.ns, values.mean(axis=0), low, high, **look)
                rows += [{"quantity": what, "task": study.name, "source": source, "n": n, "value": m, "low": lo, "high": hi}
                         for n, m, lo, hi in zip(found.ns, values.mean(axis=0), low, high, strict=True)]  # fmt: skip
            fit = evidence.exponents([found], what)[0]
            centre = getattr(found, what).mean(axis=0)
            middle = np.exp(
                np.mean(np.log(centre)) + evidence.scalar(fit) * (np.log(found.ns) - np.mean(np.log(found.ns)))
            )
            ax.plot(found.ns, middle, color=colour, linewidth=1)
            plotting.slope_note(ax, fit, (found.ns[-2], float(middle[-2])), color=colour, side="below")
        plotting.log_ticks(ax, "both")
        ax.set_xlabel("samples n")
    axes[0].set_ylabel(r"$1/\mathrm{tr}\,K_n^{-1}\simeq\kappa$")
    axes[1].set_ylabel("ridgeless test error")
    axes[0].legend(loc="lower left")
    return fig, pd.DataFrame(rows)


def noise_curves(studies: Sequence[VisionStudy]) -> Drawn:
    """Test error over its minimum against the fitting ratio at every noise level; formula with the fitted exponents."""
    fig, axes = plotting.wide(max(len(studies), 2), [s.name for s in studies])
    rows: list[dict[str, object]] = []
    ratios = np.linspace(0, 0.985, 300) ** 2
    for ax, study in zip(axes, studies, strict=False):
        selection, evaluation = study.noisy
        for at, (level, colour) in enumerate(
            zip(study.noise_levels, plotting.family(len(study.noise_levels)), strict=True)
        ):
            best = int(selection.test[:, at].mean(axis=0).argmin())
            test, train = (a[:, at].mean(axis=0) for a in (evaluation.test, evaluation.train))
            label = f"noise {level:g}"
            plotting.experiment(ax, train / test, test / test[best], color=colour, label=label, markersize=3.5)
            curve = np.asarray(ef.fitting_ratio_curve(ratios, study.alpha, min(study.beta, 2 * study.alpha), level))
            plotting.theory(ax, ratios, curve / curve.min(), color=colour, linewidth=1.1)
            ax.axvline(train[best] / test[best], color=colour, linewidth=0.8, zorder=1.5)
            rows += [{"task": study.name, "noise": level, "source": "measured", "fitting_ratio": a, "relative_error": b}
                     for a, b in zip(train / test, test / test[best], strict=True)]  # fmt: skip
            rows += [{"task": study.name, "noise": level, "source": "formula", "fitting_ratio": a, "relative_error": b}
                     for a, b in zip(ratios, curve / curve.min(), strict=True)]  # fmt: skip
        ax.set_ylim(0.97, 1.6)
        ax.set_xlabel(r"fitting ratio $R$")
    for ax in axes[len(studies) :]:
        ax.set_axis_off()
    axes[0].set_ylabel("test error / minimum")
    plotting.outside_legend(axes[len(studies) - 1])
    return fig, pd.DataFrame(rows)
