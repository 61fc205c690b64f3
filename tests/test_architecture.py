"""The house: floors, sizes, names, promises that can be read off the source."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import pytest

import fmnistlab

ROOT = Path(fmnistlab.__file__).parent
MODULES = {
    "fmnistlab." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
}
PACKAGES = {"fmnistlab.data", "fmnistlab.models", "fmnistlab.results", "fmnistlab.cli"}

# A module imports only from floors below its own, or from its own folder.
FLOORS = [
    {"terminal"},
    {"errors", "logger", "shapes", "atomic_file", "regular_file", "json_text", "version"},
    {"checks"},
    {"seeding", "global_random", "run_folder_state", "strict_json", "typed_json"},
    {"data"},
    {"models"},
    {"training"},
    {"results", "run_folder"},
    {"records"},
    {"experiment_config"},
    {"experiment", "testing"},
    {"verification"},
    {"cli"},
    {"__main__"},
    {"__init__"},
]


def floor_of(module: str) -> int:
    top = module.split(".")[1]
    return next(number for number, names in enumerate(FLOORS) if top in names)


def imports_of(path: Path, *, top_level: bool) -> set[str]:
    """Modules of the package that a file imports, at module level only or anywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                known = inner in MODULES or f"{inner}.__init__" in MODULES
                found.add(inner if known else node.module)
    return {name for name in found if name.split(".")[0] == "fmnistlab"}


def key(module: str) -> str:
    return module if module in MODULES else f"{module}.__init__"


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downward(module: str) -> None:
    if module == "fmnistlab.__init__":
        return
    for imported in imports_of(MODULES[module], top_level=False):
        assert imported != "fmnistlab", f"{module} imports the package root"
        same_room = imported.split(".")[1] == module.split(".")[1]
        lower = floor_of(imported) < floor_of(module)
        assert same_room or lower, f"{module} imports {imported}, which is not below it"


def test_there_are_no_cycles() -> None:
    graph = {
        module: {key(name) for name in imports_of(path, top_level=True)}
        for module, path in MODULES.items()
        if module != "fmnistlab.__init__"
    }
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_models_know_only_the_schema_and_training_knows_no_file() -> None:
    for module, path in MODULES.items():
        imported = imports_of(path, top_level=False)
        if module.startswith("fmnistlab.models."):
            data = {name for name in imported if name.startswith("fmnistlab.data")}
            assert data <= {"fmnistlab.data.schema"}, module
        if module.startswith("fmnistlab.training."):
            assert not imported & {"fmnistlab.data.csv_file", "fmnistlab.data.dataset"}, module
            concrete = {"fmnistlab.models.cnn", "fmnistlab.models.linear"}
            assert not imported & concrete, module


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_small_and_have_names(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400
    assert not {"utils", "util", "misc", "common", "helpers"} & set(module.split("."))


def modules_with(pattern: str) -> set[str]:
    """Modules in whose source a pattern occurs."""
    texts = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}
    return {module for module, text in texts.items() if re.search(pattern, text)}


def test_one_module_prints_and_one_makes_loggers() -> None:
    """Otherwise text from outside could reach a terminal past `fmnistlab.terminal`."""
    assert modules_with(r"\bprint\(") == {"fmnistlab.cli.output"}
    quiets_pillow = "fmnistlab.data.picture_file"
    assert modules_with(r"\bgetLogger\(") == {"fmnistlab.logger", quiets_pillow}
    assert not modules_with(r"std(out|err)\.write|tqdm\.write|print_exc|\.lastResort")


@pytest.mark.parametrize(
    "forbidden",
    [
        r"import pickle|\bpickle\.[a-z]",
        r"(?<!safetensors\.)torch\.(load|save)\(",
        r"\beval\((?!\))",
        r"\bexec\(",
        r"joblib\.(load|dump)",
        r"plt\.show|pyplot|matplotlib\.use",
        r"import (socket|urllib|requests|http)\b|from (socket|urllib|requests|http)\b",
    ],
)
def test_dangerous_calls_are_absent(forbidden: str) -> None:
    for module, path in MODULES.items():
        assert not re.search(forbidden, path.read_text(encoding="utf-8")), module


def public_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Public functions of a module and public methods of its public classes."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.append(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += [part for part in node.body if isinstance(part, ast.FunctionDef)]
    return [function for function in found if not function.name.startswith("_")]


@pytest.mark.parametrize("module", MODULES)
def test_functions_that_raise_say_so(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for function in public_functions(tree):
        raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function))
        if raises:
            docstring = ast.get_docstring(function) or ""
            assert "Raises:" in docstring, f"{module}.{function.name} has no Raises section"


def test_the_public_names_agree() -> None:
    """The list, the lazy table and what type checkers see are the same names."""
    tree = ast.parse(MODULES["fmnistlab.__init__"].read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname for node in guarded.body for alias in node.names}  # type: ignore[attr-defined]
    assert {*fmnistlab.__all__} == seen | {"__version__"} == {*fmnistlab._HOMES, "__version__"}
    assert {*dir(fmnistlab)} >= {*fmnistlab.__all__}
    for name in fmnistlab.__all__:
        assert getattr(fmnistlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fmnistlab.nothing


def test_private_names_of_torch_stand_in_one_module() -> None:
    """So that one file tells what another version of torch may change without a word."""
    trees = {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}
    nodes = [(module, node) for module, tree in trees.items() for node in ast.walk(tree)]
    ours = {
        "_SubParsersAction",
        "_asdict",
        "_replace",
    }  # of argparse and, documented, of named tuples
    for _, node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            ours.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            ours.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            of_self = isinstance(node.value, ast.Name) and node.value.id == "self"
            ours |= {node.attr} if of_self else set()

    def is_foreign(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return bool(re.match(r"_[^_]", node.attr)) and node.attr not in ours
        names = [alias.name for alias in getattr(node, "names", [])]
        source = getattr(node, "module", None) or ""
        imports = isinstance(node, ast.Import | ast.ImportFrom) and "fmnistlab" not in source
        return imports and bool(re.search(r"(^|[. ])_[^_]", " ".join([source, *names])))

    private = {module for module, node in nodes if is_foreign(node)}
    assert private == {"fmnistlab.training.recorded.internals"}
    assert not modules_with(r"hasattr\(\w+(\.\w+)*, \"_[^_]") - private
