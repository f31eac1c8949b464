"""What the figures were measured on."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """The CPU's model name where the system tells it, else its architecture."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Hardware"):
                return value.strip()
    return platform.processor() or platform.machine()


def describe() -> dict[str, str | int]:
    """CPU, cores, system, Python and the versions of what our own code runs on."""
    versions = {name: metadata.version(name) for name in ("numpy", "scipy", "numba", "llvmlite")}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **versions,
    }
