"""Results as strict JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence


def json_text(content: object) -> str:
    """Returns `content` as indented JSON; numbers that are not finite become null.

    JSON has no word for them, and some results have no value: the precision of a class that was
    never predicted, for instance.

    Args:
        content: mappings, sequences, text, numbers, booleans and None.
    """
    return json.dumps(_finite(content), indent=2, allow_nan=False)


def _finite(content: object) -> object:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [_finite(value) for value in content]
    return content
