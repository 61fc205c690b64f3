"""An audit in words: one line for each thing that was looked for, and tables of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fmnistlab.auditing.findings import AuditedImage, AuditedPart, EqualImages
from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.foundation.tables import Cell, Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnistlab.auditing.result import Audit


class FoundTable(NamedTuple):
    """A table of findings.

    Attributes:
        title: what it shows.
        columns: its columns.
        rows: its rows.
    """

    title: str
    columns: list[str | Column]
    rows: list[list[Cell]]


def facts_of(found: Audit) -> list[tuple[str, str]]:
    """Returns what was looked for, and what came of it, in words."""
    facts = [(part.name, _of_part(part)) for part in found.parts]
    facts += [
        ("equal images", _of_groups(found.equal)),
        ("mirrored images", _of_groups(found.mirrored)),
        ("equal images with two labels", _count(len(found.conflicting), "group")),
        ("constant images", _count(len(found.constant), "image")),
    ]
    if found.near_distance is None:
        facts.append(("near duplicates", "not looked for"))
    else:
        across = sum(pair.across for pair in found.near)
        conflicting = sum(pair.conflicting for pair in found.near)
        places = f", {across:,} across parts" if len(found.parts) > 1 else ""
        facts.append(
            (
                "near duplicates",
                f"{_count(len(found.near), 'pair')} up to {found.near_distance:g} grey levels "
                f"apart{places}, {conflicting:,} with two labels",
            )
        )
    for drift in found.drift:
        facts.append(
            (
                f"{drift.one} against {drift.other}",
                f"labels: V {drift.labels_v:.3f}, p {drift.labels_p:.2g}; brightness: "
                f"{drift.brightness:+.4f}, D {drift.brightness_d:.3f}, p {drift.brightness_p:.2g}",
            )
        )
    if found.candidates is None:
        facts.append(("labels in doubt", "not checked"))
    else:
        share = len(found.candidates) / max(found.checked, 1)
        facts.append(
            (
                "labels in doubt",
                f"{_count(len(found.candidates), 'candidate')} among {found.checked:,} images "
                f"({share:.1%}), by {found.checked_by}",
            )
        )
    return facts


def tables_of(found: Audit, most: int) -> list[FoundTable]:
    """Returns a table of each kind of finding that there is.

    Args:
        found: the audit.
        most: rows of each table.
    """
    tables = []
    for title, groups in (("Equal images", found.equal), ("Mirrored images", found.mirrored)):
        rows: list[list[Cell]] = [
            [number, *_place(image)]
            for number, group in enumerate(groups[:most], start=1)
            for image in group.images[:most]
        ]
        tables.append(FoundTable(_title(title, len(groups), most), ["group", *_PLACE], rows))
    constant: list[list[Cell]] = [_place(image) for image in found.constant[:most]]
    tables.append(
        FoundTable(_title("Constant images", len(found.constant), most), [*_PLACE], constant)
    )
    near: list[list[Cell]] = [
        [*_place(pair.one), *_place(pair.other), pair.distance] for pair in found.near[:most]
    ]
    columns: list[str | Column] = [*_PLACE, *_PLACE, Column("distance", ".2f")]
    tables.append(
        FoundTable(
            _title("Near duplicates, the nearest first", len(found.near), most), columns, near
        )
    )
    doubts = found.candidates or ()
    doubtful: list[list[Cell]] = [
        [
            *_place(doubt.image),
            doubt.given_probability,
            CLASS_NAMES[doubt.suggested],
            doubt.suggested_probability,
        ]
        for doubt in doubts[:most]
    ]
    given, other = Column("given", ".3f"), Column("probability", ".3f")
    tables.append(
        FoundTable(
            _title("Candidates for wrong labels, the most doubtful first", len(doubts), most),
            [*_PLACE, given, "looks like", other],
            doubtful,
        )
    )
    return [table for table in tables if table.rows]


_PLACE: tuple[str | Column, ...] = ("part", Column("row", "d"), "label")


def _place(image: AuditedImage) -> list[Cell]:
    return [image.part, image.row, CLASS_NAMES[image.label]]


def _of_part(part: AuditedPart) -> str:
    present = [count for count in part.classes if count]
    classes = (
        f"{len(present)} classes of {present[0]:,}"
        if len(set(present)) == 1
        else f"{len(present)} classes of {min(present):,} to {max(present):,}"
    )
    return (
        f"{part.images:,} images; {classes if len(present) > 1 else 'a single class'}; pixels: "
        f"mean {part.pixel_mean:.4f}, deviation {part.pixel_std:.4f}"
    )


def _of_groups(groups: Sequence[EqualImages]) -> str:
    if not groups:
        return "none"
    images = sum(len(group.images) for group in groups)
    across = sum(group.across for group in groups)
    return f"{_count(len(groups), 'group')} of {images:,} images together, {across:,} across parts"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}" if number else "none"


def _title(title: str, count: int, most: int) -> str:
    return f"{title} ({most} of {count:,})" if count > most else title
