"""What goes out: source archive and wheel, the versions they ask for, facts for other programs."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import fmnistlab

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHECKS = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def build(kind: str, source: Path, out: Path) -> Path:
    """Builds an archive of a folder as an installer would, without the network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind]
    command += ["--directory", str(out)]
    subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)
    (archive,) = out.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])
    return archive


def tracked_files(folder: str = ".") -> set[str]:
    """Returns what git knows of below a folder of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone of the repository")
    names = listed.stdout.decode().strip("\0").split("\0")
    return {name for name in names if (ROOT / name).is_file()}


def test_the_archives_hold_everything(tmp_path: Path) -> None:
    """The source archive what git has; the wheel, made from it, the package's own files."""
    with tarfile.open(build("sdist", ROOT, tmp_path)) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    unpacked = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    assert tracked_files() <= unpacked
    with zipfile.ZipFile(build("wheel", source, tmp_path)) as wheel:
        contents = {name: wheel.read(name) for name in wheel.namelist()}
    info = f"fmnistlab-{fmnistlab.__version__}.dist-info"
    package = {name for name in contents if not name.startswith(info)}
    assert package == {name.removeprefix("src/") for name in tracked_files("src")}
    assert all(contents[name] == (ROOT / "src" / name).read_bytes() for name in package)
    of_licenses = {f"{info}/licenses/{name}" for name in PYPROJECT["project"]["license-files"]}
    assert {name for name in contents if "licenses" in name} == of_licenses
    entry_points = contents[f"{info}/entry_points.txt"].decode()
    for names in (PYPROJECT["project"]["scripts"], *PYPROJECT["project"]["entry-points"].values()):
        for name, target in names.items():
            assert f"{name} = {target}\n" in entry_points


def test_what_is_tested_is_what_was_installed() -> None:
    """Nothing here comes from the source folder, unless it was installed to be edited."""
    if Path(fmnistlab.__file__).is_relative_to(ROOT):
        pytest.skip("installed with -e")
    files = importlib.metadata.files("fmnistlab")
    assert files is not None
    installed = {file.as_posix() for file in files if file.parts[0] == "fmnistlab"}
    installed = {name for name in installed if "__pycache__" not in name}
    assert installed == {name.removeprefix("src/") for name in tracked_files("src")}


def test_the_lowest_versions_are_those_that_are_declared() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(one for extra in extras for one in extra)]
    lowest = {one.replace(">=", "==") for one in declared if not one.startswith("fmnistlab[")}
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").split("# Not ours")[0]
    assert set(lines.splitlines()[1:]) == lowest


def test_every_declared_package_has_a_version_that_the_checks_run_with() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in lines[1:]}
    project = PYPROJECT["project"]
    sets = (*project["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values())
    declared = [*project["dependencies"], *(one for several in sets for one in several)]
    names = {re.split(r"[<>=\[]", one)[0] for one in declared if isinstance(one, str)}
    assert {name.lower().replace("_", "-") for name in names} - {"fmnistlab"} <= pinned


def test_the_citation_has_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", text, re.MULTILINE) == [fmnistlab.__version__]


def test_the_hooks_before_a_commit_are_the_checks_of_style_and_types() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = re.findall(r"^ +entry: (.+)$", text, re.MULTILINE)
    assert hooks == [line for line in CHECKS if line.startswith(("ruff ", "mypy", "pyright "))]
