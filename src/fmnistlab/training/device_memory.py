"""Running out of memory, told in a way that helps, with the memory given back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fmnistlab.errors import DeviceMemoryError

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
