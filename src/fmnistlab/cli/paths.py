"""File names as arguments of commands."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def path_argument(word: str) -> Path:
    """Returns an argument as a path, for argparse.

    Raises:
        argparse.ArgumentTypeError: no file can have this name on this system.
    """
    return Path(name_argument(word))


def name_argument(word: str) -> str:
    """Returns an argument that may be a path as it is, for argparse.

    Raises:
        argparse.ArgumentTypeError: no file can have this name on this system.
    """
    try:
        encoded = os.fsencode(word)
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(
            f"{word!r} has characters that no file name can have here ({error.encoding})"
        ) from error
    if b"\0" in encoded:
        raise argparse.ArgumentTypeError(f"{word!r} has a NUL byte, which no file name can have")
    return word
