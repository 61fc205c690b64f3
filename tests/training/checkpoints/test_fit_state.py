"""Where a fit stands, read from a file that anybody may have written."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tiny import tiny_linear
from torch import Tensor

from fmnistlab.errors import CheckpointError
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.records.meter import Meter

pytestmark = pytest.mark.usefixtures("no_checker")  # which would refuse it in our place

WRONG: dict[str, list[object]] = {
    "first_epoch": ["1", None, 1.5],
    "last_epoch": [None],
    "batch": [[]],
    "seconds": ["0.5", None],
    "stop_reason": [3],
    "schedule": [3, []],
    "meter": [
        *(None, {}, "x"),
        {"sums": 3, "weights": 3, "correct": 0, "counted": 0, "seen": 0},
        {"sums": [], "weights": [], "correct": 0, "counted": 0, "seen": 0},
    ],
    "random": ["x", {}, {"torch": 3, "accelerator": None, "others": {}}],
    "generators": [None, {}],
    "callbacks": [None, []],
    "began": [None, {"groups": 3, "frozen": [], "evaluating": []}, {"groups": []}],
    "epoch_began": [{"groups": [[3]], "frozen": [], "evaluating": []}, "x"],
    "start": ["2.3", 2],
    "average": [3, {"count": "1"}, {}],
}


def packed(**changes: object) -> tuple[dict[str, Tensor], dict[str, Any]]:
    state = FitState(
        first_epoch=1,
        last_epoch=1,
        batch=0,
        seconds=0.0,
        stop_reason=None,
        schedule=None,
        data={"train": None, "valid": None},
        meter=Meter().state(),
        random=None,
        generators=[],
        callbacks={},
        began=Arrangement.of(tiny_linear(), None),
        epoch_began=None,
    )
    tensors, values = state.pack()
    return tensors, values | {"tree": values["tree"] | changes}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_part_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(CheckpointError, match="the state of the fit is incomplete"):
        FitState.unpack(*packed(**{name: value}))


def test_a_meter_of_another_form_is_refused() -> None:
    for change in ({"correct": 0.5}, {"seen": None}):
        tensors, values = packed()
        values["tree"]["meter"] |= change
        with pytest.raises(CheckpointError, match="another form"):
            FitState.unpack(tensors, values)
    tensors, values = packed()
    values["tree"]["meter"]["weights"] = values["tree"]["began"]
    with pytest.raises(CheckpointError, match="incomplete"):
        FitState.unpack(tensors, values)


def test_each_part_must_be_there() -> None:
    for name in WRONG:
        tensors, values = packed()
        del values["tree"][name]
        with pytest.raises(CheckpointError, match=name):
            FitState.unpack(tensors, values)


def test_what_was_packed_is_read() -> None:
    assert FitState.unpack(*packed(start=2.5)).start == 2.5
