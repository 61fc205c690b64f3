"""Lowering and replay: what is replayed does what the function did."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.steps.recorded.functions import OUTSIDE, Function, numbers, program_of
from torch import Tensor
from torch.nn import functional

from fmnistlab.training.steps.recorded.program import Program
from fmnistlab.training.steps.recorded.recording import NotRecordable


def seeded(function: Function, *inputs: Tensor) -> list[Tensor]:
    torch.manual_seed(7)
    return [result.clone() for result in function(*(x.clone() for x in inputs))]


def check_replays(function: Function, *, exact: bool = True) -> None:
    """A program recorded with some numbers gives for other numbers what the function gives.

    Three replays, because what one leaves behind must not matter to the next.
    """
    program = program_of(function, numbers(6, 4, seed=1), numbers(6, 4, seed=2))
    for seed in (10, 20, 30):
        inputs = numbers(6, 4, seed=seed), numbers(6, 4, seed=seed + 1)
        expected, found = seeded(function, *inputs), seeded(program.replay, *inputs)
        for mine, theirs in zip(found, expected, strict=True):
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            if exact:
                assert torch.equal(mine, theirs)
            else:
                torch.testing.assert_close(mine, theirs)


def test_a_function_that_is_not_the_same_twice_is_refused() -> None:
    kept = [numbers(3, 3)]

    def counts(x: Tensor) -> list[Tensor]:
        kept.append(x)
        return [x * len(kept)]

    def remembers(x: Tensor) -> list[Tensor]:
        kept[0] = kept[0] + x
        return [kept[0]]

    for function in (
        *(counts, remembers),
        lambda x: [x * float(x.numpy().sum())],  # past torch, from an input
        lambda x: [x * x.tolist()[0][0]],
    ):
        with pytest.raises(NotRecordable, match="was not the same the second time"):
            program_of(function, numbers(3, 3))


def written_in_parts(x: Tensor, y: Tensor) -> Tensor:
    result = torch.empty_like(x)
    result[:, :2] = y[:, :2]
    result[:, 2:].fill_(1)
    return result


def changed_constants(x: Tensor, y: Tensor) -> Tensor:
    total, turned = torch.zeros(6, 4), torch.full((4, 6), 2.0)
    total += x
    total[0].mul_(2)
    turned.t().add_(y)
    return total + turned.t()


def constants(x: Tensor, y: Tensor) -> Tensor:
    ramp = torch.arange(4) + torch.linspace(0, 1, 4) + torch.scalar_tensor(2.0)
    ones = torch.ones_like(x) + x.new_zeros(6, 4) + x.new_ones(6, 4) + torch.zeros_like(y)
    return x * ramp + ones + torch.full_like(x, 2.5) + x.new_full((6, 4), 0.5) + torch.eye(6, 4)


def brought(x: Tensor, y: Tensor) -> Tensor:
    """`repeat` has no kernel that writes into given memory."""
    repeated, changed = x.repeat(2, 1), y.repeat(1, 1)
    changed[3:].mul_(3)
    return repeated[2:5].t().matmul(repeated[:3]) + repeated.view(-1)[1] + changed[:4]


def given_memory(x: Tensor, y: Tensor) -> Tensor:
    result = torch.empty(0)
    torch.mul(x.detach(), y.detach(), out=result)
    return result + x


EXACT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "arithmetic": lambda x, y: (x + y) * (x - 2) / (1 + y.abs()) - 0.5 * x @ y.t() @ x,
    "mixed types": lambda x, y: (x > 0) * y + (x * 8).to(torch.int64) * 0.5 + (y * 3).int() // 2,
    "division by one": lambda x, y: x / 1 + y.div(1) + x.view(24, 1, 1).mean([1, 2]).view(6, 4),
    "means": lambda x, y: x.mean(1, keepdim=True) + y.mean([0, 1], keepdim=True) + y.mean(),
    "mean in another type": lambda x, y: x.view(24, 1).mean(1, True, dtype=torch.float64),
    "sums": lambda x, y: x.sum(1)[:4] + y.t().sum(0)[:4] + y.double().sum(0) + (x > 0).sum(0),
    "copies": lambda x, y: x.clone() + y.t().contiguous().t() + x.t().clone().t(),
    "casts": lambda x, y: (x.double() * y.to(torch.float64)).exp().to(torch.float32),
    "bits": lambda x, y: (x * 2).view(torch.int32) // 2,
    "labels": lambda x, y: functional.cross_entropy(x, y.argmax(1), reduction="none"),
    "several results": lambda x, y: sum(torch.var_mean(x, 0)) + torch.sort(y, dim=0)[0],
    "indices": lambda x, y: x.gather(0, y.argsort(0)) + x.max(0, keepdim=True)[1],
    "views": lambda x, y: x.t()[1:3].reshape(3, 4) + y.view(2, 3, 4).transpose(0, 1)[2, 0],
    "joined": lambda x, y: torch.cat([x, y[:1].expand(6, 4)]) + torch.stack([y, x]).flatten(0, 1),
    "pieces": lambda x, y: sum(x.chunk(2)) + y.unbind(0)[2] + y.split(1)[3],
    "in place": lambda x, y: x.clone().add_(y).mul_(2).relu_() + x,
    "in place on the input": lambda x, y: x.mul_(2) + y.sub_(1),
    "written in parts": written_in_parts,
    "constants": constants,
    "changed constants": changed_constants,
    "brought": brought,
    "given memory": given_memory,
    "filled": lambda x, y: x.masked_fill(y > 0, 7.0).where(y < 1, torch.ones(())[None]),
    "dropout": lambda x, y: functional.dropout(x, 0.4) + functional.dropout(y, 0.2),
    "random numbers": lambda x, y: x + torch.rand(6, 4) * torch.randn_like(y) + torch.rand_like(x),
    "random places": lambda x, y: x + torch.randperm(4) + torch.bernoulli(y.sigmoid()),
    "noise in place": lambda x, y: x + torch.empty(6, 4).uniform_() + y.clone().normal_(),
    "noise beside": lambda x, y: functional.rrelu(x, training=True) + functional.rrelu_(y.clone()),
    "norms": lambda x, y: functional.layer_norm(x, (4,)) + functional.normalize(y, dim=0),
    "batch norm": lambda x, y: functional.batch_norm(x, None, None, training=True) + y,
    "softmax": lambda x, y: x.log_softmax(1) + y.softmax(0) + x.logsumexp(1, keepdim=True),
    "attention": lambda x, y: functional.scaled_dot_product_attention(x[None], y[None], x[None])[0],
    "resized": lambda x, y: functional.interpolate(x[None, None], scale_factor=2)[0, 0],
    "a view of the input": lambda x, y: x.t()[1:],
    "nothing new": lambda x, y: OUTSIDE[1:],
    "empty": lambda x, y: x[:0] * 2,
}


@pytest.mark.parametrize("name", EXACT)
def test_a_replay_gives_the_bits_of_the_function_and_its_gradients(name: str) -> None:
    """All of it is kept for the backward pass, and the second result needs it."""

    def with_gradient(x: Tensor, y: Tensor) -> list[Tensor]:
        one, other = (part.clone().requires_grad_() for part in (x, y))
        result = EXACT[name](one * 1.5, other + 0.5)
        if not result.requires_grad:
            return [result]
        result.square().sum().backward()
        found = [part.grad for part in (one, other) if part.grad is not None]
        return [result.detach(), *found]

    check_replays(lambda x, y: [EXACT[name](x, y)])
    check_replays(with_gradient, exact=False)


def test_sums_of_columns_are_the_sums() -> None:
    check_replays(lambda x, y: [x.sum(0), y.sum(0, keepdim=True), (x * y).sum([0])], exact=False)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: [x, torch._assert_async(x.sum() < 99)][:1], "_assert_async"),
        (lambda x: [x.view(torch.int32) // 2], "two types"),
        (lambda x: [x.repeat(2).view(torch.int32) // 2], "two types"),
    ],
)
def test_operations_that_are_not_known_to_be_repeatable_are_refused(
    function: Function, reason: str
) -> None:
    with pytest.raises(NotRecordable, match=reason):
        program_of(function, numbers(4))


def test_nothing_made_under_another_default_type_is_of_that_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        check_replays(lambda x, y: [x.float().sum(0) * 2], exact=False)
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_are_never_touched_by_a_later_replay() -> None:
    program = program_of(lambda x: [x * 2, x.repeat(2), x, OUTSIDE[1:], (x + 1)[1:]], numbers(4))
    first = program.replay(torch.ones(4))
    before = [result.clone() for result in first]
    later = program.replay(torch.full((4,), 5.0))
    assert all(map(torch.equal, first, before))
    pointers = [{t.untyped_storage().data_ptr() for t in results} for results in (first, later)]
    assert not pointers[0] & pointers[1]
    assert OUTSIDE.untyped_storage().data_ptr() not in pointers[0]
    assert [result.tolist() for result in later[:3]] == [[10.0] * 4, [5.0] * 8, [5.0] * 4]


def test_memory_from_before_is_read_and_written_where_it_lies() -> None:
    weight, total = torch.ones(3), torch.zeros(3)
    program = program_of(lambda x: [x * weight + total.add_(x)], torch.ones(3))
    weight.mul_(4)
    assert program.replay(torch.ones(3))[0].tolist() == [5.0] * 3
    weight.zero_()
    assert program.replay(torch.ones(3))[0].tolist() == [2.0] * 3
    assert total.tolist() == [2.0] * 3


def test_inputs_are_read_wherever_they_lie() -> None:
    def function(x: Tensor, y: Tensor) -> list[Tensor]:
        return [x.view(-1) * 2, x.t().reshape(-1) + y, x[1:].sum(1)]

    program = program_of(function, numbers(3, 2), numbers(6))
    many, others = numbers(12, 2, seed=1), numbers(24, seed=2)
    for start in (0, 3, 7):
        inputs = many[start : start + 3], others[start : start + 6]
        assert all(map(torch.equal, program.replay(*inputs), function(*inputs)))
    with pytest.raises(ValueError, match="zip"):
        program.replay(numbers(3, 2))


WANTED: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "whole": lambda x: [x * 2],
    "turned": lambda x: [(x.t().contiguous() * 2).t()],
    "part": lambda x: [(torch.cat([x, x]) * 2)[4:]],
    "brought": lambda x: [(x * 2).repeat(1, 1)],
    "constant": lambda x: [torch.full((4, 3), 2.0)],
    "twice": lambda x: [*[x * 2] * 2],
    "input": lambda x: [x],
}


@pytest.mark.parametrize("name", WANTED)
def test_what_is_wanted_in_a_place_is_found_there(name: str) -> None:
    """Whole blocks move there; what is laid out otherwise, shared or brought is copied."""
    places = [torch.zeros(4, 3), torch.zeros(4, 3)]
    made: list[Tensor] = []

    def function(x: Tensor) -> list[Tensor]:
        made[:] = WANTED[name](x)
        return [made[0] + 1]

    program = Program(
        function,
        [numbers(4, 3)],
        [numbers(4, 3, seed=1)],
        lambda: [*zip(made, places, strict=False)],
    )
    for seed in (5, 6):
        x = numbers(4, 3, seed=seed)
        for place in places:
            place.fill_(-1)
        (result,) = program.replay(x)
        assert torch.equal(result, function(x)[0])
        assert all(map(torch.equal, made, places))


UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "scaled": lambda x: x * 0.5,
    "turned": lambda x: x.t().contiguous().t(),
    "view": lambda x: x.view(-1).view(6, 4) if x.is_contiguous() else x,
    "copy": torch.clone,
    "sum": lambda x: x.sum(1, keepdim=True).expand(6, 4),
    "dropout": lambda x: functional.dropout(x, 0.5),
    "brought": lambda x: x.repeat(1, 1),
    "sorted": lambda x: torch.sort(x, dim=1)[0],
    "normed": lambda x: functional.layer_norm(x, (4,)),
    "double": lambda x: x.double().tanh().float(),
    "noise": torch.rand_like,
    "constant": lambda x: torch.full_like(x, 0.5),
    "fresh": lambda x: torch.zeros(6, 4),
    "rows": lambda x: torch.cat([x[3:], x[:3]]),
    "same": lambda x: x / 1,
}


BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plus": torch.add,
    "product": lambda x, y: x @ (y.t() @ x).tanh(),
    "chosen": lambda x, y: torch.where(x > 0, x, y),
    "add in place": lambda x, y: x.add_(y),
    "write part": lambda x, y: x[:2].copy_(y[2:4]).expand(2, 4).repeat(3, 1),
    "write columns": lambda x, y: x[:, 1:].mul_(y[:, :3]).sum(1, keepdim=True) + x,
    "given": lambda x, y: torch.maximum(x, y, out=torch.empty(6, 4)),
}


programs = st.lists(
    st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=12,
)
"""Operations, and which of the values so far they take, counted from the last."""


@settings(max_examples=100)
@given(programs, st.integers(1, 3))
def test_a_replay_gives_the_bits_of_any_program(
    program: list[tuple[str, int, int]], wanted: int
) -> None:
    def function(x: Tensor, y: Tensor) -> list[Tensor]:
        values = [x, y]
        for name, first, second in program:
            one, other = values[-1 - first % len(values)], values[-1 - second % len(values)]
            if name in UNARY:
                values.append(UNARY[name](one))
            else:  # a place that is expanded cannot be written to, nor one that overlaps its source
                one = one.clone() if 0 in one.stride() else one
                values.append(BINARY[name](one, other.clone()))
        return values[-wanted:]

    check_replays(function)
