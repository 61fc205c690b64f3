"""A finished experiment in a notebook."""

from __future__ import annotations

from pathlib import Path

from tests.html_page import HOSTILE, checked
from tests.tiny import tiny_linear

from fmnistlab import Metrics, Trainer
from fmnistlab.experiments import Experiment
from fmnistlab.foundation.terminal import printable


def test_a_notebook_shows_what_was_done_and_what_came_of_it() -> None:
    result = {"model": HOSTILE, "seed": 3, "epochs": 10, "stop_reason": None, "seconds": 12.5}
    folder = Path("runs") / "cnn"
    test = Metrics(0.25, 0.9, 1000)
    experiment = Experiment(folder, Trainer(tiny_linear()), test, (), result, ())
    assert checked(experiment._repr_html_()).rows == [
        ["folder", str(folder)],
        ["model", printable(HOSTILE)],
        ["seed", "3"],
        ["epochs", "10"],
        ["stop reason", "-"],
        ["seconds", "12.5000"],
        ["test", str(test)],
    ]
