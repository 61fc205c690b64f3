"""Whether a data set holds what it should; no format can tell one legal digit from another."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fmnistlab.data.schema import OFFICIAL_FINGERPRINTS, OFFICIAL_ROWS
from fmnistlab.errors import ConfigurationError, DataFormatError, suggestion
from fmnistlab.foundation.wording import setting

OFFICIAL: Final = "fashion-mnist"
"""What `expect` calls the official training set and the official test set, either of them."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_OFFICIAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        OFFICIAL_FINGERPRINTS[part]: f"the official {name} set ({OFFICIAL_ROWS[part]:,} rows)"
        for part, name in (("train", "training"), ("test", "test"))
    }
)


def accepted_fingerprints(expect: str) -> tuple[str, ...]:
    """Returns the fingerprints that an `expect` stands for, of which one must be found.

    Args:
        expect: "fashion-mnist", or 64 hexadecimal digits; in any case.

    Raises:
        ConfigurationError: something else.
    """
    wanted = str(expect).lower()
    if wanted == OFFICIAL:
        return tuple(_OFFICIAL)
    if _FINGERPRINT.fullmatch(wanted):
        return (wanted,)
    raise ConfigurationError(
        f"{setting('expect')} is {expect!r}; give {OFFICIAL!r} for the official data, or a "
        f"fingerprint, which has 64 hexadecimal digits.{suggestion(wanted, [OFFICIAL])}"
    )


def check_content(
    path: str | os.PathLike[str], rows: int, found: str, accepted: tuple[str, ...]
) -> None:
    """Checks that a file holds one of the contents that are accepted.

    Args:
        path: the file, for the message.
        rows: how many it has.
        found: the fingerprint of its content.
        accepted: the fingerprints it may have.

    Raises:
        DataFormatError: it has another one.
    """
    if found in accepted:
        return
    wanted = " or ".join(_OFFICIAL.get(one, f"fingerprint {one}") for one in accepted)
    raise DataFormatError(
        path,
        f"is not what was expected: its {rows:,} rows have the fingerprint {found}, expected was "
        f"{wanted}. A digit was changed, or rows are missing or there twice; get another copy",
    )
