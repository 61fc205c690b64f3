"""A package is installed that declares an entry point in a module that does not exist, as a plug-in
does whose own upgrade went wrong. Does a program that never asked for this plug-in still work, and
does the error tell whom to blame? Each program also runs without the package, to be sure that it
works then.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.candidates import Candidate
from benchmarks.faults.problems import HarnessError
from benchmarks.faults.results import Row
from fmnistlab.foundation.tables import markdown_table

TITLE = "Somebody else's broken plug-in: does the program still work?"
TRIALS = 0
SEEDED = False

PACKAGE = "acme-broken"
ENTRY_POINT = "acme_extension"
MODULE = "no_such_module_zz"

LONGEST = 300
"""Seconds that a program may take."""

TEST = "def test_nothing():\n    pass\n"

TRAINER = (
    "import lightning.pytorch as pl; "
    "pl.Trainer(accelerator='cpu', logger=False, enable_checkpointing=False)"
)
FABRIC = "from lightning.fabric import Fabric; Fabric(accelerator='cpu')"


def _host(
    peer: str, what: str, group: str, packages: tuple[str, ...], *command: str, **options: bool
) -> Candidate:
    """Returns a program as a candidate: what it does, and the group of entry points it reads."""
    return Candidate(
        peer, what, "", packages, {"group": group, "command": list(command), **options}
    )


def _fmnistlab(code: str, what: str, group: str = "fmnistlab.models", **options: bool) -> Candidate:
    return _host(
        "fmnistlab", what, group, ("fmnistlab",), "-c", f"import fmnistlab; {code}", **options
    )


CANDIDATES = [
    _fmnistlab("fmnistlab.create_model('cnn')", "create_model('cnn')"),
    _fmnistlab("print(fmnistlab.list_models())", "list_models()"),
    _fmnistlab(
        f"fmnistlab.create_model('{ENTRY_POINT}')", "create_model of the plug-in itself", asked=True
    ),
    _fmnistlab(
        "fmnistlab.create_model('cnn')", "create_model('cnn'), through torch", "torch.backends"
    ),
    _host("torch", "import torch", "torch.backends", ("torch",), "-c", "import torch"),
    _host(
        "Lightning",
        "Trainer()",
        "lightning.pytorch.callbacks_factory",
        ("lightning",),
        "-c",
        TRAINER,
    ),
    _host(
        "Lightning", "Fabric()", "lightning.fabric.callbacks_factory", ("lightning",), "-c", FABRIC
    ),
    _host(
        "pytest",
        "a test of nothing",
        "pytest11",
        ("pytest",),
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_nothing.py"),
    ),
]


def measure(candidate: Candidate, trials: int, seed: int) -> dict[str, Any]:
    """Returns whether a program works with the broken package, and what it complains.

    Raises:
        HarnessError: it does not work without it either.
    """
    group, command = candidate.options["group"], candidate.options["command"]
    asked = candidate.options.get("asked", False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work, site = folder / "work", folder / "site"
        work.mkdir()
        (work / "test_nothing.py").write_text(TEST, encoding="utf-8")
        without = _run(command, work, folder / "nothing")
        if without.returncode and not asked:
            raise HarnessError(f"without the plug-in: {_complaint(without)}")
        _install(site, group)
        found = _run(command, work, site)
    complaint = _complaint(found) if found.returncode else ""
    return {
        "group": group,
        "asked": asked,
        "works": found.returncode == 0,
        "message": complaint,
        "names_package": PACKAGE in found.stderr + found.stdout,
        "names_entry_point": ENTRY_POINT in found.stderr + found.stdout,
        "names_module": MODULE in found.stderr + found.stdout,
    }


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each program."""
    header = ["peer", "what", "group", "works", "error names", "the error"]
    lines = []
    for row in rows:
        if row.status != "measured":
            lines.append([row.peer, row.way, "", row.status, "", row.reason])
            continue
        found = row.result
        named = [
            text
            for text in ("package", "entry point", "module")
            if found[f"names_{text.replace(' ', '_')}"]
        ]
        works = "yes" if found["works"] else "no, as it must" if found["asked"] else "no"
        names = "" if found["works"] else ", ".join(named) or "none of them"
        lines.append([row.peer, row.way, f"`{found['group']}`", works, names, found["message"]])
    return markdown_table(header, lines)


def _install(site: Path, group: str) -> None:
    """Writes what an installer leaves of a package whose module is gone."""
    information = site / f"{PACKAGE.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n"
    (information / "METADATA").write_text(metadata, encoding="utf-8")
    declared = f"[{group}]\n{ENTRY_POINT} = {MODULE}:extension\n"
    (information / "entry_points.txt").write_text(declared, encoding="utf-8")


def _run(command: Sequence[str], work: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in the folder `work` with `site` before all installed packages."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *command],
        cwd=work,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LONGEST,
        check=False,
    )


def _complaint(found: subprocess.CompletedProcess[str]) -> str:
    """Returns the last line that tells of an error, at most 300 characters."""
    lines = [line.strip() for line in (found.stderr or found.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    return (errors or lines or [f"exit code {found.returncode}"])[-1][:300]
