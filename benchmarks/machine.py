"""What a measured process may use of the machine, and what it took."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # torch and pyarrow
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def worker_environment(threads: int) -> dict[str, str]:
    """Returns the environment of a measured process: `threads` threads, no GPU.

    Modules may be kept in compiled form, as they usually are, even if that is switched off here.
    """
    inherited = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    return {
        **inherited,
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
    }


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Gives processes that are started in the block `count` cores, where the system can do that.

    They inherit it, so it holds before anything is imported there: libraries that do not ask how
    many threads they may start count the cores they may run on.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def peak_memory() -> int:
    """Returns the most memory that this process has had in RAM so far, in bytes.

    Linux counts it anew for each program, under the name VmHWM. The figure of `getrusage` includes
    what the process was before it became this program, and stands in elsewhere.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resident_bytes(resource.getrusage(resource.RUSAGE_SELF))


def resident_bytes(usage: resource.struct_rusage) -> int:
    """Returns the peak in `usage` in bytes; macOS counts in bytes, others in units of 1,024."""
    return usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
