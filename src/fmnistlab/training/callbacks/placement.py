"""Where a model is trained."""

from __future__ import annotations

import torch

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.run import Setup


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
        ConfigurationError: torch does not know it, or this machine does not have it.
    """
    if request == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(request)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f'Device {str(request)!r} cannot be used here: {reason} Use "auto" or "cpu".'
        ) from error
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
