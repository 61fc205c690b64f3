"""What every format can do, and what is written."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

TENSORS = 10
SIZE = 15_000
"""Float32 numbers in a tensor."""


class FileFormat(abc.ABC):
    """A way to write weights into one file and to read them.

    Args:
        folder: of the file.

    Attributes:
        name: of the file.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.name

    @abc.abstractmethod
    def write(self, seed: int) -> str:
        """Writes random weights and returns their digest."""

    @abc.abstractmethod
    def read(self) -> str:
        """Reads the file and returns the digest of all that was in it.

        Raises:
            Exception: it cannot be read.
        """


def weights(seed: int) -> dict[str, Tensor]:
    """Returns normally distributed numbers, 600 kB in all."""
    generator = torch.Generator().manual_seed(seed)
    return {f"part{index}": torch.randn(SIZE, generator=generator) for index in range(TENSORS)}


def digest(content: Mapping[str, Tensor] | Mapping[str, np.ndarray]) -> str:
    """Returns the SHA-256 of names, types, shapes and bits."""
    found = hashlib.sha256()
    for name, value in sorted(content.items()):
        array = np.asarray(value)
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()
