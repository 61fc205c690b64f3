"""The two-way bootstrap: the same question by drawing seeds and images anew, instead of formulas.

Seeds of each model and images are drawn with replacement, independently; the draw of images is
shared by both models. No bootstrap of two crossed factors is exact (McCullagh 2000); this one is
mildly conservative (Owen 2007). Over few seeds its percentiles are too narrow, so the closed form
decides and this checks it.
"""

from __future__ import annotations

import numpy as np

from fmnistlab.foundation.checks import whole_number
from fmnistlab.shapes import Float, UInt8

_ROWS = 200
"""Draws that are computed together: 16 MB for 10,000 images."""


def bootstrap_differences(
    one: UInt8[np.ndarray, "seeds images"],
    other: UInt8[np.ndarray, "others images"],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Float[np.ndarray, "draws"]:
    """Returns the difference of the accuracies in each of many draws of seeds and images.

    Args:
        one: 1 where a run of the first model is right on an image, else 0.
        other: likewise for the second model, on the same images in the same order.
        draws: how many, from 1.
        seed: of the draws.

    Returns:
        float64, one difference for each draw.

    Raises:
        ConfigurationError: `draws` is below 1.
    """
    draws = whole_number("draws", draws)
    generator = np.random.default_rng(seed)
    images = one.shape[1]
    found = []
    for start in range(0, draws, _ROWS):
        rows = min(_ROWS, draws - start)
        of_one, of_other = (
            generator.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), rows) / len(runs)
            for runs in (one, other)
        )
        of_images = generator.multinomial(images, np.full(images, 1 / images), rows) / images
        found.append(((of_one @ one - of_other @ other) * of_images).sum(axis=1))
    return np.concatenate(found)
