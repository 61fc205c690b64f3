"""The options of a model, read from signatures, and what is said of one that is not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from torch import nn

from fmnistlab import Trainer
from fmnistlab.errors import ModelLoadError, ModelOptionError
from fmnistlab.experiments.comparison.request import sorted_out
from fmnistlab.models import registry
from fmnistlab.models.option_types import check_written_options
from fmnistlab.models.options import ModelOption, options_of
from fmnistlab.models.registry import (
    create_model,
    model_options,
    register_model,
)
from fmnistlab.recipes import Recipe


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


class Net(nn.Flatten):
    def __init__(self, width: int, *, hidden: Sequence[int] = (64, 32), act: Any = nn.ReLU) -> None:
        super().__init__()
        self.width = width


def untyped(width, depth=2, *rest):  # type: ignore[no-untyped-def] # on purpose
    return nn.Flatten()


class Odd:
    __signature__ = "nothing"

    def __call__(self, **options: Any) -> nn.Module:
        return nn.Flatten()


def test_options_are_those_of_the_signature() -> None:
    register_model("net")(Net)
    assert model_options("NET") == (
        ModelOption("width", "int", True, None),
        ModelOption("hidden", "Sequence[int]", False, (64, 32)),
        ModelOption("act", "Any", False, nn.ReLU),
    )
    assert options_of(untyped) == (
        ModelOption("width", "", True, None),
        ModelOption("depth", "", False, 2),
    )
    assert model_options("cnn") == ()


@pytest.mark.parametrize("factory", [lambda **options: nn.Flatten(), nn.ReLU6.forward, Odd(), dict])
def test_where_python_cannot_tell_nothing_is_refused(factory: Callable[..., Any]) -> None:
    taken = options_of(factory)
    assert taken is None or factory is nn.ReLU6.forward


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 3, "hiden": 1}, r"'hiden'; its options are width, hidden, act. Did you mean"),
        ({"widht": 3}, "takes no option 'widht'; .* Did you mean 'width'"),
        ({"width": 3, "x": 1, "y": 1}, r"takes no option 'x'; its options are width, hidden, act."),
    ],
)
def test_an_option_that_is_not_taken_is_named(options: dict[str, Any], said: str) -> None:
    register_model("net")(Net)
    with pytest.raises(ModelOptionError, match=f"^Model 'net' of module .*{said}") as caught:
        create_model("net", **options)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(ModelOptionError, match=r"Model 'cnn' .* takes no option 'width'; it tak"):
        create_model("cnn", width=3)


def test_an_option_that_must_be_given_is_named() -> None:
    register_model("net")(Net)
    with pytest.raises(ModelLoadError, match=r"missing 1 required .*\. Give the option width\.$"):
        create_model("net")
    assert create_model("net", width=3).width == 3
    register_model("two")(lambda width, depth: nn.Flatten())
    with pytest.raises(ModelLoadError, match=r"\. Give the option depth\.$"):
        create_model("two", width=3)


def test_only_what_python_refuses_is_refused() -> None:
    """A signature may say less than a function takes; and other errors keep their own words."""

    def build(**options: Any) -> nn.Module:
        if "fail" in options:
            raise ValueError("no luck")
        return nn.Flatten()

    build.__signature__ = __import__("inspect").signature(lambda width=1: None)  # type: ignore[attr-defined] # odd on purpose
    register_model("lying")(build)
    assert isinstance(create_model("lying", depth=3), nn.Flatten)
    with pytest.raises(ModelLoadError, match="no luck"):
        create_model("lying", fail=1)


def test_a_checkpoint_with_an_option_of_another_version_is_not_called_damaged(
    tmp_path: Path,
) -> None:
    register_model("net")(Net)
    trainer = Trainer(create_model("net", width=3))
    trainer.save(tmp_path / "a.safetensors")
    registry._registered.clear()
    register_model("net")(lambda: nn.Flatten(1))
    with pytest.raises(ModelOptionError, match=r"takes no option 'width'; it takes none"):
        Trainer.load(tmp_path / "a.safetensors")


def typed(
    *,
    flag: bool = True,
    count: int = 3,
    rate: Annotated[float, "above 0"] = 0.5,
    word: str = "",
    act: Literal["relu", "tanh", 2] = "relu",
    maybe: int | None = None,
    sizes: tuple[int, ...] = (8, 4),
    pair: tuple[int, float] = (1, 2.0),
    rows: Sequence[list[int]] = ((1,),),  # type: ignore[assignment]  # the types of defaults are free
    names: dict[str, int] | None = None,
    implied: int = None,  # type: ignore[assignment] # noqa: RUF013 - as people write it
    kind: type[nn.Module] = nn.ReLU,
    anything: Any = None,
) -> nn.Module:
    return nn.Flatten()


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("flag", [True, False], ["no", 0, 1, None]),
        ("count", [0, -2], [True, 1.0, "3", None, [1]]),
        ("rate", [0.5, 1, 1e300], [True, "nan", None]),
        ("word", ["", "no"], [3, None, True, ["a"]]),
        ("act", ["tanh", 2], ["gelu", 2.0, True, None]),
        ("maybe", [None, 3], ["3", 1.5, True]),
        ("sizes", [[], [1], [1, 2, 3]], ["(1,2)", 3, [1, "2"], [True]]),
        ("pair", [[1, 2], [1, 2.5]], [[1], [1, 2, 3], ["1", 2]]),
        ("rows", [[], [[1], []]], [[1], "ab", [["a"]]]),
        ("names", [None, {}, {"a": 1}], [[], "a"]),
        ("implied", [None, 4], ["4", False]),
        ("kind", ["relu", 3, None], []),
        ("anything", ["relu", 3, None], []),
    ],
)
def test_what_is_written_must_have_the_type_of_the_option(
    name: str, right: list[Any], wrong: list[Any]
) -> None:
    register_model("typed")(typed)
    for value in right:
        check_written_options("typed", {name: value})
    for value in wrong:
        with pytest.raises(ModelOptionError, match=f"is given {name}=.*, but {name} is"):
            check_written_options("typed", {name: value})
    # Python holds nothing against annotations, and neither does a call.
    for value in wrong:
        create_model("typed", **{name: value})


def test_no_type_is_held_against_what_has_none_that_can_be_told() -> None:
    def stringly(width: int = 3) -> nn.Module:
        return nn.Flatten()

    stringly.__annotations__["width"] = "Nowhere"
    for factory in (stringly, untyped, lambda **options: nn.Flatten()):
        register_model("odd")(factory)
        check_written_options("odd", {"width": "no", "depth": "no"})
        registry._registered.clear()


def test_a_variant_in_one_word_says_which_type_is_due() -> None:
    register_model("typed")(typed)
    (variant,), _ = sorted_out(["typed,flag=false"], Recipe())
    assert variant.model_options == {"flag": False}
    with pytest.raises(ModelOptionError, match="given flag='no', but flag is bool: true or false"):
        sorted_out(["typed,flag=no"], Recipe())
