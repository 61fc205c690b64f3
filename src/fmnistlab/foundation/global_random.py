"""The global random generators of torch, Python and numpy: seeded, written down, put back.

Models draw dropout from torch's, data sets often draw from Python's or numpy's. While a model is
trained all of them are seeded, so that the same seed gives the same bits, and are as before after.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class RandomStates(NamedTuple):
    """Where all global generators stand.

    Attributes:
        torch: state of torch's CPU generator, uint8.
        accelerator: state of the device's generator, uint8; None on the CPU.
        others: states of Python's and numpy's generators, as values of JSON.
    """

    torch: Tensor
    accelerator: Tensor | None
    others: dict[str, Any]


def seed_all(seed: int) -> None:
    """Seeds the global generators of torch (all devices), Python and numpy.

    Args:
        seed: 0 to 2**63 - 1; numpy gets its lowest 32 bits.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global one is meant


def random_states(device: torch.device | None = None) -> RandomStates:
    """Returns where all global generators stand now.

    Args:
        device: an accelerator whose generator is wanted too.
    """
    version, words, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one is meant
    others = {
        "python": [version, list(words), gauss],
        "numpy": [str(kind), np.asarray(keys).tolist(), *rest],
    }
    accelerator = None
    if _is_accelerator(device):
        accelerator = torch.get_device_module(device).get_rng_state(device)
    return RandomStates(torch.get_rng_state(), accelerator, others)


def restore_random_states(states: RandomStates, device: torch.device | None = None) -> None:
    """Puts all global generators where they stood.

    Args:
        states: what `random_states` returned.
        device: the accelerator that was meant.
    """
    torch.set_rng_state(states.torch)
    if states.accelerator is not None and _is_accelerator(device):
        torch.get_device_module(device).set_rng_state(states.accelerator, device)
    version, words, gauss = states.others["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = states.others["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))  # noqa: NPY002 - NumPy's global state


@contextlib.contextmanager
def isolated_randomness(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds all global generators inside the block and puts them back after it.

    Args:
        seed: what the generators start from; see `seeding.derive_seed`.
        device: an accelerator whose generator is put back too.
    """
    before = random_states(device)
    seed_all(seed)
    try:
        yield
    finally:
        restore_random_states(before, device)


def _is_accelerator(device: torch.device | None) -> bool:
    return device is not None and device.type not in ("cpu", "meta")
