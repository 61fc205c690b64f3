"""What an audit finds: images, by part, row and hash, and what is to be said of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from fmnistlab.data.schema import CLASS_NAMES


@dataclasses.dataclass(frozen=True)
class AuditedPart:
    """A part of the data, as a whole.

    Attributes:
        name: of the part; unlike those of all others.
        images: how many there are.
        classes: how many images each label has, 0 to 9.
        pixel_mean: mean of all pixels, 0 to 1.
        pixel_std: standard deviation of all pixels, 0 to 1.
        fingerprint: of labels and images; see `fmnistlab.data.fingerprint`.
    """

    name: str
    images: int
    classes: tuple[int, ...]
    pixel_mean: float
    pixel_std: float
    fingerprint: str


@dataclasses.dataclass(frozen=True, order=True)
class AuditedImage:
    """One image.

    Attributes:
        part: name of the part that it is in.
        row: its row there, from 0.
        label: the label that it has there, 0 to 9.
        sha256: a name that does not depend on its row: SHA-256 of its pixels, 64 hexadecimal
            digits.
    """

    part: str
    row: int
    label: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.part}, row {self.row}: {CLASS_NAMES[self.label]}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the image as values of JSON."""
        return {
            "part": self.part,
            "row": self.row,
            "label": self.label,
            "class": CLASS_NAMES[self.label],
            "sha256": self.sha256,
        }


@dataclasses.dataclass(frozen=True)
class EqualImages:
    """Images that are one and the same, or its reflection from left to right.

    Attributes:
        images: at least two, by part and row.
        mirrored: whether some are reflections of others.
    """

    images: tuple[AuditedImage, ...]
    mirrored: bool

    @property
    def across(self) -> bool:
        """Whether they are in more than one part."""
        return len({image.part for image in self.images}) > 1

    @property
    def conflicting(self) -> bool:
        """Whether they have more than one label."""
        return len({image.label for image in self.images}) > 1


@dataclasses.dataclass(frozen=True)
class NearPair:
    """Two images that are nearly the same.

    Attributes:
        one: the first of them.
        other: the second.
        distance: root mean square of the differences of their pixels, in grey levels, above 0 and
            up to 255.
    """

    one: AuditedImage
    other: AuditedImage
    distance: float

    @property
    def across(self) -> bool:
        """Whether they are in two parts."""
        return self.one.part != self.other.part

    @property
    def conflicting(self) -> bool:
        """Whether they have two labels."""
        return self.one.label != self.other.label


@dataclasses.dataclass(frozen=True)
class LabelCandidate:
    """An image whose label is in doubt; a candidate, not an error.

    Attributes:
        image: which.
        suggested: the label that models would give it, 0 to 9.
        given_probability: what the models give its own label, 0 to 1.
        suggested_probability: what they give the suggested one, 0 to 1.
    """

    image: AuditedImage
    suggested: int
    given_probability: float
    suggested_probability: float
