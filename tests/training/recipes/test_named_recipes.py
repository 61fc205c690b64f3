"""Recipes by name, and those of plug-ins: the rules are those of models."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.plugin_factory import Plugin, installed

from fmnistlab.errors import (
    ConfigurationError,
    FmnistlabError,
    RecipeLoadError,
    RecipeNameClashError,
    UnknownRecipeError,
)
from fmnistlab.recipes import BALANCED, BEST, CLASSIC, FAST, Recipe, list_recipes, named_recipe
from fmnistlab.training.recipes.registry import BUILT_IN, find_recipes, unreadable_packages

SOURCE = "import fmnistlab\nMINE = fmnistlab.Recipe(epochs=3)\nNUMBER = 3\n"


def plugin(package: str, lines: str, source: str = SOURCE) -> Plugin:
    return Plugin(package, f"[fmnistlab.recipes]\n{lines}\n", source)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    monkeypatch.delenv("FMNISTLAB_PLUGINS", raising=False)
    with contextlib.ExitStack() as stack:
        yield lambda *plugins: stack.enter_context(installed(tmp_path / "site", *plugins))


def test_the_built_in_recipes_are_constants() -> None:
    assert [named_recipe(name) for name in BUILT_IN] == [CLASSIC, FAST, BALANCED, BEST]
    assert named_recipe("Classic") is CLASSIC
    assert named_recipe("fmnistlab:classic") is CLASSIC


def test_a_recipe_of_a_plug_in_is_found_by_name(install: Callable[..., None]) -> None:
    install(plugin("acme", "Mine = acme:MINE"))
    assert list_recipes() == [*BUILT_IN, "mine"]
    (offer,) = find_recipes()["mine"]
    assert (offer.package, offer.version, offer.refusal) == ("acme", "1.0", None)
    assert "acme" not in sys.modules
    assert named_recipe("MINE") == named_recipe("acme:mine") == Recipe(epochs=3)


def test_listing_imports_neither_torch_nor_plug_ins(tmp_path: Path) -> None:
    plugin("acme", "mine = acme:MINE").install(tmp_path)
    code = (
        "import sys\nfrom fmnistlab.training.recipes.registry import list_recipes\n"
        "print(list_recipes(), [name for name in ('torch', 'acme') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[*BUILT_IN, 'mine']} []\n"


def test_plug_ins_can_be_switched_off(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(plugin("acme", "mine = acme:MINE"))
    monkeypatch.setenv("FMNISTLAB_PLUGINS", "0")
    assert list_recipes() == [*BUILT_IN]
    with pytest.raises(UnknownRecipeError, match="switched off by FMNISTLAB_PLUGINS=0"):
        named_recipe("mine")


def test_two_packages_that_claim_one_name_are_both_named(install: Callable[..., None]) -> None:
    install(plugin("one", "mine = one:MINE"), plugin("two", "mine = two:NOTHING"))
    assert list_recipes() == [*BUILT_IN, "mine"]
    with pytest.raises(
        RecipeNameClashError, match=r"one 1\.0 .* and by package two 1\.0"
    ) as caught:
        named_recipe("mine")
    assert "Ask for 'one:mine' or 'two:mine'" in str(caught.value)
    assert named_recipe("one:mine").epochs == 3


def test_a_built_in_name_cannot_be_taken(install: Callable[..., None]) -> None:
    install(plugin("thief", "Classic = thief:MINE"))
    assert named_recipe("classic") is CLASSIC
    own, other = find_recipes()["classic"]
    assert (own.refusal, other.package) == (None, "thief")
    with pytest.raises(RecipeLoadError, match="is refused: 'classic' is a built-in recipe"):
        named_recipe("thief:classic")


BROKEN = {
    "no module": (plugin("bad", "r = nowhere_to_be_found:R"), "ModuleNotFoundError"),
    "raises": (
        plugin("bad", "r = bad:R", "raise RuntimeError('no luck')"),
        "RuntimeError: no luck",
    ),
    "exits": (plugin("bad", "r = bad:R", "raise SystemExit(3)"), "SystemExit: 3"),
    "impossible recipe": (
        plugin("bad", "r = bad:R", "import fmnistlab\nR = fmnistlab.Recipe(epochs=0)"),
        "epochs is 0",
    ),
    "no attribute": (plugin("bad", "r = bad:NOTHING"), "AttributeError"),
    "a number": (plugin("bad", "r = bad:NUMBER"), "is an object of type int, not a fmnistlab.Rec"),
    "a class": (plugin("bad", "r = bad:fmnistlab.Recipe"), "is an object of type type"),
    "a bad name": (plugin("bad", "r! = bad:MINE"), "cannot be the name of a recipe"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_harms_nobody_and_is_named(
    kind: str, install: Callable[..., None]
) -> None:
    broken, said = BROKEN[kind]
    install(broken, plugin("healthy", "fine = healthy:MINE"))
    assert named_recipe("fine").epochs == 3
    with pytest.raises(RecipeLoadError) as caught:
        named_recipe("r!" if kind == "a bad name" else "r")
    assert "package bad 1.0 (entry point 'r" in str(caught.value)
    assert said in str(caught.value)


def test_damaged_metadata_is_told_to_who_misses_a_recipe(install: Callable[..., None]) -> None:
    install(Plugin("torn", b"[fmnistlab.recipes]\n\xff"))
    (sentence,) = unreadable_packages()
    assert "torn-1.0.dist-info cannot be read" in sentence
    with pytest.raises(UnknownRecipeError, match=r"torn-1\.0\.dist-info cannot"):
        named_recipe("mine")


def test_ctrl_c_in_a_plug_in_is_still_ctrl_c(install: Callable[..., None]) -> None:
    install(plugin("slow", "r = slow:R", "raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        named_recipe("r")


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownRecipeError) as caught:
        named_recipe("clasic")
    assert str(caught.value) == (
        "There is no recipe 'clasic'. Did you mean 'classic'? Known recipes: classic, fast, "
        "balanced, best. A recipe in a file is named as 'my.toml' or 'my.json'."
    )
    assert isinstance(caught.value, ConfigurationError)
    assert issubclass(RecipeLoadError, FmnistlabError)
