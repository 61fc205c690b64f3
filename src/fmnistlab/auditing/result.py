"""What came of an audit, as text, tables, JSON, HTML and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fmnistlab.auditing.drift import Drift
from fmnistlab.auditing.findings import (
    AuditedImage,
    AuditedPart,
    EqualImages,
    LabelCandidate,
    NearPair,
)
from fmnistlab.auditing.words import facts_of, tables_of
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.tables import format_table, markdown_table
from fmnistlab.foundation.terminal import printable
from fmnistlab.shapes import Int64, UInt8

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN: Final = 10
"""Lines of each table in a text."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Audit:
    """What is to be said of a data set of one or several parts.

    Attributes:
        parts: each part as a whole.
        equal: images that are there several times, pixel by pixel.
        mirrored: images that are there as reflections of others.
        near: pairs that are nearly the same, the nearest first; equal images count once.
        near_distance: how far apart such pairs may be, in grey levels; none that is nearer is
            missing. None if it was not looked for.
        constant: images whose pixels are all the same, such as empty ones.
        drift: how each two parts differ as wholes.
        candidates: labels in doubt, the most doubtful first; None if they were not checked.
        checked_by: whose predictions these doubts are, in words; None if there are none.
        checked: how many images' labels were checked.
        notes: what could not be done, in words.
        data: the parts themselves, for pictures and groups.
    """

    parts: tuple[AuditedPart, ...]
    equal: tuple[EqualImages, ...]
    mirrored: tuple[EqualImages, ...]
    near: tuple[NearPair, ...]
    near_distance: float | None
    constant: tuple[AuditedImage, ...]
    drift: tuple[Drift, ...]
    candidates: tuple[LabelCandidate, ...] | None
    checked_by: str | None
    checked: int
    notes: tuple[str, ...]
    data: tuple[FashionMNISTCSV, ...] = dataclasses.field(compare=False)

    @property
    def conflicting(self) -> tuple[EqualImages, ...]:
        """Equal and mirrored images that have more than one label."""
        return tuple(found for found in (*self.equal, *self.mirrored) if found.conflicting)

    @property
    def groups(self) -> tuple[Int64[np.ndarray, "n"], ...]:
        """A number for each image of each part, int64 (n,), for `split(keep_together=...)`.

        Images that are equal, mirrored or near have the same number, across parts too, and so have
        images that are only linked by others. All others have numbers of their own.
        """
        starts = np.cumsum([0, *(part.images for part in self.parts)])
        place = {part.name: int(start) for part, start in zip(self.parts, starts, strict=False)}
        links = [
            (place[one.part] + one.row, place[other.part] + other.row)
            for one, other in self._linked()
        ]
        ends = np.array(links, dtype=np.int64).reshape(-1, 2)
        graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), [starts[-1]] * 2)
        numbers = connected_components(graph, directed=False)[1].astype(np.int64)
        return tuple(np.split(numbers, starts[1:-1]))

    def _linked(self) -> list[tuple[AuditedImage, AuditedImage]]:
        same = [
            (found.images[0], other)
            for found in (*self.equal, *self.mirrored)
            for other in found.images[1:]
        ]
        return [*same, *((pair.one, pair.other) for pair in self.near)]

    def to_frame(self) -> pd.DataFrame:
        """Returns a row for each image that something is to be said of, as a pandas frame.

        Columns: `finding` ("equal", "mirrored", "near", "constant", "label"), `group` (a number
        that the images of one finding share), those of `AuditedImage`, `distance`, `suggested`,
        `given_probability` and `suggested_probability`.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import

        rows: list[dict[str, Any]] = []
        sets: list[tuple[str, tuple[AuditedImage, ...], dict[str, Any]]] = [
            *(("equal", found.images, {}) for found in self.equal),
            *(("mirrored", found.images, {}) for found in self.mirrored),
            *(("near", (pair.one, pair.other), {"distance": pair.distance}) for pair in self.near),
            *(("constant", (image,), {}) for image in self.constant),
            *(
                ("label", (doubt.image,), dict(list(_as_record(doubt).items())[1:]))
                for doubt in self.candidates or ()
            ),
        ]
        for group, (finding, images, facts) in enumerate(sets):
            rows += [
                {"finding": finding, "group": group, **image.to_dict(), **facts} for image in images
            ]
        columns = ["finding", "group", "part", "row", "label", "class", "sha256", "distance"]
        columns += ["suggested", "given_probability", "suggested_probability"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything but the images themselves as values of JSON."""
        return {
            "parts": [dataclasses.asdict(part) for part in self.parts],
            "equal": [_as_record(found) for found in self.equal],
            "mirrored": [_as_record(found) for found in self.mirrored],
            "near_distance": self.near_distance,
            "near": [_as_record(pair) for pair in self.near],
            "constant": [image.to_dict() for image in self.constant],
            "drift": [dataclasses.asdict(drift) for drift in self.drift],
            "checked_by": self.checked_by,
            "checked": self.checked,
            "candidates": None
            if self.candidates is None
            else [_as_record(doubt) for doubt in self.candidates],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Returns `to_dict` as JSON text."""
        return json_text(self.to_dict())

    def to_text(self, *, most: int = SHOWN, width: int = 1000) -> str:
        """Returns facts and tables as plain text.

        Args:
            most: lines of each table.
            width: characters that a line of a table should not exceed.
        """
        facts = [(printable(name), printable(words)) for name, words in facts_of(self)]
        wide = max(len(name) for name, _ in facts)
        lines = [f"{name.ljust(wide)}  {words}" for name, words in facts]
        for title, columns, rows in tables_of(self, most):
            lines += ["", format_table(columns, rows, title=title, width=width)]
        return "\n".join([*lines, *(f"note: {printable(note)}" for note in self.notes)])

    def to_markdown(self, *, most: int = SHOWN) -> str:
        """Returns facts and tables in GitHub's Markdown.

        Args:
            most: lines of each table.
        """
        lines = [markdown_table(["what", "found"], facts_of(self))]
        for title, columns, rows in tables_of(self, most):
            lines += ["", f"{title}:", "", markdown_table(columns, rows)]
        return "\n".join([*lines, *(f"\n{printable(note)}" for note in self.notes)])

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = [
            html.table(columns, rows, caption=title)
            for title, columns, rows in tables_of(self, SHOWN)
        ]
        facts = html.table(["what", "found"], facts_of(self), caption="Audit", notes=self.notes)
        return html.together([facts, *tables])

    def plot_near(
        self, n: int = 12, *, across: bool = False, figure: Figure | None = None
    ) -> Figure:
        """Draws pairs that are nearly the same, the nearest first, side by side.

        Args:
            n: how many pairs at most.
            across: only pairs of two parts.
            figure: an empty figure to draw on; None for a new one.

        Raises:
            ConfigurationError: there are none.
            MissingExtraError: matplotlib is not installed.
        """
        from fmnistlab.plots import plot_pairs  # noqa: PLC0415 - matplotlib is optional

        pairs = [pair for pair in self.near if pair.across or not across]
        shown = pairs[:n]
        titles = [
            f"{_short(pair.one)}\n{_short(pair.other)}\n{pair.distance:.1f} grey levels"
            for pair in shown
        ]
        where = " across parts" if across else ""
        title = f"{len(shown)} of {len(pairs):,} near duplicates{where}, the nearest first"
        return plot_pairs(
            self.pixels([pair.one for pair in shown]),
            self.pixels([pair.other for pair in shown]),
            titles,
            title=title,
            figure=figure,
        )

    def plot_candidates(
        self, n: int = 12, *, columns: int = 6, figure: Figure | None = None
    ) -> Figure:
        """Draws images whose labels are in doubt, the most doubtful first.

        Args:
            n: how many at most.
            columns: images in a row.
            figure: an empty figure to draw on; None for a new one.

        Raises:
            ConfigurationError: there are none, or labels were not checked.
            MissingExtraError: matplotlib is not installed.
        """
        from fmnistlab.plots import plot_images  # noqa: PLC0415 - matplotlib is optional

        if self.candidates is None:
            raise ConfigurationError(
                "Labels were not checked; name a model or run folders: audit(..., model=...)."
            )
        shown = self.candidates[:n]
        titles = [
            f"{_short(doubt.image)}\n{CLASS_NAMES[doubt.suggested]}? "
            f"{doubt.suggested_probability:.2f}"
            for doubt in shown
        ]
        return plot_images(
            self.pixels([doubt.image for doubt in shown]),
            titles,
            columns=columns,
            title=f"{len(shown)} of {len(self.candidates):,} labels in doubt, the most doubtful "
            "first: candidates, not errors",
            figure=figure,
        )

    def pixels(self, images: Sequence[AuditedImage]) -> UInt8[np.ndarray, "n 28 28"]:
        """Returns the pixels of some images that the audit tells of.

        Args:
            images: from its findings.
        """
        number = {part.name: at for at, part in enumerate(self.parts)}
        found = [self.data[number[image.part]].data[image.row].numpy() for image in images]
        return np.array(found, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)


def _short(image: AuditedImage) -> str:
    return f"{CLASS_NAMES[image.label]}, {image.row}"


def _as_record(found: EqualImages | NearPair | LabelCandidate) -> dict[str, Any]:
    """Returns a finding as values of JSON."""
    if isinstance(found, EqualImages):
        return {
            "images": [image.to_dict() for image in found.images],
            "across": found.across,
            "conflicting": found.conflicting,
        }
    if isinstance(found, NearPair):
        return {
            "images": [found.one.to_dict(), found.other.to_dict()],
            "distance": found.distance,
            "across": found.across,
            "conflicting": found.conflicting,
        }
    return {
        "image": found.image.to_dict(),
        "suggested": found.suggested,
        "given_probability": found.given_probability,
        "suggested_probability": found.suggested_probability,
    }
