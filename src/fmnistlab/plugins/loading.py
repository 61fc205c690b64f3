"""Importing what a package offers: whatever it raises becomes one error about that package."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
from collections.abc import Iterator
from typing import Any

from fmnistlab.errors import Terminated
from fmnistlab.foundation.terminal import describe
from fmnistlab.plugins.offers import Kind, Offer, scan_offers

_VALUE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?\s*")


def load_offer(kind: Kind, offer: Offer) -> Any:
    """Imports what a package declares, and returns it, whatever it is.

    Args:
        kind: what is asked for.
        offer: of a package.

    Raises:
        FmnistlabError: `kind.load`; the import fails, whatever the package raises.
    """
    try:
        return _import(offer.value)
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:
        # torch reads the metadata of all packages too, and fails on damage that we pass over.
        damage = "".join(f" Note: {sentence}." for sentence in scan_offers(kind).unreadable)
        raise kind.load(
            f"{kind.word.capitalize()} {offer.name!r} of {offer} could not be imported: "
            f"{describe(error)}. Update or reinstall {offer.package}, or tell its authors.{damage}"
        ) from error


@contextlib.contextmanager
def untouched_randomness() -> Iterator[None]:
    """Puts the random generators back after the block, in which they are seeded.

    Code is run when it is first asked for, and may draw numbers then. The model that is built next
    would have other weights than one that is built later.
    """
    from fmnistlab.foundation.global_random import (  # noqa: PLC0415 - listing needs no torch
        isolated_randomness,
    )

    with isolated_randomness(0):
        yield


def type_of(thing: object) -> str:
    """Returns what a thing is, in words, such as "an object of type int"."""
    return f"an object of type {type(thing).__name__}"


def _import(value: str) -> Any:
    match = _VALUE.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not of the form 'module:attribute'")
    with untouched_randomness():
        module = importlib.import_module(match["module"])
    return functools.reduce(getattr, match["attribute"].split("."), module)
