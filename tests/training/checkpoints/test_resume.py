"""Checkpoints while a fit runs, and going on from them; tests/faults has the hard cases."""

from __future__ import annotations

import dataclasses
import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import Items, channels_last, same_weights, tiny_linear, tiny_noisy, tiny_set
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab.callbacks import (
    BestWeights,
    Callback,
    Checkpointing,
    CsvLog,
    EarlyStopping,
    Run,
)
from fmnistlab.errors import (
    CheckpointDamagedError,
    CheckpointError,
    CheckpointWriteError,
    ConfigurationError,
)
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.checkpoints import file as container
from fmnistlab.training.checkpoints.folder import list_checkpoints, newest_checkpoint
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

RECIPE = Recipe(epochs=3, batch_size=8)


def trainer_with(*callbacks: Callback, recipe: Recipe = RECIPE, **options: Any) -> Trainer:
    return Trainer(tiny_noisy(), recipe, device="cpu", callbacks=callbacks, **options)


def names(folder: Path) -> list[str]:
    return [path.name for path in list_checkpoints(folder)]


def test_checkpoints_come_by_steps_and_two_are_kept(tmp_path: Path) -> None:
    keeper = Checkpointing(tmp_path, every_steps=4)
    trainer_with(keeper).fit(tiny_set())  # 15 steps
    assert names(tmp_path) == ["step-00000012.safetensors", "step-00000008.safetensors"]
    assert keeper.newest == tmp_path / "step-00000012.safetensors"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names(tmp_path))


def test_checkpoints_come_by_epochs_unless_told_otherwise(tmp_path: Path) -> None:
    trainer_with(Checkpointing(tmp_path / "new" / "folder", keep=9)).fit(tiny_set())
    found = names(tmp_path / "new" / "folder")
    assert [name[-14:-12] for name in found] == ["15", "10", "05"]


def test_checkpoints_come_by_time(tmp_path: Path) -> None:
    trainer_with(Checkpointing(tmp_path, every_seconds=1e-9, keep=99)).fit(tiny_set())
    assert len(names(tmp_path)) == 15
    trainer_with(Checkpointing(tmp_path / "slow", every_seconds=1e9)).fit(tiny_set())
    assert names(tmp_path / "slow") == []


@pytest.mark.parametrize(
    "options", [{"every_steps": 0}, {"every_epochs": 0}, {"every_seconds": 0.0}, {"keep": 0}]
)
def test_impossible_settings_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Checkpointing(tmp_path, **options)


@pytest.mark.parametrize("step", range(1, 16))
def test_callbacks_go_on_where_they_were(step: int, tmp_path: Path) -> None:
    """Early stopping keeps counting, best weights stay the best, the log has each row once."""

    def callbacks(log: str) -> list[Callback]:
        return [EarlyStopping(patience=2), BestWeights("loss"), CsvLog(tmp_path / log)]

    recipe = RECIPE.replace(epochs=3, learning_rate=0.3)
    folder = tmp_path / "checkpoints"
    # In front of the others, so that it hears of everything before they do.
    whole = trainer_with(
        Checkpointing(folder, every_steps=1, keep=99), *callbacks("whole.csv"), recipe=recipe
    )
    whole.fit(tiny_set(), tiny_set(20, seed=3))
    path = folder / f"step-{step:08}.safetensors"
    resumed = trainer_with(*callbacks("resumed.csv"), recipe=recipe)
    resumed.fit(tiny_set(), tiny_set(20, seed=3), resume_from=path)
    assert same_weights(whole.model, resumed.model)
    assert resumed.stop_reason == whole.stop_reason

    def rows(name: str) -> list[list[str]]:
        lines = [line.split(",") for line in (tmp_path / name).read_text().splitlines()]
        seconds = lines[0].index("seconds")
        return [line[:seconds] + line[seconds + 1 :] for line in lines]

    assert rows("whole.csv") == rows("resumed.csv")


class StopAfter(Callback):
    uses_model = False

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, run: Run, result: object) -> None:
        if run.step == self.step:
            raise RuntimeError("stopped")


def plain_data() -> TensorDataset:
    return tiny_set()


def shuffled_loader() -> DataLoader[Any]:
    """A loader whose own generator decides about the order of each epoch."""
    generator = torch.Generator().manual_seed(3)
    return DataLoader(Items(tiny_set()), batch_size=8, shuffle=True, generator=generator)


@pytest.mark.parametrize("step", [3, 5, 7, 12])
@pytest.mark.parametrize("make_data", [plain_data, shuffled_loader])
@pytest.mark.parametrize(
    "recipe",
    [RECIPE, RECIPE.replace(schedule="cosine"), RECIPE.replace(schedule="one_cycle")],
    ids=["constant", "cosine", "one_cycle"],
)
@pytest.mark.parametrize("execution", ["recorded", "eager"])
def test_a_resumed_training_has_the_bits_of_one_that_was_never_stopped(
    execution: str, recipe: Recipe, make_data: Callable[[], Any], step: int, tmp_path: Path
) -> None:
    whole = trainer_with(recipe=recipe, execution=execution)
    whole.fit(make_data())
    saving = Checkpointing(tmp_path, every_steps=1)
    with pytest.raises(RuntimeError, match="stopped"):
        trainer_with(saving, StopAfter(step), recipe=recipe, execution=execution).fit(make_data())
    resumed = trainer_with(recipe=recipe, execution=execution)
    resumed.fit(make_data(), resume_from=tmp_path)
    assert same_weights(resumed.model, whole.model)
    rows = [dataclasses.replace(row, seconds=0.0) for row in resumed.history]
    assert rows == [dataclasses.replace(row, seconds=0.0) for row in whole.history]


def test_a_checkpoint_that_is_loaded_is_finished_by_fit(tmp_path: Path) -> None:
    whole = trainer_with(Checkpointing(tmp_path, every_steps=7))
    whole.fit(tiny_set(), tiny_set(9))
    loaded = Trainer.load(tmp_path / "step-00000007.safetensors", model=tiny_noisy(), device="cpu")
    assert len(loaded.history) == 1
    loaded.save(tmp_path / "copy.safetensors")  # what is saved again is still unfinished
    again = Trainer.load(tmp_path / "copy.safetensors", model=tiny_noisy(), device="cpu")
    for trainer in (loaded, again):
        trainer.fit(tiny_set(), tiny_set(9))
        assert len(trainer.history) == 3
        assert weights_sha256(trainer.model) == weights_sha256(whole.model)


def test_damaged_ones_are_told_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = trainer_with(Checkpointing(tmp_path, every_steps=5, keep=3))
    whole.fit(tiny_set())
    newest, middle, oldest = list_checkpoints(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-1])
    middle.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(tmp_path) == oldest
    assert [newest.name in caplog.text, middle.name in caplog.text] == [True, True]
    resumed = trainer_with()
    resumed.fit(tiny_set(), resume_from=tmp_path)
    assert same_weights(resumed.model, whole.model)
    oldest.write_bytes(b"x")
    with pytest.raises(CheckpointError, match="no undamaged checkpoint"):
        trainer_with().fit(tiny_set(), resume_from=tmp_path)
    with pytest.raises(CheckpointDamagedError, match=r"step-00000015.safetensors: .*damaged"):
        trainer_with().fit(tiny_set(), resume_from=newest)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: trainer_with(recipe=RECIPE.replace(batch_size=4)), "batch_size 8, but this one"),
        (lambda: trainer_with(recipe=RECIPE.replace(learning_rate=0.2)), "learning_rate 0.001"),
        (lambda: trainer_with(seed=1), "with seed 0, but this one has 1"),
        (lambda: trainer_with(execution="eager"), "with execution 'auto'"),
        (lambda: Trainer(tiny_linear(), RECIPE, device="cpu"), "weights of another model"),
    ],
)
def test_a_checkpoint_of_another_training_says_what_differs(
    other: Any, reason: str, tmp_path: Path
) -> None:
    trainer_with(Checkpointing(tmp_path, every_steps=4)).fit(tiny_set())
    trainer = other()
    before = weights_sha256(trainer.model)
    with pytest.raises(CheckpointError, match=reason):
        trainer.fit(tiny_set(), resume_from=tmp_path)
    assert weights_sha256(trainer.model) == before


@pytest.mark.parametrize("part", ["training", "validation"])
def test_other_data_is_refused(part: str, tmp_path: Path) -> None:
    trainer_with(Checkpointing(tmp_path, every_steps=4)).fit(tiny_set(), tiny_set(10))
    other = tiny_set(40, seed=9) if part == "training" else tiny_set()
    valid = tiny_set(10, seed=9) if part == "validation" else tiny_set(10)
    with pytest.raises(CheckpointError, match=f"The {part} set is another one"):
        trainer_with().fit(other, valid, resume_from=tmp_path)


def test_a_finished_training_is_not_resumed(tmp_path: Path) -> None:
    trainer = trainer_with()
    trainer.fit(tiny_set())
    trainer.save(tmp_path / "end.safetensors")
    with pytest.raises(CheckpointError, match="came to its end"):
        trainer_with().fit(tiny_set(), resume_from=tmp_path / "end.safetensors")


def test_epochs_must_be_those_of_the_fit_that_is_resumed(tmp_path: Path) -> None:
    trainer_with(Checkpointing(tmp_path, every_steps=4)).fit(tiny_set(), epochs=2)
    with pytest.raises(ConfigurationError, match="the fit that is resumed has 2; leave epochs out"):
        trainer_with().fit(tiny_set(), epochs=3, resume_from=tmp_path)
    assert len(trainer_with().fit(tiny_set(), epochs=2, resume_from=tmp_path)) == 2


def test_another_environment_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_with(Checkpointing(tmp_path, every_steps=4)).fit(tiny_set())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with caplog.at_level(logging.WARNING):
        trainer_with().fit(tiny_set(), resume_from=tmp_path)
    assert "threads 1 -> 64): the last bits may differ" in caplog.text


def test_a_disk_that_fails_ends_the_fit_with_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    keeper = Checkpointing(tmp_path, every_steps=4)
    monkeypatch.setattr(container, "write_atomically", full)
    with pytest.raises(CheckpointWriteError, match=r"needs [\d,]+ bytes, and [\d,]+ are free"):
        trainer_with(keeper).fit(tiny_set())
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointWriteError, match="cannot be made"):
        trainer_with(Checkpointing(tmp_path / "file" / "x")).fit(tiny_set())


def test_equal_weights_have_equal_names() -> None:
    one, other = tiny_noisy(), tiny_noisy()
    assert weights_sha256(one) == weights_sha256(channels_last(other))
    with torch.no_grad():
        next(other.parameters()).view(-1)[0].add_(1e-7)
    assert weights_sha256(one) != weights_sha256(other)
