"""A comparison as it stands: what lies in its run folders, judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.judgement import judge_pairs, judge_variant
from fmnistlab.experiments.comparison.record import COMPARISON, COMPARISONS, VariantRecord
from fmnistlab.experiments.comparison.runs import FinishedGroup, Group, read_group
from fmnistlab.experiments.sweep.plan import planned_folder

RUNS: Final = "runs"
"""Name of the folder in that of a comparison that the run folders are in."""


def read_comparison(folder: Path) -> Comparison:
    """Returns a comparison as it stands; nothing is trained or written.

    Args:
        folder: of a comparison, finished or not.

    Raises:
        RunFolderError: it is not one, or its record cannot be read.
        ConfigurationError: its runs were not tested on the same images.
    """
    folder = folder.expanduser().absolute()
    record = COMPARISONS.read(folder)
    if record is None:
        raise RunFolderError(
            f"{folder}: is not the folder of a comparison: it has no {COMPARISON}. "
            "`fmnistlab compare` makes such folders."
        )
    asked = record.requests[-1]
    groups = [
        _group(folder, name, record.variants[name], asked.seeds)
        for name in asked.variants
        if name in record.variants
    ]
    return judged(
        [read_group(group, {}) for group in groups],
        smallest=asked.smallest,
        baseline=asked.baseline,
        extended=record.extensions,
        folder=folder,
    )


def judged(
    found: Sequence[FinishedGroup],
    *,
    smallest: float,
    baseline: str | None,
    extended: tuple[str, ...],
    folder: Path | None,
) -> Comparison:
    """Returns the comparison of what was found.

    Args:
        found: the runs of each variant.
        smallest: smallest difference of interest, a fraction above 0.
        baseline: as of `judge_pairs`.
        extended: as of `Comparison`.
        folder: likewise.

    Raises:
        ConfigurationError: two variants were not tested on the same images.
    """
    return Comparison(
        variants=tuple(map(judge_variant, found)),
        pairs=judge_pairs(found, smallest=smallest, baseline=baseline),
        runs=tuple(run for part in found for run in part.runs),
        smallest=smallest,
        baseline=baseline,
        extended=extended,
        folder=folder,
        histories={part.group.name: part.histories for part in found},
    )


def _group(folder: Path, name: str, variant: VariantRecord, seeds: Sequence[int]) -> Group:
    """Returns where the runs of a variant are.

    Raises:
        RunFolderError: the record names runs by something else than seeds.
    """
    if variant.runs is None:
        folders = {seed: planned_folder(folder / RUNS, variant.training, seed) for seed in seeds}
    else:
        if not all(seed.isdecimal() for seed in variant.runs):
            raise RunFolderError(f"{folder / COMPARISON}: variants.{name}.runs: names no seeds.")
        folders = {int(seed): Path(path) for seed, path in variant.runs.items()}
    return Group(name, variant.training, folders)
