"""The page of a comparison: what can be said, what it rests on, and on which images they differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.runs import ComparedRun
from fmnistlab.reporting.charts.intervals import Cost, Row, costs_chart, intervals_chart
from fmnistlab.reporting.charts.lines import Line, lines_chart
from fmnistlab.reporting.disagreement import Answers, disputed, read_answers
from fmnistlab.reporting.found_images import find_images
from fmnistlab.reporting.page import render
from fmnistlab.reporting.sprite import Sprite
from fmnistlab.training.records.history import History

_MOST_PAIRS: Final = 20
"""Pairs in the chart of differences; the table has all."""

_MOST_DISPUTES: Final = 6
"""Pairs whose images are shown."""

MOST_ROWS: Final = 400
"""Runs, and pairs, in tables and in the numbers inside."""

_MOST_LINES: Final = 7
_MOST_SEEDS: Final = 100
"""Thin lines of a variant."""


def comparison_page(comparison: Comparison, path: Path) -> str:
    """Returns the page of a comparison, as far as its runs are done.

    Args:
        comparison: of what.
        path: where the page will lie, so that links lead from there.
    """
    numbers = {variant.name: place for place, variant in enumerate(comparison.variants)}
    answers = read_answers(comparison.runs)
    notes = list(comparison.notes)
    disputes: list[dict[str, Any]] = []
    sprite = None
    if answers is not None:
        found = find_images(answers.config.data, answers.images)
        notes += [] if found.note is None else [found.note]
        sprite = Sprite(found.images)
        disputes = _disputes(comparison, answers, found.rows, sprite)
    done = sum(run.state == "done" for run in comparison.runs)
    contents = {
        "title": _title(list(numbers)),
        "comparison": comparison,
        "done": done,
        "finished": done == len(comparison.runs),
        "notes": notes,
        "differences": _differences(comparison, numbers),
        "accuracies": _accuracies(comparison, numbers),
        "curves": _curves(comparison),
        "more_lines": len(comparison.variants) > _MOST_LINES,
        "costs": _costs(comparison, numbers),
        "epochs": _epochs(comparison),
        "disputes": disputes,
        "runs_of": {} if answers is None else {n: v.runs for n, v in answers.variants.items()},
        "more_pairs": len(comparison.pairs) > _MOST_DISPUTES,
        "pairs": comparison.pairs[:MOST_ROWS],
        "more": max(0, len(comparison.pairs) - MOST_ROWS),
        "runs": [
            (run, _place(run, comparison.folder), _link(run, path))
            for run in comparison.runs[:MOST_ROWS]
        ],
        "more_runs": max(0, len(comparison.runs) - MOST_ROWS),
        "numbers": _numbers(comparison),
    }
    return render("comparison.html", contents, sprite)


def _title(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _numbers(comparison: Comparison) -> dict[str, Any]:
    """Returns the numbers of the page as values of JSON; `comparison.json` has those left out."""
    found = comparison.to_dict()
    cut = {name: found[name][:MOST_ROWS] for name in ("runs", "pairs", "verdicts")}
    return {"format": 1, **found, **cut, "folder": None}


def _differences(comparison: Comparison, numbers: dict[str, int]) -> object:
    rows = [
        Row(f"{pair.one} \N{MINUS SIGN} {pair.other}", pair.difference, numbers[pair.one])
        for pair in comparison.pairs
        if pair.difference is not None
    ]
    if not rows:
        return None
    return intervals_chart(
        "differences",
        "Differences of accuracy",
        "points of accuracy",
        rows[:_MOST_PAIRS],
        factor=100,
        smallest=comparison.smallest,
    )


def _accuracies(comparison: Comparison, numbers: dict[str, int]) -> object:
    rows = [
        Row(variant.name, variant.estimate, numbers[variant.name])
        for variant in comparison.variants
        if variant.estimate is not None
    ]
    if not rows:
        return None
    return intervals_chart("accuracies", "Accuracies", "accuracy", rows[:_MOST_PAIRS])


def _costs(comparison: Comparison, numbers: dict[str, int]) -> list[Any]:
    charts = []
    for key, label in (("parameters", "parameters"), ("seconds", "seconds of a run")):
        points = [
            Cost(variant.name, cost, variant.estimate, numbers[variant.name])
            for variant in comparison.variants
            if variant.estimate is not None and (cost := getattr(variant, key))
        ]
        if points:
            charts.append(costs_chart(f"cost-{key}", f"Accuracy and {key}", label, points))
    return charts


def _curves(comparison: Comparison) -> list[Any]:
    charts = []
    for key in ("loss", "accuracy"):
        lines = [
            Line(name, _mean(seeds), seeds[:_MOST_SEEDS])
            for name, histories in list(comparison.histories.items())[:_MOST_LINES]
            if (seeds := [_values(history, key) for history in histories])
        ]
        if any(np.isfinite(value) for one in lines for value in one.values):
            title = f"Validation {key} by epoch, the mean and every seed"
            charts.append(lines_chart(f"curve-{key}", title, f"validation {key}", lines))
    return charts


def _epochs(comparison: Comparison) -> list[tuple[str, list[float], list[float]]]:
    """Returns mean validation loss and accuracy of each variant by epoch."""
    return [
        (
            name,
            _mean([_values(history, "loss") for history in histories]),
            _mean([_values(history, "accuracy") for history in histories]),
        )
        for name, histories in list(comparison.histories.items())[:_MOST_LINES]
        if histories
    ]


def _values(history: History, key: str) -> list[float]:
    found = [getattr(record, f"val_{key}") for record in history]
    return [float("nan") if value is None else value for value in found]


def _mean(seeds: Sequence[Sequence[float]]) -> list[float]:
    """Returns the mean of the seeds that came so far, epoch by epoch."""
    longest = max(map(len, seeds))
    return [
        float(np.mean([values[at] for values in seeds if len(values) > at]))
        for at in range(longest)
    ]


def _disputes(
    comparison: Comparison, answers: Answers, rows: np.ndarray, sprite: Sprite
) -> list[dict[str, Any]]:
    found = []
    pairs = [p for p in comparison.pairs if {p.one, p.other} <= set(answers.variants)]
    for pair in pairs[:_MOST_DISPUTES]:
        sides = [
            [
                {
                    "place": None if rows[one.row] < 0 else sprite.place(int(rows[one.row])),
                    "name": bytes(answers.images[one.row].tolist()).hex()[:8],
                    "true": int(answers.targets[one.row]),
                    "disputed": one,
                }
                for one in side
            ]
            for side in disputed(answers, pair.one, pair.other)
        ]
        found.append(
            {
                "one": pair.one,
                "other": pair.other,
                "disagreement": pair.disagreement,
                "sides": list(
                    zip((pair.one, pair.other), (pair.other, pair.one), sides, strict=True)
                ),
            }
        )
    return found


def _place(run: ComparedRun, folder: Path | None) -> str:
    """Returns the name of a run folder, with the way to it if it is not the comparison's own."""
    own = folder is not None and run.folder.is_relative_to(folder)
    return run.folder.name if own else str(run.folder)


def _link(run: ComparedRun, path: Path) -> str | None:
    """Returns the way from the page to a run folder, if it lies beside or below the page."""
    start = path.absolute().parent
    if not run.folder.is_relative_to(start):
        return None
    return f"{Path(os.path.relpath(run.folder, start)).as_posix()}/"
