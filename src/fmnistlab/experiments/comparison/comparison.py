"""What came of a comparison: rows, pairs and words, as text, tables, JSON and HTML."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fmnistlab.experiments.comparison.judgement import ComparedPair, ComparedVariant
from fmnistlab.experiments.comparison.runs import ComparedRun
from fmnistlab.foundation import html
from fmnistlab.foundation.tables import Cell, Column, format_table, latex_table, markdown_table
from fmnistlab.statistics.judgement import Verdict
from fmnistlab.statistics.two_way import Difference, Estimate
from fmnistlab.training.records.history import History

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS: Final = (
    "variant",
    "parameters",
    "seeds",
    Column("accuracy", ".4f"),
    Column("these images, 95 %", right=True),
    Column("all images, 95 %", right=True),
    Column("deviation", ".4f"),
    Column("loss", ".4f"),
    Column("seconds", ".1f"),
)

_SHORT_COLUMNS: Final = (
    *("variant", "parameters", "seeds", Column("accuracy", ".4f")),
    *(Column("these", ".4f", right=True), Column("all", ".4f", right=True)),
    *(Column("deviation", ".4f"), Column("seconds", ".1f")),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several ways to train, several seeds each, and what can be said of them.

    Attributes:
        variants: how each did.
        pairs: how two of them differ.
        runs: every run, by variant and seed.
        smallest: smallest difference of interest, a fraction.
        baseline: the variant that all others are compared with; None for all pairs.
        extended: what was added after results had been there, in words; empty if nothing.
        folder: where all this is kept; None if run folders were only read.
        histories: of the runs that are done, by variant.
    """

    variants: tuple[ComparedVariant, ...]
    pairs: tuple[ComparedPair, ...]
    runs: tuple[ComparedRun, ...]
    smallest: float
    baseline: str | None
    extended: tuple[str, ...]
    folder: Path | None
    histories: dict[str, tuple[History, ...]]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What can be said of each pair, in words."""
        return tuple(map(str, self.pairs))

    @property
    def failures(self) -> tuple[ComparedRun, ...]:
        """The runs that failed."""
        return tuple(run for run in self.runs if run.state == "failed")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know besides: what is missing, failed, or was added later."""
        told = [f"{run.variant}, seed {run.seed}, failed: {run.reason}" for run in self.failures]
        told += [
            f"{variant.name}: {len(variant.missing)} runs are not done yet."
            for variant in self.variants
            if variant.missing
        ]
        return (*told, *self.extended)

    def to_frame(self) -> pd.DataFrame:
        """Returns a row for each variant as a pandas frame; accuracies are fractions."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        return pd.DataFrame([_as_record(variant) for variant in self.variants])

    def pairs_to_frame(self) -> pd.DataFrame:
        """Returns a row for each pair as a pandas frame; differences are fractions."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        return pd.DataFrame([_pair_as_record(pair) for pair in self.pairs])

    def to_dict(self) -> dict[str, Any]:
        """Returns everything but the histories as values of JSON."""
        runs = [{**dataclasses.asdict(run), "folder": self._place(run.folder)} for run in self.runs]
        return {
            "folder": None if self.folder is None else str(self.folder),
            "smallest": self.smallest,
            "baseline": self.baseline,
            "variants": [_as_record(variant) for variant in self.variants],
            "pairs": [_pair_as_record(pair) for pair in self.pairs],
            "verdicts": list(self.verdicts),
            "notes": list(self.notes),
            "runs": runs,
        }

    def to_markdown(self) -> str:
        """Returns the table in GitHub's Markdown, with the verdicts below it."""
        lines = [f"- {sentence}" for sentence in (*self.verdicts, *self.notes)]
        return "\n".join([markdown_table(_COLUMNS, self._rows()), "", *lines])

    def to_latex(self) -> str:
        """Returns the table in LaTeX, for the package booktabs, with the verdicts as comments."""
        comments = [f"% {sentence}" for sentence in (*self.verdicts, *self.notes)]
        return "\n".join([latex_table(_COLUMNS, self._rows()), *comments])

    def to_text(self, *, width: int = 1000) -> str:
        """Returns the table and what can be said, as plain text.

        Args:
            width: characters that a line of the table should not exceed.
        """
        rows = [
            [
                *(variant.name, variant.parameters, len(variant.seeds), variant.accuracy),
                *_halves(variant.estimate),
                *(variant.deviation, variant.seconds),
            ]
            for variant in self.variants
        ]
        table = format_table(_SHORT_COLUMNS, rows, width=width)
        legend = "these, all: half of the 95 % interval, for these images and for all of their kind"
        return "\n".join([table, legend, "", *self.verdicts, *self.notes])

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = (*self.verdicts, *self.notes)
        return html.table(_COLUMNS, self._rows(), caption="Comparison", notes=notes)

    def _place(self, folder: Path) -> str:
        """Returns where a run lies, from the comparison's folder if it is in that."""
        if self.folder is not None and folder.is_relative_to(self.folder):
            return folder.relative_to(self.folder).as_posix()
        return str(folder)

    def _rows(self) -> Iterable[list[Cell]]:
        for variant in self.variants:
            estimate = variant.estimate
            yield [
                variant.name,
                variant.parameters,
                len(variant.seeds),
                variant.accuracy,
                None if estimate is None else _ends(estimate.these_images),
                None if estimate is None else _ends(estimate.all_images),
                variant.deviation,
                variant.loss,
                variant.seconds,
            ]


def _ends(estimate: Estimate) -> str:
    low, high = estimate.interval()
    return f"{low:.4f} to {high:.4f}"


def _halves(estimate: Difference | None) -> list[float | None]:
    """Returns half of the width of both 95 % intervals."""
    if estimate is None:
        return [None, None]
    both = estimate.these_images, estimate.all_images
    return [part.interval()[1] - part.value for part in both]


def _as_record(variant: ComparedVariant) -> dict[str, Any]:
    """Returns a variant as values of JSON."""
    return {
        "name": variant.name,
        "parameters": variant.parameters,
        "seeds": list(variant.seeds),
        "failed": list(variant.failed),
        "missing": list(variant.missing),
        "accuracy": variant.accuracy,
        "deviation": variant.deviation,
        **_intervals(variant.estimate),
        "loss": variant.loss,
        "seconds": variant.seconds,
    }


def _pair_as_record(pair: ComparedPair) -> dict[str, Any]:
    """Returns a pair as values of JSON."""
    two = pair.two_runs
    value = pair.difference.all_images.value if pair.difference is not None else None
    verdict: Verdict | None = pair.verdict
    return {
        "one": pair.one,
        "other": pair.other,
        "difference": value if two is None else two.estimate.value,
        **_intervals(pair.difference),
        "p_value": None if verdict is None else verdict.p_value,
        "finding": None if verdict is None else verdict.finding,
        "mcnemar_p_value": None if two is None else two.p_exact,
        "chance_to_beat": pair.chance_to_beat,
        "error_ratio": pair.error_ratio,
        "disagreement": pair.disagreement,
        "smallest_shown": pair.smallest_shown,
        "limit": pair.limit,
        "seeds_for_these_images": pair.seeds_for_these_images(pair.smallest),
        "seeds_for_all_images": pair.seeds_for_all_images(pair.smallest),
    }


def _intervals(difference: Difference | None) -> dict[str, list[float] | None]:
    """Returns both 95 % intervals by name."""
    if difference is None:
        return {"these_images_95": None, "all_images_95": None}
    return {
        "these_images_95": list(difference.these_images.interval()),
        "all_images_95": list(difference.all_images.interval()),
    }
