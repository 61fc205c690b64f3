"""Where and with what a measurement was made."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = (
    "fmnistlab",
    "torch",
    "numpy",
    "pandas",
    "scikit-learn",
    "lightning",
    "skorch",
    "keras",
    "poutyne",
    "pytorch-ignite",
    "jax",
    "optax",
    "polars",
    "pyarrow",
)
"""Whatever is measured, by the name under which it is installed."""


def environment() -> dict[str, object]:
    """Returns date, processor, Python, versions of all packages and the load of this minute."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    """Returns the name that the processor gives itself, with family and model on Linux."""
    table = Path("/proc/cpuinfo")
    if not table.exists():
        return platform.processor()
    facts: dict[str, str] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts.get('cpu family')}, model {facts.get('model')})"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
