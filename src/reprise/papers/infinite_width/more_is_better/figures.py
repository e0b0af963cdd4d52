"""The chapter's figures: each returns the figure and, tidy, exactly what it draws."""

from reprise.papers.infinite_width.more_is_better.law_figures import (
    accuracy,
    admissible_map,
    errors_against_width,
    fitting_ratio_curves,
)
from reprise.papers.infinite_width.more_is_better.vision_figures import noise_curves, scaling_curves

__all__ = [
    "accuracy",
    "admissible_map",
    "errors_against_width",
    "fitting_ratio_curves",
    "noise_curves",
    "scaling_curves",
]
