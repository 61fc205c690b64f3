"""The checks that hold the other tests' calls to their annotations do bite."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Int64, TypeCheckError
from tests.checker import _checked, check
from torch import Tensor

from fmnistlab.models.linear import LinearNet
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.threads import cpu_threads

WRONG = (BeartypeCallHintViolation, TypeCheckError)


def made(start: int) -> Callable[[int], int]:
    """A function that is defined anew in each call."""

    def add(number: int) -> int:
        return start + number if number < 100 else "much"  # type: ignore[return-value]

    return _checked(add, typechecker=check)  # type: ignore[no-any-return]


def test_a_call_against_an_annotation_is_noticed() -> None:
    with pytest.raises(WRONG, match="count"), cpu_threads("2"):  # type: ignore[arg-type]
        pass


def test_a_field_against_its_annotation_is_noticed() -> None:
    with pytest.raises(WRONG, match="epochs"):
        Recipe(epochs="3")  # type: ignore[arg-type]


def test_a_shape_against_an_annotation_is_noticed() -> None:
    with pytest.raises(WRONG, match="images"):
        LinearNet()(torch.zeros(3, 2, 28, 28))


def test_two_sizes_of_one_name_are_noticed() -> None:
    def count(ones: Int64[Tensor, "n"], others: Int64[Tensor, "n"]) -> int:
        return len(ones) + len(others)

    counted = _checked(count, typechecker=check)
    assert counted(torch.arange(3), torch.arange(3)) == 6
    with pytest.raises(WRONG, match="others"):
        counted(torch.arange(3), torch.arange(4))


def test_each_of_several_inner_functions_is_checked_and_knows_its_own_surroundings() -> None:
    one, ten = made(1), made(10)
    assert (one(1), ten(1)) == (2, 11)
    for function in (one, ten):
        with pytest.raises(WRONG, match="number"):
            function("1")  # type: ignore[arg-type]
        with pytest.raises(WRONG, match="return"):
            function(100)
