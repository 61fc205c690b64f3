from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import any_float, finished_epochs
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor

from fmnistlab.callbacks import Checkpointing
from fmnistlab.cli.main import run
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.training.checkpoints.folder import list_checkpoints
from fmnistlab.training.loop.explosion import GUESSING_LOSS, ExplosionWatch, exploded
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.stacked import fit_stacked
from fmnistlab.training.trainer import Trainer

LOGGER = "fmnistlab.training.loop.explosion"
WILD = Recipe(epochs=3, batch_size=8, learning_rate=1e9)
positive = st.floats(0, 1e300)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def trained(recipe: Recipe, *, epochs: int | None = None) -> Trainer:
    trainer = Trainer(tiny_linear(), recipe, device="cpu")
    trainer.fit(tiny_set(), tiny_set(20, seed=1), epochs=epochs)
    return trainer


# --- the rule -------------------------------------------------------------------------------------


@given(start=any_float, first=st.none() | any_float, loss=st.floats(-math.inf, 23))
def test_no_loss_below_ten_times_guessing_has_exploded(
    start: float, first: float | None, loss: float
) -> None:
    """So a model that starts with next to no loss may be trained on, and become a guesser."""
    assert not exploded(loss, start=start, first_epoch=first)


@given(start=positive, first=st.none() | positive, share=st.floats(-10, 10))
def test_no_loss_up_to_ten_times_the_start_has_exploded(
    start: float, first: float | None, share: float
) -> None:
    """So a loss of one's own may have any scale, such as that of squares of large numbers."""
    for begun in (start, first or 0.0):
        assert not exploded(share * begun, start=start, first_epoch=first)


@given(start=positive, first=st.none() | positive, factor=st.floats(10.001, 1e6))
def test_whatever_is_larger_has(start: float, first: float | None, factor: float) -> None:
    largest = max(start, first or 0.0, GUESSING_LOSS)
    assert exploded(factor * largest, start=start, first_epoch=first)


@given(records=finished_epochs(), start=positive, cut=st.integers(0, 6))
def test_a_watch_that_goes_on_says_what_one_that_never_stopped_says(
    records: list[EpochRecord], start: float, cut: int
) -> None:
    whole = ExplosionWatch(start)
    found = [whole._judge(record) for record in records]
    cut = min(cut, len(records))
    resumed = ExplosionWatch(start, records[:cut])
    assert [resumed._judge(record) for record in records[cut:]] == found[cut:]
    kinds = [kind for epoch in found for kind, _ in epoch]
    assert len(kinds) == len(set(kinds))


# --- trainings ------------------------------------------------------------------------------------


def test_a_training_that_explodes_warns_once_of_each_kind_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer = trained(WILD)
    said = warnings_of(caplog)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    for kind, line in zip(("training", "validation"), said, strict=True):
        assert line.startswith(f"epoch 1: the mean {kind} loss is ")
        assert "in the first batch, at learning rate 1e+09" in line
        assert "try a smaller learning rate" in line
    assert f"{trainer.history[0].loss:.4g}" in said[0]
    assert f"{trainer.history[0].val_loss:.4g}" in said[1]


def test_the_next_fit_is_judged_by_its_own_start(caplog: pytest.LogCaptureFixture) -> None:
    trainer = trained(WILD, epochs=1)
    caplog.clear()
    trainer.fit(tiny_set(), epochs=1)
    assert warnings_of(caplog) == []


def squares(logits: Tensor, labels: Tensor) -> Tensor:
    return (1000 * (logits - torch.nn.functional.one_hot(labels, 10))).square().mean()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=3, batch_size=8),
        Recipe(epochs=3, batch_size=8, label_smoothing=0.5),
        Recipe(epochs=3, batch_size=8, loss=squares),
        Recipe(epochs=3, batch_size=8, optimizer="sgd", learning_rate=0.1, momentum=0.9),
    ],
)
def test_trainings_that_learn_are_not_warned_of(
    recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = trained(recipe)
    trainer.fit(tiny_set(), tiny_set(20, seed=1))  # a good model, trained on
    assert trainer.history[-1].loss < trainer.history[0].loss
    assert warnings_of(caplog) == []


def explodes_in(epoch: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss whose scale jumps with that epoch's first step, in five steps an epoch."""
    steps = iter(range(10**6))

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        plain = torch.nn.functional.cross_entropy(logits, labels)
        return plain * (1e4 if next(steps) // 5 + 1 >= epoch else 1)

    return loss


def test_a_later_epoch_is_judged_too(caplog: pytest.LogCaptureFixture) -> None:
    recipe = Recipe(epochs=4, batch_size=8, loss=explodes_in(3))
    Trainer(tiny_linear(), recipe, device="cpu", execution="eager").fit(tiny_set())
    (line,) = warnings_of(caplog)
    assert line.startswith("epoch 3: the mean training loss")


@pytest.mark.parametrize("step", [1, 4, 5, 7, 10])
def test_a_resumed_fit_warns_of_the_rest(
    step: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of epoch 1, if it was left in the middle of it; after it, of nothing that was told then."""
    keeper = Checkpointing(tmp_path, every_steps=1, keep=99)
    Trainer(tiny_linear(), WILD, device="cpu", callbacks=[keeper]).fit(tiny_set())
    whole = warnings_of(caplog)
    assert len(whole) == 1
    caplog.clear()
    path = next(p for p in list_checkpoints(tmp_path) if p.name == f"step-{step:08}.safetensors")
    resumed = Trainer(tiny_linear(), WILD, device="cpu")
    resumed.fit(tiny_set(), resume_from=path)
    # The checkpoint of step 5 is made when the epoch's steps are over, and its end is not.
    assert warnings_of(caplog) == (whole if step <= 5 else [])


def test_a_resumed_fit_is_not_silenced_by_an_earlier_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Checkpointing(tmp_path, every_steps=1, keep=99)
    trainer = Trainer(tiny_linear(), WILD, device="cpu", callbacks=[keeper])
    trainer.fit(tiny_set(), epochs=1)
    trainer.model.load_state_dict(tiny_linear().state_dict())
    trainer.fit(tiny_set(), epochs=1)
    both = warnings_of(caplog)
    assert [line[:8] for line in both] == ["epoch 1:", "epoch 2:"]
    caplog.clear()
    resumed = Trainer(tiny_linear(), WILD, device="cpu")
    resumed.fit(tiny_set(), resume_from=tmp_path / "step-00000008.safetensors")
    assert warnings_of(caplog) == both[1:]


def test_models_trained_as_one_are_warned_of_by_seed(caplog: pytest.LogCaptureFixture) -> None:
    models = [tiny_linear(0), tiny_linear(1)]
    fit_stacked(
        models,
        tiny_set(24),
        None,
        seeds=[4, 9],
        recipe=WILD,
        epochs=2,
        device=torch.device("cpu"),
    )
    assert [line[:40] for line in warnings_of(caplog)] == [
        "seed 4: epoch 1: the mean training loss ",
        "seed 9: epoch 1: the mean training loss ",
    ]


def test_the_command_line_warns_of_real_images(
    here: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = FashionMNISTCSV.bundled("test").select(range(200))
    data.to_csv("images.csv")
    words = ["--data", "images.csv", "--lr", "1e9", "--epochs", "1", "--out", "out", "--json"]
    assert run(["train", "linearnet", *words]) == 0
    assert [line.split(" loss is ")[0] for line in warnings_of(caplog)] == [
        "epoch 1: the mean training",
        "epoch 1: the mean validation",
    ]
