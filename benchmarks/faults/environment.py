"""Where, when and with what a section was measured."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform

PACKAGES = (
    "fmnistlab",
    "torch",
    "safetensors",
    "lightning",
    "torchdata",
    "fsspec",
    "accelerate",
    "pytorch-ignite",
    "skorch",
    "keras",
    "h5py",
    "poutyne",
    "numpy",
    "pytest",
)
"""Whatever takes part, by the name under which it is installed."""


def environment() -> dict[str, object]:
    """Returns date, system, Python and the versions of all packages."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def sentence(facts: dict[str, object]) -> str:
    """Returns what `environment` found as the beginning of a sentence."""
    packages = facts["packages"]
    assert isinstance(packages, dict)
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"Measured on {facts['date']}, {facts['system']}, {facts['cores']} cores, with Python "
        f"{facts['python']}, {versions}"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
