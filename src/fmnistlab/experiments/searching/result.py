"""What came of a search: trials, winner and its fresh runs, as text, tables, JSON and HTML."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fmnistlab.experiments.searching.trials import SearchTrial
from fmnistlab.foundation import html
from fmnistlab.foundation.assignments import format_assignments
from fmnistlab.foundation.tables import Cell, Column, format_table, markdown_table
from fmnistlab.statistics.two_way import Difference, Estimate
from fmnistlab.training.recipes.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 10
_COLUMNS: Final = (
    *("trial", "settings", "state", "epochs"),
    *(Column("val_accuracy", ".4f"), Column("seconds", ".1f")),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FreshRuns:
    """The winner, trained anew with seeds that no trial had.

    Attributes:
        seeds: of the runs that are done.
        val_accuracies: validation accuracy after the last epoch of each.
        test: mean accuracy on the test set with both its uncertainties; None below two runs.
    """

    seeds: tuple[int, ...]
    val_accuracies: tuple[float, ...]
    test: Difference | None

    @property
    def validation(self) -> Estimate | None:
        """Mean validation accuracy, as far as other seeds go; None below two runs."""
        count = len(self.val_accuracies)
        if count < 2:
            return None
        variance = statistics.variance(self.val_accuracies) / count
        return Estimate(statistics.fmean(self.val_accuracies), variance, count - 1, least=0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """What came of a search.

    Attributes:
        model: name of the model.
        trials: all of them, in the order in which they were asked for.
        best: the winner, the trial with the highest validation accuracy of those that were trained
            to their end.
        recipe: that of the winner.
        model_options: likewise.
        space: what was searched, by name, as values of JSON.
        seed: of the search.
        fresh: the winner, trained anew and tested.
        folder: where all this is kept.
        notes: what a reader has to know besides, in words.
    """

    model: str
    trials: tuple[SearchTrial, ...]
    best: SearchTrial
    recipe: Recipe
    model_options: dict[str, Any]
    space: dict[str, Any]
    seed: int
    fresh: FreshRuns
    folder: Path
    notes: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can be said, in words that claim no more than the numbers hold."""
        states = [trial.state for trial in self.trials]
        counts = ", ".join(
            f"{states.count(state)} {words}"
            for state, words in (
                ("done", "trained to the end"),
                ("pruned", "pruned"),
                ("failed", "failed"),
            )
            if state in states
        )
        told = [
            f"{len(self.trials)} trials of {self.model}: {counts}.",
            f"The winner is trial {self.best.number}: {_shown(self.best.settings)}. "
            f"Its validation accuracy in the search was {self.best.val_accuracy:.4f}, the highest "
            "of all trials, and so rather lucky: expect less of it.",
        ]
        validation, test = self.fresh.validation, self.fresh.test
        if validation is not None:
            low, high = validation.interval()
            told.append(
                f"Trained anew with {len(self.fresh.seeds)} fresh seeds it reached "
                f"{validation.value:.4f} on the same validation images ({low:.4f} to {high:.4f} "
                "for other seeds). It was chosen for these images, so other images may be harder."
            )
        if test is not None:
            these, others = (
                "{:.4f} to {:.4f}".format(*part.interval())
                for part in (test.these_images, test.all_images)
            )
            told.append(
                f"On the test set, which the search never saw: {test.these_images.value:.4f} "
                f"(these images {these}; all images {others}; 95 %)."
            )
        return (*told, *self.notes)

    def to_frame(self) -> pd.DataFrame:
        """Returns a row for each trial as a pandas frame, with a column for each setting."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        rows = [_as_record(trial) for trial in self.trials]
        return pd.DataFrame([{**row.pop("settings"), **row} for row in rows])

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as values of JSON."""
        validation, test = self.fresh.validation, self.fresh.test
        return {
            "folder": str(self.folder),
            "model": self.model,
            "seed": self.seed,
            "space": self.space,
            "count": len(self.trials),
            "best": _as_record(self.best),
            "recipe": self.recipe.to_dict(),
            "model_options": self.model_options,
            "fresh": {
                "seeds": list(self.fresh.seeds),
                "val_accuracies": list(self.fresh.val_accuracies),
                "val_accuracy": None if validation is None else validation.value,
                "val_accuracy_95": None if validation is None else list(validation.interval()),
                "test_accuracy": None if test is None else test.these_images.value,
                "these_images_95": None if test is None else list(test.these_images.interval()),
                "all_images_95": None if test is None else list(test.all_images.interval()),
            },
            "sentences": list(self.sentences),
            "trials": [_as_record(trial) for trial in self.trials],
        }

    def to_markdown(self) -> str:
        """Returns what can be said and a table of all trials, the best first, in Markdown."""
        lines = [f"- {sentence}" for sentence in self.sentences]
        return "\n".join([*lines, "", markdown_table(_COLUMNS, self._rows(len(self.trials)))])

    def to_text(self, *, width: int = 1000) -> str:
        """Returns the best trials and what can be said, as plain text.

        Args:
            width: characters that a line of the table should not exceed.
        """
        table = format_table(_COLUMNS, self._rows(_SHOWN), width=width)
        return "\n".join([table, "", *self.sentences])

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = self._rows(_SHOWN)
        return html.table(_COLUMNS, rows, caption="Search, the best trials", notes=self.sentences)

    def _rows(self, most: int) -> Iterable[list[Cell]]:
        """Yields a row for each of the best trials; those to the end first."""

        def rank(trial: SearchTrial) -> tuple[int, float]:
            return ("done", "pruned", "failed").index(trial.state), -(trial.val_accuracy or 0.0)

        for trial in sorted(self.trials, key=rank)[:most]:
            yield [
                str(trial.number),
                _shown(trial.settings),
                trial.state,
                trial.epochs,
                trial.val_accuracy,
                trial.seconds,
            ]


def _shown(settings: Mapping[str, Any]) -> str:
    """Returns settings in one word, floats with four digits."""
    return format_assignments(
        {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in settings.items()}
    )


def _as_record(trial: SearchTrial) -> dict[str, Any]:
    """Returns a trial as values of JSON."""
    folder = f"{trial.folder.parent.name}/{trial.folder.name}"
    return {**dataclasses.asdict(trial), "folder": folder}
