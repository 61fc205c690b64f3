"""Parts that are known to differ, with what happens. It should be empty."""

from __future__ import annotations

from tests.parts.row import DEFAULT

_KNOWN: dict[tuple[str, str], list[str]] = {}

FINDINGS: dict[tuple[str, str], str] = {
    (part, way): reason
    for (first, reason), parts in _KNOWN.items()
    for part in parts
    for way in {first, DEFAULT}
}
"""What happens, by part and way; what differs in plain steps differs in all."""
