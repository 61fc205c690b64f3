from __future__ import annotations

import copy
import functools
import importlib.metadata
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import lazy_loader
import pytest
import torch
from hypothesis import given, settings
from tests.plugin_factory import WORKING, Plugin, installed
from tests.strategies import declared_models
from torch import nn

import fmnistlab
from fmnistlab.errors import (
    ConfigurationError,
    FmnistlabError,
    ModelLoadError,
    ModelNameClashError,
    UnknownModelError,
)
from fmnistlab.foundation.terminal import describe
from fmnistlab.models import registry
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
from fmnistlab.models.registry import (
    ModelReference,
    create_model,
    find_models,
    list_models,
    load_model,
    model_reference,
    register_model,
    unreadable_packages,
)

BUILT_IN = ["cnn", "linearnet"]
HEALTHY = Plugin("healthy", {"fine": "healthy:build"})
OWN_VERSION = importlib.metadata.version("fmnistlab")


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.delenv("FMNISTLAB_PLUGINS", raising=False)


@pytest.fixture
def install(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that installs plug-ins into a folder of their own until the test ends."""
    folders = iter(tmp_path / f"site{number}" for number in range(9))

    def enter(*plugins: Plugin) -> None:
        context = installed(next(folders), *plugins)
        context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))

    return enter


def run_python(code: str, *options: str, folder: Path | None = None) -> str:
    """The output of a fresh Python, where no test has imported or registered anything."""
    environment = {**os.environ, "PYTHONPATH": "" if folder is None else str(folder)}
    environment.pop("FMNISTLAB_PLUGINS", None)
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the built-in models come through the same door -----------------------------------------------


def test_the_built_in_models_are_entry_points_of_our_own_package() -> None:
    found = find_models()
    assert [found[name][0].value for name in BUILT_IN] == [
        "fmnistlab.models.cnn:CNN",
        "fmnistlab.models.linear:LinearNet",
    ]
    assert {found[name][0].package for name in BUILT_IN} == {"fmnistlab"}
    assert {found[name][0].version for name in BUILT_IN} == {OWN_VERSION}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cnn", CNN), ("CNN", CNN), ("LinearNet", LinearNet), ("linearnet", LinearNet)],
)
def test_names_mean_the_same_in_any_case(name: str, kind: type[nn.Module]) -> None:
    assert load_model(name) is kind
    assert type(create_model(name)) is kind
    assert type(create_model(f"FMNISTLAB:{name}")) is kind


def test_an_unknown_name_is_told_the_nearest_and_all_others(install: Callable[..., None]) -> None:
    install(HEALTHY)
    with pytest.raises(UnknownModelError) as caught:
        create_model("linearnett")
    text = str(caught.value)
    assert "no model 'linearnett'" in text
    assert "Did you mean 'linearnet'?" in text
    assert "Known models: cnn, fine, linearnet." in text
    assert "not installed" not in text
    assert isinstance(caught.value, LookupError)


def test_listing_imports_neither_torch_nor_plug_ins(tmp_path: Path) -> None:
    HEALTHY.install(tmp_path)
    printed = run_python(
        "import sys, fmnistlab\n"
        "from fmnistlab.models.registry import find_models, unreadable_packages\n"
        "print(fmnistlab.list_models(), len(find_models()), unreadable_packages())\n"
        "print([name for name in sys.modules if name.partition('.')[0] in\n"
        "       ('torch', 'numpy', 'pandas', 'sklearn', 'healthy')])\n",
        folder=tmp_path,
    )
    assert printed.splitlines() == ["['cnn', 'fine', 'linearnet'] 3 ()", "[]"]


def test_an_uninstalled_source_tree_says_what_to_do(tmp_path: Path) -> None:
    # A folder that has the package but, unlike site-packages, no metadata of it.
    (tmp_path / "fmnistlab").symlink_to(Path(fmnistlab.__file__).parent)
    (tmp_path / "lazy_loader").symlink_to(Path(lazy_loader.__file__).parent)
    printed = run_python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import fmnistlab\n"
        "print(fmnistlab.list_models())\n"
        "try: fmnistlab.load_model('cnn')\n"
        "except fmnistlab.FmnistlabError as error: print(type(error).__name__, error)\n",
        "-I",
        "-S",
    )
    listed, error = printed.splitlines()
    assert listed == "[]"
    assert error.startswith("UnknownModelError There is no model 'cnn'. Known models: none.")
    assert "fmnistlab itself is not installed" in error
    assert "pip install ." in error


def test_without_any_metadata_the_error_says_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [])
        with pytest.raises(UnknownModelError, match=r"fmnistlab itself is not installed"):
            load_model("cnn")


# --- plug-ins that work ---------------------------------------------------------------------------


def test_a_plug_in_is_listed_loaded_and_built_with_its_options(
    install: Callable[..., None],
) -> None:
    source = (
        "from torch import nn\nclass Zoo:\n"
        "  Wide = staticmethod(lambda width=1: nn.Linear(784, width))\n"
    )
    install(Plugin("acme-models", {"Wide.2": "acme_models:Zoo.Wide [gpu]"}, source, "3.1"))
    assert list_models() == ["cnn", "linearnet", "wide.2"]
    (offer,) = find_models()["wide.2"]
    assert (offer.name, offer.value) == ("wide.2", "acme_models:Zoo.Wide [gpu]")
    assert (offer.package, offer.version, offer.refusal) == ("acme-models", "3.1", None)
    assert "acme_models" not in sys.modules
    model = create_model("WIDE.2", width=5)
    assert model.out_features == 5
    assert model_reference(model) == ModelReference("wide.2", {"width": 5})


def test_the_environment_switches_plug_ins_off_but_not_the_built_in_ones(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(HEALTHY, Plugin("unreadable", b"[fmnistlab.models]\n\xff"))
    monkeypatch.setenv("FMNISTLAB_PLUGINS", "0")
    assert list_models() == BUILT_IN
    assert unreadable_packages() == ()
    assert isinstance(create_model("cnn"), CNN)
    with pytest.raises(UnknownModelError, match="switched off by FMNISTLAB_PLUGINS=0"):
        create_model("fine")
    monkeypatch.setenv("FMNISTLAB_PLUGINS", "1")
    assert list_models() == ["cnn", "fine", "linearnet"]


def test_of_two_distributions_with_one_name_the_first_on_the_path_counts(
    install: Callable[..., None],
) -> None:
    install(Plugin("acme.models", {"mine": "acme_models:old", "gone": "acme_models:build"}))
    install(Plugin("Acme_Models", {"mine": "Acme_Models:build"}, version="2.0"))
    assert [source.version for source in find_models()["mine"]] == ["2.0"]
    assert "gone" not in list_models()
    assert isinstance(create_model("mine"), nn.Module)


def test_a_newer_version_without_models_hides_the_older_one(install: Callable[..., None]) -> None:
    install(Plugin("acme", {"mine": "acme:build"}))
    install(Plugin("acme", "[console_scripts]\nacme = acme:main\n", version="2.0"))
    assert list_models() == BUILT_IN


def test_the_order_does_not_depend_on_the_path(install: Callable[..., None]) -> None:
    install(Plugin("b", {"mine": "b:build", "other": "b:build"}))
    install(Plugin("a", {"mine": "a:build"}))
    found = dict(find_models())
    assert list(found) == ["cnn", "linearnet", "mine", "other"]
    assert [source.package for source in found["mine"]] == ["a", "b"]
    sys.path[:2] = [sys.path[1], sys.path[0]]
    assert dict(find_models()) == found


# --- two claims on one name -----------------------------------------------------------------------


def test_a_clash_is_an_error_only_when_asked_for_and_names_both(
    install: Callable[..., None],
) -> None:
    linear = "from torch import nn\ndef build(): return nn.Linear(1, 1)\n"
    install(Plugin("one", {"mine": "one:build"}, version="1.5"))
    install(Plugin("two", {"Mine": "two:build"}, linear), HEALTHY)
    assert list_models() == ["cnn", "fine", "linearnet", "mine"]
    assert isinstance(create_model("fine"), nn.Flatten)
    with pytest.raises(ModelNameClashError) as caught:
        create_model("mine")
    text = str(caught.value)
    assert "package one 1.5 (entry point 'mine = one:build')" in text
    assert "package two 1.0 (entry point 'mine = two:build')" in text
    assert "Ask for 'one:mine' or 'two:mine'" in text
    assert not {"one", "two"} & set(sys.modules)
    model = create_model("Two:Mine")
    assert isinstance(model, nn.Linear)
    assert model_reference(model) == ModelReference("two:mine", {})
    assert isinstance(create_model("one:mine"), nn.Flatten)


def test_a_package_may_clash_with_itself_but_may_also_repeat_itself(
    install: Callable[..., None],
) -> None:
    lines = "[fmnistlab.models]\nmine = acme:build\nmine = acme:other\n"
    lines += "same = acme:build\nsame = acme:build\nSame = acme:build\n"
    install(Plugin("acme", lines))
    assert isinstance(create_model("same"), nn.Module)
    for name in ("mine", "acme:mine"):
        with pytest.raises(ModelNameClashError, match="authors of the package that claims it"):
            create_model(name)


def test_a_built_in_name_cannot_be_taken(install: Callable[..., None]) -> None:
    install(Plugin("thief", {"CNN": "thief:build"}))
    assert type(create_model("cnn")) is CNN
    assert "thief" not in sys.modules
    own, other = find_models()["cnn"]
    assert own.refusal is None
    assert other.package == "thief"
    assert other.refusal == (
        "'cnn' is a built-in model of fmnistlab, and no package can take its name"
    )
    with pytest.raises(
        ModelLoadError, match=r"'thief:cnn' of package thief 1.0 .* is refused: 'cnn"
    ):
        create_model("thief:cnn")


@given(declared=declared_models)
@settings(max_examples=40)
def test_any_set_of_entry_points_obeys_the_rules(declared: list[tuple[str, str, str]]) -> None:
    """Compares the registry with a small model of its rules, on real distributions."""
    errors = {
        "no_module": "ModuleNotFoundError",
        "raises": "RuntimeError: import failed",
        "exits": "SystemExit: 3",
        "no_attribute": "AttributeError",
        "number": "of type int",
        "text": "of type str",
        "fails": "ValueError: no luck",
    }
    working = (
        WORKING + "number = 7\ndef text(): return ''\ndef fails(): raise ValueError('no luck')\n"
    )
    plugins = [
        Plugin("broken-raises", "", "raise RuntimeError('import failed')"),
        Plugin("broken-exits", "", "raise SystemExit(3)"),
    ]
    offers: dict[str, set[tuple[str, str]]] = {}
    for package in {package for package, _, _ in declared}:
        plugin = Plugin(package, "", working)
        lines = ["[fmnistlab.models]"]
        values = {
            "builds": f"{plugin.module}:build",
            "no_module": "nowhere_to_be_found:build",
            "raises": "broken_raises:build",
            "exits": "broken_exits:build",
            "no_attribute": f"{plugin.module}:nothing",
        }
        for name, kind in [(name, kind) for owner, name, kind in declared if owner == package]:
            lines.append(f"{name} = {values.get(kind, f'{plugin.module}:{kind}')}")
            offers.setdefault(name.lower(), set()).add((package, kind))
        plugins.append(Plugin(package, "\n".join(lines), working))

    good = {"mine", "zoo-2.0_b", "7"}
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder), *plugins):
        assert list_models() == sorted({*BUILT_IN, *offers.keys() & good})
        assert {name: len(sources) for name, sources in find_models().items()} == {
            name: len(offers.get(name, ())) + (name in BUILT_IN) for name in {*BUILT_IN, *offers}
        }
        assert unreadable_packages() == ()
        assert type(create_model("cnn")) is CNN
        assert type(create_model("LinearNet")) is LinearNet
        for name, claims in offers.items():
            if name in good and len(claims) > 1:
                with pytest.raises(ModelNameClashError) as clash:
                    create_model(name)
                assert all(f"package {package} 1.0 (" in str(clash.value) for package, _ in claims)
            elif name in good and claims <= {(package, "builds") for package, _ in claims}:
                assert model_reference(create_model(name.upper())) == ModelReference(name, {})
            elif name not in BUILT_IN:
                (package, kind), *_ = sorted(claims)
                with pytest.raises(ModelLoadError) as broken:
                    create_model(name)
                assert f"package {package} 1.0 (entry point '{name} = " in str(broken.value)
                fault = errors.get(kind, "") if name in good else "cannot be the name of a model"
                assert fault in str(broken.value)


# --- plug-ins that do not work --------------------------------------------------------------------

UNPRINTABLE = (
    "class Odd(Exception):\n  def __str__(self): raise ValueError\nraise Odd"  # cannot even say why
)
BROKEN = {
    "missing module": (Plugin("bad", {"m": "no_such_module:build"}), ModuleNotFoundError),
    "missing dependency": (
        Plugin("bad", {"m": "bad:x"}, "import no_such_module"),
        ModuleNotFoundError,
    ),
    "missing attribute": (Plugin("bad", {"m": "bad:x"}), AttributeError),
    "not a value": (Plugin("bad", {"m": "bad/x.py"}), ValueError),
    "module only": (Plugin("bad", {"m": "bad"}), ValueError),
    "relative module": (Plugin("bad", {"m": ".bad:x"}), TypeError),
    "SyntaxError": (Plugin("bad", {"m": "bad:x"}, "def x(:\n"), SyntaxError),
    "raises": (Plugin("bad", {"m": "bad:x"}, "1 / 0"), ZeroDivisionError),
    "raises BaseException": (Plugin("bad", {"m": "bad:x"}, "raise BaseException"), BaseException),
    "raises the unprintable": (Plugin("bad", {"m": "bad:x"}, UNPRINTABLE), Exception),
    "SystemExit": (Plugin("bad", {"m": "bad:x"}, "raise SystemExit(0)"), SystemExit),
    "not callable": (Plugin("bad", {"m": "bad:x"}, "x = 3"), None),
    "gives no module": (Plugin("bad", {"m": "bad:x"}, "def x(): return 3"), None),
    "gives a class": (
        Plugin("bad", {"m": "bad:x"}, "import torch\nx = lambda: torch.nn.ReLU"),
        None,
    ),
    "factory raises": (Plugin("bad", {"m": "bad:x"}, "def x(): 1 / 0"), ZeroDivisionError),
    "factory exits": (Plugin("bad", {"m": "bad:x"}, "def x(): raise SystemExit"), SystemExit),
    "wants options": (Plugin("bad", {"m": "bad:x"}, "def x(width): pass"), TypeError),
    "bad name": (Plugin("bad", {"m": "bad:x", "my model": "bad:x"}, "x = 0"), None),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_harms_nobody_and_is_named(
    kind: str, install: Callable[..., None]
) -> None:
    plugin, cause = BROKEN[kind]
    install(plugin, HEALTHY)
    name = "my model" if kind == "bad name" else "m"
    assert list_models() == ["cnn", "fine", "linearnet", "m"]
    assert type(create_model("cnn")) is CNN
    assert isinstance(create_model("fine"), nn.Flatten)
    with pytest.raises(ModelLoadError) as caught:
        create_model(name)
    text = str(caught.value)
    assert f"package bad 1.0 (entry point '{name} = {plugin.points[name]}')" in text
    if cause is None:
        assert caught.value.__cause__ is None
    else:
        assert isinstance(caught.value.__cause__, cause)
        assert type(caught.value.__cause__).__name__ in text
    assert isinstance(caught.value, ImportError)
    assert isinstance(create_model("fine"), nn.Flatten)


def no_metadata(text: str) -> Plugin:
    return Plugin("bad", text, metadata=None, version="0.9")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (no_metadata("[fmnistlab.models]\nm = bad:x\n"), "no METADATA file with a Name"),
        (Plugin("bad", b"[fmnistlab.models]\nm = \xff\n", version="0.9"), "UnicodeDecodeError"),
        (Plugin("bad", "[fmnistlab.models]\nno equals sign\n", version="0.9"), "TypeError"),
    ],
    ids=["no metadata", "not UTF-8", "no equals sign"],
)
def test_a_package_with_damaged_metadata_is_told_to_who_misses_a_model(
    plugin: Plugin, reason: str, install: Callable[..., None]
) -> None:
    install(plugin, HEALTHY)
    assert list_models() == ["cnn", "fine", "linearnet"]
    (sentence,) = unreadable_packages()
    assert "bad-0.9.dist-info cannot be read" in sentence
    assert reason in sentence
    assert isinstance(create_model("fine"), nn.Flatten)
    with pytest.raises(UnknownModelError, match=r"bad-0\.9\.dist-info cannot be read"):
        create_model("m")


def test_damage_in_packages_that_offer_no_model_is_not_our_business(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install(no_metadata(""), Plugin("nobody", "", metadata="Summary: no name\n"))
    install(Plugin("latin", ""))
    (tmp_path / "site1" / "latin-1.0.dist-info" / "METADATA").write_bytes(b"Name: lat\xefn\n")
    assert list_models() == BUILT_IN
    assert unreadable_packages() == ()


def test_a_package_without_a_version_says_so(install: Callable[..., None]) -> None:
    install(Plugin("bad", {"m": "bad:nothing"}, metadata="Name: bad\n"))
    with pytest.raises(ModelLoadError, match=r"package bad \(unknown version\) \(entry point"):
        load_model("m")


@pytest.mark.parametrize("position", [0, 99])
def test_an_import_finder_that_fails_costs_only_its_own_packages(
    position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BrokenFinder:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, _: object) -> Iterator[importlib.metadata.Distribution]:
            raise RuntimeError("finder out of order")

    finders = list(sys.meta_path)
    finders.insert(position, BrokenFinder())
    monkeypatch.setattr(sys, "meta_path", finders)
    assert list_models() == BUILT_IN
    (sentence,) = unreadable_packages()
    assert "BrokenFinder" in sentence
    assert "finder out of order" in sentence


@pytest.mark.parametrize("source", ["raise KeyboardInterrupt", "def x(): raise KeyboardInterrupt"])
def test_ctrl_c_in_a_plug_in_is_still_ctrl_c(source: str, install: Callable[..., None]) -> None:
    install(Plugin("slow", {"m": "slow:x"}, source))
    with pytest.raises(KeyboardInterrupt):
        create_model("m")


def test_wrong_options_are_shown_with_the_cause(install: Callable[..., None]) -> None:
    install(Plugin("acme", {"m": "acme:x"}, "def x(width=1, *, name): return width.nothing"))
    with pytest.raises(ModelLoadError) as caught:
        create_model("m", width=3, name="x")
    text = str(caught.value)
    assert "Model 'm' of package acme" in text
    assert "with the options width=3, name='x'" in text
    assert "AttributeError" in text
    assert isinstance(caught.value.__cause__, AttributeError)


def test_all_broken_plug_ins_together_leave_a_fresh_process_alone(tmp_path: Path) -> None:
    for number, (plugin, _) in enumerate(BROKEN.values()):
        values = plugin.points
        points = {f"m{number}": values["m"].replace("bad", f"bad{number}")}
        Plugin(f"bad{number}", points, plugin.source).install(tmp_path)
    no_metadata("[fmnistlab.models]\nm = bad:x\n").install(tmp_path)
    HEALTHY.install(tmp_path)
    printed = run_python(
        "import fmnistlab\n"
        "from fmnistlab.errors import ModelLoadError\n"
        "for name in fmnistlab.list_models():\n"
        "    try: print(name, type(fmnistlab.create_model(name)).__name__)\n"
        "    except ModelLoadError as error: print(name, 'is broken')\n",
        folder=tmp_path,
    )
    expected = {"cnn": "CNN", "fine": "Flatten", "linearnet": "LinearNet"}
    expected |= {f"m{number}": "is broken" for number in range(len(BROKEN))}
    assert printed.splitlines() == [f"{name} {expected[name]}" for name in sorted(expected)]


def test_a_package_that_stops_torch_itself_is_named(tmp_path: Path) -> None:
    """torch reads all entry points when it is imported, and one damaged file is enough."""
    Plugin("torn", "[torch.backends]\nno equals sign\n[fmnistlab.models]\n").install(tmp_path)
    printed = run_python(
        "import fmnistlab\n"
        "print(fmnistlab.list_models())\n"
        "try: fmnistlab.create_model('cnn')\n"
        "except fmnistlab.FmnistlabError as error: print(error)\n"
        "else: print('torn-1.0.dist-info cannot be read, but torch did not mind')\n",
        folder=tmp_path,
    )
    assert printed.startswith("['cnn', 'linearnet']\n")
    assert "torn-1.0.dist-info cannot be read" in printed


# --- register_model -------------------------------------------------------------------------------


def test_classes_and_functions_can_be_registered_and_come_back_unchanged() -> None:
    @register_model("My-Net")
    class MyNet(nn.Module):
        def __init__(self, width: int = 3) -> None:
            super().__init__()
            self.width = width

    @register_model("by.function")
    def build() -> nn.Module:
        return MyNet(7)

    assert isinstance(MyNet(), nn.Module)
    assert list_models() == ["by.function", "cnn", "linearnet", "my-net"]
    assert load_model("MY-NET") is MyNet
    assert create_model("my-net", width=4).width == 4
    assert create_model("By.Function").width == 7
    (source,) = find_models()["my-net"]
    assert (source.package, source.version, source.refusal) == (__name__, None, None)
    assert source.value.startswith(f"{__name__}:")
    assert source.value.endswith("MyNet")


def test_running_a_definition_again_replaces_it() -> None:
    def cell(width: int) -> None:
        @register_model("mine")
        class Net(nn.Linear):
            def __init__(self) -> None:
                super().__init__(1, width)

    cell(2)
    cell(3)
    assert create_model("mine").out_features == 3


@pytest.mark.parametrize("name", ["cnn", "LinearNet"])
def test_a_built_in_name_cannot_be_registered(name: str) -> None:
    with pytest.raises(ModelNameClashError, match=r"taken by package fmnistlab .* another name"):
        register_model(name)(nn.Flatten)
    assert list_models() == BUILT_IN


def test_a_name_of_a_plug_in_or_of_another_definition_cannot_be_registered(
    install: Callable[..., None],
) -> None:
    install(HEALTHY)
    with pytest.raises(ModelNameClashError, match=r"'fine' is taken by package healthy 1\.0"):
        register_model("Fine")(nn.Flatten)
    register_model("mine")(nn.Flatten)
    with pytest.raises(
        ModelNameClashError, match=r"module torch\.nn\.modules\.flatten \(@register"
    ):
        register_model("mine")(nn.Unflatten)
    assert "healthy" not in sys.modules
    assert load_model("mine") is nn.Flatten


def test_a_plug_in_that_arrives_later_clashes_when_asked_for(install: Callable[..., None]) -> None:
    register_model("fine")(nn.Identity)
    install(HEALTHY)
    with pytest.raises(ModelNameClashError, match=r"package healthy 1\.0 .* and by module torch"):
        create_model("fine")
    assert isinstance(create_model("torch.nn.modules.linear:fine"), nn.Identity)
    assert isinstance(create_model("healthy:fine"), nn.Flatten)


def test_a_package_may_decorate_what_its_entry_point_names(install: Callable[..., None]) -> None:
    source = (
        "from torch import nn\nfrom fmnistlab.models.registry import register_model\n"
        "@register_model('both')\nclass Both(nn.Flatten): pass\n"
    )
    install(Plugin("acme", {"both": "acme:Both"}, source))
    assert type(create_model("both")).__name__ == "Both"
    assert type(create_model("both")).__name__ == "Both"
    assert [source.package for source in find_models()["both"]] == ["acme"]


@pytest.mark.parametrize("name", ["", "my model", "-x", ".x", "_x", "a/b", "a:b", "ä", "x\n"])
def test_a_bad_name_is_refused_at_once(name: str) -> None:
    with pytest.raises(ConfigurationError, match="starts with a letter or a digit"):
        register_model(name)


@pytest.mark.parametrize("thing", [nn.Flatten(), functools.partial(nn.Flatten, 1)])
def test_only_classes_and_functions_can_be_registered(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match="it takes a class or a function"):
        register_model("mine")(thing)


def test_forgetting_the_name_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=r"write @register_model\('my-model'\)"):
        inspect.unwrap(register_model)(nn.Flatten)


def test_a_registered_factory_that_fails_names_its_module() -> None:
    @register_model("sad")
    def build() -> nn.Module:
        raise ValueError("no luck")

    with pytest.raises(ModelLoadError, match=rf"module {__name__} \(@register_model on .*no luck"):
        create_model("sad")


# --- the note on the model ------------------------------------------------------------------------


def test_the_note_survives_copies_and_stays_out_of_the_state() -> None:
    model = create_model("CNN")
    assert model_reference(copy.deepcopy(model)) == ModelReference("cnn", {})
    assert model_reference(
        cast("nn.Module", torch.compile(model, backend="eager"))
    ) == ModelReference("cnn", {})
    assert list(model.state_dict()) == list(CNN().state_dict())
    assert model_reference(CNN()) is None


def test_the_note_is_the_callers_last_word() -> None:
    """A factory may itself use create_model; the outer call is the one to repeat."""

    @register_model("outer")
    def build(depth: int) -> nn.Module:
        return create_model("cnn")

    options = {"depth": 2}
    model = create_model("outer", **options)
    options["depth"] = 3
    assert model_reference(model) == ModelReference("outer", {"depth": 2})


def test_the_note_can_be_left_on_a_module_that_guards_its_attributes() -> None:
    @register_model("strict")
    class Strict(nn.Module):
        def __setattr__(self, name: str, value: Any) -> None:
            if name.startswith("_fmnistlab"):
                raise AttributeError(name)
            super().__setattr__(name, value)

    assert model_reference(create_model("strict")) == ModelReference("strict", {})


def test_the_weights_come_from_torchs_global_generator() -> None:
    torch.manual_seed(5)
    first = create_model("linearnet")
    torch.manual_seed(5)
    second = LinearNet()
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_every_error_of_the_registry_is_of_the_family() -> None:
    for error in (UnknownModelError, ModelNameClashError, ModelLoadError):
        assert issubclass(error, FmnistlabError)


def test_describe_leaves_no_colon_behind() -> None:
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("why")) == "ValueError: why"
