"""The strategies for authors: what they generate, and what they say without hypothesis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_linear
from torch import Tensor

import fmnistlab
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import random_states
from fmnistlab.testing import strategies, tiny_dataset

SIZES = st.tuples(st.integers(1, 5), st.integers(0, 4)).map(lambda pair: (pair[0], sum(pair)))


@given(sizes=SIZES, dtype=st.sampled_from([torch.float32, torch.uint8]), data=st.data())
def test_batches_have_the_sizes_types_and_ranges_that_a_model_expects(
    sizes: tuple[int, int], dtype: torch.dtype, data: st.DataObject
) -> None:
    images, labels = data.draw(strategies.batches(*sizes, dtype=dtype))
    assert sizes[0] <= len(images) <= sizes[1]
    assert images.shape == (len(labels), 1, 28, 28)
    assert images.dtype is dtype
    assert 0 <= images.min() <= images.max() <= (1 if dtype is torch.float32 else 255)
    assert labels.dtype is torch.int64
    assert labels.ndim == 1
    assert set(labels.tolist()) <= set(range(10))


@given(sizes=SIZES, data=st.data())
def test_images_labels_data_sets_and_tables_have_as_many_items_as_were_asked_for(
    sizes: tuple[int, int], data: st.DataObject
) -> None:
    images = data.draw(strategies.images(*sizes))
    assert images.dtype is torch.float32
    assert images.shape[1:] == (1, 28, 28)
    labels = data.draw(strategies.labels(*sizes))
    assert labels.dtype is torch.int64
    dataset = data.draw(strategies.datasets(*sizes))
    assert dataset.data.shape == (len(dataset), 28, 28)
    table = data.draw(strategies.csv_tables(*sizes))
    assert table.shape == (len(table), 785)
    assert table.dtype == np.uint8
    assert table[:, 0].max() < 10
    again, text = data.draw(strategies.csv_texts(*sizes))
    assert len(again) <= len(text.splitlines())
    for drawn in (images, labels, dataset, table, again):
        assert sizes[0] <= len(drawn) <= sizes[1]


@settings(max_examples=20)
@given(recipe=strategies.recipes(max_epochs=2))
def test_every_recipe_trains_and_can_be_written_down(recipe: fmnistlab.Recipe) -> None:
    assert fmnistlab.Recipe.from_dict(recipe.to_dict()) == recipe
    trainer = fmnistlab.Trainer(tiny_linear(), recipe)
    history = trainer.fit(tiny_dataset(20))
    assert 1 <= len(history) == recipe.epochs <= 2


FOUND: list[tuple[str, Any, Callable[[Any], object]]] = [
    ("one bright pixel", strategies.images(), lambda images: images.sum() == 1),
    ("all white", strategies.images(), lambda images: images.min() == 1),
    ("noise", strategies.images(), lambda images: len(images.unique()) > 99),
    ("two alike", strategies.images(), lambda images: len(images) > len(images.unique(dim=0))),
    ("class 9", strategies.labels(), lambda labels: 9 in labels),
    ("three classes", strategies.datasets(), lambda data: len(data.targets.unique()) == 3),
    ("three digits", strategies.csv_tables(), lambda table: table[:, 1:].min() >= 100),
    ("no header", strategies.csv_texts(), lambda case: b"label" not in case[1]),
    ("quoted", strategies.csv_texts(), lambda case: b'"' in case[1]),
    ("sgd", strategies.recipes(), lambda recipe: recipe.optimizer == "sgd" and recipe.momentum),
    ("one cycle", strategies.recipes(), lambda recipe: recipe.schedule == "one_cycle"),
    ("two changes", strategies.recipes(), lambda recipe: len(recipe.augmentation) == 2),
]


@pytest.mark.parametrize(
    ("strategy", "wanted"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND]
)
def test_what_a_model_may_meet_is_found(
    strategy: st.SearchStrategy[Any], wanted: Callable[[Any], object]
) -> None:
    find(
        strategy,
        lambda example: bool(wanted(example)),
        settings=settings(max_examples=2000, database=None),
    )


def test_examples_shrink_to_what_can_be_read() -> None:
    images = find(strategies.images(min_size=2), lambda images: bool(images.any()))
    assert images.flatten(1).sum(1).tolist() in ([0, 1], [1, 0], [0, 784], [784, 0])
    batch: tuple[Tensor, Tensor] = find(strategies.batches(), lambda batch: 3 in batch[1])
    assert not batch[0].any()
    assert batch[1].tolist() == [3]
    dataset = find(strategies.datasets(), lambda data: len(data) >= 3)
    assert dataset.targets.tolist() == [0, 0, 0]
    assert not dataset.data.any()
    table, text = find(strategies.csv_texts(), lambda case: True)
    assert not table.any()
    assert text.startswith(b"label,pixel1,")
    assert text.endswith(b",0,0\n")
    assert find(strategies.recipes(), lambda recipe: True) == fmnistlab.Recipe(epochs=1)


@pytest.mark.filterwarnings("error:Do not use the `random` module inside strategies")
@given(data=st.data())
@settings(max_examples=20, phases=[Phase.generate])
def test_nothing_is_drawn_from_the_global_generators(no_checker: None, data: st.DataObject) -> None:
    before = random_states()
    for strategy in (strategies.batches(), strategies.csv_texts(), strategies.recipes()):
        data.draw(strategy)
    after = random_states()
    assert torch.equal(after.torch, before.torch)
    assert after.others == before.others


@pytest.mark.parametrize(
    "make",
    [
        strategies.images,
        strategies.labels,
        strategies.batches,
        strategies.datasets,
        strategies.csv_tables,
        strategies.csv_texts,
    ],
)
def test_impossible_sizes_are_refused_when_the_strategy_is_made(make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="min_size is 0"):
        make(0, 3)
    with pytest.raises(ConfigurationError, match="max_size is 1"):
        make(2, 1)


def test_other_settings_that_are_impossible_are_refused_too() -> None:
    with pytest.raises(ConfigurationError, match=r"dtype is torch\.float64"):
        strategies.images(dtype=torch.float64)
    with pytest.raises(ConfigurationError, match="epochs is 0"):
        strategies.recipes(0)


WITHOUT_HYPOTHESIS = """
import sys
sys.modules["hypothesis"] = None  # what an import finds that is not installed

from fmnistlab import testing
from fmnistlab.errors import MissingExtraError
from fmnistlab.testing import *

assert testing.strategies is strategies
testing.check_model("linearnet")
tried = 0
for name, make in vars(strategies).items():
    if getattr(make, "__module__", "") == strategies.__name__ and callable(make) and name[0] != "_":
        tried += 1
        try:
            make()
        except MissingExtraError as error:
            assert str(error).endswith("python -m pip install 'fmnistlab[testing]'"), error
        else:
            raise AssertionError(f"{name} needs no hypothesis?")
assert tried == 7, tried
"""


def test_without_hypothesis_the_kit_works_and_strategies_say_what_to_install() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_HYPOTHESIS], check=True)
