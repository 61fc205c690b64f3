"""Whether a metric is best when small or when large."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused

Mode: TypeAlias = Literal["min", "max"]
"""Which values of a metric are best: the smallest or the largest."""


def checked_mode(mode: object) -> None:
    """Checks what a caller gave as `mode`.

    Raises:
        ConfigurationError: it is neither "min" nor "max" nor None.
    """
    if mode is not None and mode not in get_args(Mode):
        raise refused("mode", mode, '"min" or "max"')


def decided_mode(metric: str, given: Mode | None, known: Mode | None) -> Mode:
    """Returns which values of a metric are best.

    Args:
        metric: its name, for the message.
        given: what a caller says, or None.
        known: what its name or the metric itself tells, or None.

    Raises:
        ConfigurationError: neither says it, or they contradict each other, or there is no such
            mode.
    """
    checked_mode(given)
    if given is not None and known is not None and given != known:
        best = "smallest" if known == "min" else "largest"
        raise ConfigurationError(
            f'The best {metric} is the {best} one, not mode="{given}"; leave mode out.'
        )
    decided = given or known
    if decided is None:
        raise ConfigurationError(
            f"Whether the best {metric} is the smallest or the largest is not known; say "
            'mode="min" or mode="max".'
        )
    return decided
