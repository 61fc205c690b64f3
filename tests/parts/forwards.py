"""What a `forward` may do: control flow, buffers, random numbers, gradients of its own."""

from __future__ import annotations

from typing import Any

import torch
from tests.parts.row import Row
from torch import Tensor, nn
from torch.nn import functional
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
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def between(self, hidden: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return hidden / self.calls.clamp(min=1)


class AveragesInBuffer(Perceptron):
    """A running mean that no state_dict holds."""

    mean: Tensor

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


ROWS = [
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
]
