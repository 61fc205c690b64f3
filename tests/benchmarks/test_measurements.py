"""The benchmarks judge rightly: statistics, turns, refusals, tables. Nothing is measured here."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.commands import ablation, train
from benchmarks.commands.ablation import WAYS
from benchmarks.commands.options import MODELS
from benchmarks.learning import AFTER_ONE_EPOCH, check_learned
from benchmarks.processes import ROOT, Measurement, MeasurementError, run_worker, time_command
from benchmarks.report.comparison import honest_note
from benchmarks.report.markdown import significant
from benchmarks.results_file import Section, merge_results, read_results, sections_of
from benchmarks.rounds import Entry, Job, Settings, take_turns
from benchmarks.summaries import Spread, paired_ratios, spread
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import __main__ as program
from benchmarks import gpu, training_job
from fmnistlab.testing import tiny_dataset

ENVIRONMENT: dict[str, object] = {
    "date": "2026-01-02",
    "system": "Linux",
    "processor": "abacus",
    "cores": 2,
    "load_average": 0.1,
    "python": "3.11.0",
    "packages": {"torch": "2.0", "keras": None},
}


def measured(seconds: list[float], **numbers: float) -> Entry:
    return Entry("measured", [{"seconds": value, **numbers} for value in seconds])


def training(model: str = "cnn", **entries: Entry) -> Section:
    settings: Settings = {"model": model, "threads": 2, "batch_size": 32, "images": 48_000}
    return Section("train", settings, ENVIRONMENT, entries)


def row_of(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_quartiles_of_five_numbers_are_the_second_and_the_fourth() -> None:
    assert spread([50, 10, 40, 20, 30]) == Spread(20, 30, 40, 5)


def test_a_single_number_is_its_own_quartiles() -> None:
    assert spread([7]) == Spread(7, 7, 7, 1)


@given(st.lists(st.floats(0.001, 1000), min_size=1))
def test_quartiles_stand_around_the_median_and_within_the_numbers(values: list[float]) -> None:
    low, median, high, count = spread(values)
    slack = 1e-9 * max(values)
    assert min(values) - slack <= low <= median + slack
    assert median - slack <= high <= max(values) + slack
    assert median == pytest.approx(statistics.median(values))
    assert count == len(values)


def test_ratios_are_paired_by_round() -> None:
    # The machine was ten times as slow in the second round, for both.
    assert paired_ratios([2, 40, 3], [1, 10, 1]) == [2, 4, 3]


@given(st.lists(st.floats(0.1, 10), min_size=1), st.floats(0.1, 10))
def test_a_machine_that_slows_down_both_changes_no_ratio(slowness: list[float], own: float) -> None:
    ratios = paired_ratios([3 * own * factor for factor in slowness], [own * f for f in slowness])
    assert ratios == pytest.approx([3] * len(slowness))


def test_ratios_of_unlike_numbers_of_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratios([1, 2], [1])


@pytest.mark.parametrize("loss", [math.log(10), 0.1, math.nan, math.inf])
def test_a_model_that_did_not_learn_is_refused(loss: float) -> None:
    with pytest.raises(MeasurementError, match="did not learn"):
        check_learned({"seconds": 1.0, "loss": loss}, AFTER_ONE_EPOCH["linearnet"])


def test_a_model_that_learned_is_let_through() -> None:
    measurement = {"seconds": 1.0, "loss": 0.5}
    assert check_learned(measurement, AFTER_ONE_EPOCH["cnn"]) == measurement


def test_contenders_take_turns() -> None:
    heard: list[tuple[str, int]] = []

    def job(name: str) -> Job:
        def measure(number: int) -> Measurement:
            heard.append((name, number))
            return {"seconds": number}

        return Job(name, {}, measure)

    entries = take_turns([job("a"), job("b")], 2, unmeasured=1)
    assert heard == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert entries == [measured([1, 2]), measured([1, 2])]


def test_one_that_fails_keeps_nothing_and_hinders_nobody() -> None:
    def fails_late(number: int) -> Measurement:
        if number == 2:
            raise MeasurementError("out of breath")
        return {"seconds": 1}

    jobs = [Job("weak", {}, fails_late), Job("strong", {}, lambda number: {"seconds": number})]
    weak, strong = take_turns(jobs, 3)
    assert weak == Entry("failed", [], "out of breath")
    assert strong == measured([1, 2, 3])


def test_one_that_is_not_installed_is_named() -> None:
    (entry,) = take_turns([Job("x", {}, lambda _: {}, ("json", "no_such_package"))], 1)
    assert entry == Entry("not installed", [], "no_such_package")


def test_new_results_replace_those_of_the_same_settings_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    merge_results(path, [training("cnn", eager=measured([1])), training("linearnet")])
    merge_results(path, [training("cnn", eager=measured([2]))])
    assert read_results(path) == [training("cnn", eager=measured([2])), training("linearnet")]


def test_results_of_the_same_settings_are_one_table() -> None:
    jobs = [Job(name, {"threads": n}, lambda _: {}) for n in (1, 2) for name in ("a", "b")]
    sections = sections_of("train", jobs, [measured([n]) for n in range(4)], ENVIRONMENT)
    assert [section.settings for section in sections] == [{"threads": 1}, {"threads": 2}]
    assert [section.values("b") for section in sections] == [[1], [3]]


def test_a_results_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"format": 99, "sections": []}), encoding="utf-8")
    with pytest.raises(SystemExit, match="format 99"):
        read_results(path)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0123456, "0.0123"),
        (0.9996, "1.00"),
        (1.5, "1.50"),
        (12.345, "12.3"),
        (123.6, "124"),
        (12345, "12,300"),
        (0, "0"),
    ],
)
def test_numbers_have_three_significant_digits(number: float, text: str) -> None:
    assert significant(number) == text


def test_whoever_beats_fmnistlab_is_named() -> None:
    section = training(
        jax=measured([1, 2, 3]),
        eager=measured([2.1, 3.9, 6]),
        skorch=measured([4, 8, 12]),
        fmnistlab=measured([2, 4, 6]),
        fmnistlab_eager=measured([1, 1, 1]),
    )
    note = honest_note(section, {"jax": "JAX", "eager": "by hand"})
    assert note == (
        "**Faster than fmnistlab**: JAX, 2.00 (2.00 to 2.00) times. "
        "Not to be told apart from fmnistlab: by hand, 1.00 (0.976 to 1.01) times."
    )


def test_nobody_is_named_who_is_slower() -> None:
    assert honest_note(training(eager=measured([2]), fmnistlab=measured([1])), {}) == ""


def test_the_report_has_medians_quartiles_ratios_and_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    scaling = [
        training(
            tutorial=measured([8.0 * images]),
            dataloader=measured([4.0 * images]),
            eager=measured([2.0 * images]),
            fmnistlab=measured([1.0 * images]),
        )._replace(
            command="scaling",
            settings={"model": "cnn", "threads": 2, "batch_size": size, "images": images},
        )
        for size, images in ((8, 48_000), (32, 48_000), (32, 1_000))
    ]
    epoch = training(
        tutorial=measured([10, 20, 30, 40, 500], loss=0.5),
        keras=Entry("not installed", [], "keras"),
        skorch=Entry("failed", [], "did not learn"),
        fmnistlab=measured([5, 5, 10, 8, 100], loss=0.4, peak_rss_bytes=250e6),
    )
    merge_results(results, [epoch, *scaling])
    pictures = [tmp_path / "epoch.png", tmp_path / "scaling.png"]
    options = ["--picture", str(pictures[0]), "--scaling-picture", str(pictures[1])]
    assert program.main(["report", "--results", str(results), *options]) == 0
    text = capsys.readouterr().out
    assert row_of(text, "fmnistlab") == [
        "8.00 (5.00 to 10.0)",
        "5",
        "4.00 (3.00 to 5.00)",
        "0.400",
        "",
        "250",
    ]
    assert row_of(text, "Keras on torch")[0] == "not installed: keras"
    assert row_of(text, "skorch")[0] == "failed: did not learn"
    assert row_of(text, "8") == [
        "48,000",
        "8,000",
        "4,000",
        "2,000",
        "1,000",
        "8.00",
        "4.00",
        "2.00",
    ]
    assert "on abacus, 2 cores" in text
    assert "torch 2.0." in text
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_fails_if_one_did_not_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def no_folder() -> Iterator[Path]:
        yield tmp_path

    def result(_module: str, contender: str, *_: object, threads: int) -> Measurement:
        return {"seconds": 1.0, "loss": 2.303 if contender == "eager" else 0.5}

    monkeypatch.setattr(train, "image_folder", no_folder)
    monkeypatch.setattr(training_job, "run_worker", result)
    command = ["train", "--rounds", "2", "--models", "cnn", "--out", str(tmp_path / "out.json")]
    assert program.main([*command, "--contenders", "tutorial", "eager"]) == 1
    told = capsys.readouterr()
    assert row_of(told.out, "hand-written, resident")[0].startswith("failed: did not learn")
    assert row_of(told.out, "tutorial's loop")[0] == "1.00 (1.00 to 1.00)"
    assert "FAILED train: eager: did not learn: loss 2.303" in told.err
    assert program.main([*command, "--contenders", "tutorial"]) == 0


def test_the_parent_process_stays_small_and_needs_no_package_but_ours() -> None:
    code = (
        "import sys, benchmarks.__main__\n"
        "print({'torch', 'numpy', 'pandas', 'lightning', 'matplotlib'} & {*sys.modules})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(MeasurementError, match="invalid choice: 'nobody'"):
        run_worker("worker", "nobody", "--model", "cnn", threads=1)
    with pytest.raises(MeasurementError, match="ZeroDivisionError"):
        time_command([sys.executable, "-c", "1 / 0"], threads=1)


@pytest.mark.parametrize("contender", ["tutorial", "dataloader", "eager", "fmnistlab"])
def test_contenders_without_other_packages_really_train(tmp_path: Path, contender: str) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("fit", 128), ("valid", 32)):
        labels = np.arange(count) % 10
        pixels = generator.integers(0, 25, (count, 28, 28)) + 22 * labels[:, None, None]
        np.save(tmp_path / f"{part}-pixels.npy", pixels.astype(np.uint8))
        np.save(tmp_path / f"{part}-labels.npy", labels)
    result = run_worker(
        "worker", contender, "--model", "linearnet", "--folder", tmp_path, threads=1
    )
    assert 0 < result["seconds"] < 60
    assert result["setup_seconds"] > 0
    assert result["peak_rss_bytes"] > 50e6
    assert result["loss"] < math.log(10)


def test_the_script_for_a_gpu_compares_and_measures() -> None:
    device, data = torch.device("cpu"), tiny_dataset(1600)
    apart = gpu.fifty_steps(device, "recorded", data)
    assert set(apart) == {"linearnet", "cnn", "dropout"}
    for found in apart.values():
        assert 0 < found["largest difference of weights"] < 0.01 < found["largest weight"]
    measured = gpu.epochs(device, "auto", data.select(range(64)))
    assert {len(way["all"]) for ways in measured.values() for way in ways.values()} == {gpu.ROUNDS}


def test_a_part_of_the_recorded_step_is_compared_within_rounds() -> None:
    rounds = [{f"{m} {way}": 10.0 * n for m in MODELS for way in WAYS} for n in (1, 2, 4)]
    for measurement in rounds:
        measurement["cnn eager"] *= 1.5
    section = Section("ablation", {"threads": 1}, {}, {"step": Entry("measured", rounds)})
    lines = ablation.describe([section]).splitlines()
    rows = [line for line in lines if line.startswith("| eager |")]
    assert rows == [
        "| eager | 10.0 | 20.0 | 1.00 (1.00 to 1.00) | 3 |",
        "| eager | 15.0 | 30.0 | 1.50 (1.50 to 1.50) | 3 |",
    ]
