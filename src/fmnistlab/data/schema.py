"""What one Fashion-MNIST item is, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

IMAGE_SIZE: Final = 28
"""Height and width of an image in pixels."""

PIXELS: Final = IMAGE_SIZE * IMAGE_SIZE
"""Pixels in an image, 784; stored row by row, from the top left."""

PIXEL_MAX: Final = 255
"""Largest pixel value; 0 is the black background, 255 the brightest cloth."""

CLASS_NAMES: Final[tuple[str, ...]] = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Names of the labels 0 to 9, as the authors of the data set spell them."""

NUM_CLASSES: Final = len(CLASS_NAMES)
"""Number of classes, 10."""

OFFICIAL_ROWS: Final[Mapping[str, int]] = MappingProxyType({"train": 60_000, "test": 10_000})
"""Images in the two official sets, a tenth of them in each class."""

OFFICIAL_FINGERPRINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "train": "0c69d5cdeb902b69084012f812f066de080317bb3c64f43ca87f910d8ec86906",
        "test": "90c92c0507755a7d443edde8297ce4d0f131e42884e2e87e7fc9b81ffe215258",
    }
)
"""Names for the content of the two official sets, whatever the order of their rows.

They are what `fmnistlab.data.fingerprint` gives for the images and labels of the original
project's IDX files: the SHA-256 over the sorted SHA-256 of each row (one label byte, 784 pixels).
"""

PIXEL_MEAN: Final = 0.28604
"""Mean of all training pixels after division by 255, rounded to five digits."""

PIXEL_STD: Final = 0.35302
"""Population standard deviation of all training pixels after division by 255."""
