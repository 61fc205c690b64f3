"""Kinds of values in the records of a run folder, each with the range that it must be in."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Final, TypeAlias

import torch

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.foundation.typed_json import Rule
from fmnistlab.seeding import MAX_SEED, MAX_SPLIT_SEED
from fmnistlab.training.steps.threads import MAX_THREADS

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DEVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,30}(:\d{1,3})?")
_PICTURE: Final = re.compile(r"[a-z][a-z0-9_-]{0,59}\.png")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")

_MOST: Final = 2**63 - 1


def _matches(wanted: str, pattern: re.Pattern[str]) -> Rule:
    return Rule(wanted, lambda text: pattern.fullmatch(text) is not None)


def _from_to(least: int, most: int) -> Rule:
    return Rule(f"from {least:,} to {most:,}", lambda number: least <= number <= most)


def _one_of(names: tuple[str, ...]) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda text: text in names)


def _is_device(text: str) -> bool:
    if _DEVICE.fullmatch(text) is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # torch warns of names that it gave up
            torch.device(text)
    except (RuntimeError, Warning):
        return False
    return True


Count: TypeAlias = Annotated[int, _from_to(0, _MOST)]
Number: TypeAlias = Annotated[int, _from_to(1, _MOST)]
"""A count of something that there must be, such as epochs."""

Seed: TypeAlias = Annotated[int, _from_to(0, MAX_SEED)]
SplitSeed: TypeAlias = Annotated[int, _from_to(0, MAX_SPLIT_SEED)]
Threads: TypeAlias = Annotated[int, _from_to(1, MAX_THREADS)]
Fraction: TypeAlias = Annotated[float, _from_to(0, 1)]
Part: TypeAlias = Annotated[float, Rule("above 0 and below 1", lambda part: 0 < part < 1)]
Seconds: TypeAlias = Annotated[float, Rule("from 0", lambda seconds: seconds >= 0)]
Sha256: TypeAlias = Annotated[str, _matches("64 hexadecimal digits", _SHA256)]
Device: TypeAlias = Annotated[str, Rule('a device such as "cpu" or "cuda:0"', _is_device)]
ClassName: TypeAlias = Annotated[str, _one_of(CLASS_NAMES)]
Picture: TypeAlias = Annotated[str, _matches('a name such as "curves.png"', _PICTURE)]
Time: TypeAlias = Annotated[str, _matches("a time such as 2026-01-31T12:00:00+00:00", _TIME)]
Source: TypeAlias = Annotated[
    str, Rule('"bundled" or a path', lambda text: bool(text) and "\0" not in text)
]
