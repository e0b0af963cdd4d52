"""Figures on images: each returns the figure and, tidy, exactly what it draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reprise import plotting
from reprise.kernels import eigenframework as ef
from reprise.papers.infinite_width.more_is_better import evidence
from reprise.papers.infinite_width.more_is_better.law_figures import Drawn, rows_of
from reprise.papers.infinite_width.more_is_better.vision import VisionStudy

__all__ = ["noise_curves", "scaling_curves"]


def scaling_curves(studies: Sequence[VisionStudy]) -> Drawn:
    """Kappa estimate and ridgeless test error against n, with fitted slopes; controls in red."""
    fig, axes = plotting.wide(
        2, [r"spectrum: $\kappa\propto n^{-\alpha}$", r"target: error $\propto n^{1-\beta}$"], share=False
    )
    rows: list[dict[str, Any]] = []
    for what, ax in zip(("kappa", "error"), axes, strict=True):
        for study, colour, marker in zip(studies, plotting.GROUPS, plotting.MARKERS, strict=False):
            found, fit = study.scaling, evidence.exponents([study.scaling], what)[0]
            values, ns = getattr(found, what), np.asarray(found.ns)
            centre, (low, high) = values.mean(axis=0), np.quantile(values, [0.025, 0.975], axis=0)
            label = f"{study.name}: slope {plotting.interval_text(fit)}"
            plotting.experiment(ax, ns, centre, low, high, color=colour, marker=marker, label=label)
            line = np.exp(np.log(centre).mean() + evidence.scalar(fit) * (np.log(ns) - np.log(ns).mean()))
            ax.plot(ns, line, color=colour, linewidth=1)

            against = study.controls["narrow"].kappa if what == "kappa" else found.permuted
            middle, (least, most) = against.mean(axis=0), np.quantile(against, [0.025, 0.975], axis=0)
            plotting.control(ax, ns, middle, least, most, label=None)
            common = {"quantity": what, "task": study.name}
            rows += rows_of({**common, "source": "measured"}, ns, value=centre, low=low, high=high)
            rows += rows_of({**common, "source": "fit"}, ns, value=line)
            rows += rows_of({**common, "source": "control"}, ns, value=middle, low=least, high=most)
        control = "narrow kernel" if what == "kappa" else "permuted labels"
        plotting.direct_label(ax, ns[-1], middle[-1], control, color=plotting.CONTROL, side="above")
        plotting.log_ticks(ax, "both")
        low_end, high_end = ax.get_ylim()
        ax.set_ylim(low_end / (high_end / low_end) ** (0.09 * len(studies)), high_end)
        ax.set_xlabel("samples n")
        ax.legend(loc="lower left", fontsize=9)
    axes[0].set_ylabel(r"$1/\mathrm{tr}\,K_n^{-1}$")
    axes[1].set_ylabel("ridgeless test error")
    return fig, pd.DataFrame(rows).rename(columns={"x": "n"})


def noise_curves(studies: Sequence[VisionStudy]) -> Drawn:
    """Test error over its minimum against the fitting ratio at every noise level; formula with the fitted exponents."""
    names = [study.name for study in studies]
    fig, axes = plotting.wide(len(studies), names) if len(studies) > 1 else plotting.single(names[0])
    panels = list(np.atleast_1d(np.asarray(axes, dtype=object)))
    rows: list[dict[str, Any]] = []
    ratios = np.linspace(0, 0.9995, 150) ** 2
    for ax, study in zip(panels, studies, strict=True):
        selection, evaluation = study.noisy
        colours = plotting.family(len(study.noise_levels))
        for at, (level, colour) in enumerate(zip(study.noise_levels, colours, strict=True)):
            best = int(selection.test[:, at].mean(axis=0).argmin())
            test, train = (a[:, at].mean(axis=0) for a in (evaluation.test, evaluation.train))
            plotting.experiment(
                ax, train / test, test / test[best], color=colour, label=f"noise {level:g}", markersize=4
            )
            curve = np.asarray(ef.fitting_ratio_curve(ratios, *study.law(level)))
            plotting.theory(ax, ratios, curve / curve.min(), color=colour, linewidth=1.1)
            ax.axvline(train[best] / test[best], color=colour, linewidth=0.8, zorder=1.5)
            common = {"task": study.name, "noise": level}
            rows += rows_of({**common, "source": "measured"}, train / test, relative_error=test / test[best])
            rows += rows_of({**common, "source": "formula"}, ratios, relative_error=curve / curve.min())
            rows += rows_of({**common, "source": "best ratio"}, [train[best] / test[best]])
        ax.set_ylim(0.97, 1.6)
        ax.set_xlabel(r"fitting ratio $R = E_{tr}/E_{te}$")
    panels[0].set_ylabel("test error / minimum")
    plotting.outside_legend(panels[-1])
    return fig, pd.DataFrame(rows).rename(columns={"x": "fitting_ratio"})
