"""Lightning's checkpoint, of which only the weights are compared."""

from __future__ import annotations

from typing import ClassVar

import lightning.pytorch as pl
import torch
from torch import nn

from benchmarks.faults.formats.file_format import SIZE, FileFormat, digest, weights


class Module(pl.LightningModule):
    """A module that has the weights of `file_format.weights`."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterDict({name: torch.zeros(SIZE) for name in weights(0)})


class Lightning(FileFormat):
    """A module's checkpoint by a Trainer that has not trained, so that it is nearly all weights."""

    name: ClassVar[str] = "weights.ckpt"

    def write(self, seed: int) -> str:
        module = Module()
        module.load_state_dict({f"parts.{name}": part for name, part in weights(seed).items()})
        trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        trainer.strategy.connect(module)
        trainer.save_checkpoint(self.path)
        return digest(module.state_dict())

    def read(self) -> str:
        return digest(Module.load_from_checkpoint(self.path).state_dict())
