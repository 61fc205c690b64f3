"""Augmentations as values of JSON: what comes back, what is refused, whose code is run."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.plugin_factory import Plugin, installed
from tests.strategies import json_values
from torch import Tensor

from fmnistlab.data import AlternatingFlip, HorizontalFlip, RandomAffine, RandomErasing, RandomShift
from fmnistlab.data.augmentation.description import (
    augmentation_from_dict,
    augmentation_to_dict,
    recorded_augmentation,
    unoffered,
)
from fmnistlab.data.augmentation.registry import find_augmentations
from fmnistlab.errors import (
    AugmentationLoadError,
    AugmentationNameClashError,
    ConfigurationError,
    UnknownAugmentationError,
)

SOURCE = """\
from __future__ import annotations
import dataclasses, pathlib
from typing import ClassVar

pathlib.Path("ran").touch()

@dataclasses.dataclass(frozen=True)
class Shake:
    strength: float = 0.5
    draws: ClassVar[int] = 1

    def __call__(self, images, uniform):
        return images * (1 - self.strength * uniform.view(-1, 1, 1, 1))

class Plain:
    draws = 1
    def __call__(self, images, uniform):
        return images

class Net:
    pass

@dataclasses.dataclass(frozen=True)
class Hinted(Shake):
    other: "Nowhere" = 3

@dataclasses.dataclass(frozen=True)
class Picky(Shake):
    def __post_init__(self):
        if self.strength > 1:
            raise RuntimeError("too strong")
"""
POINTS = "[fmnistlab.augmentations]\nshake = acme.inner:Shake\nouter = acme:Outer\n"
FRONT = "from acme.inner import Picky as Outer\n"


@pytest.fixture
def acme(here: Path) -> Iterator[Path]:
    """An installed package that offers augmentations, one of them not where it is defined."""
    site = here / "site"
    (site / "acme").mkdir(parents=True)
    (site / "acme" / "__init__.py").write_text(FRONT)
    (site / "acme" / "inner.py").write_text(SOURCE)
    with installed(site, Plugin("acme", POINTS, None)):
        yield here
    for name in [*sys.modules]:
        if name.partition(".")[0] == "acme":
            del sys.modules[name]


@dataclasses.dataclass(frozen=True)
class Own:
    """A user's own, with settings of each kind that JSON has."""

    ends: tuple[float, float] = (0.1, 0.2)
    sizes: tuple[int, ...] = ()
    mode: str | None = None
    parts: dict[str, float] = dataclasses.field(default_factory=dict, hash=False)
    on: bool = True
    draws: ClassVar[int] = 0

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
OWN = st.builds(
    Own,
    st.tuples(NUMBERS, NUMBERS),
    st.lists(st.integers(-(2**62), 2**62)).map(tuple),
    st.none() | st.text(),
    st.dictionaries(st.text(), NUMBERS),
    st.booleans(),
)
BUILT_IN = [
    HorizontalFlip(0.25),
    AlternatingFlip(),
    RandomShift(3),
    RandomErasing(0.1, (0.1, 0.2), (1, 2), 0.5),
    RandomAffine(3, (0.5, 2)),
]


@given(OWN | st.sampled_from(BUILT_IN))
def test_what_is_described_reads_back_through_json(change: Any) -> None:
    described = augmentation_to_dict(change)
    read = json.loads(json.dumps(described))
    assert read == described
    assert augmentation_from_dict(read, run_in=Path()) == change


@pytest.mark.usefixtures("no_checker")
@given(json_values)
def test_no_other_value_describes_one(value: Any) -> None:
    for read in (augmentation_from_dict, recorded_augmentation):
        with pytest.raises(ConfigurationError, match=r"described by a name|Unknown augmentation"):
            read(value)
    assert not unoffered(value)


@dataclasses.dataclass(frozen=True)
class Named(Own):
    name: str = "x"


@dataclasses.dataclass
class Thawed:
    draws: ClassVar[int] = 0

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images


@dataclasses.dataclass(frozen=True)
class Counted(Own):
    count: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(frozen=True)
class Doubling(Own):
    factor: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", 2 * self.factor)


def inner() -> Any:
    @dataclasses.dataclass(frozen=True)
    class Inner(Own):
        pass

    return Inner()


class Undressed:
    draws = 1

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images


UNDESCRIBABLE: dict[str, tuple[Any, str]] = {
    "no dataclass": (Undressed(), "is no frozen dataclass"),
    "thawed": (Thawed(), "is no frozen dataclass"),
    "a field 'name'": (Named(), "has a field that is called 'name'"),
    "a field that is not given": (Counted(), "or that cannot be given"),
    "inside a function": (inner(), "is defined inside a function"),
    "numpy's number": (
        Own(ends=(np.float64(1), 2)),
        r"\(ends is 1.0, no value",
    ),
    "not a number": (Own(ends=(float("nan"), 2)), r"\(ends is nan, no value of JSON\)"),
    "of another kind": (Own(mode=3), r"mode: must be text, not 3\)"),  # type: ignore[arg-type] # a user's slip
    "other settings": (Doubling(), "makes of the same settings another"),
}


@pytest.mark.parametrize("case", UNDESCRIBABLE)
def test_what_cannot_be_described_is_refused_with_the_reason(case: str) -> None:
    change, said = UNDESCRIBABLE[case]
    with pytest.raises(ConfigurationError, match=f"{said}.*; give the recipe again"):
        augmentation_to_dict(change)


NAMES = ["shake", "SHAKE", "acme:shake", "acme.inner:Shake"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run_in", [None, Path()])
def test_what_a_package_offers_has_a_name_everywhere(
    name: str, run_in: Path | None, acme: Path
) -> None:
    change = augmentation_from_dict({"name": name, "strength": 0.25}, run_in=run_in)
    described = {"name": "acme.inner:Shake", "strength": 0.25}
    assert augmentation_to_dict(change) == described
    assert augmentation_from_dict(described) == change
    assert not unoffered([described])


def test_it_is_found_where_it_is_defined_and_where_it_is_shown(acme: Path) -> None:
    outer = augmentation_from_dict({"name": "outer", "strength": 0.25})
    described = {"name": "acme.inner:Picky", "strength": 0.25}
    assert augmentation_to_dict(outer) == described
    assert augmentation_from_dict(described) == outer
    assert augmentation_from_dict({**described, "name": "acme:Outer"}) == outer
    assert unoffered([described, {"name": "acme.inner:Net"}]) == ["acme.inner:Net"]


HARMLESS = ["changes:Shake", "changes.py:Shake", "./changes.py:Shake", "os:system", "acme:Net"]


@pytest.mark.parametrize("name", HARMLESS)
def test_no_code_runs_because_a_record_names_it(name: str, acme: Path) -> None:
    (acme / "changes.py").write_text(SOURCE)
    described = {"name": name, "strength": 0.5}
    with pytest.raises(UnknownAugmentationError, match=f"Unknown augmentation '{name}'"):
        augmentation_from_dict(described)
    assert unoffered([described]) == [name]
    stand_in = recorded_augmentation(described)
    assert augmentation_to_dict(stand_in) == described
    assert not (acme / "ran").exists() or name == "acme:Net"
    with pytest.raises(ConfigurationError, match="to train with it give the recipe with recipe="):
        stand_in(torch.zeros(0), torch.zeros(0))


def test_nothing_is_imported_to_list_or_to_stand_in(acme: Path) -> None:
    assert [*find_augmentations()][-2:] == ["outer", "shake"]
    recorded_augmentation({"name": "acme.inner:Shake", "strength": 0.5})
    assert not (acme / "ran").exists()
    assert "acme" not in sys.modules


@pytest.mark.parametrize("name", ["changes:Shake", "changes.py:Shake", "./changes.py:Shake"])
def test_a_caller_may_name_code(name: str, here: Path) -> None:
    folder = here / "inner"
    folder.mkdir()
    (folder / "changes.py").write_text(SOURCE)
    change = augmentation_from_dict({"name": name}, run_in=folder)
    assert (here / "ran").exists()
    recorded = name.removeprefix("./")
    assert augmentation_to_dict(change) == {"name": recorded, "strength": 0.5}
    sys.modules.pop("changes", None)


def test_an_object_of_a_file_can_be_sent_to_another_process(here: Path) -> None:
    (here / "changes.py").write_text(SOURCE)
    change = augmentation_from_dict({"name": "changes.py:Shake", "strength": 0.25}, run_in=here)
    sent = pickle.dumps(change)
    module = sys.modules.pop(type(change).__module__)  # another process has not run it
    again = pickle.loads(sent)
    assert type(again) is not type(change)
    assert again.strength == 0.25
    sys.modules[module.__name__] = module


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"name": "RandomShft"}, UnknownAugmentationError, "Did you mean 'RandomShift'"),
    ({"name": "shak"}, UnknownAugmentationError, "Did you mean 'shake'"),
    ({"name": "RandomShift", "amount": 2}, ConfigurationError, "RandomShift: has the unknown key"),
    ({"name": "RandomErasing", "area": [0, 2]}, ConfigurationError, "RandomErasing: area is 2"),
    ({"name": "shake", "strenght": 2}, ConfigurationError, "Did you mean 'strength'"),
    ({"name": "shake", "strength": "2"}, ConfigurationError, "strength: must be a number, not '2'"),
    ({"name": "nothing.py:Shake"}, UnknownAugmentationError, "nothing.py: cannot be read: No such"),
    (
        {"name": "nowhere:Shake"},
        UnknownAugmentationError,
        "no module 'nowhere'. An augm",
    ),
    ({"name": "changes.py:Shak"}, UnknownAugmentationError, "has no 'Shak'. Did you mean 'Shake'"),
    ({"name": "broken.py:Shake"}, AugmentationLoadError, "could not be imported: ZeroDiv.* line 1"),
    ({"name": "changes.py:Net"}, AugmentationLoadError, "is no augmentation: a class with `draws`"),
    ({"name": "changes.py:Plain"}, AugmentationLoadError, "is no frozen dataclass, whose fields"),
    (
        {"name": "changes.py:Hinted"},
        ConfigurationError,
        "NameError: .*Nowhere",
    ),
    ({"name": "outer", "strength": 2}, ConfigurationError, "cannot be made of .*too strong"),
]


@pytest.mark.parametrize(("described", "kind", "said"), WRONG, ids=lambda part: str(part)[:50])
def test_what_a_caller_names_wrongly_is_told(
    described: dict[str, Any], kind: type[Exception], said: str, acme: Path
) -> None:
    (acme / "changes.py").write_text(SOURCE)
    (acme / "broken.py").write_text("1 / 0\n")
    with pytest.raises(kind, match=said) as found:
        augmentation_from_dict(described, run_in=acme)
    assert found.type is kind


def test_a_record_of_other_code_is_told_as_that(acme: Path) -> None:
    with pytest.raises(AugmentationLoadError, match=r"lacks the key 'strength'.* with other code"):
        augmentation_from_dict({"name": "acme.inner:Shake"})
    with pytest.raises(ConfigurationError, match="lacks the key 'pixels'"):
        augmentation_from_dict({"name": "RandomShift"})


def test_packages_that_are_wrong_harm_only_their_own(acme: Path) -> None:
    points = "[fmnistlab.augmentations]\nshake = other:Shake\nrandomshift = other:Shake\n"
    broken = "[fmnistlab.augmentations]\nbad = bad:Bad\n"
    plugins = Plugin("other", points, SOURCE), Plugin("bad", broken, "1 / 0")
    with installed(acme / "more", *plugins):
        with pytest.raises(AugmentationNameClashError, match=r"package acme .* and by package"):
            augmentation_from_dict({"name": "shake", "strength": 0.5})
        chosen = augmentation_from_dict({"name": "other:shake", "strength": 0.5})
        assert type(chosen).__module__ == "other"
        assert augmentation_from_dict({"name": "randomshift", "pixels": 2}) == RandomShift(2)
        assert find_augmentations()["randomshift"][1].refusal is not None
        with pytest.raises(
            AugmentationLoadError, match=r"'bad' of package bad 1.0 .* ZeroDivision"
        ):
            augmentation_from_dict({"name": "bad"})


def test_plug_ins_can_be_switched_off(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNISTLAB_PLUGINS", "0")
    with pytest.raises(UnknownAugmentationError, match="switched off by FMNISTLAB_PLUGINS=0"):
        augmentation_from_dict({"name": "shake"}, run_in=acme)
    assert unoffered([{"name": "acme.inner:Shake"}]) == ["acme.inner:Shake"]
