"""Words that people bring from other libraries: each call that Python refuses is explained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fmnistlab
from fmnistlab.errors import UnknownArgumentError
from fmnistlab.foundation import foreign_words as words
from fmnistlab.testing import tiny_dataset

TRAINER = fmnistlab.Trainer(nn.Flatten())
CALLS: dict[str, tuple[Mapping[str, str], Callable[..., Any], tuple[Any, ...]]] = {
    "Trainer": (words.TRAINER, fmnistlab.Trainer, ("linearnet",)),
    "Trainer.fit": (words.FIT, TRAINER.fit, (tiny_dataset(),)),
    "Recipe": (words.RECIPE, fmnistlab.Recipe, ()),
    "FashionMNISTCSV": (words.DATA_SET, fmnistlab.FashionMNISTCSV, ("no.csv",)),
    "FashionMNISTCSV.split": (words.SPLIT, tiny_dataset().split, ()),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_word_is_told_and_none_is_taken(name: str) -> None:
    told, call, arguments = CALLS[name]
    parameters = inspect.signature(call).parameters
    for word, said in told.items():
        assert word not in parameters, f"{name} has {word}, so nobody would read: {said}"
        with pytest.raises(UnknownArgumentError) as caught:
            call(*arguments, **{word: 1})
        assert str(caught.value) == f"{name} has no argument {word!r}; here {said}."
        assert isinstance(caught.value, TypeError), "as Python's own refusal"


@pytest.mark.parametrize("name", CALLS)
def test_what_a_word_points_to_exists(name: str) -> None:
    """A sentence "it is X" names an argument of the same call."""
    told, call, _ = CALLS[name]
    named = [said.removeprefix("it is ").split(":")[0] for said in told.values()]
    called = [word for word in named if word.isidentifier()]
    assert set(called) <= {*inspect.signature(call).parameters}


@pytest.mark.parametrize(
    ("name", "word", "near"),
    [
        ("Recipe", "learning_rte", "learning_rate"),
        ("Trainer.fit", "epoch", "epochs"),
        ("Trainer", "callback", "callbacks"),
    ],
)
def test_a_slip_of_the_hand_gets_the_nearest_name(name: str, word: str, near: str) -> None:
    _, call, arguments = CALLS[name]
    with pytest.raises(UnknownArgumentError, match=f"Did you mean .*'{near}'"):
        call(*arguments, **{word: 1})


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4))
def test_what_python_accepts_passes_and_what_it_refuses_is_refused(given: dict[str, int]) -> None:
    def function(self: object, a: int = 0, *, b: int = 0) -> tuple[int, int]:
        return a, b

    explained = words.foreign_words({"c": "it is b"})(function)
    try:
        expected = function(None, **given)
    except TypeError:
        with pytest.raises(UnknownArgumentError):
            explained(None, **given)
    else:
        assert explained(None, **given) == expected
