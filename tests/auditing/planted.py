"""Data with known faults: what an audit has to find is written down beside it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.testing import tiny_dataset


def with_faults() -> FashionMNISTCSV:
    """60 images: 3 equals 0, 5 mirrors 1, 7 is near 2, 9 is black; all have different labels."""
    tiny = tiny_dataset(60)
    images, labels = tiny.data.numpy().copy(), tiny.targets.numpy()
    images[3] = images[0]
    images[5] = images[1, :, ::-1]
    images[7] = images[2]
    images[7, 1, :14] += 20
    images[9] = 0
    return FashionMNISTCSV.from_arrays(images, labels, name="planted")


def brute_force(images: np.ndarray) -> dict[tuple[int, int], int]:
    """Returns the squared distance of every pair, in whole numbers."""
    flat = images.reshape(len(images), -1).astype(np.int64)
    return {
        (one, other): int(((flat[one] - flat[other]) ** 2).sum())
        for one in range(len(flat))
        for other in range(one + 1, len(flat))
    }


@st.composite
def image_sets(draw: st.DrawFn) -> np.ndarray:
    """2 to 40 images, many of them near to others, at all levels of brightness."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 40))
    kinds = random.integers(0, 256, (draw(st.integers(1, 4)), 28, 28))
    spread = draw(st.sampled_from([0, 1, 3, 20, 255]))
    noise = random.integers(-spread, spread + 1, (count, 28, 28))
    noise *= random.random((count, 28, 28)) < draw(st.sampled_from([0.001, 0.05, 1]))
    images = np.clip(kinds[random.integers(0, len(kinds), count)] + noise, 0, 255)
    return images.astype(np.uint8)
