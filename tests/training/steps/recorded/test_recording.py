"""Memory and recordings: what is kept, refused, put back, and different the second time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.steps.recorded.functions import OUTSIDE, numbers
from torch import Tensor

from fmnistlab.training.steps.recorded import recording
from fmnistlab.training.steps.recorded.memory import Memory
from fmnistlab.training.steps.recorded.recording import NotRecordable, first_difference, record


def test_a_shape_of_a_memory_has_one_view_without_gradient() -> None:
    memory = Memory()
    tensor = torch.zeros(4, 6, requires_grad=True)
    view = memory.view(tensor)
    assert memory.view(tensor) is memory.view(tensor.view(4, 6)) is view
    assert not view.requires_grad
    assert view.data_ptr() == tensor.data_ptr()
    views = [tensor.t(), tensor.view(24), tensor[1:], tensor[:, 1:], tensor.view(torch.int32)]
    assert len({id(memory.view(other)) for other in (tensor, *views)}) == 6
    assert memory.views(memory.block(view)) == [view, *map(memory.view, views)]
    assert memory.block(memory.view(torch.zeros(4, 6))) != memory.block(view)


def test_a_forgotten_block_is_let_go_and_the_others_stay() -> None:
    memory = Memory()
    kept, gone = memory.view(torch.ones(4)), memory.view(torch.ones(4))
    part = memory.view(gone[1:])
    kept_block, gone_block = memory.block(kept), memory.block(gone)
    memory.forget([gone_block])
    assert memory.blocks() == {kept_block}
    assert memory.view(kept) is kept
    for view in (gone, part):
        with pytest.raises(KeyError):
            memory.block(view)
    assert memory.block(memory.view(gone)) not in (kept_block, gone_block)


@given(st.integers(0, 7), st.sampled_from([torch.float32, torch.float64, torch.uint8, torch.bool]))
def test_a_moved_block_lies_in_its_place_with_all_its_views(start: int, dtype: torch.dtype) -> None:
    memory = Memory()
    block = torch.arange(24).to(dtype).view(4, 6)
    views = [*map(memory.view, (block, block.t(), block[1:, 2:], block.view(-1)[5:9]))]
    expected = [view.clone() for view in views]
    place = torch.zeros(80, dtype=torch.float64)[2 * start :]
    memory.move(memory.block(views[0]), place)
    assert views[0].data_ptr() == place.data_ptr()
    views[0].copy_(torch.arange(24).to(dtype).view(4, 6))
    assert all(map(torch.equal, views, expected))


def test_a_recording_holds_forward_and_backward_in_order() -> None:
    weight = torch.ones(3, requires_grad=True)
    operations = record(lambda: (weight * 2).sum().backward(), Memory()).operations
    names = [str(operation.kernel) for operation in operations]
    assert names[:2] == ["aten.mul.Tensor", "aten.sum.default"]
    assert "aten.expand.default" in names[2:]


OWN_GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (lambda x: x.sum().item(), "depends on the values of a tensor"),
        (lambda x: bool(x.sum() > 0), "depends on the values of a tensor"),
        (lambda x: x[x > 0], "depends on the values of a tensor"),
        (torch.unique, "depends on the values of a tensor"),
        (lambda x: torch.equal(x, x + 1), "depends on the values of a tensor"),
        # A conjugate is a mark on a view, which the kept views do not have.
        (torch.fft.fft, "complex numbers"),
        (lambda x: torch.view_as_complex(x.view(2, 2)), "complex numbers"),
        # Its state could not be put back after the recording.
        (lambda x: x + torch.rand(4, generator=OWN_GENERATOR), "a generator of its own"),
        (lambda x: x.clone().uniform_(generator=OWN_GENERATOR), "a generator of its own"),
    ],
)
def test_what_cannot_be_replayed_is_refused_before_it_is_done(
    look: Callable[[Tensor], object], reason: str
) -> None:
    given, before = numbers(4), OWN_GENERATOR.get_state()
    with pytest.raises(NotRecordable, match=reason):
        record(lambda: look(given), Memory())
    assert torch.equal(OWN_GENERATOR.get_state(), before)


def test_a_large_step_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LARGEST_STEP", 4000)
    one = torch.ones(500)
    assert len(record(lambda: [one + 1, one + 2], Memory()).operations) == 2
    with pytest.raises(NotRecordable, match="more than 4,000 bytes"):
        record(lambda: [one + 1, one + 2, one[:1] + 1], Memory())


@pytest.mark.parametrize("fails", [False, True])
def test_a_recording_puts_back_what_it_wrote_into(fails: bool) -> None:
    """Tensors from before, or parts of them, by whatever operation; also if it fails half-way."""
    whole, part, given, untouched = (numbers(6, 4, seed=seed) for seed in range(4))
    before = [tensor.clone() for tensor in (whole, part, given, untouched)]
    seen: list[Tensor] = []

    def function() -> None:
        whole.add_(1).mul_(2)
        part[2:].t()[1].zero_()
        part.sub_(1)
        torch.add(untouched, 1, out=given)
        seen.extend(tensor.clone() for tensor in (whole, part, given))
        if fails:
            float(untouched.sum())

    with pytest.raises(NotRecordable) if fails else contextlib.nullcontext():
        record(function, Memory())
    assert all(map(torch.equal, (whole, part, given, untouched), before))
    assert not any(map(torch.equal, seen, before))


def difference(one: Callable[[], object], other: Callable[[], object]) -> str | None:
    memory = Memory()
    operations = record(one, memory).operations
    return first_difference(operations, record(other, memory).operations, memory)


ELSEWHERE = numbers(4, 4, seed=4)


TURNED, BITS = OUTSIDE.t(), OUTSIDE.view(torch.int32)


LONG = numbers(8, seed=5)


FIRST, SECOND, EVERY_SECOND = LONG[:4], LONG[4:], LONG[::2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: OUTSIDE + 1, lambda: OUTSIDE + 2),
        (lambda: OUTSIDE + 1, lambda: OUTSIDE + 1.0),
        (lambda: OUTSIDE + 1, lambda: OUTSIDE - 1),
        (lambda: OUTSIDE + 1, lambda: ELSEWHERE + 1),
        (lambda: OUTSIDE + 1, lambda: TURNED + 1),
        (lambda: FIRST + 1, lambda: SECOND + 1),
        (lambda: FIRST + 1, lambda: EVERY_SECOND + 1),
        (lambda: OUTSIDE + 1, lambda: BITS + 1),
        (lambda: OUTSIDE.sum(0), lambda: OUTSIDE.sum(0, dtype=torch.float64)),
        (lambda: torch.tensor(1.0) + 1, lambda: torch.tensor(1.0) + 1),
        (lambda: torch.ones(3) + 1, lambda: torch.ones(4) + 1),
        (lambda: torch.cat([OUTSIDE, ELSEWHERE]), lambda: torch.cat([ELSEWHERE, OUTSIDE])),
        (lambda: torch.var_mean(OUTSIDE, 0)[0] * 2, lambda: torch.var_mean(OUTSIDE, 0)[1] * 2),
    ],
)
def test_recordings_of_different_operations_differ(
    one: Callable[[], object], other: Callable[[], object]
) -> None:
    assert difference(one, other) is not None
    assert (
        difference(one, one) is None or getattr(one(), "shape", None) == ()
    )  # but for fresh memory


def test_a_difference_is_named() -> None:
    assert difference(lambda: OUTSIDE + 1, lambda: (OUTSIDE + 1) * 2) == (
        "it took 1 operations, then 2"
    )
    named = difference(lambda: (OUTSIDE + 1) * 2, lambda: (OUTSIDE + 1) * 3)
    assert named == "operation 1, aten.mul.Tensor, was not the same the second time"
