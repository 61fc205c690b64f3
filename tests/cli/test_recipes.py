"""Recipes and model options on the command line: listed, given, recorded, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import error_of
from tests.plugin_factory import Plugin, installed

import fmnistlab
from fmnistlab.cli.main import run
from fmnistlab.data.augmentation.registry import BUILT_IN
from fmnistlab.recipes import CLASSIC, Recipe
from fmnistlab.training.recipes.file import recipe_of
from fmnistlab.training.recipes.registry import REACHED

SOURCE = """\
import fmnistlab
from torch import nn

QUICK = fmnistlab.Recipe(epochs=1, schedule="cosine", batch_size=64)

class Net(nn.Sequential):
    def __init__(self, hidden: int = 8, act: type = nn.ReLU, *, wide: "int | None" = None):
        super().__init__(nn.Flatten(), nn.Linear(784, hidden), act(), nn.Linear(hidden, 10))
"""
POINTS = "[fmnistlab.models]\nnet = acme:Net\n[fmnistlab.recipes]\nquick = acme:QUICK\n"
BROKEN = "[fmnistlab.recipes]\nbad = bad:MISSING\nclassic = bad:CLASSIC\n"


@pytest.fixture
def plugins(tiny: Path, tmp_path: Path) -> Iterator[Path]:
    """A working folder with data, where a package offers `net` and `quick`, another is broken."""
    with installed(tmp_path / "site", Plugin("acme", POINTS, SOURCE), Plugin("bad", BROKEN, "")):
        yield tiny


def train(*words: str, model: str = "net") -> int:
    return run(["train", model, "--data", ".", "--out", "out", "--json", *words])


def recorded(folder: Path | str = "out") -> tuple[Recipe, dict[str, object]]:
    """The recipe and the model's options in the settings of a run."""
    config = json.loads(Path(folder, "config.json").read_text())
    return Recipe.from_dict(config["recipe"]), config["model"]["options"]


def test_recipes_are_listed_with_what_is_wrong(
    plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-2:] == ["package", "version"]
    table = [line.split() for line in lines]
    for name, reached in REACHED.items():
        (row,) = (row for row in table if row[:1] == [name] and row[-2:-1] == ["fmnistlab"])
        assert " ".join(row[1:-2])[:20] == reached[:20]
        assert row[-1] == fmnistlab.__version__
    assert ["quick", "epochs=1,batch_size=64,schedule=cosine", "acme", "1.0"] in table
    assert any(line.startswith("bad cannot be used: Recipe 'bad' of package bad") for line in lines)
    assert any("classic cannot be used: 'classic' is a built-in recipe" in line for line in lines)
    assert run(["recipes", "--json"]) == 0
    found = {(one["name"], one["package"]): one for one in json.loads(capsys.readouterr().out)}
    assert found["quick", "acme"]["changes"]["epochs"] == 1
    assert "AttributeError" in found["bad", "bad"]["error"]
    assert run(["recipes", "--names"]) == 0
    assert capsys.readouterr().out == "classic\nfast\nbalanced\nbest\nbad\nquick\n"


def test_augmentations_are_listed_with_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = "[fmnistlab.augmentations]\n"
    points = f"{group}shake = acme:Shake\nrandomshift = acme:Shake\nbare = acme:bare\n"
    source = 'class Shake:\n    """Shakes.\n\n    It does."""\ndef bare(): pass\n'
    broken = Plugin("bad", f"{group}bad = bad:MISSING\n", "")
    with installed(here / "site", Plugin("acme", points, source), broken):
        assert run(["recipes", "--augmentations"]) == 0
        lines = capsys.readouterr().out.splitlines()
        table = [line.split() for line in lines]
        assert lines[0].split() == ["name", "does", "package", "version"]
        assert [row[0] for row in table if row[-2:-1] == ["fmnistlab"]] == [*BUILT_IN]
        assert ["shake", "Shakes.", "acme", "1.0"] in table
        assert ["bare", "-", "acme", "1.0"] in table
        assert any(line.startswith("bad cannot be used: Augmentation 'bad' of") for line in lines)
        assert any("'randomshift' is a built-in augmentation" in line for line in lines)
        assert run(["recipes", "--augmentations", "--json"]) == 0
        found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
        assert found["HorizontalFlip"]["does"] == "Mirrors an image left to right, by chance."
    for words in (["classic"], ["--names"]):
        assert run(["recipes", "--augmentations", *words]) == 2
        assert "--augmentations is given alone" in error_of(capsys)


@pytest.mark.parametrize("words", [["recipes", "classic"], ["models", "cnn"]])
def test_names_are_not_those_of_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--names"]) == 2
    assert "--names is given without" in error_of(capsys)


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_recipe_is_shown_as_a_file_that_can_be_given(
    form: str, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--json"] if form == "json" else []
    assert run(["recipes", "Quick", *words]) == 0
    path = Path(f"my.{form}")
    path.write_text(capsys.readouterr().out)
    assert recipe_of(str(path)) == recipe_of("quick")
    assert train("--recipe", str(path)) == 0
    assert recorded()[0] == recipe_of("quick")


def test_a_recipe_settings_and_options_are_recorded_and_used(
    plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("my.toml").write_text('base = "quick"\nweight_decay = 0.5\n')
    words = ["--recipe", "my.toml", "--set", "optimizer=sgd", "--lr", "0.01", "--batch-size", "32"]
    words += ["--set", 'augmentation=[{"name": "RandomShift", "pixels": 1}]']
    words += ["--model-option", "hidden=16"]
    assert train(*words) == 0
    recipe, options = recorded()
    assert recipe == recipe_of("my.toml").replace(
        optimizer="sgd", learning_rate=0.01, batch_size=32, augmentation=recipe.augmentation
    )
    assert [repr(change) for change in recipe.augmentation] == ["RandomShift(pixels=1)"]
    assert options == {"hidden": 16}
    for command in (["evaluate", "out"], ["verify", "out"], ["predict", "out", "bundled:0"]):
        assert run(command) == 0
    capsys.readouterr()
    assert train(*words, "--resume") == 0
    assert train(*words[:-1], "hidden=8", "--resume") == 2
    assert "options" in capsys.readouterr().err
    assert run(["runs", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["options"] == "hidden=16"


def test_python_gives_the_same_run(plugins: Path) -> None:
    assert train("--recipe", "quick", "--model-option", "hidden=16") == 0
    done = fmnistlab.run_experiment(
        "net", data=".", out="other", model_options={"hidden": 16}, recipe=recipe_of("quick")
    )
    result = json.loads(Path("out/result.json").read_text())
    assert done.result["weights_sha256"] == result["weights_sha256"]


def test_the_defaults_are_the_classic_recipe(tiny: Path) -> None:
    assert train("--epochs", "1", model="linearnet") == 0
    assert recorded() == (CLASSIC.replace(epochs=1), {})


WRONG = [
    (["--recipe", "clasic"], "There is no recipe 'clasic'. Did you mean 'classic'?"),
    (["--recipe", "no.toml"], "no.toml: cannot be read: No such file or directory."),
    (["--recipe", "bad"], "Recipe 'bad' of package bad 1.0"),
    (["--set", "epoch=3"], "--set: A recipe has no setting 'epoch'. Did you mean 'epochs'"),
    (["--set", "lr=3"], "--set: A recipe has no setting 'lr'; it is learning_rate."),
    (["--set", "epochs"], "--set: 'epochs' is no setting; write NAME=VALUE"),
    (["--set", "epochs=0"], "--set: epochs is 0; use a whole number"),
    (["--set", "loss=mse"], "--set: loss is 'mse'; a loss is code"),
    (["--epochs", "0"], "--epochs is 0; use a whole number"),
    (["--epochs", "ten"], "--epochs is 'ten'; use a whole number"),
    (["--lr", "high"], "--lr is 'high'; use a number"),
    (["--set", "epochs=1", "--set", "epochs=2"], "--set: epochs is given twice"),
    (["--epochs", "1", "--set", "epochs=1"], "epochs is given twice, by --epochs and by --set"),
    (["--lr", "1", "--set", "learning_rate=1"], "learning_rate is given twice, by --lr and by"),
    (["--model-option", "hiden=3"], "takes no option 'hiden'; its options are hidden, act, wide."),
    (["--model-option", "hidden"], "--model-option: 'hidden' is no option; write NAME=VALUE"),
    (["--model-option", "hidden=[1"], "--model-option: hidden: is not valid JSON"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_cannot_be_trained_is_refused_before_data_is_read(
    words: list[str], said: str, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in plugins.glob("fashion-mnist*"):
        path.unlink()
    assert train(*words) in (1, 2)
    assert said in error_of(capsys)
    assert not Path("out").exists()


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--lr", "--recipe"])
def test_an_option_of_the_recipe_is_given_once(
    option: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train(option, "1", option, "1")
    assert ended.value.code == 2
    assert f"{option} is given twice; give it once." in capsys.readouterr().err


def test_the_options_of_a_model_are_shown(
    plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "net", "--model-option", "hidden=16"]) == 0
    printed = capsys.readouterr().out
    assert f"{784 * 16 + 16 + 170:,} of" in printed
    table = [line.split(maxsplit=2) for line in printed.splitlines()[-3:]]
    assert [row[0] for row in table] == ["hidden", "act", "wide"]
    assert table[0] == ["hidden", "int", "8"]
    assert "ReLU" in table[1][2]
    assert printed.splitlines()[-1].endswith("int | None  null")
    assert run(["models", "net", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"][0] == {
        "name": "hidden",
        "type": "int",
        "default": "8",
    }
    assert run(["models", "--model-option", "hidden=16"]) == 2
    assert "--model-option needs the MODEL" in error_of(capsys)


def compare(*words: str) -> int:
    return run(["compare", *words, "--data", ".", "--jobs", "1", "--seeds", "1", "--out", "out"])


def test_variants_have_options_and_files(plugins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my.toml").write_text("epochs = 3\n")
    variants = ["net", "net,hidden=4@quick", "net,hidden=4@my.toml,epochs=2"]
    assert compare(*variants, "--epochs", "1", "--set", "optimizer=adamw") == 0
    printed = capsys.readouterr().out
    assert all(variant in printed for variant in variants)
    found = [recorded(folder) for folder in Path("out/runs").iterdir()]
    adamw = CLASSIC.replace(optimizer="adamw", epochs=1)
    for expected in (
        (adamw, {}),
        (adamw.replace(schedule="cosine", batch_size=64), {"hidden": 4}),
        (adamw.replace(epochs=2), {"hidden": 4}),
    ):
        assert expected in found
    assert compare(*variants, "--epochs", "1", "--set", "optimizer=adamw") == 0
    assert "0 of 3 runs are to be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net", "net,hiden=3"], "takes no option 'hiden'"),
        (["net,hidden"], "'net,hidden': 'hidden' is no option; write NAME=VALUE"),
        (["net@my.toml"], "my.toml: cannot be read"),
        (["net@bad"], "Recipe 'bad' of package bad 1.0"),
        (["net@epochs=2,epochs=3"], "epochs is given twice"),
        (["net", "--recipe", "clasic"], "no recipe 'clasic'"),
        (["net", "--epochs", "2", "--set", "epochs=2"], "epochs is given twice"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_data_is_read(
    words: list[str], said: str, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in plugins.glob("fashion-mnist*"):
        path.unlink()
    assert compare(*words) in (1, 2)
    assert said in error_of(capsys)
    assert not Path("out").exists()
