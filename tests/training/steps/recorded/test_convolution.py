"""Convolutions as products and cropped pools: the outputs and gradients of torch's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.tiny import channels_last
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from fmnistlab.training.steps.recorded import convolution
from fmnistlab.training.steps.recorded.program import Program

Layer = Callable[[Tensor], Tensor]


def numbers(*shape: int, seed: int, last: bool = True) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    # As models are moved. `contiguous` would leave a single channel as it is, which lies both ways.
    return made.to(memory_format=torch.channels_last) if last and made.ndim == 4 else made


class Case:
    """One convolution with what follows; results are outputs and the gradients asked for."""

    def __init__(
        self,
        weights: tuple[int, ...],
        *,
        then: Layer = lambda x: x,
        bias: bool = True,
        learns: tuple[bool, bool, bool] = (True, True, True),
        last: bool = True,
        **options: Any,
    ) -> None:
        self.last, self.options, self.then, self.learns_images = last, options, then, learns[0]
        self.weights = numbers(*weights, seed=1, last=last).requires_grad_(learns[1])
        self.bias = numbers(weights[0], seed=2).requires_grad_(learns[2]) if bias else None

    def __call__(self, images: Tensor) -> list[Tensor]:
        learning = [p for p in (self.weights, self.bias) if p is not None and p.requires_grad]
        for parameter in learning:
            parameter.grad = None
        inside = images.requires_grad_() * 1.0 if self.learns_images else images
        output = self.then(functional.conv2d(inside, self.weights, self.bias, **self.options))
        slope = torch.linspace(-1, 1, output.numel()).view(output.shape)
        (output * slope + output.square()).sum().backward()
        learned = (*learning, images)
        gradients = [p.grad for p in learned if p.requires_grad and p.grad is not None]
        images.requires_grad_(False).grad = None
        return [output.detach(), *gradients]

    def in_double(self) -> Case:
        """Returns the same convolution in float64."""
        exact = copy.copy(self)
        exact.weights = self.weights.detach().double().requires_grad_(self.weights.requires_grad)
        if self.bias is not None:
            exact.bias = self.bias.detach().double().requires_grad_(self.bias.requires_grad)
        return exact


class Kernels(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def kernels(program: Program, *shape: int) -> set[str]:
    """Returns the kernels that a replay calls for images of a shape."""
    with Kernels() as watching:
        program.replay(numbers(*shape, seed=0))
    return watching.names


def is_near(mine: Tensor, theirs: Tensor) -> bool:
    """Whether they are the same but for rounding: sums of float32 in another order.

    Rounding is relative to what was added up, so small results of large terms may be off by more.
    """
    return torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def program_of(function: Callable[[Tensor], list[Tensor]], *shape: int, last: bool) -> Program:
    images, others = (numbers(*shape, seed=seed, last=last) for seed in (2, 3))
    return Program(function, [images], [others], list)


def check(case: Case, *shape: int, same: Layer = lambda x: x) -> Program:
    """Compares replays with other images and weights than the recorded ones with torch's own.

    A result may also be right where torch's is not: on an AMD EPYC the gradient of 2 x 4 images
    under a 3 x 3 kernel with a border of 2 was off by 1.6e-4 in torch 2.13.
    """
    program = program_of(case, *shape, last=case.last)
    for seed in (4, 5):
        with torch.no_grad():
            case.weights.mul_(1.1)
        images = same(numbers(*shape, seed=seed, last=case.last))
        found, expected = program.replay(images), case(images)
        exact = case.in_double()(images.double())
        for mine, theirs, wanted in zip(found, expected, exact, strict=True):
            assert is_near(mine, wanted.float()) or is_near(mine, theirs)
    return program


def check_layers(layers: nn.Module, *shape: int, last: bool = True) -> Program:
    """Compares replays of layers with the layers."""

    def function(images: Tensor) -> list[Tensor]:
        layers.zero_grad()
        output = layers(images)
        output.square().mean().backward()
        return [output.detach(), *(p.grad for p in layers.parameters())]

    program = program_of(function, *shape, last=last)
    for seed in (4, 5):
        images = numbers(*shape, seed=seed, last=last)
        assert all(map(is_near, program.replay(images), function(images)))
    return program


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from([1, 2, 3, 8, 16]),
    outputs=st.integers(1, 9),
    kernel=st.integers(1, 5),
    padding=st.integers(0, 4),
    learns=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
    last=st.booleans(),
)
def test_any_convolution_has_the_output_and_the_gradients_of_torch(
    *,
    size: tuple[int, int, int],
    channels: int,
    outputs: int,
    kernel: int,
    padding: int,
    learns: tuple[bool, bool, bool],
    last: bool,
) -> None:
    batch, height, width = size
    assume(min(height, width) + 2 * padding >= kernel)
    case = Case((outputs, channels, kernel, kernel), learns=learns, last=last, padding=padding)
    check(case, batch, channels, height, width)


@pytest.mark.parametrize(
    ("weights", "shape", "padding"),
    [
        ((8, 1, 3, 3), (5, 1, 28, 28), 1),
        ((8, 1, 5, 5), (3, 1, 28, 28), 0),
        ((4, 1, 1, 1), (3, 1, 9, 8), 0),
        ((32, 16, 3, 3), (5, 16, 7, 7), 1),
        ((64, 32, 3, 3), (5, 32, 3, 3), 1),
        ((6, 16, 2, 2), (2, 16, 7, 5), 1),
        ((6, 7, 5, 5), (2, 7, 6, 8), 4),
        ((6, 64, 1, 1), (2, 64, 5, 6), 0),
    ],
)
@pytest.mark.parametrize("of_images", [False, True])
def test_convolutions_that_are_products_are_made_as_such(
    weights: tuple[int, ...], shape: tuple[int, ...], padding: int, of_images: bool
) -> None:
    case = Case(weights, learns=(of_images, True, True), padding=padding)
    called = kernels(check(case, *shape), *shape)
    # With gradients of images of a single channel it is left to torch to go back.
    assert "convolution" not in called
    assert ("convolution_backward" in called) == (of_images and shape[1] == 1)


@pytest.mark.parametrize(
    ("weights", "shape", "options"),
    [
        ((8, 1, 3, 3), (2, 1, 9, 9), {"stride": 2}),
        ((8, 1, 3, 3), (2, 1, 9, 9), {"dilation": 2}),
        ((8, 1, 3, 3), (2, 1, 9, 9), {"padding": (0, 1)}),
        ((8, 1, 3, 3), (2, 1, 9, 9), {"padding": 3}),
        ((8, 1, 3, 3), (2, 1, 9, 9), {"bias": False}),
        ((8, 1, 3, 2), (2, 1, 9, 9), {}),
        ((8, 1, 6, 6), (2, 1, 9, 9), {}),
        ((1, 1, 3, 3), (2, 1, 9, 9), {}),
        ((8, 8, 3, 3), (2, 16, 7, 7), {"groups": 2}),
        ((8, 16, 3, 3), (2, 16, 7, 7), {"stride": (1, 2)}),
        ((8, 16, 3, 3), (2, 16, 7, 8), {}),
        ((8, 7, 3, 3), (2, 7, 7, 7), {}),
        ((8, 16, 3, 3), (2, 16, 7, 7), {"last": False}),
    ],
)
def test_other_convolutions_stay_as_they_are(
    weights: tuple[int, ...], shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    called = kernels(check(Case(weights, **options), *shape), *shape)
    assert called >= {"convolution", "convolution_backward"}


@pytest.mark.parametrize(
    ("limit", "value", "weights", "shape"),
    [
        ("LARGEST_IMAGE", 999, (8, 16, 3, 3), (2, 16, 8, 7)),
        ("SMALLEST_DEPTH", 1, (8, 3, 3, 3), (2, 3, 7, 7)),
        ("LARGEST_KERNEL", 999, (8, 1, 6, 6), (2, 1, 9, 9)),
        ("LARGEST_MATRIX", 9_999_999, (2, 1, 5, 5), (46, 1, 28, 28)),
    ],
)
def test_only_the_limits_decide_where_a_product_is_faster(
    limit: str,
    value: int,
    weights: tuple[int, ...],
    shape: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Products are right beyond the sizes they are used for, so the limits are only about speed."""
    case = Case(weights, learns=(False, True, True))
    assert "convolution" in kernels(check(case, *shape), *shape)
    monkeypatch.setattr(convolution, limit, value)
    assert "convolution" not in kernels(check(case, *shape), *shape)


@pytest.mark.parametrize("last", [True, False])
def test_turned_and_double_convolutions_stay_right(last: bool) -> None:
    layers = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ConvTranspose2d(8, 16, 3))
    check_layers(channels_last(layers) if last else layers, 2, 16, 7, 7, last=last)
    case = Case((8, 16, 3, 3), padding=1, last=last)
    double = case.in_double()
    program = program_of(lambda x: double(x.double()), 2, 16, 7, 7, last=last)
    images = numbers(2, 16, 7, 7, seed=9, last=last)
    assert all(map(is_near, program.replay(images), double(images.double())))


def test_images_that_lie_otherwise_than_the_weights_are_left_to_torch() -> None:
    layer = channels_last(nn.Sequential(nn.Conv2d(16, 8, 3, padding=1)))
    program = check_layers(layer, 2, 16, 7, 7, last=False)
    assert "convolution" in kernels(program, 2, 16, 7, 7)


class Twice(nn.Module):
    """A convolution that is made three times with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(self.layer(images).relu()) + self.layer(images)


def test_weights_that_serve_several_convolutions_get_all_gradients() -> None:
    check_layers(channels_last(Twice()), 2, 16, 5, 5)


# --- cropping -------------------------------------------------------------------------------------


def pooled(images: Tensor) -> Tensor:
    return functional.leaky_relu(nn.MaxPool2d(2)(images))


@settings(max_examples=40)
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 16]),
    size=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    kernel_and_padding=st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]),
    learns=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
    ties=st.booleans(),
)
def test_a_pool_after_a_convolution_has_the_gradients_of_torch(
    *,
    batch: int,
    channels: int,
    size: tuple[int, int],
    kernel_and_padding: tuple[int, int],
    learns: tuple[bool, bool, bool],
    ties: bool,
) -> None:
    """Images of one color have the same number everywhere; then the first pixel gets it all."""
    kernel, padding = kernel_and_padding
    assume(min(size) + 2 * padding - kernel + 1 >= 2)
    case = Case((5, channels, kernel, kernel), then=pooled, learns=learns, padding=padding)
    check(case, batch, channels, *size, same=lambda x: torch.full_like(x, 0.5) if ties else x)


@pytest.mark.parametrize("size", [(3, 3), (7, 7), (7, 6), (6, 7), (6, 6)])
def test_pixels_that_a_pool_drops_are_not_computed(size: tuple[int, int]) -> None:
    program = check(Case((8, 16, 3, 3), then=pooled, padding=1), 2, 16, *size)
    blocks = (program._memory.views(block) for block in program._memory.blocks())
    sizes = {tuple(v.shape[-2:]) for views in blocks for v in views if v.shape[1:2] == (8,)}
    smaller = tuple(length - length % 2 for length in size)
    assert {tuple(length // 2 for length in size), smaller} <= sizes


def test_a_chain_of_convolutions_and_odd_pools_is_cropped_throughout() -> None:
    layers = nn.Sequential(
        *(nn.Conv2d(1, 16, 2), nn.MaxPool2d(2), nn.LeakyReLU(), nn.Conv2d(16, 32, 3, padding=1)),
        *(nn.MaxPool2d(2), nn.LeakyReLU(), nn.Conv2d(32, 8, 3, padding=1), nn.MaxPool2d(2)),
    )
    program = check_layers(channels_last(layers), 3, 1, 16, 16)
    assert not {"convolution", "convolution_backward"} & kernels(program, 3, 1, 16, 16)


def unpooled(images: Tensor) -> Tensor:
    """Looks at the places of the largest pixels, which are those of the whole image."""
    small, places = functional.max_pool2d(images, 2, 2, return_indices=True)
    again = functional.max_unpool2d(small, places, [2, 2], output_size=[*images.shape[2:]])
    return again[..., :1, :1] + small * places.float()


@pytest.mark.parametrize(
    "then",
    [
        nn.MaxPool2d(3),
        nn.MaxPool2d(2, stride=1),
        nn.MaxPool2d(2, stride=3),
        nn.MaxPool2d(2, padding=1),
        nn.MaxPool2d(2, dilation=2, stride=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.AvgPool2d(2),
        unpooled,
        lambda x: torch.cat([pooled(x).flatten(1), x.flatten(1)], 1),
        lambda x: pooled(x.relu()),
        lambda x: pooled(x) + x.mean(),
        lambda x: pooled(x.flip(2)),
        lambda x: nn.MaxPool2d(2)(x)[..., :2, :2] + nn.MaxPool2d(3, 2)(x)[..., :2, :2],
        lambda x: pooled(x[:, :3]),
        lambda x: pooled(x.transpose(2, 3)),
    ],
)
def test_other_pools_and_other_readers_see_all_pixels(then: Layer) -> None:
    check(Case((8, 16, 3, 3), then=then, padding=1), 2, 16, 7, 7)
    check(Case((8, 1, 2, 2), then=then, learns=(False, True, True)), 2, 1, 8, 8)
