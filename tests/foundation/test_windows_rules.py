"""The whole way from training to verification under Windows' rules, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

CYCLE = """
import os, pathlib, signal, sys
from tests.foundation import windows_rules
windows_rules.install()
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell

from fmnistlab import testing
from fmnistlab.cli.main import run
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.experiments.experiment import run_experiment
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.callbacks import Callback, Checkpointing, CsvLog
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

class Interrupt(Callback):
    def on_batch_end(self, run, result):
        if run.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

testing.write_tiny_csv("tiny.csv.gz", rows=60)
for _ in range(2):  # the second time from the cache
    kept = FashionMNISTCSV("tiny.csv.gz")
testing.write_tiny_csv("tiny.csv.gz", rows=60, seed=1)  # the old arrays are still in use
assert FashionMNISTCSV("tiny.csv.gz").fingerprint != kept.fingerprint

words = ["train", "linearnet", "--data", "tiny.csv.gz", "--epochs", "2", "--batch-size", "8"]
words += ["--checkpoint-steps", "2"]
config = ExperimentConfig(
    model="linearnet",
    data=pathlib.Path("tiny.csv.gz"),
    recipe=Recipe(epochs=2, batch_size=8),
    out=pathlib.Path("run"),
    checkpoint_steps=2,
)
try:
    run_experiment(config, [Interrupt()])
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("nothing was interrupted")
assert (pathlib.Path("run/checkpoints").is_dir())
codes = [
    run([*words, "--out", "run", "--resume"]),
    run(["verify", "run"]),
    run(["evaluate", "run"]),
    run(["predict", "run", "tiny.csv.gz:0-3"]),
    run(["predict", "run", "tiny.csv.gz:0-3"]),
    run([*words]),
    run(["data", "tiny.csv.gz", "--picture", "x.png"]),
    run(["train", "linearnet", "--data", "nothing.csv", "--out", "failed"]),
]
trainer = Trainer.load("run/checkpoint.safetensors")
trainer.save("again.safetensors")
trainer.save("again.safetensors")
fit = Trainer(trainer.model, callbacks=[CsvLog("log.csv"), Checkpointing("steps")])
fit.fit(testing.tiny_dataset(20), epochs=3)
print(codes)
"""


def test_a_training_is_interrupted_resumed_and_verified_under_windows_rules(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CYCLE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{REPOSITORY}"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0, 0, 0, 3]", done.stderr[-3000:]
    assert "match" in done.stdout
    assert json.loads((here / "run/result.json").read_text())["epochs"] == 2
    left = [path for path in here.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    assert left == []
    assert sorted(path.name for path in here.iterdir()) == [
        *("again.safetensors", "log.csv", "run", "runs", "steps", "tiny.csv.gz", "x.png"),
    ]
    assert len(list((here / "steps").iterdir())) == 2


RULES = """
import mmap, os, signal, sys
from tests.foundation import windows_rules
windows_rules.install()

def refused(action):
    try:
        action()
    except (PermissionError, OSError) as error:
        return True
    return False

open("free", "w").close()
with open("held", "w+b") as stream:
    stream.write(b"x" * 4096)
    stream.flush()
    found = [
        refused(lambda: os.unlink("held")),
        refused(lambda: os.rename("held", "other")),
        refused(lambda: os.replace("free", "held")),
    ]
    mapped = mmap.mmap(stream.fileno(), 0)
found.append(refused(lambda: os.unlink("held")))
mapped.close()
found += [
    refused(lambda: os.open(".", os.O_RDONLY)),
    refused(lambda: os.mkdir("a:b")),
    refused(lambda: os.rename("free", "aux.txt")),
    not hasattr(signal, "SIGHUP"),
    not refused(lambda: os.unlink("held")),
    not refused(lambda: os.replace("free", "other")),
]
import fmnistlab.foundation.atomic_file
found.append(not hasattr(fmnistlab.foundation.atomic_file.os, "getuid") and hasattr(os, "getuid"))
print(found)
"""


def test_the_rules_forbid_what_windows_forbids(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RULES],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{REPOSITORY}"},
    )
    assert json.loads(done.stdout.lower()) == [True] * 11
