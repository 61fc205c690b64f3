"""What a step does besides forward, backward and the optimizer's own step."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias, get_args

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""Numbers in which a training step computes; weights are always float32."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What a step does that the bare one leaves out; see `Recipe` for each.

    Attributes:
        clip_norm: largest norm of all gradients together, or None.
        clip_value: largest size of each number in a gradient, or None.
        accumulation_steps: parts in which a batch is computed, one after the other.
        precision: in which forward and loss are computed.
        ema_decay: of the average of weights; 0 if there is none.
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    accumulation_steps: int = 1
    precision: Precision = "float32"
    ema_decay: float = 0.0

    @property
    def computes_as_written(self) -> str | None:
        """Why forward and backward must be made as they are written, in words, or None."""
        if self.accumulation_steps > 1:
            return f"the recipe computes a batch in {self.accumulation_steps} parts"
        if self.precision != "float32":
            return f"the recipe computes in {self.precision}"
        return None

    def unusual(self) -> str | None:
        """Returns what a step that knows none of these cannot do, in words, or None."""
        said = {
            "clip_norm": self.clip_norm is not None,
            "clip_value": self.clip_value is not None,
            "accumulation_steps": self.accumulation_steps > 1,
            "precision": self.precision != "float32",
            "ema_decay": self.ema_decay > 0,
        }
        named = [name for name, given in said.items() if given]
        return f"the recipe sets {' and '.join(named)}" if named else None
