"""Adam over one long vector: the bits of torch's fused Adam, and memory of one's own afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from fmnistlab.training.flat_adam import UNIT, FlatAdam, can_be_flat
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fmnistlab.training.threads import cpu_threads

Shape = tuple[int, ...]
ADAMS = [torch.optim.Adam, torch.optim.AdamW]
MATRICES: list[Shape] = [(16, 3), (5, 16), (4, 4), (10, 7), (1, 32), (32, 1)]
STATE = ("step", "exp_avg", "exp_avg_sq")


def parameters_of(shapes: Sequence[Shape], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def gradients_of(shapes: Sequence[Shape], step: int) -> list[Tensor]:
    """Gradients of very different sizes, as they are in life."""
    generator = torch.Generator().manual_seed(1000 + step)
    return [
        torch.randn(shape, generator=generator) * 10.0 ** (-2 * (number % 4))
        for number, shape in enumerate(shapes)
    ]


def plain_step(parameters: Sequence[nn.Parameter], optimizer: Any, gradients: list[Tensor]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.empty_like(parameter).copy_(gradient)
    optimizer.step()


def flat_step(flat: FlatAdam, parameters: list[nn.Parameter], gradients: list[Tensor]) -> None:
    numbers = {
        id(parameter): gradient for parameter, gradient in zip(parameters, gradients, strict=True)
    }
    for parameter, place in flat.gradients:
        place.copy_(numbers[id(parameter)])
    with torch.no_grad():
        flat.step()


def same_bits(ones: list[nn.Parameter], one: Any, others: list[nn.Parameter], other: Any) -> bool:
    return all(
        torch.equal(mine, theirs)
        and all(torch.equal(one.state[mine][name], other.state[theirs][name]) for name in STATE)
        for mine, theirs in zip(ones, others, strict=True)
    )


shapes_of_parameters = st.lists(
    st.sampled_from([(), (1,), (15,), (16,), (17,), (3, 5), (8, 1, 3, 3), (24, 64), (2, 2, 2, 2)])
    | st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@given(
    shapes=shapes_of_parameters,
    kind=st.sampled_from(ADAMS),
    decay=st.sampled_from([0.0, 0.1]),
    maximize=st.booleans(),
    before=st.integers(0, 5),
    after=st.integers(1, 4),
)
def test_all_steps_have_the_bits_of_torch(
    *,
    shapes: list[Shape],
    kind: type[torch.optim.Optimizer],
    decay: float,
    maximize: bool,
    before: int,
    after: int,
) -> None:
    """Some steps by torch, some in flat memory, some by torch again."""
    ones, others = parameters_of(shapes), parameters_of(shapes)
    make: Callable[..., Any] = kind
    one, other = (
        make(p, 0.01, fused=True, weight_decay=decay, maximize=maximize) for p in (ones, others)
    )
    for step in range(before):
        plain_step(ones, one, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
    assert can_be_flat(one)
    flat = FlatAdam(one)
    assert before == 0 or same_bits(ones, one, others, other)
    for step in range(before, before + after):
        flat_step(flat, ones, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
        assert same_bits(ones, one, others, other)
    flat.release()
    assert same_bits(ones, one, others, other)
    for step in (20, 21):
        plain_step(ones, one, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
    assert same_bits(ones, one, others, other)


def test_settings_are_read_in_each_step() -> None:
    shapes: list[Shape] = [(16, 4), (5,)]
    ones, others = parameters_of(shapes), parameters_of(shapes)
    one, other = (torch.optim.AdamW(p, fused=True) for p in (ones, others))
    flat = FlatAdam(one)
    changes: list[tuple[str, Any]] = [
        ("lr", 0.1),
        ("betas", (0.5, 0.9)),
        ("betas", (0.5, 0.7)),
        ("weight_decay", 0.3),
        ("eps", 0.1),
        ("maximize", True),
    ]
    for step, (name, value) in enumerate(changes):
        for optimizer in (one, other):
            optimizer.param_groups[0][name] = value
        flat_step(flat, ones, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
        assert same_bits(ones, one, others, other), name


def test_groups_keep_their_settings_and_their_own_counts() -> None:
    shapes: list[Shape] = [(16,), (3,), (32, 2), (7, 2), (16, 16)]
    ones, others = parameters_of(shapes), parameters_of(shapes)

    def make(p: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [{"params": p[:2]}, {"params": p[2:4], "lr": 0.1}, {"params": p[4:]}]
        return torch.optim.Adam(groups, 0.01, fused=True, weight_decay=0.1)

    one, other = make(ones), make(others)
    for optimizer, parameters in ((one, ones), (other, others)):
        for parameter, gradient in zip(parameters[:2], gradients_of(shapes, 9), strict=False):
            parameter.grad = gradient
        optimizer.step()
        optimizer.zero_grad()
    assert can_be_flat(one)
    flat = FlatAdam(one)
    for step in range(4):
        one.param_groups[2]["lr"] = other.param_groups[2]["lr"] = 0.1 / (step + 1)
        flat_step(flat, ones, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
    assert same_bits(ones, one, others, other)
    assert [one.state[p]["step"].item() for p in ones] == [5, 5, 4, 4, 4]


@pytest.mark.parametrize("shape", MATRICES)
def test_matrices_lie_by_columns_until_they_are_released(shape: Shape) -> None:
    ones, others = parameters_of([shape, (3, 3)]), parameters_of([shape, (3, 3)])
    one, other = (torch.optim.Adam(p, 0.01, fused=True) for p in (ones, others))
    with torch.no_grad():  # as torch would do it with this layout
        others[0].data = others[0].t().contiguous().t()
    flat = FlatAdam(one, [ones[0]])
    state = one.state[ones[0]]
    for tensor in (ones[0], ones[0].grad, state["exp_avg"], state["exp_avg_sq"]):
        assert tensor.stride() == (1, shape[0])
    assert ones[1].stride() == (3, 1)
    for step in range(5):
        flat_step(flat, ones, gradients_of([shape, (3, 3)], step))
        plain_step(others, other, gradients_of([shape, (3, 3)], step))
    assert same_bits(ones, one, others, other)
    gradient = ones[0].grad.clone()
    flat.release()
    assert same_bits(ones, one, others, other)
    for tensor in (ones[0], ones[0].grad, state["exp_avg"], state["exp_avg_sq"]):
        assert tensor.is_contiguous()
    assert torch.equal(ones[0].grad, gradient)


def tensors_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    found = []
    for parameter, state in optimizer.state.items():
        found += [parameter.data, parameter.grad, *(state[name] for name in STATE)]
    return found


def test_flat_memory_is_one_vector_and_own_memory_comes_back() -> None:
    parameters = parameters_of([(16, 2), (8, 4), (3,), (64,)])
    parameters.append(nn.Parameter(torch.randn(8, 2, 3, 3).to(memory_format=torch.channels_last)))
    strides = [parameter.stride() for parameter in parameters]
    optimizer = torch.optim.Adam(parameters, fused=True)
    flat = FlatAdam(optimizer, [parameters[0]])
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors_of(optimizer)}
    # three vectors and as many for the single one, gradients too, and the counters
    assert len(storages) == 4 + 4 + 1
    assert {id(p) for p, _ in flat.gradients} == {id(p) for p in parameters}
    assert all(parameter.grad is place for parameter, place in flat.gradients)
    flat_step(flat, parameters, gradients_of([p.shape for p in parameters], 0))
    flat.release()
    tensors = tensors_of(optimizer)
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == len(tensors)
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
    for parameter, stride in zip(parameters, strides, strict=True):
        state = optimizer.state[parameter]
        assert parameter.is_leaf
        assert parameter.requires_grad
        for tensor in (parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"]):
            assert tensor.stride() == stride
        assert state["step"].shape == ()
        assert state["step"].dtype == torch.float32
        assert {*state} == {*STATE}


def test_a_gradient_that_is_gone_stays_gone() -> None:
    (parameter,) = parameters_of([(16,)])
    flat = FlatAdam(torch.optim.Adam([parameter], fused=True))
    parameter.grad = None
    flat.release()
    assert parameter.grad is None


def test_the_state_can_be_copied_and_loaded_at_any_time() -> None:
    shapes: list[Shape] = [(16, 2), (5,)]
    ones, others = parameters_of(shapes), parameters_of(shapes)
    one, other = (torch.optim.Adam(p, fused=True) for p in (ones, others))
    flat = FlatAdam(one, [ones[0]])
    for step in range(3):
        flat_step(flat, ones, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
    saved = copy.deepcopy(one.state_dict())
    expected = other.state_dict()
    assert saved.keys() == expected.keys()
    assert saved["param_groups"] == expected["param_groups"]
    for number, state in expected["state"].items():
        assert all(torch.equal(saved["state"][number][name], state[name]) for name in STATE)


def test_large_vectors_shared_out_to_threads_have_the_same_bits() -> None:
    shapes: list[Shape] = [(16 * 5000 + 16,), (1000, 16), (100_003,), (48,)]
    ones, others = parameters_of(shapes), parameters_of(shapes)
    one, other = (torch.optim.Adam(p, fused=True) for p in (ones, others))
    flat = FlatAdam(one)
    for step in range(2):
        with cpu_threads(1 + step):
            flat_step(flat, ones, gradients_of(shapes, step))
        plain_step(others, other, gradients_of(shapes, step))
    assert same_bits(ones, one, others, other)


def test_a_unit_is_what_torch_takes_in_one_go() -> None:
    """Were it less, the end of a parameter would be rounded as the middle of the vector is."""
    shapes: list[Shape] = [(UNIT,), (2 * UNIT,), (UNIT - 1,)]
    parameters = parameters_of(shapes)
    optimizer = torch.optim.Adam(parameters, fused=True)
    flat = FlatAdam(optimizer)
    (_, _, (vectors, *_)) = flat._groups[0]
    assert [len(vector) for vector in vectors] == [3 * UNIT, UNIT - 1]


def uneven() -> torch.optim.Optimizer:
    parameters = parameters_of([(16,), (16,)])
    optimizer = torch.optim.Adam(parameters, fused=True)
    parameters[0].grad = torch.ones(16)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("make", "possible"),
    [
        (lambda: torch.optim.Adam(parameters_of([(3, 4), (16,)])), True),
        (uneven, False),
        (lambda: torch.optim.Adam([nn.Parameter(torch.ones(4, dtype=torch.float64))]), False),
        (lambda: torch.optim.Adam([nn.Parameter(torch.ones(4, device="meta"))]), False),
        (lambda: torch.optim.Adam([nn.Parameter(torch.ones(8)[:4])]), False),
        (lambda: torch.optim.Adam([nn.Parameter(torch.ones(1).expand(4))]), False),
        (lambda: torch.optim.Adam([nn.Parameter(torch.ones(4, 3).t())]), True),
        (
            lambda: torch.optim.Adam(
                [{"params": parameters_of([(4,)])}, {"params": [nn.Parameter(torch.ones(8)[4:])]}]
            ),
            False,
        ),
    ],
    ids=["plain", "uneven", "double", "meta", "part", "expanded", "turned", "second group"],
)
def test_only_dense_float_parameters_with_the_same_count_can_be_flat(
    make: Callable[[], torch.optim.Optimizer], possible: bool
) -> None:
    optimizer = make()
    before = len(optimizer.state)
    assert can_be_flat(optimizer) is possible
    assert len(optimizer.state) == before, "looking began a state"


@pytest.mark.parametrize("other", [lambda data: data, lambda data: data.t()])
def test_parameters_that_share_memory_cannot_be_flat(other: Callable[[Tensor], Tensor]) -> None:
    one = nn.Parameter(torch.ones(4, 4))
    assert not can_be_flat(torch.optim.Adam([one, nn.Parameter(other(one.data))]))
