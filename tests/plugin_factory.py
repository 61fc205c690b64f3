"""Makes throw-away installed distributions: a module, a dist-info folder, and a line on sys.path.

Use it as ``with installed(tmp_path, Plugin("acme", {"mine": "acme:build"})): ...``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

GROUP = "fmnistlab.models"

WORKING = "import torch\ndef build(**options): return torch.nn.Flatten()\n"
"""Source of a module whose `build` gives a model."""


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A distribution to be installed.

    Attributes:
        package: name of the distribution; its module is the same with underscores.
        entry_points: model names and "module:attribute"; or the whole text of entry_points.txt.
        source: text of its module; None leaves the module out.
        version: of the distribution.
        metadata: text of METADATA; None leaves the file out.
    """

    package: str
    entry_points: Mapping[str, str] | str | bytes
    source: str | None = WORKING
    version: str = "1.0"
    metadata: str | None = "Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"

    @property
    def module(self) -> str:
        return self.package.replace("-", "_").replace(".", "_")

    def install(self, folder: Path) -> None:
        """Writes the files that an installer would write."""
        info = folder / f"{self.module}-{self.version}.dist-info"
        info.mkdir(parents=True)
        if self.metadata is not None:
            text = self.metadata.format(package=self.package, version=self.version)
            (info / "METADATA").write_text(text, encoding="utf-8")
        (info / "entry_points.txt").write_bytes(self._entry_points_text())
        if self.source is not None:
            (folder / f"{self.module}.py").write_text(self.source, encoding="utf-8")

    def _entry_points_text(self) -> bytes:
        if isinstance(self.entry_points, bytes):
            return self.entry_points
        if isinstance(self.entry_points, str):
            return self.entry_points.encode()
        lines = [f"{name} = {value}" for name, value in self.entry_points.items()]
        return "\n".join([f"[{GROUP}]", *lines, ""]).encode()

    @property
    def points(self) -> dict[str, str]:
        """Its entry points, if they were not given as a text."""
        assert isinstance(self.entry_points, Mapping)
        return dict(self.entry_points)


@contextlib.contextmanager
def installed(folder: Path, *plugins: Plugin) -> Iterator[None]:
    """Installs plug-ins into `folder` and puts it first on sys.path, as long as the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    for plugin in plugins:
        plugin.install(folder)
    modules = {plugin.module for plugin in plugins}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in modules & set(sys.modules):
            del sys.modules[module]
