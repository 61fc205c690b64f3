"""What makes two trainings the same: all that determines their bits, and a short name for it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Final

from fmnistlab.experiments.records.config import ModelRecord, RunConfig
from fmnistlab.experiments.records.kinds import Seed, Sha256, Threads
from fmnistlab.models.registry import ModelOrigin
from fmnistlab.training.execution import Execution

_FORMAT: Final = 1
_LENGTH: Final = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingIdentity:
    """All that determines a training but its seed. Places, times and the machine are not in it.

    Attributes:
        model: which model.
        origin: whose code it is.
        recipe: what `Recipe.to_dict` returned.
        fit: fingerprint of what is learned from.
        valid: of what is measured after each epoch.
        test: of what is measured at the end.
        execution: how steps are to be executed.
        threads: CPU threads.
        device: type of the device, such as "cpu".
        fmnistlab: version.
        torch: version.
    """

    model: ModelRecord
    origin: ModelOrigin
    recipe: dict[str, Any]
    fit: Sha256
    valid: Sha256
    test: Sha256
    execution: Execution
    threads: Threads
    device: str
    fmnistlab: str
    torch: str

    @classmethod
    def of(cls, config: RunConfig) -> TrainingIdentity:
        """Returns the identity of a training that was described."""
        return cls(
            model=config.model,
            origin=config.origin,
            recipe=config.recipe,
            fit=config.data.fit.fingerprint,
            valid=config.data.valid.fingerprint,
            test=config.data.test.fingerprint,
            execution=config.execution,
            threads=config.threads,
            device=config.device.split(":")[0],
            fmnistlab=config.versions.fmnistlab,
            torch=config.versions.torch,
        )

    def key(self, seed: Seed) -> str:
        """Returns a name for the training with a seed: 12 hexadecimal digits.

        They begin the SHA-256 over JSON with sorted keys, without spaces, in which floats are
        spelled as Python spells them.
        """
        content = {"format": _FORMAT, "seed": seed, **dataclasses.asdict(self)}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
