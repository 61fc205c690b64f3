from __future__ import annotations

import json
import math

from hypothesis import given
from tests.strategies import any_float, json_values

from fmnistlab.foundation.json_text import json_text


@given(json_values)
def test_plain_values_survive(value: object) -> None:
    assert json.loads(json_text(value)) == value


@given(any_float)
def test_what_json_cannot_say_becomes_null(number: float) -> None:
    read = json.loads(json_text({"a": [number, (number,)]}))
    expected = number if math.isfinite(number) else None
    assert read == {"a": [expected, [expected]]}
