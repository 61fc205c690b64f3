from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import channels_last
from torch import Tensor, nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.models.cnn import CNN
from fmnistlab.models.input_check import check_images
from fmnistlab.models.linear import LinearNet


def plain_linear() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.LeakyReLU(),
        nn.Linear(256, 64),
        nn.LeakyReLU(),
        nn.Linear(64, 10),
    )


def plain_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.LeakyReLU(),
        nn.Conv2d(8, 16, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.LeakyReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.LeakyReLU(),
        nn.Conv2d(32, 64, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.LeakyReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 24),
        nn.LeakyReLU(),
        nn.Linear(24, 10),
    )


MODELS: dict[type[nn.Module], Callable[[], nn.Sequential]] = {
    LinearNet: plain_linear,
    CNN: plain_cnn,
}


def images_of(count: int, seed: int) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kind", "parameters"), [(LinearNet, 218_058), (CNN, 26_194)])
def test_the_number_of_parameters_is_that_of_the_tutorial(
    kind: type[nn.Module], parameters: int
) -> None:
    assert sum(parameter.numel() for parameter in kind().parameters()) == parameters


@pytest.mark.parametrize("kind", MODELS)
def test_seeding_gives_the_weights_and_the_scores_of_a_plain_sequential(
    kind: type[nn.Module],
) -> None:
    torch.manual_seed(42)
    plain = MODELS[kind]()
    after_plain = torch.rand(3)
    torch.manual_seed(42)
    model = kind()
    after_model = torch.rand(3)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(after_model, after_plain)
    assert repr(model.layers) == repr(plain)
    images = images_of(5, 0)
    assert torch.equal(model(images), plain(images))


@pytest.mark.parametrize("kind", MODELS)
@given(count=st.integers(0, 6), seed=st.integers(0, 2**32))
@settings(max_examples=15)
def test_any_batch_gives_ten_scores_for_each_image_whatever_its_neighbors(
    kind: type[nn.Module], count: int, seed: int
) -> None:
    """Kernels for other batch sizes sum in another order, hence 1e-5 on scores of about 0.1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind().eval()
    images = images_of(count, seed)
    with torch.no_grad():
        together = model(images)
        alone = [model(image.unsqueeze(0)) for image in images]
        reversed_ = model(images.flip(0)).flip(0)
    assert together.shape == (count, 10)
    assert together.dtype == torch.float32
    assert bool(together.isfinite().all())
    torch.testing.assert_close(torch.cat([together[:0], *alone]), together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reversed_, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_an_empty_batch_has_zero_gradients(kind: type[nn.Module]) -> None:
    model = kind()
    model(torch.zeros(0, 1, 28, 28)).sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


@pytest.mark.parametrize("kind", MODELS)
def test_every_parameter_learns(kind: type[nn.Module]) -> None:
    model = kind()
    nn.functional.cross_entropy(model(images_of(16, 1)), torch.arange(16) % 10).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


@pytest.mark.parametrize("kind", MODELS)
def test_the_memory_layout_does_not_change_the_scores(kind: type[nn.Module]) -> None:
    model = kind().eval()
    images = images_of(4, 2)
    expected = model(images)
    other = channels_last(model)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(other, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (5, 28, 28), (5, 784), (5, 28, 28, 1), (5, 3, 28, 28), (5, 1, 32, 32)]
)
def test_other_shapes_are_refused_by_name(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    images = torch.zeros(shape)
    unchecked_forward = inspect.unwrap(kind.forward)  # without the shape checks of the tests
    for refuse in (check_images, lambda images: unchecked_forward(kind(), images)):
        with pytest.raises(ConfigurationError) as caught:
            refuse(images)
        assert f"(batch, 1, 28, 28), not {shape}" in str(caught.value)


def test_the_models_can_be_traced_exported_and_compiled() -> None:
    """In a Python of its own, as the shape checks of the tests would get in a tracer's way."""
    code = """
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
for model in (LinearNet().eval(), CNN().eval()):
    images = torch.rand(4, 1, 28, 28)
    expected = model(images)
    batch = torch.export.Dim("batch")
    exported = torch.export.export(model, (images[:3],), dynamic_shapes=({0: batch},))
    ways = [
        torch.fx.symbolic_trace(model),
        make_fx(model)(images),
        torch.compile(model, backend="aot_eager", fullgraph=True),
        exported.module(),
        torch.func.vmap(lambda image: model(image.unsqueeze(0)).squeeze(0)),
    ]
    for way in ways:
        torch.testing.assert_close(way(images), expected, rtol=1e-4, atol=1e-5)
print("done")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "done\n", done.stderr
