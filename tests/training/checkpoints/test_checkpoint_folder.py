from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.tiny import tiny_linear, tiny_set

from fmnistlab.callbacks import Callback, Checkpointing, Run
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.checkpoints.folder import checkpoint_name, newest_checkpoint
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

RECIPE = Recipe(epochs=2, batch_size=8)  # 10 steps


class StopAt(Callback):
    uses_model = False

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, run: Run, result: object) -> None:
        if run.step == self.step:
            raise RuntimeError("stopped")


def train(
    folder: Path, *more: Callback, seed: int = 0, images: int = 0, resume: Path | None = None
) -> Trainer:
    callbacks = [Checkpointing(folder, every_steps=2), *more]
    trainer = Trainer(tiny_linear(), RECIPE, device="cpu", seed=seed, callbacks=callbacks)
    trainer.fit(tiny_set(seed=images), resume_from=resume)
    return trainer


def interrupted(folder: Path, **options: Any) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        train(folder, StopAt(7), **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_resumed_training_goes_on_cleaning_up_after_itself(tmp_path: Path) -> None:
    interrupted(tmp_path)
    assert names(tmp_path) == [checkpoint_name(4), checkpoint_name(6)]
    train(tmp_path, resume=tmp_path)
    assert names(tmp_path) == [checkpoint_name(8), checkpoint_name(10)]


def test_a_folder_of_another_training_is_refused_and_left_alone(tmp_path: Path) -> None:
    interrupted(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigurationError, match=r"another training.*resume_from"):
        train(tmp_path)
    with pytest.raises(ConfigurationError, match="another training"):
        train(tmp_path, seed=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("other", [{"seed": 1}, {"images": 1}])
def test_checkpoints_of_two_trainings_in_one_folder_are_refused(
    tmp_path: Path, other: dict[str, int]
) -> None:
    interrupted(tmp_path / "a")
    interrupted(tmp_path / "b", **other)
    (tmp_path / "b" / checkpoint_name(4)).rename(tmp_path / "a" / checkpoint_name(4))
    with pytest.raises(ConfigurationError, match=r"step-00000004.*another training"):
        train(tmp_path / "a", resume=tmp_path / "a")
    assert names(tmp_path / "a") == [checkpoint_name(4), checkpoint_name(6)]


def test_a_damaged_checkpoint_and_other_files_are_never_deleted(tmp_path: Path) -> None:
    interrupted(tmp_path)
    (tmp_path / checkpoint_name(2)).write_bytes(b"damaged, or not a checkpoint")
    (tmp_path / "step-3.safetensors.bak").touch()
    (tmp_path / "notes.txt").touch()
    train(tmp_path, resume=tmp_path)
    assert names(tmp_path) == [
        "notes.txt",
        "step-00000002.safetensors",
        "step-00000008.safetensors",
        "step-00000010.safetensors",
        "step-3.safetensors.bak",
    ]


def test_two_fits_of_one_trainer_share_a_folder(tmp_path: Path) -> None:
    trainer = train(tmp_path)
    trainer.fit(tiny_set(), epochs=1)
    assert names(tmp_path) == [checkpoint_name(12), checkpoint_name(14)]


def test_a_loaded_trainer_goes_on_in_the_folder_it_came_from(tmp_path: Path) -> None:
    train(tmp_path)
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    trainer = Trainer.load(
        newest, model=tiny_linear(), callbacks=[Checkpointing(tmp_path, every_steps=2)]
    )
    trainer.fit(tiny_set())  # which only had to end its last epoch
    trainer.fit(tiny_set(), epochs=1)
    assert names(tmp_path) == [checkpoint_name(12), checkpoint_name(14)]
