"""Recording, memory and lowering: what is replayed does what the function did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
import torch
from fmnistlab.training.graph import recording
from fmnistlab.training.graph.cpu_graph import CpuGraph
from fmnistlab.training.graph.memory import Lifetime, Memory, lifetimes
from fmnistlab.training.graph.recording import NotRepeatable, record, same_operations
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

LINE = 64
"""Bytes of a cache line; every place begins at a multiple of it."""

Function = Callable[..., Sequence[Tensor]]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def nowhere() -> list[tuple[Tensor, Tensor]]:
    return []


def seeded(function: Callable[..., Sequence[Tensor]], *inputs: Tensor) -> list[Tensor]:
    torch.manual_seed(7)
    return [result.clone() for result in function(*(x.clone() for x in inputs))]


def check_replays(
    function: Function, shape: tuple[int, ...] = (6, 4), *, exact: bool = True
) -> None:
    """A graph recorded with some numbers gives for other numbers what the function gives.

    Three replays, because what one leaves behind must not matter to the next.
    """
    graph = CpuGraph(function, (numbers(*shape, seed=1), numbers(*shape, seed=2)), nowhere)
    for seed in (10, 20, 30):
        inputs = numbers(*shape, seed=seed), numbers(*shape, seed=seed + 1)
        expected, found = seeded(function, *inputs), seeded(graph.replay, *inputs)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.dtype == theirs.dtype
            assert mine.shape == theirs.shape
            if exact:
                assert torch.equal(mine, theirs)
            else:
                torch.testing.assert_close(mine, theirs)


# --- memory ---------------------------------------------------------------------------------------


def test_a_shape_of_a_memory_has_one_view_without_gradient() -> None:
    memory = Memory()
    tensor = torch.zeros(4, 6, requires_grad=True)
    view = memory.view(tensor)
    assert memory.view(tensor) is view
    assert memory.view(tensor.view(4, 6)) is view
    assert not view.requires_grad
    assert view.data_ptr() == tensor.data_ptr()
    views = [
        tensor.t(),
        tensor.view(24),
        tensor[1:],
        tensor[:, 1:],
        tensor.view(torch.int32),
        tensor[:2, :3],
        tensor[2:, :3],
    ]
    assert len({id(memory.view(other)) for other in (tensor, *views)}) == 8
    assert {memory.block(memory.view(other)) for other in views} == {memory.block(view)}
    assert memory.blocks() == {memory.block(view)}
    assert memory.views(memory.block(view)) == [view, *map(memory.view, views)]
    assert memory.block(memory.view(torch.zeros(4, 6))) != memory.block(view)


def test_a_new_block_is_zero_and_lasts_if_asked_to() -> None:
    memory = Memory()
    one, other = memory.new(2, 3), memory.new(2, 3, lasting=True)
    assert torch.equal(one, torch.zeros(2, 3))
    assert memory.block(one) != memory.block(other)
    assert memory.lasting == {memory.block(other)}


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
    assert memory.view(gone) is not gone, "a forgotten view came back"
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


blocks_of_a_step = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 12), st.integers(0, 6)), max_size=12
)
"""Number of floats, first operation, and for how many more operations it is needed."""


@settings(max_examples=200)
@given(blocks_of_a_step)
def test_blocks_that_live_at_the_same_time_never_overlap(
    blocks: list[tuple[int, int, int]],
) -> None:
    memory = Memory()
    tensors = [memory.view(torch.zeros(size)) for size, _, _ in blocks]
    tails = [memory.view(tensor[len(tensor) // 2 :]) for tensor in tensors]
    lives = {
        memory.block(tensor): Lifetime(first, first + more)
        for tensor, (_, first, more) in zip(tensors, blocks, strict=True)
    }
    total = memory.share_places(lives)
    lengths = [-(-tensor.nbytes // LINE) * LINE for tensor in tensors]
    assert total <= sum(lengths)
    at_once = [
        sum(
            length
            for length, life in zip(lengths, lives.values(), strict=True)
            if life.first <= number <= life.last
        )
        for number in range(20)
    ]
    assert total >= max(at_once)
    places = []
    for tensor, tail, length in zip(tensors, tails, lengths, strict=True):
        start = tensor.storage_offset() * 4
        places.append(range(start, start + length))
        assert tensor.untyped_storage().nbytes() == total
        assert start % LINE == 0
        assert start + length <= total
        assert tail.storage_offset() - tensor.storage_offset() == len(tensor) // 2
    for (one, life), (other, other_life) in combinations(
        zip(places, lives.values(), strict=True), 2
    ):
        if life.first <= other_life.last and other_life.first <= life.last:
            assert one.stop <= other.start or other.stop <= one.start


def test_blocks_one_after_the_other_share_a_place() -> None:
    memory = Memory()
    tensors = [memory.view(torch.zeros(100)) for _ in range(3)]
    lives = {memory.block(t): Lifetime(n, n) for n, t in enumerate(tensors)}
    assert memory.share_places(lives) == 448
    assert len({tensor.data_ptr() for tensor in tensors}) == 1


def test_large_blocks_choose_first() -> None:
    """Otherwise the last one would not fit into the place that the first one leaves."""
    memory = Memory()
    sizes, lives = (16, 16, 48), (Lifetime(0, 1), Lifetime(1, 2), Lifetime(2, 3))
    tensors = [memory.view(torch.zeros(size)) for size in sizes]
    assert (
        memory.share_places(dict(zip(map(memory.block, tensors), lives, strict=True))) == 4 * LINE
    )


@given(
    st.lists(st.sets(st.integers(0, 5)), max_size=8).map(lambda touched: [*map(sorted, touched)]),
    st.sets(st.integers(0, 5)),
)
def test_a_block_lives_from_its_first_to_its_last_operation(
    touched: list[list[int]], movable: set[int]
) -> None:
    expected = {}
    for block in movable:
        seen = [number for number, blocks in enumerate(touched) if block in blocks]
        if seen:
            expected[block] = (min(seen), max(seen))
    assert lifetimes(touched, movable) == expected


# --- recording ------------------------------------------------------------------------------------


def test_a_recording_holds_forward_and_backward_in_order() -> None:
    weight = torch.ones(3, requires_grad=True)
    operations = record(lambda: (weight * 2).sum().backward(), Memory()).operations
    names = [str(operation.kernel) for operation in operations]
    assert names[:2] == ["aten.mul.Tensor", "aten.sum.default"]
    assert "aten.expand.default" in names[2:]
    assert torch.equal(weight.grad, torch.full((3,), 2.0))


def test_an_operation_knows_what_it_reads_and_writes() -> None:
    memory = Memory()
    one, other = torch.ones(2), torch.ones(3)
    cat, split = record(lambda: torch.cat([one, other]).split([1, 4]), memory).operations
    assert cat.reads() == [memory.view(one), memory.view(other)]
    assert [tensor.shape for tensor in cat.writes()] == [(5,)]
    assert split.reads() == cat.writes()
    assert [tensor.shape for tensor in split.writes()] == [(1,), (4,)]


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: bool(x.sum() > 0),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.masked_select(x, x > 0),
        torch.unique,
        lambda x: torch.equal(x, x + 1),
    ],
    ids=["item", "float", "bool", "mask", "nonzero", "masked_select", "unique", "equal"],
)
def test_a_look_at_numbers_cannot_be_replayed(look: Callable[[Tensor], object]) -> None:
    with pytest.raises(NotRepeatable, match="depends on the values of a tensor"):
        record(lambda: look(numbers(4)), Memory())


@pytest.mark.parametrize(
    "look", [torch.fft.fft, lambda x: torch.view_as_complex(x.view(2, 2)), lambda x: x * 1j]
)
def test_complex_numbers_cannot_be_replayed(look: Callable[[Tensor], Tensor]) -> None:
    """A conjugate is a mark on a view, which the kept views do not have."""
    with pytest.raises(NotRepeatable, match="complex numbers"):
        record(lambda: look(numbers(4)), Memory())


def test_numbers_of_two_types_in_one_memory_cannot_be_led_elsewhere() -> None:
    for function in (
        lambda x: [x.view(torch.int32) // 2],
        lambda x: [x.repeat(2).view(torch.int32) // 2],
    ):
        with pytest.raises(NotRepeatable, match="two types"):
            CpuGraph(function, [numbers(4)], nowhere)
    check_replays(lambda x, y: [(x * 2).view(torch.int32) // 2])  # which stays where it is


def test_a_large_step_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LARGEST_STEP", 4000)
    one = torch.ones(500)
    assert len(record(lambda: [one + 1, one + 2], Memory()).operations) == 2
    with pytest.raises(NotRepeatable, match="more than 4,000 bytes"):
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
        fresh = untouched * 2
        fresh.add_(1)
        seen.append(fresh)
        if fails:
            float(fresh.sum())

    with pytest.raises(NotRepeatable) if fails else contextlib.nullcontext():
        record(function, Memory())
    assert all(map(torch.equal, (whole, part, given, untouched), before))
    assert not any(map(torch.equal, seen[:3], before))
    assert torch.equal(seen[3], untouched * 2 + 1)


def test_what_is_expanded_may_be_written_into_something_else() -> None:
    one, total = torch.ones(3), torch.zeros(2, 3)
    check_replays(lambda x, y: [x + total.copy_(one.expand(2, 3))[:1, :1]])


def test_a_rehearsal_is_a_replay_that_is_put_back() -> None:
    total = torch.zeros(3)

    def function(x: Tensor) -> list[Tensor]:
        total.add_(x)
        return [total * 2]

    graph = CpuGraph(function, [torch.ones(3)], nowhere)
    assert total.tolist() == [0.0] * 3
    assert graph.rehearse(torch.full((3,), 4.0))[0].tolist() == [8.0] * 3
    assert total.tolist() == [0.0] * 3
    assert graph.replay(torch.full((3,), 4.0))[0].tolist() == [8.0] * 3
    assert total.tolist() == [4.0] * 3


def difference(one: Callable[[], object], other: Callable[[], object]) -> str | None:
    memory = Memory()
    operations = record(one, memory).operations
    return same_operations(operations, record(other, memory).operations, memory)


OUTSIDE = numbers(4, 4, seed=3)
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
        (lambda: FIRST + 1, lambda: LONG + 1),
        (lambda: OUTSIDE + 1, lambda: BITS + 1),
        (lambda: OUTSIDE + 1, lambda: [OUTSIDE + 1, OUTSIDE + 1]),
        (lambda: OUTSIDE.sum(0), lambda: OUTSIDE.sum(1)),
        (lambda: OUTSIDE.sum(0), lambda: OUTSIDE.sum(0, dtype=torch.float64)),
        (lambda: torch.tensor(1.0) + 1, lambda: torch.tensor(1.0) + 1),
        (lambda: torch.ones(3) + 1, lambda: torch.ones(4) + 1),
        (lambda: torch.cat([OUTSIDE, ELSEWHERE]), lambda: torch.cat([ELSEWHERE, OUTSIDE])),
    ],
)
def test_recordings_of_different_operations_differ(
    one: Callable[[], object], other: Callable[[], object]
) -> None:
    assert difference(one, other) is not None
    assert difference(one, one) is None or one().shape == ()  # but for fresh memory


def test_recordings_tell_results_of_one_operation_from_another() -> None:
    def subtract(turned: bool) -> Tensor:
        one, other = OUTSIDE * 2, OUTSIDE * 3
        return other - one if turned else one - other

    def choose(position: int) -> Tensor:
        return torch.var_mean(OUTSIDE, dim=0)[position] * 2

    assert difference(lambda: subtract(False), lambda: subtract(False)) is None
    assert difference(lambda: subtract(False), lambda: subtract(True)) is not None
    assert difference(lambda: choose(0), lambda: choose(0)) is None
    assert difference(lambda: choose(0), lambda: choose(1)) is not None


def test_a_difference_is_named() -> None:
    assert difference(lambda: OUTSIDE + 1, lambda: (OUTSIDE + 1) * 2) == (
        "it took 1 operations, then 2"
    )
    named = difference(lambda: (OUTSIDE + 1) * 2, lambda: (OUTSIDE + 1) * 3)
    assert named == "operation 1, aten.mul.Tensor, was not the same the second time"


def test_a_tensor_left_from_the_first_recording_is_seen_in_the_second() -> None:
    kept = [OUTSIDE * 0]

    def accumulate() -> None:
        kept[0] = kept[0] + OUTSIDE

    assert difference(accumulate, accumulate) is not None


# --- replays of single operations -----------------------------------------------------------------


def written_in_parts(x: Tensor, y: Tensor) -> Tensor:
    result = torch.empty_like(x)
    result[:, :2] = y[:, :2]
    result[:, 2:].fill_(1)
    return result


def constant_that_is_changed(x: Tensor, y: Tensor) -> Tensor:
    total = torch.zeros(6, 4)
    total += x
    total[0].mul_(2)
    return total


def constant_whose_view_is_changed(x: Tensor, y: Tensor) -> Tensor:
    total = torch.full((4, 6), 2.0)
    total.t().add_(x)
    return total


def constants(x: Tensor, y: Tensor) -> Tensor:
    ramp = torch.arange(4) + torch.linspace(0, 1, 4) + torch.scalar_tensor(2.0)
    ones = torch.ones_like(x) + x.new_zeros(6, 4) + x.new_ones(6, 4) + torch.zeros_like(y)
    more = torch.full_like(x, 2.5) + x.new_full((6, 4), 0.5) + torch.eye(6, 4) + torch.ones(4)
    return x * ramp + ones + more


def brought_and_changed(x: Tensor, y: Tensor) -> Tensor:
    repeated = x.repeat(2, 1)  # torch has no kernel for it that writes into given memory
    repeated[3:].mul_(3)
    return repeated.t()


def brought_with_views(x: Tensor, y: Tensor) -> Tensor:
    repeated = x.repeat(2, 1)
    return repeated[2:5].t().matmul(repeated[:3]) + repeated.view(-1)[1]


def given_memory(x: Tensor, y: Tensor) -> Tensor:
    result = torch.empty(0)
    torch.mul(x.detach(), y.detach(), out=result)
    return result + x


def double(x: Tensor, y: Tensor) -> Tensor:
    return (x.double() * y.to(torch.float64)).exp().to(torch.float32)


def labels_of(x: Tensor, y: Tensor) -> Tensor:
    labels = y.argmax(1)
    return functional.cross_entropy(x, labels, reduction="none") + labels * 0.5


EXACT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "product": lambda x, y: x @ y.t(),
    "arithmetic": lambda x, y: (x + y) * (x - 2) / (1 + y.abs()) - 0.5 * x,
    "mixed types": lambda x, y: (x > 0) * y + (x * 8).to(torch.int64) * 0.5 + (y * 3).int() // 2,
    "division by one": lambda x, y: x / 1 + y.div(1),
    "mean of single numbers": lambda x, y: x.view(6, 4, 1).mean(2, keepdim=True).view(6, 4),
    "mean over nothing": lambda x, y: x.view(24, 1, 1).mean([1, 2], keepdim=True),
    "mean of several": lambda x, y: x.mean(1, keepdim=True) + y.mean([0, 1], keepdim=True) + y,
    "mean of all": lambda x, y: x.mean() + y.view(-1)[:1].mean(),
    "mean in another type": lambda x, y: x.view(24, 1).mean(1, True, dtype=torch.float64),
    "sum of rows": lambda x, y: x.sum(1) + y.sum((0, 1)) + x.sum(),
    "sum of columns of a double": lambda x, y: x.double().sum(0) + y.sum(0, dtype=torch.float64),
    "sum of columns of a turned matrix": lambda x, y: x.t().sum(0) + y[:, ::2].sum(),
    "sum of columns of numbers": lambda x, y: (x * 9).long().sum(0) + (y > 0).sum(0),
    "sum of columns of images": lambda x, y: x.view(3, 2, 4).sum(0),
    "copies": lambda x, y: x.clone() + y.t().contiguous().t() + x.t().clone().t(),
    "copies of another layout": lambda x, y: x.t().contiguous().view(-1),
    "casts": double,
    "labels": labels_of,
    "several results": lambda x, y: sum(torch.var_mean(x, 0)) + torch.sort(y, dim=0)[0],
    "indices": lambda x, y: x.gather(0, y.argsort(0)) + x.max(0, keepdim=True)[1],
    "views": lambda x, y: x.t()[1:3].reshape(3, 4) + y.view(2, 3, 4).transpose(0, 1)[2, 0],
    "expanded": lambda x, y: x[:1].expand(6, 4) + y[:, :1].expand_as(x),
    "joined": lambda x, y: torch.cat([x, y], 1) + torch.stack([y, x], 1).view(6, 8),
    "pieces": lambda x, y: sum(x.chunk(2)) + y.unbind(0)[2] + y.split(1)[3],
    "in place": lambda x, y: x.clone().add_(y).mul_(2).relu_() + x,
    "in place on the input": lambda x, y: x.mul_(2) + y.sub_(1),
    "written in parts": written_in_parts,
    "constants": constants,
    "changed constant": constant_that_is_changed,
    "constant changed by a view": constant_whose_view_is_changed,
    "brought": lambda x, y: x.repeat(2, 1) + y.repeat(2, 1),
    "brought and changed": brought_and_changed,
    "brought with views": brought_with_views,
    "given memory": given_memory,
    "filled": lambda x, y: x.masked_fill(y > 0, 7.0).where(y < 1, torch.ones(())[None]),
    "dropout": lambda x, y: functional.dropout(x, 0.4) + functional.dropout(y, 0.2),
    "random numbers": lambda x, y: x + torch.rand(6, 4) * torch.randn_like(y) + torch.rand_like(x),
    "random places": lambda x, y: x + torch.randperm(4) + torch.bernoulli(y.sigmoid()),
    "noise in place": lambda x, y: x + torch.empty(6, 4).uniform_() + y.clone().normal_(),
    "norms": lambda x, y: functional.layer_norm(x, (4,)) + functional.normalize(y, dim=0),
    "batch norm": lambda x, y: functional.batch_norm(x, None, None, training=True) + y,
    "softmax": lambda x, y: x.log_softmax(1) + y.softmax(0) + x.logsumexp(1, keepdim=True),
    "sums so far": lambda x, y: x.cumsum(0) + y.cumprod(1) + x.flip(0) + y.roll(1, 0),
    "attention": lambda x, y: functional.scaled_dot_product_attention(x[None], y[None], x[None])[0],
    "resized": lambda x, y: functional.interpolate(x[None, None], scale_factor=2)[0, 0],
    "nothing at all": lambda x, y: x,
    "a view of the input": lambda x, y: x.t()[1:],
    "a constant": lambda x, y: torch.ones(3),
    "memory from before": lambda x, y: OUTSIDE[1:],
    "empty": lambda x, y: x[:0] * 2,
}


@pytest.mark.parametrize("name", EXACT)
def test_a_replay_gives_the_bits_of_the_function(name: str) -> None:
    check_replays(lambda x, y: [EXACT[name](x, y)])


@pytest.mark.parametrize("name", EXACT)
def test_a_replay_gives_the_bits_of_the_gradients(name: str) -> None:
    """All of it is kept for the backward pass, and the second result needs it."""

    def with_gradient(x: Tensor, y: Tensor) -> list[Tensor]:
        one, other = (part.clone().requires_grad_() for part in (x, y))
        result = EXACT[name](one * 1.5, other + 0.5)
        if not result.requires_grad:
            return [result]
        result.square().sum().backward()
        found = [part.grad for part in (one, other) if part.grad is not None]
        return [result.detach(), *found]

    check_replays(with_gradient, exact=False)


def test_sums_of_columns_are_the_sums() -> None:
    check_replays(lambda x, y: [x.sum(0), y.sum(0, keepdim=True), (x * y).sum([0])], exact=False)


def test_kernels_that_are_not_known_to_be_repeatable_are_refused() -> None:
    def check(x: Tensor) -> list[Tensor]:
        torch._assert_async(x.sum() < 99)
        return [x]

    with pytest.raises(NotRepeatable, match="_assert_async"):
        CpuGraph(check, [numbers(3)], nowhere)


# --- replays of whole functions -------------------------------------------------------------------


def test_results_are_never_touched_by_a_later_replay() -> None:
    graph = CpuGraph(
        lambda x: [x * 2, x.repeat(2), x, OUTSIDE[1:], (x + 1)[1:]], [numbers(4)], nowhere
    )
    first = graph.replay(torch.ones(4))
    before = [result.clone() for result in first]
    later = graph.replay(torch.full((4,), 5.0))
    assert all(map(torch.equal, first, before))
    pointers = [{t.untyped_storage().data_ptr() for t in results} for results in (first, later)]
    assert not pointers[0] & pointers[1]
    assert OUTSIDE.untyped_storage().data_ptr() not in pointers[0]
    assert [result.tolist() for result in later[:3]] == [[10.0] * 4, [5.0] * 8, [5.0] * 4]


def test_memory_from_before_is_read_and_written_where_it_lies() -> None:
    weight, total = torch.ones(3), torch.zeros(3)

    def function(x: Tensor) -> list[Tensor]:
        total.add_(x)
        return [x * weight + total]

    graph = CpuGraph(function, [torch.ones(3)], nowhere)
    weight.mul_(4)
    assert graph.replay(torch.ones(3))[0].tolist() == [5.0] * 3
    weight.zero_()
    assert graph.replay(torch.ones(3))[0].tolist() == [2.0] * 3
    assert total.tolist() == [2.0] * 3


def test_inputs_are_read_wherever_they_lie() -> None:
    def function(x: Tensor, y: Tensor) -> list[Tensor]:
        return [x.view(-1) * 2, x.t().reshape(-1) + y, x[1:].sum(1)]

    graph = CpuGraph(function, [numbers(3, 2), numbers(6)], nowhere)
    many, others = numbers(12, 2, seed=1), numbers(24, seed=2)
    for start in (0, 3, 7):
        inputs = many[start : start + 3], others[start : start + 6]
        assert all(map(torch.equal, graph.replay(*inputs), function(*inputs)))


def test_a_replay_needs_all_inputs() -> None:
    graph = CpuGraph(lambda x, y: [x + y], [numbers(2), numbers(2)], nowhere)
    with pytest.raises(ValueError, match="zip"):
        graph.replay(numbers(2))


def test_a_function_that_is_not_the_same_twice_is_refused() -> None:
    calls: list[int] = []

    def function(x: Tensor) -> list[Tensor]:
        calls.append(1)
        return [x * len(calls)]

    with pytest.raises(NotRepeatable, match=r"operation 0, aten.mul.Tensor"):
        CpuGraph(function, [numbers(2)], nowhere)


def test_only_one_recording_is_kept() -> None:
    graph = CpuGraph(lambda x: [(x * 2 + 1).relu()], [numbers(500)], nowhere)
    assert len(graph._memory.blocks()) == 4


def test_memory_is_shared_in_a_chain_of_operations() -> None:
    def chain(x: Tensor) -> list[Tensor]:
        for _ in range(20):
            x = x * 1.5
        return [x]

    graph = CpuGraph(chain, [numbers(1000)], nowhere)
    storages = {
        view.untyped_storage().data_ptr(): view.untyped_storage().nbytes()
        for block in graph._memory.blocks()
        for view in graph._memory.views(block)
    }
    # the input, the result, and two places that the nineteen others take in turn
    assert sum(storages.values()) <= 4 * 4096


@pytest.mark.parametrize(
    "make", ["whole", "turned", "part", "brought", "constant", "twice", "input"]
)
def test_what_is_wanted_in_a_place_is_found_there(make: str) -> None:
    """Whole blocks move there; what is laid out otherwise, shared or brought is copied."""
    places = [torch.zeros(4, 3), torch.zeros(4, 3)]
    made: list[Tensor] = []

    def function(x: Tensor) -> list[Tensor]:
        made.clear()
        if make == "whole":
            made.append(x * 2)
        elif make == "turned":
            made.append((x.t().contiguous() * 2).t())
        elif make == "part":
            made.append((torch.cat([x, x]) * 2)[4:])
        elif make == "brought":
            made.append(x.repeat(1, 1) * 1)
            made[0] = (x * 2).repeat(1, 1)
        elif make == "constant":
            made.append(torch.full((4, 3), 2.0))
        elif make == "twice":
            double = x * 2
            made.extend([double, double.view(12).view(4, 3)])
        else:
            made.append(x)
        return [made[0] + 1]

    def wanted() -> list[tuple[Tensor, Tensor]]:
        return [*zip(made, places, strict=False)]

    graph = CpuGraph(function, [numbers(4, 3)], wanted)
    for seed in (5, 6):
        x = numbers(4, 3, seed=seed)
        for place in places:
            place.fill_(-1)
        (result,) = graph.replay(x)
        (expected,) = function(x)
        assert torch.equal(result, expected)
        for tensor, place in zip(made, places, strict=False):
            assert torch.equal(place, tensor)


def test_a_place_keeps_its_content_until_the_replay_has_ended() -> None:
    """Nothing else may use a place for its own numbers, though its block lives only for a while."""
    place, made = torch.zeros(100), [torch.zeros(100)]

    def function(x: Tensor) -> list[Tensor]:
        made[0] = x * 2
        later = x + 1
        for _ in range(5):
            later = later * 3
        return [later]

    graph = CpuGraph(function, [numbers(100)], lambda: [(made[0], place)])
    graph.replay(torch.ones(100))
    assert torch.equal(place, torch.full((100,), 2.0))


# --- programs -------------------------------------------------------------------------------------

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
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
    "flip": lambda x: x.flip(1),
    "noise": torch.rand_like,
    "constant": lambda x: torch.full_like(x, 0.5),
    "fresh": lambda x: torch.zeros(6, 4),
    "rows": lambda x: torch.cat([x[3:], x[:3]]),
    "same": lambda x: x.mean([], keepdim=True) if x.shape == (1, 1) else x / 1,
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plus": torch.add,
    "times": torch.mul,
    "product": lambda x, y: x @ (y.t() @ x).tanh(),
    "chosen": lambda x, y: torch.where(x > 0, x, y),
    "add in place": lambda x, y: x.add_(y),
    "write part": lambda x, y: x[:2].copy_(y[2:4]).expand(2, 4).repeat(3, 1),
    "write columns": lambda x, y: x[:, 1:].mul_(y[:, :3]).sum(1, keepdim=True) + x,
    "given": lambda x, y: torch.maximum(x, y, out=torch.empty(6, 4)),
}
programs = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 9), st.just(0)),
        st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 9), st.integers(0, 9)),
    ),
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
                values.append(
                    BINARY[name](one.clone() if 0 in one.stride() else one, other.clone())
                )
        return values[-wanted:]

    check_replays(function)
