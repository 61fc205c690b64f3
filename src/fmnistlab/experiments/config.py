"""Everything that determines an experiment, checked when it is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fmnistlab import seeding
from fmnistlab.errors import UnknownArgumentError, suggestion
from fmnistlab.foundation.checks import number, refused, whole_number
from fmnistlab.training.execution import Execution, checked_execution
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.steps.threads import MAX_THREADS

_PATHS: Final = ("data", "train", "test", "out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Everything that determines an experiment.

    Args:
        model: name of a registered model.
        model_options: keyword arguments for it.
        data: where training and test set are; see `load_data`. None: the bundled ones.
        train: the training set, a CSV file of any name, together with `test` and without `data`.
        test: the test set, likewise.
        valid_fraction: part of the training set that is validated on instead, above 0, below 1.
        split_seed: seed of that split, 0 to 2**32 - 1; 42, as in the tutorial, so that all seeds
            share one split.
        recipe: how to train.
        seed: 0 to 2**63 - 1; determines initial weights, order, augmentation and noise.
        device: where to train; see `DevicePlacement`.
        execution: how training steps are executed; see `Trainer`.
        threads: CPU threads to compute with, 1 to 1,024; see `cpu_threads`. With one, the result
            does not depend on how many cores a machine has. "auto" measures at the start which
            number is the fastest; `config.json` says which it was.
        out: the run folder; None makes `runs/MODEL-TIME`.
        resume: go on with the interrupted training in `out`, if there is one.
        checkpoint_steps: training steps between two checkpoints; see `Checkpointing`.
        checkpoint_epochs: epochs between two; every epoch if nothing is given.
        checkpoint_seconds: least seconds between two.
        pictures: whether to draw pictures into the run folder.
        metrics: names of metrics to measure besides loss and accuracy; see `Trainer`. Functions of
            your own are for `Trainer`: no record of a run could name them for sure.

    Raises:
        ConfigurationError: a number is out of range, or there is no such metric.
    """

    model: str
    model_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    data: Path | None = None
    train: Path | None = None
    test: Path | None = None
    valid_fraction: float = 0.2
    split_seed: int = 42
    recipe: Recipe = CLASSIC
    seed: int = 0
    device: str = "auto"
    threads: int | str = 1
    execution: Execution = "auto"
    out: Path | None = None
    resume: bool = False
    checkpoint_steps: int | None = None
    checkpoint_epochs: int | None = None
    checkpoint_seconds: float | None = None
    pictures: bool = True
    metrics: Sequence[str] = ()

    def __post_init__(self) -> None:
        checked: dict[str, object] = {
            "valid_fraction": number("valid_fraction", self.valid_fraction, above=0, below=1),
            "split_seed": whole_number(
                "split_seed", self.split_seed, least=0, most=seeding.MAX_SPLIT_SEED
            ),
            "seed": seeding.checked_seed(self.seed),
            "threads": _checked_threads(self.threads),
            "execution": checked_execution(self.execution),
            "metrics": _checked_metrics(self.metrics),
        }
        for name in ("checkpoint_steps", "checkpoint_epochs"):
            value = getattr(self, name)
            checked[name] = None if value is None else whole_number(name, value)
        seconds = self.checkpoint_seconds
        if seconds is not None:
            checked["checkpoint_seconds"] = number("checkpoint_seconds", seconds, above=0)
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def configured(
    config: ExperimentConfig | str | None, settings: Mapping[str, Any]
) -> ExperimentConfig:
    """Returns a config with other settings.

    Args:
        config: the config; or the name of a model, with the default settings; or None.
        settings: by the names of the config's fields; a path may be text.

    Raises:
        UnknownArgumentError: there is no such field.
        ConfigurationError: no model is named, or a setting is impossible.
    """
    known = [field.name for field in dataclasses.fields(ExperimentConfig)]
    for name in settings:
        if name in (field.name for field in dataclasses.fields(Recipe)):
            raise UnknownArgumentError(
                f"run_experiment has no argument {name!r}; it is a setting of the recipe: "
                f"recipe=Recipe({name}=...)."
            )
        if name not in known:
            raise UnknownArgumentError(
                f"run_experiment has no argument {name!r}.{suggestion(name, known)}"
            )
    paths = {name: Path(settings[name]) for name in _PATHS if settings.get(name) is not None}
    settings = {**settings, **paths}
    if isinstance(config, ExperimentConfig):
        return dataclasses.replace(config, **settings)
    named = settings if config is None else {"model": config, **settings}
    if not isinstance(named.get("model"), str):
        raise refused("model", named.get("model"), 'the name of a model, such as "cnn"')
    return ExperimentConfig(**named)


def _checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    names = ExtraMetrics(metrics).names
    if names != tuple(metrics):
        raise refused("metrics", metrics, "names; functions of your own are for Trainer")
    return names


def _checked_threads(threads: object) -> int | str:
    if isinstance(threads, str):
        if threads == "auto":
            return threads
        raise refused("threads", threads, f'a whole number from 1 to {MAX_THREADS:,}, or "auto"')
    return whole_number("threads", threads, most=MAX_THREADS)
