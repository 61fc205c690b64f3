from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import joblib
import pytest
import torch
from tests.tiny import Items, same_weights, tiny_linear, tiny_set
from torch import nn
from torch.utils.data import DataLoader

from fmnistlab.callbacks import Callback, EpochRecord, Run
from fmnistlab.data import RandomShift
from fmnistlab.errors import CheckpointError, ConfigurationError, NonFiniteError
from fmnistlab.models.seeded import seeded_model
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.seeds import fit_seeds
from fmnistlab.training.stacked import fit_stacked
from fmnistlab.training.steps.threads import cpu_threads
from fmnistlab.training.trainer import Trainer

CPU = torch.device("cpu")
SHORT = Recipe(epochs=2, batch_size=8)


def alone(model: str, seed: int, recipe: Recipe) -> Trainer:
    """What a user writes for a single seed."""
    with cpu_threads(1):
        trainer = Trainer(seeded_model(model, seed), recipe, device="cpu", seed=seed)
        trainer.fit(tiny_set(80), tiny_set(20, seed=1))
    return trainer


@pytest.mark.parametrize("model", ["linearnet", "cnn"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_seed_gets_the_bits_that_it_gets_alone(model: str, n_jobs: int) -> None:
    trainers = fit_seeds(
        model, tiny_set(80), tiny_set(20, seed=1), seeds=[3, 1], recipe=SHORT, n_jobs=n_jobs
    )
    assert [trainer.seed for trainer in trainers] == [3, 1]
    for trainer in trainers:
        single = alone(model, trainer.seed, SHORT)
        assert same_weights(trainer.model, single.model)
        assert [r.val_loss for r in trainer.history] == [r.val_loss for r in single.history]
    assert not same_weights(*(trainer.model for trainer in trainers))


def test_a_seed_goes_on_after_training_as_if_it_had_been_alone() -> None:
    (trainer,) = fit_seeds("linearnet", tiny_set(80), seeds=[5], recipe=SHORT)
    single = alone("linearnet", 5, SHORT)
    with cpu_threads(1):
        for one in (trainer, single):
            one.fit(tiny_set(80), epochs=1)
    assert same_weights(trainer.model, single.model)


def test_models_are_stacked_if_that_is_asked_for() -> None:
    """They agree with those trained alone but for rounding, and share one clock."""
    data = tiny_set(80)
    stacked = fit_seeds(
        "linearnet", data, seeds=[3, 1], recipe=SHORT, device="cpu", n_jobs=1, stacked=True
    )
    alone = fit_seeds("linearnet", data, seeds=[3, 1], recipe=SHORT, device="cpu", n_jobs=1)
    for one, other in zip(stacked, alone, strict=True):
        assert one.seed == other.seed
        assert one.history[-1].loss == pytest.approx(other.history[-1].loss, rel=1e-4)
    assert stacked[0].history[-1].seconds == stacked[1].history[-1].seconds
    assert alone[0].history[-1].seconds != alone[1].history[-1].seconds


def test_a_function_and_a_dataset_of_items_work_too() -> None:
    trainers = fit_seeds(tiny_linear, Items(tiny_set(24)), seeds=[0, 1], recipe=SHORT, n_jobs=1)
    single = Trainer(tiny_linear(), SHORT, device="cpu", seed=1)
    single.fit(tiny_set(24))
    assert same_weights(trainers[1].model, single.model)


def test_joblib_decides_where_trainings_run() -> None:
    with joblib.parallel_config(backend="sequential"):
        trainers = fit_seeds("linearnet", tiny_set(24), seeds=[0, 1], recipe=SHORT, n_jobs=None)
    assert [len(trainer.history) for trainer in trainers] == [2, 2]


@pytest.mark.parametrize("seeds", [[], [1, 2, 1]])
def test_no_seed_and_a_repeated_one_are_refused(seeds: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="seeds are"):
        fit_seeds("linearnet", tiny_set(24), seeds=seeds)


RECIPES = {
    "classic": SHORT,
    "shifted": SHORT.replace(augmentation=(RandomShift(2),)),
    "sgd": SHORT.replace(optimizer="sgd", momentum=0.9, learning_rate=0.01),
    "cosine": SHORT.replace(schedule="cosine", label_smoothing=0.1),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("count", [80, 84])
def test_stacked_models_learn_what_each_learns_alone(recipe: Recipe, count: int) -> None:
    """Within float32 rounding: larger products add up in another order."""
    seeds = [0, 7, 2]
    models = [seeded_model("linearnet", seed) for seed in seeds]
    contents = fit_stacked(
        models,
        tiny_set(count),
        tiny_set(20, seed=1),
        seeds=seeds,
        recipe=recipe,
        epochs=None,
        device=CPU,
    )
    for seed, content in zip(seeds, contents, strict=True):
        together = Trainer.load(content, device="cpu")
        single = Trainer(seeded_model("linearnet", seed), recipe, device="cpu", seed=seed)
        single.fit(tiny_set(count), tiny_set(20, seed=1))
        for trainer in (together, single):
            trainer.fit(tiny_set(count), tiny_set(20, seed=1), epochs=1)
        for weight, wanted in zip(
            together.model.parameters(), single.model.parameters(), strict=True
        ):
            torch.testing.assert_close(weight, wanted, rtol=1e-3, atol=1e-5)
        for record, other in zip(together.history, single.history, strict=True):
            assert record.loss == pytest.approx(other.loss, rel=1e-4)
            assert record.val_loss == pytest.approx(other.val_loss, rel=1e-4)
            assert (record.accuracy, record.count) == (other.accuracy, other.count)
            assert record.learning_rate == other.learning_rate


def test_stacked_models_keep_their_own_running_statistics() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))

    models = [seeded_model(make, seed) for seed in (0, 1)]
    contents = fit_stacked(
        models, tiny_set(40), None, seeds=[0, 1], recipe=SHORT, epochs=1, device=CPU
    )
    for seed, content in zip((0, 1), contents, strict=True):
        together = Trainer.load(content, model=make(), device="cpu")
        single = Trainer(seeded_model(make, seed), SHORT, device="cpu", seed=seed)
        single.fit(tiny_set(40), epochs=1)
        mine, theirs = (dict(trainer.model.named_buffers()) for trainer in (together, single))
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-5)
        assert int(mine["1.num_batches_tracked"]) == 5


def test_a_loader_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="DataLoader"):
        fit_seeds("linearnet", DataLoader(tiny_set(24)), seeds=[0])


def test_a_loss_that_is_not_finite_names_the_seed() -> None:
    models = [tiny_linear(), tiny_linear(1)]
    with torch.no_grad():
        models[1].get_parameter("1.weight").fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="seed 9"):
        fit_stacked(models, tiny_set(24), None, seeds=[0, 9], recipe=SHORT, epochs=1, device=CPU)


def test_another_seed_gives_other_initial_weights_and_the_same_seed_the_same() -> None:
    one, same, other = (seeded_model("linearnet", seed) for seed in (0, 0, 1))
    assert same_weights(one, same)
    assert not same_weights(one, other)


class Counted(Callback):
    """Notes each epoch in a file; ends the training after `last` epochs, as a fault would."""

    def __init__(self, path: Path, last: int) -> None:
        self._path, self._last = path, last

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        with self._path.open("a") as stream:
            stream.write(f"{run.seed}/{record.epoch} ")
        if record.epoch == self._last:
            raise RuntimeError("the power went off")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_seeds_with_checkpoints_go_on_and_repeat_nothing(n_jobs: int, tmp_path: Path) -> None:
    noted = tmp_path / "epochs.txt"
    recipe = SHORT.replace(epochs=3)

    def train(last: int) -> list[Trainer]:
        return fit_seeds(
            *("linearnet", tiny_set(80), tiny_set(20, seed=1)),
            seeds=[3, 1],
            recipe=recipe,
            device="cpu",
            callbacks=lambda seed: [Counted(noted, last if seed == 1 else 9)],
            checkpoints=tmp_path / "seeds",
            n_jobs=n_jobs,
        )

    with pytest.raises(RuntimeError, match="power"):
        train(last=2)
    trainers = train(last=9)
    for trainer in trainers:
        assert same_weights(trainer.model, alone("linearnet", trainer.seed, recipe).model)
    # The epoch in which it failed was not in a checkpoint yet. Beside it, in another process, the
    # other seed may have been ended after an epoch, while the checkpoint of the one before was
    # still being written; then both are made again.
    made = noted.read_text().split()
    assert sorted(note for note in made if note[0] == "1") == ["1/1", "1/2", "1/2", "1/3"]
    assert {note for note in made if note[0] == "3"} == {"3/1", "3/2", "3/3"}
    assert len(made) in ((7,) if n_jobs == 1 else (7, 8, 9))
    again = train(last=9)
    assert noted.read_text().split() == made
    assert all(map(same_weights, [t.model for t in again], [t.model for t in trainers]))
    with pytest.raises((CheckpointError, ConfigurationError), match="epochs"):
        fit_seeds("linearnet", tiny_set(80), seeds=[3], checkpoints=tmp_path / "seeds", epochs=4)


def test_a_model_of_the_calling_script_is_trained_in_other_processes(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        """
import fmnistlab
from fmnistlab.testing import tiny_dataset
from torch import nn

@fmnistlab.register_model("mine")
def mine():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

if __name__ == "__main__":
    trainers = fmnistlab.fit_seeds("mine", tiny_dataset(), seeds=[0, 1], epochs=1, n_jobs=2)
    print([(trainer.seed, len(trainer.history)) for trainer in trainers])
"""
    )
    done = subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "[(0, 1), (1, 1)]\n"


@pytest.mark.usefixtures("no_checker")
def test_callbacks_of_seeds_are_a_function() -> None:
    with pytest.raises(ConfigurationError, match="function of the seed"):
        fit_seeds("linearnet", tiny_set(8), seeds=[0], callbacks=cast("Any", []))
    with pytest.raises(ConfigurationError, match="Stacked trainings"):
        fit_seeds("linearnet", tiny_set(8), seeds=[0], callbacks=lambda _: [], stacked=True)
