"""The page of an audit: what was looked for, what was found, and the images themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from fmnistlab.auditing.findings import AuditedImage, EqualImages
from fmnistlab.auditing.result import Audit
from fmnistlab.auditing.words import facts_of
from fmnistlab.reporting.page import LIMIT, render
from fmnistlab.reporting.sprite import Sprite

_MOST: Final = 500
"""Findings of a kind that are shown; fewer if the page would be too large."""

_FIRST: Final = 60
"""Findings of a kind that are not folded away."""

_MOST_OF_GROUP: Final = 12
"""Images that are shown of a group of equal ones."""


def audit_page(found: Audit) -> str:
    """Returns the page of an audit.

    Args:
        found: the audit.
    """
    most = _MOST
    while True:
        page = _page(found, most)
        if len(page.encode()) <= LIMIT or most == 0:
            return page
        most = most * 3 // 4 if most > 10 else 0


def _page(found: Audit, most: int) -> str:
    """Returns the page with a number of findings of each kind at most."""
    shown = dataclasses.replace(
        found,
        equal=tuple(map(_cut, found.equal[:most])),
        mirrored=tuple(map(_cut, found.mirrored[:most])),
        near=found.near[:most],
        constant=found.constant[:most],
        candidates=None if found.candidates is None else found.candidates[:most],
    )
    images = list(dict.fromkeys(_images(shown)))
    sprite = Sprite(found.pixels(images))
    contents = {
        "title": " and ".join(part.name for part in found.parts),
        "audit": found,
        "shown": shown,
        "facts": facts_of(found),
        "notes": found.notes,
        "images": sum(part.images for part in found.parts),
        "across": sum(pair.across for pair in found.near),
        "groups": [
            ("equal", "Equal images", found.equal, shown.equal),
            ("mirrored", "Mirrored images", found.mirrored, shown.mirrored),
        ],
        "places": {image: sprite.place(row) for row, image in enumerate(images)},
        "first": _FIRST,
        "numbers": {"format": 1, **shown.to_dict(), "found": _counts(found)},
    }
    return render("audit.html", contents, sprite)


def _cut(group: EqualImages) -> EqualImages:
    return dataclasses.replace(group, images=group.images[:_MOST_OF_GROUP])


def _images(found: Audit) -> Iterator[AuditedImage]:
    for group in (*found.equal, *found.mirrored):
        yield from group.images
    for pair in found.near:
        yield from (pair.one, pair.other)
    yield from found.constant
    for doubt in found.candidates or ():
        yield doubt.image


def _counts(found: Audit) -> dict[str, Any]:
    """Returns how many findings of each kind there are, those that are not shown too."""
    return {
        "equal": len(found.equal),
        "mirrored": len(found.mirrored),
        "near": len(found.near),
        "constant": len(found.constant),
        "candidates": None if found.candidates is None else len(found.candidates),
    }
