"""Comparisons among other processes: locks, two calls at once, a full disk, signals, a cluster."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from tests.experiments.comparisons import (
    Plain,
    contents,
    data_beside,
    facts,
    plain,
    registered,
    small,
    words,
)
from tests.faults.children import Child
from torch import nn

from fmnistlab.cli.main import run
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import FILES
from fmnistlab.models import registry

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models and processes of one test are not there in the next."""
    monkeypatch.setattr(registry, "_registered", {})
    yield
    get_reusable_executor().shutdown(wait=True)


def slow(name: str, log: Path) -> str:
    """Registers a model that takes its time, and notes each training; returns its name."""

    def make() -> nn.Module:
        begun: list[float] = []

        def act(omen: float) -> None:
            if not begun:
                with log.open("a") as stream:
                    stream.write(f"{name} {omen}\n")
            begun.append(omen)
            time.sleep(0.02)

        return Plain(act)

    return registered(name, make)


def test_a_run_that_another_process_holds_is_waited_for(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = here / "log"
    small(here / "out", slow("slow", log), "linearnet")
    (held,) = (here / "out" / "runs").glob("slow-s1-*")
    for file in ("result.json", "checkpoint.safetensors", "predictions.safetensors"):
        (held / file).unlink()
    log.unlink()

    def hold() -> None:
        folder = RunFolder.create(held, "slow", resume=True)
        (here / "holds").touch()
        time.sleep(1.5)
        (here / "lets go").touch()
        folder.release()

    child = Child(hold)
    while not (here / "holds").exists():
        time.sleep(0.01)
    found = small(here / "out", "slow", "linearnet")
    assert (here / "lets go").exists()
    assert child.wait().error == ""
    assert not found.failures
    assert len(log.read_text().splitlines()) == 1
    assert [one.message for one in caplog.records if "Waiting" in one.message] == [
        f"{held}: another training is writing there now. Name another folder with out=.... "
        "Waiting for it."
    ]


@pytest.mark.parametrize("more", [0, 1])
def test_two_calls_at_once_share_the_work_and_end_alike(here: Path, more: int) -> None:
    """The second one may ask for a seed more."""
    log = here / "log"
    models = [slow("a", log), slow("b", log)]
    data_beside(here / "out")

    def call(seeds: int) -> str:
        return str(small(here / "out", *models, seeds=seeds))

    children = [Child(lambda: call(3))]
    while more and not (here / "out" / "comparison.json").exists():  # fewer seeds would be refused
        time.sleep(0.001)
    children.append(Child(lambda: call(3 + more)))
    endings = [child.wait() for child in children]
    assert [ending.error for ending in endings] == ["", ""]
    trained = log.read_text().splitlines()
    assert len(trained) == len({*trained}) == 2 * (3 + more)
    if not more:
        assert endings[0].result == endings[1].result
    written = json.loads((here / "out" / "comparison.json").read_text())
    small(here / "fresh", *models, seeds=3 + more)
    fresh, shared = facts(here / "fresh"), facts(here / "out")
    assert len(written["requests"]) == 1 + more
    if more:
        fresh.pop("comparison.json"), shared.pop("comparison.json")
    assert shared == fresh


def allow(size: int) -> None:
    """Lets no file of this process and its children grow beyond a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def cli(*arguments: str, limit: int | None = None) -> subprocess.Popen[str]:
    """Starts a command in a process group of its own."""

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if limit is not None:
            allow(limit)

    return subprocess.Popen(
        [sys.executable, "-m", "fmnistlab", *arguments],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509 - there are no threads that matter
    )


def test_a_full_disk_is_a_failure_of_those_runs_and_keeps_the_others(here: Path) -> None:
    small(here / "out", "linearnet", seeds=1)
    kept = contents(here / "out" / "runs")
    process = cli(*words(here / "out", "linearnet", seeds="3"), limit=300_000)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "linearnet, seed 1, failed: CheckpointWriteError: " in said
    assert "linearnet, seed 2, failed: " in said
    assert "Traceback" not in errors
    now = contents(here / "out" / "runs")
    assert {name: now[name] for name in kept} == kept
    assert not [name for name in now if name.endswith((".tmp", ".lock"))]
    found = small(here / "out", "linearnet", seeds=3)
    assert not found.failures
    small(here / "fresh", "linearnet", seeds=3)
    assert [*facts(here / "out")] == [*facts(here / "fresh")]


def test_a_disk_without_room_for_the_record_ends_it_with_a_code_of_its_own(here: Path) -> None:
    small(here / "out", "linearnet", seeds=1)
    kept = contents(here / "out")
    process = cli(*words(here / "out", "linearnet", seeds="2"), limit=1_000)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 5, errors
    assert errors.startswith("fmnistlab: error: ")
    assert "comparison.json: cannot be written: File too large" in errors
    assert contents(here / "out") == kept


def alive(group: int) -> list[str]:
    """Returns the processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("kind", "to", "jobs"),
    [
        (signal.SIGINT, "the terminal", 2),
        (signal.SIGTERM, "the terminal", 2),
        (signal.SIGINT, "the command", 2),
        (signal.SIGTERM, "the command", 2),
        (signal.SIGINT, "the command", 1),
        (signal.SIGTERM, "the command", 1),
    ],
)
def test_a_signal_ends_all_processes_and_the_same_call_goes_on(
    here: Path, kind: signal.Signals, to: str, jobs: int
) -> None:
    call = words(here / "out", "linearnet", seeds="6", jobs=jobs, epochs=15)
    process = cli(*call)
    while process.poll() is None and not [*here.glob("out/runs/*/result.json")]:
        time.sleep(0.01)
    (os.killpg if to == "the terminal" else os.kill)(process.pid, kind)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + kind, errors
    assert said == ""
    lines = errors.splitlines()
    assert f"{here / 'out'}: what is trained is kept; the same call goes on" in lines
    assert lines[-1] == f"fmnistlab: error: {'interrupted' if kind == 2 else 'terminated'}"
    assert "Traceback" not in errors
    end = time.monotonic() + 10
    while alive(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(process.pid) == []
    results = [*here.glob("out/runs/*/result.json")]
    finished = [path.parent for path in results]
    assert 0 < len(finished) < 6
    kept = {path: path.stat() for folder in finished for path in folder.iterdir()}
    assert run([*call[:-2], "--jobs", "1", "--out", str(here / "out")]) == 0
    for path, then in kept.items():
        if path.name in FILES:
            now = path.stat()
            assert (now.st_ino, now.st_mtime_ns) == (then.st_ino, then.st_mtime_ns), path
    assert run([*call[:-2], "--jobs", "1", "--out", str(here / "fresh")]) == 0
    assert facts(here / "out") == facts(here / "fresh")


def test_what_a_killed_command_leaves_running_is_waited_for(here: Path) -> None:
    """Its processes go on with what they were given; they end by themselves minutes later."""
    call = words(here / "out", "linearnet", seeds="4", jobs=2, epochs=50)
    with cli(*call) as process:
        while process.poll() is None and not [*here.glob("out/runs/*/config.json")]:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    again = [*call[:-2], "--jobs", "1", "--out", str(here / "out")]
    assert run(again) == 0
    kept = {path: path.stat().st_mtime_ns for path in here.glob("out/runs/*/result.json")}
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert run(again) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert run([*call[:-2], "--jobs", "1", "--out", str(here / "fresh")]) == 0
    assert facts(here / "out") == facts(here / "fresh")


ON_DASK = """
import sys
from pathlib import Path

import distributed
import joblib
from tests.experiments.comparisons import plain, small

if __name__ == "__main__":
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        distributed.LocalCluster(**settings, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        print(small(Path(sys.argv[1]), plain("one"), "linearnet", seeds=3, n_jobs=-1))
"""


def test_a_dask_cluster_gives_the_bits_of_this_machine(here: Path) -> None:
    """In a process of its own, since `distributed` changes how packages are found."""
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("distributed is not installed")
    (here / "on_dask.py").write_text(ON_DASK)
    data_beside(here / "dask")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, here / "on_dask.py", here / "dask"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    found = small(here / "loky", plain("one"), "linearnet", seeds=3, n_jobs=2)
    assert not found.failures
    assert facts(here / "dask") == facts(here / "loky")
    one, other = (
        [line.rsplit(maxsplit=1)[0] for line in text.splitlines() if line]
        for text in (done.stdout, str(found))
    )
    assert one == other
