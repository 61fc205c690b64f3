"""What a training imports, in processes of their own; and that nobody misses the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

FIT = """
import json
import sys

import torch

if sys.argv[1] == "before":
    import torch._dynamo

from tests.tiny import tiny_set

from fmnistlab import Trainer
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.metrics import class_scores, confusion_matrix
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.recipes.recipe import Recipe

torch.set_num_threads(1)
images, labels = tiny_set(400).tensors
data = FashionMNISTCSV.from_arrays(images[:, 0], labels)
fit_set, valid_set = data.split()
recipe = Recipe(optimizer=sys.argv[2], epochs=1, batch_size=16)
trainer = Trainer("cnn", recipe, device="cpu", seed=1, execution="recorded")
trainer.fit(fit_set, valid_set)
again = Trainer.load(trainer.to_bytes(), device="cpu")
again.fit(fit_set, valid_set)
predictions = again.predict(valid_set)
class_scores(valid_set.targets, predictions), confusion_matrix(valid_set.targets, predictions)
heavy = ["torch._dynamo", "torch._inductor", "sympy", "sklearn", "scipy", "pandas", "matplotlib"]
found = {
    "weights": weights_sha256(again.model),
    "epochs": len(again.history),
    "executed": again.executed,
    "imported": [name for name in heavy if name in sys.modules],
    "left": [
        name
        for name, method in vars(torch.optim.Optimizer).items()
        if "__dynamo_disable" in getattr(getattr(method, "__wrapped__", None), "__dict__", {})
    ],
}
"""

COMPILE = """
from torch._dynamo.utils import counters

torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


@torch.compile(backend="eager")
def step(inputs):
    optimizer.zero_grad()
    loss = torch.compile(model, backend="eager")(inputs).square().sum()
    loss.backward()
    optimizer.step()
    return loss


found["losses"] = [float(step(torch.ones(4, 3))) for _ in range(4)]
found["counters"] = {name: dict(counts) for name, counts in counters.items()}
torch.compile(optimizer.step, backend="eager")()
optimizer.load_state_dict(optimizer.state_dict())
found["after"] = model.weight.tolist()
"""

TELL = "\nprint(json.dumps(found, sort_keys=True))\n"


def found_by(code: str, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-c", code + TELL, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_recorded_training_imports_nothing_heavy_and_gives_the_bits_it_gives_with_it(
    optimizer: str,
) -> None:
    light, heavy = (found_by(FIT, when, optimizer) for when in ("never", "before"))
    assert (light["executed"], light["epochs"]) == ("recorded", 2)
    assert light.pop("imported") == []
    assert light.pop("left") == []
    assert "torch._dynamo" in heavy.pop("imported")
    assert "add_param_group" in heavy.pop("left")
    assert light == heavy


def test_compiling_after_a_training_is_what_it_is_if_the_compiler_was_there_before() -> None:
    later, before = (found_by(FIT + COMPILE, when, "adam") for when in ("never", "before"))
    for found in (later, before):
        del found["imported"], found["left"]
    assert later == before
    assert later["losses"] == sorted(later["losses"], reverse=True)
    assert later["counters"]["stats"]["unique_graphs"] > 0
