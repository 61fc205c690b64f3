"""`search`: plan, make trials, train the winner anew, test it, write."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from joblib import effective_n_jobs

from fmnistlab import seeding
from fmnistlab.errors import Terminated, WorkerError
from fmnistlab.experiments.comparison.compare import compare
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.parts import Parts, load_parts
from fmnistlab.experiments.records.reading import read_result
from fmnistlab.experiments.run_folder import safe_name
from fmnistlab.experiments.searching.optuna_study import Journal, optuna_version
from fmnistlab.experiments.searching.pictures import write_pictures
from fmnistlab.experiments.searching.record import (
    SEARCHES,
    RequestRecord,
    SearchRecord,
    SettingsRecord,
    begin,
)
from fmnistlab.experiments.searching.result import FreshRuns, Search
from fmnistlab.experiments.searching.space import AnySpace, fitted_space, read_space
from fmnistlab.experiments.searching.trials import SearchTrial, TrialPlan, run_trials
from fmnistlab.experiments.sweep.plan import plan_variants
from fmnistlab.experiments.sweep.variant import Variant
from fmnistlab.foundation.assignments import format_assignments
from fmnistlab.foundation.checks import whole_number
from fmnistlab.foundation.logger import get_logger
from fmnistlab.models.registry import model_name
from fmnistlab.training.device import choose_device
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.seeds import checked_jobs

MOST_TRIALS: Final = 10_000
"""Trials of one search."""

MOST_FRESH: Final = 1000
"""Trainings of the winner."""

_logger = get_logger(__name__)


def search(
    model: str,
    *,
    trials: int = 50,
    space: AnySpace = None,
    recipe: Recipe = CLASSIC,
    model_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    prune: bool = True,
    fresh_seeds: int = 5,
    data: str | os.PathLike[str] | None = None,
    train: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    valid_fraction: float = 0.2,
    split_seed: int = 42,
    device: str = "auto",
    threads: int = 1,
    execution: Execution = "auto",
    n_jobs: int | None = 1,
    out: str | os.PathLike[str] | None = None,
    pictures: bool = True,
) -> Search:
    """Searches for better settings by validation accuracy, and tests the winner with fresh seeds.

    Each trial trains once with settings that Optuna's TPE proposes from the trials before it, and
    with a seed of its own. The test set is left alone until the winner is known: it is trained
    anew with seeds that no trial had, on the same split, and each of these runs is tested once.
    The winner's own score is the best of many, so it is too high; that of the fresh runs is not.

    The same call goes on where it was interrupted, and gives the trials that a search without
    interruption gives; one with more trials adds to them.

    Args:
        model: name of a registered model, or code as of `create_model`.
        trials: how many, 1 to 10,000.
        space: what each setting may be: a dictionary, or a TOML or JSON file, with a table for
            each setting of the recipe, and for options of the model below "model". A table has
            `low` and `high`, also with `log = true` or a `step`, or else `choices`. None searches
            learning rate, batch size and schedule.
        recipe: how to train otherwise.
        model_options: keyword arguments for the model otherwise.
        seed: 0 to 2**63 - 1; determines what is proposed and the seed of each training.
        prune: whether a trial ends early that is below the median of the trials before it, not
            within the first third of its epochs, and not among the first five trials.
        fresh_seeds: trainings of the winner, 2 to 1,000.
        data: where the data is; see `load_data`. None: the bundled one.
        train: the training set, a CSV file, together with `test` and without `data`.
        test: the test set, likewise.
        valid_fraction: part of the training set that is validated on, above 0, below 1.
        split_seed: seed of that split, the same for all trainings.
        device: where to train; see `DevicePlacement`.
        threads: CPU threads of each training.
        execution: how training steps are executed; see `Trainer`.
        n_jobs: trials at the same time on the CPU; see `fit_seeds`. They are asked for together,
            in rounds of so many, so that it does not matter which ends first. Another number gives
            other trials.
        out: the folder of the search; None takes `runs/search-` and the name of the model.
        pictures: whether to draw pictures into the folder.

    Raises:
        ConfigurationError: a setting is impossible, or the space has nothing in it or names what
            does not exist.
        MissingExtraError: Optuna is not installed.
        RunFolderError: the folder is that of another search, or cannot be written.
        WorkerError: every trial failed, or one did for want of room or memory.
        FmnistlabError: the model cannot be made, or the data cannot be read.
        KeyboardInterrupt, Terminated: it was ended from outside; the same call goes on.
    """
    version = optuna_version()
    trials = whole_number("trials", trials, most=MOST_TRIALS)
    fresh_seeds = whole_number("fresh_seeds", fresh_seeds, least=2, most=MOST_FRESH)
    seed, n_jobs = seeding.checked_seed(seed), checked_jobs(n_jobs)
    base = Variant(model=model, model_options={**(model_options or {})}, recipe=recipe)
    config = ExperimentConfig(
        model=model,
        data=_absolute(data),
        train=_absolute(train),
        test=_absolute(test),
        valid_fraction=valid_fraction,
        split_seed=split_seed,
        device=device,
        threads=whole_number("threads", threads),
        execution=execution,
    )
    chosen = fitted_space(read_space(space), recipe, model, base.model_options)
    loaded: list[Parts] = []

    def load(wanted: ExperimentConfig) -> Parts:
        loaded.append(load_parts(wanted))
        return loaded[-1]

    (planned,) = plan_variants([base], config, load)
    folder = Path("runs", safe_name(f"search-{model}")) if out is None else Path(out).expanduser()
    plan = TrialPlan(
        base=planned,
        space=chosen,
        seed=seed,
        at_once=effective_n_jobs(n_jobs) if choose_device(device).type == "cpu" else 1,
        prune=prune,
        folder=folder.absolute(),
        rows=len(loaded[-1].fit),
    )
    settings = SettingsRecord(
        training=planned.training,
        space=chosen.to_dict(),
        seed=seed,
        at_once=plan.at_once,
        prune=prune,
        optuna=version,
    )
    try:
        with SEARCHES.locked(plan.folder) as before:
            asked = RequestRecord(
                trials=trials, fresh_seeds=fresh_seeds, tested=_is_tested(plan.folder)
            )
            record = begin(plan.folder, before, settings, asked)
            made = run_trials(plan, Journal(plan.folder, settings.key()), trials)
            best = _best(made)
            _write_recipe(plan, best)
            _logger.info("the winner is trial %d; it is trained anew", best.number)
            comparison = _train_anew(plan, best, fresh_seeds, config, n_jobs=n_jobs)
            found = _result(plan, record, made, best, comparison)
            _write(plan.folder, record, found, pictures=pictures)
    except (KeyboardInterrupt, Terminated):
        _logger.warning("%s: what is finished is kept; the same call goes on", plan.folder)
        raise
    return found


def _best(trials: list[SearchTrial]) -> SearchTrial:
    """Returns the trial with the highest score, the first of several.

    Raises:
        WorkerError: none was trained to its end.
    """
    done = [trial for trial in trials if trial.state == "done"]
    if not done:
        reason = next((trial.reason for trial in reversed(trials) if trial.reason), None)
        raise WorkerError(
            f"None of the {len(trials)} trials was trained to its end; the last one that failed: "
            f"{reason} Search smaller ranges, in another folder."
        )
    return max(done, key=lambda trial: trial.val_accuracy or 0.0)


def _winner_folder(plan: TrialPlan, best: SearchTrial) -> Path:
    return plan.folder / f"winner-{best.number:04d}"


def _is_tested(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(folder.glob("winner-*/runs/*/result.json"))
    return False


def _train_anew(
    plan: TrialPlan,
    best: SearchTrial,
    fresh_seeds: int,
    config: ExperimentConfig,
    *,
    n_jobs: int | None,
) -> Comparison:
    """Trains the winner with seeds that no trial had, and tests each of these runs."""
    own = plan.config(best.number, best.settings)
    winner = Variant(
        model=own.model,
        model_options=own.model_options,
        recipe=own.recipe,
        name=f"{model_name(own.model)}, settings of trial {best.number}",
    )
    return compare(
        [winner],
        seeds=[seeding.derive_seed(plan.seed, "fresh", number) for number in range(fresh_seeds)],
        data=config.data,
        train=config.train,
        test=config.test,
        valid_fraction=config.valid_fraction,
        split_seed=config.split_seed,
        device=config.device,
        threads=int(config.threads),
        execution=config.execution,
        n_jobs=n_jobs,
        out=_winner_folder(plan, best),
        pictures=False,
    )


def _result(
    plan: TrialPlan,
    record: SearchRecord,
    trials: list[SearchTrial],
    best: SearchTrial,
    comparison: Comparison,
) -> Search:
    (variant,) = comparison.variants
    own = plan.config(best.number, best.settings)
    done = [run for run in comparison.runs if run.state == "done"]
    validated = [read_result(run.folder).validation.accuracy for run in done]
    return Search(
        model=model_name(own.model),
        trials=tuple(trials),
        best=best,
        recipe=own.recipe,
        model_options=own.model_options,
        space=plan.space.to_dict(),
        seed=plan.seed,
        fresh=FreshRuns(
            seeds=tuple(run.seed for run in done),
            val_accuracies=tuple(value for value in validated if value is not None),
            test=variant.estimate,
        ),
        folder=plan.folder,
        notes=(*record.extensions, *comparison.notes),
    )


def _write_recipe(plan: TrialPlan, best: SearchTrial) -> None:
    """Writes the winner as a recipe, with the options of its model in a comment.

    Raises:
        RunFolderError: it cannot be written.
    """
    own = plan.config(best.number, best.settings)
    text = own.recipe.to_toml()
    if own.model_options:
        words = [format_assignments({n: value}) for n, value in own.model_options.items()]
        told = " ".join(f"--model-option {shlex.quote(word)}" for word in words)
        text = f"# model options: {told}\n{text}"
    SEARCHES.write_text(plan.folder, "best.toml", text)


def _write(folder: Path, record: SearchRecord, found: Search, *, pictures: bool) -> None:
    """Writes what came of a search.

    Raises:
        RunFolderError: it cannot be written.
    """
    left_out = ("folder", "trials")  # the journal has the trials
    result = {name: v for name, v in found.to_dict().items() if name not in left_out}
    SEARCHES.write(folder, dataclasses.replace(record, result=result))
    SEARCHES.write_text(folder, "search.md", found.to_markdown() + "\n")
    if pictures:
        for note in write_pictures(folder, found):
            _logger.warning(note)


def _absolute(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path).absolute()
