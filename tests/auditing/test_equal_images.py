"""Equal and mirrored images: against a comparison of every pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.auditing import equal_rows, mirrored_rows


@st.composite
def few_kinds(draw: st.DrawFn) -> np.ndarray:
    """Up to 20 images of which many are equal, mirrored, or their own reflection."""
    kinds = draw(
        st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=20)
    )
    images = np.zeros((len(kinds), 28, 28), np.uint8)
    for image, (left, middle, right) in zip(images, kinds, strict=True):
        image[3, 0], image[3, 13:15], image[3, 27] = left, middle, right
    return images


@given(few_kinds())
def test_every_double_is_in_one_group(images: np.ndarray) -> None:
    groups = equal_rows(images)
    group_of = {row: number for number, rows in enumerate(groups) for row in rows}
    assert sum(map(len, groups)) == len(group_of)
    for one in range(len(images)):
        for other in range(one):
            same = bool((images[one] == images[other]).all())
            together = one in group_of and group_of[one] == group_of.get(other)
            assert together == same


@given(few_kinds())
def test_reflections_are_told_from_doubles(images: np.ndarray) -> None:
    groups = mirrored_rows(images)
    group_of = {row: number for number, rows in enumerate(groups) for row in rows}
    for one in range(len(images)):
        reflected = images[one, :, ::-1]
        reflections = [o for o in range(len(images)) if (images[o] == reflected).all()]
        doubles = [o for o in range(len(images)) if (images[o] == images[one]).all()]
        if (reflected == images[one]).all():
            assert one not in group_of
        elif reflections:
            assert groups[group_of[one]] == tuple(sorted({*doubles, *reflections}))
        else:
            assert one not in group_of
