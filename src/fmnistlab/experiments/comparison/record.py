"""What `comparison.json` holds: what was asked for, and when, and what came of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.records.differences import differing
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.records.kinds import Count, Fraction, Seed
from fmnistlab.experiments.records.record_folder import RecordFolder

COMPARISON: Final = "comparison.json"
"""Name of the file in the folder of a comparison."""

_FILE: Final = re.compile(r"comparison\.(json|md|tex)|report\.html|[a-z-]+\.png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariantRecord:
    """One variant.

    Attributes:
        training: what all its runs have in common.
        runs: run folders that were there before, by seed; None if the comparison trains them.
    """

    training: TrainingIdentity
    runs: dict[str, str] | None

    @classmethod
    def of(
        cls, training: TrainingIdentity, folders: Mapping[int, Path] | None = None
    ) -> VariantRecord:
        """Returns the record of a variant.

        Args:
            training: what all its runs have in common.
            folders: run folders that were there before, by seed.
        """
        if folders is None:
            return cls(training=training, runs=None)
        return cls(training=training, runs={str(seed): str(path) for seed, path in folders.items()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """What was asked for at one time.

    Attributes:
        variants: names of all variants.
        seeds: of the trainings.
        smallest: smallest difference of interest, a fraction.
        baseline: variant that all others are compared with; None for all pairs.
        finished: runs of the comparison that were finished when this was asked for.
    """

    variants: tuple[str, ...]
    seeds: tuple[Seed, ...]
    smallest: Fraction
    baseline: str | None
    finished: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonRecord:
    """What a comparison is.

    Attributes:
        format: version of this record.
        variants: by name.
        requests: what was asked for, the first time first.
        result: what came of it, for readers; None before the first end. It is never read back:
            what lies in the run folders counts.

    Raises:
        ConfigurationError: nothing was asked for.
    """

    format: Literal[1] = 1
    variants: dict[str, VariantRecord]
    requests: tuple[RequestRecord, ...]
    result: dict[str, Any] | None

    def __post_init__(self) -> None:
        if not self.requests:
            raise ConfigurationError("requests: must not be empty.")

    @property
    def extensions(self) -> tuple[str, ...]:
        """What was asked for after runs had been there, in words."""
        told = []
        for before, now in zip(self.requests, self.requests[1:], strict=False):
            changes = []
            if now.seeds != before.seeds:
                changes.append(f"{len(before.seeds)} to {len(now.seeds)} seeds")
            if added := [name for name in now.variants if name not in before.variants]:
                changes.append(f"{', '.join(added)} added")
            if now.smallest != before.smallest:
                changes.append(
                    f"smallest difference {100 * before.smallest:g} to {100 * now.smallest:g} "
                    "points"
                )
            if now.baseline != before.baseline:
                changes.append(f"baseline {before.baseline or 'none'} to {now.baseline or 'none'}")
            if changes and now.finished:
                told.append(
                    f"Extended after {now.finished} runs were finished: {'; '.join(changes)}. "
                    "Who looks before adding seeds finds differences more easily than the "
                    "intervals say."
                )
        return tuple(told)


COMPARISONS: Final = RecordFolder("comparison", ComparisonRecord, COMPARISON, _FILE, patience=120.0)
"""Folders of comparisons; one that holds such a folder may draw pictures, which takes seconds."""


def begin(
    folder: Path, variants: Mapping[str, VariantRecord], asked: RequestRecord
) -> ComparisonRecord:
    """Writes what is asked for, before anything is trained, and returns the comparison's record.

    Args:
        folder: of the comparison.
        variants: all that are compared now, by name.
        asked: what is asked for now.

    Raises:
        RunFolderError: the folder is that of another comparison, or of none, or cannot be written.
    """
    with COMPARISONS.locked(folder) as before:
        record = _extended(folder, before, variants, asked)
        if record is not before:
            COMPARISONS.write(folder, record)
    return record


def _extended(
    folder: Path,
    before: ComparisonRecord | None,
    variants: Mapping[str, VariantRecord],
    asked: RequestRecord,
) -> ComparisonRecord:
    """Returns the record of a comparison with what is asked for now, the same one if it has it.

    Raises:
        RunFolderError: it is the record of another comparison.
    """
    if before is None:
        return ComparisonRecord(variants=dict(variants), requests=(asked,), result=None)
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
            _check_same(folder, name, before.variants[name], variant)
    if dataclasses.replace(asked, finished=last.finished) == last:
        return before
    return ComparisonRecord(
        variants={**before.variants, **variants}, requests=(*before.requests, asked), result=None
    )


def _check_same(folder: Path, name: str, then: VariantRecord, now: VariantRecord) -> None:
    """Refuses a variant that is not what it was when the comparison began.

    Raises:
        RunFolderError: it is trained in another way, on other data, or with another version; the
            message names the first difference.
    """
    one, other = dataclasses.asdict(then), dataclasses.asdict(now)
    for place, old, new in differing(one["training"], other["training"]):
        raise RunFolderError(
            f"{folder}: was begun with another {place} of {name}: {old}, and not {new}. Compare in "
            "another folder, or as it was begun."
        )
    for place, old, new in differing(one["runs"], other["runs"], "runs"):
        raise RunFolderError(f"{folder}: was begun with other {place} of {name}: {old}, not {new}.")
