"""A compendium of one small paper in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprise.compendium import paths
from tests.compendium import sample


@pytest.fixture
def compendium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Call with card changes (and ``cells``) to write the sample compendium and make it the current one."""

    def make(cells: list[str] | None = None, **changes: Any) -> Path:
        sample.write(tmp_path, sample.card(**changes), cells)
        monkeypatch.setenv("REPRISE_ROOT", str(tmp_path))
        paths.root()
        return tmp_path

    return make
