"""Models: layers of torch and of other packages, put together in all ways."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from tests.parts.forwards import Perceptron
from tests.parts.row import SGD, Row, Watcher, perceptron
from tests.tiny import channels_last
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune


class Tied(nn.Module):
    """One weight used twice, as in an autoencoder."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(784, 16, bias=False)
        self.decoder = nn.Linear(784, 16, bias=False)
        self.decoder.weight = self.encoder.weight
        self.head = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        code = self.encoder(images.flatten(1))
        scores: Tensor = self.head(torch.relu(code @ self.decoder.weight))
        return scores


class Recurrent(nn.Module):
    """An LSTM over the rows of an image."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(28, 12, batch_first=True)
        self.head = nn.Linear(12, 10)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.rows(images.squeeze(1))
        scores: Tensor = self.head(outputs[:, -1])
        return scores


class Attention(nn.Module):
    """Rows of an image that look at each other."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(28, 4, dropout=0.1, batch_first=True)
        self.head = nn.Linear(28, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.squeeze(1)
        seen, _ = self.attention(rows, rows, rows)
        scores: Tensor = self.head((rows + seen).mean(1))
        return scores


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(28, 4, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(28, 10)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layers(images.squeeze(1)).mean(1))
        return scores


class Block(nn.Module):
    """Two convolutions and a way around them."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])

    def forward(self, images: Tensor) -> Tensor:
        inner = torch.relu(self.norms[0](self.one(images)))
        return torch.relu(images + self.norms[1](self.two(inner)))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        Block(),
        nn.MaxPool2d(2),
        Block(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    )


def typed() -> nn.Module:
    """A class that was typed at a prompt, so that no file holds its source."""
    names: dict[str, Any] = {"nn": nn}
    exec(  # what a prompt does
        "class Typed(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(784, 10)\n"
        "    def forward(self, images):\n"
        "        return self.layer(images.flatten(1))\n",
        names,
    )
    made: nn.Module = names["Typed"]()
    return made


def parametrized(change: Any) -> Any:
    """Returns what makes a perceptron whose first weight is computed from others."""

    def make() -> nn.Module:
        model = perceptron()
        change(model.get_submodule("1"))
        return model

    return make


def pruned_before() -> nn.Module:
    model = perceptron()
    prune.random_unstructured(model.get_submodule("1"), "weight", amount=0.5)
    return model


def laid_out_before() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
    model.extend([nn.Flatten(), nn.Linear(64, 10)])
    return channels_last(model)


def rearranging() -> nn.Module:
    from einops.layers.torch import Rearrange, Reduce

    return nn.Sequential(
        Rearrange("b c (h p) (w q) -> b (h w) (c p q)", p=7, q=7),
        nn.Linear(49, 12),
        nn.GELU(),
        Reduce("b patch feature -> b feature", "mean"),
        nn.Linear(12, 10),
    )


class Einsum(nn.Module):
    """Functions of einops in a forward of one's own."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(28, 10)

    def forward(self, images: Tensor) -> Tensor:
        from einops import einsum, rearrange

        rows = rearrange(images, "b 1 h w -> b h w")
        likeness = einsum(rows, rows, "b i w, b j w -> b i j").softmax(-1)
        scores: Tensor = self.head(einsum(likeness, rows, "b i j, b j w -> b w"))
        return scores


def file_of_package(package: str, file: str) -> ModuleType:
    """Returns one module of a package, without the rest, which needs torchvision."""
    found = importlib.util.find_spec(package)
    assert found is not None
    folders = found.submodule_search_locations
    assert folders is not None
    path = Path(folders[0], f"{file}.py")
    spec = importlib.util.spec_from_file_location(f"{package}_{file}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vit(name: str, file: str, **settings: Any) -> Any:
    def make() -> nn.Module:
        kind = getattr(file_of_package("vit_pytorch", file), name)
        sizes = {"image_size": 28, "patch_size": 7, "num_classes": 10, "channels": 1}
        made: nn.Module = kind(
            **sizes, dim=16, depth=2, heads=2, mlp_dim=16, dim_head=8, **settings
        )
        return made

    return make


class Anomalies(Watcher):
    """`set_detect_anomaly` for the fit."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        torch.autograd.set_detect_anomaly(True)

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        torch.autograd.set_detect_anomaly(False)


class Deterministic(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        torch.use_deterministic_algorithms(True)

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        torch.use_deterministic_algorithms(False)


def traced() -> nn.Module:
    return torch.fx.symbolic_trace(Perceptron())


ROWS = [
    Row(part="`nn.Sequential` of torch's layers", recordable=True),
    Row(part="a class typed at a prompt", make=typed),
    Row(part="weight tying", make=Tied, recordable=True),
    Row(
        part="`parametrizations.spectral_norm`",
        make=parametrized(parametrizations.spectral_norm),
    ),
    Row(part="`parametrizations.weight_norm`", make=parametrized(parametrizations.weight_norm)),
    Row(part="`parametrizations.orthogonal`", make=parametrized(parametrizations.orthogonal)),
    Row(part="`torch.nn.utils.prune` before the fit", make=pruned_before),
    Row(part="a model that is channels last already", make=laid_out_before, recordable=True),
    Row(part="an LSTM", make=Recurrent, recordable=True),
    Row(part="`nn.MultiheadAttention`", make=Attention, recipe=SGD, recordable=True),
    Row(part="`nn.TransformerEncoder`", make=Transformer, recipe=SGD),
    Row(part="a small residual network", make=resnet, recipe=SGD, recordable=True),
    Row(part="einops: layers", make=rearranging, needs=("einops",)),
    Row(part="einops: functions", make=Einsum, recordable=True, needs=("einops",)),
    Row(part="vit-pytorch: `ViT`", make=vit("ViT", "vit", dropout=0.1), needs=("vit_pytorch",)),
    Row(
        part="vit-pytorch: `SimpleViT`", make=vit("SimpleViT", "simple_vit"), needs=("vit_pytorch",)
    ),
    Row(part="`nn.DataParallel`", make=lambda: nn.DataParallel(perceptron())),
    Row(part="`torch.fx`: a traced model", make=traced),
    Row(part="`torch.autograd.set_detect_anomaly`", watcher=Anomalies),
    Row(part="`torch.use_deterministic_algorithms`", watcher=Deterministic),
]
