"""The command, or the lines of Python, that repeat a run."""

from __future__ import annotations

import dataclasses
import shlex

from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.records.config import BUNDLED, RunConfig
from fmnistlab.foundation.assignments import format_assignments
from fmnistlab.training.recipes.changes import changed_settings


def repeating_command(config: RunConfig) -> str | None:
    """Returns the command that repeats a run, quoted for a shell; None if no command can.

    Args:
        config: of the run.
    """
    if _split(config) != _split_of_commands():
        return None
    words = ["fmnistlab", "train", config.model.name, *_data_words(config)]
    for name, value in config.model.options.items():
        words += ["--model-option", format_assignments({name: value})]
    for name, value in changed_settings(config.recipe).items():
        words += ["--set", format_assignments({name: value})]
    words += ["--seed", str(config.seed), "--device", config.device]
    words += ["--threads", str(config.threads)]
    if config.execution != "auto":
        words += ["--execution", config.execution]
    return shlex.join(words)


def repeating_lines(config: RunConfig) -> str:
    """Returns lines of Python that repeat a run.

    Args:
        config: of the run.
    """
    settings: dict[str, object] = {
        "model_options": config.model.options,
        **{name: str(path) for name, path in config.data.places().items() if path is not None},
        "valid_fraction": config.split.valid_fraction,
        "split_seed": config.split.seed,
        "seed": config.seed,
        "device": config.device,
        "threads": config.threads,
        "execution": config.execution,
    }
    lines = [f"    {name}={value!r}," for name, value in settings.items()]
    changes = changed_settings(config.recipe)
    return "\n".join(
        [
            "import fmnistlab",
            "",
            f"changes = {changes!r}",
            "recipe = fmnistlab.Recipe.from_dict(fmnistlab.Recipe().to_dict() | changes)",
            "fmnistlab.run_experiment(",
            f"    {config.model.name!r},",
            "    recipe=recipe,",
            *lines,
            ")",
        ]
    )


def _data_words(config: RunConfig) -> list[str]:
    data = config.data
    if data.test_source is not None:
        return ["--train", data.source, "--test", data.test_source]
    return [] if data.source == BUNDLED else ["--data", data.source]


def _split(config: RunConfig) -> tuple[float, int]:
    return config.split.valid_fraction, config.split.seed


def _split_of_commands() -> tuple[object, object]:
    """Returns how `fmnistlab train` splits, which has no options for it."""
    defaults = {field.name: field.default for field in dataclasses.fields(ExperimentConfig)}
    return defaults["valid_fraction"], defaults["split_seed"]
