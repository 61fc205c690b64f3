"""`fmnistlab data audit`, and what `predict` says of a whole test set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.auditing.planted import with_faults
from tests.cli.commands import error_of, train

from fmnistlab.cli.main import run
from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.dataset import FashionMNISTCSV


def test_a_file_is_audited_and_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_faults().to_csv("mine.csv")
    assert run(["data", "audit", "mine.csv"]) == 0
    printed = capsys.readouterr()
    assert "equal images                  1 group of 2 images" in printed.out
    assert "labels in doubt               not checked" in printed.out
    assert "near duplicates: 1 comparison of" in printed.err
    assert "about" in printed.err


def test_a_folder_has_two_parts_and_json_has_everything(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "audit", ".", "--model", "linearnet", "--folds", "2", "--seeds", "1"]
    assert run([*words, "--epochs", "2", "--near", "0", "--device", "cpu", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [part["images"] for part in content["parts"]] == [200, 50]
    assert content["near_distance"] is None
    assert content["checked"] == 250
    assert content["checked_by"] == "1 x 2 trainings of linearnet"
    assert len(content["drift"]) == 1


def test_runs_tell_which_test_labels_are_in_doubt_and_pictures_are_drawn(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    capsys.readouterr()
    assert run(["data", "audit", ".", "--model", "out", "--near", "90", "--pictures", "new/p"]) == 0
    printed = capsys.readouterr()
    assert "by 1 run of linearnet" in printed.out
    assert "note: labels of 200 images were not checked" in printed.out
    drawn = {path.name for path in Path("new/p").iterdir()}
    assert drawn <= {"near.png", "labels.png"}
    assert "near.png" in drawn
    assert printed.err.count("picture: ") == len(drawn)


def test_a_file_of_the_commands_name_is_still_a_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_faults().to_csv("audit.csv")
    shutil.move("audit.csv", "audit")
    assert run(["data", "./audit"]) == 0
    assert "60 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--near", "far"], "--near is 'far'; use a number of grey levels"),
        (["--near", "-3"], "--near is -3.0"),
        (["--folds", "1"], "--folds is 1; use a whole number from 2"),
        (["--most", "0"], "--most is 0"),
        (["--model", "lineernet"], "linearnet"),
        (["nothing.csv"], "nothing.csv"),
    ],
)
def test_wrong_words_are_one_line(
    tiny: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [] if words[0] == "nothing.csv" else ["fashion-mnist_train.csv"]
    assert run(["data", "audit", *places, *words]) in (2, 3)
    lines = capsys.readouterr().err.splitlines()
    assert told in lines[-1]
    assert lines[-1].startswith("fmnistlab: error: ")


def test_an_unknown_option_is_told_by_the_command_that_it_is_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["data", "audit", "--neer", "3"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "usage: fmnistlab data audit [OPTION ...] [FILE|DIR ...]" in told
    assert "--near" in told


def test_a_whole_test_set_is_predicted_with_the_hash_of_each_image(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    capsys.readouterr()
    assert run(["predict", "out", "--split", "test", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    test = FashionMNISTCSV("fashion-mnist_test.csv.gz")
    names = [name.tobytes().hex() for name in image_hashes(test.data.numpy())]
    assert [image["sha256"] for image in said] == names
    assert [image["row"] for image in said] == list(range(50))
    for image in said:
        assert image["class"] == max(image["probabilities"], key=image["probabilities"].get)
    assert [test.class_to_idx[image["true"]] for image in said] == test.targets.tolist()
    assert run(["predict", "out", "--split", "test"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 52
    # Of single images the hash is told too, wherever the options stand.
    assert run(["predict", "out", "--json", "fashion-mnist_test.csv.gz:7"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["sha256"] == names[7]


def test_two_runs_are_told_to_disagree(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--epochs", "1") == 0
    assert train("--out", "other", "--seed", "1") == 0
    capsys.readouterr()
    words = ["predict", "out", "--split", "test", "--against", "other"]
    assert run(words) == 0
    said = capsys.readouterr().out
    assert "McNemar" in said
    assert "only other" in said
    assert run([*words, "--json", "--picture", "differ.png"]) == 0
    with Image.open("differ.png") as picture:
        assert picture.width > 300
    sides = json.loads(capsys.readouterr().out)
    pairs = [[image["sha256"] for image in sides[side]] for side in ("one", "other")]
    assert pairs[0] == pairs[1]
    assert np.all(np.diff([int(name[:12], 16) for name in pairs[0]]) >= 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--split", "test", "bundled:0"], "name no IMAGE"),
        (["bundled:0", "--split", "test"], "name no IMAGE"),
        (["--split", "test", "--invert"], "name no IMAGE"),
        (["--split", "test", "--picture", "p.png"], "add --against RUN"),
        (["--against", "out"], "add --split test"),
        ([], "There is nothing to predict"),
    ],
)
def test_images_and_splits_do_not_go_together(
    finished: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(finished), *words]) == 2
    assert told in error_of(capsys)
