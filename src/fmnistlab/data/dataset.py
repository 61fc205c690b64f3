"""Fashion-MNIST as a torch data set that lies in memory."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, SupportsIndex, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fmnistlab.data.cache import read_cached
from fmnistlab.data.content_hash import fingerprint
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv
from fmnistlab.data.expectation import accepted_fingerprints, check_content
from fmnistlab.data.kept_together import checked_groups, two_parts
from fmnistlab.data.overview import classes_as_html
from fmnistlab.data.schema import (
    CLASS_NAMES,
    IMAGE_SIZE,
    NUM_CLASSES,
    OFFICIAL_FINGERPRINTS,
    PIXEL_MAX,
)
from fmnistlab.data.stratified import stratified_rows
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation import html
from fmnistlab.foundation.checks import number, whole_number
from fmnistlab.foundation.foreign_words import DATA_SET, SPLIT, foreign_words
from fmnistlab.foundation.terminal import text_of
from fmnistlab.seeding import MAX_SPLIT_SEED
from fmnistlab.shapes import Int64, UInt8

BUNDLED_FOLDER: Final = Path(__file__).parent / "bundled"
"""Where the real data lies inside the package."""

BUNDLED_PARTS: Final = ("train", "test")
"""The real 60,000 training images and the real 10,000 test images."""

Transform: TypeAlias = Callable[[Tensor], Tensor]
"""What may be applied to the image or the target of an item on its way out."""


@foreign_words(DATA_SET)
class FashionMNISTCSV(Dataset[tuple[Tensor, Tensor]]):
    """Images and labels of a Fashion-MNIST CSV file.

    An item is a pair (image, target): the image float32 (1, 28, 28), pixels divided by 255 and so
    in 0..1; the target an int64 scalar 0 to 9 or, with `one_hot`, float32 (10,). Nothing is
    normalised: transforms and models do that.

    Args:
        path: a CSV file as Kaggle has it, plain or packed by gzip, xz, bzip2 or zip; see
            `fmnistlab.data.read_csv` for what is accepted.
        expect: what the file must hold, in any order of rows: "fashion-mnist" for the official
            training set or the official test set, or the 64 hexadecimal digits of a `fingerprint`;
            None takes any legal content.
        transform: applied to the image of each item, float32 (1, 28, 28).
        target_transform: applied to the target of each item, after `one_hot`.
        one_hot: whether targets are vectors with a single 1 instead of class numbers.
        cache: whether the parsed file may be kept in, and taken from, the cache folder.

    Attributes:
        data: all images as they are stored, uint8 (n, 28, 28).
        targets: all labels, int64 (n,).
        name: where the items come from, for people.
        transform: as given, or None.
        target_transform: as given, or None.
        one_hot: as given.

    Raises:
        DataFileError: the file is missing, is a folder, or cannot be read.
        DataFormatError: the content breaks the format; the error has path, line, column, value. Or
            it is legal, but not what `expect` says.
        ConfigurationError: `expect` is neither of the two.
    """

    data: UInt8[Tensor, "n 28 28"]
    targets: Int64[Tensor, "n"]
    name: str
    transform: Transform | None
    target_transform: Transform | None
    one_hot: bool

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        expect: str | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        one_hot: bool = False,
        cache: bool = True,
    ) -> None:
        accepted = None if expect is None else accepted_fingerprints(expect)
        _fill(self, read_cached(path) if cache else read_csv(path), os.fspath(path))
        if accepted is not None:
            check_content(path, len(self), self.fingerprint, accepted)
        self.transform = transform
        self.target_transform = target_transform
        self.one_hot = one_hot

    @classmethod
    def bundled(
        cls,
        part: str,
        *,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        one_hot: bool = False,
        cache: bool = True,
    ) -> FashionMNISTCSV:
        """Returns the real data, which ships with the package: no network is needed, ever.

        The first call reads 27 MB of packed text, which takes seconds; with the cache, later ones
        take a fraction of a second. Every call compares the fingerprint with the official one.

        Args:
            part: "train" for the 60,000 training images, "test" for the 10,000 test images.
            transform: as of the class.
            target_transform: as of the class.
            one_hot: as of the class.
            cache: as of the class.

        Raises:
            ConfigurationError: another name.
            DataFormatError: the installed file was changed or damaged.
        """
        if part not in BUNDLED_PARTS:
            raise ConfigurationError(
                f"There is no bundled data {part!r}; there is 'train' and 'test'."
                f"{suggestion(part, BUNDLED_PARTS)}"
            )
        dataset = cls(
            BUNDLED_FOLDER / f"fashion-mnist_{part}.csv.xz",
            expect=OFFICIAL_FINGERPRINTS[part],
            transform=transform,
            target_transform=target_transform,
            one_hot=one_hot,
            cache=cache,
        )
        dataset.name = f"bundled {part} set"
        return dataset

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray | Tensor,
        labels: np.ndarray | Tensor,
        *,
        name: str = "arrays",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        one_hot: bool = False,
    ) -> FashionMNISTCSV:
        """Returns a data set with copies of these images and labels.

        Args:
            images: pixels 0 to 255, uint8 (n, 28, 28), at least one image.
            labels: classes 0 to 9, any integer type, (n,).
            name: where they come from, for people.
            transform: as of the class.
            target_transform: as of the class.
            one_hot: as of the class.

        Raises:
            ConfigurationError: another type or shape, no images, or a label outside 0 to 9.
        """
        dataset = cls.__new__(cls)
        _fill(dataset, _checked_table(images, labels), name)
        dataset.transform = transform
        dataset.target_transform = target_transform
        dataset.one_hot = one_hot
        return dataset

    @property
    def classes(self) -> list[str]:
        """Names of the labels 0 to 9, spelt as torchvision does."""
        return list(CLASS_NAMES)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class name."""
        return {name: label for label, name in enumerate(CLASS_NAMES)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all (label, image) pairs, whatever their order; 64 hexadecimal digits.

        It is computed once, in about 0.1 s for 60,000 items. See `fmnistlab.data.content_hash`.
        """
        return fingerprint(self.data.numpy(), self.targets.to(torch.uint8).numpy())

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: SupportsIndex) -> tuple[Tensor, Tensor]:
        """Returns image and target of one item.

        Args:
            index: 0 to n - 1, or -n to -1 from the end; any kind of integer.

        Raises:
            IndexError: there is no such item.
            TypeError: `index` is no integer; `select` takes several.
        """
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"item {position} of {len(self)} items")
        image = _as_floats(self.data[position].unsqueeze(0))
        return self._transformed(image, self._as_wanted(self.targets[position].clone()))

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Returns the items of one batch, taken from memory in one go; a DataLoader asks for it."""
        if type(self).__getitem__ is not FashionMNISTCSV.__getitem__:
            return [self[index] for index in indices]
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        images = _as_floats(self.data[chosen].unsqueeze(1))
        targets = self._as_wanted(self.targets[chosen])
        pairs = zip(images.unbind(), targets.unbind(), strict=True)
        return [self._transformed(image, target) for image, target in pairs]

    def resident(self) -> tuple[Tensor, Tensor] | None:
        """Returns all images and targets as they lie in memory, if items are nothing else.

        Returns:
            Images uint8 (n, 1, 28, 28), which stand for items' floats times 255, and targets int64
            (n,), both sharing memory with this data set; None if a transform, `one_hot` or a
            subclass's own `__getitem__` stands between them and an item.
        """
        plain = self.transform is None and self.target_transform is None and not self.one_hot
        if not plain or type(self).__getitem__ is not FashionMNISTCSV.__getitem__:
            return None
        return self.data.unsqueeze(1), self.targets

    @foreign_words(SPLIT)
    def split(
        self,
        valid_fraction: float = 0.2,
        seed: int = 42,
        *,
        keep_together: Sequence[int] | np.ndarray | Tensor | None = None,
    ) -> tuple[FashionMNISTCSV, FashionMNISTCSV]:
        """Returns two data sets that share out the items, with the same mix of classes in both.

        The rows and their order are those of scikit-learn's `train_test_split` with `test_size`,
        `stratify` and `random_state`. With `keep_together` they are others, and the mix of classes
        is as near to the same as the groups allow.

        Args:
            valid_fraction: part of the items that goes into the second, above 0 and below 1.
            seed: 0 to 2**32 - 1; another seed gives another split.
            keep_together: an integer for each item, (n,); items of equal numbers are not torn
                apart, such as the `groups` of images that `fmnistlab.audit` finds to be doubles of
                each other. scikit-learn calls this `groups`.

        Raises:
            ConfigurationError: the fraction or the seed is impossible, a class has a single item,
                or a part would have fewer items than there are classes; there is not one integer
                for each item, or a group is so large that a part stays empty.
        """
        valid_fraction = number("valid_fraction", valid_fraction, above=0, below=1)
        seed = whole_number("seed", seed, least=0, most=MAX_SPLIT_SEED)
        labels = self.targets.numpy()
        if keep_together is None:
            fit, valid = stratified_rows(labels, valid_fraction, seed, name=self.name)
        else:
            groups = checked_groups(keep_together, len(self), name=self.name)
            fit, valid = two_parts(labels, groups, valid_fraction, seed, name=self.name)
        return (
            self._part(fit, f"{self.name}, fit part (seed {seed})"),
            self._part(valid, f"{self.name}, valid part (seed {seed})"),
        )

    def select(self, indices: Sequence[int] | np.ndarray | Tensor) -> FashionMNISTCSV:
        """Returns a data set of copies of some items, in the order of `indices`.

        Args:
            indices: integers from -n to n - 1, at least one; an item may be taken repeatedly.

        Raises:
            ConfigurationError: no indices, or not a list of integers.
            IndexError: there is no such item.
        """
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or chosen.size == 0 or chosen.dtype.kind not in "iu":
            raise ConfigurationError(
                f"Cannot select by {chosen.dtype} of shape {chosen.shape}: give at least one "
                "integer, in one dimension. (A mask becomes one by mask.nonzero().)"
            )
        low, high = int(chosen.min()), int(chosen.max())
        if low < -len(self) or high >= len(self):
            raise IndexError(f"items {low} to {high} of {len(self)} items")
        return self._part(chosen, f"{self.name}, selection")

    def _part(self, indices: np.ndarray, name: str) -> FashionMNISTCSV:
        chosen = torch.from_numpy(indices.astype(np.int64)) % len(self)
        part = type(self).__new__(type(self))
        # A subclass may have attributes of its own; those of the items are replaced below.
        part.__dict__.update(self.__dict__)
        part.__dict__.pop("fingerprint", None)
        part.data = self.data.index_select(0, chosen)
        part.targets = self.targets.index_select(0, chosen)
        part.name = name
        return part

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the stored images and labels as Kaggle's CSV; no transform is applied.

        Args:
            path: ends in .csv, .gz, .xz, .bz2 or .zip, which also says how to pack it; an existing
                file is replaced.

        Raises:
            ConfigurationError: another suffix.
            DataFileError: the folder is missing, read-only or full.
        """
        write_csv(path, self.data.numpy(), self.targets.to(torch.uint8).numpy())

    def __repr__(self) -> str:
        counts = self.targets.bincount(minlength=NUM_CLASSES).tolist()
        if len(set(counts)) == 1:
            classes = f"{NUM_CLASSES}, {counts[0]:,} items each"
        else:
            named = zip(CLASS_NAMES, counts, strict=True)
            classes = ", ".join(f"{name} {count:,}" for name, count in named if count)
        source, items, *others = self._facts().items()
        shown = [f"    {n}: {value}" for n, value in (source, items, ("classes", classes), *others)]
        return "\n".join([type(self).__name__, *shown])

    def _repr_html_(self) -> str:
        facts = [(name, text_of(value)) for name, value in self._facts().items()]
        return html.together(
            [html.facts(type(self).__name__, facts), classes_as_html(self.data, self.targets)]
        )

    def _facts(self) -> dict[str, object]:
        """Returns what is to be said of the whole, apart from the classes."""
        target = "one-hot vector" if self.one_hot else "label"
        facts = {
            "source": self.name,
            "items": f"{len(self):,}, each an image of 1 x 28 x 28 in 0..1 and a {target}",
            "transform": self.transform,
            "target_transform": self.target_transform,
            "fingerprint": self.__dict__.get("fingerprint"),
        }
        return {name: value for name, value in facts.items() if value is not None}

    def _as_wanted(self, targets: Tensor) -> Tensor:
        if not self.one_hot:
            return targets
        return torch.nn.functional.one_hot(targets, NUM_CLASSES).to(torch.float32)

    def _transformed(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


def _as_floats(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32).div_(PIXEL_MAX)


def _fill(dataset: FashionMNISTCSV, table: FashionTable, name: str) -> None:
    dataset.data = torch.from_numpy(table.images)
    dataset.targets = torch.from_numpy(table.labels).to(torch.int64)
    dataset.name = name


def _checked_table(images: np.ndarray | Tensor, labels: np.ndarray | Tensor) -> FashionTable:
    pixels, classes = (
        np.array(values.detach().cpu().numpy() if isinstance(values, Tensor) else values)
        for values in (images, labels)
    )
    if pixels.dtype != np.uint8 or pixels.shape != (*pixels.shape[:1], IMAGE_SIZE, IMAGE_SIZE):
        raise ConfigurationError(
            f"images are {pixels.dtype} {pixels.shape}; they must be uint8 (n, {IMAGE_SIZE}, "
            f"{IMAGE_SIZE}), pixels 0 to {PIXEL_MAX}."
        )
    if len(pixels) == 0:
        raise ConfigurationError("there are no images; give at least one.")
    if classes.dtype.kind not in "iu" or classes.shape != (len(pixels),):
        raise ConfigurationError(
            f"labels are {classes.dtype} {classes.shape}; they must be integers ({len(pixels)},), "
            "one for each image."
        )
    if classes.min() < 0 or classes.max() >= NUM_CLASSES:
        wrong = int(np.flatnonzero((classes < 0) | (classes >= NUM_CLASSES))[0])
        raise ConfigurationError(
            f"label {int(classes[wrong])} of item {wrong} is outside 0 to {NUM_CLASSES - 1}."
        )
    return FashionTable(pixels, classes.astype(np.uint8))
