from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.cli.commands import error_of, train

from fmnistlab.cli.main import run
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.testing import tiny_dataset, write_tiny_csv

RUN_FILES = {
    "checkpoint.safetensors",
    "config.json",
    "confusion.png",
    "curves.png",
    "history.csv",
    "history.json",
    "mistakes.png",
    "predictions.safetensors",
    "result.json",
    "samples.png",
}


def test_training_writes_a_whole_run_folder(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--batch-size", "8", "--lr", "0.002", "--seed", "7") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == [
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "seconds",
    ]
    assert [line.split()[0] for line in printed[1:4]] == ["1", "2", "3"]
    assert printed[4].startswith("test: loss ")
    assert printed[5] == "run folder: out"
    assert {path.name for path in (tiny / "out").iterdir()} == RUN_FILES
    config = json.loads((tiny / "out/config.json").read_text())
    assert config["model"] == {"name": "linearnet", "options": {}}
    assert config["recipe"]["learning_rate"] == 0.002
    assert (config["seed"], config["recipe"]["batch_size"]) == (7, 8)
    assert (config["data"]["fit"]["rows"], config["data"]["valid"]["rows"]) == (160, 40)
    result = json.loads((tiny / "out/result.json").read_text())
    assert result["test"]["count"] == 50
    assert result["parameters"] == 218_058
    assert len((tiny / "out/history.csv").read_text().splitlines()) == 4


def test_the_same_seed_gives_the_same_model(tiny: Path) -> None:
    assert train("--seed", "1") == 0
    assert (
        run(["train", "LinearNet", "--data", ".", "--epochs", "3", "--seed", "1", "--out", "b"])
        == 0
    )
    one, other = (json.loads(Path(d, "result.json").read_text()) for d in ("out", "b"))
    assert one["test"] == other["test"]


def test_json_is_all_that_is_printed(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["folder"] == "out"
    assert printed["test"]["count"] == 50


def test_verbose_training_logs_lines(tiny: Path) -> None:
    command = [sys.executable, "-m", "fmnistlab", "train", "linearnet", "--data", ".", "-v"]
    done = subprocess.run(
        [*command, "--epochs", "1", "--batch-size", "1"], capture_output=True, text=True, check=True
    )
    assert "epoch 1/1, batch 100/160: loss " in done.stderr
    assert "training linearnet on cpu: 160 images to learn from" in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = (tiny / "runs").iterdir()
    assert folder.name.startswith("linearnet-")


def test_without_matplotlib_only_the_pictures_are_missing(tiny: Path) -> None:
    block = "import sys; sys.modules['matplotlib'] = None; from fmnistlab.cli.main import run; "
    call = "sys.exit(run(['train', 'linearnet', '--data', '.', '--epochs', '1', '--out', 'out']))"
    done = subprocess.run(
        [sys.executable, "-c", block + call], capture_output=True, text=True, check=True
    )
    assert "note: no pictures were drawn" in done.stderr
    assert {path.name for path in (tiny / "out").iterdir()} == {
        name for name in RUN_FILES if not name.endswith(".png")
    }


def test_evaluate_repeats_the_test_result(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("--json")
    trained = json.loads(capsys.readouterr().out)
    assert run(["evaluate", "out", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["accuracy"] == trained["test"]["accuracy"]
    assert again["loss"] == trained["test"]["loss"]
    assert run(["evaluate", "out", "--data", "fashion-mnist_train.csv"]) == 0
    printed = capsys.readouterr().out
    assert "200 images" in printed
    assert "Ankle boot" in printed


def test_evaluate_refuses_a_test_set_that_has_changed(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train()
    write_tiny_csv(tiny / "fashion-mnist_test.csv.gz", rows=50, seed=2)
    capsys.readouterr()
    assert run(["evaluate", "out"]) == 3
    assert "no longer the test set of this run" in error_of(capsys)


def test_a_single_file_is_split_in_three(tiny: Path) -> None:
    words = ["--data", "fashion-mnist_train.csv", "--out", "single", "--epochs", "1"]
    assert run(["train", "linearnet", *words]) == 0
    data = json.loads((tiny / "single/config.json").read_text())["data"]
    assert [data[part]["rows"] for part in ("fit", "valid", "test")] == [128, 32, 40]
    assert run(["evaluate", "single"]) == 0


def test_predict_reads_rows_and_pictures(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.setenv("COLUMNS", "200")  # the table is cut to the width of a terminal
    train()
    Image.fromarray(np.asarray(tiny_dataset().data[3])).save("dress.png")
    Image.new("L", (60, 40), 250).save("white.png")
    Image.new("L", (30, 30)).save(
        "moving.gif", save_all=True, append_images=[Image.open("white.png")]
    )
    capsys.readouterr()
    words = ["fashion-mnist_train.csv:0-2", "fashion-mnist_train.csv:7", "dress.png", "white.png"]
    words.append("moving.gif")
    assert run(["predict", "out", *words]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 2 + 7
    assert "fashion-mnist_train.csv:7" in printed.out
    assert "white.png: the background is bright" in printed.err
    assert "note: moving.gif: holds several frames" in printed.err
    assert "note: moving.gif: shows hardly anything" in printed.err
    assert (tiny / "out/predictions.png").stat().st_size > 1000
    assert run(["predict", "out", "fashion-mnist_train.csv", "--json", "--picture", "x.png"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) == 200
    assert sum(entries[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert entries[3]["true"] == "Dress"
    assert run(["predict", "out", "white.png", "--invert"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fashion-mnist_train.csv:190-200"], 2, "there is no row 200; it has 200 rows, 0 to 199."),
        (["fashion-mnist_train.csv:0,900-901"], 2, "there is no row 900; it has 200 rows"),
        (["fashion-mnist_train.csv:5-2"], 2, "5-2 runs backwards; the rows from 2 to 5 are 2-5."),
        (["fashion-mnist_train.csv:1,,2"], 2, "'' is no row; name rows as 7, or 3,5,10-12."),
        (["fashion-mnist_train.csv:1-2-3"], 2, "'1-2-3' is no row"),
        (["fashion-mnist_train.csv:"], 2, "'' is no row"),
        (["fashion-mnist_train.csv:-1"], 2, "'-1' is no row"),
        (["fashion-mnist_train.csv:\u0663"], 2, "is no row"),
        (["fashion-mnist_train.csv:" + "9" * 5000], 2, "is no row"),
        (
            ["fashion-mnist_train.csv:0-999999999999"],
            2,
            "names 1,000,000,000,000 rows; take 100,000",
        ),
        (["bundled:9999-10000"], 2, "bundled: there is no row 10000; it has 10,000 rows"),
        (["bundled:x"], 2, "bundled:x: 'x' is no row"),
        (["bundel:3"], 3, "bundel:3: No such file"),
        (["nothing.png"], 3, "nothing.png: No such file"),
        (["nothing.csv"], 3, "nothing.csv"),
        (["text.png"], 3, "is not a picture"),
        (["cut.png"], 3, "is damaged"),
    ],
)
def test_predict_names_what_it_cannot_read(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    from PIL import Image

    Path("text.png").write_text("hello")
    Image.fromarray(np.asarray(tiny_dataset().data[3])).save("whole.png")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:60])
    train("--json")
    capsys.readouterr()
    assert run(["predict", "out", *words]) == code
    assert said in error_of(capsys)


def test_predict_takes_lists_of_rows_and_the_bundled_images(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("--json")
    capsys.readouterr()
    words = ["fashion-mnist_train.csv:7,3,10-12,3", "bundled:0-1"]
    assert run(["predict", "out", *words, "--json", "--picture", "x.png"]) == 0
    entries = json.loads(capsys.readouterr().out)
    names = [f"fashion-mnist_train.csv:{row}" for row in (7, 3, 10, 11, 12, 3)]
    assert [entry["image"] for entry in entries] == [*names, "bundled:0", "bundled:1"]
    data, bundled = FashionMNISTCSV("fashion-mnist_train.csv"), FashionMNISTCSV.bundled("test")
    labels = [*data.targets[[7, 3, 10, 11, 12, 3]].tolist(), *bundled.targets[:2].tolist()]
    assert [entry["true"] for entry in entries] == [data.classes[label] for label in labels]
    assert entries[1]["probabilities"] == entries[5]["probabilities"]
    assert run(["predict", "out", "bundled", "--json", "--picture", "x.png"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 10_000
    for name in ("bundled", "a.csv:3", "bundled:0"):  # a file of the whole name comes first
        Path(name).write_bytes(Path("fashion-mnist_train.csv").read_bytes())
    assert run(["predict", "out", "bundled"]) == 3
    assert "bundled: is not a picture" in error_of(capsys)
    assert run(["predict", "out", "bundled:0"]) == 3
    assert "bundled:0: is not a picture" in error_of(capsys)
    assert run(["predict", "out", "a.csv:3", "--json", "--picture", "x.png"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 200


def test_two_files_of_any_names_are_recorded_and_found_again(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fashion-mnist_train.csv").rename("one.csv")
    Path("fashion-mnist_test.csv.gz").rename("two.csv.gz")
    both = ["--train", "one.csv", "--test", "two.csv.gz"]
    words = ["train", "linearnet", "--epochs", "1", "--json", "--out", "out"]
    assert run([*words, *both]) == 0
    trained = json.loads(capsys.readouterr().out)
    data = json.loads(Path("out/config.json").read_text())["data"]
    assert (data["source"], data["test_source"]) == (
        str(tiny / "one.csv"),
        str(tiny / "two.csv.gz"),
    )
    assert (data["fit"]["rows"], data["test"]["rows"]) == (160, 50)
    assert run([*words, *both, "--resume"]) == 0
    assert run(["verify", "out"]) == 0
    capsys.readouterr()
    for again in ([], ["--test", "two.csv.gz"], ["--data", "two.csv.gz"]):
        assert run(["evaluate", "out", "--json", *again]) == 0
        assert json.loads(capsys.readouterr().out)["loss"] == trained["test"]["loss"]
    assert run([*words, "--train", "one.csv", "--test", "one.csv", "--resume"]) == 2
    assert "is the training set too" in error_of(capsys)
    assert run([*words, "--train", "one.csv", "--out", "new"]) == 2
    assert "--train and --test belong together" in error_of(capsys)
    assert run(["train", "linearnet", "--data", ".", *both, "--out", "new"]) == 2
    assert "stand in the place of --data" in error_of(capsys)
    assert not Path("new").exists()
    assert run(["data", *both, "--json"]) == 0
    assert [entry["rows"] for entry in json.loads(capsys.readouterr().out)] == [200, 50]
    assert run(["data", "one.csv", *both]) == 2
    assert run(["data", *both, "--expect", "fashion-mnist"]) == 3
    assert run(["data", *both, "--export", "plain"]) == 2


def test_models_lists_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--names"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["cnn", "linearnet"]
    assert run(["models", "--names", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[:2] == ["cnn", "linearnet"]
    assert run(["models"]) == 0
    printed = capsys.readouterr().out
    assert "cnn" in printed
    assert "26,194" in printed
    assert "218,058" in printed
    assert run(["models", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["cnn"]["package"] == "fmnistlab"
    assert entries["cnn"]["error"] is None
    assert run(["models", "cnn"]) == 0
    assert "Conv2d" in capsys.readouterr().out
    assert run(["models", "cnn", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 26_194


def test_data_shows_checks_and_exports(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "--picture"]) == 0
    printed = capsys.readouterr().out
    assert "60,000 images" in printed
    assert "10,000 images" in printed
    assert "mean 0.28604, deviation 0.35302" in printed
    assert (tiny / "fashion-mnist-samples.png").stat().st_size > 1000
    assert run(["data", "fashion-mnist_train.csv", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["rows"] == 200
    assert entry["classes"]["Bag"] == 20
    assert run(["data", "--export", "plain"]) == 0
    assert FashionMNISTCSV("plain/fashion-mnist_test.csv", cache=False).fingerprint == (
        FashionMNISTCSV.bundled("test").fingerprint
    )
    capsys.readouterr()
    assert run(["data", "--export", "plain"]) == 3
    assert "exists already" in error_of(capsys)
    assert run(["data", "--export", "plain", "fashion-mnist_train.csv"]) == 2
    assert run(["data", "--export", "fashion-mnist_train.csv/below"]) == 3


def test_a_bad_cell_is_one_line_with_its_place(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path("fashion-mnist_train.csv").read_text().splitlines()
    cells = lines[16].split(",")
    cells[37] = "25a"
    lines[16] = ",".join(cells)
    Path("bad.csv").write_text("\n".join(lines))
    assert run(["data", "bad.csv"]) == 3
    said = error_of(capsys)
    assert "bad.csv, line 17, column pixel37: '25a'" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--epochs", "-1"], 2, "--epochs is -1; use"),
        (["--batch-size", "0"], 2, "--batch-size is 0; use"),
        (["--lr", "nan"], 2, "--lr is nan"),
        (["--lr", "-1"], 2, "--lr is -1.0"),
        (["--lr", "inf"], 2, "--lr is inf"),
        (["--lr", "x"], 2, "--lr is 'x'; use a number."),
        (["--epochs", "x"], 2, "--epochs is 'x'; use a whole number."),
        (["--epochs", "9" * 20], 2, "to 1,000,000,000"),
        (["--batch-size", "9" * 20], 2, "to 1,000,000,000"),
        (
            ["--seed", "-1"],
            2,
            "--seed is -1; use a whole number from 0 to 9,223,372,036,854,775,807",
        ),
        (["--seed", "1e3"], 2, "--seed is '1e3'"),
        (["--seed", str(2**63)], 2, "--seed is 9223372036854775808"),
        (["--threads", "0"], 2, "--threads is 0"),
        (["--threads", "9" * 14], 2, "use a whole number from 1 to 1,024"),
        (["--threads", "many"], 2, "--threads is 'many'; use a whole number, or auto"),
        (["--checkpoint-steps", "0"], 2, "--checkpoint-steps is 0"),
        (["--checkpoint-epochs", "1.5"], 2, "--checkpoint-epochs is '1.5'"),
        (["--checkpoint-seconds", "nan"], 2, "--checkpoint-seconds is nan"),
        (["--device", "gpu"], 2, "'gpu' cannot be used here"),
        (["--device", "meta"], 2, "'meta' cannot be used here"),
        (["--device", "cuda:99"], 2, "'cuda:99' cannot be used here"),
        (["--device", "mkldnn"], 2, "'mkldnn' cannot be used here"),
        (["--data", "nothing"], 3, "nothing"),
        (["--data", "empty"], 3, "there is no fashion-mnist_train.csv"),
        (["--out", "fashion-mnist_train.csv"], 1, "cannot be written"),
        (["--out", "fashion-mnist_train.csv/below"], 1, "cannot be written"),
        (["--out", "/proc/nothing"], 1, "cannot be written"),
        (["--out", "full"], 1, "is not empty. Name another folder with --out, remove it first, or"),
        (["--resume", "--out", "full"], 1, "Name another folder with --out; nothing was changed"),
        (["--execution", "cuda_graph", "--device", "cpu"], 2, "--execution cuda_graph is not"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_is_one_clear_line_and_leaves_nothing(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    before = sorted(map(str, tiny.rglob("*")))
    assert train(*words) == code
    assert said in error_of(capsys)
    assert sorted(map(str, tiny.rglob("*"))) == before


def test_an_unknown_model_is_named_with_a_suggestion(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "cn", "--out", "out"]) == 2
    assert "There is no model 'cn'. Did you mean 'cnn'?" in error_of(capsys)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda: Path("out/checkpoint.safetensors").unlink(), 1, "not the folder of a finished"),
        (lambda: Path("out/checkpoint.safetensors").write_bytes(b"x" * 99), 4, "not a fmnistlab"),
        (lambda: Path("out/config.json").write_text("{"), 1, "is not valid JSON"),
        (lambda: Path("out/config.json").write_text("[]"), 1, "must be an object"),
        (lambda: Path("out").rename("elsewhere"), 1, "there is no such run folder"),
    ],
)
def test_a_spoilt_run_folder_is_named(
    tiny: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[], object],
    code: int,
    said: str,
) -> None:
    train("--json")
    spoil()
    capsys.readouterr()
    assert run(["evaluate", "out"]) == code
    assert said in error_of(capsys)


def test_ctrl_c_is_one_line_and_exit_code_130(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fmnistlab.cli.epoch_table.EpochTable.on_epoch_end", interrupt)
    assert train() == 130
    assert capsys.readouterr().err.splitlines()[-1] == "fmnistlab: error: interrupted"
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), 5),
        (OSError(5, "Input/output error"), 1),
        (MemoryError(), 5),
    ],
)
def test_trouble_with_the_machine_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("fmnistlab.models.registry.find_models", fail)
    assert run(["models"]) == code
    assert error_of(capsys)


def test_very_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "nothing", "-vv"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert "fmnistlab.errors.UnknownModelError: There is no model 'nothing'." in said
