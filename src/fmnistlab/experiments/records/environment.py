"""Versions and machine of a training, and how they differ from those of another time."""

from __future__ import annotations

import dataclasses
import platform

import numpy as np
import torch

from fmnistlab.experiments.records.config import MachineRecord, RunConfig, VersionsRecord
from fmnistlab.version import __version__


def present_versions() -> VersionsRecord:
    """Returns the versions of this process."""
    return VersionsRecord(
        fmnistlab=__version__,
        torch=str(torch.__version__),
        numpy=np.__version__,
        python=platform.python_version(),
    )


def present_machine(device: torch.device) -> MachineRecord:
    """Returns what this machine is.

    Args:
        device: where it trains.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return MachineRecord(
        system=platform.system(),
        processor=platform.machine(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        device=name,
        deterministic_algorithms=torch.are_deterministic_algorithms_enabled(),
    )


def environment_changes(then: RunConfig, now: RunConfig) -> tuple[str, ...]:
    """Returns in words which versions, which model's code and which machine are others now."""
    return (*_origin_changes(then, now), *_other_changes(then, now))


def _origin_changes(then: RunConfig, now: RunConfig) -> tuple[str, ...]:
    if then.origin == now.origin:
        return ()
    return (f"the model was of {then.origin} and is of {now.origin} now",)


def _other_changes(then: RunConfig, now: RunConfig) -> tuple[str, ...]:
    return tuple(
        f"{name} was {old} and is {new} now"
        for before, after in ((then.versions, now.versions), (then.machine, now.machine))
        for name, old in dataclasses.asdict(before).items()
        if old != (new := getattr(after, name))
    )


def resume_changes(begun: RunConfig, now: RunConfig) -> tuple[str, ...]:
    """Returns in words what may change the last bits of a training that goes on: what is promised.

    Args:
        begun: the settings with which it began.
        now: those with which it goes on.
    """
    pairs = {
        "fmnistlab": (begun.versions.fmnistlab, now.versions.fmnistlab),
        "torch": (begun.versions.torch, now.versions.torch),
        "type of device": (begun.device.split(":")[0], now.device.split(":")[0]),
        "threads": (str(begun.threads), str(now.threads)),
        "model of": (str(begun.origin), str(now.origin)),
    }
    return tuple(
        f"{name} {new} instead of {old}" for name, (old, new) in pairs.items() if old != new
    )
