"""`compare`: plan, train what is missing, judge, write."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from fmnistlab.errors import RunFolderError, Terminated
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.pictures import write_pictures
from fmnistlab.experiments.comparison.reading import RUNS, judged
from fmnistlab.experiments.comparison.record import (
    COMPARISONS,
    ComparisonRecord,
    RequestRecord,
    VariantRecord,
    begin,
)
from fmnistlab.experiments.comparison.request import (
    AnyVariant,
    check_names,
    checked_seeds,
    comparison_folder,
    sorted_out,
)
from fmnistlab.experiments.comparison.runs import Group, group_runs, read_group
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.parts import load_parts
from fmnistlab.experiments.run_folder_state import FolderState, folder_state
from fmnistlab.experiments.sweep.plan import Planned, missing_tasks, plan_variants
from fmnistlab.experiments.sweep.progress import progress_bar
from fmnistlab.experiments.sweep.schedule import train_all
from fmnistlab.experiments.sweep.task import Task, forget_data
from fmnistlab.foundation.checks import number, whole_number
from fmnistlab.foundation.logger import get_logger
from fmnistlab.statistics.judgement import SMALLEST
from fmnistlab.training.device import choose_device
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.seeds import checked_jobs

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
        variants: what is compared. A `Variant`; or the name of a model, "cnn", also with options,
            "mlp,hidden=64", a recipe, "cnn@classic" or "cnn@my.toml", or settings,
            "cnn@epochs=3,batch_size=64"; or the path of the run folder of a finished training. Run
            folders of the same training but for the seed are one variant.
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
    chosen, given = sorted_out(variants, recipe)
    wanted = checked_seeds(seeds)
    smallest = number("smallest", smallest, above=0, below=1)
    n_jobs = checked_jobs(n_jobs)
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
    planned = plan_variants(chosen, config, load_parts) if chosen else []
    ready = group_runs(given)
    names = [*(variant.name for variant in planned), *(group.name for group in ready)]
    check_names(names, baseline)
    folder = comparison_folder(out, names, trains=bool(planned))
    trained = [] if folder is None else _groups(planned, folder, wanted)
    record = None
    if folder is not None:
        records = {part.name: VariantRecord.of(part.training) for part in trained}
        records |= {part.name: VariantRecord.of(part.training, part.folders) for part in ready}
        asked = RequestRecord(
            variants=tuple(names),
            seeds=tuple(wanted),
            smallest=smallest,
            baseline=baseline,
            finished=_finished(trained),
        )
        record = begin(folder, records, asked)
    reasons: dict[Path, str] = {}
    if folder is not None and planned:
        tasks = missing_tasks(planned, folder / RUNS, wanted)
        _logger.info("%d of %d runs are to be made", len(tasks), len(planned) * len(wanted))
        reasons = _train(tasks, folder, config, n_jobs=n_jobs, fail_fast=fail_fast)
    found = [read_group(group, reasons) for group in (*trained, *ready)]
    comparison = judged(
        found,
        smallest=smallest,
        baseline=baseline,
        extended=() if record is None else record.extensions,
        folder=folder,
    )
    if folder is not None and record is not None:
        _write(folder, record, comparison, pictures=pictures)
    return comparison


def _train(
    tasks: Sequence[Task],
    folder: Path,
    config: ExperimentConfig,
    *,
    n_jobs: int | None,
    fail_fast: bool,
) -> dict[Path, str]:
    """Makes what is missing; returns why trainings failed, by run folder."""
    if not tasks:
        return {}
    jobs = n_jobs if choose_device(config.device).type == "cpu" else 1
    try:
        with progress_bar({task.folder: task.steps for task in tasks}):
            outcomes = train_all(tasks, n_jobs=jobs, fail_fast=fail_fast)
    except (KeyboardInterrupt, Terminated):
        _logger.warning("%s: what is trained is kept; the same call goes on", folder)
        raise
    finally:
        forget_data()
    return {one.folder: one.reason for one in outcomes if one.reason is not None}


def _absolute(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path).absolute()


def _groups(planned: Sequence[Planned], folder: Path, seeds: Sequence[int]) -> list[Group]:
    return [
        Group(
            variant.name,
            variant.training,
            {seed: variant.folder(folder / RUNS, seed) for seed in seeds},
        )
        for variant in planned
    ]


def _finished(groups: Sequence[Group]) -> int:
    folders = [path for group in groups for path in group.folders.values()]
    finished = 0
    for path in folders:
        with contextlib.suppress(RunFolderError):  # it will be told as a failed run
            finished += folder_state(path) is FolderState.FINISHED
    return finished


def _write(
    folder: Path, record: ComparisonRecord, comparison: Comparison, *, pictures: bool
) -> None:
    """Writes what came of a comparison, unless another call has asked for more meanwhile.

    Raises:
        RunFolderError: it cannot be written.
    """
    with COMPARISONS.locked(folder) as now:
        if now is None or now.requests != record.requests:
            _logger.warning("%s: is extended by another call, which will write it", folder)
            return
        result = {name: v for name, v in comparison.to_dict().items() if name != "folder"}
        COMPARISONS.write(folder, dataclasses.replace(record, result=result))
        COMPARISONS.write_text(folder, "comparison.md", comparison.to_markdown() + "\n")
        COMPARISONS.write_text(folder, "comparison.tex", comparison.to_latex() + "\n")
        if pictures:
            for note in write_pictures(folder, comparison):
                _logger.warning(note)
