"""Each measurement in a fresh process; what goes wrong there is an error with a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from benchmarks.machine import on_cores, resident_bytes, worker_environment

ROOT = Path(__file__).parents[1]
"""The folder from which `python -m benchmarks.worker` finds this package."""

Measurement: TypeAlias = dict[str, float]
"""Named numbers of one process, such as "seconds", "loss" and "peak_rss_bytes"."""


class MeasurementError(Exception):
    """A process that gave no result, or none that counts; the text says why."""


def run_worker(
    module: str,
    *arguments: object,
    threads: int,
    cores: int | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Measurement:
    """Runs `python -m benchmarks.MODULE ARGUMENTS --threads N`; returns its last line, as JSON.

    Args:
        module: which worker.
        *arguments: for it.
        threads: that its libraries may use.
        cores: that it may run on; as many as threads if None.
        variables: further environment variables.

    Raises:
        MeasurementError: the process failed; the reason is the last line of what it complained.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    with on_cores(threads if cores is None else cores):
        finished = subprocess.run(
            [*command, "--threads", str(threads)],
            cwd=ROOT,
            env={**worker_environment(threads), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    if finished.returncode:
        raise MeasurementError(_last_line(finished.stderr) or f"exit code {finished.returncode}")
    result: Measurement = json.loads(_last_line(finished.stdout))
    return result


def time_command(
    command: Sequence[str],
    *,
    threads: int,
    variables: Mapping[str, str] = MappingProxyType({}),
    until: str | None = None,
) -> Measurement:
    """Returns the seconds from start to end of any command, and its peak memory in bytes.

    Args:
        command: what to run.
        threads: that its libraries may use.
        variables: further environment variables.
        until: how a line of its standard output begins; "result_seconds" are those up to it.

    Raises:
        MeasurementError: the command failed, or did not print such a line.
    """
    found: Measurement = {}
    with tempfile.TemporaryFile() as complaints:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**worker_environment(threads), **variables},
            stdout=subprocess.DEVNULL if until is None else subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        if until is not None and process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    if line.startswith(until):
                        found["result_seconds"] = time.perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complaints.seek(0)
            text = complaints.read().decode(errors="replace")
            raise MeasurementError(_last_line(text) or f"exit code {process.returncode}")
    if until is not None and not found:
        raise MeasurementError(f"printed no line that begins with {until!r}")
    return {"seconds": seconds, "peak_rss_bytes": float(resident_bytes(usage)), **found}


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
