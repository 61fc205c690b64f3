"""torch.save and torch.load."""

from __future__ import annotations

from typing import ClassVar

import torch

from benchmarks.faults.formats.file_format import FileFormat, digest, weights


class TorchSave(FileFormat):
    """A dict of tensors."""

    name: ClassVar[str] = "weights.pt"

    def write(self, seed: int) -> str:
        content = weights(seed)
        torch.save(content, self.path)
        return digest(content)

    def read(self) -> str:
        return digest(torch.load(self.path, weights_only=True))
