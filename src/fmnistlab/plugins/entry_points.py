"""What the installed packages declare under an entry-point group; nothing they declare is imported.

The scan is ours, and not `importlib.metadata.entry_points`, because there one package with damaged
metadata makes the call fail for all packages.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from fmnistlab.foundation.terminal import describe

_NAME_LINE = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE)
_VERSION_LINE = re.compile(r"^Version:[ \t]*(\S+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, order=True)
class Declaration:
    """One line of a package's entry points: ``name = value``.

    Attributes:
        package: name of the distribution, as it spells it.
        version: its version, or "(unknown version)".
        name: what stands left of the equals sign.
        value: what stands right of it, "module:attribute" if it is well-formed.
    """

    package: str
    version: str
    name: str
    value: str


class Scan(NamedTuple):
    """What one look at all installed packages found.

    Attributes:
        declarations: sorted; a line that a package repeats is there once.
        unreadable: one sentence for each package whose metadata could not be read.
    """

    declarations: tuple[Declaration, ...]
    unreadable: tuple[str, ...]


def scan_packages(group: str) -> Scan:
    """Returns what all installed packages declare under `group`, however damaged some of them are.

    Of two distributions with the same name the one that comes first on `sys.path` counts, as it
    does for an import; the names are compared as PEP 503 normalizes them.

    Args:
        group: name of the entry-point group, such as "fmnistlab.models".
    """
    declarations: set[Declaration] = set()
    unreadable: list[str] = []
    seen: set[str] = set()
    for distribution in _distributions(unreadable):
        try:
            package, found = _read(distribution, group)
        except Exception as error:  # noqa: BLE001 - told in `unreadable`; others must not suffer
            place = getattr(distribution, "_path", distribution)
            unreadable.append(f"{place} cannot be read: {describe(error)}")
            continue
        # A distribution without a name cannot be a duplicate; an old one may still lie about.
        if package is None or normalize_package(package) in seen:
            continue
        seen.add(normalize_package(package))
        declarations.update(found)
    return Scan(tuple(sorted(declarations)), tuple(sorted(unreadable)))


def normalize_package(name: str) -> str:
    """Returns the name of a distribution as PEP 503 compares it: "Acme_Models" is "acme-models"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _distributions(unreadable: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """Yields what each import finder finds; a finder that fails costs only its own findings."""
    context = importlib.metadata.DistributionFinder.Context()
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_distributions", None)
        if find is None:
            continue
        try:
            yield from find(context)
        except Exception as error:  # noqa: BLE001 - told in `unreadable`; others must not suffer
            unreadable.append(f"{finder!r} cannot list its packages: {describe(error)}")


def _read(
    distribution: importlib.metadata.Distribution, group: str
) -> tuple[str | None, list[Declaration]]:
    """Returns the package's name, None if it has none and does not matter, and its declarations."""
    text = distribution.read_text("entry_points.txt") or ""
    if group not in text:
        # The name is still wanted, as this one may shadow another; but its faults are not ours.
        try:
            return _identity(distribution)[0], []
        except Exception:  # noqa: BLE001 - it declares no model, so nothing is missing
            return None, []
    package, version = _identity(distribution)
    if package is None:
        raise ValueError("there is no METADATA file with a Name, so it is unknown whose it is")
    entry_points = [entry for entry in distribution.entry_points if entry.group == group]
    return package, [
        Declaration(package, version or "(unknown version)", entry.name, entry.value)
        for entry in entry_points
    ]


def _identity(distribution: importlib.metadata.Distribution) -> tuple[str | None, str | None]:
    """Returns name and version; parsing all metadata as e-mail would take six times as long."""
    metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    name, version = _NAME_LINE.search(metadata), _VERSION_LINE.search(metadata)
    return name and name[1], version and version[1]
