"""safetensors."""

from __future__ import annotations

from typing import ClassVar

from safetensors.torch import load_file, save_file

from benchmarks.faults.formats.file_format import FileFormat, digest, weights


class Safetensors(FileFormat):
    """A dict of tensors."""

    name: ClassVar[str] = "weights.safetensors"

    def write(self, seed: int) -> str:
        content = weights(seed)
        save_file(content, self.path)
        return digest(content)

    def read(self) -> str:
        return digest(load_file(self.path))
