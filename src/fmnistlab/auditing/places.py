"""Which image of which part a row of all parts together is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmnistlab.auditing.findings import AuditedImage
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.shapes import UInt8


class Places:
    """Where each image of all parts together is; asked for only where there is something to say.

    Args:
        parts: the parts.
        names: SHA-256 of their images, all together.

    Attributes:
        names: as given.
    """

    def __init__(
        self, parts: Sequence[FashionMNISTCSV], names: UInt8[np.ndarray, "rows 32"]
    ) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.names: UInt8[np.ndarray, "rows 32"] = names

    def __getitem__(self, number: int) -> AuditedImage:
        """Returns the image of a row of all parts together."""
        part = int(np.searchsorted(self._ends, number, side="right"))
        inside = int(number) - (int(self._ends[part - 1]) if part else 0)
        return AuditedImage(
            part=self._parts[part].name,
            row=inside,
            label=int(self._parts[part].targets[inside]),
            sha256=self.names[number].tobytes().hex(),
        )
