"""Hypothesis strategies for tests of models and callbacks: images, data sets, files, recipes.

In a test of yours, which runs with a hundred batches and shows the simplest one that fails::

    from hypothesis import given
    from fmnistlab.testing import strategies

    @given(strategies.images())
    def test_each_image_gets_ten_finite_scores(images):
        scores = MODEL(images)
        assert scores.shape == (len(images), 10)
        assert scores.isfinite().all()

They need hypothesis (the extra "testing"). Without it this module can be imported, and each
function raises `fmnistlab.errors.MissingExtraError`. None draws from a global random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fmnistlab.data.augmentation.affine import RandomAffine
from fmnistlab.data.augmentation.erasing import RandomErasing
from fmnistlab.data.augmentation.flips import AlternatingFlip, HorizontalFlip
from fmnistlab.data.augmentation.shift import RandomShift
from fmnistlab.data.csv_strict import column_names
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES, PIXEL_MAX, PIXELS
from fmnistlab.errors import MissingExtraError
from fmnistlab.foundation.checks import refused, whole_number
from fmnistlab.training.recipes.optimizers import OPTIMIZERS
from fmnistlab.training.recipes.parameter_rules import ParameterRule
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.schedules import SCHEDULES, WARMED_UP
from fmnistlab.training.recipes.setting_checks import SAMPLINGS, checked_epochs

if TYPE_CHECKING:
    from hypothesis import strategies as st
else:
    try:
        from hypothesis import strategies as st
    except ImportError:

        class _NotInstalled:
            def __getattr__(self, name: str) -> object:
                raise MissingExtraError(
                    "These strategies need hypothesis: python -m pip install 'fmnistlab[testing]'"
                )

        st = _NotInstalled()

_Item: TypeAlias = tuple[np.ndarray, int]

_LEVELS: Final = ((0, 1), (255, 256), (0, 10), (10, 100), (100, 256), (0, 256))


def images(
    min_size: int = 1, max_size: int = 8, *, dtype: torch.dtype = torch.float32
) -> st.SearchStrategy[Tensor]:
    """Generates batches of images: flat ones, single bright pixels and noise, in any mixture.

    They shrink to fewer images, and each image to a black one.

    Args:
        min_size: fewest images, at least 1.
        max_size: most images.
        dtype: torch.float32 for pixels k / 255 in 0..1, as a model gets them; torch.uint8 for
            pixels 0 to 255, as they are stored.

    Returns:
        A strategy for tensors of shape (n, 1, 28, 28).

    Raises:
        ConfigurationError: another dtype, or there is no such size.
        MissingExtraError: hypothesis is not installed.
    """
    _check_sizes(min_size, max_size)
    _check_dtype(dtype)
    pictures = st.lists(_pictures(), min_size=min_size, max_size=max_size)
    return pictures.map(lambda drawn: _as_images(drawn, dtype))


def labels(min_size: int = 1, max_size: int = 8) -> st.SearchStrategy[Tensor]:
    """Generates the labels of a batch; they shrink to fewer and smaller ones.

    Args:
        min_size: fewest labels, at least 1.
        max_size: most labels.

    Returns:
        A strategy for int64 tensors of shape (n,), classes 0 to 9.

    Raises:
        ConfigurationError: there is no such size.
        MissingExtraError: hypothesis is not installed.
    """
    _check_sizes(min_size, max_size)
    return st.lists(_classes(), min_size=min_size, max_size=max_size).map(torch.tensor)


def batches(
    min_size: int = 1, max_size: int = 8, *, dtype: torch.dtype = torch.float32
) -> st.SearchStrategy[tuple[Tensor, Tensor]]:
    """Generates pairs of `images` and as many `labels`, as a DataLoader gives them.

    Args:
        min_size: fewest items, at least 1.
        max_size: most items.
        dtype: of the images, as of `images`.

    Returns:
        A strategy for pairs of images (n, 1, 28, 28) and int64 labels (n,).

    Raises:
        ConfigurationError: another dtype, or there is no such size.
        MissingExtraError: hypothesis is not installed.
    """
    _check_dtype(dtype)

    def batch(items: list[_Item]) -> tuple[Tensor, Tensor]:
        pictures, classes = zip(*items, strict=True)
        return _as_images(pictures, dtype), torch.tensor(classes)

    return _items(min_size, max_size).map(batch)


def datasets(min_size: int = 1, max_size: int = 16) -> st.SearchStrategy[FashionMNISTCSV]:
    """Generates data sets of the `images` and `labels` above, any mixture of classes.

    Args:
        min_size: fewest items, at least 1.
        max_size: most items.

    Returns:
        A strategy for data sets with uint8 `data` (n, 28, 28) and int64 `targets` (n,).

    Raises:
        ConfigurationError: there is no such size.
        MissingExtraError: hypothesis is not installed.
    """

    def dataset(items: list[_Item]) -> FashionMNISTCSV:
        pictures, classes = zip(*items, strict=True)
        return FashionMNISTCSV.from_arrays(np.stack(pictures), np.array(classes), name="generated")

    return _items(min_size, max_size).map(dataset)


def csv_tables(min_size: int = 1, max_size: int = 4) -> st.SearchStrategy[np.ndarray]:
    """Generates the numbers of a CSV file in Kaggle's form, without its header.

    Pixels are noise between two levels: all 0, all 255, all of one, two or three digits, or any.

    Args:
        min_size: fewest rows, at least 1.
        max_size: most rows.

    Returns:
        A strategy for uint8 arrays of shape (rows, 785): a label 0 to 9, then pixels 0 to 255.

    Raises:
        ConfigurationError: there is no such size.
        MissingExtraError: hypothesis is not installed.
    """

    def table(classes: list[int], levels: tuple[int, int], seed: int) -> np.ndarray:
        pixels = _noise(levels, seed, (len(classes), PIXELS))
        return np.column_stack([np.array(classes, np.uint8), pixels])

    _check_sizes(min_size, max_size)
    rows = st.lists(_classes(), min_size=min_size, max_size=max_size)
    return st.builds(table, rows, st.sampled_from(_LEVELS), _seeds())


def csv_texts(min_size: int = 1, max_size: int = 4) -> st.SearchStrategy[tuple[np.ndarray, bytes]]:
    r"""Generates tables, each with one of the many legal CSV files that mean it.

    The header may be missing or count pixels from 0; lines end with \n or \r\n; all, some or no
    cells are quoted; there may be a byte order mark, and blank lines at the end.

    Args:
        min_size: fewest rows, at least 1.
        max_size: most rows.

    Returns:
        A strategy for pairs of a table, as of `csv_tables`, and the content of the file.

    Raises:
        ConfigurationError: there is no such size.
        MissingExtraError: hypothesis is not installed.
    """

    def text(
        *,
        table: np.ndarray,
        header: Sequence[str],
        quoted_every: int,
        end: str,
        last_ends: int,
        mark: bytes,
    ) -> tuple[np.ndarray, bytes]:
        lines = [[*header]] if header else []
        lines += [[str(value) for value in row] for row in table.tolist()]
        if quoted_every:
            for line in lines:
                line[::quoted_every] = [f'"{cell}"' for cell in line[::quoted_every]]
        joined = end.join(",".join(line) for line in lines)
        return table, mark + (joined + end * last_ends).encode()

    return st.builds(
        text,
        table=csv_tables(min_size, max_size),
        header=st.sampled_from([column_names(1), column_names(0), ()]),
        quoted_every=st.sampled_from([0, 1]) | st.integers(2, 9),
        end=st.sampled_from(["\n", "\r\n"]),
        last_ends=st.sampled_from([1, 0, 2, 50]),
        mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    )


def recipes(max_epochs: int = 3) -> st.SearchStrategy[Recipe]:
    """Generates recipes that train quickly, with every optimizer and schedule known by name.

    Batches have 1 to 64 images, learning rates are at most 0.01. They shrink to the plainest one.

    Args:
        max_epochs: most epochs, at least 1.

    Returns:
        A strategy for recipes without functions of their own: `Recipe.to_dict` takes all of them.

    Raises:
        ConfigurationError: there is no such number of epochs.
        MissingExtraError: hypothesis is not installed.
    """
    checked_epochs(max_epochs)
    flips = st.builds(HorizontalFlip, st.sampled_from([0.5, 0.0, 1.0]))
    shifts = st.builds(RandomShift, st.integers(1, 27))
    others = st.sampled_from([AlternatingFlip(), RandomErasing(1.0), RandomAffine()])
    settings = st.fixed_dictionaries(
        {
            "epochs": st.integers(1, max_epochs),
            "batch_size": st.sampled_from([32, 64, 8, 1]) | st.integers(1, 64),
            "optimizer": st.sampled_from(OPTIMIZERS),
            "learning_rate": st.sampled_from([1e-3, 1e-2, 1e-4]),
            "weight_decay": st.sampled_from([0.0, 1e-4, 1e-2]),
            "momentum": st.sampled_from([0.0, 0.9]),
            "nesterov": st.booleans(),
            "parameter_rules": st.lists(_rules(), max_size=2).map(tuple),
            # Whether there is a validation set is not the recipe's to say.
            "schedule": st.sampled_from(SCHEDULES),
            "plateau_metric": st.sampled_from(["loss", "accuracy"]),
            "patience": st.integers(0, 1),
            "warmup_epochs": st.sampled_from([0.0, 0.5, 0.9]),
            "clip_norm": st.sampled_from([None, 1.0, 0.01]),
            "clip_value": st.sampled_from([None, 0.1, 1e-3]),
            "accumulation_steps": st.sampled_from([1, 2, 3]),
            "ema_decay": st.sampled_from([0.0, 0.9, 0.5]),
            "sampling": st.sampled_from(SAMPLINGS),
            "label_smoothing": st.sampled_from([0.0, 0.1]),
            "class_weights": st.sampled_from([(), (1.0,) * 9 + (2.0,)]),
            "augmentation": st.lists(flips | shifts | others, max_size=2).map(tuple),
        }
    )
    return settings.map(_possible)


def _rules() -> st.SearchStrategy[ParameterRule]:
    """Generates rules for all parameters, which every model has."""
    return st.builds(
        ParameterRule,
        learning_rate_factor=st.sampled_from([1.0, 0.5]),
        weight_decay=st.sampled_from([None, 0.0]),
        frozen_epochs=st.sampled_from([None, 0]),
    )


def _possible(settings: dict[str, Any]) -> Recipe:
    """Returns a recipe without the settings that would do nothing beside the others."""
    if settings["optimizer"] != "sgd":
        settings["momentum"] = 0.0
    settings["nesterov"] = settings["nesterov"] and settings["momentum"] > 0
    if settings["schedule"] not in WARMED_UP:
        settings["warmup_epochs"] = 0.0
    if settings["schedule"] == "step":
        settings["milestones"] = (1,)
    if settings["schedule"] != "plateau":
        del settings["patience"], settings["plateau_metric"]
    return Recipe(**settings)


def _items(min_size: int, max_size: int) -> st.SearchStrategy[list[_Item]]:
    _check_sizes(min_size, max_size)
    return st.lists(st.tuples(_pictures(), _classes()), min_size=min_size, max_size=max_size)


def _pictures() -> st.SearchStrategy[np.ndarray]:
    """Generates single images, uint8 (28, 28), from the simplest to the least simple."""
    shape = (IMAGE_SIZE, IMAGE_SIZE)

    def point(row: int, column: int) -> np.ndarray:
        image = np.zeros(shape, np.uint8)
        image[row, column] = PIXEL_MAX
        return image

    place = st.integers(0, IMAGE_SIZE - 1)
    flat = st.sampled_from([0, PIXEL_MAX]) | st.integers(0, PIXEL_MAX)
    return st.one_of(
        flat.map(lambda level: np.full(shape, level, np.uint8)),
        st.builds(point, place, place),
        st.builds(lambda seed: _noise((0, PIXEL_MAX + 1), seed, shape), _seeds()),
    )


def _classes() -> st.SearchStrategy[int]:
    return st.integers(0, NUM_CLASSES - 1)


def _seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def _noise(levels: tuple[int, int], seed: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(*levels, shape, dtype=np.uint8)


def _as_images(pictures: Sequence[np.ndarray], dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(np.stack(pictures)).unsqueeze(1)
    return tensor / PIXEL_MAX if dtype is torch.float32 else tensor


def _check_dtype(dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.uint8):
        raise refused("dtype", dtype, "torch.float32 or torch.uint8")


def _check_sizes(min_size: int, max_size: int) -> None:
    whole_number("max_size", max_size, least=whole_number("min_size", min_size))
