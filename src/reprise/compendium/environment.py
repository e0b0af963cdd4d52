"""The machine and the software under a run, read without importing anything that is not loaded already."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

NUMERICAL = (
    "jax",
    "jaxlib",
    "neural-tangents",
    "numpy",
    "scipy",
    "scikit-learn",
    "equinox",
    "optax",
    "blackjax",
    "pandas",
    "matplotlib",
)


def of_this_process() -> dict[str, Any]:
    """Versions, backend, device, XLA's flags and peak memory of the calling process (the notebook's kernel)."""
    jax = sys.modules.get("jax")
    facts: dict[str, Any] = {
        "packages": versions(),
        "python": platform.python_version(),
        "backend": "none",
        "device": _processor(),
        "cpu_count": os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)),
        "x64": False,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT,
    }
    if jax is not None:
        facts["backend"] = jax.default_backend()
        facts["x64"] = bool(jax.config.jax_enable_x64)
        facts["xla_flags"] = os.environ.get("XLA_FLAGS", "")
        if facts["backend"] != "cpu":
            facts["device"] = jax.devices()[0].device_kind
    return facts


def versions() -> dict[str, str]:
    """Installed versions of the numerical packages."""
    found = {}
    for name in NUMERICAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
