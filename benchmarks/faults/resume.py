"""A training of 24 steps (3 epochs of 8 shuffled batches, AdamW, CPU, one thread) is killed by
SIGKILL after a step whose end was saved, and the same script is started again in a new process. It
passes if the final weights have the same SHA-256 as those of a training that nobody killed. Each
step but the last is tried; those that can only be saved at the end of an epoch have two chances.
"""

from __future__ import annotations

import functools
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.candidates import KERAS, Candidate
from benchmarks.faults.forked import Ending, run_forked
from benchmarks.faults.problems import HarnessError
from benchmarks.faults.results import Row
from benchmarks.faults.scripts.start import Start
from fmnistlab.foundation.tables import Column, markdown_table

TITLE = "Resumed after a kill: the same bits?"
TRIALS = 0
SEEDED = True

STEPS = 24
"""Steps of the whole training."""

EPOCH_STEPS = 8
"""Steps of an epoch."""

DROPOUTS = (0.5, 0.0)

CANDIDATES = [
    Candidate(
        "fmnistlab",
        "data set, Checkpointing(every_steps=1)",
        "scripts.fmnistlab:DataSet",
        ("fmnistlab",),
    ),
    Candidate(
        "fmnistlab",
        "DataLoader, Checkpointing(every_steps=1)",
        "scripts.fmnistlab:Loader",
        ("fmnistlab",),
    ),
    Candidate(
        "fmnistlab",
        "DataLoader with 2 workers, Checkpointing(every_steps=1)",
        "scripts.fmnistlab:Loader",
        ("fmnistlab",),
        {"workers": 2},
    ),
    Candidate(
        "ignite",
        "DeterministicEngine, Checkpoint, torch.load(weights_only=False), 2 workers",
        "scripts.ignite:Ignite",
        ("ignite",),
        {"workers": 2},
    ),
    Candidate(
        "ignite",
        "DeterministicEngine, Checkpoint, torch.load(weights_only=False), 0 workers",
        "scripts.ignite:Ignite",
        ("ignite",),
        {"workers": 0},
    ),
    Candidate(
        "Lightning",
        "DataLoader, ModelCheckpoint(every_n_train_steps=1)",
        "scripts.lightning:Lightning",
        ("lightning",),
    ),
    Candidate(
        "Lightning",
        "DataLoader, ModelCheckpoint() at epoch ends",
        "scripts.lightning:Lightning",
        ("lightning",),
        {"epochs_only": True},
    ),
    Candidate(
        "Lightning",
        "StatefulDataLoader, ModelCheckpoint(every_n_train_steps=1)",
        "scripts.lightning:Lightning",
        ("lightning", "torchdata"),
        {"stateful": True},
    ),
    Candidate(
        "Lightning",
        "StatefulDataLoader, ModelCheckpoint() at epoch ends",
        "scripts.lightning:Lightning",
        ("lightning", "torchdata"),
        {"stateful": True, "epochs_only": True},
    ),
    Candidate(
        "Accelerate",
        "save_state, skip_first_batches",
        "scripts.accelerate:Accelerate",
        ("accelerate",),
    ),
    Candidate(
        "Accelerate",
        "use_seedable_sampler, set_epoch, skip_first_batches",
        "scripts.accelerate:Accelerate",
        ("accelerate",),
        {"seedable": True},
    ),
    Candidate(
        "Accelerate",
        "use_stateful_dataloader",
        "scripts.accelerate:Accelerate",
        ("accelerate", "torchdata"),
        {"stateful": True},
    ),
    Candidate(
        "Accelerate",
        "use_stateful_dataloader, use_seedable_sampler, set_epoch",
        "scripts.accelerate:Accelerate",
        ("accelerate", "torchdata"),
        {"stateful": True, "seedable": True},
    ),
    Candidate(
        "skorch", "Checkpoint and LoadInitState, epoch ends", "scripts.skorch:Skorch", ("skorch",)
    ),
    Candidate(
        "Keras on torch",
        "BackupAndRestore(), epoch ends",
        "scripts.keras:Keras",
        ("keras", "torch"),
        {"epochs_only": True},
        KERAS,
    ),
    Candidate(
        "Keras on torch",
        "BackupAndRestore(save_freq=1)",
        "scripts.keras:Keras",
        ("keras", "torch"),
        {},
        KERAS,
    ),
    Candidate(
        "Poutyne", "ModelBundle, epoch ends", "scripts.poutyne:Poutyne", ("poutyne", "pandas")
    ),
]


def measure(candidate: Candidate, trials: int, seed: int) -> dict[str, Any]:
    """Returns, for each dropout, what each resumed training came to.

    Raises:
        HarnessError: the training fails, or differs from itself, without a kill.
    """
    kind: Any = candidate.kind()
    found: dict[str, Any] = {}
    for dropout in DROPOUTS:

        def train(folder: Path, kill_after: int | None, dropout: float = dropout) -> Ending:
            made = functools.partial(kind, **candidate.options)
            return _train(made, Start(folder, seed, dropout, _killer(kill_after)))

        whole, again = _uninterrupted(train), _uninterrupted(train)
        if whole != again or whole["steps"] != STEPS:
            raise HarnessError(f"two trainings without a kill gave {whole} and {again}")
        epochs_only = candidate.options.get("epochs_only", kind.epochs_only)
        ends = range(1, STEPS)
        chances = [end for end in ends if end % EPOCH_STEPS == 0] if epochs_only else list(ends)
        found[str(dropout)] = [_resumed(train, step, whole["sha256"]) for step in chances]
    return found


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each way to resume."""
    shares = [Column(f"equal, {name}", right=True) for name in ("dropout 0.5", "no dropout")]
    lines = []
    for row in rows:
        if row.status != "measured":
            lines.append([row.peer, row.way, row.status, row.status, row.reason])
            continue
        tries = [row.result[str(dropout)] for dropout in DROPOUTS]
        equal = [f"{sum(found['equal'] for found in part)}/{len(part)}" for part in tries]
        lines.append([row.peer, row.way, *equal, "; ".join(_remarks(tries))])
    return markdown_table(["peer", "how", *shares, "what else was seen"], lines)


def _killer(step: int | None) -> Callable[[int], None]:
    """Returns what kills its own process when it is called with the number of a step."""

    def after_save(saved: int) -> None:
        if saved == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return after_save


def _train(make: Callable[[Start], Any], start: Start) -> Ending:
    """Runs a script in a new process."""

    def run() -> dict[str, Any]:
        script = make(start)
        return {"sha256": script.run(), "steps": script.steps}

    return run_forked(run)


def _uninterrupted(train: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        ending: Ending = train(Path(folder), None)
    if ending.complaint is not None:
        raise HarnessError(f"a training without a kill failed: {ending.complaint}")
    result: dict[str, Any] = ending.result
    return result


def _resumed(train: Any, step: int, wanted: str) -> dict[str, Any]:
    """Returns what a training came to that was killed after `step` and started again."""
    with tempfile.TemporaryDirectory() as folder:
        killed: Ending = train(Path(folder), step)
        if killed.killed_by != signal.SIGKILL or killed.hung:
            raise HarnessError(f"not killed after step {step}: {killed}")
        ending: Ending = train(Path(folder), None)
    if ending.complaint is not None:
        return {"step": step, "equal": False, "steps": None, "error": ending.complaint}
    equal = ending.result["sha256"] == wanted
    return {"step": step, "equal": equal, "steps": step + ending.result["steps"], "error": None}


def _remarks(tries: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """Returns what the shares do not tell: where a few differ, steps left out, errors."""
    remarks = []
    parts = list(zip(("with dropout", "without"), tries, strict=True))
    for name, part in parts:
        equal = [found["step"] for found in part if found["equal"]]
        other = [found["step"] for found in part if not found["equal"]]
        if equal and other:
            few, word = (equal, "equal") if len(equal) <= len(other) else (other, "not equal")
            remarks.append(f"{name}: {word} only after step {_listed(few)}")
    ran = {(found["steps"], found["step"]) for part in tries for found in part if found["steps"]}
    totals = sorted({total for total, _ in ran} - {STEPS})
    if len(totals) > 2:
        remarks.append(f"{totals[0]} to {totals[-1]} instead of {STEPS} steps ran")
        totals = []
    for total in totals:
        after = sorted(step for steps, step in ran if steps == total)
        remarks.append(f"{total} instead of {STEPS} steps ran when killed after {_listed(after)}")
    errors = sorted({found["error"] for part in tries for found in part if found["error"]})
    return [*remarks, *(f"error: {error}" for error in errors)]


def _listed(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps))
