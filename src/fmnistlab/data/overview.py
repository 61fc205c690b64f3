"""The classes of a data set as HTML: how many images each has, and what the first looks like."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE, NUM_CLASSES
from fmnistlab.foundation import html
from fmnistlab.shapes import Int64, UInt8

_SIDE: Final = 2 * IMAGE_SIZE


def classes_as_html(images: UInt8[Tensor, "n 28 28"], labels: Int64[Tensor, "n"]) -> str:
    """Returns a table of the ten classes with a thumbnail of the first image of each.

    Without Pillow, which comes with the extra "plot", the table has no pictures.

    Args:
        images: pixels 0 to 255, uint8 (n, 28, 28).
        labels: classes 0 to 9, int64 (n,).

    Returns:
        HTML of less than 20 kB, whatever the images.
    """
    classes = labels.cpu().numpy()
    counts = np.bincount(classes, minlength=NUM_CLASSES).tolist()
    rows: list[list[html.HtmlCell]] = [["label", *range(NUM_CLASSES)], ["images", *counts]]
    thumbnails = [
        _png(images[int((classes == label).argmax())]) if counts[label] else None
        for label in range(NUM_CLASSES)
    ]
    if any(thumbnails):
        shown = [
            html.Picture(png, f"the first image of class {name}", _SIDE) if png else None
            for name, png in zip(CLASS_NAMES, thumbnails, strict=True)
        ]
        rows.append(["the first", *shown])
    return html.table(["class", *CLASS_NAMES], rows, caption="Classes")


def _png(image: UInt8[Tensor, "28 28"]) -> bytes | None:
    try:
        from PIL import Image  # noqa: PLC0415 - optional
    except ImportError:
        return None
    stream = io.BytesIO()
    Image.fromarray(image.cpu().numpy()).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
