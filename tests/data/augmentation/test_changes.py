"""What each augmentation does to images, whatever the images, the settings and the batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmnistlab import seeding
from fmnistlab.data import (
    AlternatingFlip,
    Augmentation,
    FashionMNISTCSV,
    HorizontalFlip,
    RandomAffine,
    RandomErasing,
    RandomShift,
)
from fmnistlab.data.augmentation.protocol import augmented
from fmnistlab.data.augmentation.registry import BUILT_IN
from fmnistlab.errors import ConfigurationError
from fmnistlab.testing import strategies

IMAGES = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)) + 0.1
UNIT = st.floats(0, 1)


def ranges(least: float, most: float) -> st.SearchStrategy[tuple[float, float]]:
    ends = st.floats(least, most)
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


KINDS: dict[str, st.SearchStrategy[Augmentation]] = {
    "HorizontalFlip": st.builds(HorizontalFlip, UNIT),
    "AlternatingFlip": st.builds(AlternatingFlip),
    "RandomShift": st.builds(RandomShift, st.integers(1, 27)),
    "RandomErasing": st.builds(RandomErasing, UNIT, ranges(0, 1), ranges(0.01, 100), UNIT),
    "RandomAffine": st.builds(RandomAffine, st.floats(0, 45), ranges(0.1, 10)),
}
ANY = st.one_of(*KINDS.values())
SEEDS = st.integers(0, 2**63 - 1)
EPOCHS = st.integers(1, 10**6)


def test_each_of_them_is_here() -> None:
    assert KINDS.keys() == BUILT_IN.keys()


def numbers(change: Augmentation, count: int, seed: int = 0) -> Tensor:
    return seeding.uniform(change.draws, torch.arange(count), seed=seed, epoch=1)


@given(strategies.images(), ANY, SEEDS, EPOCHS)
def test_pixels_stay_pixels(images: Tensor, change: Augmentation, seed: int, epoch: int) -> None:
    before, item = images.clone(), torch.arange(len(images))
    found = augmented(images, item, [change], seed=seed, epoch=epoch)
    assert found.dtype == images.dtype
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= max(1.0, float(images.max()))
    assert torch.equal(images, before)


@given(st.data(), st.lists(ANY, min_size=1, max_size=4), SEEDS, EPOCHS)
def test_an_image_is_changed_alike_in_any_batch(
    data: st.DataObject, changes: list[Augmentation], seed: int, epoch: int
) -> None:
    images = IMAGES.repeat(4, 1, 1, 1)[: data.draw(st.integers(1, 24))]
    item = data.draw(st.permutations(range(1000)).map(lambda order: order[: len(images)]))
    whole = augmented(images, torch.tensor(item), changes, seed=seed, epoch=epoch)
    start = 0
    while start < len(images):
        stop = start + data.draw(st.integers(1, 7))
        part = torch.tensor(item[start:stop])
        found = augmented(images[start:stop], part, changes, seed=seed, epoch=epoch)
        assert torch.equal(found, whole[start:stop])
        start = stop


@pytest.mark.parametrize("change", [RandomErasing(1.0), RandomAffine(45.0, (0.5, 2.0))])
def test_a_thousand_images_give_the_bits_of_each_alone(change: Augmentation) -> None:
    """More than vectors and threads hold at once."""
    images = FashionMNISTCSV.bundled("test").data[:1000].unsqueeze(1) / 255
    item = torch.arange(1000)
    whole = augmented(images, item, [change], seed=3, epoch=2)
    for size in (1, 3, 64):
        pieces = zip(images.split(size), item.split(size), strict=True)
        parts = [augmented(x, i, [change], seed=3, epoch=2) for x, i in pieces]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    "change",
    [
        HorizontalFlip(0.0),
        RandomErasing(0.0),
        RandomErasing(1.0, (0.0, 0.0)),
        RandomAffine(0.0, (1.0, 1.0)),
    ],
    ids=repr,
)
@given(images=strategies.images())
def test_nothing_is_changed_at_strength_nothing(change: Augmentation, images: Tensor) -> None:
    assert torch.equal(change(images, numbers(change, len(images))), images)


@given(st.lists(ANY, min_size=1, max_size=3), SEEDS, EPOCHS)
def test_black_stays_black(changes: list[Augmentation], seed: int, epoch: int) -> None:
    dark = [
        dataclasses.replace(change, value=0.0) if isinstance(change, RandomErasing) else change
        for change in changes
    ]
    images = torch.zeros(5, 1, 28, 28)
    assert augmented(images, torch.arange(5), dark, seed=seed, epoch=epoch).abs().max() == 0


@given(st.floats(0, 1))
def test_flips_mirror_exactly_the_images_below_the_probability(probability: float) -> None:
    uniform = torch.linspace(0, 0.99, 6).unsqueeze(1)
    flipped = HorizontalFlip(probability)(IMAGES, uniform)
    for image, result, number in zip(IMAGES, flipped, uniform[:, 0], strict=True):
        mirrored = image[0].numpy()[:, ::-1].copy()
        expected = torch.from_numpy(mirrored) if number < probability else image[0]
        assert torch.equal(result[0], expected)


@given(SEEDS, EPOCHS)
def test_alternating_flips_show_both_sides_in_each_two_epochs(seed: int, epoch: int) -> None:
    images = IMAGES[:1].repeat(200, 1, 1, 1)
    item, change = torch.arange(200), [AlternatingFlip()]
    first, second, third = (
        augmented(images, item, change, seed=seed, epoch=epoch + after) for after in range(3)
    )
    assert torch.equal(first.flip(-1), second)
    assert torch.equal(first, third)
    mirrored = (first == images.flip(-1)).flatten(1).all(1)
    assert 60 < int(mirrored.sum()) < 140
    other = augmented(images, item, change, seed=seed ^ 1, epoch=epoch)
    assert not torch.equal(first, other)


def test_numbers_for_all_epochs_change_nobody_elses() -> None:
    images, item = IMAGES, torch.arange(6)
    alone = augmented(images, item, [RandomShift(), RandomErasing()], seed=1, epoch=4)
    twice: list[Augmentation] = [
        AlternatingFlip(),
        RandomShift(),
        AlternatingFlip(),
        RandomErasing(),
    ]
    found = augmented(images, item, twice, seed=1, epoch=4)
    # Two flips with numbers of their own: some images stay as without, others are mirrored.
    same = [torch.equal(one, other) for one, other in zip(found, alone, strict=True)]
    assert any(same)
    assert not all(same)


@given(st.integers(1, 27), st.lists(st.floats(0, 0.999), min_size=2, max_size=2))
def test_shifts_move_the_image_and_fill_with_black(pixels: int, drawn: list[float]) -> None:
    uniform = torch.tensor([drawn], dtype=torch.float32)
    shifted = RandomShift(pixels)(IMAGES[:1], uniform)[0, 0]
    # In float32, as the package computes it: 0.52 * 25 is 13 there, and a little less in float64.
    down, right = (pixels - int(place) for place in (uniform[0] * (2 * pixels + 1)).tolist())
    expected = torch.zeros(28, 28)
    for row in range(28):
        for column in range(28):
            if 0 <= row - down < 28 and 0 <= column - right < 28:
                expected[row, column] = IMAGES[0, 0, row - down, column - right]
    assert torch.equal(shifted, expected)


@given(ranges(0.01, 1), ranges(0.01, 100), UNIT, SEEDS)
def test_erasing_covers_one_rectangle_of_the_area_and_shape(
    area: tuple[float, float], aspect: tuple[float, float], value: float, seed: int
) -> None:
    change = RandomErasing(1.0, area, aspect, value)
    images = torch.full((8, 1, 28, 28), 2.0)
    for image in change(images, numbers(change, 8, seed)):
        rows, columns = ((image[0] != 2).any(dim=along) for along in (1, 0))
        height, width = int(rows.sum()), int(columns.sum())
        if height * width == 0:  # thinner than half a pixel
            continue
        inside = rows.view(-1, 1) & columns.view(1, -1)
        assert torch.equal(image[0], torch.where(inside, torch.tensor(value), torch.tensor(2.0)))
        for side in (rows, columns):
            line = side.nonzero().flatten()
            assert int(line[-1] - line[0]) + 1 == len(line)
        part, slack = height * width / 784, (height + width + 1) / 2 / 784
        assert area[0] - slack <= part <= area[1] + slack
        if area[1] <= 0.04 and aspect[0] >= 0.2 and aspect[1] <= 5 and min(height, width) > 1:
            lowest, highest = (height - 0.5) / (width + 0.5), (height + 0.5) / (width - 0.5)
            assert lowest <= aspect[1] + 1e-3
            assert highest >= aspect[0] - 1e-3


def test_erasing_is_as_often_as_it_says_and_anywhere() -> None:
    change = RandomErasing(0.25, (0.1, 0.1), (1.0, 1.0), 1.0)
    found = change(torch.zeros(4000, 1, 28, 28), numbers(change, 4000))
    assert 0.22 < float(found.flatten(1).any(1).float().mean()) < 0.28
    covered = found[:, 0].any(0)
    assert all(bool(covered.any(along).all()) for along in (0, 1))


@pytest.mark.parametrize("degrees", [-45.0, -10.0, 10.0, 30.0])
def test_turns_are_turns(degrees: float) -> None:
    """A bright spot off the middle comes to where geometry says, at the same distance."""
    change = RandomAffine(45.0, (1.0, 1.0))
    half = math.tan(math.radians(degrees) / 2) / math.tan(math.radians(45.0) / 2)
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 13:15, 22:24] = 1  # nine pixels to the right of the middle
    found = change(images, torch.tensor([[(half + 1) / 2, 0.0]]))[0, 0]
    line = torch.arange(28) - 13.5
    right = float((found.sum(0) * line).sum() / found.sum())
    down = float((found.sum(1) * line).sum() / found.sum())
    assert math.hypot(right, down) == pytest.approx(9, abs=0.1)
    assert abs(math.degrees(math.atan2(down, right))) == pytest.approx(abs(degrees), abs=0.6)
    assert (down < 0) == (degrees > 0)


@pytest.mark.parametrize("scale", [0.5, 0.9, 1.25, 2.0])
def test_scales_are_scales(scale: float) -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 10:18, 9:19] = 1
    found = RandomAffine(0.0, (scale, scale))(images, torch.tensor([[0.5, 0.5]]))[0, 0]
    assert float(found.sum()) == pytest.approx(80 * scale**2, rel=0.05)
    assert found.max() == pytest.approx(1)


IMPOSSIBLE: list[tuple[Callable[[], Any], str]] = [
    (lambda: HorizontalFlip(-0.1), "HorizontalFlip: probability is -0.1"),
    (lambda: HorizontalFlip(math.nan), "HorizontalFlip: probability is nan"),
    (lambda: RandomShift(0), "RandomShift: pixels is 0"),
    (lambda: RandomShift(28), "RandomShift: pixels is 28"),
    (lambda: RandomErasing(1.5), "RandomErasing: probability is 1.5"),
    (lambda: RandomErasing(area=(0.4, 0.1)), "area is .0.4, 0.1.; use the smaller number first"),
    (lambda: RandomErasing(area=(0.4, 1.1)), "RandomErasing: area is 1.1; .* from 0 and up to 1"),
    (lambda: RandomErasing(area=0.4), "RandomErasing: area is 0.4; use two numbers"),  # type: ignore[arg-type] # a user's slip
    (lambda: RandomErasing(aspect=(0, 1)), "RandomErasing: aspect is 0; .* from 0.01"),
    (lambda: RandomErasing(aspect=(1, math.inf)), "RandomErasing: aspect is inf"),
    (lambda: RandomErasing(value=2), "RandomErasing: value is 2"),
    (lambda: RandomErasing(value="random"), "RandomErasing: value is 'random'"),  # type: ignore[arg-type] # torchvision's word
    (lambda: RandomAffine(-1), "RandomAffine: degrees is -1"),
    (lambda: RandomAffine(90), "RandomAffine: degrees is 90; .* from 0 and up to 45"),
    (lambda: RandomAffine(scale=(0, 1)), "RandomAffine: scale is 0"),
    (lambda: RandomAffine(scale=(1, 1, 1)), "scale is .1, 1, 1.; use two numbers"),  # type: ignore[arg-type] # a user's slip
    (lambda: RandomAffine(scale=(True, 1)), "RandomAffine: scale is True"),
]


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(("make", "said"), IMPOSSIBLE)
def test_impossible_settings_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()
