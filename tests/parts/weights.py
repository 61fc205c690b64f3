"""What people do with weights, gradients and modules in a callback."""

from __future__ import annotations

import copy
import io
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tests.parts.row import Row, Watcher, perceptron
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, prune, vector_to_parameters


class EachBatch(Watcher):
    """Does something with the model after each batch."""

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.found.append(self.look(model))

    def look(self, model: Any) -> Any:
        raise NotImplementedError


class SecondEpoch(Watcher):
    """Does something with the model when epoch 2 begins."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            self.change(model)

    def change(self, model: Any) -> None:
        raise NotImplementedError


class Vector(EachBatch):
    def look(self, model: Any) -> Tensor:
        return parameters_to_vector(model.parameters())


class MovesVector(SecondEpoch):
    def change(self, model: Any) -> None:
        vector = parameters_to_vector(model.parameters())
        vector_to_parameters(vector.detach() * 0.9, model.parameters())


class FlatGradients(EachBatch):
    def look(self, model: Any) -> Tensor:
        return torch.cat([p.grad.view(-1) for p in model.parameters()])


class AddsNoise(EachBatch):
    def look(self, model: Any) -> None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=1e-3)


class Prunes(SecondEpoch):
    def change(self, model: Any) -> None:
        prune.l1_unstructured(model[1], "weight", amount=0.5)


class PrunesAndRemoves(SecondEpoch):
    def change(self, model: Any) -> None:
        prune.random_unstructured(model[1], "weight", amount=0.5)
        prune.remove(model[1], "weight")


class SavesSafetensors(Watcher):
    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save_file(model.state_dict(), Path(folder, "weights.safetensors"))
            self.found.append(load_file(Path(folder, "weights.safetensors")))


class SavesTorch(Watcher):
    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        stream = io.BytesIO()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, stream)
        stream.seek(0)
        self.found.append(torch.load(stream))


class Copies(Watcher):
    """Keeps a copy of the model of each epoch."""

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        self.found.append(copy.deepcopy(model).state_dict())


class LiveViews(Watcher):
    """Takes views before the first step; in the end they show what was trained."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        self.found += [model.state_dict(), [p.data.view(-1) for p in model.parameters()]]
        self.found.append([p.detach()[:3] for p in model.parameters()])


class Evaluates(SecondEpoch):
    def change(self, model: Any) -> None:
        model[2].eval()


class ChangesRate(SecondEpoch):
    def change(self, model: Any) -> None:
        model[2].p = 0.1


class ReplacesParameter(SecondEpoch):
    """The optimizer goes on with the old one, as in any loop."""

    def change(self, model: Any) -> None:
        model[1].bias = nn.Parameter(torch.zeros(16))


class ReplacesData(SecondEpoch):
    def change(self, model: Any) -> None:
        model[1].weight.data = model[1].weight.detach().clone() * 0.5


class ReplacesModule(SecondEpoch):
    def change(self, model: Any) -> None:
        model[2] = nn.Tanh()


class ReplacesForward(SecondEpoch):
    """A method of the model is replaced while it runs."""

    def change(self, model: Any) -> None:
        model.forward = lambda images: model[3](torch.tanh(model[1](images.flatten(1))))


class ResetsLayer(SecondEpoch):
    def change(self, model: Any) -> None:
        model[1].reset_parameters()


class OwnGradients(SecondEpoch):
    """Puts gradients of its own where the next step clears them."""

    def change(self, model: Any) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)


def dropping() -> nn.Module:
    """Draws anew in each forward pass, so that one too many is seen."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Dropout(0.5), nn.Linear(16, 10))


ROWS = [
    Row(part="`parameters_to_vector` after each batch", watcher=Vector),
    Row(part="`vector_to_parameters` in a callback", watcher=MovesVector),
    Row(part="`p.grad.view(-1)` after each batch", watcher=FlatGradients),
    Row(part="noise added to the weights after each batch", watcher=AddsNoise),
    Row(part="`torch.nn.utils.prune` in a callback", watcher=Prunes),
    Row(part="`prune.remove` in a callback", watcher=PrunesAndRemoves),
    Row(part="`safetensors.torch.save_file` in a callback", watcher=SavesSafetensors),
    Row(part="`torch.save`, `torch.load` in a callback", watcher=SavesTorch),
    Row(part="`copy.deepcopy(model)` in a callback", watcher=Copies),
    Row(part="views of weights, taken before the fit", watcher=LiveViews),
    Row(part="`module.eval()` in epoch 2", make=dropping, watcher=Evaluates),
    Row(part="dropout's `p` changed in epoch 2", make=dropping, watcher=ChangesRate),
    Row(part="a parameter replaced in epoch 2", watcher=ReplacesParameter),
    Row(part="a parameter's `.data` replaced in epoch 2", watcher=ReplacesData),
    Row(part="a module replaced in epoch 2", watcher=ReplacesModule),
    Row(part="`model.forward` replaced in epoch 2", watcher=ReplacesForward),
    Row(part="a layer initialized anew in epoch 2", make=perceptron, watcher=ResetsLayer),
    Row(part="gradients written in a callback", watcher=OwnGradients),
]
