"""Models whose code is named outright: a file, or a module that no package offers as a model."""

from __future__ import annotations

import hashlib
import importlib
import os
import string
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fmnistlab
from fmnistlab.errors import CheckpointError, ModelLoadError, UnknownModelError
from fmnistlab.models import registry
from fmnistlab.models.registry import (
    ModelOrigin,
    create_model,
    load_model,
    model_name,
    model_origin,
    model_reference,
    names_code,
)
from fmnistlab.models.weights_hash import weights_sha256

SOURCE = """\
from __future__ import annotations

import dataclasses

from torch import nn


@dataclasses.dataclass
class Sizes:
    hidden: int = 8


class Net(nn.Module):
    def __init__(self, hidden: int = Sizes().hidden) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.Linear(hidden, 10))

    def forward(self, images):
        return self.layers(images)


class Needs(nn.Module):
    def __init__(self, hidden):
        super().__init__()


def fails():
    raise ValueError("no luck")


def other():
    return {}


made = Net()
number = 3
"""


def width_of(model: Any) -> int:
    """Width of the layer that says which text of the file was run."""
    return int(model.layers[1].out_features)


@pytest.fixture
def file(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`my_model.py` in the working folder, which is not on sys.path."""
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    path = here / "my_model.py"
    path.write_text(SOURCE)
    return path


def forget_modules() -> None:
    """Makes this process one in which no code of these tests has run."""
    importlib.invalidate_caches()
    for name in [*sys.modules]:
        if name == "some_net" or name.startswith("_fmnistlab_"):
            del sys.modules[name]


def refusal(name: str, kind: type[Exception] = ModelLoadError) -> str:
    with pytest.raises(kind) as caught:
        create_model(name)
    return str(caught.value)


def test_a_file_gives_a_model_and_its_hash_is_known(file: Path) -> None:
    model = create_model("my_model.py:Net", hidden=3)
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert model_reference(model) == registry.ModelReference("my_model.py:Net", {"hidden": 3})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert model_origin(model) == ModelOrigin(None, None, "my_model.py:Net", digest)
    assert str(model_origin(model)) == f"my_model.py:Net (SHA-256 {digest[:12]}...)"
    assert type(model) is load_model(f"{file}:Net")
    assert type(fmnistlab.Trainer("my_model.py:Net", seed=1).model) is load_model(f"{file}:Net")


def test_where_a_file_lies_is_not_part_of_its_name(file: Path) -> None:
    assert model_name("my_model.py:Net") == "my_model.py:Net"
    for name in (f"{file}:Net", "./my_model.py:Net", f"../{file.parent.name}/my_model.py:Net"):
        assert model_name(name) == "my_model.py:Net"
        assert model_reference(create_model(name)) == model_reference(
            create_model("my_model.py:Net")
        )
    assert model_name("CNN") == "cnn"
    assert model_name("Some.Module:Net") == "Some.Module:Net"


def test_a_file_is_run_once_and_again_only_when_it_has_changed(file: Path) -> None:
    first = create_model("my_model.py:Net")
    assert type(create_model("my_model.py:Net")) is type(first)
    stamp = file.stat()
    file.write_text(SOURCE.replace("= 8", "= 9"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as long, and as old, as before
    second = create_model("my_model.py:Net")
    assert type(second) is not type(first)
    assert width_of(second) == 9
    assert model_origin(second) != model_origin(first)


def test_nothing_is_left_on_the_path_or_beside_the_file(file: Path) -> None:
    before, modules = list(sys.path), set(sys.modules)
    create_model("my_model.py:Net")
    refusal("my_model.py:nothing", UnknownModelError)
    assert sys.path == before
    (new,) = set(sys.modules) - modules
    assert new.startswith("_fmnistlab_")
    assert [path.name for path in file.parent.iterdir()] == ["my_model.py"]


def test_two_folders_may_have_files_of_the_same_names(file: Path) -> None:
    for number in (1, 2):
        folder = file.parent / str(number)
        folder.mkdir()
        (folder / "sizes.py").write_text(f"HIDDEN = {number}\n")
        (folder / "my_model.py").write_text(
            SOURCE.replace("import dataclasses", "import dataclasses\nimport sizes").replace(
                "hidden: int = 8", "hidden: int = sizes.HIDDEN"
            )
        )
    widths = [width_of(create_model(f"{n}/my_model.py:Net")) for n in (1, 2, 1)]
    assert widths == [1, 2, 1]
    assert "sizes" not in sys.modules


def test_a_file_beside_the_model_does_not_stand_in_for_a_package(file: Path) -> None:
    (file.parent / "json.py").write_text("raise SystemExit\n")
    (file.parent / "colorsys.py").write_text("raise SystemExit\n")  # imported by nothing yet
    sys.modules.pop("colorsys", None)
    file.write_text("import colorsys, json\n" + SOURCE.replace("from __future__", "# "))
    create_model("my_model.py:Net")
    assert Path(sys.modules["colorsys"].__file__ or "").parent != file.parent


def test_what_a_file_registers_can_be_registered_again(file: Path) -> None:
    register = "\nimport fmnistlab\nfmnistlab.register_model('from-file')(Net)\n"
    file.write_text(SOURCE + register)
    create_model("my_model.py:Net")
    file.write_text(SOURCE.replace("= 8", "= 7") + register)
    create_model("my_model.py:Net")
    assert width_of(create_model("from-file")) == 7


def test_a_module_gives_a_model(file: Path) -> None:
    package = file.parent / "some_models"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "nets.py").write_text(SOURCE)
    try:
        model = create_model("some_models.nets:Net")
        digest = hashlib.sha256((package / "nets.py").read_bytes()).hexdigest()
        assert model_origin(model) == ModelOrigin(None, None, "some_models.nets:Net", digest)
        assert type(model).__module__ == "some_models.nets"
        assert "no 'Nett'. Did you mean 'Net'" in refusal(
            "some_models.nets:Nett", UnknownModelError
        )
        assert "no module 'some_models.other'" in refusal(
            "some_models.other:Net", UnknownModelError
        )
    finally:
        for name in ("some_models", "some_models.nets"):
            sys.modules.pop(name, None)
    assert isinstance(create_model("fmnistlab.models.cnn:CNN"), fmnistlab.models.CNN)


REFUSALS = {
    "my_model.py:Nett": (UnknownModelError, "my_model.py has no 'Nett'. Did you mean 'Net'"),
    "my_modell.py:Net": (UnknownModelError, "No such file or directory. Did you mean 'my_model.py"),
    "my_model.py": (UnknownModelError, "A model in a file is named as 'my_model.py:Net'."),
    "my_model.py:": (UnknownModelError, "A model in a file is named as 'my_model.py:Net'."),
    "folder.py:Net": (UnknownModelError, "folder.py: cannot be read: it is a folder"),
    "~no_such_user/x.py:Net": (UnknownModelError, "x.py: cannot be read: No such file"),
    "nothing_here:Net": (UnknownModelError, "no package 'nothing_here' offers it, and there is no"),
    "fmnistlab:cmn": (UnknownModelError, "Known models: cnn"),
    "torch.nothing:Net": (UnknownModelError, "there is no module 'torch.nothing'"),
    "my_model.py:Needs": (ModelLoadError, "argument: 'hidden'. Give the option hidden, or name a"),
    "my_model.py:fails": (ModelLoadError, "ValueError: no luck (my_model.py, line 28)"),
    "my_model.py:other": (ModelLoadError, "gave an object of type dict where a torch.nn.Module"),
    "my_model.py:made": (ModelLoadError, "is a Net that is made already, so no seed can"),
    "my_model.py:number": (ModelLoadError, "is an object of type int, not a class or function"),
    "syntax.py:Net": (ModelLoadError, "SyntaxError: invalid syntax (syntax.py, line 2)"),
    "lacks.py:Net": (ModelLoadError, "No module named 'nothing_here' (lacks.py, line 3)"),
    "stops.py:Net": (ModelLoadError, "SystemExit: 3 (stops.py, line 1)"),
    "zero.py:Net": (ModelLoadError, "source code string cannot contain null bytes"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_loaded_is_named(name: str, file: Path) -> None:
    (file.parent / "folder.py").mkdir()
    Path("syntax.py").write_text("x = 1\ndef f(:\n")
    Path("lacks.py").write_text("x = 1\n\nimport nothing_here\n")
    Path("stops.py").write_text("raise SystemExit(3)\n")
    Path("zero.py").write_bytes(b"x\0")
    modules = set(sys.modules)
    kind, said = REFUSALS[name]
    text = refusal(name, kind)
    assert said in text
    assert f"'{name}'" in text
    new = {name for name in set(sys.modules) - modules if name.partition(".")[0] != "fmnistlab"}
    assert {key for key in new if not key.endswith("_my_model")} == set()


def test_a_module_that_fails_is_told_with_file_and_line(file: Path) -> None:
    Path("broken_one.py").write_text("x = 1\n\n1 / 0\n")
    assert "division by zero (broken_one.py, line 3)" in refusal("broken_one:Net")
    assert "broken_one" not in sys.modules
    Path("broken_two.py").write_text("import nothing_here\n")
    assert "No module named 'nothing_here' (broken_two.py, line 1)" in refusal("broken_two:Net")


def test_ctrl_c_and_signals_are_no_fault_of_a_file(file: Path) -> None:
    file.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        create_model("my_model.py:Net")
    file.write_text("import fmnistlab\nraise fmnistlab.errors.Terminated(15)\n")
    with pytest.raises(fmnistlab.errors.Terminated):
        create_model("my_model.py:Net")


def test_a_checkpoint_does_not_make_code_run(file: Path) -> None:
    ran = file.parent / "ran"
    file.write_text(SOURCE + f"\nimport pathlib\npathlib.Path({str(ran)!r}).touch()\n")
    for name in ("my_model.py:Net", "some_net:Net"):
        Path("some_net.py").write_text(file.read_text())
        content = fmnistlab.Trainer(name).to_bytes()
        ran.unlink()
        forget_modules()
        with pytest.raises(CheckpointError) as caught:
            fmnistlab.Trainer.load(content)
        assert f"holds a model of {name}, which no installed package offers" in str(caught.value)
        assert "name it yourself with model=..." in str(caught.value)
        assert not ran.exists()
        again = fmnistlab.Trainer.load(content, model=create_model(name))
        assert ran.exists()
        assert weights_sha256(again.model) == weights_sha256(fmnistlab.Trainer(name).model)
        forget_modules()


def test_a_file_that_has_changed_is_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = fmnistlab.Trainer("my_model.py:Net").to_bytes()
    fmnistlab.Trainer.load(content, model=create_model("my_model.py:Net"))
    assert not caplog.records
    file.write_text(SOURCE + "# another\n")
    fmnistlab.Trainer.load(content, model=create_model("my_model.py:Net"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    assert f"now it is of my_model.py:Net (SHA-256 {digest}...)" in caplog.text
    caplog.clear()
    fmnistlab.Trainer.load(content, model=load_model("my_model.py:Net")())
    assert "recorded with a model of my_model.py:Net" in caplog.text


def test_many_seeds_can_be_trained_from_a_file(file: Path) -> None:
    from tests.tiny import tiny_set

    recipe = fmnistlab.Recipe(epochs=1, batch_size=16)
    several = fmnistlab.fit_seeds(
        f"{file}:Net", tiny_set(), seeds=[0, 1], recipe=recipe, device="cpu", n_jobs=2
    )
    alone = fmnistlab.Trainer(f"{file}:Net", recipe, device="cpu", seed=1)
    alone.fit(tiny_set())
    for one, other in zip(several[1].model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_code_draws_when_it_is_run_does_not_change_the_weights(file: Path) -> None:
    draws = "import random, numpy, torch\ntorch.rand(9), random.random(), numpy.random.rand()\n"
    Path("some_net.py").write_text(file.read_text() + draws)
    file.write_text(SOURCE + draws)
    for name in ("my_model.py:Net", "some_net:Net"):
        forget_modules()
        first, second = (fmnistlab.Trainer(name, seed=5) for _ in range(2))
        assert weights_sha256(first.model) == weights_sha256(second.model)


NAMES = st.text(string.ascii_letters + string.digits + "._-:/\\ é\0\n", max_size=20)


@given(NAMES)
def test_any_name_is_code_or_an_unknown_model(name: str) -> None:
    """What no package offers and no file or module has is refused by one error, whatever it is."""
    modules = set(sys.modules)
    recorded = model_name(name)
    assert model_name(recorded) == recorded
    if names_code(name):
        assert names_code(recorded)  # what a file says is as suspect as what was typed
        assert ":" in recorded
    if name.lower() not in fmnistlab.list_models() and name.partition(":")[0] not in modules:
        with pytest.raises((UnknownModelError, ModelLoadError)):
            create_model(name)


def test_a_model_of_a_package_comes_first(file: Path) -> None:
    assert not names_code("fmnistlab:CNN")
    assert not names_code("cnn")
    assert names_code("fmnistlab.models:CNN")
    fmnistlab.register_model("own")(nn.Flatten)
    assert not names_code("own")
    assert not names_code(f"{nn.Flatten.__module__}:own")
    assert names_code(f"{nn.Flatten.__module__}:Flatten")
