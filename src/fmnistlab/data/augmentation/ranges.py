"""Settings that are two numbers, from and to."""

from __future__ import annotations

from torch import Tensor

from fmnistlab.foundation.checks import number, refused
from fmnistlab.shapes import Float


def number_range(name: str, value: object, *, least: float, most: float) -> tuple[float, float]:
    """Returns a setting as two of Python's own floats, the smaller one first.

    Args:
        name: of the setting, for the message.
        value: anything.
        least: smallest number allowed.
        most: largest number allowed.

    Raises:
        ConfigurationError: they are not two finite numbers in the range, or in the other order.
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise refused(name, value, f"two numbers, from and to, each from {least:g} up to {most:g}")
    low, high = (number(name, end, least=least, most=most) for end in value)
    if low > high:
        raise refused(name, value, "the smaller number first")
    return low, high


def within(ends: tuple[float, float], uniform: Float[Tensor, "batch"]) -> Float[Tensor, "batch"]:
    """Returns numbers between two ends, from uniform numbers in [0, 1)."""
    low, high = ends
    return (uniform * (high - low) + low).clamp(max=high)
