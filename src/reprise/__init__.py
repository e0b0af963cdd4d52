"""Reprise: papers on kernels, infinite-width networks and representation learning, reproduced claim by claim.

>>> import reprise
>>> study = reprise.open("ntk-convergence", widths=[64, 256])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Estimate", "Study", "open"]

if TYPE_CHECKING:
    from reprise.compendium.study import Study
    from reprise.compendium.study import open_study as open  # noqa: A004 (the name that notebooks read best)
    from reprise.estimate import Estimate


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line starts without pydantic and pandas."""
    if name == "Estimate":
        from reprise.estimate import Estimate

        return Estimate
    if name in ("open", "Study"):
        from reprise.compendium import study

        return study.open_study if name == "open" else study.Study
    raise AttributeError(f"module 'reprise' has no attribute '{name}'")
