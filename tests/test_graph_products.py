"""Products by oneDNN give what products by MKL give; the processor decides who makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fmnistlab.training.graph import products
from fmnistlab.training.graph.cpu_graph import CpuGraph
from fmnistlab.training.graph_step import GraphStep
from tests.test_graph_step import Trained, assert_same_bits, is_graph, train
from torch import Tensor, nn

from fmnistlab.data.batch import Batch, as_floats
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.step import TrainingStep

ADAM = Recipe(batch_size=32)


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"])
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both kinds of processor, whichever this one is."""
    chosen: bool = request.param
    monkeypatch.setattr(products, "onednn_is_faster", lambda: chosen)
    return chosen


def replayed(left: Tensor, right: Tensor, bias: Tensor | None) -> tuple[CpuGraph, Tensor]:
    def product(left: Tensor, right: Tensor) -> list[Tensor]:
        return [left @ right if bias is None else torch.addmm(bias, left, right)]

    graph = CpuGraph(product, [torch.zeros_like(left), torch.zeros_like(right)], list)
    (result,) = graph.replay(left, right)
    return graph, result


def by_columns(tensor: Tensor) -> Tensor:
    return tensor.t().contiguous().t()


@pytest.mark.parametrize("shape", [(32, 784, 256), (8, 10, 25088), (1152, 144, 32)])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("left_by_columns", [False, True])
@pytest.mark.parametrize("right_by_columns", [False, True])
def test_a_large_product_is_right_in_every_layout(
    shape: tuple[int, int, int],
    with_bias: bool,
    left_by_columns: bool,
    right_by_columns: bool,
    onednn: bool,
) -> None:
    rows, depth, columns = shape
    generator = torch.Generator().manual_seed(rows)
    left = torch.randn(rows, depth, generator=generator)
    right = torch.randn(depth, columns, generator=generator)
    bias = torch.randn(columns, generator=generator) if with_bias else None
    wanted = left.double() @ right.double() + (0 if bias is None else bias)
    left = by_columns(left) if left_by_columns else left
    right = by_columns(right) if right_by_columns else right
    graph, result = replayed(left, right, bias)
    assert (result - wanted).abs().max() < 1e-5 * depth
    names = [getattr(run, "__qualname__", "") for run in graph._runs]
    assert any("onednn" in name for name in names) == onednn


def test_a_small_product_stays_with_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    graph, result = replayed(torch.ones(32, 64), torch.ones(64, 10), None)
    assert result.eq(64).all()
    assert not any("onednn" in getattr(run, "__qualname__", "") for run in graph._runs)


def real_batches() -> list[Batch]:
    test = FashionMNISTCSV.bundled("test")
    images, labels = as_floats(test.data[:1600].unsqueeze(1)), test.targets[:1600]
    return [Batch(*parts) for parts in zip(images.split(32), labels.split(32), strict=True)]


def apart(one: Trained, other: Trained) -> float:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max(float((mine - theirs).detach().abs().max()) for mine, theirs in pairs)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize(
    ("kind", "closest", "farthest"), [(LinearNet, 1e-5, 1e-4), (CNN, 1e-4, 2e-2)]
)
def test_fifty_steps_lead_to_the_weights_of_plain_steps(
    kind: type[nn.Module], closest: float, farthest: float
) -> None:
    """On real images, five seeds; the weights themselves move by up to 0.06 in these steps.

    Which of two pixels a pool takes may hang on the last bit, and from there the CNN drifts apart:
    images changed by one part in ten million lead as far away (6e-7 to 2e-2, six seeds).
    """
    distances = []
    for seed in range(5):

        def make(seed: int = seed) -> nn.Module:
            torch.manual_seed(seed)
            return kind()

        graph, again, plain = (
            train(steps, make, ADAM, real_batches())
            for steps in (GraphStep, GraphStep, TrainingStep)
        )
        assert is_graph(graph)
        assert_same_bits(graph, again)
        distances.append(apart(graph, plain))
    assert min(distances) < closest
    assert max(distances) < farthest


@pytest.mark.parametrize(
    ("vendor", "faster"), [("AuthenticAMD", True), ("GenuineIntel", False), (None, False)]
)
def test_the_processor_decides(
    vendor: str | None, faster: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "cpuinfo"
    if vendor is not None:
        facts.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
    monkeypatch.setattr(products, "_CPU_INFO", facts)
    products.onednn_is_faster.cache_clear()
    try:
        available = torch._C.has_mkl and torch._C._has_mkldnn
        assert products.onednn_is_faster() == (faster and available)
    finally:
        products.onednn_is_faster.cache_clear()
