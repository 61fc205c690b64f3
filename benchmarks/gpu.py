"""All that is to be known of one GPU, in one run of at most eight minutes and without a network.

    python -m benchmarks.gpu --out gpu.json

It runs the tests that need a GPU, compares captured steps with steps made as the model is written
over 50 steps with and without dropout, and measures epochs and stacked seeds beside a loop written
by hand, in turns. `--device cpu` goes through all but the captures, to try the script itself.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import fmnistlab
from benchmarks.environment import environment
from fmnistlab import FashionMNISTCSV, Recipe, Trainer, fit_seeds
from fmnistlab.recipes import Execution

LIMIT: Final = 480.0
"""Seconds after which no further part is begun."""

ROUNDS: Final = 7
SEEDS: Final = range(8)
MODELS: Final = ("linearnet", "cnn")


def tests() -> dict[str, Any]:
    """Runs the tests of captured steps, those that need a GPU included."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "tests/training/steps/test_cuda_graph_step.py",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    return {"exit": done.returncode, "said": done.stdout.strip().splitlines()[-5:]}


def fifty_steps(device: torch.device, captured: Execution, data: FashionMNISTCSV) -> dict[str, Any]:
    """Returns how far captured and written steps are apart after 50 steps, for each model."""
    return {
        name: {
            "largest difference of weights": max(
                float((one - other).abs().max())
                for one, other in zip(
                    *(_trained(name, device, way, data) for way in ("eager", captured)),
                    strict=True,
                )
            ),
            "largest weight": max(
                float(w.abs().max()) for w in _trained(name, device, "eager", data)
            ),
        }
        for name in (*MODELS, "dropout")
    }


def _trained(
    name: str, device: torch.device, execution: Execution, data: FashionMNISTCSV
) -> list[torch.Tensor]:

    recipe = Recipe(epochs=1, batch_size=32)
    trainer = Trainer(_model(name), recipe, device=device, execution=execution)
    trainer.fit(data.select(range(50 * 32)))
    return [parameter.detach().cpu() for parameter in trainer.model.parameters()]


def _model(name: str) -> nn.Module:

    torch.manual_seed(0)
    if name != "dropout":
        return fmnistlab.create_model(name)
    layers = nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)
    return nn.Sequential(*layers)


def epochs(device: torch.device, captured: Execution, data: FashionMNISTCSV) -> dict[str, Any]:
    """Returns the seconds of an epoch of 48,000 images in batches of 32, in turns."""
    found: dict[str, Any] = {}
    for name in MODELS:
        ways: dict[str, Callable[[], object]] = {
            "written by hand": _loop(name, device, data),
            "eager": _epoch(name, device, "eager", data),
            captured: _epoch(name, device, captured, data),
        }
        found[name] = _in_turns(ways, device)
    return found


def _epoch(
    name: str, device: torch.device, execution: Execution, data: FashionMNISTCSV
) -> Callable[[], object]:

    trainer = Trainer(_model(name), Recipe(), device=device, execution=execution)
    return functools.partial(trainer.fit, data, epochs=1)


def _loop(name: str, device: torch.device, data: FashionMNISTCSV) -> Callable[[], object]:
    """Returns a strong loop by hand: resident data, one gather for each batch, fused Adam."""
    model = _model(name).to(device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    images, labels = data.data.unsqueeze(1).to(device), data.targets.to(device)

    def run() -> None:
        for rows in torch.randperm(len(images), device=device).split(32):
            optimizer.zero_grad()
            logits = model(images[rows].div(255))
            cross_entropy(logits, labels[rows]).backward()
            optimizer.step()

    return run


def seeds(device: torch.device, data: FashionMNISTCSV) -> dict[str, Any]:
    """Returns the seconds of eight seeds for one epoch, stacked and one after the other."""
    fit = functools.partial(fit_seeds, seeds=SEEDS, epochs=1, device=device, n_jobs=1)
    return {
        name: _in_turns(
            {
                "one after the other": functools.partial(fit, name, data),
                "stacked": functools.partial(fit, name, data, stacked=True),
            },
            device,
            rounds=2,
        )
        for name in MODELS
    }


def _in_turns(
    ways: dict[str, Callable[[], object]], device: torch.device, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Returns minimum, median and all seconds of each way, after a turn that does not count."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number:
                seconds[way].append(time.perf_counter() - started)
    return {
        way: {"minimum": min(s), "median": statistics.median(s), "all": s}
        for way, s in seconds.items()
    }


def main() -> int:
    """Runs all parts, prints each as soon as it is known, and returns 1 if one failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    parser.add_argument("--images", type=int, default=48_000, help="for epochs (default: 48,000)")
    parser.add_argument("--out", type=Path, help="JSON file for everything")
    options = parser.parse_args()

    device = torch.device(options.device)
    captured: Execution = "cuda_graph" if device.type == "cuda" else "auto"
    data = FashionMNISTCSV.bundled("train").select(range(options.images))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    found: dict[str, Any] = {"device": name, "environment": environment()}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "tests": tests,
        "fifty steps": functools.partial(fifty_steps, device, captured, data),
        "epochs": functools.partial(epochs, device, captured, data),
        "seeds": functools.partial(seeds, device, data),
    }
    started, failed = time.perf_counter(), False
    for part, run in parts.items():
        if time.perf_counter() - started > LIMIT:
            found[part] = "not begun: the time was up"
            continue
        try:
            found[part] = run()
        except Exception as error:  # noqa: BLE001 - the other parts are still worth their time
            found[part], failed = f"failed: {error!r}", True
        print(part, json.dumps(found[part], indent=1), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
