"""The training that is interrupted: 64 images of noise, a network with 2,400 weights."""

from __future__ import annotations

import hashlib

import torch
from torch import nn
from torch.utils.data import TensorDataset

BATCH_SIZE = 8
EPOCHS = 3
STEPS_PER_EPOCH = 8
LEARNING_RATE = 1e-2
CLASSES = 10


def images() -> TensorDataset:
    """Returns float32 images (64, 1, 8, 8) and their labels, always the same."""
    generator = torch.Generator().manual_seed(0)
    count = BATCH_SIZE * STEPS_PER_EPOCH
    return TensorDataset(
        torch.rand(count, 1, 8, 8, generator=generator), torch.arange(count) % CLASSES
    )


def network(dropout: float) -> nn.Module:
    """Returns a classifier; its weights are drawn from torch's global generator."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, CLASSES)
    )


def digest(model: nn.Module) -> str:
    """Returns the SHA-256 of all weights."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
