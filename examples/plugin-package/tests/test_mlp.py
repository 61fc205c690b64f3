"""Holds the model to fmnistlab's contract."""

from __future__ import annotations

import pytest

import fmnistlab
from fmnistlab import testing


def test_mlp_keeps_the_contract_under_its_name() -> None:
    """The entry point leads to a model that everything in fmnistlab can work with."""
    testing.check_model("mlp")


@pytest.mark.parametrize("options", [{"hidden": ()}, {"hidden": (64,), "dropout": 0.0}])
def test_mlp_keeps_the_contract_with_other_options(options: dict[str, object]) -> None:
    """So does each shape that the constructor offers, without hidden layers included."""
    testing.check_model(lambda: fmnistlab.create_model("mlp", **options))
