"""The pages agree with the source. That their examples work is tested by running them."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
import statistics
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scipy import stats
from sybil import Sybil
from sybil.example import SybilFailure
from tests import page_examples
from tests.test_architecture import FACES, FLOORS, GROUND, imports_between_rooms

import fmnistlab
from fmnistlab import errors
from fmnistlab.data import schema
from fmnistlab.data.augmentation.registry import BUILT_IN, load_augmentation

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FIRST_COMMAND = "python -m pip install -c constraints.txt '.[plot]' && fmnistlab train cnn"
CODE = re.compile(r"^```(python|bash|text|none).*?^```", re.DOTALL | re.MULTILINE)
TEST_COMMAND = "python -m pip install -c constraints.txt '.[test]' && python -m pytest"


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_its_two_commands_each_in_a_block_of_its_own() -> None:
    assert f"```bash\n{FIRST_COMMAND}\n```" in README
    assert f"```bash\n{TEST_COMMAND}\n```" in README


def test_the_checks_run_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("install -q", "install")
    lines = [part.strip() for line in script.splitlines() for part in line.split("&&")]
    for command in TEST_COMMAND.split(" && "):
        assert command in lines


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse breaks the lines elsewhere")
def test_help_texts_are_those_of_the_commands() -> None:
    page = text_of("command-line.md")
    assert load_script("refresh").with_help_texts(page) == page, "run python docs/refresh.py"


def test_every_command_has_its_help_text_on_the_page() -> None:
    page = text_of("command-line.md")
    helped = set(re.findall(r"^fmnistlab ?(\w*) --help$", page, re.MULTILINE))
    from fmnistlab.cli.main import build_parser

    listed = re.findall(r"^    (\w+)  ", build_parser().format_help(), re.MULTILINE)
    assert listed
    assert helped == {"", *listed}


def test_the_list_of_modules_is_that_of_the_source() -> None:
    page = text_of("architecture.md")
    fresh = load_script("refresh").with_modules(page, FLOORS, GROUND)
    assert fresh == page, "run python docs/refresh.py"


def test_the_pictures_of_the_house_are_those_of_the_source() -> None:
    house = load_script("house")
    for inside, name in house.PICTURES.items():
        drawn = house.draw(FLOORS[inside], imports_between_rooms(inside))
        assert text_of(f"images/{name}") == drawn, "run python docs/refresh.py"


def test_the_api_page_has_every_public_name_and_no_other_path() -> None:
    directives = re.findall(
        r"^\.\. auto(\w+):: (fmnistlab[\w.]*\w)", text_of("api.md"), re.MULTILINE
    )
    named = {path for kind, path in directives if kind != "module"}
    public = {
        f"{path}.{name}"
        for path in (f"fmnistlab.{face}".rstrip(".") for face in FACES)
        for name in dir(importlib.import_module(path))
        if not name.startswith("_")
    }
    assert named <= public
    told = {path.rpartition(".")[2] for _, path in directives} | {
        *dir(errors),
        *dir(schema),
        *FACES,
    }
    assert {path.rpartition(".")[2] for path in public} <= told


def test_names_in_the_changelog_exist() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = re.findall(r"`(fmnistlab(?:\.\w+)+)`", text)
    assert len(names) > 20
    for name in names:
        thing: Any = fmnistlab
        for part in name.split(".")[1:]:
            inner = f"{thing.__name__}.{part}" if isinstance(thing, ModuleType) else None
            if not hasattr(thing, part) and inner is not None:
                importlib.import_module(inner)
            thing = getattr(thing, part)


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{fmnistlab.__version__}]" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r"\{image\} (\S+)", text)
    for target in targets:
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_pictures_are_small_and_in_use() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < 200_000, picture.name
        assert f"images/{picture.name}" in texts, f"{picture.name} is on no page"


def test_the_answer_is_that_of_the_table_of_seeds() -> None:
    """The rows are rounded, so the last digit may be one off."""
    page = text_of("accuracy.md")
    found = re.findall(r"^\| \d+ \| (0\.\d+) \| 0\.\d+ \| (0\.\d+) \| ", page, re.MULTILINE)
    assert len(found) == 26
    linear, cnn = ([float(value) for value in column] for column in zip(*found, strict=True))
    for name, values in (("linearnet", linear), ("cnn", cnn)):
        row = re.search(rf"^\| {name} \|.*$", page, re.MULTILINE)
        assert row is not None
        assert f"| {statistics.mean(values):.4f} |" in row[0]
        assert f"| {statistics.stdev(values):.4f} |" in row[0]
    compared = stats.ttest_ind(cnn, linear, equal_var=False)
    ends = [100 * end for end in compared.confidence_interval(0.95)]
    stated = re.search(r"the difference is (\S+) to (\S+) points", page)
    assert stated is not None
    assert [float(end) for end in stated.groups()] == pytest.approx(ends, abs=0.011)
    gain = re.search(r"by (\d\.\d+) points on average", page)
    assert gain is not None
    assert float(gain[1]) == pytest.approx(
        100 * (statistics.mean(cnn) - statistics.mean(linear)), abs=0.011
    )


def test_extras_and_dependencies_are_described() -> None:
    started, architecture = text_of("getting-started.md"), text_of("architecture.md")
    for extra in PYPROJECT["project"]["optional-dependencies"]:
        assert f"| `{extra}` |" in started
    for requirement in PYPROJECT["project"]["dependencies"]:
        name = re.split(r"[<>=]", requirement)[0]
        assert f"| {name} |" in architecture
        assert name in started


def test_examples_of_commands_are_only_our_own() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    found = [command for text in texts for command in page_examples.commands(text)]
    assert FIRST_COMMAND in found
    assert all(command.split()[0] in ("fmnistlab", "python") for command in found)


def run_page(path: Path, text: str) -> None:
    """Executes a page as the collector in the root's conftest does."""
    path.write_text(text, encoding="utf-8")
    document = Sybil(page_examples.PARSERS).parse(path)
    page_examples.set_up(document.namespace)
    try:
        for example in document.examples():
            example.evaluate()
    finally:
        page_examples.tear_down(document.namespace)


BASH = '```bash\npython -c "print(12, 3.5)"\n```\n\n'
PYTHON = "```python\nx = 12\nprint(x, 3.5)\n```\n\n"
EXIT = "```bash\npython -c 'exit(3)'    # exit code 3\n```\n"


@pytest.mark.parametrize("block", [BASH, PYTHON])
def test_examples_must_print_what_the_page_says(block: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    run_page(page, block + "```text\n12 3.5\n```\n")
    run_page(page, block + "```text\n12 ...\n```\n")
    run_page(page, block + "<!-- numbers vary -->\n```text\n1,234    9\n```\n")
    with pytest.raises(SybilFailure, match=r"12 3\.5"):
        run_page(page, block + "```text\n12 3.6\n```\n")
    with pytest.raises(SybilFailure):
        run_page(page, block + "<!-- numbers vary -->\n```text\n12 x\n```\n")


def test_commands_must_end_with_the_code_that_the_page_says(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    run_page(page, EXIT)
    with pytest.raises(AssertionError, match="failed"):
        run_page(page, EXIT.replace("code 3", "code 2"))
    with pytest.raises(AssertionError, match="failed"):
        run_page(page, EXIT.replace("    # exit code 3", ""))
    with pytest.raises(AssertionError, match="only our own commands"):
        run_page(page, "```bash\nrm x\n```\n")


def test_a_page_leaves_no_trace(tmp_path: Path) -> None:
    before = Path.cwd(), fmnistlab.list_models()
    page = "```python\nimport fmnistlab\nfmnistlab.register_model('trace')(dict)\n"
    page += "open('trace', 'w').close()\nprint(fmnistlab.list_models()[-1])\n```\n\n"
    run_page(tmp_path / "page.md", page + "```text\ntrace\n```\n")
    assert (Path.cwd(), fmnistlab.list_models()) == before
    assert not Path("trace").exists()


def test_every_augmentation_is_told_on_the_page_about_data() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text_of("data.md"), re.MULTILINE)
    told = {name: re.findall(r"`(\w+)=", settings) for name, settings in rows}
    for name in BUILT_IN:
        fields = dataclasses.fields(load_augmentation(name))
        assert told[name] == [field.name for field in fields]
