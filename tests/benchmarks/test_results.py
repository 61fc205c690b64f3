"""The time to a result is judged rightly, and the whole command is taken apart without a rest."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.commands import result, whole_command
from benchmarks.commands.report import with_tables
from benchmarks.contenders import CONTENDERS, import_contender
from benchmarks.contenders.contender import Fitter
from benchmarks.contenders.torch_recipe import torch_recipe
from benchmarks.images import Images
from benchmarks.processes import MeasurementError, run_worker, time_command
from benchmarks.results_file import Section
from benchmarks.rounds import Entry
from benchmarks.task import Task
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fmnistlab.recipes import CLASSIC, Recipe, named_recipe


def trained(seconds: list[float], accuracies: list[float]) -> Entry:
    pairs = zip(seconds, accuracies, strict=True)
    return Entry("measured", [{"seconds": s, "accuracy": a} for s, a in pairs])


def row_of(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_whoever_is_fast_but_worse_has_not_reached_the_result() -> None:
    entries = {
        "fmnistlab_classic": trained([40, 42], [0.905, 0.904]),
        "fmnistlab_fast": trained([10, 12], [0.903, 0.910]),
        "skorch_fast": trained([5, 6], [0.910, 0.890]),
    }
    section = Section("result", {"model": "cnn", "threads": 1, "images": 48_000}, {}, entries)
    text = result.describe([section])
    assert "### cnn, 1 thread: to an accuracy of 0.9039" in text
    assert row_of(text, "fmnistlab, fast") == [
        "11.0 (10.5 to 11.5)",
        "2",
        "3.75 (3.62 to 3.88)",
        "1.00 (1.00 to 1.00)",
        "0.9065",
        "1",
    ]
    assert "**Not reached on average**: skorch, fast." in text
    assert "**Faster than fmnistlab, fast**: skorch, fast, 2.00 (2.00 to 2.00) times." in text


def test_all_are_told_who_take_part() -> None:
    assert set(result.LABELS) == set(result.TURNS)


def test_the_others_can_follow_each_recipe_that_they_are_timed_with() -> None:
    for contender, recipe in result.TURNS.values():
        if contender != "fmnistlab":
            torch_recipe(named_recipe(recipe), 48_000)


seconds = st.floats(0.01, 100)


@given(st.lists(st.tuples(seconds, seconds, seconds, seconds), min_size=1, max_size=5))
def test_the_parts_of_the_whole_command_add_up(rounds: list[tuple[float, ...]]) -> None:
    command = [
        {"seconds": i + e + o + p, "result_seconds": i + e + o, "epoch_seconds": e}
        for i, e, o, p in rounds
    ]
    entries = {
        whole_command.COMMAND: Entry("measured", command),
        whole_command.START: Entry("measured", [{"seconds": i} for i, _, _, _ in rounds]),
    }
    section = Section("command", {"model": "cnn", "threads": 1, "epochs": 3}, {}, entries)
    parts = whole_command.part_by_part(section)
    rest = parts["the whole command less its epochs"]
    told = [values for label, values in parts.items() if label.startswith("of that: ")]
    assert [sum(values) for values in zip(*told, strict=True)] == pytest.approx(rest)
    assert parts["of that: all else"] == pytest.approx([o for _, _, o, _ in rounds], abs=1e-9)
    assert "| of that: all else |" in whole_command.describe([section])


def test_the_time_until_a_line_is_told_apart_from_the_end() -> None:
    script = "import time; print('test: 1', flush=True); time.sleep(0.3); print('more')"
    found = time_command([sys.executable, "-c", script], threads=1, until="test: ")
    assert 0 < found["result_seconds"] < found["seconds"] - 0.2
    with pytest.raises(MeasurementError, match="printed no line that begins with 'test: '"):
        time_command([sys.executable, "-c", "print('none')"], threads=1, until="test: ")


def test_tables_replace_what_stands_between_the_comments_of_their_mark() -> None:
    page = "a\n<!-- x: start -->\nold\n<!-- x: end -->\nb\n"
    assert with_tables(page, "x", "new") == "a\n<!-- x: start -->\nnew\n<!-- x: end -->\nb\n"
    for wrong in ("nothing", page + page, "<!-- x: end -->\n<!-- x: start -->\n"):
        with pytest.raises(SystemExit, match="x: start"):
            with_tables(wrong, "x", "new")


def test_the_page_has_the_place_for_its_tables() -> None:
    page = Path(__file__).parents[2] / "docs" / "benchmarks.md"
    for mark in ("result", "tables"):
        with_tables(page.read_text(encoding="utf-8"), mark, "")


@given(
    epochs=st.integers(1, 3),
    batch_size=st.integers(1, 40),
    images=st.integers(2, 50),
    schedule=st.sampled_from(
        [("constant", 0.0), ("one_cycle", 0.0), ("linear", 0.0), ("linear", 0.7)]
    ),
    optimizer=st.sampled_from(["adam", "adamw"]),
)
def test_the_others_follow_the_recipe_step_by_step(
    epochs: int, batch_size: int, images: int, schedule: tuple[str, float], optimizer: str
) -> None:
    recipe = CLASSIC.replace(
        epochs=epochs,
        batch_size=batch_size,
        schedule=schedule[0],
        warmup_epochs=schedule[1],
        optimizer=optimizer,
    )
    told = torch_recipe(recipe, images)
    steps = epochs * math.ceil(images / batch_size)
    model = nn.Linear(1, 1)
    ours, theirs = recipe.make_optimizer(model), told.optimizer(model.parameters(), **told.settings)
    moved = recipe.make_schedule(ours, steps), told.schedule(theirs)
    for _ in range(steps):
        assert ours.param_groups[0] == theirs.param_groups[0]
        for optimizer_, schedule_ in zip((ours, theirs), moved, strict=True):
            optimizer_.step()
            if schedule_ is not None:
                schedule_.step()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optimizer": "sgd"}, "sgd"),
        ({"schedule": "cosine"}, "cosine"),
        ({"warmup_epochs": 1.0}, "warmup_epochs|constant"),
    ],
)
def test_a_recipe_that_the_others_cannot_follow_is_no_comparison(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(SystemExit, match=f"what is not translated: .*{named}"):
        torch_recipe(CLASSIC.replace(**changes), 100)


@pytest.mark.parametrize("contender", ["eager", "fmnistlab"])
def test_contenders_train_as_a_recipe_says(tmp_path: Path, contender: str) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("fit", 128), ("valid", 40)):
        labels = np.arange(count) % 10
        pixels = generator.integers(0, 25, (count, 28, 28)) + 22 * labels[:, None, None]
        np.save(tmp_path / f"{part}-pixels.npy", pixels.astype(np.uint8))
        np.save(tmp_path / f"{part}-labels.npy", labels)
    recipe = tmp_path / "short.toml"
    recipe.write_text(
        Recipe(epochs=30, batch_size=16, learning_rate=0.01, schedule="one_cycle").to_toml()
    )
    options = ["--model", "linearnet", "--recipe", recipe, "--folder", tmp_path]
    found = run_worker("worker", contender, *options, threads=1)
    assert 0 < found["seconds"] < 60
    assert 0.2 < found["accuracy"] <= 1
    assert found["loss"] < math.log(10)
    with pytest.raises(MeasurementError, match="takes no part where results are measured"):
        run_worker("worker", "tutorial", *options, threads=1)


@pytest.mark.parametrize("contender", ["eager", "lightning", "skorch"])
@pytest.mark.parametrize("model", ["linearnet", "cnn"])
@pytest.mark.parametrize(("schedule", "warmup_epochs"), [("one_cycle", 0.0), ("linear", 1.5)])
def test_the_others_learn_what_fmnistlab_learns(
    contender: str, model: str, schedule: str, warmup_epochs: float
) -> None:
    """Each batch holds all images, so their order does not matter."""
    for package in CONTENDERS[contender].packages:
        pytest.importorskip(package)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (40, 28, 28)).astype(np.uint8)
    images = Images(pixels, np.arange(40) % 10)
    recipe = CLASSIC.replace(
        epochs=6,
        batch_size=40,
        optimizer="adamw",
        weight_decay=0.5,
        learning_rate=3e-3,
        schedule=schedule,
        warmup_epochs=warmup_epochs,
        label_smoothing=0.2,
    )
    weights = []
    for name in ("fmnistlab_eager", contender):
        kind = import_contender(name)
        assert issubclass(kind, Fitter)
        trained = kind(Task(model, 40, 1, seed=0))
        before = trained.scores(pixels).copy()
        trained.fit(images, recipe)()
        weights.append(trained.scores(pixels))
        assert abs(weights[-1] - before).max() > 0.01
    assert np.allclose(weights[0], weights[1], rtol=1e-3, atol=1e-4)
