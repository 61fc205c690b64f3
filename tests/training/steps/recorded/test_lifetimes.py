"""Recorded steps: which tensors stay, what an end leaves, and who shares nothing."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from tests.tiny import same_weights, tiny_set
from tests.training.steps.recorded.probed_fits import (
    Adjustable,
    Probe,
    assert_seen_alike,
    fit,
    hook_listener,
)
from tests.training.steps.recorded.recordable_models import Free
from tests.training.steps.recorded.two_trainings import ADAM, SGD, told
from torch import Tensor

from fmnistlab.errors import NonFiniteError
from fmnistlab.models.cnn import CNN
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("short_fits_are_recorded")


def test_a_fit_is_recorded_once_if_nothing_changes() -> None:
    calls: list[int] = []

    class Counted(Free):
        recordable = True

        def forward(self, images: Tensor) -> Tensor:
            calls.append(len(images))
            return super().forward(images)

    trainer = fit(Counted, ADAM, "recorded", data=tiny_set(19))  # batches of 8, 8 and 3
    assert trainer.executed == "recorded"
    # Two recordings and the plain step for each shape; before them the model is tried.
    assert (calls.count(8), calls.count(3)) == (3, 3)


def test_what_the_optimizer_holds_stays_the_same_tensors() -> None:
    found: list[list[tuple[int, int]]] = []

    def note(run: Run, *facts: object) -> None:
        state = [v for entries in run.optimizer.state.values() for v in entries.values()]
        found.append([(id(v), v.data_ptr()) for v in (*run.model.parameters(), *state)])

    recipe = ADAM.replace(epochs=4)
    assert told(fit(CNN, recipe, "auto", hook_listener("on_epoch_end", note))) == "recorded"
    assert found[0] == found[1] == found[3]


@pytest.mark.parametrize("way", ["auto", "eager"])
def test_results_that_a_callback_keeps_stay_as_they_were(way: str) -> None:
    kept: list[tuple[Tensor, ...]] = []
    copies: list[tuple[Tensor, ...]] = []

    def keep(run: Run, result: Any) -> None:
        kept.append((result.loss, result.logits, result.labels))
        copies.append(tuple(tensor.clone() for tensor in kept[-1]))

    fit(CNN, ADAM, way, hook_listener("on_batch_end", keep, uses_model=False))
    assert len(kept) == 9
    for results, before in zip(kept, copies, strict=True):
        assert all(map(torch.equal, results, before))
        assert not any(result.requires_grad for result in results)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_fit_leaves_all_as_plain_steps_do(error: type[BaseException]) -> None:
    """The trainer then goes on, and what it does is seen alike."""
    trainers = []
    for way in ("auto", "eager"):

        def fail(run: Run, result: Any) -> None:
            if result.step == 5:
                raise error

        torch.manual_seed(0)
        listener = hook_listener("on_batch_end", fail, uses_model=False)
        trainer = Trainer(Adjustable(), ADAM, execution=way, callbacks=[listener, Probe()])
        with pytest.raises(error):
            trainer.fit(tiny_set(24))
        assert trainer.optimizer is not None
        assert {int(entry["step"]) for entry in trainer.optimizer.state.values()} == {5}
        trainers.append(trainer)
    assert_seen_alike(*trainers)
    for trainer in trainers:
        trainer.fit(tiny_set(24), epochs=2)
    assert trainers[0].executed == "recorded"
    assert_seen_alike(*trainers)


def test_trainings_beside_each_other_do_not_disturb_each_other() -> None:
    """One within a hook of the other, in a thread of its own, with other threads of torch."""
    inner: list[Trainer] = []

    def train_another(run: Run, *facts: object) -> None:
        thread = threading.Thread(target=lambda: inner.append(fit(CNN, SGD, "recorded")))
        thread.start()
        thread.join()
        copy.deepcopy(run.model)(torch.ones(2, 1, 28, 28)).sum().backward()

    outer = fit(CNN, ADAM, "recorded", hook_listener("on_epoch_end", train_another))
    assert same_weights(outer.model, fit(CNN, ADAM, "recorded").model)
    for trainer in inner:
        assert same_weights(trainer.model, inner[0].model)
    assert_seen_alike(inner[0], fit(CNN, SGD, "eager"))


@pytest.mark.parametrize("way", ["recorded", "eager"])
def test_a_weight_that_a_callback_spoils_is_found_before_it_is_saved(way: Any) -> None:
    def spoil(run: Run, *facts: object) -> None:
        run.model.get_parameter("outer.bias").data[0] = torch.nan
        with pytest.raises(NonFiniteError, match=r"outer\.bias"):
            trainer.to_bytes()
        raise KeyError

    trainer = Trainer(Free(), ADAM, execution=way, callbacks=[hook_listener("on_epoch_end", spoil)])
    with pytest.raises(KeyError):
        trainer.fit(tiny_set(24))
