"""Where two runs disagree: on which images, and who is right there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.records.predictions import RunPredictions, in_order_of_images
from fmnistlab.foundation import html
from fmnistlab.foundation.tables import Cell, Column, format_table, markdown_table
from fmnistlab.foundation.terminal import printable
from fmnistlab.shapes import Bool, Int64
from fmnistlab.statistics.single_runs import TwoRuns, two_runs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, eq=False)
class Disagreement:
    """What two runs say of the same images, one image to a row, in the order of their hashes.

    Attributes:
        one: what the first run says.
        other: what the second run says.
        names: what the two are called where they are shown.
    """

    one: RunPredictions
    other: RunPredictions
    names: tuple[str, str] = ("one", "other")

    @property
    def runs(self) -> TwoRuns:
        """McNemar's counts and tests; of these two runs alone, not of how they were trained."""
        right = (side.correct.numpy().astype(np.uint8) for side in (self.one, self.other))
        return two_runs(*right)

    @property
    def differ(self) -> Bool[np.ndarray, "rows"]:
        """Where the two name different classes, whoever is right."""
        return (self.one.labels != self.other.labels).numpy()

    def to_frame(self) -> pd.DataFrame:
        """Returns a row for each image on which they differ, as a pandas frame.

        Columns: `sha256` of its pixels, `true`, `one` and `other` (classes), `one_probability` and
        `other_probability`. First come those that both are surest of.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import

        columns = ["sha256", "true", "one", "other", "one_probability", "other_probability"]
        return pd.DataFrame([self._record(row) for row in self._rows()], columns=columns)

    def to_markdown(self) -> str:
        """Returns the table of who is right how often in GitHub's Markdown, and a sentence."""
        return f"{markdown_table(*self._counts())}\n\n{self._sentence()}"

    def to_text(self) -> str:
        """Returns the table of who is right how often, and a sentence, as plain text."""
        return f"{format_table(*self._counts(), width=1000)}\n\n{self._sentence()}"

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.table(*self._counts(), caption="Two runs", notes=(self._sentence(),))

    def plot(self, data: FashionMNISTCSV, n: int = 12, *, figure: Figure | None = None) -> Figure:
        """Draws images on which they differ, first those that both are surest of.

        Args:
            data: where the images are; they are found by their hashes.
            n: how many at most.
            figure: an empty figure to draw on; None for a new one.

        Raises:
            ConfigurationError: they agree on all images, or `data` lacks some of these.
            MissingExtraError: matplotlib is not installed.
        """
        from fmnistlab.plots import plot_images  # noqa: PLC0415 - matplotlib is optional

        place = {bytes(name): row for row, name in enumerate(image_hashes(data.data.numpy()))}
        rows = self._rows()
        shown = rows[:n]
        names = [bytes(self.one.images[row].numpy()) for row in shown]
        if not all(name in place for name in names):
            raise ConfigurationError(f"{data.name}: is not the test set of these runs.")
        records = [self._record(row) for row in shown]
        titles = [
            f"{found['true']}\n{found['one']} {found['one_probability']:.2f}\n"
            f"{found['other']} {found['other_probability']:.2f}"
            for found in records
        ]
        return plot_images(
            data.data[[place[name] for name in names]],
            titles,
            title=f"{len(shown)} of {len(rows):,} images on which two runs differ: the label, then "
            f"what {' and '.join(self.names)} say",
            figure=figure,
        )

    def _rows(self) -> list[int]:
        rows = np.flatnonzero(self.differ)
        sure = (self._sure(self.one) + self._sure(self.other))[rows]
        surest_first: list[int] = rows[np.argsort(-sure, kind="stable")].tolist()
        return surest_first

    def _sure(self, side: RunPredictions) -> np.ndarray:
        return side.probabilities.max(dim=1).values.double().numpy()

    def _record(self, row: int) -> dict[str, Any]:
        return {
            "sha256": bytes(self.one.images[row].numpy()).hex(),
            "true": CLASS_NAMES[int(self.one.targets[row])],
            "one": CLASS_NAMES[int(self.one.labels[row])],
            "other": CLASS_NAMES[int(self.other.labels[row])],
            "one_probability": float(self.one.probabilities[row].max()),
            "other_probability": float(self.other.probabilities[row].max()),
        }

    def _counts(self) -> tuple[list[str | Column], list[list[Cell]]]:
        """Returns columns and rows of the table of who is right how often."""
        one, other = self.one.correct, self.other.correct
        first, second = map(printable, self.names)
        rows: list[list[Cell]] = [
            ["both", int((one & other).sum())],
            [f"only {first}", int((one & ~other).sum())],
            [f"only {second}", int((~one & other).sum())],
            ["neither", int((~one & ~other).sum())],
        ]
        return ["who is right", Column("images", ",d")], rows

    def _sentence(self) -> str:
        runs = self.runs
        points, (low, high) = runs.estimate.value, runs.estimate.interval()
        first, second = map(printable, self.names)
        if points < 0:
            first, second, points, low, high = second, first, -points, -high, -low
        return (
            f"They name different classes for {int(self.differ.sum()):,} of {runs.images:,} "
            f"images. {first} is ahead of {second} by {100 * points:.2f} points "
            f"({100 * low:+.2f} to {100 * high:+.2f}; McNemar's p {runs.p_exact:.2g}): these two "
            "runs, not how they were trained."
        )


def disagreement(
    one: RunPredictions, other: RunPredictions, *, names: tuple[str, str] = ("one", "other")
) -> Disagreement:
    """Returns where two runs disagree.

    Args:
        one: what the first run says; see `run_predictions`.
        other: what the second run says of the same images, in any order.
        names: what the two are called in tables and pictures.

    Raises:
        ConfigurationError: they are not about the same images and labels.
    """
    sides = [_sorted(side, in_order_of_images(side)) for side in (one, other)]
    same = [
        torch.equal(*pair) for pair in zip(*([s.images, s.targets] for s in sides), strict=True)
    ]
    if not all(same):
        raise ConfigurationError(
            "The two runs were tested on different images or labels, so there is no image on which "
            "they could disagree. Compare runs of one test set."
        )
    return Disagreement(sides[0], sides[1], names)


def _sorted(side: RunPredictions, order: Int64[np.ndarray, "rows"]) -> RunPredictions:
    rows = torch.from_numpy(order)
    return RunPredictions(
        side.labels[rows], side.probabilities[rows], side.targets[rows], side.images[rows]
    )
