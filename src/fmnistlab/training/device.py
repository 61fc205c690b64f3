"""Which device a training runs on, and what it may lack: memory, or instructions for bfloat16."""

from __future__ import annotations

import contextlib
import textwrap
import warnings
from collections.abc import Iterator

import torch

from fmnistlab.errors import ConfigurationError, DeviceMemoryError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.training.recipes.step_options import Precision

_LONGEST_REASON = 200

_BFLOAT16_INSTRUCTIONS = "amx_bf16", "avx512_bf16", "bf16"
"""As `torch.cpu.get_capabilities` calls them; the last is Arm's. Without any, a training step of a
network of 20 convolutions took nine times as long as in float32 (AMD EPYC of family 25)."""

_logger = get_logger(__name__)

_SIGNS = ("can't allocate memory", "out of memory", "not enough memory", "std::bad_alloc")
"""How torch and its libraries say it where they raise a plain RuntimeError."""


@contextlib.contextmanager
def named_memory_errors(
    device: torch.device, doing: str, batch_size: int | None = None
) -> Iterator[None]:
    """Turns any way of running out of memory inside the block into a `DeviceMemoryError`.

    Args:
        device: where the work is done.
        doing: what is done, such as "training".
        batch_size: images that are worked on at once, if the user chose that.

    Raises:
        DeviceMemoryError: the device ran out of memory; what the block held is free again.
    """
    try:
        yield
        return
    except (torch.OutOfMemoryError, MemoryError) as error:
        cause: BaseException = error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        cause = error
    # Without its traceback, because that holds on to everything the block had in its variables.
    cause.with_traceback(None)
    if device.type != "cpu":
        torch.get_device_module(device).empty_cache()
    said = next(iter(str(cause).splitlines()), type(cause).__name__)[:200]
    with_batches = "" if batch_size is None else f" with batches of {batch_size} images"
    advice = "a smaller model" if batch_size is None else "a smaller batch size or model"
    raise DeviceMemoryError(
        f"{device} ran out of memory while {doing}{with_batches}. Take {advice}, or free memory "
        f"there. ({said})"
    ) from cause


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


def warn_of_slow_precision(precision: Precision, device: torch.device) -> None:
    """Logs that a processor only imitates the numbers in which a recipe computes.

    Args:
        precision: of the training steps.
        device: where they are made.
    """
    if precision != "bfloat16" or device.type != "cpu":
        return
    known = torch.cpu.get_capabilities()
    if not any(known.get(name) for name in _BFLOAT16_INSTRUCTIONS):
        _logger.warning(
            "this processor has no instructions for bfloat16 (%s): steps are likely to take "
            "several times as long as with %s",
            ", ".join(_BFLOAT16_INSTRUCTIONS),
            setting("precision", "float32"),
        )
