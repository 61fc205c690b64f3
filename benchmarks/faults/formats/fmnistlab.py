"""fmnistlab's checkpoint file."""

from __future__ import annotations

import json
from typing import ClassVar

from benchmarks.faults.formats.file_format import FileFormat, digest, weights
from fmnistlab.training.checkpoints.file import (
    decode_checkpoint,
    encode_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


class Fmnistlab(FileFormat):
    """Tensors, and a state that is compared too."""

    name: ClassVar[str] = "weights.safetensors"

    def write(self, seed: int) -> str:
        content, state = weights(seed), {"seed": seed}
        write_checkpoint(self.path, encode_checkpoint(content, state))
        return f"{digest(content)} {json.dumps(state)}"

    def read(self) -> str:
        found = decode_checkpoint(read_checkpoint(self.path), self.path)
        return f"{digest(found.tensors)} {json.dumps(found.state)}"
