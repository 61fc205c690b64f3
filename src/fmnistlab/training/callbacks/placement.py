"""Where a model is trained."""

from __future__ import annotations

import torch

from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import Setup
from fmnistlab.training.device import choose_device


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
