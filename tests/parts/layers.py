"""Models: layers of other packages, and everything that a `forward` may do."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from tests.parts.row import SGD, Row, Watcher, perceptron
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint


class Perceptron(nn.Module):
    """Two layers; those below differ in one line."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(784, 16)
        self.second = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.between(torch.relu(self.first(images.flatten(1))))
        scores: Tensor = self.second(hidden)
        return scores

    def between(self, hidden: Tensor) -> Tensor:
        return hidden


class NoGrad(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        with torch.no_grad():
            size = hidden.norm(dim=1, keepdim=True)
        return hidden / (1 + size)


class Casts(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden.double().square().float()


class Branches(Perceptron):
    """Python's control flow, decided by what is computed."""

    def between(self, hidden: Tensor) -> Tensor:
        for _ in range(2):
            if hidden.mean().item() > 0.3:
                hidden = hidden / 2
        return hidden


class EveryOther(Perceptron):
    """Python's control flow, decided by how often it was called."""

    calls = 0

    def between(self, hidden: Tensor) -> Tensor:
        self.calls += self.training
        return hidden * 2 if self.calls % 2 else hidden


class CountsInBuffer(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def between(self, hidden: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return hidden / self.calls.clamp(min=1)


class AveragesInBuffer(Perceptron):
    """A running mean that no state_dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(16), persistent=False)

    def between(self, hidden: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * hidden.detach().mean(0)
        return hidden - self.mean


class DropsFunctionally(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, 0.3, training=self.training)


class DrawsNoise(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden + 0.1 * torch.randn_like(hidden) if self.training else hidden


class Checkpoints(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        recomputed: Tensor = checkpoint(torch.tanh, hidden, use_reentrant=False)
        return recomputed


class Functional(Perceptron):
    """`torch.func`: the hidden layer's own derivative, image by image."""

    def between(self, hidden: Tensor) -> Tensor:
        slope = torch.func.vmap(torch.func.grad(lambda row: row.pow(3).sum()))(hidden)
        return hidden + slope


class Autocasts(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return functional.linear(hidden, self.second.weight.t() @ self.second.weight).float()


class WritesInPlace(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        return hidden.clone().mul_(2).clamp_(max=1)


class ChangesItsInput(Perceptron):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.sub_(0.5))


class Double(torch.autograd.Function):
    """A function with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor) -> Tensor:
        return hidden * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 3


class OwnGradient(Perceptron):
    def between(self, hidden: Tensor) -> Tensor:
        doubled: Tensor = Double.apply(hidden)
        return doubled


class Spectrum(Perceptron):
    """Complex numbers."""

    def between(self, hidden: Tensor) -> Tensor:
        return torch.fft.fft(hidden).abs()


class Sorts(Perceptron):
    """Shapes that depend on the data."""

    def between(self, hidden: Tensor) -> Tensor:
        positive = hidden[hidden > 0.2]
        return hidden + positive.mean() if len(positive) else hidden


class Experts(nn.Module):
    """Each image goes to one of two layers; some batches leave one without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(784, 10), nn.Linear(784, 10)])

    def forward(self, images: Tensor) -> Tensor:
        bright = images.flatten(1).mean(1) > 0.24
        scores = images.new_zeros(len(images), 10)
        for layer, mine in zip(self.layers, (bright, ~bright), strict=True):
            if mine.any():
                scores[mine] = layer(images[mine].flatten(1))
        return scores


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
        change(model[1])
        return model

    return make


def pruned_before() -> nn.Module:
    model = perceptron()
    prune.random_unstructured(model[1], "weight", amount=0.5)
    return model


def channels_last() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
    model.extend([nn.Flatten(), nn.Linear(64, 10)])
    return model.to(memory_format=torch.channels_last)


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
    Row(part="`with torch.no_grad()` in the model", make=NoGrad),
    Row(part="`.double()`, `.float()` in the model", make=Casts),
    Row(part="branches that depend on the data", make=Branches),
    Row(part="branches that depend on a counter", make=EveryOther),
    Row(part="a counter in a buffer", make=CountsInBuffer),
    Row(part="a running mean in a buffer that is replaced", make=AveragesInBuffer),
    Row(part="shapes that depend on the data", make=Sorts),
    Row(part="layers that some batches leave out", make=Experts),
    Row(part="`functional.dropout`", make=DropsFunctionally),
    Row(part="random numbers in the model", make=DrawsNoise),
    Row(part="`torch.utils.checkpoint`", make=Checkpoints),
    Row(part="`torch.func`", make=Functional),
    Row(part="`torch.autocast` to bfloat16 in the model", make=Autocasts),
    Row(part="operations in place", make=WritesInPlace),
    Row(part="a model that writes into its input", make=ChangesItsInput),
    Row(part="a `torch.autograd.Function` of one's own", make=OwnGradient),
    Row(part="complex numbers", make=Spectrum),
    Row(part="weight tying", make=Tied, recordable=True),
    Row(
        part="`parametrizations.spectral_norm`",
        make=parametrized(parametrizations.spectral_norm),
    ),
    Row(part="`parametrizations.weight_norm`", make=parametrized(parametrizations.weight_norm)),
    Row(part="`parametrizations.orthogonal`", make=parametrized(parametrizations.orthogonal)),
    Row(part="`torch.nn.utils.prune` before the fit", make=pruned_before),
    Row(part="a model that is channels last already", make=channels_last, recordable=True),
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
