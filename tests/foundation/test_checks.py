from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import any_setting
from tests.tiny import tiny_linear, tiny_set

from fmnistlab.callbacks import (
    BestWeights,
    Callback,
    Checkpointing,
    EarlyStopping,
    LogLines,
    Run,
)
from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.errors import CheckpointDamagedError, ConfigurationError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.foundation.checks import number, shown, whole_number
from fmnistlab.models.seeded import seeded_model
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.callbacks.monitor import Monitor
from fmnistlab.training.device import choose_device
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.seeds import fit_seeds
from fmnistlab.training.steps.threads import cpu_threads
from fmnistlab.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_checker")


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(1), 10**30])
def test_whole_numbers_come_out_as_pythons_own(value: object) -> None:
    checked = whole_number("n", value)
    assert type(checked) is int
    assert checked == value


@pytest.mark.parametrize(
    "value", [None, True, np.bool_(True), 2.0, np.float64(2), "2", 0, -1, math.nan, torch.tensor(2)]
)
def test_what_is_no_whole_number_from_one_is_refused_by_name(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^n is .*; use a whole number from 1\.$"):
        whole_number("n", value)


@pytest.mark.parametrize(("value", "fine"), [(-2, False), (-1, True), (5, True), (6, False)])
def test_ends_of_a_range_belong_to_it(value: int, fine: bool) -> None:
    for check in (whole_number, number):
        if fine:
            assert check("n", value, least=-1, most=5) == value
        else:
            with pytest.raises(ConfigurationError, match=r"-1 .*5"):
                check("n", value, least=-1, most=5)


def test_above_and_below_do_not_belong_to_it() -> None:
    for value in (0, -0.0, 1, 1.0):
        with pytest.raises(ConfigurationError, match="use a finite number above 0 and below 1"):
            number("n", value, above=0, below=1)
    assert number("n", math.nextafter(1, 0), above=0, below=1) < 1


@pytest.mark.parametrize("value", [2, 2.5, np.float32(2.5), Fraction(5, 2), np.int8(2)])
def test_numbers_come_out_as_pythons_own(value: object) -> None:
    checked = number("n", value, above=0)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    "value", [None, False, "0.1", math.inf, math.nan, 10**400, 1 + 0j, [1.0]], ids=range(8)
)
def test_what_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^n is .*; use a finite number from 0\.$"):
        number("n", value, least=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**5000, "about 10**5000"),
        (-(10**5000), "about -10**5000"),
        (np.float64(0.5), "0.5"),
        (True, "True"),
        ("3", "'3'"),
        ("x" * 99, "'" + "x" * 56 + "..."),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
    ],
    ids=range(7),
)
def test_values_are_shown_shortly_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


def recipe_that_works(**settings: Any) -> None:
    recipe = Recipe(**settings)
    # The two that are functions are called as they are given.
    if recipe.optimizer in ("adam", "adamw", "sgd"):
        recipe.make_schedule(recipe.make_optimizer(tiny_linear()), 7)
        assert recipe.loss is not None or Recipe.from_dict(recipe.to_dict()) == recipe


def trainer_that_knows_its_seed(seed: Any) -> None:
    assert type(Trainer(tiny_linear(), seed=seed).seed) is int


def some_threads(count: Any) -> None:
    with cpu_threads(count):
        pass


def config_that_is_json(**settings: Any) -> None:
    config = ExperimentConfig(model="cnn", **settings)
    for value in (config.seed, config.split_seed, config.threads, config.valid_fraction):
        assert type(value) in (int, float, str)


class Stops(Callback):
    """Ends a fit after its first epoch and notes which was to be the last."""

    last: Any = None

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        self.last = run.last_epoch
        run.stop("seen enough")


def fit_of_possible_length(epochs: Any) -> None:
    stops = Stops()
    Trainer(tiny_linear(), device="cpu", callbacks=[stops]).fit(tiny_set(8), epochs=epochs)
    assert type(stops.last) is int
    assert 1 <= stops.last <= 10**9


def few_rows(rows: Any) -> None:
    if type(rows) is not int or rows < 10**5:
        tiny_dataset(rows=rows)


DATA = tiny_dataset(100)

SETTINGS = {
    **{
        f"recipe {name}": lambda value, name=name: recipe_that_works(**{name: value})
        for name in Recipe.__dataclass_fields__
    },
    "cosine epochs": lambda value: recipe_that_works(schedule="cosine", learning_rate=value),
    "one-cycle rate": lambda value: recipe_that_works(schedule="one_cycle", learning_rate=value),
    "sgd momentum": lambda value: recipe_that_works(optimizer="sgd", momentum=value),
    "recipe as a dictionary": Recipe.from_dict,
    "described augmentation": lambda value: Recipe.from_dict({"augmentation": value}),
    "described change": lambda value: Recipe.from_dict({"augmentation": [value]}),
    "name of a setting": lambda value: Recipe.from_dict({shown(value): 1}),
    "flip": HorizontalFlip,
    "shift": RandomShift,
    "trainer seed": trainer_that_knows_its_seed,
    "fit epochs": fit_of_possible_length,
    "model seed": lambda value: seeded_model(tiny_linear, value),
    "seeds": lambda value: fit_seeds(tiny_linear, tiny_set(8), seeds=value, epochs=1, n_jobs=1),
    "one of the seeds": lambda value: fit_seeds(
        tiny_linear, tiny_set(8), seeds=[value, value], epochs=1, n_jobs=1
    ),
    "seeds epochs": lambda value: fit_seeds(
        tiny_linear, tiny_set(8), seeds=[1], epochs=value, n_jobs=0
    ),
    "threads": some_threads,
    "device": choose_device,
    "tiny rows": few_rows,
    "tiny seed": lambda value: tiny_dataset(seed=value),
    "split fraction": DATA.split,
    "split seed": lambda value: DATA.split(seed=value),
    "checkpoint steps": lambda value: Checkpointing("x", every_steps=value),
    "checkpoint epochs": lambda value: Checkpointing("x", every_epochs=value),
    "checkpoint seconds": lambda value: Checkpointing("x", every_seconds=value),
    "checkpoints kept": lambda value: Checkpointing("x", keep=value),
    "stopping patience": lambda value: EarlyStopping(patience=value),
    "stopping delta": lambda value: EarlyStopping(min_delta=value),
    "best delta": lambda value: BestWeights(min_delta=value),
    "monitored metric": Monitor,
    "log every": lambda value: LogLines(every=value),
    **{
        f"experiment {name}": lambda value, name=name: config_that_is_json(**{name: value})
        for name in (
            *("seed", "split_seed", "threads", "valid_fraction"),
            *("checkpoint_steps", "checkpoint_epochs", "checkpoint_seconds"),
        )
    },
}


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("make", SETTINGS.values(), ids=SETTINGS)
def test_any_value_of_any_setting_works_or_is_refused_in_words(
    make: Any, data: st.DataObject
) -> None:
    value = data.draw(any_setting)
    refusals = []
    try:
        make(value)
    except ConfigurationError as error:
        refusals.append(str(error))
    assert not any("\n" in said or len(said) > 400 for said in refusals)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("augmentation", (HorizontalFlip,)),  # a class, where an object of it is meant
        ("augmentation", "flip"),
        ("augmentation", HorizontalFlip()),
        ("optimizer", 3),
        ("schedule", None),
        ("loss", "mse"),
    ],
)
def test_what_is_no_choice_of_a_recipe_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is .*; use "):
        recipe_that_works(**{name: value})


@pytest.mark.parametrize("epochs", [0, -1, 10**30, 2.0, True])
def test_epochs_of_several_seeds_are_checked_before_any_is_trained(epochs: Any) -> None:
    with pytest.raises(ConfigurationError, match="epochs is "):
        fit_seeds(tiny_linear, tiny_set(8), seeds=[1], epochs=epochs, n_jobs=0)


def test_a_seed_that_no_training_can_have_makes_a_checkpoint_damaged() -> None:
    trainer = Trainer(tiny_linear(), device="cpu")
    trainer.seed = -1
    with pytest.raises(CheckpointDamagedError, match="seed is -1"):
        Trainer.load(trainer.to_bytes(), model=tiny_linear(), device="cpu")


@pytest.mark.parametrize("jobs", [0, 1.0, True, 10**30])
def test_a_number_of_jobs_that_no_machine_has_is_refused(jobs: Any) -> None:
    with pytest.raises(ConfigurationError, match="n_jobs is "):
        fit_seeds(tiny_linear, tiny_set(8), seeds=[1], n_jobs=jobs)


def test_a_batch_larger_than_the_data_holds_all_of_it(tmp_path: Path) -> None:
    trainer = Trainer(tiny_linear(), Recipe(batch_size=10**9, epochs=2), device="cpu")
    trainer.fit(tiny_set(40), tiny_set(20, seed=1))
    assert [record.count for record in trainer.history] == [40, 40]
    assert trainer._step == 2


def test_numbers_of_numpy_train_and_survive_a_file(tmp_path: Path) -> None:
    numbers: Any = (np.int64(1), np.uint8(8), np.float32(0.5), np.int64(3), np.int32(1))
    epochs, batch_size, learning_rate, seed, again = numbers
    recipe = Recipe(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    trainer = Trainer(tiny_linear(), recipe, device="cpu", seed=seed)
    trainer.fit(tiny_set(16), epochs=again)
    trainer.save(tmp_path / "t.safetensors")
    loaded = Trainer.load(tmp_path / "t.safetensors", model=tiny_linear(), device="cpu")
    assert (loaded.seed, loaded.recipe) == (3, recipe)
    assert [trainer.seed for trainer in _seeds(np.arange(2))] == [0, 1]


def _seeds(seeds: Any) -> list[Trainer]:
    one: Any = np.int64(1)
    return fit_seeds(tiny_linear, tiny_set(8), seeds=seeds, epochs=one, n_jobs=one)


@pytest.mark.parametrize("name", ["meta", "mkldnn", "hpu", "xla", "cuda:99", "cpu\n", ""])
def test_devices_that_cannot_add_are_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^Device '[^\n]*' cannot be used here: .* Use"):
        choose_device(name)


def test_devices_that_add_are_taken() -> None:
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")
