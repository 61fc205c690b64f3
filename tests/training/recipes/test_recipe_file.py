"""Recipes in files: what is written reads back, and what is wrong is named with file and key."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from tests.plugin_factory import Plugin, installed
from torch.nn.functional import cross_entropy

from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.errors import ConfigurationError, RecipeLoadError, UnknownRecipeError
from fmnistlab.recipes import CLASSIC, Recipe
from fmnistlab.testing import strategies
from fmnistlab.training.recipes.changes import changed_recipe, changed_settings
from fmnistlab.training.recipes.file import recipe_of, toml_text


@given(strategies.recipes())
def test_a_recipe_that_is_written_reads_back(recipe: Recipe) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "a.toml"), Path(folder, "a.json")
        one.write_text(recipe.to_toml(), encoding="utf-8")
        other.write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
        assert Recipe.from_file(one) == Recipe.from_file(str(other)) == recipe
    assert changed_recipe(CLASSIC, changed_settings(recipe.to_dict()), "x") == recipe


def test_every_setting_of_the_classic_recipe_stands_in_its_file() -> None:
    """TOML has no word for nothing: a default that is None must not hide a setting."""
    named = [line.partition(" = ")[0] for line in CLASSIC.to_toml().splitlines()]
    left_out = {name for name, value in CLASSIC.to_dict().items() if value is None}
    assert {*named} | left_out == {*CLASSIC.to_dict()}


def test_a_file_says_what_is_other_than_in_its_base(here: Path) -> None:
    source = (
        "import fmnistlab, torch\n"
        "loss = torch.nn.functional.cross_entropy\n"
        "MINE = fmnistlab.Recipe(epochs=3, batch_size=8, loss=loss)\n"
    )
    Path("my.toml").write_text(
        'base = "mine"  # a comment\nepochs = 5\nlearning_rate = 1\n'
        '[[augmentation]]\nname = "HorizontalFlip"\nprobability = 1\n'
        '[[augmentation]]\nname = "RandomShift"\npixels = 3\n'
    )
    plugin = Plugin("acme", "[fmnistlab.recipes]\nmine = acme:MINE\n", source)
    with installed(here / "site", plugin):
        recipe = recipe_of("my.toml")
    assert recipe == Recipe(
        epochs=5,
        loss=cross_entropy,
        batch_size=8,
        learning_rate=1.0,
        augmentation=(HorizontalFlip(1.0), RandomShift(3)),
    )
    assert recipe_of("CLASSIC") is CLASSIC
    Path("empty.json").write_text("{}")
    Path("empty.TOML").write_bytes(b"\xef\xbb\xbf# saved by an editor of Windows\r\n")
    assert recipe_of("empty.json") == recipe_of("empty.TOML") == CLASSIC


WRONG = {
    "epochs = 0": r"my\.toml: epochs is 0; use a whole number",
    "epochs = 2.0": "my.toml: epochs is 2.0",
    "epochs = true": "my.toml: epochs is True",
    'epochs = "2"': "my.toml: epochs is '2'",
    "epochs = 1979-05-27": "my.toml: epochs is datetime.date",
    "learning_rate = nan": "my.toml: learning_rate is nan",
    "learning_rate = inf": "my.toml: learning_rate is inf",
    "epoch = 3": "my.toml: A recipe has no setting 'epoch'. Did you mean 'epochs'",
    "lr = 3": "my.toml: A recipe has no setting 'lr'; it is learning_rate",
    "self = 3": "my.toml: A recipe has no setting 'self'",
    "[recipe]\nepochs = 3": "my.toml: A recipe has no setting 'recipe'",
    'optimizer = "adm"': "my.toml: optimizer is 'adm'; .* Did you mean 'adam'",
    'loss = "focal"': "my.toml: loss is 'focal'; a loss is code, which only Python can give",
    'augmentation = "flip"': "my.toml: augmentation is 'flip'",
    "augmentation = [3]": "my.toml: An augmentation is described by",
    'augmentation = [{name = "Flip"}]': "my.toml: Unknown augmentation 'Flip'",
    'augmentation = [{name = "RandomShift", pixels = 99}]': ".* RandomShift: pixels is 99",
    "base = 3": "my.toml: base is 3; use the name of a recipe",
    'base = "other.toml"': "my.toml: base names a recipe as `fmnistlab recipes` lists them",
    "epochs = \n": r"my\.toml: is not valid TOML: Invalid value .at line 1, column 10",
    "epochs = 1\nepochs = 2\n": "my.toml: is not valid TOML: Cannot overwrite a value .at line 2",
    f"epochs = 1{'0' * 5000}": "my.toml: is not valid TOML: Exceeds the limit|my.toml: epochs is",
    f"epochs = {'[' * 5000}{']' * 5000}": "my.toml: has too many levels",
}


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_what_is_wrong_in_a_file_is_named(text: str, here: Path) -> None:
    Path("my.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"^{WRONG[text]}"):
        Recipe.from_file("my.toml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "my.json: is no recipe, which is an object of settings"),
        (b"3", "my.json: is no recipe"),
        (b'{"epochs": 1, "epochs": 2}', "the key 'epochs' stands there twice"),
        (b'{"epochs": NaN}', "NaN is no number of JSON"),
        (b'{"epochs": 1', "my.json: is not valid JSON"),
        (b'{"epochs": 0}', "my.json: epochs is 0"),
        (b"\xff", "my.json: is not UTF-8"),
        ('{"epochs": 3}'.encode("utf-16"), "my.json: is UTF-16 text, as PowerShell"),
        (b" " * (2**20 + 1), "my.json: cannot be read: it has more than 1,048,576 bytes"),
    ],
)
def test_json_is_read_strictly(content: bytes, said: str, here: Path) -> None:
    Path("my.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        recipe_of("my.json")


def test_a_file_that_is_none_is_named(here: Path) -> None:
    Path("my.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"my\.toml: is not UTF-8 text; byte 0"):
        recipe_of("my.toml")
    with pytest.raises(ConfigurationError, match=r"my\.tml: the name of a recipe's file ends in"):
        Recipe.from_file("my.tml")
    with pytest.raises(ConfigurationError, match=r"mi\.toml: cannot .* Did you mean 'my.toml'"):
        recipe_of("mi.toml")
    Path("folder.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder\.toml: cannot be read: it is a folder"):
        recipe_of("folder.toml")
    with pytest.raises(ConfigurationError, match="cannot be read: it is no possible name"):
        recipe_of("nul\0.toml")


def test_a_base_that_is_wrong_is_named_with_the_file(here: Path) -> None:
    Path("my.toml").write_text('base = "clasic"')
    with pytest.raises(UnknownRecipeError, match=r"^my\.toml: base: There is no recipe 'clasic'"):
        recipe_of("my.toml")
    Path("my.toml").write_text('base = "mine"')
    plugin = Plugin("acme", "[fmnistlab.recipes]\nmine = acme:MINE\n", "1 / 0")
    with (
        installed(here / "site", plugin),
        pytest.raises(RecipeLoadError, match=r"^my\.toml: base: Recipe 'mine' of package acme"),
    ):
        recipe_of("my.toml")


def test_what_is_code_is_a_comment() -> None:
    text = toml_text(Recipe(loss=cross_entropy, epochs=3).describe())
    assert "epochs = 3\n" in text
    assert (
        "# loss: torch.nn.functional:cross_entropy, which is code, and no file can hold it\n"
        in text
    )
    with pytest.raises(ConfigurationError, match="of your own cannot be written"):
        Recipe(loss=cross_entropy).to_toml()


@pytest.mark.parametrize(("name", "text"), [("a.toml", "epochs = 3"), ("a.json", '{"epochs": 3}')])
def test_a_byte_order_mark_does_no_harm(name: str, text: str, here: Path) -> None:
    (here / name).write_text(text, encoding="utf-8-sig")
    assert Recipe.from_file(name).epochs == 3
