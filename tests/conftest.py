"""What every test shares: 64-bit JAX on the CPU, explicit keys, and honest skipping."""

from __future__ import annotations

import os
import signal
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from reprise.compendium.runs import quick_xla

if TYPE_CHECKING:
    import jax

# Read by JAX when it is first imported; subprocesses inherit them.
os.environ.setdefault("JAX_ENABLE_X64", "true")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("XLA_FLAGS", quick_xla())  # most of a test's time is compilation

# What a shell starts in the background ignores Ctrl-C, and so would the commands that tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("reprise", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("reprise")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> jax.Array:
    """A random key of the test's own: the same in every run, another in every test."""
    import jax

    return jax.random.key(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves its figures open for the next: pyplot keeps them, and warns at the twenty-first."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def strict_promotion():
    """No silent mixing of dtypes while the test runs."""
    import jax

    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; without one, the test is skipped."""
    folder = os.environ.get("REPRISE_DATA_DIR")
    if not folder:
        pytest.skip("reads real data: set REPRISE_DATA_DIR to a folder that holds them")
    return Path(folder)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of this checkout."""
    return Path(__file__).resolve().parents[1]
