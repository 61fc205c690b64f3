"""Runs all candidates of a section, each in a fresh process, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.candidates import Candidate
from benchmarks.faults.results import Row
from benchmarks.faults.sections import Section

ROOT = Path(__file__).parents[2]
"""The folder from which this package is found."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment of every candidate: a process with one thread can be forked."""


def measure_section(
    name: str, section: Section, trials: int, seed: int, wanted: str | None = None
) -> list[Row]:
    """Tests all candidates of a section, or those with `wanted` in their names."""
    rows = []
    for number, candidate in enumerate(section.candidates):
        label = f"{candidate.peer}, {candidate.way}"
        if wanted is not None and wanted.lower() not in label.lower():
            continue
        started = time.monotonic()
        row = _measure(name, number, candidate, trials, seed)
        row = row._replace(seconds=round(time.monotonic() - started, 1))
        reason = f": {row.reason}" if row.reason else ""
        print(
            f"{name}: {label}: {row.status}{reason} ({row.seconds} s)", file=sys.stderr, flush=True
        )
        rows.append(row)
    return rows


def _measure(name: str, number: int, candidate: Candidate, trials: int, seed: int) -> Row:
    row = Row(candidate.peer, candidate.way, "failed")
    if missing := candidate.missing():
        return row._replace(status="not installed", reason=", ".join(missing))
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.faults.worker", name, str(number)]
        command += ["--trials", str(trials), "--seed", str(seed), "--answer", str(answer)]
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        finished = subprocess.run(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                **ONE_THREAD,
                "CUDA_VISIBLE_DEVICES": "",
                "TMPDIR": str(scratch),  # all that killed processes leave behind ends up here
                **candidate.variables,
            },
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if not answer.exists():
            return row._replace(reason=_last_line(finished.stderr) or str(finished.returncode))
        found = json.loads(answer.read_text(encoding="utf-8"))
    if found["status"] == "failed":
        print(finished.stderr[-4000:], file=sys.stderr)
    return row._replace(**found)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
