"""The examples run as a newcomer runs them: as scripts, in an empty folder, on the real data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.plugin_factory import Plugin

EXAMPLES = Path(__file__).parent.parent / "examples"
PACKAGE = EXAMPLES / "plugin-package"
SMALL = ("width=4", "stages=2", "blocks=1", "pool=true")


def run_python(*words: str | Path, folder: Path, path: Path | None = None) -> str:
    """Runs Python in `folder`, with `path` on sys.path; returns what it printed."""
    # Threads that wait for each other on a busy machine can be ten times as slow as one alone.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def run_example(name: str, folder: Path) -> str:
    """Runs a script for one epoch; it must write into `folder`/out and nowhere else."""
    printed = run_python(EXAMPLES / name, "--epochs", "1", "--out", "out", folder=folder)
    assert [entry.name for entry in folder.iterdir()] == ["out"]
    return printed


def run_pytest(*words: str | Path, folder: Path, path: Path | None = None) -> str:
    """Runs the tests in a folder that knows nothing of this repository's settings."""
    return run_python("-m", "pytest", "-p", "no:cacheprovider", *words, folder=folder, path=path)


def accuracies(printed: str) -> list[float]:
    """Returns every test accuracy that stands in the text, in order."""
    return [float(number) for number in re.findall(r"loss \S+, accuracy (0\.\d+) \(95 %", printed)]


def files(folder: Path) -> set[str]:
    """Returns the names of all files in the example's folder, none of which is empty."""
    assert all(path.stat().st_size > 0 for path in (folder / "out").iterdir())
    return {path.name for path in (folder / "out").iterdir()}


def test_quickstart_learns_predicts_and_saves(tmp_path: Path) -> None:
    printed = run_example("quickstart.py", tmp_path)
    (accuracy,) = accuracies(printed)
    assert 0.7 < accuracy < 0.95
    assert len(re.findall(r"^image \d: .+ \(\d\.\d\d\), (right|wrong)", printed, re.MULTILINE)) == 8
    assert files(tmp_path) == {"predictions.png", "cnn.safetensors"}


def test_tutorial_goes_through_all_sections_to_its_answer(tmp_path: Path) -> None:
    printed = run_example("tutorial.py", tmp_path)
    assert "218,058 of 218,058 parameters" in printed
    assert "26,194 of 26,194 parameters" in printed
    linear, cnn = accuracies(printed)
    assert min(linear, cnn) > 0.7
    better = "linearnet" if linear > cnn else "cnn"
    assert f"In this run {better} is right on {abs(linear - cnn) * 10_000:.0f} more" in printed
    assert re.search(r"The intervals (do not )?overlap", printed)
    pictures = "samples items curves-linearnet curves-cnn curves-both predictions mistakes"
    assert files(tmp_path) == {f"{name}.png" for name in pictures.split()}


def test_tutorial_opens_as_a_notebook() -> None:
    cells = (EXAMPLES / "tutorial.py").read_text(encoding="utf-8").split("# %%")[1:]
    for cell in cells:
        kind, _, body = cell.partition("\n")
        assert body.strip(), "a cell is empty"
        if kind.strip() == "[markdown]":
            assert all(line.startswith("#") for line in body.strip().splitlines()), body
        else:
            assert kind == ""
            compile(body, "cell", "exec")


def test_custom_model_is_checked_trained_and_loaded_by_its_name(tmp_path: Path) -> None:
    printed = run_example("custom_model.py", tmp_path)
    assert "check_model found nothing wrong" in printed
    assert "cnn, linearnet, strided" in printed
    table = dict(re.findall(r"^ *(linearnet|strided) +[\d,]+ +(0\.\d+)", printed, re.MULTILINE))
    assert float(table["linearnet"]) > 0.7
    # The loaded model is the trained one.
    assert accuracies(printed) == [float(table["strided"])]


def test_custom_callback_stops_only_the_training_that_is_lost(tmp_path: Path) -> None:
    printed = run_example("custom_callback.py", tmp_path)
    assert "check_callback found nothing wrong" in printed
    healthy, lost = printed.split("learning rate ")[1:]
    assert "ran to its end" in healthy
    assert "stopped: a mean loss of" in lost
    assert files(tmp_path) == {"gradients.png"}


def test_own_csv_names_the_damaged_cell_and_keeps_the_images(tmp_path: Path) -> None:
    printed = run_example("own_csv.py", tmp_path)
    assert f"{Path('out', 'damaged.csv')}, line 1204, column pixel37: '25a'" in printed
    assert printed.count("same images: True") == 2
    assert printed.count("the same images as were written: True") == 1
    assert accuracies(printed)[0] > 0.3
    assert files(tmp_path) == {"small.csv", "damaged.csv", "small.csv.gz", "small.csv.xz"}


def test_a_model_and_a_callback_have_their_properties(tmp_path: Path) -> None:
    script = shutil.copy(EXAMPLES / "test_my_model.py", tmp_path)
    assert "3 passed" in run_pytest(script, folder=tmp_path)


def test_every_script_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for script in EXAMPLES.glob("*.py"):
        assert f'("{script.name}"' in tests or f'/ "{script.name}"' in tests


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the plug-in package lies as an installer would leave it.

    The distribution's facts come from the package's own pyproject.toml, so that they are tested.
    """
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    Plugin(
        project["name"],
        _entry_points(project["entry-points"]),
        source=None,
        version=project["version"],
    ).install(folder)
    shutil.copytree(PACKAGE / "src", folder, dirs_exist_ok=True)
    return folder


def _entry_points(groups: dict[str, dict[str, str]]) -> str:
    """The text of entry_points.txt."""
    return "\n".join(
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    )


def test_plugin_package_is_listed_with_its_package_and_version(site: Path, tmp_path: Path) -> None:
    listed = json.loads(
        run_python("-m", "fmnistlab", "models", "--json", folder=tmp_path, path=site)
    )
    (model,) = [model for model in listed if model["name"] == "residual"]
    assert (model["package"], model["version"]) == ("fmnistlab-residual", "0.1.0")
    assert (model["parameters"], model["error"]) == (272_186, None)


def test_plugin_package_is_trained_and_evaluated_by_name(site: Path, tmp_path: Path) -> None:
    words = ["train", "residual", "--epochs", "1", "--out", "run", "--recipe", "residual-hour"]
    words += ["--set", "precision=float32"]  # the recipe's own is slow on an old processor
    for option in SMALL:
        words += ["--model-option", option]
    trained = run_python("-m", "fmnistlab", *words, folder=tmp_path, path=site)
    evaluated = run_python("-m", "fmnistlab", "evaluate", "run", folder=tmp_path, path=site)
    (accuracy,) = accuracies(trained)
    assert accuracy > 0.6  # a narrow one, after one epoch of a recipe that begins slowly
    assert accuracies(evaluated) == [accuracy]
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert result["executed"] == "recorded"


def test_plugin_package_tells_its_options(site: Path, tmp_path: Path) -> None:
    told = run_python("-m", "fmnistlab", "models", "residual", folder=tmp_path, path=site)
    options = re.findall(r"^(\w+) +(int|bool|float) +(\S+)$", told, re.MULTILINE)
    assert [name for name, _, _ in options] == ["width", "stages", "blocks", "pool", "dropout"]


def test_plugin_package_chooses_without_the_test_set(site: Path, tmp_path: Path) -> None:
    script = PACKAGE / "choose.py"
    words = ["--epochs", "1", "--images", "256", "narrow"]
    told = run_python(script, *words, folder=tmp_path, path=site).splitlines()
    assert [line.split()[0] for line in told] == ["candidate", "narrow"]
    assert '"test"' not in script.read_text(encoding="utf-8")


def test_plugin_package_passes_its_own_tests(site: Path, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "package")
    assert "11 passed" in run_pytest(folder=tmp_path / "package", path=site)
