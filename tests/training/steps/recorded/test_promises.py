"""A model that breaks its promise is trained as it is written, or is an error that says why."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.steps.recorded.probed_fits import fit, hook_listener
from tests.training.steps.recorded.recordable_models import Free, Unsaid, flat
from tests.training.steps.recorded.two_trainings import ADAM, Maker, compare, told
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from fmnistlab.callbacks import Callback
from fmnistlab.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("short_fits_are_recorded")


def free(function: Callable[[Any, Tensor], Tensor], **attributes: Any) -> Maker:
    return lambda: Free(lambda m, x: m.outer(function(m, x.flatten(1))), **attributes)


BROKEN: dict[str, tuple[str, Maker]] = {
    "random numbers": (
        "second time",
        free(lambda m, x: m.inner(x) * np.random.rand()),  # noqa: NPY002 - the global one is meant
    ),
    "an item": ("depends on the values", free(lambda m, x: m.inner(x) * x.mean().item())),
    "momentum=None": ("depends on", lambda: flat(nn.BatchNorm2d(1, momentum=None))),
    "a read array": ("second time", free(lambda m, x: m.inner(x) * float(x.numpy().mean()))),
    "a new constant": ("second time", free(lambda m, x: m.inner(x) * torch.tensor(2.0))),
    "a count": (
        "second time",
        free(lambda m, x: m.inner(x) * (setattr(m, "n", m.n + 1) or m.n), n=lambda: 0),
    ),
    "a buffer that is replaced": (
        "second time",
        free(
            lambda m, x: m.inner(x) + (m.register_buffer("b", m.b * 0.5 + x.mean()) or m.b),
            b=lambda: nn.Buffer(torch.zeros(16)),
        ),
    ),
    "a tensor that is kept": (
        "second time",
        free(
            lambda m, x: m.inner(x) + (setattr(m, "t", m.t + x[0, :16]) or m.t),
            t=lambda: torch.zeros(16),
        ),
    ),
    "a seed": (
        "something else",
        free(lambda m, x: functional.dropout(m.inner(x) + 0 * torch.manual_seed(3).initial_seed())),
    ),
    "checkpointed noise": (
        "something else",
        free(
            lambda m, x: checkpoint(
                lambda y: functional.dropout(m.inner(y)), x, use_reentrant=False
            )
        ),
    ),
    "a generator": (
        "generator of its own",
        free(
            lambda m, x: m.inner(x) + torch.rand(16, generator=m.g),
            g=lambda: torch.Generator().manual_seed(1),
        ),
    ),
    "an unused parameter": ("gets no gradient", free(lambda m, x: x[:, :16])),
    "complex numbers": ("complex", free(lambda m, x: m.inner(torch.fft.fft(x).real))),
    "weights as one vector": ("failed", free(lambda m, x: m.inner(x) * m.inner.weight.view(-1)[0])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_promise_that_is_broken_is_noticed_and_leaves_no_trace(name: str) -> None:
    """The training has the bits of plain steps, so nothing of the recording remains."""
    expected, make = BROKEN[name]
    compare(make, f"eager: .*{expected}")


@pytest.mark.parametrize(
    ("make", "listeners", "reason"),
    [
        (Unsaid, [], "Unsaid does not say recordable = True"),
        (BROKEN["an item"][1], [], "aten._local_scalar_dense.default depends on the values"),
        (BROKEN["weights as one vector"][1], [], "recording it failed"),
        (
            Free,
            [
                hook_listener(
                    "on_epoch_end",
                    lambda run, record: run.optimizer.add_param_group(
                        {"params": nn.Parameter(torch.zeros(2))}
                    ),
                )
            ],
            "Adam has 2 parameter groups",
        ),
        (Free, [hook_listener("on_batch_end", lambda *facts: None)], "Listener may look"),
    ],
)
def test_what_cannot_be_recorded_as_asked_is_an_error_that_says_why(
    make: Maker, listeners: list[Callback], reason: str
) -> None:
    wanted = re.escape(f'execution="recorded" is not possible: {reason}')
    with pytest.raises(ConfigurationError, match=wanted):
        fit(make, ADAM, "recorded", *listeners)


def test_an_unexpected_error_is_told_once_and_the_models_own_is_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    trainer = fit(BROKEN["weights as one vector"][1], ADAM, "auto")
    assert told(trainer) == "eager: recording it failed"
    (warning,) = (r.getMessage() for r in caplog.records if r.name.endswith("recorded.step"))
    assert warning.startswith(
        "recording a step of Free failed unexpectedly (RuntimeError: view size"
    )
    caplog.clear()

    def refuse(model: Any, images: Tensor) -> Tensor:
        if model.training:
            raise ZeroDivisionError("my own")
        return model.outer(model.inner(images.flatten(1)))

    with pytest.raises(ZeroDivisionError, match="my own"):
        fit(lambda: Free(refuse), ADAM, "auto")
    assert not caplog.records
