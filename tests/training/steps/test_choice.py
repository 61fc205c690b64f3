"""Which way the trainer takes its steps, and how it tells."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.tiny import Items, same_weights, tiny_set
from tests.training.steps.recorded.probed_fits import Adjustable, fit, hook_listener
from tests.training.steps.recorded.recordable_models import Free, Unsaid
from tests.training.steps.recorded.two_trainings import ADAM, Maker, told
from torch.utils.data import DataLoader, IterableDataset

from fmnistlab.training.steps import choice
from fmnistlab.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("short_fits_are_recorded")


class Streamed(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(Items(tiny_set(24)))


@pytest.mark.parametrize(
    ("make", "way", "listener", "expected"),
    [
        (Free, "auto", None, "recorded"),
        (Free, "recorded", None, "recorded"),
        (Free, "eager", None, "eager: it was asked for"),
        (Unsaid, "auto", None, "eager: Unsaid does not say recordable = True"),
        (Free, "auto", True, "eager: Listener may look at the model after each step"),
        (Free, "auto", False, "recorded"),
    ],
)
def test_the_trainer_tells_which_way_it_went(
    make: Maker, way: str, listener: bool | None, expected: str
) -> None:
    listening = (
        []
        if listener is None
        else [hook_listener("on_batch_end", lambda *facts: None, uses_model=listener)]
    )
    assert told(fit(make, ADAM, way, *listening)) == expected


def test_short_epochs_are_not_recorded_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert told(fit(Free, ADAM, "auto")) == (
        "eager: an epoch has 3 steps, and recording pays from 200 on"
    )
    assert told(fit(Free, ADAM, "recorded")) == "recorded"
    monkeypatch.setattr(choice, "RECORDING_PAYS", 4)
    unsized = DataLoader(Streamed(), batch_size=8)  # without a length
    assert told(fit(Free, ADAM, "auto", data=tiny_set(26))) == "recorded"
    assert told(fit(Free, ADAM, "auto", data=unsized)) == "recorded"


@pytest.mark.parametrize("pays", [3, 4])
def test_several_fits_have_the_bits_of_one(pays: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many epochs each of them has, all are recorded or none."""
    monkeypatch.setattr(choice, "RECORDING_PAYS", pays)
    whole = fit(Adjustable, ADAM, "auto")
    parts = fit(Adjustable, ADAM.replace(epochs=1), "auto")
    parts.fit(tiny_set(24), epochs=1)
    saved = Trainer.load(parts.to_bytes(), model=copy.deepcopy(parts.model), device="cpu")
    saved.fit(tiny_set(24), epochs=1)
    assert same_weights(whole.model, saved.model)
    assert told(whole) == told(saved)
    assert told(whole).startswith("recorded" if pays == 3 else "eager")


def test_the_engine_is_not_imported_before_it_is_needed() -> None:
    code = "import fmnistlab.training.trainer, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fmnistlab.training.steps.eager" in done.stdout.split()
    assert "fmnistlab.training.steps.recorded" not in done.stdout
