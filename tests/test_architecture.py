"""The house: floors, sizes, names, promises that can be read off the source."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmnistlab

ROOT = Path(fmnistlab.__file__).parent
MODULES = {
    "fmnistlab." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
}

# A room imports only from floors below its own. A room is a folder or a file; what the ground floor
# holds is one room. Some rooms have floors of their own.
GROUND = {"errors", "foundation", "plugins", "seeding", "shapes", "version"}
FLOORS: dict[str, list[set[str]]] = {
    "": [
        {"ground"},
        {"data"},
        {"models", "statistics"},
        {"training"},
        {"callbacks", "metrics", "plots", "recipes"},
        {"experiments"},
        {"auditing", "testing"},
        {"reporting"},
        {"cli"},
        {"__main__"},
    ],
    "training": [
        {"execution", "recipes"},
        {"extra_metrics"},
        {"records"},
        {"checkpoints", "device"},
        {"callbacks", "evaluation"},
        {"steps"},
        {"loop"},
        {"stacked", "trainer"},
        {"rate_range", "seeds"},
    ],
    "training.steps": [
        {"average", "layout", "threads"},
        {"eager"},
        {"recorded"},
        {"cuda"},
        {"choice"},
    ],
    "experiments": [
        {"run_folder_state"},
        {"run_folder"},
        {"records"},
        {"config"},
        {"parts"},
        {"description", "tested"},
        {"experiment"},
        {"prediction", "sweep", "two_runs", "verification"},
        {"comparison"},
        {"searching"},
    ],
}


def floor_of(room: str, inside: str) -> int:
    """Returns the number of the floor of a room inside another one, "" for the house."""
    found = [number for number, rooms in enumerate(FLOORS[inside]) if room in rooms]
    assert len(found) == 1, f"{inside or 'the house'} has no room {room}, or two"
    return found[0]


def way_to(module: str) -> list[str]:
    """Returns the rooms through which one goes to a module, the outermost first."""
    parts = module.split(".")[1:]
    return ["ground", *parts] if parts[0] in GROUND else parts


def imports_between_rooms(inside: str) -> dict[str, set[str]]:
    """Returns of each room inside another one which other rooms there it imports."""
    depth = len(inside.split(".")) if inside else 0
    between: dict[str, set[str]] = {room: set() for rooms in FLOORS[inside] for room in rooms}
    for module, path in MODULES.items():
        here = way_to(module)
        if ".".join(here[:depth]) != inside or here[-1] == "__init__":
            continue
        for name in imports_of(path, top_level=False):
            there = way_to(name)
            if there[:depth] == here[:depth] and there[depth] != here[depth]:
                between[here[depth]].add(there[depth])
    return between


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


@pytest.mark.parametrize("inside", FLOORS)
def test_imports_run_downward(inside: str) -> None:
    for room, others in imports_between_rooms(inside).items():
        for other in others:
            below = floor_of(other, inside) < floor_of(room, inside)
            assert below, f"{room} imports {other}, which is not below it"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_a_room_and_none_imports_the_root(module: str) -> None:
    inside = ""
    for room in way_to(module):
        if inside in FLOORS and module != "fmnistlab.__init__" and room != "__init__":
            floor_of(room, inside)
        inside = f"{inside}.{room}".removeprefix(".")
    assert "fmnistlab" not in imports_of(MODULES[module], top_level=False)


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
    """Otherwise text from outside could reach a terminal past `fmnistlab.foundation.terminal`."""
    assert modules_with(r"\bprint\(") == {"fmnistlab.cli.output"}
    quiets_pillow = "fmnistlab.data.picture_file"
    assert modules_with(r"\bgetLogger\(") == {"fmnistlab.foundation.logger", quiets_pillow}
    assert not modules_with(r"std(out|err)\.write|tqdm\.write|print_exc|\.lastResort")


def test_only_where_figures_are_made_pyplot_is_known() -> None:
    """What pyplot keeps is closed by those who show it; a module that only draws cannot know."""
    imports = r"import matplotlib\.pyplot|from matplotlib import.*pyplot|from matplotlib\.pyplot"
    assert modules_with(imports) == {"fmnistlab.plots.figures", "fmnistlab.plots.notebook"}


@pytest.mark.parametrize(
    "forbidden",
    [
        r"import pickle|\bpickle\.[a-z]",
        r"(?<!safetensors\.)torch\.(load|save)\(",
        r"\beval\((?!\))",
        r"\bexec\(",
        r"joblib\.(load|dump)",
        r"\n *plt\.show|matplotlib\.use",
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


FACES = [
    "",
    "auditing",
    "callbacks",
    "data",
    "errors",
    "experiments",
    "metrics",
    "models",
    "plots",
    "recipes",
]
FACES = [*FACES, "statistics", "testing"]


@pytest.mark.parametrize("face", FACES)
def test_public_names_are_there_as_attributes_and_by_import(face: str) -> None:
    """Each folder that is a user's import path, in a process that has imported nothing else."""
    path = f"fmnistlab.{face}".rstrip(".")
    code = f"""
import fmnistlab, importlib
face = fmnistlab
for part in {path.split(".")[1:]!r}:
    face = getattr(face, part)
assert face is importlib.import_module({path!r})
names = [name for name in dir(face) if not name.startswith("_")]
assert len(names) > 4, names
for name in names:
    assert getattr(face, name) is not None
    exec(f"from {path} import {{name}}")
try:
    face.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError("a name that nobody has given is there")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_private_names_of_torch_stand_in_one_module() -> None:
    """So that one file tells what another version of torch may change without a word."""
    trees = {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}
    nodes = [(module, node) for module, tree in trees.items() for node in ast.walk(tree)]
    ours = {
        "_SubParsersAction",
        "_asdict",
        "_fields",
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
    assert private == {"fmnistlab.training.steps.recorded.internals"}
    assert not modules_with(r"hasattr\(\w+(\.\w+)*, \"_[^_]") - private
    # These are only words, in a module below those that make optimizers and save them.
    assert modules_with(r"_dynamo\b|__dynamo") == {"fmnistlab.foundation.compiler"}
