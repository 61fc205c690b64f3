"""FashionMNISTCSV: items, splits, selections, and life in a DataLoader."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.datasets import dataset_of, images_of
from torch import Tensor
from torch.utils.data import DataLoader

from fmnistlab import FashionMNISTCSV
from fmnistlab.data.batches import ResidentBatches, batch_source
from fmnistlab.data.csv_file import write_csv
from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import ConfigurationError, DataFileError
from fmnistlab.testing.strategies import csv_tables

OPTIONS: list[dict[str, Any]] = [
    {},
    {"one_hot": True},
    {"transform": torch.neg},
    {"target_transform": torch.neg},
]


def doubled(image: Tensor) -> Tensor:
    return image * 2


class Brighter(FashionMNISTCSV):
    """A subclass with items of its own."""

    def __getitem__(self, index: SupportsIndex) -> tuple[Tensor, Tensor]:
        image, target = super().__getitem__(index)
        return image + 1, target


# --- where the items come from --------------------------------------------------------------------


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("suffix", [".csv", ".csv.xz"])
def test_a_file_gives_its_rows_in_order(tmp_path: Path, cache: bool, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    labels = np.array([9, 0, 4], np.uint8)
    write_csv(path, images_of(3), labels)
    for _ in range(2):
        dataset = FashionMNISTCSV(path, cache=cache)
        assert dataset.data.dtype == torch.uint8
        assert dataset.targets.dtype == torch.int64
        assert np.array_equal(dataset.data.numpy(), images_of(3))
        assert dataset.targets.tolist() == [9, 0, 4]
        assert dataset.name == str(path)
        dataset.data.zero_()  # its own memory, not the cache's
        dataset.targets.zero_()


def test_a_missing_file_is_named(here: Path) -> None:
    with pytest.raises(DataFileError, match=r"no\.csv: there is no such file"):
        FashionMNISTCSV("no.csv")


@settings(max_examples=20)
@given(rows=csv_tables())
def test_what_was_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray
) -> None:
    dataset = FashionMNISTCSV.from_arrays(rows[:, 1:].reshape(-1, 28, 28), rows[:, 0])
    path = tmp_path_factory.mktemp("saved") / "data.csv.gz"
    dataset.to_csv(path)
    loaded = FashionMNISTCSV(path, one_hot=True)
    assert torch.equal(loaded.data, dataset.data)
    assert torch.equal(loaded.targets, dataset.targets)


def test_an_unknown_bundled_part_gets_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match=r"'trian'; .*Did you mean 'train'\?"):
        FashionMNISTCSV.bundled("trian")


def test_arrays_are_copied() -> None:
    images, labels = images_of(4), np.zeros(4, np.uint8)
    dataset = FashionMNISTCSV.from_arrays(images, labels, name="mine")
    tensors = FashionMNISTCSV.from_arrays(dataset.data, dataset.targets)
    images[:], labels[:] = 0, 1
    assert np.array_equal(dataset.data.numpy(), images_of(4))
    assert dataset.targets.tolist() == [0] * 4
    dataset.data.zero_()
    assert np.array_equal(tensors.data.numpy(), images_of(4))
    assert dataset.name == "mine"


def test_read_only_arrays_are_fine() -> None:
    images = images_of(4)
    images.flags.writeable = False
    assert len(FashionMNISTCSV.from_arrays(images, np.zeros(4, np.int32))) == 4


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (images_of(3).astype(np.float32), np.zeros(3, int), r"images are float32 \(3, 28, 28\)"),
        (images_of(3).reshape(3, 784), np.zeros(3, int), r"uint8 \(3, 784\); they must be uint8"),
        (np.uint8(3), np.zeros(3, int), r"images are uint8 \(\)"),
        (images_of(3), np.zeros(2, int), r"labels are int64 \(2,\); .* \(3,\), one for each"),
        (images_of(3), np.zeros((3, 1), int), r"labels are int64 \(3, 1\)"),
        (images_of(3), np.zeros(3), r"labels are float64 \(3,\); they must be integers"),
        (images_of(3), np.array([0, 10, 0]), "label 10 of item 1 is outside 0 to 9"),
        (images_of(3), torch.tensor([0, 0, -1]), "label -1 of item 2 is outside 0 to 9"),
        (images_of(0), np.zeros(0, int), "there are no images"),
    ],
)
def test_impossible_arrays_are_refused(
    images: np.ndarray, labels: np.ndarray | Tensor, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        FashionMNISTCSV.from_arrays(np.asarray(images), labels)


def test_classes_are_named_as_in_torchvision() -> None:
    dataset = dataset_of()
    assert dataset.classes == list(CLASS_NAMES)
    assert dataset.class_to_idx["Ankle boot"] == 9
    assert [dataset.class_to_idx[name] for name in dataset.classes] == list(range(10))


# --- items ----------------------------------------------------------------------------------------


def test_an_item_is_a_float_image_and_a_label() -> None:
    dataset = dataset_of()
    image, target = dataset[3]
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.float32
    assert torch.equal(image[0], dataset.data[3].to(torch.float32) / 255)
    assert target.shape == ()
    assert target.dtype == torch.int64
    assert target == 3


def test_all_pixel_values_become_their_255th() -> None:
    images = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    image, _ = FashionMNISTCSV.from_arrays(images, np.zeros(1, int))[0]
    expected = np.arange(784, dtype=np.uint8).astype(np.float32) / np.float32(255)
    assert np.array_equal(image.numpy().reshape(-1), expected)
    assert image.min() == 0
    assert image.max() == 1


def test_one_hot_targets_have_a_single_one() -> None:
    _, target = dataset_of(one_hot=True)[7]
    assert target.dtype == torch.float32
    assert target.tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_transforms_are_applied_to_the_item() -> None:
    plain = dataset_of(one_hot=True)
    changed = dataset_of(one_hot=True, transform=doubled, target_transform=torch.neg)
    assert torch.equal(changed[3][0], plain[3][0] * 2)
    assert torch.equal(changed[3][1], -plain[3][1])


def test_items_can_be_changed_without_changing_the_data_set() -> None:
    dataset = dataset_of()
    for image, target in (dataset[3], *dataset.__getitems__([3, 4])):
        image.zero_()
        target.zero_()
    assert np.array_equal(dataset.data.numpy(), images_of(20))
    assert dataset.targets[3] == 3


@pytest.mark.parametrize("index", [-1, np.int64(19), np.uint8(19), torch.tensor(19), True + 18])
def test_any_integer_is_an_index(index: int) -> None:
    assert torch.equal(dataset_of()[index][0], dataset_of()[19][0])


@pytest.mark.parametrize("index", [20, -21, 10**30])
def test_items_end_where_the_data_ends(index: int) -> None:
    with pytest.raises(IndexError, match="of 20 items"):
        dataset_of()[index]


def test_a_data_set_can_be_iterated() -> None:
    assert [int(target) for _, target in iter(dataset_of(12))] == [*range(10), 0, 1]


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize("index", [1.0, "1", None, slice(1, 2)])
def test_other_things_are_no_index(index: Any) -> None:
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        dataset_of()[index]


@pytest.mark.parametrize("options", OPTIONS)
@given(indices=st.lists(st.integers(-20, 19), max_size=8))
def test_several_items_at_once_are_the_same_items(
    options: dict[str, Any], indices: list[int]
) -> None:
    dataset = dataset_of(**options)
    together = dataset.__getitems__(indices)
    assert len(together) == len(indices)
    for (image, target), index in zip(together, indices, strict=True):
        assert torch.equal(image, dataset[index][0])
        assert torch.equal(target, dataset[index][1])
        assert (image.dtype, target.dtype) == (dataset[index][0].dtype, dataset[index][1].dtype)


def test_several_items_at_once_end_where_the_data_ends() -> None:
    with pytest.raises(IndexError):
        dataset_of().__getitems__([0, 20])


# --- the whole in memory --------------------------------------------------------------------------


def test_plain_items_can_be_taken_whole() -> None:
    dataset = dataset_of()
    whole = dataset.resident()
    assert whole is not None
    images, targets = whole
    assert images.shape == (20, 1, 28, 28)
    assert images.data_ptr() == dataset.data.data_ptr()
    assert targets is dataset.targets
    assert isinstance(
        batch_source(dataset, device=torch.device("cpu"), batch_size=8), ResidentBatches
    )


@pytest.mark.parametrize("options", OPTIONS[1:])
def test_changed_items_cannot_be_taken_whole(options: dict[str, Any]) -> None:
    assert dataset_of(**options).resident() is None


def test_a_subclass_keeps_its_own_items() -> None:
    dataset = Brighter.from_arrays(images_of(4), np.arange(4))
    assert dataset.resident() is None
    [(image, _)] = dataset.__getitems__([2])
    assert torch.equal(image, dataset_of(4)[2][0] + 1)
    assert isinstance(dataset.select([0]), Brighter)


# --- parts and selections -------------------------------------------------------------------------


def test_parts_keep_the_options() -> None:
    dataset = dataset_of(40, one_hot=True, transform=doubled, target_transform=torch.neg)
    for part in (*dataset.split(0.5), dataset.select([3])):
        assert (part.one_hot, part.transform) == (True, doubled)
        assert part.target_transform is torch.neg


@given(indices=st.lists(st.integers(-20, 19), min_size=1, max_size=30))
def test_a_selection_is_the_items_in_that_order(indices: list[int]) -> None:
    dataset = dataset_of()
    for given_as in (indices, np.array(indices, np.int32), torch.tensor(indices), tuple(indices)):
        chosen = dataset.select(given_as)
        assert torch.equal(chosen.data, dataset.data[indices])
        assert torch.equal(chosen.targets, dataset.targets[indices])
    chosen.data.zero_()
    assert np.array_equal(dataset.data.numpy(), images_of(20))


@pytest.mark.parametrize(
    "indices", [[], np.zeros((2, 2), int), np.ones(20, bool), np.array([1.0]), torch.tensor(3)]
)
def test_impossible_selections_are_refused(indices: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match="Cannot select by"):
        dataset_of().select(indices)


@pytest.mark.parametrize("indices", [[0, 20], [-21]])
def test_a_selection_ends_where_the_data_ends(indices: list[int]) -> None:
    with pytest.raises(IndexError, match="of 20 items"):
        dataset_of().select(indices)


# --- the fingerprint ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(rows=csv_tables(max_size=6), data=st.data())
def test_a_fingerprint_does_not_depend_on_the_order(rows: np.ndarray, data: st.DataObject) -> None:
    dataset = FashionMNISTCSV.from_arrays(rows[:, 1:].reshape(-1, 28, 28), rows[:, 0])
    order = data.draw(st.permutations(range(len(rows))))
    digests = sorted(hashlib.sha256(bytes(row.tolist())).digest() for row in rows)
    assert dataset.fingerprint == hashlib.sha256(b"".join(digests)).hexdigest()
    assert dataset.select(order).fingerprint == dataset.fingerprint


def test_a_fingerprint_depends_on_everything_else() -> None:
    dataset = dataset_of(12)
    assert len(dataset.fingerprint) == 64  # known before the parts are made
    images, labels = dataset.data.clone(), dataset.targets.clone()
    images[3, 5, 5] ^= 1
    labels[0] = 1
    swapped = dataset.targets.clone()
    swapped[0], swapped[1] = 1, 0
    others = [
        FashionMNISTCSV.from_arrays(images, dataset.targets),
        FashionMNISTCSV.from_arrays(dataset.data, labels),
        FashionMNISTCSV.from_arrays(dataset.data, swapped),
        dataset.select(range(11)),
        dataset.select([*range(12), 0]),
    ]
    assert len({dataset.fingerprint, *(other.fingerprint for other in others)}) == 6


# --- in a DataLoader, in a pickle, on the screen --------------------------------------------------


def test_a_data_loader_gives_all_items() -> None:
    dataset = dataset_of(25)
    images, targets = zip(*DataLoader(dataset, batch_size=8), strict=True)
    assert [len(batch) for batch in images] == [8, 8, 8, 1]
    assert torch.equal(torch.cat(images), dataset.data.unsqueeze(1) / 255)
    assert torch.equal(torch.cat(targets), dataset.targets)


def test_spawned_workers_give_all_items(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    dataset_of(20).to_csv(path)
    dataset = FashionMNISTCSV(path, one_hot=True)
    loader = DataLoader(
        FashionMNISTCSV(path, one_hot=True, transform=torch.neg),
        batch_size=8,
        num_workers=2,
        multiprocessing_context="spawn",
    )
    images, targets = zip(*loader, strict=True)
    assert torch.equal(torch.cat(images), -(dataset.data.unsqueeze(1) / 255))
    assert torch.equal(torch.cat(targets).argmax(1), dataset.targets)


def test_a_data_set_can_be_pickled() -> None:
    dataset = dataset_of(one_hot=True, transform=torch.neg, name="mine")
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy.data, dataset.data)
    assert torch.equal(copy.targets, dataset.targets)
    assert (copy.name, copy.one_hot, copy.transform) == ("mine", True, torch.neg)


def test_it_shows_what_it_is() -> None:
    assert repr(dataset_of(20, name="mine")).splitlines() == [
        "FashionMNISTCSV",
        "    source: mine",
        "    items: 20, each an image of 1 x 28 x 28 in 0..1 and a label",
        "    classes: 10, 2 items each",
    ]


def test_it_shows_options_counts_and_a_known_fingerprint() -> None:
    dataset = dataset_of(12, one_hot=True, transform=torch.nn.Identity()).select([0, 1, 11])
    fingerprint = dataset.fingerprint
    assert repr(dataset).splitlines()[2:] == [
        "    items: 3, each an image of 1 x 28 x 28 in 0..1 and a one-hot vector",
        "    classes: T-shirt/top 1, Trouser 2",
        "    transform: Identity()",
        f"    fingerprint: {fingerprint}",
    ]


# --- in a notebook --------------------------------------------------------------------------------
