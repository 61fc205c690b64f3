"""`compare`: plan, train what is missing, judge, write."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError, RunFolderError, Terminated
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.judgement import judge_pairs, judge_variant
from fmnistlab.experiments.comparison.pictures import write_pictures
from fmnistlab.experiments.comparison.record import (
    ComparisonRecord,
    RequestRecord,
    VariantRecord,
    check_same,
    read_comparison_record,
    write_comparison_file,
    write_comparison_record,
)
from fmnistlab.experiments.comparison.runs import Group, group_runs, read_group
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.parts import load_parts
from fmnistlab.experiments.run_folder import safe_name
from fmnistlab.experiments.run_folder_state import CONFIG, FolderState, folder_state
from fmnistlab.experiments.sweep.plan import Planned, missing_tasks, plan_variants
from fmnistlab.experiments.sweep.progress import progress_bar
from fmnistlab.experiments.sweep.schedule import train_all
from fmnistlab.experiments.sweep.task import Outcome
from fmnistlab.experiments.sweep.variant import Variant, parse_variant
from fmnistlab.foundation.checks import number, refused, whole_number
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.models.registry import list_models
from fmnistlab.statistics.judgement import SMALLEST
from fmnistlab.training.device import choose_device
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe

AnyVariant: TypeAlias = str | Variant | os.PathLike[str]
"""What can be compared: see `compare`."""

MOST_SEEDS: Final = 10_000
"""Trainings of one variant."""

_RUNS: Final = "runs"

_logger = get_logger(__name__)


def compare(
    variants: Sequence[AnyVariant],
    *,
    seeds: int | Sequence[int] = 10,
    recipe: Recipe = CLASSIC,
    baseline: str | None = None,
    smallest: float = SMALLEST,
    data: str | os.PathLike[str] | None = None,
    train: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    valid_fraction: float = 0.2,
    split_seed: int = 42,
    device: str = "auto",
    threads: int = 1,
    execution: Execution = "auto",
    n_jobs: int | None = -1,
    out: str | os.PathLike[str] | None = None,
    fail_fast: bool = False,
    pictures: bool = True,
) -> Comparison:
    """Trains several variants with several seeds each, and says which is better, and how surely.

    Finished trainings are never repeated: the same call goes on where it was interrupted, and one
    with more variants or seeds trains only what is missing. One folder belongs to one comparison.

    Args:
        variants: what is compared. A `Variant`; or the name of a model, "cnn", also with a recipe,
            "cnn@classic", or settings, "cnn@epochs=3,batch_size=64"; or the path of the run folder
            of a finished training. Run folders of the same training but for the seed are one
            variant.
        seeds: how many for each variant, which are then 0, 1 and so on; or the seeds.
        recipe: how to train, where a variant does not say it.
        baseline: name of the variant that all others are compared with; None compares all pairs.
        smallest: smallest difference of interest, a fraction: 0.005 is half a point.
        data: where the data is; see `load_data`. None: the bundled one.
        train: the training set, a CSV file, together with `test` and without `data`.
        test: the test set, likewise.
        valid_fraction: part of the training set that is validated on, above 0, below 1.
        split_seed: seed of that split, the same for all trainings.
        device: where to train; see `DevicePlacement`.
        threads: CPU threads of each training.
        execution: how training steps are executed; see `Trainer`.
        n_jobs: trainings at the same time on the CPU; see `fit_seeds`. joblib starts them, so
            `joblib.parallel_config` can send them to a cluster that shares the folder `out`. A GPU
            makes one after the other.
        out: the folder of the comparison; None takes `runs/compare-` and the names of the
            variants. If only run folders are compared, None writes nothing.
        fail_fast: whether the first training that fails ends all others.
        pictures: whether to draw pictures into the folder.

    Returns:
        The comparison. Trainings that failed stand in it with their reasons; the next call makes
        them again.

    Raises:
        ConfigurationError: a variant is there twice, or a setting is impossible.
        RunFolderError: the folder is that of another comparison, or cannot be written.
        FmnistlabError: a model cannot be made, or the data cannot be read.
        KeyboardInterrupt, Terminated: it was ended from outside; the same call goes on.
    """
    chosen, given = _sorted_out(variants, recipe)
    wanted = checked_seeds(seeds)
    smallest = number("smallest", smallest, above=0, below=1)
    config = ExperimentConfig(
        model="",
        data=_absolute(data),
        train=_absolute(train),
        test=_absolute(test),
        valid_fraction=valid_fraction,
        split_seed=split_seed,
        device=device,
        threads=whole_number("threads", threads),
        execution=execution,
    )
    planned = plan_variants(chosen, config, load_parts(config)) if chosen else []
    ready = group_runs(given)
    names = [*(variant.name for variant in planned), *(group.name for group in ready)]
    _check_names(names, baseline)
    folder = _folder(out, names, trains=bool(planned))
    trained = _groups(planned, folder, wanted)
    if folder is not None:
        records = {
            **{part.name: VariantRecord(training=part.training, runs=None) for part in trained},
            **{part.name: _ready_record(part) for part in ready},
        }
        asked = RequestRecord(
            variants=tuple(names),
            seeds=tuple(wanted),
            smallest=smallest,
            baseline=baseline,
            finished=_finished(trained),
        )
        record = _begun(folder, records, asked)
    outcomes: list[Outcome] = []
    if folder is not None and planned:
        tasks = missing_tasks(planned, folder / _RUNS, wanted)
        steps = {variant.name: variant.steps for variant in planned}
        _logger.info("%d of %d runs are to be made", len(tasks), len(planned) * len(wanted))
        if tasks:
            lengths = {
                path: steps[part.name]
                for part in trained
                for path in part.folders.values()
                if any(task.config.out == path for task in tasks)
            }
            jobs = n_jobs if choose_device(device).type == "cpu" else 1
            try:
                with progress_bar(lengths):
                    outcomes = train_all(tasks, n_jobs=jobs, fail_fast=fail_fast)
            except (KeyboardInterrupt, Terminated):
                _logger.warning("%s: what is trained is kept; the same call goes on", folder)
                raise
    reasons = {one.folder: one.reason for one in outcomes if one.reason is not None}
    found = [read_group(group, reasons) for group in (*trained, *ready)]
    comparison = Comparison(
        variants=tuple(map(judge_variant, found)),
        pairs=judge_pairs(found, smallest=smallest, baseline=baseline),
        runs=tuple(run for part in found for run in part.runs),
        smallest=smallest,
        baseline=baseline,
        extended=() if folder is None else record.extensions,
        folder=folder,
        histories={part.group.name: part.histories for part in found},
    )
    if folder is not None:
        write_comparison_record(folder, dataclasses.replace(record, result=comparison.to_dict()))
        write_comparison_file(folder, "comparison.md", comparison.to_markdown() + "\n")
        write_comparison_file(folder, "comparison.tex", comparison.to_latex() + "\n")
        if pictures:
            write_pictures(folder, comparison)
    return comparison


def checked_seeds(seeds: object) -> list[int]:
    """Returns the seeds of trainings: 0 to n - 1 for a number n, or those of a list, sorted.

    Raises:
        ConfigurationError: there are none or too many, or one is there twice or out of range.
    """
    if isinstance(seeds, str | bytes) or not hasattr(seeds, "__iter__"):
        return list(range(whole_number("seeds", seeds, most=MOST_SEEDS)))
    wanted: list[Any] = list(seeds)
    checked = [seeding.checked_seed(seed) for seed in wanted]
    if not 0 < len({*checked}) == len(checked) <= MOST_SEEDS:
        raise ConfigurationError(
            f"seeds are {checked[:20]}; give from 1 to {MOST_SEEDS:,}, and each only once."
        )
    return sorted(checked)


def _sorted_out(variants: Sequence[AnyVariant], recipe: Recipe) -> tuple[list[Variant], list[Path]]:
    """Returns what is to be trained, and the run folders that were given."""
    if isinstance(variants, str | os.PathLike | Variant):
        variants = [variants]
    chosen: list[Variant] = []
    given: list[Path] = []
    for variant in variants:
        if isinstance(variant, Variant):
            chosen.append(variant)
        elif isinstance(variant, os.PathLike) or _is_folder(variant):
            given.append(Path(variant).absolute())
        elif isinstance(variant, str):
            chosen.append(parse_variant(variant, recipe))
        else:
            raise refused("variant", variant, "a name, a Variant, or the path of a run folder")
    if not chosen and not given:
        raise ConfigurationError("There is nothing to compare: name models or run folders.")
    return chosen, given


def _is_folder(word: object) -> bool:
    """Returns whether a word is the path of a run folder; the name of a model goes first."""
    if not isinstance(word, str) or word.lower() in list_models():
        return False
    return os.path.isfile(os.path.join(word, CONFIG))  # noqa: PTH113, PTH118 - any text is fine


def _check_names(names: Sequence[str], baseline: str | None) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"Two variants are called {name}; give one another name.")
    if baseline is not None and baseline not in names:
        raise ConfigurationError(
            f"{setting('baseline')} is {baseline!r}, which is not compared here; choose from "
            f"{', '.join(names)}."
        )


def _folder(
    out: str | os.PathLike[str] | None, names: Sequence[str], *, trains: bool
) -> Path | None:
    if out is not None:
        return Path(out).expanduser()
    return Path("runs", safe_name(f"compare-{'-'.join(names)}")) if trains else None


def _absolute(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path).absolute()


def _groups(planned: Sequence[Planned], folder: Path | None, seeds: Sequence[int]) -> list[Group]:
    if folder is None:
        return []
    return [
        Group(
            variant.name,
            variant.training,
            {seed: variant.folder(folder / _RUNS, seed) for seed in seeds},
        )
        for variant in planned
    ]


def _finished(groups: Sequence[Group]) -> int:
    folders = [path for group in groups for path in group.folders.values()]
    return sum(folder_state(path) is FolderState.FINISHED for path in folders)


def _ready_record(group: Group) -> VariantRecord:
    runs = {str(seed): str(path) for seed, path in group.folders.items()}
    return VariantRecord(training=group.training, runs=runs)


def _begun(
    folder: Path, variants: Mapping[str, VariantRecord], asked: RequestRecord
) -> ComparisonRecord:
    """Writes what is asked for, before anything is trained, and returns the comparison's record.

    Raises:
        RunFolderError: the folder is that of another comparison, or of none, or cannot be written.
    """
    before = read_comparison_record(folder)
    if before is None:
        record = ComparisonRecord(variants=dict(variants), requests=(asked,), result=None)
        write_comparison_record(folder, record)
        return record
    last = before.requests[-1]
    for what, then, now in (
        ("variants", last.variants, asked.variants),
        ("seeds", last.seeds, asked.seeds),
    ):
        lacking = [str(item) for item in then if item not in now]
        if lacking:
            raise RunFolderError(
                f"{folder}: holds a comparison with the {what} {', '.join(map(str, then))}; "
                f"{', '.join(lacking)} would be left out now. Ask for all of them and more, or "
                "compare in another folder."
            )
    for name, variant in variants.items():
        if name in before.variants:
            check_same(folder, name, before.variants[name], variant)
    if dataclasses.replace(asked, finished=last.finished) == last:
        return before
    record = ComparisonRecord(
        variants={**before.variants, **variants}, requests=(*before.requests, asked), result=None
    )
    write_comparison_record(folder, record)
    return record
