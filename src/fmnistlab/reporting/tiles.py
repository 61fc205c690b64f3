"""Images with what a model says of them, by pair of classes and by how sure it is."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from fmnistlab.data.schema import CLASS_NAMES, NUM_CLASSES
from fmnistlab.experiments.records.predictions import RunPredictions, in_order_of_images
from fmnistlab.reporting.found_images import FoundImages
from fmnistlab.reporting.sprite import Place, Sprite

LEAST_SURE: Final = 12
"""Right answers that are shown of each class."""


@dataclasses.dataclass(frozen=True)
class Tile:
    """One image and what was said of it.

    Attributes:
        place: where its picture is in the sprite; None if there is none.
        true: its label.
        predicted: the class that it was taken for.
        confidence: the probability of that class.
        name: the first hexadecimal digits of the SHA-256 of its pixels.
    """

    place: Place | None
    true: int
    predicted: int
    confidence: float
    name: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix that is not empty.

    Attributes:
        true: label of the row.
        predicted: label of the column.
        count: number of images.
        share: of the images of the true class.
        tiles: some or all of them: of mistakes the most confident, of right answers the least.
    """

    true: int
    predicted: int
    count: int
    share: float
    tiles: tuple[Tile, ...]

    @property
    def words(self) -> str:
        """What the images are and were taken for."""
        if self.true == self.predicted:
            return f"{CLASS_NAMES[self.true]}, recognized"
        return f"{CLASS_NAMES[self.true]}, taken for {CLASS_NAMES[self.predicted]}"


@dataclasses.dataclass(frozen=True)
class Gallery:
    """All tiles of a page.

    Attributes:
        sprite: their pictures.
        mistakes: the most confident first, at most as many as were asked for.
        wrong: number of all mistakes.
        cells: by label and by class predicted; None where a cell is empty.
        classes: of each class the right answer that is the surest; None where there is none.
    """

    sprite: Sprite
    mistakes: tuple[Tile, ...]
    wrong: int
    cells: tuple[tuple[Cell | None, ...], ...]
    classes: tuple[Tile | None, ...]


def gallery(found: RunPredictions, pictures: FoundImages, most: int) -> Gallery:
    """Returns the tiles of a run; of equally confident ones the order is that of their hashes.

    Args:
        found: what the run says of each image.
        pictures: of the same images.
        most: mistakes at most.
    """
    order = in_order_of_images(found)
    labels, targets = found.labels.numpy(), found.targets.numpy()
    chances = found.probabilities.numpy()[np.arange(len(labels)), labels].astype(np.float64)
    order = order[np.argsort(-chances[order], kind="stable")]
    sprite = Sprite(pictures.images)

    def tile(row: int) -> Tile:
        picture = int(pictures.rows[row])
        return Tile(
            place=None if picture < 0 else sprite.place(picture),
            true=int(targets[row]),
            predicted=int(labels[row]),
            confidence=float(chances[row]),
            name=bytes(found.images[row].tolist()).hex()[:8],
        )

    wrong = order[labels[order] != targets[order]]
    mistakes = tuple(map(tile, wrong[:most].tolist()))
    cells: list[tuple[Cell | None, ...]] = []
    classes: list[Tile | None] = []
    for true in range(NUM_CLASSES):
        of_class = order[targets[order] == true]
        right = of_class[labels[of_class] == true]
        classes.append(tile(int(right[0])) if len(right) else None)
        row: list[Cell | None] = []
        for predicted in range(NUM_CLASSES):
            count = int((labels[of_class] == predicted).sum())
            if true == predicted:
                tiles = tuple(map(tile, right[::-1][:LEAST_SURE].tolist()))
            else:
                tiles = tuple(t for t in mistakes if (t.true, t.predicted) == (true, predicted))
            cell = Cell(true, predicted, count, count / max(1, len(of_class)), tiles)
            row.append(cell if count else None)
        cells.append(tuple(row))
    return Gallery(sprite, mistakes, len(wrong), tuple(cells), tuple(classes))
