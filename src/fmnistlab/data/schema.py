"""What one Fashion-MNIST item is, in one place."""

from __future__ import annotations

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

PIXEL_MEAN: Final = 0.28604
"""Mean of all training pixels after division by 255, rounded to five digits."""

PIXEL_STD: Final = 0.35302
"""Population standard deviation of all training pixels after division by 255."""
