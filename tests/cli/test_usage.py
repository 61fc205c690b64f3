"""How commands are called: usage errors, quick help, threads, options that are settings."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.cli.commands import train

from fmnistlab.cli.main import run
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.version import __version__


@pytest.mark.parametrize(
    ("words", "form", "said"),
    [
        ([], "", "the following arguments are required: COMMAND"),
        (["trian", "cnn"], "", "there is no command 'trian'. Did you mean 'train'?"),
        (
            ["nothing"],
            "",
            "Choose from train, evaluate, predict, verify, compare, ",
        ),
        (["--jsn", "models"], "", "there is no option '--jsn'."),
        (["train"], "train", "the following arguments are required: MODEL"),
        (["train", "cnn", "--epoch", "1"], "train", "no option '--epoch'. Did you mean '--epochs'"),
        (["train", "cnn", "--jsn"], "train", "no option '--jsn'. Did you mean '--json'"),
        (["train", "cnn", "--epoch=1"], "train", "no option '--epoch'. Did you mean '--epochs'"),
        (["train", "cnn", "--execution", "recordd"], "train", "Did you mean 'recorded'?"),
        (["train", "cnn", "linearnet"], "train", "there is no place for the argument 'linearnet'"),
        (["models", "--name"], "models", "there is no option '--name'. Did you mean '--names'"),
    ],
)
def test_wrong_usage_is_told_in_three_lines(
    words: list[str], form: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(words)
    assert stopped.value.code == 2
    usage, error, hint = capsys.readouterr().err.splitlines()
    name = f"fmnistlab {form}".strip()
    assert usage.startswith(f"usage: {name} [OPTION ...] ")
    assert error.startswith("fmnistlab: error: ")
    assert said in error
    assert hint == f"see: {name} --help"


def test_every_command_is_told_in_one_line_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands with the words that they take, in their order."""
    for name, form in {
        "train": "MODEL",
        "evaluate": "RUN",
        "predict": "RUN IMAGE ...",
        "verify": "RUN",
        "models": "[MODEL]",
        "recipes": "[RECIPE]",
        "data": "[FILE ...]",
    }.items():
        with pytest.raises(SystemExit):
            run([name, "--nothing-of-this-name", "x", "y"])
        usage = capsys.readouterr().err.splitlines()[0]
        assert usage == f"usage: fmnistlab {name} [OPTION ...] {form}"


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)


def test_help_and_import_are_light() -> None:
    """Neither needs torch, and help takes less than 0.3 s of a processor's time."""
    heavy = ("torch", "pandas", "sklearn", "matplotlib", "numpy")
    code = f"import sys, fmnistlab; print([m for m in {heavy} if m in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"
    code = (
        "import sys; from fmnistlab.cli.main import build_parser; build_parser().format_help(); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    assert python("-c", code).stdout.strip() == "[]"
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "commands" in python("-m", "fmnistlab", "--help").stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3


@pytest.mark.parametrize(
    ("words", "torch_is_there"),
    [(["data", "missing.csv"], True), (["models", "--names"], False), (["train"], False)],
)
def test_what_a_command_imports_is_no_garbage_and_the_rest_may_be(
    words: list[str], torch_is_there: bool
) -> None:
    code = (
        f"import gc, sys; from fmnistlab.cli.process import run_process; run_process({words}); "
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000, 'torch' in sys.modules)"
    )
    last = python("-c", code).stdout.splitlines()[-1]
    assert last == f"True {torch_is_there} {torch_is_there}"


def test_the_version_is_told() -> None:
    assert python("-m", "fmnistlab", "--version").stdout == f"fmnistlab {__version__}\n"


def test_a_closed_pipe_is_quiet() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fmnistlab", "models", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_a_training_takes_one_thread_unless_told_otherwise(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        "fmnistlab.cli.epoch_table.EpochTable.on_epoch_end",
        lambda *_: seen.append(torch.get_num_threads()),
    )
    before = torch.get_num_threads()
    assert train("--epochs", "1") == 0
    assert train("--epochs", "1", "--threads", "2", "--out", "two") == 0
    assert seen == [1, 2]
    assert torch.get_num_threads() == before
    recorded = [json.loads(Path(d, "config.json").read_text())["threads"] for d in ("out", "two")]
    assert recorded == [1, 2]


def test_threads_are_measured_on_batches_that_fit_into_memory(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fmnistlab.experiments.experiment.fastest_threads", lambda work: (1, {1: 0.1})
    )
    assert train("--epochs", "1", "--threads", "auto", "--batch-size", "1000000000") == 0
    assert json.loads(Path("out/config.json").read_text())["threads"] == 1


def test_the_options_of_a_training_are_settings_of_the_library() -> None:
    """Messages find the option of a setting by that: see `fmnistlab.foundation.wording`."""
    from fmnistlab.cli.main import build_parser

    settings = build_parser().parse_args(["train", "cnn"]).settings
    fields = {field.name for field in dataclasses.fields(ExperimentConfig)}
    fields |= {field.name for field in dataclasses.fields(Recipe)}
    assert set(settings) - fields == {"changes", "help", "json", "report", "verbose"}
    assert settings["learning_rate"] == "--lr"
    assert settings["checkpoint_steps"] == "--checkpoint-steps"
