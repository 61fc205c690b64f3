"""Where a model is trained."""

from __future__ import annotations

import textwrap
import warnings

import torch

from fmnistlab.checks import shown
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.run import Setup

_LONGEST_REASON = 200


class DevicePlacement(Callback):
    """Chooses the device; the trainer installs it in front of all other callbacks.

    Args:
        device: "auto" (CUDA if there is one, else the CPU), or anything `torch.device` takes, such
            as "cpu", "cuda:1" or "mps". Apple's "mps" is never chosen by itself.
    """

    def __init__(self, device: str | torch.device = "auto") -> None:
        self.request = device

    def on_setup(self, setup: Setup) -> None:
        """Chooses the device.

        Raises:
            ConfigurationError: there is no such device here.
        """
        setup.place_on(choose_device(self.request))


def choose_device(request: str | torch.device) -> torch.device:
    """Returns the device that `request` means on this machine.

    Raises:
        ConfigurationError: torch does not know it, this machine does not have it, or it computes
            nothing, as "meta" does.
    """
    if isinstance(request, str) and request == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with warnings.catch_warnings():
            # A warning tells of a name that torch has given up.
            warnings.simplefilter("error")
            device = torch.device(request)
        # Torch takes many a name and fails at the first number that is wanted back.
        works = torch.ones(2, device=device).sum().item() == 2
    except Exception as error:  # each of torch's backends fails in its own way
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _unusable(request, reason) from error
    if not works:
        raise _unusable(request, "it cannot add two numbers.")
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _unusable(request: object, reason: str) -> ConfigurationError:
    name = str(request) if isinstance(request, torch.device) else request
    why = textwrap.shorten(reason, _LONGEST_REASON, placeholder="...").removesuffix(".")
    return ConfigurationError(
        f'Device {shown(name)} cannot be used here: {why}. Use "auto" or "cpu".'
    )
